"""Payments that nobody has decided for days: open holds, and those that are unverified.

May use the core and the calendar. Blocks where it reads the ledger.
"""

import numpy as np
import numpy.typing as npt

from switch._core import Ledger
from switch.calendar import day_date, day_number, day_start_ns
from switch.ledger.totals import first_at

OVERDUE_DAYS = 2
"""IST days after which a payment is overdue: the day after its own has ended (T+1)."""
DECIDE_DAYS = 5
"""The day by whose end people are to have decided it has come (T+5)."""

Numbers = npt.NDArray[np.uint64]


def undecided(ledger: Ledger) -> Numbers:
    """The holds that are open or unverified, by sequence."""
    # None is both. Sorting lets other threads go on, which `union1d` does not.
    return np.sort(np.concatenate([ledger.holds(), ledger.unverified()]))


def undecided_since(ledger: Ledger, days: int, now_ns: int) -> Numbers:
    """The holds, open or unverified, of so many IST days ago or before, by sequence."""
    holds = undecided(ledger)
    if not len(holds):
        return holds
    end_ns = day_start_ns(day_date(day_number(now_ns) - days + 1))
    # Times ascend with sequences.
    return holds[: np.searchsorted(holds, first_at(ledger, end_ns))]
