"""Goal: marks, files and folders that are not what they should be cost nothing: a link
is never followed, and what may be the only copy is never taken for a new ledger.

Method: in the place of every mark, file and folder lie links, folders, pipes and
files; the mark of a new ledger lies beside journals that are damaged, cut off or gone.
Then the directory is opened, and everything in it compared.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from switch.errors import ConfigError, CorruptionError, JournalBehindError
from switch.ledger.opening import ASIDE, DAMAGED, NEW, OPENING, open_ledger
from tests.ledger.test_opening import (
    OPTIONS,
    PAGE,
    Unborn,
    contents,
    directory,
    here,
    lay,
    names,
    unborn,
)

__all__ = ["directory", "here", "unborn"]

# --- a mark beside what it does not speak of ---------------------------------------


def zero_page(path: Path, number: int) -> None:
    with path.open("r+b") as file:
        file.seek(number * PAGE)
        file.write(bytes(PAGE))


def test_a_start_refused_before_any_file_leaves_no_mark(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    with pytest.raises(ValueError, match="index_step_rows"):
        open_ledger(path, index_step_rows=3)
    assert names(path) == {"LOCK"}


@pytest.mark.parametrize("zeroed", [(0, 1), (0,), (3,), (4,), (5,), (9,)])
def test_a_damaged_journal_is_never_taken_for_a_new_one(
    directory: Path, zeroed: tuple[int, ...], here: None
) -> None:
    """It was restored where a first start had failed, and is the only copy."""
    shutil.rmtree(directory / "index")
    (directory / NEW).touch()
    for number in zeroed:
        zero_page(directory / "journal" / "data.mdb", number)
    before = (directory / "journal" / "data.mdb").read_bytes()
    opened = False
    with (
        contextlib.suppress(CorruptionError),
        open_ledger(directory, **OPTIONS) as ledger,
    ):
        # The page was a free one.
        opened = ledger.sequence > 400
        assert opened
    assert opened or (directory / "journal" / "data.mdb").read_bytes() == before
    assert not (opened and 0 in zeroed)


@pytest.mark.parametrize("pages_left", [0, 2, 4])
def test_an_index_with_rows_is_no_beginning(directory: Path, pages_left: int) -> None:
    """Whatever is left of its journal."""
    (directory / NEW).touch()
    with (directory / "journal" / "data.mdb").open("r+b") as file:
        file.truncate(pages_left * PAGE)
    if not pages_left:
        (directory / "journal" / "data.mdb").unlink()
    before = contents(directory)
    with pytest.raises((JournalBehindError, CorruptionError), match=r"[Nn]othing was"):
        open_ledger(directory, **OPTIONS)
    assert contents(directory) == before


def test_zeros_behind_a_beginning_are_the_reserve(
    tmp_path: Path, unborn: Unborn
) -> None:
    path = tmp_path / "ledger"
    files = unborn._replace(journal=unborn.journal + bytes(1 << 23))
    lay(path, files, (NEW, OPENING))
    with open_ledger(path, **OPTIONS) as ledger:
        assert ledger.sequence == 0
    # One byte in them is another matter.
    lay(path, files._replace(journal=files.journal + b"x"), (NEW,))
    size = (path / "journal" / "data.mdb").stat().st_size
    open_ledger(path, **OPTIONS).close()
    assert (path / "journal" / "data.mdb").stat().st_size == size


# --- what is no file and no folder -------------------------------------------------

SHAPES = ["link", "dangling", "folder link", "directory", "fifo"]


def put(path: Path, shape: str, elsewhere: Path) -> None:
    """Something of this shape in the place of what is there."""
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    if shape == "link":
        elsewhere.write_bytes(b"of others")
        path.symlink_to(elsewhere)
    elif shape == "folder link":
        elsewhere.mkdir()
        (elsewhere / "theirs").touch()
        path.symlink_to(elsewhere)
    elif shape == "dangling":
        path.symlink_to(elsewhere)
    elif shape == "directory":
        path.mkdir()
    elif shape == "fifo":
        os.mkfifo(path)
    else:
        path.touch()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "name",
    [
        "OPENING",
        "NEW",
        "DOUBT",
        "index.damaged",
        "HALTED",
        "LOCK",
        "quotation.keys",
    ],
)
def test_a_mark_of_another_shape_is_refused(
    directory: Path, tmp_path: Path, name: str, shape: str
) -> None:
    put(directory / name, shape, tmp_path / "elsewhere")
    check_refused(directory, name)
    assert (tmp_path / "elsewhere").exists() == ("link" in shape)


@pytest.mark.parametrize("shape", [*SHAPES, "file"])
@pytest.mark.parametrize(
    "name",
    [
        *("index", "index/data.mdb", "index/lock.mdb"),
        *("journal", "journal/data.mdb", "journal/lock.mdb"),
    ],
)
def test_a_part_of_another_shape_is_refused(
    directory: Path, tmp_path: Path, name: str, shape: str
) -> None:
    if shape == ("file" if name.endswith(".mdb") else "directory"):
        return
    put(directory / name, shape, tmp_path / "elsewhere")
    check_refused(directory, name)


def check_refused(directory: Path, name: str) -> None:
    def state() -> list[tuple[str, int, int]]:
        found = [(path, path.lstat()) for path in sorted(directory.rglob("*"))]
        return [(str(p), s.st_mode, s.st_size) for p, s in found if p.name != "LOCK"]

    before = state()
    with pytest.raises(ConfigError, match=f"{name} is a .*[Nn]othing was changed"):
        open_ledger(directory, **OPTIONS)
    assert state() == before


def test_a_mark_that_is_a_link_to_the_journal_harms_nothing(directory: Path) -> None:
    (directory / OPENING).symlink_to("journal/data.mdb")
    before = contents(directory)
    with pytest.raises(ConfigError, match="OPENING is a symbolic link"):
        open_ledger(directory, **OPTIONS)
    assert contents(directory) == before
    # One by another name of the file is a mark, and is taken away.
    (directory / OPENING).unlink()
    os.link(directory / "journal" / "data.mdb", directory / OPENING)
    with open_ledger(directory, **OPTIONS) as ledger:
        assert ledger.sequence > 400
    assert not (directory / OPENING).exists()


@pytest.mark.parametrize("shape", [*SHAPES, "file"])
def test_an_index_is_set_aside_whatever_lies_there(
    directory: Path, tmp_path: Path, shape: str
) -> None:
    put(directory / ASIDE, shape, tmp_path / "elsewhere")
    (directory / DAMAGED).touch()
    index = (directory / "index" / "data.mdb").read_bytes()
    with open_ledger(directory, **OPTIONS) as ledger:
        assert ledger.index_sequence > 400
    assert (directory / ASIDE / "data.mdb").read_bytes() == index
    if shape == "folder link":
        assert (tmp_path / "elsewhere" / "theirs").exists()


def test_a_walk_ends_with_who_asked_for_it(directory: Path, tmp_path: Path) -> None:
    """Also when that one is killed."""
    walk = tmp_path / "walk.py"
    seen = tmp_path / "pid"
    walk.write_text(
        "import os, time\n"
        f"open({str(seen)!r}, 'w').write(str(os.getpid()))\n"
        "time.sleep(60)\n"
    )
    code = (
        "from pathlib import Path\n"
        "from switch.ledger import look, pages\n"
        f"pages.__file__ = {str(walk)!r}\n"
        f"look.look(Path({str(directory / 'journal')!r}))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code])
    try:
        until(lambda: seen.exists() and bool(seen.read_text()))
    finally:
        parent.kill()
        parent.wait()
    child = Path("/proc") / seen.read_text()
    until(lambda: not child.exists() or ") Z " in (child / "stat").read_text())


def until(ready: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.02)
