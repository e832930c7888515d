"""Looks whether a file of LMDB is as long as it says, before LMDB maps it."""

import os
from pathlib import Path

import numpy as np

from switch.ledger.pages import MAGIC, META, META_SIZE, META_TYPE, METAS, PAGE_SIZES
from switch.ledger.shapes import open_file, shape


def short_by(path: Path) -> int:
    """Bytes that a file lacks of the pages that its newest meta page knows of; 0 if
    none, or if that page makes no sense: who opens it is told of that.
    """
    if not shape(path):
        return 0
    file = open_file(path, os.O_RDONLY)
    try:
        size, page, pages, newest = os.fstat(file).st_size, 0, 0, -1
        for number in range(METAS):
            raw = os.pread(file, META_SIZE, number * page)
            if len(raw) < META_SIZE:
                break
            meta = np.frombuffer(raw, META_TYPE)[0]
            if meta["magic"] != MAGIC or not meta["page_flags"] & META:
                break
            page = int(meta["free"]["pad"])
            if page not in PAGE_SIZES:
                return 0
            if int(meta["txnid"]) > newest:
                newest, pages = int(meta["txnid"]), int(meta["last"]) + 1
    finally:
        os.close(file)
    return max(pages * page - size, 0) if pages >> 48 == 0 else 0


def lengthen(path: Path, size: int) -> None:
    """Let a file reach over pages that nobody ever wrote, or reading one would end the
    process.
    """
    file = open_file(path, os.O_RDWR)
    try:
        os.ftruncate(file, os.fstat(file).st_size + size)
        os.fsync(file)
    finally:
        os.close(file)
