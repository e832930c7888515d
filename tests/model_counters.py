"""The oracle's rules of counters: who sits there, what is complained of, what cash is
handed out, and the bills that billers put in.

Part of tests/model.py, which see.
"""

import struct
from collections import defaultdict
from dataclasses import dataclass

from switch.codes import (
    TENDER_MASK,
    AccountKind,
    AmountRule,
    DuplicateRule,
    Kind,
    PriceRule,
    Record,
    Result,
    Role,
)
from tests.flags import RowFlag
from tests.model_banks import Banks
from tests.model_persons import Who
from tests.model_state import OK, PAYS, Answer
from tests.records import Row

OPERATORS_MAX = 65_535
COMPLAINTS_MAX = 2**20 - 1
BILLS_COUNT_MAX = 2**20
BILLS_AMOUNT_MAX = 10**18
OPERATOR_BYTES = struct.Struct("<BBHIII32s")
BILLS_BYTES = struct.Struct("<B3sIQ32s16s")
FULL, DELTA, WITHDRAWAL, ADDITION = 1, 2, 3, 4
REASONS = range(1, 7)
ASKED, ANSWERED, CLOSED = STEPS = range(1, 4)
COMPLAINS = frozenset((Kind.COMPLAINT, Kind.REPLY))
FORMS_OF = {Kind.COMPLAINT: REASONS, Kind.REPLY: STEPS}
"""What may stand in `total` of these."""


@dataclass(frozen=True, slots=True)
class Operator:
    """Who sits at a centre's counter; `sequence` as for participants."""

    index: int
    active: int
    key: bytes
    sequence: int


