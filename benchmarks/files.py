"""What: how fast the files of a window are made, and in how much memory.

    python -m benchmarks.files --rows 1000000 --json

Not: wire, disk, others beside it. All payments are of one head, so that one scroll has
them all: payments of bills, each with its tail, or with `--payments stated` without.
A file is made once, block by block, and its blocks are let go; memory is what is no
file's (RssAnon), above what there was before.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.machine import machine
from benchmarks.network import CENTRES, FIRST_SERVICE, make_network, payment_rows
from switch import _core as core
from switch.codes import PriceRule
from switch.ledger import moves
from switch.register.register import Register
from switch.treasury.account_statements import AccountStatement
from switch.treasury.books import Books
from switch.treasury.scrolls import Scroll

WAIT_S = 600.0
RULES = {"bill": PriceRule.BILL, "stated": PriceRule.STATED}

Figures = dict[str, object]


def fill(ledger: core.Ledger, rows_count: int, rule: PriceRule) -> None:
    """Pay `rows_count` bills of one service, close the window behind them."""
    rng = np.random.default_rng(2026)
    harness, first_wallet = make_network(ledger, price_rule=rule)
    wallets = np.arange(first_wallet, first_wallet + CENTRES, dtype=np.uint32)
    for start in range(0, rows_count, core.GROUP_MAX):
        count = min(core.GROUP_MAX, rows_count - start)
        rows = payment_rows(rng, start + 1, count, "ordered", harness, wallets)
        rows["service"] = FIRST_SERVICE
        [outcomes] = ledger.commit([core.Request.rows(rows)], time.time_ns())
        assert isinstance(outcomes, np.ndarray)
        assert (outcomes["result"] == 1).all(), outcomes["result"]
    treasury = ledger.find_participant("treasury")
    ledger.commit([moves.window(0, sender=treasury).request()], time.time_ns())
    end = time.monotonic() + WAIT_S
    while ledger.sequence - ledger.index_sequence >= 131_072:
        if ledger.dead or time.monotonic() > end:
            raise SystemExit(f"the index does not catch up: {ledger.dead}")
        time.sleep(0.01)


def anonymous() -> int:
    """Bytes of memory that are no file's."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) << 10
    raise SystemExit("this needs Linux, which says RssAnon")


def measure(make: Callable[[], Iterator[bytes]], lines: int) -> Figures:
    """Make a file, and let it go."""
    before = most = anonymous()
    begun, size = time.perf_counter(), 0
    own = time.process_time()
    longest = 0.0
    blocks = iter(make())
    while True:
        step = time.perf_counter()
        block = next(blocks, None)
        longest = max(longest, time.perf_counter() - step)
        if block is None:
            break
        size += len(block)
        most = max(most, anonymous())
    seconds, own = time.perf_counter() - begun, time.process_time() - own
    return {
        "seconds": round(seconds, 3),
        "lines_per_s": round(lines / seconds),
        "processor_us_a_line": round(own / lines * 1e6, 2),
        "bytes": size,
        "memory_bytes": most - before,
        "longest_step_ms": round(longest * 1_000, 1),
    }


def run(rows: int, rule: PriceRule, directory: Path) -> Figures:
    """All figures of a ledger that is made in a directory."""
    ledger = core.Ledger(str(directory / "ledger"), map_size=64 << 30)
    try:
        fill(ledger, rows, rule)
        books = Books(Register(ledger))
        [window] = books.windows.all()
        head = books.heads(window)[0]
        # Once before: what is loaded at first use is no file's cost.
        nil = books.heads(window)[-1]
        for _ in Scroll(books, window, nil).blocks():
            pass
        return {
            "rows": rows,
            "scroll": measure(Scroll(books, window, head).blocks, rows),
            "camt": measure(AccountStatement(books, window, head).blocks, rows),
        }
    finally:
        ledger.close()


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--payments", choices=RULES, default="bill")
    parser.add_argument("--directory", type=Path, help="default: a temporary one")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.directory) as folder:
        figures = run(args.rows, RULES[args.payments], Path(folder))
    figures |= {"payments": args.payments, "machine": machine()}
    if args.json:
        print(json.dumps(figures))
        return 0
    for name in ("scroll", "camt"):
        print(name, figures[name])
    return 0


if __name__ == "__main__":
    sys.exit(main())
