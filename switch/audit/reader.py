"""Reads a ledger directory with the `lmdb` package, beside a live server or alone.

Nothing is written and no lock is waited for. Read transactions are short: each copies
a bounded number of bytes and ends, so that the server's file does not grow for it.
Structure is judged here only as far as it is needed to find the rows.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import lmdb
import numpy as np

from switch.audit.layout import (
    CHUNK,
    CHUNK_MAGIC,
    CHUNK_SIZE,
    FORMAT,
    GROUP_MAX,
    META,
    ROW,
    ROW_SIZE,
    TAIL,
    TAIL_ITEM_SIZE,
    U64,
    Index,
    Rows,
)
from switch.audit.pages import file_problem
from switch.errors import CorruptionError, FormatError, StorageError

BLOCK_ROWS: Final = 32_768
"""Rows of one step; a step ends with the chunk that reaches it."""
BLOCK_BYTES: Final = 64 << 20
"""Bytes that one read transaction copies at most, one chunk more aside."""
BLOCK_CHUNKS: Final = 8_192
"""Chunks that one read transaction walks at most."""
NAMED_MAX: Final = 16
"""Named databases of one environment."""
DAMAGE: Final = (
    lmdb.CorruptedError,
    lmdb.InvalidError,
    lmdb.PageNotFoundError,
    lmdb.CursorFullError,
    lmdb.PanicError,
    lmdb.BadTxnError,
    lmdb.BadValsizeError,
    lmdb.IncompatibleError,
)
"""What LMDB says of pages that are not as it wrote them."""
INVALID: Final = -30793
"""LMDB's own code for a file that is not what it should be."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk of a block: where its rows are, and the bytes around them."""

    key: int
    header: bytes
    offset: int
    count: int
    tail: bytes


@dataclass
class Block:
    """Some chunks in order; `broken` are keys whose values hold no rows to be read."""

    rows: Rows
    chunks: list[Chunk]
    broken: list[tuple[int, str]] = field(default_factory=list)


