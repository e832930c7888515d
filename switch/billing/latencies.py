"""How long a biller takes to answer: its last answers, and percentiles of them."""

import numpy as np

from switch.billing.lines import Times

LATENCIES_MAX = 1_024
"""Answers that the percentiles speak of."""


class Latencies:
    """A ring of the last answers' seconds."""

    def __init__(self) -> None:
        self._seconds = np.zeros(LATENCIES_MAX)
        self._count = 0

    def add(self, seconds: Times) -> None:
        """Answers, the last one at the end."""
        last = seconds[-LATENCIES_MAX:]
        begin = self._count % LATENCIES_MAX
        end = begin + len(last)
        self._seconds[begin:end] = last[: LATENCIES_MAX - begin]
        if end > LATENCIES_MAX:
            self._seconds[: end - LATENCIES_MAX] = last[LATENCIES_MAX - begin :]
        self._count += len(last)

    def percentile_ms(self, percent: float) -> int:
        """Of the last in milliseconds, 0 without any."""
        if not self._count:
            return 0
        return int(np.percentile(self._seconds[: self._count], percent) * 1000)
