"""What: opening a ledger: time, memory and bytes on disk. Not: sockets, clients.

    python -m benchmarks.opening --rows 10000000 --accounts 3561 --json

A ledger of so many payments is made and closed. Then processes of their own open it:
after a clean stop, with the files in the page cache and without, and after a process
was killed while it committed with an index that lagged as far as it may; after that the
files are in the page cache. Memory is what is no file's: RssAnon.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.machine import machine
from benchmarks.network import CENTRES, make_network, payment_rows
from switch import _core as core
from switch.codes import AccountKind, Result

MAP_SIZE = 1 << 40
INDEX_WAIT_S = 600
STEP_ROWS = 131_072
LAG_MAX = 1_048_576

Wallets = npt.NDArray[np.uint32]


def open_ledger(directory: str, *, threads: bool = True) -> core.Ledger:
    """The ledger with the server's settings."""
    return core.Ledger(
        directory,
        map_size=MAP_SIZE,
        index_step_rows=STEP_ROWS,
        index_lag_max=LAG_MAX,
        threads=threads,
    )


def pay(
    ledger: core.Ledger, first: int, count: int, harness: int, wallets: Wallets
) -> None:
    """One group of payments, all of which must be accepted."""
    rng = np.random.default_rng(first)
    rows = payment_rows(rng, first, count, "random", harness, wallets)
    [outcomes] = ledger.commit([core.Request.rows(rows)], time.time_ns())
    assert isinstance(outcomes, np.ndarray)
    if not (outcomes["result"] == Result.OK).all():
        raise SystemExit("a payment was refused")


def wallets_of(ledger: core.Ledger) -> Wallets:
    """The indices of all wallets."""
    accounts, _ = ledger.accounts()
    return np.flatnonzero(accounts["kind"] == AccountKind.WALLET).astype(np.uint32)


def fill(directory: str, rows_count: int, accounts: int) -> dict[str, Any]:
    """Make the ledger and close it cleanly; what it takes on disk."""
    with open_ledger(directory) as ledger:
        harness, _ = make_network(ledger, accounts)
        wallets = wallets_of(ledger)
        for start in range(1, rows_count + 1, core.GROUP_MAX):
            count = min(core.GROUP_MAX, rows_count + 1 - start)
            pay(ledger, start, count, harness, wallets)
        until = time.monotonic() + INDEX_WAIT_S
        while ledger.sequence - ledger.index_sequence >= STEP_ROWS:
            if ledger.dead or time.monotonic() > until:
                raise SystemExit(f"the index did not catch up: {ledger.dead}")
            time.sleep(0.01)
        info = ledger.info()
        return {
            "sequence": ledger.sequence,
            "harness": harness,
            "journal_bytes_per_row": round(info["journal_bytes"] / ledger.sequence, 1),
            "index_bytes_per_row": round(info["index_bytes"] / ledger.sequence, 1),
            "filter_bytes": info["filter_bytes"],
        }


def memory_mib() -> float:
    """Resident memory of this process that is no file's."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return round(int(line.split()[1]) / 1024, 1)
    raise SystemExit("the system does not state RssAnon")


def look(directory: str, least: int) -> dict[str, Any]:
    """Open in this process, and check that everything up to `least` is there."""
    before = memory_mib()
    times = os.times()
    start = time.perf_counter()
    ledger = open_ledger(directory)
    took = time.perf_counter() - start
    used = os.times()
    memory = memory_mib()
    accounts, sequence = ledger.accounts()
    if sequence < least or ledger.row(least).sequence != least:
        raise SystemExit(f"{sequence} rows are left of {least}")
    debits, credits = (
        int(accounts[name].sum()) for name in ("debits_posted", "credits_posted")
    )
    if debits != credits or debits == 0:
        raise SystemExit("the books do not balance")
    ledger.close()
    cpu = used.user + used.system - times.user - times.system
    return {
        "open_s": round(took, 3),
        "cpu_s": round(cpu, 3),
        "memory_mib": memory,
        "memory_before_mib": before,
    }


def commit_on(directory: str, first: int, harness: int) -> None:
    """Commit for ever and say how far it is; the index lags as far as it may."""
    ledger = open_ledger(directory, threads=False)
    wallets = wallets_of(ledger)
    while True:
        pay(ledger, first, core.GROUP_MAX, harness, wallets)
        first += core.GROUP_MAX
        print(ledger.sequence, ledger.index_sequence, flush=True)


def child(*arguments: object) -> "subprocess.Popen[str]":
    """This module in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.opening", *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
    )


def forget(directory: str) -> None:
    """Take the files out of the page cache."""
    for path in Path(directory).glob("*/data.mdb"):
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def look_apart(directory: str, least: int) -> dict[str, Any]:
    """`look` in a fresh process."""
    out, _ = (process := child("--look", least, "--directory", directory)).communicate()
    if process.returncode != 0:
        raise SystemExit("opening failed")
    said = json.loads(out)
    assert isinstance(said, dict)
    return said


def kill_apart(directory: str, first: int, harness: int) -> dict[str, int]:
    """Kill a process that commits when its index lags most."""
    process = child("--commit", first, harness, "--directory", directory)
    assert process.stdout is not None
    sequence = indexed = 0
    for line in process.stdout:
        sequence, indexed = map(int, line.split())
        if sequence - indexed > LAG_MAX - core.GROUP_MAX:
            break
    process.kill()
    process.wait()
    process.stdout.close()
    if sequence - indexed <= LAG_MAX - core.GROUP_MAX:
        raise SystemExit("the process ended before it was killed")
    return {"sequence": sequence, "lag": sequence - indexed}


def measure(directory: str, rows_count: int, accounts: int) -> dict[str, Any]:
    """Everything, in a fresh directory."""
    made = fill(directory, rows_count, accounts)
    harness = int(made.pop("harness"))
    clean = look_apart(directory, made["sequence"])
    forget(directory)
    cold = look_apart(directory, made["sequence"])
    killed = kill_apart(directory, rows_count + 1, harness)
    after = look_apart(directory, killed["sequence"])
    return {
        "rows": rows_count,
        "accounts": accounts,
        **made,
        "clean": clean,
        "cold": cold,
        "killed": {"lag": killed["lag"], **after},
        "machine": machine(),
    }


def main() -> None:
    """Run once in a fresh directory, or as one of its own child processes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--accounts", type=int, default=CENTRES, help="wallets")
    parser.add_argument("--directory", help="parent of the fresh directory")
    parser.add_argument("--json", action="store_true", help="only the JSON line")
    parser.add_argument("--look", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--commit", type=int, nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.look is not None:
        print(json.dumps(look(arguments.directory, arguments.look)))
        return
    if arguments.commit is not None:
        commit_on(arguments.directory, *arguments.commit)
        return
    directory = tempfile.mkdtemp(prefix="ledger-bench-", dir=arguments.directory)
    try:
        result = measure(directory, arguments.rows, arguments.accounts)
    finally:
        shutil.rmtree(directory)
    if not arguments.json:
        for name, value in result.items():
            print(f"{name:24}{value}", file=sys.stderr)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
