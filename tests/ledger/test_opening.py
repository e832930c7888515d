"""Goal: a ledger's directory opens after anything that a start can have left there, or
is refused with a sentence and nothing changed.

Method: the marks that a killed start leaves are put beside files that are whole, zeroed
or cut off, in every combination of pages for a new ledger; then it is opened. Where an
error must come from the core, a stand-in for it raises it.
"""

import itertools
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from switch._core import Ledger
from switch.errors import (
    BusyError,
    CorruptionError,
    FormatError,
    IndexDamagedError,
    JournalBehindError,
)
from switch.ledger import opening, pages
from switch.ledger.look import Look, look
from switch.ledger.opening import ASIDE, DAMAGED, NEW, OPENING, open_ledger
from tests.core.network import NOW, make_network, top_up
from tests.core.pair import Pair
from tests.model import Rows

PAGE = 4096
OPTIONS: dict[str, Any] = {
    "map_size": 1 << 28,
    "reserve_size": 0,
    "index_step_rows": 16,
    "threads": False,
}
SILENCE_S = 2.0
SLOW = """
import json, time
for i in range(40):
    time.sleep(0.1)
    print(json.dumps({"done": i + 1, "total": 40}), flush=True)
print(json.dumps({"findings": ["seen"], "tables": {}}), flush=True)
"""
"""A walk that takes twice as long as it may be silent."""


def fill(directory: Path) -> int:
    """A ledger with some hundred rows and an index; its last sequence."""
    network = make_network()
    pair = Pair(directory, **OPTIONS)
    pair.commit([Rows(network.rows)], NOW)
    for number in range(40):
        wallet = network.wallets[number % len(network.wallets)]
        rows = [
            top_up(network, wallet, 5, b"UTR-%d-%d" % (number, i)) for i in range(10)
        ]
        pair.commit([Rows(rows)], NOW)
        while pair.ledger.index_step():
            pass
    sequence = pair.ledger.sequence
    pair.close()
    return sequence


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A ledger's directory with rows and an index."""
    fill(tmp_path / "ledger")
    return tmp_path / "ledger"


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are walked in this process, which is faster."""

    def walk(directory: Path, *_: object) -> Look:
        found = pages.walk(directory)
        return Look(found.findings, found.tables, ended=True)

    monkeypatch.setattr(opening, "look", walk)


def contents(directory: Path) -> dict[str, bytes]:
    """Every file that is not a lock."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name != "lock.mdb"
    }


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def damage_meta_tree(path: Path) -> None:
    """Zero the root of the list of tables."""
    data = bytearray(path.read_bytes())
    metas = [data[at + 16 : at + pages.META_SIZE] for at in (0, PAGE)]
    newest = max(metas, key=lambda meta: int.from_bytes(meta[-8:], "little"))
    root = int.from_bytes(newest[112:120], "little")
    data[root * PAGE : (root + 1) * PAGE] = bytes(PAGE)
    path.write_bytes(data)


# --- a new ledger ------------------------------------------------------------------


def test_a_new_ledger_leaves_no_marks(tmp_path: Path) -> None:
    for _ in range(2):
        open_ledger(tmp_path / "ledger", **OPTIONS).close()
        assert names(tmp_path / "ledger") == {"LOCK", "journal", "index"}


def test_no_ledger_is_made_where_one_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="holds no ledger"):
        open_ledger(tmp_path / "ledger", create=False, **OPTIONS)
    assert not (tmp_path / "ledger").exists()


class Unborn(NamedTuple):
    """The files of a ledger that was made and never committed to."""

    journal: bytes
    derived: bytes


@pytest.fixture(scope="module")
def unborn(tmp_path_factory: pytest.TempPathFactory) -> Unborn:
    """One."""
    path = tmp_path_factory.mktemp("unborn") / "ledger"
    Ledger(str(path), **OPTIONS).close()
    return Unborn(
        *((path / part / "data.mdb").read_bytes() for part in ("journal", "index"))
    )


