"""What a generator's payments bring with them where a price rule asks for it: tokens of
bills, items of a tariff, handles of what was paid before; most often right.

Part of tests/core/generator.py, which see.
"""

from dataclasses import replace

from switch.codes import AmountRule, DuplicateRule, KeyRule, PriceRule
from tests.core import quoting, spelling
from tests.core.moves import Moves
from tests.core.mutation import WRONG_ITEMS
from tests.core.network import BILL_RULES, NOW
from tests.model_quotations import LIFE_NS, make_handle, seal
from tests.model_state import ist_day
from tests.records import Payment, ServiceRecord

SECOND_NS = 10**9
REFERENCES = 60
"""Of each service, so that many are paid again."""
ISSUES = 4
"""Bills of one reference."""
TOKENS_KEPT = 400
AGES_S = (0, 0, 1, 30, 1_800, 5_400, 40_000)
LIVES_S = (0, 0, 0, 600, 7_200)


class Priced(Moves):
    """Draws what payments bring with them."""

    now = NOW
    tokens: list[Payment]

    def price(self, payment: Payment, index: int, centre: int) -> Payment:
        """The payment as its service asks for it, by its price rule."""
        if not 0 < index <= len(self.services):
            return self.stray(payment, centre)
        service = self.services[index - 1]
        if service.price_rule == PriceRule.BILL:
            return self.quoted(payment, service, index, centre)
        if service.price_rule == PriceRule.TARIFF:
            return self.itemised(payment, service)
        if service.price_rule == PriceRule.OPEN:
            return self.open_amount(payment, service, index, centre)
        return self.stray(payment, centre) if self.chance(60) else payment

    def stray(self, payment: Payment, centre: int) -> Payment:
        """Brings what nobody has asked for."""
        rng = self.rng
        draw = rng.randrange(4)
        if draw == 0 and self.tokens:
            return replace(payment, quotation=rng.choice(self.tokens).quotation)
        if draw == 1:
            return replace(payment, quotation=rng.randbytes(rng.choice((1, 143, 144))))
        if draw == 2:
            return replace(payment, additional_to=self.handle(0, centre))
        return replace(payment, items=((b"COPY", 1),))

    # --- bills ------------------------------------------------------------------------

    def bill(self, service: ServiceRecord, index: int) -> quoting.Bill:
        """One of the bills of a service, again and again the same ones."""
        rng = self.rng
        number = rng.randrange(REFERENCES)
        issue = rng.randrange(ISSUES)
        bill = quoting.Bill(index, b"%d" % number, 500 + 250 * (number % 90))
        if spelling.is_ruled(service):
            bill.reference = spelling.make(replace(service, key_rule=0), number)
        if service.key_rule == KeyRule.BILL_ID or self.chance(3):
            bill.id = b"B-%d-%d" % (number, issue)
        if service.key_rule == KeyRule.REFERENCE_PERIOD or self.chance(3):
            bill.period = quoting.of_month(2026, 1 + issue)
        bill.amount_rule = AmountRule(service.amount_rule)
        bill.head = rng.randrange(len(service.heads)) if self.chance(3) else 0
        bill.due_time = rng.choice((0, NOW, 2**63, 1))
        return bill

    def quoted(
        self, payment: Payment, service: ServiceRecord, index: int, centre: int
    ) -> Payment:
        """With the token of one of its bills; of one that was used, or of none."""
        rng = self.rng
        if self.chance(12) and self.tokens:
            old = rng.choice(self.tokens)
            if self.chance(2):
                return replace(old, id=payment.id, centre=payment.centre)
            return replace(payment, quotation=old.quotation)
        bill = self.bill(service, index)
        fetched = self.now - rng.choice(AGES_S) * SECOND_NS
        life = rng.choice(LIVES_S) * SECOND_NS
        if self.chance(20):
            fetched, life = self.edge()
        model = self.model
        if index > len(model.services) or not model.services[index - 1].canonical(
            bill.reference, whole=True
        ):
            return payment
        said = quoting.quote(
            model, bill, centre, fetched, fetched + life if life else 0
        )
        if self.chance(40):
            said.amount_rule = rng.choice(BILL_RULES)
        if self.chance(40):
            said.centre = rng.choice(self.centres)
        paid = quoting.payment_of(model, said, payment.id)
        if self.chance(20):
            paid.quotation = self.bad(paid.quotation)
        paid = replace(
            payment,
            service=paid.service,
            amount=self.amount_of(bill),
            reference=paid.reference,
            head=paid.head,
            quotation=paid.quotation,
        )
        if spelling.is_ruled(service) and not self.chance(3):
            plain = replace(service, key_rule=0)
            paid.reference = spelling.spell(rng, plain, paid.reference)
        if self.chance(20):
            paid.head ^= 1
        self.tokens = [*self.tokens[-TOKENS_KEPT:], paid]
        return paid if not self.chance(20) else replace(paid, quotation=b"")

    def edge(self) -> tuple[int, int]:
        """When one was fetched and how long it lives, at the edge of either."""
        rng, time = self.rng, max(self.now, self.model.timestamp + 1)
        nearly = rng.randrange(-2, 3)
        draw = rng.randrange(3)
        if draw == 0:
            return time + nearly, 0
        if draw == 1:
            return time - LIFE_NS + nearly, 0
        return time - SECOND_NS, SECOND_NS + nearly

    def amount_of(self, bill: quoting.Bill) -> int:
        """What is paid of a bill."""
        more = self.rng.choice((0, 0, 1, 100))
        if bill.amount_rule == AmountRule.EXACT_AND_BELOW:
            more = -more
        return bill.amount_due + (more if bill.amount_rule != AmountRule.EXACT else 0)

    def bad(self, token: bytes) -> bytes:
        """A token that is none of the ledger's."""
        rng = self.rng
        draw = rng.randrange(5)
        if draw == 0:
            return quoting.forged(token, rng.randrange(len(token)))
        if draw == 1:
            return token[: rng.randrange(len(token))]
        if draw == 2:
            return token + b"\0"
        if draw == 3:
            return token[:128] + rng.randbytes(16)
        said = quoting.quote(
            self.model, quoting.Bill(1, b"1", 500), self.centres[0], self.now
        )
        return seal(said, quoting.STRANGE_KEYS, self.model.instance)

    # --- tariffs ----------------------------------------------------------------------

    def itemised(self, payment: Payment, service: ServiceRecord) -> Payment:
        """One to four items, most often with their fees of today."""
        rng = self.rng
        today = ist_day(max(self.now, self.model.timestamp))
        fees = {
            item.code: item.fee
            for item in sorted(service.items, key=lambda item: item.valid_from)
            if item.valid_from <= today
        }
        codes = sorted(
            {item.code for item in service.items} if self.chance(8) else fees
        )
        count = min(len(codes), rng.choice((1, 1, 2, 3, 4)))
        items = tuple(
            (code, rng.choice((1, 1, 2, 7))) for code in rng.sample(codes, count)
        )
        amount = sum(fees.get(code, 700) * count for code, count in items)
        if self.chance(10):
            amount += rng.choice((-1, 1, 500))
        if self.chance(20):
            items = ()
        if self.chance(20):
            items = rng.choice(WRONG_ITEMS)
        reference = b"APPLICATION %d" % rng.randrange(REFERENCES * ISSUES)
        return replace(payment, amount=max(1, amount), items=items, reference=reference)

    # --- open amounts -----------------------------------------------------------------

    def open_amount(
        self, payment: Payment, service: ServiceRecord, index: int, centre: int
    ) -> Payment:
        """An advance; often one more of the same meter, knowing of the one before."""
        rng = self.rng
        amount = rng.randrange(1, 180) * 500 + rng.choice((0, 0, 0, 0, 0, 250))
        paid = replace(payment, amount=amount)
        if not self.chance(4):
            paid.reference = b"METER %d" % rng.randrange(REFERENCES)
        if service.duplicate_rule != DuplicateRule.WITHIN and not self.chance(12):
            return paid
        if self.chance(2):
            cited = paid.reference.upper()
            takers = self.model.takers.get((index, cited), (self.past((1,)),))
            newest = takers[-1] if not self.chance(6) else rng.choice(takers)
            paid.additional_to = self.handle(newest, centre)
        return paid

    def handle(self, sequence: int, centre: int) -> bytes:
        """What a centre was given with PAID_RECENTLY, or not."""
        rng = self.rng
        secret = rng.choice(self.model.keys or quoting.STRANGE_KEYS)[1]
        if self.chance(20):
            centre = rng.choice(self.centres)
        made = make_handle(sequence, centre, secret, self.model.instance)
        if self.chance(20):
            made = quoting.forged(made, rng.randrange(len(made)))
        return made if not self.chance(40) else made[: rng.randrange(len(made))]
