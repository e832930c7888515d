"""Goal: the wall clock may run a minute ahead of the time that has passed, in all; then
nothing is taken until both agree again, the kernel stands by it, or a person does, and
each of these is a row.

Method: a real ledger and its queue; wall clock, boot time and the kernel's word are an
array that the test sets.
"""

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from switch._core import Ledger, Queue
from switch.codes import Kind, Record, Result
from switch.errors import ClockError
from switch.ledger.committer import CLOCK_KERNEL_MAX_NS, CLOCK_LEAP_MAX_NS, clock_row
from tests.core.network import NOW, top_up
from tests.core.pair import rows_request
from tests.core.queues import OPTIONS, WAIT_S, fresh, load_network, refused
from tests.model import Model, Rows
from tests.records import Row

SECOND = 10**9
WALL, BOOT, SYNCHRONISED = range(3)

Clock = npt.NDArray[np.uint64]


@pytest.fixture
def clock() -> Clock:
    return np.array([NOW, 5 * SECOND, 0], np.uint64)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(str(tmp_path / "ledger"), **OPTIONS) as one:
        yield one


@pytest.fixture
def queue(ledger: Ledger, clock: Clock) -> Iterator[Queue]:
    one = Queue(ledger, clock=clock)
    one.start()
    yield one
    one.stop(WAIT_S)


def leap(clock: Clock, nanoseconds: int) -> None:
    clock[WALL] = int(clock[WALL]) + nanoseconds


def passes(clock: Clock, nanoseconds: int) -> None:
    clock[:SYNCHRONISED] += np.uint64(nanoseconds)


def records(ledger: Ledger) -> list[dict[str, Any]]:
    """What the clock's rows say, in order."""
    found = []
    for row in ledger.rows(1, 65_536):
        if row["kind"] == Kind.REGISTER:
            assert row["result"] == Result.OK
            assert (row["debit"], row["participant"]) == (0, 0)
            tail = ledger.tail(int(row["sequence"]))
            assert tail[0] == Record.CLOCK
            found.append(json.loads(tail[1:]))
    return found


# --- the budget -----------------------------------------------------------------------


def test_a_leap_of_a_minute_is_the_most(
    queue: Queue, ledger: Ledger, clock: Clock
) -> None:
    queue.commit(refused())
    passes(clock, 3_600 * SECOND)
    queue.commit(refused())
    leap(clock, CLOCK_LEAP_MAX_NS)
    queue.commit(refused())
    leap(clock, 1)
    with pytest.raises(ClockError, match="runs 60 s ahead"):
        queue.commit(refused())
    assert ledger.sequence == 3


def test_leaps_of_less_than_a_minute_add_up(
    queue: Queue, ledger: Ledger, clock: Clock
) -> None:
    """1,465 leaps of 59 s would put the ledger a day ahead."""
    taken = 0
    for _ in range(1_465):
        passes(clock, SECOND)
        leap(clock, 59 * SECOND)
        try:
            queue.commit(refused())
        except ClockError:
            continue
        taken += 1
    assert taken == ledger.sequence == 1
    assert ledger.timestamp == NOW + 60 * SECOND


def test_time_of_a_machine_that_slept_has_passed(
    queue: Queue, ledger: Ledger, clock: Clock
) -> None:
    queue.commit(refused())
    passes(clock, 90 * SECOND)
    queue.commit(refused())
    assert ledger.timestamp == NOW + 90 * SECOND
    assert records(ledger) == []


def test_a_clock_that_goes_back_and_returns_has_not_leapt(
    queue: Queue, ledger: Ledger, clock: Clock
) -> None:
    queue.commit(refused())
    leap(clock, -7_200 * SECOND)
    queue.commit(refused())
    leap(clock, 7_200 * SECOND)
    queue.commit(refused())
    assert ledger.rows(1, 3)["timestamp"].tolist() == [NOW, NOW + 1, NOW + 2]
    assert records(ledger) == []


