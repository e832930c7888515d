"""The index's accounts, holds and register, compared with what the journal gives.

The index follows the journal in steps and states what it covers; it is compared as of
that sequence, but each segment of accounts as of the step that it stands at. It may be
absent, too: it is derived. Its runs and postings are not read.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import lmdb
import numpy as np
from crc32c import crc32c

from switch.audit.accounts import Accounts
from switch.audit.books import Books
from switch.audit.findings import Findings
from switch.audit.layout import (
    ACCOUNT,
    INDEX_HOLD,
    INDEX_META,
    INDEX_RUN_SIZE,
    SEGMENT,
    SEGMENT_ACCOUNTS,
    SEGMENT_MAGIC,
    SEGMENT_SIZE,
    Rows,
)
from switch.audit.reader import Environment

SEGMENT_BYTES: Final = SEGMENT_SIZE + SEGMENT_ACCOUNTS * ACCOUNT.itemsize
CHECK_SIZE: Final = 4
Add = Callable[[str], None]
"""Notes one finding."""
TABLES: Final = ("meta", "segments", "holds", "records")


@dataclass
class Index:
    """What an index says, as of one sequence. `holds` has sequences and due times.

    `segments` has the images of each number, and the sequence that they stand at.
    """

    as_of: int
    exact: int
    """No segment lacks a row up to this one, however long ago it was written."""
    instance: bytes
    accounts_count: int
    window: int
    segments: dict[int, tuple[Rows, int]] = field(default_factory=dict)
    holds: Rows | None = None
    records: dict[tuple[int, int], int] = field(default_factory=dict)


def read_index(directory: Path, findings: Findings) -> Index | None:
    """What `directory/index` holds; None if there is none or no step is done yet.

    Raises StorageError if it is there and cannot be opened.
    """
    path = directory / "index"
    if not (path / "data.mdb").is_file():
        return None
    with Environment(path) as environment:
        tables = {name: environment.table(name) for name in TABLES}
        with environment.env.begin() as txn:
            return _read(txn, tables, findings)


def _read(
    txn: "lmdb.Transaction",
    tables: "dict[str, lmdb._Database | None]",
    findings: Findings,
) -> Index | None:
    """One snapshot of everything that is compared."""
    meta = tables["meta"]
    value = txn.get(b"index", db=meta) if meta is not None else None
    if value is None:
        return None
    index = parse_meta(bytes(value))
    if index is None:
        findings.add("index", 0, "what it says of itself differs from its check")
        return None
    if (segments := tables["segments"]) is not None:
        for key, value in txn.cursor(segments):
            segment = parse_segment(bytes(key), bytes(value), index)
            if isinstance(segment, str):
                findings.add("index", index.as_of, f"segment {key.hex()}: {segment}")
            else:
                index.segments[int.from_bytes(key, "big")] = segment
    if (holds := tables["holds"]) is not None:
        index.holds = parse_holds(bytes(txn.get(b"holds", db=holds) or b""))
    if (records := tables["records"]) is not None:
        for key, value in txn.cursor(records):
            if len(key) == 5 and len(value) == 8:
                name = key[0], int.from_bytes(key[1:], "big")
                index.records[name] = int.from_bytes(value, "little")
            else:
                findings.add("index", index.as_of, f"record {key.hex()} is malformed")
    return index


def parse_meta(value: bytes) -> Index | None:
    """The one value of the index's `meta`; None if it is damaged."""
    if len(value) < INDEX_META.itemsize:
        return None
    head = np.frombuffer(value, dtype=INDEX_META, count=1)[0]
    runs = value[INDEX_META.itemsize :]
    if len(runs) != int(head["runs_count"]) * INDEX_RUN_SIZE:
        return None
    own = crc32c(runs, crc32c(value[: INDEX_META.itemsize - CHECK_SIZE]))
    if own != head["check"]:
        return None
    as_of = int(head["as_of"])
    return Index(
        as_of=as_of,
        exact=max(as_of - int(head["segments_behind"]) * int(head["step_rows"]), 0),
        instance=bytes(head["instance"]),
        accounts_count=int(head["accounts_count"]),
        window=int(head["window"]),
    )


