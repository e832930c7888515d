"""A walk over bills: centres fetch and pay them, in every way that they might think of.

Of tests/core/test_bills_once.py, which see; what becomes of the payments is in
tests/core/bill_ends.py.
"""

import random
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from switch.codes import AmountRule, Letters, Policy, Result
from tests.core import quoting, spelling
from tests.core.department import Department
from tests.core.market import (
    BILL,
    CENTRES,
    CONFIRMED,
    MONTHLY,
    ONCE,
    OPEN,
    REFERENCE,
    SECOND_NS,
    TARIFF,
    WITHIN,
    Market,
)
from tests.core.open_matters import Matters
from tests.core.till_book import Book, Debt
from tests.model import Ask, Payments
from tests.model_quotations import BYTES, SEALED, SIZE, Quotation
from tests.records import Outcome, Payment, ServiceRecord

HOURS = 2
LAG_S = HOURS * 3_600 - 1
"""A biller may not have seen so long what was paid to it, at most."""
RACE_LIFE_S = 600
"""Life of a quotation that was sealed although something was in the way: of a fetch
that was under way by then."""
KEPT = 40
"""Debts and tickets that the walk goes on with."""
FORM: dict[str, Any] = {"letters": Letters.UPPER, "ignored": 0x1F}
KEEP: dict[str, Any] = {**CONFIRMED, "deadline_policy": Policy.KEEP}
BELOW: dict[str, Any] = {**BILL, "amount_rule": AmountRule.EXACT_AND_BELOW}
FAMILIES: dict[str, tuple[dict[str, Any], ...]] = {
    # By family its services; those of `series` are paid through either.
    "series": (
        {**BILL, **ONCE, "duplicate_hours": HOURS},
        {**BILL, **ONCE, **CONFIRMED, "duplicate_hours": HOURS},
    ),
    "held": ({**BILL, **ONCE, **CONFIRMED, "duplicate_hours": HOURS},),
    "kept": ({**BILL, **ONCE, **KEEP, "duplicate_hours": HOURS},),
    "parts": ({**BELOW, **ONCE, **CONFIRMED, "duplicate_hours": HOURS},),
    "monthly": ({**BILL, **MONTHLY, **KEEP, "duplicate_hours": HOURS},),
    "hours": ({**BILL, **WITHIN},),
    "hours-held": ({**BILL, **WITHIN, **CONFIRMED},),
    "hours-kept": ({**BILL, **WITHIN, **KEEP},),
    "fee": ({**TARIFF, **REFERENCE},),
    "fee-held": ({**TARIFF, **REFERENCE, **CONFIRMED},),
    "fee-kept": ({**TARIFF, **REFERENCE, **KEEP},),
    "open": ({**OPEN, **WITHIN},),
    "open-held": ({**OPEN, **WITHIN, **CONFIRMED},),
}
FEE = ((b"CERT", 1), (b"COPY", 2))
FEE_AMOUNT = 2_300


@dataclass
class Ticket:
    """A payment that somebody could send, again and again."""

    debt: Debt
    payment: Payment
    centre: int


