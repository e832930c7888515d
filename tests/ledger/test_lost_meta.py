"""Goal: a journal that lost the newest of LMDB's two meta pages is the journal that it
was, once it is opened, and the log says so; nothing else is ever put into it.

Method: a ledger is closed, the meta page of its last commit is put back to what the
page was before, zeroed, or torn, and the ledger opened; its rows are compared with a
copy's that lost nothing. Then chunks are forged in every way that is no lost chunk:
of another instance, with another predecessor, twice, as the text of a row.
"""

import logging
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from switch._core import crc32c
from switch.errors import CorruptionError, SpaceError
from switch.ledger import repair
from switch.ledger.lost import find_lost
from switch.ledger.opening import DAMAGED, open_ledger
from switch.ledger.pages import META_TYPE
from switch.ledger.shapes import FOUND
from tests.core.network import NOW, make_network, top_up
from tests.core.pair import rows_request
from tests.ledger.test_opening import OPTIONS, PAGE, contents, fill, names

HEAD: Final = struct.Struct("<4sHHIIQ16sQQII")
STEP_ROWS: Final = int(OPTIONS["index_step_rows"])


def data_of(directory: Path) -> Path:
    return directory / "journal" / "data.mdb"


def meta_of(data: bytes, number: int) -> Any:
    return np.frombuffer(data, META_TYPE, 1, number * PAGE)[0]


def newest(data: bytes) -> int:
    return int(meta_of(data, 0)["txnid"] < meta_of(data, 1)["txnid"])


def grow(directory: Path, rows: int, note: bytes, **options: Any) -> None:
    """One commit more, indexed as far as whole steps go."""
    network = make_network()
    with open_ledger(directory, **{**OPTIONS, **options}) as ledger:
        made = [
            top_up(network, network.wallets[0], 5, note + b"-%d" % number)
            for number in range(rows)
        ]
        ledger.commit([rows_request(made)], NOW + 10**12)
        while ledger.index_step():
            pass


def state(directory: Path) -> tuple[int, int, int, bytes]:
    """What a ledger holds that Ledger opens without putting anything back."""
    with open_ledger(directory, **OPTIONS) as ledger:
        rows = ledger.rows(1, ledger.sequence)
        head = ledger.head
        return head.sequence, head.chain, head.ordinal, rows.tobytes()


