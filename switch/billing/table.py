"""The open holds of one biller as arrays: what waits, is asked, is unknown.

May use NumPy and nothing of the product but its numbers. A line stands for one
question: a payment, or a basket by its first payment. Every call takes and gives whole
arrays, so that its cost is by message and not by payment. Lines are in the ledger's
order, which is that of their numbers; those that are gone stay until they are most.
Times are seconds of a monotonic clock.
"""

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]
Times = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Centres = npt.NDArray[np.uint32]
"""Of payments the indices of their wallets, of bills those of participants."""

NEVER = np.inf
"""A time that does not come."""
LINES_FIRST = 1_024
"""Lines that a table begins with; it doubles."""
ID_WORDS = 2
STATES = 7
"""Of a line, GONE among them."""


class State:
    """What a line waits for. Plain numbers: an enum's cost a tenth of all the work."""

    GONE = 0
    """Nothing: the ledger has resolved it."""
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


class Table:
    """Lines of one biller. Belongs to one thread; places hold until the next `add`."""

    def __init__(self) -> None:
        self._count = 0
        self._gone = 0
        self.open_count = 0
        """Holds of all lines, those of baskets one by one."""
        self._allocate(LINES_FIRST)

    def _allocate(self, capacity: int) -> None:
        # Lines beyond the count are zero.
        self._number = np.zeros(capacity, np.uint64)
        self._id = np.zeros((capacity, ID_WORDS), np.uint64)
        self._centre = np.zeros(capacity, np.uint32)
        self._size = np.zeros(capacity, np.uint8)
        self._open = np.zeros(capacity, np.uint8)
        self._state = np.zeros(capacity, np.uint8)
        self._doubt = np.zeros(capacity, np.bool_)
        self._offered = np.zeros(capacity, np.bool_)
        self._free = np.zeros(capacity, np.bool_)
        self._confirm_until = np.zeros(capacity, np.uint64)
        self._credit_until = np.zeros(capacity, np.uint64)
        self._final_from = np.zeros(capacity, np.uint64)
        self._confirms = np.zeros(capacity, np.uint16)
        self._calls = np.zeros(capacity, np.uint16)
        self._connection = np.zeros(capacity, np.uint32)
        self._asked = np.zeros(capacity, np.float64)
        self._at = np.zeros(capacity, np.float64)

    def _columns(self) -> list[str]:
        return [name for name, value in vars(self).items() if hasattr(value, "dtype")]

    # --- what there is -----------------------------------------------------------

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

    def find(self, numbers: Numbers) -> Places:
        """The places of these numbers, -1 where there is none or it is gone."""
        if not self._count:
            return np.full(len(numbers), -1, np.int64)
        known = self._number[: self._count]
        places = np.minimum(np.searchsorted(known, numbers), self._count - 1)
        found = (known[places] == numbers) & (self._state[places] != State.GONE)
        return np.where(found, places, -1)

    def places(self, *states: int) -> Places:
        """The places in one of these states, the oldest first."""
        found = self.state == states[0]
        for one in states[1:]:
            found |= self.state == one
        return np.flatnonzero(found)

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

    def due(self, state: int, now: float) -> Places:
        """The places in this state whose time has come, the oldest first."""
        places: Places = np.flatnonzero(self.state == state)
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

    def sizes(self, places: Places) -> npt.NDArray[np.uint8]:
        """Payments of each: 1, or of the basket."""
        return self._size[places]

    def states(self, places: Places) -> npt.NDArray[np.uint8]:
        """Their states."""
        return self._state[places]

    def confirms(self, places: Places) -> npt.NDArray[np.uint16]:
        """How often each was asked to be confirmed."""
        return self._confirms[places]

    def calls(self, places: Places) -> npt.NDArray[np.uint16]:
        """How often each was asked for its status."""
        return self._calls[places]

    def asked(self, places: Places) -> Times:
        """When each was asked last."""
        return self._asked[places]

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

    def credit_until(self, places: Places) -> Numbers:
        """Until when each may be credited, in nanoseconds of the wall clock."""
        return self._credit_until[places]

    def confirm_until(self, places: Places) -> Numbers:
        """Until when a question to credit each may leave."""
        return self._confirm_until[places]

    def final_from(self, places: Places) -> Numbers:
        """From when on nobody credits what was not seen."""
        return self._final_from[places]

    def due_ns(self, places: Places) -> Numbers:
        """When the deadline of each ends it, or keeps it: after the other half."""
        last, final = self._credit_until[places], self._final_from[places]
        return final + (final - last)

    # --- how it changes ----------------------------------------------------------

    def add(
        self,
        numbers: Numbers,
        ids: Numbers,
        centres: Centres,
        sizes: npt.NDArray[np.uint8],
        opens: npt.NDArray[np.uint8],
        calls: npt.NDArray[np.uint16],
        moments: tuple[Numbers, Numbers, Numbers],
    ) -> Places:
        """Lines that wait; the numbers ascend and are above those before.

        `moments` are confirm_until, credit_until and final_from of each. Returns the
        places.
        """
        more = len(numbers)
        if self._gone > self._count // 2:
            self._compact()
        self._reserve(self._count + more)
        end = self._count + more
        new = slice(self._count, end)
        self._number[new] = numbers
        self._id[new] = ids
        self._centre[new] = centres
        self._size[new] = sizes
        self._open[new] = opens
        self._calls[new] = calls
        self._state[new] = State.WAITING
        self._confirm_until[new], self._credit_until[new], self._final_from[new] = (
            moments
        )
        self._count = end
        self.open_count += int(opens.sum())
        return np.arange(new.start, end)

    def resolve(self, numbers: Numbers) -> int:
        """One hold of each of these lines is resolved; a number may come repeatedly.

        Numbers that are not here are left out. Returns how many lines are gone by it.
        """
        places = self.find(numbers)
        places = places[places >= 0]
        if not len(places):
            return 0
        # Those of a group lie close together, in however long a table.
        first = int(places.min())
        closed = np.bincount(places - first).astype(np.uint8)
        found = np.flatnonzero(closed)
        changed = found + first
        self._open[changed] -= closed[found]
        gone = changed[self._open[changed] == 0]
        self._state[gone] = State.GONE
        self._gone += len(gone)
        self.open_count -= len(places)
        return len(gone)

    def let_go(self, places: Places) -> None:
        """Keep these lines no longer, however many of their holds are open."""
        self.open_count -= int(self._open[places].sum())
        self._open[places] = 0
        self._state[places] = State.GONE
        self._gone += len(places)

    def ask(
        self, places: Places, state: int, connection: int, now: float, until: float
    ) -> None:
        """A question about each goes out: CONFIRMING or CHECKING until `until`."""
        counter = self._confirms if state == State.CONFIRMING else self._calls
        counter[places] += 1
        self._free[places] = False
        self._offered[places] = True
        self._state[places] = state
        self._connection[places] = connection
        self._asked[places] = now
        self._at[places] = until

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

    def answer(self, places: Places, until: float) -> None:
        """The ledger gets an answer about each."""
        self._state[places] = State.ANSWERED
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

    # --- room --------------------------------------------------------------------

    def _compact(self) -> None:
        kept = np.flatnonzero(self.state != State.GONE)
        for name in self._columns():
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
        before = {name: getattr(self, name) for name in self._columns()}
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
