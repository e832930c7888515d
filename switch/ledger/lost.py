"""Finds chunks that lie whole in a journal's file, behind the last one that it names.

Of LMDB's two meta pages the newer one counts. If the disk loses it, the older one shows
the journal as it was one commit earlier, whole and with every check right. The chunk of
that commit lies in the file all the same: in pages that the older state calls free, or
behind its last page. A process that dies between writing its pages and the meta page
leaves the same.

LMDB is not asked, and no page is trusted. Only what stands where LMDB puts a value is
taken for a chunk: behind the header of a page of its own, or as a node of a leaf. Bytes
of a row's text that look like a chunk stand at neither place.
"""

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from google_crc32c import extend

from switch.ledger.pages import (
    BIG,
    BRANCH,
    DEPTH_MAX,
    HEADER,
    LEAF,
    MAGIC,
    META,
    META_SIZE,
    META_TYPE,
    METAS,
    NODE,
    NOWHERE,
    OVERFLOW,
    PAGE_SIZES,
    TREE_SIZE,
    TREE_TYPE,
    VERSION,
)
from switch.ledger.shapes import FOUND, open_file, shape

CHUNK: Final = struct.Struct("<4sHHIIQ16sQQII")
"""Magic, format, zeros, rows, bytes of the tail, first sequence, instance, epoch,
ordinal, previous, check."""
CHUNK_MAGIC: Final = b"CHK1"
FORMAT: Final = 5
ROW: Final = struct.Struct("<16xQ100xI")
"""Of a row: its sequence, and its check behind the bytes that this is of."""
ROWS_MAX: Final = 8190
TAIL_MAX: Final = 4 << 20
NAME: Final = struct.Struct("<4sHH16sQ")
"""The ledger's own record: magic, format, zeros, instance, epoch."""
AHEAD_PAGES: Final = 2560
"""Pages behind the last one that are looked at. One transaction takes fewer: its rows
and tails have 5 MiB at most, and 64 chunks end in a page of their own."""
FREE_PAGES_MAX: Final = 1 << 20
"""Free pages that are looked at; there are some dozen."""


class Chunk(NamedTuple):
    """What says of itself that it is a chunk, and whose checks are right."""

    ordinal: int
    previous: int
    first: int
    """Sequence of its first row."""
    last: int
    epoch: int
    instance: bytes
    check: int
    data: bytes

    def name(self) -> str:
        """For people."""
        rows = f"entries {self.first} to {self.last}"
        return f"chunk {self.ordinal} ({rows}, check {self.check:08x})"


class Lost(NamedTuple):
    """What was found."""

    chunks: tuple[Chunk, ...] = ()
    """They go on from the journal's last chunk, and from each other."""
    meta: bytes = b""
    """What a meta page has to be that is none; empty if both are some."""
    meta_page: int = 0
    others: tuple[Chunk, ...] = ()
    """Later than the last one, of this ledger and whole, but no continuation of it."""
    doubled: bool = False
    """Two chunks go on from the same one: nobody can tell which of them was durable."""


class _OddError(Exception):
    """A page is not what should be there."""


class _Node(NamedTuple):
    flags: int
    key: bytes
    size: int
    """Of the value; of a branch nothing."""
    at: int
    """Where the value begins in the page."""
    child: int


