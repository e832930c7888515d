"""Goal: the committer keeps the clock, hands answers to whom they belong, and tells of
its death.

Method: a real ledger and a real event loop; a clock that the test sets. What the queue
below promises (groups, bounds, refusals, death) is tested in tests/core/test_queue.py.
Requests are the treasury's own, made here.
"""

import asyncio
import json
import logging
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest

from switch._core import GROUP_MAX, RULES_RECORD, Ledger, Request, Rows
from switch.audit import audit
from switch.codes import RULES_VERSION, Kind, Link, Record, Result
from switch.errors import (
    ClockError,
    DeadError,
    FormatError,
    OverloadError,
    UnknownOutcomeError,
)
from switch.ids import new_id
from switch.ledger.committer import (
    CLOCK_LEAP_MAX_NS,
    Answer,
    Committer,
)
from switch.ledger.start_clock import CLOCK_BEHIND_MAX_NS, CLOCK_GAP_MAX_NS
from switch.ledger.templates import join, template
from tests.audit.journal_writer import Row, write_journal
from tests.records import margin

MAP_SIZE = 1 << 30
LITTLE_MAP = 1 << 20
SECOND = 10**9
START_NS = 1_773_500_000 * SECOND
WAIT_S = 10.0
RULES_RECORD_OF = struct.Struct("<B3xI")
RULES_ROW = 1
"""Sequence of the row that a served ledger begins with."""

Clock = npt.NDArray[np.uint64]


class Collector:
    """A receiver that keeps what it gets."""

    def __init__(self) -> None:
        self.got: list[tuple[int, Answer]] = []
        self.changed = asyncio.Event()

    def __call__(self, rows: int, answer: Answer) -> None:
        self.got.append((rows, answer))
        self.changed.set()

    async def wait(self, count: int = 1) -> list[tuple[int, Answer]]:
        async with asyncio.timeout(WAIT_S):
            while len(self.got) < count:
                self.changed.clear()
                await self.changed.wait()
        return self.got


def frozen(rows: int = 1) -> Request:
    """Rows that are refused (there is no account 1), each of them recorded."""
    return join(
        template(Kind.FREEZE, row_id=new_id(), debit=1, reference="a test")
        for _ in range(rows)
    ).request()


def sequence(answer: Answer) -> int:
    return int(cast("Rows", answer)[0]["sequence"])


async def taken(committer: Committer) -> None:
    """Wait until nothing waits: what was submitted is in a group."""
    for _ in range(int(WAIT_S * 1_000)):
        if not committer._queue.rows_waiting:
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it was not taken")


@pytest.fixture
def clock() -> Clock:
    return np.array([START_NS, 5 * SECOND, 0], np.uint64)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(str(tmp_path), map_size=MAP_SIZE, reserve_size=0) as real:
        yield real


def make(ledger: Ledger, clock: Clock, **options: Any) -> Committer:
    return Committer(ledger, clock=clock, **options)


@pytest.fixture
def committer(ledger: Ledger, clock: Clock) -> Iterator[Committer]:
    one = make(ledger, clock)
    one.start()
    yield one
    one.stop(WAIT_S)


def test_commit_now(committer: Committer, ledger: Ledger) -> None:
    reply = committer.commit_now(frozen())
    assert not isinstance(reply, bytes)
    assert reply[0]["result"] == Result.ACCOUNT_UNKNOWN
    assert reply[0]["sequence"] == ledger.sequence == RULES_ROW + 1


# --- answers -------------------------------------------------------------------------


async def test_each_receiver_gets_its_own_in_order(committer: Committer) -> None:
    committer.attach(asyncio.get_running_loop())
    one, two = Collector(), Collector()
    first, second = committer.open(one), committer.open(two)
    assert first != second
    with committer._queue.paused():
        for index in range(100):
            committer.submit(frozen(), first if index % 2 else second)
    from_one = await one.wait(50)
    from_two = await two.wait(50)
    assert sorted(sequence(answer) for _, answer in from_one + from_two) == list(
        range(RULES_ROW + 1, RULES_ROW + 101)
    )
    assert {sequence(answer) % 2 for _, answer in from_two} == {0}
    assert {sequence(answer) % 2 for _, answer in from_one} == {1}
    assert [sequence(answer) for _, answer in from_one] == list(range(3, 102, 2))
    assert {rows for rows, _ in from_one} == {1}


