"""The margins that were in force: of each hold, that of the newest row before it.

May use the core. A biller was told its last moment to credit by the margin of then,
whatever the switch was started with since.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from switch._core import Ledger
from switch.codes import Link
from switch.margin_rows import MarginRecord, read_margin

Numbers = npt.NDArray[np.uint64]

_NS_IN_MS = 10**6


@dataclass(frozen=True, slots=True)
class BillerMargins:
    """Those of one biller; with no row, whatever it is asked by."""

    sequences: Numbers
    """Rows that say them, ascending."""
    margins_ns: Numbers

    def at(self, holds: Numbers, otherwise_ns: int) -> Numbers:
        """Of holds with these sequences; `otherwise_ns` if no row says anything.

        What is older than the first row has the first one's: nobody wrote down another.
        """
        if not len(self.sequences):
            return np.full(len(holds), otherwise_ns, np.uint64)
        after = np.searchsorted(self.sequences, holds, "right")
        margins: Numbers = self.margins_ns[np.maximum(after, 1) - 1]
        return margins

    def least_since(self, hold: int, otherwise_ns: int) -> int:
        """The shortest from this hold on."""
        first = self.at(np.array([hold], np.uint64), otherwise_ns)
        later = self.margins_ns[self.sequences > hold]
        return min(otherwise_ns, *map(int, first), *map(int, later))


NO_MARGINS = BillerMargins(np.zeros(0, np.uint64), np.zeros(0, np.uint64))


@dataclass(frozen=True, slots=True)
class Margins:
    """Those of all billers."""

    sequences: tuple[int, ...] = ()
    """Of their rows, ascending."""
    records: tuple[MarginRecord, ...] = ()

    def of(self, biller: str) -> BillerMargins:
        """Those of the biller with this participant id."""
        margins_ns = [record.of(biller) * _NS_IN_MS for record in self.records]
        return BillerMargins(
            np.array(self.sequences, np.uint64), np.array(margins_ns, np.uint64)
        )

    def refreshed(self, ledger: Ledger) -> "Margins":
        """With the rows since; each names the one before. Raises CorruptionError."""
        known = self.sequences[-1] if self.sequences else 0
        found = []
        sequence = ledger.link(0, Link.MARGIN)
        while sequence > known:
            found.append((sequence, read_margin(ledger.tail(sequence))))
            sequence = ledger.row(sequence).resolves
        if not found:
            return self
        sequences, records = zip(*reversed(found), strict=True)
        return Margins((*self.sequences, *sequences), (*self.records, *records))
