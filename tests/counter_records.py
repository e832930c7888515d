"""What stands in the tails of rows about counters and files: shifts, bills.

A part of `tests/records.py`, written down a second time from docs/data-model.md.
"""

import struct
from dataclasses import dataclass


@dataclass(slots=True)
class ShiftRecord:
    """What an operator took and counted."""

    operator: int
    cash_expected: int = 0
    cash_counted: int = 0
    difference: int = 1
    after_sequence: int = 0
    payments_amount: int = 0
    refunds_amount: int = 0
    payments_count: int = 0
    refunds_count: int = 0
    open_count: int = 0

    def pack(self) -> bytes:
        """64 bytes."""
        return struct.pack(
            "<QQQQQIIIIB7x",
            self.after_sequence,
            self.payments_amount,
            self.refunds_amount,
            self.cash_expected,
            self.cash_counted,
            self.payments_count,
            self.refunds_count,
            self.open_count,
            self.operator,
            self.difference,
        )


@dataclass(slots=True)
class BillsRecord:
    """What a file of bills is that its biller has put in."""

    form: int = 1
    """1 full, 2 delta, 3 withdrawal, 4 addition."""
    count: int = 0
    amount: int = 0
    hash: bytes = b""

    def pack(self) -> bytes:
        """64 bytes."""
        return struct.pack(
            "<B3xIQ32s16x", self.form, self.count, self.amount, self.hash
        )
