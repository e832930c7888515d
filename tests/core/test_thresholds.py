"""Goal: beyond the thresholds it takes three persons, whatever is proposed, and what
one person proposes on a day counts together.

Method: by hand: each threshold at and above it, approvals in every order, the day's sum
across midnight in India, beyond 64 bits, and out of the index.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from switch.codes import (
    AMOUNT_MAX,
    PROPOSAL_LIFE_NS,
    Kind,
    Result,
    RowFlag,
)
from tests.core.council import (
    ALPHA,
    BETA,
    BILLER,
    CENTRE,
    DAY_NS,
    GAMMA,
    HEAD,
    MAKER,
    OK,
    WALLET,
    Asked,
    Council,
    no_row,
    register,
    top_up,
)
from tests.records import (
    Row,
    ServiceRecord,
)
from tests.signing import Line, ThresholdsRecord

NOT_SIGNED, NOT_APPROVED = Result.NOT_SIGNED, Result.NOT_APPROVED
INVALID_RECORD = Result.INVALID_RECORD
LINES_MAX = 8_000
ITEM_MAX = 2_600_000
IST_NS = 19_800 * 10**9


@pytest.fixture
def council(tmp_path: Path) -> Iterator[Council]:
    made = Council(tmp_path / "ledger").begin(GAMMA, MAKER)
    yield made
    made.close()


# --- three ---------------------------------------------------------------------------

SINGLE, BATCH, DAY = 100, 250, 600


def with_thresholds(council: Council, *most: int) -> None:
    council.do(register(ThresholdsRecord(*(most or (SINGLE, BATCH, DAY))).pack()))


def needs_third(council: Council, asked: Asked) -> bool:
    return bool(council.ledger.row(asked.sequence).flags & RowFlag.THIRD)


def test_before_the_first_thresholds_two_are_enough(council: Council) -> None:
    assert not needs_third(council, council.propose(ALPHA, top_up(AMOUNT_MAX, b"U")))
    # And for these themselves; from then on it takes three to change them.
    with_thresholds(council)
    again = council.propose(ALPHA, register(ThresholdsRecord(1, 1, 1).pack()))
    assert needs_third(council, again)


@pytest.mark.parametrize(
    ("amounts", "third"),
    [
        ((SINGLE,), False),
        ((SINGLE + 1,), True),
        ((SINGLE, SINGLE, BATCH - 2 * SINGLE), False),
        ((SINGLE, SINGLE, BATCH - 2 * SINGLE + 1), True),
        ((1, SINGLE + 1), True),
    ],
)
def test_one_amount_and_all_of_them(
    council: Council, amounts: tuple[int, ...], third: bool
) -> None:
    with_thresholds(council, SINGLE, BATCH, 10**15)
    lines = [top_up(each, b"UTR%d" % n) for n, each in enumerate(amounts)]
    assert needs_third(council, council.propose(ALPHA, *lines)) is third


def test_three_persons(council: Council) -> None:
    with_thresholds(council)
    asked = council.propose(MAKER, top_up(SINGLE + 1, b"UTR"))
    assert council.ledger.row(asked.sequence).flags == RowFlag.TAIL | RowFlag.THIRD
    first = council.approve(BETA, asked)
    assert first.result == OK
    assert council.ledger.row(first.sequence).total == 0
    for checker in (BETA, ALPHA):
        told = council.commit(council.line(asked, 0, checker))[0]
        no_row(council, told, NOT_APPROVED)
    assert council.approve(BETA, asked).result == Result.SAME_PERSON
    council.catch_up()
    council.reopen()
    second = council.approve(ALPHA, asked)
    assert second.result == OK
    assert council.ledger.row(second.sequence).total == first.sequence
    told = council.approve(GAMMA, asked)
    assert (told.result, told.other) == (Result.ALREADY_APPROVED, second.sequence)
    # The last needed is who checked.
    no_row(council, council.commit(council.line(asked, 0, BETA))[0], NOT_APPROVED)
    done = council.commit(council.line(asked, 0, ALPHA))[0]
    assert done.result == OK
    told = council.withdraw(MAKER, asked)
    assert (told.result, told.other) == (Result.ALREADY_DONE, done.sequence)


def test_who_proposed_is_none_of_the_three(council: Council) -> None:
    with_thresholds(council)
    asked = council.propose(ALPHA, top_up(SINGLE + 1, b"UTR"))
    assert council.approve(ALPHA, asked).result == Result.SAME_PERSON
    assert council.approve(BETA, asked).result == OK
    assert council.approve(ALPHA, asked).result == Result.SAME_PERSON
    assert council.approve(GAMMA, asked).result == OK


def test_half_approved_it_can_be_withdrawn(council: Council) -> None:
    with_thresholds(council)
    asked = council.propose(ALPHA, top_up(SINGLE + 1, b"UTR"))
    assert council.approve(BETA, asked).result == OK
    gone = council.withdraw(ALPHA, asked)
    assert gone.result == OK
    told = council.approve(GAMMA, asked)
    assert (told.result, told.other) == (Result.PROPOSAL_WITHDRAWN, gone.sequence)
    assert council.withdraw(ALPHA, asked).result == Result.PROPOSAL_WITHDRAWN
    no_row(council, council.commit(council.line(asked, 0, BETA))[0], NOT_APPROVED)


def test_the_second_approval_is_in_time_too(council: Council) -> None:
    with_thresholds(council)
    asked = council.propose(ALPHA, top_up(SINGLE + 1, b"UTR"))
    assert council.approve(BETA, asked).result == OK
    council.now += PROPOSAL_LIFE_NS
    assert council.approve(GAMMA, asked).result == Result.PROPOSAL_EXPIRED


def test_thresholds_are_those_of_when_it_was_proposed(council: Council) -> None:
    before = council.propose(ALPHA, top_up(SINGLE + 1, b"UTR1"))
    with_thresholds(council)
    assert council.approve(BETA, before).result == OK
    assert council.commit(council.line(before, 0, BETA))[0].result == OK
    change = council.propose(ALPHA, register(ThresholdsRecord(1, 1, 1).pack()))
    assert council.approve(BETA, change).result == OK
    no_row(council, council.commit(council.line(change, 0, BETA))[0], NOT_APPROVED)
    assert council.approve(GAMMA, change).result == OK
    assert council.commit(council.line(change, 0, GAMMA))[0].result == OK
    assert needs_third(council, council.propose(ALPHA, top_up(2, b"UTR2")))


# --- a person's day ------------------------------------------------------------------


def to_midnight(council: Council, before_ns: int) -> None:
    """The next row comes so long before the next midnight in India."""
    day = (council.now + IST_NS) // DAY_NS
    council.now = (day + 1) * DAY_NS - IST_NS - before_ns


def test_what_a_person_proposes_on_a_day_is_added_up(council: Council) -> None:
    with_thresholds(council)
    to_midnight(council, 3_600 * 10**9)
    for number in range(DAY // SINGLE):
        asked = council.propose(MAKER, top_up(SINGLE, b"UTR%d" % number))
        assert not needs_third(council, asked)
    # Withdrawn or not, done or not; refused ones do not count, nor do others' own.
    assert council.withdraw(MAKER, asked).result == OK
    assert needs_third(council, council.propose(MAKER, top_up(1, b"MORE1")))
    assert not needs_third(council, council.propose(ALPHA, top_up(SINGLE, b"MORE2")))
    nothing = council.propose(MAKER, Line(Kind.FREEZE, debit=HEAD, reference=b"x"))
    assert needs_third(council, nothing)
    to_midnight(council, 1)
    row = council.proposal(MAKER, [top_up(1, b"MORE3")])
    assert council.commit(row, ns=0)[0].result == OK
    assert council.ledger.row(council.ledger.sequence).flags & RowFlag.THIRD
    row = council.proposal(MAKER, [top_up(SINGLE, b"MORE4")])
    assert council.commit(row, ns=1)[0].result == OK
    assert not council.ledger.row(council.ledger.sequence).flags & RowFlag.THIRD
    # What the index has is added up as what memory has.
    for number in range(20):
        council.propose(GAMMA, top_up(DAY // 20, b"PART%d" % number))
    council.catch_up()
    council.reopen()
    assert needs_third(council, council.propose(GAMMA, top_up(1, b"MORE5")))


def test_a_sum_beyond_64_bits(council: Council) -> None:
    with_thresholds(council, AMOUNT_MAX, AMOUNT_MAX, 2**64 - 1)
    for number in range(18):
        asked = council.propose(MAKER, top_up(AMOUNT_MAX, b"UTR%d" % number))
        assert not needs_third(council, asked)
    for number in range(3):
        asked = council.propose(MAKER, top_up(AMOUNT_MAX, b"MORE%d" % number))
        assert needs_third(council, asked)


@pytest.mark.parametrize("thresholds", [False, True])
def test_a_person_proposes_256_times_on_a_day(
    council: Council, thresholds: bool
) -> None:
    if thresholds:
        with_thresholds(council, SINGLE, BATCH, 256 * 2)
    to_midnight(council, 3_600 * 10**9)
    rows = [council.proposal(MAKER, [top_up(2, b"U%d" % n)]) for n in range(258)]
    told = council.commit(*rows)
    assert [each.result for each in told] == [OK] * 256 + [
        Result.DAY_COUNT_EXCEEDED
    ] * 2
    assert told[-1].sequence > 0
    council.catch_up()
    council.reopen()
    row = council.proposal(MAKER, [top_up(2, b"NO")])
    assert council.commit(row)[0].result == Result.DAY_COUNT_EXCEEDED
    asked = council.propose(ALPHA, top_up(2, b"YES"))
    assert council.approve(BETA, asked).result == OK
    to_midnight(council, 0)
    council.propose(MAKER, top_up(2, b"NEXT"))


# --- of all else that is proposed ----------------------------------------------------


def test_what_two_people_wanted_before_is_signed_too(council: Council) -> None:
    """A refund of a ledger with people, and above the thresholds by three."""
    council.do(
        top_up(1_000, b"UTR"), register(ServiceRecord(b"WATER", BILLER, (HEAD,)).pack())
    )
    with_thresholds(council, SINGLE, BATCH, 10**15)
    paid = council.ask(
        Kind.PAY,
        participant=CENTRE,
        amount=500,
        total=500,
        debit=WALLET,
        service=1,
        reference=b"BILL-1",
    )
    assert paid.result == OK
    given = {"total": Kind.REFUND, "resolves": paid.sequence, "reference": b"twice"}
    for amount, third in ((SINGLE, False), (SINGLE + 1, True)):
        row = Row(Kind.PROPOSE, id=council.id(), participant=1, operator_=7)
        for name, value in {**given, "amount": amount}.items():
            setattr(row, name, value)
        no_row(council, council.commit(row)[0], NOT_SIGNED)
        row = council.sign(row, ALPHA)
        [told] = council.commit(row)
        asked = Asked(row, told.sequence, ALPHA)
        assert needs_third(council, asked) is third
        hashed = hashlib.blake2b(b"refund" + row.id, digest_size=32).digest()
        refund = Row(
            Kind.REFUND,
            id=hashed[:16],
            amount=amount,
            resolves=paid.sequence,
            participant=1,
            operator_=7,
            checker=BETA.participant,
            total=told.sequence,
        )
        no_row(council, council.commit(refund)[0], NOT_APPROVED)
        assert council.approve(BETA, asked).result == OK
        if third:
            no_row(council, council.commit(refund)[0], NOT_APPROVED)
            assert council.approve(GAMMA, asked).result == OK
            no_row(council, council.commit(refund)[0], NOT_APPROVED)
            refund.checker = GAMMA.participant
        assert council.commit(refund)[0].result == OK
