"""The oracle's rules of what banks say: their accounts, requests for money, booked
lines and statements.

Part of tests/model.py, which see. The transfers that end what was booked stand in
tests/model_people.py, who may propose lines of a bank's in model_signed.py.
"""

import re
import struct
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from switch.codes import (
    AMOUNT_MAX,
    AccountKind,
    AccountState,
    Kind,
    Record,
    Result,
    Source,
)
from tests.flags import RowFlag
from tests.model_claims import utr_key
from tests.model_rules import OF_BANKS
from tests.model_signed import Signed, lines_of
from tests.model_state import DAY_S, OK, SECOND_NS, Answer, ClaimKey, ist_day
from tests.records import Account, Row
from tests.signing import Line

REQUESTS_DAY_MAX = 64
REQUEST_LIFE_NS = 30 * DAY_S * SECOND_NS
BANK_ACCOUNTS_MAX = 255
BOOKED_TAIL_MAX = 1_024
LINES_COUNT_MAX = 7_999
DAY_MAX = 65_535
PURPOSES = range(16, 65_534)
BANK_BYTES = struct.Struct("<BBHIH6s40s")
STATEMENT_BYTES = struct.Struct("<BBHIIIIIqq8s")
ACCOUNT_NUMBER = re.compile(rb"[A-Z0-9]{1,34}")
OF_A_BANK = (Record.BANK_ACCOUNT, Record.STATEMENT)


@dataclass(frozen=True, slots=True)
class Bank:
    """An account that a bank keeps; `sequence` as for participants."""

    index: int
    participant: int
    purpose: int
    active: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Statement:
    """The last that a bank has said of an account."""

    sequence: int
    place: tuple[int, int]
    """Its last day, and its number."""
    closing: int


def is_credit(one: Row | Line) -> bool:
    """Whether a bank has booked this to the credit of its account's owner."""
    return one.debit != 0


def bank_of(one: Row | Line) -> int:
    """The account of kind bank that a booked line names."""
    return one.debit or one.credit


def booked_key(one: Row | Line) -> ClaimKey:
    """What no other line of a bank has."""
    side = 0 if is_credit(one) else 2
    reversal = 1 if one.flags & RowFlag.REVERSAL else 0
    return "booked", bank_of(one) * 4 + side + reversal, one.reference, 0


def sum_of(lines: Sequence[Line]) -> int:
    """By how much booked lines move an account, in its owner's favour."""
    return sum(line.amount if is_credit(line) else -line.amount for line in lines)


