"""What has to be put right, computed from the journal's rows alone: every exception
that the rows have opened and none has ended.

Kept apart from core and model. Used by tests/core/test_bills_once.py.
"""

from dataclasses import dataclass
from typing import Any

from switch.codes import CaseType, Kind, Result


@dataclass
class Final:
    """A post, and what was given back of it."""

    hold: int
    amount: int
    refunded: int = 0


class Matters:
    """All that is open, by what it is."""

    def __init__(self) -> None:
        self.kept: set[int] = set()
        self.unverified: set[int] = set()
        self.late: set[int] = set()
        self.rejected: dict[int, int] = {}  # case -> hold
        self.differing: dict[int, int] = {}  # case -> hold, of paid ones
        self.advances: dict[int, int] = {}  # advance -> hold
        self.finals: dict[int, Final] = {}
        self.paid: set[int] = set()  # holds that were posted, or corrected
        self.holds: dict[int, tuple[int, int]] = {}  # hold -> its accounts

    def of(self, hold: int) -> set[str]:
        """What is open about a payment."""
        names = {
            "kept": self.kept,
            "unverified": self.unverified,
            "late": self.late,
            "rejected": self.rejected.values(),
            "differing": self.differing.values(),
        }
        return {name for name, holds in names.items() if hold in holds}

    def count(self) -> int:
        """How many."""
        all_ = (self.kept, self.unverified, self.late, self.rejected, self.differing)
        return sum(map(len, all_)) + len(self.advances)

    def read(self, rows: Any) -> None:
        """What the journal says next."""
        for row in rows:
            if row["result"] == Result.OK:
                name = f"read_{Kind(int(row['kind'])).name.lower()}"
                getattr(self, name, lambda *_: None)(row, int(row["resolves"]))

    def read_hold(self, row: Any, _: int) -> None:
        """A payment whose biller is asked."""
        self.holds[int(row["sequence"])] = int(row["debit"]), int(row["credit"])

    def read_post(self, row: Any, hold: int) -> None:
        """It is paid."""
        self.kept.discard(hold)
        self.paid.add(hold)
        self.finals[int(row["sequence"])] = Final(hold, int(row["amount"]))

    def read_void(self, _: Any, hold: int) -> None:
        """It is given back."""
        self.kept.discard(hold)

    def read_expire(self, _: Any, hold: int) -> None:
        """It is given back, and nobody has said that this is right."""
        self.unverified.add(hold)

    def read_verify(self, _: Any, hold: int) -> None:
        """That was right."""
        self.unverified.discard(hold)
        self.late.discard(hold)

    def read_case(self, row: Any, hold: int) -> None:
        """Something is to be put right."""
        about, case = int(row["total"]), int(row["sequence"])
        if about == CaseType.LATE_CONFIRMATION:
            self.late.add(hold)
        elif about == CaseType.LATE_REJECTION:
            self.rejected[case] = hold
        elif about == CaseType.DEADLINE_PASSED or hold not in self.paid:
            self.kept.add(hold)
        else:
            self.differing[case] = hold

    def read_case_close(self, _: Any, case: int) -> None:
        """It needs nothing more."""
        self.rejected.pop(case, None)
        self.differing.pop(case, None)

    def read_refund(self, row: Any, payment: int) -> None:
        """What was wholly given back needs no case of its rejection."""
        final = self.finals.get(payment)
        if final is None:
            return
        final.refunded += int(row["amount"])
        if final.refunded == final.amount:
            cases = [case for case, hold in self.rejected.items() if hold == final.hold]
            for case in cases:
                del self.rejected[case]

    def read_transfer(self, row: Any, of: int) -> None:
        """A correction, an advance or its recovery."""
        if of in self.advances:
            del self.advances[of]
        elif of in self.holds and self.holds[of] == (row["debit"], row["credit"]):
            self.unverified.discard(of)
            self.late.discard(of)
            self.paid.add(of)
        elif of in self.holds:
            self.advances[int(row["sequence"])] = of
