"""Goal: days and years turn at midnight IST, as the ledger's own counters do.

Method: the nanosecond before and at the turn, and Python's own calendar on any time.
"""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch import calendar

TIMES = st.integers(0, 4_000_000_000 * calendar.NS_IN_S)


def ns(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).timestamp()) * calendar.NS_IN_S


def test_the_day_turns_at_midnight_ist() -> None:
    start = calendar.day_start_ns(dt.date(2026, 3, 16))
    assert start == ns("2026-03-16T00:00:00+05:30")
    assert calendar.ist_date(start) == dt.date(2026, 3, 16)
    assert calendar.ist_date(start - 1) == dt.date(2026, 3, 15)
    assert calendar.day_number(start) == calendar.day_number(start - 1) + 1


def test_the_financial_year_turns_on_the_first_of_april_ist() -> None:
    start = calendar.day_start_ns(dt.date(2026, 4, 1))
    assert calendar.financial_year(start) == 2026
    assert calendar.financial_year(start - 1) == 2025
    assert calendar.date_financial_year(dt.date(2027, 1, 1)) == 2026
    assert calendar.format_financial_year(2026) == "2026-27"
    assert calendar.format_financial_year(1999) == "1999-00"


@given(TIMES)
def test_days_are_those_of_pythons_calendar(time_ns: int) -> None:
    second = time_ns // calendar.NS_IN_S
    date = dt.datetime.fromtimestamp(second, calendar.IST).date()
    assert calendar.ist_date(time_ns) == date
    assert calendar.day_date(calendar.day_number(time_ns)) == date
    start = calendar.day_start_ns(date)
    assert start <= time_ns < calendar.day_start_ns(date + dt.timedelta(days=1))


def test_times_for_people() -> None:
    time_ns = ns("2026-03-16T11:02:03+05:30") + 999_999_999
    assert calendar.format_ist(time_ns) == "2026-03-16 11:02:03 IST"
    assert calendar.parse_date("2026-03-16") == dt.date(2026, 3, 16)


@pytest.mark.parametrize(
    ("text", "time_ns"),
    [
        ("2026-03-16T11:02:03+05:30", ns("2026-03-16T11:02:03+05:30")),
        ("2026-03-16t05:32:03z", ns("2026-03-16T11:02:03+05:30")),
        ("2026-03-16T05:32:03.5Z", ns("2026-03-16T05:32:03+00:00") + 500_000_000),
        ("2026-03-16T05:32:03.123456789Z", ns("2026-03-16T05:32:03Z") + 123_456_789),
        # A date is its end, in IST.
        ("2026-03-16", ns("2026-03-17T00:00:00+05:30") - 1),
        ("1970-01-01T00:00:00Z", 0),
    ],
)
def test_moments(text: str, time_ns: int) -> None:
    assert calendar.parse_moment(text) == time_ns


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "2026-03-16T11:02:03", "2026-03-16 11:02:03Z", "2026-13-16"),
        *("2026-03-16T25:02:03Z", "2026-03-16T11:02:03.Z", "2026-03-16T11:02Z"),
        *("2026-03-16T11:02:03.1234567890Z", "2026-03-16T11:02:03+0530", "12"),
        "\u0662026-03-16",
    ],
)
def test_other_moments_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"time|date|day|month|hour|isoformat"):
        calendar.parse_moment(text)


@pytest.mark.parametrize(
    "text", ["", "20260316", "2026-3-16", "2026-02-30", "2026-W01-1", "16-03-26"]
)
def test_other_dates_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"date|day|month|isoformat"):
        calendar.parse_date(text)
