"""Goal: the queue groups, bounds, joins, refuses and dies as it promises.

Method: a real ledger; commits are held back by `paused`, time is an array that the test
sets, storage errors are had by a small map and a file that may not grow.
"""

import os
import resource
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from benchmarks._drive import Taker
from switch._core import GROUP_MAX, Ledger, Queue, Request
from switch.codes import Kind
from switch.errors import (
    DeadError,
    OverloadError,
    SpaceError,
    StorageError,
    SwitchError,
    UnknownOutcomeError,
)
from switch.v1 import payments_pb2 as pb
from switch.v1 import results_pb2
from tests.core.network import NOW, Network
from tests.core.pair import rows_request
from tests.core.queues import (
    OPTIONS,
    WAIT_S,
    fresh,
    load_network,
    payments,
    refused,
    submit_by,
    until,
)
from tests.readable import readable
from tests.records import Row

SECOND = 10**9
LITTLE_MAP = 1 << 20
DONE_GROUPS_MAX = 8
FULL = -40005
STOPPED = -40006

Clock = npt.NDArray[np.uint64]


def take(queue: Queue, groups: int) -> list[Any]:
    """So many groups, waiting for them."""
    taken: list[Any] = []
    end = time.monotonic() + WAIT_S
    while len(taken) < groups:
        readable(queue.fileno(), 1.0)
        taken += queue.take()
        assert time.monotonic() < end, f"{len(taken)} of {groups} groups"
    assert len(taken) == groups
    return taken


def sizes(groups: list[Any]) -> list[int]:
    return [sum(rows for _, rows, _ in answers) for _, answers in groups]


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


@pytest.fixture
def funded(ledger: Ledger) -> Network:
    """The small network, its wallets filled."""
    return load_network(ledger)


# --- groups ---------------------------------------------------------------------------


def test_what_waits_is_one_group_in_order(queue: Queue, ledger: Ledger) -> None:
    with queue.paused():
        queue.submit(refused(), 7)
        until(lambda: queue.rows_waiting == 0)
        for index in range(100):
            queue.submit(refused(), index % 2)
    (_, first), (error, second) = take(queue, 2)
    assert error is None
    assert [(tag, rows) for tag, rows, _ in first] == [(7, 1)]
    assert [tag for tag, _, _ in second] == [index % 2 for index in range(100)]
    sequences = [int(answer[0]["sequence"]) for _, _, answer in second]
    assert sequences == list(range(2, 102))
    assert ledger.sequence == 101


def test_a_group_has_its_bound_and_requests_stay_whole(queue: Queue) -> None:
    with queue.paused():
        queue.submit(refused(), 1)
        until(lambda: queue.rows_waiting == 0)
        for rows in (5_000, 3_190, 1, GROUP_MAX, 2_000):
            queue.submit(refused(rows), 1)
    assert sizes(take(queue, 5)) == [1, 8_190, 1, GROUP_MAX, 2_000]


def test_the_queue_is_bounded(ledger: Ledger) -> None:
    queue = Queue(ledger, rows_max=GROUP_MAX)
    queue.start()
    with queue.paused():
        queue.submit(refused(), 1)
        until(lambda: queue.rows_waiting == 0)
        queue.submit(refused(GROUP_MAX - 40), 1)
        for call in (
            lambda: queue.submit(refused(40), 1),
            lambda: queue.commit(refused()),
        ):
            with pytest.raises(OverloadError, match="8150"):
                call()
        assert queue.rows_waiting == GROUP_MAX - 40
    assert sizes(take(queue, 2)) == [1, GROUP_MAX - 40]
    queue.submit(refused(GROUP_MAX), 1)
    assert queue.stop(WAIT_S)
    assert ledger.sequence == 1 + GROUP_MAX - 40 + GROUP_MAX


def test_tails_that_wait_are_bounded(ledger: Ledger) -> None:
    queue = Queue(ledger, bytes_max=4 << 20)
    queue.start()
    big = rows_request(
        [Row(Kind.REGISTER, id=fresh()[0], tail=b"\x03" + b"x" * 200_000)] * 16
    )
    with queue.paused():
        queue.submit(refused(), 1)
        until(lambda: queue.rows_waiting == 0)
        queue.submit(big, 1)
        with pytest.raises(OverloadError):
            queue.submit(big, 1)
    assert sizes(take(queue, 2)) == [1, 16]
    queue.stop(WAIT_S)


