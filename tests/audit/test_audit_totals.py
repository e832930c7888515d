"""Goal: totals that are the journal's pass the audit, and every wrong in them is found.

Method: the story's store is written by an independent writer as of some row, in parts
of several sizes; then with one thing forged at a time, its own checks made right again
wherever what it says is to be judged.
"""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from switch.audit import audit
from switch.audit.sums import ENTRY, added_up
from switch.codes import Kind
from tests.audit.journal_story import failed
from tests.audit.journal_writer import write_journal
from tests.audit.told_story import random_groups, story
from tests.audit.totals_writer import (
    DAY,
    MONTH,
    Part,
    Store,
    sealed,
    store_of,
    write_store,
)

LAST = story().rows[-1].sequence
Forge = Callable[[Store], object]


def written(directory: Path, forge: Forge = lambda _: None, last: int = LAST) -> Store:
    """The story's journal, and its totals with something forged in them."""
    write_journal(directory, story().groups)
    store = sealed(store_of(story().groups, last), directory)
    forge(store)
    store.write(directory)
    return store


def texts(directory: Path, check: str = "figures") -> list[str]:
    """What is found, all of it by one check."""
    report = audit(directory)
    assert failed(report) == {check}, report.findings.kept
    assert report.checks[check] == report.findings.count
    return [one.text for one in report.findings.kept]


# --- what is right -------------------------------------------------------------------


def test_the_story_has_every_figure() -> None:
    """What is compared below is there to be wrong."""
    parts = store_of(story().groups, LAST).parts
    cells = [key for one in parts if one.cut == 1 for key in one.entries]
    assert {key & 15 for key in cells} == set(range(1, 13))
    moved = [key >> 2 & 255 for one in parts if one.cut == 4 for key in one.entries]
    assert set(moved) == {Kind.TOP_UP, Kind.TRANSFER, Kind.SETTLE, Kind.BOOKED}
    assert {one.level for one in parts} == {DAY, MONTH}


