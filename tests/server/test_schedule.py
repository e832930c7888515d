"""Goal: windows close by themselves when the schedule says so, and as a year ends; who
closed each, its days and its year are told; a person who closes one at the same time is
told what the schedule has closed.

Method: a real server whose wall clock begins a minute before a moment and goes past it;
the machine's own is left alone. What a window must have is counted from what was paid.
"""

import datetime as dt
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from switch.calendar import IST
from switch.client import make_payment
from switch.client.calls import CallError
from switch.codes import Role
from switch.v1 import people_pb2 as pb
from switch.v1 import results_pb2, schedules_pb2
from tests.leaps import Leaps
from tests.server.council import (
    ALPHA,
    BETA,
    CENTRES,
    SECOND,
    Council,
    name_of,
    payable,
    sitting,
    top_up,
)
from tests.server.harness import RUPEE, until

SPEED = ("--set", "signatures_per_s=1000")
ALL_DAYS = tuple(range(1, 8))


def schedule(*minutes: int, holidays: tuple[str, ...] = ()) -> pb.Wish:
    said = schedules_pb2.Schedule(weekdays=ALL_DAYS, minutes=minutes, holidays=holidays)
    return pb.Wish(schedule=pb.ScheduleWish(schedule=said))


def pay(council: Council, amount: int, reference: str) -> None:
    harness = council.client("harness", Role.HARNESS)
    made = make_payment("ANY", amount, reference, centre=CENTRES[0])
    assert name_of(harness.pay(made)) == "OK"


@contextmanager
def at(directory: Path, moment: dt.datetime) -> Iterator[tuple[Council, Leaps]]:
    """A council whose server believes that it is this moment, in the future."""
    council = Council(directory)
    council.begin()
    leaps = Leaps(directory)
    leaps.set(round(moment.timestamp() - time.time()))
    council.start("--accept-clock", *SPEED, prefix=leaps.prefix)
    try:
        council.load(payable())
        council.done(top_up(1_000 * RUPEE))
        yield council, leaps
    finally:
        council.stop()


def leap(leaps: Leaps, moment: dt.datetime, seconds: int) -> None:
    """Go on to so many seconds after a moment: at most a minute of them at once."""
    leaps.set(round(moment.timestamp() - time.time()) + seconds)


@pytest.fixture(scope="module")
def council(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Council]:
    with sitting(tmp_path_factory.mktemp("schedule"), *SPEED) as found:
        found.load(payable())
        found.done(top_up(1_000 * RUPEE))
        yield found


def test_without_a_schedule_people_close_windows(council: Council) -> None:
    client = council.client()
    assert not client.schedule().HasField("schedule")
    assert list(client.windows()) == []
    pay(council, 5 * RUPEE, "BILL-1")
    first = council.close_window().outcome.sequence
    empty = council.close_window(BETA).outcome
    assert empty.result == results_pb2.RESULT_WINDOW_EMPTY
    pay(council, 2 * RUPEE, "BILL-1-AGAIN")
    alone = client.close_window(first).outcome
    assert alone.result == results_pb2.RESULT_NOT_SIGNED
    second = council.close_window(BETA).outcome.sequence
    newest, oldest = client.windows()
    assert (newest.sequence, newest.after_sequence) == (second, first)
    assert (newest.lines_count, newest.payable) == (1, 2 * RUPEE)
    assert newest.closed_by.participant == SECOND
    assert (oldest.sequence, oldest.closed_by.participant) == (first, "treasury")
    assert not oldest.by_schedule
    assert (oldest.payable, oldest.settled) == (5 * RUPEE, 0)
    today = dt.datetime.now(IST).date()
    assert oldest.last_day == today.isoformat()
    assert oldest.last_year == today.year - (today.month < 4)
    wish = pb.SettleWish(window=first, biller="power", head="0801-01", amount=5 * RUPEE)
    council.done(pb.Wish(settle=wish))
    *_, oldest = client.windows()
    assert oldest.settled == 5 * RUPEE
    assert client.explain_window(first).closed == oldest


