"""The oracle's schedule: when the switch closes windows by itself.

Part of tests/model.py, which see. What a window is stands in tests/model_rules.py.
"""

import datetime as dt
import struct

from switch.codes import Kind, Record
from tests.flags import RowFlag
from tests.model_cases import Cases
from tests.model_state import DAY_S, IST_S, SECOND_NS, ist_day
from tests.records import Row

SCHEDULE_BYTES = struct.Struct("<BBBBHH8H")
CUTOFFS_MAX = 8
HOLIDAYS_MAX = 512
WEEKDAYS_MAX = 127
MINUTES_MAX = 24 * 60
FIRST_DAY = dt.date(1970, 1, 1)


class Windows(Cases):
    """What the schedule says, and who closes a window by it."""

    def __init__(self) -> None:
        super().__init__()
        self.schedule_row = 0  # the last one
        self.weekdays = 0  # bit 0 is Monday
        self.cutoffs: tuple[int, ...] = ()  # minutes of the IST day
        self.holidays: frozenset[int] = frozenset()  # IST days
        self.cut_off = 0  # the first one that no window has followed, ns UTC

    def record_is_valid(self, row: Row) -> bool:
        tail = row.tail or b""
        if row.kind == Kind.REGISTER and tail[:1] == bytes([Record.SCHEDULE]):
            return schedule_is_valid(tail)
        return super().record_is_valid(row)

    def do_register(self, row: Row) -> None:
        tail = row.tail or b""
        if tail[0] != Record.SCHEDULE:
            super().do_register(row)
            return
        row.debit = 1
        row.flags |= RowFlag.UPDATE if self.schedule_row else 0
        self.append(row)
        self.schedule_row = row.sequence
        _, self.weekdays, count, _, days_count, _, *minutes = (
            SCHEDULE_BYTES.unpack_from(tail)
        )
        self.cutoffs = tuple(minutes[:count])
        self.holidays = frozenset(holidays_of(tail, days_count))
        self.cut_off = self.cut_off_after(row.timestamp)

    def do_window(self, row: Row) -> None:
        super().do_window(row)
        if self.schedule_row:
            self.cut_off = self.cut_off_after(row.timestamp)

    def cut_off_after(self, since: int) -> int:
        """The first cut-off after a time."""
        day = ist_day(since)
        while True:
            for minute in self.minutes_of(day):
                at = (day * DAY_S + minute * 60 - IST_S) * SECOND_NS
                if at > since:
                    return at
            day += 1

    def minutes_of(self, day: int) -> tuple[int, ...]:
        """The cut-offs of an IST day: a year that begins is one, whatever is said."""
        date = FIRST_DAY + dt.timedelta(days=day)
        works = self.weekdays >> date.weekday() & 1 and day not in self.holidays
        minutes = self.cutoffs if works else ()
        if (date.month, date.day) == (4, 1) and minutes[:1] != (0,):
            return (0, *minutes)
        return minutes

    def close_if_due(self) -> bool:
        """Before a group the window is closed if a cut-off has come by its time."""
        if not self.schedule_row or self.clock() < self.cut_off:
            return False
        self.do_window(Row(Kind.WINDOW, resolves=self.last_window))
        return True


def holidays_of(tail: bytes, count: int) -> tuple[int, ...]:
    """The days behind a schedule's record."""
    return struct.unpack_from(f"<{count}H", tail, SCHEDULE_BYTES.size)


def schedule_is_valid(tail: bytes) -> bool:
    """Whether a record of a schedule is one."""
    if len(tail) < SCHEDULE_BYTES.size:
        return False
    _, weekdays, count, zero, days_count, zeros, *minutes = SCHEDULE_BYTES.unpack_from(
        tail
    )
    if zero or zeros or weekdays > WEEKDAYS_MAX:
        return False
    if count > CUTOFFS_MAX or days_count > HOLIDAYS_MAX:
        return False
    if len(tail) < SCHEDULE_BYTES.size + 2 * days_count or any(minutes[count:]):
        return False
    said, days = minutes[:count], list(holidays_of(tail, days_count))
    if said != sorted(set(said)) or days != sorted(set(days)):
        return False
    return all(minute < MINUTES_MAX for minute in said)
