"""Goal: a schedule's record is what the page says, and means just the moments that it
says: each cut-off once, none on a holiday, and a year's end whatever else is said.

Method: records are packed a second time from docs/data-model.md; moments are compared
with a minute-by-minute walk that knows nothing of how they are found.
"""

import datetime as dt
import random
import struct

import pytest

from switch.calendar import IST, day_start_ns
from switch.codes import Kind
from switch.console.words import WORDS
from switch.said import say
from switch.schedule_rows import (
    CUTOFFS_MAX,
    HOLIDAYS_MAX,
    CutOff,
    ScheduleRecord,
    cutoffs_after,
    day_of,
    minute_text,
    parse_minute,
    parse_weekdays,
    read_schedule,
    schedule_tail,
    weekdays_text,
)
from switch.signed import Line

MINUTE_NS = 60 * 10**9
MON_SAT = 0b0111111


def at(text: str) -> int:
    """Nanoseconds of an IST time."""
    time = dt.datetime.fromisoformat(text).replace(tzinfo=IST)
    return int(time.timestamp()) * 10**9


def test_a_schedule_as_the_page_says() -> None:
    one = ScheduleRecord(MON_SAT, (720, 1_200), (20_544, 20_783))
    tail = schedule_tail(one)
    page = struct.pack("<BBBBHH8H", 14, MON_SAT, 2, 0, 2, 0, 720, 1_200, *[0] * 6)
    assert tail == page + struct.pack("<2H", 20_544, 20_783)
    assert len(page) == 24
    assert read_schedule(tail) == one
    assert read_schedule(schedule_tail(ScheduleRecord(0, ()))) == (0, (), ())
    most = ScheduleRecord(
        127, tuple(range(CUTOFFS_MAX)), tuple(range(1, HOLIDAYS_MAX + 1))
    )
    assert read_schedule(schedule_tail(most)) == most
    for wrong in (
        most._replace(cutoffs=(*most.cutoffs, 9)),
        most._replace(holidays=(*most.holidays, 999)),
        one._replace(holidays=(65_536,)),
        one._replace(weekdays=256),
    ):
        with pytest.raises(ValueError, match="schedule"):
            schedule_tail(wrong)
    said = say(Line(Kind.REGISTER, tail=tail))
    assert said.what == "schedule"
    assert said.facts == (
        ("cut offs", "12:00 20:00"),
        ("days", "mon-sat"),
        ("holidays", "2026-04-01 2026-11-26"),
    )
    assert f"what {said.what}" in WORDS


def test_the_moments_of_a_week() -> None:
    holiday = day_of("2026-12-02")
    one = ScheduleRecord(MON_SAT, (720, 1_200), (holiday,))
    found = cutoffs_after(one, at("2026-11-28T20:00"), 5)
    # Saturday's is not after itself, Sunday has none, nor has the Wednesday.
    assert found == [
        CutOff(at("2026-11-30T12:00"), False),
        CutOff(at("2026-11-30T20:00"), False),
        CutOff(at("2026-12-01T12:00"), False),
        CutOff(at("2026-12-01T20:00"), False),
        CutOff(at("2026-12-03T12:00"), False),
    ]
    assert cutoffs_after(one, at("2026-11-28T20:00") - 1, 1) == [
        CutOff(at("2026-11-28T20:00"), False)
    ]
    assert cutoffs_after(one, 0, 0) == []


def test_a_year_ends_whatever_is_said() -> None:
    end = CutOff(at("2027-04-01T00:00"), True)
    nothing = ScheduleRecord(0, ())
    assert cutoffs_after(nothing, at("2026-11-28T20:00"), 2) == [
        end,
        CutOff(at("2028-04-01T00:00"), True),
    ]
    # Of a holiday that has midnight among its cut-offs it is one moment, not two.
    midnight = ScheduleRecord(127, (0, 720), (day_of("2027-04-01"),))
    assert cutoffs_after(midnight, end.time_ns - 1, 2) == [
        end,
        CutOff(at("2027-04-02T00:00"), False),
    ]
    working = ScheduleRecord(127, (0, 720))
    assert cutoffs_after(working, end.time_ns - 1, 2) == [
        end,
        CutOff(at("2027-04-01T12:00"), False),
    ]


def test_random_schedules_as_a_walk_by_minutes() -> None:
    draw = random.Random(7)
    for _ in range(20):
        first = dt.date(2027, 3, 28) + dt.timedelta(days=draw.randrange(4))
        days = [first + dt.timedelta(days=day) for day in range(6)]
        epoch = dt.date(1970, 1, 1)
        holidays = tuple((day - epoch).days for day in days if draw.random() < 0.3)
        minutes = tuple(sorted(draw.sample(range(1_440), draw.randrange(4))))
        one = ScheduleRecord(draw.randrange(128), minutes, holidays)
        wanted = []
        for day in days:
            for minute in range(1_440):
                ends = (day.month, day.day, minute) == (4, 1, 0)
                works = one.weekdays >> day.weekday() & 1
                works = works and (day - epoch).days not in holidays
                if ends or (works and minute in minutes):
                    time_ns = day_start_ns(day) + minute * MINUTE_NS
                    wanted.append(CutOff(time_ns, ends))
        begin = day_start_ns(first) - 1
        assert cutoffs_after(one, begin, len(wanted)) == wanted


def test_as_people_write_it() -> None:
    assert [parse_minute(one) for one in ("00:00", "20:00", "23:59")] == [
        0,
        1_200,
        1_439,
    ]
    assert minute_text(1_200) == "20:00"
    for wrong in ("24:00", "8:00", "20:60", "20.00", "", "20:00:00", "２0:00"):
        with pytest.raises(ValueError, match="not a time of the day"):
            parse_minute(wrong)
    for text, bits in (
        ("mon-sat", MON_SAT),
        ("all", 127),
        ("none", 0),
        ("mon,wed,fri", 0b0010101),
        ("mon-tue,sun", 0b1000011),
        ("SUN", 0b1000000),
    ):
        assert parse_weekdays(text) == bits
    assert [weekdays_text(one) for one in (0, MON_SAT, 127, 0b1000101)] == [
        *("", "mon-sat", "mon-sun", "mon,wed,sun"),
    ]
    for wrong in ("sat-mon", "mo", "", "mon-", "1-5"):
        with pytest.raises(ValueError, match="days"):
            parse_weekdays(wrong)
    for bits in range(1, 128):
        assert parse_weekdays(weekdays_text(bits)) == bits