def test_a_leap_ends_no_hold(queue: Queue, ledger: Ledger, clock: Clock) -> None:
    net = load_network(ledger)
    hold = Row(
        Kind.HOLD,
        id=fresh()[0],
        amount=1,
        reference=b"BILL",
        debit=net.wallets[0],
        service=net.great_service,
        participant=net.harness,
        deadline=3_600,
    )
    queue.commit(rows_request([hold]))
    leap(clock, 7_200 * SECOND)
    with pytest.raises(ClockError):
        queue.commit(refused())
    # The loop looks for holds that are due about once a second.
    time.sleep(1.2)
    assert ledger.holds_count == 1
    leap(clock, -7_200 * SECOND)
    queue.commit(refused())
    assert ledger.holds_count == 1
    passes(clock, 3_601 * SECOND)
    queue.commit(refused())
    assert ledger.holds_count == 0


def held(ledger: Ledger, queue: Queue) -> int:
    """A payment is held for an hour, and its money comes back then; when that is."""
    net = load_network(ledger)
    hold = Row(
        Kind.HOLD,
        id=fresh()[0],
        amount=1,
        reference=b"BILL",
        debit=net.wallets[0],
        service=net.great_service,
        participant=net.harness,
        deadline=3_600,
    )
    queue.commit(rows_request([hold]))
    assert ledger.holds_count == 1
    return int(ledger.row(ledger.sequence).timestamp) + 3_600 * SECOND


def test_a_minute_that_nobody_asks_about_ends_no_hold(
    queue: Queue, ledger: Ledger, clock: Clock
) -> None:
    """Its biller's last moment is a minute before the hold's: a biller whose clock is
    right could still credit what is given back.
    """
    due = held(ledger, queue)
    leap(clock, CLOCK_LEAP_MAX_NS)
    passes(clock, due - int(clock[WALL]))
    queue.commit(refused())
    # Nor does the loop, which looks for holds that are due about once a second.
    before, busy_s = ledger.sequence, time.process_time()
    time.sleep(1.2)
    assert (ledger.holds_count, ledger.sequence) == (1, before)
    # It sleeps meanwhile, and does not look again and again.
    assert time.process_time() - busy_s < 0.02
    passes(clock, 59 * SECOND + SECOND - 1)
    queue.commit(refused())
    assert ledger.holds_count == 1
    passes(clock, 1)
    queue.commit(refused())
    assert ledger.holds_count == 0
    rows = ledger.rows(before + 1, 3)
    assert Kind.EXPIRE in rows["kind"]
    assert int(rows["timestamp"].max()) - due >= CLOCK_LEAP_MAX_NS


def test_the_loop_ends_a_hold_when_its_time_has_passed(
    queue: Queue, ledger: Ledger, clock: Clock
) -> None:
    held(ledger, queue)
    leap(clock, 30 * SECOND)
    passes(clock, 3_601 * SECOND)
    end = time.monotonic() + WAIT_S
    while ledger.holds_count and time.monotonic() < end:
        time.sleep(0.05)
    assert ledger.holds_count == 0


@pytest.mark.parametrize("vouches", ["kernel", "person", "nobody"])
def test_who_vouches_for_the_clock_vouches_for_deadlines(
    queue: Queue, ledger: Ledger, clock: Clock, vouches: str
) -> None:
    held(ledger, queue)
    passes(clock, 3_550 * SECOND)
    leap(clock, 100 * SECOND)
    with pytest.raises(ClockError):
        queue.commit(refused())
    if vouches == "kernel":
        clock[SYNCHRONISED] = 1
        queue.commit(refused())
    elif vouches == "person":
        state = queue.clock_state()
        request = clock_row(state, "operator", reason="looked at").request()
        queue.accept_clock(request, state.ahead_ns)
    else:
        # It comes back by itself, to within the minute; the hold's moment is by then.
        leap(clock, -45 * SECOND)
    queue.commit(refused())
    assert ledger.holds_count == (1 if vouches == "nobody" else 0)
    if vouches == "nobody":
        passes(clock, 100 * SECOND)
        queue.commit(refused())
        assert ledger.holds_count == 0


