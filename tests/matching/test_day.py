"""Goal: of a day of 16,000 payments every break is found, and none invented.

Method: 200 and more breaks of every type are put into a right list, half of them side
by side, by each key a list may have; what is found must be just these, the sums to the
paisa, whichever order the list and its scrolls have.
"""

import random
from dataclasses import replace
from pathlib import Path

import pytest

from switch.matching.breaks import read_breaks, write_breaks
from tests.matching.books import (
    DAY,
    Entry,
    Told,
    a_day,
    column_map,
    is_about,
    list_text,
    matched,
    spoilt,
    told,
    write_scrolls,
)

PAYMENTS = 16_000
BREAKS = 210


@pytest.mark.parametrize(
    ("by", "seed", "count"),
    [
        ("id", 10, PAYMENTS),
        ("reference", 11, PAYMENTS),
        *(
            ("number", 12, 1_000),
            ("receipt", 13, 1_000),
            ("biller_reference", 14, 1_000),
        ),
        # Every fifth line is wrong.
        *(("reference", seed, 1_050) for seed in range(15, 17)),
    ],
)
def test_all_are_found_and_none_invented(
    by: str, seed: int, count: int, tmp_path: Path
) -> None:
    entries = a_day(count, seed)
    cut = random.Random(seed).randrange(1, count)
    write_scrolls(tmp_path, [entries[:cut], entries[cut:], []])
    lines, expected = spoilt(entries, BREAKS, seed)
    columns = column_map(by)
    found, listed = matched(tmp_path, lines, columns)
    assert is_about(found, by, lines) == expected
    assert len(found.breaks) == BREAKS
    # Each type is there often, or the day proves nothing about it.
    kinds = [one.type for one in found.breaks]
    assert min(map(kinds.count, set(kinds))) == BREAKS // 7
    assert len({one.number for one in found.breaks}) == BREAKS
    sums = found.sums
    assert sums.here == sum(one.amount for one in entries)
    assert not listed.is_complete


def test_what_no_list_tells_is_not_compared(tmp_path: Path) -> None:
    """An opening, and the undoing of what was corrected and is told."""
    corrected = Entry(100, 300, kind="correction", payment=50)
    others = [
        Entry(101, 700, kind="transfer"),
        Entry(102, 300, kind="undoing", payment=50),
    ]
    write_scrolls(tmp_path, [[corrected, *others]])
    found, _ = matched(tmp_path, [told(corrected)])
    assert found.breaks == []


def test_a_right_list_has_none(tmp_path: Path) -> None:
    entries = a_day(2_000, 1)
    write_scrolls(tmp_path, [entries])
    lines = [told(one) for one in entries]
    total = sum(one.amount for one in entries)
    found, listed = matched(tmp_path, lines, count=len(lines), total=total)
    assert (found.breaks, found.sums.explained()) == ([], {})
    assert listed.is_complete


def test_neither_order_nor_names_of_files_matter(tmp_path: Path) -> None:
    entries = a_day(1_500, 2)
    write_scrolls(tmp_path / "one", [entries])
    write_scrolls(
        tmp_path / "many", [entries[:400], [], entries[400:900], entries[900:]]
    )
    lines, _ = spoilt(entries, 140, 2)
    found, _ = matched(tmp_path / "one", lines)
    random.Random(3).shuffle(lines)
    again, _ = matched(tmp_path / "many", lines, name="other.csv")
    assert {(one.number, one.type) for one in found.breaks} == {
        (one.number, one.type) for one in again.breaks
    }
    assert found.sums.explained() == again.sums.explained()


def test_breaks_are_the_same_from_their_file(tmp_path: Path) -> None:
    entries = a_day(1_500, 4)
    write_scrolls(tmp_path, [entries])
    lines, _ = spoilt(entries, 140, 4)
    first = matched(tmp_path, lines)
    breaks = first.found.breaks
    read = read_breaks(first.file, "breaks.csv")
    assert sorted(read, key=str) == sorted(breaks, key=str)
    assert write_breaks(reversed(read), DAY) == write_breaks(breaks, DAY)
    # The same match once more, by what it has written itself.
    assert matched(tmp_path, lines, before=first.file).file == first.file


def test_a_list_without_heads(tmp_path: Path) -> None:
    entries = a_day(1_000, 5)
    write_scrolls(tmp_path, [entries])
    lines: list[Told | str] = [told(one) for one in entries[10:]]
    data = list_text(lines, heads=False).encode()
    found, _ = matched(tmp_path, data, replace(column_map("number"), head=""))
    assert {one.entry for one in found.breaks} == {one.entry for one in entries[:10]}
    assert {one.type for one in found.breaks} == {"missing_there"}
