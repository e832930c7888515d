"""When the messages of an open loop are due, whatever the answers do.

Clients elsewhere do not wait for each other: their payments come by chance, at a rate.
A latency counts from when a message was due, so that a server that stalls is charged
for all that came meanwhile (no coordinated omission).
"""

import numpy as np
import numpy.typing as npt

BLOCK = 8_192
"""Arrivals that are drawn at a time."""

Times = npt.NDArray[np.uint64]


class Arrivals:
    """A Poisson process: times in nanoseconds, ascending, without an end."""

    def __init__(self, per_s: float, start_ns: int, seed: int) -> None:
        """`per_s` messages a second from `start_ns` on."""
        self._gap_ns = 1e9 / per_s
        self._rng = np.random.default_rng(seed)
        self._last_ns = float(start_ns)
        self._times: Times = np.empty(0, np.uint64)

    def due(self, now_ns: int) -> int:
        """How many are due before then and not taken."""
        while self._last_ns < now_ns:
            self._draw()
        return int(np.searchsorted(self._times, np.uint64(now_ns)))

    def take(self, count: int) -> Times:
        """The times of the next `count`."""
        while len(self._times) < count:
            self._draw()
        taken, self._times = self._times[:count], self._times[count:]
        return taken

    def _draw(self) -> None:
        gaps = self._rng.exponential(self._gap_ns, BLOCK)
        times = self._last_ns + np.cumsum(gaps)
        self._last_ns = float(times[-1])
        self._times = np.concatenate([self._times, times.astype(np.uint64)])
