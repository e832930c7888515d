"""Goal: a day is matched with what its biller has acknowledged, where it sends no list:
what it has not acknowledged is found, and nothing that acknowledgements cannot say is
told as looked at.

Method: scrolls by hand, and files as `payswitch acknowledged` writes them, right and
wrong; the differences add up.
"""

import datetime as dt
import io
import json
from pathlib import Path
from typing import Any

import pytest

from switch.cli import main
from switch.console.output import Exit
from switch.matching.acknowledged import Words, read_words, with_words
from switch.matching.acknowledgements import first_line
from switch.matching.breaks import Break, State, read_match, write_breaks
from switch.matching.cells import ListError
from switch.matching.judging import Found, match
from switch.matching.lines import Texts
from switch.matching.lists import NO_LIST
from switch.matching.maps import By
from switch.matching.scrolls import read_scrolls
from switch.matching.sides import Wanted
from tests.matching.books import BILLER, DAY, Entry, add_up, write_scrolls

NEXT = DAY + dt.timedelta(days=1)
PAID = [Entry(101 + at, 1_000 * (at + 1), payment=11 + at) for at in range(6)]
BACK = Entry(120, PAID[4].amount, kind="refund", of=PAID[4].entry, payment=15)
LATER = Entry(221, 7_700, NEXT, payment=31)
STANDS = ["biller", "nobody", "people", "withdrawn", "people", "biller"]


def file_of(
    words: dict[int, str], after: int = 0, to: int = 200, biller: str = BILLER
) -> bytes:
    lines: list[dict[str, Any]] = [first_line(biller, after, to)]
    lines += [{"entry": entry, "word": word} for entry, word in words.items()]
    return "".join(f"{json.dumps(one)}\n" for one in lines).encode()


def read(data: bytes) -> Words:
    return read_words(io.BytesIO(data), "words.jsonl")


def words_of(*stands: str) -> dict[int, str]:
    return {one.entry: word for one, word in zip(PAID, stands, strict=True)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_scrolls(tmp_path / "scrolls", [[*PAID, BACK], [LATER]])
    return tmp_path / "scrolls"


def matched(
    folder: Path, data: bytes, day: dt.date = DAY, before: bytes | None = None
) -> tuple[Found, bytes]:
    known, opened = (None, []) if before is None else read_match(before, "before.csv")
    heads = Texts()
    wanted = Wanted(
        first=day,
        last=day,
        by=By.NUMBER,
        scrolls=read_scrolls(folder, BILLER, By.NUMBER, heads),
        list=NO_LIST,
        heads=heads,
        opened=tuple(opened),
        matched=known,
    )
    wanted = with_words(wanted, read(data))
    found = match(wanted)
    add_up(found)
    return found, write_breaks(found.breaks, day, wanted.as_matched)


def told(found: Found, state: State = State.OPEN) -> dict[int, Break]:
    return {one.entry: one for one in found.breaks if one.state is state}


def test_what_is_not_acknowledged_is_a_break(folder: Path) -> None:
    found, file = matched(folder, file_of(words_of(*STANDS)))
    open_ones = told(found)
    assert {entry: one.text for entry, one in open_ones.items()} == {
        PAID[2].entry: "completed without its biller's word",
        PAID[3].entry: "its biller has said otherwise since",
    }
    assert {one.type for one in open_ones.values()} == {"missing_there"}
    assert found.sums.explained() == {
        "missing_there": PAID[2].amount + PAID[3].amount,
        "not_asked": PAID[1].amount,
        "given_back": PAID[4].amount,
    }
    assert found.sums.there == PAID[0].amount + PAID[5].amount
    # The next day: one of them is acknowledged by now, and nothing is told twice.
    words = words_of("biller", "nobody", "people", "biller", "people", "biller")
    later = file_of(words | {LATER.entry: "biller"}, to=300)
    found, file = matched(folder, later, NEXT, file)
    assert told(found).keys() == {PAID[2].entry}
    assert told(found, State.CLOSED).keys() == {PAID[3].entry}
    # Again with its own result: the same.
    again, same = matched(folder, later, NEXT, file)
    assert same == file
    assert again.sums.explained() == found.sums.explained()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (file_of(words_of(*STANDS), biller="water"), "is of 'water'"),
        (file_of(words_of(*STANDS), to=105), "not of these entries"),
        (file_of({101: "biller"}), "says nothing of entry 102, of 5 in all"),
        (file_of({}, after=101), "says nothing of entry 101, of 6 in all"),
        (file_of(words_of("yes", *STANDS[1:])), "is not as `acknowledged`"),
        (file_of({101: "biller"}) + b'{"entry": 101, "word": "people"}\n', "twice"),
        (b"", "is not as `acknowledged`"),
        (b"[]\n", "is not as `acknowledged`"),
        (b'{"acknowledged": {"biller": 1, "after": true, "to": 5}}\n', "whole number"),
        (b"{" * 5_000, "too long"),
    ],
)
def test_what_does_not_say_how_each_stands_is_refused(
    folder: Path, data: bytes, why: str
) -> None:
    with pytest.raises(ListError) as failure:
        matched(folder, data)
    assert why in str(failure.value)


def test_what_was_not_looked_at_is_said(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "words.jsonl"
    file.write_bytes(file_of(words_of(*STANDS)))
    command = ["match", "--scrolls", str(folder), "--biller", BILLER]
    command += ["--day", DAY.isoformat(), "--out", str(tmp_path / "out")]
    words = [*command, "--acknowledged", str(file)]
    assert main(words) == Exit.FINDINGS
    shown = capsys.readouterr().out
    assert "Not looked at" in shown
    assert "amount, date, duplicate, head, missing here, unknown" in shown
    assert main([*words, "--json"]) == Exit.FINDINGS
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert "missing_here" in report["not_looked_at"]
    assert report["list"] == report["list"] | {"complete": False, "acknowledged": True}
    # It is in the place of a list, not beside one; and one of both there must be.
    for wrong in ([*words, "--list", str(file)], [*words, "--count", "2"], command):
        assert main(wrong) == Exit.USAGE
