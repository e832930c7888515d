"""The index's accounts, holds and register, compared with what the journal gives.

The index follows the journal in steps and states what it covers; it is compared as of
that sequence, but each piece of it, a segment of accounts or a share of the open holds,
as of the step that it stands at. What it stores and what it says of that must agree, so
that nothing older passes for it. It may be absent, too: it is derived. Its runs and
postings are not read.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import lmdb
import numpy as np

from switch.audit.accounts import Accounts
from switch.audit.books import Books
from switch.audit.crc import crc32c
from switch.audit.findings import Findings
from switch.audit.holds import UNVERIFIED, sequences_of
from switch.audit.layout import (
    ACCOUNT,
    HOLD_PIECES,
    HOLDS_MAGIC,
    INDEX_FORMAT,
    INDEX_HOLD,
    INDEX_HOLDS,
    INDEX_MAGIC,
    INDEX_MERGE_SIZE,
    INDEX_META,
    INDEX_PIECE,
    INDEX_RETIRED_SIZE,
    INDEX_RUN_SIZE,
    SEGMENT,
    SEGMENT_ACCOUNTS,
    SEGMENT_MAGIC,
    SEGMENT_SIZE,
    Rows,
)
from switch.audit.reader import Environment, Journal

SEGMENT_BYTES: Final = SEGMENT_SIZE + SEGMENT_ACCOUNTS * ACCOUNT.itemsize
CHECK_SIZE: Final = 4
RECORD_KINDS: Final = 16
U64_MASK: Final = 2**64 - 1
Add = Callable[[str], None]
"""Notes one finding."""
TABLES: Final = ("meta", "segments", "holds", "records")
Pieces = dict[int, tuple[Rows, int]]
"""What each piece holds, by its number, and the sequence that it stands at."""


@dataclass
class Index:
    """What an index says, as of one sequence.

    `segments` has account images, `holds` sequences and due times, the sequences
    ascending. `segments_listed` and `holds_listed` are what it says that it stores.
    """

    as_of: int
    exact: int
    """No piece lacks a row up to this one, however long ago it was written."""
    instance: bytes
    accounts_count: int
    window: int
    step_rows: int
    transaction: int
    chunk_check: int
    segments_listed: Rows
    holds_listed: Rows
    records_count: list[int]
    records_sum: list[int]
    segments: Pieces = field(default_factory=dict)
    holds: Pieces = field(default_factory=dict)
    records: dict[tuple[int, int], int] = field(default_factory=dict)

    @property
    def stands(self) -> set[int]:
        """The sequences at which some piece stands."""
        return {at for of in (self.segments, self.holds) for _, at in of.values()}


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
    if isinstance(index, str):
        findings.add("index", 0, index)
        return None

    def add(text: str) -> None:
        findings.add("index", index.as_of, text)

    if index.transaction != txn.id():
        add(f"it is of transaction {index.transaction}, the last is {txn.id()}")
    if (segments := tables["segments"]) is not None:
        index.segments = _read_pieces(txn, segments, index, parse_segment, add)
    if (holds := tables["holds"]) is not None:
        index.holds = _read_pieces(txn, holds, index, parse_holds, add)
    # A piece that was never written is empty, and stands where none lacks a row.
    for number in np.flatnonzero(index.holds_listed["steps"] == 0).tolist():
        if number not in index.holds:
            index.holds[number] = np.zeros(0, dtype=INDEX_HOLD), index.exact
    if (records := tables["records"]) is not None:
        for key, value in txn.cursor(records):
            if len(key) == 5 and len(value) == 8 and key[0] < RECORD_KINDS:
                name = key[0], int.from_bytes(key[1:], "big")
                index.records[name] = int.from_bytes(value, "little")
            else:
                add(f"record {key.hex()} is malformed")
    return index


def _read_pieces(
    txn: "lmdb.Transaction",
    table: "lmdb._Database",
    index: Index,
    parse: "Callable[[bytes, bytes, Index], tuple[Rows, int] | str]",
    add: Add,
) -> Pieces:
    """The pieces of one table that are whole."""
    pieces: Pieces = {}
    what = "segment" if parse is parse_segment else "piece of holds"
    for key, value in txn.cursor(table):
        piece = parse(bytes(key), bytes(value), index)
        if isinstance(piece, str):
            add(f"{what} {key.hex()}: {piece}")
        else:
            pieces[int.from_bytes(key, "big")] = piece
    return pieces


def parse_meta(value: bytes) -> Index | str:
    """The one value of the index's `meta`, or what is wrong with it."""
    if len(value) < INDEX_META.itemsize:
        return f"what it says of itself has {len(value)} bytes"
    head = np.frombuffer(value, dtype=INDEX_META, count=1)[0]
    if head["magic"] != INDEX_MAGIC:
        return "what it says of itself does not begin as it should"
    if head["format"] != INDEX_FORMAT:
        return f"it has format {head['format']}, which is not known here"
    records = value[INDEX_META.itemsize :]
    own = crc32c(records, crc32c(value[: INDEX_META.itemsize - CHECK_SIZE]))
    if own != head["check"]:
        return "what it says of itself differs from its check"
    at = INDEX_META.itemsize + (
        int(head["runs_count"]) * INDEX_RUN_SIZE
        + int(head["merges_count"]) * INDEX_MERGE_SIZE
        + int(head["retired_count"]) * INDEX_RETIRED_SIZE
    )
    segments_count = int(head["segments_count"])
    if len(value) != at + (segments_count + HOLD_PIECES) * INDEX_PIECE.itemsize:
        return f"what it says of itself has {len(value)} bytes, and not what it counts"
    listed = np.frombuffer(value, dtype=INDEX_PIECE, offset=at)
    as_of, step_rows = int(head["as_of"]), int(head["step_rows"])
    if not step_rows or as_of % step_rows:
        return f"it is as of {as_of} with steps of {step_rows} rows"
    return Index(
        as_of=as_of,
        exact=max(as_of - int(head["behind"]) * step_rows, 0),
        instance=bytes(head["instance"]),
        accounts_count=int(head["accounts_count"]),
        window=int(head["window"]),
        step_rows=step_rows,
        transaction=int(head["transaction"]),
        chunk_check=int(head["chunk_check"]),
        segments_listed=listed[:segments_count],
        holds_listed=listed[segments_count:],
        records_count=head["records_count"].tolist(),
        records_sum=head["records_sum"].tolist(),
    )


