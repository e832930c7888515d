"""What the oracle knows of payments in doubt: kept, unverified, confirmed late.

Part of tests/model.py, which see. Everything here reads; what changes it stands in
tests/model_rules.py, model_cases.py and model_people.py.
"""

from switch.codes import CaseType, Kind, Result
from tests.model_state import State
from tests.records import Row


def first_of_basket(hold: Row) -> int:
    """Sequence of the first row of a hold's basket, or its own."""
    return hold.sequence - (hold.basket & 0xFF)


class Doubts(State):
    """Where a payment stands, and whether somebody has to do something about it."""

    def accepted(self, sequence: int) -> Row | None:
        """An accepted row that is there already."""
        if not 0 < sequence <= len(self.rows):
            return None
        row = self.rows[sequence - 1]
        return row if row.result == Result.OK else None

    def hold_of(self, row: Row) -> Row | None:
        """The accepted hold that a request speaks of."""
        hold = self.accepted(row.resolves)
        return hold if hold is not None and hold.kind == Kind.HOLD else None

    def end_of(self, hold: Row) -> Row | None:
        """The post, void or expiry of a hold, if it is open no more."""
        end = self.resolved.get(hold.sequence)
        return self.rows[end - 1] if end else None

    def question_sum(self, hold: Row) -> int:
        """What its biller is asked about: the hold, or all of its basket."""
        first, size = first_of_basket(hold), hold.basket >> 8 or 1
        return sum(row.amount for row in self.rows[first - 1 : first - 1 + size])

    def correction_of(self, hold: Row) -> Row | None:
        """What pays a hold after all that had been given back, if it was not undone."""
        corrected = self.corrected.get(hold.sequence, 0)
        is_undone = self.undone.get(hold.sequence, 0) > corrected
        return self.rows[corrected - 1] if corrected and not is_undone else None

    def verified_by(self, hold: Row) -> int:
        """The newest row that says of a hold that it was not credited, or 0."""
        verified = self.verified.get(hold.sequence, 0)
        return max(verified, self.undone.get(hold.sequence, 0))

    def late_case(self, hold: Row) -> int:
        """The late confirmation of a hold that nobody has put right yet, or 0."""
        case = self.cases.get((hold.sequence, CaseType.LATE_CONFIRMATION), 0)
        if self.correction_of(hold) is not None:
            return 0
        return case if case > self.verified_by(hold) else 0

    def in_question(self, hold: Row) -> bool:
        """Whether its biller may have credited what its citizen has back."""
        return hold.sequence in self.unverified or self.late_case(hold) > 0

    def is_given_back(self, payment: Row) -> bool:
        """Whether the refunds of a pay or post have come to its whole amount."""
        return self.refunded.get(payment.sequence, 0) == payment.amount

    def dispute(self, hold: Row) -> int:
        """The case of a payment that was refunded wholly, and that its biller says it
        has credited otherwise; 0 if there is none, or people have settled it.
        """
        end = self.end_of(hold)
        if end is None or end.kind != Kind.POST or not self.is_given_back(end):
            return 0
        return self.open_case(hold, CaseType.AMOUNT_DIFFERS)

    def settled_at(self, hold: Row) -> int:
        """When people have settled the newest of these, or 0."""
        case = self.cases.get((hold.sequence, CaseType.AMOUNT_DIFFERS), 0)
        closed = self.resolved.get(case, 0)
        end = self.end_of(hold)
        back = end is not None and end.kind == Kind.POST and self.is_given_back(end)
        return self.rows[closed - 1].timestamp if case and closed and back else 0

    def newest_word(self, hold: Row) -> int:
        """The newest case of what a biller has said of a hold, or 0."""
        return max(
            self.cases.get((hold.sequence, about), 0)
            for about in CaseType
            if about != CaseType.DEADLINE_PASSED
        )

    def is_given_up(self, hold: Row, post: Row) -> bool:
        """Whether a payment was wholly refunded that its biller had rejected late."""
        rejected = (hold.sequence, CaseType.LATE_REJECTION) in self.cases
        return rejected and self.is_given_back(post)

    def case_ended(self, case: Row) -> int | None:
        """What has ended a case: 0 if nothing has, None if no close could end it."""
        hold = self.rows[case.resolves - 1]
        end = self.end_of(hold)
        posted = end if end is not None and end.kind == Kind.POST else None
        closed = self.resolved.get(case.sequence, 0)
        if case.total == CaseType.LATE_REJECTION:
            if not closed and posted is not None and self.is_given_back(posted):
                return self.resolved[posted.sequence]
            undone = self.undone.get(hold.sequence, 0)
            if not closed and undone > case.sequence:
                return undone
            return closed
        if case.total == CaseType.AMOUNT_DIFFERS and end is not None:
            if case.sequence > end.sequence:
                return closed
            # What was asked of an open hold, its post has answered.
            return posted.sequence if posted is not None else None
        return None

    def open_case(self, hold: Row, about: CaseType) -> int:
        """The case of this type that is open by now, or 0."""
        if about == CaseType.LATE_CONFIRMATION:
            return self.late_case(hold)
        case = self.cases.get((hold.sequence, about), 0)
        if not case:
            return 0
        if about == CaseType.AMOUNT_DIFFERS and self.end_of(hold) is None:
            return case
        return case if self.case_ended(self.rows[case - 1]) == 0 else 0
