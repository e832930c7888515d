"""When a biller is asked for the status of a payment again, and how much in a minute.

Pure. `wall_ns` is UTC; all else are seconds.
"""

from collections import deque

import numpy as np
import numpy.typing as npt

from switch.billing.deadlines import NS_IN_S
from switch.billing.lines import NEVER, Mask, Numbers, Times
from switch.config import BillerConfig

MINUTE_S = 60
FINAL_AFTER_S = 0.001
"""From when not to have seen a payment is final until it is asked about once more."""
THINNING = 6
"""What nobody has decided in time is asked about again after this part of the time
since its deadline."""
UNDECIDED_SHARE = 4
"""Its questions are this part of a minute's at most."""
# Multiplied with successive numbers it gives fractions that are evenly spread.
_GOLDEN = np.uint64(0x9E37_79B9_7F4A_7C15)

Calls = npt.NDArray[np.uint16]


class Schedule:
    """Of one biller."""

    def __init__(self, config: BillerConfig) -> None:
        """By its settings."""
        # Before each status question about a payment: doubling, up to a most.
        doubling = config.status_first_ms * 2.0 ** np.arange(config.status_calls_max)
        most = config.status_interval_max_ms
        self._intervals: Times = np.minimum(doubling, most) / 1000
        self._ages = np.cumsum(self._intervals)
        self._longest = most / 1000
        self._rarest = config.verify_interval_max_ms / 1000

    @property
    def last_interval(self) -> float:
        """The longest interval before the deadline."""
        return float(self._intervals[-1])

    @property
    def fresh_ns(self) -> int:
        """Until what age a payment has had no question."""
        return int(self._intervals[0] * NS_IN_S)

    def calls_by_age(self, accepted: Numbers, wall_ns: int) -> Calls:
        """Questions that payments accepted then have had."""
        if wall_ns - int(accepted[0]) < self.fresh_ns:
            return np.zeros(len(accepted), np.uint16)
        ages = np.maximum(float(wall_ns) - accepted, 0.0) / NS_IN_S
        calls: Calls = np.searchsorted(self._ages, ages, "right").astype(np.uint16)
        return calls

    def wait(self, calls: Calls, final_from: Numbers, wall_ns: int) -> Times:
        """Before the next question of each that had so many.

        One goes out when it can be final that the biller has not seen the payment,
        whatever the schedule says; after the schedule's last there is no end else.
        """
        last = len(self._intervals) - 1
        wait = self._intervals[np.minimum(calls, last)]
        final = final_from.astype(np.float64) - wall_ns
        final = np.where(final >= 0, final / NS_IN_S + FINAL_AFTER_S, NEVER)
        return np.minimum(np.where(calls <= last, wait, NEVER), final)

    def thin(self, due_ns: Numbers, credited: Mask, wall_ns: int) -> Times:
        """The same of what nobody has decided in time, by when each was due.

        What the biller says that it has credited is asked about most rarely: it is for
        people to decide, or for the biller to take back.
        """
        since = np.maximum(float(wall_ns) - due_ns.astype(np.float64), 0.0) / NS_IN_S
        wait = np.maximum(since / THINNING, self._longest)
        wait[credited] = self._rarest
        return np.minimum(wait, self._rarest)


def spread(waits: Times, numbers: Numbers) -> Times:
    """Within each wait a moment that is another for each number: after a start nobody
    knows when the last question was.
    """
    return waits * ((numbers * _GOLDEN) / 2.0**64)


class Minute:
    """What was asked in the last 60 seconds."""

    def __init__(self) -> None:
        self._asked: deque[tuple[int, int]] = deque()

    def add(self, count: int, now: float) -> None:
        """So many more."""
        self._asked.append((int(now), count))

    def count(self, now: float) -> int:
        """How many they were."""
        while self._asked and self._asked[0][0] <= now - MINUTE_S:
            self._asked.popleft()
        return sum(count for _, count in self._asked)