class Banks(Signed):
    """What a bank says, and what comes of it."""

    def __init__(self) -> None:
        super().__init__()
        self.banks: dict[bytes, Bank] = {}  # by the bank's number
        self.statements: dict[int, Statement] = {}  # by bank account: the last one
        # By wallet and IST day.
        self.requests: defaultdict[tuple[int, int], list[int]] = defaultdict(list)

    def record_is_valid(self, row: Row) -> bool:
        tail = row.tail or b""
        if row.kind == Kind.REGISTER and tail and tail[0] in OF_A_BANK:
            return bank_record_is_valid(tail)
        return super().record_is_valid(row)

    # --- bank accounts ----------------------------------------------------------------

    def check_register(self, row: Row) -> Answer:
        answer = super().check_register(row)
        tail = row.tail or b""
        if tail[0] == Record.BANK_ACCOUNT:
            return self.check_bank_account(tail)
        return self.check_statement(row) if tail[0] == Record.STATEMENT else answer

    def check_bank_account(self, tail: bytes) -> Answer:
        _, _, _, whose, purpose, _, number = BANK_BYTES.unpack_from(tail)
        if whose >= len(self.participants):
            return Answer(Result.PARTICIPANT_UNKNOWN)
        three = self.three_of(whose, purpose)
        if tuple(one.kind for one in three) != OF_BANKS:
            return Answer(Result.ACCOUNT_UNKNOWN)
        before = self.banks.get(number.rstrip(b"\0"))
        if before is not None:
            same = (before.participant, before.purpose) == (whose, purpose)
            return OK if same else Answer(Result.RULE_FIXED)
        taken = [(one.participant, one.purpose) for one in self.banks.values()]
        if (whose, purpose) in taken:
            return Answer(Result.RULE_FIXED)
        if any(any(one.totals) for one in three):
            return Answer(Result.BALANCE_NOT_ZERO)
        full = len(self.banks) >= BANK_ACCOUNTS_MAX
        return Answer(Result.TABLE_FULL) if full else OK

    def three_of(self, whose: int, purpose: int) -> list[Account]:
        """The accounts of a bank account; image 0 for one that is not there."""
        purposes = purpose, purpose + 1, purpose + 2
        return [self.accounts[self.account_of.get((whose, at), 0)] for at in purposes]

    def banks_count(self) -> int:
        return len(self.banks)

    def mirror_of(self, number: int) -> int:
        [bank] = [one for one in self.banks.values() if one.index == number]
        return self.account_of[bank.participant, bank.purpose]

    def bank_with(self, account: int) -> Bank | None:
        """The bank account that this account is the mirror of."""
        one = self.accounts[account]
        for bank in self.banks.values():
            if (bank.participant, bank.purpose) == (one.participant, one.purpose):
                return bank
        return None

    def is_opening(self, debit: Account, credit: Account) -> bool:
        for bank_s, other in ((debit, credit), (credit, debit)):
            if (bank_s.kind, other.kind) == (AccountKind.BANK, AccountKind.FLOAT):
                index = self.account_of[bank_s.participant, bank_s.purpose]
                return self.bank_with(index) is not None and not any(bank_s.totals)
        return False

    def beside(self, account: int, purposes: int) -> int:
        """The account with a purpose so much higher, of the same owner."""
        one = self.accounts[account]
        return self.account_of[one.participant, one.purpose + purposes]

    def do_register(self, row: Row) -> None:
        tail = row.tail or b""
        if tail[0] == Record.BANK_ACCOUNT:
            self.do_bank_account(row)
        elif tail[0] == Record.STATEMENT:
            self.do_statement(row)
        else:
            super().do_register(row)

    def do_bank_account(self, row: Row) -> None:
        _, active, _, whose, purpose, _, number = BANK_BYTES.unpack_from(
            row.tail or b""
        )
        number = number.rstrip(b"\0")
        before = self.banks.get(number)
        row.flags |= RowFlag.UPDATE if before else 0
        row.debit = before.index if before else len(self.banks) + 1
        self.append(row)
        bank = Bank(row.debit, whose, purpose, active, row.sequence)
        self.banks[number] = bank

    def newest_about(self, tail: bytes) -> int:
        if tail[0] == Record.BANK_ACCOUNT:
            bank = self.banks.get(BANK_BYTES.unpack_from(tail)[-1].rstrip(b"\0"))
            return bank.sequence if bank else 0
        return super().newest_about(tail)

    # --- requests ---------------------------------------------------------------------

    def check_request(self, row: Row) -> Answer:
        wallet = self.account(row.credit)
        if wallet is None or wallet.participant != row.participant:
            return Answer(Result.ACCOUNT_UNKNOWN)
        if wallet.kind != AccountKind.WALLET:
            return Answer(Result.ACCOUNT_KIND_WRONG)
        if wallet.state == AccountState.CLOSED:
            return Answer(Result.CREDIT_CLOSED)
        today = self.requests[row.credit, ist_day(self.clock())]
        full = len(today) >= REQUESTS_DAY_MAX
        return Answer(Result.DAY_COUNT_EXCEEDED) if full else OK

    def do_request(self, row: Row) -> None:
        self.append(row)
        self.requests[row.credit, ist_day(row.timestamp)].append(row.sequence)

    # --- booked lines -----------------------------------------------------------------

    def check_booked(self, row: Row) -> Answer:
        account = self.account(bank_of(row))
        if account is None:
            return Answer(Result.ACCOUNT_UNKNOWN)
        bank = self.bank_with(bank_of(row))
        if bank is None or not bank.active:
            return Answer(Result.ACCOUNT_KIND_WRONG)
        taken = self.claims.get(booked_key(row), 0)
        if taken:
            same = self.rows[taken - 1].amount == row.amount
            told = Result.ALREADY_BOOKED if same else Result.BOOKED_DIFFERS
            return Answer(told, taken)
        filled = row.copy()
        self.fill(filled)
        bank_s = self.accounts[bank_of(row)]
        has = bank_s.debits_posted - bank_s.credits_posted
        has += row.amount if is_credit(row) else -row.amount
        if abs(has) > AMOUNT_MAX:
            return Answer(Result.OVERFLOWS)
        return self.check_money(filled, needs_funds=False)

    def fill(self, row: Row) -> None:
        """The other account of a booked line, what it claims, and whether it fits what
        it names.
        """
        named = self.accepted(row.resolves)
        if row.resolves in self.matched or row.flags & RowFlag.REVERSAL:
            named = None
        if named is not None and named.amount != row.amount:
            named = None
        if row.resolves >= self.said_at(row):
            named = None
        if is_credit(row):
            row.credit = self.beside(row.debit, 1)
            if self.takes_utr(row):
                row.flags |= RowFlag.RECENT
            mine = bool(row.flags & RowFlag.RECENT)
            if mine and named is not None and self.is_awaited(named):
                row.credit = named.credit
                row.flags |= RowFlag.MATCHED
            return
        row.debit = self.beside(row.credit, 2)
        if named is None or named.credit != row.debit:
            return
        if self.is_release(named):
            row.flags |= RowFlag.MATCHED

    def said_at(self, row: Row) -> int:
        """The row by which a line was said: its proposal, or where nobody is itself."""
        return row.proposal if self.persons else len(self.rows) + 1

    def takes_utr(self, row: Row) -> bool:
        """Whether a line is the first that speaks of its money."""
        first = utr_key(row.reference) not in self.claims
        return is_credit(row) and not row.flags & RowFlag.REVERSAL and first

    def is_awaited(self, named: Row) -> bool:
        """Whether that is a request which may be met by a line by now."""
        if named.kind != Kind.REQUEST:
            return False
        late = self.clock() - named.timestamp >= REQUEST_LIFE_NS
        closed = self.accounts[named.credit].state == AccountState.CLOSED
        return not (late or closed)

    def do_booked(self, row: Row) -> None:
        key = booked_key(row)
        self.fill(row)
        self.claims[key] = len(self.rows) + 1
        row.flags |= RowFlag.CLAIM
        if row.flags & RowFlag.RECENT:
            self.claims[utr_key(row.reference)] = len(self.rows) + 1
        if row.flags & RowFlag.MATCHED:
            self.matched[row.resolves] = len(self.rows) + 1
        self.move(row)
        self.append(row)

    # --- statements -------------------------------------------------------------------

    def is_statement(self, row: Row) -> bool:
        """Whether a register row is what a bank says of an account."""
        statement = bytes([Record.STATEMENT])
        return row.kind == Kind.REGISTER and (row.tail or b"")[:1] == statement

    def needs_lines(self, row: Row) -> bool:
        return self.is_statement(row) or super().needs_lines(row)

    def check_statement(self, row: Row) -> Answer:
        told = STATEMENT_BYTES.unpack_from(row.tail or b"")
        _, _, _, index, number, _, last_day, _, opening, _, _ = told
        banks = [bank for bank in self.banks.values() if bank.index == index]
        if not banks:
            return Answer(Result.ACCOUNT_UNKNOWN)
        asked = self.rows[row.proposal - 1]
        lines = lines_of(asked.tail or b"")[:-1]
        mirror = self.account_of[banks[0].participant, banks[0].purpose]
        if any(bank_of(line) != mirror for line in lines):
            return Answer(Result.ACCOUNT_KIND_WRONG)
        last = self.statements.get(index)
        other = last.sequence if last is not None else 0
        if last_day > ist_day(self.clock()) + 1:
            return Answer(Result.STATEMENT_GAP, other)
        by_channel = asked.flags & RowFlag.EVIDENCE
        begins_anew = not by_channel and not lines
        if last is not None and opening != last.closing and not begins_anew:
            return Answer(Result.STATEMENT_GAP, other)
        if last is not None and by_channel and (last_day, number) < last.place:
            return Answer(Result.STATEMENT_GAP, other)
        return OK if all(map(self.is_booked, lines)) else Answer(Result.NOT_BOOKED)

    def is_booked(self, line: Line) -> bool:
        """Whether there is a row of this line's key and amount."""
        row = self.claims.get(booked_key(line), 0)
        return row != 0 and self.rows[row - 1].amount == line.amount

    def do_statement(self, row: Row) -> None:
        told = STATEMENT_BYTES.unpack_from(row.tail or b"")
        _, _, _, index, number, _, last_day, _, _, closing, _ = told
        row.debit = index
        row.flags |= RowFlag.UPDATE if index in self.statements else 0
        self.append(row)
        place = last_day, number
        self.statements[index] = Statement(row.sequence, place, closing)


