"""What a generator asks of what leaves and what is owed: beneficiaries and payouts to
them, endings that wallets have not enough for, openings of bank accounts, schedules;
and the moments at which all that is decided.

Part of tests/core/generator.py, which see.
"""

import datetime as dt
import random
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import replace

from switch.codes import (
    AMOUNT_MAX,
    PROPOSE_LINES,
    AccountKind,
    AccountState,
    Kind,
    Record,
)
from tests.core.network import NOW
from tests.core.staff import WAITS_S
from tests.core.teller import FORTUNE, Teller
from tests.flags import RowFlag
from tests.model_banks import Bank
from tests.model_beneficiaries import WAIT_S, account_of
from tests.model_people import OWING
from tests.model_rules import PAYOUT
from tests.model_state import DAY_S, IST_S, NEVER, SECOND_NS, ist_day
from tests.model_windows import FIRST_DAY
from tests.payout_records import BeneficiaryRecord, ScheduleRecord
from tests.records import LimitRecord, Row
from tests.signing import ThresholdsRecord

MOMENT_NS = 100
PAYOUTS_IN_TIME = 30
BENEFICIARIES_MOST = 6
"""Biller accounts of which most is said."""
DEBT_MOST = 9_000
MADE_UP = (AccountKind.BANK_SUSPENSE, AccountKind.WALLET)
WALLETS_NEAR = 24
NOON = 720
CUTOFFS: tuple[tuple[int, ...], ...] = (
    (), (0,), (NOON,), (0, NOON), (NOON, 1_080), (1, 2, 3), (1_439,), (600, 601, 900),
    (0, 180, 360, 540, 720, 900, 1_080, 1_260),
)  # fmt: skip
WRONG_CUTOFFS = ((1_440,), (5, 5), (9, 3), tuple(range(9)), (0, 65_535))
"""Each is none, for a reason of its own."""


