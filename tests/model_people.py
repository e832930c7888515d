"""The oracle's rules of what needs people: proposals, approvals and withdrawals, what
is done by them, and shifts.

Part of tests/model.py, which see.
"""

import hashlib

from switch.codes import PROPOSE_ADVANCE, AccountKind, CaseType, Kind, Result
from tests.flags import RowFlag
from tests.model_beneficiaries import Beneficiaries
from tests.model_claims import utr_key
from tests.model_doubts import first_of_basket
from tests.model_state import DAY_S, OK, SECOND_NS, Answer
from tests.records import Row

PROPOSAL_LIFE_NS = 30 * DAY_S * SECOND_NS
RECOVERY = (AccountKind.WALLET, AccountKind.SUSPENSE)
UNDOING = (AccountKind.BILLER, AccountKind.WALLET)
ADVANCE = (AccountKind.SUSPENSE, AccountKind.WALLET)
OWING = (AccountKind.WALLET, AccountKind.BANK_TRANSIT)
EXPLAINED = (AccountKind.WALLET, AccountKind.SETTLEMENT, AccountKind.SUSPENSE)
"""Where what a bank has booked to an account goes to, or comes from."""
EVIDENCE = int(RowFlag.EVIDENCE)


class People(Beneficiaries):
    """The rules of rows 17 to 20 and 22, and of what two people want."""

    # --- who has to want it -----------------------------------------------------------

    def kinds_of(self, row: Row) -> tuple[int, int]:
        """Of which kinds the accounts of a transfer are, 0 of one that is not known."""
        debit, credit = self.account(row.debit), self.account(row.credit)
        return debit.kind if debit else 0, credit.kind if credit else 0

    def is_recovery(self, row: Row) -> bool:
        """Whether a transfer with R gives back what was advanced."""
        return self.kinds_of(row) == RECOVERY

    def is_undoing(self, row: Row) -> bool:
        """Whether a transfer with R takes back what a correction has paid."""
        return self.kinds_of(row) == UNDOING

    def is_ending(self, row: Row) -> bool:
        """Whether a transfer with R ends what a bank has booked."""
        from_, to = self.kinds_of(row)
        bank_s = from_ == AccountKind.BANK_SUSPENSE or to == AccountKind.BANK_TRANSIT
        other = self.is_payout(row) or self.is_recall(row)
        return row.resolves != 0 and bank_s and not other

    def is_owed_wrongly(self, row: Row) -> bool:
        """Whether a transfer says that a wallet may owe, which only one may say that
        ends a debit from a wallet.
        """
        if not row.flags & RowFlag.OWED or row.kind != Kind.TRANSFER:
            return False
        return not row.resolves or self.kinds_of(row) != OWING

    def is_alone(self, row: Row) -> bool:
        """Whether a transfer with R is none that two people propose by itself."""
        of_banks = self.is_ending(row) or self.is_payout(row) or self.is_recall(row)
        return of_banks or self.is_recovery(row) or self.is_undoing(row)

    def asks_for(self, row: Row) -> int:
        """By which number a proposal asks for this row."""
        advance = row.kind == Kind.TRANSFER and self.kinds_of(row) == ADVANCE
        return PROPOSE_ADVANCE if advance else row.kind

    def needs_approval(self, row: Row) -> bool:
        """Whether two people have to want this row."""
        if row.flags & EVIDENCE:
            return False
        if row.kind == Kind.TRANSFER:
            if self.is_owed_wrongly(row):
                return False
            return row.resolves != 0 and not self.is_alone(row)
        if row.kind == Kind.POST:
            return row.resolves in self.kept
        if row.kind == Kind.VOID:
            # Also of one that waits for the group that will say that it is kept.
            hold = self.accepted(row.resolves)
            overdue = hold is not None and self.is_kept_at(hold, self.clock())
            return row.resolves in self.kept or overdue
        return row.kind in (Kind.REFUND, Kind.CASE_CLOSE, Kind.VERIFY)

    def is_kept_at(self, hold: Row, now: int) -> bool:
        """Whether this hold's deadline has passed by then and does not release it."""
        kept = bool(hold.flags & RowFlag.KEEP)
        return hold.kind == Kind.HOLD and kept and self.due_of(hold) <= now

    def is_approved(self, row: Row) -> bool:
        """Whether the row names a proposal of just this, approved by its checker."""
        asked = self.accepted(row.proposal)
        if asked is None or asked.kind != Kind.PROPOSE:
            return False
        approval = self.approval_now(asked)
        if approval is None:
            return False
        if approval.participant != row.checker or asked.total != self.asks_for(row):
            return False
        return self.is_asked(row, asked) and self.is_judged(row, asked)

    def is_judged(self, row: Row, asked: Row) -> bool:
        """Whether who wanted it has seen all that its biller has said of it."""
        spoken_of = self.rows[row.resolves - 1]
        if spoken_of.kind in (Kind.POST, Kind.CASE):
            spoken_of = self.rows[spoken_of.resolves - 1]
        return self.newest_word(spoken_of) < asked.sequence

    def is_asked(self, row: Row, asked: Row) -> bool:
        """Whether a row is what a proposal of its kind asks for."""
        if row.kind in (Kind.VOID, Kind.VERIFY):
            one, other = self.rows[asked.resolves - 1], self.rows[row.resolves - 1]
            return first_of_basket(one) == first_of_basket(other)
        if row.kind == Kind.POST:
            return (row.resolves, row.amount) == (asked.resolves, asked.amount)
        if (row.id, row.participant) != (deed_id(asked), asked.participant):
            return False
        if row.resolves != asked.resolves:
            return False
        if row.kind == Kind.CASE_CLOSE:
            return row.reference == asked.reference
        if row.amount != asked.amount:
            return False
        if row.kind == Kind.REFUND:
            return True
        hold = self.rows[asked.resolves - 1]
        accounts = hold.debit, hold.credit
        if asked.total == PROPOSE_ADVANCE:
            accounts = row.debit, hold.debit
        same = row.reference == asked.reference
        return same and (row.debit, row.credit) == accounts

    def link_of(self, asked: Row) -> Row | None:
        """What has become of a proposal or shift: its approval or withdrawal."""
        link = self.resolved.get(asked.sequence)
        return self.rows[link - 1] if link else None

    def approval_of(self, asked: Row) -> Row | None:
        """The approval that was the last needed, if there is one."""
        link = self.link_of(asked)
        if link is None or link.kind != Kind.APPROVE:
            return None
        third = asked.kind == Kind.PROPOSE and asked.flags & RowFlag.THIRD
        return link if link.total or not third else None

    def life_of(self, asked: Row) -> int:
        """How long what was approved can be done."""
        del asked
        return PROPOSAL_LIFE_NS

    def approval_now(self, asked: Row) -> Row | None:
        """That approval, if what was wanted may be done by it now: it is not too old,
        and all who have wanted it could say so still.
        """
        approval = self.approval_of(asked)
        if approval is None:
            return None
        if self.clock() - approval.timestamp >= self.life_of(asked):
            return None
        if not self.persons:
            return approval
        first = self.rows[approval.total - 1] if approval.total else approval
        return approval if self.all_can_say(asked, first, approval) else None

    def all_can_say(self, asked: Row, *approvals: Row) -> bool:
        """Whether who has wanted something could say so by now."""
        able = self.may_propose((asked.participant, asked.operator_))
        for said in approvals:
            able = able and self.may_approve((said.participant, said.operator_))
        return able

    def wanted_rows(self, asked: Row) -> list[list[Row]]:
        """For each row that a proposal asks for those that are it; one at most."""
        mine = [row for row in self.rows if row.result == Result.OK]
        if asked.total in (Kind.POST, Kind.VOID, Kind.VERIFY):
            hold = self.rows[asked.resolves - 1]
            first, size = hold.sequence, 1
            if asked.total != Kind.POST and hold.basket:
                first, size = first_of_basket(hold), hold.basket >> 8
            mine = [
                row
                for row in mine
                if (row.kind, row.total) == (asked.total, asked.sequence)
                and row.checker
            ]
            about = range(first, first + size)
            return [[row for row in mine if row.resolves == one] for one in about]
        id_ = deed_id(asked)
        kind = Kind.TRANSFER if asked.total == PROPOSE_ADVANCE else asked.total
        mine = [row for row in mine if (row.kind, row.id) == (kind, id_)]
        mine = [row for row in mine if row.participant == asked.participant]
        names = kind == Kind.REFUND
        return [[row for row in mine if names or row.total == asked.sequence]]

    def done_by(self, asked: Row) -> int:
        """The newest row of a proposal that is done, 0 if a row of it lacks."""
        rows = self.wanted_rows(asked)
        return max(row.sequence for [row] in rows) if all(rows) else 0

    def is_for_approval(self, asked: Row) -> bool:
        """Whether an accepted row is one that another person approves."""
        return asked.kind in (Kind.PROPOSE, Kind.SHIFT) or asked.sequence in self.stops

    def has_approved(self, row: Row, asked: Row) -> bool:
        """Whether the person of an approval is the one who was first of two."""
        first = self.link_of(asked)
        if first is None or first.kind != Kind.APPROVE or self.approval_of(asked):
            return False
        whose = first.participant, first.operator_
        return whose == (row.participant, row.operator_)

    # --- proposals --------------------------------------------------------------------

    def check_propose(self, row: Row) -> Answer:
        if row.total == Kind.REFUND:
            payment = self.accepted(row.resolves)
            if payment is None or payment.kind not in (Kind.PAY, Kind.POST):
                return Answer(Result.PAYMENT_NOT_FOUND)
            return OK
        if row.total == Kind.CASE_CLOSE:
            return self.check_closing(row)
        hold = self.hold_of(row)
        if hold is None:
            return Answer(Result.HOLD_NOT_FOUND)
        if row.total == Kind.VERIFY:
            return OK if self.in_question(hold) else Answer(Result.CASE_NOT_FOUND)
        about = hold.sequence in self.kept
        if row.total == Kind.TRANSFER:
            about = self.late_case(hold) > 0
        if not about:
            return Answer(Result.CASE_NOT_FOUND)
        return Answer(Result.EXCEEDS_HOLD) if row.amount > hold.amount else OK

    def check_closing(self, row: Row) -> Answer:
        """The case is one that a close ends, and nothing has ended it yet."""
        case = self.accepted(row.resolves)
        ended = None
        if case is not None and case.kind == Kind.CASE:
            ended = self.case_ended(case)
        if ended is None:
            return Answer(Result.CASE_NOT_FOUND)
        return Answer(Result.CASE_CLOSED, ended) if ended else OK

    def do_propose(self, row: Row) -> None:
        self.append(row)

    def check_approve(self, row: Row) -> Answer:
        asked = self.accepted(row.resolves)
        if asked is None or not self.is_for_approval(asked):
            return Answer(Result.PROPOSAL_NOT_FOUND)
        alike = row.participant == asked.participant or asked.kind == Kind.SHIFT
        same = alike and row.operator_ == asked.operator_
        if same or self.has_approved(row, asked):
            return Answer(Result.SAME_PERSON)
        decided = self.check_undecided(asked)
        if decided.result != Result.OK or asked.kind != Kind.PROPOSE:
            return decided
        late = self.clock() - asked.timestamp >= PROPOSAL_LIFE_NS
        return Answer(Result.PROPOSAL_EXPIRED) if late else OK

    def check_undecided(self, asked: Row) -> Answer:
        """Nobody has withdrawn it, and not all have approved it who are needed."""
        link = self.link_of(asked)
        if link is not None and link.kind == Kind.WITHDRAW:
            return Answer(Result.PROPOSAL_WITHDRAWN, link.sequence)
        if self.approval_of(asked) is not None:
            return Answer(Result.ALREADY_APPROVED, self.resolved[asked.sequence])
        return OK

    def do_approve(self, row: Row) -> None:
        row.total = self.resolved.get(row.resolves, 0)
        self.append(row)
        self.resolved[row.resolves] = row.sequence

    def check_withdraw(self, row: Row) -> Answer:
        asked = self.accepted(row.resolves)
        if asked is None or asked.kind != Kind.PROPOSE:
            return Answer(Result.PROPOSAL_NOT_FOUND)
        decided = self.check_undecided(asked)
        if decided.result == Result.PROPOSAL_WITHDRAWN:
            return decided
        done = self.done_by(asked)
        return Answer(Result.ALREADY_DONE, done) if done else OK

    def do_withdraw(self, row: Row) -> None:
        self.append(row)
        self.resolved[row.resolves] = row.sequence

    # --- what is done by them ---------------------------------------------------------

    def check_if_wanted(self, row: Row, answer: Answer) -> Answer:
        """Of what has no id: asked last, so that a repeat needs nobody."""
        if answer.result != Result.OK or answer.repeat:
            return answer
        if self.needs_approval(row) and not self.is_approved(row):
            return Answer(Result.NOT_APPROVED)
        return OK

    def name_proposal(self, row: Row) -> None:
        """A row that two people wanted says by which proposal."""
        if self.needs_approval(row):
            row.total = row.proposal

    def check_post(self, row: Row) -> Answer:
        return self.check_if_wanted(row, super().check_post(row))

    def do_post(self, row: Row) -> None:
        self.name_proposal(row)
        super().do_post(row)

    def check_void(self, row: Row) -> Answer:
        return self.check_if_wanted(row, super().check_void(row))

    def do_void(self, row: Row) -> None:
        if self.needs_approval(row):
            row.total = row.proposal
        else:
            row.total, row.checker = row.operator_, 0
        super().do_void(row)

    def check_verify(self, row: Row) -> Answer:
        return self.check_if_wanted(row, super().check_verify(row))

    def do_verify(self, row: Row) -> None:
        self.name_proposal(row)
        super().do_verify(row)

    def check_case_close(self, row: Row) -> Answer:
        return self.check_closing(row)

    def do_case_close(self, row: Row) -> None:
        case = self.rows[row.resolves - 1]
        row.debit, row.credit = case.debit, case.credit
        self.name_proposal(row)
        self.append(row)
        self.mark(row)
        self.resolved[row.resolves] = row.sequence

    def check_transfer(self, row: Row) -> Answer:
        if self.is_owed_wrongly(row):
            return Answer(Result.ACCOUNT_KIND_WRONG)
        payout = self.is_payout(row)
        if not row.resolves and not payout:
            return super().check_transfer(row)
        moved_on = self.check_correction
        if payout:
            moved_on = self.check_payout
        elif self.is_recall(row):
            moved_on = self.check_recall
        elif self.is_ending(row):
            moved_on = self.check_ending
        elif self.is_recovery(row):
            moved_on = self.check_recovery
        elif self.is_undoing(row):
            moved_on = self.check_undoing
        elif self.kinds_of(row) == ADVANCE:
            moved_on = self.check_advance
        answer = moved_on(row)
        return super().check_transfer(row) if answer.result == Result.OK else answer

    def check_correction(self, row: Row) -> Answer:
        """Its late confirmation is still open."""
        hold = self.rows[row.resolves - 1]
        if self.late_case(hold):
            return OK
        paid = self.correction_of(hold)
        other = self.verified_by(hold) if paid is None else paid.sequence
        return Answer(Result.CASE_CLOSED, other)

    def check_advance(self, row: Row) -> Answer:
        """Its hold is still kept, and nothing was advanced yet."""
        if row.resolves not in self.kept:
            return Answer(Result.HOLD_NOT_FOUND)
        done = self.advanced.get(row.resolves)
        return Answer(Result.CASE_CLOSED, done) if done else OK

    def check_recovery(self, row: Row) -> Answer:
        """It gives back just what was advanced, once."""
        advance = self.accepted(row.resolves)
        known = advance is not None and advance.kind == Kind.TRANSFER
        if advance is None or not known or not advance.resolves:
            return Answer(Result.CASE_NOT_FOUND)
        if self.kinds_of(advance) != ADVANCE:
            return Answer(Result.CASE_NOT_FOUND)
        if (row.debit, row.credit) != (advance.credit, advance.debit):
            return Answer(Result.ACCOUNT_KIND_WRONG)
        if row.amount != advance.amount:
            return Answer(Result.NET_DIFFERS)
        done = self.recovered.get(advance.sequence)
        return Answer(Result.CASE_CLOSED, done) if done else OK

    def check_undoing(self, row: Row) -> Answer:
        """Its biller rejects what was paid after all; all of that comes back, once."""
        hold = self.hold_of(row)
        if hold is None or hold.sequence not in self.corrected:
            return Answer(Result.CASE_NOT_FOUND)
        if (row.debit, row.credit) != (hold.credit, hold.debit):
            return Answer(Result.ACCOUNT_KIND_WRONG)
        paid = self.correction_of(hold)
        if paid is None:
            return Answer(Result.CASE_CLOSED, self.undone[hold.sequence])
        rejected = self.cases.get((hold.sequence, CaseType.LATE_REJECTION), 0)
        if rejected < paid.sequence:
            return Answer(Result.CASE_CLOSED)
        if rejected in self.resolved:
            return Answer(Result.CASE_CLOSED, self.resolved[rejected])
        return OK if row.amount == paid.amount else Answer(Result.NET_DIFFERS)

    def check_ending(self, row: Row) -> Answer:
        """It ends what a bank has booked, from and to where that may go, once."""
        item = self.accepted(row.resolves)
        known = item is not None and item.kind == Kind.BOOKED
        if item is None or not known or item.flags & RowFlag.MATCHED:
            return Answer(Result.CASE_NOT_FOUND)
        if not self.is_way_out(row, item):
            return Answer(Result.ACCOUNT_KIND_WRONG)
        if row.amount != item.amount:
            return Answer(Result.NET_DIFFERS)
        done = self.ended.get(item.sequence)
        if done:
            return Answer(Result.CASE_CLOSED, done)
        return self.check_by_hand(row, item)

    def check_by_hand(self, row: Row, item: Row) -> Answer:
        """No wallet gets what somebody has given it by hand."""
        comes = self.accounts[item.debit].kind == AccountKind.BANK
        to_wallet = self.accounts[row.credit].kind == AccountKind.WALLET
        own = item.flags & (RowFlag.RECENT | RowFlag.REVERSAL)
        if not comes or not to_wallet or own:
            return OK
        taken = self.claims.get(utr_key(item.reference), 0)
        if not taken or self.rows[taken - 1].kind != Kind.TOP_UP:
            return OK
        return Answer(Result.UTR_ALREADY_CREDITED, taken)

    def is_way_out(self, row: Row, item: Row) -> bool:
        """Whether a transfer is between accounts that end such an item."""
        from_, to = self.kinds_of(row)
        if self.accounts[item.debit].kind == AccountKind.BANK_TRANSIT:
            return row.credit == item.debit and from_ in EXPLAINED
        if row.debit != item.credit:
            return False
        suspense = self.accounts[item.credit]
        transit = suspense.participant, suspense.purpose + 1
        return to in EXPLAINED or row.credit == self.account_of[transit]

    def do_transfer(self, row: Row) -> None:
        if row.resolves:
            self.do_what_was_asked(row)
        super().do_transfer(row)

    def do_what_was_asked(self, row: Row) -> None:
        """A correction or its undoing, an advance, a recovery, or what is a bank's."""
        sequence = len(self.rows) + 1
        self.name_proposal(row)
        if self.is_payout(row):
            self.paid_out[row.resolves] = sequence
            self.count_paid(row, row.amount)
        elif self.is_recall(row):
            self.matched[row.resolves] = sequence
            self.count_paid(self.rows[row.resolves - 1], -row.amount)
        elif self.is_ending(row):
            self.ended[row.resolves] = sequence
            self.count_told(row)
        elif self.is_recovery(row):
            self.count_doubt(row, -1)
            self.recovered[row.resolves] = sequence
        elif self.is_undoing(row):
            row.flags |= RowFlag.UNDOES
            self.free_claim(row)
            self.undone[row.resolves] = sequence
        elif self.kinds_of(row) == ADVANCE:
            self.count_doubt(row, 1)
            self.advanced[row.resolves] = sequence
        else:
            row.flags |= RowFlag.CASE
            self.count_doubt(row, -1)
            self.free_claim(row)
            self.corrected[row.resolves] = sequence
            self.unverified.discard(row.resolves)

    def free_claim(self, row: Row) -> None:
        """What is left of a bill can be paid when a part of it is, and all of it when
        that was undone.
        """
        hold = self.rows[row.resolves - 1]
        row.flags |= hold.flags & (RowFlag.CLAIM | RowFlag.PARTIAL)
        if hold.flags & RowFlag.PARTIAL or not row.flags & RowFlag.CASE:
            self.release_claim(row, hold)

    # --- shifts -----------------------------------------------------------------------

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


def deed_id(asked: Row) -> bytes:
    """The id of the one row that follows from a proposal."""
    return hashlib.blake2b(b"refund" + asked.id, digest_size=32).digest()[:16]
