"""What the tests know of the bytes of beneficiaries and of the schedule: beside those
of tests/records.py, and written as they are.
"""

import struct
from dataclasses import dataclass

from switch.codes import Record


@dataclass(slots=True)
class BeneficiaryRecord:
    """Where the money of a biller account is paid out to."""

    account: int
    number: bytes = b"000999888777"
    ifsc: bytes = b"BANK0000001"
    active: int = 1

    def pack(self) -> bytes:
        """64 bytes."""
        fixed = (Record.BENEFICIARY, self.active, self.account)
        return struct.pack("<BB2xI40s16s", *fixed, self.number, self.ifsc)


@dataclass(slots=True)
class ScheduleRecord:
    """When windows close: minutes of the IST day, bit 0 of `weekdays` is Monday."""

    weekdays: int = 127
    cutoffs: tuple[int, ...] = ()
    holidays: tuple[int, ...] = ()
    """IST days."""

    def pack(self) -> bytes:
        """24 bytes, and 2 for each holiday."""
        minutes = (*self.cutoffs, *[0] * 8)[: max(8, len(self.cutoffs))]
        counts = (len(self.cutoffs), len(self.holidays))
        head = struct.pack("<BBBxH2x", Record.SCHEDULE, self.weekdays, *counts)
        days = (*minutes, *self.holidays)
        return head + struct.pack(f"<{len(days)}H", *days)
