"""Reads how far an index was, whatever became of the file that it lies in.

Before an index is given up it is asked which row it was made up to: one that knows more
than its journal is the only witness of lost rows. What says so is the value of `meta`,
which has a check of its own. LMDB is not asked for it, and no page that leads to it is
needed: it is looked for wherever the file was written, where older ones still lie too.
"""

import errno
import logging
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from switch._core import crc32c
from switch.ledger.shapes import open_file

log = logging.getLogger("ledger")

MAGIC: Final = b"IDX1"
FRONT: Final = struct.Struct("<4sI16sQ")
"""Magic, format, instance, as_of: in their places in every format since the second."""
BACK: Final = struct.Struct("<10I")
"""Ends the head: counts of accounts, runs, merges, retired runs and segments, the check
of the chunk, how far pieces are behind, stage, its parts, the check of all."""
HEAD_SIZES: Final = (256, 384, 400)
"""Of formats 2 to 5, 6 to 10, and since the eleventh. Which it is, is what its check is
right for."""
RECORD_SIZES: Final = (56, 88, 24, 8)
"""What follows the head: of each run, merge, retired run and segment."""
HOLD_PIECES: Final = 64
VALUE_MAX: Final = 1 << 17
"""Bytes of a value whose lists are full, and more."""
PIECE: Final = 8 << 20
"""Bytes of the file that are searched together."""

Tell = Callable[[int, int], None]


class Head(NamedTuple):
    """What an index was made up to."""

    as_of: int
    instance: bytes
    """Of its ledger."""
    chunk_check: int
    """Of the journal's chunk that holds as_of."""


def furthest_head(path: Path, tell: Tell | None = None) -> Head | None:
    """The furthest of the heads that lie whole in a file; None if there is none.

    `tell` hears how many bytes of how many are searched. Nobody may write meanwhile.
    """
    file = open_file(path, os.O_RDONLY)
    found: list[Head] = []
    try:
        size = os.fstat(file).st_size
        for at in _pieces(file, size):
            if tell:
                tell(at, size)
            found = [max(found)] if found else []
            found += _heads(_read(file, at))
    finally:
        os.close(file)
    return max(found, default=None)


def _pieces(file: int, size: int) -> Iterator[int]:
    """Where each piece begins: with something that was written. A meta page that is
    damaged may make LMDB lengthen a file to terabytes in which nothing is, and reading
    nothing takes its time too. Holes inside a piece are read with it.
    """
    at = 0
    while at < size:
        try:
            at = os.lseek(file, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            log.warning("index/ does not say what is written of it: %s", error)
        yield at
        at += PIECE


def _read(file: int, at: int) -> bytes:
    """A piece, and of the next as much as a value needs that begins in this one."""
    try:
        return os.pread(file, PIECE + VALUE_MAX, at)
    except OSError as error:
        log.warning("index/ cannot be read at byte %d: %s", at, error)
        return b""


def _heads(piece: bytes) -> Iterator[Head]:
    at = piece.find(MAGIC)
    while at >= 0:
        for size in HEAD_SIZES:
            if head := _head(piece[at : at + VALUE_MAX], size):
                yield head
        at = piece.find(MAGIC, at + 1)


def _head(value: bytes, size: int) -> Head | None:
    """What a value with a head of this size says, if it is whole."""
    if len(value) < size:
        return None
    _, _, instance, as_of = FRONT.unpack_from(value)
    _, *counts, chunk_check, _, _, _, check = BACK.unpack_from(value, size - BACK.size)
    end = size + HOLD_PIECES * RECORD_SIZES[-1]
    end += sum(n * each for n, each in zip(counts, RECORD_SIZES, strict=True))
    if end > len(value):
        return None
    own = crc32c(value[size:end], crc32c(value[: size - 4]))
    return Head(as_of, instance, chunk_check) if own == check else None