def test_bodies_that_wait_are_bounded(ledger: Ledger) -> None:
    """A payment may be long, by fields that nobody knows, and its tail short."""
    queue = Queue(ledger, bytes_max=16 << 20)
    taker = Taker(queue.capsule())
    body = b"\x0a\x00" + b"\x7a\x80\x80\x40" + bytes(1 << 20)
    assert taker.count(body) == (0, 1, 1, 0)
    # Half of the room is the most that one sender has.
    for sender, count in ((1, 7), (2, 4)):
        for _ in range(count):
            assert taker.submit(body, 1, sender, 1) == 0
        assert taker.submit(body, 1, sender, 1) == FULL
    assert not queue.stop(0)
    assert taker.take() is not None
    taker.release()
    assert queue.bytes_waiting == 0


def test_groups_that_nobody_takes_hold_up_the_next(
    queue: Queue, ledger: Ledger, funded: Network
) -> None:
    taker = Taker(queue.capsule())
    base = ledger.sequence
    for number in range(1, DONE_GROUPS_MAX + 1):
        submit_by(taker, funded, number)
        until(lambda number=number: ledger.sequence == base + number)  # type: ignore[misc]
    submit_by(taker, funded, 9)
    queue.submit(refused(), 10)
    time.sleep(0.05)
    assert ledger.sequence == base + DONE_GROUPS_MAX
    assert queue.rows_waiting == 2
    # The next one begins with the first that is released.
    for number in range(1, DONE_GROUPS_MAX + 1):
        done = taker.take()
        assert done is not None
        rc, parts = done
        assert (rc, [tag for tag, *_ in parts]) == (0, [number])
        taker.release()
    assert sizes(take(queue, 1)) == [1]


def test_answers_of_a_tag_are_joined(queue: Queue, funded: Network) -> None:
    mine, other = [fresh(3), fresh(1), fresh(2)], [fresh(1), fresh(1)]
    with queue.paused():
        queue.submit(refused(), 1)
        until(lambda: queue.rows_waiting == 0)
        queue.submit(payments(funded, mine[0]), 1)
        queue.submit(payments(funded, other[0]), 2)
        queue.submit(payments(funded, mine[1]), 1)
        # Of the same sender: its calls keep their order.
        queue.submit(refused(4, funded.harness), 1)
        queue.submit(payments(funded, other[1]), 2)
        queue.submit(payments(funded, mine[2]), 1)
    _, answers = take(queue, 2)[1]
    assert [(tag, rows) for tag, rows, _ in answers] == [(1, 4), (2, 2), (1, 4), (1, 2)]
    found = [
        [one.id for one in pb.CreatePaymentsResponse.FromString(answer).outcomes]
        for _, _, answer in answers
        if isinstance(answer, bytes)
    ]
    assert found == [mine[0] + mine[1], other[0] + other[1], mine[2]]


def test_many_tags_in_one_group(queue: Queue, funded: Network) -> None:
    # Tags that differ in their high bits only, and twice as many as the table's least.
    tags = [number << 40 for number in range(3_000)]
    sent = {tag: fresh(2) for tag in tags}
    with queue.paused():
        queue.submit(refused(), 1)
        until(lambda: queue.rows_waiting == 0)
        for half in range(2):
            for tag in tags:
                queue.submit(payments(funded, [sent[tag][half]]), tag)
    _, answers = take(queue, 2)[1]
    assert [tag for tag, _, _ in answers] == tags
    for tag, rows, answer in answers:
        outcomes = pb.CreatePaymentsResponse.FromString(answer).outcomes
        assert rows == 2
        assert [one.id for one in outcomes] == sent[tag]
        assert all(one.result == results_pb2.RESULT_OK for one in outcomes)


