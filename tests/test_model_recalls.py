"""Goal: what the oracle says of recalls is what the data model says: what a bank has
refused comes back once, to where it was, and is matched no more.

Method: the treasury of tests/test_model_payouts.py, told row by row; each answer is
worked out by hand from docs/data-model.md.
"""

from dataclasses import replace

import pytest

from switch.codes import AccountKind, Kind, Link, Result, RowFlag
from tests.banking import (
    BANK,
    CHANNEL,
    ITEMS,
    OK,
    OTHER_TRANSIT,
    SETTLEMENT,
    TRANSIT,
    Desk,
    credit,
    debit,
    move,
)
from tests.model import Model
from tests.records import AccountRecord, BankAccountRecord, Row
from tests.signing import Line
from tests.test_model_payouts import MINE, ask, begin, owed, pay_out, say
from tests.test_model_people import (
    ALPHA,
    BETA,
    DAY_NS,
    FLOAT,
    GAMMA,
    LIFE_NS,
    MAIN,
    NOON,
    SUSPENSE,
    WALLET,
    last,
    of_record,
    top_up,
)

CLOSED, NOT_FOUND = Result.CASE_CLOSED, Result.CASE_NOT_FOUND
KIND_WRONG, NET_DIFFERS = Result.ACCOUNT_KIND_WRONG, Result.NET_DIFFERS
NOT_APPROVED = Result.NOT_APPROVED


@pytest.fixture
def bare() -> Desk:
    """Nothing is there yet."""
    model = Model()
    return Desk(model, model.commit, NOON)


@pytest.fixture
def desk(bare: Desk) -> Desk:
    return begin(bare)


def recall(
    release: int, to: int = SETTLEMENT, amount: int = 700, from_: int = TRANSIT
) -> Line:
    return move(amount, from_, to, release)


def paid(desk: Desk, amount: int = 700, named: int = 0) -> int:
    """The release of a payout."""
    assert pay_out(desk, named, amount=amount) == (OK, 0)
    return last(desk).sequence


def returned(desk: Desk, amount: int = 700) -> int:
    """The release with which something goes back to its remitter."""
    number = b"R%d" % len(desk.model.rows)
    item = desk.booked(credit(amount, number)).sequence
    assert desk.wanted(move(amount, ITEMS, TRANSIT, item)) == [OK]
    return last(desk).sequence


def is_matched(desk: Desk, line: Line) -> bool:
    """Whether what a bank books is what it names."""
    return bool(desk.booked(line).flags & RowFlag.MATCHED)


def test_a_payout_is_recalled_once(desk: Desk) -> None:
    release = paid(desk)
    assert desk.balances() == (0, 0, 700)
    told, row = ask(desk, recall(release))
    assert (told.result, told.balance) == (OK, 0)
    assert (row.kind, row.flags, row.total) == (Kind.TRANSFER, 0, row.sequence - 2)
    assert (row.debit, row.credit, row.resolves) == (TRANSIT, SETTLEMENT, release)
    assert desk.balances() == (0, 0, 0)
    assert desk.model.accounts[SETTLEMENT].balance == 10_000
    assert desk.model.link(release, Link.MATCHED) == row.sequence
    assert desk.model.link(release, Link.ENDING) == 0
    assert desk.model.link(row.sequence, Link.MATCHED) == 0
    assert desk.model.accounts[SETTLEMENT].cases_count == 0
    # Enough is there for another one, of another release.
    paid(desk)
    told, last_row = ask(desk, recall(release))
    assert (told.result, told.sequence, told.other) == (CLOSED, 0, row.sequence)
    assert last_row.kind == Kind.APPROVE
    # What was recalled is paid out anew, and that is another release.
    again = paid(desk)
    assert desk.wanted(recall(again)) == [OK]


