"""Lines of one biller as arrays: what its payments that wait and those that nobody has
decided in time have in common.

May use NumPy and nothing of the product but its numbers. A line stands for one
question: a payment, or a basket by its first payment. Every call takes and gives whole
arrays, so that its cost is by message and not by payment. Lines that are gone stay
until they are most. Times are seconds of a monotonic clock.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]
Times = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Centres = npt.NDArray[np.uint32]
"""Of payments the indices of their wallets, of bills those of participants."""
Counts = npt.NDArray[np.uint8]

NEVER = np.inf
"""A time that does not come."""
LINES_FIRST = 1_024
"""Lines that there is room for at first; it doubles."""
GONE_LEAST = LINES_FIRST // 4
"""Lines that may be gone before it is worth while to move the others."""
ID_WORDS = 2
FETCH_BIT = 1 << 63
"""In the number of every question about a bill."""
STATES = 7
"""Of a line, GONE among them."""


class State:
    """What a line waits for. Plain numbers: an enum's cost a tenth of all the work."""

    GONE = 0
    """Nothing: it is decided, or is another table's."""
    WAITING = 1
    """To be asked to confirm."""
    CONFIRMING = 2
    """For the answer to that, until `at`."""
    UNKNOWN = 3
    """Until `at`, to be asked for its status."""
    CHECKING = 4
    """For the answer to that, until `at`."""
    ANSWERED = 5
    """For the ledger to take the answer, until `at`."""
    CANCELLING = 6
    """For the ledger to give the money back, until `at`. The biller is not asked."""


class Parts(NamedTuple):
    """What all lines have, an array for each."""

    numbers: Numbers
    ids: Numbers
    """Two words each."""
    centres: Centres
    sizes: Counts
    """Payments of each: 1, or of the basket."""
    opens: Counts
    """Those of them that are not decided."""
    calls: npt.NDArray[np.uint16]
    """How often each was asked for its status."""
    credit_until: Numbers
    final_from: Numbers

    def some(self, which: Mask) -> "Parts":
        """Of some of the lines."""
        return Parts(
            self.numbers[which],
            self.ids[which],
            self.centres[which],
            self.sizes[which],
            self.opens[which],
            self.calls[which],
            self.credit_until[which],
            self.final_from[which],
        )


