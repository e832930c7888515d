"""One piece of `benchmarks.scale` in a process of its own, as one JSON line.

build    make the file: a network, then so many payments
open     open it once, and tell how long that took and what it holds in memory
commits  pay for some seconds; waits for a line on its input before it begins
follow   read the rows from a sequence on, until SIGTERM
spin     compute, reading nothing, a share of the time, until SIGTERM
"""

import argparse
import json
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.commits import (
    Source,
    Stretch,
    check_accepted,
    check_books,
    curve,
    figures,
    pay,
    wait_index,
)
from benchmarks.meters import anonymous_bytes, forget_pages
from benchmarks.network import CENTRES, top_up_of
from benchmarks.payments import POOL_ROWS, Maker, next_round
from benchmarks.sources import KINDS, message_maker, open_network
from switch import _core as core
from switch.audit.reader import Journal
from switch.codes import AccountKind, Result
from switch.ledger.feed import read_feed, sorted_accounts

MAP_SIZE = 1 << 40
SMALL_POOL_ROWS = 16 * core.GROUP_MAX
"""So that a process's memory is the ledger's, 17 MB aside."""
PROGRESS_ROWS = 5_000_000
STEP_CHUNKS = 8
"""Chunks that a follower takes in one read transaction, one batch of rows each."""
HEAD_PAUSE_S = 0.001
"""What a follower waits when there is nothing newer."""
SLICE_S = 0.01
"""Of a spinner: a share of each is computing."""
LAST_PARTS = 20
"""A stretch of rows that stands for a file's size: one part in so many."""

Result_ = dict[str, object]


def build(options: argparse.Namespace) -> Result_:
    """Make the network and pay `--rows` bills. Raises WorkError."""

    def progress(stretch: Stretch) -> None:
        if stretch.rows_count % PROGRESS_ROWS < core.GROUP_MAX:
            rate = stretch.rows_count / stretch.busy_s
            done = f"{stretch.rows_count:,} of {options.rows:,} rows"
            print(f"{done}, {rate:,.0f} rows/s so far", file=sys.stderr, flush=True)

    with core.Ledger(str(options.directory), map_size=MAP_SIZE) as ledger:
        kind = options.payments
        harness, wallets = open_network(ledger, kind, options.accounts)
        pool_rows = min(POOL_ROWS, options.rows)
        maker: Source = Maker(options.ids, harness, wallets, pool_rows=pool_rows)
        if kind != "rows":
            maker = message_maker(ledger, kind, core.GROUP_MAX, options.ids)
        wait_index(ledger)
        base = ledger.sequence
        stretch = pay(ledger, maker, core.GROUP_MAX, options.rows, 1e9, progress)
        check_books(
            ledger, stretch, base, top_up_of(options.accounts) * options.accounts
        )
        info = ledger.info()
    size = info["journal_bytes"] + info["index_bytes"]
    return {
        **figures(stretch),
        **growth(stretch),
        "bytes_per_row": round(size / info["sequence"], 1),
        "journal_bytes_per_row": round(info["journal_bytes"] / info["sequence"], 1),
        "index_bytes_per_row": round(info["index_bytes"] / info["sequence"], 1),
        "filter_bytes": info["filter_bytes"],
        "curve": curve(stretch),
    }


