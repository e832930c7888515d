"""Goal: an index that knows more than its journal is evidence that rows were lost. It
is neither set aside nor deleted, whatever else is wrong with it.

Method: a ledger grows, then its journal is put back to where it was, or to one with
other rows. To that comes everything for which opening makes an index anew. The same
beside a journal that has its rows shows that it is the journal's loss that is met.
"""

import errno
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import lmdb
import pytest

from switch._core import crc32c
from switch.audit.layout import INDEX_META
from switch.errors import IndexDamagedError, JournalBehindError
from switch.ledger import evidence, opening
from switch.ledger.evidence import furthest_head
from switch.ledger.opening import ASIDE, DAMAGED, DOUBT, OPENING, Progress, open_ledger
from tests.core.network import NOW, make_network, top_up
from tests.core.pair import rows_request
from tests.ledger.test_opening import (
    OPTIONS,
    PAGE,
    contents,
    damage_meta_tree,
    fill,
    names,
    raises,
    tear,
)

STEP_ROWS: Final = int(OPTIONS["index_step_rows"])
MORE: Final = 3 * STEP_ROWS

Harm = Callable[[Path, pytest.MonkeyPatch], None]


def grow(directory: Path, note: bytes) -> int:
    """More rows, all of whole steps indexed; the last sequence."""
    network = make_network()
    with open_ledger(directory, **OPTIONS) as ledger:
        rows = [
            top_up(network, network.wallets[0], 5, note + b"-%d" % number)
            for number in range(MORE)
        ]
        ledger.commit([rows_request(rows)], NOW + 10**12)
        while ledger.index_step():
            pass
        assert ledger.index_sequence > ledger.sequence - STEP_ROWS
        return ledger.sequence