class _File:
    """The pages of one file; what is behind its end is nothing."""

    def __init__(self, file: int) -> None:
        self.file = file
        self.end = os.fstat(file).st_size
        self.size = 0

    def read(self, begin: int, size: int) -> bytes:
        """Bytes; fewer where the file ends."""
        return os.pread(self.file, size, begin)

    def page(self, number: int, kind: int) -> bytes:
        """A page that says so of itself. Raises _OddError."""
        page = self.read(number * self.size, self.size)
        if len(page) < self.size or _kind(page, number) != kind:
            raise _OddError
        return page

    def nodes(self, page: bytes, *, leaf: bool) -> list[_Node]:
        """The nodes of a page. Raises _OddError for one that leaves it."""
        lower, upper = struct.unpack_from("<HH", page, 12)
        if not HEADER <= lower <= upper <= self.size or lower % 2:
            raise _OddError
        found = []
        for (at,) in struct.iter_unpack("<H", page[HEADER:lower]):
            if not upper <= at <= self.size - NODE:
                raise _OddError
            low, high, flags, key_size = struct.unpack_from("<HHHH", page, at)
            begin = at + NODE + key_size
            size = (low | high << 16) if leaf else 0
            inside = 8 if leaf and flags & BIG else size
            if begin + inside > self.size:
                raise _OddError
            key = page[at + NODE : begin]
            child = low | high << 16 | flags << 32
            found.append(_Node(flags if leaf else 0, key, size, begin, child))
        return found

    def value(self, page: bytes, node: _Node) -> bytes:
        """What stands under a leaf's node. Raises _OddError."""
        if not node.flags & BIG:
            return page[node.at : node.at + node.size]
        (first,) = struct.unpack_from("<Q", page, node.at)
        self.page(first, OVERFLOW)
        value = self.read(first * self.size + HEADER, node.size)
        if len(value) < node.size:
            raise _OddError
        return value


def _kind(page: bytes, number: int) -> int:
    """What a page says that it is; 0 if it is another one, or none."""
    own, _, flags = struct.unpack_from("<QHH", page)
    return int(flags) if own == number else 0


