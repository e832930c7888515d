"""What: the core in process, durable, index caught up. Not: wire, sockets, clients.

    python -m benchmarks.ledger --seconds 60 --ids ordered --json     sustained
    python -m benchmarks.ledger --ahead --rows 16000000 --json        without a pause
    python -m benchmarks.ledger --burst --rows 10000000 --json        a burst
    python -m benchmarks.ledger --rows 30000 --batch 1 --json         so many rows
    python -m benchmarks.ledger --seconds 10 --holds 1000000 --json   beside open holds
    python -m benchmarks.ledger --burst --payments quoted --json      with quotations

Every row is a full payment: a distinct id, a service's amount rule, a distinct bill
claimed once, the centre's daily counters, a receipt. The clock runs over the commits,
with what they wait for: the file growing, the index lagging, its merges; and over the
wait for the index at the end. Making the requests is the sender's work; its share of
the whole time stands beside. They are row templates; with `--payments stated` or
`quoted` the bytes of messages, which the core reads within the clock, and of `quoted`
each has the quotation of its bill, sealed outside the clock. A row of these has a tail
of 64 bytes and takes two claims, so its bytes are to be held against `stated`.

While requests are made, the ledger's own threads go on, which the clock does not see.
With `--ahead` all requests are made beforehand and it never stands still.

A burst is that into a reserve that is written beforehand, too; the time that the
reserve took is printed. With --disk the disk's own durable writes are measured in
the same directory, half before and half after.
"""

import argparse
import json
import sys
import time
from pathlib import Path

from benchmarks import disk
from benchmarks.commits import (
    Source,
    Stretch,
    WorkError,
    check_books,
    curve,
    figures,
    pay,
    pay_ahead,
    wait_index,
)
from benchmarks.machine import machine
from benchmarks.meters import need_room, scratch
from benchmarks.network import CENTRES, top_up_of
from benchmarks.payments import POOL_ROWS, Maker
from benchmarks.sources import KINDS, message_maker, open_network
from switch import _core as core
from switch.codes import Kind, Result

MAP_SIZE = 1 << 40
RESERVE = 64 << 20
ROWS = 1_000_000
SECONDS_MAX = 3_600.0
AHEAD_ROWS_MAX = 20_000_000
"""Requests that are made ahead: 128 bytes of memory each."""
JOURNAL_BYTES = 132
"""Bytes of journal for a row in full groups, for the reserve of a burst."""
QUOTED_BYTES = 64
"""More of both for a row of a bill: its tail."""
FILE_BYTES = 320
"""Bytes on disk for a row, generously, for the check of the room."""
ROWS_PER_S_MOST = 6_000_000
"""Faster than any run; for the check of the room by seconds."""
RESERVE_WAIT_S = 120.0
HOLD_S = 2_678_400
"""31 days: the longest deadline there is."""
HOLDS_MAX = 10_000_000


def measure(options: argparse.Namespace, directory: Path) -> dict[str, object]:
    """One run in an empty directory. Raises WorkError."""
    reserve = options.reserve
    if options.burst:
        # It is extended to twice its size, and again below its size: a burst that
        # takes no more than its size never meets the extension.
        reserve = options.rows * (JOURNAL_BYTES + more_bytes(options)) + RESERVE
    opened = time.perf_counter()
    path = str(directory / "ledger")
    with core.Ledger(path, map_size=MAP_SIZE, reserve_size=reserve) as ledger:
        wait_reserve(ledger, 2 * reserve)
        reserve_s = time.perf_counter() - opened
        maker = make_source(options, ledger)
        wait_index(ledger)
        base = ledger.sequence
        size = blocks_size(directory)
        stretch = run(options, ledger, maker)
        grown = blocks_size(directory) - size
        check_books(ledger, stretch, base, given(options.accounts))
        info = ledger.info()
    return {
        "batch": options.batch,
        "ids": options.ids,
        "payments": options.payments,
        "accounts": options.accounts,
        "holds": options.holds,
        "burst": options.burst,
        "ahead": options.ahead,
        **figures(stretch),
        "grown_bytes_per_row": round(grown / stretch.rows_count, 1),
        "reserve_bytes": 2 * reserve,
        "reserve_s": round(reserve_s, 3),
        "journal_bytes_per_row": round(info["journal_bytes"] / info["sequence"], 1),
        "index_bytes_per_row": round(info["index_bytes"] / info["sequence"], 1),
        "curve": curve(stretch),
    }


def make_source(options: argparse.Namespace, ledger: core.Ledger) -> Source:
    """The network, and what makes the payments. Raises WorkError."""
    harness, wallets = open_network(ledger, options.payments, options.accounts)
    if options.payments != "rows":
        return message_maker(ledger, options.payments, options.batch, options.ids)
    pool_rows = min(POOL_ROWS, options.rows or POOL_ROWS)
    maker = Maker(options.ids, harness, wallets, pool_rows=pool_rows)
    open_holds(ledger, maker, options.holds)
    return maker


def more_bytes(options: argparse.Namespace) -> int:
    """Bytes of a row beyond those of others."""
    return QUOTED_BYTES if options.payments == "quoted" else 0


def run(options: argparse.Namespace, ledger: core.Ledger, maker: Source) -> Stretch:
    """The payments themselves."""
    if options.burst or options.ahead:
        return pay_ahead(ledger, maker, options.batch, options.rows)
    rows_max = options.rows or 1 << 62
    return pay(ledger, maker, options.batch, rows_max, options.seconds or 1e9)


