"""Goal: a run writes the newest accounting day and what is missing of those before, in
order, and takes no folder's name from a server that is no date.

Method: windows of many days by a client that is none; a folder with some files.
"""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from switch.cli import day_files
from switch.cli.day_files import DayFiles, days_to_write, write_day
from switch.client import Client
from switch.console.output import Screen
from switch.console.words import Language
from switch.errors import WireError
from switch.v1 import files_pb2, schedules_pb2

NOON_NS = 1_774_000_000 * 10**9
TODAY = dt.date(2026, 3, 20)


class Told:
    """Windows by their days, the newest first, each with one file."""

    def __init__(self, *days: str) -> None:
        self._days = days
        self.asked = 0

    def windows(self) -> Iterator[schedules_pb2.Window]:
        for at in range(len(self._days), 0, -1):
            yield schedules_pb2.Window(sequence=at, time_ns=NOON_NS)

    def files(self, window: int) -> Iterator[files_pb2.File]:
        self.asked += 1
        day = self._days[len(self._days) - window]
        if day:
            yield files_pb2.File(name=f"S-{window}", day=day)


def days_of(told: Told, only: dt.date | None = None) -> list[tuple[str, list[int]]]:
    found = days_to_write(cast("Client", told), only)
    assert [one.is_closed for one in found] == [False] * (len(found) - 1) + [True]
    assert [one.names for one in found] == [
        [f"S-{window}" for window in one.windows] for one in found
    ]
    return [(one.day, one.windows) for one in found]


def day(back: int) -> str:
    return (TODAY - dt.timedelta(days=back)).isoformat()


def test_days_in_order_with_their_windows() -> None:
    told = Told(day(0), day(0), day(1), day(4), day(4))
    assert days_of(told) == [
        (day(4), [1, 2]), (day(1), [3]), (day(0), [4, 5]),
    ]  # fmt: skip


def test_no_more_days_than_a_month_and_no_more_windows() -> None:
    months = Told(*(day(back) for back in range(60)))
    assert len(days_of(months)) == day_files.DAYS_MAX
    assert months.asked == day_files.DAYS_MAX + 1


def test_no_window_of_a_day_is_left_out() -> None:
    """However many were closed behind that which has the money."""
    many = 1_105
    assert days_of(Told(*[day(0)] * many)) == [(day(0), list(range(1, many + 1)))]


def test_one_day_alone() -> None:
    told = Told(day(0), day(1), day(1), day(2))
    found = days_to_write(cast("Client", told), TODAY - dt.timedelta(days=1))
    assert [(one.day, one.windows) for one in found] == [(day(1), [2, 3])]
    assert found[0].is_closed
    assert days_to_write(cast("Client", Told(day(0))), dt.date(2020, 1, 1)) == []


def test_without_billers_it_is_the_day_on_which_it_closed() -> None:
    [one] = days_to_write(cast("Client", Told("")), None)
    assert (one.day, one.windows, one.names) == (TODAY.isoformat(), [1], [])


@pytest.mark.parametrize("wrong", ["../../etc", "2026-13-01", "20260320", " "])
def test_a_day_is_a_date(wrong: str) -> None:
    with pytest.raises(WireError, match="has no day"):
        days_to_write(cast("Client", Told(wrong)), None)


def test_a_manifest_that_is_none_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"S2025-26-0001-power-{part}.json" for part in range(1, 5)]
    texts = ["{}", "no JSON", "[1]", ""]
    for name, text in zip(names, texts, strict=True):
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(day_files, "write_file", lambda _, name, __: name)
    screen = Screen(as_json=True, language=Language.ENGLISH)
    for is_closed, wrong in ((True, 4), (False, 0)):
        one = DayFiles(day(0), names=names, is_closed=is_closed)
        write_day(cast("Client", None), one, tmp_path, screen)
        assert len(one.wrong) == wrong
        assert (one.scrolls, one.amount) == (0, 0)
        # Of a day before nothing is looked at that is there.
        assert len(one.written) == (4 if is_closed else 0)
