"""Goal: with people, a certificate is revoked by a person who has signed that, and
another person stands by it, whoever's certificate either of them has.

Method: revocations and confirmations with the signature of each role, with none, with
another one's and with one of other bytes; sent again; confirmed by the same person and
by another one of the same participant; over openings; and of a ledger whose first
person came later.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from switch.codes import Field, Kind, Record, Result
from tests.core.cashier import CHANNEL, RESTS, Cashier
from tests.core.council import (
    ALPHA,
    AUDITOR,
    BETA,
    CENTRE,
    CODES,
    EVERYBODY,
    GAMMA,
    MAKER,
    OK,
    SUPPORT,
    Asked,
    Council,
    Person,
    no_row,
    participant,
    register,
    switched_off,
)
from tests.records import Outcome, Row, confirmation, revocation

NOT_SIGNED, SAME_PERSON = Result.NOT_SIGNED, Result.SAME_PERSON
AUTHORITY = b"\x11" * 32
JSON = b'{"reason":"lost"}'


@pytest.fixture
def cashier(tmp_path: Path) -> Iterator[Cashier]:
    """Everybody, and a bank's channel."""
    made = Cashier(tmp_path / "ledger").begin(*EVERYBODY)
    yield made
    made.close()


def revoked(whose: int = CENTRE, serial: bytes = b"7") -> bytes:
    return revocation(whose, AUTHORITY, serial)


def say(council: Council, who: Person, tail: bytes, **given: Any) -> Outcome:
    """One person's word."""
    return council.ask(Kind.REGISTER, who=who, tail=tail, **given)


def test_who_may_revoke(cashier: Cashier) -> None:
    for who in (SUPPORT, AUDITOR, CHANNEL, Person(CENTRE, 1, 40), Person(2, 77, 77)):
        no_row(cashier, say(cashier, who, revoked()), NOT_SIGNED)
    for index, who in enumerate((MAKER, ALPHA, GAMMA), 1):
        told = say(cashier, who, revoked(serial=bytes([index])))
        assert (told.result, told.index) == (OK, index)


def test_who_may_confirm(cashier: Cashier) -> None:
    assert say(cashier, ALPHA, revoked()).index == 1
    for who in (MAKER, SUPPORT, AUDITOR, CHANNEL, Person(CENTRE, 1, 40)):
        no_row(cashier, say(cashier, who, confirmation(1)), NOT_SIGNED)
    told = say(cashier, BETA, confirmation(1))
    assert (told.result, told.index) == (OK, 1)


def test_who_is_off_may_not(cashier: Cashier) -> None:
    say(cashier, ALPHA, revoked())
    switched_off(cashier, ALPHA, GAMMA.record(active=0))
    for tail in (revoked(serial=b"8"), confirmation(1)):
        no_row(cashier, say(cashier, GAMMA, tail), NOT_SIGNED)


@pytest.mark.parametrize("tail", [revoked(), revoked() + JSON, confirmation(1)])
def test_it_is_signed(cashier: Cashier, tail: bytes) -> None:
    say(cashier, ALPHA, revoked(serial=b"8"))
    given: dict[str, Any] = {"participant": 2, "operator_": BETA.number}
    for item in (tail, tail + bytes(63), tail + bytes(64), tail + JSON + bytes(64)):
        row = cashier.row(Kind.REGISTER, tail=item, **given)
        no_row(cashier, cashier.commit(row)[0], NOT_SIGNED)
    row = cashier.row(Kind.REGISTER, tail=tail, **given)
    # By another one's key; or it was of another row, or of other bytes.
    no_row(cashier, cashier.commit(cashier.sign(row, ALPHA))[0], NOT_SIGNED)
    right = cashier.sign(row, BETA)
    assert right.tail is not None
    wrong = [
        replace(right, id=cashier.id()),
        replace(right, operator_=GAMMA.number),
        replace(right, participant=1),
        replace(right, tail=right.tail + b"\0"),
        replace(right, tail=right.tail[:4] + b"\2" + right.tail[5:]),
    ]
    for one in wrong:
        told = cashier.commit(one)[0]
        assert told.result in (NOT_SIGNED, Result.INVALID_RECORD)
        assert told.sequence == 0
    assert cashier.commit(right)[0].result == OK
    # What is signed must be a record as well: its end is no signature.
    short = Row(Kind.REGISTER, id=cashier.id(), participant=2, operator_=BETA.number)
    short.tail = tail[: len(tail) - 1] if tail[0] == Record.CONFIRMATION else tail[:63]
    told = cashier.commit(cashier.sign(short, BETA))[0]
    assert told.result in (NOT_SIGNED, Result.INVALID_RECORD)
    assert told.sequence == 0


def test_by_whichever_proposal_it_is_signed(cashier: Cashier) -> None:
    """It is no line, and no proposal is asked for."""
    asked = cashier.propose(ALPHA, register(GAMMA.record()))
    row = cashier.row(Kind.REGISTER, tail=revoked(), participant=1, operator_=7)
    row.total = asked.sequence
    no_row(cashier, cashier.commit(row)[0], NOT_SIGNED)
    told = cashier.commit(cashier.sign(row, ALPHA))[0]
    assert told.result == OK
    assert cashier.ledger.row(told.sequence).total == 0
    for tail in (revoked(), confirmation(1)):
        [told] = cashier.commit(cashier.proposal(ALPHA, [register(tail)]))
        no_row(cashier, told, Result.INVALID_RECORD)


