"""Puts back chunks that the journal lost with its newest meta page.

What is found (`lost.py`) is saved and synced in `journal.found` before LMDB writes
anything: it may write over the pages in which the chunks lie, and the start may die
meanwhile. The next one then goes on with what is saved.
"""

import errno
import logging
import os
from pathlib import Path
from typing import Final

from switch._core import restore_chunk
from switch.durable_files import sync_directory
from switch.errors import CorruptionError, FollowError, SpaceError
from switch.ledger.lost import Chunk, Lost, find_lost
from switch.ledger.shapes import FOUND, open_file, remove_mark

log = logging.getLogger("ledger")

CORRUPTED: Final = -30796
"""LMDB's code for a file that is not what was written."""


def is_lost(directory: Path) -> Lost | None:
    """What the journal of a ledger lacks and can be put back; None if nothing is.

    Raises CorruptionError where nobody can tell what was durable. Nothing is changed.
    """
    lost = find_lost(directory)
    if lost.doubled:
        names = ", ".join(chunk.name() for chunk in lost.others)
        raise CorruptionError(
            CORRUPTED,
            f"journal/ has more than one chunk that goes on from its last: {names}. "
            "Which of them was durable nobody can tell. Nothing was changed. Keep the "
            "directory as evidence and restore a copy (docs/durability.md)",
        )
    for chunk in lost.others:
        log.warning(
            "journal/: %s lies in the file and does not go on from the last one; it is "
            "not put back (docs/durability.md)",
            chunk.name(),
        )
    return lost if lost.chunks else None


def put_back(directory: Path, lost: Lost, map_size: int | None = None) -> None:
    """Put the chunks that were found in their place, durably."""
    _save(directory, lost.chunks)
    if lost.meta:
        _write_meta(directory, lost)
    options = {} if map_size is None else {"map_size": map_size}
    for chunk in lost.chunks:
        try:
            restore_chunk(str(directory), chunk.data, **options)
        except FollowError as error:
            raise CorruptionError(
                CORRUPTED,
                f"journal/ lacks {chunk.name()}, and it cannot be put back: {error}. "
                "Keep the directory as evidence (docs/durability.md)",
            ) from error
        log.warning(
            "journal/ ended before %s, which lies whole in its file: it is put back. "
            "The last process died in a commit, or the disk has lost a meta page",
            chunk.name(),
        )
    remove_mark(directory / FOUND)


def _save(directory: Path, chunks: tuple[Chunk, ...]) -> None:
    """Have them outlive this process."""
    path = directory / FOUND
    data = b"".join(chunk.data for chunk in chunks)
    try:
        with open(open_file(path, os.O_WRONLY | os.O_CREAT), "wb") as file:
            file.truncate(0)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise SpaceError(
            f"journal/ ended before {chunks[0].name()}, which lies whole in its file, "
            f"and the disk has no room to save it in {path}; nothing was changed"
        ) from error
    sync_directory(directory)


def _write_meta(directory: Path, lost: Lost) -> None:
    """Make a meta page that is none a copy of the other: LMDB opens nothing else."""
    log.error("journal/: meta page %d is none; it is made anew", lost.meta_page)
    path = directory / "journal" / "data.mdb"
    file = open_file(path, os.O_WRONLY)
    try:
        os.pwrite(file, lost.meta, lost.meta_page * len(lost.meta))
        os.fsync(file)
    finally:
        os.close(file)
