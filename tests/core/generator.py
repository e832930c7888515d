"""A plain seeded generator of everything a ledger can be asked, right and wrong.

It looks at the model for things to speak of (open holds, windows, balances) and
draws the rest, so that every result comes up often. The same seed and model give
the same requests.
"""

import random
from collections.abc import Callable
from dataclasses import replace

from switch.codes import (
    AMOUNT_MAX,
    PROPOSE_LINES,
    AmountRule,
    DuplicateRule,
    Kind,
)
from tests import signing
from tests.core import spelling
from tests.core.clerk import Clerk
from tests.core.mutation import break_payment, break_row, vary_payment, vary_row
from tests.core.network import NOW, Network
from tests.core.staff import KEYS
from tests.model import Ask, Model, Payments, Rows
from tests.records import Payment, Row, ServiceRecord, flags_of, margin

SECOND_NS = 10**9
HOUR_NS = 3_600 * SECOND_NS
DAY_NS = 24 * HOUR_NS
DEADLINES = (1, 60, 3_600, 86_400, 7 * 86_400, 31 * 86_400)
GROUP_SIZES = (1, 1, 2, 5, 20, 60, 150)
ROOM = 2**64 - 1
BILLS_SPELLED = 400
"""Bills that are paid again and again, in several spellings."""
RECURSIVE = 17
"""Weight of the kinds that draw from others; they stand last."""

BEFORE_THE_CORE = {"senders", "evidence", "approvals"}
"""Checks of the auditor that requests from here do not pass: they come as rows, and not
through a server, which knows who may send what."""

MARGINS_EACH = 20
"""Groups, of which one has a row of margins."""
MARGINS = (10, 60_000, 60_001, 3_600_000, 3_600_001)

Sent = Row | tuple[Payment, int, int]


def is_long(row: Row) -> bool:
    """Whether it counts as an item that a group has room for once."""
    lines = row.kind == Kind.PROPOSE and row.total == PROPOSE_LINES
    return row.kind == Kind.WINDOW or lines


