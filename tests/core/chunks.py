"""Chunks as a log has them: read from a journal, taken apart, and sealed anew."""

import struct
from pathlib import Path
from typing import Any

import lmdb

from switch.audit.crc import crc32c

HEAD = struct.Struct("<I2H2IQ16s2QI")
"""A chunk's header up to its check."""
FIELDS = (
    *("magic", "format", "reserved", "rows", "tail_size", "first", "instance"),
    *("epoch", "ordinal", "previous"),
)
ROW_SIZE = 128


def head_of(chunk: bytes) -> dict[str, Any]:
    """The fields of a chunk's header, and its check."""
    fields = dict(zip(FIELDS, HEAD.unpack_from(chunk), strict=True))
    fields["check"] = int.from_bytes(chunk[60:64], "little")
    return fields


def last_of(chunk: bytes) -> int:
    """The sequence of a chunk's last row."""
    head = head_of(chunk)
    return int(head["first"] + head["rows"] - 1)


def changed_row(row: bytes, at: int, new: bytes) -> bytes:
    """A row with other bytes at a place, and its check."""
    body = row[:at] + new + row[at + len(new) : 124]
    return body + crc32c(body).to_bytes(4, "little")


def sealed(chunk: bytes, *, tail: bytes | None = None, **fields: Any) -> bytes:
    """A chunk with other fields, rows or tail, and the check that they have.

    `row_N=(place, bytes)` changes a row.
    """
    head = head_of(chunk)
    end = 64 + ROW_SIZE * head["rows"]
    rows = [chunk[at : at + ROW_SIZE] for at in range(64, end, ROW_SIZE)]
    body = chunk[end:] if tail is None else tail
    head["tail_size"] = len(body)
    for name, value in fields.items():
        if name.startswith("row_"):
            at, new = value
            rows[int(name[4:])] = changed_row(rows[int(name[4:])], at, new)
        else:
            head[name] = value
    packed = HEAD.pack(*(head[name] for name in FIELDS))
    check = crc32c(packed, head["previous"])
    check = crc32c(body, crc32c(b"".join(row[124:] for row in rows), check))
    return packed + check.to_bytes(4, "little") + b"".join(rows) + body


def read_chunks(path: Path) -> list[bytes]:
    """Every chunk of a ledger's journal, in order."""
    with lmdb.open(
        str(path / "journal"), max_dbs=4, readonly=True, lock=False, map_size=0
    ) as env:
        journal = env.open_db(b"journal", create=False)
        with env.begin() as txn, txn.cursor(journal) as cursor:
            return [bytes(value) for _, value in cursor]


def put_chunk(path: Path, chunk: bytes) -> None:
    """Replace the chunk that begins with this one's first row."""
    with lmdb.open(str(path / "journal"), max_dbs=4, map_size=1 << 30) as env:
        journal = env.open_db(b"journal")
        with env.begin(write=True) as txn:
            txn.put(head_of(chunk)["first"].to_bytes(8, "big"), chunk, db=journal)


class MemoryLog:
    """A log in memory, in place of the one beyond the machine."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.outcome: int | BaseException = 0
        """What the next append gives or raises; it is in the log only after 0."""
        self.tries = 0

    def __call__(self, chunk: bytes) -> int:
        """Append."""
        self.tries += 1
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        if self.outcome == 0:
            self.chunks.append(chunk)
        return self.outcome
