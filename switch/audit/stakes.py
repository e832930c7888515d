"""What a proposal moves or releases, whatever amount it states.

The rows that it speaks of are before it in the journal, and are read there: a post ends
all of its hold, and one proposal voids, or verifies, each hold of a basket.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from switch.audit.layout import U64, Rows
from switch.codes import Kind

INDEX: Final = 0xFF
"""The bits of `basket` that say which of its payments a row is; above is how many."""
SIZE_SHIFT: Final = 8


class Stakes:
    """Asks the journal for the holds that proposals speak of."""

    def __init__(self, rows_at: Callable[[U64], Rows]) -> None:
        """`rows_at` reads rows by their sequences, all zero where there is none."""
        self._rows_at = rows_at

    def __call__(self, proposal: np.void) -> int:
        """Paise. Of what is no hold, another check says so; it has no stake here."""
        asked, about = int(proposal["total"]), int(proposal["resolves"])
        if asked not in (Kind.POST, Kind.VOID, Kind.VERIFY):
            return int(proposal["amount"])
        if not 0 < about < int(proposal["sequence"]):
            return 0
        hold = self._holds(about, 1)
        basket = int(hold["basket"][0])
        if asked != Kind.POST and basket:
            lead = about - (basket & INDEX)
            hold = self._holds(lead, basket >> SIZE_SHIFT)
        return sum(hold["amount"].tolist())

    def _holds(self, first: int, count: int) -> Rows:
        """So many rows from the first on; other kinds have no amount here."""
        rows = self._rows_at(np.arange(first, first + count, dtype=np.uint64))
        rows["amount"][rows["kind"] != Kind.HOLD] = 0
        return rows
