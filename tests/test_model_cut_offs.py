"""Goal: what the oracle says of cut-offs and of low balances is what the data model
says.

Method: the treasury of tests/banking.py, told row by row; each figure is worked out by
hand from docs/data-model.md, times with the datetime of Python.
"""

import datetime as dt
from dataclasses import replace

import pytest

from switch.codes import (
    AMOUNT_MAX,
    NO_AMOUNT_LIMIT,
    Kind,
    Result,
    RowFlag,
)
from tests.banking import OK, Desk, move
from tests.model import Model
from tests.payout_records import ScheduleRecord
from tests.records import LimitRecord, Row
from tests.signing import Line
from tests.test_model_people import (
    ALPHA,
    BETA,
    NOON,
    SUSPENSE,
    WALLET,
    last,
    of_record,
    top_up,
)

SECOND_NS = 10**9
IST = dt.timezone(dt.timedelta(hours=5, minutes=30))


def at(month: int, day: int, minute: int = 0, year: int = 2026) -> int:
    """That minute of an IST day, in nanoseconds UTC."""
    time = dt.datetime(year, month, day, minute // 60, minute % 60, tzinfo=IST)
    return int(time.timestamp()) * SECOND_NS


def day_of(month: int, day: int, year: int = 2026) -> int:
    """Days since 1970-01-01."""
    return (dt.date(year, month, day) - dt.date(1970, 1, 1)).days


@pytest.fixture
def bare() -> Desk:
    """Nothing is there yet."""
    model = Model()
    return Desk(model, model.commit, NOON)


@pytest.fixture
def desk(bare: Desk) -> Desk:
    bare.open()
    return bare


def plan(desk: Desk, **fields: object) -> int:
    """The row of a schedule."""
    record = replace(ScheduleRecord(), **fields)  # type: ignore[arg-type]
    desk.lines(of_record(record.pack() + b"{}"))
    return last(desk).sequence


def rows_at(desk: Desk, now: int) -> list[Row]:
    """What a group at a time, with a request for money, makes."""
    before = len(desk.model.rows)
    desk.now = now - SECOND_NS
    desk.tell(desk.request(5))
    return desk.model.rows[before:]


def windows_at(desk: Desk, now: int) -> int:
    """How many windows a group at a time begins with."""
    *before, last_ = rows_at(desk, now)
    assert last_.kind == Kind.REQUEST
    assert all(row.kind == Kind.WINDOW for row in before)
    return len(before)


# --- cut-offs -------------------------------------------------------------------------


def test_a_cut_off_closes_the_window(desk: Desk) -> None:
    # NOON is Friday, 20 March, 15:16:40.
    made = plan(desk, cutoffs=(16 * 60, 18 * 60))
    assert (desk.model.rows[made - 1].debit, last(desk).flags) == (1, RowFlag.TAIL)
    first = at(3, 20, 16 * 60)
    assert desk.model.expiry() == first
    assert windows_at(desk, first - 1) == 0
    window, asked = rows_at(desk, first)
    assert (window.kind, window.timestamp, window.resolves) == (Kind.WINDOW, first, 0)
    assert (window.participant, window.operator_, window.id) == (0, 0, bytes(16))
    assert (window.total, window.flags, window.reference) == (0, 0, b"")
    assert asked.timestamp == first + 1
    assert desk.model.last_window == window.sequence
    assert windows_at(desk, first + 2) == 0
    # However many have passed, one window is closed.
    assert windows_at(desk, at(3, 22, 18 * 60 + 5)) == 1
    assert last(desk).sequence - 1 == desk.model.last_window
    assert desk.model.rows[desk.model.last_window - 1].resolves == window.sequence
    assert desk.model.expiry() == at(3, 23, 16 * 60)
    # By command none is closed with nothing in it; what a cut-off has closed is found.
    row = Row(Kind.WINDOW, resolves=desk.model.last_window)
    row.participant, row.operator_ = ALPHA
    newest = last(desk).sequence
    [told] = desk.tell(row)
    assert (told.result, told.sequence) == (Result.NOT_SIGNED, 0)
    [told] = desk.tell(desk.signed(row))
    assert (told.result, told.sequence) == (Result.WINDOW_EMPTY, 0)
    assert last(desk).sequence == newest
    again = replace(row, resolves=0)
    [told] = desk.tell(again)
    assert (told.result, told.sequence, told.repeat) == (OK, window.sequence, 1)
    assert desk.model.expiry() == at(3, 23, 16 * 60)


def test_days_on_which_nothing_is_cut_off(desk: Desk) -> None:
    # Monday to Friday; 24 and 26 March are holidays.
    days = (day_of(3, 24), day_of(3, 26))
    plan(desk, weekdays=31, cutoffs=(0, 12 * 60), holidays=days)
    found: list[int] = []
    while len(found) < 6:
        found.append(desk.model.expiry())
        assert windows_at(desk, found[-1]) == 1
    noon = 12 * 60
    assert found == [
        at(3, 23), at(3, 23, noon), at(3, 25), at(3, 25, noon), at(3, 27),
        at(3, 27, noon),
    ]  # fmt: skip


def test_a_year_that_begins_is_cut_off(desk: Desk) -> None:
    april = day_of(4, 1)
    plan(desk, cutoffs=(12 * 60,), holidays=(april,), weekdays=4)
    assert desk.model.expiry() == at(3, 25, 12 * 60)
    assert windows_at(desk, at(3, 31, 23 * 60 + 59)) == 1
    # A Wednesday and a holiday all the same.
    assert windows_at(desk, at(4, 1) - 1) == 0
    assert windows_at(desk, at(4, 1)) == 1
    assert desk.model.expiry() == at(4, 8, 12 * 60)
    plan(desk, weekdays=0, cutoffs=(5,))
    assert last(desk).flags == RowFlag.TAIL | RowFlag.UPDATE
    assert last(desk).debit == 1
    assert desk.model.expiry() == at(4, 1, year=2027)
    assert windows_at(desk, at(4, 1, year=2028)) == 1  # both of them at once
    assert desk.model.expiry() == at(4, 1, year=2029)
    # On one that is a day like all others it is no second one.
    plan(desk, cutoffs=(0, 1))
    assert windows_at(desk, at(4, 1, year=2029)) == 1
    assert desk.model.expiry() == at(4, 1, 1, year=2029)


def test_another_schedule_begins_with_its_row(desk: Desk) -> None:
    plan(desk, cutoffs=(16 * 60,))
    desk.now = at(3, 20, 15 * 60 + 59)
    plan(desk, cutoffs=(15 * 60 + 30, 17 * 60))
    # Neither what the first one said nor what lies before the second.
    assert desk.model.expiry() == at(3, 20, 17 * 60)
    assert windows_at(desk, at(3, 20, 16 * 60)) == 0
    plan(desk)
    assert desk.model.expiry() == at(4, 1)
    # One that was proposed before another came is wanted no more.
    early = desk.propose(ALPHA, of_record(ScheduleRecord(1).pack()))
    plan(desk, cutoffs=(1,))
    desk.approve(early, BETA)
    assert desk.results(*desk.line_rows(early)) == [Result.NOT_APPROVED]


def test_rows_that_reach_a_cut_off_by_nanoseconds(desk: Desk) -> None:
    plan(desk, cutoffs=(16 * 60, 16 * 60 + 1))
    cut_off = at(3, 20, 16 * 60)
    desk.now = cut_off - 2 - SECOND_NS
    desk.tell(*(desk.request(5) for _ in range(5)))
    asked = desk.model.rows[-5:]
    assert [row.timestamp - cut_off for row in asked] == [-2, -1, 0, 1, 2]
    window, _ = rows_at(desk, cut_off)
    assert (window.kind, window.timestamp) == (Kind.WINDOW, cut_off + 3)
    # A window that is closed just before another cut-off is followed by its own.
    assert desk.model.expiry() == at(3, 20, 16 * 60 + 1)
    assert windows_at(desk, at(3, 21, 16 * 60 + 1) - 1) == 2
    assert windows_at(desk, at(3, 21, 16 * 60 + 1)) == 0


def test_what_schedules_must_be(desk: Desk) -> None:
    def result(tail: bytes) -> int:
        return desk.result(desk.proposal(ALPHA, of_record(tail)))

    good = ScheduleRecord(5, (0, 5, 1_439), (1, 9))
    assert result(good.pack()) == OK
    assert result(good.pack() + b"{}") == OK
    assert result(ScheduleRecord(0, tuple(range(8)), tuple(range(512))).pack()) == OK
    for wrong in (
        replace(good, weekdays=128),
        replace(good, cutoffs=(1_440,)),
        replace(good, cutoffs=(5, 5)),
        replace(good, cutoffs=(5, 4)),
        replace(good, cutoffs=tuple(range(9))),
        replace(good, holidays=(5, 5)),
        replace(good, holidays=(5, 4)),
        replace(good, holidays=tuple(range(513))),
    ):
        assert result(wrong.pack()) == Result.INVALID_RECORD
    tail = good.pack()
    assert result(tail[:-1]) == Result.INVALID_RECORD
    assert result(tail[:23]) == Result.INVALID_RECORD
    for place in (3, 6, 7, 14, 23):
        spoilt = tail[:place] + b"\1" + tail[place + 1 :]
        assert result(spoilt) == Result.INVALID_RECORD


# --- low balances ---------------------------------------------------------------------


def limit(low: int | None) -> Line:
    """The line of a limit that says a low balance."""
    record = LimitRecord(low_balance=low)
    return Line(Kind.LIMIT, debit=WALLET, tail=record.pack())


def test_when_a_wallet_is_low(desk: Desk) -> None:
    wallet = desk.model.accounts[WALLET]

    def do(line: Line) -> int:
        assert desk.wanted(line) == [OK]
        return last(desk).sequence

    do(top_up(1_000))
    assert (wallet.low_balance, wallet.low_since) == (0, 0)
    do(limit(1_000))
    assert (wallet.low_balance, wallet.low_since) == (1_000, 0)
    assert wallet.payment_max == NO_AMOUNT_LIMIT
    crossed = do(move(1, WALLET, SUSPENSE))
    assert wallet.low_since == crossed
    do(move(1, WALLET, SUSPENSE))
    do(top_up(1, b"U1"))
    assert wallet.low_since == crossed
    do(top_up(1, b"U2"))
    assert wallet.low_since == 0
    # It is another crossing, by a limit this time.
    crossed = do(limit(AMOUNT_MAX))
    assert wallet.low_since == crossed
    do(Line(Kind.FREEZE, debit=WALLET, reference=b"why"))
    assert wallet.low_since == crossed
    do(limit(1_001))
    assert wallet.low_since == crossed
    do(limit(None))
    assert (wallet.low_balance, wallet.low_since) == (0, 0)
    too_much = desk.proposal(ALPHA, limit(AMOUNT_MAX + 1))
    assert desk.result(too_much) == Result.INVALID_RECORD


def test_a_row_that_is_refused_makes_no_wallet_low(desk: Desk) -> None:
    desk.lines(top_up(1_000), limit(900))
    wallet = desk.model.accounts[WALLET]
    assert desk.wanted(move(1_001, WALLET, SUSPENSE)) == [Result.INSUFFICIENT_FUNDS]
    assert wallet.low_since == 0
    desk.lines(move(100, WALLET, SUSPENSE))
    assert wallet.low_since == 0
    desk.lines(move(1, WALLET, SUSPENSE))
    assert wallet.low_since == last(desk).sequence


def test_forms_of_limits(desk: Desk) -> None:
    def result(tail: bytes) -> int:
        line = Line(Kind.LIMIT, debit=WALLET, tail=tail)
        return desk.result(desk.proposal(ALPHA, line))

    two = LimitRecord(5, 6, 7, 8).pack()
    assert (len(two), two[12]) == (32, 2)
    assert result(two) == OK
    assert result(two[:31]) == Result.INVALID_RECORD
    assert result(two[:12] + b"\3" + two[13:]) == Result.INVALID_RECORD
    assert result(two[:13] + b"\1" + two[14:]) == Result.INVALID_RECORD
    desk.lines(Line(Kind.LIMIT, debit=WALLET, tail=two + b"{}"))
    wallet = desk.model.accounts[WALLET]
    assert (wallet.day_amount_max, wallet.day_count_max) == (5, 6)
    assert (wallet.payment_max, wallet.low_balance) == (7, 8)
    assert wallet.low_since == last(desk).sequence
    desk.lines(Line(Kind.LIMIT, debit=WALLET, tail=LimitRecord(5, 6, 7).pack()))
    assert (wallet.payment_max, wallet.low_balance, wallet.low_since) == (7, 0, 0)
