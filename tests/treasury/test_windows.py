"""Goal: a window belongs to the day and the financial year of what it closes, whenever
its own row is written, and to the nanosecond.

Method: ledgers with a schedule and without, whose groups begin right before and after
the end of a year; the day of each window is said by hand.
"""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from switch._core import Request
from switch.calendar import day_start_ns
from switch.codes import Kind
from switch.ids import new_id
from switch.ledger.templates import template
from switch.schedule_rows import ScheduleRecord, schedule_tail
from switch.treasury.windows import Window, Windows
from switch.v1 import payments_pb2 as pb
from tests.treasury.story import Story

YEAR_END_NS = day_start_ns(dt.date(2026, 4, 1))
MARCH_31, APRIL_1 = dt.date(2026, 3, 31), dt.date(2026, 4, 1)
EVERY_DAY = 127


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    found = Story(tmp_path / "ledger")
    yield found
    found.ledger.close()


def arrange(story: Story, *minutes: int) -> None:
    """A schedule with these cut-offs, and that of the year's end."""
    tail = schedule_tail(ScheduleRecord(EVERY_DAY, minutes))
    row = template(Kind.REGISTER, row_id=new_id(), sender=story.office, tail=tail)
    assert int(story.do(row)["result"]) == 1


def pay_at(story: Story, now_ns: int, count: int) -> None:
    """A group of so many payments that begins then."""
    bills = [
        pb.Payment(
            id=new_id(),
            service="DIRECT",
            amount=1,
            reference=new_id().hex(),
            operator=1,
        )
        for _ in range(count)
    ]
    body = pb.CreatePaymentsRequest(payments=bills).SerializeToString()
    story.now = now_ns
    story.ledger.commit([Request.payments(body, story.centre, story.centre)], now_ns)


def windows(story: Story) -> list[Window]:
    return Windows(story.ledger).all()


def test_the_years_end_is_of_the_old_year_although_it_is_written_later(
    story: Story,
) -> None:
    arrange(story)
    pay_at(story, YEAR_END_NS - 10**9, 2)
    pay_at(story, YEAR_END_NS + 5 * 10**9, 2)
    [first] = windows(story)
    assert first.time_ns >= YEAR_END_NS
    assert (first.day, first.year, first.ordinal) == (MARCH_31, 2025, 1)
    assert first.closed_by == (0, 0)
    story.closed_from(first.sequence)
    _, second = windows(story)
    assert (second.day, second.year, second.ordinal) == (APRIL_1, 2026, 1)
    assert second.text == "2026-27-0001"


def test_a_group_that_reaches_into_the_next_day_is_of_its_own(story: Story) -> None:
    """Its rows are a nanosecond apart, and all of the window that its beginning is."""
    arrange(story)
    pay_at(story, YEAR_END_NS - 2, 6)
    pay_at(story, YEAR_END_NS + 10**9, 1)
    [window] = windows(story)
    before = story.ledger.row(window.sequence - 1)
    assert before.timestamp == YEAR_END_NS + 3
    assert (window.day, window.year) == (MARCH_31, 2025)


def test_a_group_that_begins_with_the_day_is_of_it(story: Story) -> None:
    pay_at(story, YEAR_END_NS, 6)
    story.closed()
    [window] = windows(story)
    assert (window.day, window.year, window.ordinal) == (APRIL_1, 2026, 1)


def test_an_empty_window_is_of_the_day_of_the_last_row(story: Story) -> None:
    pay_at(story, YEAR_END_NS - 5 * 10**9, 1)
    story.closed()
    story.now = YEAR_END_NS + 10**9
    story.closed()
    first, second = windows(story)
    assert second.sequence == first.sequence + 1
    assert [one.day for one in (first, second)] == [MARCH_31, MARCH_31]
    assert [one.ordinal for one in (first, second)] == [1, 2]


def test_several_cut_offs_a_day_are_numbered_in_their_order(story: Story) -> None:
    arrange(story, 720, 1_200)
    for hour in (9, 13, 21, 33, 37, 45):
        pay_at(story, YEAR_END_NS - 2 * 86_400 * 10**9 + hour * 3_600 * 10**9, 1)
    found = windows(story)
    # The first has what was there before there was a cut-off.
    assert [one.ordinal for one in found] == [1, 2, 3, 4, 5]
    assert [one.day.day for one in found] == [14, 30, 30, 31, 31]
    # One that is asked bit by bit knows the same.
    asked = Windows(story.ledger)
    assert asked.numbered(2025, 3) == found[2]
    pay_at(story, YEAR_END_NS + 10**9, 1)
    assert asked.all() == windows(story)
    assert asked.all()[-1].ordinal == 6
