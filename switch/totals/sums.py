"""Counts and sums of paise by a key of 64 bits, in NumPy columns.

Sums are exact: an amount is two columns, `low` below 2^32 and `high` of what is above,
so that columns of up to 2^31 entries are added without overflow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]
Entries = npt.NDArray[np.void]
"""Of dtype ENTRY, ascending by key, no key twice."""

ENTRY: Final = np.dtype(
    [("key", "<u8"), ("count", "<u8"), ("paise", "<u8"), ("paise_high", "<u8")]
)
"""One entry as it is stored: `paise` and `paise_high` are a number of 128 bits."""
PILE_LEAST: Final = 1 << 17
"""Entries that a pile gathers at least before it adds them up."""

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


def added(parts: Sequence[Sums], mask: int | None = None) -> Sums:
    """Several as one; with `mask` by what it leaves of their keys."""
    parts = [one for one in parts if len(one)]
    if not parts:
        return NOTHING
    if len(parts) == 1 and mask is None:
        return parts[0]
    keys = np.concatenate([one.keys for one in parts])
    if mask is not None:
        keys &= np.uint64(mask)
    # Of sorted parts a stable sort is a merge.
    order = np.argsort(keys, kind="stable" if mask is None else None)
    keys = keys[order]
    starts = _starts(keys)
    counts, low, high = (
        np.add.reduceat(np.concatenate(columns)[order], starts)
        for columns in (
            [one.counts for one in parts],
            [one.low for one in parts],
            [one.high for one in parts],
        )
    )
    return Sums(keys[starts], counts, low & LOW, high + (low >> HALF))


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
        self._whole = whole
        self._more: list[Sums] = []
        self._waiting = 0

    def add(self, sums: Sums) -> None:
        """Add these; their cost is that of sorting what waits, now and then."""
        if not len(sums):
            return
        self._more.append(sums)
        self._waiting += len(sums)
        if self._waiting >= max(PILE_LEAST, len(self._whole)):
            self.whole()

    def whole(self) -> Sums:
        """All of it."""
        if self._more:
            self._whole = added([self._whole, *self._more])
            self._more, self._waiting = [], 0
        return self._whole

    @property
    def size_most(self) -> int:
        """As many keys as it may have, or fewer."""
        return len(self._whole) + self._waiting


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
