"""Payments of one biller that nobody has decided in time, kept or unverified, as lines.

May use the lines. There is no bound on how many they become, and they come in the
order of their deadlines: they are found by an order that is made when it is needed, and
looked through only when some of them may be due, so that however many there are cost
those that wait for their biller nothing.
"""

from enum import IntEnum

import numpy as np

from switch.billing.lines import (
    Counts,
    Lines,
    Mask,
    Numbers,
    Parts,
    Places,
    State,
    Times,
)


class Because(IntEnum):
    """Why a line is here; the greater of two counts."""

    KEPT = 1
    """The money is reserved: its deadline has kept it, or the amounts differ."""
    UNVERIFIED = 2
    """The money is back, and the biller has not said that it has no credit."""


class Undecided(Lines):
    """Asked for their status alone, and more and more rarely."""

    def __init__(self) -> None:
        # Places by ascending number; None while it is not known.
        self._order: Places | None = None
        # No line that rests is due before.
        self._soonest = np.inf
        super().__init__()

    def _allocate(self, capacity: int) -> None:
        super()._allocate(capacity)
        self._because = np.zeros(capacity, np.uint8)
        self._credited = np.zeros(capacity, np.bool_)

    def _search(self, numbers: Numbers) -> Places:
        if self._order is None:
            # Mostly arranged already, which this sort makes use of.
            self._order = np.argsort(self._number[: self._count], kind="stable")
        order = self._order
        found = np.searchsorted(self._number[: self._count], numbers, sorter=order)
        places: Places = order[np.minimum(found, self._count - 1)]
        return places

    # --- what there is -----------------------------------------------------------

    def payments(self, because: Because) -> int:
        """How many there are, those of baskets one by one."""
        mine = self._because[: self._count] == because
        return int(self._open[: self._count][mine].sum(dtype=np.int64))

    def credited(self, places: Places) -> Mask:
        """Whether the biller says of each that it has credited it."""
        return self._credited[places]

    def resting(self, now: float) -> Places:
        """The places to be asked about now, who has waited longest first."""
        if now < self._soonest:
            return np.zeros(0, np.int64)
        places = self.places(State.UNKNOWN)
        times = self._at[places]
        self._soonest = float(times.min(initial=np.inf))
        due = times <= now
        found: Places = places[due][np.argsort(times[due], kind="stable")]
        return found

    # --- how it changes ----------------------------------------------------------

    def add(self, parts: Parts, because: Because, at: Times) -> None:
        """Lines that rest until `at`, or more payments of those that are here."""
        places = self.find(parts.numbers)
        here = places >= 0
        self._open[places[here]] += parts.opens[here]
        self.turn(places[here], because)
        new = self._append(parts.some(~here), State.UNKNOWN)
        self._order = None
        self._because[new] = because
        self.rest(new, at[~here])

    @staticmethod
    def _tally(places: Places) -> tuple[Places, Counts]:
        # They may lie anywhere.
        changed, counts = np.unique(places, return_counts=True)
        return changed, counts.astype(np.uint8)

    def turn(self, places: Places, because: Because) -> None:
        """They are here for this as well."""
        self._because[places] = np.maximum(self._because[places], because)

    def rest(self, places: Places, at: Times | float) -> None:
        """Ask for their status at `at`."""
        self._state[places] = State.UNKNOWN
        self._at[places] = at
        self._soonest = min(self._soonest, float(np.min(at, initial=np.inf)))

    def ask(self, places: Places, connection: int, now: float, until: float) -> None:
        """A question about each goes out; an answer is waited for until `until`."""
        self._calls[places] += 1
        self._state[places] = State.CHECKING
        self._connection[places] = connection
        self._asked[places] = now
        self._at[places] = until

    def claim(self, places: Places) -> None:
        """The biller says that it has credited them."""
        self._credited[places] = True