def test_a_person_whose_row_is_refused_vouches_for_nothing(
    queue: Queue, ledger: Ledger, clock: Clock
) -> None:
    held(ledger, queue)
    leap(clock, 7_200 * SECOND)
    state, hold = queue.clock_state(), ledger.row(ledger.sequence)
    row = clock_row(
        state, "operator", reason="looked at", row_id=hold.id, sender=hold.participant
    )
    [told] = queue.accept_clock(row.request(), state.ahead_ns)
    assert told["result"] == Result.ID_REUSED
    assert (ledger.holds_count, ledger.timestamp) == (1, hold.timestamp)
    assert queue.clock_state().ahead_ns == state.ahead_ns
    # As it is accepted it counts from the next group on.
    row = clock_row(state, "operator", reason="looked at")
    [told] = queue.accept_clock(row.request(), state.ahead_ns)
    assert (told["result"], ledger.holds_count) == (Result.OK, 1)
    # What it was sent for once it is not sent for again.
    leap(clock, 7_200 * SECOND)
    [again] = queue.accept_clock(row.request(), state.ahead_ns)
    assert (again["result"], again["repeat"]) == (Result.OK, 1)
    assert queue.clock_state().ahead_ns == state.ahead_ns
    with pytest.raises(ClockError):
        queue.commit(refused())
    leap(clock, -7_200 * SECOND)
    queue.commit(refused())
    assert ledger.holds_count == 0


def test_time_that_only_rows_have_ends_no_hold(
    queue: Queue, ledger: Ledger, clock: Clock
) -> None:
    """A clock that leapt and went back has left its time in the rows."""
    held(ledger, queue)
    passes(clock, 3_560 * SECOND)
    leap(clock, 60 * SECOND)
    queue.commit(refused())
    assert ledger.holds_count == 1
    leap(clock, -60 * SECOND)
    queue.commit(refused())
    assert ledger.timestamp > NOW + 3_600 * SECOND
    assert ledger.holds_count == 1
    passes(clock, 41 * SECOND)
    queue.commit(refused())
    assert ledger.holds_count == 0


def test_a_clock_that_is_ahead_ends_holds_as_the_model_has_it(
    queue: Queue, ledger: Ledger, clock: Clock
) -> None:
    """Random steps of a clock that leaps and comes back, within its minute."""
    rng = random.Random(4)
    model = Model()
    model.instance = ledger.instance
    net = load_network(ledger)
    model.commit([Rows(net.rows)], NOW - 2)
    filled = [top_up(net, w, 10**12, b"UTR-FIRST-%d" % w) for w in net.wallets]
    model.commit([Rows(filled)], NOW - 1)
    anchor = int(clock[WALL]) - int(clock[BOOT])
    for number in range(120):
        passes(clock, rng.randrange(20 * SECOND))
        ahead = rng.randrange(61) * SECOND
        clock[WALL] = anchor + int(clock[BOOT]) + ahead
        row = Row(
            Kind.HOLD,
            id=b"model%011d" % number,
            amount=1,
            reference=b"BILL-%d" % number,
            debit=net.wallets[0],
            service=net.great_service,
            participant=net.harness,
            deadline=rng.choice((1, 30, 60, 90, 200)),
        )
        model.commit([Rows([row.copy()])], int(clock[WALL]), ahead)
        queue.commit(rows_request([row]))
        assert ledger.holds_count == len(model.due)
        assert ledger.sequence == len(model.rows)
    assert any(row.kind == Kind.EXPIRE for row in model.rows)


# --- recovery -------------------------------------------------------------------------


def test_it_goes_on_when_the_clocks_agree_again(
    queue: Queue, ledger: Ledger, clock: Clock
) -> None:
    leap(clock, 7_200 * SECOND)
    with pytest.raises(ClockError):
        queue.commit(refused())
    leap(clock, CLOCK_LEAP_MAX_NS - 7_200 * SECOND)
    queue.commit(refused())
    said = {
        "ahead_ns": CLOCK_LEAP_MAX_NS,
        "boottime_ns": 5 * SECOND,
        "cause": "agreed",
        "wall_ns": NOW + CLOCK_LEAP_MAX_NS,
    }
    assert records(ledger) == [said]
    # No budget is had by it: the minute is used up still.
    queue.commit(refused())
    leap(clock, 1)
    with pytest.raises(ClockError):
        queue.commit(refused())
    assert ledger.sequence == 3


