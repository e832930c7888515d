"""The oracle's beneficiaries: to which account at a bank a biller's money is paid out;
and its recalls: what comes back because its bank has refused it.

Part of tests/model.py, which see.
"""

import re
import struct
from dataclasses import dataclass

from switch.codes import AccountKind, Kind, Record, Result
from tests.flags import RowFlag
from tests.model_margins import Margins
from tests.model_rules import PAYOUT
from tests.model_state import OK, SECOND_NS, Answer
from tests.records import Row

BENEFICIARIES_MAX = 65_535
WAIT_S = 86_400
BENEFICIARY_BYTES = struct.Struct("<BBHI40s16s")
NUMBER = re.compile(rb"[A-Z0-9]{1,34}")
IFSC = re.compile(rb"[A-Z]{4}0[A-Z0-9]{6}")


@dataclass(frozen=True, slots=True)
class Beneficiary:
    """Where the money of a biller account goes; `sequence` as for participants."""

    index: int
    active: int
    sequence: int


class Beneficiaries(Margins):
    """Who is paid out, and when; and what was released and has not left."""

    def __init__(self) -> None:
        super().__init__()
        self.beneficiaries: dict[int, Beneficiary] = {}  # by biller account
        # the row of a beneficiary -> the newest transfer that pays it out
        self.paid_out: dict[int, int] = {}

    def record_is_valid(self, row: Row) -> bool:
        tail = row.tail or b""
        if row.kind == Kind.REGISTER and tail[:1] == bytes([Record.BENEFICIARY]):
            return beneficiary_is_valid(tail)
        return super().record_is_valid(row)

    def check_register(self, row: Row) -> Answer:
        answer = super().check_register(row)
        tail = row.tail or b""
        if tail[0] != Record.BENEFICIARY:
            return answer
        whose = self.account(account_of(tail))
        if whose is None:
            return Answer(Result.ACCOUNT_UNKNOWN)
        if whose.kind != AccountKind.BILLER:
            return Answer(Result.ACCOUNT_KIND_WRONG)
        known = account_of(tail) in self.beneficiaries
        full = not known and len(self.beneficiaries) >= BENEFICIARIES_MAX
        return Answer(Result.TABLE_FULL) if full else OK

    def do_register(self, row: Row) -> None:
        tail = row.tail or b""
        if tail[0] != Record.BENEFICIARY:
            super().do_register(row)
            return
        whose = account_of(tail)
        before = self.beneficiaries.get(whose)
        row.flags |= RowFlag.UPDATE if before else 0
        row.debit = before.index if before else len(self.beneficiaries) + 1
        self.append(row)
        self.beneficiaries[whose] = Beneficiary(row.debit, tail[1], row.sequence)

    def is_payout(self, row: Row) -> bool:
        """Whether a transfer releases what was settled; it ends nothing."""
        debit, credit = self.account(row.debit), self.account(row.credit)
        if debit is None or credit is None or (debit.kind, credit.kind) != PAYOUT:
            return False
        named = self.accepted(row.resolves)
        registered = named is not None and named.kind == Kind.REGISTER
        return row.resolves == 0 or registered

    def is_release(self, row: Row) -> bool:
        """Whether an accepted row has released money to a bank."""
        if row.kind != Kind.TRANSFER:
            return False
        from_, to = self.accounts[row.debit].kind, self.accounts[row.credit].kind
        returned = (from_, to) == (AccountKind.BANK_SUSPENSE, AccountKind.BANK_TRANSIT)
        return returned or self.is_payout(row)

    def is_recall(self, row: Row) -> bool:
        """Whether a transfer takes back what it says was released. What goes from one
        transit account to one would be an ending, and is none.
        """
        from_, to = self.account(row.debit), self.account(row.credit)
        transit = AccountKind.BANK_TRANSIT
        comes_back = from_ is not None and from_.kind == transit
        stays = to is not None and to.kind == transit
        return row.resolves != 0 and comes_back and not stays

    def check_recall(self, row: Row) -> Answer:
        """It takes just what was released to where that belongs, once, and before its
        bank has booked it.
        """
        release = self.accepted(row.resolves)
        if release is None or not self.is_release(release):
            return Answer(Result.CASE_NOT_FOUND)
        to = self.account(row.credit)
        if self.is_payout(release):
            fits = row.credit == release.debit
        else:
            fits = to is not None and to.kind == AccountKind.SUSPENSE
        if row.debit != release.credit or not fits:
            return Answer(Result.ACCOUNT_KIND_WRONG)
        if row.amount != release.amount:
            return Answer(Result.NET_DIFFERS)
        done = self.matched.get(release.sequence)
        return Answer(Result.CASE_CLOSED, done) if done else OK

    def was_to_come(self, row: Row, named: Row) -> bool:
        """Whether a row was not there yet when a payout that names it was proposed."""
        return bool(self.persons) and named.sequence >= row.proposal

    def check_payout(self, row: Row) -> Answer:
        """Where there are beneficiaries it names the newest row about one, which is
        active and was there when people proposed it, and all have had time to see it;
        and it is at most what was settled for that account and not paid out.
        """
        if not self.beneficiaries and not row.resolves:
            return OK
        named = self.accepted(row.resolves)
        tail = (named.tail or b"") if named is not None else b""
        if named is None or tail[:1] != bytes([Record.BENEFICIARY]):
            return Answer(Result.BENEFICIARY_WRONG)
        newest = self.beneficiaries[account_of(tail)]
        to_come = self.was_to_come(row, named)
        if newest.sequence != named.sequence or not newest.active or to_come:
            return Answer(Result.BENEFICIARY_WRONG, newest.sequence)
        wait_s = self.wait_s or WAIT_S
        if self.clock() - named.timestamp < wait_s * SECOND_NS:
            return Answer(Result.BENEFICIARY_WAITS, named.sequence)
        payee = self.accounts[account_of(tail)]
        if row.amount > payee.settled - payee.paid_out:
            return Answer(Result.EXCEEDS_SETTLED)
        return OK

    def count_paid(self, release: Row, amount: int) -> None:
        """So much more, or less, was paid out of what was settled for the account whose
        beneficiary a release names.
        """
        if release.resolves and self.is_payout(release):
            named = self.rows[release.resolves - 1]
            self.accounts[account_of(named.tail or b"")].paid_out += amount


def account_of(tail: bytes) -> int:
    """The biller account that a beneficiary's record speaks of."""
    return int.from_bytes(tail[4:8], "little")


def beneficiary_is_valid(tail: bytes) -> bool:
    """Whether a record of a beneficiary is one."""
    if len(tail) < BENEFICIARY_BYTES.size:
        return False
    _, active, zeros, account, number, ifsc = BENEFICIARY_BYTES.unpack_from(tail)
    if zeros or active > 1 or not account:
        return False
    named = NUMBER.fullmatch(number.rstrip(b"\0"))
    return bool(named and IFSC.fullmatch(ifsc.rstrip(b"\0")))