@pytest.fixture(scope="module")
def ledgers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copies of one ledger that went two ways: `before`, `after`, `other`."""
    folder = tmp_path_factory.mktemp("ledgers")
    fill(folder / "before")
    for name in ("after", "other"):
        shutil.copytree(folder / "before", folder / name)
        grow(folder / name, name.encode())
    return folder


def take(ledgers: Path, directory: Path, journal: str) -> None:
    """The ledger `after` with this journal."""
    shutil.copytree(ledgers / "after", directory)
    shutil.copy(ledgers / journal / "journal" / "data.mdb", directory / "journal")


# --- what makes opening build an index anew ------------------------------------------


def nothing(directory: Path, _: pytest.MonkeyPatch) -> None:
    """The index is whole."""


def met_in_service(directory: Path, _: pytest.MonkeyPatch) -> None:
    (directory / DAMAGED).touch()


def met_in_service_and_no_room(directory: Path, patch: pytest.MonkeyPatch) -> None:
    (directory / DAMAGED).touch()
    usage = shutil.disk_usage(directory)
    full = type(usage)(usage.total, usage.used, 1 << 20)
    patch.setattr(shutil, "disk_usage", lambda _: full)


def met_in_service_behind_another(directory: Path, _: pytest.MonkeyPatch) -> None:
    (directory / DAMAGED).touch()
    (directory / ASIDE).mkdir()
    (directory / ASIDE / "data.mdb").touch()


def doubt_and_a_zeroed_page(directory: Path, _: pytest.MonkeyPatch) -> None:
    """The very page that leads to all others."""
    (directory / DOUBT).touch()
    damage_meta_tree(directory / "index" / "data.mdb")


def a_start_that_died_and_a_zeroed_page(directory: Path, _: pytest.MonkeyPatch) -> None:
    (directory / OPENING).touch()
    damage_meta_tree(directory / "index" / "data.mdb")


def no_meta_pages(directory: Path, _: pytest.MonkeyPatch) -> None:
    for number in (0, 1):
        tear(directory / "index" / "data.mdb", number)


def a_torn_meta_page(directory: Path, _: pytest.MonkeyPatch) -> None:
    tear(directory / "index" / "data.mdb", 1)


def damage_that_the_core_meets(directory: Path, patch: pytest.MonkeyPatch) -> None:
    raises(patch, IndexDamagedError(-30796, "a filter"))


def an_older_format(directory: Path, _: pytest.MonkeyPatch) -> None:
    set_format(directory, 4)


def met_in_service_of_an_older_format(directory: Path, _: pytest.MonkeyPatch) -> None:
    set_format(directory, 4)
    (directory / DAMAGED).touch()


def the_format_without_a_secret(directory: Path, _: pytest.MonkeyPatch) -> None:
    set_format(directory, 10, left_out=slice(88, 104))


def a_format_to_come(directory: Path, _: pytest.MonkeyPatch) -> None:
    """Nobody knows yet where its check will be."""
    set_format(directory, 99, checked=False)


def another_step(_: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setitem(OPTIONS, "index_step_rows", 2 * STEP_ROWS)


def set_format(
    directory: Path,
    number: int,
    *,
    checked: bool = True,
    left_out: slice = slice(0),
) -> None:
    """Give what the index says of itself another format, with nothing older beside.

    `left_out`: what its head has not.
    """
    with lmdb.open(str(directory / "index"), max_dbs=8, map_size=1 << 28) as env:
        table = env.open_db(b"meta")
        with env.begin(write=True) as txn:
            value = bytearray(txn.get(b"index", db=table) or b"")
            value[4:8] = number.to_bytes(4, "little")
            end = INDEX_META.itemsize - len(value[left_out])
            del value[left_out]
            own = crc32c(bytes(value[end:]), crc32c(bytes(value[: end - 4])))
            value[end - 4 : end] = own.to_bytes(4, "little") if checked else bytes(4)
            txn.put(b"index", bytes(value), db=table)
    copy = directory.parent / "compact"
    copy.mkdir()
    with lmdb.open(str(directory / "index"), max_dbs=8) as env:
        env.copy(str(copy), compact=True)
    shutil.move(copy / "data.mdb", directory / "index" / "data.mdb")
    copy.rmdir()


HARMS: Final[list[Harm]] = [
    met_in_service,
    met_in_service_and_no_room,
    met_in_service_behind_another,
    doubt_and_a_zeroed_page,
    a_start_that_died_and_a_zeroed_page,
    no_meta_pages,
    a_torn_meta_page,
    damage_that_the_core_meets,
    an_older_format,
    the_format_without_a_secret,
    met_in_service_of_an_older_format,
    a_format_to_come,
    another_step,
]


@pytest.mark.parametrize("harm", [nothing, *HARMS])
def test_an_index_ahead_of_its_journal_is_evidence(
    tmp_path: Path, ledgers: Path, monkeypatch: pytest.MonkeyPatch, harm: Harm
) -> None:
    directory = tmp_path / "ledger"
    take(ledgers, directory, "before")
    harm(directory, monkeypatch)
    before = contents(directory)
    for _ in range(2):
        with pytest.raises(JournalBehindError, match="lacks entries"):
            open_ledger(directory, **OPTIONS)
        assert contents(directory) == before
        if harm is damage_that_the_core_meets:
            # The stand-in for the core has raised its error once.
            harm(directory, monkeypatch)


@pytest.mark.parametrize(
    # Of a format that is not known no check is believed.
    "harm",
    [nothing, *(harm for harm in HARMS if harm is not a_format_to_come)],
)
def test_an_index_of_other_rows_is_evidence(
    tmp_path: Path, ledgers: Path, monkeypatch: pytest.MonkeyPatch, harm: Harm
) -> None:
    directory = tmp_path / "ledger"
    take(ledgers, directory, "other")
    harm(directory, monkeypatch)
    before = contents(directory)
    with pytest.raises(JournalBehindError, match="lacks entries"):
        open_ledger(directory, **OPTIONS)
    assert contents(directory) == before


@pytest.mark.parametrize("harm", HARMS)
def test_beside_a_whole_journal_it_is_made_anew(
    tmp_path: Path, ledgers: Path, monkeypatch: pytest.MonkeyPatch, harm: Harm
) -> None:
    directory = tmp_path / "ledger"
    take(ledgers, directory, "after")
    harm(directory, monkeypatch)
    kept = set() if harm is met_in_service_and_no_room else {ASIDE}
    with open_ledger(directory, **OPTIONS) as ledger:
        step_rows = OPTIONS["index_step_rows"]
        assert ledger.index_sequence == ledger.sequence // step_rows * step_rows
    assert names(directory) == {"LOCK", "journal", "index", *kept}


def test_a_journal_without_a_row_is_behind_any_index(
    tmp_path: Path, ledgers: Path
) -> None:
    directory, empty = tmp_path / "ledger", tmp_path / "empty"
    open_ledger(empty, **OPTIONS).close()
    take(ledgers, directory, "before")
    shutil.copy(empty / "journal" / "data.mdb", directory / "journal")
    for mark in ((), (DAMAGED,)):
        for name in mark:
            (directory / name).touch()
        before = contents(directory)
        with pytest.raises(JournalBehindError):
            open_ledger(directory, **OPTIONS)
        assert contents(directory) == before


def test_an_index_of_another_ledger_says_nothing(tmp_path: Path, ledgers: Path) -> None:
    directory = tmp_path / "ledger"
    fill(directory)
    shutil.copy(ledgers / "after" / "index" / "data.mdb", directory / "index")
    (directory / DAMAGED).touch()
    with open_ledger(directory, **OPTIONS) as ledger:
        assert ledger.index_sequence > ledger.sequence - STEP_ROWS


def test_where_nothing_of_it_can_be_read_that_is_said(
    tmp_path: Path, ledgers: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The one case in which rows may be lost unseen."""
    directory = tmp_path / "ledger"
    take(ledgers, directory, "before")
    file = directory / "index" / "data.mdb"
    file.write_bytes(bytes(file.stat().st_size))
    with caplog.at_level(logging.WARNING, "ledger"):
        open_ledger(directory, **OPTIONS).close()
    assert "nothing in index/ says how far it was" in caplog.text