def test_what_recalls_no_payout(desk: Desk) -> None:
    release, other = paid(desk), paid(desk)
    opened = AccountRecord(MAIN, 40, AccountKind.SETTLEMENT).pack()
    desk.lines(of_record(opened, Kind.OPEN))
    elsewhere = last(desk).debit
    funds = last(desk).sequence - 2  # an approval
    item = desk.booked(debit(700, b"N1")).sequence
    desk.lines(top_up(9_000))
    wallet = last(desk).sequence
    assert desk.wanted(move(700, WALLET, TRANSIT, item)) == [OK]
    ended = last(desk).sequence
    request = desk.asks(700)
    for line, result in (
        (recall(99_999), NOT_FOUND), (recall(funds), NOT_FOUND),
        (recall(item), NOT_FOUND), (recall(ended), NOT_FOUND),
        (recall(wallet), NOT_FOUND), (recall(request), NOT_FOUND),
        (recall(1, SUSPENSE), NOT_FOUND),
        # From a transit account to one it would be an ending.
        (recall(item, OTHER_TRANSIT), KIND_WRONG), (recall(item, TRANSIT), KIND_WRONG),
        (recall(release, TRANSIT), NOT_FOUND),
        (recall(release, OTHER_TRANSIT), NOT_FOUND),
        (recall(release, elsewhere), KIND_WRONG),
        (recall(release, SUSPENSE), KIND_WRONG),
        (recall(release, WALLET), KIND_WRONG), (recall(release, FLOAT), KIND_WRONG),
        (recall(release, ITEMS), KIND_WRONG), (recall(release, BANK), KIND_WRONG),
        (recall(release, 99), KIND_WRONG), (recall(release, 0), KIND_WRONG),
        (recall(release, from_=OTHER_TRANSIT), KIND_WRONG),
        (recall(release, amount=699), NET_DIFFERS),
        (recall(release, amount=701), NET_DIFFERS),
        (recall(0), KIND_WRONG), (recall(0, SUSPENSE), KIND_WRONG),
        (recall(0, FLOAT), KIND_WRONG),
        (recall(0, TRANSIT), Result.ACCOUNTS_MUST_DIFFER),
        (owed(700, release, TRANSIT, SETTLEMENT), KIND_WRONG),
        # From anywhere else it is none, and no line.
        (recall(release, from_=BANK), NOT_APPROVED),
        (recall(release, from_=SUSPENSE), NOT_APPROVED),
    ):  # fmt: skip
        told, row = ask(desk, line)
        assert (told.result, told.sequence, told.other) == (result, 0, 0), line
        assert row.kind == Kind.APPROVE
    assert desk.wanted(recall(release), recall(other)) == [OK, OK]


def test_a_return_is_recalled_to_a_suspense_account(desk: Desk) -> None:
    release = returned(desk)
    item = desk.model.rows[release - 1].resolves
    assert desk.balances() == (-700, 0, 700)
    for to in (SETTLEMENT, ITEMS, WALLET, FLOAT, BANK, 99):
        assert desk.wanted(recall(release, to)) == [KIND_WRONG]
    assert desk.wanted(recall(release, SUSPENSE, 699)) == [NET_DIFFERS]
    tail = AccountRecord(MAIN, 40, AccountKind.SUSPENSE).pack()
    desk.lines(of_record(tail, Kind.OPEN))
    other = last(desk).debit
    assert desk.wanted(recall(release, other)) == [OK]
    recalled = last(desk).sequence
    assert desk.balances() == (-700, 0, 0)
    assert desk.model.accounts[other].balance == 700
    # The line that it was for has ended, and stays so.
    assert desk.model.link(item, Link.ENDING) == release
    assert desk.wanted(move(700, ITEMS, SUSPENSE, item)) == [CLOSED]
    assert desk.wanted(recall(release, SUSPENSE)) == [CLOSED]
    assert desk.model.link(release, Link.MATCHED) == recalled


