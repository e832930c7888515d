"""Goal: statements follow each other without gap or overlap, and behind one every line
is in the ledger; a bank's channel says what the bank has booked, and nothing else.

Method: proposals of booked lines with a statement are asked for by people and by a
channel: chains with each fault, lines that are not booked or differ, shapes that are
none, everything that a channel must not sign; withdrawals, a month, restarts between.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from switch.codes import Kind, Record, Result, RowFlag
from tests.core.council import (
    ALPHA,
    BETA,
    DAY_NS,
    GAMMA,
    MAKER,
    OK,
    WALLET,
    Person,
    no_row,
    register,
    top_up,
)
from tests.core.teller import (
    BANK,
    BANK_SUSPENSE,
    CHANNEL,
    CSV,
    NOBODY,
    NUMBER,
    OTHER,
    TRANSIT,
    Teller,
    bank_account,
    credit,
    debit,
    statement,
)
from tests.signing import Line, proposal_of_lines

NOT_APPROVED = Result.NOT_APPROVED
INVALID = Result.INVALID_RECORD
MONTH_NS = 30 * DAY_NS


@pytest.fixture
def teller(tmp_path: Path) -> Iterator[Teller]:
    """A ledger with two bank accounts; what opening it again gives is compared."""
    made = Teller(tmp_path / "ledger").begin()
    yield made
    before = made.state()
    made.catch_up()
    made.reopen()
    assert made.state() == before
    made.rebuild()
    assert made.state() == before
    made.close()


def day(number: int, opening: int, **given: int) -> list[Line]:
    """Two lines of a day and its statement: 250 more than before."""
    lines = [
        credit(300, b"IN%d" % number, account=given.pop("account", BANK)),
        debit(50, b"OUT%d" % number, account=BANK),
    ]
    given = {"day": 20_000 + number, **given}
    return [*lines, statement(opening, opening + 250, 2, **given)]


def last_statement(teller: Teller, bank: int = 1) -> int:
    """The sequence of the last one of a bank account, as the register has it."""
    found = teller.ledger.records(Record.STATEMENT).tolist()
    return int(found[bank]) if bank < len(found) else 0


# --- the chain -----------------------------------------------------------------------


@pytest.mark.parametrize("again", [None, "index", "reopen", "rebuild"])
def test_statements_follow_each_other(teller: Teller, again: str | None) -> None:
    before = 0
    for number, opening in enumerate((-10_000, -9_750, -9_500)):
        asked = teller.say(*day(number, opening))
        assert teller.done(asked, 0, 1, 2) == [OK, OK, OK]
        row = teller.ledger.row(last_statement(teller))
        assert row.sequence == teller.ledger.sequence
        assert (row.debit, row.total, row.checker) == (1, asked.sequence, 0)
        assert (RowFlag.UPDATE in row.flags) == (before != 0)
        before = row.sequence
        if again:
            teller.catch_up()
        if again in ("reopen", "rebuild"):
            getattr(teller, again)()
    for wrong in (
        statement(-9_500, -9_500, 0, day=20_003),
        statement(-9_251, -9_251, 0, day=20_003),
        statement(-9_250, -9_250, 0, day=20_002),
        statement(-9_250, -9_250, 0, day=20_001, number=9),
    ):
        told = teller.told(wrong)
        no_row(teller, told, Result.STATEMENT_GAP)
        assert told.other == before
    # Of the same day the next number, and of a later day any.
    assert teller.told(statement(-9_250, -9_250, 0, day=20_002, number=1)).result == OK
    told = teller.told(statement(-9_250, -9_250, 0, day=20_002, number=1))
    no_row(teller, told, Result.STATEMENT_GAP)
    assert teller.told(statement(-9_250, -9_250, 0, day=20_003)).result == OK


def test_each_bank_account_has_its_own(teller: Teller) -> None:
    asked = teller.say(*day(0, 0))
    teller.done(asked, 0, 1, 2)
    assert last_statement(teller, 2) == 0
    teller.catch_up()
    teller.reopen()
    other = statement(77, 77, 0, bank=2, day=5)
    assert teller.told(other).index == 2
    assert last_statement(teller)
    assert last_statement(teller, 2)


def test_only_the_second_has_one(teller: Teller) -> None:
    assert teller.told(statement(77, 77, 0, bank=2)).index == 2
    assert teller.ledger.records(Record.STATEMENT).tolist()[:2] == [0, 0]


def test_a_bank_account_that_is_not_there(teller: Teller) -> None:
    told = teller.told(statement(0, 0, 0, bank=3))
    no_row(teller, told, Result.ACCOUNT_UNKNOWN)


def test_lines_of_another_account(teller: Teller) -> None:
    lines = [credit(300, b"IN", account=OTHER), statement(0, 300, 1)]
    asked = teller.say(*lines)
    assert teller.done(asked, 0, 1) == [OK, Result.ACCOUNT_KIND_WRONG]


def test_one_that_is_off_has_statements_yet(teller: Teller) -> None:
    teller.book(credit(300, b"IN"))
    teller.told(register(bank_account(NUMBER, 1, 16, active=0)))
    asked = teller.say(credit(300, b"IN"), statement(0, 300, 1))
    assert teller.done(asked, 0, 1) == [Result.ACCOUNT_KIND_WRONG, OK]


# --- its lines -----------------------------------------------------------------------


@pytest.mark.parametrize("left", [0, 1])
def test_each_line_is_booked_before(teller: Teller, left: int) -> None:
    asked = teller.say(*day(0, 0))
    assert teller.done(asked, 1 - left, 2) == [OK, Result.NOT_BOOKED]
    assert last_statement(teller) == 0
    teller.reopen()
    assert teller.done(asked, left, 2) == [OK, OK]


def test_a_line_that_an_advice_has_told(teller: Teller) -> None:
    advice = teller.say(credit(300, b"IN0"))
    assert teller.done(advice, 0) == [OK]
    teller.catch_up()
    asked = teller.say(*day(0, 0))
    assert teller.done(asked, 0, 1, 2) == [Result.ALREADY_BOOKED, OK, OK]


def test_a_line_that_contradicts(teller: Teller) -> None:
    advice = teller.say(credit(301, b"IN0"))
    assert teller.done(advice, 0) == [OK]
    asked = teller.say(*day(0, 0))
    told = teller.done(asked, 0, 1, 2)
    assert told == [Result.BOOKED_DIFFERS, OK, Result.NOT_BOOKED]


def test_the_side_and_the_mark_count(teller: Teller) -> None:
    teller.done(teller.say(debit(300, b"A"), credit(300, b"B", flags=0x10)), 0, 1)
    for line in (credit(300, b"A"), credit(300, b"B")):
        asked = teller.say(line, statement(0, 300, 1))
        assert teller.done(asked, 1) == [Result.NOT_BOOKED]


def test_the_gap_is_asked_before_the_lines(teller: Teller) -> None:
    assert teller.told(statement(0, 0, 0)).result == OK
    asked = teller.say(credit(5, b"A"), statement(1, 6, 1, day=20_001))
    assert teller.done(asked, 1) == [Result.STATEMENT_GAP]


def test_a_long_statement(teller: Teller) -> None:
    lines = [credit(1, b"L%d" % number) for number in range(7_999)]
    asked = teller.say(*lines, statement(0, 7_999, 7_999))
    for first in range(0, 7_999, 4_000):
        numbers = range(first, min(first + 4_000, 7_999))
        assert set(teller.done(asked, *numbers)) == {OK}
    assert teller.done(asked, 7_999) == [OK]
    assert teller.balance(BANK_SUSPENSE) == 7_999


# --- shapes --------------------------------------------------------------------------

IN, OUT = credit(300, b"IN"), debit(50, b"OUT")


@pytest.mark.parametrize(
    "lines",
    [
        [IN, OUT, statement(0, 251, 2)],
        [IN, OUT, statement(0, -250, 2)],
        [IN, OUT, statement(0, 250, 1)],
        [IN, OUT, statement(0, 250, 3)],
        [IN, statement(0, 300, 1), OUT],
        [statement(0, 0, 0), IN],
        [statement(0, 0, 0), statement(0, 0, 0)],
        [IN, credit(5, b"X", account=OTHER), statement(0, 305, 2)],
        [top_up(300, b"UTR"), statement(0, 300, 1)],
        [top_up(5, b"UTR"), IN, statement(0, 300, 2)],
        [statement(0, 1, 0)],
        [statement(0, 0, 0, source=0)],
        [statement(0, 0, 0, source=3)],
        [statement(0, 0, 0, bank=0)],
        [statement(0, 0, 0, day=0)],
        [statement(0, 0, 0, day=65_536)],
        [statement(0, 0, 0, day=5, first_day=6)],
        [statement(10**18 + 1, 10**18 + 1, 0)],
        [statement(-(10**18) - 1, -(10**18) - 1, 0)],
        [register(statement(0, 0, 0).tail[:-1])],
        [register(b"\x0c\1\1" + statement(0, 0, 0).tail[3:])],
    ],
)
def test_statements_that_are_none(teller: Teller, lines: list[Line]) -> None:
    for who in (ALPHA, CHANNEL):
        [told] = teller.commit(teller.proposal(who, lines))
        no_row(teller, told, INVALID)


@pytest.mark.parametrize(
    "lines",
    [
        [IN, OUT, statement(0, 250, 2)],
        [IN, statement(10**18 - 300, 10**18, 1)],
        [OUT, statement(-(10**18) + 50, -(10**18), 1)],
        [statement(5, 5, 0, day=65_535, first_day=1)],
        [IN, OUT],
    ],
)
def test_statements_that_are(teller: Teller, lines: list[Line]) -> None:
    for who in (ALPHA, CHANNEL):
        teller.propose(who, *lines)


def test_none_without_its_proposal(teller: Teller) -> None:
    row = teller.row(Kind.REGISTER, who=ALPHA, tail=statement(0, 0, 0).tail)
    no_row(teller, teller.commit(row)[0], NOT_APPROVED)


# --- a channel -----------------------------------------------------------------------


def test_what_a_channel_says_needs_nobody(teller: Teller) -> None:
    teller.tell(top_up(10**6, b"UTR"))
    asked = teller.say(*day(0, 0))
    flags = teller.ledger.row(asked.sequence).flags
    assert flags == RowFlag.EVIDENCE | RowFlag.TAIL
    for who in (ALPHA, BETA):
        told = teller.approve(who, asked)
        assert told.result == Result.PROPOSAL_NOT_FOUND
    # Whoever checks is nobody.
    row = teller.line(asked, 0, BETA)
    no_row(teller, teller.commit(row)[0], NOT_APPROVED)
    assert teller.done(asked, 0, 1, 2) == [OK, OK, OK]


REFUSED: dict[str, Callable[[Teller], list[Line]]] = {
    "a top-up": lambda teller: [top_up(5, b"UTR")],
    "a top-up among booked lines": lambda teller: [IN, top_up(5, b"UTR")],
    "a person": lambda teller: [register(GAMMA.record())],
    "a bank account": lambda teller: [IN, register(bank_account(b"N", 1, 50))],
    "a statement that people made": lambda teller: [
        IN,
        statement(0, 300, 1, source=CSV),
    ],
}


@pytest.mark.parametrize("what", REFUSED.values(), ids=REFUSED.keys())
def test_what_a_channel_does_not_propose(
    teller: Teller, what: Callable[[Teller], list[Line]]
) -> None:
    [told] = teller.commit(teller.proposal(CHANNEL, what(teller)))
    no_row(teller, told, Result.NOT_SIGNED)
    teller.propose(ALPHA, *what(teller))


def test_what_else_a_channel_does_not_sign(teller: Teller) -> None:
    asked = teller.propose(ALPHA, IN)
    own = teller.say(OUT)
    rows = [
        teller.approval(CHANNEL, asked),
        teller.row(Kind.WITHDRAW, who=CHANNEL, resolves=own.sequence, reference=b"no"),
        teller.row(Kind.FREEZE, who=CHANNEL, debit=WALLET, reference=b"lost"),
        teller.row(Kind.REGISTER, who=CHANNEL, tail=GAMMA.record(active=0)),
        teller.row(
            Kind.PROPOSE,
            who=CHANNEL,
            total=Kind.REFUND,
            amount=1,
            resolves=1,
            reference=b"why",
        ),
    ]
    for told in teller.commit(*rows):
        assert told.result in (Result.NOT_SIGNED, NOT_APPROVED)
        assert told.sequence == 0
    # Nor does another key speak for it.
    row = proposal_of_lines(teller.id(), [IN], participant=1, operator=CHANNEL.number)
    no_row(teller, teller.commit(teller.sign(row, ALPHA))[0], Result.NOT_SIGNED)


def test_a_channel_that_is_off(teller: Teller) -> None:
    asked = teller.say(IN)
    off = teller.row(Kind.REGISTER, who=ALPHA, tail=CHANNEL.record(active=0))
    assert teller.commit(off)[0].result == OK
    [told] = teller.commit(teller.proposal(CHANNEL, [OUT]))
    no_row(teller, told, Result.NOT_SIGNED)
    # What it has said is said.
    assert teller.done(asked, 0) == [OK]


@pytest.mark.parametrize("again", [False, True])
def test_what_people_have_withdrawn(teller: Teller, again: bool) -> None:
    asked = teller.say(*day(0, 0))
    assert teller.done(asked, 0) == [OK]
    assert teller.withdraw(BETA, asked).result == OK
    if again:
        teller.catch_up()
        teller.reopen()
    assert teller.done(asked, 1, 2) == [NOT_APPROVED] * 2
    assert teller.withdraw(BETA, asked).result == Result.PROPOSAL_WITHDRAWN


def test_withdrawn_between_its_lines(teller: Teller) -> None:
    asked = teller.say(*day(0, 0))
    given = {"resolves": asked.sequence, "reference": b"no"}
    withdraw = teller.row(Kind.WITHDRAW, who=BETA, **given)
    first, second = (teller.line(asked, number, NOBODY) for number in (0, 1))
    told = teller.commit(first, withdraw, second)
    assert [each.result for each in told] == [OK, OK, NOT_APPROVED]


@pytest.mark.parametrize(("late", "result"), [(-1, OK), (0, NOT_APPROVED)])
def test_for_a_month(teller: Teller, late: int, result: int) -> None:
    asked = teller.say(IN)
    teller.now += MONTH_NS - 10**9 + late
    assert teller.done(asked, 0) == [result]


def test_no_third_for_a_channel(tmp_path: Path) -> None:
    teller = Teller(tmp_path / "ledger").begin()
    teller.do(register(GAMMA.record()))
    thresholds = bytes([Record.THRESHOLDS]) + bytes(31)
    teller.do(register(thresholds))
    asked = teller.say(credit(10**12, b"IN"))
    assert teller.ledger.row(asked.sequence).flags == RowFlag.EVIDENCE | RowFlag.TAIL
    assert teller.done(asked, 0) == [OK]
    wanted = teller.propose(ALPHA, credit(10**12, b"MORE"))
    assert RowFlag.THIRD in teller.ledger.row(wanted.sequence).flags
    teller.close()


def test_so_many_a_day(teller: Teller) -> None:
    for _ in range(256):
        teller.say(IN)
    told = teller.commit(teller.proposal(CHANNEL, [IN]))[0]
    assert told.result == Result.DAY_COUNT_EXCEEDED


def test_what_people_book_they_approve(teller: Teller) -> None:
    teller.do(register(MAKER.record()))
    for who in (ALPHA, MAKER):
        asked = teller.propose(who, credit(5, b"OF %d" % who.number))
        assert RowFlag.EVIDENCE not in teller.ledger.row(asked.sequence).flags
        assert teller.done(asked, 0) == [NOT_APPROVED]
        assert teller.approve(BETA, asked).result == OK
        assert teller.lines(asked, 1, BETA)[0].result == OK
    assert teller.balance(TRANSIT) == 0


def test_a_channel_counts_for_nobody(tmp_path: Path) -> None:
    teller = Teller(tmp_path / "ledger").begin()
    # Two and a channel are two: one may neither stop the other nor be a third.
    wanted = teller.propose(ALPHA, register(Person(3, 9, 9).record()))
    assert RowFlag.THIRD not in teller.ledger.row(wanted.sequence).flags
    off = teller.row(Kind.REGISTER, who=ALPHA, tail=BETA.record(active=0))
    assert teller.commit(off)[0].result == Result.LAST_TREASURIES
    teller.close()