def lay(path: Path, files: Unborn, marks: tuple[str, ...]) -> None:
    """A directory with these files and marks; None is no file."""
    if path.exists():
        shutil.rmtree(path)
    for part, data in zip(("journal", "index"), files, strict=True):
        (path / part).mkdir(parents=True)
        (path / part / "data.mdb").write_bytes(data)
    for mark in marks:
        (path / mark).touch()


def torn(data: bytes) -> list[bytes]:
    """The file with every choice of its pages zeroed, then cut off at every page."""
    count = len(data) // PAGE
    choices = [
        b"".join(
            data[at * PAGE : (at + 1) * PAGE] if keep else bytes(PAGE)
            for at, keep in enumerate(kept)
        )
        for kept in itertools.product((False, True), repeat=count)
    ]
    return choices + [data[: at * PAGE] for at in range(count)] + [data[:100]]


@pytest.mark.parametrize("part", ["journal", "derived"])
def test_a_new_ledger_torn_by_a_loss_of_power_is_begun_anew(
    tmp_path: Path, unborn: Unborn, part: str, here: None
) -> None:
    path = tmp_path / "ledger"
    for data in torn(getattr(unborn, part)):
        lay(path, unborn._replace(**{part: data}), (NEW, OPENING))
        with open_ledger(path, **OPTIONS) as ledger:
            assert ledger.sequence == 0
        assert names(path) == {"LOCK", "journal", "index"}


def test_a_new_ledger_is_marked_before_its_files_are_made(tmp_path: Path) -> None:
    """Killed at any moment of its making, it is begun anew by the next start."""
    path = tmp_path / "ledger"
    code = (
        "import os, signal, sys\n"
        "from switch.ledger import opening\n"
        "def die(*_, **__):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "opening.Ledger = die\n"
        f"opening.open_ledger({str(path)!r})\n"
    )
    child = subprocess.run([sys.executable, "-c", code], check=False)
    assert child.returncode == -signal.SIGKILL
    assert names(path) == {"LOCK", NEW, OPENING}
    open_ledger(path, **OPTIONS).close()
    assert names(path) == {"LOCK", "journal", "index"}


def test_rows_are_never_taken_for_a_new_ledger(directory: Path) -> None:
    """Whatever put the mark there: what has chunks is kept."""
    (directory / NEW).touch()
    before = (directory / "journal" / "data.mdb").read_bytes()
    with open_ledger(directory, **OPTIONS) as ledger:
        assert ledger.sequence > 400
    assert (directory / "journal" / "data.mdb").read_bytes()[: len(before)] == before
    assert not (directory / NEW).exists()


@pytest.mark.parametrize("size", [0, 100, PAGE, 3 * PAGE])
def test_without_the_mark_nothing_is_begun_anew(directory: Path, size: int) -> None:
    with (directory / "journal" / "data.mdb").open("r+b") as file:
        file.truncate(size)
    before = contents(directory)
    if size == 3 * PAGE:
        # Its pages are missing: whoever walks them sees it.
        (directory / OPENING).touch()
        before[OPENING] = b""
    with pytest.raises(Exception, match=r"empty|storage error"):
        open_ledger(directory, **OPTIONS)
    after = contents(directory)
    assert after["index/data.mdb"] == before["index/data.mdb"]
    assert len(after["journal/data.mdb"]) == size


def test_an_index_without_a_journal_means_that_rows_were_lost(directory: Path) -> None:
    shutil.rmtree(directory / "journal")
    before = contents(directory)
    with pytest.raises(JournalBehindError, match="lost rows"):
        open_ledger(directory, **OPTIONS)
    assert contents(directory) == before


# --- a start that did not come to its end ------------------------------------------


def test_a_damaged_journal_is_named_and_left_alone(directory: Path) -> None:
    damage_meta_tree(directory / "journal" / "data.mdb")
    (directory / OPENING).touch()
    before = contents(directory)
    for _ in range(2):
        with pytest.raises(CorruptionError, match=r"journal/ is damaged: .* page"):
            open_ledger(directory, **OPTIONS)
        assert contents(directory) == before