class Generator(Clerk):
    """Draws groups of requests and the time at which each is committed."""

    def __init__(self, seed: int, network: Network, model: Model) -> None:
        super().__init__(seed, network, model)
        self.sent: list[Sent] = []
        self.tokens: list[Payment] = []
        self.bills = 0
        self.now = NOW
        self.wanted = []
        self.has_window = False
        """The group at hand has a window, or lines: it has room for one of them."""
        # Of its own: what else is drawn stays what it was.
        self.margins = random.Random(seed)
        self.weigh()

    def weigh(self) -> None:
        """Say how often each is drawn; see `tells_much`."""
        kinds: list[tuple[Callable[[], list[Row]], int]] = [
            (self.pay, 12),
            (self.hold, 14),
            (self.post, 10),
            (self.void, 7),
            (self.deed, 10),
            (self.top_up, 7),
            (self.verify, 1),
            (self.transfer, 5),
            (self.window, 2),
            (self.settle, 5),
            (self.limit, 4),
            (self.freeze, 3),
            (self.close, 4),
            (self.open, 2),
            (self.register, 3),
            (self.case_close, 2),
            (self.propose, 10),
            (self.approve, 10),
            (self.withdraw, 1),
            (self.recover, 2),
            (self.undo, 3),
            (self.shift, 2),
            (self.basket, 3),
            (self.great, 4),
            (self.request, 5),
            (self.booked, 12),
            (self.great_booked, 1),
            (self.ending, 13),
            (self.payout, 4),
            (self.bank_account, 4),
            *self.payer_kinds(),
            *self.people_kinds(),
            (self.repeat, 8),
            (self.broken, 9),
        ]
        self.kinds = [kind for kind, weight in kinds for _ in range(weight)]

    def people_kinds(self) -> list[tuple[Callable[[], list[Row]], int]]:
        """What is drawn besides where there are people, and where there are not."""
        if not self.model.persons:
            return [(self.strange, 1)]
        return [
            (self.propose_lines, 30),
            (self.approve, 16),
            (self.do_lines, 6),
            (self.stop, 5),
            (self.staff, 6),
            (self.certificate, 6),
            (self.withdraw, 2),
            (self.busy, 1),
            (self.tell, 28 if self.tells_much else 16),
            (self.do_told, 20 if self.tells_much else 16),
            (self.of_told, 2),
            (self.renew, 2),
            *self.payer_kinds(),
            (self.opening, 8),
            (self.payout, 3),
        ]

    def group(self) -> tuple[list[Ask], int]:
        """The next group's requests, and its time."""
        self.move_time()
        self.has_window = False
        size = self.rng.choice(GROUP_SIZES)
        asks: list[Ask] = []
        in_time = self.in_time()
        if in_time:
            asks.append(Rows(in_time))
        if not self.margins.randrange(MARGINS_EACH):
            asks.append(Rows([self.margin()]))
        while size > 0:
            part = min(size, self.rng.choice((1, 1, 3, 8, 30)))
            draw = self.rng.randrange(12)
            if draw < 3:
                asks.append(self.answers(part))
            else:
                asks.append(self.payments(part) if draw < 7 else self.rows(part))
            size -= part
        if not (in_time or self.has_window) and self.model.is_window_empty():
            # As what else is drawn stays what it was, it comes in front at the end.
            asks.insert(0, Rows([self.empty_window()]))
        return asks, self.now

    def empty_window(self) -> Row:
        """The window that is open, by command: nothing would be in it."""
        row = Row(Kind.WINDOW, participant=self.net.treasury)
        row.resolves = self.model.last_window
        able = [who for who in self.model.persons if self.model.may_propose(who)]
        if not able:
            return row
        row.participant, row.operator_ = able[0]
        key = KEYS[self.model.persons[able[0]].key]
        return signing.signed(row, key, self.model.instance)

    def margin(self) -> Row:
        """Margins as the switch says them, or as nobody may."""
        rng = self.margins
        own = {f"b-{rng.randrange(9)}": rng.choice(MARGINS) for _ in range(3)}
        row = Row(Kind.REGISTER, rng.randbytes(16), tail=margin(40_000, **own))
        row.participant = 0 if rng.randrange(5) else self.net.treasury
        return row

    def move_time(self) -> None:
        """Mostly seconds; now and then hours, a month, or back."""
        draw = self.rng.randrange(200)
        if draw < 150:
            self.now += self.rng.randrange(20 * SECOND_NS)
        elif draw < 180:
            self.now += self.rng.randrange(HOUR_NS)
        elif draw < 192:
            self.now += self.rng.randrange(DAY_NS)
        elif draw < 194:
            self.now += self.rng.randrange(40 * DAY_NS)
        elif draw < 196:
            # To the next IST midnight or year's end, give or take a nanosecond.
            then = self.year_s_end(self.now)
            if self.chance(2):
                then = self.now + (then - self.now) % DAY_NS
            self.now = max(self.now, then + self.rng.randrange(-1, 2))
        elif draw < 199:
            before = self.rng.choice((0, 0, 1, 1, 1, 2, 30, -1, -20))
            self.now = max(self.now, self.moment() - before)
        else:
            self.now = max(NOW, self.now - self.rng.randrange(HOUR_NS))

    # --- requests ---------------------------------------------------------------------

    def rows(self, size: int) -> Rows:
        """Row templates of any kind."""
        rows: list[Row] = []
        while len(rows) < size:
            draw = self.rng.choice(self.kinds)
            made = draw() if draw == self.repeat else self.staffed(draw())
            long = [row for row in made if is_long(row)]
            if len(long) + self.has_window > 1:
                continue
            self.has_window = self.has_window or bool(long)
            self.sent.extend(made)
            rows.extend(self.kept_apart(row.copy()) for row in made)
        return Rows(rows)

    def payments(self, size: int) -> Payments:
        """A message of a centre, or of a harness for several centres."""
        harness = self.chance(2)
        which = self.rng.randrange(len(self.centres))
        sender = self.net.harness if harness else self.centres[which]
        bound = 0 if harness else sender
        count = max(1, size - self.rng.randrange(6)) if self.chance(3) else size
        payments = [self.payment(which, bound, sender) for _ in range(count)]
        baskets = []
        if count < size:
            baskets.append(self.wire_basket(which, bound))
        for payment in payments + [each for basket in baskets for each in basket]:
            self.sent.append((payment, sender, bound))
        return Payments(payments, baskets, sender, bound)

    def payment(self, which: int, bound: int, sender: int) -> Payment:
        """One payment: new, sent before, sent before but for one field, or broken."""
        other = self.asked_again(sender, bound)
        if other is not None:
            return other
        draw = self.rng.randrange(20)
        if draw < 2 and self.sent:
            again = self.rng.choice(self.sent[-3_000:])
            if isinstance(again, Row):
                # An id of the rows', as a payment: another kind or another sender.
                return replace(self.new_payment(which, bound), id=again.id)
            if draw == 0:
                return replace(again[0])
            return vary_payment(self.rng, again[0], self.codes)
        payment = self.new_payment(which, bound)
        return break_payment(self.rng, payment) if draw == 2 else payment

    def new_payment(self, which: int, bound: int) -> Payment:
        """A payment that is most often right."""
        row = self.content(Row(Kind.PAY))
        if not bound:
            which = self.rng.randrange(len(self.codes))
        services = self.services
        known = row.service <= len(services)
        named = not bound or self.chance(4)
        payment = Payment(
            id=row.id,
            service=services[row.service - 1].code if known else b"NOBODY",
            amount=row.amount,
            reference=row.reference,
            operator=self.number_of_operator(self.centres[which]),
            centre=self.codes[which] if named else b"",
            amount_due=row.total,
            tender=row.tender,
            head=row.head,
            note=row.tail or b"",
        )
        return self.price(payment, row.service, self.centres[which])

    def wire_basket(self, which: int, bound: int) -> list[Payment]:
        """A basket on the wire, sometimes of a wrong size or with a stranger in it."""
        rows = self.basket_contents()
        if self.chance(8):
            rows = rows[:1] if self.chance(2) else (rows * 17)[:17]
        centre = b"" if bound else self.codes[which]
        basket = []
        for row in rows:
            payment = replace(self.new_payment(which, bound), centre=centre)
            code = self.services[row.service - 1].code
            payment = replace(
                payment,
                service=code,
                amount=row.amount,
                amount_due=row.total,
                reference=row.reference,
                head=row.head,
                quotation=b"",
                additional_to=b"",
                items=(),
            )
            basket.append(self.price(payment, row.service, self.centres[which]))
        if self.chance(12) and not bound:
            basket[-1] = replace(basket[-1], centre=self.rng.choice(self.codes))
        if self.chance(12):
            basket[-1] = break_payment(self.rng, basket[-1])
        if self.chance(12):
            basket[0] = replace(basket[0], id=basket[-1].id)
        if self.chance(12):
            last = self.sent[-1] if self.sent else None
            if isinstance(last, tuple):
                basket[0] = replace(last[0])
        return basket

    # --- payments ---------------------------------------------------------------------

    def content(self, row: Row) -> Row:
        """Id, service, head, amounts and reference, most often right."""
        rng = self.rng
        row.id = rng.randbytes(16)
        row.service = rng.randrange(1, len(self.services) + 1)
        service = self.services[row.service - 1]
        head = rng.randrange(len(service.heads)) if self.chance(3) else 0
        if self.chance(60):
            head = 7
        row.flags = flags_of(head, rng.randrange(3))
        row.amount = rng.choice((1_000, 25_000, rng.randrange(500, 60_000)))
        if self.chance(20):
            row.amount = rng.choice((1, 499, 500, 400_000, 400_001, 90_000_000))
        self.choose_due(row, service)
        self.choose_reference(row, service)
        if self.chance(40):
            row.service = rng.choice((0, len(self.services) + 1, 65_535))
        if self.chance(30):
            row.tail = rng.choice((b"for the meter", "বিল".encode(), b"n" * 64))
        return row

    def choose_due(self, row: Row, service: ServiceRecord) -> None:
        """An amount due that meets the service's rule, or not."""
        more = self.rng.randrange(3)
        if service.amount_rule == AmountRule.EXACT_AND_ABOVE:
            row.total = max(1, row.amount - more)
        elif service.amount_rule == AmountRule.EXACT_AND_BELOW:
            row.total = row.amount + more
        elif service.amount_rule == AmountRule.EXACT or self.chance(4):
            row.total = row.amount
        if self.chance(15):
            row.total = self.rng.choice((0, row.amount - 1, row.amount + 1))

    def choose_reference(self, row: Row, service: ServiceRecord) -> None:
        """A bill not paid yet, or one of the last."""
        if not self.chance(4):
            self.bills += 1
            bill = self.bills
        else:
            bill = self.rng.randrange(max(0, self.bills - 200), self.bills + 1)
        row.reference = b"BILL %d" % bill
        if service.duplicate_rule == DuplicateRule.WITHIN and self.chance(2):
            row.reference = b"CONSUMER %d" % self.rng.randrange(5)
            row.amount = row.total = 1_000
        if spelling.is_ruled(service) and not self.chance(12):
            bill = bill % BILLS_SPELLED if self.chance(2) else bill
            row.reference = spelling.make(service, bill)
        if service.key_rule == 2 and not self.chance(15):
            row.reference += b"/2026-%02d" % self.rng.randrange(1, 13)
            if spelling.is_ruled(service):
                row.reference = spelling.make(service, bill, row.reference[-8:])
        if spelling.is_ruled(service) and not self.chance(6):
            row.reference = spelling.spell(self.rng, service, row.reference)
        if self.chance(60):
            row.reference = b"X" * 32
        if service.key_rule == 2 and self.chance(30):
            odd = (b"A/2026-13", b"/2026-04", b"A/2026-00", b"A/2026-4", b"A-2026-04")
            row.reference = self.rng.choice(odd)

    def from_counter(self, row: Row) -> Row:
        """Who sends a payment made of rows, and from which wallet."""
        row.debit = self.wallet()
        row.participant = self.rng.choice((self.net.harness, self.centres[0]))
        accounts = self.model.accounts
        centre = accounts[row.debit].participant
        if self.counters and not self.chance(5):
            row.participant = centre
        row.operator_ = self.number_of_operator(centre)
        return row

    def pay(self) -> list[Row]:
        return [self.from_counter(self.content(Row(Kind.PAY)))]

    def hold(self) -> list[Row]:
        row = self.from_counter(self.content(Row(Kind.HOLD)))
        row.deadline = self.rng.choice(DEADLINES)
        return [row]

    def basket_contents(self) -> list[Row]:
        """Payments to one biller."""
        biller = self.rng.choice(self.net.billers)
        able = [i for i, s in enumerate(self.services, 1) if s.biller == biller]
        rows = []
        for _ in range(self.rng.choice((2, 2, 3, 5, 16))):
            row = self.content(Row(Kind.PAY))
            row.tail = None
            if not self.chance(40):
                row.service = self.rng.choice(able)
                service = self.services[row.service - 1]
                row.amount = self.rng.randrange(500, 30_000)
                row.flags = flags_of(self.rng.randrange(len(service.heads)))
                row.total = row.amount
                self.choose_reference(row, service)
            row.service = min(row.service or 1, len(self.services))
            rows.append(row)
        return rows

    def basket(self) -> list[Row]:
        kind, wallet = self.rng.choice((Kind.PAY, Kind.HOLD)), self.wallet()
        rows = [self.from_counter(row) for row in self.basket_contents()]
        own = self.counters and not self.chance(3)
        for place, row in enumerate(rows):
            row.kind, row.debit = kind, wallet
            row.participant = self.net.harness if not own else self.owner(wallet)
            row.deadline = 3_600 if kind == Kind.HOLD else 0
            row.basket = len(rows) << 8 | place
        if self.chance(10):
            rows[-1].debit = self.wallet()
        if self.chance(10):
            rows[-1] = break_row(self.rng, rows[-1])
        if self.chance(10):
            rows[0] = replace(rows[0], id=self.rng.choice(rows).id)
        return rows

    # --- what was sent before, what is broken, what is great --------------------------

    def repeat(self) -> list[Row]:
        """A row sent before, as it was or with one field changed."""
        recent = self.sent[-2_000:] if self.chance(2) else self.sent
        drawn = self.rng.choices(recent, k=8) if recent else []
        rows = [row for row in drawn if isinstance(row, Row)]
        if not rows:
            return self.pay()
        row = rows[0].copy()
        return [vary_row(self.rng, row) if self.chance(2) else row]

    def broken(self) -> list[Row]:
        """A row of a wrong shape."""
        made = self.rng.choice(self.kinds[:-RECURSIVE])()
        return [break_row(self.rng, made[0])] if made else []

    def great(self) -> list[Row]:
        """Amounts that fill 64 bits, around a ring of accounts."""
        net, rng = self.net, self.rng
        ring = (
            net.great_float,
            net.great_suspense,
            net.great_head,
            net.great_settlement,
            net.great_wallet,
        )
        place = rng.randrange(len(ring) - 1)
        row = self.by_treasury(Kind.TRANSFER, debit=ring[place], credit=ring[place + 1])
        if self.chance(5):
            row.kind, row.debit = Kind.TOP_UP, net.great_float
            row.credit = net.great_wallet
            row.reference = rng.randbytes(8).hex().encode()
        elif self.chance(4):
            row = self.content(Row(rng.choice((Kind.PAY, Kind.HOLD))))
            row.service, row.flags = net.great_service, 0
            row.debit = rng.choice((net.great_wallet, self.wallet()))
            row.participant = net.harness
            row.deadline = 60 if row.kind == Kind.HOLD else 0
        debit, credit = (self.model.accounts[i] for i in (row.debit, row.credit or 1))
        room = ROOM - max(
            debit.debits_posted + debit.debits_pending,
            credit.credits_posted + credit.credits_pending,
        )
        amounts = (AMOUNT_MAX, AMOUNT_MAX, room, room + 1, debit.available, 1_000)
        row.amount = min(max(1, rng.choice(amounts)), AMOUNT_MAX)
        return [row]
