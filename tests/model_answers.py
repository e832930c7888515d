"""The oracle's answers: what is told of a row, and what a biller's own answer makes.

Part of tests/model.py, which see.
"""

from switch.codes import AccountKind, CaseType, Kind, Result
from tests.flags import RowFlag
from tests.model_counters import COMPLAINS
from tests.model_shapes import Shapes
from tests.model_state import PAYS, Answer, financial_year
from tests.records import ZERO_ID, Account, Outcome, Row, Said

MADE = (Kind.OPEN, Kind.REGISTER, Kind.COMPLAINT)
"""Rows that give what they are of its index."""
WITHOUT_ACCOUNTS = COMPLAINS | {Kind.REGISTER}
"""Rows of which `debit` is something else's number."""
REFUSED, HELD, COMPLETED, REVERSED, EXPIRED, REFUNDED = range(1, 7)
UNVERIFIED, KEPT = 8, 9
CHECKS: dict[int, str] = {kind: f"check_{kind.name.lower()}" for kind in Kind}
DEEDS: dict[int, str] = {kind: f"do_{kind.name.lower()}" for kind in Kind}
"""What the rule of each kind is called."""
ALREADY = {
    Kind.POST: Result.ALREADY_POSTED,
    Kind.VOID: Result.ALREADY_VOIDED,
    Kind.EXPIRE: Result.ALREADY_EXPIRED,
}


def balance_told(wallet: Account | None) -> int:
    """What is told of a wallet's balance: nothing of what it owes."""
    return max(0, wallet.balance) if wallet is not None else 0


class Told(Shapes):
    """What is told of a row that is there."""

    # --- the rule of a row's kind -----------------------------------------------------

    def check(self, row: Row) -> Answer:
        """The first check that refuses the row, or OK."""
        if row.kind in PAYS:
            return self.check_pay(row)
        answer: Answer = getattr(self, CHECKS[row.kind])(row)
        return answer

    def do(self, row: Row) -> None:
        """Make the change; no check is left that could fail."""
        getattr(self, DEEDS[row.kind])(row)

    # --- what is told -----------------------------------------------------------------

    def outcome(self, row: Row, repeat: int = 0) -> Outcome:
        """What is told of a row, with the wallet as it is now."""
        wallet = self.wallet_of(row)
        other = row.total if row.result != Result.OK else 0
        made = row.kind in MADE and row.result == Result.OK
        state, paid = self.standing(row, repeat)
        outcome = Outcome(
            row.result,
            sequence=row.sequence,
            timestamp=row.timestamp,
            balance=balance_told(wallet),
            pending=wallet.debits_pending if wallet else 0,
            other=other,
            other_id=self.rows[other - 1].id if other else ZERO_ID,
            receipt=paid.receipt,
            index=row.debit if made else 0,
            year=financial_year(paid.timestamp) if paid.receipt else 0,
            repeat=repeat,
            state=state,
        )
        if row.kind in PAYS:
            self.tell_of_other(outcome, row)
        return outcome

    def standing(self, row: Row, repeat: int) -> tuple[int, Row]:
        """Where a payment stands, told again: by now; and the row with its receipt."""
        if row.kind not in PAYS:
            return 0, row
        if row.result != Result.OK:
            return REFUSED, row
        paid = row
        if row.kind == Kind.HOLD:
            end = self.end_of(row)
            if end is None or not repeat:
                return (KEPT if row.sequence in self.kept and repeat else HELD), row
            if end.kind == Kind.VOID:
                return REVERSED, row
            if end.kind == Kind.EXPIRE:
                doubted = row.sequence in self.unverified
                return (UNVERIFIED if doubted else EXPIRED), row
            paid = end
        back = repeat and self.refunded.get(paid.sequence)
        return (REFUNDED if back else COMPLETED), paid

    def wallet_of(self, row: Row) -> Account | None:
        """The wallet a row touches or speaks of."""
        if row.kind in WITHOUT_ACCOUNTS:
            return None
        for index in (row.debit, row.credit):
            account = self.account(index)
            if account is not None and account.kind == AccountKind.WALLET:
                return account
        return None


