"""What a generator asks beside payments: what comes after them, and what people, the
treasury and the register's keepers do.

Part of tests/core/generator.py, which see.
"""

import random
from dataclasses import replace

from switch.codes import (
    NO_AMOUNT_LIMIT,
    NO_COUNT_LIMIT,
    AccountKind,
    AccountState,
    AmountRule,
    CheckDigit,
    DuplicateRule,
    Kind,
    Letters,
    PriceRule,
    Result,
    Role,
    RowFlag,
)
from tests import people
from tests.core.mutation import vary_row
from tests.core.network import BILL_HOURS, BILL_RULES, DUPLICATES, STEP, Network
from tests.model import Answers, Model
from tests.records import (
    AccountRecord,
    LimitRecord,
    ParticipantRecord,
    Row,
    Said,
    ServiceRecord,
    ShiftRecord,
)

WALLETS_AT_ONCE = 24


class Moves:
    """Draws rows of every kind but payments."""

    def __init__(self, seed: int, network: Network, model: Model) -> None:
        self.rng = random.Random(seed)
        self.net = network
        self.model = model
        self.looked = 0
        self.rare: dict[Kind, list[int]] = {
            kind: [] for kind in (Kind.CASE, Kind.PROPOSE, Kind.SHIFT)
        }
        self.services = list(network.services)
        self.wallets = list(network.wallets)
        self.codes = list(network.centre_codes)
        self.centres = list(network.centres)

    def chance(self, one_in: int) -> bool:
        """True once in so many draws."""
        return self.rng.randrange(one_in) == 0

    def wallet(self) -> int:
        """A wallet, most often one of the newest."""
        wallets = self.wallets if self.chance(10) else self.wallets[-WALLETS_AT_ONCE:]
        return self.rng.choice(wallets)

    # --- what comes after a payment ---------------------------------------------------

    def past(self, kinds: tuple[int, ...]) -> int:
        """Sequence of an accepted row of these kinds, most often a recent one."""
        rows = self.model.rows
        for _ in range(12):
            back = self.rng.choice((50, 500, 20_000))
            at = self.rng.randrange(max(0, len(rows) - back), len(rows))
            if rows[at].kind in kinds and rows[at].result == Result.OK:
                return at + 1
        return self.rng.randrange(len(rows) + 40)

    def open_hold(self) -> int:
        """Sequence of an open hold, if there is one."""
        due = self.model.due
        if due and not self.chance(5):
            return self.rng.choice(due)[1]
        return self.past((Kind.HOLD,))

    def post(self) -> list[Row]:
        row = Row(Kind.POST, resolves=self.open_hold())
        hold = self.model.hold_of(row)
        held = hold.amount if hold else 1_000
        row.amount = self.rng.choice((held, held, held, max(1, held // 2), held + 1))
        return [row]

    def void(self) -> list[Row]:
        return [Row(Kind.VOID, resolves=self.open_hold())]

    def refund(self) -> list[Row]:
        """What an approved proposal asks for, now and then something else."""
        asked = self.model.accepted(self.last_of(Kind.PROPOSE))
        if asked is None or asked.kind != Kind.PROPOSE or asked.total == Kind.VOID:
            return self.propose()
        if asked.sequence not in self.model.resolved:
            return self.approve()
        row = people.done(asked, asked.sequence, checker=self.net.treasury)
        if row.kind == Kind.TRANSFER:
            case = self.model.rows[asked.resolves - 1]
            row.debit, row.credit = case.debit, case.credit
            row.reference = asked.reference
        if self.chance(3):
            row = vary_row(self.rng, row)
        return [row]

    def answers(self, size: int) -> Answers:
        """What a biller says of holds, most of them its own and still open."""
        model, rng = self.model, self.rng
        said: list[Said] = []
        biller = rng.choice(self.net.billers)
        for _ in range(size):
            number = self.open_hold() if self.chance(2) else self.past((Kind.HOLD,))
            hold = model.hold_of(Row(Kind.POST, resolves=number))
            if hold and not said:
                biller = model.services[hold.service - 1].biller
            id_ = hold.id if hold and not self.chance(15) else rng.randbytes(16)
            text = rng.choice((b"", b"CREDITED/1", b"r" * 32))
            said.append(Said(number, id_, not self.chance(3), text))
        return Answers(said, biller)

    # --- people -----------------------------------------------------------------------

    def last_of(self, kind: Kind) -> int:
        """Sequence of an accepted row of a rare kind, one of the last, if any."""
        rows = self.model.rows
        while self.looked < len(rows):
            row = rows[self.looked]
            self.looked += 1
            if row.kind in self.rare and row.result == Result.OK:
                self.rare[Kind(row.kind)].append(row.sequence)
        found = self.rare[kind][-20:]
        if not found or self.chance(12):
            return self.rng.randrange(len(rows) + 40)
        return self.rng.choice(found)

    def case_close(self) -> list[Row]:
        row = self.by_treasury(Kind.CASE_CLOSE)
        row.resolves = self.last_of(Kind.CASE)
        if self.chance(2):
            row.total = self.past((Kind.TRANSFER, Kind.REFUND))
        if self.chance(12):
            row.credit = 1
        return [row]

    def propose(self) -> list[Row]:
        row = self.by_treasury(Kind.PROPOSE, amount=self.rng.randrange(1, 2_000))
        row.resolves, row.total = self.past((Kind.PAY, Kind.POST)), Kind.REFUND
        payment = self.model.payment_of(row)
        if payment is not None and self.chance(2):
            left = payment.amount - self.model.refunded.get(row.resolves, 0)
            row.amount = max(1, self.rng.choice((payment.amount, left, left + 1)))
        if self.chance(30):
            row.total = 0
        elif self.chance(4):
            row.total = self.rng.choice((Kind.TRANSFER, Kind.VOID))
            row.resolves = self.last_of(Kind.CASE)
        return [row]

    def approve(self) -> list[Row]:
        """An approval, of a proposal most often with what it asks for behind it."""
        row = self.by_treasury(Kind.APPROVE)
        row.reference = b""
        row.resolves = self.last_of(self.rng.choice((Kind.PROPOSE, Kind.SHIFT)))
        asked = self.model.accepted(row.resolves)
        if asked is None or asked.kind != Kind.PROPOSE or self.chance(4):
            return [row]
        if asked.total == Kind.VOID:
            held = self.model.rows[asked.resolves - 1].resolves
            voids = [Row(Kind.VOID, resolves=held + each) for each in range(2)]
            for void in voids:
                void.checker, void.total = row.participant, asked.sequence
            return [row, *voids]
        refund = people.done(asked, asked.sequence, checker=row.participant)
        if refund.kind == Kind.TRANSFER:
            case = self.model.rows[asked.resolves - 1]
            refund.debit, refund.credit = case.debit, case.credit
            refund.reference = asked.reference
        if self.chance(12):
            row.id = bytes(16)
        return [row, refund]

    def shift(self) -> list[Row]:
        row = self.by_treasury(Kind.SHIFT, debit=self.wallet())
        row.reference, row.participant = b"", self.centres[0]
        if self.chance(8):
            row.debit = self.any_account()
        if self.chance(2):
            row.resolves = self.last_of(Kind.SHIFT)
            before = self.model.accepted(row.resolves)
            if before is not None and not self.chance(4):
                row.debit, row.operator_ = before.debit, before.operator_
        expected, counted = self.rng.choices((0, 500, 9_000), k=2)
        difference = 1 if counted == expected else 2 if counted < expected else 3
        record = ShiftRecord(row.operator_, expected, counted, difference)
        if self.chance(20):
            record.difference = self.rng.randrange(5)
        row.tail = record.pack() + b"{}"
        return [row]

    # --- the treasury -----------------------------------------------------------------

    def by_treasury(
        self, kind: Kind, debit: int = 0, credit: int = 0, amount: int = 0
    ) -> Row:
        """A treasury's row with a reason."""
        row = Row(kind, id=self.rng.randbytes(16), reference=b"a reason")
        row.debit, row.credit, row.amount = debit, credit, amount
        row.participant = self.net.treasury
        row.operator_ = self.rng.randrange(2)
        row.checker = self.rng.choice((0, 0, 2))
        return row

    def any_account(self) -> int:
        """An account of any kind, or none."""
        return self.rng.randrange(len(self.model.accounts) + 2)

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
        row.tail, row.reference = record.pack(), b""
        return [row]

    def freeze(self) -> list[Row]:
        row = self.by_treasury(Kind.FREEZE, debit=self.wallet())
        if self.chance(8):
            row.debit = self.any_account()
        accounts = self.model.accounts
        frozen = [i for i, a in enumerate(accounts) if a.state == AccountState.FROZEN]
        if frozen and not self.chance(3):
            row.debit = self.rng.choice(frozen)
            row.flags = RowFlag.UNFREEZE
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
        money.amount *= 20
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

    def register(self) -> list[Row]:
        """A service changed, rarely a new one, or one that cannot be."""
        row = self.by_treasury(Kind.REGISTER)
        at = self.rng.randrange(len(self.services))
        record = replace(self.services[at])
        self.change_price(record)
        if record.duplicate_rule == DuplicateRule.WITHIN:
            record.duplicate_hours = self.rng.choice((1, 2, 30))
        record.active = 0 if self.chance(16) else 1
        own = [head for heads in self.net.heads for head in heads]
        if record.heads[0] in own and self.chance(2):
            heads = self.net.heads[self.net.billers.index(record.biller)]
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
        elif draw in (3, 4):
            self.change_what_is_fixed(record)
        record.heads_count = len(record.heads)
        row.tail = record.pack()
        if draw > 4:
            self.services[at] = record
        return [row]
