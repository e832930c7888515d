"""The oracle's rules of what needs people: cases, proposals, approvals, shifts; and of
what a biller's answer does to a hold.

Part of tests/model.py, which see.
"""

import hashlib

from switch.codes import AccountKind, CaseType, Kind, Policy, Result, RowFlag
from tests.model_register import Register
from tests.model_state import MONEY, NEVER, OK, Answer
from tests.records import Row

CASES_COUNT_MAX = 65_535
CONTRADICTIONS = {
    (Kind.POST, Result.ALREADY_VOIDED): CaseType.LATE_CONFIRMATION,
    (Kind.POST, Result.ALREADY_EXPIRED): CaseType.LATE_CONFIRMATION,
    (Kind.VOID, Result.ALREADY_POSTED): CaseType.LATE_REJECTION,
}
"""What a biller says, and what has become of the hold by then."""


def first_of_basket(hold: Row) -> int:
    """Sequence of the first row of a hold's basket, or its own."""
    return hold.sequence - (hold.basket & 0xFF)


class Bills(Register):
    """The rules of rows 16 to 20."""

    def accepted(self, sequence: int) -> Row | None:
        """An accepted row that is there already."""
        if not 0 < sequence <= len(self.rows):
            return None
        row = self.rows[sequence - 1]
        return row if row.result == Result.OK else None

    def raise_case(
        self, hold: Row, about: CaseType, flags: int = 0, tail: bytes | None = None
    ) -> Row:
        """Write a case about a hold."""
        row = Row(
            Kind.CASE,
            resolves=hold.sequence,
            total=about,
            debit=hold.debit,
            credit=hold.credit,
            service=hold.service,
            participant=hold.participant,
            operator_=hold.operator_,
            reference=hold.reference,
            flags=flags,
            tail=tail,
        )
        self.append(row)
        self.cases[hold.sequence, about] = row.sequence
        self.count_case(row, 1)
        return row

    def count_case(self, row: Row, more: int) -> None:
        """An open case more or less; a count that was ever full stays so."""
        for index in (row.debit, row.credit):
            account = self.accounts[index]
            account.changed = row.sequence
            if account.cases_count < CASES_COUNT_MAX:
                account.cases_count += more

    def keep_hold(self, hold: Row) -> None:
        """The deadline has passed: a case, and the hold is due no more."""
        self.due.remove((self.due_of(hold), hold.sequence))
        self.kept.add(hold.sequence)
        self.raise_case(hold, CaseType.DEADLINE_PASSED)
        self.due.append((NEVER, hold.sequence))
        self.due.sort()

    def end_hold(self, hold: Row) -> None:
        """Its deadline has come."""
        if hold.flags & RowFlag.KEEP:
            self.keep_hold(hold)
        else:
            self.release(Row(Kind.EXPIRE, resolves=hold.sequence), hold)

    def join_deadlines(self, rows: list[Row]) -> None:
        """A basket ends as a whole: first deadline, and kept if one of them is kept."""
        holds = [row for row in rows if row.kind == Kind.HOLD]
        policies = [
            self.services[row.service - 1].deadline_policy
            for row in holds
            if row.service
        ]
        for row in holds:
            row.deadline = min(one.deadline for one in holds)
            row.keeps = Policy.KEEP in policies

    def contradiction(self, row: Row, result: int) -> tuple[Row, bool] | None:
        """The case of an answer that the hold's end contradicts, and if it is new."""
        about = CONTRADICTIONS.get((Kind(row.kind), Result(result)))
        if about is None:
            return None
        known = self.cases.get((row.resolves, about))
        if known:
            return self.rows[known - 1], False
        hold = self.rows[row.resolves - 1]
        return self.raise_case(hold, about, RowFlag.EVIDENCE, row.tail), True

    def check_case_close(self, row: Row) -> Answer:
        case = self.accepted(row.resolves)
        if case is None or case.kind != Kind.CASE:
            return Answer(Result.CASE_NOT_FOUND)
        closed = self.resolved.get(case.sequence)
        if closed:
            return Answer(Result.CASE_CLOSED, closed)
        correction = self.accepted(row.total)
        if row.total and (correction is None or correction.kind not in MONEY):
            return Answer(Result.PAYMENT_NOT_FOUND)
        return OK

    def do_case_close(self, row: Row) -> None:
        case = self.rows[row.resolves - 1]
        row.debit, row.credit = case.debit, case.credit
        self.append(row)
        self.resolved[row.resolves] = row.sequence
        self.count_case(row, -1)

    def check_propose(self, row: Row) -> Answer:
        if row.total == Kind.TRANSFER:
            return self.check_of_case(row, CaseType.LATE_CONFIRMATION)
        if row.total == Kind.VOID:
            return self.check_of_case(row, CaseType.DEADLINE_PASSED)
        payment = self.accepted(row.resolves)
        if payment is None or payment.kind not in (Kind.PAY, Kind.POST):
            return Answer(Result.PAYMENT_NOT_FOUND)
        return OK

    def check_of_case(self, row: Row, about: CaseType) -> Answer:
        """What puts a case of this type right moves no more than was held."""
        case = self.accepted(row.resolves)
        if case is None or case.kind != Kind.CASE or case.total != about:
            return Answer(Result.CASE_NOT_FOUND)
        more = row.amount > self.rows[case.resolves - 1].amount
        return Answer(Result.EXCEEDS_HOLD) if more else OK

    def needs_approval(self, row: Row) -> bool:
        """A refund, a correction, and the release of a hold that its deadline kept, or
        that waits for the group that will say so.
        """
        if row.kind == Kind.VOID:
            if row.flags & RowFlag.EVIDENCE:
                return False
            hold = self.accepted(row.resolves)
            overdue = hold is not None and self.is_kept_at(hold, self.clock())
            return row.resolves in self.kept or overdue
        return row.kind == Kind.REFUND or (
            row.kind == Kind.TRANSFER and row.resolves != 0
        )

    def is_kept_at(self, hold: Row, now: int) -> bool:
        """Whether this hold's deadline has passed by then and does not release it."""
        kept = bool(hold.flags & RowFlag.KEEP)
        return hold.kind == Kind.HOLD and kept and self.due_of(hold) <= now

    def is_approved(self, row: Row) -> bool:
        """Whether the row names a proposal of just this, approved by its checker."""
        asked = self.accepted(row.proposal)
        if asked is None or asked.kind != Kind.PROPOSE or asked.total != row.kind:
            return False
        approval = self.resolved.get(asked.sequence)
        if not approval or self.rows[approval - 1].participant != row.checker:
            return False
        if row.kind == Kind.VOID:
            case = self.rows[asked.resolves - 1]
            held, released = self.rows[case.resolves - 1], self.rows[row.resolves - 1]
            return first_of_basket(held) == first_of_basket(released)
        id_ = hashlib.blake2b(b"refund" + asked.id, digest_size=32).digest()[:16]
        if row.kind == Kind.TRANSFER and row.reference != asked.reference:
            return False
        return (row.id, row.participant, row.resolves, row.amount) == (
            id_,
            asked.participant,
            asked.resolves,
            asked.amount,
        )

    def check_void(self, row: Row) -> Answer:
        answer = super().check_void(row)
        if answer.result != Result.OK or answer.repeat:
            return answer
        if self.needs_approval(row) and not self.is_approved(row):
            return Answer(Result.NOT_APPROVED)
        return OK

    def do_void(self, row: Row) -> None:
        if self.needs_approval(row):
            row.total = row.proposal
        super().do_void(row)

    def check_transfer(self, row: Row) -> Answer:
        """With a case it is a correction: once, and while the case is open."""
        if row.resolves:
            case = self.rows[row.resolves - 1]
            if (row.debit, row.credit) != (case.debit, case.credit):
                return Answer(Result.ACCOUNT_KIND_WRONG)
            done = self.corrected.get(case.sequence) or self.resolved.get(case.sequence)
            if done:
                return Answer(Result.CASE_CLOSED, done)
        return super().check_transfer(row)

    def do_transfer(self, row: Row) -> None:
        if row.resolves:
            row.total = row.proposal
        super().do_transfer(row)
        if row.resolves:
            self.corrected[row.resolves] = row.sequence

    def do_propose(self, row: Row) -> None:
        self.append(row)

    def check_approve(self, row: Row) -> Answer:
        asked = self.accepted(row.resolves)
        if asked is None or asked.kind not in (Kind.PROPOSE, Kind.SHIFT):
            return Answer(Result.PROPOSAL_NOT_FOUND)
        alike = row.participant == asked.participant or asked.kind == Kind.SHIFT
        if alike and row.operator_ == asked.operator_:
            return Answer(Result.SAME_PERSON)
        approved = self.resolved.get(asked.sequence)
        return Answer(Result.ALREADY_APPROVED, approved) if approved else OK

    def do_approve(self, row: Row) -> None:
        self.append(row)
        self.resolved[row.resolves] = row.sequence

    def check_shift(self, row: Row) -> Answer:
        self.keep_record(row)
        wallet = self.account(row.debit)
        if wallet is None:
            return Answer(Result.ACCOUNT_UNKNOWN)
        if wallet.kind != AccountKind.WALLET:
            return Answer(Result.ACCOUNT_KIND_WRONG)
        if row.resolves:
            before = self.accepted(row.resolves)
            if before is None or before.kind != Kind.SHIFT:
                return Answer(Result.PROPOSAL_NOT_FOUND)
            if (before.debit, before.operator_) != (row.debit, row.operator_):
                return Answer(Result.PROPOSAL_NOT_FOUND)
        next_ = self.followed.get((row.debit, row.operator_, row.resolves))
        return Answer(Result.ALREADY_FOLLOWED, next_) if next_ else OK

    def do_shift(self, row: Row) -> None:
        self.append(row)
        self.followed[row.debit, row.operator_, row.resolves] = row.sequence