def test_what_a_bank_has_debited_is_not_recalled(desk: Desk) -> None:
    first, second = paid(desk), returned(desk)
    paid(desk, 5_000)
    made = desk.booked(debit(700, b"N1", first))
    told, _ = ask(desk, recall(first))
    assert (told.result, told.other) == (CLOSED, made.sequence)
    # What it has not matched is not in the way; all else is asked first.
    assert not is_matched(desk, debit(701, b"N2", second))
    assert not is_matched(desk, debit(700, b"N3", second, flags=RowFlag.REVERSAL))
    assert desk.wanted(recall(first, SUSPENSE)) == [KIND_WRONG]
    assert desk.wanted(recall(first, amount=1)) == [NET_DIFFERS]
    assert desk.wanted(recall(second, SUSPENSE)) == [OK]


def test_what_was_recalled_is_matched_no_more(desk: Desk) -> None:
    release, other = paid(desk), paid(desk)
    assert desk.wanted(recall(release)) == [OK]
    recalled = last(desk).sequence
    made = desk.booked(debit(700, named=release))
    assert (made.resolves, made.flags) == (release, RowFlag.CLAIM)
    assert desk.model.link(release, Link.MATCHED) == recalled
    # The bank has paid all the same: it is an open item, of what people must know.
    assert desk.balances() == (700, 0, 0)
    assert desk.wanted(recall(made.sequence)) == [NOT_FOUND]
    assert desk.wanted(move(700, SETTLEMENT, TRANSIT, made.sequence)) == [OK]
    assert not is_matched(desk, debit(700, b"N2", last(desk).sequence))
    assert not is_matched(desk, debit(700, b"N3", recalled))
    assert is_matched(desk, debit(700, b"N4", other))


def test_who_is_paid_out_is_recalled_too(desk: Desk) -> None:
    first = say(desk, MINE)
    desk.now += DAY_NS
    release = paid(desk, named=first)
    ask(desk, move(700, SETTLEMENT, TRANSIT, first))
    say(desk, replace(MINE, active=0))
    # To whom it would have gone does not matter.
    assert desk.wanted(recall(release), recall(last(desk).sequence)) == [OK, NOT_FOUND]
    assert desk.model.link(first, Link.PAYOUT) != 0
    assert desk.wanted(recall(first)) == [NOT_FOUND]
    assert desk.wanted(recall(release)) == [CLOSED]


def test_a_recall_waits_for_nothing_that_a_bank_has_taken(desk: Desk) -> None:
    release = paid(desk)
    item = desk.booked(debit(9)).sequence
    assert desk.wanted(recall(release)) == [OK]
    assert desk.balances() == (9, 0, -9)
    assert desk.wanted(move(9, SETTLEMENT, TRANSIT, item)) == [OK]
    assert desk.balances() == (9, 0, 0)


def test_a_recall_to_what_is_closed_or_of_what_is_off(desk: Desk) -> None:
    release = paid(desk)
    freeze = Line(Kind.FREEZE, debit=SETTLEMENT, reference=b"why")
    assert desk.wanted(freeze) == [OK]
    off = BankAccountRecord(MAIN, 16, b"SBIN0000001234", active=0)
    assert desk.by_three(of_record(off.pack())) == [OK]
    assert desk.wanted(recall(release)) == [OK]


def test_two_people_want_a_recall(desk: Desk) -> None:
    release, row = paid(desk), desk.row(Kind.TRANSFER, ALPHA, amount=700)
    row.debit, row.credit, row.resolves = TRANSIT, SETTLEMENT, release
    row.reference = b"a reason"
    [told] = desk.tell(row)
    assert (told.result, told.sequence) == (NOT_APPROVED, 0)
    # Nor does a bank's connection say it, not beside what it has booked either.
    for lines in ((recall(release),), (debit(1), recall(release))):
        assert desk.result(desk.proposal(CHANNEL, *lines)) == Result.NOT_SIGNED
    asked = desk.propose(GAMMA, recall(release))
    [line] = desk.line_rows(asked)
    assert desk.results(line) == [NOT_APPROVED]
    assert desk.approve(asked, BETA).result == OK
    for other in (
        replace(line, amount=699), replace(line, credit=SUSPENSE),
        replace(line, resolves=release + 1), replace(line, reference=b"another"),
    ):  # fmt: skip
        assert desk.results(other) == [NOT_APPROVED]
    desk.now += LIFE_NS
    assert desk.results(line) == [NOT_APPROVED]
    assert desk.wanted(recall(release)) == [OK]