def test_requests_are_kept_until_their_answer_is_taken(
    queue: Queue, ledger: Ledger
) -> None:
    request = refused()
    before = sys.getrefcount(request)
    queue.submit(request, 1)
    assert sys.getrefcount(request) == before + 1
    take(queue, 1)
    assert sys.getrefcount(request) == before
    idle = Queue(ledger)
    idle.submit(request, 1)
    assert sys.getrefcount(request) == before + 1
    del idle
    assert sys.getrefcount(request) == before


def test_without_memory_no_answer_is_lost(queue: Queue, funded: Network) -> None:
    """Each allocation while groups are taken fails once."""
    fail = pytest.importorskip("_testcapi")
    queue.fileno()
    kept = lost = 0
    for at in range(40):
        sent = {tag: fresh(2) for tag in range(1, 4)}
        first = refused(2)
        with queue.paused():
            queue.submit(first, 9)
            until(lambda: queue.rows_waiting == 0)
            for tag, ids in sent.items():
                queue.submit(payments(funded, ids), tag)
            queue.submit(refused(3), 4)
        # Once it waits again, both groups are handed over.
        until(lambda: queue.rows_waiting == 0)
        queue.commit(refused())
        groups: list[Any] = []
        for nth in (at, 1 << 20):
            taken: list[Any] = []
            fail.set_nomemory(nth, nth + 1)
            try:
                taken = queue.take()
            except MemoryError:
                kept += 1
            finally:
                fail.remove_mem_hooks()
            groups += taken
        answers = [one for error, part in groups for one in part]
        assert [(tag, rows) for tag, rows, _ in answers] == [
            *((9, 2), (1, 2), (2, 2), (3, 2), (4, 3)),
        ]
        lost += sum(isinstance(one, SwitchError) for _, _, one in answers)
        for tag, _, answer in answers:
            if isinstance(answer, bytes):
                outcomes = pb.CreatePaymentsResponse.FromString(answer).outcomes
                assert [one.id for one in outcomes] == sent[tag]
    # Of forty allocations some are for one answer, and some for none.
    assert 0 < lost < 40
    assert 0 < kept < 40


def test_a_commit_blocks_for_its_own_answer(queue: Queue, ledger: Ledger) -> None:
    queue.fileno()
    answer = queue.commit(refused(3))
    assert not isinstance(answer, bytes)
    assert answer["sequence"].tolist() == [1, 2, 3]
    # Who asked for the descriptor hears of every group.
    assert take(queue, 1) == [(None, [])]
    assert ledger.sequence == 3


def test_a_blocking_caller_may_have_the_last_free_group(
    queue: Queue, ledger: Ledger, funded: Network
) -> None:
    # The loop sleeps with one group free; a caller takes it to commit in the loop's
    # place, and something arrives meanwhile. The loop must look for a group anew.
    taker = Taker(queue.capsule())
    base = ledger.sequence
    for number in range(1, DONE_GROUPS_MAX):
        submit_by(taker, funded, number)
        until(lambda number=number: ledger.sequence == base + number)  # type: ignore[misc]
    time.sleep(0.05)
    caller = threading.Thread(target=queue.commit, args=(refused(),))
    with queue.paused():
        caller.start()
        # It holds the group, and waits for the ledger, without the GIL.
        time.sleep(0.5)
        queue.submit(refused(), 9)
        assert queue.rows_waiting == 1
    caller.join(WAIT_S)
    until(lambda: queue.rows_waiting == 0)
    assert sizes(take(queue, 1)) == [1]
    assert ledger.sequence == base + DONE_GROUPS_MAX + 1


# --- holds that are due ---------------------------------------------------------------


def holds(net: Network, count: int) -> Request:
    return rows_request(
        [
            Row(
                Kind.HOLD,
                id=id_,
                amount=1,
                reference=b"BILL",
                debit=net.wallets[0],
                service=net.great_service,
                participant=net.harness,
                deadline=1,
            )
            for id_ in fresh(count)
        ]
    )


def test_holds_that_are_due_expire_without_a_request(
    queue: Queue, ledger: Ledger, clock: Clock, funded: Network
) -> None:
    queue.commit(holds(funded, 10))
    assert ledger.holds_count == 10
    time.sleep(0.05)
    assert ledger.holds_count == 10
    clock[:2] += np.uint64(2 * SECOND)
    until(lambda: ledger.holds_count == 0)