class Counters(Banks):
    """Operators, complaints, cash that is handed out, and bills."""

    def __init__(self) -> None:
        super().__init__()
        self.operators: dict[Who, Operator] = {}  # by centre and number
        self.operator_of: dict[bytes, Who] = {}  # by key
        self.complaints: list[int] = []  # the newest row about each, from 1
        self.replies: defaultdict[int, list[int]] = defaultdict(list)  # by complaint
        self.complaint_of: dict[int, int] = {}  # payment -> number of the last one
        self.handed_out: dict[int, int] = {}  # what gave money back -> its handed_out

    def record_is_valid(self, row: Row) -> bool:
        tail = row.tail or b""
        if row.kind == Kind.BILLS:
            return bills_record_is_valid(tail)
        if row.kind == Kind.REGISTER and tail[:1] == bytes([Record.OPERATOR]):
            return operator_record_is_valid(tail)
        return super().record_is_valid(row)

    # --- operators --------------------------------------------------------------------

    def check_register(self, row: Row) -> Answer:
        answer = super().check_register(row)
        tail = row.tail or b""
        return self.check_operator(tail) if tail[0] == Record.OPERATOR else answer

    def check_operator(self, tail: bytes) -> Answer:
        _, _, _, whose, number, _, key = OPERATOR_BYTES.unpack_from(tail)
        if whose >= len(self.participants):
            return Answer(Result.PARTICIPANT_UNKNOWN)
        if self.participants[whose].role != Role.CENTRE:
            return Answer(Result.PARTICIPANT_UNKNOWN)
        who = whose, number
        a_person_s = any(one.key == key for one in self.persons.values())
        if a_person_s or self.operator_of.get(key, who) != who:
            return Answer(Result.SAME_PERSON)
        full = who not in self.operators and len(self.operators) >= OPERATORS_MAX
        return Answer(Result.TABLE_FULL) if full else OK

    def is_another_s(self, key: bytes, who: Who) -> bool:
        return super().is_another_s(key, who) or key in self.operator_of

    def do_register(self, row: Row) -> None:
        tail = row.tail or b""
        if tail[0] != Record.OPERATOR:
            super().do_register(row)
            return
        _, active, _, whose, number, _, key = OPERATOR_BYTES.unpack_from(tail)
        before = self.operators.get((whose, number))
        if before is not None:
            row.flags |= RowFlag.UPDATE
            del self.operator_of[before.key]
        row.debit = before.index if before else len(self.operators) + 1
        self.append(row)
        operator = Operator(row.debit, active, key, row.sequence)
        self.operators[whose, number] = operator
        self.operator_of[key] = whose, number

    def newest_about(self, tail: bytes) -> int:
        if tail[0] == Record.OPERATOR:
            one = self.operators.get(struct.unpack_from("<II", tail, 4))
            return one.sequence if one else 0
        return super().newest_about(tail)

    def counter_of(self, row: Row) -> int:
        """The centre at whose counter somebody asks for this, 0 if it is of none."""
        if row.kind == Kind.COMPLAINT:
            return row.participant if row.participant < len(self.participants) else 0
        named = PAYS | {Kind.SHIFT, Kind.HANDED_OUT}
        at = row.debit if row.kind in named else 0
        if row.kind == Kind.APPROVE:
            shift = self.accepted(row.resolves)
            at = shift.debit if shift and shift.kind == Kind.SHIFT else 0
        wallet = self.account(at)
        of_wallet = wallet is not None and wallet.kind == AccountKind.WALLET
        return wallet.participant if wallet and of_wallet else 0

    def has_operator(self, row: Row) -> bool:
        """Whether a centre that signs on asks for this itself, and knows who it was;
        others need not.
        """
        if row.kind == Kind.SIGNED_OFF:
            return (row.participant, row.operator_) in self.operators
        centre = self.counter_of(row)
        if row.stranger:
            return False
        if not self.participants[centre].signs_on:
            return True
        if row.participant != centre:
            return False
        operator = self.operators.get((centre, row.operator_))
        return operator is not None and operator.active == 1

    def check_void(self, row: Row) -> Answer:
        """Whoever has cancelled is known there, active by now or not."""
        answer = super().check_void(row)
        if answer.result != Result.OK or answer.repeat or self.needs_approval(row):
            return answer
        centre = self.accounts[self.rows[row.resolves - 1].debit].participant
        named = row.operator_ and self.participants[centre].signs_on
        if named and (centre, row.operator_) not in self.operators:
            return Answer(Result.OPERATOR_UNKNOWN)
        return answer

    def sign_on(self, row: Row, number: int) -> None:
        """A payment of a message of a centre itself is of who is signed on there, said
        or not.
        """
        if self.participants[row.centre].signs_on:
            row.operator_ = row.operator_ or number
            row.stranger = not number or row.operator_ != number

    # --- complaints -------------------------------------------------------------------

    def check_complaint(self, row: Row) -> Answer:
        payment = self.accepted(row.resolves)
        if payment is None or payment.kind not in PAYS:
            return Answer(Result.PAYMENT_NOT_FOUND)
        if self.accounts[payment.debit].participant != row.participant:
            return Answer(Result.PAYMENT_NOT_FOUND)
        last = self.complaint_of.get(payment.sequence, 0)
        if last and not self.closed_by(last):
            return Answer(Result.COMPLAINT_OPEN, self.raised_by(last))
        full = len(self.complaints) >= COMPLAINTS_MAX
        return Answer(Result.TABLE_FULL) if full else OK

    def newest_of(self, number: int) -> Row:
        """The newest row about a complaint."""
        return self.rows[self.complaints[number - 1] - 1]

    def raised_by(self, number: int) -> int:
        """The row with which a complaint began."""
        newest = self.newest_of(number)
        return newest.sequence if newest.kind == Kind.COMPLAINT else newest.resolves

    def closed_by(self, number: int) -> int:
        """The reply that closed a complaint, or 0."""
        newest = self.newest_of(number)
        closes = newest.kind == Kind.REPLY and newest.total == CLOSED
        return newest.sequence if closes else 0

    def do_complaint(self, row: Row) -> None:
        row.debit = len(self.complaints) + 1
        self.append(row)
        self.complaints.append(row.sequence)
        self.complaint_of[row.resolves] = row.debit

    def check_reply(self, row: Row) -> Answer:
        raised = self.accepted(row.resolves)
        if raised is None or raised.kind != Kind.COMPLAINT:
            return Answer(Result.COMPLAINT_NOT_FOUND)
        if not self.may_reply(row, raised):
            return Answer(Result.COMPLAINT_NOT_FOUND)
        closed = self.closed_by(raised.debit)
        if closed:
            return Answer(Result.COMPLAINT_CLOSED, closed)
        newest = self.newest_of(raised.debit)
        if newest.kind == Kind.REPLY and newest.total == row.total:
            return Answer(Result.ALREADY_FOLLOWED, newest.sequence)
        return OK

    def may_reply(self, row: Row, raised: Row) -> bool:
        """Whether this step is its sender's."""
        if row.total == ANSWERED:
            payment = self.rows[raised.resolves - 1]
            return self.accounts[payment.credit].participant == row.participant
        if row.participant >= len(self.participants):
            return False
        sender = self.participants[row.participant]
        return sender.role == Role.TREASURY and sender.active == 1

    def do_reply(self, row: Row) -> None:
        row.debit = self.rows[row.resolves - 1].debit
        self.append(row)
        self.complaints[row.debit - 1] = row.sequence
        self.resolved[row.resolves] = row.sequence
        self.replies[row.resolves].append(row.sequence)

    # --- signing off ------------------------------------------------------------------

    def check_signed_off(self, row: Row) -> Answer:
        wallet = self.account(row.debit)
        if wallet is None or wallet.participant != row.participant:
            return Answer(Result.ACCOUNT_UNKNOWN)
        if wallet.kind != AccountKind.WALLET:
            return Answer(Result.ACCOUNT_KIND_WRONG)
        return OK

    def do_signed_off(self, row: Row) -> None:
        self.append(row)

    # --- cash that is handed out ------------------------------------------------------

    def check_handed_out(self, row: Row) -> Answer:
        wallet = self.account(row.debit)
        if wallet is None or wallet.participant != row.participant:
            return Answer(Result.ACCOUNT_UNKNOWN)
        if wallet.kind != AccountKind.WALLET:
            return Answer(Result.ACCOUNT_KIND_WRONG)
        back = self.accepted(row.resolves)
        amount = self.given_back_by(back) if back is not None else 0
        if back is None or not amount:
            return Answer(Result.PAYMENT_NOT_FOUND)
        if row.debit != (back.credit if back.kind == Kind.REFUND else back.debit):
            return Answer(Result.PAYMENT_NOT_FOUND)
        if row.amount != amount:
            return Answer(Result.NET_DIFFERS)
        before = self.handed_out.get(back.sequence, 0)
        if before:
            return Answer(Result.ALREADY_HANDED_OUT, before)
        if back.kind in (Kind.VOID, Kind.EXPIRE):
            hold = self.rows[back.resolves - 1]
            paid = self.correction_of(hold)
            doubt = paid.sequence if paid is not None else self.late_case(hold)
            if doubt and amount == hold.amount:
                return Answer(Result.CASES_OPEN, doubt)
        return OK

    def given_back_by(self, back: Row) -> int:
        """What a row gives back that a row of its own hands out; 0 if it is none."""
        if back.kind == Kind.REFUND:
            return back.amount
        ends = back.kind in (Kind.VOID, Kind.POST) and back.flags & RowFlag.KEEP
        if not ends and back.kind != Kind.EXPIRE:
            return 0
        hold = self.rows[back.resolves - 1]
        held = hold.amount
        if back.kind == Kind.POST:
            return held - back.amount
        # Paid after all: a part of it, or there is nothing left to speak of.
        correction = self.correction_of(hold)
        paid = correction.amount if correction is not None else 0
        return held - paid if paid < held else held

    def do_handed_out(self, row: Row) -> None:
        row.flags = self.rows[row.resolves - 1].flags & TENDER_MASK
        self.append(row)
        self.handed_out[row.resolves] = row.sequence

    # --- bills ------------------------------------------------------------------------

    def check_bills(self, row: Row) -> Answer:
        self.keep_record(row)
        service = self.service_at(row.service)
        if service is None or service.biller != row.participant:
            return Answer(Result.SERVICE_UNKNOWN)
        once = service.duplicate_rule == DuplicateRule.ONCE
        in_parts = service.amount_rule == AmountRule.EXACT_AND_BELOW
        if service.price_rule != PriceRule.BILL or not once or in_parts:
            return Answer(Result.RULE_FIXED)
        newest = self.bills_of.get(row.service, 0)
        if row.resolves != newest:
            return Answer(Result.ALREADY_FOLLOWED, newest)
        return OK

    def do_bills(self, row: Row) -> None:
        self.append(row)
        self.bills_of[row.service] = row.sequence
        if (row.tail or b"")[0] != ADDITION:
            self.renewed[row.service] = row.timestamp


def operator_record_is_valid(tail: bytes) -> bool:
    """Whether a record of an operator is one."""
    if len(tail) < OPERATOR_BYTES.size:
        return False
    _, active, zero, whose, number, zeros, key = OPERATOR_BYTES.unpack_from(tail)
    named = whose and number and any(key)
    return bool(active <= 1 and named) and not (zero or zeros)


def bills_record_is_valid(tail: bytes) -> bool:
    """Whether a record of a file of bills is one."""
    if len(tail) < BILLS_BYTES.size:
        return False
    form, zero, count, amount, _, zeros = BILLS_BYTES.unpack_from(tail)
    if form not in (FULL, DELTA, WITHDRAWAL, ADDITION) or any(zero) or any(zeros):
        return False
    if count > BILLS_COUNT_MAX or (count == 0 and form != FULL):
        return False
    most = 0 if count == 0 or form == WITHDRAWAL else BILLS_AMOUNT_MAX
    return bool(amount <= most)
