"""The totals as everybody may read them: of days that have ended, in blocks.

May use `cube`, `publishing` and `register`. What is told follows from the rows up to
the end of the last day that is told, and from nothing else: what a row means is asked
of the register as it was when its month ended, so that a centre that moves, or a
service that goes to another department, changes nothing that was told.
"""

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from switch.codes import Record
from switch.errors import OverloadError
from switch.register.past import PastNames
from switch.register.register import Register
from switch.totals.cube import LOCK_WAIT_S, Cube
from switch.totals.figures import (
    FIGURE_MASK,
    SERVICE_BITS,
    SERVICE_MASK,
    SERVICE_SHIFT,
    WALLET_BITS,
    WALLET_MASK,
    WALLET_SHIFT,
    Cut,
    Figure,
    Level,
    month_of,
)
from switch.totals.months import month_days
from switch.totals.publishing import Of, PublicBy, Published, tables_of
from switch.totals.snapshot import Snapshot
from switch.totals.sums import Sums, added
from switch.totals.suppression import NOTHING, Sum

_FIGURES: Final = {
    Of.PAYMENTS: (Figure.PAID, Figure.POSTED, Figure.CORRECTED),
    Of.REFUNDS: (Figure.REFUNDED, Figure.UNDONE),
}
_CUTS: Final = {PublicBy.DEPARTMENT: Cut.SERVICES, PublicBy.DISTRICT: Cut.CENTRES}


@dataclass(frozen=True, slots=True)
class _Month:
    """What a month that has ended comes to."""

    by: Mapping[tuple[PublicBy, Of], Mapping[str, Sum]]
    names: Mapping[str, tuple[str, str]]


class PublicTotals:
    """Makes what is told, once for each day that has ended. Any thread may ask."""

    def __init__(self, cube: Cube, register: Register, names: PastNames) -> None:
        """Nothing is made before it is asked for."""
        self._cube, self._register, self._names = cube, register, names
        self._lock = threading.Lock()
        self._made: Published | None = None
        # Months that have ended never change.
        self._months: dict[int, _Month] = {}

    def read(self) -> Published:
        """All that may be told now.

        Raises OverloadError, CorruptionError, SpaceError as `Cube.snapshot`, and
        LookupError for a register that has lost what it had.
        """
        if not self._lock.acquire(timeout=LOCK_WAIT_S):
            raise OverloadError("what is told of the totals is being made; try again")
        try:
            with self._cube.snapshot() as snapshot:
                if self._made is None or self._made.day != snapshot.day:
                    self._register.refresh()
                    self._made = self._make(snapshot)
                return self._made
        finally:
            self._lock.release()

    def _make(self, snapshot: Snapshot) -> Published:
        days = _Days(snapshot)
        for month, end in days.months_ended():
            if month not in self._months:
                self._months[month] = self._month(snapshot, month, end)
        by_month = {month: one.by for month, one in self._months.items()}
        tables = tables_of(days.all, days.sums, by_month)
        for of, table in tables.items():
            if table.blocks:
                last = days.last_row(table.blocks[-1].last_day)
                timestamp = self._register.ledger.row(last).timestamp
                tables[of] = replace(table, sequence=last, timestamp=timestamp)
        names: dict[str, tuple[str, str]] = {}
        for month in sorted(self._months):
            names |= self._months[month].names
        return Published(snapshot.day, tables, names)

    # --- a month ---------------------------------------------------------------------

    def _month(self, snapshot: Snapshot, month: int, end: int) -> _Month:
        """What a month comes to by place, as the register was at its last row."""
        by: dict[tuple[PublicBy, Of], Mapping[str, Sum]] = {}
        names: dict[str, tuple[str, str]] = {}
        for what, cut in _CUTS.items():
            pieces = list(_month_sums(snapshot, month, cut))
            for of in Of:
                places: dict[str, Sum] = defaultdict(Sum)
                for index, one in _by_index(pieces, cut, of):
                    if what is PublicBy.DISTRICT:
                        code = self._district(index, end)
                    else:
                        code, name_bn = self._department(index, end)
                        names[code] = code, name_bn
                    places[code] = places[code].plus(one)
                by[what, of] = dict(places)
        return _Month(by, names)

    def _district(self, wallet: int, end: int) -> str:
        owner = self._register.participant(self._register.account(wallet).participant)
        if owner.sequence <= end:
            return owner.spec.district
        texts = self._names.texts(Record.PARTICIPANT, owner.index, end)
        return texts.get("district", "")

    def _department(self, index: int, end: int) -> tuple[str, str]:
        if not index:
            return "", ""
        service = self._register.service(index)
        if service.sequence <= end:
            return service.spec.department_en, service.spec.department_bn
        texts = self._names.texts(Record.SERVICE, index, end)
        return texts.get("department_en", ""), texts.get("department_bn", "")


class _Days:
    """The days that have ended: their last rows, and what they come to."""

    def __init__(self, snapshot: Snapshot) -> None:
        end = max(snapshot.day, 0)
        """The first day that has not ended."""
        keys = snapshot.reading.keys(Level.DAY, Cut.SERVICES, 0, end)
        self._last_rows = {key.period: snapshot.reading.last(key) for key in keys}
        self.all = range(min(self._last_rows, default=end), end)
        self.sums: dict[Of, dict[int, Sum]] = {of: defaultdict(Sum) for of in Of}
        for piece in snapshot.pieces(Cut.SERVICES, 0, end - 1, in_months=False):
            sums = piece.sums
            for of in Of:
                of_days = self.sums[of]
                of_days[piece.first_day] = of_days[piece.first_day].plus(
                    _whole(sums, of)
                )

    def months_ended(self) -> Iterator[tuple[int, int]]:
        """Months that have ended and have rows, and the last row of each."""
        ends = {month_of(day): self._last_rows[day] for day in sorted(self._last_rows)}
        for month, row in ends.items():
            if month_days(month)[1] < self.all.stop:
                yield month, row

    def last_row(self, day: int) -> int:
        """The last row of a day that has ended, or of one before it."""
        return max(row for at, row in self._last_rows.items() if at <= day)


def _month_sums(snapshot: Snapshot, month: int, cut: Cut) -> Iterator[Sums]:
    """All of a month that has ended: its own parts, or those of its days until then."""
    reading, (begin, end) = snapshot.reading, month_days(month)
    keys = reading.keys(Level.DAY, cut, begin, end + 1)
    if month < snapshot.sealed:
        keys = reading.keys(Level.MONTH, cut, month, month + 1)
    for key in keys:
        yield reading.part(key).sums


def _chosen(sums: Sums, of: Of) -> Sums:
    figures = (sums.keys & np.uint64(FIGURE_MASK)).astype(np.int64)
    return sums.part(np.isin(figures, _FIGURES[of]))


def _whole(sums: Sums, of: Of) -> Sum:
    found = added([_chosen(sums, of)], 0)
    return Sum(int(found.counts[0]), found.paise()[0]) if len(found) else NOTHING


def _by_index(pieces: Sequence[Sums], cut: Cut, of: Of) -> Iterator[tuple[int, Sum]]:
    """By service, or by wallet."""
    if cut is Cut.SERVICES:
        mask, shift, bits = SERVICE_MASK, SERVICE_SHIFT, SERVICE_BITS
    else:
        mask, shift, bits = WALLET_MASK, WALLET_SHIFT, WALLET_BITS
    found = added([_chosen(one, of) for one in pieces], mask)
    columns = zip(
        found.keys.tolist(), found.counts.tolist(), found.paise(), strict=True
    )
    for key, count, paise in columns:
        yield key >> shift & (1 << bits) - 1, Sum(count, paise)
