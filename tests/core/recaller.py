"""What a generator asks of what comes back from a bank: releases are recalled, rightly
and not, and lines name what was.

All of that is drawn in a walk of its own behind the other, with chances of its own:
what the first one draws stays what it was. Part of tests/core/generator.py, which see.
"""

import random
from collections.abc import Callable
from dataclasses import replace

from switch.codes import AccountKind, Kind
from tests.core.payer import Payer
from tests.model import Ask, Rows
from tests.model_state import DAY_S, SECOND_NS
from tests.records import Row

TRANSIT = AccountKind.BANK_TRANSIT
WEALTH = 10**7
"""More than recalls of a walk take, or what a bank has taken and nobody explained."""
SIZES = (1, 2, 5, 20, 40)
BEFORE_NS = 40 * DAY_S * SECOND_NS
"""The second walk begins so long behind the first: whoever is paid has waited."""


class Recaller(Payer):
    """Draws what comes back."""

    recalls = False
    """Whether this is the walk that does."""

    def recall_kinds(self) -> list[tuple[Callable[[], list[Row]], int]]:
        """What is drawn in that, and how often."""
        kinds: list[tuple[Callable[[], list[Row]], int]] = [
            (self.recall, 30),
            (self.booked_back, 8),
            (self.wealth, 8),
            (self.payout, 12),
            (self.ending, 4),
            (self.repeat, 2),
        ]
        if self.model.persons:
            kinds += [
                (self.propose_lines, 16),
                (self.approve, 20),
                (self.do_lines, 8),
                (self.staff, 1),
            ]
        return kinds

    def repeat(self) -> list[Row]:
        """A row that was sent before."""
        raise NotImplementedError

    def rows(self, size: int) -> Rows:
        """Row templates of the kinds that are drawn."""
        raise NotImplementedError

    def begin_recalls(self, seed: int) -> None:
        """From here on nothing else is drawn."""
        self.rng = random.Random(seed)
        self.recalls = True
        self.now += BEFORE_NS
        self.wanted.clear()
        self.kinds = [kind for kind, times in self.recall_kinds() for _ in range(times)]

    def group_of_recalls(self) -> tuple[list[Ask], int]:
        """The next group's request, and its time."""
        self.now += self.rng.randrange(3_600 * SECOND_NS)
        self.has_window = False
        return [self.rows(self.rng.choice(SIZES))], self.now

    # --- in the first walk ------------------------------------------------------------

    def is_alone(self, row: Row) -> bool:
        return super().is_alone(row) and (self.recalls or not self.model.is_recall(row))

    def kept_apart(self, row: Row) -> Row:
        """The first walk has no recall; what would look like one was drawn for another
        thing, and is told the same of another account.
        """
        from_, to = self.model.kinds_of(row)
        apart = self.recalls or self.model.persons or not row.resolves
        if row.kind == Kind.TRANSFER and not apart and from_ == TRANSIT != to:
            row.debit = self.net.float_
        return row

    # --- in the second ----------------------------------------------------------------

    def recall(self) -> list[Row]:
        """What was released comes back; or something else is asked for so."""
        rng, model = self.rng, self.model
        one = self.waits("release", {} if self.chance(3) else model.matched)
        if one is None:
            return []
        row = self.by_treasury(Kind.TRANSFER, one.credit, one.debit, one.amount)
        row.resolves = one.sequence
        if model.accounts[one.debit].kind == AccountKind.BANK_SUSPENSE:
            row.credit = self.net.suspense
        draw = rng.randrange(24)
        if draw == 0:
            row.amount += rng.choice((1, 99))
        elif draw == 1:
            row.amount = max(1, row.amount - 1)
        elif draw == 2:
            row.debit = self.of_bank(self.bank(), rng.choice((2, 2, 1, 0)))
        elif draw == 3:
            row.credit = self.any_account()
        elif draw == 4:
            others = (self.net.settlement, self.net.suspense, self.net.great_settlement)
            row.credit = rng.choice((*others, one.credit))
        elif draw == 5:
            row.resolves = self.last_of("item", 200)
        elif draw == 6:
            row.resolves = rng.choice((0, 1, self.last_of("beneficiary")))
        elif draw == 7:
            row.resolves = self.last_of("moved")
        elif draw == 8:
            row.resolves = one.resolves
        self.mislead(row)
        if self.chance(6):
            # Of two of the same, the second finds it done.
            return [row, replace(row, id=rng.randbytes(16))]
        return [row]

    def booked_back(self) -> list[Row]:
        """A bank pays, or takes back, what was recalled."""
        rng, model = self.rng, self.model
        matched = [model.rows[at - 1] for at in list(model.matched.values())[-60:]]
        back = [row for row in matched if row.kind == Kind.TRANSFER]
        if not back:
            return self.booked()
        row = self.booked_at(self.bank())
        one = rng.choice(back)
        owner = model.accounts[one.debit]
        row.resolves, row.amount = one.resolves, one.amount
        row.debit = row.flags = 0
        row.credit = model.account_of[owner.participant, owner.purpose - 2]
        row.reference = self.number()
        if self.chance(8):
            row.resolves = one.sequence
        elif self.chance(8):
            row.amount += 1
        return [row]

    def wealth(self) -> list[Row]:
        """So much comes, and goes back to its remitter, that a bank's account of what
        is on its way has enough.
        """
        model = self.model
        came = [row for row in self.items(AccountKind.BANK) if row.amount >= WEALTH]
        banks = [model.bank_with(row.debit) for row in came]
        if not came or self.chance(4):
            row = self.by_treasury(Kind.BOOKED, self.of_bank(self.bank()), 0, WEALTH)
            row.reference = self.number()
            return [row]
        bank, item = banks[-1], came[-1]
        if bank is None:
            return []
        row = self.by_treasury(Kind.TRANSFER, item.credit, amount=item.amount)
        row.credit, row.resolves = self.of_bank(bank, 2), item.sequence
        return [row]