def bank_record_is_valid(tail: bytes) -> bool:
    """Whether a record of a bank account or of a statement is one."""
    if tail[0] == Record.STATEMENT:
        return statement_record_is_valid(tail)
    if len(tail) < BANK_BYTES.size:
        return False
    _, active, zero, whose, purpose, zeros, number = BANK_BYTES.unpack_from(tail)
    if zero or any(zeros) or active > 1 or not whose or purpose not in PURPOSES:
        return False
    return bool(ACCOUNT_NUMBER.fullmatch(number.rstrip(b"\0")))


def statement_record_is_valid(tail: bytes) -> bool:
    """The days, the number of lines and the balances are such."""
    if len(tail) < STATEMENT_BYTES.size:
        return False
    told = STATEMENT_BYTES.unpack_from(tail)
    _, source, zero, bank, _, first_day, last_day, count, opening, closing, _ = told
    return bool(
        source in list(Source)
        and not zero
        and bank
        and last_day
        and first_day <= last_day <= DAY_MAX
        and count <= LINES_COUNT_MAX
        and max(abs(opening), abs(closing)) <= AMOUNT_MAX
    )


def statement_is_whole(lines: Sequence[Line]) -> bool:
    """Whether a statement among these is the last of them, and lists the others: all
    of one account, and between its balances.
    """
    record = bytes([Record.STATEMENT])
    statements = [
        number
        for number, line in enumerate(lines)
        if line.kind == Kind.REGISTER and line.tail[:1] == record
    ]
    if not statements:
        return True
    *before, last = lines
    if statements != [len(before)]:
        return False
    told = STATEMENT_BYTES.unpack_from(last.tail)
    _, _, _, _, _, _, _, count, opening, closing, _ = told
    alike = len({bank_of(line) for line in before}) <= 1
    booked = all(line.kind == Kind.BOOKED for line in before)
    right = count == len(before) and closing - opening == sum_of(before)
    return alike and booked and right