async def test_one_wake_up_for_each_group_at_most(committer: Committer) -> None:
    wake_ups = 0
    at_wake_up: list[int] = []
    got = Collector()

    def listen() -> None:
        nonlocal wake_ups
        wake_ups += 1
        at_wake_up.append(len(got.got))

    tag = committer.open(got)
    committer.attach(asyncio.get_running_loop())
    # The descriptor is readable from its making, for what was done before.
    await asyncio.sleep(0.01)
    committer.listen(listen)
    with committer._queue.paused():
        committer.submit(frozen(), tag)
        await taken(committer)
        for _ in range(50):
            committer.submit(frozen(), tag)
    await got.wait(51)
    await asyncio.sleep(0.01)
    # Receivers first: who waits for a group then finds what it brought. Of the second
    # group it may hear when the first one's look has taken that too.
    assert at_wake_up in ([1, 51], [51], [51, 51])
    assert wake_ups == len(at_wake_up)


async def test_commits_that_block_are_heard_of_too(committer: Committer) -> None:
    heard = asyncio.Event()
    committer.attach(asyncio.get_running_loop())
    await asyncio.sleep(0.01)
    committer.listen(heard.set)
    await asyncio.to_thread(committer.commit_now, frozen())
    await asyncio.wait_for(heard.wait(), WAIT_S)


async def test_who_goes_away_takes_nothing_back(
    committer: Committer, ledger: Ledger
) -> None:
    committer.attach(asyncio.get_running_loop())
    gone, stays = Collector(), Collector()
    tag = committer.open(gone)
    with committer._queue.paused():
        committer.submit(frozen(), tag)
        committer.submit(frozen(), committer.open(stays))
        committer.close(tag)
    await stays.wait()
    assert not gone.got
    assert ledger.sequence == RULES_ROW + 2


async def test_a_full_queue_turns_away(ledger: Ledger, clock: Clock) -> None:
    committer = make(ledger, clock, queue_rows_max=GROUP_MAX)
    committer.attach(asyncio.get_running_loop())
    committer.start()
    got = Collector()
    tag = committer.open(got)
    with committer._queue.paused():
        committer.submit(frozen(), tag)
        await taken(committer)
        committer.submit(frozen(GROUP_MAX), tag)
        with pytest.raises(OverloadError):
            committer.submit(frozen(), tag)
    assert [rows for rows, _ in await got.wait(2)] == [1, GROUP_MAX]
    committer.stop(WAIT_S)


# --- one failure costs one caller ----------------------------------------------------


async def test_a_receiver_that_fails_takes_nothing_from_others(
    committer: Committer, caplog: pytest.LogCaptureFixture
) -> None:
    committer.attach(asyncio.get_running_loop())
    failed: list[int] = []
    heard = asyncio.Event()

    def failing(rows: int, answer: Answer) -> None:
        failed.append(rows)
        raise ValueError("a receiver's own mistake")

    def failing_listener() -> None:
        raise ValueError("a listener's own mistake")

    committer.listen(failing_listener)
    committer.listen(heard.set)
    before, after = Collector(), Collector()
    tags = [committer.open(one) for one in (before, failing, after)]
    with committer._queue.paused():
        committer.submit(frozen(), tags[0])
        await taken(committer)
        for tag in tags:
            for _ in range(2):
                committer.submit(frozen(), tag)
    assert len(await before.wait(3)) == 3
    assert len(await after.wait(2)) == 2
    await asyncio.wait_for(heard.wait(), WAIT_S)
    # Whose answer was lost gets no more of them, as if they were in order.
    assert failed == [1]
    assert "a receiver's own mistake" in caplog.text
    assert "a listener's own mistake" in caplog.text
    assert committer.failures >= 2
    committer.close(tags[1])


