"""What is told of the totals: lines by time, place or what was paid for.

May use `cube`, `groups` and `register`. Everything is exact, at one sequence.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from switch.calendar import (
    date_financial_year,
    day_date,
    format_financial_year,
    format_month,
)
from switch.errors import OverloadError, SwitchError
from switch.totals.cube import Cube
from switch.totals.figures import (
    FIGURE_BITS,
    HEAD_SHIFT,
    SERVICE_BITS,
    SERVICE_SHIFT,
    TELLS,
    WALLET_BITS,
    WALLET_SHIFT,
    Cut,
    month_of,
)
from switch.totals.groups import (
    LINES_MAX,
    OF_CENTRES,
    OF_HEADS,
    TIMES,
    By,
    GroupMaker,
    Groups,
    Label,
    cut_of,
)
from switch.totals.snapshot import Piece, Snapshot
from switch.totals.sums import HALF, LOW, U64, Entries

DAY_LAST: Final = 65_535
"""The last day of all: 2149-06-06."""
FIGURES: Final = 1 << FIGURE_BITS
EXACT: Final = 1 << 53
"""Whole numbers below it are exact in a double."""
GATHER_LEAST: Final = 1 << 12
"""Entries that are added up together, or more."""
GATHER_ENTRIES: Final = 1 << 20
"""Entries that are added up at a time: sums of their 32-bit halves are exact in a
double."""
TRIES: Final = 8
"""How often it is begun again because the register was changed meanwhile."""

Numbers = npt.NDArray[Any]
"""Of 64 bits with a sign, or objects where these are too few."""


class TooManyLinesError(SwitchError):
    """The answer would have more than LINES_MAX lines."""


class Wanted(NamedTuple):
    """What is asked for: days from the first to the last, both included."""

    by: By = By.NOTHING
    first_day: int = 0
    last_day: int = DAY_LAST
    biller: int = 0
    """Participant index: only what was paid to it; 0: all."""


class Column(NamedTuple):
    """How many, and what they come to in paise, for each line."""

    counts: list[int]
    paise: list[int]


@dataclass(frozen=True, slots=True)
class Answer:
    """Lines, and what all of them come to together; as of a row."""

    sequence: int
    timestamp: int
    labels: list[Label]
    lines: dict[str, Column]
    """By the names of TELLS: for each label."""
    whole: dict[str, Column]
    """Likewise, of one line."""


def ask(cube: Cube, maker: GroupMaker, wanted: Wanted) -> Answer:
    """The totals as they are now.

    Raises OverloadError, CorruptionError, SpaceError as `Cube.snapshot`, and
    TooManyLinesError.
    """
    for _ in range(TRIES):
        with cube.snapshot() as snapshot:
            # Nothing is said of what is behind the snapshot, nor less than there is.
            groups = maker.groups(wanted.by)
            if groups.newest > snapshot.sequence:
                continue
            if len(groups.labels) > LINES_MAX:
                raise TooManyLinesError(f"there would be more than {LINES_MAX:,} lines")
            heads = maker.heads_of(wanted.biller) if wanted.biller else None
            return _answer(snapshot, groups, heads, wanted)
    raise OverloadError("the register is being changed; try again")


def _answer(
    snapshot: Snapshot, groups: Groups, heads: frozenset[int] | None, wanted: Wanted
) -> Answer:
    adder = _Adder(groups, heads, wanted)
    in_months = wanted.by is not By.DAY
    for piece in snapshot.pieces(
        adder.cut, wanted.first_day, wanted.last_day, in_months=in_months
    ):
        adder.add(piece)
    labels, within, before = adder.finish()
    lines, chosen = _told(within, before, by_time=wanted.by in TIMES)
    if wanted.by is By.NOTHING:
        chosen[:] = False
    whole, _ = _told(
        within.sum(axis=1, keepdims=True), before.sum(axis=1, keepdims=True)
    )
    return Answer(
        snapshot.sequence,
        snapshot.timestamp,
        [labels[at] for at in np.flatnonzero(chosen).tolist()],
        {name: _column(both, chosen) for name, both in lines.items()},
        {name: _column(both, np.ones(1, np.bool_)) for name, both in whole.items()},
    )


# --- adding up -----------------------------------------------------------------------


class _Adder:
    """Sums of pieces by line and figure, of the period and of what came before it."""

    def __init__(
        self, groups: Groups, heads: frozenset[int] | None, wanted: Wanted
    ) -> None:
        self._groups, self._heads, self._wanted = groups, heads, wanted
        self.cut = cut_of(wanted.by, of_some_heads=heads is not None)
        self._times: dict[int, int] = {}
        self._waiting: list[tuple[bool, int, U64]] = []
        """Of the days before or not, where its line begins, its words."""
        self._size = 0
        self._begins = groups.places * FIGURES
        # Counts; paise by 1, by 2^32 and by 2^64; for each line and figure.
        self._sums = {
            is_before: np.zeros((4, len(groups.labels) * FIGURES), np.uint64)
            for is_before in (True, False)
        }

    def add(self, piece: Piece) -> None:
        """Count a piece, in the order of days."""
        is_before = piece.last_day < self._wanted.first_day
        entries = piece.entries
        if self._heads is not None:
            entries = _of_heads(entries, self._heads)
        # As plain numbers: of structures the fields would be compared each time.
        words = entries.view(np.uint64).reshape(-1, 4)
        self._waiting.append((is_before, self._begin(is_before, piece), words))
        self._size += len(words)
        # Together with others, or what is added to is larger than what is added.
        if self._size >= max(GATHER_LEAST, self._sums[is_before].shape[1]):
            self._flush()

    def _begin(self, is_before: bool, piece: Piece) -> int:
        """Where the line of all entries of a piece begins, if they have one."""
        by = self._wanted.by
        if by not in TIMES or is_before:
            return 0
        time = _time_of(by, piece.first_day)
        return FIGURES * self._times.setdefault(time, len(self._times))

    def _places(self, keys: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The place of each entry, where its piece begins at 0."""
        by = self._wanted.by
        places = keys & (FIGURES - 1)
        if by is By.NOTHING or by in TIMES:
            return places
        if by in OF_CENTRES:
            shift, bits = WALLET_SHIFT, WALLET_BITS
        elif by in OF_HEADS:
            shift, bits = HEAD_SHIFT, WALLET_BITS
        else:
            shift, bits = SERVICE_SHIFT, SERVICE_BITS
        indices = keys >> shift
        if self.cut is not Cut.CENTRES:
            indices &= (1 << bits) - 1
        places += self._begins[indices]
        return places

    def _flush(self) -> None:
        for is_before in (True, False):
            some = [one for one in self._waiting if one[0] is is_before]
            if not some:
                continue
            words = [one[2] for one in some]
            # Keys have less than 63 bits.
            places = self._places(_column_of(words, 0).view(np.int64))
            sums = self._sums[is_before]
            size = sums.shape[1]
            if any(begin for _, begin, _ in some):
                begins = [begin for _, begin, _ in some]
                places += np.repeat(begins, [len(one) for one in words])
                size = max(size, max(begins) + FIGURES)
            if size > sums.shape[1]:
                grown = np.zeros((4, size), np.uint64)
                grown[:, : sums.shape[1]] = sums
                self._sums[is_before] = sums = grown
            _add_up(sums, places, words)
        self._waiting, self._size = [], 0

    def finish(self) -> tuple[Sequence[Label], Numbers, Numbers]:
        """Labels; of the period, and of what came before, (2, lines, figures)."""
        self._flush()
        within, before = _exact(self._sums[False]), _exact(self._sums[True])
        by = self._wanted.by
        if by not in TIMES:
            return self._groups.labels, within, before
        return [_time_label(by, time) for time in self._times], within, before


