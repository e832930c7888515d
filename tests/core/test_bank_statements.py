"""Goal: statements follow each other without gap or overlap, and behind one every line
is in the ledger; a bank's channel says what the bank has booked, and nothing else.

Method: proposals of booked lines with a statement are asked for by people and by a
channel: chains with each fault, lines that are not booked or differ, shapes that are
none, everything that a channel must not sign; withdrawals, a month, restarts between.
References that a bank has booked are tried by hand; lines name what is to be.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from switch.codes import Kind, PersonRole, Record, Result, RowFlag
from tests.core.cashier import (
    BANK,
    BANK_SUSPENSE,
    CHANNEL,
    CSV,
    NOBODY,
    NUMBER,
    OTHER,
    OTHER_SUSPENSE,
    RESTS,
    REVERSAL,
    TRANSIT,
    Cashier,
    bank_account,
    credit,
    debit,
    ended,
    statement,
)
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
    participant,
    register,
    top_up,
)
from tests.records import Outcome
from tests.signing import Line, proposal_of_lines

NOT_APPROVED = Result.NOT_APPROVED
INVALID = Result.INVALID_RECORD
MONTH_NS = 30 * DAY_NS
UTR = b"ALPHA0000000001"
CLAIM, UTR_CLAIM = RowFlag.CLAIM, RowFlag.RECENT


@pytest.fixture
def cashier(tmp_path: Path) -> Iterator[Cashier]:
    """A ledger with two bank accounts; what opening it again gives is compared."""
    made = Cashier(tmp_path / "ledger").begin()
    yield made
    ended(made)


def day(number: int, opening: int, **given: int) -> list[Line]:
    """Two lines of a day and its statement: 250 more than before."""
    lines = [
        credit(300, b"IN%d" % number, account=given.pop("account", BANK)),
        debit(50, b"OUT%d" % number, account=BANK),
    ]
    given = {"day": 20_000 + number, **given}
    return [*lines, statement(opening, opening + 250, 2, **given)]


def last_statement(cashier: Cashier, bank: int = 1) -> int:
    """The sequence of the last one of a bank account, as the register has it."""
    found = cashier.ledger.records(Record.STATEMENT).tolist()
    return int(found[bank]) if bank < len(found) else 0


# --- the chain -----------------------------------------------------------------------


@pytest.mark.parametrize("again", [None, "index", "reopen", "rebuild"])
def test_statements_follow_each_other(cashier: Cashier, again: str | None) -> None:
    before = 0
    for number, opening in enumerate((-10_000, -9_750, -9_500)):
        asked = cashier.say(*day(number, opening))
        assert cashier.done(asked, 0, 1, 2) == [OK, OK, OK]
        row = cashier.ledger.row(last_statement(cashier))
        assert row.sequence == cashier.ledger.sequence
        assert (row.debit, row.total, row.checker) == (1, asked.sequence, 0)
        assert (RowFlag.UPDATE in row.flags) == (before != 0)
        before = row.sequence
        if again:
            cashier.catch_up()
        if again in ("reopen", "rebuild"):
            getattr(cashier, again)()
    for wrong in (
        statement(-9_500, -9_500, 0, day=20_003),
        statement(-9_251, -9_251, 0, day=20_003),
        statement(-9_250, -9_250, 0, day=20_001, number=9),
    ):
        told = said(cashier, wrong)
        no_row(cashier, told, Result.STATEMENT_GAP)
        assert told.other == before
    # Of the same day and number the next part, or the next number; of a later day any.
    same = statement(-9_250, -9_250, 0, day=20_002)
    assert said(cashier, same).result == OK
    following = statement(-9_250, -9_250, 0, day=20_002, number=1)
    assert said(cashier, following).result == OK
    no_row(cashier, said(cashier, same), Result.STATEMENT_GAP)
    later = statement(-9_250, -9_250, 0, day=20_003)
    assert said(cashier, later).result == OK


def test_people_follow_by_the_balance_alone(cashier: Cashier) -> None:
    """What days were said wrongly is put right by two of them."""
    assert cashier.told(statement(5, 5, 0, day=20_009, number=9)).result == OK
    lines = credit(1, b"ONE"), statement(4, 5, 1, day=20_010)
    assert [each.result for each in cashier.tell(*lines)] == [OK, Result.STATEMENT_GAP]
    assert cashier.told(statement(5, 5, 0, day=20_001)).result == OK
    assert said(cashier, statement(5, 5, 0, day=20_002)).result == OK


def test_people_say_where_an_account_stands(cashier: Cashier) -> None:
    """A statement of theirs without lines begins the chain anew."""
    assert said(cashier, statement(10**18, 10**18, 0)).result == OK
    no_row(cashier, said(cashier, statement(5, 5, 0)), Result.STATEMENT_GAP)
    assert cashier.told(statement(5, 5, 0)).result == OK
    asked = cashier.say(credit(1, b"ONE"), statement(5, 6, 1, day=20_002))
    assert cashier.done(asked, 0, 1) == [OK, OK]


def test_no_day_to_come(cashier: Cashier) -> None:
    """Or nothing could follow for so long."""
    today = (cashier.now // 10**9 + 19_800) // 86_400
    for tell in (cashier.told, lambda line: said(cashier, line)):
        told = tell(statement(5, 5, 0, day=today + 2))
        no_row(cashier, told, Result.STATEMENT_GAP)
        assert told.other == 0
    assert said(cashier, statement(5, 5, 0, day=today + 1)).result == OK


def said(cashier: Cashier, line: Line) -> Outcome:
    """What becomes of one line of the channel's."""
    [told] = cashier.commit(cashier.line(cashier.say(line), 0, NOBODY))
    return told