class Environment:
    """One LMDB environment, read-only, closed with the `with` statement."""

    def __init__(self, path: Path, *, whole: bool = False) -> None:
        """Open it. Raises StorageError if it is not there or cannot be read, and
        CorruptionError if it is cut short or overwritten; see `file_problem`.
        """
        file = path / "data.mdb"
        if not file.is_file():
            raise StorageError(INVALID, f"there is no LMDB environment in {path}")
        if problem := file_problem(file, whole=whole):
            raise CorruptionError(INVALID, f"{file} is damaged: {problem}")
        # The lock file makes a live writer keep the pages that are being read. It
        # must be there and be writable; where it is not, nobody writes either.
        table = path / "lock.mdb"
        if os.path.lexists(table) and (table.is_symlink() or not table.is_file()):
            # LMDB would write its readers into whatever it leads to.
            raise StorageError(INVALID, f"{table} is no regular file; look at it")
        lock = os.access(table, os.W_OK)
        try:
            self.env = lmdb.open(
                str(path),
                map_size=0,
                readonly=True,
                lock=lock,
                max_dbs=NAMED_MAX,
                readahead=True,
            )
        except DAMAGE as error:
            raise CorruptionError(INVALID, f"{file} is damaged: {error}") from error
        except (lmdb.Error, OSError) as error:
            raise StorageError(INVALID, f"{path} cannot be opened: {error}") from error

    def table(self, name: str) -> "lmdb._Database | None":
        """The named database, None if it is not there."""
        try:
            return self.env.open_db(name.encode(), create=False)
        except lmdb.NotFoundError:
            return None

    def __enter__(self) -> Self:
        """Nothing more than the object itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.env.close()


class Journal(Environment):
    """The journal: `instance`, `epoch`, and the chunks from the first to the last."""

    def __init__(self, directory: Path) -> None:
        """Open `directory/journal`. Raises StorageError, FormatError."""
        super().__init__(directory / "journal", whole=True)
        meta, chunks = self.table("meta"), self.table("journal")
        if meta is None or chunks is None:
            raise CorruptionError(INVALID, f"{directory} has no tables of a journal")
        self.chunks = chunks
        with self.env.begin() as txn:
            value = txn.get(b"ledger", db=meta)
        if value is None or len(value) != META.itemsize:
            raise CorruptionError(INVALID, f"{directory} has lost its ledger record")
        head = np.frombuffer(value, dtype=META)[0]
        if head["magic"] != CHUNK_MAGIC or head["format"] != FORMAT:
            raise FormatError(
                INVALID, f"{directory} is a ledger of a format not known here"
            )
        self.instance = bytes(head["instance"])
        self.epoch = int(head["epoch"])

    def last_sequence(self) -> int:
        """The last durable sequence, 0 if there is none."""
        with self.env.begin(buffers=True) as txn, txn.cursor(self.chunks) as cursor:
            if not cursor.last():
                return 0
            # The key decides, so that a damaged header cannot hide its chunk.
            first = int.from_bytes(cursor.key(), "big")
            value = memoryview(cursor.value())
            if structure_problem(bytes(cursor.key()), value):
                return first
            return first + int.from_bytes(value[8:12], "little") - 1

    def last_header(self) -> np.void | None:
        """The header of the last chunk, None if there is none."""
        with self.env.begin(buffers=True) as txn, txn.cursor(self.chunks) as cursor:
            if not cursor.last():
                return None
            header: np.void = np.frombuffer(bytes(cursor.value()[:CHUNK_SIZE]), CHUNK)[
                0
            ]
            return header

    def blocks(self, last: int) -> Iterator[Block]:
        """The chunks that begin at or before `last`, some at a time.

        A block's rows stand in a buffer that the next block overwrites.
        """
        key = b""
        buffer = np.empty(BLOCK_ROWS + GROUP_MAX, dtype=ROW)
        while True:
            block, key = self._step(key, last, buffer)
            if block.chunks or block.broken:
                yield block
            if not key:
                return

    def _step(self, key: bytes, last: int, rows: Rows) -> tuple[Block, bytes]:
        """One read transaction: the next block, and where to go on, b"" at the end."""
        raw = rows.view(np.uint8).data
        block = Block(rows, [])
        count = size = 0
        before = following = b""
        with self.env.begin(buffers=True) as txn, txn.cursor(self.chunks) as cursor:
            found = cursor.set_range(key)
            while found:
                name = bytes(cursor.key())
                if name <= before:
                    # Pages that lead back to each other would never end.
                    text = f"the chunk after {before.hex()} is {name.hex()}"
                    raise CorruptionError(INVALID, text)
                before = name
                number = int.from_bytes(name, "big")
                if number > last:
                    break
                full = count >= BLOCK_ROWS or size >= BLOCK_BYTES
                if full or len(block.chunks) + len(block.broken) >= BLOCK_CHUNKS:
                    following = name
                    break
                value = memoryview(cursor.value())
                size += len(value)
                problem = structure_problem(name, value)
                if problem:
                    block.broken.append((number, problem))
                else:
                    rows_count = int.from_bytes(value[8:12], "little")
                    end = CHUNK_SIZE + rows_count * ROW_SIZE
                    at = count * ROW_SIZE
                    raw[at : at + end - CHUNK_SIZE] = value[CHUNK_SIZE:end]
                    header, tail = bytes(value[:CHUNK_SIZE]), bytes(value[end:])
                    block.chunks.append(Chunk(number, header, count, rows_count, tail))
                    count += rows_count
                found = cursor.next()
        block.rows = rows[:count]
        return block, following

    def header_at(self, sequence: int) -> np.void | None:
        """The header of the chunk that holds a row; None if it cannot be read."""
        with self.env.begin(buffers=True) as txn, txn.cursor(self.chunks) as cursor:
            first, value = chunk_around(cursor, sequence)
            if value is None or sequence - first >= len(rows_of(value)):
                return None
            found: np.void = np.frombuffer(bytes(value[:CHUNK_SIZE]), dtype=CHUNK)[0]
            return found

    def check_at(self, sequence: int) -> int | None:
        """The check of the chunk that holds a row; None if it cannot be read."""
        head = self.header_at(sequence)
        return None if head is None else int(head["check"])

    def rows_at(self, sequences: U64) -> Rows:
        """Rows by sequence, in the order asked; all zero where there is none."""
        out = np.zeros(len(sequences), dtype=ROW)
        order = np.argsort(sequences, kind="stable")
        for start in range(0, len(order), BLOCK_CHUNKS):
            self._fetch(sequences, order[start : start + BLOCK_CHUNKS], out)
        return out

    def items_at(self, sequences: U64) -> dict[int, bytes]:
        """Tail items of rows, by sequence; of those that have one that can be read."""
        found: dict[int, bytes] = {}
        first, count, items = 0, 0, dict[int, bytes]()
        with self.env.begin(buffers=True) as txn, txn.cursor(self.chunks) as cursor:
            for sequence in np.sort(sequences).tolist():
                if not 0 <= sequence - first < count:
                    first, value = chunk_around(cursor, sequence)
                    items = {} if value is None else items_of(value)
                    count = 0 if value is None else len(rows_of(value))
                if sequence in items:
                    found[sequence] = items[sequence]
        return found

    def _fetch(self, sequences: U64, order: Index, out: Rows) -> None:
        """Fetch some rows, ascending, in one read transaction."""
        first, rows = 0, np.empty(0, dtype=ROW)
        with self.env.begin(buffers=True) as txn, txn.cursor(self.chunks) as cursor:
            for position in order:
                sequence = int(sequences[position])
                if not 0 <= sequence - first < len(rows):
                    first, value = chunk_around(cursor, sequence)
                    rows = np.empty(0, dtype=ROW) if value is None else rows_of(value)
                if 0 <= sequence - first < len(rows):
                    out[position] = rows[sequence - first]


def chunk_around(cursor: "lmdb.Cursor", sequence: int) -> tuple[int, memoryview | None]:
    """First sequence and bytes of the chunk that would hold `sequence`.

    None for bytes that hold no rows; they are those of the transaction.
    """
    key = sequence.to_bytes(8, "big")
    if not cursor.set_range(key):
        found = cursor.last()
    elif bytes(cursor.key()) != key:
        found = cursor.prev()
    else:
        found = True
    if not found:
        return 0, None
    name, value = bytes(cursor.key()), memoryview(cursor.value())
    if structure_problem(name, value):
        return 0, None
    return int.from_bytes(name, "big"), value


def rows_of(value: memoryview) -> Rows:
    """The rows of a chunk."""
    count = int.from_bytes(value[8:12], "little")
    end = CHUNK_SIZE + count * ROW_SIZE
    return np.frombuffer(value[CHUNK_SIZE:end], dtype=ROW)


def items_of(value: memoryview) -> dict[int, bytes]:
    """The tail items of a chunk by their rows' sequences, as far as they are whole."""
    rows, items = rows_of(value), dict[int, bytes]()
    at = CHUNK_SIZE + len(rows) * ROW_SIZE
    for row in rows[(rows["flags"] & np.uint16(TAIL)) != 0]:
        size = int.from_bytes(value[at : at + 4], "little")
        body = at + TAIL_ITEM_SIZE
        at = body + (size + 7) // 8 * 8
        if at > len(value):
            break
        items[int(row["sequence"])] = bytes(value[body : body + size])
    return items


def structure_problem(key: bytes, value: memoryview) -> str:
    """Why no rows can be read from a value; empty if they can."""
    if len(key) != 8:
        return f"its key has {len(key)} bytes, not 8"
    if len(value) < CHUNK_SIZE:
        return f"it has {len(value)} bytes, less than a header"
    if int.from_bytes(value[:4], "little") != CHUNK_MAGIC:
        return "it does not begin as a chunk does"
    if int.from_bytes(value[4:6], "little") != FORMAT:
        return "it has a format that is not known here"
    count = int.from_bytes(value[8:12], "little")
    if not 1 <= count <= GROUP_MAX:
        return f"it claims {count} rows"
    size = CHUNK_SIZE + count * ROW_SIZE + int.from_bytes(value[12:16], "little")
    if len(value) != size:
        return f"it has {len(value)} bytes where its header says {size}"
    return ""
