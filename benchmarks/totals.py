"""What: what totals cost, and how soon they answer. Not: wire, sockets, clients.

    python -m benchmarks.totals --json
    python -m benchmarks.totals --rows 1000000 --ledger-rows 0

Two parts, each of which can be left out (`--rows 0`, `--ledger-rows 0`).

*A year.* So many rows over so many days, made up as they are read (`totals_rows.py`:
the sample network, three of four payments held and posted), are followed as a server
does, and written. The clock of following leaves out what the rows took to be made; it
has no journal to read. Then totals are asked for by everything there is, over a
financial year, and from the middle of a month to the middle of another; the longest of
`--asks` calls counts.

*A ledger.* One head gets so many payments. A committer in process is measured with and
without a follower beside it, in turn; then all is followed alone, from the journal;
then that head is explained, with the totals and row by row, in pages that add up.
"""

import argparse
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.machine import machine
from benchmarks.meanwhile import meanwhile
from benchmarks.meters import anonymous_bytes, need_room, scratch
from benchmarks.network import CENTRES, FIRST_SERVICE, make_network, payment_rows
from benchmarks.totals_rows import Year, year_days
from switch import _core as core
from switch.ledger import explained
from switch.ledger.explained import Movement
from switch.register.load import committing, load_network
from switch.register.register import Register
from switch.sample import sample_specs
from switch.totals import movements
from switch.totals.asking import Wanted, ask
from switch.totals.cube import Cube
from switch.totals.groups import By, GroupMaker

ASK_MS_MAX = 50.0
"""Of a year at 100 million rows, by anything but centres."""
FOLLOW_LEAST = 2_000_000
"""Rows a second."""
RATIO_LEAST = 0.98
"""Of a committer's rate beside a follower to that alone."""
EXPLAIN_S_MAX = 1.0
MAP_SIZE = 1 << 40
BYTES_PER_ROW = 340
ROUNDS = 15
FOLLOW_S = 0.25
"""Between two turns of a follower, as in a server."""

Figures = dict[str, object]


# --- a year --------------------------------------------------------------------------


def measure_year(options: argparse.Namespace, directory: Path) -> Figures:
    """Follow a year of rows, and ask."""
    path = str(directory / "register")
    store = directory / "year"
    store.mkdir()
    with core.Ledger(path, map_size=MAP_SIZE, reserve_size=0) as ledger:
        register = Register(ledger)
        load_network(register, committing(ledger), *sample_specs())
        year = Year(ledger, register, options.rows, options.days)
        cube = Cube(year, store)  # type: ignore[arg-type]
        began, used = time.perf_counter(), time.thread_time()
        while cube.follow():
            pass
        used_s = time.thread_time() - used - year.made_cpu_s
        followed_s = time.perf_counter() - began - year.made_s
        maker = GroupMaker(register)
        first, last = year_days(options.days)
        asked: dict[str, float] = {}
        cpu: dict[str, float] = {}
        for name, begin, end in (
            ("year", first, last),
            ("edges", first + 13, last - 13),
        ):
            for by in By:
                what = f"{name} by {by.name.lower()}"
                wanted = Wanted(by, begin, end)
                asked[what], cpu[what] = longest_ms(cube, maker, wanted, options.asks)
        answer = ask(cube, maker, Wanted())
        cube.close()
    size = (store / "totals" / "data.mdb").stat().st_blocks * 512
    few = [name for name in asked if not name.endswith("by centre")]
    longest = max(asked[name] for name in few)
    rate = options.rows / followed_s
    return {
        "year_rows": options.rows,
        "days": options.days,
        "payments": answer.whole["payments"].counts[0],
        "year_followed_per_s": round(rate),
        "year_follow_cpu_us_per_row": round(1e6 * used_s / options.rows, 3),
        "store_bytes": size,
        "anonymous_bytes": anonymous_bytes(),
        "ask_ms": asked,
        "ask_ms_longest": longest,
        "ask_cpu_ms_longest": max(cpu[name] for name in few),
        "year_kept": longest <= ASK_MS_MAX and rate >= FOLLOW_LEAST,
    }


def longest_ms(
    cube: Cube, maker: GroupMaker, wanted: Wanted, count: int
) -> tuple[float, float]:
    """The longest of so many calls, after one that is not counted; and of them the most
    processor time.
    """
    times, used = [], []
    for _ in range(count + 1):
        began, cpu = time.perf_counter(), time.thread_time()
        ask(cube, maker, wanted)
        used.append(time.thread_time() - cpu)
        times.append(time.perf_counter() - began)
    return round(1_000 * max(times[1:]), 2), round(1_000 * max(used[1:]), 2)


# --- a ledger ------------------------------------------------------------------------


class Follower:
    """Follows in a thread, with the pauses that a server makes."""

    def __init__(self, cube: Cube) -> None:
        """Not yet."""
        self.cube = cube
        self.used_s = 0.0
        """Processor seconds, and seconds, that it ran."""
        self.ran_s = 0.0

    @contextmanager
    def running(self, runs: bool) -> Iterator[None]:
        """Follow while the block runs, if it is to."""
        if not runs:
            yield
            return
        # What came while it did not run is not of this round.
        while self.cube.follow():
            pass
        with meanwhile(self._run):
            yield

    def _run(self, ended: threading.Event) -> None:
        began, used = time.perf_counter(), time.thread_time()
        while not ended.is_set():
            if not self.cube.follow():
                ended.wait(FOLLOW_S)
        self.used_s += time.thread_time() - used
        self.ran_s += time.perf_counter() - began


