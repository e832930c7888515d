"""Goal: of each receipt one original is printed at a centre's computer, whoever prints
it: the counter's page, or the command line; from the second on each says REPRINT.

Method: `payswitch receipt` against a real server, on a screen, as forms and as JSON; by
the centre, by offices, twice at once, with a printer that fails, with a disk that takes
nothing, and days later. The page's side of it: tests/web/test_counter_people.py.
"""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from switch.console import print_record
from switch.console.output import Exit
from switch.console.print_record import (
    KEEP_S,
    ORIGINAL_S,
    PrintRecord,
    counter_folder,
    may_be_original,
)
from switch.ids import new_id
from tests.cli.test_cli import answer
from tests.client.live import CENTRE, FREE, Live, running

ID = bytes(range(16))


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with running(tmp_path_factory.mktemp("reprints") / "data") as live:
        for words in (
            ("network", "load", str(live.network)),
            ("top-up", CENTRE, "1000", "--utr", "UTR-1"),
        ):
            done = live.command(*words)
            assert done.returncode == Exit.DONE, done.stderr
        yield live


def paid(live: Live, reference: str) -> str:
    done = live.command("pay", CENTRE, FREE, "7.50", reference, "--json")
    return str(answer(done)["id"])


def print_one(
    live: Live, payment: str, data: Path, *words: str
) -> "CompletedProcess[str]":
    mine = ("--as", f"centre/{CENTRE}", "--data", str(data))
    return live.command("receipt", payment, *mine, *words)


def test_one_is_the_original(live: Live, tmp_path: Path) -> None:
    payment = paid(live, "once")
    first, *later = (print_one(live, payment, tmp_path) for _ in range(3))
    assert first.returncode == Exit.DONE, first.stderr
    assert "REPRINT" not in first.stdout
    for again in later:
        assert "REPRINT" in again.stdout
        # Nothing else is another.
        lines = [line for line in again.stdout.splitlines() if "REPRINT" not in line]
        assert lines == first.stdout.splitlines()
    # In each form, in each language, as JSON.
    roll = tmp_path / "roll"
    print_one(live, payment, tmp_path, "--printer", str(roll))
    assert b"\nREPRINT\n" in roll.read_bytes()
    told = answer(print_one(live, payment, tmp_path, "--json"))
    assert told["reprint"] is True
    # Another payment's first is one, in any form.
    other = paid(live, "another")
    print_one(live, other, tmp_path, "--printer", str(roll))
    assert b"REPRINT" not in roll.read_bytes()
    assert "REPRINT" in print_one(live, other, tmp_path).stdout


def test_nobody_but_the_centre_has_originals(live: Live, tmp_path: Path) -> None:
    payment = paid(live, "office")
    asked = ("receipt", payment, "--sender", CENTRE, "--data", str(tmp_path))
    for _ in range(2):
        shown = live.command(*asked)
        assert shown.returncode == Exit.DONE, shown.stderr
        assert "REPRINT" in shown.stdout
    # A copy that is asked for takes nothing from the original.
    assert "REPRINT" in print_one(live, payment, tmp_path, "--reprint").stdout
    assert not list(tmp_path.iterdir())
    assert "REPRINT" not in print_one(live, payment, tmp_path).stdout


def test_what_was_not_printed_is_none(live: Live, tmp_path: Path) -> None:
    payment = paid(live, "jammed")
    failed = print_one(live, payment, tmp_path, "--printer", "127.0.0.1:1")
    assert failed.returncode == Exit.CONFIG
    assert "nothing was printed" in failed.stderr
    none = print_one(live, payment, tmp_path, "--refund", "1")
    assert none.returncode == Exit.USAGE
    assert "REPRINT" not in print_one(live, payment, tmp_path).stdout


def test_of_many_at_once_one_is_the_original(live: Live, tmp_path: Path) -> None:
    payment = paid(live, "rush")
    shown: list[str] = []
    presses = [
        threading.Thread(
            target=lambda: shown.append(print_one(live, payment, tmp_path).stdout)
        )
        for _ in range(5)
    ]
    for press in presses:
        press.start()
    for press in presses:
        press.join()
    assert sum("REPRINT" not in text for text in shown) == 1
    assert all("7.50" in text for text in shown)


def test_a_disk_that_takes_nothing(live: Live, tmp_path: Path) -> None:
    payment = paid(live, "full")
    (tmp_path / f"{CENTRE}-counter").write_bytes(b"")
    failed = print_one(live, payment, tmp_path)
    assert (failed.returncode, failed.stdout) == (Exit.CONFIG, "")
    for word in ("nothing was printed", "--data", "--reprint"):
        assert word in failed.stderr
    assert "REPRINT" in print_one(live, payment, tmp_path, "--reprint").stdout


def test_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = counter_folder(tmp_path / "data", "a")
    assert folder.name == "a-counter"
    assert counter_folder(tmp_path, "a", is_training=True).name == "a-training"
    record = PrintRecord(folder)
    assert not record.has(ID)
    assert record.claim(ID)
    for other in (record, PrintRecord(folder)):
        assert other.has(ID)
        assert not other.claim(ID)
    # A refund's paper is another one.
    assert record.claim(ID, 1)
    assert not record.claim(ID, 1)
    assert record.claim(ID, 2)
    record.give_back(ID, 1)
    record.give_back(ID, 1)
    assert record.claim(ID, 1)
    assert (folder / "printed").stat().st_mode & 0o777 == 0o700
    # What is too old goes; it is no original any more, whoever asks.
    old_s = time.time() - KEEP_S - 60
    os.utime(folder / "printed" / ID.hex(), (old_s, old_s))
    assert record.claim(new_id())
    assert not record.has(ID)
    assert record.has(ID, 2)
    now_ns = time.time_ns()
    assert may_be_original(now_ns - (ORIGINAL_S - 60) * 10**9)
    assert not may_be_original(now_ns - (ORIGINAL_S + 60) * 10**9)
    assert may_be_original(now_ns + 10**9)
    assert KEEP_S > ORIGINAL_S
    # With too many, nothing is an original.
    monkeypatch.setattr(print_record, "MARKS_MAX", 3)
    assert not record.claim(new_id())
    monkeypatch.setattr(print_record, "MARKS_MAX", 4)
    assert record.claim(new_id())
