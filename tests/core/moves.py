"""What a generator asks of the treasury's and the register's keepers.

Part of tests/core/generator.py, which see.
"""

from dataclasses import replace

from switch.codes import (
    AMOUNT_MAX,
    NO_AMOUNT_LIMIT,
    NO_COUNT_LIMIT,
    AccountKind,
    AccountState,
    AmountRule,
    Budget,
    CheckDigit,
    DuplicateRule,
    Kind,
    Letters,
    Policy,
    PriceRule,
    Role,
)
from switch.specs import SERVICE_HEADS_MAX
from tests.core.decisions import Decisions
from tests.core.network import BILL_HOURS, BILL_RULES, DUPLICATES, STEP
from tests.flags import RowFlag
from tests.model_rules import OF_BANKS
from tests.records import (
    AccountRecord,
    LimitRecord,
    ParticipantRecord,
    Row,
    ServiceRecord,
    budget,
    confirmation,
    pins,
    revocation,
)


class Moves(Decisions):
    """Draws rows of every kind but payments."""

    # --- the treasury -----------------------------------------------------------------

    def top_up(self) -> list[Row]:
        row = self.by_treasury(Kind.TOP_UP, amount=self.rng.randrange(1, 500_000))
        row.debit, row.credit = self.net.float_, self.wallet()
        if self.chance(8):
            row.debit, row.credit = self.any_account(), self.any_account()
        row.reference = b"UTR %d" % self.rng.randrange(10**9)
        if self.chance(6):
            row.reference = b"UTR %d" % self.rng.randrange(50)
        return [row]

    def transfer(self) -> list[Row]:
        row = self.by_treasury(Kind.TRANSFER, amount=self.rng.randrange(1, 5_000))
        row.debit, row.credit = self.any_account(), self.any_account()
        if self.chance(2):
            row.debit = self.net.float_
        if self.chance(12):
            row.credit = row.debit
        return [row]

    def window(self) -> list[Row]:
        row = Row(Kind.WINDOW, participant=self.net.treasury)
        row.resolves = self.model.last_window
        if self.chance(3):
            windows = [0, *self.model.windows]
            row.resolves = self.rng.choice((self.rng.choice(windows), 7))
        return [row]

    def settle(self) -> list[Row]:
        row = self.by_treasury(Kind.SETTLE, credit=self.net.settlement)
        row.reference = b""
        windows = list(self.model.windows)[-4:]
        row.resolves = self.rng.choice(windows) if windows else 5
        payable = self.model.windows.get(row.resolves, {})
        row.debit = self.rng.choice(list(payable)) if payable else self.net.heads[0][0]
        row.amount = payable.get(row.debit, 0) or 1
        draw = self.rng.randrange(20)
        if draw == 0:
            row.resolves += 1
        elif draw == 1:
            row.debit = self.any_account()
        elif draw == 2:
            row.credit = self.any_account()
        elif draw < 5:
            row.amount += 1
        elif draw == 5:
            row.credit = self.net.great_settlement
        return [row]

    def limit(self) -> list[Row]:
        row = self.by_treasury(Kind.LIMIT, debit=self.wallet())
        none = NO_AMOUNT_LIMIT
        amounts = (0, 60_000, 1_000_000, 20_000_000, none, none, none)
        counts = (0, 3, 100, NO_COUNT_LIMIT, NO_COUNT_LIMIT, NO_COUNT_LIMIT)
        if self.chance(6):
            row.debit = self.any_account()
        record = LimitRecord(self.rng.choice(amounts), self.rng.choice(counts))
        record.payment_max = self.rng.choice((None, None, none, 0, 9_000, 60_000))
        if self.chance(2):
            wallet = row.debit if row.debit < len(self.model.accounts) else 0
            has = self.model.accounts[wallet].available
            near = self.rng.randrange(1, self.rng.choice((2_000, 12_000)))
            lows = (0, 1, has, has + 1, has + near, has + near, max(0, has - near))
            record.low_balance = self.rng.choice((*lows, AMOUNT_MAX, AMOUNT_MAX + 1))
        row.tail, row.reference = record.pack(), b""
        return [row]

    def freeze(self) -> list[Row]:
        row = self.by_treasury(Kind.FREEZE, debit=self.wallet())
        if self.chance(8):
            row.debit = self.any_account()
        accounts = self.model.accounts
        if self.chance(8):
            of_banks = [i for i, a in enumerate(accounts) if a.kind in OF_BANKS]
            row.debit = self.rng.choice(of_banks or [row.debit])
        frozen = [i for i, a in enumerate(accounts) if a.state == AccountState.FROZEN]
        if frozen and not self.chance(3):
            row.debit = self.rng.choice(frozen)
            row.flags = RowFlag.UNFREEZE
        closed = [i for i, a in enumerate(accounts) if a.state == AccountState.CLOSED]
        if closed and self.chance(4):
            row.debit = self.rng.choice(closed)
        return [row]

    def close(self) -> list[Row]:
        row = self.by_treasury(Kind.CLOSE, debit=self.wallet())
        draw = self.rng.randrange(12)
        if draw == 0:
            row.debit = len(self.model.accounts) + self.rng.randrange(2)
        elif draw == 1:
            row.debit = self.any_account()
        elif draw == 2:
            row.debit = self.wallets[-1]  # perhaps nothing was paid from it yet
        elif draw < 5:
            return self.close_biller(row)
        elif draw < 8:
            # Drained first, so that it might be closed.
            accounts = self.model.accounts
            free = [
                wallet
                for wallet in self.wallets[-50:]
                if wallet not in self.net.wallets and not accounts[wallet].holds_count
            ]
            row.debit = self.rng.choice(free or self.wallets[-1:])
            amount = self.model.accounts[row.debit].available
            if amount > 0:
                drain = self.by_treasury(Kind.TRANSFER, amount=amount, debit=row.debit)
                drain.credit = self.net.suspense
                return [drain, row]
        return [row]

    def close_biller(self, row: Row) -> list[Row]:
        """A biller's account, an empty one if there is any, with as much in as out."""
        accounts, all_ = self.model.accounts, self.model.biller_accounts
        empty = [each for each in all_ if not accounts[each].balance]
        row.debit = self.rng.choice(empty or all_)
        there = self.by_treasury(Kind.TRANSFER, amount=5, credit=row.debit)
        there.debit = self.net.float_
        back = replace(there, id=self.rng.randbytes(16))
        back.debit, back.credit = there.credit, there.debit
        return [there, back, row]

    # --- the register -----------------------------------------------------------------

    def open(self) -> list[Row]:
        """A new centre with its wallet, or an account that cannot be."""
        if self.chance(2):
            row = self.by_treasury(Kind.OPEN)
            owner = self.rng.choice((*self.net.billers, self.net.treasury, 9_999))
            kind = AccountKind.BILLER
            if owner == self.net.treasury:
                kind = AccountKind.SUSPENSE
            purpose = 1 if kind == AccountKind.SUSPENSE else self.rng.randrange(2)
            row.tail = AccountRecord(owner, purpose, kind).pack()
            row.reference = b""
            return [row]
        number = len(self.model.participants)
        code = b"centre-x-%d" % number
        registered = self.model.participant_of.get(code)
        who, row = self.by_treasury(Kind.REGISTER), self.by_treasury(Kind.OPEN)
        record = ParticipantRecord(code, Role.CENTRE)
        record.may_state_dues = self.rng.choice((1, 1, 1, 0))
        who.tail = record.pack()
        row.tail = AccountRecord(registered or number, 0).pack()
        who.reference = row.reference = b""
        self.notice_new_wallets()
        money = self.top_up()[0]
        money.amount = min(20 * money.amount, AMOUNT_MAX)
        money.credit = len(self.model.accounts)
        return [who, row, money]

    def notice_new_wallets(self) -> None:
        """Take up what was opened in earlier groups."""
        owners = {self.model.accounts[wallet].participant for wallet in self.wallets}
        for index, account in enumerate(self.model.accounts):
            own = account.kind == AccountKind.WALLET
            if own and account.participant not in owners:
                owners.add(account.participant)
                self.wallets.append(index)
                self.centres.append(account.participant)
                self.codes.append(self.model.participants[account.participant].code)

    def change_what_is_fixed(self, record: ServiceRecord) -> None:
        """What makes bills of a service; refused, unless it stays what it was."""
        draw = self.rng.randrange(7)
        if draw == 6:
            record.price_rule = self.rng.choice(list(PriceRule))
        elif draw == 0:
            duplicate, key, hours = self.rng.choice(DUPLICATES)
            record.duplicate_rule, record.key_rule = duplicate, key
            record.duplicate_hours = hours
        elif draw == 1:
            record.letters = self.rng.choice(list(Letters))
        elif draw == 2:
            record.ignored = self.rng.randrange(32)
        elif draw == 3:
            record.check_digit = self.rng.choice(list(CheckDigit))
        elif draw == 4:
            record.series = self.rng.randrange(len(self.services) + 2)
        else:
            record.pattern = self.rng.choice((b"", b"9{1,12}", b"'x'*{0,9}", b"9{2"))

    def change_price(self, record: ServiceRecord) -> None:
        """What may change of it: its amounts, by its price rule."""
        rng = self.rng
        if record.price_rule == PriceRule.STATED:
            record.amount_rule = rng.choice(list(AmountRule))
        elif record.price_rule == PriceRule.BILL:
            record.amount_rule = rng.choice(BILL_RULES)
            if record.duplicate_rule == DuplicateRule.ONCE:
                record.duplicate_hours = rng.choice(BILL_HOURS)
        elif record.price_rule == PriceRule.TARIFF:
            at = rng.randrange(len(record.items))
            dearer = replace(record.items[at], fee=rng.randrange(1, 5_000))
            record.items = (*record.items[:at], dearer, *record.items[at + 1 :])
        else:
            record.amount_step = rng.choice((0, 1, STEP, STEP))

    def promise(self) -> list[Row]:
        """A biller gives its word that it never credits late, or takes it back."""
        row = self.by_treasury(Kind.REGISTER)
        at = self.rng.choice(self.net.billers)
        known = self.model.participants[at]
        record = ParticipantRecord(known.code, Role.BILLER)
        record.may_state_dues = known.may_state_dues
        record.never_credits_late = 0 if self.chance(2) else 1
        row.reference, row.tail = b"", record.pack()
        return [row]

    def certificate(self) -> list[Row]:
        """A person of the treasury comes or goes; certificates are revoked, revocations
        confirmed, keys pinned, budgets set.
        """
        rng, row = self.rng, self.by_treasury(Kind.REGISTER)
        known = len(self.model.participants)
        desks = [
            self.model.participant_of.get(b"desk-%d" % at, self.net.treasury)
            for at in range(5)
        ]
        whose = rng.choice(
            (*desks, *self.net.billers, rng.choice((0, 1, known, 9_999)))
        )
        if not self.model.persons or self.chance(4):
            row.participant = rng.choice((row.participant, row.participant, *desks))
        draw = rng.randrange(5)
        if draw == 0:
            record = ParticipantRecord(b"desk-%d" % rng.randrange(5), Role.TREASURY)
            record.role = Role.CENTRE if self.chance(8) else Role.TREASURY
            record.active = rng.randrange(2)
            record.may_state_dues = record.never_credits_late = 0
            row.tail = record.pack()
        elif draw == 1:
            whose = 9_999 if self.chance(8) else whose
            serial = rng.randbytes(rng.choice((0, 1, 8, 20)))
            row.tail = revocation(whose, rng.choice((b"\1", b"\0")) * 32, serial)
        elif draw == 2:
            count = len(self.model.revocations)
            row.tail = confirmation(rng.randrange(max(1, count - 5), count + 3))
        elif draw == 3:
            value = rng.choice((0, 0, 1, 16, 100, 10**6, 10**7 + 1))
            row.tail = budget(whose, rng.randrange(len(Budget) + 2), value)
        else:
            keys = (b"k" * 32, b"l" * 32, bytes(32), b"k" * 32)
            row.tail = pins(whose, *rng.sample(keys, rng.randrange(3)))
        row.reference = b""
        return [row]

    def register(self) -> list[Row]:
        """A service changed, rarely a new one, or one that cannot be."""
        if self.chance(4):
            return self.certificate()
        if self.chance(4):
            return self.promise()
        row = self.by_treasury(Kind.REGISTER)
        at = self.rng.randrange(len(self.services))
        record = replace(self.services[at])
        self.change_price(record)
        if record.duplicate_rule == DuplicateRule.WITHIN:
            record.duplicate_hours = self.rng.choice((1, 2, 30))
        record.active = 0 if self.chance(16) else 1
        if self.chance(3):
            record.deadline_policy = self.rng.choice(list(Policy))
        own = [head for heads in self.net.heads for head in heads]
        if record.heads[0] in own and self.chance(2):
            heads = self.net.heads[self.net.billers.index(record.biller)]
            if len(record.heads) < SERVICE_HEADS_MAX:
                record.heads = (*record.heads, self.rng.choice(heads))
            if self.chance(6):
                # Each place has its account for ever.
                record.heads = tuple(self.rng.sample(heads, len(heads)))
        row.reference = b""
        draw = self.rng.randrange(14)
        if draw == 0:
            record.biller = self.rng.choice((0, 9_999, self.net.treasury))
        elif draw == 1:
            record.heads = (self.rng.choice((0, 9_999, self.net.float_)),)
        elif draw == 2:
            record.code = b"NEW-%d" % self.rng.randrange(20)
            record.series = self.rng.randrange(len(self.services) + 2)
        elif draw in (3, 4) or (draw in (5, 6) and self.model.persons):
            self.change_what_is_fixed(record)
        record.heads_count = len(record.heads)
        row.tail = record.pack()
        kept = self.services[at].heads
        if draw > 4 and not self.model.persons and record.heads[: len(kept)] == kept:
            self.services[at] = record
        return [row]
