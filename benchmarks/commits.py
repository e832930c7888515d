"""Commits one after another on one ledger, with what each took and what all used.

The clock stands still while the next group is made: that is the sender's work. How
long it stood is told beside, since the ledger's threads go on meanwhile.
"""

import time
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from benchmarks.messages import OUTCOME_RESULT, outcome_starts
from benchmarks.meters import threads_s, threads_written, written_bytes
from benchmarks.payments import Amounts
from switch import _core as core
from switch.codes import AccountKind, Result

CURVE_ROWS = 1_000_000
"""Rows of one point of a growth curve."""
INDEX_WAIT_S = 120.0
"""How long the index may take to catch up at the end."""
ACCEPTED_MIN = 0.99


class WorkError(Exception):
    """The work was not done, so that there is no figure."""


class Source(Protocol):
    """What makes payments that nobody has had before."""

    def request(self, count: int) -> tuple[core.Request, Amounts]:
        """The next `count`, at most GROUP_MAX, and their amounts."""


class Used(NamedTuple):
    """What was used up to some moment."""

    others_s: dict[str, float]
    written: int
    calls_written: dict[str, int]


@dataclass
class Stretch:
    """Some commits: how many rows each had and how long each took."""

    took_s: "array[float]" = field(default_factory=lambda: array("d"))
    rows: "array[int]" = field(default_factory=lambda: array("q"))
    rows_count: int = 0
    busy_s: float = 0.0
    """In commits, and in waiting for the index at the end."""
    making_s: float = 0.0
    index_wait_s: float = 0.0
    accepted: int = 0
    paid: int = 0
    """Paise."""
    main_s: float = 0.0
    """Processor time of the committing thread, within commits."""
    others_s: dict[str, float] = field(default_factory=dict)
    written: int = 0
    calls_written: dict[str, int] = field(default_factory=dict)
    """Bytes at the calls that write, by thread."""

    def add(self, rows_count: int, took_s: float) -> None:
        """One more commit."""
        self.took_s.append(took_s)
        self.rows.append(rows_count)
        self.rows_count += rows_count
        self.busy_s += took_s


def pay(
    ledger: core.Ledger,
    maker: Source,
    batch: int,
    rows_max: int,
    seconds: float,
    progress: Callable[[Stretch], None] | None = None,
) -> Stretch:
    """Pay in groups of `batch` until `rows_max` rows or `seconds` of commits.

    Then wait for the index, within the clock. `progress` is called once for each
    million rows, outside it. Raises WorkError.
    """
    stretch = Stretch()
    before = used_so_far(ledger)
    begun = time.perf_counter()
    while stretch.rows_count < rows_max and stretch.busy_s < seconds:
        count = min(batch, rows_max - stretch.rows_count)
        request, amounts = maker.request(count)
        commit(ledger, request, amounts, stretch)
        if progress is not None and stretch.rows_count % CURVE_ROWS < count:
            progress(stretch)
    stretch.making_s = time.perf_counter() - begun - stretch.busy_s
    finish(ledger, stretch, before)
    return stretch


def pay_ahead(ledger: core.Ledger, maker: Source, batch: int, rows_max: int) -> Stretch:
    """The same with all requests made before the first commit: back to back.

    Raises WorkError.
    """
    stretch = Stretch()
    begun = time.perf_counter()
    requests = [
        maker.request(min(batch, rows_max - start))
        for start in range(0, rows_max, batch)
    ]
    stretch.making_s = time.perf_counter() - begun
    before = used_so_far(ledger)
    for request, amounts in requests:
        commit(ledger, request, amounts, stretch)
    finish(ledger, stretch, before)
    return stretch


def commit(
    ledger: core.Ledger,
    request: core.Request,
    amounts: Amounts,
    stretch: Stretch,
) -> None:
    """One group; count it in `stretch`."""
    used = time.thread_time()
    before = time.perf_counter()
    [outcomes] = ledger.commit([request], time.time_ns())
    took_s = time.perf_counter() - before
    stretch.main_s += time.thread_time() - used
    good = results_of(outcomes) == Result.OK
    stretch.accepted += int(good.sum())
    stretch.paid += int(amounts[good].sum())
    stretch.add(request.rows_count, took_s)


def results_of(answer: core.Rows | bytes) -> npt.NDArray[np.unsignedinteger]:
    """The result of each payment, of row templates or of a message."""
    if not isinstance(answer, bytes):
        results: npt.NDArray[np.unsignedinteger] = answer["result"]
        return results
    starts = np.array(outcome_starts(answer), np.intp)
    return np.frombuffer(answer, np.uint8)[starts + OUTCOME_RESULT]


def used_so_far(ledger: core.Ledger) -> Used:
    """What a stretch is counted from."""
    return Used(threads_s(), written_bytes(ledger.path), threads_written())


