"""What: the core in process, durable, index caught up. Not: wire, sockets, clients.

    python -m benchmarks.ledger --rows 10000000 --batch 8190 --ids ordered --json

Every row is a full payment: a distinct id, a service's amount rule, a distinct bill
claimed once, the centre's daily counters, a receipt. The clock runs over commits alone
(making the requests is the sender's work) and over the wait for the index at the end.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.machine import machine
from benchmarks.network import CENTRES, make_network, payment_rows, top_up_of
from switch import _core as core
from switch.codes import AccountKind


def measure(
    directory: str, rows_count: int, batch: int, ids: str, reserve: int, accounts: int
) -> dict[str, object]:
    """Pay `rows_count` bills in groups of `batch` and check the books."""
    rng = np.random.default_rng(2026)
    ledger = core.Ledger(directory, map_size=1 << 40, reserve_size=reserve)
    harness, first_wallet = make_network(ledger, accounts)
    wallets = np.arange(first_wallet, first_wallet + accounts, dtype=np.uint32)
    wait_for_index(ledger)
    base = ledger.sequence
    written = written_bytes()
    times = []
    accepted = 0
    busy = 0.0
    paid = 0
    for start in range(0, rows_count, batch):
        count = min(batch, rows_count - start)
        rows = payment_rows(rng, start + 1, count, ids, harness, wallets)
        request = core.Request.rows(rows)
        before = time.perf_counter()
        outcomes = ledger.commit([request], time.time_ns())[0]
        took = time.perf_counter() - before
        assert isinstance(outcomes, np.ndarray)
        good = outcomes["result"] == 1
        accepted += int(good.sum())
        paid += int(rows["amount"][good].sum())
        times.append(took)
        busy += took
    before = time.perf_counter()
    wait_for_index(ledger)
    caught_up = time.perf_counter() - before
    written = written_bytes() - written
    check_books(ledger, paid, accepted, (rows_count, accounts, base))
    info = ledger.info()
    ledger.close()
    spread = np.sort(np.array(times))
    return {
        "rows": rows_count,
        "accounts": accounts,
        "batch": batch,
        "ids": ids,
        "rows_per_s": round(rows_count / (busy + caught_up)),
        "p50_ms": round(float(np.quantile(spread, 0.5)) * 1e3, 3),
        "p99_ms": round(float(np.quantile(spread, 0.99)) * 1e3, 3),
        "p999_ms": round(float(np.quantile(spread, 0.999)) * 1e3, 3),
        "max_ms": round(float(spread[-1]) * 1e3, 3),
        "index_wait_s": round(caught_up, 3),
        "accepted": accepted,
        "written_bytes_per_row": round(written / rows_count),
        "journal_bytes_per_row": round(info["journal_bytes"] / ledger_rows(info), 1),
        "index_bytes_per_row": round(info["index_bytes"] / ledger_rows(info), 1),
        "machine": machine(),
    }


def wait_for_index(ledger: core.Ledger) -> None:
    """Until the index covers every whole step."""
    step = 65536
    while ledger.index_sequence < ledger.sequence // step * step:
        if ledger.dead:
            raise SystemExit(f"the ledger died: {ledger.dead}")
        time.sleep(0.001)


def written_bytes() -> int:
    """What this process has had written to disks so far, merges and syncs included."""
    for line in Path("/proc/self/io").read_text().splitlines():
        if line.startswith("write_bytes:"):
            return int(line.split()[1])
    raise SystemExit("the system does not state write_bytes")


def ledger_rows(info: dict[str, object]) -> int:
    """Rows in the ledger."""
    return int(str(info["sequence"]))


def check_books(
    ledger: core.Ledger, paid: int, accepted: int, made: tuple[int, int, int]
) -> None:
    """A benchmark that stopped doing the work must fail, not get faster.

    `made`: rows that were sent, wallets, and the sequence before.
    """
    rows_count, accounts_count, base = made
    accounts, sequence = ledger.accounts()
    wallets = accounts[accounts["kind"] == AccountKind.WALLET]
    billers = accounts[accounts["kind"] == AccountKind.BILLER]
    spent = int(wallets["debits_posted"].sum())
    if accepted < 0.99 * rows_count or sequence != base + rows_count:
        raise SystemExit(f"{accepted} of {rows_count} were accepted")
    if spent != paid or int(billers["credits_posted"].sum()) != paid:
        raise SystemExit("the books do not balance")
    if int(wallets["credits_posted"].sum()) != (
        top_up_of(accounts_count) * accounts_count
    ):
        raise SystemExit("top-ups are missing")
    if int(wallets["receipt"].sum()) != accepted:
        raise SystemExit("receipts are missing")


def main() -> None:
    """Run once in a fresh directory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=core.GROUP_MAX)
    parser.add_argument("--ids", choices=("ordered", "random"), default="ordered")
    parser.add_argument("--accounts", type=int, default=CENTRES, help="wallets")
    parser.add_argument("--reserve", type=int, default=64 << 20)
    parser.add_argument("--directory", type=Path, help="parent of the fresh directory")
    parser.add_argument("--json", action="store_true", help="only the JSON line")
    arguments = parser.parse_args()
    if not 1 <= arguments.batch <= core.GROUP_MAX:
        parser.error(f"--batch is 1 to {core.GROUP_MAX}")
    directory = tempfile.mkdtemp(prefix="ledger-bench-", dir=arguments.directory)
    try:
        result = measure(
            directory,
            arguments.rows,
            arguments.batch,
            arguments.ids,
            arguments.reserve,
            arguments.accounts,
        )
    finally:
        shutil.rmtree(directory)
    if not arguments.json:
        for name, value in result.items():
            print(f"{name:24}{value}", file=sys.stderr)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
