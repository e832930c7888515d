"""Windows that the switch closes by itself, at the cut-offs of a schedule.

The schedule says on which days, and at which minutes of them; a year of finance ends in
any case. Then the next group of the journal is that window and nothing else. So what
was paid until then is settled without anybody's word, and none of it late. Judged from
the rows of windows, schedules and rules alone. Memory: nothing that grows.
"""

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, pairwise
from typing import Final

import numpy as np

from switch.audit.findings import Findings
from switch.audit.layout import (
    DAY_NS,
    IST_OFFSET_NS,
    NS,
    OK,
    PAYOUT_RULES,
    RULES_RECORD,
    SCHEDULE_RECORD,
    Index,
    Rows,
)
from switch.codes import Kind, Record, RowFlag

WEEK: Final = 7
WEEKDAYS_MAX: Final = 127
CUTOFFS_MAX: Final = 8
HOLIDAYS_MAX: Final = 512
DAY_MINUTES: Final = 1_440
MINUTE_NS: Final = 60 * NS
FIRST_WEEKDAY: Final = 3
"""Of 1970-01-01, a Thursday; Monday is 0."""
EPOCH: Final = datetime.date(1970, 1, 1)
TIME_END: Final = 2**64
"""No row has such a time."""
YEAR_BEGINS: Final = (4, 1)
"""Month and day with which a financial year begins."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When windows are closed: IST, days since 1970-01-01."""

    weekdays: int
    cutoffs: tuple[int, ...]
    holidays: frozenset[int]

    @classmethod
    def of(cls, tail: bytes) -> "Schedule":
        """Of a tail item with a whole record."""
        record = np.frombuffer(tail, SCHEDULE_RECORD, 1)[0]
        cutoffs = record["cutoffs"][: int(record["cutoffs_count"])].tolist()
        holidays = _holidays(tail, int(record["holidays_count"]))
        return cls(int(record["weekdays"]), tuple(cutoffs), frozenset(holidays))

    def minutes(self, day: int) -> list[int]:
        """The cut-offs of a day."""
        works = self.weekdays >> (day + FIRST_WEEKDAY) % WEEK & 1
        minutes = set(self.cutoffs if works and day not in self.holidays else ())
        date = EPOCH + datetime.timedelta(days=day)
        if (date.month, date.day) == YEAR_BEGINS:
            minutes.add(0)
        return sorted(minutes)

    def after(self, time: int) -> int:
        """The first cut-off after a time, ns; TIME_END for none that a row reaches."""
        local = time + IST_OFFSET_NS
        for day in count(local // DAY_NS):
            begin = day * DAY_NS
            if begin - IST_OFFSET_NS >= TIME_END:
                break
            for minute in self.minutes(day):
                if begin + minute * MINUTE_NS > local:
                    return begin + minute * MINUTE_NS - IST_OFFSET_NS
        return TIME_END


def _holidays(tail: bytes, number: int) -> list[int]:
    start = SCHEDULE_RECORD.itemsize
    days: list[int] = np.frombuffer(tail, "<u2", number, start).tolist()
    return days


class Cutoffs:
    """Judges the groups of blocks in their order."""

    def __init__(self, findings: Findings) -> None:
        """No schedule yet."""
        self.findings = findings
        self._version = 0
        self._schedule: Schedule | None = None
        # When the last window was, or the schedule if that is later; what comes next
        # after it, and whether a group too late for that was told.
        self._since = 0
        self._due = TIME_END
        self._told = False

    def block(self, rows: Rows, starts: Index, tails: dict[int, bytes]) -> None:
        """Judge the groups that begin at `starts`; the last ends with the rows."""
        kinds, good = rows["kind"], rows["result"] == OK
        windows = good & (kinds == Kind.WINDOW)
        events = windows | (good & (kinds == Kind.REGISTER))
        alone = set(starts[np.diff(starts, append=len(rows)) == 1].tolist())
        judged = 0
        for place in np.flatnonzero(events).tolist():
            row, window = rows[place], bool(windows[place])
            own = window and not row["participant"] and place in alone
            stop = int(np.searchsorted(starts, place, "left" if own else "right"))
            self._groups(rows, starts[judged:stop])
            judged = stop + own
            if window:
                self._window(row, alone=place in alone)
            else:
                self._register(row, tails.get(place, b""))
        self._groups(rows, starts[judged:])

    def _groups(self, rows: Rows, starts: Index) -> None:
        """Groups that are no window of a cut-off's; the first that should be is told,
        until there is another window or schedule.
        """
        if self._told or self._due == TIME_END or not len(starts):
            return
        late = rows["timestamp"][starts] >= np.uint64(self._due)
        if not late.any():
            return
        self._told = True
        text = f"a cut-off, {_words(self._due)}, was before its group, and no window is"
        sequence = int(rows["sequence"][starts[int(np.argmax(late))]])
        self.findings.add("windows", sequence, text)

    def _window(self, row: np.void, *, alone: bool) -> None:
        """A window, by command or the switch's own."""
        time = int(row["timestamp"])
        if not row["participant"] and self._version >= PAYOUT_RULES:
            for text in self._wrong(row, time, alone=alone):
                self.findings.add("windows", int(row["sequence"]), text)
        self._begin(max(self._since, time))

    def _wrong(self, row: np.void, time: int, *, alone: bool) -> Iterator[str]:
        """What is wrong with a window that the switch has closed."""
        if row["operator_"]:
            yield "the switch has closed it, and it names a person"
        if self._schedule is None:
            yield "the switch has closed it, and there is no schedule"
        elif time < self._due:
            text = "" if self._due == TIME_END else f", {_words(self._due)}"
            yield f"the switch has closed it before the next cut-off{text}"
        elif not alone:
            yield "the switch has closed it, and it is not a group of its own"

    def _register(self, row: np.void, tail: bytes) -> None:
        record = tail[0] if tail else 0
        if record == Record.RULES and len(tail) >= RULES_RECORD.itemsize:
            self._version = int(np.frombuffer(tail, RULES_RECORD, 1)[0]["version"])
        elif record == Record.SCHEDULE and not broken(tail, self._version):
            self._schedule = Schedule.of(tail)
            self._begin(max(self._since, int(row["timestamp"])))

    def _begin(self, since: int) -> None:
        """What comes next after a time."""
        self._since, self._told = since, False
        if self._schedule is not None:
            self._due = self._schedule.after(since)


class Schedules:
    """What the register's rows have said of the schedule so far: there is one."""

    def __init__(self) -> None:
        """There is none yet."""
        self.some = False

    def apply(self, row: np.void) -> Iterator[str]:
        """Note an accepted row; what is wrong with the place that it has."""
        update = bool(int(row["flags"]) & RowFlag.UPDATE)
        if int(row["debit"]) != 1 or update != self.some:
            yield f"there is one schedule, the row says {row['debit']}"
        self.some = True


def _words(time: int) -> str:
    """A time for people: IST, to the minute."""
    local = datetime.timedelta(minutes=(time + IST_OFFSET_NS) // MINUTE_NS)
    begin = datetime.datetime.combine(EPOCH, datetime.time())
    return f"{begin + local:%Y-%m-%d %H:%M} IST"


def broken(tail: bytes, rules: int) -> str:
    """What is wrong with a record by itself, under these rules (0: not known); empty if
    nothing is.
    """
    if 0 < rules < PAYOUT_RULES:
        return f"is not known to rules {rules}"
    if len(tail) < SCHEDULE_RECORD.itemsize:
        return "is too short"
    record = np.frombuffer(tail, SCHEDULE_RECORD, 1)[0]
    if any(bytes(record["reserved_0"])) or any(bytes(record["reserved_1"])):
        return "has bytes that say nothing"
    if record["weekdays"] > WEEKDAYS_MAX:
        return "has days that no week has"
    number, minutes = int(record["cutoffs_count"]), record["cutoffs"].tolist()
    if number > CUTOFFS_MAX or any(minutes[number:]):
        return "has more cut-offs than it says, or than there may be"
    if not _ascend(minutes[:number]) or any(one >= DAY_MINUTES for one in minutes):
        return "has cut-offs that are no minutes of a day, in their order"
    number = int(record["holidays_count"])
    if number > HOLIDAYS_MAX or len(tail) < SCHEDULE_RECORD.itemsize + 2 * number:
        return "has fewer holidays than it says, or more than there may be"
    right = _ascend(_holidays(tail, number))
    return "" if right else "has holidays that are not in their order"


def _ascend(values: list[int]) -> bool:
    return all(one < next_ for one, next_ in pairwise(values))
