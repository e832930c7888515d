"""What: statements, past balances, look-ups and sums, of a ledger in process, warm.

    python -m benchmarks.reads --rows 6250000 --step-rows 8192 --json
    python -m benchmarks.reads --directory DIR --json

Not: wire, disk, a committer beside it. A ledger that it makes has wallets of all kinds:
most pay all the time ("busy", "median"), some once in four index steps ("rare"), some
at the very beginning only ("quiet"); some accounts never move ("still"). What depends
on the number of steps can be had with few rows: 6.25 million in steps of 8,192 are
763 steps, as are 100 million in steps of 131,072. With --directory an existing ledger
is read, which must not be open elsewhere; its classes are by receipts and by when an
account changed last.

Latencies are of single calls from Python, after one pass over the same arguments, so
that pages are in memory.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.machine import machine
from benchmarks.network import CENTRES, make_network, payment_rows
from switch import _core as core
from switch.codes import AccountKind
from switch.ledger.totals import posted_between

LIMIT = 100
"""Rows of one statement."""
CALLS = 2_000
"""Calls of each kind, or fewer where the classes are small."""
RARE = 16
"""Wallets that pay once in RARE_STEPS steps, and as many that pay at the beginning."""
RARE_STEPS = 4
CLASS_SIZE = 16
WAIT_S = 600.0

Figures = dict[str, object]


# --- the ledger -----------------------------------------------------------------------


def fill(ledger: core.Ledger, rows_count: int, step_rows: int) -> None:
    """Pay `rows_count` bills and let the index catch up."""
    rng = np.random.default_rng(2026)
    harness, first_wallet = make_network(ledger)
    wallets = np.arange(first_wallet, first_wallet + CENTRES, dtype=np.uint32)
    rare, quiet = wallets[:RARE], wallets[RARE : 2 * RARE]
    batch = min(core.GROUP_MAX, step_rows)
    for start in range(0, rows_count, batch):
        count = min(batch, rows_count - start)
        rows = payment_rows(
            rng, start + 1, count, "random", harness, wallets[2 * RARE :]
        )
        if start == 0:
            rows["debit"][: 8 * RARE] = np.repeat(quiet, 8)[:count]
        elif start // step_rows % RARE_STEPS == 0 and start % step_rows < batch:
            rows["debit"][:RARE] = rare[:count]
        [outcomes] = ledger.commit([core.Request.rows(rows)], time.time_ns())
        assert isinstance(outcomes, np.ndarray)
        assert (outcomes["result"] == 1).all()
    end = time.monotonic() + WAIT_S
    while ledger.sequence - ledger.index_sequence >= step_rows:
        if ledger.dead or time.monotonic() > end:
            raise SystemExit(f"the index does not catch up: {ledger.dead}")
        time.sleep(0.01)


def classes(ledger: core.Ledger) -> dict[str, list[int]]:
    """Accounts by how much they are used, a few of each class."""
    images, _ = ledger.accounts()
    indices = np.arange(len(images))
    wallets = indices[images["kind"] == AccountKind.WALLET]
    paid = wallets[images["receipt"][wallets] > 0]
    by_receipts = paid[np.argsort(images["receipt"][paid], kind="stable")]
    by_change = paid[np.argsort(images["changed"][paid], kind="stable")]
    billers = indices[images["kind"] == AccountKind.BILLER]
    by_credits = billers[np.argsort(images["credits_posted"][billers], kind="stable")]
    moved = images["credits_posted"] + images["debits_posted"] > 0
    still = indices[1:][~moved[1:]]
    middle = len(by_receipts) // 2
    return {
        "busy": by_receipts[-CLASS_SIZE:].tolist(),
        "median": by_receipts[middle : middle + CLASS_SIZE].tolist(),
        "rare": by_receipts[CLASS_SIZE : 2 * CLASS_SIZE].tolist(),
        "quiet": by_change[:CLASS_SIZE].tolist(),
        "still": still[:CLASS_SIZE].tolist(),
        "biller": by_credits[-1:].tolist(),
    }


# --- measuring ------------------------------------------------------------------------


def spread(calls: Iterable[Callable[[], object]]) -> Figures:
    """Microseconds of each call: p50, p99 and the longest."""
    calls = list(calls)
    for call in calls:
        call()
    times = np.empty(len(calls))
    for place, call in enumerate(calls):
        before = time.perf_counter_ns()
        call()
        times[place] = time.perf_counter_ns() - before
    return {
        "p50_us": round(float(np.quantile(times, 0.5)) / 1e3, 1),
        "p99_us": round(float(np.quantile(times, 0.99)) / 1e3, 1),
        "max_us": round(float(times.max()) / 1e3, 1),
        "calls": len(calls),
    }


def check_statement(ledger: core.Ledger, account: int) -> None:
    """The newest rows are the account's, and the balances step by their amounts."""
    sequences = ledger.account_rows(account, 0, LIMIT).tolist()
    assert sequences == sorted(set(sequences), reverse=True)
    for sequence in sequences[:: max(1, len(sequences) // 4)]:
        row = ledger.row(sequence)
        after = ledger.balance_at(account, sequence)
        before = ledger.balance_at(account, sequence - 1)
        side = 1 if row.debit == account else 3
        assert after[side] - before[side] == row.amount


def measure_accounts(
    ledger: core.Ledger, accounts: list[int], rng: np.random.Generator
) -> dict[str, Figures]:
    """Statements and past balances of one class."""
    for account in accounts:
        check_statement(ledger, account)
    chosen: list[int] = rng.choice(accounts, CALLS).tolist()
    at: list[int] = rng.integers(1, ledger.sequence + 1, CALLS).tolist()
    return {
        f"account_rows({LIMIT})": spread(
            partial(ledger.account_rows, a, 0, LIMIT) for a in chosen
        ),
        f"account_rows({LIMIT}) before": spread(
            partial(ledger.account_rows, a, s, LIMIT)
            for a, s in zip(chosen, at, strict=True)
        ),
        "balance_at": spread(
            partial(ledger.balance_at, a, s) for a, s in zip(chosen, at, strict=True)
        ),
    }


def measure_finds(ledger: core.Ledger, rng: np.random.Generator) -> Figures:
    """Look-ups of ids that were paid long ago."""
    old = rng.integers(1, ledger.sequence // 2 + 1, CALLS).tolist()
    rows = [ledger.row(sequence) for sequence in old]
    asked = [(row.participant, row.id) for row in rows]
    for (sender, id_), sequence in zip(asked[:50], old, strict=False):
        assert ledger.find(sender, id_) == sequence
    return spread(partial(ledger.find, s, i) for s, i in asked)


def measure_totals(ledger: core.Ledger) -> Figures:
    """The whole journal's amounts by account, on one processor."""
    images, sequence = ledger.accounts()
    rates = []
    for _ in range(3):
        before, spent = time.perf_counter(), time.process_time()
        posted = posted_between(ledger, 1, sequence)
        rates.append(
            (
                sequence / (time.perf_counter() - before),
                sequence / (time.process_time() - spent),
            )
        )
        assert (posted.debits == images["debits_posted"]).all()
        assert (posted.credits == images["credits_posted"]).all()
    best = max(rates)
    return {"rows_per_s": round(best[0]), "rows_per_cpu_s": round(best[1])}


def measure(ledger: core.Ledger) -> Figures:
    """All figures of an open ledger."""
    rng = np.random.default_rng(7)
    result: Figures = {"rows": ledger.sequence, "indexed": ledger.index_sequence}
    for name, accounts in classes(ledger).items():
        if accounts:
            result[name] = measure_accounts(ledger, accounts, rng)
    result["find"] = measure_finds(ledger, rng)
    result["totals"] = measure_totals(ledger)
    result["machine"] = machine()
    return result


def show(result: Figures) -> None:
    """The figures for people."""
    for name, value in result.items():
        if name == "machine" or not isinstance(value, dict):
            continue
        for what, figures in value.items():
            if isinstance(figures, dict):
                print(
                    f"{name:8}{what:26}p50 {figures['p50_us']:>8} us, "
                    f"p99 {figures['p99_us']:>8} us",
                    file=sys.stderr,
                )
            else:
                print(f"{name:8}{what:26}{figures}", file=sys.stderr)


def main() -> None:
    """Read a ledger, or make one and read it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--directory", type=Path, help="an existing ledger")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--step-rows", type=int, default=131_072)
    parser.add_argument("--json", action="store_true", help="only the JSON line")
    arguments = parser.parse_args()
    directory = arguments.directory
    made = directory is None
    if made:
        directory = Path(tempfile.mkdtemp(prefix="reads-bench-"))
    try:
        with core.Ledger(
            str(directory),
            create=made,
            map_size=1 << 40,
            index_step_rows=arguments.step_rows,
        ) as ledger:
            if made:
                fill(ledger, arguments.rows, arguments.step_rows)
            result = measure(ledger)
    finally:
        if made:
            shutil.rmtree(directory)
    result["step_rows"] = arguments.step_rows
    if not arguments.json:
        show(result)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
