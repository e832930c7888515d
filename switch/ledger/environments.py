"""LMDB environments beside the ledger's own: what is derived has a folder of its own.

May use words. Whoever may write beside a ledger can put a link in the place of a folder
or file; so each is looked at before LMDB maps it.
"""

from pathlib import Path
from typing import Final

import lmdb

from switch.durable_files import sync_directory
from switch.ledger.shapes import FILE, FILES, FOLDER, check

ROOM_LEAST: Final = 256 << 20
"""Bytes that stay free on the disk: what is derived takes no room from the ledger."""
READERS_MAX: Final = 64


def open_environment(
    path: Path, map_size: int, *tables: bytes
) -> "tuple[lmdb.Environment, list[lmdb._Database]]":
    """Open the environment in a folder, or make it, and its tables in their order.

    Raises lmdb.Error; ConfigError if a link, or anything else, lies where its folder or
    its files must. The folder above must be there.
    """
    known = False
    if check(path, FOLDER):
        known = False not in [check(path / name, FILE) for name in FILES]
    else:
        path.mkdir(mode=0o700)
        sync_directory(path.parent)
    env = lmdb.open(
        str(path),
        map_size=map_size,
        max_dbs=len(tables),
        max_readers=READERS_MAX,
        mode=0o600,
        readahead=False,
        meminit=False,
    )
    try:
        opened = [env.open_db(name) for name in tables]
        if not known:
            sync_directory(path)
        return env, opened
    except BaseException:
        env.close()
        raise
