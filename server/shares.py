"""Room that owners share: so many places for all, so many for one, turns between them.

Whatever waits in the services waits here: one would use up a bound for all alone.
"""

from collections import deque
from collections.abc import Container
from typing import Final, Generic, TypeVar

from switch.errors import OverloadError

T = TypeVar("T")

SWITCH: Final = -1
"""The owner of what the switch asks by itself."""
STRANGERS: Final = -2
"""The one owner of what those ask whom the register does not know."""


class Shares(Generic[T]):
    """What waits, by owner. Not for several threads.

    An owner may take as many places as are still free, and `own_max` at most: one alone
    has half of them. Whoever has nothing there finds a place even if none is free, so
    that at most `all_max` and one for each owner wait.
    """

    def __init__(self, what: str, *, all_max: int, own_max: int) -> None:
        """`what` names in an error what waits: "reads"."""
        self._what = what
        self._all_max = all_max
        self._own_max = own_max
        self._lines: dict[int, deque[T]] = {}
        self._turns: deque[int] = deque()
        self._count = 0

    def __len__(self) -> int:
        """How many wait."""
        return self._count

    def put(self, owner: int, one: T) -> None:
        """Behind all of its owner. Raises OverloadError if that has its share."""
        line = self._lines.get(owner)
        own = 0 if line is None else len(line)
        if own and own >= min(self._own_max, self._all_max - self._count):
            raise OverloadError(
                f"{own} {self._what} of the caller wait, {self._count} in all; "
                "try again later"
            )
        if line is None:
            line = self._lines[owner] = deque()
            self._turns.append(owner)
        line.append(one)
        self._count += 1

    def take(self, without: Container[int] = ()) -> tuple[int, T] | None:
        """The first of the owner whose turn it is, who is then the last.

        Owners in `without` are passed over; None if nobody else waits.
        """
        for _ in range(len(self._turns)):
            owner = self._turns.popleft()
            if owner in without:
                self._turns.append(owner)
                continue
            line = self._lines[owner]
            one = line.popleft()
            if line:
                self._turns.append(owner)
            else:
                del self._lines[owner]
            self._count -= 1
            return owner, one
        return None

    def remove(self, owner: int, one: T) -> None:
        """It waits no longer; nothing if it does not."""
        line = self._lines.get(owner)
        if line is None or one not in line:
            return
        line.remove(one)
        self._count -= 1
        if not line:
            del self._lines[owner]
            self._turns.remove(owner)


class Halves:
    """Room in units, each owner with a claim of any size. Not for several threads.

    An owner may hold half of what the others leave, at most: whoever comes finds room,
    however large the claims before are.
    """

    def __init__(self, what: str, all_max: int) -> None:
        """`what` names the units in an error: "lines of lists"."""
        self._what = what
        self._all_max = all_max
        self._held: dict[int, int] = {}

    def claim(self, owner: int, units: int) -> None:
        """Hold so many more. Raises OverloadError if that is above half of the rest."""
        own = self._held.get(owner, 0)
        left = self._all_max - (sum(self._held.values()) - own)
        if own + units > left // 2:
            raise OverloadError(
                f"{own + units:,} {self._what} are more than half of the {left:,} for "
                "which there is room; try again later"
            )
        self._held[owner] = own + units

    def release(self, owner: int, units: int) -> None:
        """Hold so many less."""
        self._held[owner] -= units
        if not self._held[owner]:
            del self._held[owner]
