"""The oracle's rules of money: what each row checks, in the stated order, and does.

Part of tests/model.py, which see. Each rule reads like its line in
docs/data-model.md: first every check, then the change, which cannot fail.
"""

import hashlib
from bisect import bisect_left, insort

from switch.codes import (
    NO_AMOUNT_LIMIT,
    AccountKind,
    AccountState,
    KeyRule,
    Kind,
    Mode,
    Policy,
    Result,
)
from tests.flags import RowFlag
from tests.model_claims import utr_key
from tests.model_prices import Prices
from tests.model_references import PERIOD
from tests.model_state import (
    NEVER,
    OK,
    SECOND_NS,
    WORD_MAX,
    Answer,
    Service,
    financial_year,
    ist_day,
)
from tests.records import Account, Row, WindowLine

COPIED = 0x3E00 | int(  # the head and the tender
    RowFlag.CLAIM | RowFlag.RECENT | RowFlag.STATED | RowFlag.PARTIAL
)
OF_BANKS = (AccountKind.BANK, AccountKind.BANK_SUSPENSE, AccountKind.BANK_TRANSIT)
PAYOUT = (AccountKind.SETTLEMENT, AccountKind.BANK_TRANSIT)
WITHOUT_FUNDS = (AccountKind.FLOAT, AccountKind.BANK, AccountKind.BANK_TRANSIT)
"""Accounts that may have any debit balance through transfers."""


