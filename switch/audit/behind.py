"""What lies in a journal's file behind its last row, and goes on from it.

LMDB has two meta pages, written in turn. If the disk loses the newest, the journal is
what it was one commit earlier, whole, with every check right; the chunk of that commit
lies in the file all the same. A process that dies between its pages and the meta page
leaves the same. The next start puts such a chunk back (docs/durability.md); until then
an audit has not read it, and says so. Asked of a ledger that nobody serves: a server
writes a commit's pages before its meta page.
"""

import fcntl
import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from switch.audit.crc import crc32c
from switch.audit.layout import (
    CHUNK,
    CHUNK_MAGIC,
    CHUNK_SIZE,
    GROUP_MAX,
    ROW,
    ROW_SIZE,
)
from switch.audit.pages import FLAGS_AT, HEAD_SIZE, META_PAGE, META_SIZE
from switch.audit.reader import Journal

FLAG_LEAF: Final = 0x02
FLAG_OVERFLOW: Final = 0x04
NODE_SIZE: Final = 8
"""Bytes of a leaf's node before its key: sizes, flags."""
FIRST_AT: Final = 16
"""Where a chunk's header has its first sequence, and behind it the instance."""
CHECKED_SIZE: Final = 60
"""Bytes of a chunk's header that its check begins with."""


def rows_behind(directory: Path, journal: Journal) -> tuple[int, int] | None:
    """The first and the last sequence of a chunk that goes on from the journal's end,
    as its next start would find it; None if there is none, or somebody has the ledger.
    """
    if _is_held(directory):
        return None
    found = _look(directory, journal)
    # It is not held meanwhile: a server could not start.
    return None if _is_held(directory) else found


def _is_held(directory: Path) -> bool:
    """Whether somebody has the ledger open, or nobody can tell."""
    try:
        with (directory / "LOCK").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _look(directory: Path, journal: Journal) -> tuple[int, int] | None:
    last = journal.last_header()
    first, ordinal, previous = 1, 1, 0
    if last is not None:
        first = int(last["first_sequence"]) + int(last["rows_count"])
        ordinal, previous = int(last["ordinal"]) + 1, int(last["check"])
    wanted = first.to_bytes(8, "little") + journal.instance
    # Not through LMDB, which shows none of it.
    with (
        (directory / "journal" / "data.mdb").open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        for start in _places(data, wanted):
            head = np.frombuffer(data[start : start + CHUNK_SIZE], CHUNK)[0]
            goes_on = (head["ordinal"], head["previous"]) == (ordinal, previous)
            if goes_on and _is_whole(data, start, head):
                return first, first + int(head["rows_count"]) - 1
    return None


def _places(data: mmap.mmap, wanted: bytes) -> Iterator[int]:
    """Where LMDB has put a value whose header has these bytes."""
    meta = np.frombuffer(data[HEAD_SIZE:META_SIZE], META_PAGE)[0]
    page_size = int(meta["free"]["pad"])
    at = data.find(wanted)
    while at >= 0:
        start = at - FIRST_AT
        if start >= 0 and _is_value(data, start, page_size):
            yield start
        at = data.find(wanted, at + 1)


def _is_value(data: mmap.mmap, start: int, page_size: int) -> bool:
    """Whether a value of LMDB begins there: behind the header of a page of its own, or
    in a node of a leaf. What a row's text says stands at neither.
    """
    page = start - start % page_size
    number = int.from_bytes(data[page : page + 8], "little")
    flags = int.from_bytes(data[page + FLAGS_AT : page + FLAGS_AT + 2], "little")
    if number != page // page_size:
        return False
    if flags & FLAG_OVERFLOW:
        return start == page + HEAD_SIZE
    if not flags & FLAG_LEAF:
        return False
    lower = int.from_bytes(data[page + 12 : page + 14], "little")
    if not HEAD_SIZE <= lower <= page_size:
        return False
    nodes = np.frombuffer(data[page + HEAD_SIZE : page + lower], "<u2")
    for node in nodes.tolist():
        key = page + node + 6
        key_size = int.from_bytes(data[key : key + 2], "little")
        if start == page + node + NODE_SIZE + key_size:
            return True
    return False


def _is_whole(data: mmap.mmap, start: int, head: np.void) -> bool:
    """Whether a chunk's own check is right."""
    count, tail_size = int(head["rows_count"]), int(head["tail_size"])
    rows_end = start + CHUNK_SIZE + count * ROW_SIZE
    end = rows_end + tail_size
    if head["magic"] != CHUNK_MAGIC or not 0 < count <= GROUP_MAX or end > len(data):
        return False
    rows = np.frombuffer(data[start + CHUNK_SIZE : rows_end], ROW)
    own = crc32c(data[start : start + CHECKED_SIZE], int(head["previous"]))
    own = crc32c(np.ascontiguousarray(rows["check"]).tobytes(), own)
    return crc32c(data[rows_end:end], own) == int(head["check"])
