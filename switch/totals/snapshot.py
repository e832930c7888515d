"""The totals at one sequence, as one thread reads them.

May use `store` and `sums`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from switch.totals.figures import CUT_MASKS, Cut, Level
from switch.totals.months import month_days
from switch.totals.store import PartKey, Reading
from switch.totals.sums import Entries, Sums, added, from_entries, to_entries


class Piece(NamedTuple):
    """Sums of some of the rows of a day, or of a month."""

    first_day: int
    last_day: int
    entries: Entries

    @property
    def sums(self) -> Sums:
        """The entries, in columns."""
        return from_entries(self.entries)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Stored parts, and the newest one from memory."""

    reading: Reading
    sequence: int
    timestamp: int
    """Of that row; 0 if there is none."""
    day: int
    """Of the newest part, which sums from its first row to `sequence`."""
    first: int
    cells: Sums
    accounts: Sums
    sealed: int
    """The month from which on there are parts of days only."""

    def pieces(
        self, cut: Cut, first_day: int, last_day: int, *, in_months: bool
    ) -> Iterator[Piece]:
        """All rows of days up to the last one, in their order.

        A month that lies before the first day is one piece, and so is one from it on if
        it may be `in_months`; all else are pieces of one day.
        """
        day = 0
        for month in self._months(cut):
            begin, end = month_days(month)
            is_before = end < first_day
            is_within = in_months and begin >= first_day
            if end > last_day or not (is_before or is_within):
                continue
            yield from self._days(cut, day, begin - 1)
            for key in self.reading.keys(Level.MONTH, cut, month, month + 1):
                yield Piece(begin, end, self.reading.part(key).entries)
            day = end + 1
        yield from self._days(cut, day, last_day)

    def _months(self, cut: Cut) -> list[int]:
        keys = self.reading.keys(Level.MONTH, cut)
        return sorted({key.period for key in keys if key.period < self.sealed})

    def _days(self, cut: Cut, first_day: int, last_day: int) -> Iterator[Piece]:
        if first_day > last_day:
            return
        for key in self.reading.keys(Level.DAY, cut, first_day, last_day + 1):
            # What is written of the newest part is an older state of it.
            if key.first < self.first:
                yield Piece(key.period, key.period, self.reading.part(key).entries)
        if first_day <= self.day <= last_day and self.first <= self.sequence:
            yield Piece(self.day, self.day, to_entries(self._newest(cut)))

    def _newest(self, cut: Cut) -> Sums:
        if cut is Cut.ACCOUNTS:
            return self.accounts
        if cut is Cut.CELLS:
            return self.cells
        return added([self.cells], CUT_MASKS[cut])

    # --- spans of rows -------------------------------------------------------------

    def spans(self, after: int, last: int) -> list[PartKey]:
        """The parts of days that lie within a span of rows; they follow each other.

        Each by its key of the cut of accounts; the newest one, in memory, too.
        """
        found = [
            key
            for key in self.reading.keys(Level.DAY, Cut.ACCOUNTS)
            if after < key.first < self.first and self.reading.last(key) <= last
        ]
        if after < self.first <= self.sequence <= last:
            found.append(PartKey(Level.DAY, Cut.ACCOUNTS, self.day, self.first))
        return found

    def end(self, key: PartKey) -> int:
        """The last row of a part of days."""
        return self.sequence if key.first == self.first else self.reading.last(key)

    def of_part(self, key: PartKey, first_key: int, end_key: int) -> Sums:
        """Entries of a part of days, by their keys."""
        if key.first == self.first:
            sums = self._newest(key.cut)
        else:
            sums = self.reading.part(key).sums
        return sums.between(first_key, end_key)
