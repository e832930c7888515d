"""Events of many things, each thing's in the order of the journal.

A thing is known by a hash, a claim for one. `Timeline` gives each event a place, so
that the places of one thing's events stand together and ascend; then what came last
before an event is found by searching, for as many events as there are.
"""

from typing import Final

import numpy as np

from switch.audit.layout import U64, Index, Mask

NOWHERE: Final = -1
NEVER: Final = np.uint64(2**64 - 1)
"""The sequence of what has not happened."""


def joined(parts: list[U64]) -> U64:
    """One array of many, which are let go."""
    whole = np.concatenate(parts) if parts else np.empty(0, dtype=np.uint64)
    parts.clear()
    return whole


def repeated(hashes: U64) -> U64:
    """The values that occur more than once, ascending. Sorts in place."""
    hashes.sort()
    return distinct(hashes[1:][hashes[1:] == hashes[:-1]])


def distinct(values: U64) -> U64:
    """The values, each once, ascending: by sorting, which is faster than hashing."""
    values = np.sort(values)
    first = np.ones(len(values), dtype=np.bool_)
    np.not_equal(values[1:], values[:-1], out=first[1:])
    return values[first]


def among(values: U64, sorted_values: U64) -> Mask:
    """Which of `values` occur in `sorted_values`."""
    found: Mask = find(values, sorted_values) != NOWHERE
    return found


def find(values: U64, sorted_values: U64) -> Index:
    """Where each of `values` first stands in `sorted_values`; NOWHERE for none."""
    if not len(sorted_values):
        return np.full(len(values), NOWHERE, dtype=np.intp)
    at: Index = np.searchsorted(sorted_values, values)
    at[at == len(sorted_values)] = 0
    at[sorted_values[at] != values] = NOWHERE
    return at


class Timeline:
    """Places of events: things ascend, and of one thing the sequences."""

    def __init__(self, things: list[U64], sequences: list[U64]) -> None:
        """All things and all sequences that places will be asked of."""
        self._things = distinct(np.concatenate(things))
        self._sequences = distinct(np.concatenate(sequences))
        # Fewer than 2^32 events of fewer than 2^32 things: a place fits in 64 bits.
        self._each = np.uint64(len(self._sequences) + 1)

    def places(self, things: U64, sequences: U64) -> U64:
        """The places of events."""
        thing = np.searchsorted(self._things, things).astype(np.uint64)
        rank = np.searchsorted(self._sequences, sequences).astype(np.uint64)
        places: U64 = thing * self._each + rank
        return places

    def before(self, known: U64, places: U64) -> Index:
        """Where in `known`, places that ascend, the last of the same thing stands that
        is before each of `places`; NOWHERE if there is none.
        """
        return self.earlier(known, places, np.searchsorted(known, places) - 1)

    def earlier(self, known: U64, places: U64, at: Index) -> Index:
        """Those of `at` that are of the same thing as `places`, others NOWHERE."""
        if not len(known):
            return np.full(len(places), NOWHERE, dtype=np.intp)
        there = known[np.maximum(at, 0)]
        same = (at >= 0) & (there // self._each == places // self._each)
        found: Index = np.where(same, at, NOWHERE)
        return found