def test_each_bank_account_has_its_own(cashier: Cashier) -> None:
    asked = cashier.say(*day(0, 0))
    cashier.done(asked, 0, 1, 2)
    assert last_statement(cashier, 2) == 0
    cashier.catch_up()
    cashier.reopen()
    other = statement(77, 77, 0, bank=2, day=5)
    assert cashier.told(other).index == 2
    assert last_statement(cashier)
    assert last_statement(cashier, 2)


def test_only_the_second_has_one(cashier: Cashier) -> None:
    assert cashier.told(statement(77, 77, 0, bank=2)).index == 2
    assert cashier.ledger.records(Record.STATEMENT).tolist()[:2] == [0, 0]


def test_a_bank_account_that_is_not_there(cashier: Cashier) -> None:
    told = cashier.told(statement(0, 0, 0, bank=3))
    no_row(cashier, told, Result.ACCOUNT_UNKNOWN)


def test_lines_of_another_account(cashier: Cashier) -> None:
    lines = [credit(300, b"IN", account=OTHER), statement(0, 300, 1)]
    told = [each.result for each in cashier.tell(*lines)]
    assert told == [OK, Result.ACCOUNT_KIND_WRONG]


def test_one_that_is_off_has_statements_yet(cashier: Cashier) -> None:
    cashier.book(credit(300, b"IN"))
    cashier.told(register(bank_account(NUMBER, 1, 16, active=0)))
    asked = cashier.say(credit(300, b"IN"), statement(0, 300, 1))
    assert cashier.done(asked, 0, 1) == [Result.ACCOUNT_KIND_WRONG, OK]


# --- its lines -----------------------------------------------------------------------


@pytest.mark.parametrize("left", [0, 1])
def test_each_line_is_booked_before(cashier: Cashier, left: int) -> None:
    asked = cashier.say(*day(0, 0))
    assert cashier.done(asked, 1 - left, 2) == [OK, Result.NOT_BOOKED]
    assert last_statement(cashier) == 0
    cashier.reopen()
    assert cashier.done(asked, left, 2) == [OK, OK]