class Rules(Prices):
    """Each rule of money: `check_` refuses, `do_` changes."""

    def check_pay(self, row: Row) -> Answer:
        self.name_payment(row)
        service = self.service_at(row.service)
        if service is None:
            return Answer(Result.SERVICE_UNKNOWN)
        if not service.active:
            return Answer(Result.SERVICE_INACTIVE)
        if row.head >= len(service.heads):
            return Answer(Result.HEAD_UNKNOWN)
        if row.misspelled:
            return Answer(Result.REFERENCE_WRONG)
        result = self.check_price(row, service)
        if result != Result.OK:
            return Answer(result)
        period = service.key_rule == KeyRule.REFERENCE_PERIOD
        if period and not PERIOD.fullmatch(row.reference):
            return Answer(Result.PERIOD_MISSING)
        return self.check_wallet_and_bill(row, service)

    def check_wallet_and_bill(self, row: Row, service: Service) -> Answer:
        wallet, biller = self.accounts[row.debit], self.accounts[row.credit]
        if wallet.state == AccountState.CLOSED:
            return Answer(Result.DEBIT_CLOSED)
        if wallet.state == AccountState.FROZEN:
            return Answer(Result.DEBIT_FROZEN)
        if biller.state == AccountState.CLOSED:
            return Answer(Result.CREDIT_CLOSED)
        if biller.state == AccountState.FROZEN:
            return Answer(Result.CREDIT_FROZEN)
        claimed = self.check_claims(row, service, self.clock())
        if claimed.result != Result.OK:
            return claimed
        if row.amount > wallet.payment_max:
            return Answer(Result.PAYMENT_AMOUNT_EXCEEDED)
        same_day = wallet.day == ist_day(self.clock())
        if (wallet.day_count if same_day else 0) + 1 > wallet.day_count_max:
            return Answer(Result.DAY_COUNT_EXCEEDED)
        day_amount = (wallet.day_amount if same_day else 0) + row.amount
        if day_amount > wallet.day_amount_max != NO_AMOUNT_LIMIT:
            return Answer(Result.DAY_AMOUNT_EXCEEDED)
        return self.check_money(row, needs_funds=True)

    def check_money(self, row: Row, *, needs_funds: bool) -> Answer:
        """Funds of the debit, then room in the 64 bits of both sides."""
        debit, credit = self.accounts[row.debit], self.accounts[row.credit]
        if needs_funds and debit.available < row.amount:
            return Answer(Result.INSUFFICIENT_FUNDS)
        debits = debit.debits_pending + debit.debits_posted + row.amount
        credits_ = credit.credits_pending + credit.credits_posted + row.amount
        if max(debits, credits_) > WORD_MAX:
            return Answer(Result.OVERFLOWS)
        return OK

    def move(self, row: Row) -> None:
        """Posted money, and what the biller accounts' open window counts of it."""
        debit, credit = self.accounts[row.debit], self.accounts[row.credit]
        debit.debits_posted += row.amount
        credit.credits_posted += row.amount
        for account in (debit, credit):
            if row.kind in (Kind.PAY, Kind.POST):
                account.refundable += row.amount
            elif row.kind == Kind.REFUND:
                account.refundable -= row.amount
        if row.kind in (Kind.TOP_UP, Kind.SETTLE):
            return
        if debit.kind == AccountKind.BILLER:
            debit.period_debits += row.amount
        if credit.kind == AccountKind.BILLER:
            credit.period_credits += row.amount

    def count_day(self, row: Row) -> None:
        """A payment of today, in the wallet's day counters."""
        wallet, day = self.accounts[row.debit], ist_day(self.clock())
        if wallet.day != day:
            wallet.day, wallet.day_amount, wallet.day_count = day, 0, 0
        wallet.day_amount += row.amount
        wallet.day_count += 1

    def number_receipt(self, row: Row) -> None:
        """The wallet's next receipt of the financial year."""
        wallet, year = self.accounts[row.debit], financial_year(self.clock())
        if wallet.year != year:
            wallet.year, wallet.receipt = year, 0
        wallet.receipt += 1
        row.receipt = wallet.receipt

    def do_pay(self, row: Row) -> None:
        row.total = 0
        if self.services[row.service - 1].mode == Mode.CONFIRMED:
            row.flags |= RowFlag.AS_DIRECT
        self.take_claims(row)
        self.count_day(row)
        self.number_receipt(row)
        self.move(row)
        self.append(row)

    def do_hold(self, row: Row) -> None:
        row.total = 0
        debit, credit = self.accounts[row.debit], self.accounts[row.credit]
        service = self.services[row.service - 1]
        if self.keeps(service) or row.keeps:
            row.flags |= RowFlag.KEEP
        self.take_claims(row)
        if row.flags & RowFlag.CLAIM and self.is_in_parts(row, service):
            row.flags |= RowFlag.PARTIAL
        self.count_day(row)
        debit.debits_pending += row.amount
        credit.credits_pending += row.amount
        debit.holds_count += 1
        credit.holds_count += 1
        self.append(row)
        insort(self.due, (self.due_of(row), row.sequence))

    def keeps(self, service: Service) -> bool:
        """Whether the deadline of its holds releases none of them."""
        promises = self.participants[service.biller].never_credits_late
        by_its_word = service.deadline_policy == Policy.RELEASE and not promises
        return service.deadline_policy == Policy.KEEP or by_its_word

    def due_of(self, hold: Row) -> int:
        """When a hold is due, nanoseconds UTC."""
        if hold.sequence in self.kept:
            return NEVER
        return hold.timestamp + hold.deadline * SECOND_NS

    def check_post(self, row: Row) -> Answer:
        return self.check_resolution(row, Kind.POST)

    def check_void(self, row: Row) -> Answer:
        return self.check_resolution(row, Kind.VOID)

    def check_resolution(self, row: Row, kind: Kind) -> Answer:
        hold = self.hold_of(row)
        if hold is None:
            return Answer(Result.HOLD_NOT_FOUND)
        resolver = self.resolved.get(hold.sequence, 0)
        if resolver:
            by = self.rows[resolver - 1].kind
            if by == kind:
                return Answer(Result.OK, resolver, repeat=1)
            results = {
                Kind.POST: Result.ALREADY_POSTED,
                Kind.VOID: Result.ALREADY_VOIDED,
                Kind.EXPIRE: Result.ALREADY_EXPIRED,
            }
            return Answer(results[Kind(by)], resolver)
        if kind == Kind.POST and row.amount > hold.amount:
            return Answer(Result.EXCEEDS_HOLD)
        return OK

    def copy_hold(self, row: Row, hold: Row) -> None:
        """What every end of a hold, or of the doubt about it, says again of it."""
        row.debit, row.credit = hold.debit, hold.credit
        row.reference, row.service = hold.reference, hold.service
        row.participant, row.operator_ = hold.participant, hold.operator_
        row.basket = hold.basket
        row.flags = hold.flags & COPIED | row.flags & RowFlag.EVIDENCE

    def resolve(self, row: Row, hold: Row) -> None:
        """What every end of a hold does: the row copies it, the pendings go."""
        self.copy_hold(row, hold)
        del self.due[bisect_left(self.due, (self.due_of(hold), hold.sequence))]
        if hold.sequence in self.kept:
            row.flags |= RowFlag.KEEP
            self.kept.remove(hold.sequence)
            self.count_kept(hold, -1)
        debit, credit = self.accounts[hold.debit], self.accounts[hold.credit]
        debit.debits_pending -= hold.amount
        credit.credits_pending -= hold.amount
        debit.holds_count -= 1
        credit.holds_count -= 1
        self.resolved[hold.sequence] = len(self.rows) + 1

    def count_kept(self, hold: Row, more: int) -> None:
        """A hold more that is kept, or one less."""
        for index in (hold.debit, hold.credit):
            self.accounts[index].kept_count += more
            self.accounts[index].kept_amount += more * hold.amount

    def count_doubt(self, row: Row, more: int) -> None:
        """A payment more that is in question, or one less; or so an advance."""
        for index in (row.debit, row.credit):
            self.accounts[index].cases_count += more

    def do_post(self, row: Row) -> None:
        hold = self.rows[row.resolves - 1]
        self.resolve(row, hold)
        wallet = self.accounts[hold.debit]
        if ist_day(hold.timestamp) == wallet.day:
            wallet.day_amount -= hold.amount - row.amount
        if hold.flags & RowFlag.PARTIAL:
            self.release_claim(row, hold)
        self.number_receipt(row)
        self.move(row)
        self.append(row)

    def do_void(self, row: Row) -> None:
        hold = self.rows[row.resolves - 1]
        self.release(row, hold)
        self.release_claim(row, hold)
        self.append(row)

    def do_expire(self, row: Row) -> None:
        """The money goes back; the bill stays claimed until its biller has said."""
        hold = self.rows[row.resolves - 1]
        self.release(row, hold)
        self.count_doubt(row, 1)
        self.unverified.add(hold.sequence)
        self.append(row)

    def release(self, row: Row, hold: Row) -> None:
        """A void or an expiry: money and day are as if never held."""
        row.amount = hold.amount
        self.resolve(row, hold)
        wallet = self.accounts[hold.debit]
        if ist_day(hold.timestamp) == wallet.day:
            wallet.day_amount -= hold.amount
            wallet.day_count -= 1

    def check_verify(self, row: Row) -> Answer:
        hold = self.hold_of(row)
        if hold is None:
            return Answer(Result.HOLD_NOT_FOUND)
        if self.in_question(hold):
            return OK
        verified = self.verified_by(hold)
        if verified:
            return Answer(Result.OK, verified, repeat=1)
        return Answer(Result.HOLD_NOT_FOUND)

    def do_verify(self, row: Row) -> None:
        """Its biller has no credit: nobody owes anything, and the bill may be paid."""
        hold = self.rows[row.resolves - 1]
        self.copy_hold(row, hold)
        self.count_doubt(row, -1)
        self.release_claim(row, hold)
        self.verified[hold.sequence] = len(self.rows) + 1
        self.unverified.discard(hold.sequence)
        self.append(row)
        self.mark(row)

    def mark(self, row: Row) -> None:
        """A row that moves no money has changed both accounts all the same."""
        for index in (row.debit, row.credit):
            self.touch(index, row.sequence)

    def payment_of(self, row: Row) -> Row | None:
        """The accepted pay or post that a refund speaks of."""
        if not 0 < row.resolves <= len(self.rows):
            return None
        payment = self.rows[row.resolves - 1]
        paid = payment.kind in (Kind.PAY, Kind.POST) and payment.result == Result.OK
        return payment if paid else None

    def check_refund(self, row: Row) -> Answer:
        row.debit = row.credit = 0
        payment = self.rows[row.resolves - 1]  # as its proposal has found it
        row.debit, row.credit = payment.credit, payment.debit
        row.reference, row.service = payment.reference, payment.service
        row.flags = payment.flags & COPIED
        if self.accounts[row.debit].state == AccountState.CLOSED:
            return Answer(Result.DEBIT_CLOSED)
        if self.accounts[row.credit].state == AccountState.CLOSED:
            return Answer(Result.CREDIT_CLOSED)
        if self.refunded.get(payment.sequence, 0) + row.amount > payment.amount:
            return Answer(Result.EXCEEDS_PAYMENT)
        return self.check_money(row, needs_funds=False)

    def do_refund(self, row: Row) -> None:
        payment = self.rows[row.resolves - 1]
        row.total = self.refunded.get(payment.sequence, 0) + row.amount
        self.refunded[payment.sequence] = row.total
        self.resolved[payment.sequence] = len(self.rows) + 1
        if self.is_given_back(payment):
            posted = payment.kind == Kind.POST
            taker = self.rows[payment.resolves - 1] if posted else payment
            self.release_claim(row, taker)
        self.move(row)
        self.append(row)

    def check_top_up(self, row: Row) -> Answer:
        debit, credit = self.account(row.debit), self.account(row.credit)
        if debit is None or credit is None:
            return Answer(Result.ACCOUNT_UNKNOWN)
        if (debit.kind, credit.kind) != (AccountKind.FLOAT, AccountKind.WALLET):
            return Answer(Result.ACCOUNT_KIND_WRONG)
        if credit.state == AccountState.CLOSED:
            return Answer(Result.CREDIT_CLOSED)
        taken = self.claims.get(utr_key(row.reference), 0)
        if taken:
            return Answer(Result.UTR_ALREADY_CREDITED, taken)
        return self.check_money(row, needs_funds=False)

    def do_top_up(self, row: Row) -> None:
        self.claims[utr_key(row.reference)] = len(self.rows) + 1
        row.flags |= RowFlag.CLAIM
        self.move(row)
        self.append(row)

    def check_transfer(self, row: Row) -> Answer:
        debit, credit = self.account(row.debit), self.account(row.credit)
        if debit is None or credit is None:
            return Answer(Result.ACCOUNT_UNKNOWN)
        if row.debit == row.credit:
            return Answer(Result.ACCOUNTS_MUST_DIFFER)
        if not self.may_move(row, debit, credit):
            return Answer(Result.ACCOUNT_KIND_WRONG)
        if debit.state == AccountState.CLOSED:
            return Answer(Result.DEBIT_CLOSED)
        if credit.state == AccountState.CLOSED:
            return Answer(Result.CREDIT_CLOSED)
        kinds = debit.kind, credit.kind
        undoes = row.resolves != 0 and kinds == (AccountKind.BILLER, AccountKind.WALLET)
        free = debit.kind in WITHOUT_FUNDS or bool(row.flags & RowFlag.OWED) or undoes
        return self.check_money(row, needs_funds=not free)

    def may_move(self, row: Row, debit: Account, credit: Account) -> bool:
        """Whether a bank's accounts have nothing to do with it, or it is a payout or an
        opening. An ending was looked at before.
        """
        kinds = debit.kind, credit.kind
        if not any(kind in OF_BANKS for kind in kinds):
            return True
        return row.resolves != 0 or kinds == PAYOUT or self.is_opening(debit, credit)

    def is_opening(self, debit: Account, credit: Account) -> bool:
        """Whether a bank account begins with what its bank has by then."""
        raise NotImplementedError

    def do_transfer(self, row: Row) -> None:
        self.move(row)
        self.append(row)

    # --- windows and settlement -------------------------------------------------------

    def check_window(self, row: Row) -> Answer:
        if row.resolves == self.last_window:
            is_empty = row.participant and self.is_window_empty()
            return Answer(Result.WINDOW_EMPTY) if is_empty else OK
        followed = self.resolved.get(row.resolves, 0)
        if row.resolves in self.windows or (row.resolves == 0 and followed):
            return Answer(Result.OK, followed, repeat=1)
        return Answer(Result.WINDOW_NOT_FOUND)

    def is_window_empty(self) -> bool:
        """Whether nothing would be in the window that is open."""
        for account in self.accounts[1:]:
            is_line = account.period_debits or account.period_credits or account.carried
            if account.kind == AccountKind.BILLER and is_line:
                return False
            is_changed = account.changed > self.last_window
            if account.kind == AccountKind.SETTLEMENT and is_changed:
                return False
        return True

    def signature_of(self, row: Row) -> bytes:
        """What stands behind the lines of a window; those who know people say it."""
        return b""

    def do_window(self, row: Row) -> None:
        lines = []
        signature = self.signature_of(row)
        for index in self.biller_accounts:
            account = self.accounts[index]
            counted = account.period_debits, account.period_credits, account.carried
            if any(counted):
                net = account.period_credits - account.period_debits - account.carried
                lines.append(WindowLine(index, *counted, max(0, net)))
                account.carried = max(0, -net)
                account.period_debits = account.period_credits = 0
                self.touch(index, len(self.rows) + 1)
        row.tail = b"".join(line.pack() for line in lines) + signature or None
        if row.tail:
            row.reference = hashlib.blake2b(row.tail, digest_size=32).digest()
        self.resolved[row.resolves] = len(self.rows) + 1
        self.append(row)
        self.last_window = row.sequence
        self.windows[row.sequence] = {line.account: line.payable for line in lines}

    def check_settle(self, row: Row) -> Answer:
        payable = self.windows.get(row.resolves)
        if payable is None:
            return Answer(Result.WINDOW_NOT_FOUND)
        debit, credit = self.account(row.debit), self.account(row.credit)
        if debit is None or credit is None:
            return Answer(Result.ACCOUNT_UNKNOWN)
        if (debit.kind, credit.kind) != (AccountKind.BILLER, AccountKind.SETTLEMENT):
            return Answer(Result.ACCOUNT_KIND_WRONG)
        settled = self.settled_by.get((row.resolves, row.debit), 0)
        if settled:
            return Answer(Result.ALREADY_SETTLED, settled)
        if payable.get(row.debit, 0) != row.amount:
            return Answer(Result.NET_DIFFERS)
        return self.check_money(row, needs_funds=True)

    def do_settle(self, row: Row) -> None:
        self.settled_by[row.resolves, row.debit] = len(self.rows) + 1
        self.accounts[row.debit].settled += row.amount
        self.move(row)
        self.append(row)