def test_full_groups_leave_room_for_holds_that_are_due(
    queue: Queue, ledger: Ledger, clock: Clock, funded: Network
) -> None:
    queue.commit(holds(funded, 10))
    # Only who has asked for the descriptor hears of groups without calls.
    queue.fileno()
    # Now: no longer paused, the first group is on the disk before the next line runs.
    first = ledger.sequence + 1
    with queue.paused():
        queue.submit(refused(GROUP_MAX), 1)
        until(lambda: queue.rows_waiting == 0)
        for _ in range(2):
            queue.submit(refused(GROUP_MAX), 1)
        clock[:2] += np.uint64(2 * SECOND)
    groups = take(queue, 4)
    # Between two full groups there is one in which only holds expire.
    assert sizes(groups) == [GROUP_MAX, 0, GROUP_MAX, GROUP_MAX]
    kinds = ledger.rows(first, 3 * GROUP_MAX + 10)["kind"]
    expired = np.flatnonzero(kinds == Kind.EXPIRE)
    assert expired.tolist() == list(range(GROUP_MAX, GROUP_MAX + 10))


# --- refusals, stop and death ---------------------------------------------------------


def test_no_space_is_said_and_tried_again(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    options = {**OPTIONS, "reserve_size": 64 << 20}
    resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, hard))
    try:
        with Ledger(str(tmp_path / "ledger"), **options) as ledger:
            until(lambda: ledger.info()["space_error"] != 0)
            queue = Queue(ledger)
            queue.start()
            with pytest.raises(SpaceError):
                queue.commit(refused())
            queue.submit(refused(), 5)
            [(error, answers)] = take(queue, 1)
            assert isinstance(error, SpaceError)
            assert answers == [(5, 1, error)]
            assert ledger.sequence == 0
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            until(lambda: ledger.info()["space_error"] == 0)
            queue.commit(refused())
            assert ledger.sequence == 1
            assert queue.stop(WAIT_S)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_stop_commits_what_waits(ledger: Ledger) -> None:
    queue = Queue(ledger)
    queue.start()
    for _ in range(3):
        queue.submit(refused(GROUP_MAX), 1)
    assert queue.stop(WAIT_S)
    assert ledger.sequence == 3 * GROUP_MAX
    assert queue.stop(WAIT_S)
    assert queue.stopping
    assert queue.died == ""
    for call in (lambda: queue.submit(refused(), 1), lambda: queue.commit(refused())):
        with pytest.raises(DeadError, match="stopping"):
            call()
    assert sum(sizes(queue.take())) == 3 * GROUP_MAX
    with pytest.raises(ValueError, match="once"):
        queue.start()


def test_stop_does_not_wait_for_ever(ledger: Ledger) -> None:
    queue = Queue(ledger)
    queue.start()
    fd = queue.fileno()
    blocked: list[SwitchError] = []
    stopped: list[bool] = []

    def commit() -> None:
        with pytest.raises(DeadError) as caught:
            queue.commit(refused())
        blocked.append(caught.value)

    with queue.paused():
        queue.submit(refused(), 1)
        until(lambda: queue.rows_waiting == 0)
        queue.submit(refused(2), 2)
        committing = threading.Thread(target=commit)
        committing.start()
        until(lambda: queue.rows_waiting == 3)
        queue.take()
        stopping = threading.Thread(target=lambda: stopped.append(queue.stop(0.05)))
        stopping.start()
        # Those that wait hear it while the group before them is still under way.
        committing.join(WAIT_S)
        assert readable(fd, WAIT_S)
        [(error, answers)] = queue.take()
        assert isinstance(error, DeadError)
        assert [(tag, rows) for tag, rows, _ in answers] == [(2, 2)]
        assert not stopped
    stopping.join(WAIT_S)
    assert stopped == [False]
    assert len(blocked) == 1
    [(error, answers)] = take(queue, 1)
    assert error is None
    assert [(tag, rows) for tag, rows, _ in answers] == [(1, 1)]
    assert ledger.sequence == 1


