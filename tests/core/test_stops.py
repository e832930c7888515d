"""Goal: one person stops something or somebody at once, and nothing else; another looks
at it; two who may approve always stay; all of it is known after an opening.

Method: by hand, with keys and signatures of `cryptography`; a ledger whose index has
steps of 16 rows, opened again; journals that no ledger of ours has written.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from switch._core import Ledger
from switch.codes import (
    PROPOSAL_LIFE_NS,
    RULES_VERSION,
    Field,
    Kind,
    Record,
    Result,
    RowFlag,
)
from switch.errors import CorruptionError
from tests.audit.journal_writer import Row as Written
from tests.audit.journal_writer import write_journal
from tests.core.cashier import beneficiary
from tests.core.council import (
    ALPHA,
    BETA,
    BILLER,
    CENTRE,
    EVERYBODY,
    GAMMA,
    HEAD,
    MAKER,
    OK,
    OPTIONS,
    SUPPORT,
    SUSPENSE,
    WALLET,
    Asked,
    Council,
    Person,
    freeze,
    no_row,
    participant,
    register,
    switched_off,
    top_up,
)
from tests.core.network import NOW
from tests.records import (
    Row,
    ServiceRecord,
    ShiftRecord,
    confirmation,
    margin,
    revocation,
)
from tests.signing import (
    Line,
    PersonRecord,
    ThresholdsRecord,
    public_key,
)

NOT_SIGNED, NOT_APPROVED = Result.NOT_SIGNED, Result.NOT_APPROVED
NOT_FOUND, SAME_PERSON = Result.PROPOSAL_NOT_FOUND, Result.SAME_PERSON
LAST = Result.LAST_TREASURIES
PEOPLE_MAX = 4_096


@pytest.fixture
def council(tmp_path: Path) -> Iterator[Council]:
    """Everybody."""
    made = Council(tmp_path / "ledger").begin(*EVERYBODY)
    yield made
    made.close()


# --- stops ---------------------------------------------------------------------------


def service(**other: Any) -> ServiceRecord:
    return ServiceRecord(b"WATER", BILLER, (HEAD,), **other)


def test_one_stops_at_once(council: Council) -> None:
    council.do(register(service().pack()))
    freeze(council, MAKER)
    switched_off(council, ALPHA, service(active=0).pack())
    switched_off(council, ALPHA, participant(CENTRE, active=0) + b'{"reason":"left"}')
    assert int(council.ledger.account(WALLET)[0]["state"]) == 2


def test_what_does_more_than_to_stop_is_proposed(council: Council) -> None:
    council.do(register(service().pack()))
    for tail in (
        participant(CENTRE, active=0, role=2),
        participant(CENTRE, active=0, may_state_dues=0),
        participant(CENTRE, active=0, never_credits_late=0),
        participant(CENTRE, may_state_dues=0),
        service(active=0, amount_max=5).pack(),
        service(amount_max=5).pack(),
        MAKER.record(active=0, key=77),
        MAKER.record(key=77),
        Person(MAKER.participant, MAKER.number, MAKER.key).record(active=0),
        participant(CENTRE),
        MAKER.record(),
    ):
        told = council.ask(Kind.REGISTER, who=ALPHA, tail=tail)
        no_row(council, told, NOT_APPROVED)
    # What is off already is not stopped again.
    switched_off(council, ALPHA, MAKER.record(active=0))
    told = council.ask(Kind.REGISTER, who=ALPHA, tail=MAKER.record(active=0))
    no_row(council, told, NOT_APPROVED)
    told = council.ask(
        Kind.FREEZE,
        who=ALPHA,
        debit=WALLET,
        reference=b"found",
        flags=RowFlag.UNFREEZE,
    )
    no_row(council, told, NOT_APPROVED)


def test_a_stop_without_a_signature(council: Council) -> None:
    for tail in (participant(CENTRE, active=0), MAKER.record(active=0)):
        for item in (tail, tail + bytes(63), tail + bytes(64)):
            row = council.row(
                Kind.REGISTER, tail=item, participant=1, operator_=ALPHA.number
            )
            no_row(council, council.commit(row)[0], NOT_SIGNED)
    row = council.row(Kind.FREEZE, debit=WALLET, reference=b"lost", operator_=7)
    no_row(council, council.commit(row)[0], NOT_SIGNED)


def test_a_stop_is_approved_by_another(council: Council) -> None:
    stops = [
        freeze(council, MAKER),
        switched_off(council, MAKER, participant(CENTRE, active=0)),
        switched_off(council, MAKER, SUPPORT.record(active=0)),
    ]
    for stop in stops:
        no_row(council, council.approve(MAKER, stop), NOT_SIGNED)
        assert council.approve(BETA, stop, reference=bytes(32)).result == NOT_FOUND
        told = council.approve(BETA, stop)
        assert told.result == OK
        assert council.ledger.link(stop.sequence, 0) == told.sequence
        told = council.approve(ALPHA, stop)
        assert (told.result, told.other) == (
            Result.ALREADY_APPROVED,
            council.ledger.link(stop.sequence, 0),
        )
        assert council.withdraw(ALPHA, stop).result == NOT_FOUND
    # It is open for as long as it takes.
    late = freeze(council, GAMMA, HEAD)
    council.now += 2 * PROPOSAL_LIFE_NS
    assert council.approve(GAMMA, late).result == SAME_PERSON
    assert council.approve(BETA, late).result == OK


def test_what_is_no_stop_is_not_approved(council: Council) -> None:
    council.do(
        Line(Kind.FREEZE, debit=WALLET, reference=b"lost"),
        register(participant(CENTRE, active=0)),
        register(MAKER.record(active=0)),
        Line(Kind.FREEZE, debit=SUSPENSE, reference=b"ok", flags=RowFlag.UNFREEZE),
    )
    last = council.ledger.sequence
    for sequence in range(last - 3, last + 1):
        entry = council.ledger.row(sequence)
        row = Row(
            entry.kind,
            id=entry.id,
            reference=entry.reference,
            debit=entry.debit,
            participant=1,
            operator_=ALPHA.number,
            flags=entry.flags & RowFlag.UNFREEZE,
            tail=council.ledger.tail(sequence) + bytes(64),
        )
        told = council.approve(BETA, Asked(row, sequence, ALPHA))
        assert told.result == NOT_FOUND
    asked = council.propose(ALPHA, top_up(5, b"UTR"))
    row = council.approval(BETA, asked)
    approval = Asked(row, council.commit(row)[0].sequence, BETA)
    assert council.approve(GAMMA, approval).result == NOT_FOUND
    asked = council.propose(ALPHA, top_up(5, b"UTR"))
    row = council.row(
        Kind.WITHDRAW, who=ALPHA, resolves=asked.sequence, reference=b"no"
    )
    withdrawal = Asked(row, council.commit(row)[0].sequence, ALPHA)
    assert council.approve(GAMMA, withdrawal).result == NOT_FOUND
    for sequence in (1, 6, 9, last + 50, 0):
        told = council.approve(BETA, Asked(Row(Kind.PROPOSE), sequence, ALPHA))
        assert told.result == NOT_FOUND


def test_a_shift_is_approved_without_a_signature(council: Council) -> None:
    record = ShiftRecord(5).pack()
    told = council.ask(
        Kind.SHIFT, participant=CENTRE, debit=WALLET, operator_=5, tail=record
    )
    assert told.result == OK
    given: dict[str, Any] = {"resolves": told.sequence, "participant": CENTRE}
    given["operator_"] = 6
    assert council.ask(Kind.APPROVE, reference=b"x", **given).result == NOT_FOUND
    assert council.ask(Kind.APPROVE, **{**given, "operator_": 5}).result == SAME_PERSON
    assert council.ask(Kind.APPROVE, **given).result == OK


def test_what_needs_no_proposal(council: Council) -> None:
    """Certificates that are no longer good, the clock, the rules, the margins."""
    word = {"tail": revocation(3, b"a" * 32, b"7")}
    told = council.ask(Kind.REGISTER, who=ALPHA, **word)
    assert told.result == OK
    word = {"tail": confirmation(told.index)}
    assert council.ask(Kind.REGISTER, who=BETA, **word).result == OK
    assert council.ask(Kind.REGISTER, tail=bytes([Record.CLOCK]) + b"{}").result == OK
    rules = bytes([Record.RULES, 0, 0, 0]) + RULES_VERSION.to_bytes(4, "little")
    assert council.ask(Kind.REGISTER, tail=rules).result == OK
    assert council.ask(Kind.REGISTER, tail=margin(60_000), participant=0).result == OK
    told = council.ask(Kind.REGISTER, who=ALPHA, tail=margin(60_000))
    assert told.result == Result.INVALID_RECORD


# --- two stay ------------------------------------------------------------------------


def test_two_who_may_approve_stay(tmp_path: Path) -> None:
    council = Council(tmp_path / "ledger").begin()
    for tail in (
        ALPHA.record(active=0),
        BETA.record(active=0),
        participant(1, active=0),
        participant(2, active=0),
    ):
        told = council.ask(Kind.REGISTER, who=ALPHA, tail=tail)
        assert (told.result, told.sequence) == (LAST, council.ledger.sequence)
    less = Person(ALPHA.participant, ALPHA.number, ALPHA.key, MAKER.role)
    for tail in (less.record(), participant(2, role=4)):
        asked = council.propose(ALPHA, register(tail))
        assert council.approve(BETA, asked).result == OK
        no_row(council, council.lines(asked, 1, BETA)[0], LAST)
    # Another key is no loss; with a third one may go.
    assert council.do(register(BETA.record(key=22)))[0].result == OK
    council.do(register(BETA.record()), checker=Person(2, 7, 22))
    council.do(register(GAMMA.record()))
    # One's participant has two of them.
    told = council.ask(Kind.REGISTER, who=BETA, tail=participant(1, active=0))
    assert told.result == LAST
    switched_off(council, BETA, ALPHA.record(active=0))
    told = council.ask(Kind.REGISTER, who=BETA, tail=GAMMA.record(active=0))
    assert told.result == LAST
    council.close()


def test_one_of_another_role_does_not_count(council: Council) -> None:
    """Nor does one who is off, or whose participant is."""
    council.do(register(Person(CENTRE, 1, 40).record()))
    council.do(register(Person(3, 1, 41).record()))
    switched_off(council, ALPHA, participant(3, active=0))
    switched_off(council, ALPHA, GAMMA.record(active=0))
    for tail in (BETA.record(active=0), participant(2, active=0)):
        told = council.ask(Kind.REGISTER, who=ALPHA, tail=tail)
        assert told.result == LAST


# --- opened again --------------------------------------------------------------------


@pytest.mark.parametrize("behind", [0, 5])
def test_all_of_it_is_known_when_the_ledger_is_opened(
    council: Council, behind: int
) -> None:
    """By what the index has, and by what it has not."""
    council.do(register(ThresholdsRecord(100, 200, 300).pack()))
    switched_off(council, ALPHA, SUPPORT.record(active=0))
    council.do(register(MAKER.record(key=404)))
    half = council.propose(ALPHA, top_up(101, b"HALF"))
    assert council.approve(BETA, half).result == OK
    while (council.ledger.sequence - behind) % 16:
        council.withdraw(ALPHA, half, resolves=1)
    before = [each.tobytes() for each in council.ledger.people()]
    for turn in range(3):
        council.catch_up()
        council.reopen()
        assert [each.tobytes() for each in council.ledger.people()] == before
        assert council.ledger.thresholds() == (100, 200, 300)
        row = council.proposal(SUPPORT, [top_up(1, b"UTR")])
        no_row(council, council.commit(row)[0], NOT_SIGNED)
        old = council.proposal(MAKER, [top_up(1, b"OLD%d" % turn)])
        no_row(council, council.commit(old)[0], NOT_SIGNED)
        new = Person(MAKER.participant, MAKER.number, 404, MAKER.role)
        council.propose(new, top_up(1, b"NEW%d" % turn))
        assert council.approve(BETA, half).result == SAME_PERSON
    assert council.approve(GAMMA, half).result == OK
    council.catch_up()
    council.reopen()
    assert council.lines(half, 1, GAMMA)[0].result == OK


def test_what_was_switched_off_before_people_is_no_stop(tmp_path: Path) -> None:
    """Nor when the index has no row of anybody that is as old as the first."""
    council = Council(tmp_path / "ledger")
    for index in range(1, 4):
        assert council.ask(Kind.REGISTER, tail=participant(index)).result == OK
    before = council.row(Kind.REGISTER, tail=participant(3, active=0) + b"x" * 80)
    [told] = council.commit(before)
    council.begin()
    new = [
        Person(each.participant, each.number, 90 + each.key) for each in (ALPHA, BETA)
    ]
    council.do(*(register(each.record()) for each in new))
    while council.ledger.sequence % 16:
        council.withdraw(new[0], Asked(before, 1, ALPHA))
    council.catch_up()
    council.reopen()
    assert council.ledger.index_sequence == council.ledger.sequence
    assert min(council.ledger.people()[1][1:]) > told.sequence + 7
    for _ in range(2):
        assert council.commit(before)[0].repeat == 1
        other = before.copy()
        other.tail = participant(3, active=0) + b"x" * 79 + b"y"
        [again] = council.commit(other)
        assert (again.result, again.field) == (Result.ID_REUSED, Field.REFERENCE)
        asked = Asked(before, told.sequence, ALPHA)
        assert council.approve(new[1], asked).result == NOT_FOUND
    council.close()


def test_what_is_not_durable_is_not_told(council: Council) -> None:
    assert council.ledger.thresholds() is None
    assert council.ledger.records(Record.THRESHOLDS).tolist() == [0]
    assert len(council.ledger.people()[0]) == 7
    with pytest.raises(ValueError, match="no list"):
        council.ledger.records(16)


# --- journals that no ledger of ours has written -------------------------------------


def written(path: Path, *tails: tuple[bytes, int]) -> Path:
    """A journal of register rows with such numbers."""
    rows = [
        Written(
            Kind.REGISTER,
            id=at.to_bytes(16, "big"),
            sequence=at,
            timestamp=NOW + at,
            debit=number,
            tail=tail,
        )
        for at, (tail, number) in enumerate(tails, 1)
    ]
    write_journal(path, [[row] for row in rows])
    return path


WILD = [
    (PersonRecord(2**32 - 1, 1, public_key(1)).pack(), 1),
    (PersonRecord(2**20, 1, public_key(1)).pack(), 1),
    (ALPHA.record(), 0),
    (ALPHA.record(), PEOPLE_MAX),
    (ALPHA.record(), 2**32 - 1),
    (ALPHA.record()[:47], 1),
    (ThresholdsRecord(1, 2, 3).pack()[:31], 1),
    (ThresholdsRecord(1, 2, 3).pack(), 0),
    (ThresholdsRecord(1, 2, 3).pack(), 2),
    (beneficiary(2**32 - 1), 1),
    (beneficiary(2**21), 1),
    (beneficiary(HEAD), 0),
    (beneficiary(HEAD), 2**16),
    (beneficiary(HEAD), 2**32 - 1),
    (beneficiary(HEAD)[:63], 1),
]


@pytest.mark.parametrize("wild", WILD, ids=range(len(WILD)))
@pytest.mark.parametrize("count", [1, 16])
def test_a_wild_row_is_not_followed(
    tmp_path: Path, wild: tuple[bytes, int], count: int
) -> None:
    rest = [(participant(1), 1)] * (count - 1)
    path = written(tmp_path, wild, *rest)
    with pytest.raises(CorruptionError):
        Ledger(str(path), create=False, **OPTIONS, index_step_rows=16)


def test_beneficiaries_with_gaps_between_them(tmp_path: Path) -> None:
    """Numbers given to several accounts and to none, accounts that are none."""
    path = written(
        tmp_path,
        (participant(1), 1),
        (beneficiary(HEAD), 2**16 - 1),
        (beneficiary(7), 3),
        (beneficiary(8), 3),
        (beneficiary(2**21 - 1, active=200), 3),
        (beneficiary(7, b"\0\xff"), 9),
    )
    council = Council(path, create=False)
    rows = council.ledger.records(Record.BENEFICIARY)
    assert (len(rows), rows[3], rows[9], rows[-1]) == (2**16, 5, 6, 2)
    for resolves in (2, 3, 5, 6):
        told = council.ask(
            Kind.TRANSFER,
            amount=1,
            resolves=resolves,
            debit=3,
            credit=4,
            reference=b"x",
        )
        no_row(council, told, NOT_APPROVED)
    council.close()


def test_people_with_gaps_between_them(tmp_path: Path) -> None:
    """Numbers given to several and to nobody: it opens, looks up and ends."""
    path = written(
        tmp_path,
        (participant(1), 1),
        (ALPHA.record(), PEOPLE_MAX - 1),
        (PersonRecord(0, 0, bytes(32), role=200, active=200).pack(), 7),
        (BETA.record(), 8),
        (BETA.record(), 9),
        (ALPHA.record(), 8),
    )
    council = Council(path, create=False)
    assert len(council.ledger.people()[0]) == PEOPLE_MAX
    row = council.row(Kind.PROPOSE, total=Kind.REFUND, amount=1, reference=b"x")
    for who in ((0, 0), (1, 7), (2, 7), (2**32 - 1, 7)):
        row.participant, row.operator_ = who
        row.id, row.tail = council.id(), bytes(64)
        no_row(council, council.commit(row)[0], NOT_SIGNED)
    council.close()