class _Journal:
    """The state that the newest meta page names."""

    def __init__(self, file: _File) -> None:
        self.file = file
        self.meta_page = -1
        metas = self._metas()
        found = [
            (number, meta) for number, meta in enumerate(metas) if meta is not None
        ]
        if not found:
            raise _OddError
        if len(found) < METAS:
            self.meta_page = 1 - found[0][0]
        # Of two that are equal LMDB takes the first.
        self.number, self.meta = max(
            found, key=lambda one: (int(one[1]["txnid"]), -one[0])
        )
        self.last_page = int(self.meta["last"])

    def _metas(self) -> list[np.void | None]:
        """Both meta pages; None for one that is none."""
        first = self._meta(0)
        if first is None:
            # The other one has to be looked for: its page says how large pages are.
            for size in sorted(PAGE_SIZES):
                self.file.size = size
                second = self._meta(1)
                if second is not None and int(second["free"]["pad"]) == size:
                    return [None, second]
            raise _OddError
        self.file.size = int(first["free"]["pad"])
        if self.file.size not in PAGE_SIZES:
            raise _OddError
        return [first, self._meta(1)]

    def _meta(self, number: int) -> np.void | None:
        raw = self.file.read(number * self.file.size, META_SIZE)
        if len(raw) < META_SIZE:
            return None
        meta: np.void = np.frombuffer(raw, META_TYPE)[0]
        right = meta["magic"] == MAGIC and meta["version"] == VERSION
        return meta if right and meta["page_flags"] & META else None

    def other_meta(self) -> bytes:
        """What the other meta page can be: this one, under its own number."""
        begin = self.number * self.file.size
        page = self.file.read(begin, self.file.size)
        return struct.pack("<Q", self.meta_page) + page[8:]

    def find(self, tree: np.void, key: bytes | None) -> bytes:
        """The value of a key, None: of the last; empty if there is none."""
        number, depth = int(tree["root"]), int(tree["depth"])
        if number == NOWHERE:
            return b""
        if not 1 <= depth <= DEPTH_MAX:
            raise _OddError
        for _ in range(depth - 1):
            page = self.file.page(number, BRANCH)
            nodes = self.file.nodes(page, leaf=False)
            if not nodes:
                raise _OddError
            below = nodes[:1] + [n for n in nodes[1:] if key is None or n.key <= key]
            number = below[-1].child
        page = self.file.page(number, LEAF)
        nodes = self.file.nodes(page, leaf=True)
        named = [node for node in nodes if key is None or node.key == key]
        return self.file.value(page, named[-1]) if named else b""

    def table(self, name: bytes) -> np.void:
        """The tree of a table. Raises _OddError if there is none."""
        record = self.find(self.meta["main"], name)
        if len(record) != TREE_SIZE:
            raise _OddError
        tree: np.void = np.frombuffer(record, TREE_TYPE)[0]
        return tree

    def instance(self) -> bytes:
        """The ledger's. Raises _OddError."""
        record = self.find(self.table(b"meta"), b"ledger")
        if len(record) != NAME.size:
            raise _OddError
        magic, form, _, instance, _ = NAME.unpack(record)
        if magic != CHUNK_MAGIC or form != FORMAT:
            raise _OddError
        return bytes(instance)

    def last(self) -> Chunk | None:
        """The last chunk; None if there is none yet. Raises _OddError."""
        value = self.find(self.table(b"journal"), None)
        if not value:
            return None
        chunk = _chunk(value)
        if chunk is None or len(chunk.data) != len(value):
            raise _OddError
        return chunk

    def free(self) -> list[int]:
        """Numbers of free pages. Raises _OddError."""
        found: list[int] = []
        tree = self.meta["free"]
        if int(tree["root"]) == NOWHERE:
            return found
        stack = [(int(tree["root"]), int(tree["depth"]))]
        while stack and len(found) < FREE_PAGES_MAX:
            number, level = stack.pop()
            if not 1 <= level <= DEPTH_MAX:
                raise _OddError
            page = self.file.page(number, LEAF if level == 1 else BRANCH)
            for node in self.file.nodes(page, leaf=level == 1):
                if level > 1:
                    stack.append((node.child, level - 1))
                    continue
                raw = self.file.value(page, node)
                numbers = np.frombuffer(raw[: len(raw) // 8 * 8], "<u8")
                if not len(numbers) or int(numbers[0]) >= len(numbers):
                    raise _OddError
                found += numbers[1 : 1 + int(numbers[0])].tolist()
        return sorted(n for n in found if METAS <= n <= self.last_page)

    def unused(self) -> Iterator[int]:
        """Pages in which a lost chunk can begin, ascending."""
        yield from self.free()
        end = min(self.last_page + AHEAD_PAGES, self.file.end // self.file.size - 1)
        yield from range(self.last_page + 1, end + 1)

    def chunks(self) -> Iterator[Chunk]:
        """Every whole chunk in pages that are not in use."""
        passed = 0
        for number in self.unused():
            if number < passed:
                # Of the chunk before: what its rows say is none of its own.
                continue
            begin = number * self.file.size
            page = self.file.read(begin, HEADER + CHUNK.size)
            if len(page) < HEADER + CHUNK.size:
                return
            kind = _kind(page, number)
            if kind == OVERFLOW:
                size = _chunk_size(page[HEADER:])
                chunk = _chunk(self.file.read(begin + HEADER, size)) if size else None
                if chunk:
                    passed = number + (HEADER + size - 1) // self.file.size + 1
                    yield chunk
            elif kind == LEAF:
                yield from self._chunks_of_leaf(number)

    def _chunks_of_leaf(self, number: int) -> Iterator[Chunk]:
        """Small chunks lie in the leaf itself."""
        try:
            page = self.file.page(number, LEAF)
            nodes = self.file.nodes(page, leaf=True)
        except _OddError:
            # It is not in use: whatever was cut off there.
            return
        for node in nodes:
            if node.flags or len(node.key) != 8:
                continue
            chunk = _chunk(page[node.at : node.at + node.size])
            if (
                chunk
                and len(chunk.data) == node.size
                and int.from_bytes(node.key, "big") == chunk.first
            ):
                yield chunk


def _chunk_size(head: bytes) -> int:
    """Bytes of a chunk by its header; 0 if it is none."""
    magic, form, zeros, rows, tail, *_ = CHUNK.unpack_from(head)
    if magic != CHUNK_MAGIC or form != FORMAT or zeros:
        return 0
    if not 0 < rows <= ROWS_MAX or tail > TAIL_MAX or tail % 8:
        return 0
    return int(CHUNK.size + rows * ROW.size + tail)


def _chunk(data: bytes) -> Chunk | None:
    """The chunk that some bytes begin with; None if a check of it is wrong."""
    size = _chunk_size(data) if len(data) >= CHUNK.size else 0
    if not size or len(data) < size:
        return None
    data = data[:size]
    _, _, _, rows, _, first, instance, epoch, ordinal, previous, check = (
        CHUNK.unpack_from(data)
    )
    own = extend(previous, data[: CHUNK.size - 4])
    for index in range(rows):
        begin = CHUNK.size + index * ROW.size
        row = data[begin : begin + ROW.size]
        sequence, row_check = ROW.unpack(row)
        if sequence != first + index or extend(0, row[:-4]) != row_check:
            return None
        own = extend(own, row[-4:])
    own = extend(own, data[CHUNK.size + rows * ROW.size :])
    if own != check:
        return None
    last = first + rows - 1
    return Chunk(ordinal, previous, first, last, epoch, instance, check, data)


def find_lost(directory: Path) -> Lost:
    """Look for chunks that the journal of a ledger lacks. Hold its LOCK.

    Where the journal's own pages make no sense nothing is found: who opens it is told.
    """
    path = directory / "journal" / "data.mdb"
    if not shape(path):
        return Lost()
    file = open_file(path, os.O_RDONLY)
    try:
        return _find(_Journal(_File(file)), _saved(directory))
    except _OddError:
        return Lost()
    finally:
        os.close(file)


def told_lost(directory: Path) -> str:
    """What the journal of a ledger that nobody has open lacks although it lies whole in
    its file, in words; empty if nothing does. Changes nothing, and holds nothing.
    """
    lost = find_lost(directory)
    found = lost.chunks or (lost.others if lost.doubled else ())
    if not found:
        return ""
    names = ", ".join(chunk.name() for chunk in found)
    if lost.doubled:
        return (
            f"two chunks or more go on from its last, and only one was durable: {names}"
        )
    return f"it ends before {names}, whole in its file: a start puts it back"


def _saved(directory: Path) -> list[Chunk]:
    """What a start was putting back when it ended."""
    path = directory / FOUND
    if not shape(path):
        return []
    with open(open_file(path, os.O_RDONLY), "rb") as file:
        data = file.read()
    found = []
    while chunk := _chunk(data):
        found.append(chunk)
        data = data[len(chunk.data) :]
    return found


def _find(journal: _Journal, saved: list[Chunk]) -> Lost:
    instance, last = journal.instance(), journal.last()
    known = last.ordinal if last else 0
    found: dict[bytes, Chunk] = {}
    for chunk in (*saved, *journal.chunks()):
        if chunk.instance == instance and chunk.ordinal > known:
            # The same bytes in two places are one chunk.
            found[chunk.data] = chunk
    chain: list[Chunk] = []
    while True:
        after = [chunk for chunk in found.values() if _follows(last, chunk)]
        if len(after) != 1:
            break
        chain.append(last := after[0])
    others = tuple(chunk for chunk in found.values() if chunk not in chain)
    meta = journal.other_meta() if journal.meta_page >= 0 and chain else b""
    return Lost(tuple(chain), meta, journal.meta_page, others, len(after) > 1)


def _follows(last: Chunk | None, chunk: Chunk) -> bool:
    """Whether a chunk goes on from another one, None: is the first."""
    if last is None:
        return chunk[:3] == (1, 0, 1)
    wanted = last.ordinal + 1, last.check, last.last + 1
    return chunk[:3] == wanted and chunk.epoch >= last.epoch
