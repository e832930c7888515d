"""Goal: a file that was cut short is refused as it is: lengthened with zeros it would
no longer show what it lost.

Method: either file is cut at many places and opened, by itself and by way of
`open_ledger`; its bytes must be those of before. One whose last pages are free and were
never written is whole.
"""

import os
import shutil
from pathlib import Path

import lmdb
import numpy as np
import pytest

from switch._core import Ledger
from switch.backup.copying import copy, finish
from switch.errors import CorruptionError
from switch.ledger.lengths import short_by
from switch.ledger.opening import ASIDE, open_ledger
from switch.ledger.pages import META_TYPE
from tests.ledger.test_opening import OPTIONS, PAGE, contents, fill


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("filled") / "ledger"
    fill(path)
    return path


@pytest.fixture
def directory(filled: Path, tmp_path: Path) -> Path:
    shutil.copytree(filled, tmp_path / "ledger")
    return tmp_path / "ledger"


def cut(directory: Path, part: str, pages: int) -> int:
    """Cut off the last of the pages that are known; how long the file is then."""
    path = directory / part / "data.mdb"
    metas = [np.frombuffer(path.read_bytes(), META_TYPE, 1, at)[0] for at in (0, PAGE)]
    size = (int(max(metas, key=lambda meta: meta["txnid"])["last"]) + 1 - pages) * PAGE
    os.truncate(path, size)
    return size


@pytest.mark.parametrize("pages", [7, 40])
def test_a_journal_that_was_cut_short_is_left_as_it_is(
    directory: Path, pages: int
) -> None:
    cut(directory, "journal", pages)
    before = contents(directory)
    for _ in range(2):
        with pytest.raises(CorruptionError, match="was cut short by"):
            open_ledger(directory, **OPTIONS)
        assert contents(directory) == before
    with pytest.raises(CorruptionError):
        Ledger(str(directory), **OPTIONS)
    assert contents(directory) == before


@pytest.mark.parametrize("pages", [7, 40])
def test_an_index_that_was_cut_short_is_set_aside_as_it_is(
    directory: Path, pages: int
) -> None:
    size = cut(directory, "index", pages)
    with open_ledger(directory, **OPTIONS) as ledger:
        assert ledger.index_sequence > ledger.sequence - OPTIONS["index_step_rows"]
    assert (directory / ASIDE / "data.mdb").stat().st_size == size


def test_pages_that_nobody_wrote_are_no_loss(directory: Path, tmp_path: Path) -> None:
    """A value that goes in the very transaction in which it came is never written."""
    with open_ledger(directory, **OPTIONS) as ledger:
        sequence = ledger.sequence
    # A copy has fewer transactions than chunks, so that one more is none too many.
    copy(directory, tmp_path / "copy")
    finish(tmp_path / "copy")
    path = tmp_path / "copy" / "journal" / "data.mdb"
    with lmdb.open(str(path.parent), max_dbs=8, map_size=1 << 28) as env:
        table = env.open_db(b"journal")
        # Only a transaction that uses free pages again forgets such a value at once.
        for size in (10, 20, 40, 80):
            with env.begin(write=True) as txn:
                txn.put(b"\xff" * 8, bytes(size * PAGE), db=table)
                txn.delete(b"\xff" * 8, db=table)
    assert short_by(path) > 0
    with open_ledger(tmp_path / "copy", **OPTIONS) as ledger:
        assert ledger.sequence == sequence
    assert not short_by(path)
