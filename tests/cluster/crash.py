"""What a machine that stops in the middle of a commit leaves of the journal's file.

LMDB writes a commit's pages, syncs them, and then writes and syncs the one page that
makes them count. Until that is there any of the pages may be the old ones or the new.
"""

import random
from pathlib import Path
from typing import Final, NamedTuple

PAGE: Final = 4096
METAS: Final = 2
"""Pages in front that say which others count."""


class Crash(NamedTuple):
    """The file as it was synced last, before a commit."""

    synced: bytes


def data_file(path: Path) -> Path:
    """Where a ledger's rows are."""
    return path / "journal" / "data.mdb"


def snapshot(path: Path) -> Crash:
    """The journal between two commits."""
    return Crash(data_file(path).read_bytes())


def restore(path: Path, crash: Crash, chance: random.Random) -> None:
    """The commit is there, or it is not; and then some of its pages may be."""
    file = data_file(path)
    match chance.randrange(3):
        case 0:
            file.write_bytes(crash.synced)
        case 1:
            file.write_bytes(torn(crash.synced, file.read_bytes(), chance))


def torn(old: bytes, new: bytes, chance: random.Random) -> bytes:
    """Some pages of the new one, under the old one's first pages."""
    made = bytearray(old[: METAS * PAGE])
    old += bytes(max(0, len(new) - len(old)))
    for at in range(METAS * PAGE, len(new), PAGE):
        made += (new if chance.random() < 0.5 else old)[at : at + PAGE]
    return bytes(made)