def test_a_line_that_an_advice_has_told(cashier: Cashier) -> None:
    advice = cashier.say(credit(300, b"IN0"))
    assert cashier.done(advice, 0) == [OK]
    cashier.catch_up()
    asked = cashier.say(*day(0, 0))
    assert cashier.done(asked, 0, 1, 2) == [Result.ALREADY_BOOKED, OK, OK]


def test_a_line_that_contradicts(cashier: Cashier) -> None:
    advice = cashier.say(credit(301, b"IN0"))
    assert cashier.done(advice, 0) == [OK]
    asked = cashier.say(*day(0, 0))
    told = cashier.done(asked, 0, 1, 2)
    assert told == [Result.BOOKED_DIFFERS, OK, Result.NOT_BOOKED]


def test_the_side_and_the_mark_count(cashier: Cashier) -> None:
    cashier.done(cashier.say(debit(300, b"A"), credit(300, b"B", flags=0x10)), 0, 1)
    for line in (credit(300, b"A"), credit(300, b"B")):
        asked = cashier.say(line, statement(0, 300, 1))
        assert cashier.done(asked, 1) == [Result.NOT_BOOKED]


def test_the_gap_is_asked_before_the_lines(cashier: Cashier) -> None:
    assert cashier.told(statement(0, 0, 0)).result == OK
    asked = cashier.say(credit(5, b"A"), statement(1, 6, 1, day=20_001))
    assert cashier.done(asked, 1) == [Result.STATEMENT_GAP]


def test_a_long_statement(cashier: Cashier) -> None:
    lines = [credit(1, b"L%d" % number) for number in range(7_999)]
    asked = cashier.say(*lines, statement(0, 7_999, 7_999))
    for first in range(0, 7_999, 4_000):
        numbers = range(first, min(first + 4_000, 7_999))
        assert set(cashier.done(asked, *numbers)) == {OK}
    assert cashier.done(asked, 7_999) == [OK]
    assert cashier.balance(BANK_SUSPENSE) == 7_999


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
def test_statements_that_are_none(cashier: Cashier, lines: list[Line]) -> None:
    for who in (ALPHA, CHANNEL):
        [told] = cashier.commit(cashier.proposal(who, lines))
        no_row(cashier, told, INVALID)


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
def test_statements_that_are(cashier: Cashier, lines: list[Line]) -> None:
    for who in (ALPHA, CHANNEL):
        cashier.propose(who, *lines)


def test_none_without_its_proposal(cashier: Cashier) -> None:
    row = cashier.row(Kind.REGISTER, who=ALPHA, tail=statement(0, 0, 0).tail)
    no_row(cashier, cashier.commit(row)[0], NOT_APPROVED)


# --- a channel -----------------------------------------------------------------------


def test_what_a_channel_says_needs_nobody(cashier: Cashier) -> None:
    cashier.tell(top_up(10**6, b"UTR"))
    asked = cashier.say(*day(0, 0))
    flags = cashier.ledger.row(asked.sequence).flags
    assert flags == RowFlag.EVIDENCE | RowFlag.TAIL
    for who in (ALPHA, BETA):
        told = cashier.approve(who, asked)
        assert told.result == Result.PROPOSAL_NOT_FOUND
    # Whoever checks is nobody.
    row = cashier.line(asked, 0, BETA)
    no_row(cashier, cashier.commit(row)[0], NOT_APPROVED)
    assert cashier.done(asked, 0, 1, 2) == [OK, OK, OK]


REFUSED: dict[str, Callable[[Cashier], list[Line]]] = {
    "a top-up": lambda cashier: [top_up(5, b"UTR")],
    "a top-up among booked lines": lambda cashier: [IN, top_up(5, b"UTR")],
    "a person": lambda cashier: [register(GAMMA.record())],
    "a bank account": lambda cashier: [IN, register(bank_account(b"N", 1, 50))],
    "a statement that people made": lambda cashier: [
        IN,
        statement(0, 300, 1, source=CSV),
    ],
    "a line of another bank account": lambda cashier: [credit(5, b"X", account=OTHER)],
    "one among its own": lambda cashier: [IN, debit(5, b"X", account=OTHER)],
    "a statement of another": lambda cashier: [statement(0, 0, 0, bank=2)],
    "another's lines, its statement": lambda cashier: [
        credit(300, b"IN", account=OTHER),
        statement(0, 300, 1),
    ],
    "its lines, another's statement": lambda cashier: [
        IN,
        statement(0, 300, 1, bank=2),
    ],
}


