"""Goal: the committer groups, bounds, refuses and dies as it promises.

Method: a real ledger, behind a stand-in that can hold a commit back or make it fail;
a clock that the test sets. Requests are the treasury's own, made here.
"""

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from switch._core import GROUP_MAX, Ledger, Request, Rows
from switch.codes import Kind, Record, Result
from switch.committer import (
    CLOCK_GAP_MAX_NS,
    CLOCK_LEAP_MAX_NS,
    Committer,
    Replies,
    Reply,
)
from switch.errors import (
    ClockError,
    DeadError,
    OverloadError,
    SpaceError,
    StorageError,
    SwitchError,
    UnknownOutcomeError,
)
from switch.ids import new_id
from switch.templates import join, template

MAP_SIZE = 1 << 30
SECOND = 10**9
START_NS = 1_773_500_000 * SECOND
WAIT_S = 10.0


class Clock:
    """Both clocks, where the test puts them."""

    def __init__(self) -> None:
        self.wall = START_NS
        self.monotonic = 5 * SECOND

    def wall_ns(self) -> int:
        return self.wall

    def monotonic_ns(self) -> int:
        return self.monotonic

    def pass_s(self, seconds: int) -> None:
        self.wall += seconds * SECOND
        self.monotonic += seconds * SECOND


