"""A copy as a stream of bytes: `payswitch backup -` writes it, and reads it elsewhere.

What carries it is another's work (ssh, a file, a tape), and what ends early or is not
what was sent is found here: each part says how long it is, none is longer than a chunk
can be, and the last one has the number of chunks and a hash over all before it. Nothing
is believed of a stream that has no such end.
"""

import hashlib
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, TextIO

from switch.backup.copying import (
    BATCH_BYTES,
    BATCH_CHUNKS,
    NAMES_MAX,
    Chunks,
    Copied,
    Source,
)
from switch.backup.proof import Tell, UnprovedError
from switch.errors import ConfigError
from switch.ledger.shapes import CLUSTER, shape

STREAM: Final = "-"
"""In a path's place."""
MAGIC: Final = b"payswitch copy 1\n"
_PART: Final = struct.Struct("<cBI")
"""Of each part: its kind, the size of its key, that of its value."""
_BEGIN: Final = struct.Struct("<?Q")
"""Whether the ledger is a cluster's; about how many bytes come."""
_END: Final = struct.Struct("<QQ32s")
"""Chunks, the last entry, the hash over all that comes before these."""
BEGIN: Final = b"B"
NAME: Final = b"N"
CHUNK: Final = b"C"
END: Final = b"E"
KEY_MAX: Final = 64
VALUE_MAX: Final = 6 << 20
"""Bytes of a part; a chunk has at most 5.2 MiB (docs/data-model.md)."""
HEADER_SIZE: Final = 64
"""Of a chunk."""


def check_no_terminal(file: TextIO, said: str) -> None:
    """Raise ConfigError if a person is at the other end."""
    if file.isatty():
        raise ConfigError(f"{said} is a stream of bytes, for ssh or a file: use a pipe")


class Begin(NamedTuple):
    """What stands at a stream's beginning."""

    is_clusters: bool
    size: int
    """About how many bytes the journal has."""
    last: bytes
    """The key of the last chunk that comes; empty if there is none."""
    header: bytes
    """Of that chunk; empty likewise."""


def send(source: Path, out: BinaryIO, tell: Tell | None = None) -> Copied:
    """Write the ledger `source` as a stream: what is durable now, as `copy` copies it.

    Raises ConfigError, StorageError, OSError, lmdb.Error.
    """
    journal = Source(source)
    try:
        return _send(journal, bool(shape(source / CLUSTER)), out, tell)
    finally:
        journal.env.close()


def _send(
    journal: Source, is_clusters: bool, out: BinaryIO, tell: Tell | None
) -> Copied:
    hashed = hashlib.blake2b(digest_size=32)

    def write(data: bytes) -> None:
        hashed.update(data)
        out.write(data)

    def part(kind: bytes, key: bytes, value: bytes) -> None:
        write(_PART.pack(kind, len(key), len(value)))
        write(key)
        write(value)

    last = journal.last()
    header = journal.value(last)[:HEADER_SIZE] if last else b""
    write(MAGIC)
    part(BEGIN, last, _BEGIN.pack(is_clusters, journal.size()) + header)
    for key, value in journal.names():
        part(NAME, key, value)
    copied = Copied(0, 0, 0, "")
    for batch in journal.batches(last):
        for key, value in batch:
            part(CHUNK, key, value)
            copied = copied.with_chunk(key, value)
        if tell:
            tell(copied.sequence, int.from_bytes(last, "big"))
    write(_PART.pack(END, 0, _END.size))
    out.write(_END.pack(copied.chunks, copied.sequence, hashed.digest()))
    out.flush()
    return copied


class Stream:
    """A copy that comes as a stream: as `Source`, but once, from its beginning on.

    Its methods raise UnprovedError for what is cut off, or not what was sent.
    """

    def __init__(self, file: BinaryIO) -> None:
        """Read its beginning. Raises ConfigError for what is no stream of a copy."""
        self._file = file
        self._hashed = hashlib.blake2b(digest_size=32)
        said = self._read(len(MAGIC))
        if said != MAGIC:
            raise ConfigError(
                "what comes is not what `payswitch backup -` writes"
                if said
                else "nothing comes: what should send the copy has ended"
            )
        kind, last, value = self._part()
        if kind != BEGIN or len(value) not in (_BEGIN.size, _BEGIN.size + HEADER_SIZE):
            raise UnprovedError("the copy has no beginning")
        header = value[_BEGIN.size :]
        if bool(last) != bool(header):
            raise UnprovedError("the copy's beginning contradicts itself")
        is_clusters, size = _BEGIN.unpack_from(value)
        self.begin = Begin(is_clusters, size, last, header)
        self._names: Chunks = []
        self._next = self._part()
        while self._next[0] == NAME:
            if len(self._names) == NAMES_MAX:
                raise UnprovedError("the copy has too many names")
            self._names.append(self._next[1:])
            self._next = self._part()

    def names(self) -> Chunks:
        """What stands beside the chunks."""
        return self._names

    def last(self) -> bytes:
        """The key of the last chunk that comes; empty if there is none."""
        return self.begin.last

    def size(self) -> int:
        """About how many bytes the journal has."""
        return self.begin.size

    def close(self) -> None:
        """The file is its owner's."""

    def batches(self, last: bytes) -> Iterator[Chunks]:
        """The chunks, some at a time; all have come once this ends by itself."""
        done = Copied(0, 0, 0, "")
        before = b""
        while self._next[0] == CHUNK:
            batch: Chunks = []
            size = 0
            while self._next[0] == CHUNK and not self._is_full(size, len(batch)):
                key, value = self._next[1:]
                if key <= before or key > last or len(value) < HEADER_SIZE:
                    raise UnprovedError("the copy's chunks are not in order")
                before = key
                batch.append((key, value))
                size += len(value)
                done = done.with_chunk(key, value)
                self._next = self._part()
            yield batch
        kind, _, value = self._next
        if kind != END or len(value) != _END.size:
            raise UnprovedError("the copy has a part that is not known")
        chunks, sequence, digest = _END.unpack(value)
        if (chunks, sequence) != (done.chunks, done.sequence) or before != last:
            raise UnprovedError(f"{done.chunks} chunks came, and {chunks} were sent")
        if digest != self._digest:
            raise UnprovedError("the copy was changed on its way")
        if self._read(1):
            raise UnprovedError("something comes behind the copy: one stream is one")

    @staticmethod
    def _is_full(size: int, count: int) -> bool:
        return size >= BATCH_BYTES or count >= BATCH_CHUNKS

    def _part(self) -> tuple[bytes, bytes, bytes]:
        kind, key_size, size = _PART.unpack(self._read_all(_PART.size))
        if kind == END:
            self._digest = self._hashed.digest()
        if key_size > KEY_MAX or size > VALUE_MAX:
            raise UnprovedError("the copy has a part that is too large")
        return kind, self._read_all(key_size), self._read_all(size)

    def _read_all(self, size: int) -> bytes:
        found = self._read(size)
        if len(found) < size:
            raise UnprovedError(
                "the copy ends before its end: what sends it was cut off. Nothing is "
                "in place; begin anew"
            )
        return found

    def _read(self, size: int) -> bytes:
        """So many bytes; fewer only at the end."""
        found = b""
        while len(found) < size:
            more = self._file.read(size - len(found))
            if not more:
                break
            found = found + more if found else more
        self._hashed.update(found)
        return found
