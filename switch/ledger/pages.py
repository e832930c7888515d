"""Walks a file of LMDB page by page and says what is wrong with it.

LMDB trusts its pages: a torn or zeroed one makes it loop, or ends the process by a
signal. This reads the same bytes without trusting any of them. Every page is visited at
most once, so that the walk ends whatever the bytes are; of long values it reads the
header of the first page and nothing more.

It uses NumPy and nothing of ours, and runs as a program: `python pages.py DIR`.
The format is that of LMDB 0.9 on a 64-bit machine, data version 1, without duplicates.
"""

import argparse
import contextlib
import json
import mmap
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]
U64 = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]
Array = npt.NDArray[Any]
Progress = Callable[[int, int], None]

MAGIC: Final = 0xBEEFC0DE
VERSION: Final = 1
METAS: Final = 2
"""Pages 0 and 1; a transaction overwrites the older one."""
NOWHERE: Final = (1 << 64) - 1
"""The root of an empty tree."""
HEADER: Final = 16
NODE: Final = 8
"""Bytes of a page's header, and of a node before its key."""
BRANCH, LEAF, OVERFLOW, META = 1, 2, 4, 8
BIG, SUB = 1, 2
"""Flags of a node: its value lies in pages of its own, or is another tree."""
PAGE_SIZES: Final = frozenset(1 << power for power in range(9, 17))
DEPTH_MAX: Final = 32
"""LMDB's own stack holds no more."""
KEY_MAX: Final = 32
"""Longer keys than ours are not looked at, and so are a finding."""
TABLES_MAX: Final = 64
BATCH: Final = 512
"""Pages that are looked at together."""
FINDINGS_MAX: Final = 20
"""After so many the walk ends: the file is damaged, and how is known well enough."""
PROGRESS_PAGES: Final = 1 << 14
"""Progress is told about once for so many pages."""

FOUND: Final = 4
"""Exit code of the program when something is wrong."""

TREE_TYPE: Final = np.dtype(
    [
        ("pad", "<u4"),
        ("flags", "<u2"),
        ("depth", "<u2"),
        ("branches", "<u8"),
        ("leaves", "<u8"),
        ("overflows", "<u8"),
        ("entries", "<u8"),
        ("root", "<u8"),
    ]
)
META_TYPE: Final = np.dtype(
    [
        ("pgno", "<u8"),
        ("pad", "<u2"),
        ("page_flags", "<u2"),
        ("lower", "<u2"),
        ("upper", "<u2"),
        ("magic", "<u4"),
        ("version", "<u4"),
        ("address", "<u8"),
        ("map_size", "<u8"),
        ("free", TREE_TYPE),
        ("main", TREE_TYPE),
        ("last", "<u8"),
        ("txnid", "<u8"),
    ]
)
TREE_SIZE: Final = 48
META_SIZE: Final = 152

WORDS: Final = KEY_MAX // 8 + 1
"""A key in order: its bytes as big-endian words, zeros behind it, then its size."""


@dataclass(frozen=True, slots=True)
class Tree:
    """What a meta page or a table's record says of a tree."""

    name: str
    depth: int
    branches: int
    leaves: int
    overflows: int
    entries: int
    root: int


@dataclass(slots=True)
class Walk:
    """What was found; nothing in `findings` means that nothing is wrong."""

    findings: list[str] = field(default_factory=list)
    tables: dict[str, int] = field(default_factory=dict)
    """Entries of each table, as its record says."""
    pages: int = 0
    """Pages in use or free."""
    txnid: int = 0


class _EnoughError(Exception):
    """There are as many findings as are wanted."""