def open_holds(ledger: core.Ledger, maker: Maker, count: int) -> None:
    """Holds that stay open through the run, of the payments that are made first.

    Raises WorkError.
    """
    while count > 0:
        rows = maker.take(min(count, core.GROUP_MAX)).copy()
        rows["kind"], rows["deadline"] = Kind.HOLD, HOLD_S
        [reply] = ledger.commit([core.Request.rows(rows)], time.time_ns())
        if isinstance(reply, bytes) or (reply["result"] != Result.OK).any():
            raise WorkError("a hold was refused")
        count -= len(rows)


def given(accounts: int) -> int:
    """Paise that the network's wallets were filled with."""
    return top_up_of(accounts) * accounts


def wait_reserve(ledger: core.Ledger, size: int) -> None:
    """Until `size` bytes are written ahead of the journal. Raises WorkError."""
    until = time.perf_counter() + RESERVE_WAIT_S
    while (info := ledger.info())["reserve_bytes"] < size:
        if info["space_error"] or time.perf_counter() > until:
            raise WorkError("the reserve was not extended")
        time.sleep(0.002)


def measure_beside_disk(
    options: argparse.Namespace, directory: Path
) -> dict[str, object]:
    """One run, with the disk's own figures around it if they are asked for."""
    if not options.disk:
        return measure(options, directory)
    parts = [disk.measure(directory, options.disk / 2)]
    result = measure(options, directory)
    parts.append(disk.measure(directory, options.disk / 2))
    return {**result, "disk": parts, "share_of_disk": share_of_disk(result, parts)}


def share_of_disk(result: dict[str, object], parts: list[dict[str, object]]) -> float:
    """Of the time, how much the disk alone would take for the same bytes.

    Bytes by which the files grew go to blocks never written, the others over blocks
    that were, each at the rate that the disk showed by itself.
    """
    append, overwrite = (
        sum(float(str(part[name])) for part in parts) / len(parts)
        for name in ("append_mb_per_s", "overwrite_mb_per_s")
    )
    rows = float(str(result["rows"]))
    grown = float(str(result["grown_bytes_per_row"])) * rows / disk.MB
    written = float(str(result["written_bytes_per_row"])) * rows / disk.MB
    alone_s = grown / append + max(written - grown, 0.0) / overwrite
    return round(alone_s / float(str(result["seconds"])), 3)


def blocks_size(directory: Path) -> int:
    """Bytes that the files in a directory take on the disk."""
    files = (path for path in directory.rglob("*") if path.is_file())
    return sum(path.stat().st_blocks * 512 for path in files)


def need(options: argparse.Namespace) -> int:
    """Bytes of disk that a run may take, by its rows or its seconds."""
    rows: int = options.rows or int(options.seconds * ROWS_PER_S_MOST / 4)
    return rows * (FILE_BYTES + more_bytes(options)) + (
        disk.ROOM if options.disk else 0
    )


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, help=f"rows at most; default {ROWS:,}")
    parser.add_argument("--seconds", type=float, help="of commits, at most")
    parser.add_argument("--burst", action="store_true")
    parser.add_argument("--ahead", action="store_true", help="requests made beforehand")
    parser.add_argument("--batch", type=int, default=core.GROUP_MAX)
    parser.add_argument("--ids", choices=("ordered", "random"), default="ordered")
    parser.add_argument("--payments", choices=KINDS, default=KINDS[0])
    parser.add_argument("--accounts", type=int, default=CENTRES, help="wallets")
    parser.add_argument("--holds", type=int, default=0, help="open from the beginning")
    parser.add_argument("--reserve", type=int, default=RESERVE, help="bytes")
    parser.add_argument(
        "--disk", type=float, default=0.0, help="seconds for the disk's own figures"
    )
    parser.add_argument("--directory", type=Path, help="parent of the fresh directory")
    parser.add_argument("--json", action="store_true", help="only the JSON line")
    options = parser.parse_args()
    if options.rows is None and (
        options.seconds is None or options.burst or options.ahead
    ):
        options.rows = ROWS
    if not 1 <= options.batch <= core.GROUP_MAX:
        parser.error(f"--batch is 1 to {core.GROUP_MAX}")
    if options.seconds is not None and not 0 < options.seconds <= SECONDS_MAX:
        parser.error(f"--seconds is at most {SECONDS_MAX:.0f}")
    if options.rows is not None and options.rows < 1:
        parser.error("--rows is at least 1")
    is_ahead = options.burst or options.ahead
    if is_ahead and (options.rows > AHEAD_ROWS_MAX or options.seconds):
        parser.error(f"--burst and --ahead take --rows, at most {AHEAD_ROWS_MAX:,}")
    if options.payments != "rows" and (options.holds or options.accounts != CENTRES):
        parser.error("--holds and --accounts go with row templates")
    if options.accounts < 1:
        parser.error("--accounts is at least 1")
    if not 0 <= options.holds <= HOLDS_MAX:
        parser.error(f"--holds is at most {HOLDS_MAX:,}")
    return options


def main() -> None:
    """Run once in a fresh directory."""
    options = parse()
    try:
        with scratch(options.directory, "ledger") as directory:
            need_room(directory, need(options))
            result = measure_beside_disk(options, directory)
    except WorkError as error:
        raise SystemExit(f"no figure: {error}") from error
    result["machine"] = machine()
    if not options.json:
        for name, value in result.items():
            if name != "curve":
                print(f"{name:24}{value}", file=sys.stderr)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
