"""When the messages of an open loop are due, whatever the answers do.

Clients elsewhere do not wait for each other: their payments come by chance, at a rate.
A latency counts from when a message was due, so that a server that stalls is charged
for all that came meanwhile (no coordinated omission).
"""

import numpy as np
import numpy.typing as npt

BLOCK = 8_192
"""Arrivals that are drawn at a time."""

Times = npt.NDArray[np.int64]


class Arrivals:
    """A Poisson process: times in nanoseconds, ascending."""

    def __init__(self, per_s: float, start_ns: int, seed: int) -> None:
        """`per_s` messages a second from `start_ns` on, without an end."""
        self._gap_ns = 1e9 / per_s
        self._rng = np.random.default_rng(seed)
        self._last_ns = float(start_ns)
        self._times: Times = np.empty(0, np.int64)
        self._end_ns = 1 << 62
        self._draw()

    @property
    def next_ns(self) -> int:
        """When the next message is due that nobody has taken."""
        return int(self._times[0])

    @property
    def ended(self) -> bool:
        """Whether all up to the end are taken."""
        return self.next_ns >= self._end_ns

    def end(self, at_ns: int) -> None:
        """Nothing is due from `at_ns` on, nor from an end that was set before."""
        self._end_ns = min(self._end_ns, at_ns)

    def due(self, now_ns: int) -> int:
        """How many are due and not taken; of many, at least BLOCK."""
        while self._times[-1] <= now_ns and len(self._times) < 2 * BLOCK:
            self._draw()
        until = min(now_ns, self._end_ns - 1)
        return int(np.searchsorted(self._times, until, side="right"))

    def take(self, count: int) -> Times:
        """The times of the next `count`."""
        taken, self._times = self._times[:count], self._times[count:]
        if not len(self._times):
            self._draw()
        return taken

    def _draw(self) -> None:
        gaps = self._rng.exponential(self._gap_ns, BLOCK)
        times = self._last_ns + np.cumsum(gaps)
        self._last_ns = float(times[-1])
        self._times = np.concatenate([self._times, times.astype(np.int64)])