@pytest.mark.parametrize("step", [1, 7, 10**9])
def test_right_totals_pass(tmp_path: Path, step: int) -> None:
    for last in (1, LAST // 2, LAST - 1, LAST):
        path = tmp_path / str(last)
        write_journal(path, story().groups)
        sealed(store_of(story().groups, last, step), path).write(path)
        report = audit(path)
        assert report.ok, report.findings.kept
        assert report.checks["figures"] == report.checks["lost"] == 0
        behind = f"the totals are compared as of {last}"
        assert (behind in report.notes) == (last < LAST)
    assert "figures" not in audit(tmp_path / "1", scope="chain").checks


def test_random_rows_over_months(tmp_path: Path) -> None:
    groups = random_groups(5, 300, 5_000)
    last = groups[-1][-1].sequence
    write_journal(tmp_path, groups)
    sealed(store_of(groups, last, 23), tmp_path).write(tmp_path)
    report = audit(tmp_path)
    assert report.ok, report.findings.kept
    assert report.checks["figures"] == 0


def test_no_totals_are_no_finding(tmp_path: Path) -> None:
    write_journal(tmp_path, story().groups)
    report = audit(tmp_path)
    assert report.ok
    assert "figures" not in report.checks
    assert (
        "there are no totals to compare, and nothing is lost with them; the switch "
        "counts them from the journal while it serves"
    ) in report.notes
    write_store(tmp_path, None, {})
    assert audit(tmp_path).ok


def test_an_audit_that_ends_before_them_says_so(tmp_path: Path) -> None:
    written(tmp_path)
    report = audit(tmp_path, at=LAST - 1)
    assert report.ok
    assert f"not compared: the totals are at {LAST}, past {LAST - 1}" in report.notes


# --- what is forged ------------------------------------------------------------------


def changed(level: int, cut: int, count: int, paise: int) -> Forge:
    """An entry has more or less."""

    def forge(store: Store) -> None:
        part = next(
            one
            for one in store.parts
            if (one.level, one.cut) == (level, cut) and one.entries
        )
        key, (rows, before) = next(iter(part.entries.items()))
        part.entries[key] = rows + count, before + paise

    return forge


def without(level: int, cut: int) -> Forge:
    """An entry is missing."""

    def forge(store: Store) -> None:
        part = store.part(level, cut, -1 if level == DAY else 0)
        part.entries.pop(next(iter(part.entries)))

    return forge


def another(level: int, cut: int) -> Forge:
    """An entry of what there was none of."""

    def forge(store: Store) -> None:
        part = store.part(level, cut)
        part.entries[max(part.entries) + 1] = 1, 5

    return forge


def moved(store: Store) -> None:
    """What one centre took is said of another: the sums above stay right."""
    part = next(one for one in store.parts if one.cut == 1 and len(one.entries) > 1)
    (one, of_one), (other, of_other) = list(part.entries.items())[:2]
    part.entries[one], part.entries[other] = of_other, of_one


def other_day(store: Store) -> None:
    for part in store.parts:
        if part.level == DAY and part.first == 1:
            part.period -= 1


def joined(store: Store) -> None:
    """Two days in one part, rightly summed."""
    first, second = store.part(DAY, 4, 0), store.part(DAY, 4, 1)
    store.parts.remove(second)
    first.last = second.last
    for key, (count, paise) in second.entries.items():
        was = first.entries.get(key, (0, 0))
        first.entries[key] = was[0] + count, was[1] + paise
    first.entries = dict(sorted(first.entries.items()))


def gap(store: Store) -> None:
    store.parts.remove(store.part(DAY, 2, 1))


def overlap(store: Store) -> None:
    store.part(DAY, 3, 1).first -= 1


def ends_early(store: Store) -> None:
    store.parts.remove(store.part(DAY, 1, -1))


def no_cut(store: Store) -> None:
    store.parts = [one for one in store.parts if (one.level, one.cut) != (DAY, 4)]


def month_missing(store: Store) -> None:
    store.parts.remove(store.part(MONTH, 3, -1))


def month_running(store: Store) -> None:
    """The month that runs has a part, rightly summed."""
    last = store.part(MONTH, 2, -1)
    days = [one for one in store.parts if (one.level, one.cut) == (DAY, 2)]
    sums: dict[int, tuple[int, int]] = {}
    for one in days:
        if one.first > last.last:
            for key, (count, paise) in one.entries.items():
                was = sums.get(key, (0, 0))
                sums[key] = was[0] + count, was[1] + paise
    part = Part(MONTH, 2, last.period + 1, last.last + 1, store.sequence)
    part.entries = dict(sorted(sums.items()))
    store.parts.append(part)


def said(name: str, by: int = 1) -> Forge:
    """The header says another number."""

    def forge(store: Store) -> None:
        setattr(store, name, getattr(store, name) + by)

    return forge


def other_ledger(store: Store) -> None:
    store.instance = bytes(16)


def ascending(store: Store) -> None:
    part = store.part(DAY, 1, -1)
    part.entries = dict(reversed(part.entries.items()))


def nothing(store: Store) -> None:
    part = store.part(DAY, 1)
    part.entries = {max(part.entries, default=0) + 16: (0, 0), **part.entries}
    part.entries = dict(sorted(part.entries.items()))


FORGED: dict[str, tuple[Forge, str]] = {
    "a sum": (changed(DAY, 1, 0, 1), "cells, rows "),
    "a count": (changed(DAY, 1, 1, 0), "cells, rows "),
    "a sum of a centre": (changed(DAY, 2, 0, -1), "centres, rows "),
    "a sum of a service": (changed(DAY, 3, 0, 1 << 64), "services, rows "),
    "a sum of an account": (changed(DAY, 4, 0, 1), "top_up, debit: "),
    "a month's cells": (changed(MONTH, 1, 0, 1), "the part of month "),
    "a month's centres": (changed(MONTH, 2, 1, 0), "centres, rows 1 to "),
    "a month's services": (changed(MONTH, 3, 0, 1), "services, rows 1 to "),
    "a cell missing": (without(DAY, 1), "nothing, and not "),
    "a centre missing": (without(MONTH, 2), "nothing, and not "),
    "a cell too many": (another(MONTH, 1), "1 rows of 5 paise, and not nothing"),
    "cells exchanged": (moved, "cells, rows "),
    "another day": (other_day, "has rows of day "),
    "two days in one": (joined, "has rows of day "),
    "a gap": (gap, "should be followed by the part of day "),
    "an overlap": (overlap, "should be followed by the part of day "),
    "the newest part missing": (ends_early, "its cells by day end with row "),
    "a whole cut missing": (no_cut, "its accounts by day end with row 0"),
    "a month missing": (month_missing, "its services by month end with row 0"),
    "a month too soon": (month_running, "the last month that has ended with "),
    "another time": (said("timestamp"), "it says that this row is of "),
    "another day of its row": (said("day"), "it says that this row is of day "),
    "another chunk": (said("ordinal"), "was made of another journal"),
    "another past": (said("check", -1), "was made of another journal"),
    "another ledger": (other_ledger, "its store is of another ledger"),
    "entries out of order": (ascending, "entries that do not ascend"),
    "an entry of nothing": (nothing, "an entry of no rows"),
}


@pytest.mark.parametrize("name", FORGED)
def test_what_is_forged_is_found(tmp_path: Path, name: str) -> None:
    forge, text = FORGED[name]
    written(tmp_path, forge)
    found = texts(tmp_path)
    assert any(text in one for one in found), found


def test_totals_ahead_show_that_rows_are_lost(tmp_path: Path) -> None:
    groups = story().groups
    write_journal(tmp_path / "whole", groups)
    store = sealed(store_of(groups, LAST), tmp_path / "whole")
    short = tmp_path / "short"
    write_journal(short, groups[:-1])
    store.write(short)
    last = groups[-2][-1].sequence
    ahead = f"the totals are at {LAST}, the journal ends at {last}"
    assert texts(short, "lost") == [ahead]


def test_what_it_says_of_itself_is_named(tmp_path: Path) -> None:
    """With the figures of both, so that it can be looked for."""
    store = written(tmp_path, changed(DAY, 1, 2, 300))
    part = next(one for one in store.parts if one.cut == 1 and one.entries)
    key, (count, paise) = next(iter(part.entries.items()))
    [text] = texts(tmp_path)
    assert text.endswith(
        f": wallet {key >> 4 & 0x1FFFFF}, service {key >> 25 & 0xFFFF}, head "
        f"{key >> 41}, paid: {count} rows of {paise} paise, and not {count - 2} rows "
        f"of {paise - 300} paise"
    ), text


def flipped(value: bytes, at: int) -> bytes:
    return value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :]