def _of_heads(entries: Entries, heads: frozenset[int]) -> Entries:
    """Those of some heads, which stand together."""
    if not heads:
        return entries[:0]
    least, most = min(heads), max(heads)
    bounds = np.array([least << HEAD_SHIFT, most + 1 << HEAD_SHIFT], np.uint64)
    begin, end = np.searchsorted(entries["key"], bounds).tolist()
    entries = entries[begin:end]
    if len(heads) == most - least + 1:
        return entries
    known = np.array(sorted(heads), np.uint64)
    return entries[np.isin(entries["key"] >> np.uint64(HEAD_SHIFT), known)]


def _column_of(words: list[U64], at: int) -> U64:
    """One word of each entry, side by side: entries are added up column by column."""
    return np.concatenate([one[:, at] for one in words])


def _add_up(sums: U64, places: npt.NDArray[np.int64], words: list[U64]) -> None:
    """Add entries, their words, to `sums` at their places. What `bincount` adds is
    exact as long as all of it stays below 2^53.
    """
    size = sums.shape[1]

    def by_place(values: npt.NDArray[Any]) -> U64:
        if len(values) <= GATHER_ENTRIES:
            return np.bincount(places, values, size).astype(np.uint64)
        found = np.zeros(size, np.uint64)
        for first in range(0, len(values), GATHER_ENTRIES):
            some = slice(first, first + GATHER_ENTRIES)
            found += np.bincount(places[some], values[some], size).astype(np.uint64)
        return found

    # No more rows than a sequence can name.
    sums[0] += by_place(_column_of(words, 1).astype(np.float64))
    paise = _column_of(words, 2)
    has_above = any(one[:, 3].any() for one in words)
    most = int(paise.max(initial=0))
    if not has_above and most * min(len(paise), GATHER_ENTRIES) < EXACT:
        found = by_place(paise.astype(np.float64))
        sums[1] += found & LOW
        sums[2] += found >> HALF
        return
    # Halves of 32 bits, of GATHER_ENTRIES at a time.
    above = _column_of(words, 3)
    sums[1] += by_place((paise & LOW).astype(np.float64))
    sums[2] += by_place((paise >> HALF).astype(np.float64))
    sums[3] += by_place((above & LOW).astype(np.float64))
    sums[3] += by_place((above >> HALF).astype(np.float64)) << HALF