def parse_segment(key: bytes, value: bytes, index: Index) -> tuple[Rows, int] | str:
    """One segment's images and where they stand, or what is wrong with it."""
    if len(value) != SEGMENT_BYTES:
        return f"it has {len(value)} bytes, not {SEGMENT_BYTES}"
    head = np.frombuffer(value, dtype=SEGMENT, count=1)[0]
    if head["magic"] != SEGMENT_MAGIC or key != int(head["number"]).to_bytes(4, "big"):
        return "it does not begin as a segment does"
    own = crc32c(value[SEGMENT_SIZE:], crc32c(value[: SEGMENT_SIZE - CHECK_SIZE]))
    if own != head["check"]:
        return "its bytes differ from its check"
    if head["as_of"] > index.as_of:
        return f"it is of {head['as_of']}, after the index"
    images = np.frombuffer(value, dtype=ACCOUNT, offset=SEGMENT_SIZE)
    return images, max(int(head["as_of"]), index.exact)


def parse_holds(value: bytes) -> Rows | None:
    """The open holds; None if the value is missing or damaged."""
    body, check = value[:-CHECK_SIZE], value[-CHECK_SIZE:]
    if len(check) != CHECK_SIZE or len(body) % INDEX_HOLD.itemsize:
        return None
    if crc32c(body) != int.from_bytes(check, "little"):
        return None
    return np.sort(np.frombuffer(body, dtype=INDEX_HOLD), order="sequence")


def compare_index(
    index: Index, books: Books, instance: bytes, findings: Findings
) -> None:
    """Compare an index with books that stand at its as-of."""
    accounts, register = books.accounts, books.register

    def add(text: str) -> None:
        findings.add("index", index.as_of, text)

    if index.instance != instance:
        add("it is another ledger's")
    if index.accounts_count != accounts.count + 1:
        add(f"it counts {index.accounts_count - 1} accounts, not {accounts.count}")
    if index.window != register.last_window:
        add(f"its last window is {index.window}, not {register.last_window}")
    for number in range(accounts.count // SEGMENT_ACCOUNTS + 1):
        if accounts.count and number not in index.segments:
            add(f"segment {number} is missing")
    if index.holds is None:
        add("its open holds are missing or damaged")
    else:
        compare_holds(index.holds, books, add)
    for name in register.sequences.keys() | index.records.keys():
        mine, theirs = register.sequences.get(name), index.records.get(name)
        if mine != theirs:
            add(f"record {name[0]} number {name[1]} is of {theirs}, not {mine}")


def compare_segments(
    index: Index, at: int, accounts: Accounts, findings: Findings
) -> None:
    """Compare the segments that stand at the sequence `at` with accounts there."""
    for number, (images, stands_at) in sorted(index.segments.items()):
        if stands_at == at:
            compare_segment(
                number, images, accounts, lambda text: findings.add("index", at, text)
            )


def compare_segment(number: int, images: Rows, accounts: Accounts, add: Add) -> None:
    """Compare 512 account images field by field."""
    first = number * SEGMENT_ACCOUNTS
    expected = accounts.image(first, SEGMENT_ACCOUNTS)
    if expected.tobytes() == images.tobytes():
        return
    for name in ACCOUNT.names or ():
        mine, theirs = expected[name], images[name]
        differs = mine != theirs
        if differs.ndim > 1:
            differs = differs.any(axis=1)
        for at in np.flatnonzero(differs).tolist():
            add(f"account {first + at}: {name} is {theirs[at]}, not {mine[at]}")


def compare_holds(stated: Rows, books: Books, add: Add) -> None:
    """Compare the open holds and when they are due."""
    rows = books.holds.open_rows()
    mine = np.zeros(len(rows), dtype=INDEX_HOLD)
    mine["sequence"] = rows["sequence"]
    mine["due"] = books.holds.due()
    for sequence in np.setdiff1d(stated["sequence"], mine["sequence"]).tolist():
        add(f"it lists hold {sequence}, which is not open")
    for sequence in np.setdiff1d(mine["sequence"], stated["sequence"]).tolist():
        add(f"it does not list hold {sequence}, which is open")
    both = np.isin(mine["sequence"], stated["sequence"])
    due = dict(zip(stated["sequence"].tolist(), stated["due"].tolist(), strict=True))
    for hold in mine[both]:
        theirs = due[int(hold["sequence"])]
        if theirs != hold["due"]:
            add(f"hold {hold['sequence']} is due at {theirs}, not {hold['due']}")