class BillersAnswers(Told):
    """What billers say, each by where its payment stands."""

    def hear(self, said: Said, biller: int) -> Outcome:
        """A biller's answer about a payment that it was asked for."""
        if said.confirmed and not said.amount:
            return Outcome(Result.INVALID_AMOUNT)
        hold = self.hold_of(Row(Kind.CASE, resolves=said.number))
        if hold is None or hold.id != said.id:
            return Outcome(Result.HOLD_NOT_FOUND)
        if self.accounts[hold.credit].participant != biller:
            return Outcome(Result.HOLD_NOT_FOUND)
        end = self.end_of(hold)
        if end is None:
            return self.hear_of_open(said, hold)
        if end.kind == Kind.POST:
            return self.hear_of_posted(said, hold, end)
        if self.correction_of(hold) is not None:
            return self.hear_of_corrected(said, hold, end)
        if said.confirmed:
            return self.contradict(said, hold, CaseType.LATE_CONFIRMATION)
        return self.hear_of_no_credit(said, hold, end)

    def hear_of_open(self, said: Said, hold: Row) -> Outcome:
        """An open hold ends, unless another amount was credited."""
        if not said.confirmed:
            return self.believe_answer(Kind.VOID, said, hold)
        if said.amount != self.question_sum(hold):
            return self.contradict(said, hold, CaseType.AMOUNT_DIFFERS)
        return self.believe_answer(Kind.POST, said, hold)

    def hear_of_posted(self, said: Said, hold: Row, post: Row) -> Outcome:
        """A payment that is done."""
        if said.confirmed:
            right = self.is_right(said, hold, post)
            if right and not self.is_given_up(hold, post):
                return self.outcome(post, repeat=1)
            return self.contradict(said, hold, CaseType.AMOUNT_DIFFERS)
        if self.is_given_back(post):
            return Outcome(Result.ALREADY_POSTED, other=post.sequence)
        return self.contradict(said, hold, CaseType.LATE_REJECTION)

    def is_right(self, said: Said, hold: Row, paid: Row) -> bool:
        """Whether a biller has credited what a post or a correction paid it."""
        if not hold.basket:
            return said.amount == paid.amount
        # It speaks of all: of a part that people have paid no amount is right.
        return paid.amount == hold.amount and said.amount == self.question_sum(hold)

    def hear_of_corrected(self, said: Said, hold: Row, end: Row) -> Outcome:
        """Its citizen has it back, and people have taken it again for the biller."""
        if not said.confirmed:
            return self.contradict(said, hold, CaseType.LATE_REJECTION)
        paid = self.correction_of(hold)
        assert paid is not None
        if not self.is_right(said, hold, paid):
            return self.contradict(said, hold, CaseType.AMOUNT_DIFFERS)
        return Outcome(ALREADY[Kind(end.kind)], other=end.sequence)

    def hear_of_no_credit(self, said: Said, hold: Row, end: Row) -> Outcome:
        """Its citizen has it back, and the biller says that this is right."""
        late = self.late_case(hold)
        verified = self.verified_by(hold)
        if end.kind == Kind.VOID:
            # Who has rejected it before, and then credited, contradicts itself.
            once = not verified and not end.flags & RowFlag.EVIDENCE
            if late and once:
                return self.believe_answer(Kind.VERIFY, said, hold)
            return self.outcome(end, repeat=1)
        if not verified:
            return self.believe_answer(Kind.VERIFY, said, hold)
        if late:
            return Outcome(Result.ALREADY_EXPIRED, other=end.sequence)
        return self.outcome(self.rows[verified - 1], repeat=1)

    def believe_answer(self, kind: Kind, said: Said, hold: Row) -> Outcome:
        """The row that a biller's word alone makes."""
        row = Row(kind, resolves=hold.sequence, flags=int(RowFlag.EVIDENCE))
        row.tail = said.text or None
        row.amount = hold.amount if kind == Kind.POST else 0
        self.do(row)
        return self.outcome(row)

    def contradict(self, said: Said, hold: Row, about: CaseType) -> Outcome:
        """The case that an answer makes, or has made before."""
        end = self.end_of(hold)
        known = self.open_case(hold, about)
        if known:
            case = self.rows[known - 1]
        else:
            case = self.raise_case(
                hold,
                about,
                amount=said.amount if said.confirmed else 0,
                flags=int(RowFlag.EVIDENCE),
                tail=said.text or None,
            )
        told = self.outcome(case, repeat=1 if known else 0)
        told.result = Result.AMOUNT_DIFFERS
        if about != CaseType.AMOUNT_DIFFERS and end is not None:
            told.result = ALREADY[Kind(end.kind)]
        told.other = end.sequence if end is not None else 0
        return told