def finish(ledger: core.Ledger, stretch: Stretch, before: Used) -> None:
    """Wait for the index, and take what was used since `before`."""
    stretch.index_wait_s = wait_index(ledger)
    stretch.busy_s += stretch.index_wait_s
    now = used_so_far(ledger)
    stretch.written = now.written - before.written
    stretch.others_s = {
        name: used - before.others_s.get(name, 0.0)
        for name, used in now.others_s.items()
    }
    stretch.calls_written = {
        name: written - before.calls_written.get(name, 0)
        for name, written in now.calls_written.items()
    }


def wait_index(ledger: core.Ledger, step_rows: int = 131_072) -> float:
    """Seconds until every whole step is in the index. Raises WorkError."""
    start = time.perf_counter()
    while ledger.index_sequence < ledger.sequence // step_rows * step_rows:
        if ledger.dead:
            raise WorkError(f"the ledger died: {ledger.dead}")
        if time.perf_counter() - start > INDEX_WAIT_S:
            raise WorkError(f"the index did not catch up within {INDEX_WAIT_S:.0f} s")
        time.sleep(0.001)
    return time.perf_counter() - start


def quantiles_ms(took_s: npt.NDArray[np.float64]) -> dict[str, float]:
    """p50, p99, p99.9 and the largest, milliseconds."""
    marks = {"p50_ms": 0.5, "p99_ms": 0.99, "p99_9_ms": 0.999, "max_ms": 1.0}
    return {
        name: round(float(np.quantile(took_s, share, method="higher")) * 1e3, 3)
        for name, share in marks.items()
    }


def curve(stretch: Stretch, rows_before: int = 0) -> list[dict[str, float]]:
    """Rate and latencies of each million rows; the last may be shorter."""
    points = []
    took = np.array(stretch.took_s)
    ends = np.cumsum(np.array(stretch.rows))
    for first, last in _pieces(ends):
        rows = int(ends[last - 1] - (ends[first - 1] if first else 0))
        part = took[first:last]
        point = {"rows": rows_before + int(ends[last - 1])}
        rate = round(rows / float(part.sum()))
        points.append({**point, "rows_per_s": rate, **quantiles_ms(part)})
    return points


def _pieces(ends: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """First and past-the-last commit of each million rows."""
    first = 0
    while first < len(ends):
        reach = (ends[first - 1] if first else 0) + CURVE_ROWS
        last = min(int(np.searchsorted(ends, reach)) + 1, len(ends))
        yield first, last
        first = last


def figures(stretch: Stretch) -> dict[str, object]:
    """What a stretch says, for JSON."""
    rows = max(stretch.rows_count, 1)
    cpu = {"committer": stretch.main_s, **stretch.others_s}
    return {
        "rows": stretch.rows_count,
        "accepted": stretch.accepted,
        "seconds": round(stretch.busy_s, 3),
        "rows_per_s": round(rows / stretch.busy_s),
        **quantiles_ms(np.array(stretch.took_s)),
        "index_wait_s": round(stretch.index_wait_s, 3),
        "making_share": round(
            stretch.making_s / (stretch.making_s + stretch.busy_s), 3
        ),
        "wall_rows_per_s": round(rows / (stretch.making_s + stretch.busy_s)),
        "cpu_ns_per_row": {
            name: round(used * 1e9 / rows, 1) for name, used in cpu.items()
        },
        "written_bytes_per_row": round(stretch.written / rows, 1),
        "calls_bytes_per_row": {
            name: round(written / rows, 1)
            for name, written in stretch.calls_written.items()
            if written
        },
        "written_mb_per_s": round(stretch.written / stretch.busy_s / 1e6, 1),
    }


def check_accepted(ledger: core.Ledger, stretch: Stretch, base: int) -> None:
    """A row for each payment since sequence `base`, and none refused but a few.

    Raises WorkError: a benchmark that stopped doing the work must fail, not get faster.
    """
    if stretch.accepted < ACCEPTED_MIN * stretch.rows_count:
        raise WorkError(f"{stretch.accepted} of {stretch.rows_count} were accepted")
    made = ledger.sequence - base
    if made != stretch.rows_count:
        raise WorkError(f"{stretch.rows_count} payments made {made} rows")


def check_books(ledger: core.Ledger, stretch: Stretch, base: int, given: int) -> None:
    """Hold all that was ever paid on a ledger, from `base` on, against its accounts.

    `given`: paise in all wallets at first. Raises WorkError.
    """
    check_accepted(ledger, stretch, base)
    accounts, _ = ledger.accounts()
    wallets = accounts[accounts["kind"] == AccountKind.WALLET]
    billers = accounts[accounts["kind"] == AccountKind.BILLER]
    spent = int(wallets["debits_posted"].sum())
    if spent != stretch.paid or int(billers["credits_posted"].sum()) != stretch.paid:
        raise WorkError("the books do not balance")
    if int(wallets["credits_posted"].sum()) != given:
        raise WorkError("top-ups are missing")
    if int(wallets["receipt"].sum()) != stretch.accepted:
        raise WorkError("receipts are missing")
