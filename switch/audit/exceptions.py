"""What is open at the end: what people must still look at, by what it is.

Computed from the rows alone. A payment may count with two: one that was confirmed late
is unverified as well until one row ends both, and a hold whose biller named another
amount is kept as well. Memory: a sum for each kind, whatever is open.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np

from switch.audit.approvals import Undone
from switch.audit.doubt import Doubt
from switch.audit.layout import NS, PROPOSAL_LIFE_NS, U64
from switch.audit.reader import Journal
from switch.audit.refunds import Refunds

THE_END: Final = 2**63
"""Behind every row."""


class What(StrEnum):
    """What is open, by its name in JSON."""

    LATE_CONFIRMATION = "late_confirmation"
    LATE_REJECTION = "late_rejection"
    UNVERIFIED = "unverified"
    KEPT = "kept"
    AMOUNT_DIFFERS = "amount_differs"
    ADVANCE = "advance"
    APPROVED = "approved"


TEXTS: Final = {
    What.LATE_CONFIRMATION: "credited, its biller says, after it was given back",
    What.LATE_REJECTION: "not credited, its biller says, after it was made final",
    What.UNVERIFIED: "given back by its deadline, and nobody knows if it was credited",
    What.KEPT: "held although its deadline has passed, or for another amount",
    What.AMOUNT_DIFFERS: "credited, its biller says, with another amount",
    What.ADVANCE: "advanced to a wallet, and not taken back",
    What.APPROVED: "approved by two people, and not done",
}


@dataclass
class Open:
    """How many of a kind are open, of how many paise, and since when the oldest is."""

    count: int = 0
    amount: int = 0
    since: int = 0
    sequence: int = 0

    def add(self, sequence: int, since: int, amount: int, count: int = 1) -> None:
        """One more, or several of which this is the oldest."""
        if not self.count or since < self.since:
            self.since, self.sequence = since, sequence
        self.count += count
        self.amount += amount

    def age_s(self, now: int) -> int:
        """Seconds from the oldest to a time, 0 for none."""
        return (now - self.since) // NS if self.count else 0


@dataclass
class Exceptions:
    """What is open, by kind. `now` is the last row's time."""

    now: int = 0
    open: dict[What, Open] = field(
        default_factory=lambda: {what: Open() for what in What}
    )

    def _add(self, what: What, row: np.void, amount: int) -> None:
        self.open[what].add(int(row["sequence"]), int(row["timestamp"]), amount)

    def of(self, doubt: Doubt, undone: Undone) -> None:
        """Take what is open of a hold whose rows have all passed."""
        doubt.come_to(THE_END)
        held = int(doubt.hold["amount"])
        if doubt.late and doubt.confirmed is not None:
            self._add(What.LATE_CONFIRMATION, doubt.confirmed, held)
        if doubt.open_rejection and doubt.rejected is not None:
            self._add(What.LATE_REJECTION, doubt.rejected, doubt.paid)
        if doubt.kept and doubt.kept_by is not None:
            self._add(What.KEPT, doubt.kept_by, held)
        if doubt.open_difference and doubt.differing is not None:
            amount = doubt.paid if doubt.ended else held
            self._add(What.AMOUNT_DIFFERS, doubt.differing, amount)
        if doubt.advanced is not None and doubt.recovered is None:
            self._add(What.ADVANCE, doubt.advanced, int(doubt.advanced["amount"]))
        for row in doubt.proposed:
            approval = undone.get(int(row["sequence"]))
            if approval is None or self._is_late(approval):
                continue
            if doubt.possible(row):
                self._add(What.APPROVED, approval, int(row["amount"]))

    def _is_late(self, approval: np.void) -> bool:
        """Whether what was approved is too old to be done by now."""
        return self.now - int(approval["timestamp"]) >= PROPOSAL_LIFE_NS

    def unverified(self, journal: Journal, expiries: U64) -> None:
        """Take the rows that gave back what is not verified."""
        if not len(expiries):
            return
        rows = journal.rows_at(expiries)
        oldest = rows[np.argmin(rows["timestamp"])]
        amount = sum(rows["amount"].tolist())
        since, sequence = int(oldest["timestamp"]), int(oldest["sequence"])
        self.open[What.UNVERIFIED].add(sequence, since, amount, len(rows))

    def refunds(
        self, journal: Journal, asked: list[np.void], undone: Undone, refunds: Refunds
    ) -> None:
        """Take refunds that were asked for, approved, and could still be done."""
        for row in asked:
            number = int(row["resolves"])
            approval = undone.get(int(row["sequence"]))
            if approval is None or self._is_late(approval):
                continue
            payment = journal.rows_at(row["resolves"].reshape(1))[0]
            given = refunds.refunded_before(number, THE_END) + int(row["amount"])
            if given <= int(payment["amount"]):
                self._add(What.APPROVED, approval, int(row["amount"]))