def growth(stretch: Stretch) -> Result_:
    """Rates of the first and last million rows, and of the first and last parts."""
    rates: Result_ = {}
    part = max(stretch.rows_count // LAST_PARTS, core.GROUP_MAX)
    for name, rows in (("million", 1_000_000), ("part", part)):
        commits = max(min(rows, stretch.rows_count) // core.GROUP_MAX, 1)
        for which, piece in (
            ("first", slice(commits)),
            ("last", slice(-commits, None)),
        ):
            took_s = sum(stretch.took_s[piece])
            rates[f"{which}_{name}_rows_per_s"] = round(
                sum(stretch.rows[piece]) / took_s
            )
    first = int(str(rates["first_part_rows_per_s"]))
    last = int(str(rates["last_part_rows_per_s"]))
    return {**rates, "part_rows": part, "last_to_first": round(last / first, 3)}


def open_once(options: argparse.Namespace) -> Result_:
    """Open and close; `--cold`: with nothing of the files in the page cache."""
    if options.cold:
        forget_pages(options.directory)
    before = time.perf_counter()
    ledger = core.Ledger(str(options.directory), create=False, map_size=MAP_SIZE)
    took_s = time.perf_counter() - before
    memory = anonymous_bytes()
    result: Result_ = {
        "open_s": round(took_s, 3),
        "anonymous_bytes": memory,
        "sequence": ledger.sequence,
        "index_sequence": ledger.index_sequence,
    }
    ledger.close()
    return result


def commits(options: argparse.Namespace) -> Result_:
    """Pay for `--seconds`, with `--followers` threads reading. Raises WorkError."""
    path = str(options.directory)
    with core.Ledger(path, create=False, map_size=MAP_SIZE) as ledger:
        harness = ledger.find_participant("harness")
        first = ledger.find_account(ledger.find_participant("bsk-00000"), 0)
        accounts, base = ledger.accounts()
        count = int((accounts["kind"] == AccountKind.WALLET).sum())
        wallets = first + np.arange(count, dtype=np.uint32)
        maker = Maker(
            options.ids,
            harness,
            wallets,
            pool_rows=SMALL_POOL_ROWS,
            first_round=next_round(ledger, SMALL_POOL_ROWS),
        )
        stop = threading.Event()
        readers = [
            threading.Thread(
                target=feed, args=(ledger, cursor, stop), name=name, daemon=True
            )
            for name, cursor in (("head", base), ("behind", options.behind))
            if options.followers
        ]
        print(json.dumps({"ready": True, "sequence": base}), flush=True)
        sys.stdin.readline()
        for reader in readers:
            reader.start()
        # What the readers used is told with the rest, before they end.
        stretch = pay(ledger, maker, core.GROUP_MAX, 1 << 62, options.seconds)
        stop.set()
        for reader in readers:
            reader.join()
        check_accepted(ledger, stretch, base)
        memory = anonymous_bytes()
    return {
        **figures(stretch),
        "commits": len(stretch.took_s),
        "anonymous_bytes": memory,
    }


def feed(ledger: core.Ledger, cursor: int, stop: threading.Event) -> None:
    """Follow one biller's feed as the server does, as fast as it comes."""
    biller = ledger.find_account(ledger.find_participant("biller-0"), 0)
    accounts = sorted_accounts([biller])
    while not stop.is_set():
        pages = read_feed(ledger, accounts, cursor, 1_000)
        if pages:
            cursor = pages[-1].cursor
        else:
            time.sleep(HEAD_PAUSE_S)


def follow(options: argparse.Namespace) -> Result_:
    """Read rows through the `lmdb` package, in short transactions, and filter them."""
    stopped = until_terminated()
    sequence, rows, events = options.behind, 0, 0
    with Journal(options.directory) as journal:
        if options.head:
            sequence = journal.last_sequence()
        print(json.dumps({"ready": True}), flush=True)
        begun, used = time.perf_counter(), time.process_time()
        while not stopped():
            sequence, got, kept = step(journal, sequence)
            rows += got
            events += kept
            if not got:
                time.sleep(HEAD_PAUSE_S)
        took_s = time.perf_counter() - begun
    share = (time.process_time() - used) / took_s
    return {
        "rows": rows,
        "events": events,
        "rows_per_s": round(rows / took_s),
        "cores": round(share, 3),
    }


def step(journal: Journal, sequence: int) -> tuple[int, int, int]:
    """The next chunks after `sequence`: the last sequence, rows, rows of a biller."""
    rows = events = 0
    with journal.env.begin(buffers=True) as txn, txn.cursor(journal.chunks) as cursor:
        found = cursor.set_range((sequence + 1).to_bytes(8, "big"))
        for _ in range(STEP_CHUNKS):
            if not found:
                break
            value = memoryview(cursor.value())
            count = int.from_bytes(value[8:12], "little")
            part = np.frombuffer(value, core.ROW, count, 64)
            mine = (part["result"] == Result.OK) & (part["service"] == 1)
            events += len(part[mine])
            rows += count
            sequence = int(part["sequence"][-1])
            found = cursor.next()
            # Nothing may point into the file when the transaction ends.
            del part, value
    return sequence, rows, events


def spin(options: argparse.Namespace) -> Result_:
    """Compute for `--share` of the time, on nothing that anybody else needs."""
    stopped = until_terminated()
    print(json.dumps({"ready": True}), flush=True)
    begun, used = time.perf_counter(), time.process_time()
    values = np.arange(10_000)
    while not stopped():
        slice_begun = time.perf_counter()
        busy = time.process_time() + SLICE_S * options.share
        while time.process_time() < busy:
            values.sum()
        left = SLICE_S - (time.perf_counter() - slice_begun)
        if left > 0:
            time.sleep(left)
    share = (time.process_time() - used) / (time.perf_counter() - begun)
    return {"cores": round(share, 3)}


def until_terminated() -> Callable[[], bool]:
    """Whether SIGTERM has come."""
    came = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: came.set())
    return came.is_set


WORK: dict[str, Callable[[argparse.Namespace], Result_]] = {
    "build": build,
    "open": open_once,
    "commits": commits,
    "follow": follow,
    "spin": spin,
}


def main() -> None:
    """Do one piece; the last line of the output is its JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", choices=sorted(WORK))
    parser.add_argument("--directory", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--ids", choices=("ordered", "random"), default="ordered")
    parser.add_argument("--payments", choices=KINDS, default=KINDS[0])
    parser.add_argument("--accounts", type=int, default=CENTRES)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--behind", type=int, default=0, help="a sequence")
    parser.add_argument("--head", action="store_true")
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--followers", action="store_true")
    parser.add_argument("--share", type=float, default=1.0)
    options = parser.parse_args()
    print(json.dumps(WORK[options.work](options)), flush=True)


if __name__ == "__main__":
    main()
