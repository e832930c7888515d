"""Goal: in a ledger with people nobody's certificate alone closes a window.

Method: windows are asked for without a signature, with those of others, of other rows
and of other ledgers, and with more than a signature; what is answered, and that no row
is there, is compared. Of one that is closed the lines are what was posted, its index is
made anew, and what is settled for it finds them.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from switch.codes import Kind, PersonRole, Result
from switch.ledger.explained import window_lines
from tests import signing
from tests.core.council import (
    ALPHA,
    BETA,
    GAMMA,
    HEAD,
    MAKER,
    OK,
    SETTLEMENT,
    WALLET,
    Council,
    Person,
    top_up,
)
from tests.records import Row
from tests.signing import Line

AUDITOR = replace(MAKER, number=41, key=6, role=PersonRole.AUDITOR)
NOBODY = replace(MAKER, number=42)


@pytest.fixture
def council(tmp_path: Path) -> Council:
    found = Council(tmp_path / "ledger").begin(GAMMA, MAKER, AUDITOR)
    paid = Line(Kind.TRANSFER, 300, debit=WALLET, credit=HEAD, reference=b"late bill")
    found.do(top_up(900, b"UTR"), paid)
    return found


def window(council: Council, who: Person = MAKER, after: int = 0) -> Row:
    """The window behind another, to be closed by somebody, unsigned."""
    row = council.row(Kind.WINDOW, id=bytes(16), participant=who.participant)
    row.operator_, row.resolves = who.number, after
    return row


def signed(council: Council, who: Person = MAKER, after: int = 0) -> Row:
    return council.sign(window(council, who, after), who)


def with_more(council: Council) -> Row:
    row = window(council)
    row.tail = b"\0" * 8
    return council.sign(row, MAKER)


def of_another_ledger(council: Council) -> Row:
    other = bytes(reversed(council.ledger.instance))
    return signing.signed(window(council), MAKER.key, other)


def of_another_window(council: Council) -> Row:
    """What was signed for one window closes no other."""
    row = signed(council, after=7)
    row.resolves = 0
    return row


def of_another_person(council: Council) -> Row:
    return replace(signed(council), operator_=GAMMA.number)


def by_no_such_person(council: Council) -> Row:
    return signed(council, NOBODY)


def by_an_auditor_s(council: Council) -> Row:
    return signed(council, AUDITOR)


WRONG: list[Callable[[Council], Row]] = [
    *(window, with_more, of_another_ledger, of_another_window),
    *(of_another_person, by_no_such_person, by_an_auditor_s),
]


@pytest.mark.parametrize("make", WRONG)
def test_what_closes_none(council: Council, make: Callable[[Council], Row]) -> None:
    before = council.ledger.sequence
    [told] = council.commit(make(council))
    assert (told.result, told.sequence) == (Result.NOT_SIGNED, 0)
    assert council.ledger.sequence == before
    council.close()


@pytest.mark.parametrize("who", [MAKER, ALPHA, BETA, GAMMA])
def test_one_person_closes_it(council: Council, who: Person) -> None:
    [closed] = council.commit(signed(council, who))
    assert closed.result == OK
    # Whoever asks for it once more, signed or not, hears of it.
    for again in (signed(council, who), window(council)):
        [told] = council.commit(again)
        assert (told.sequence, told.repeat) == (closed.sequence, 1)
    item = council.ledger.tail(closed.sequence)
    assert len(item) == 40 + signing.SIGNATURE_SIZE
    [line] = window_lines(council.ledger, closed.sequence).tolist()
    assert (line[0], line[-1]) == (HEAD, 300)
    council.catch_up()
    council.reopen()
    council.do(Line(Kind.SETTLE, 300, closed.sequence, HEAD, SETTLEMENT))
    [empty] = council.commit(signed(council, who, after=closed.sequence))
    # What was settled has no line, and is in it all the same.
    assert empty.result == OK
    assert len(council.ledger.tail(empty.sequence)) == signing.SIGNATURE_SIZE
    assert window_lines(council.ledger, empty.sequence).tolist() == []
    [none] = council.commit(signed(council, who, after=empty.sequence))
    assert (none.result, none.sequence) == (Result.WINDOW_EMPTY, 0)
    council.close()


def test_who_is_switched_off_closes_none(council: Council) -> None:
    off = council.row(Kind.REGISTER, who=ALPHA, tail=MAKER.record(active=0))
    assert council.commit(off)[0].result == OK
    [told] = council.commit(signed(council))
    assert told.result == Result.NOT_SIGNED
    council.close()


def test_the_switch_s_own_needs_nobody(council: Council) -> None:
    row = council.row(Kind.WINDOW, id=bytes(16), participant=0)
    [told] = council.commit(row)
    assert told.result == OK
    assert len(council.ledger.tail(told.sequence)) == 40
    council.close()
