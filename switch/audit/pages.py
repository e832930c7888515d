"""An LMDB file before it is mapped: are its meta pages whole, and the file as long?

A file that was cut short or overwritten ends its reader by a signal, so it is looked at
with plain reads first. Only what a map of the file relies on is judged here; the pages
themselves are read in a process of its own (`__main__`).

The layout is that of LMDB 0.9 with 64-bit pages: two meta pages at the file's begin,
written in turn, of which the one with the greater transaction counts.
"""

import os
import time
from pathlib import Path
from typing import Final

import numpy as np

HEAD_SIZE: Final = 16
"""Bytes of a page's own header: u64 number, u16 pad, u16 flags, u32 bounds."""
FLAGS_AT: Final = 10
FLAG_META: Final = 0x08
MAGIC: Final = 0xBEEFC0DE
VERSION: Final = 1
PAGE_LEAST: Final = 512
PAGE_MOST: Final = 65_536
NO_ROOT: Final = 2**64 - 1
DEPTH_MOST: Final = 32
"""Levels of a tree that a cursor of LMDB can hold."""
TRIES: Final = 5
"""A live writer may be between two halves of a meta page; then it is read again."""
PAUSE_S: Final = 0.02

TREE: Final = np.dtype(
    [
        ("pad", "<u4"),
        ("flags", "<u2"),
        ("depth", "<u2"),
        ("branch_pages", "<u8"),
        ("leaf_pages", "<u8"),
        ("overflow_pages", "<u8"),
        ("entries", "<u8"),
        ("root", "<u8"),
    ]
)
META_PAGE: Final = np.dtype(
    [
        ("magic", "<u4"),
        ("version", "<u4"),
        ("address", "<u8"),
        ("map_size", "<u8"),
        ("free", TREE),
        ("main", TREE),
        ("last_page", "<u8"),
        ("transaction", "<u8"),
    ]
)
META_SIZE: Final = HEAD_SIZE + META_PAGE.itemsize


def file_problem(path: Path, *, whole: bool) -> str:
    """What is wrong with a data file, in words; empty if it can be mapped.

    `whole`: the file has every page that its transactions know. Where pages were freed
    by the transaction that took them, the last ones may never have been written.
    """
    problem = ""
    for _ in range(TRIES):
        problem = _look(path, whole=whole)
        if not problem:
            break
        time.sleep(PAUSE_S)
    return problem


def _look(path: Path, *, whole: bool) -> str:
    with path.open("rb") as file:
        first = file.read(META_SIZE)
        meta = parse_meta(first)
        if isinstance(meta, str):
            return f"its first meta page {meta}"
        page = int(meta["free"]["pad"])
        if not PAGE_LEAST <= page <= PAGE_MOST or page & (page - 1):
            return f"its first meta page says that a page has {page} bytes"
        file.seek(page)
        other = parse_meta(file.read(META_SIZE))
        size = os.fstat(file.fileno()).st_size
    if isinstance(other, str):
        return f"its second meta page {other}"
    if int(other["free"]["pad"]) != page:
        return "its meta pages differ in the size of a page"
    newest = max(meta, other, key=lambda one: int(one["transaction"]))
    pages = int(newest["last_page"]) + 1
    for name in ("free", "main"):
        tree = newest[name]
        root = int(tree["root"])
        if root == NO_ROOT:
            continue
        if not 2 <= root < pages or not 1 <= int(tree["depth"]) <= DEPTH_MOST:
            return f"the root of its {name} tree is page {root} of {pages}"
        if size < (root + 1) * page:
            return _short(size, root + 1, page)
    if whole and size < pages * page:
        return _short(size, pages, page)
    return ""


def _short(size: int, pages: int, page: int) -> str:
    return f"it has {size:,} bytes, and its {pages:,} pages need {pages * page:,}"


def parse_meta(value: bytes) -> "np.void | str":
    """A meta page, or what is wrong with it."""
    if len(value) < META_SIZE:
        return "is not there"
    meta: np.void = np.frombuffer(value, META_PAGE, 1, HEAD_SIZE)[0]
    flags = int.from_bytes(value[FLAGS_AT : FLAGS_AT + 2], "little")
    if meta["magic"] != MAGIC or not flags & FLAG_META:
        return "is none"
    if meta["version"] != VERSION:
        return f"is of version {meta['version']}"
    return meta