@pytest.mark.parametrize("what", REFUSED.values(), ids=REFUSED.keys())
def test_what_a_channel_does_not_propose(
    cashier: Cashier, what: Callable[[Cashier], list[Line]]
) -> None:
    [told] = cashier.commit(cashier.proposal(CHANNEL, what(cashier)))
    no_row(cashier, told, Result.NOT_SIGNED)
    cashier.propose(ALPHA, *what(cashier))


def test_a_channel_is_of_one_bank_account(cashier: Cashier) -> None:
    """Each of two says what its own bank has booked; one without an account nothing."""
    other, nobody_s = (
        Person(2, number, number, PersonRole.CHANNEL, bank=bank)
        for number, bank in ((21, 2), (22, 0))
    )
    cashier.do(register(other.record()), register(nobody_s.record()))
    theirs = credit(300, b"IN", account=OTHER)
    asked = cashier.propose(other, theirs, statement(0, 300, 1, bank=2))
    assert cashier.done(asked, 0, 1) == [OK, OK]
    for who, line in ((other, IN), (nobody_s, IN), (nobody_s, theirs)):
        [told] = cashier.commit(cashier.proposal(who, [line]))
        no_row(cashier, told, Result.NOT_SIGNED)
    none = statement(0, 0, 0, bank=0)
    [told] = cashier.commit(cashier.proposal(nobody_s, [none]))
    no_row(cashier, told, INVALID)


@pytest.mark.parametrize("again", [False, True])
def test_a_channel_that_goes_to_another_bank_account(
    cashier: Cashier, again: bool
) -> None:
    """What it has said before is not done; what it says then is of the other."""
    asked = cashier.say(IN, OUT)
    assert cashier.done(asked, 0) == [OK]
    moved = replace(CHANNEL, bank=2)
    # That is no stop, which one person could do.
    alone = cashier.row(Kind.REGISTER, who=ALPHA, tail=moved.record(active=0))
    no_row(cashier, cashier.commit(alone)[0], NOT_APPROVED)
    cashier.do(register(moved.record()))
    if again:
        cashier.catch_up()
        cashier.reopen()
    assert cashier.done(asked, 1) == [NOT_APPROVED]
    [told] = cashier.commit(cashier.proposal(moved, [OUT]))
    no_row(cashier, told, Result.NOT_SIGNED)
    asked = cashier.propose(moved, credit(5, b"X", account=OTHER))
    assert cashier.done(asked, 0) == [OK]


def test_a_channel_of_a_bank_account_that_is_none(cashier: Cashier) -> None:
    for bank, result in ((3, Result.ACCOUNT_UNKNOWN), (2, OK), (0, OK)):
        told = cashier.told(register(replace(CHANNEL, bank=bank).record()))
        assert told.result == result
    for role in set(PersonRole) - {PersonRole.CHANNEL}:
        person = Person(1, 30, 30, role, bank=1)
        row = cashier.proposal(ALPHA, [register(person.record())])
        no_row(cashier, cashier.commit(row)[0], INVALID)