class Gated:
    """A ledger whose commits wait for a gate and can be made to fail."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.error: Exception | None = None
        self.groups: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ledger, name)

    def commit(self, requests: Sequence[Request], now_ns: int) -> list[Reply]:
        self.entered.set()
        assert self.gate.wait(WAIT_S)
        if self.error is not None:
            raise self.error
        self.groups.append(sum(request.rows_count for request in requests))
        return self.ledger.commit(requests, now_ns)


class Collector:
    """A callback that keeps what it gets."""

    def __init__(self) -> None:
        self.got: list[Replies] = []
        self.event = threading.Event()

    def __call__(self, replies: Replies) -> None:
        self.got.append(replies)
        self.event.set()

    def wait(self, count: int = 1) -> list[Replies]:
        end = time.monotonic() + WAIT_S
        while len(self.got) < count:
            assert time.monotonic() < end
            time.sleep(0.001)
        return self.got

    def error(self) -> SwitchError:
        [replies] = self.wait()
        assert isinstance(replies, SwitchError)
        return replies


class Due(Gated):
    """A ledger that always has a hold that is due."""

    def expiry(self) -> int:
        return 1


def frozen(rows: int = 1) -> Request:
    """Rows that are refused (there is no account 1), each of them recorded."""
    return join(
        template(Kind.FREEZE, row_id=new_id(), debit=1, reference="a test")
        for _ in range(rows)
    ).request()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Gated]:
    with Ledger(str(tmp_path), map_size=MAP_SIZE, reserve_size=0) as real:
        yield Gated(real)


def make(ledger: Gated, clock: Clock, **options: Any) -> Committer:
    return Committer(cast("Ledger", ledger), clock=clock, **options)


@pytest.fixture
def committer(ledger: Gated, clock: Clock) -> Iterator[Committer]:
    one = make(ledger, clock)
    one.start()
    yield one
    ledger.gate.set()
    one.stop(WAIT_S)


def test_commit_now(committer: Committer, ledger: Gated) -> None:
    reply = committer.commit_now(frozen())
    assert not isinstance(reply, bytes)
    assert reply[0]["result"] == Result.ACCOUNT_UNKNOWN
    assert reply[0]["sequence"] == ledger.sequence == 1


def test_what_waits_is_one_group_in_order(committer: Committer, ledger: Gated) -> None:
    ledger.gate.clear()
    first = Collector()
    committer.submit(frozen(), first)
    assert ledger.entered.wait(WAIT_S)
    one, two = Collector(), Collector()
    for index in range(100):
        committer.submit(frozen(), one if index % 2 else two)
    ledger.gate.set()
    [from_one] = one.wait()
    [from_two] = two.wait()
    assert ledger.groups == [1, 100]
    sequences = [
        [int(reply[0]["sequence"]) for reply in cast("list[Rows]", replies)]
        for replies in (from_two, from_one)
    ]
    assert sequences == [list(range(2, 102, 2)), list(range(3, 102, 2))]


def test_a_group_has_its_bound_and_requests_stay_whole(
    committer: Committer, ledger: Gated
) -> None:
    ledger.gate.clear()
    done = Collector()
    committer.submit(frozen(), done)
    assert ledger.entered.wait(WAIT_S)
    for rows in (5_000, 3_190, 1, GROUP_MAX, 2_000):
        committer.submit(frozen(rows), done)
    ledger.gate.set()
    done.wait(5)
    assert ledger.groups == [1, 8_190, 1, GROUP_MAX, 2_000]


def test_the_queue_is_bounded(ledger: Gated, clock: Clock) -> None:
    committer = make(ledger, clock, queue_rows_max=100)
    committer.start()
    ledger.gate.clear()
    done = Collector()
    committer.submit(frozen(), done)
    assert ledger.entered.wait(WAIT_S)
    committer.submit(frozen(60), done)
    with pytest.raises(OverloadError):
        committer.submit(frozen(41), done)
    committer.submit(frozen(40), done)
    with pytest.raises(OverloadError):
        committer.submit(frozen(), done)
    ledger.gate.set()
    done.wait(2)
    committer.commit_now(frozen(100))
    committer.stop(WAIT_S)
    assert ledger.sequence == 201


async def test_one_wake_up_for_each_group(committer: Committer, ledger: Gated) -> None:
    loop = asyncio.get_running_loop()
    groups = 0
    replies: list[Replies] = []
    done = asyncio.Event()

    def listen() -> None:
        nonlocal groups
        groups += 1
        if groups == 2:
            done.set()

    committer.listen(loop, listen)
    ledger.gate.clear()
    committer.submit(frozen(), replies.append, loop)
    await asyncio.to_thread(ledger.entered.wait, WAIT_S)
    receive = replies.append
    for _ in range(50):
        committer.submit(frozen(), receive, loop)
    ledger.gate.set()
    await asyncio.wait_for(done.wait(), WAIT_S)
    assert [len(cast("list[Reply]", one)) for one in replies] == [1, 50]
    assert ledger.groups == [1, 50]


# --- the clock -----------------------------------------------------------------------


def test_a_leap_of_the_clock_stops_groups_until_it_is_back(
    committer: Committer, clock: Clock, ledger: Gated
) -> None:
    committer.commit_now(frozen())
    clock.pass_s(3_600)
    committer.commit_now(frozen())
    clock.wall += CLOCK_LEAP_MAX_NS + 1
    with pytest.raises(ClockError):
        committer.commit_now(frozen())
    assert ledger.sequence == 2
    clock.wall -= 1
    committer.commit_now(frozen())
    assert ledger.sequence == 3


def test_small_leaps_do_not_add_up_unseen(committer: Committer, clock: Clock) -> None:
    committer.commit_now(frozen())
    clock.wall += CLOCK_LEAP_MAX_NS
    committer.commit_now(frozen())
    # The good group is the new anchor: from here on another minute is allowed.
    clock.wall += CLOCK_LEAP_MAX_NS + 1
    with pytest.raises(ClockError):
        committer.commit_now(frozen())


def test_a_clock_that_goes_back_and_returns(
    committer: Committer, clock: Clock, ledger: Gated
) -> None:
    committer.commit_now(frozen())
    clock.wall -= 7_200 * SECOND
    committer.commit_now(frozen())
    clock.wall += 7_200 * SECOND
    committer.commit_now(frozen())
    times = ledger.rows(1, 3)["timestamp"].tolist()
    assert times == [START_NS, START_NS + 1, START_NS + 2]


def test_a_start_long_after_the_last_row(ledger: Gated, clock: Clock) -> None:
    first = make(ledger, clock)
    first.start()
    first.commit_now(frozen())
    first.stop(WAIT_S)
    clock.pass_s(CLOCK_GAP_MAX_NS // SECOND + 1)
    with pytest.raises(ClockError, match="--accept-clock"):
        make(ledger, clock).start()
    assert ledger.sequence == 1
    second = make(ledger, clock)
    second.start(accept_clock=True)
    row = ledger.row(2)
    assert (row["kind"], row["result"]) == (Kind.REGISTER, Result.OK)
    assert ledger.tail(2)[0] == Record.CLOCK
    second.stop(WAIT_S)
    third = make(ledger, clock)
    third.start()
    third.stop(WAIT_S)
    assert ledger.sequence == 2


# --- refusals and death --------------------------------------------------------------


def test_no_space_is_said_and_tried_again(committer: Committer, ledger: Gated) -> None:
    ledger.error = SpaceError("no room")
    with pytest.raises(SpaceError):
        committer.commit_now(frozen())
    ledger.error = None
    committer.commit_now(frozen())
    assert ledger.sequence == 1


@pytest.mark.parametrize("error", [StorageError(5, "EIO"), RuntimeError("a mistake")])
def test_death(ledger: Gated, clock: Clock, error: Exception) -> None:
    died = threading.Event()
    committer = make(ledger, clock, on_death=died.set)
    committer.start()
    ledger.gate.clear()
    inside, queued = Collector(), Collector()
    committer.submit(frozen(), inside)
    assert ledger.entered.wait(WAIT_S)
    committer.submit(frozen(), queued)
    ledger.error = error
    ledger.gate.set()
    assert died.wait(WAIT_S)
    assert isinstance(inside.error(), UnknownOutcomeError)
    assert isinstance(queued.error(), DeadError)
    assert not committer.alive
    with pytest.raises(DeadError):
        committer.submit(frozen(), inside)
    assert ledger.sequence == 0
    assert committer.stop(WAIT_S)


def test_stop_commits_what_waits(ledger: Gated, clock: Clock) -> None:
    committer = make(ledger, clock)
    committer.start()
    ledger.gate.clear()
    done = Collector()
    for _ in range(3):
        committer.submit(frozen(GROUP_MAX), done)
    ledger.gate.set()
    assert committer.stop(WAIT_S)
    assert ledger.sequence == 3 * GROUP_MAX
    with pytest.raises(DeadError):
        committer.submit(frozen(), done)


def test_stop_does_not_wait_for_ever(ledger: Gated, clock: Clock) -> None:
    committer = make(ledger, clock)
    committer.start()
    ledger.gate.clear()
    inside, queued = Collector(), Collector()
    committer.submit(frozen(), inside)
    assert ledger.entered.wait(WAIT_S)
    committer.submit(frozen(), queued)
    opener = threading.Timer(0.3, ledger.gate.set)
    opener.start()
    assert not committer.stop(0.05)
    opener.join()
    assert isinstance(queued.error(), DeadError)
    [replies] = inside.wait()
    assert not isinstance(replies, SwitchError)
    assert ledger.sequence == 1


def test_a_ledger_without_rows_needs_no_word(ledger: Gated, clock: Clock) -> None:
    assert np.all(ledger.accounts()[0]["kind"] == 0)
    committer = make(ledger, clock)
    committer.start()
    assert committer.stop(WAIT_S)


def test_full_groups_leave_room_for_holds_that_are_due(
    ledger: Gated, clock: Clock
) -> None:
    gated = Due(ledger.ledger)
    gated.gate.clear()
    committer = make(gated, clock)
    committer.start()
    collector = Collector()
    for _ in range(3):
        committer.submit(frozen(GROUP_MAX), collector)
    gated.gate.set()
    collector.wait(3)
    committer.stop(WAIT_S)
    full = [index for index, rows in enumerate(gated.groups) if rows == GROUP_MAX]
    assert len(full) == 3
    # Between two full groups there is one in which only holds expire.
    assert all(gated.groups[index + 1] == 0 for index in full[:-1])
