"""One hold that people look at: what is known of it, up to some row.

Answers what the next row about it should be told, as docs/data-model.md says; judges
nothing itself. `doubts` goes through the rows.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Final

import numpy as np

from switch.audit.kinds import Move
from switch.audit.layout import OK
from switch.audit.refunds import Refunds
from switch.codes import CaseType, Kind, Result

R = Result
CLOSED_BY_PEOPLE: Final = (CaseType.LATE_REJECTION, CaseType.AMOUNT_DIFFERS)


@dataclass(frozen=True)
class Outcome:
    """What a request should be told: a result, and the row in the way."""

    result: Result
    other: int = 0


@dataclass
class Doubt:
    """What is known of a hold. Rows are None until there is one."""

    PROPOSED: ClassVar = frozenset(
        (
            *(Kind.POST, Kind.VOID, Kind.CASE_CLOSE, Kind.VERIFY),
            *(Move.CORRECTION, Move.ADVANCE),
        )
    )
    """What may be proposed about one."""

    hold: np.void
    final: np.void
    """What ends it at last; sequence 0 for nothing."""
    refunds: Refunds
    sequence: int = 0
    """Of the row that comes next: what is known is of the rows before it."""
    kept_by: np.void | None = None
    confirmed: np.void | None = None
    """The newest case of a late confirmation; of the other types likewise."""
    rejected: np.void | None = None
    differing: np.void | None = None
    verified: np.void | None = None
    corrected: np.void | None = None
    """Until it is undone."""
    undone: np.void | None = None
    """What undid it last; it verifies, too."""
    advanced: np.void | None = None
    recovered: np.void | None = None
    cases: dict[int, np.void] = field(default_factory=dict)
    closes: dict[int, int] = field(default_factory=dict)
    """Who closed which case first."""
    proposed: list[np.void] = field(default_factory=list)

    def come_to(self, sequence: int) -> None:
        """The row `sequence` comes next."""
        self.sequence = sequence

    @property
    def known(self) -> bool:
        """Whether it is an accepted hold before the row."""
        hold = self.hold
        accepted = hold["kind"] == Kind.HOLD and hold["result"] == OK
        return bool(accepted and hold["sequence"] < self.sequence)

    @property
    def ended(self) -> int:
        """The kind of row that has ended it, 0 while it is open."""
        final = self.final
        return int(final["kind"]) if 0 < final["sequence"] < self.sequence else 0

    @property
    def kept(self) -> bool:
        """It is open, and due no more."""
        return self.kept_by is not None and not self.ended

    @property
    def unverified(self) -> bool:
        """Its deadline gave it back, and nobody knows yet whether it was credited."""
        known = self.verified is not None or self.corrected is not None
        return self.ended == Kind.EXPIRE and not known

    @property
    def late(self) -> bool:
        """Its late confirmation is open."""
        if self.confirmed is None or self.corrected is not None:
            return False
        newest = 0 if self.verified is None else self.verified["sequence"]
        return bool(self.confirmed["sequence"] > newest)

    @property
    def in_question(self) -> bool:
        """Whether its biller may have credited what was given back."""
        return self.unverified or self.late

    @property
    def refunded(self) -> int:
        """The refund that gave its payment wholly back, 0 for none."""
        if self.ended != Kind.POST:
            return 0
        number, amount = int(self.final["sequence"]), int(self.final["amount"])
        return self.refunds.whole_before(number, amount, self.sequence)

    @property
    def paid(self) -> int:
        """What its biller has of it in the end: posted or corrected, less refunds."""
        if self.corrected is not None:
            return int(self.corrected["amount"])
        if self.ended != Kind.POST:
            return 0
        number = int(self.final["sequence"])
        back = self.refunds.refunded_before(number, self.sequence)
        return int(self.final["amount"]) - back

    @property
    def open_rejection(self) -> bool:
        """Its late rejection is open."""
        case = self.rejected
        return case is not None and self._close(case).result == R.OK

    @property
    def open_difference(self) -> bool:
        """An answer that named another amount is open."""
        case = self.differing
        if case is None:
            return False
        return not self.ended or self._close(case).result == R.OK

    def proposing(self, row: np.void) -> Outcome:
        """What a proposal about it should be told."""
        what = int(row["total"])
        if what == Kind.CASE_CLOSE:
            return self.closing(row)
        if not self.known or row["resolves"] != self.hold["sequence"]:
            return Outcome(R.HOLD_NOT_FOUND)
        possible: dict[int, bool] = {
            Move.CORRECTION: self.late,
            Kind.VERIFY: self.in_question,
        }
        if not possible.get(what, self.kept):
            return Outcome(R.CASE_NOT_FOUND)
        if what != Kind.VERIFY and row["amount"] > self.hold["amount"]:
            return Outcome(R.EXCEEDS_HOLD)
        return Outcome(R.OK)

    def possible(self, row: np.void) -> bool:
        """Whether what an approved proposal asks for could still be done."""
        over = row["total"] == Move.ADVANCE and self.advanced is not None
        return self.proposing(row).result == R.OK and not over

    def closing(self, row: np.void) -> Outcome:
        """What should be told who closes the case that a row names."""
        case = self.cases.get(int(row["resolves"]))
        return Outcome(R.CASE_NOT_FOUND) if case is None else self._close(case)

    def _close(self, case: np.void) -> Outcome:
        number, about = int(case["sequence"]), int(case["total"])
        if about not in CLOSED_BY_PEOPLE:
            return Outcome(R.CASE_NOT_FOUND)
        if about == CaseType.AMOUNT_DIFFERS:
            before = bool(self.final["sequence"] > number)
            if not self.ended or (before and self.ended != Kind.POST):
                return Outcome(R.CASE_NOT_FOUND)
            if before:
                # It was about what was held, and that is decided.
                return Outcome(R.CASE_CLOSED, int(self.final["sequence"]))
        if number in self.closes:
            return Outcome(R.CASE_CLOSED, self.closes[number])
        if about == CaseType.LATE_REJECTION and (whole := self.refunded):
            return Outcome(R.CASE_CLOSED, whole)
        undone = 0 if self.undone is None else int(self.undone["sequence"])
        if about == CaseType.LATE_REJECTION and undone > number:
            return Outcome(R.CASE_CLOSED, undone)
        return Outcome(R.OK)

    def moving(self, row: np.void, move: Move) -> Outcome:
        """What a transfer should be told that names it, or its advance."""
        if move == Move.RECOVERY:
            return self._recovering(row)
        if move == Move.UNDOING:
            return self._undoing(row)
        if not self.known:
            return Outcome(R.HOLD_NOT_FOUND)
        hold, same = self.hold, row["credit"] == self.hold["debit"]
        if move == Move.CORRECTION:
            if not self.late:
                ends = self.corrected if self.corrected is not None else self.verified
                return Outcome(R.CASE_CLOSED, 0 if ends is None else ends["sequence"])
            same = (row["debit"], row["credit"]) == (hold["debit"], hold["credit"])
        elif not self.kept:
            return Outcome(R.HOLD_NOT_FOUND)
        elif self.advanced is not None:
            return Outcome(R.CASE_CLOSED, int(self.advanced["sequence"]))
        if not same:
            return Outcome(R.ACCOUNT_KIND_WRONG)
        over = row["amount"] > hold["amount"]
        return Outcome(R.EXCEEDS_HOLD if over else R.OK)

    def _undoing(self, row: np.void) -> Outcome:
        hold, paid, undone = self.hold, self.corrected, self.undone
        if not self.known or (paid is None and undone is None):
            return Outcome(R.CASE_NOT_FOUND)
        if (row["debit"], row["credit"]) != (hold["credit"], hold["debit"]):
            return Outcome(R.ACCOUNT_KIND_WRONG)
        if paid is None:
            return Outcome(R.CASE_CLOSED, 0 if undone is None else undone["sequence"])
        case = self.rejected
        if case is None or case["sequence"] < paid["sequence"]:
            return Outcome(R.CASE_CLOSED)
        if int(case["sequence"]) in self.closes:
            return Outcome(R.CASE_CLOSED, self.closes[int(case["sequence"])])
        same = row["amount"] == paid["amount"]
        return Outcome(R.OK if same else R.NET_DIFFERS)

    def _recovering(self, row: np.void) -> Outcome:
        advance = self.advanced
        if advance is None or advance["sequence"] != row["resolves"]:
            return Outcome(R.CASE_NOT_FOUND)
        there = advance["debit"], advance["credit"]
        if there != (row["credit"], row["debit"]):
            return Outcome(R.ACCOUNT_KIND_WRONG)
        if advance["amount"] != row["amount"]:
            return Outcome(R.NET_DIFFERS)
        if self.recovered is not None:
            return Outcome(R.CASE_CLOSED, int(self.recovered["sequence"]))
        return Outcome(R.OK)