def test_a_damaged_index_is_set_aside_and_rebuilt(directory: Path) -> None:
    with Ledger(str(directory), **OPTIONS) as ledger:
        sequence = ledger.sequence
    damage_meta_tree(directory / "index" / "data.mdb")
    damaged = (directory / "index" / "data.mdb").read_bytes()
    (directory / OPENING).touch()
    with open_ledger(directory, **OPTIONS) as ledger:
        assert ledger.sequence == sequence
        assert ledger.index_sequence == sequence // 16 * 16
        assert len(ledger.accounts()[0]) > 1
    assert (directory / ASIDE / "data.mdb").read_bytes() == damaged
    assert names(directory) == {"LOCK", "journal", "index", ASIDE}


def test_what_is_whole_is_opened_after_a_killed_start(directory: Path) -> None:
    (directory / OPENING).touch()
    with open_ledger(directory, **OPTIONS) as ledger:
        assert ledger.sequence > 400
    assert names(directory) == {"LOCK", "journal", "index"}


def test_a_start_that_dies_leaves_its_mark(directory: Path) -> None:
    code = (
        "import os, signal\n"
        "from switch.ledger import opening\n"
        "opening.Ledger = lambda *_, **__: os.kill(os.getpid(), signal.SIGSEGV)\n"
        f"opening.open_ledger({str(directory)!r})\n"
    )
    child = subprocess.run([sys.executable, "-c", code], check=False)
    assert child.returncode == -signal.SIGSEGV
    assert (directory / OPENING).exists()