def test_it_goes_on_when_the_kernel_stands_by_the_clock(
    queue: Queue, ledger: Ledger, clock: Clock
) -> None:
    leap(clock, CLOCK_KERNEL_MAX_NS)
    with pytest.raises(ClockError):
        queue.commit(refused())
    clock[SYNCHRONISED] = 1
    queue.commit(refused())
    [said] = records(ledger)
    assert (said["cause"], said["ahead_ns"]) == ("kernel", CLOCK_KERNEL_MAX_NS)
    assert ledger.timestamp == NOW + CLOCK_KERNEL_MAX_NS + 1
    # From here on another minute is allowed.
    clock[SYNCHRONISED] = 0
    leap(clock, CLOCK_LEAP_MAX_NS)
    queue.commit(refused())
    leap(clock, 1)
    with pytest.raises(ClockError, match="runs 60 s ahead"):
        queue.commit(refused())
    assert len(records(ledger)) == 1


def test_a_clock_that_the_kernel_keeps_is_followed_over_the_years(
    queue: Queue, ledger: Ledger, clock: Clock
) -> None:
    """What is set right little by little uses the minute up, and nobody notices."""
    clock[SYNCHRONISED] = 1
    for _ in range(300):
        passes(clock, 86_400 * SECOND)
        leap(clock, SECOND)
        queue.commit(refused())
    # After 61 seconds in all the kernel is asked, and 61 are had anew.
    assert [one["cause"] for one in records(ledger)] == ["kernel"] * 4


def test_more_than_an_hour_needs_a_person(
    queue: Queue, ledger: Ledger, clock: Clock
) -> None:
    clock[SYNCHRONISED] = 1
    leap(clock, CLOCK_KERNEL_MAX_NS + 1)
    for _ in range(3):
        with pytest.raises(ClockError, match="accept-clock"):
            queue.commit(refused())
    assert ledger.sequence == 0
    state = queue.clock_state()
    assert state.ahead_ns == CLOCK_KERNEL_MAX_NS + 1
    assert (state.wall_ns, state.boottime_ns) == tuple(clock[:SYNCHRONISED].tolist())
    request = clock_row(state, "operator", reason="the battery was empty").request()
    [outcome] = queue.accept_clock(request, state.ahead_ns)
    assert outcome["result"] == Result.OK
    assert records(ledger) == [
        {
            "ahead_ns": CLOCK_KERNEL_MAX_NS + 1,
            "boottime_ns": 5 * SECOND,
            "cause": "operator",
            "reason": "the battery was empty",
            "wall_ns": int(clock[WALL]),
        }
    ]
    queue.commit(refused())
    assert ledger.timestamp == int(clock[WALL]) + 1
    assert queue.clock_state().ahead_ns == 0


def test_only_the_leap_that_was_looked_at_is_accepted(
    queue: Queue, ledger: Ledger, clock: Clock
) -> None:
    leap(clock, 7_200 * SECOND)
    state = queue.clock_state()
    request = clock_row(state, "operator", reason="a test").request()
    leap(clock, 10 * 365 * 86_400 * SECOND)
    with pytest.raises(ClockError, match="has moved"):
        queue.accept_clock(request, state.ahead_ns)
    assert ledger.sequence == 0
    with pytest.raises(ClockError):
        queue.commit(refused())


def test_a_clock_that_is_right_need_not_be_accepted(
    queue: Queue, ledger: Ledger, clock: Clock
) -> None:
    state = queue.clock_state()
    request = clock_row(state, "operator", reason="a test").request()
    with pytest.raises(ClockError, match="has moved"):
        queue.accept_clock(request, state.ahead_ns)
    assert ledger.sequence == 0


def test_the_machines_own_clocks(ledger: Ledger) -> None:
    queue = Queue(ledger)
    queue.start()
    queue.commit(refused())
    state = queue.clock_state()
    assert abs(state.ahead_ns) < 10 * SECOND
    assert state.wall_ns > NOW
    queue.stop(WAIT_S)
    assert records(ledger) == []
