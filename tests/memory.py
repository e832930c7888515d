"""Folders of tests that are kept in memory: thousands of commits that need no disk.

What is asked of a disk is asked by tests/server/test_durability.py and tests/torture.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.started import RUN

MEMORY = Path("/dev/shm")
ROOM = 4 << 30
"""Bytes that must be free there, or the disk it is: containers often have little."""


@contextmanager
def folder() -> Iterator[Path]:
    """A folder in memory where that can be; it is gone afterwards."""
    is_there = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM
    # By its prefix what a killed run has left is known, and of which run it is.
    where = MEMORY if is_there else None
    prefix = f"payswitch-tests-{os.environ.get(RUN, '')}"
    path = Path(tempfile.mkdtemp(prefix=prefix, dir=where))
    try:
        yield path
    finally:
        shutil.rmtree(path)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In the place of pytest's own, in folders of tests whose `conftest.py` says so."""
    with folder() as path:
        yield path
