"""SQLite in process: WAL, synchronous=FULL, in the fastest form that was found.

Ids in a table without rowids; a batch inserts its transfers one by one and changes each
account once, by sums that NumPy made outside the clock. (A rowid table with an index
over the ids was a fifth slower.)
"""

import sqlite3
import time
from pathlib import Path

import numpy as np

from benchmarks.peer_work import (
    BALANCE,
    BATCH,
    BILLERS,
    WALLETS,
    Integers,
    Transfers,
    check_books,
    figures,
)

CACHE_KIB = 262_144
_SCHEMA = f"""
CREATE TABLE accounts (
    id INTEGER PRIMARY KEY,
    balance INTEGER NOT NULL CHECK (id > {WALLETS} OR balance >= 0)
);
CREATE TABLE transfers (
    id BLOB PRIMARY KEY,
    debit INTEGER NOT NULL,
    credit INTEGER NOT NULL,
    amount INTEGER NOT NULL
) WITHOUT ROWID;
"""
_INSERT = "INSERT INTO transfers VALUES (?, ?, ?, ?)"
_DEBIT = "UPDATE accounts SET balance = balance - ? WHERE id = ?"
_CREDIT = "UPDATE accounts SET balance = balance + ? WHERE id = ?"

Sums = list[tuple[int, int]]


def measure(directory: Path, seconds: float) -> list[dict[str, object]]:
    """Batches with ordered and with random ids, and singles; `seconds` each."""
    return [
        _run(directory / f"{ids}-{batch}", seconds, ids, batch)
        for ids, batch in (("ordered", BATCH), ("random", BATCH), ("random", 1))
    ]


def _run(path: Path, seconds: float, ids: str, batch: int) -> dict[str, object]:
    transfers = Transfers(ids)
    took: list[float] = []
    busy = 0.0
    database = sqlite3.connect(path, isolation_level=None)
    try:
        _prepare(database)
        while busy < seconds:
            names, debits, credits_, amounts = transfers.take(batch)
            lists = debits.tolist(), credits_.tolist(), amounts.tolist()
            rows = list(zip(names, *lists, strict=True))
            spent, got = _sums(debits, amounts), _sums(credits_, amounts)
            before = time.perf_counter()
            database.execute("BEGIN IMMEDIATE")
            database.executemany(_INSERT, rows)
            database.executemany(_DEBIT, spent)
            database.executemany(_CREDIT, got)
            database.execute("COMMIT")
            took.append(time.perf_counter() - before)
            busy += took[-1]
        _check(database, transfers)
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        database.close()
    mode = "single" if batch == 1 else "batch"
    size = round(path.stat().st_size / transfers.count, 1)
    more = {"ids": ids, "batch": batch, "clients": 1, "bytes_per_row": size}
    return figures(
        f"SQLite {sqlite3.sqlite_version}", mode, transfers.count, took, **more
    )


def _prepare(database: sqlite3.Connection) -> None:
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        f"cache_size = -{CACHE_KIB}",
        "temp_store = MEMORY",
    ):
        database.execute(f"PRAGMA {pragma}")
    if database.execute("PRAGMA synchronous").fetchone() != (2,):
        raise AssertionError("synchronous is not FULL")
    if database.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        raise AssertionError("the journal is not a write-ahead log")
    database.executescript(_SCHEMA)
    accounts = [
        (n, BALANCE if n <= WALLETS else 0) for n in range(1, WALLETS + BILLERS + 1)
    ]
    database.execute("BEGIN")
    database.executemany("INSERT INTO accounts VALUES (?, ?)", accounts)
    database.execute("COMMIT")


def _sums(accounts: Integers, amounts: Integers) -> Sums:
    """Sum and number of each account in a batch; exact, being far below 2**53."""
    totals = np.bincount(accounts, weights=amounts)
    touched = np.flatnonzero(totals)
    sums = totals[touched].astype(np.int64).tolist()
    return list(zip(sums, touched.tolist(), strict=True))


def _check(database: sqlite3.Connection, transfers: Transfers) -> None:
    [count] = database.execute("SELECT count(*) FROM transfers").fetchone()
    sums = f"SELECT sum(balance) FROM accounts WHERE id {{}} {WALLETS}"
    [left] = database.execute(sums.format("<=")).fetchone()
    [got] = database.execute(sums.format(">")).fetchone()
    check_books("SQLite", transfers, count, WALLETS * BALANCE - left, got)