def test_of_two_recalls_the_second_finds_the_first(desk: Desk) -> None:
    release, other = paid(desk), returned(desk)
    asked = desk.propose(
        ALPHA, recall(release), recall(other, SUSPENSE), recall(release)
    )
    assert desk.approve(asked, BETA).result == OK
    rows = desk.line_rows(asked)
    told = desk.tell(*rows, rows[0])
    assert [each.result for each in told] == [OK, OK, CLOSED, OK]
    assert (told[2].other, told[3].repeat) == (told[0].sequence, 1)
    assert desk.balances() == (-700, 0, 0)


def test_a_line_names_no_recall_to_come(desk: Desk) -> None:
    """Its bank's word came first, and is done when that is recalled."""
    release = paid(desk)
    asked = desk.propose(CHANNEL, debit(700, named=release))
    assert desk.wanted(recall(release)) == [OK]
    assert desk.results(*desk.line_rows(asked, 0)) == [OK]
    assert not last(desk).flags & RowFlag.MATCHED
    assert desk.balances() == (700, 0, -700)


def test_recalls_where_nobody_is(bare: Desk) -> None:
    desk = bare
    desk.treasury(b"main")
    accounts = (
        (0, AccountKind.FLOAT), (1, AccountKind.SUSPENSE), (2, AccountKind.SETTLEMENT),
        (16, AccountKind.BANK), (17, AccountKind.BANK_SUSPENSE),
        (18, AccountKind.BANK_TRANSIT),
    )  # fmt: skip
    floats, suspense, settlement, bank, items, transit = range(1, 7)
    who = MAIN, 0
    tails = [AccountRecord(MAIN, *one).pack() for one in accounts]
    desk.tell(*(desk.row(Kind.OPEN, who, tail=tail) for tail in tails))
    record = BankAccountRecord(MAIN, 16, b"SBIN0000001234").pack()
    assert desk.result(desk.row(Kind.REGISTER, who, tail=record)) == OK

    def moved(amount: int, from_: int, to: int, named: int = 0) -> Row:
        between = {"debit": from_, "credit": to, "resolves": named}
        row = desk.row(Kind.TRANSFER, who, amount=amount, **between)
        return replace(row, reference=b"why")

    def result(row: Row) -> tuple[int, bool]:
        [told] = desk.tell(row)
        return told.result, told.sequence == len(desk.model.rows)

    assert result(moved(9_000, floats, settlement)) == (OK, True)
    assert result(moved(700, settlement, transit)) == (OK, True)
    release = last(desk).sequence
    line = desk.row(Kind.BOOKED, who, amount=50, debit=bank, reference=b"N1")
    assert result(line) == (OK, True)
    assert result(moved(50, items, transit, last(desk).sequence)) == (OK, True)
    other = last(desk).sequence
    # Whatever it is told is a row.
    for row, told in (
        (moved(700, transit, settlement, 1), NOT_FOUND),
        (moved(700, transit, suspense, release), KIND_WRONG),
        (moved(700, transit, 99, release), KIND_WRONG),
        (moved(701, transit, settlement, release), NET_DIFFERS),
        (moved(700, transit, settlement), KIND_WRONG),
        (moved(700, transit, settlement, release), OK),
        (moved(700, transit, settlement, release), CLOSED),
    ):
        assert result(row) == (told, True)
    assert last(desk).total == last(desk).sequence - 1
    line = desk.row(Kind.BOOKED, who, amount=50, credit=bank, reference=b"N2")
    assert result(replace(line, id=desk.id(), resolves=release)) == (OK, True)
    line = replace(line, id=desk.id(), reference=b"N3", resolves=other)
    assert result(line) == (OK, True)
    assert last(desk).flags & RowFlag.MATCHED
    assert result(moved(50, transit, suspense, other)) == (CLOSED, True)
    assert last(desk).total == last(desk).sequence - 1
