"""Months as periods of parts, and the parts of one that has ended.

May use `store` and `sums`.
"""

import datetime as dt
from collections.abc import Iterator

from switch.totals.figures import CUTS, MONTHS, Cut, Level
from switch.totals.store import Part, PartKey, Reading
from switch.totals.sums import Pile, to_entries

_EPOCH = dt.date(1970, 1, 1)


def month_days(month: int) -> tuple[int, int]:
    """The first and the last day of a month."""
    return _first_day(month), _first_day(month + 1) - 1


def _first_day(month: int) -> int:
    year, before = divmod(month, MONTHS)
    return (dt.date(year, before + 1, 1) - _EPOCH).days


def month_parts(
    reading: Reading, month: int, entries_max: int
) -> Iterator[tuple[PartKey, Part]]:
    """The parts of a month, from those of its days: of about so many entries each."""
    begin, end = month_days(month)
    for cut in CUTS[Level.MONTH]:
        pile, first, last = Pile(), 0, 0
        for key in list(reading.keys(Level.DAY, cut, begin, end + 1)):
            part = reading.part(key)
            first, last = first or key.first, part.last
            pile.add(part.sums)
            if len(pile) >= entries_max:
                yield _part(cut, month, first, last, pile)
                pile, first = Pile(), 0
        if first:
            yield _part(cut, month, first, last, pile)


def _part(
    cut: Cut, month: int, first: int, last: int, pile: Pile
) -> tuple[PartKey, Part]:
    key = PartKey(Level.MONTH, cut, month, first)
    return key, Part(last, to_entries(pile.whole()))