class Walk:
    """One walk, with its market and book."""

    def __init__(self, path: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        self.market = Market(path, reserve_size=0)
        self.book = Book(HOURS)
        self.matters = Matters()
        self.department = Department(random.Random(seed))
        self.moved: set[int] = set()
        self.read = 0
        self.debts: list[Debt] = []
        self.owed: dict[tuple[str, bytes, int], Debt] = {}
        self.tickets: list[Ticket] = []
        self.results: Counter[int] = Counter()
        self.seen: Counter[str] = Counter()
        """What has happened besides, by its name."""
        self.accepted: list[tuple[Payment, int]] = []
        """The newest accepted payments of no basket, and who has sent them."""
        self.made = 0
        self.services: dict[str, list[int]] = {}
        self.records: dict[int, ServiceRecord] = {}
        for family, kinds in FAMILIES.items():
            for number, rules in enumerate(kinds):
                code = b"%s-%d" % (family.upper().encode(), number)
                series = self.services[family][0] if number else 0
                rules = {**FORM, **rules, "series": series}
                index = self.market.service(code, **rules)
                self.services.setdefault(family, []).append(index)
                self.records[index] = replace(
                    self.market.record(code, **rules), key_rule=0
                )
        self.catch_up()

    def chance(self, one_in: int) -> bool:
        """True once in so many draws."""
        return self.rng.randrange(one_in) == 0

    def catch_up(self) -> None:
        """The books read what is new in the journal."""
        ledger = self.market.pair.ledger
        while self.read < ledger.sequence:
            rows = ledger.rows(self.read + 1, 1_000)
            self.book.read(rows)
            self.matters.read(rows)
            self.moved.update(rows["sequence"].tolist(), rows["resolves"].tolist())
            self.read += len(rows)

    def commit(self, asks: list[Ask]) -> list[Outcome]:
        """One group for core and model; the book looks at the core's rows."""
        market = self.market
        step = self.rng.choice((1, 1, 1_000, SECOND_NS, SECOND_NS, 60 * SECOND_NS))
        answers = market.pair.commit(asks, market.tick(step))
        self.catch_up()
        outcomes = [outcome for each in answers for outcome in each]
        self.results.update(outcome.result for outcome in outcomes)
        return outcomes

    # --- billers and their bills ------------------------------------------------------

    def owe(self) -> None:
        """Somebody owes something new."""
        self.made += 1
        family = self.rng.choice(list(FAMILIES))
        debt = Debt(family, b"WB%d" % self.made, self.rng.randrange(500, 90_000))
        if family.startswith("open"):
            debt.reference = b"METER%d" % (self.made % 50)
        if family.startswith("fee"):
            debt.total = FEE_AMOUNT
        if family == "monthly":
            # The months of one consumer are debts of their own.
            debt.reference = b"K%d" % (self.made // 30)
            debt.period = quoting.of_month(2026, 1) + self.made % 30
        debt.in_parts = family == "parts"
        debt = self.owed.setdefault((family, debt.reference, debt.period), debt)
        debt.ids.append(b"INV%d" % self.made)
        self.debts = [*self.debts[-KEPT:], debt]

    def issue_again(self) -> None:
        """A bill that is under way, or was paid by now, has another id."""
        debt = self.rng.choice(self.debts)
        if self.book.taken(debt) and not debt.in_parts:
            debt.ids.append(b"%sR%d" % (debt.ids[0], len(debt.ids)))

    def due(self, debt: Debt) -> int:
        """What its biller says is owed: it may not have seen what was paid lately."""
        lag = 0 if debt.in_parts else self.rng.choice((0, LAG_S)) * SECOND_NS
        left = debt.total - self.book.credited(debt, self.market.now - lag)
        return left if debt.in_parts or left == debt.total else 0

    def fetch(self, debt: Debt) -> Ticket | None:
        """A centre asks what is owed, and could pay that."""
        rng, market = self.rng, self.market
        index = rng.choice(self.services[debt.family])
        centre = rng.randrange(CENTRES)
        # Later than what is there, as the switch asks.
        market.now = max(market.now, market.model.timestamp)
        fetched = market.tick(rng.choice((1, SECOND_NS)))
        due = self.due(debt)
        if not due:
            return None
        self.seen["re-issued bill"] += len(debt.ids) > 1
        told = market.fetch(
            index,
            debt.reference,
            debt.ids[-1],
            due=due,
            centre=centre,
            fetched=fetched,
            period=debt.period,
        )
        if self.is_in_the_way(told):
            # The switch says so and seals nothing; but it may just have done so.
            told.valid_until = fetched + RACE_LIFE_S * SECOND_NS
            if self.chance(2):
                return None
        elif self.chance(6):
            told.valid_until = fetched + rng.choice((1, 5, 900)) * SECOND_NS
        payment = market.payment(told)
        if debt.in_parts and self.chance(2):
            payment.amount = rng.randrange(1, due + 1)
        return Ticket(debt, payment, centre)

    def is_in_the_way(self, told: Quotation) -> bool:
        """Whether a payment is, by the core and the model."""
        market = self.market
        reference = quoting.claimed_reference(market.model, told)
        asked = told.service, reference, told.reference, market.now
        found = market.pair.ledger.in_the_way(*asked)
        assert found == market.model.in_the_way(*asked)
        return bool(found)

    def ticket(self) -> Ticket | None:
        """A new payment, of a bill or of something else."""
        debt = self.rng.choice(self.debts)
        index = self.services[debt.family][0]
        centre = self.rng.randrange(CENTRES)
        if debt.family.startswith("open"):
            amount = self.rng.randrange(100, 9_000)
            payment = self.market.plain(index, debt.reference, amount)
        elif debt.family.startswith("fee"):
            payment = self.market.plain(index, debt.reference, FEE_AMOUNT, items=FEE)
        else:
            return self.fetch(debt)
        return Ticket(debt, payment, centre)

    # --- payments ---------------------------------------------------------------------

    def sent(self) -> Ticket | None:
        """A payment to send: new, or one of before, as it was, again, or changed."""
        rng = self.rng
        if not self.tickets or self.chance(2):
            made = self.ticket()
            if made is not None:
                self.tickets = [*self.tickets[-KEPT * 2 :], made]
        elif self.chance(3):
            return self.changed(rng.choice(self.tickets))
        else:
            made = rng.choice(self.tickets)
        if made is None:
            return None
        payment = replace(made.payment)
        if not self.chance(4):
            payment.id = self.market.id()
        index = self.market.model.service_of[payment.service]
        payment.reference = spelling.spell(rng, self.records[index], payment.reference)
        return replace(made, payment=payment)

    def changed(self, made: Ticket) -> Ticket:
        """Somebody tries something."""
        rng = self.rng
        payment = replace(made.payment, id=self.market.id())
        other = rng.choice(self.tickets).payment
        draw = rng.randrange(9)
        if draw == 0:
            return replace(made, centre=rng.randrange(CENTRES), payment=payment)
        if draw == 1 and payment.quotation:
            at = rng.randrange(len(payment.quotation))
            payment.quotation = quoting.forged(payment.quotation, at)
        elif draw == 2:
            swapped = payment.quotation and other.quotation != payment.quotation
            self.seen["swapped token"] += bool(swapped)
            payment.quotation = other.quotation
        elif draw == 3:
            payment.reference = other.reference
        elif draw == 4:
            payment.amount += rng.choice((-1, 1, 100, 100_000))
            payment.amount = max(1, payment.amount)
        elif draw == 5:
            payment.service = other.service
        elif draw == 6:
            payment.quotation, payment.amount_due = b"", payment.amount
        elif draw == 7:
            payment.reference += b"/2026-%02d" % rng.randrange(1, 13)
            payment.reference = payment.reference[:32]
        elif payment.additional_to:
            at = rng.randrange(24)
            payment.additional_to = quoting.forged(payment.additional_to, at)
        return replace(made, payment=payment)

    def debt_of(self, payment: Payment) -> Debt:
        """What a payment would be for if it were done, whoever has made it of what."""
        index = self.market.model.service_of[payment.service]
        family = next(f for f, known in self.services.items() if index in known)
        form = self.market.model.services[index - 1].canonical
        reference, period = form(payment.reference, whole=True) or b"", 0
        told = told_by(payment)
        if told is not None:
            reference, period = told.reference.rstrip(b"\0"), told.period
        owed = FEE_AMOUNT if family.startswith("fee") else 0
        found = Debt(family, reference, owed, period)
        return self.owed.setdefault((family, reference, period), found)

    def mode_of(self, payment: Payment) -> int:
        """Whether it would be held."""
        model = self.market.model
        return model.services[model.service_of[payment.service] - 1].mode

    def pay(self) -> None:
        """Payments of several centres in one group, singly and as baskets."""
        tickets: dict[bytes, Ticket] = {}
        for _ in range(self.rng.choice((1, 3, 12, 30))):
            made = self.sent()
            if made is not None:
                tickets.setdefault(made.payment.id, made)
        asks: list[Ask] = []
        sent: list[Ticket] = []
        left = list(tickets.values())
        if not self.chance(5):
            # Those of one centre and mode, so that they could be a basket.
            left.sort(key=lambda ticket: (ticket.centre, self.mode_of(ticket.payment)))
        while left:
            count = self.rng.choice((1, 1, 1, 2, 3))
            part, left = left[:count], left[count:]
            sender = self.market.net.centres[part[0].centre]
            payments = [ticket.payment for ticket in part]
            if len(part) > 1:
                asks.append(Payments([], [payments], sender, sender))
            else:
                asks.append(Payments(payments, [], sender, sender))
            sent += part
            for payment in payments:
                self.ask_book(sender, payment)
        for ticket, outcome in zip(sent, self.commit(asks), strict=True):
            self.learn(ticket, outcome)
            if outcome.handle and not self.chance(3):
                payment = replace(ticket.payment, additional_to=outcome.handle)
                payment.id = self.market.id()
                self.tickets.append(replace(ticket, payment=payment))

    def ask_book(self, sender: int, payment: Payment) -> None:
        """The book learns what a payment is for, and how old its quotation is."""
        told = told_by(payment)
        fetched = told.fetched if told is not None else 0
        self.book.ask(sender, payment.id, self.debt_of(payment), fetched)

    def present(self, ticket: Ticket) -> Outcome:
        """One payment alone."""
        sender = self.market.net.centres[ticket.centre]
        self.ask_book(sender, ticket.payment)
        [outcome] = self.commit([Payments([ticket.payment], [], sender, sender)])
        self.learn(ticket, outcome)
        return outcome

    def learn(self, ticket: Ticket, outcome: Outcome) -> None:
        """What has come of a payment."""
        payment = ticket.payment
        self.seen["replay"] += outcome.repeat
        if outcome.result == Result.OK and not outcome.repeat:
            row = self.market.model.rows[outcome.sequence - 1]
            if not row.basket:
                self.accepted = [*self.accepted[-KEPT:], (payment, row.participant)]
            debt = self.book.paid[outcome.sequence].debt
            self.seen["partial bill"] += debt.in_parts and payment.amount < debt.total
        elif outcome.other in self.book.paid:
            in_the_way = self.book.paid[outcome.other]
            self.seen["refused while disputed"] += in_the_way.is_disputed


def told_by(payment: Payment) -> Quotation | None:
    """What the token of a payment says, whoever has sealed it."""
    if len(payment.quotation) != SIZE:
        return None
    return Quotation(*BYTES.unpack(payment.quotation[:SEALED])[2:])