@pytest.mark.parametrize("how", RESTS)
def test_another_person_confirms_it(cashier: Cashier, how: str) -> None:
    """Of the same participant as well; who has revoked it never."""
    for number in (1, 2):
        assert say(cashier, ALPHA, revoked(serial=bytes([number]))).index == number
    cashier.rest(how)
    for number in (1, 2):
        told = say(cashier, ALPHA, confirmation(number))
        assert (told.result, told.sequence) == (SAME_PERSON, cashier.ledger.sequence)
    assert say(cashier, GAMMA, confirmation(1)).result == OK
    assert say(cashier, BETA, confirmation(2)).result == OK
    cashier.rest(how)
    for number in (1, 2):
        told = say(cashier, BETA, confirmation(number))
        assert told.result == Result.ALREADY_APPROVED
    assert say(cashier, BETA, confirmation(3)).result == Result.PROPOSAL_NOT_FOUND


@pytest.mark.parametrize("how", RESTS)
@pytest.mark.parametrize("text", [b"", JSON, b" " * 80])
def test_sent_again_it_is_answered_again(
    cashier: Cashier, how: str, text: bytes
) -> None:
    rows = [cashier.row(Kind.REGISTER, who=ALPHA, tail=revoked() + text)]
    rows += [cashier.row(Kind.REGISTER, who=BETA, tail=confirmation(1) + text)]
    told = [cashier.commit(row)[0] for row in rows]
    assert [each.result for each in told] == [OK, OK]
    cashier.rest(how)
    for row, first in zip(rows, told, strict=True):
        assert row.tail is not None
        other = row.tail[:-64] + bytes(64)
        for tail in (row.tail, other):
            again = cashier.commit(replace(row, tail=tail))[0]
            assert (again.result, again.repeat) == (OK, 1)
            assert again.sequence == first.sequence
        more = row.tail[:-64] + b" " + row.tail[-64:]
        changed = row.tail[:7] + bytes([row.tail[7] ^ 1]) + row.tail[8:]
        for tail in (more, changed, row.tail[:-64]):
            if tail == changed and tail[0] == Record.CONFIRMATION:
                continue
            again = cashier.commit(replace(row, tail=tail))[0]
            assert (again.result, again.field) == (Result.ID_REUSED, Field.NOTE)


def test_nobody_approves_it(cashier: Cashier) -> None:
    """It is no stop: a confirmation is what answers it."""
    rows = [
        cashier.row(Kind.REGISTER, who=ALPHA, tail=revoked()),
        cashier.row(Kind.REGISTER, who=BETA, tail=confirmation(1)),
    ]
    for row in rows:
        [told] = cashier.commit(row)
        assert told.result == OK
        asked = Asked(row, told.sequence, ALPHA)
        for who in (GAMMA, BETA):
            assert cashier.approve(who, asked).result == Result.PROPOSAL_NOT_FOUND


def test_the_last_two_stay(cashier: Cashier) -> None:
    switched_off(cashier, ALPHA, participant(3, active=0))
    told = say(cashier, ALPHA, revoked(2))
    assert (told.result, told.sequence) == (
        Result.LAST_TREASURIES,
        cashier.ledger.sequence,
    )
    # What is refused is signed, too: without it there is no row.
    row = cashier.row(Kind.REGISTER, tail=revoked(2), participant=1, operator_=7)
    no_row(cashier, cashier.commit(row)[0], NOT_SIGNED)
    told = say(cashier, ALPHA, revoked(99))
    assert told.result == Result.PARTICIPANT_UNKNOWN


@pytest.mark.parametrize("how", ["goes on", "is opened", "is indexed and opened"])
def test_what_was_revoked_before_people(tmp_path: Path, how: str) -> None:
    """By a sender, not signed: whoever is registered under it is another person."""
    council = Council(tmp_path / "ledger")
    for index in range(1, len(CODES) + 1):
        council.ask(Kind.REGISTER, tail=participant(index))
    long = revoked(serial=b"8") + b" " * 100
    rows = [
        council.row(Kind.REGISTER, participant=1, tail=revoked()),
        council.row(Kind.REGISTER, participant=1, operator_=ALPHA.number, tail=long),
    ]
    told = council.commit(*rows)
    assert [each.result for each in told] == [OK, OK]
    for operator in (0, 9):
        word = council.row(Kind.REGISTER, participant=1, tail=confirmation(1))
        word.operator_ = operator
        assert council.commit(word)[0].result == SAME_PERSON
    for person in (ALPHA, BETA):
        assert council.ask(Kind.REGISTER, tail=person.record()).result == OK
    if "indexed" in how:
        council.catch_up()
    if "opened" in how:
        council.reopen()
    no_row(council, council.ask(Kind.REGISTER, tail=revoked()), NOT_SIGNED)
    assert say(council, ALPHA, confirmation(2)).result == SAME_PERSON
    assert say(council, ALPHA, confirmation(1)).result == OK
    assert say(council, BETA, confirmation(2)).result == OK
    # They were not signed: all of their bytes count.
    for row, first in zip(rows, told, strict=True):
        assert council.commit(row)[0].sequence == first.sequence
        assert row.tail is not None
        end = row.tail[:-1] + b"\t"
        again = council.commit(replace(row, tail=end))[0]
        assert again.result in (Result.ID_REUSED, Result.INVALID_RECORD)
    council.close()