class Lines(ABC):
    """Lines of one biller. Belongs to one thread; places hold until the next `add`."""

    def __init__(self) -> None:
        self._count = 0
        self._gone = 0
        self._names: tuple[str, ...] = ()
        self._allocate(LINES_FIRST)
        self._names = tuple(
            name for name, value in vars(self).items() if hasattr(value, "dtype")
        )

    def _allocate(self, capacity: int) -> None:
        # Lines beyond the count are zero.
        self._number = np.zeros(capacity, np.uint64)
        self._id = np.zeros((capacity, ID_WORDS), np.uint64)
        self._centre = np.zeros(capacity, np.uint32)
        self._size = np.zeros(capacity, np.uint8)
        self._open = np.zeros(capacity, np.uint8)
        self._state = np.zeros(capacity, np.uint8)
        self._credit_until = np.zeros(capacity, np.uint64)
        self._final_from = np.zeros(capacity, np.uint64)
        self._calls = np.zeros(capacity, np.uint16)
        self._connection = np.zeros(capacity, np.uint32)
        self._asked = np.zeros(capacity, np.float64)
        self._at = np.zeros(capacity, np.float64)

    # --- what there is -----------------------------------------------------------

    @property
    def lines_count(self) -> int:
        """Lines that are not gone."""
        return self._count - self._gone

    @property
    def least_number(self) -> int:
        """The least number of a line that is not gone, 0 if there is none."""
        here = self.state != State.GONE
        return int(self._number[np.argmax(here)]) if here.any() else 0

    @property
    def state(self) -> npt.NDArray[np.uint8]:
        """States of all lines, by place."""
        return self._state[: self._count]

    def count(self, *states: int) -> int:
        """Lines in one of these states."""
        return sum(int(np.count_nonzero(self.state == one)) for one in states)

    def counts(self) -> list[int]:
        """Lines in each state."""
        found: list[int] = np.bincount(self.state, minlength=STATES).tolist()
        return found

    @abstractmethod
    def _search(self, numbers: Numbers) -> Places:
        """Where each number would be, if it is here at all; there are lines."""

    def find(self, numbers: Numbers) -> Places:
        """The places of these numbers, -1 where there is none or it is gone."""
        if not self.lines_count:
            return np.full(len(numbers), -1, np.int64)
        places = self._search(numbers)
        found = self._number[places] == numbers
        found &= self._state[places] != State.GONE
        return np.where(found, places, -1)

    def places(self, *states: int) -> Places:
        """The places in one of these states, in their order."""
        found = self.state == states[0]
        for one in states[1:]:
            found |= self.state == one
        return np.flatnonzero(found)

    def due(self, state: int, now: float) -> Places:
        """The places in this state whose time has come, in their order."""
        places = self.places(state)
        found: Places = places[self._at[places] <= now]
        return found

    def asked_on(self, connection: int) -> Places:
        """The places whose question went out on this connection and has no answer."""
        places: Places = np.flatnonzero(is_asked(self.state))
        found: Places = places[self._connection[places] == connection]
        return found

    def numbers(self, places: Places) -> Numbers:
        """Their numbers."""
        return self._number[places]

    def ids(self, places: Places) -> Numbers:
        """Their ids, two words each."""
        return self._id[places]

    def centres(self, places: Places) -> Centres:
        """The wallets that pay."""
        return self._centre[places]

    def sizes(self, places: Places) -> Counts:
        """Payments of each: 1, or of the basket."""
        return self._size[places]

    def states(self, places: Places) -> npt.NDArray[np.uint8]:
        """Their states."""
        return self._state[places]

    def calls(self, places: Places) -> npt.NDArray[np.uint16]:
        """How often each was asked for its status."""
        return self._calls[places]

    def asked(self, places: Places) -> Times:
        """When each was asked last."""
        return self._asked[places]

    def credit_until(self, places: Places) -> Numbers:
        """Until when each may be credited, in nanoseconds of the wall clock."""
        return self._credit_until[places]

    def final_from(self, places: Places) -> Numbers:
        """From when on nobody credits what was not seen."""
        return self._final_from[places]

    def due_ns(self, places: Places) -> Numbers:
        """When the deadline of each ends it, or keeps it: after the other half."""
        last, final = self._credit_until[places], self._final_from[places]
        return final + (final - last)

    def parts(self, places: Places) -> Parts:
        """What all lines have, of these."""
        return Parts(
            self._number[places],
            self._id[places],
            self._centre[places],
            self._size[places],
            self._open[places],
            self._calls[places],
            self._credit_until[places],
            self._final_from[places],
        )

    # --- how it changes ----------------------------------------------------------

    def _append(self, parts: Parts, state: int) -> Places:
        """More lines, all in this state; their places."""
        more = len(parts.numbers)
        self._make_room(more)
        end = self._count + more
        new = slice(self._count, end)
        self._number[new] = parts.numbers
        self._id[new] = parts.ids
        self._centre[new] = parts.centres
        self._size[new] = parts.sizes
        self._open[new] = parts.opens
        self._calls[new] = parts.calls
        self._credit_until[new] = parts.credit_until
        self._final_from[new] = parts.final_from
        self._state[new] = state
        self._count = end
        return np.arange(new.start, end)

    def resolve(self, numbers: Numbers) -> Mask:
        """One payment of each of these lines is decided; a number may come repeatedly.

        Which of the numbers are here.
        """
        places = self.find(numbers)
        here: Mask = places >= 0
        if here.any():
            changed, closed = self._tally(places[here])
            self._open[changed] -= closed
            gone = changed[self._open[changed] == 0]
            self._state[gone] = State.GONE
            self._gone += len(gone)
        return here

    @staticmethod
    def _tally(places: Places) -> tuple[Places, Counts]:
        """Each place once, and how often it comes."""
        # Those of a group lie close together, in however long a table.
        first = int(places.min())
        counts = np.bincount(places - first).astype(np.uint8)
        found = np.flatnonzero(counts)
        return found + first, counts[found]

    def let_go(self, places: Places) -> None:
        """Keep these lines no longer, however many of their payments are open."""
        self._open[places] = 0
        self._state[places] = State.GONE
        self._gone += len(places)

    def answer(self, places: Places, until: float) -> None:
        """The ledger gets an answer about each."""
        self._state[places] = State.ANSWERED
        self._at[places] = until

    # --- room --------------------------------------------------------------------

    def _make_room(self, more: int) -> None:
        """For so many lines more. Places do not hold any longer."""
        if self._gone > max(self._count // 2, GONE_LEAST):
            self._compact()
        self._reserve(self._count + more)

    def _compact(self) -> None:
        kept = np.flatnonzero(self.state != State.GONE)
        for name in self._names:
            column = getattr(self, name)
            column[: len(kept)] = column[kept]
            column[len(kept) : self._count] = 0
        self._count = len(kept)
        self._gone = 0

    def _reserve(self, lines: int) -> None:
        capacity = len(self._state)
        if lines <= capacity:
            return
        while capacity < lines:
            capacity *= 2
        before = {name: getattr(self, name) for name in self._names}
        self._allocate(capacity)
        for name, column in before.items():
            getattr(self, name)[: self._count] = column[: self._count]


def is_first(places: Places) -> Mask:
    """Where a place comes for the first time."""
    first = np.ones(len(places), np.bool_)
    order = np.argsort(places, kind="stable")
    arranged = places[order]
    first[order[1:]] = arranged[1:] != arranged[:-1]
    return first


def is_asked(states: npt.NDArray[np.uint8]) -> Mask:
    """Whether a question is out, by state."""
    asked: Mask = (states == State.CONFIRMING) | (states == State.CHECKING)
    return asked
