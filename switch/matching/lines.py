"""The two sides of a match as columns: what is here, and what is there.

Uses nothing of the product. An amount is whole paise from 1, a day the number of an IST
date. Columns of a million lines are some hundred megabytes, rows of Python would be
gigabytes.
"""

from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

KEY_MAX = 64
"""Bytes of a key: a reference has 32, as has an id in hexadecimal; a receipt 53."""
CHUNK = 65_536
"""Rows that are gathered before they become columns."""

Keys = npt.NDArray[np.bytes_]
Numbers = npt.NDArray[np.int64]
Days = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]
Places = npt.NDArray[np.intp]

_DTYPES: dict[str, npt.DTypeLike] = {
    # As long as the longest of those that are gathered.
    "key": np.bytes_,
    "receipt": np.bytes_,
    "refund": np.bool_,
    "amount": np.int64,
    "entry": np.int64,
    "payment": np.int64,
    "of": np.int64,
    "basket": np.int64,
}
"""Of the other columns int32: days, and places in tables of texts."""


@dataclass(frozen=True, slots=True)
class There:
    """Lines of a biller's list."""

    key: Keys
    refund: Mask
    amount: Numbers
    day: Days
    head: Days
    line: Days
    """In the file, from 1."""

    def __len__(self) -> int:
        return len(self.key)


@dataclass(frozen=True, slots=True)
class Here:
    """Lines of the ledger's scrolls."""

    key: Keys
    refund: Mask
    amount: Numbers
    day: Days
    """The accounting date."""
    made: Days
    """The day on which the payment was made."""
    head: Days
    entry: Numbers
    payment: Numbers
    of: Numbers
    """Of a refund the entry that it gives back."""
    basket: Numbers
    """Of a payment in a basket the number of its first, else 0."""
    receipt: Keys
    centre: Days
    service: Days
    scroll: Days
    line: Days

    def __len__(self) -> int:
        return len(self.key)


Side = TypeVar("Side", Here, There)


@dataclass(slots=True)
class Texts:
    """Texts that many lines share, each by its place."""

    texts: list[str] = field(default_factory=list)
    _places: dict[str, int] = field(default_factory=dict)

    def place(self, text: str) -> int:
        """Where it is; it is added if it is new."""
        found = self._places.get(text)
        if found is None:
            found = self._places[text] = len(self.texts)
            self.texts.append(text)
        return found


class Gathered:
    """Rows on their way to columns."""

    def __init__(self, kind: type[Here] | type[There]) -> None:
        self._kind = kind
        self._names = list(kind.__dataclass_fields__)
        self._rows: list[tuple[Any, ...]] = []
        self._parts: list[list[npt.NDArray[Any]]] = [[] for _ in self._names]
        self.count = 0

    def add(self, row: tuple[Any, ...]) -> None:
        """One more, in the order of the columns."""
        self._rows.append(row)
        self.count += 1
        if len(self._rows) >= CHUNK:
            self._flush()

    def _flush(self) -> None:
        columns = (
            zip(*self._rows, strict=True) if self._rows else [[]] * len(self._parts)
        )
        for name, part, values in zip(self._names, self._parts, columns, strict=True):
            part.append(np.array(values, _DTYPES.get(name, np.int32)))
        self._rows.clear()

    def columns(self) -> Any:
        """All of them."""
        self._flush()
        made = [np.concatenate(part) for part in self._parts]
        self._parts = [[] for _ in self._names]
        return self._kind(*made)


def pick(side: Side, which: Places | Mask) -> Side:
    """Some of the lines."""
    names = type(side).__dataclass_fields__
    return type(side)(*(getattr(side, name)[which] for name in names))


def join(sides: list[Side]) -> Side:
    """The lines of several, one behind the other."""
    kind = type(sides[0])
    return kind(
        *(
            np.concatenate([getattr(side, name) for side in sides])
            for name in kind.__dataclass_fields__
        )
    )


def with_keys(side: Here, keys: Keys) -> Here:
    """The same lines by other keys."""
    return replace(side, key=keys)


_LOW = np.int64(0xFFFF_FFFF)


def exact_sum(amounts: Numbers) -> int:
    """Of any amounts, also below zero: their halves do not overflow."""
    high = int((amounts >> np.int64(32)).sum(dtype=np.int64))
    return (high << 32) + int((amounts & _LOW).sum(dtype=np.int64))


def sums_by(places: Days, amounts: Numbers, count: int) -> list[int]:
    """The sum of the amounts of each place, exact."""
    order = np.argsort(places, kind="stable")
    bounds = np.searchsorted(places[order], np.arange(count + 1))
    sorted_amounts = amounts[order]
    return [
        exact_sum(sorted_amounts[bounds[at] : bounds[at + 1]]) for at in range(count)
    ]