def test_what_else_a_channel_does_not_sign(cashier: Cashier) -> None:
    asked = cashier.propose(ALPHA, IN)
    own = cashier.say(OUT)
    rows = [
        cashier.approval(CHANNEL, asked),
        cashier.row(Kind.WITHDRAW, who=CHANNEL, resolves=own.sequence, reference=b"no"),
        cashier.row(Kind.FREEZE, who=CHANNEL, debit=WALLET, reference=b"lost"),
        cashier.row(Kind.REGISTER, who=CHANNEL, tail=GAMMA.record(active=0)),
        cashier.row(
            Kind.PROPOSE,
            who=CHANNEL,
            total=Kind.REFUND,
            amount=1,
            resolves=1,
            reference=b"why",
        ),
    ]
    for told in cashier.commit(*rows):
        assert told.result in (Result.NOT_SIGNED, NOT_APPROVED)
        assert told.sequence == 0
    # Nor does another key speak for it.
    row = proposal_of_lines(cashier.id(), [IN], participant=1, operator=CHANNEL.number)
    no_row(cashier, cashier.commit(cashier.sign(row, ALPHA))[0], Result.NOT_SIGNED)


def test_a_channel_says_so_much_at_once(cashier: Cashier) -> None:
    for amount, result in ((10**15, OK), (10**15 + 1, Result.NOT_SIGNED)):
        [told] = cashier.commit(cashier.proposal(CHANNEL, [credit(amount, UTR)]))
        assert told.result == result


def test_a_channel_that_is_off(cashier: Cashier) -> None:
    asked = cashier.say(IN)
    off = cashier.row(Kind.REGISTER, who=ALPHA, tail=CHANNEL.record(active=0))
    assert cashier.commit(off)[0].result == OK
    [told] = cashier.commit(cashier.proposal(CHANNEL, [OUT]))
    no_row(cashier, told, Result.NOT_SIGNED)
    # Nor does what it has said go on, and not when it is on again either.
    assert cashier.done(asked, 0) == [NOT_APPROVED]
    cashier.do(register(CHANNEL.record()))
    assert cashier.done(asked, 0) == [NOT_APPROVED]
    assert cashier.done(cashier.say(IN), 0) == [OK]


@pytest.mark.parametrize("again", [False, True])
def test_a_channel_whose_participant_was_off(cashier: Cashier, again: bool) -> None:
    """It says nothing more, as if it had been stopped itself."""
    channel = Person(3, 20, 21, PersonRole.CHANNEL, bank=1)
    cashier.do(register(channel.record()))
    asked = cashier.propose(channel, IN)
    off = cashier.row(Kind.REGISTER, who=BETA, tail=participant(3, active=0))
    assert cashier.commit(off)[0].result == OK
    assert cashier.done(asked, 0) == [NOT_APPROVED]
    cashier.do(register(participant(3)))
    if again:
        cashier.catch_up()
        cashier.reopen()
    assert cashier.done(asked, 0) == [NOT_APPROVED]
    assert cashier.done(cashier.propose(channel, IN), 0) == [OK]
    # Of another participant nothing is asked.
    mine = cashier.say(OUT)
    cashier.do(register(participant(3, never_credits_late=0)))
    assert cashier.done(mine, 0) == [OK]


@pytest.mark.parametrize("again", [False, True])
def test_what_people_have_withdrawn(cashier: Cashier, again: bool) -> None:
    asked = cashier.say(*day(0, 0))
    assert cashier.done(asked, 0) == [OK]
    assert cashier.withdraw(BETA, asked).result == OK
    if again:
        cashier.catch_up()
        cashier.reopen()
    assert cashier.done(asked, 1, 2) == [NOT_APPROVED] * 2
    assert cashier.withdraw(BETA, asked).result == Result.PROPOSAL_WITHDRAWN


def test_withdrawn_between_its_lines(cashier: Cashier) -> None:
    asked = cashier.say(*day(0, 0))
    given = {"resolves": asked.sequence, "reference": b"no"}
    withdraw = cashier.row(Kind.WITHDRAW, who=BETA, **given)
    first, second = (cashier.line(asked, number, NOBODY) for number in (0, 1))
    told = cashier.commit(first, withdraw, second)
    assert [each.result for each in told] == [OK, OK, NOT_APPROVED]


@pytest.mark.parametrize(("late", "result"), [(-1, OK), (0, NOT_APPROVED)])
def test_for_a_month(cashier: Cashier, late: int, result: int) -> None:
    asked = cashier.say(IN)
    cashier.now += MONTH_NS - 10**9 + late
    assert cashier.done(asked, 0) == [result]


