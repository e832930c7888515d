"""Goal: a file has the same bytes whenever and wherever it is made again.

Method: all files of some weeks are kept, and made once more: by others at the same
time, after more has happened and names have changed, of a copy, with an index that was
made anew in other steps, and after a process that was making one was killed.
"""

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from switch._core import Ledger
from switch.file_names import FileName
from switch.register.register import Register
from switch.treasury.books import Books
from switch.treasury.files import Files
from tests import forked
from tests.memory import folder
from tests.treasury.story import Story
from tests.treasury.test_files_told import drain

Kept = dict[str, bytes]
KILLED = """
import os, signal, sys
from switch._core import Ledger
from switch.file_names import parse_name
from switch.register.register import Register
from switch.treasury.books import Books
from switch.treasury.files import Files

ledger = Ledger(sys.argv[1], map_size=1 << 30, reserve_size=0)
next(Files(Books(Register(ledger))).read(parse_name(sys.argv[2])))
os.kill(os.getpid(), signal.SIGKILL)
"""


def read_all(books: Books, files: Files | None = None) -> Kept:
    files = files or Files(books)
    names: list[FileName] = []
    for window in books.windows.all():
        names += drain(files.names_of(window))
    return {name.text: b"".join(files.read(name)) for name in names}


@pytest.fixture(scope="module")
def path() -> Iterator[Path]:
    with folder() as found:
        yield found


@pytest.fixture(scope="module")
def story(path: Path) -> Iterator[Story]:
    found = Story(path / "ledger", seed=5)
    found.happen(80)
    found.opened()
    found.happen(120)
    found.wait(30 * 86_400)
    found.happen(60)
    yield found
    found.ledger.close()


@pytest.fixture(scope="module")
def kept(story: Story) -> Kept:
    found = read_all(Books(story.register))
    assert {name[0] for name in found} == set("SMCB")
    assert len(found) > 50
    return found


@pytest.fixture(scope="module")
def copied(story: Story, path: Path) -> Path:
    """By the program for it: no process may open one journal twice."""
    target = path / "copied"
    done = forked.run("switch", "backup", str(target), "--data", story.ledger.path)
    assert done.returncode == 0, done.stderr
    return target


def test_twice(story: Story, kept: Kept) -> None:
    books = Books(story.register)
    files = Files(books)
    assert read_all(books, files) == kept
    # From what is remembered, too.
    assert read_all(books, files) == kept


def test_by_several_at_the_same_time(story: Story, kept: Kept) -> None:
    books = Books(Register(story.ledger))
    files = Files(books)
    with ThreadPoolExecutor(4) as threads:
        made = [threads.submit(read_all, books, files) for _ in range(4)]
        assert all(one.result() == kept for one in made)


def read_copy(path: Path, step_rows: int = 65_536) -> Kept:
    with Ledger(
        str(path), map_size=1 << 30, reserve_size=0, index_step_rows=step_rows
    ) as ledger:
        return read_all(Books(Register(ledger)))


def test_of_a_backup_on_another_machine(
    copied: Path, kept: Kept, tmp_path: Path
) -> None:
    target = tmp_path / "copy"
    shutil.copytree(copied, target)
    assert read_copy(target) == kept
    # And with an index of other steps.
    shutil.rmtree(target / "index")
    assert read_copy(target, step_rows=64) == kept


def test_of_a_ledger_whose_process_was_killed(
    copied: Path, kept: Kept, tmp_path: Path
) -> None:
    target = tmp_path / "copy"
    shutil.copytree(copied, target)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(target), next(iter(kept))], check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert read_copy(target) == kept


@pytest.mark.parametrize(
    "later",
    [
        lambda story: story.happen(150),
        lambda story: [story.renamed() for _ in range(12)],
        lambda story: story.wait(400 * 86_400),
        lambda story: (story.paid_directly(), story.closed()),
    ],
    ids=["more happens", "names change", "a year goes by", "a window closes"],
)
def test_whatever_comes_later(
    story: Story, kept: Kept, later: Callable[[Story], object]
) -> None:
    later(story)
    books = Books(Register(story.ledger))
    found = read_all(books)
    assert {name: found[name] for name in kept} == kept
