"""Goal: no copy is made, and no log begun, of a journal that lacks what a start would
put back; and such a directory is not said to be whole.

Method: a ledger loses its newest meta page; it is copied, sent, verified and asked how
far it goes, before it was opened once and after. Beside a server nothing is looked at.
"""

import io
import shutil
from pathlib import Path

import pytest

from switch.backup.copying import Source, copy
from switch.backup.proof import prove
from switch.backup.streaming import send
from switch.errors import CorruptionError
from switch.joining.base import base_of
from switch.ledger.opening import locked
from tests.ledger.test_lost_meta import data_of, grow, lose_meta, state
from tests.ledger.test_opening import fill


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A ledger that lost its newest meta page."""
    directory = tmp_path / "ledger"
    fill(directory)
    before = data_of(directory).read_bytes()
    grow(directory, 10, b"LOST")
    lose_meta(directory, before)
    return directory


def test_nothing_is_copied_before_it_is_put_back(
    directory: Path, tmp_path: Path
) -> None:
    said = "a start puts it back. Start the switch on it once"
    with pytest.raises(CorruptionError, match=said):
        copy(directory, tmp_path / "copy")
    with pytest.raises(CorruptionError, match=said):
        send(directory, io.BytesIO())
    with pytest.raises(CorruptionError, match=said):
        base_of(directory)
    assert "it ends before chunk" in prove(directory).findings[0]
    sequence = state(directory)[0]
    assert copy(directory, tmp_path / "copy").sequence == sequence
    assert base_of(directory).sequence == sequence
    assert prove(directory).sequence == sequence


def test_a_directory_that_was_copied_has_it_put_back(
    directory: Path, tmp_path: Path
) -> None:
    """As `cp` copies that of a server that is stopped."""
    shutil.copytree(directory, tmp_path / "whole")
    assert state(tmp_path / "whole") == state(directory)


def test_beside_a_server_nothing_is_looked_at(directory: Path) -> None:
    """It may be in a commit, whose chunk is written and not yet durable."""
    with locked(directory):
        journal = Source(directory)
        assert journal.last()
        journal.close()
    with pytest.raises(CorruptionError):
        Source(directory)
