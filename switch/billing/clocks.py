"""How far a biller's clock is from the switch's, by what its connections say of it.

Pure. What a message says is older when it is read, by the way and by what waited before
it: a connection's skew is the smallest of its last few. Nanoseconds.
"""

from collections import deque

SAMPLES_MAX = 8
"""Of a connection: a clock that has gone wrong is noticed after so many messages, one
that was put right at once."""


class Clocks:
    """Of one biller."""

    def __init__(self) -> None:
        self._said: dict[int, deque[int]] = {}
        self.skew_ns = 0
        """Its clock less ours, of the connection that differs most; 0 if not known."""

    def note(self, connection: int, clock_ns: int, wall_ns: int) -> None:
        """A message that came at `wall_ns` says that it is `clock_ns`."""
        said = self._said.setdefault(connection, deque(maxlen=SAMPLES_MAX))
        said.append(clock_ns - wall_ns)
        self._look()

    def forget(self, connection: int) -> None:
        """The connection is gone."""
        self._said.pop(connection, None)
        self._look()

    def _look(self) -> None:
        skews = [min(said, key=abs) for said in self._said.values()]
        self.skew_ns = max(skews, key=abs, default=0)