class _Nodes:
    """The nodes of some pages, read as far as each page allows.

    Nodes begin at even places, so that everything is read by halves of four bytes.
    """

    def __init__(self, pages: U8) -> None:
        self.size = pages.shape[1]
        self.flat = pages.view("<u2").reshape(-1)
        self.bytes = pages.reshape(-1)
        halves = pages.view("<u2")
        lower, upper = halves[:, 6].astype(np.int64), halves[:, 7].astype(np.int64)
        counts = (lower - HEADER) // 2
        self.page = np.repeat(np.arange(len(pages)), counts)
        begins = np.cumsum(counts) - counts
        self.place = np.arange(len(self.page)) - np.repeat(begins, counts)
        self.is_last = self.place == np.repeat(counts - 1, counts)
        first = self.page * (self.size // 2)
        at = self.flat[first + HEADER // 2 + self.place].astype(np.int64)
        self.wrong: Mask = (at % 2 != 0) | (at < upper[self.page])
        self.wrong |= at > self.size - NODE
        # What is wrong is read somewhere all the same, and thrown away.
        self.at = np.where(self.wrong, self.size - NODE, at)
        self.begin = 2 * first + self.at
        head = self.read(self.begin, NODE // 2)
        self.data_size = head.view("<u4")[:, 0].astype(np.int64)
        self.child = head.view("<u8")[:, 0] & np.uint64((1 << 48) - 1)
        self.flags = head[:, 2]
        self.key_size = head[:, 3].astype(np.int64)

    def read(self, begin: Array, count: int) -> Array:
        """`count` halves from each of some even places, as far as there are any."""
        places = (begin // 2)[:, None] + np.arange(count)
        return self.flat.take(places, mode="clip")

    def end(self, sizes: Array) -> None:
        """Mark nodes that leave their page or overlap another, given their sizes."""
        self.wrong |= self.at + sizes > self.size
        end = self.begin + sizes
        # Usually each lies right before the last one.
        if (end[1:] <= self.begin[:-1])[self.place[1:] > 0].all():
            return
        order = np.argsort(self.begin, kind="stable")
        overlaps = self.begin[order][1:] < end[order][:-1]
        self.wrong[order[1:][overlaps]] = True

    def keys(self, *, number: bool) -> U64:
        """Every key as words that compare as LMDB compares the keys, then its size."""
        longest = min(int(self.key_size.max(initial=1)), KEY_MAX)
        words = max(-(-longest // 8), 1)
        raw = self.read(self.begin + NODE, 4 * words).view(np.uint8)
        if (self.key_size != 8 * words).any():
            raw[np.arange(8 * words) >= self.key_size[:, None]] = 0
        keys = np.empty((len(raw), words + 1), dtype=np.uint64)
        keys[:, :-1] = raw.view("<u8" if number else ">u8")
        keys[:, -1] = self.key_size
        return keys

    def field(self, size: int) -> U8:
        """The `size` bytes behind each key."""
        begin = (self.begin + NODE + self.key_size)[:, None]
        found: U8 = self.bytes.take(begin + np.arange(size), mode="clip")
        return found


@dataclass(slots=True)
class _Level:
    """Pages of one depth that are still to be visited, and between which keys."""

    depth: int
    pgnos: U64
    lows: U64
    highs: U64

    def cut(self, count: int) -> "tuple[_Level, _Level]":
        """The first `count`, and the rest."""
        first = _Level(
            self.depth, self.pgnos[:count], self.lows[:count], self.highs[:count]
        )
        rest = _Level(
            self.depth, self.pgnos[count:], self.lows[count:], self.highs[count:]
        )
        return first, rest

    def only(self, mask: Mask) -> "_Level":
        """Those of a mask."""
        return _Level(self.depth, self.pgnos[mask], self.lows[mask], self.highs[mask])


class _Walker:
    """One walk over the pages of one file."""

    def __init__(self, data: mmap.mmap, progress: Progress | None) -> None:
        self.data = data
        self.bytes: U8 = np.frombuffer(data, dtype=np.uint8)
        self.progress = progress
        self.walk = Walk()
        self.told = 0

    def find(self, text: str) -> None:
        """Write one finding down."""
        if len(self.walk.findings) >= FINDINGS_MAX:
            self.walk.findings.append("and more")
            raise _EnoughError
        self.walk.findings.append(text)

    def count(self, pages: int) -> None:
        """So many more pages were looked at."""
        self.walk.pages += pages
        if self.progress and self.walk.pages >= self.told:
            self.told = self.walk.pages + PROGRESS_PAGES
            self.progress(min(self.walk.pages, self.last + 1), self.last + 1)

    # --- from the meta pages down ------------------------------------------------

    def run(self) -> None:
        """Walk everything that the newest meta page names."""
        meta = self._newest()
        if meta is None:
            return
        self.last = int(meta["last"])
        self.walk.txnid = int(meta["txnid"])
        there = len(self.bytes) // self.size
        self.pages: U8 = self.bytes[: there * self.size].reshape(there, self.size)
        # 0 not met yet, 1 in use.
        self.used = np.zeros(min(self.last + 1, there), dtype=np.uint8)
        self.used[:METAS] = 1
        main = _tree("the list of tables", meta["main"])
        tables: list[Tree] = []
        for nodes, pages in self._leaves(main, number=False, flags=frozenset({SUB})):
            tables += self._tables(nodes, pages, TABLES_MAX - len(tables))
        for table in tables:
            self.walk.tables[table.name.removeprefix("table ")] = table.entries
            for _ in self._leaves(table, number=False, flags=frozenset({0, BIG})):
                pass
        self._free(_tree("the list of free pages", meta["free"]))

    def _newest(self) -> Any:
        """The newer meta page, as LMDB would choose; None if it would refuse."""
        metas = []
        self.size = 0
        for number in range(METAS):
            at = number * self.size
            if at + META_SIZE > len(self.bytes):
                self.find(f"the file ends before meta page {number}")
                return None
            meta = self.bytes[at : at + META_SIZE].view(META_TYPE)[0]
            right = meta["magic"] == MAGIC and meta["version"] == VERSION
            size = int(meta["free"]["pad"])
            if not right or not meta["page_flags"] & META or size not in PAGE_SIZES:
                self.find(f"page {number} is no meta page of LMDB")
                return None
            if self.size not in (0, size):
                self.find("the meta pages name two page sizes")
                return None
            self.size = size
            metas.append(meta)
        newest = metas[1] if metas[0]["txnid"] < metas[1]["txnid"] else metas[0]
        if int(newest["last"]) < METAS - 1 or int(newest["last"]) >> 48:
            self.find(f"the newest meta page ends with page {newest['last']}")
            return None
        return newest

    def _tables(self, nodes: _Nodes, pages: U8, room: int) -> list[Tree]:
        """The trees that one page of the list of tables names."""
        found = []
        records = nodes.field(TREE_SIZE)
        for i in range(min(len(records), room)):
            begin = int(nodes.at[i]) + NODE
            end = begin + int(nodes.key_size[i])
            name = pages[nodes.page[i], begin:end].tobytes().decode("ascii", "replace")
            found.append(_tree(f"table {name}", records[i].view(TREE_TYPE)[0]))
        if len(records) > room:
            self.find(f"there are more than {TABLES_MAX} tables")
        return found

    # --- one tree ------------------------------------------------------------------

    def _leaves(
        self, tree: Tree, *, number: bool, flags: frozenset[int]
    ) -> Iterator[tuple[_Nodes, U8]]:
        """Walk a tree; gives the nodes of its leaves, and the pages they are in.

        `number`: keys are numbers of 8 bytes in the machine's order. `flags`: what a
        leaf's nodes may be.
        """
        branches = leaves = entries = self.overflows = 0
        if tree.root != NOWHERE and 1 <= tree.depth <= DEPTH_MAX:
            lows = np.zeros((1, WORDS), dtype=np.uint64)
            highs = np.full((1, WORDS), NOWHERE, dtype=np.uint64)
            stack = [_Level(1, np.array([tree.root], dtype=np.uint64), lows, highs)]
        elif tree.root == NOWHERE and tree.depth == 0:
            stack = []
        else:
            self.find(f"{tree.name}: its root or its depth is not possible")
            return
        while stack:
            level, rest = stack.pop().cut(BATCH)
            if len(rest.pgnos):
                stack.append(rest)
            is_leaf = level.depth == tree.depth
            level, pages = self._visit(tree, level, LEAF if is_leaf else BRANCH)
            level, pages, nodes = self._parse(tree, level, pages, flags, number=number)
            if not is_leaf:
                branches += len(pages)
                stack.append(self._children(level, nodes, number=number))
                continue
            leaves += len(pages)
            entries += len(nodes.page)
            self._values(tree, nodes)
            yield nodes, pages
        wanted = (tree.branches, tree.leaves, tree.overflows, tree.entries)
        counted = (branches, leaves, self.overflows, entries)
        kinds = ("branches", "leaves", "overflow pages", "entries")
        for kind, want, got in zip(kinds, wanted, counted, strict=True):
            if want != got:
                self.find(f"{tree.name}: it says {want} {kind} and has {got}")

    def _visit(self, tree: Tree, level: _Level, kind: int) -> tuple[_Level, U8]:
        """The pages of a level that are there, unmet, and of the right kind."""
        good = self._claim(tree, level.pgnos)
        level = level.only(good)
        pages = self.pages[level.pgnos.astype(np.int64)]
        head = pages[:, :HEADER].copy()
        own = head[:, :8].copy().view("<u8").ravel()
        halves = head.view("<u2")
        lower, upper = halves[:, 6].astype(np.int64), halves[:, 7].astype(np.int64)
        bounds = (lower > HEADER) & (lower % 2 == 0)
        bounds &= (lower <= upper) & (upper <= self.size)
        good = (own == level.pgnos) & (halves[:, 5] == kind) & bounds
        name = "leaf" if kind == LEAF else "branch"
        for pgno in level.pgnos[~good]:
            self.find(f"{tree.name}: page {pgno} is no {name} of its own")
        return level.only(good), pages[good]

    def _claim(self, tree: Tree, pgnos: U64) -> Mask:
        """Take pages into use; false for those that cannot be."""
        good = self._inside(tree, pgnos)
        at = np.where(good, pgnos, 0).astype(np.int64)
        _, first = np.unique(at, return_index=True)
        again = np.ones(len(at), dtype=np.bool_)
        again[first] = False
        again |= self.used[at] != 0
        for pgno in pgnos[good & again]:
            self.find(f"{tree.name}: page {pgno} is used twice")
        good &= ~again
        self.used[at[good]] = 1
        self.count(int(good.sum()))
        return good

    def _inside(self, tree: Tree, pgnos: U64) -> Mask:
        """Which pages can be: neither meta pages nor behind the last, and there."""
        good = (pgnos >= METAS) & (pgnos <= self.last)
        for pgno in pgnos[~good]:
            self.find(f"{tree.name}: there is no page {pgno}")
        cut = good & (pgnos >= len(self.pages))
        if cut.any():
            text = f"the file is cut short: page {pgnos[cut][0]} is behind its end"
            self.find(f"{tree.name}: {text}")
        return good & ~cut

    def _parse(
        self,
        tree: Tree,
        level: _Level,
        pages: U8,
        flags: frozenset[int],
        *,
        number: bool,
    ) -> tuple[_Level, U8, _Nodes]:
        """The nodes of pages in order and inside; other pages are left out."""
        is_leaf = level.depth == tree.depth
        nodes = _Nodes(pages)
        sizes = NODE + nodes.key_size
        if is_leaf:
            big = (nodes.flags & BIG) != 0
            sizes += np.where(big, 8, nodes.data_size)
            nodes.wrong |= ~np.isin(nodes.flags, list(flags))
            if SUB in flags:
                nodes.wrong |= nodes.data_size != TREE_SIZE
        nodes.end(sizes)
        named = is_leaf | (nodes.place > 0)
        nodes.wrong |= nodes.key_size > KEY_MAX
        nodes.wrong |= named & ((nodes.key_size != 8) if number else nodes.key_size < 1)
        if nodes.wrong.any():
            level, pages = self._leave_out(
                tree, level, pages, nodes, nodes.wrong, "the nodes are not possible"
            )
            nodes = _Nodes(pages)
        wrong = self._disorder(level, nodes, number=number, is_leaf=is_leaf)
        if wrong.any():
            level, pages = self._leave_out(
                tree, level, pages, nodes, wrong, "the keys are not in order"
            )
            nodes = _Nodes(pages)
        return level, pages, nodes

    def _leave_out(
        self,
        tree: Tree,
        level: _Level,
        pages: U8,
        nodes: _Nodes,
        wrong: Mask,
        text: str,
    ) -> tuple[_Level, U8]:
        """Pages without those that have a wrong node."""
        bad = np.bincount(nodes.page[wrong], minlength=len(pages)) > 0
        for pgno in level.pgnos[bad]:
            self.find(f"{tree.name}: page {pgno} is damaged: {text}")
        return level.only(~bad), pages[~bad]

    def _disorder(
        self, level: _Level, nodes: _Nodes, *, number: bool, is_leaf: bool
    ) -> Mask:
        """Which keys do not go up, or leave the bounds that their parent sets."""
        keys = nodes.keys(number=number)
        # A branch's first key is not looked at: it stands for all that is less.
        named = (nodes.place > 0) | is_leaf
        wrong = _less(keys, level.lows[nodes.page])
        wrong |= ~_less(keys, level.highs[nodes.page])
        wrong &= named
        pairs = (nodes.place[1:] > 0) & named[:-1]
        wrong[1:] |= pairs & ~_less(keys[:-1], keys[1:])
        return wrong

    def _children(self, level: _Level, nodes: _Nodes, *, number: bool) -> _Level:
        """The pages below some branches, each with the keys that bound it."""
        found = nodes.keys(number=number)
        keys = np.zeros((len(found), WORDS), dtype=np.uint64)
        keys[:, : found.shape[1] - 1], keys[:, -1] = found[:, :-1], found[:, -1]
        first = nodes.place == 0
        lows = np.where(first[:, None], level.lows[nodes.page], keys)
        after = np.concatenate([keys[1:], keys[:1]])
        highs = np.where(nodes.is_last[:, None], level.highs[nodes.page], after)
        return _Level(level.depth + 1, nodes.child, lows, highs)

    # --- values in pages of their own, and free pages ---------------------------------

    def _values(self, tree: Tree, nodes: _Nodes) -> None:
        """Take the pages of long values into use."""
        big = (nodes.flags & BIG) != 0
        if not big.any():
            return
        pgnos = nodes.field(8).view("<u8").ravel()[big]
        sizes = nodes.data_size[big]
        good = self._inside(tree, pgnos)
        pgnos, needed = pgnos[good], (HEADER - 1 + sizes[good]) // self.size + 1
        head = self.pages[pgnos.astype(np.int64), :HEADER]
        own = head[:, :8].copy().view("<u8").ravel()
        flags = head[:, 10:12].copy().view("<u2").ravel()
        counts = head[:, 12:16].copy().view("<u4").ravel().astype(np.int64)
        good = (own == pgnos) & (flags == OVERFLOW) & (counts >= needed)
        good &= pgnos.astype(np.int64) + counts - 1 <= self.last
        for pgno in pgnos[~good]:
            self.find(f"{tree.name}: page {pgno} does not begin a value of its size")
        pgnos, counts = pgnos[good], counts[good]
        self.overflows += int(counts.sum())
        one = counts == 1
        self._claim(tree, pgnos[one])
        for pgno, count in zip(pgnos[~one], counts[~one], strict=True):
            self._claim_run(tree, int(pgno), int(count))

    def _claim_run(self, tree: Tree, first: int, count: int) -> None:
        """Take the pages of one long value into use."""
        pages = self.used[first : first + count]
        if len(pages) < count:
            self.find(f"{tree.name}: the file is cut short inside the value at {first}")
        if pages.any():
            again = first + int(np.flatnonzero(pages)[0])
            self.find(f"{tree.name}: page {again} is used twice")
        pages[:] = 1
        self.count(count)

    def _free(self, tree: Tree) -> None:
        """Walk the list of free pages: each once, and none that is in use."""
        for nodes, pages in self._leaves(tree, number=True, flags=frozenset({0, BIG})):
            later = nodes.keys(number=True)[:, 0] > self.walk.txnid
            if later.any():
                self.find(f"{tree.name}: it is later than the newest meta page")
            sizes = nodes.data_size
            starts = nodes.at + NODE + nodes.key_size
            longs = nodes.field(8).view("<u8").ravel()
            for i in range(len(sizes)):
                size, start = int(sizes[i]), int(starts[i])
                if nodes.flags[i] & BIG:
                    raw = self._long(int(longs[i]), size)
                else:
                    raw = pages[nodes.page[i], start : start + size]
                self._freed(tree, raw)

    def _long(self, first: int, size: int) -> U8:
        """A long value, as far as the pages that begin at `first` are one."""
        if first >= len(self.pages):
            return self.bytes[:0]
        count = int(self.pages[first, 12:HEADER].copy().view("<u4")[0])
        begin = first * self.size + HEADER
        end = min(begin + size, (first + count) * self.size)
        return self.bytes[begin:end]

    def _freed(self, tree: Tree, raw: U8) -> None:
        """One record of free pages: how many, then their numbers going down."""
        numbers = raw[: len(raw) // 8 * 8].copy().view("<u8")
        if len(numbers) == 0 or int(numbers[0]) >= len(numbers):
            self.find(f"{tree.name}: a record of it is cut short")
            return
        freed = numbers[1 : 1 + int(numbers[0])]
        if (freed[1:] >= freed[:-1]).any():
            self.find(f"{tree.name}: a record of it is not in order")
            return
        # Free pages at the file's end need not be in it.
        good = (freed >= METAS) & (freed <= self.last)
        if not good.all():
            self.find(f"{tree.name}: there is no page {freed[~good][0]}")
        at = freed[good & (freed < len(self.used))].astype(np.int64)
        again = at[self.used[at] != 0]
        if len(again):
            self.find(f"page {again[0]} is free, and is used or free elsewhere")
        self.used[at] = 2
        self.count(len(freed))


def _less(left: U64, right: U64) -> Mask:
    """Which keys are less than those beside them, which may have more words.

    Where all words that both have are equal the one with more bytes is the greater.
    """
    result: Mask = left[:, -1] < right[:, -1]
    for word in reversed(range(min(left.shape[1], right.shape[1]) - 1)):
        one, other = left[:, word], right[:, word]
        result = (one < other) | ((one == other) & result)
    return result


def _tree(name: str, record: Any) -> Tree:
    fields = ("depth", "branches", "leaves", "overflows", "entries", "root")
    return Tree(name, *(int(record[field]) for field in fields))


def walk(directory: Path, progress: Progress | None = None) -> Walk:
    """Walk `directory/data.mdb`. Never raises for what the file holds.

    Nobody may write the file meanwhile. Raises OSError if it cannot be read.
    """
    # Neither through a link, nor waiting for whoever may write into a pipe.
    fd = os.open(directory / "data.mdb", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(fd, "rb") as file:
        size = file.seek(0, 2)
        if size < META_SIZE:
            return Walk([f"the file has {size} bytes"])
        data = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
    walker = _Walker(data, progress)
    with contextlib.suppress(_EnoughError):
        walker.run()
    return walker.walk


def main() -> int:
    """Walk one environment; progress and the result are lines of JSON."""
    parser = argparse.ArgumentParser(description="Look through the pages of a file.")
    parser.add_argument("directory", type=Path, metavar="DIR", help="has data.mdb")
    directory = parser.parse_args().directory

    def progress(done: int, total: int) -> None:
        print(json.dumps({"done": done, "total": total}), flush=True)

    found = walk(directory, progress)
    result = {"findings": found.findings, "tables": found.tables, "pages": found.pages}
    print(json.dumps(result), flush=True)
    return FOUND if found.findings else 0


if __name__ == "__main__":
    sys.exit(main())