def test_a_schedule_and_the_next_cut_offs(council: Council) -> None:
    council.done(schedule(720, 1_200, holidays=("2027-01-26",)))
    for client in (council.client(), council.client("auditor", Role.AUDITOR)):
        said = client.schedule(100)
        assert list(said.schedule.minutes) == [720, 1_200]
        assert list(said.schedule.weekdays) == list(ALL_DAYS)
        assert list(said.schedule.holidays) == ["2027-01-26"]
        assert len(said.cutoffs) == 100
        times = [one.time_ns for one in said.cutoffs]
        assert times == sorted(set(times))
        assert times[0] > time.time_ns()
        assert len(client.schedule().cutoffs) == 10
    made = council.client().prepare(
        pb.PrepareRequest(
            wishes=[schedule(720, 1_200, holidays=("2027-01-26",))], reason="again"
        )
    )
    assert (made.row, made.already_count) == (None, 1)
    council.done(schedule(720))
    assert list(council.client().schedule().schedule.holidays) == []
    with pytest.raises(CallError, match="at most 100"):
        council.client().schedule(101)


def test_what_cannot_be_is_told_before_a_signature(council: Council) -> None:
    wrong = schedule(1)
    wrong.schedule.schedule.weekdays.append(8)
    twice = schedule(1)
    twice.schedule.schedule.weekdays.append(1)
    for wish, why in (
        (schedule(1_440), "less than 1440"),
        (schedule(5, 5), "ascending"),
        (schedule(*range(9)), "at most 8"),
        (schedule(1, holidays=("2027-02-30",)), "2027-02-30|day is out of range"),
        (schedule(1, holidays=("2027-02-03", "2027-02-02")), "ascending"),
        (wrong, "1 .Monday. to 7"),
        (twice, "each once"),
    ):
        with pytest.raises(CallError, match=why):
            council.client().prepare(pb.PrepareRequest(wishes=[wish], reason="x"))
    both = [schedule(2), schedule(3)]
    with pytest.raises(CallError, match="speaks of each once"):
        council.client().prepare(pb.PrepareRequest(wishes=both, reason="x"))


@pytest.mark.slow
def test_a_financial_year_ends_in_two_windows(tmp_path: Path) -> None:
    end = dt.datetime(2027, 4, 1, tzinfo=IST)
    with at(tmp_path, end - dt.timedelta(seconds=55)) as (council, leaps):
        client = council.client()
        council.done(schedule(1_200))
        said = client.schedule(1)
        assert [(one.year_end, one.time_ns) for one in said.cutoffs] == [
            (True, int(end.timestamp()) * 10**9)
        ]
        pay(council, 3 * RUPEE, "OLD-YEAR")
        assert client.ledger().last_window == 0
        leap(leaps, end, 2)
        pay(council, 4 * RUPEE, "NEW-YEAR")
        [closed] = client.windows()
        assert (closed.by_schedule, closed.HasField("closed_by")) == (True, False)
        assert closed.payable == 3 * RUPEE
        assert (closed.first_year, closed.last_year) == (2026, 2026)
        # It begins with the ledger, by the machine's own clock.
        today = dt.datetime.now(IST).date()
        assert dt.date.fromisoformat(closed.first_day) <= today
        assert closed.last_day == "2027-03-31"
        assert closed.time_ns >= int(end.timestamp()) * 10**9
        # A person who asks for it at the same time is told of that one.
        told = client.close_window(0)
        assert (told.outcome.sequence, told.outcome.repeat) == (closed.sequence, True)
        assert [line.payable for line in told.lines] == [3 * RUPEE]
        again = council.close_window()
        newest, old = client.windows()
        assert old == closed
        assert (newest.sequence, newest.payable) == (again.outcome.sequence, 4 * RUPEE)
        assert (newest.first_year, newest.last_year) == (2027, 2027)
        assert (newest.first_day, newest.last_day) == ("2027-04-01",) * 2
        assert newest.closed_by.participant == "treasury"


@pytest.mark.slow
def test_a_cut_off_comes_to_a_switch_that_nobody_uses(tmp_path: Path) -> None:
    cutoff = dt.datetime(2027, 1, 5, 20, tzinfo=IST)
    with at(tmp_path, cutoff - dt.timedelta(seconds=58)) as (council, leaps):
        client = council.client()
        council.done(schedule(1_200))
        pay(council, 3 * RUPEE, "EVENING")
        assert not client.ledger().last_window
        leap(leaps, cutoff, -1)
        until(lambda: client.ledger().last_window)
        [closed] = client.windows()
        assert closed.by_schedule
        assert closed.time_ns >= int(cutoff.timestamp()) * 10**9
        assert client.ledger().sequence == closed.sequence
        sequence = council.propose(ALPHA, schedule(1_200, holidays=("2027-01-06",)))
        assert sequence == closed.sequence + 1