def measure_ledger(options: argparse.Namespace, directory: Path) -> Figures:
    """Commit with and without a follower; follow; explain."""
    need_room(directory, options.ledger_rows * BYTES_PER_ROW)
    with core.Ledger(str(directory / "ledger"), map_size=MAP_SIZE) as ledger:
        harness, first = make_network(ledger)
        wallets = np.arange(first, first + CENTRES, dtype=np.uint32)
        payer = Payer(ledger, harness, wallets)
        follower = Follower(Cube(ledger, directory))
        rates: dict[bool, list[float]] = {False: [], True: []}
        for number in range(ROUNDS):
            for beside in (True, False) if number % 2 else (False, True):
                with follower.running(beside):
                    rates[beside].append(payer.pay(options.ledger_rows // 2 // ROUNDS))
        follower.cube.close()
        alone = directory / "alone"
        alone.mkdir()
        cube = Cube(ledger, alone)
        began, used = time.perf_counter(), time.thread_time()
        while cube.follow():
            pass
        rate = ledger.sequence / (time.perf_counter() - began)
        cost_us = 1e6 * (time.thread_time() - used) / ledger.sequence
        told = explain(ledger, cube)
        cube.close()
    pairs = zip(rates[True], rates[False], strict=True)
    ratio = round(median(with_ / without for with_, without in pairs), 4)
    return {
        "ledger_rows": options.ledger_rows,
        "committed_per_s": [round(one) for one in rates[False]],
        "beside_per_s": [round(one) for one in rates[True]],
        "committer_ratio": ratio,
        "follower_core": round(follower.used_s / follower.ran_s, 3),
        "followed_per_s": round(rate),
        "follow_cpu_us_per_row": round(cost_us, 3),
        **told,
        "ledger_kept": ratio >= RATIO_LEAST
        and rate >= FOLLOW_LEAST
        and float(str(told["explain_s"])) <= EXPLAIN_S_MAX,
    }


class Payer:
    """Pays one head, out of all wallets."""

    def __init__(
        self, ledger: core.Ledger, harness: int, wallets: "np.typing.NDArray[np.uint32]"
    ) -> None:
        """Nothing is paid yet."""
        self._ledger, self._harness, self._wallets = ledger, harness, wallets
        self._rng = np.random.default_rng(2026)
        self._next = 1

    def pay(self, count: int) -> float:
        """Payments a second, of so many; the clock runs over the commits alone."""
        spent_s = 0.0
        for start in range(0, count, core.GROUP_MAX):
            size = min(core.GROUP_MAX, count - start)
            rows = payment_rows(
                self._rng, self._next, size, "random", self._harness, self._wallets
            )
            self._next += size
            rows["service"] = FIRST_SERVICE
            request = core.Request.rows(rows)
            began = time.perf_counter()
            [outcomes] = self._ledger.commit([request], time.time_ns())
            spent_s += time.perf_counter() - began
            assert not isinstance(outcomes, bytes)
            assert (outcomes["result"] == 1).all()
        return count / spent_s


def explain(ledger: core.Ledger, cube: Cube) -> Figures:
    """The head with most entries, whole, with the totals and without."""
    images, _ = ledger.accounts()
    head = int(ledger.row(ledger.sequence).credit)
    span = (0, ledger.sequence)
    # Both ends are within parts.
    middle = (ledger.sequence // 10, ledger.sequence * 9 // 10)

    def timed(
        page: Callable[[int], tuple[list[Movement], int]],
    ) -> tuple[list[Movement], float, int]:
        began, before, pages = time.perf_counter(), 0, 0
        found: list[Movement] = []
        while True:
            some, before = page(before)
            found, pages = explained.added([*found, *some]), pages + 1
            if not before:
                return found, time.perf_counter() - began, pages

    limit = explained.ACCOUNT_ROWS_MAX
    with_totals, totals_s, pages = timed(
        lambda before: movements.count_account(ledger, cube, head, span, before, limit)
    )
    row_by_row, rows_s, _ = timed(
        lambda before: explained.count_account(ledger, head, span, before, limit)
    )
    assert with_totals == row_by_row
    _, middle_s, middle_pages = timed(
        lambda before: movements.count_account(
            ledger, cube, head, middle, before, limit
        )
    )
    assert int(images["credits_posted"][head]) == sum(one.posted for one in row_by_row)
    return {
        "explained_entries": sum(one.rows for one in row_by_row),
        "explain_s": round(totals_s, 3),
        "explain_pages": pages,
        "explain_by_rows_s": round(rows_s, 3),
        "explain_middle_s": round(middle_s, 3),
        "explain_middle_pages": middle_pages,
    }


def main() -> int:
    """Measure; 1 if a bound is not kept."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000_000, help="of the year")
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--asks", type=int, default=10, help="calls of each kind")
    parser.add_argument("--ledger-rows", type=int, default=6_000_000)
    parser.add_argument("--directory", type=Path, help="parent of the fresh directory")
    parser.add_argument("--json", action="store_true", help="only the JSON line")
    options = parser.parse_args()
    if options.rows and not 30 <= options.days <= options.rows:
        parser.error("--days is 30 to as many as there are rows")
    found: Figures = {}
    with scratch(options.directory, "totals") as directory:
        if options.rows:
            found |= measure_year(options, directory)
        if options.ledger_rows:
            found |= measure_ledger(options, directory)
    if not options.json:
        for name, figure in found.items():
            print(f"{name}: {figure}", file=sys.stderr)
    print(json.dumps({"benchmark": "totals", "machine": machine(), **found}))
    kept = [found.get(name, True) for name in ("year_kept", "ledger_kept")]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