def test_who_dies_while_they_are_compared_has_died_in_a_start(
    tmp_path: Path, ledgers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal was not walked yet, and LMDB trusts its pages."""
    directory = tmp_path / "ledger"
    take(ledgers, directory, "before")
    (directory / DAMAGED).touch()
    marks = []

    def compare(*_: object, **__: object) -> None:
        marks.append(names(directory))
        raise JournalBehindError(0, "lost")

    monkeypatch.setattr(opening, "compare_journal", compare)
    with pytest.raises(JournalBehindError):
        open_ledger(directory, **OPTIONS)
    assert OPENING in marks[0]
    assert OPENING not in names(directory)


# --- how it is read -------------------------------------------------------------------


def test_the_furthest_head_is_found_wherever_it_lies(
    tmp_path: Path, ledgers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also across the pieces that the file is read in."""
    data = (ledgers / "after" / "index" / "data.mdb").read_bytes()
    with open_ledger(ledgers / "after", **OPTIONS) as ledger:
        as_of = ledger.index_sequence
    path = tmp_path / "data.mdb"
    path.write_bytes(data)
    whole = furthest_head(path)
    assert whole is not None
    assert whole.as_of == as_of
    told: list[tuple[int, int]] = []
    for piece in (PAGE, PAGE + 100, len(data) - 1):
        monkeypatch.setattr(evidence, "PIECE", piece)
        assert furthest_head(path, lambda *far: told.append(far)) == whole
    assert told[0] == (0, len(data))


def test_what_nobody_wrote_is_not_searched(tmp_path: Path, ledgers: Path) -> None:
    """A damaged meta page had LMDB lengthen the file to 40 GB, and opening took half a
    minute; of terabytes it would have taken hours.
    """
    path = tmp_path / "data.mdb"
    shutil.copyfile(ledgers / "after" / "index" / "data.mdb", path)
    whole, size = furthest_head(path), path.stat().st_size
    os.truncate(path, 1 << 42)
    told: list[tuple[int, int]] = []
    assert furthest_head(path, lambda *far: told.append(far)) == whole is not None
    assert all(at < size and of == 1 << 42 for at, of in told)
    with path.open("r+b") as file:
        file.seek((1 << 42) - size)
        file.write((ledgers / "before" / "index" / "data.mdb").read_bytes())
    assert furthest_head(path) == whole


def test_many_holes_are_read_once(tmp_path: Path) -> None:
    path = tmp_path / "data.mdb"
    size = 4 * evidence.PIECE
    with path.open("wb") as file:
        for at in range(0, size, 1 << 16):
            file.seek(at)
            file.write(bytes(range(256)) * 16)
        file.truncate(size)
    told: list[tuple[int, int]] = []
    assert furthest_head(path, lambda *far: told.append(far)) is None
    assert [at for at, _ in told] == list(range(0, size, evidence.PIECE))


def test_what_is_written_is_searched_where_it_is_not_known(
    tmp_path: Path, ledgers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = ledgers / "after" / "index" / "data.mdb"
    whole = furthest_head(path)

    def lseek(file: int, at: int, whence: int) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "lseek", lseek)
    assert furthest_head(path) == whole


def test_a_head_that_fails_its_check_is_none(tmp_path: Path, ledgers: Path) -> None:
    data = bytearray((ledgers / "after" / "index" / "data.mdb").read_bytes())
    path = tmp_path / "data.mdb"
    path.write_bytes(data)
    whole = furthest_head(path)
    assert whole is not None
    at = data.find(evidence.MAGIC)
    while at >= 0:
        # Far ahead, which one flipped bit must not say.
        data[at + 24 + 5] ^= 1
        at = data.find(evidence.MAGIC, at + 1)
    path.write_bytes(data)
    assert furthest_head(path) is None


def test_what_the_disk_does_not_give_is_passed_over(
    tmp_path: Path, ledgers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = ledgers / "after" / "index" / "data.mdb"
    whole, read = furthest_head(path), os.pread
    monkeypatch.setattr(evidence, "PIECE", PAGE)

    def pread(file: int, size: int, at: int) -> bytes:
        if at == 0:
            raise OSError(5, "Input/output error")
        return read(file, size, at)

    monkeypatch.setattr(os, "pread", pread)
    assert furthest_head(path) == whole


def test_it_is_told_what_is_looked_for(tmp_path: Path, ledgers: Path) -> None:
    directory = tmp_path / "ledger"
    take(ledgers, directory, "before")
    (directory / DAMAGED).touch()
    told: list[str] = []

    class Told(Progress):
        def __setattr__(self, name: str, value: Any) -> None:
            super().__setattr__(name, value)
            told.append(self.text() if name == "walked" and value else "")

    with pytest.raises(JournalBehindError):
        open_ledger(directory, progress=Told(), **OPTIONS)
    assert "reading how far the damaged index was, 0 %" in told
