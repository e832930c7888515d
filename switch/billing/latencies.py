"""How long a biller takes to answer: its last answers, and percentiles of them."""

import numpy as np

from switch.billing._hot import Recent


class Latencies(Recent):
    """Of one biller."""

    def percentile_ms(self, percent: float) -> int:
        """Of the last in milliseconds, 0 without any."""
        seconds = self.all()
        return int(np.percentile(seconds, percent) * 1000) if len(seconds) else 0