def put(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def lose_meta(directory: Path, before: bytes) -> None:
    """The newest meta page is what it was before the last commit."""
    data = data_of(directory).read_bytes()
    at = newest(data) * PAGE
    put(data_of(directory), at, before[at : at + PAGE])


@pytest.fixture(params=[1, 10, 600], ids=["in-a-leaf", "pages", "many-pages"])
def rows(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def ledgers(tmp_path: Path, rows: int) -> tuple[Path, Path, bytes]:
    """A ledger, a copy that loses nothing, and its file before the last commit."""
    fill(tmp_path / "ledger")
    before = data_of(tmp_path / "ledger").read_bytes()
    grow(tmp_path / "ledger", rows, b"LOST")
    shutil.copytree(tmp_path / "ledger", tmp_path / "whole")
    return tmp_path / "ledger", tmp_path / "whole", before


Harm = Callable[[Path, bytes], None]


def older(directory: Path, before: bytes) -> None:
    """The disk lost the write."""
    lose_meta(directory, before)


def zeroed(directory: Path, _: bytes) -> None:
    data = data_of(directory).read_bytes()
    put(data_of(directory), newest(data) * PAGE, bytes(PAGE))


def torn(directory: Path, _: bytes) -> None:
    """Its first sector only."""
    data = data_of(directory).read_bytes()
    put(data_of(directory), newest(data) * PAGE, os.urandom(512))


@pytest.mark.parametrize("harm", [older, zeroed, torn])
def test_what_a_lost_meta_page_named_is_put_back(
    ledgers: tuple[Path, Path, bytes],
    harm: Harm,
    caplog: pytest.LogCaptureFixture,
) -> None:
    directory, whole, before = ledgers
    harm(directory, before)
    with caplog.at_level(logging.WARNING, "ledger"):
        found = state(directory)
    assert found == state(whole)
    assert "which lies whole in its file: it is put back" in caplog.text
    assert names(directory) == {"LOCK", "journal", "index"}
    caplog.clear()
    assert state(directory) == found
    assert not caplog.text


def test_a_journal_that_lost_nothing_has_nothing_put_back(
    ledgers: tuple[Path, Path, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    directory, _, _ = ledgers
    assert not find_lost(directory).chunks
    before = contents(directory)
    with caplog.at_level(logging.WARNING, "ledger"):
        state(directory)
    assert contents(directory) == before
    assert not caplog.text


def test_an_index_that_was_made_of_it_is_no_evidence_of_a_loss(
    tmp_path: Path,
) -> None:
    """It is put back before the index is compared, or asked."""
    directory = tmp_path / "ledger"
    fill(directory)
    before = data_of(directory).read_bytes()
    grow(directory, 3 * STEP_ROWS, b"LOST")
    shutil.copytree(directory, tmp_path / "whole")
    for mark in ((), (DAMAGED,)):
        for name in mark:
            (directory / name).touch()
        lose_meta(directory, before)
        assert state(directory) == state(tmp_path / "whole")


def test_two_lost_commits_are_put_back_in_order(tmp_path: Path) -> None:
    """Both meta pages were lost, and the pages of before are still whole."""
    directory = tmp_path / "ledger"
    fill(directory)
    before = data_of(directory).read_bytes()
    for number in range(2):
        grow(directory, 10, b"LOST %d" % number)
    shutil.copytree(directory, tmp_path / "whole")
    put(data_of(directory), 0, before[: 2 * PAGE])
    assert state(directory) == state(tmp_path / "whole")


def test_the_first_chunk_is_put_back(tmp_path: Path) -> None:
    directory = tmp_path / "ledger"
    open_ledger(directory, **OPTIONS).close()
    before = data_of(directory).read_bytes()
    network = make_network()
    with open_ledger(directory, **OPTIONS) as ledger:
        ledger.commit([rows_request(network.rows)], NOW)
    shutil.copytree(directory, tmp_path / "whole")
    lose_meta(directory, before)
    assert state(directory) == state(tmp_path / "whole")


# --- a start that dies while it puts something back ----------------------------------


def test_what_is_put_back_outlives_a_start_that_dies(
    ledgers: tuple[Path, Path, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """LMDB has written over the pages in which it was found, and no meta page yet."""
    directory, whole, before = ledgers
    lose_meta(directory, before)

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(repair, "restore_chunk", die)
    with pytest.raises(KeyboardInterrupt):
        open_ledger(directory, **OPTIONS)
    monkeypatch.undo()
    assert FOUND in names(directory)
    data = data_of(directory).read_bytes()
    unused = (int(meta_of(data, newest(data))["last"]) + 1) * PAGE
    put(data_of(directory), unused, bytes(len(data) - unused))
    assert state(directory) == state(whole)
    assert FOUND not in names(directory)


def test_a_disk_without_room_keeps_what_was_found(
    ledgers: tuple[Path, Path, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, whole, before = ledgers
    lose_meta(directory, before)

    def full(*_: object, **__: object) -> None:
        raise SpaceError("no room")

    monkeypatch.setattr(repair, "restore_chunk", full)
    with pytest.raises(SpaceError):
        open_ledger(directory, **OPTIONS)
    monkeypatch.undo()
    assert state(directory) == state(whole)


def test_what_was_put_back_already_is_forgotten(
    ledgers: tuple[Path, Path, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    directory, whole, before = ledgers
    lose_meta(directory, before)
    chunk = find_lost(directory).chunks[0]
    assert state(directory) == state(whole)
    (directory / FOUND).write_bytes(chunk.data)
    caplog.clear()
    assert state(directory) == state(whole)
    assert FOUND not in names(directory)
    assert not caplog.text


# --- forgeries: each beside its honest twin ------------------------------------------


def sealed(chunk: bytes, **fields: Any) -> bytes:
    """A chunk with other fields, and a check that is right for them."""
    order = (
        *("magic", "format", "zeros", "rows", "tail", "first", "instance", "epoch"),
        *("ordinal", "previous", "check"),
    )
    values = dict(zip(order, HEAD.unpack_from(chunk), strict=True)) | fields
    head = HEAD.pack(*values.values())[:-4]
    check = crc32c(head, int(values["previous"]))
    count = int(values["rows"])
    for index in range(count):
        end = HEAD.size + (index + 1) * 128
        check = crc32c(chunk[end - 4 : end], check)
    check = crc32c(chunk[HEAD.size + count * 128 :], check)
    return head + check.to_bytes(4, "little") + chunk[HEAD.size :]


def plant(directory: Path, chunk: bytes, gap: int = 40) -> None:
    """A value of LMDB's in pages behind the last one."""
    data = data_of(directory).read_bytes()
    page = int(meta_of(data, newest(data))["last"]) + 1 + gap
    count = (16 + len(chunk) - 1) // PAGE + 1
    head = struct.pack("<QHHI", page, 0, 4, count)
    end = (page + count) * PAGE
    if len(data) < end:
        os.truncate(data_of(directory), end)
    put(data_of(directory), page * PAGE, head + chunk)


@pytest.fixture
def lost(tmp_path: Path) -> tuple[Path, bytes]:
    """A ledger, and the very chunk that would go on from its last one."""
    directory = tmp_path / "ledger"
    fill(directory)
    shutil.copytree(directory, tmp_path / "ahead")
    before = data_of(directory).read_bytes()
    grow(tmp_path / "ahead", 20, b"AHEAD")
    lose_meta(tmp_path / "ahead", before)
    (chunk,) = find_lost(tmp_path / "ahead").chunks
    return directory, chunk.data


def test_the_honest_twin_of_the_forgeries_is_put_back(
    lost: tuple[Path, bytes],
) -> None:
    """Who can write the file can have this: the check is no signature."""
    directory, chunk = lost
    sequence = state(directory)[0]
    plant(directory, sealed(chunk))
    assert state(directory)[0] == sequence + 20


FORGERIES: Final[dict[str, dict[str, Any]]] = {
    "of another ledger": {"instance": bytes(16)},
    "of a refused group: another one came before it": {"previous": 7},
    "of a later ordinal": {"ordinal": 1000},
    "that leaves rows out": {"first": 1},
    "of a format to come": {"format": 6},
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_chunk_that_does_not_go_on_is_not_put_back(
    lost: tuple[Path, bytes], name: str, caplog: pytest.LogCaptureFixture
) -> None:
    directory, chunk = lost
    before = state(directory)
    plant(directory, sealed(chunk, **FORGERIES[name]))
    with caplog.at_level(logging.WARNING, "ledger"):
        assert state(directory) == before
    told = "does not go on from the last one" in caplog.text
    assert told == bool({"previous", "ordinal"} & {*FORGERIES[name]})


@pytest.mark.parametrize("at", [60, HEAD.size + 3, -1], ids=["check", "row", "tail"])
def test_a_chunk_that_is_not_whole_is_not_put_back(
    lost: tuple[Path, bytes], at: int
) -> None:
    directory, chunk = lost
    before = state(directory)
    flipped = bytearray(chunk)
    flipped[at] ^= 1
    plant(directory, bytes(flipped))
    assert state(directory) == before


def test_a_row_changed_with_every_check_made_anew_is_refused(
    lost: tuple[Path, bytes],
) -> None:
    """A time before the last row's: the core looks at it before it writes anything."""
    directory, chunk = lost
    changed = bytearray(chunk)
    row = HEAD.size
    changed[row + 24 : row + 32] = bytes(8)
    changed[row + 124 : row + 128] = crc32c(bytes(changed[row : row + 124])).to_bytes(
        4, "little"
    )
    state(directory)
    plant(directory, sealed(bytes(changed)))
    before = data_of(directory).read_bytes()
    with pytest.raises(CorruptionError, match="cannot be put back"):
        open_ledger(directory, **OPTIONS)
    assert data_of(directory).read_bytes() == before


def test_of_two_chunks_none_is_taken(lost: tuple[Path, bytes]) -> None:
    """One whose commit was lost, and one that came in its place."""
    directory, chunk = lost
    state(directory)
    plant(directory, chunk)
    plant(directory, sealed(chunk, epoch=1), gap=80)
    before = contents(directory)
    for _ in range(2):
        with pytest.raises(CorruptionError, match="more than one chunk"):
            open_ledger(directory, **OPTIONS)
        assert contents(directory) == before


def test_one_chunk_in_two_places_is_one(lost: tuple[Path, bytes]) -> None:
    directory, chunk = lost
    sequence = state(directory)[0]
    plant(directory, chunk)
    plant(directory, chunk, gap=80)
    assert state(directory)[0] == sequence + 20


def test_a_text_that_looks_like_a_chunk_is_none(lost: tuple[Path, bytes]) -> None:
    """A participant may know the last check, and write what he likes into a row."""
    directory, chunk = lost
    before = state(directory)
    data = data_of(directory).read_bytes()
    page = int(meta_of(data, newest(data))["last"]) + 1
    end = (page + 4) * PAGE
    if len(data) < end:
        os.truncate(data_of(directory), end)
    # Not behind a page's header; nor under one of another page's number.
    put(data_of(directory), page * PAGE + 400, chunk)
    assert state(directory) == before
    put(data_of(directory), page * PAGE, struct.pack("<QHHI", page + 1, 0, 4, 4))
    put(data_of(directory), page * PAGE + 16, chunk)
    assert state(directory) == before


def test_a_chunk_inside_another_one_is_its_text(
    lost: tuple[Path, bytes], tmp_path: Path
) -> None:
    """A row's text has a page's header at a page's beginning, and a chunk behind it."""
    directory, chunk = lost
    whole = state(directory)
    forged = sealed(chunk, epoch=1)
    assert len(forged) < 2 * PAGE - 16
    data = data_of(directory).read_bytes()
    page = int(meta_of(data, newest(data))["last"]) + 1 + 40
    # So long a tail that its third page begins with what was forged.
    front = chunk[: HEAD.size + 20 * 128]
    gap = 2 * PAGE - 16 - len(front)
    inner = struct.pack("<QHHI", page + 2, 0, 4, 2) + forged
    tail = bytes(gap) + inner
    tail += bytes(-len(tail) % 8)
    outer = sealed(front + tail, tail=len(tail))
    plant(directory, outer)
    found = find_lost(directory)
    assert [one.data for one in found.chunks] == [outer]
    assert not found.others
    assert whole[0] == found.chunks[0].first - 1