def test_a_start_that_is_refused_leaves_none(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raises(monkeypatch, CorruptionError(-30796, "a row"))
    with pytest.raises(CorruptionError, match="a row"):
        open_ledger(directory, **OPTIONS)
    assert not (directory / OPENING).exists()
    assert (directory / "index").exists()
    assert not (directory / ASIDE).exists()


def test_a_second_start_touches_no_mark_of_the_first(directory: Path) -> None:
    with open_ledger(directory, **OPTIONS):
        (directory / OPENING).touch()
        (directory / DAMAGED).touch()
        before = contents(directory)
        with pytest.raises(BusyError):
            open_ledger(directory, **OPTIONS)
        assert contents(directory) == before


def test_the_lock_is_held_from_the_walk_to_the_end(directory: Path) -> None:
    ledger = open_ledger(directory, **OPTIONS)
    with pytest.raises(BusyError):
        Ledger(str(directory), **OPTIONS)
    ledger.close()
    Ledger(str(directory), **OPTIONS).close()


def test_a_walk_that_cannot_read_is_a_finding_and_one_cut_off_is_none(
    directory: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "walk.py"
    monkeypatch.setattr(pages, "__file__", str(program))
    program.write_text("import os; os.kill(os.getpid(), 11)")
    found = look(directory / "journal")
    assert found.ended
    assert "SIGSEGV" in found.findings[0]
    for end in ("os.kill(os.getpid(), 9)", "raise MemoryError"):
        program.write_text(f"import os; {end}")
        found = look(directory / "journal")
        assert (found.ended, found.findings) == (False, [])
    program.write_text("import time; time.sleep(60)")
    found = look(directory / "journal", silence_s=0.2)
    assert (found.ended, found.findings) == (False, [])


def test_a_walk_is_given_up_only_when_it_gets_no_further(
    directory: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It takes longer than it may be silent, in pieces that are far shorter."""
    program = tmp_path / "walk.py"
    monkeypatch.setattr(pages, "__file__", str(program))
    program.write_text(SLOW)
    heard: list[tuple[int, int]] = []
    found = look(
        directory / "journal", lambda *far: heard.append(far), silence_s=SILENCE_S
    )
    assert found == Look(["seen"], {}, ended=True)
    assert heard == [(i, 40) for i in range(1, 41)]
    # Whoever says the same again and again does not get on.
    program.write_text(SLOW.replace("i + 1", "1").replace("range(40)", "range(4000)"))
    assert not look(directory / "journal", silence_s=0.2).ended


@pytest.mark.parametrize("number", [0, 1])
def test_what_lmdb_refuses_is_found_by_the_walk(directory: Path, number: int) -> None:
    """A torn meta page: LMDB's error does not say of which environment."""
    sequence = open_and_close(directory)
    tear(directory / "index" / "data.mdb", number)
    assert open_and_close(directory) == sequence
    assert (directory / ASIDE).exists()
    # Else the chunk of the lost commit, which lies whole in the file, is put back.
    spoil_last_chunk(directory / "journal" / "data.mdb")
    tear(directory / "journal" / "data.mdb", number)
    before = contents(directory)
    with pytest.raises(CorruptionError, match=r"journal/ is damaged: .* meta page"):
        open_ledger(directory, **OPTIONS)
    assert contents(directory) == before


def open_and_close(directory: Path) -> int:
    with open_ledger(directory, **OPTIONS) as ledger:
        return ledger.sequence


def spoil_last_chunk(path: Path) -> None:
    data = bytearray(path.read_bytes())

    def ordinal(at: int) -> int:
        return int.from_bytes(data[at + 48 : at + 56], "little")

    places = [found.start() for found in re.finditer(b"CHK1", data)]
    # The ledger's own record begins as a chunk does, and has no such number.
    newest = max((at for at in places if ordinal(at) < 1 << 16), key=ordinal)
    data[newest + 60] ^= 1
    path.write_bytes(data)


def tear(path: Path, number: int) -> None:
    data = bytearray(path.read_bytes())
    data[number * PAGE : number * PAGE + 512] = bytes(512)
    path.write_bytes(data)


# --- a damaged index ---------------------------------------------------------------


def raises(monkeypatch: pytest.MonkeyPatch, *errors: Exception) -> list[object]:
    """Have the core raise these before it opens anything; what it was called with."""
    left, calls = list(errors), list[object]()

    def ledger(path: str, **options: Any) -> Ledger:
        calls.append(options)
        if left:
            raise left.pop(0)
        return Ledger(path, **options)

    monkeypatch.setattr(opening, "Ledger", ledger)
    return calls


def test_damage_that_the_core_meets_in_the_index_mends_itself(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = raises(monkeypatch, IndexDamagedError(-30796, "a filter"))
    index = (directory / "index" / "data.mdb").read_bytes()
    with open_ledger(directory, **OPTIONS) as ledger:
        assert ledger.index_sequence > 400
    assert len(calls) == 2
    assert (directory / ASIDE / "data.mdb").read_bytes() == index


def test_it_is_tried_once(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = IndexDamagedError(-30796, "a filter")
    calls = raises(monkeypatch, error, error, error)
    with pytest.raises(IndexDamagedError):
        open_ledger(directory, **OPTIONS)
    assert len(calls) == 2


def test_damage_met_in_service_is_mended_by_the_next_start(directory: Path) -> None:
    (directory / DAMAGED).touch()
    (directory / ASIDE).mkdir()
    (directory / ASIDE / "older").touch()
    index = (directory / "index" / "data.mdb").read_bytes()
    with open_ledger(directory, **OPTIONS) as ledger:
        assert ledger.index_sequence > 400
    assert names(directory) == {"LOCK", "journal", "index", ASIDE}
    # One copy is kept, the last.
    assert not (directory / ASIDE / "older").exists()
    assert (directory / ASIDE / "data.mdb").read_bytes() == index


def test_without_room_for_two_the_damaged_one_is_not_kept(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (directory / DAMAGED).touch()
    usage = shutil.disk_usage(directory)
    monkeypatch.setattr(
        shutil, "disk_usage", lambda _: type(usage)(usage.total, usage.used, 1 << 20)
    )
    with open_ledger(directory, **OPTIONS) as ledger:
        assert ledger.index_sequence > 400
    assert names(directory) == {"LOCK", "journal", "index"}


def test_progress_is_told(directory: Path) -> None:
    progress = opening.Progress()
    assert progress.text() == "reading"
    (directory / DAMAGED).touch()
    open_ledger(directory, progress=progress, **OPTIONS).close()
    done, total = (int(number) for number in progress.rows)
    assert 400 < total - 16 <= done <= total
    assert progress.text() == f"{done} of {total} rows"
    progress.walked = "looking through index/, 40 %"
    assert progress.text() == "looking through index/, 40 %"