async def test_answers_without_memory_are_fetched_again(
    committer: Committer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Short:
        """A queue that has no memory for its answers twice."""

        def __init__(self, queue: Any) -> None:
            self.queue, self.left = queue, 2

        def __getattr__(self, name: str) -> Any:
            return getattr(self.queue, name)

        def take(self) -> Any:
            if self.left:
                self.left -= 1
                raise MemoryError
            return self.queue.take()

    monkeypatch.setattr(committer, "_queue", Short(committer._queue))
    committer.attach(asyncio.get_running_loop())
    got = Collector()
    committer.submit(frozen(), committer.open(got))
    [(rows, _)] = await got.wait()
    assert rows == 1


# --- the clock -----------------------------------------------------------------------


async def test_a_leap_of_the_clock_is_told_and_logged(
    committer: Committer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    committer.attach(asyncio.get_running_loop())
    committer.commit_now(frozen())
    clock[0] += CLOCK_LEAP_MAX_NS + 1
    got = Collector()
    with caplog.at_level(logging.WARNING):
        for _ in range(20):
            committer.submit(frozen(), committer.open(got))
            await taken(committer)
        (rows, error), *_ = await got.wait(20)
    assert rows == 1
    assert isinstance(error, ClockError)
    # Said, and not once for each group.
    assert 1 <= caplog.text.count("runs 60 s ahead") <= 5
    with pytest.raises(ClockError):
        committer.commit_now(frozen())
    assert committer.clock_refused_s > 0
    clock[0] -= 1
    assert committer.clock_refused_s == 0, "it is back, and nobody has asked yet"
    with caplog.at_level(logging.WARNING):
        committer.submit(frozen(), committer.open(got))
        assert not isinstance((await got.wait(21))[-1][1], ClockError)
    assert "believed again" in caplog.text


def test_a_start_long_after_the_last_row(ledger: Ledger, clock: Clock) -> None:
    first = make(ledger, clock)
    first.start()
    first.commit_now(frozen())
    first.stop(WAIT_S)
    clock[:2] += np.uint64(CLOCK_GAP_MAX_NS + SECOND)
    with pytest.raises(ClockError, match="--accept-clock"):
        make(ledger, clock).start()
    assert ledger.sequence == RULES_ROW + 1
    second = make(ledger, clock)
    second.start(accept_clock=True)
    row = ledger.row(RULES_ROW + 2)
    assert (row.kind, row.result) == (Kind.REGISTER, Result.OK)
    assert ledger.tail(RULES_ROW + 2)[0] == Record.CLOCK
    second.stop(WAIT_S)
    third = make(ledger, clock)
    third.start()
    third.stop(WAIT_S)
    assert ledger.sequence == RULES_ROW + 2
    said = json.loads(ledger.tail(RULES_ROW + 2)[1:])
    assert said == {
        "ahead_ns": CLOCK_GAP_MAX_NS + SECOND - 1,
        "boottime_ns": int(clock[1]),
        "cause": "start",
        "wall_ns": int(clock[0]),
    }


def test_a_start_before_the_last_row(ledger: Ledger, clock: Clock) -> None:
    first = make(ledger, clock)
    first.start()
    first.commit_now(frozen())
    first.stop(WAIT_S)
    # The rules' row came first, a nanosecond before.
    clock[0] -= CLOCK_BEHIND_MAX_NS - 1
    second = make(ledger, clock)
    second.start()
    second.stop(WAIT_S)
    clock[0] -= 1
    with pytest.raises(ClockError, match=r"1 minutes before .*--accept-clock"):
        make(ledger, clock).start()
    assert ledger.sequence == RULES_ROW + 1
    third = make(ledger, clock)
    third.start(accept_clock=True)
    third.stop(WAIT_S)
    assert ledger.tail(RULES_ROW + 2)[0] == Record.CLOCK
    assert ledger.timestamp > START_NS


def test_the_first_row_says_which_rules_run(ledger: Ledger, clock: Clock) -> None:
    for _ in range(2):
        one = make(ledger, clock)
        one.start()
        one.stop(WAIT_S)
        assert (ledger.sequence, ledger.rules_version) == (RULES_ROW, RULES_VERSION)
    row = ledger.row(RULES_ROW)
    assert (row.kind, row.result) == (Kind.REGISTER, Result.OK)
    record = np.frombuffer(ledger.tail(RULES_ROW), RULES_RECORD, count=1)[0]
    assert (int(record["record"]), int(record["version"])) == (
        Record.RULES,
        RULES_VERSION,
    )


def test_margins_that_are_not_the_newest_get_a_row(
    ledger: Ledger, clock: Clock
) -> None:
    """Behind the rules, before anything else is taken; none if none are given."""
    tails = [margin(60_000), margin(60_000), b"", margin(60_000, water=10), margin(10)]
    written: list[bytes] = []
    for tail in tails:
        one = make(ledger, clock)
        one.start(margin=tail)
        one.stop(WAIT_S)
        if tail and written[-1:] != [tail]:
            written.append(tail)
        assert ledger.sequence == RULES_ROW + len(written)
    for at, tail in enumerate(written, RULES_ROW + 1):
        row = ledger.row(at)
        assert (row.kind, row.result, row.participant) == (Kind.REGISTER, Result.OK, 0)
        assert row.resolves == (at - 1 if at > RULES_ROW + 1 else 0)
        assert ledger.tail(at) == tail
    with pytest.raises(FormatError, match="refused a row of its start"):
        make(ledger, clock).start(margin=margin(9))


def test_a_ledger_of_before_gets_rules_and_margins(
    tmp_path: Path, clock: Clock
) -> None:
    older = RULES_RECORD_OF.pack(Record.RULES, RULES_VERSION - 1)
    row = Row(Kind.REGISTER, id=b"r" * 16, sequence=1, debit=1, tail=older)
    row.timestamp = START_NS - 1
    write_journal(tmp_path / "older", [[row]])
    path = str(tmp_path / "older")
    with Ledger(path, create=False, map_size=MAP_SIZE, reserve_size=0) as ledger:
        assert ledger.link(0, Link.MARGIN) == 0
        one = make(ledger, clock)
        one.start(margin=margin(60_000))
        one.stop(WAIT_S)
        assert (ledger.sequence, ledger.rules_version) == (3, RULES_VERSION)
        assert ledger.link(0, Link.MARGIN) == 3
        assert ledger.row(3).resolves == 0
    assert audit(tmp_path / "older").ok


# --- stop and death ------------------------------------------------------------------


async def test_death(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    died = threading.Event()
    with Ledger(str(tmp_path), map_size=LITTLE_MAP, reserve_size=0) as ledger:
        committer = make(ledger, clock, on_death=died.set)
        committer.attach(asyncio.get_running_loop())
        committer.start()
        inside, queued = Collector(), Collector()
        with committer._queue.paused():
            committer.submit(frozen(GROUP_MAX), committer.open(inside))
            await taken(committer)
            committer.submit(frozen(), committer.open(queued))
        [(rows, error)] = await inside.wait()
        assert rows == GROUP_MAX
        assert isinstance(error, UnknownOutcomeError)
        [(_, error)] = await queued.wait()
        assert isinstance(error, DeadError)
        assert error.code == -30_792
        assert await asyncio.to_thread(died.wait, WAIT_S)
        assert not committer.alive
        assert "MDB_MAP_FULL" in caplog.text
        with pytest.raises(DeadError):
            committer.submit(frozen(), 1)
        assert ledger.sequence == RULES_ROW
        assert committer.stop(WAIT_S)


def test_stop_commits_what_waits(ledger: Ledger, clock: Clock) -> None:
    committer = make(ledger, clock)
    committer.start()
    assert committer.alive
    for _ in range(3):
        committer.submit(frozen(GROUP_MAX), 1)
    assert committer.stop(WAIT_S)
    assert not committer.alive
    assert ledger.sequence == RULES_ROW + 3 * GROUP_MAX
    with pytest.raises(DeadError):
        committer.submit(frozen(), 1)


def test_a_ledger_without_rows_needs_no_word(ledger: Ledger, clock: Clock) -> None:
    assert np.all(ledger.accounts()[0]["kind"] == 0)
    committer = make(ledger, clock)
    committer.start()
    assert committer.stop(WAIT_S)
