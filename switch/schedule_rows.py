"""When settlement windows close by themselves: the record, and the moments it means.

For both sides of the wire, over bytes alone; docs/data-model.md ("Cut-offs") says what
each is. May use `codes` and `calendar`.
"""

import re
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from switch.calendar import NS_IN_S, day_date, day_number, day_start_ns, parse_date
from switch.codes import Record

CUTOFFS_MAX: Final = 8
"""Cut-offs of a day."""
HOLIDAYS_MAX: Final = 512
DAY_MINUTES: Final = 1_440
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""As people type them; Monday is the first."""
_ALL_DAYS: Final = (1 << len(WEEKDAYS)) - 1
_HEAD: Final = struct.Struct("<BBBxHxx8H")


class ScheduleRecord(NamedTuple):
    """A schedule, as its record has it."""

    weekdays: int
    """Bit 0 is Monday."""
    cutoffs: tuple[int, ...]
    """Minutes of the IST day, ascending."""
    holidays: tuple[int, ...] = ()
    """Days since 1970-01-01, ascending."""


class CutOff(NamedTuple):
    """A moment at which the open window closes."""

    time_ns: int
    year_end: bool


def schedule_tail(one: ScheduleRecord) -> bytes:
    """The record of a schedule, with its holidays. Raises ValueError."""
    if len(one.cutoffs) > CUTOFFS_MAX or len(one.holidays) > HOLIDAYS_MAX:
        raise ValueError(
            f"a schedule has {CUTOFFS_MAX} cut-offs and {HOLIDAYS_MAX} holidays at most"
        )
    cutoffs = (*one.cutoffs, *[0] * (CUTOFFS_MAX - len(one.cutoffs)))
    try:
        head = _HEAD.pack(
            int(Record.SCHEDULE),
            one.weekdays,
            len(one.cutoffs),
            len(one.holidays),
            *cutoffs,
        )
        return head + struct.pack(f"<{len(one.holidays)}H", *one.holidays)
    except struct.error as error:
        raise ValueError(f"no schedule can be that: {error}") from None


def read_schedule(tail: bytes) -> ScheduleRecord:
    """A schedule out of a tail."""
    _, weekdays, count, holidays, *cutoffs = _HEAD.unpack_from(tail)
    days = struct.unpack_from(f"<{holidays}H", tail, _HEAD.size)
    return ScheduleRecord(weekdays, tuple(cutoffs[:count]), tuple(days))


# --- the moments ---------------------------------------------------------------------


def cutoffs_after(one: ScheduleRecord, time_ns: int, count: int) -> list[CutOff]:
    """The first `count` cut-offs after a time."""
    found: list[CutOff] = []
    for cutoff in _cutoffs_from(one, day_number(time_ns)):
        if len(found) == count:
            break
        if cutoff.time_ns > time_ns:
            found.append(cutoff)
    return found


def _cutoffs_from(one: ScheduleRecord, day: int) -> Iterator[CutOff]:
    """Those of this day and of all after it. There is always another: a year ends."""
    holidays = frozenset(one.holidays)
    while True:
        date = day_date(day)
        starts_year = (date.month, date.day) == (4, 1)
        is_day = one.weekdays >> date.weekday() & 1 and day not in holidays
        minutes = one.cutoffs if is_day else ()
        if starts_year and 0 not in minutes:
            minutes = (0, *minutes)
        start_ns = day_start_ns(date)
        for minute in minutes:
            time_ns = start_ns + minute * 60 * NS_IN_S
            yield CutOff(time_ns, starts_year and minute == 0)
        day += 1


# --- as people write it --------------------------------------------------------------


def parse_minute(text: str) -> int:
    """`20:00` as a minute of the day. Raises ValueError."""
    found = re.fullmatch(r"([0-9]{2}):([0-9]{2})", text)
    if found is None or not (int(found[1]) < 24 and int(found[2]) < 60):
        raise ValueError(f"not a time of the day: {text[:32]!r} (20:00 is)")
    return int(found[1]) * 60 + int(found[2])


def minute_text(minute: int) -> str:
    """A minute of the day: `20:00`."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


def parse_weekdays(text: str) -> int:
    """`mon-sat`, `mon,wed,fri`, `all` or `none` as bits. Raises ValueError."""
    if text in ("all", "none"):
        return _ALL_DAYS if text == "all" else 0
    found = 0
    for part in text.lower().split(","):
        first, is_span, last = part.partition("-")
        last = last if is_span else first
        if first not in WEEKDAYS or last not in WEEKDAYS:
            raise ValueError(f"not days: {text[:40]!r} (mon-sat and mon,wed are)")
        begin, end = WEEKDAYS.index(first), WEEKDAYS.index(last)
        if end < begin:
            raise ValueError(f"days go from monday to sunday: {part!r}")
        for day in range(begin, end + 1):
            found |= 1 << day
    return found


def weekdays_text(weekdays: int) -> str:
    """Days as people read them: `mon-sat`; empty for none."""
    parts: list[str] = []
    day = 0
    while day < len(WEEKDAYS):
        end = day
        while end < len(WEEKDAYS) and weekdays >> end & 1:
            end += 1
        if end > day:
            last = f"-{WEEKDAYS[end - 1]}" if end - day > 1 else ""
            parts.append(WEEKDAYS[day] + last)
        day = max(end, day + 1)
    return ",".join(parts)


def holiday_text(day: int) -> str:
    """Days since 1970-01-01 as a date."""
    return day_date(day).isoformat()


def day_of(text: str) -> int:
    """A date, `YYYY-MM-DD`, as days since 1970-01-01. Raises ValueError."""
    return (parse_date(text) - day_date(0)).days
