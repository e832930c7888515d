"""Counts and sums of paise by a key of 64 bits, in NumPy columns.

Sums are exact: an amount is two columns, `low` below 2^32 and `high` of what is above,
so that columns of up to 2^31 entries are added without overflow. May use the core.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from switch._core import Rows
from switch.totals._sums import Tally

U64 = npt.NDArray[np.uint64]
Entries = npt.NDArray[np.void]
"""Of dtype ENTRY, ascending by key, no key twice."""

ENTRY: Final = np.dtype(
    [("key", "<u8"), ("count", "<u8"), ("paise", "<u8"), ("paise_high", "<u8")]
)
"""One entry as it is stored: `paise` and `paise_high` are a number of 128 bits."""
LOW: Final = np.uint64(0xFFFFFFFF)
HALF: Final = np.uint64(32)


@dataclass(frozen=True, slots=True)
class Sums:
    """Ascending by key, no key twice. The columns are never changed."""

    keys: U64
    counts: U64
    low: U64
    """Below 2^32; the paise are `low` + 2^32 × `high`."""
    high: U64

    def __len__(self) -> int:
        """How many keys there are."""
        return len(self.keys)

    def part(self, chosen: slice | npt.NDArray[np.bool_]) -> Self:
        """Some of them, in the same order."""
        columns = (self.keys, self.counts, self.low, self.high)
        return type(self)(*(column[chosen] for column in columns))

    def between(self, first: int, end: int) -> Self:
        """Those with keys from `first` on and below `end`."""
        bounds = np.array([first, end], np.uint64)
        at, to = np.searchsorted(self.keys, bounds).tolist()
        return self.part(slice(at, to))

    def paise(self) -> list[int]:
        """The amount of each."""
        pairs = zip(self.low.tolist(), self.high.tolist(), strict=True)
        return [low + (high << 32) for low, high in pairs]


_NONE = np.zeros(0, np.uint64)
NOTHING: Final = Sums(_NONE, _NONE, _NONE, _NONE)


def rows_by(keys: U64, *amounts: U64) -> list[Sums]:
    """Rows summed by key: one `Sums` for each column of amounts, all with its keys."""
    if not len(keys):
        return [NOTHING] * len(amounts)
    order = np.argsort(keys)
    keys = keys[order]
    starts = _starts(keys)
    counts = np.diff(np.append(starts, len(keys))).astype(np.uint64)
    found = []
    for column in amounts:
        column = column[order]
        low = np.add.reduceat(column & LOW, starts)
        high = column >> HALF
        high = np.add.reduceat(high, starts) if high.any() else np.zeros_like(low)
        found.append(Sums(keys[starts], counts, low & LOW, high + (low >> HALF)))
    return found


def _starts(keys: U64) -> npt.NDArray[np.intp]:
    """Where each key begins."""
    is_new = np.empty(len(keys), np.bool_)
    is_new[0] = True
    np.not_equal(keys[1:], keys[:-1], out=is_new[1:])
    return np.flatnonzero(is_new)


class Pile:
    """Sums that grow."""

    def __init__(self, whole: Sums = NOTHING) -> None:
        """Begins with what is there."""
        self._tally = Tally()
        self._whole: Sums | None = whole
        self._tally.add(whole.keys, whole.counts, whole.low, whole.high)

    def add(self, sums: Sums, mask: int | None = None) -> None:
        """Add these; with `mask` by what it leaves of their keys."""
        if len(sums):
            keys = sums.keys if mask is None else sums.keys & np.uint64(mask)
            self._whole = None
            self._tally.add(keys, sums.counts, sums.low, sums.high)

    def add_paid(self, rows: Rows) -> bool:
        """Add the cells of payments that are done at once, all of them: a full switch
        has hardly any others. False, and nothing is added, if one of the rows is none.
        """
        is_added = self._tally.add_paid(rows)
        if is_added:
            self._whole = None
        return is_added

    def whole(self) -> Sums:
        """All of it: sorted now, if anything was added since it was asked for last."""
        if self._whole is None:
            columns = self._tally.columns()
            order = np.argsort(columns[0])
            self._whole = Sums(*(column[order] for column in columns))
        return self._whole

    def __len__(self) -> int:
        """How many keys there are."""
        return len(self._tally)


def added(parts: Iterable[Sums], mask: int | None = None) -> Sums:
    """Several as one; with `mask` by what it leaves of their keys."""
    pile = Pile()
    for one in parts:
        pile.add(one, mask)
    return pile.whole()


# --- as it is stored -----------------------------------------------------------------


def to_entries(sums: Sums) -> Entries:
    """An ENTRY for each key."""
    packed = np.empty(len(sums), ENTRY)
    packed["key"], packed["count"] = sums.keys, sums.counts
    packed["paise"] = sums.low | (sums.high << HALF)
    packed["paise_high"] = sums.high >> HALF
    return packed


def from_entries(packed: Entries) -> Sums:
    """What `to_entries` was given."""
    paise, above = packed["paise"], packed["paise_high"]
    # Columns of their own: what is added up is read many times.
    return Sums(
        packed["key"].copy(),
        packed["count"].copy(),
        paise & LOW,
        (paise >> HALF) | (above << HALF),
    )
