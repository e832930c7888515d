"""What has happened to a payment beside its own rows: who spoke of which row.

May use the core. Rows that speak of others (cases, proposals, approvals, refunds) are
few beside payments; of each two numbers are kept, so that a history is found without
reading the journal again.
"""

from array import array
from collections.abc import Sequence
from contextlib import suppress

import numpy as np
import numpy.typing as npt

from switch._core import Ledger
from switch.errors import CorruptionError

ROWS_MAX = 4_194_304
"""Rows whose two numbers are kept, 64 MiB; of older ones no history tells."""


class Histories:
    """Who spoke of which row. Belongs to its caller's lock."""

    def __init__(self, ledger: Ledger, rows_max: int = ROWS_MAX) -> None:
        """Knows of nothing."""
        self._ledger = ledger
        self._rows_max = rows_max
        self._abouts = array("Q")
        self._sequences = array("Q")

    def note(self, about: int, sequence: int) -> None:
        """The row `sequence` speaks of the row `about`."""
        if len(self._abouts) >= self._rows_max:
            half = self._rows_max // 2
            self._abouts = self._abouts[half:]
            self._sequences = self._sequences[half:]
        self._abouts.append(about)
        self._sequences.append(sequence)

    def numbers(self) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
        """All that is known now: which rows are spoken of, and by which."""
        return np.array(self._abouts, np.uint64), np.array(self._sequences, np.uint64)

    def of(self, payments: Sequence[int]) -> dict[int, list[int]]:
        """The rows of each payment (its hold, or its pay), oldest first."""
        ledger = self._ledger
        abouts, sequences = self.numbers()
        # Which payment a row belongs to.
        owners = {payment: payment for payment in payments}
        for payment in payments:
            # One that cannot be read is left out.
            with suppress(CorruptionError):
                ended_by, _ = ledger.resolution(payment)
                if ended_by:
                    owners[ended_by] = payment
        newest = list(owners)
        while newest:
            speaks = np.isin(abouts, np.array(newest, np.uint64))
            newest = []
            pairs = zip(
                abouts[speaks].tolist(), sequences[speaks].tolist(), strict=True
            )
            for about, sequence in pairs:
                if sequence not in owners:
                    owners[sequence] = owners[about]
                    newest.append(sequence)
        found: dict[int, list[int]] = {payment: [] for payment in payments}
        for sequence in sorted(owners):
            found[owners[sequence]].append(sequence)
        return found
