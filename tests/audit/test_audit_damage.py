"""Goal: a copy whose files are damaged costs a sentence and an exit code, no process.

Method: a right ledger is cut short, zeroed and shuffled at many places, by seed; the
command must end with findings or with the code for damage, name the directory or what
it found, and never by a signal or with a traceback.
"""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from switch.audit.__main__ import EXIT_DAMAGED, EXIT_FINDINGS, EXIT_OK, main
from switch.audit.pages import file_problem
from switch.cli import main as payswitch
from tests.audit.told_story import (
    random_groups,
    story,
    written,
)
from tests.longer import SEED, TIMES

PAGE = 4096
MANGLINGS = 45 if TIMES == 1 else 90 * TIMES

Mangle = Callable[[random.Random, bytearray], None]


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with some hundred pages."""
    return written(tmp_path_factory.mktemp("right"), random_groups(1, 900, 10**6))


def copy_of(right: Path, path: Path, file: str, data: bytes) -> Path:
    """A copy of the ledger with another data file."""
    if path.exists():
        shutil.rmtree(path)
    shutil.copytree(right, path)
    (path / file / "data.mdb").write_bytes(data)
    return path


def place(rng: random.Random, data: bytearray, pages: int = 1) -> slice:
    """Some pages in a row."""
    first = rng.randrange(max(len(data) // PAGE - pages, 1))
    return slice(first * PAGE, min((first + pages) * PAGE, len(data)))


def cut(rng: random.Random, data: bytearray) -> None:
    del data[rng.randrange(len(data)) :]


def cut_at_a_page(rng: random.Random, data: bytearray) -> None:
    del data[rng.randrange(len(data) // PAGE) * PAGE :]


def zero(rng: random.Random, data: bytearray) -> None:
    part = place(rng, data, rng.choice((1, 1, 2, 8)))
    data[part] = bytes(part.stop - part.start)


def zero_head(rng: random.Random, data: bytearray) -> None:
    size = rng.choice((16, 100, PAGE, 2 * PAGE, 3 * PAGE))
    data[:size] = bytes(size)


def zero_tail(rng: random.Random, data: bytearray) -> None:
    size = rng.randrange(1, len(data) - 2 * PAGE)
    data[-size:] = bytes(size)


def swap(rng: random.Random, data: bytearray) -> None:
    one, two = place(rng, data), place(rng, data)
    data[one], data[two] = data[two], data[one]


def shuffle(rng: random.Random, data: bytearray) -> None:
    for _ in range(20):
        swap(rng, data)


def noise(rng: random.Random, data: bytearray) -> None:
    part = place(rng, data)
    data[part] = rng.randbytes(PAGE)


def numbers(rng: random.Random, data: bytearray) -> None:
    """Some words of a page's head, or of what it lists first."""
    part = place(rng, data)
    for _ in range(4):
        at = part.start + rng.randrange(0, 64, 2)
        data[at : at + 2] = rng.choice((b"\xff\xff", b"\x00\x00", rng.randbytes(2)))


MANGLES: tuple[Mangle, ...] = (
    *(cut, cut_at_a_page, zero, zero_head, zero_tail),
    *(swap, shuffle, noise, numbers),
)


@pytest.mark.slow
@pytest.mark.parametrize("file", ["journal", "index"])
def test_damage_is_a_sentence(
    tmp_path: Path, right: Path, file: str, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = (right / file / "data.mdb").read_bytes()
    codes = dict.fromkeys((EXIT_OK, EXIT_FINDINGS, EXIT_DAMAGED), 0)
    for seed in range(MANGLINGS if file == "journal" else MANGLINGS // 3):
        rng, data = random.Random(SEED + seed), bytearray(whole)
        mangle = MANGLES[seed % len(MANGLES)]
        mangle(rng, data)
        path = copy_of(right, tmp_path / "copy", file, bytes(data))
        code = main([str(path)])
        out, err = capfd.readouterr()
        assert code in codes, (seed, mangle.__name__, err)
        codes[code] += 1
        assert "Traceback" not in out + err, (seed, mangle.__name__)
        if code == EXIT_DAMAGED:
            # LMDB may have said its own word before.
            last = err.strip().splitlines()[-1]
            assert last.startswith("payswitch audit: "), (seed, mangle.__name__, err)
            assert str(path) in last, (seed, mangle.__name__, err)
        elif code == EXIT_FINDINGS:
            assert "FAILED" in out, (seed, mangle.__name__)
    assert codes[EXIT_DAMAGED] > MANGLINGS // 12
    # Free pages, and what was written over since, are nobody's loss.
    assert codes[EXIT_OK] < MANGLINGS // 2


def test_every_length_is_told(tmp_path: Path, right: Path) -> None:
    whole = (right / "journal" / "data.mdb").read_bytes()
    assert file_problem(right / "journal" / "data.mdb", whole=True) == ""
    short = tmp_path / "data.mdb"
    for size in range(0, len(whole), PAGE // 2):
        short.write_bytes(whole[:size])
        assert file_problem(short, whole=True), size


def test_the_command_line_says_4(
    tmp_path: Path, right: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = (right / "journal" / "data.mdb").read_bytes()
    for data in (whole[:PAGE], whole[: len(whole) // 2], bytes(len(whole)), b""):
        path = copy_of(right, tmp_path / "copy", "journal", data)
        assert payswitch(["audit", str(path)]) == 4
        assert f"{path}" in capfd.readouterr().err


def test_a_file_that_shrinks_while_it_is_read(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file was whole when it was looked at."""
    path = written(tmp_path, story().groups)
    file = path / "journal" / "data.mdb"

    def looked(one: Path, *, whole: bool) -> str:
        if one == file:
            with one.open("r+b") as opened:
                opened.truncate(2 * PAGE)
        return ""

    monkeypatch.setattr("switch.audit.reader.file_problem", looked)
    assert main([str(path)]) == EXIT_DAMAGED
    assert str(path) in capfd.readouterr().err
