"""The open holds of one biller before their deadline: what waits, is asked, is unknown.

May use its lines. They are in the ledger's order, which is that of their numbers. What
is done for each group and each message is in `_hot`, in C, over the same columns.
"""

import numpy as np
import numpy.typing as npt

from switch.billing._hot import Columns
from switch.billing.lines import (
    NEVER,
    Lines,
    Mask,
    Numbers,
    Parts,
    Places,
    State,
    Times,
)


class Table(Columns, Lines):
    """Holds that a biller is to credit."""

    def _allocate(self, capacity: int) -> None:
        super()._allocate(capacity)
        self._doubt = np.zeros(capacity, np.bool_)
        self._offered = np.zeros(capacity, np.bool_)
        self._free = np.zeros(capacity, np.bool_)
        self._confirm_until = np.zeros(capacity, np.uint64)
        self._confirms = np.zeros(capacity, np.uint16)
        self._bind()

    def _search(self, numbers: Numbers) -> Places:
        known = self._number[: self._count]
        found = np.searchsorted(known, numbers)
        places: Places = np.minimum(found, self._count - 1)
        return places

    # --- what there is -----------------------------------------------------------

    def timely(self, places: Places, wall_ns: int, skew_ns: int = 0) -> Mask:
        """Which of them may still be confirmed.

        `wall_ns` is the wall clock's time, `skew_ns` how much the biller's differs.
        """
        timely: Mask = self._confirm_until[places] > wall_ns
        if skew_ns:
            # Until it is final a clock may be wrong.
            tolerated = self._final_from[places] - self._credit_until[places]
            timely &= tolerated >= skew_ns
        return timely

    def too_late(self, wall_ns: int) -> Places:
        """The places that wait, have been offered, and may not be confirmed now."""
        places: Places = np.flatnonzero((self.state == State.WAITING) & self.offered)
        found: Places = places[self._confirm_until[places] <= wall_ns]
        return found

    def not_offered(self, wall_ns: int) -> Places:
        """The places that wait, were never offered, and must not be credited now."""
        places: Places = np.flatnonzero((self.state == State.WAITING) & ~self.offered)
        found: Places = places[self._credit_until[places] <= wall_ns]
        return found

    def confirms(self, places: Places) -> npt.NDArray[np.uint16]:
        """How often each was asked to be confirmed."""
        return self._confirms[places]

    def in_doubt(self, places: Places) -> Mask:
        """Whether each has ever been unknown."""
        return self._doubt[places]

    @property
    def offered(self) -> Mask:
        """Whether the biller may have heard of each, of all lines, by place."""
        return self._offered[: self._count]

    def free(self, places: Places) -> Mask:
        """Whether the next question for the status of each is outside the budget."""
        return self._free[places]

    def next_status(self, places: Places, now: float) -> Times:
        """When each would be asked for its status, or has waited to be asked until now;
        NEVER of those with a question or an answer on its way.
        """
        states = self._state[places]
        at = np.where(states == State.UNKNOWN, self._at[places], NEVER)
        return np.where(states == State.WAITING, now, at)

    def confirm_until(self, places: Places) -> Numbers:
        """Until when a question to credit each may leave."""
        return self._confirm_until[places]

    # --- how it changes ----------------------------------------------------------

    def add(self, parts: Parts, confirm_until: Numbers) -> Places:
        """Lines that wait; the numbers ascend and are above those before.

        Returns the places.
        """
        places = self._append(parts, State.WAITING)
        self._confirm_until[places] = confirm_until
        self.open_count += int(parts.opens.sum())
        self.added += len(places)
        return places

    def resolve(self, numbers: Numbers) -> Mask:
        """As of all lines; and the holds are open no more."""
        here = super().resolve(numbers)
        self.open_count -= int(np.count_nonzero(here))
        return here

    def let_go(self, places: Places) -> None:
        """As of all lines; and their holds count no more."""
        self.open_count -= int(self._open[places].sum())
        super().let_go(places)

    def wait(self, places: Places) -> None:
        """Ask them to confirm again."""
        self._state[places] = State.WAITING

    def offer(self, places: Places) -> None:
        """The biller may have heard of them."""
        self._offered[places] = True

    def cancel(self, places: Places, until: float) -> None:
        """The ledger is to give their money back; they are not asked about."""
        self._state[places] = State.CANCELLING
        self._at[places] = until

    def doubt(self, places: Places, at: Times | float) -> None:
        """They are unknown; ask for their status at `at`."""
        self._state[places] = State.UNKNOWN
        self._doubt[places] = True
        self._at[places] = at

    def suspect(self, places: Places, at: Times | float) -> None:
        """They are unknown: they may have been asked about, and nobody heard of it.

        Ask for their status at `at`, whatever the budget.
        """
        self.doubt(places, at)
        self._offered[places] = True
        self._free[places] = True
