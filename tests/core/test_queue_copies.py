"""Goal: who runs Python for long holds up nobody: what is done for Python is copied out
when few groups are free, and who blocks for an answer has a copy of it at once.

Method: a real ledger; Python does not take for dozens of groups, or keeps its own lock,
while others pay and are answered. Then it takes, and has everything in order.
"""

import functools
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks._drive import Taker
from switch._core import GROUP_MAX, Ledger, Queue, Request
from switch.codes import Kind
from switch.v1 import payments_pb2 as pb
from switch.v1 import results_pb2
from tests.core.network import Network
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

# Where it is held up, it waits for ever.
pytestmark = pytest.mark.timeout(120)

DONE_GROUPS_MAX = 8
COPIES_BYTES_MAX = 32 << 20
OUTCOME_SIZE = 80


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(str(tmp_path / "ledger"), **OPTIONS) as one:
        yield one


@pytest.fixture
def queue(ledger: Ledger) -> Iterator[Queue]:
    one = Queue(ledger)
    one.start()
    yield one
    one.stop(WAIT_S)


@pytest.fixture
def funded(ledger: Ledger) -> Network:
    """The small network, its wallets filled."""
    return load_network(ledger)


def test_python_that_does_not_take_holds_up_nobody(
    queue: Queue, ledger: Ledger, funded: Network
) -> None:
    """It has its answers later, whole and in order."""
    taker = Taker(queue.capsule())
    base = ledger.sequence
    sent = []
    for number in range(1, 6 * DONE_GROUPS_MAX):
        # Each third is of both, and each other third of rows.
        ids = fresh(number % 5 + 1)
        with queue.paused():
            queue.submit(refused(), 1 << 40)
            until(lambda: queue.rows_waiting == 0)
            queue.submit(payments(funded, ids) if number % 3 else refused(4), number)
            queue.submit(payments(funded, ids[:1]), number + 1)
            if number % 2:
                submit_by(taker, funded, number)
        sent.append((number, ids))
        # Nothing of the pair waits any more, whoever has not taken what is done.
        queue.commit(refused())
        if number % 2:
            done = taker.take()
            assert done is not None
            assert [tag for tag, *_ in done[1]] == [number]
            taker.release()
    groups = [answers for _, answers in queue.take()]
    pairs = [answers for answers in groups if answers and answers[0][0] < 1 << 40]
    for (number, ids), answers in zip(sent, pairs, strict=True):
        (tag, rows, first), (next_tag, _, second) = answers
        assert (tag, next_tag) == (number, number + 1)
        assert isinstance(second, bytes)
        again = pb.CreatePaymentsResponse.FromString(second).outcomes
        assert [one.id for one in again] == ids[:1]
        if number % 3 == 0:
            assert isinstance(first, np.ndarray)
            found = ledger.rows(int(first[0]["sequence"]), rows)
            assert rows == 4
            assert first["sequence"].tolist() == found["sequence"].tolist()
            assert set(found["kind"].tolist()) == {Kind.FREEZE}
        else:
            assert isinstance(first, bytes)
            outcomes = pb.CreatePaymentsResponse.FromString(first).outcomes
            assert [one.id for one in outcomes] == ids
            assert all(one.result == results_pb2.RESULT_OK for one in outcomes)
    assert ledger.sequence > base


def test_what_is_copied_for_python_is_bounded(queue: Queue, ledger: Ledger) -> None:
    """Behind the bound Python is waited for; what it takes makes room."""
    rows = refused(GROUP_MAX)
    most = COPIES_BYTES_MAX // (GROUP_MAX * OUTCOME_SIZE) + DONE_GROUPS_MAX
    done = 0

    def stands() -> bool:
        """Whether the last call stays in the queue."""
        end = time.monotonic() + 0.5
        while queue.rows_waiting > 0:
            if time.monotonic() > end:
                return True
            time.sleep(0.001)
        return False

    while not stands():
        assert done <= most
        queue.submit(rows, done)
        done += 1
    assert done > DONE_GROUPS_MAX
    taken = queue.take()

    def take_more() -> bool:
        taken.extend(queue.take())
        return len(taken) == done

    until(take_more)
    assert [answers[0][0] for _, answers in taken] == list(range(done))
    # All of the room is there again.
    for number in range(2 * DONE_GROUPS_MAX):
        queue.submit(rows, number)
        until(lambda: queue.rows_waiting == 0)
    queue.commit(refused())
    rows_taken = [part[0][1] for _, part in queue.take() if part]
    assert rows_taken == [GROUP_MAX] * 2 * DONE_GROUPS_MAX


def test_callers_that_wait_for_the_interpreter_hold_up_nobody(
    queue: Queue, ledger: Ledger
) -> None:
    """Who blocks for an answer cannot go on: another thread runs Python."""
    callers = 2 * DONE_GROUPS_MAX
    rows = GROUP_MAX // 2 + 1
    answers: list[Any] = []
    requests = [refused(rows, number) for number in range(1, callers + 1)]

    def waits(least: int) -> bool:
        return queue.rows_waiting >= least

    def ask(request: Request) -> None:
        answers.append(queue.commit(request))

    threads = [threading.Thread(target=ask, args=(one,)) for one in requests]
    interval = sys.getswitchinterval()
    with queue.paused():
        for number, thread in enumerate(threads):
            thread.start()
            until(functools.partial(waits, (number - 1) * rows))
        sys.setswitchinterval(1000.0)
    try:
        end = time.monotonic() + WAIT_S
        while ledger.sequence < callers * rows and time.monotonic() < end:
            # The GIL stays here.
            pass
        assert ledger.sequence == callers * rows
    finally:
        sys.setswitchinterval(interval)
        for thread in threads:
            thread.join(WAIT_S)
    assert sum(len(answer) for answer in answers) == callers * rows