def test_bytes_that_are_damaged(tmp_path: Path) -> None:
    groups = story().groups
    write_journal(tmp_path / "whole", groups)
    store = sealed(store_of(groups, LAST), tmp_path / "whole")
    header = store.header()
    parts = {one.key: one.value() for one in store.parts}
    key, value = next((k, v) for k, v in parts.items() if len(v) > 16)
    cases: list[tuple[bytes | None, dict[bytes, bytes], str]] = [
        (None, parts, "parts and no header"),
        (header[:-1], parts, "71 bytes"),
        (flipped(header, 0), parts, "does not begin"),
        (flipped(header, 4), parts, "does not begin"),
        (flipped(header, 6), parts, "does not begin"),
        (flipped(header, 30), parts, "wrong check"),
        (header, {**parts, key: value[:-1]}, "bytes of them"),
        (header, {**parts, key: value[:15]}, "has 15 bytes"),
        (header, {**parts, key: flipped(value, 20)}, "wrong check"),
        (header, {**parts, key: flipped(value, 13)}, "wrong check"),
        (header, {**parts, key[:-1]: value}, "a key of 13 bytes"),
        (header, {**parts, struct.pack(">BBIQ", 2, 4, 1, 1): value}, "there are none"),
        (header, {**parts, struct.pack(">BBIQ", 3, 1, 1, 1): value}, "there are none"),
        (header, {**parts, Part(1, 1, 9, 0, 9).key: Part(1, 1, 9, 0, 9).value()}, "9"),
    ]
    for number, (head, values, text) in enumerate(cases):
        path = tmp_path / str(number)
        write_journal(path, groups)
        write_store(path, head, values)
        found = texts(path)
        assert any(text in one for one in found), (number, found)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    """It is derived: the books are looked at all the same."""
    write_journal(tmp_path, story().groups)
    (tmp_path / "totals").mkdir()
    (tmp_path / "totals" / "data.mdb").write_bytes(b"\xff" * 8192)
    [text] = texts(tmp_path)
    assert text.startswith("its store cannot be read: ")


def test_sums_are_exact() -> None:
    """Of numbers that fill their 64 bits, and beyond."""
    entries = np.zeros(5, ENTRY)
    entries["key"] = 3, 1, 3, 3, 1
    entries["count"] = 1
    entries["low"] = 2**64 - 1, 7, 2**64 - 1, 2**63, 2**32
    entries["high"] = 0, 0, 2, 0, 0
    made = added_up([entries[:2], entries[2:]])
    assert made["key"].tolist() == [1, 3]
    assert made["count"].tolist() == [2, 3]
    whole = [int(one["low"]) + (int(one["high"]) << 64) for one in made]
    assert whole == [2**32 + 7, 2 * (2**64 - 1) + 2**63 + (2 << 64)]
    assert len(added_up([])) == 0
