"""Goal: the queue counts its groups by their rows and the time of their commits, what
is refused apart, and says what waits.

Method: groups of known sizes, on each side of each bound; a clock that leaps; a commit
that is held back.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from switch._core import GROUP_MAX, Ledger, Queue
from switch.errors import ClockError
from tests.core.network import NOW
from tests.core.queues import OPTIONS, WAIT_S, load_network, payments, refused, until

SECOND = 10**9
BOUNDS = [*(2**at for at in range(13)), math.inf]


@pytest.fixture
def started() -> Iterator[Callable[..., Queue]]:
    """Makes queues that run, and are stopped whatever comes."""
    with ExitStack() as stack:

        def start(ledger: Ledger, clock: Any = None) -> Queue:
            queue = Queue(ledger, clock=clock)
            queue.start()
            stack.callback(queue.stop, WAIT_S)
            return queue

        yield start


def is_within(spent: float, times: tuple[tuple[float, int], ...]) -> bool:
    """Whether so many seconds can be those of a histogram."""
    belows = [0.0, *(bound for bound, _ in times[:-1])]
    spans = [
        (count * below, count * bound)
        for below, (bound, count) in zip(belows, times, strict=True)
        if count
    ]
    least, most = (sum(ends) for ends in zip(*spans, strict=True))
    return bool(least <= spent <= most)


def test_groups_by_rows_and_time(tmp_path: Path, started: Callable[..., Queue]) -> None:
    clock = np.array([NOW, 5 * SECOND, 0], np.uint64)
    with Ledger(str(tmp_path), **OPTIONS) as ledger:
        queue = started(ledger, clock)
        nothing = queue.meter()
        assert (nothing.rows, nothing.refused, nothing.commit_s) == (0, 0, 0.0)
        assert nothing.held_s == 0.0
        assert [bound for bound, _ in nothing.sizes] == BOUNDS
        sizes = [1, 2, 3, 4, 5, 8, 9, 2048, 2049, 4096, 4097, GROUP_MAX]
        for rows in sizes:
            queue.commit(refused(rows))
        meter = queue.meter()
        within = Counter(next(one for one in BOUNDS if rows <= one) for rows in sizes)
        assert dict(meter.sizes) == {bound: within[bound] for bound in BOUNDS}
        assert meter.rows == sum(sizes) == ledger.sequence
        assert meter.refused == 0
        assert meter.under_way_s == 0.0
        assert sum(count for _, count in meter.times) == len(sizes)
        bounds = [bound for bound, _ in meter.times]
        assert bounds == sorted(bounds)
        assert bounds[-1] == math.inf
        # What each commit took is not the test's to know; all of them lie within.
        assert is_within(meter.commit_s, meter.times)
        assert sum(count for _, count in meter.holds) == len(sizes)
        assert is_within(meter.held_s, meter.holds)
        # Who holds the lock works in this time, or waits for the disk. They are of two
        # clocks, read one after the other: where nothing waited they differ by less.
        assert 0 < meter.held_s <= 1.1 * meter.commit_s
        # Nothing is committed while the clock has leapt.
        clock[0] += np.uint64(3600 * SECOND)
        with pytest.raises(ClockError):
            queue.commit(refused())
        after = queue.meter()
        assert after.refused == 1
        assert after[2:6] == meter[2:6]
        # What is refused holds the lock as well.
        assert sum(count for _, count in after.holds) == len(sizes) + 1
        assert is_within(after.held_s, after.holds)
        assert queue.stop(WAIT_S)


def test_what_waits_is_said(tmp_path: Path, started: Callable[..., Queue]) -> None:
    with Ledger(str(tmp_path), **OPTIONS) as ledger:
        network = load_network(ledger)
        queue = started(ledger)
        with queue.paused():
            queue.submit(refused(), 1)
            until(lambda: queue.rows_waiting == 0)  # it is in the group that waits
            request = payments(network, [bytes(15) + b"%c" % at for at in range(1, 4)])
            queue.submit(request, 1)
            queue.submit(request, 1)
            assert queue.rows_waiting == 6
            # Their bodies beside what they can add.
            assert queue.bytes_waiting > 2 * request.size > 0
        until(lambda: queue.rows_waiting == 0)
        assert queue.bytes_waiting == 0
        assert queue.stop(WAIT_S)