class Payer(Teller):
    """Draws who is paid out and what is owed."""

    with_beneficiaries = True
    with_schedule = True
    """Whether this ledger has any."""

    def payer_kinds(self) -> list[tuple[Callable[[], list[Row]], int]]:
        """What is drawn here alone, and how often."""
        return [(self.beneficiary, 3), (self.schedule, 1), (self.opening, 4)]

    # --- when -------------------------------------------------------------------------

    def year_s_end(self, now: int) -> int:
        """The next 1 April, 00:00 IST."""
        today = FIRST_DAY + dt.timedelta(days=ist_day(now))
        year = today.year + (today >= dt.date(today.year, 4, 1))
        days = (dt.date(year, 4, 1) - FIRST_DAY).days
        return (days * DAY_S - IST_S) * SECOND_NS

    def moment(self) -> int:
        """When next something is due, a cut-off comes or a beneficiary has waited."""
        model = self.model
        due = model.due[0][0] if model.due else 0
        moments = [model.cut_off, due, *self.ready_at()]
        if model.cut_off:
            # A window that is closed just before the next cut-off is not its own, nor
            # is what is due just behind one.
            moments.append(model.cut_off_after(model.cut_off))
            at = bisect_left(model.due, (model.cut_off + 2, 0))
            later = model.due[at][0] if at < len(model.due) else NEVER
            moments += [later] * 9 if later != NEVER else []
        left = [each for each in moments if self.now < each != NEVER]
        return self.rng.choice(left) if left else self.now

    def ready_at(self) -> dict[int, int]:
        """When each beneficiary has waited, with its row."""
        model = self.model
        wait_ns = (model.wait_s or WAIT_S) * SECOND_NS
        return {
            model.rows[one.sequence - 1].timestamp + wait_ns: one.sequence
            for one in model.beneficiaries.values()
            if one.active
        }

    def in_time(self) -> list[Row]:
        """Payouts to one who has waited just by now, or almost."""
        rows = []
        for at, named in self.ready_at().items():
            if abs(at - self.now) < MOMENT_NS and not self.model.persons:
                for _ in range(PAYOUTS_IN_TIME):
                    transit = self.of_bank(self.bank(), 2)
                    row = self.by_treasury(Kind.TRANSFER, self.net.settlement, transit)
                    row.resolves, row.amount = named, self.rng.randrange(1, 9)
                    rows.append(row)
        return rows

    # --- beneficiaries and payouts ----------------------------------------------------

    def beneficiary(self) -> list[Row]:
        """Where a biller's money goes: new, changed, or not any more."""
        rng = self.rng
        if not self.with_beneficiaries:
            return self.payout()
        known = self.model.biller_accounts
        account = rng.choice(known if self.chance(6) else known[:BENEFICIARIES_MOST])
        record = BeneficiaryRecord(account, b"%012d" % rng.randrange(10**12))
        record.ifsc = rng.choice((b"BANK0000001", b"SBST0WB77AA"))
        record.active = 0 if self.chance(6) else 1
        draw = rng.randrange(12)
        if draw == 0:
            record.account = self.any_account()
        elif draw == 1:
            record.account = rng.choice((self.net.settlement, self.net.suspense, 10**6))
        elif draw == 2:
            record.number = rng.choice((b"", b"A" * 34, b"A" * 35, b"a1", b"1 2"))
        elif draw == 3:
            record.ifsc = rng.choice((b"BANK1000001", b"BANK000001", b"BAN00000011"))
        elif draw == 4:
            record.active = 2
        row = self.by_treasury(Kind.REGISTER)
        row.reference = b""
        row.tail = record.pack() + (b"" if self.chance(3) else b'{"why": "told so"}')
        if not self.model.persons and self.chance(6):
            row.tail = ThresholdsRecord(0, 0, 0, rng.choice(WAITS_S)).pack()
        return [row]

    def name_beneficiary(self, row: Row) -> None:
        """The row of a beneficiary that a payout speaks of, or of none."""
        rng, model = self.rng, self.model
        self.look()
        said = self.rare["beneficiary"]
        if not model.beneficiaries:
            row.resolves = self.past((Kind.REGISTER,)) if self.chance(6) else 0
            return
        known = list(model.beneficiaries.values())
        wait_ns = (model.wait_s or WAIT_S) * SECOND_NS
        ready = [
            one
            for one in known
            if one.active
            and self.now - model.rows[one.sequence - 1].timestamp >= wait_ns
        ]
        row.resolves = rng.choice(ready or known).sequence
        newest = max(known, key=lambda one: one.sequence)
        if newest not in ready and self.chance(2):
            row.resolves = newest.sequence
        draw = rng.randrange(16)
        if draw == 0:
            row.resolves = 0
        elif draw == 1:
            row.resolves = self.past((Kind.REGISTER,))
        elif draw == 2:
            row.resolves = rng.choice(said[-40:])
        elif draw == 3:
            row.resolves = self.last_of("item")
        elif draw < 7:
            row.resolves = rng.choice(known).sequence
        elif draw == 7:
            off = [one for one in known if not one.active]
            row.resolves = rng.choice(off or known).sequence

    def payout(self) -> list[Row]:
        rows = super().payout()
        for row in rows:
            if self.model.kinds_of(row) == PAYOUT:
                self.name_beneficiary(row)
                self.of_what_is_left(row)
            self.mislead(row)
        return rows

    def of_what_is_left(self, row: Row) -> None:
        """Most often no more than was settled of whose money it is, now and then all of
        it, or a paisa more. Drawn by the row's id: all else is drawn as it was.
        """
        rng = random.Random(row.id)
        left = self.unpaid_of(row.resolves)
        if left and rng.randrange(4):
            row.amount = rng.choice((left, left + 1, 1 + left // 2, 1))

    def unpaid_of(self, named: int) -> int:
        """What was settled and not paid out of the account of a beneficiary's row."""
        row = self.model.accepted(named)
        tail = (row.tail or b"") if row is not None else b""
        of_one = tail[:1] == bytes([Record.BENEFICIARY])
        if row is None or row.kind != Kind.REGISTER or not of_one:
            return 0
        one = self.model.accounts[account_of(tail)]
        return min(max(0, one.settled - one.paid_out), AMOUNT_MAX // 100)

    def new_bank_account(self) -> list[Row]:
        rows = super().new_bank_account()
        for row in rows:
            if self.model.kinds_of(row) == PAYOUT:
                self.name_beneficiary(row)
        return rows

    def remember(self, row: Row) -> None:
        super().remember(row)
        of_one = (row.tail or b"")[:1] == bytes([Record.BENEFICIARY])
        if row.kind == Kind.REGISTER and of_one:
            self.rare["beneficiary"].append(row.sequence)

    def post(self) -> list[Row]:
        """Now and then just so much is not posted that its wallet is low no more."""
        model = self.model
        hold = model.hold_of(Row(Kind.POST, resolves=self.open_hold()))
        bare = hold is None or hold.sequence in model.kept or hold.amount < 2
        if hold is None or bare or model.persons or not self.chance(6):
            return super().post()
        short = self.rng.randrange(1, hold.amount)
        row = self.by_treasury(Kind.LIMIT, debit=hold.debit)
        low = model.accounts[hold.debit].available + short
        row.tail, row.reference = LimitRecord(low_balance=low).pack(), b""
        left = hold.amount - short + self.rng.randrange(-1, 2)
        return [row, Row(Kind.POST, resolves=hold.sequence, amount=max(1, left))]

    # --- what is owed -----------------------------------------------------------------

    def mislead(self, row: Row) -> None:
        """Seldom a transfer says that a wallet may owe, which has nothing to do with
        it.
        """
        if row.kind == Kind.TRANSFER and self.chance(30):
            row.flags |= RowFlag.OWED

    def transfer(self) -> list[Row]:
        rows = super().transfer()
        for row in rows:
            self.mislead(row)
        return rows

    def deeds(self, asked: Row, checker: int) -> list[Row]:
        rows = super().deeds(asked, checker)
        if asked.total != PROPOSE_LINES:
            for row in rows:
                self.mislead(row)
        return rows

    def recover(self) -> list[Row]:
        rows = super().recover()
        for row in rows:
            self.mislead(row)
        return rows

    def booked_at(self, bank: Bank) -> Row:
        """Now and then a bank takes back more than a wallet has."""
        row = super().booked_at(bank)
        if row.credit and not row.resolves and self.chance(3):
            wallets = self.wallets[-WALLETS_NEAR:]
            has = self.model.accounts[self.rng.choice(wallets)].available
            if has < FORTUNE:
                row.amount = has + self.rng.randrange(1, DEBT_MOST)
        return row

    def ending(self) -> list[Row]:
        """What ends a debit from a wallet is done, often whatever it has."""
        rows = super().ending()
        for row in rows:
            owing = self.owing()
            kinds = self.model.kinds_of(row)
            if owing and kinds == MADE_UP and self.chance(2):
                row.credit = self.rng.choice(owing)
            if kinds != OWING or self.chance(3):
                self.mislead(row)
                continue
            row.flags |= RowFlag.OWED
            poor = [each for each in self.wallets[-2 * WALLETS_NEAR :]
                    if self.has_less(each, row.amount)]  # fmt: skip
            if poor and not self.chance(3):
                accounts = self.model.accounts
                row.debit = max(poor, key=lambda each: accounts[each].available)
        return rows

    def has_less(self, wallet: int, amount: int) -> bool:
        """Whether an account that is not closed has less."""
        account = self.model.accounts[wallet]
        return account.available < amount and account.state != AccountState.CLOSED

    def top_up(self) -> list[Row]:
        """Often for one who owes."""
        rows = super().top_up()
        owing = self.owing()
        if owing and self.chance(4):
            rows[0].credit = self.rng.choice(owing)
            owed = -self.model.accounts[rows[0].credit].balance
            more = self.rng.choice((-owed // 2, -1, 0, 1, 5_000))
            rows[0].amount = min(max(1, owed + more), AMOUNT_MAX)
        return rows

    def owing(self) -> list[int]:
        """Wallets that owe, of the newest."""
        accounts = self.model.accounts
        return [each for each in self.wallets[-100:] if accounts[each].balance < 0]

    def request(self) -> list[Row]:
        """Often for one who owes."""
        rows = super().request()
        owing = self.owing()
        if owing and self.chance(3):
            for row in rows:
                row.credit = self.rng.choice(owing)
                row.participant = self.model.accounts[row.credit].participant
                row.amount = self.rng.choice((100, row.amount))
        return rows

    # --- openings ---------------------------------------------------------------------

    def opening(self) -> list[Row]:
        """A bank account begins with what its bank has; or it has begun already."""
        rng, model = self.rng, self.model
        banks = list(model.banks.values())
        fresh = [bank for bank in banks if not any(self.totals_of(bank))]
        bank = rng.choice(fresh) if fresh and not self.chance(4) else self.bank()
        mirror = self.of_bank(bank, 0)
        mirrors = [i for i, one in enumerate(model.accounts)
                   if one.kind == AccountKind.BANK]  # fmt: skip
        unknown = [each for each in mirrors if model.bank_with(each) is None]
        if unknown and self.chance(4):
            mirror = rng.choice(unknown)
        if self.chance(12):
            mirror = self.of_bank(bank, rng.randrange(1, 3))
        other = self.net.float_
        if self.chance(8):
            other = rng.choice((self.net.suspense, self.net.settlement, self.wallet()))
        elif self.chance(20):
            other = rng.choice(mirrors)
        row = self.by_treasury(Kind.TRANSFER, mirror, other, rng.randrange(1, 10**9))
        if self.chance(3):
            row.debit, row.credit = other, mirror
        if self.chance(16):
            row.amount = AMOUNT_MAX
        if self.chance(16):
            row.resolves = self.last_of("item")
        self.mislead(row)
        if self.chance(6):
            return [row, replace(row, id=rng.randbytes(16))]
        return [row]

    def totals_of(self, bank: Bank) -> tuple[int, int, int, int]:
        """What was moved of the mirror of a bank account."""
        return self.model.accounts[self.of_bank(bank)].totals

    def window(self) -> list[Row]:
        """Mostly the first one is closed by a schedule."""
        early = self.with_schedule and not self.model.last_window
        return self.schedule() if early and not self.chance(9) else super().window()

    # --- schedules --------------------------------------------------------------------

    def schedule(self) -> list[Row]:
        """When the switch closes windows by itself, from now on; or what cannot be."""
        rng = self.rng
        if not self.with_schedule:
            return super().window()
        today = ist_day(max(self.now, NOW))
        record = ScheduleRecord(rng.choice((127, 127, 31, 0, rng.randrange(128))))
        record.cutoffs = rng.choice(CUTOFFS)
        days = rng.sample(range(today, today + 60), rng.choice((0, 1, 5, 30)))
        days += [self.day_of_april(today)] if self.chance(2) else []
        record.holidays = tuple(sorted(set(days)))
        draw = rng.randrange(24)
        if draw < 2:
            record.cutoffs = rng.choice(WRONG_CUTOFFS)
        elif draw == 2:
            record.weekdays = 128
        elif draw == 3:
            record.holidays = (today, today) if self.chance(2) else (today, 5)
        elif draw == 4:
            first = today - rng.randrange(100)
            count = rng.choice((512, 512, 513))
            record.holidays = tuple(range(first, first + count))
        row = self.by_treasury(Kind.REGISTER)
        row.reference = b""
        row.tail = record.pack() + rng.choice((b"", b"{}"))
        if draw == 5:
            row.tail = row.tail[: rng.randrange(1, len(row.tail))]
        return [row]

    def day_of_april(self, today: int) -> int:
        """The IST day with which the next year begins."""
        now = (today * DAY_S - IST_S) * SECOND_NS
        return ist_day(self.year_s_end(now))