def _exact(sums: U64) -> Numbers:
    """Counts and paise as (2, lines, figures): in 64 bits where these are enough."""
    counts, low, middle, high = sums
    # So that all lines, of the period and before it, come to less than 2^63.
    if high.any() or int(middle.sum()) >= 1 << 29:
        wide = [one.astype(object) for one in (counts, low, middle, high)]
        paise = wide[1] + (wide[2] << 32) + (wide[3] << 64)
        found = np.array([wide[0], paise], object)
    else:
        paise = low + (middle << HALF)
        found = np.array([counts, paise]).astype(np.int64)
    return found.reshape(2, -1, FIGURES)


def _time_of(by: By, day: int) -> int:
    if by is By.DAY:
        return day
    if by is By.MONTH:
        return month_of(day)
    return date_financial_year(day_date(day))


def _time_label(by: By, time: int) -> Label:
    if by is By.DAY:
        return Label(day_date(time).isoformat())
    if by is By.MONTH:
        return Label(format_month(time))
    return Label(format_financial_year(time))


# --- telling -------------------------------------------------------------------------

_Told = dict[str, Numbers]


def _told(
    within: Numbers, before: Numbers, *, by_time: bool = False
) -> tuple[_Told, npt.NDArray[np.bool_]]:
    """What is told of each line, (2, lines); and which lines say anything."""
    until = before + (np.cumsum(within, axis=1) if by_time else within)
    lines: _Told = {}
    for name, tell in TELLS.items():
        of = until if tell.is_standing else within
        # Figure by figure: to choose them together would copy them first.
        told = of[:, :, tell.adds[0]].copy()
        for figure in tell.adds[1:]:
            told += of[:, :, figure]
        for figure in tell.takes:
            told -= of[:, :, figure]
        lines[name] = told
    chosen = (within != 0).any(axis=(0, 2))
    if not by_time:
        for name, tell in TELLS.items():
            if tell.is_standing:
                chosen |= (lines[name] != 0).any(axis=0)
    return lines, chosen.astype(np.bool_)


def _column(both: Numbers, chosen: npt.NDArray[np.bool_]) -> Column:
    counts, paise = both[:, chosen].tolist()
    return Column(counts, paise)
