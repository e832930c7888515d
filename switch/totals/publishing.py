"""The tables that everybody may read: what they are made of, and their lines.

May use `suppression`. It knows no store: sums of days, and of months by place, come in,
and only sums of blocks go out.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, NamedTuple

from switch.calendar import (
    date_financial_year,
    day_date,
    format_financial_year,
    format_month,
)
from switch.totals.figures import month_of
from switch.totals.suppression import (
    NOTHING,
    Block,
    Parts,
    Sum,
    parts,
    periods,
    released,
)


class PublicBy(IntEnum):
    """What a line is of; the numbers are the wire's."""

    YEAR = 1
    MONTH = 2
    DAY = 3
    DEPARTMENT = 4
    DISTRICT = 5


class Of(IntEnum):
    """What is counted; the numbers are the wire's."""

    PAYMENTS = 1
    """Completed: paid, posted, or paid after all."""
    REFUNDS = 2


BY_PLACE: Final = (PublicBy.DEPARTMENT, PublicBy.DISTRICT)
"""Lines of months that have ended."""
Months = Mapping[int, Mapping[tuple[PublicBy, Of], Mapping[str, Sum]]]
"""What each month that has ended comes to, by the codes of its places."""


class Line(NamedTuple):
    """One line of a table: a sum of blocks."""

    first_day: int
    last_day: int
    code: str
    sum: Sum
    name_en: str = ""
    name_bn: str = ""
    is_others: bool = False
    spans: int = 0
    """Of a place: periods that are summed; of time 0."""
    told: int = 0
    """In so many of them it is told singly."""


@dataclass(frozen=True, slots=True)
class Table:
    """What is told of payments, or of refunds."""

    sequence: int = 0
    """The last row of the last day that is told; 0 if none is."""
    timestamp: int = 0
    blocks: Sequence[Block] = ()
    periods: Sequence[Block] = ()
    by: Mapping[PublicBy, Sequence[Parts]] = field(default_factory=dict)
    """For each period."""


def tables_of(
    days: range, sums: Mapping[Of, Mapping[int, Sum]], months: Months
) -> dict[Of, Table]:
    """What may be told of days that have ended, from the first one on.

    `months` has all that have ended and have rows. A block of refunds is made of whole
    blocks of payments: so what was told up to the end of the one says nothing of days
    inside of the other.
    """
    units = [Block(day, day, NOTHING) for day in days]
    tables = {}
    for of in Of:
        units = released([_counted(one, sums[of]) for one in units])
        whole = periods(units)
        by = {by: _parts(by, of, whole, months) for by in BY_PLACE}
        tables[of] = Table(blocks=units, periods=whole, by=by)
    return tables


def _counted(unit: Block, sums: Mapping[int, Sum]) -> Block:
    found = NOTHING
    for day in range(unit.first_day, unit.last_day + 1):
        found = found.plus(sums.get(day, NOTHING))
    return unit._replace(sum=found)


def _parts(by: PublicBy, of: Of, whole: Iterable[Block], months: Months) -> list[Parts]:
    ranks: dict[str, int] = defaultdict(int)
    found = []
    for period in whole:
        sums: dict[str, Sum] = defaultdict(Sum)
        for month in range(month_of(period.first_day), month_of(period.last_day) + 1):
            if month in months:
                for code, one in months[month][by, of].items():
                    sums[code] = sums[code].plus(one)
        assert sum(one.count for one in sums.values()) == period.sum.count
        told = parts(sums, ranks)
        # Of what was told alone: what was hidden has no part in what is.
        for code, one in told.shown.items():
            ranks[code] += one.count
        found.append(told)
    return found


@dataclass(frozen=True, slots=True)
class Published:
    """All that is told, until another day has ended."""

    day: int
    """The newest row's, which has not ended."""
    tables: Mapping[Of, Table]
    names: Mapping[str, tuple[str, str]]
    """Of departments, the newest ones."""

    def lines(self, by: PublicBy, of: Of, first_day: int, last_day: int) -> list[Line]:
        """The lines of the blocks that lie within these days."""
        table = self.tables[of]
        if by in BY_PLACE:
            return self._of_places(table, by, first_day, last_day)
        return list(_of_times(table, by, first_day, last_day))

    def _of_places(
        self, table: Table, by: PublicBy, first_day: int, last_day: int
    ) -> list[Line]:
        chosen = [
            (period, of_period)
            for period, of_period in zip(table.periods, table.by[by], strict=True)
            if first_day <= period.first_day and period.last_day <= last_day
        ]
        if not chosen:
            return []
        sums: dict[str, Sum] = defaultdict(Sum)
        told: dict[str, int] = defaultdict(int)
        others, with_others = NOTHING, 0
        for _, of_period in chosen:
            for code, one in of_period.shown.items():
                sums[code] = sums[code].plus(one)
                told[code] += 1
            others = others.plus(of_period.others)
            with_others += of_period.others != NOTHING
        begin, end, spans = chosen[0][0].first_day, chosen[-1][0].last_day, len(chosen)
        lines = []
        for code in sorted(sums):
            names = ("", "")
            if by is PublicBy.DEPARTMENT:
                names = self.names.get(code, names)
            sum_, of_them = sums[code], told[code]
            lines.append(
                Line(begin, end, code, sum_, *names, spans=spans, told=of_them)
            )
        if others.count:
            lines.append(
                Line(
                    *(begin, end, "", others),
                    is_others=True,
                    spans=spans,
                    told=with_others,
                )
            )
        return lines


def _of_times(
    table: Table, by: PublicBy, first_day: int, last_day: int
) -> Iterator[Line]:
    """Blocks that end in the same day, month or year are one line."""
    line: Line | None = None
    for block in table.blocks:
        if block.first_day < first_day or block.last_day > last_day:
            continue
        code = _time_code(by, block.last_day)
        if line is not None and line.code == code:
            line = line._replace(last_day=block.last_day, sum=line.sum.plus(block.sum))
            continue
        if line is not None:
            yield line
        line = Line(block.first_day, block.last_day, code, block.sum)
    if line is not None:
        yield line


def _time_code(by: PublicBy, day: int) -> str:
    if by is PublicBy.DAY:
        return day_date(day).isoformat()
    if by is PublicBy.MONTH:
        return format_month(month_of(day))
    return format_financial_year(date_financial_year(day_date(day)))