def test_no_third_for_a_channel(tmp_path: Path) -> None:
    cashier = Cashier(tmp_path / "ledger").begin()
    cashier.do(register(GAMMA.record()))
    thresholds = bytes([Record.THRESHOLDS]) + bytes(31)
    cashier.do(register(thresholds))
    asked = cashier.say(credit(10**12, b"IN"))
    assert cashier.ledger.row(asked.sequence).flags == RowFlag.EVIDENCE | RowFlag.TAIL
    assert cashier.done(asked, 0) == [OK]
    wanted = cashier.propose(ALPHA, credit(10**12, b"MORE"))
    assert RowFlag.THIRD in cashier.ledger.row(wanted.sequence).flags
    cashier.close()


def test_so_many_a_day(cashier: Cashier) -> None:
    for _ in range(256):
        cashier.say(IN)
    told = cashier.commit(cashier.proposal(CHANNEL, [IN]))[0]
    assert told.result == Result.DAY_COUNT_EXCEEDED


def test_what_people_book_they_approve(cashier: Cashier) -> None:
    cashier.do(register(MAKER.record()))
    for who in (ALPHA, MAKER):
        asked = cashier.propose(who, credit(5, b"OF %d" % who.number))
        assert RowFlag.EVIDENCE not in cashier.ledger.row(asked.sequence).flags
        assert cashier.done(asked, 0) == [NOT_APPROVED]
        assert cashier.approve(BETA, asked).result == OK
        assert cashier.lines(asked, 1, BETA)[0].result == OK
    assert cashier.balance(TRANSIT) == 0


def test_a_channel_counts_for_nobody(tmp_path: Path) -> None:
    cashier = Cashier(tmp_path / "ledger").begin()
    # Two and a channel are two: one may neither stop the other nor be a third.
    wanted = cashier.propose(ALPHA, register(Person(3, 9, 9).record()))
    assert RowFlag.THIRD not in cashier.ledger.row(wanted.sequence).flags
    off = cashier.row(Kind.REGISTER, who=ALPHA, tail=BETA.record(active=0))
    assert cashier.commit(off)[0].result == Result.LAST_TREASURIES
    cashier.close()


# --- references of banks ----------------------------------------------------------


@pytest.mark.parametrize("how", RESTS)
@pytest.mark.parametrize("asked", [False, True])
def test_a_reference_that_a_bank_has_booked_is_not_credited_by_hand(
    cashier: Cashier, asked: bool, how: str
) -> None:
    """Matched or not, and however it is typed."""
    named = cashier.requested(500) if asked else 0
    row = cashier.book(credit(500, UTR, named))
    cashier.rest(how)
    for typed in (UTR, UTR.lower(), UTR[:4] + b" " + UTR[4:], b"a l" + UTR[2:]):
        told = cashier.told(top_up(500, typed))
        no_row(cashier, told, Result.UTR_ALREADY_CREDITED)
        assert told.other == row.sequence
    # In another bank account it is another line, which nothing can be credited for.
    named = cashier.requested(500)
    other = cashier.book(credit(500, UTR, named, account=OTHER))
    assert (other.credit, other.flags) == (OTHER_SUSPENSE, CLAIM)
    # A reversal has not taken it.
    cashier.book(credit(500, b"BACK", flags=REVERSAL))
    assert cashier.told(top_up(500, b"BACK")).result == OK


def test_a_line_names_nothing_that_is_still_to_come(cashier: Cashier) -> None:
    lines = [credit(500, UTR + b"%d" % n, cashier.ledger.sequence + n) for n in (1, 2)]
    asked = cashier.say(*lines)
    assert asked.sequence == lines[0].resolves
    assert cashier.requested(500) == lines[1].resolves
    assert cashier.done(asked, 0, 1) == [OK, OK]
    assert cashier.balance(WALLET) == 0
    assert cashier.balance(BANK_SUSPENSE) == 1_000