def parse_segment(key: bytes, value: bytes, index: Index) -> tuple[Rows, int] | str:
    """One segment's images and where they stand, or what is wrong with it."""
    if len(value) != SEGMENT_BYTES:
        return f"it has {len(value)} bytes, not {SEGMENT_BYTES}"
    head = np.frombuffer(value, dtype=SEGMENT, count=1)[0]
    if head["magic"] != SEGMENT_MAGIC or key != int(head["number"]).to_bytes(4, "big"):
        return "it does not begin as a segment does"
    if head["reserved"].any():
        return "its reserved fields are not zero"
    own = crc32c(value[SEGMENT_SIZE:], crc32c(value[: SEGMENT_SIZE - CHECK_SIZE]))
    if own != head["check"]:
        return "its bytes differ from its check"
    if problem := piece_problem(head, index.segments_listed, index):
        return problem
    images = np.frombuffer(value, dtype=ACCOUNT, offset=SEGMENT_SIZE)
    return images, max(int(head["as_of"]), index.exact)


def parse_holds(key: bytes, value: bytes, index: Index) -> tuple[Rows, int] | str:
    """One piece of the open holds and where it stands, or what is wrong with it."""
    size = INDEX_HOLDS.itemsize
    if len(value) < size:
        return f"it has {len(value)} bytes, less than a head"
    head = np.frombuffer(value, dtype=INDEX_HOLDS, count=1)[0]
    if head["magic"] != HOLDS_MAGIC or key != int(head["number"]).to_bytes(4, "big"):
        return "it does not begin as a piece of holds does"
    if len(value) != size + int(head["count"]) * INDEX_HOLD.itemsize:
        return f"it has {len(value)} bytes, and {head['count']} holds"
    if crc32c(value[size:], crc32c(value[: size - CHECK_SIZE])) != head["check"]:
        return "its bytes differ from its check"
    if problem := piece_problem(head, index.holds_listed, index):
        return problem
    holds = np.sort(np.frombuffer(value, dtype=INDEX_HOLD, offset=size))
    sequences = holds["sequence"]
    if (sequences % HOLD_PIECES != head["number"]).any():
        return "it lists holds of another piece"
    if (sequences[1:] == sequences[:-1]).any():
        return "it lists a hold twice"
    return holds, max(int(head["as_of"]), index.exact)


def piece_problem(head: np.void, listed: Rows, index: Index) -> str:
    """Why a piece is not the one that the index lists; empty if it is."""
    number, as_of = int(head["number"]), int(head["as_of"])
    if as_of > index.as_of:
        return f"it is of {as_of}, after the index"
    if number >= len(listed):
        return f"the index lists {len(listed)} of them"
    steps = int(listed[number]["steps"])
    if not steps or as_of != steps * index.step_rows:
        return f"it is of {as_of}, the index lists one of {steps * index.step_rows}"
    if listed[number]["check"] != head["check"]:
        return "its check is not the one that the index lists"
    return ""


