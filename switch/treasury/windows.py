"""The windows of a ledger: to which financial year each belongs, and which in it it is.

May use the core. A window's own row is written when the next group comes, which at a
year's end is in the new year already; so its day is that of what it closes, and not
its own.
"""

import datetime as dt
import threading
from typing import NamedTuple

from switch._core import GROUP_MAX, Ledger
from switch.calendar import date_financial_year, ist_date
from switch.codes import Kind
from switch.file_names import window_text


class Window(NamedTuple):
    """A closed window: the rows behind `after`, up to its own."""

    sequence: int
    """Of its row."""
    after: int
    """Sequence of the window before, 0 for none."""
    time_ns: int
    """Of its row: when it was closed."""
    closed_by: tuple[int, int]
    """Participant and operator; zeros for the schedule."""
    day: dt.date
    """Its accounting date."""
    year: int
    """Its financial year, by the calendar year in which that began."""
    ordinal: int
    """Which of that financial year's it is, from 1."""

    @property
    def text(self) -> str:
        """How files call it: `2026-27-0001`."""
        return window_text(self.year, self.ordinal)

    @property
    def month(self) -> tuple[int, int]:
        """Calendar year and month of its accounting date."""
        return self.day.year, self.day.month


def accounting_day(ledger: Ledger, sequence: int) -> dt.date:
    """The IST date of the group in which a durable row stands.

    A group has one time, by which cut-offs are asked; its rows are each a nanosecond
    later than the one before, and may reach into the next day by that.
    """
    time_ns = ledger.row(sequence).timestamp
    day = ist_date(time_ns)
    if ist_date(max(time_ns - GROUP_MAX, 0)) == day:
        return day
    _, first, _, _ = ledger.chunk_of(sequence)
    return ist_date(ledger.row(first).timestamp)


class Windows:
    """All windows that are closed, by the order in which they were. Any thread may ask.

    Each names the one before, so that they are read once, from the newest back to those
    that are known: a few a day.
    """

    def __init__(self, ledger: Ledger) -> None:
        """Nothing is read before it is needed."""
        self._ledger = ledger
        self._lock = threading.Lock()
        self._all: list[Window] = []
        self._by_sequence: dict[int, int] = {}
        self._by_number: dict[tuple[int, int], int] = {}

    def all(self) -> list[Window]:
        """Those that are closed by now, oldest first. Raises CorruptionError."""
        with self._lock:
            self._read_on()
            return self._all.copy()

    def find(self, sequence: int) -> Window | None:
        """The window whose row this is."""
        with self._lock:
            self._read_on()
            place = self._by_sequence.get(sequence)
            return None if place is None else self._all[place]

    def numbered(self, year: int, ordinal: int) -> Window | None:
        """The window that a file's name speaks of."""
        with self._lock:
            self._read_on()
            place = self._by_number.get((year, ordinal))
            return None if place is None else self._all[place]

    def following(self, window: Window) -> Window | None:
        """The window that was closed next, if one has been by now."""
        with self._lock:
            self._read_on()
            place = self._by_sequence[window.sequence] + 1
            return self._all[place] if place < len(self._all) else None

    def of_row(self, sequence: int) -> Window | None:
        """The window that has closed a row, if one has by now."""
        with self._lock:
            self._read_on()
            low, high = 0, len(self._all)
            while low < high:
                middle = (low + high) // 2
                if self._all[middle].sequence < sequence:
                    low = middle + 1
                else:
                    high = middle
            return self._all[low] if low < len(self._all) else None

    def _read_on(self) -> None:
        known = self._all[-1].sequence if self._all else 0
        found: list[int] = []
        sequence = self._ledger.last_window
        while sequence > known:
            found.append(sequence)
            sequence = self._ledger.row(sequence).resolves
        for one in reversed(found):
            self._add(one)

    def _add(self, sequence: int) -> None:
        row = self._ledger.row(sequence)
        assert row.kind is Kind.WINDOW
        day = accounting_day(self._ledger, max(sequence - 1, 1))
        year = date_financial_year(day)
        before = self._all[-1] if self._all else None
        ordinal = before.ordinal + 1 if before and before.year == year else 1
        window = Window(
            sequence=sequence,
            after=row.resolves,
            time_ns=row.timestamp,
            closed_by=(row.participant, row.operator),
            day=day,
            year=year,
            ordinal=ordinal,
        )
        place = len(self._all)
        self._all.append(window)
        self._by_sequence[sequence] = place
        self._by_number[year, ordinal] = place
