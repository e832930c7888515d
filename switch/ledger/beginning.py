"""Tells what a new ledger's first transaction leaves from anything else.

The mark NEW lets files be deleted. It may have been left where somebody then put a
copy back, perhaps the only one and damaged. So what is deleted has to be small enough
to have come from a beginning, and nothing in it may speak of a second transaction or of
rows.
"""

import mmap
import os
from pathlib import Path
from typing import Final

import numpy as np

from switch.ledger.pages import MAGIC, META_TYPE, METAS
from switch.ledger.shapes import open_file, shape

PAGES: Final = {"journal": 4, "index": 3}
"""Pages that the first transaction of each leaves: two meta pages, the list of tables,
and in the journal the table with the ledger's name. A first chunk needs more."""
RESERVE_MAX: Final = 33 << 30
"""Zeros behind them: twice the largest reserve, and some."""
PIECE: Final = 1 << 20
CHUNK: Final = b"CHK1"
NAME: Final = b"ledger" + CHUNK
"""The ledger's own record has the same magic, right behind its key."""


def is_beginning(directory: Path, part: str) -> bool:
    """Whether all that lies in `part` can be what a beginning left, whole or torn."""
    path = directory / part / "data.mdb"
    if not shape(path):
        return True
    pages = PAGES[part]
    with open(open_file(path, os.O_RDONLY), "rb") as file:
        head = file.read(pages * mmap.PAGESIZE)
        if CHUNK in head.replace(NAME, b"") or not _metas_begin(head, pages):
            return False
        zeros, size = bytes(PIECE), 0
        while piece := file.read(PIECE):
            size += len(piece)
            if size > RESERVE_MAX or piece != zeros[: len(piece)]:
                return False
    return True


def _metas_begin(head: bytes, pages: int) -> bool:
    """Whether the meta pages that can be read are of no transaction or the first."""
    for number in range(METAS):
        at = number * mmap.PAGESIZE
        if at + META_TYPE.itemsize > len(head):
            break
        meta = np.frombuffer(head, META_TYPE, 1, at)[0]
        if meta["magic"] == MAGIC and (meta["txnid"] > 1 or meta["last"] >= pages):
            return False
    return True