def compare_index(
    index: Index, books: Books, journal: Journal, findings: Findings
) -> None:
    """Compare an index with books that stand at its as-of."""
    accounts, register = books.accounts, books.register

    def add(text: str) -> None:
        findings.add("index", index.as_of, text)

    if index.instance != journal.instance:
        add("it is another ledger's")
    if index.as_of and index.chunk_check != journal.check_at(index.as_of):
        text = "the index was made of another chunk than the journal has there"
        findings.add("lost", index.as_of, text)
    if index.accounts_count != accounts.count + 1:
        add(f"it counts {index.accounts_count - 1} accounts, not {accounts.count}")
    if index.window != register.last_window:
        add(f"its last window is {index.window}, not {register.last_window}")
    segments_count = accounts.count // SEGMENT_ACCOUNTS + 1 if accounts.count else 0
    if len(index.segments_listed) != segments_count:
        add(f"it lists {len(index.segments_listed)} segments, not {segments_count}")
    for number in sorted(set(range(segments_count)) - index.segments.keys()):
        add(f"segment {number} is missing")
    for number in sorted(set(range(HOLD_PIECES)) - index.holds.keys()):
        add(f"piece of holds {number} is missing or damaged")
    sequences = register.sequences | books.complaints.records()
    for name in sequences.keys() | index.records.keys():
        mine, theirs = sequences.get(name), index.records.get(name)
        if mine != theirs:
            add(f"record {name[0]} number {name[1]} is of {theirs}, not {mine}")
    compare_records_sums(index, add)


def compare_records_sums(index: Index, add: Add) -> None:
    """Compare the records that are stored with how many it says, and their sum."""
    count, total = [0] * RECORD_KINDS, [0] * RECORD_KINDS
    for (kind, number), sequence in index.records.items():
        count[kind] += 1
        total[kind] += record_mark(number, sequence)
    for kind in range(RECORD_KINDS):
        if count[kind] != index.records_count[kind]:
            add(f"it counts {index.records_count[kind]} records {kind}: {count[kind]}")
        elif total[kind] & U64_MASK != index.records_sum[kind]:
            add(f"its records {kind} have another sum than it says")


def record_mark(index: int, sequence: int) -> int:
    """What a record adds to the sum of its kind."""
    x = (sequence + (index << 40)) & U64_MASK
    x ^= x >> 33
    x = x * 0xFF51AFD7ED558CCD & U64_MASK
    x ^= x >> 33
    x = x * 0xC4CEB9FE1A85EC53 & U64_MASK
    return x ^ x >> 33


def compare_pieces(index: Index, at: int, books: Books, findings: Findings) -> None:
    """Compare the pieces that stand at the sequence `at` with books there."""

    def add(text: str) -> None:
        findings.add("index", at, text)

    for number, (images, stands_at) in sorted(index.segments.items()):
        if stands_at == at:
            compare_segment(number, images, books.accounts, add)
    here = [number for number, (_, own) in index.holds.items() if own == at]
    if here:
        stated = np.concatenate([index.holds[number][0] for number in here])
        compare_holds(np.sort(stated), here, books, add)


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


def compare_holds(stated: Rows, pieces: list[int], books: Books, add: Add) -> None:
    """Compare the open and unverified holds of some pieces and when they are due."""
    rows, unverified = books.holds.open_rows(), sequences_of(books.holds.unverified)
    mine = np.zeros(len(rows) + len(unverified), dtype=INDEX_HOLD)
    mine["sequence"] = np.concatenate((rows["sequence"], unverified))
    mine["due"][: len(rows)] = books.holds.due()
    mine["due"][len(rows) :] = UNVERIFIED
    mine = mine[np.isin(mine["sequence"] % HOLD_PIECES, pieces)]
    for sequence in np.setdiff1d(stated["sequence"], mine["sequence"]).tolist():
        add(f"it lists hold {sequence}, which is not open and not unverified")
    for hold in mine[~np.isin(mine["sequence"], stated["sequence"])]:
        state = "unverified" if hold["due"] == UNVERIFIED else "open"
        add(f"it does not list hold {hold['sequence']}, which is {state}")
    both = np.isin(mine["sequence"], stated["sequence"])
    due = dict(zip(stated["sequence"].tolist(), stated["due"].tolist(), strict=True))
    for hold in mine[both]:
        theirs = due[int(hold["sequence"])]
        if theirs != hold["due"]:
            add(f"hold {hold['sequence']} is due at {theirs}, not {hold['due']}")