def test_what_was_never_started_can_be_stopped(ledger: Ledger) -> None:
    queue = Queue(ledger)
    queue.submit(refused(), 3)
    assert not queue.stop(WAIT_S)
    [(error, answers)] = queue.take()
    assert isinstance(error, DeadError)
    assert [tag for tag, _, _ in answers] == [3]
    assert ledger.sequence == 0


def fill(ledger: Ledger) -> None:
    """Commit until the next group of 2,000 rows finds the map full."""
    while ledger.info()["journal_bytes"] < LITTLE_MAP - 2 * 2_000 * 128:
        ledger.commit([refused(1_000)], NOW)


def test_death(tmp_path: Path) -> None:
    died = threading.Event()
    with Ledger(
        str(tmp_path / "ledger"), map_size=LITTLE_MAP, reserve_size=0
    ) as ledger:
        fill(ledger)
        last = ledger.sequence
        queue = Queue(ledger)
        queue.start(died.set)
        with queue.paused():
            queue.submit(refused(8_000), 1)
            until(lambda: queue.rows_waiting == 0)
            queue.submit(refused(), 2)
        assert died.wait(WAIT_S)
        assert ledger.dead
        assert queue.died.startswith("the ledger is dead: MDB_MAP_FULL")
        (error, inside), (after, queued) = queue.take()
        assert isinstance(error, UnknownOutcomeError)
        assert inside == [(1, 8_000, error)]
        assert isinstance(after, DeadError)
        assert queued == [(2, 1, after)]
        for call in (
            lambda: queue.submit(refused(), 1),
            lambda: queue.commit(refused()),
        ):
            with pytest.raises(DeadError, match="dead"):
                call()
        assert ledger.sequence == last
        assert queue.stop(WAIT_S)


def test_what_meets_a_dead_ledger_was_not_done(tmp_path: Path) -> None:
    with Ledger(
        str(tmp_path / "ledger"), map_size=LITTLE_MAP, reserve_size=0
    ) as ledger:
        fill(ledger)
        queue = Queue(ledger)
        taker = Taker(queue.capsule())
        queue.start()
        with pytest.raises(StorageError):
            ledger.commit([refused(8_000)], NOW)
        # The loop sleeps, and hears of it with the first call.
        rc = taker.submit(b"\x0a\x00", 1, 1, 5)
        if rc == 0:
            while (taken := taker.take()) is None:
                assert readable(taker.fileno(), WAIT_S)
            rc, [(tag, _, _, _)] = taken
            taker.release()
            assert tag == 5
        assert rc == STOPPED
        assert queue.stop(WAIT_S)


def test_a_ledger_that_was_closed_ends_the_loop(tmp_path: Path) -> None:
    died = threading.Event()
    ledger = Ledger(str(tmp_path / "ledger"), **OPTIONS)
    queue = Queue(ledger)
    queue.start(died.set)
    queue.commit(refused())
    ledger.close()
    with pytest.raises(DeadError, match="closed"):
        queue.commit(refused())
    assert died.wait(WAIT_S)
    assert queue.died == "the ledger is closed"
    assert queue.stop(WAIT_S)


def test_what_a_queue_is_not_made_with(ledger: Ledger, tmp_path: Path) -> None:
    descriptors = os.listdir("/proc/self/fd")
    for options in (
        {"rows_max": GROUP_MAX - 1},
        {"bytes_max": 1},
        {"gather_s": 2.0},
        {"clock": np.zeros(1, np.uint64)},
    ):
        with pytest.raises(ValueError, match=r"."):
            Queue(ledger, **options)
    # One that failed half-way must not close what is not its own.
    assert os.listdir("/proc/self/fd") == descriptors
    other = Ledger(str(tmp_path / "other"), threads=False, **OPTIONS)
    with pytest.raises(ValueError, match="threads"):
        Queue(other)
    other.close()
    with pytest.raises(DeadError):
        Queue(other)
    # A queue that was never made has no file to close, and 0 is somebody else's.
    os.fstat(0)
