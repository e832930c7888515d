"""Goal: an audit of a ledger that nobody serves says what lies in its file behind the
last row and goes on from it; of one that lost nothing it says nothing.

Method: a ledger is closed and the meta page of its last commit put back to what the
page was before; then it is opened, which puts the chunk back. Chunks that go on from
nothing, or lie where LMDB puts no value, are passed over; so is a ledger in use.
"""

import fcntl
import struct
from pathlib import Path

import pytest

from switch.audit import audit
from switch.audit.reader import Journal
from tests.ledger.test_lost_meta import data_of, grow, lose_meta, put, state
from tests.ledger.test_opening import fill

NOTE = "lie in the file behind the last one, and go on from it"


def notes(directory: Path) -> list[str]:
    report = audit(directory)
    return [one for one in report.notes if NOTE in one]


@pytest.fixture(params=[1, 10, 600], ids=["in-a-leaf", "pages", "many-pages"])
def rows(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def before(tmp_path: Path, rows: int) -> bytes:
    """The file of `tmp_path/ledger` before its last commit, of so many rows."""
    fill(tmp_path / "ledger")
    found = data_of(tmp_path / "ledger").read_bytes()
    grow(tmp_path / "ledger", rows, b"LOST")
    return found


def test_what_a_lost_meta_page_named_is_said(
    tmp_path: Path, before: bytes, rows: int
) -> None:
    directory = tmp_path / "ledger"
    assert notes(directory) == []
    lose_meta(directory, before)
    last = audit(directory).sequence
    [note] = notes(directory)
    assert note.startswith(f"rows {last + 1} to {last + rows} ")
    # Not of a part of it, nor while somebody has it.
    assert not [one for one in audit(directory, at=last - 1).notes if NOTE in one]
    with (directory / "LOCK").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert notes(directory) == []
    # The start has put it back.
    assert state(directory)[0] == last + rows
    assert notes(directory) == []
    assert audit(directory).sequence == last + rows


@pytest.mark.parametrize("spoilt", ["ordinal", "previous", "check", "row", "page"])
def test_what_does_not_go_on_is_none(
    tmp_path: Path, before: bytes, spoilt: str
) -> None:
    directory = tmp_path / "ledger"
    lose_meta(directory, before)
    last = audit(directory).sequence
    data = data_of(directory).read_bytes()
    instance = audit_instance(directory)
    start = data.find(struct.pack("<Q", last + 1) + instance) - 16
    at = {"ordinal": 48, "previous": 56, "check": 60, "row": 64 + 40}.get(spoilt)
    if at is not None:
        put(data_of(directory), start + at, bytes([data[start + at] ^ 1]))
        if spoilt == "row":
            # Its own check is of the checks of its rows.
            at = start + 64 + 124
            put(data_of(directory), at, bytes([data[at] ^ 1]))
    else:
        # It begins where no value of LMDB does: the page says that it is another.
        page = start - start % 4_096
        put(data_of(directory), page, struct.pack("<Q", 99_999))
    assert notes(directory) == []


def audit_instance(directory: Path) -> bytes:
    """The instance that the ledger's chunks have."""
    with Journal(directory) as journal:
        return journal.instance
