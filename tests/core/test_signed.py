"""Goal: in a ledger with people nothing is proposed, approved or taken back without the
signature of a person who is registered and may do it.

Method: each rule by hand, with keys and signatures of `cryptography`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from switch.codes import (
    Field,
    Kind,
    PersonRole,
    Result,
    RowFlag,
)
from tests.core.council import (
    ALPHA,
    AUDITOR,
    BETA,
    BILLER,
    CENTRE,
    EVERYBODY,
    GAMMA,
    HEAD,
    MAKER,
    OK,
    SUPPORT,
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
from tests.records import (
    AccountRecord,
    Row,
)
from tests.signing import (
    Line,
    PersonRecord,
    ThresholdsRecord,
    hash_of,
    public_key,
    row_hash,
)

NOT_SIGNED, NOT_APPROVED = Result.NOT_SIGNED, Result.NOT_APPROVED
NOT_FOUND, SAME_PERSON = Result.PROPOSAL_NOT_FOUND, Result.SAME_PERSON
LAST = Result.LAST_TREASURIES
PEOPLE_MAX = 4_096


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Council]:
    """Nobody yet, but for five participants."""
    council = Council(tmp_path / "ledger")
    for index in range(1, 6):
        assert council.ask(Kind.REGISTER, tail=participant(index)).index == index
    yield council
    council.close()


@pytest.fixture
def council(tmp_path: Path) -> Iterator[Council]:
    """Everybody."""
    made = Council(tmp_path / "ledger").begin(*EVERYBODY)
    yield made
    made.close()


# --- who is registered ---------------------------------------------------------------


def test_the_first_two_need_nobody(empty: Council) -> None:
    people = [ALPHA, BETA]
    for number, person in enumerate(people, 1):
        told = empty.ask(Kind.REGISTER, tail=person.record() + b'{"name":"x"}')
        assert (told.result, told.index) == (OK, number)
        assert empty.ledger.row(told.sequence).flags == RowFlag.TAIL
    # The third comes right behind them, or is proposed.
    empty.ask(Kind.WITHDRAW, who=ALPHA, resolves=1, reference=b"nothing")
    no_row(empty, empty.ask(Kind.REGISTER, tail=GAMMA.record()), NOT_APPROVED)
    found, sequences = empty.ledger.people()
    assert found["key"].tobytes() == bytes(32) + public_key(1) + public_key(2)
    assert found["participant"].tolist() == [0, 1, 2]
    assert sequences.tolist() == [0, 6, 7]
    assert empty.do(register(GAMMA.record()))[0].index == 3


@pytest.mark.parametrize(
    "tail",
    [
        MAKER.record(),
        AUDITOR.record(),
        ALPHA.record(active=0),
        PersonRecord(1, 7, public_key(1), role=1).pack(),
    ],
)
def test_the_first_two_are_active_checkers(empty: Council, tail: bytes) -> None:
    for _ in range(2):
        assert empty.ask(Kind.REGISTER, tail=tail).result == Result.RULE_FIXED
        assert len(empty.ledger.people()[0]) < 3
        empty.ask(Kind.REGISTER, tail=BETA.record())


def test_the_first_may_be_put_right_while_it_is_alone(empty: Council) -> None:
    assert empty.ask(Kind.REGISTER, tail=ALPHA.record(key=9)).index == 1
    told = empty.ask(Kind.REGISTER, tail=ALPHA.record())
    assert (told.result, told.index) == (OK, 1)
    assert empty.ledger.row(told.sequence).flags == RowFlag.TAIL | RowFlag.UPDATE
    assert empty.ask(Kind.REGISTER, tail=BETA.record(key=9)).index == 2
    no_row(empty, empty.ask(Kind.REGISTER, tail=BETA.record()), NOT_APPROVED)


def test_a_ledger_that_has_accounts_has_no_people(empty: Council) -> None:
    assert empty.ask(Kind.OPEN, tail=AccountRecord(1, 0, 3).pack()).index == 1
    told = empty.ask(Kind.REGISTER, tail=ALPHA.record())
    assert told.result == Result.RULE_FIXED
    assert empty.ask(Kind.FREEZE, debit=1, reference=b"lost").result == OK


def test_no_account_before_the_second(empty: Council) -> None:
    assert empty.ask(Kind.REGISTER, tail=ALPHA.record()).result == OK
    record = AccountRecord(1, 0, 3).pack()
    no_row(empty, empty.ask(Kind.OPEN, tail=record), NOT_APPROVED)
    asked = empty.propose(ALPHA, Line(Kind.OPEN, tail=record))
    assert empty.approve(ALPHA, asked).result == SAME_PERSON
    no_row(empty, empty.commit(empty.line(asked, 0, ALPHA))[0], NOT_APPROVED)


WRONG_RECORDS = [
    ALPHA.record()[:47],
    PersonRecord(0, 7, public_key(1)).pack(),
    PersonRecord(1, 0, public_key(1)).pack(),
    PersonRecord(1, 7, bytes(32)).pack(),
    PersonRecord(1, 7, public_key(1), role=0).pack(),
    PersonRecord(1, 7, public_key(1), role=7).pack(),
    PersonRecord(1, 7, public_key(1), role=PersonRole.RECOVERER, bank=1).pack(),
    PersonRecord(1, 7, public_key(1), active=2).pack(),
    *(
        ALPHA.record()[:at] + b"\1" + ALPHA.record()[at + 1 :]
        for at in (3, 12, 13, 14, 15)
    ),
    ThresholdsRecord(1, 2, 3).pack()[:31],
    *(
        ThresholdsRecord(1, 2, 3).pack()[:at] + b"\1" + bytes(31 - at)
        # From 4 on is how long a beneficiary waits: 2^24 s are too long.
        for at in (2, 3, 7)
    ),
    ThresholdsRecord(1, 2, 3, wait_days=22).pack(),
    bytes([15]) + bytes(63),
]


@pytest.mark.parametrize("tail", WRONG_RECORDS, ids=range(len(WRONG_RECORDS)))
def test_a_record_that_is_none(empty: Council, tail: bytes) -> None:
    no_row(empty, empty.ask(Kind.REGISTER, tail=tail), Result.INVALID_RECORD)


def test_a_key_is_one_persons(council: Council) -> None:
    other = Person(1, 77, BETA.key)
    asked = council.propose(ALPHA, register(other.record()))
    told = council.lines(asked, 1, council.have_approved(asked))[0]
    no_row(council, told, SAME_PERSON)
    # Of one who is off, too; a person may have the same key as before.
    switched_off(council, ALPHA, MAKER.record(active=0))
    asked = council.propose(ALPHA, register(Person(1, 77, MAKER.key).record()))
    last = council.have_approved(asked)
    no_row(council, council.lines(asked, 1, last)[0], SAME_PERSON)
    assert council.do(register(MAKER.record()))[0].index == 4
    # The key that one has had is free.
    assert council.do(register(MAKER.record(key=44)))[0].index == 4
    assert council.do(register(Person(1, 77, MAKER.key).record()))[0].index == 7


def test_nobody_is_registered_for_nobody(council: Council) -> None:
    asked = council.propose(ALPHA, register(Person(6, 1, 9).record()))
    told = council.lines(asked, 1, council.have_approved(asked))[0]
    no_row(council, told, Result.PARTICIPANT_UNKNOWN)


def test_a_full_table_takes_no_other(tmp_path: Path) -> None:
    council = Council(tmp_path / "ledger", index_step_rows=1024)
    others = [
        # Who approves more comes by three alone, one by one.
        Person(1, 100 + n, 100 + n, PersonRole.CHECKER if n == 0 else PersonRole.MAKER)
        for n in range(PEOPLE_MAX - 3)
    ]
    council.begin(others[0])
    for at in range(1, len(others), 2_000):
        told = council.do(
            *(register(each.record()) for each in others[at : at + 2_000]),
            third=others[0],
        )
    assert told[-1].index == PEOPLE_MAX - 1
    for _ in range(2):
        asked = council.propose(others[-1], register(Person(2, 99, 99).record()))
        told = council.lines(asked, 1, council.have_approved(asked, BETA, ALPHA))
        no_row(council, told[0], Result.TABLE_FULL)
        # Who is there changes still.
        change = register(others[1].record(key=99_999))
        assert council.do(change, third=others[0])[0].index == 4
        council.catch_up()
        council.reopen()
    assert len(council.ledger.people()[0]) == PEOPLE_MAX
    council.close()


# --- who may sign what ---------------------------------------------------------------


def test_who_may_propose(council: Council) -> None:
    for who in (ALPHA, BETA, GAMMA, MAKER):
        council.propose(who, top_up(1, b"UTR-%d" % who.key))
    nobody = Person(1, 99, 99)
    for who in (SUPPORT, AUDITOR, nobody, Person(2, 8, GAMMA.key)):
        row = council.proposal(who, [top_up(1, b"UTR-%d" % who.key)])
        no_row(council, council.commit(row)[0], NOT_SIGNED)


def test_who_may_approve(council: Council) -> None:
    asked = council.propose(MAKER, top_up(1, b"UTR"))
    for who in (MAKER, SUPPORT, AUDITOR, Person(1, 99, 99)):
        no_row(council, council.approve(who, asked), NOT_SIGNED)
    assert council.approve(GAMMA, asked).result == OK


def test_who_may_withdraw(council: Council) -> None:
    asked = council.propose(ALPHA, top_up(1, b"UTR"))
    for who in (SUPPORT, AUDITOR, Person(1, 99, 99)):
        no_row(council, council.withdraw(who, asked), NOT_SIGNED)
    assert council.withdraw(MAKER, asked).result == OK
    assert council.approve(BETA, asked).result == Result.PROPOSAL_WITHDRAWN


def test_who_may_stop(council: Council) -> None:
    for who in (SUPPORT, AUDITOR, Person(1, 99, 99)):
        told = council.ask(Kind.FREEZE, who=who, debit=WALLET, reference=b"lost")
        no_row(council, told, NOT_SIGNED)
    for who in (MAKER, GAMMA):
        freeze(council, who)


def test_who_is_switched_off_signs_nothing(council: Council) -> None:
    switched_off(council, ALPHA, GAMMA.record(active=0))
    row = council.proposal(GAMMA, [top_up(1, b"UTR")])
    no_row(council, council.commit(row)[0], NOT_SIGNED)
    assert council.do(register(GAMMA.record()))[0].result == OK
    assert council.commit(row)[0].result == OK


def test_nor_does_one_whose_participant_is(council: Council) -> None:
    council.do(register(Person(3, 12, 12).record()))
    council.propose(Person(3, 12, 12), top_up(1, b"UTR1"))
    switched_off(council, ALPHA, participant(3, active=0))
    row = council.proposal(Person(3, 12, 12), [top_up(1, b"UTR2")])
    no_row(council, council.commit(row)[0], NOT_SIGNED)


@pytest.mark.parametrize("own", [CENTRE, BILLER])
def test_nor_does_one_of_another_role(council: Council, own: int) -> None:
    other = Person(own, 3, 30)
    council.do(register(other.record()))
    row = council.proposal(other, [top_up(1, b"UTR")])
    no_row(council, council.commit(row)[0], NOT_SIGNED)


# --- what a signature is of ----------------------------------------------------------


def test_a_signature_is_of_all_that_is_asked_for(council: Council) -> None:
    def row() -> Row:
        return council.proposal(ALPHA, [top_up(5, b"UTR")])

    changed = {
        "id": council.id(),
        "reference": b"another",
        "operator_": GAMMA.number,
        "participant": BETA.participant,
    }
    for name, value in changed.items():
        other = row()
        setattr(other, name, value)
        no_row(council, council.commit(other)[0], NOT_SIGNED)
    for at in (-1, -64):
        other = row()
        spoilt = bytearray(other.tail or b"")
        spoilt[at] ^= 1
        other.tail = bytes(spoilt)
        no_row(council, council.commit(other)[0], NOT_SIGNED)
    for other in (row(), row()):
        # Another line, of the same amount: what is signed has another hash.
        other.tail = (other.tail or b"").replace(b"UTR", b"UTS")
        no_row(council, council.commit(other)[0], NOT_SIGNED)
    for tail in (None, b"x" * 63):
        told = council.ask(
            Kind.WITHDRAW,
            resolves=1,
            reference=b"no",
            participant=1,
            operator_=ALPHA.number,
            tail=tail,
        )
        no_row(council, told, NOT_SIGNED)
    assert council.commit(row())[0].result == OK


def test_each_field_of_an_approval_is_signed(council: Council) -> None:
    one = council.propose(ALPHA, top_up(5, b"UTR1"))
    two = council.propose(ALPHA, top_up(5, b"UTR2"))
    row = council.approval(BETA, one)
    for name, value in (
        ("resolves", two.sequence),
        ("reference", hash_of(two.row, council.ledger.instance)),
        ("id", council.id()),
        ("operator_", MAKER.number),
        ("participant", 1),
    ):
        other = row.copy()
        setattr(other, name, value)
        no_row(council, council.commit(other)[0], NOT_SIGNED)
    assert council.commit(row)[0].result == OK


def test_what_another_ledger_signed_is_not_signed_here(
    council: Council, tmp_path: Path
) -> None:
    twin = Council(tmp_path / "twin").begin(*EVERYBODY)
    row = twin.proposal(ALPHA, [top_up(5, b"UTR")])
    no_row(council, council.commit(row)[0], NOT_SIGNED)
    assert twin.commit(row)[0].result == OK
    asked = council.propose(ALPHA, top_up(5, b"UTR"), id_=council.id())
    told = Asked(asked.row, asked.sequence, ALPHA)
    foreign = twin.approval(BETA, told)
    no_row(council, council.commit(foreign)[0], NOT_SIGNED)
    twin.close()


def test_the_example_of_the_page(council: Council) -> None:
    """The hash that tests have is what the core has: what is before the signature."""
    row = council.row(
        Kind.FREEZE, who=ALPHA, debit=HEAD, reference=b"lost", tail=b"abc"
    )
    assert row.tail is not None
    assert row.tail[:3] == b"abc"
    assert hash_of(row, council.ledger.instance) == row_hash(
        row, council.ledger.instance, b"abc"
    )
    assert council.commit(row)[0].result == OK
    # And an approval names it.
    asked = Asked(row, council.ledger.sequence, ALPHA)
    assert council.approve(BETA, asked).result == OK


@pytest.mark.parametrize("size", [0, 1, 87, 88, 89, 127, 128, 215, 216, 217, 1_000])
def test_a_hash_of_any_length(council: Council, size: int) -> None:
    """BLAKE2b takes 128 bytes at a time, and 168 stand before the item."""
    told = council.ask(
        Kind.FREEZE, who=ALPHA, debit=HEAD, reference=b"lost", tail=b"x" * size
    )
    assert told.result == OK


# --- ids that are known --------------------------------------------------------------


def test_a_signed_row_is_sent_again(council: Council) -> None:
    asked = council.propose(ALPHA, top_up(5, b"UTR"))
    [again] = council.commit(asked.row)
    assert (again.result, again.repeat, again.sequence) == (OK, 1, asked.sequence)
    # The signature is not compared, and not asked for again.
    other = asked.row.copy()
    other.tail = (other.tail or b"")[:-64] + bytes(64)
    assert council.commit(other)[0].repeat == 1
    # What stands before it is.
    other.tail = (asked.row.tail or b"").replace(b"UTR", b"UTS")
    [told] = council.commit(other)
    assert (told.result, told.field) == (Result.ID_REUSED, Field.NOTE)
    switched_off(council, BETA, GAMMA.record(active=0))
    row = council.approval(BETA, asked)
    assert council.commit(row)[0].result == OK
    row.tail = b"xy" + bytes(64)
    [told] = council.commit(row)
    assert (told.result, told.field) == (Result.ID_REUSED, Field.NOTE)


@pytest.mark.parametrize("where", ["now", "indexed", "opened"])
def test_a_stop_is_sent_again(council: Council, where: str) -> None:
    stops = [
        freeze(council, ALPHA),
        switched_off(council, ALPHA, participant(CENTRE, active=0) + b"{}"),
        switched_off(council, ALPHA, MAKER.record(active=0)),
    ]
    if where != "now":
        for number in range(16):
            council.propose(ALPHA, top_up(5, b"UTR%d" % number))
        council.catch_up()
    if where == "opened":
        council.reopen()
    for stop in stops:
        [again] = council.commit(stop.row)
        assert (again.repeat, again.sequence) == (1, stop.sequence)
        other = stop.row.copy()
        other.tail = (other.tail or b"")[:-64] + bytes(64)
        [again] = council.commit(other)
        assert (again.repeat, again.sequence) == (1, stop.sequence)
        other.tail = (other.tail or b"") + b"x"
        [told] = council.commit(other)
        assert (told.result, told.field) == (Result.ID_REUSED, Field.NOTE)
    # The row of a line has no signature: its item is compared as a whole.
    council.do(register(MAKER.record() + b"{}" + bytes(64)))
    row = council.ledger.row(council.ledger.sequence)
    told = council.ask(
        Kind.REGISTER,
        id=row.id,
        participant=1,
        operator_=ALPHA.number,
        checker=2,
        tail=MAKER.record() + b"{}" + bytes(63) + b"x",
    )
    assert (told.result, told.field) == (Result.ID_REUSED, Field.REFERENCE)
