"""A pair with two billers, three centres and a harness that may state dues; a test adds
the services that it needs, has bills fetched, and pays them.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from switch.codes import (
    AccountKind,
    AmountRule,
    DuplicateRule,
    KeyRule,
    Kind,
    Mode,
    Policy,
    PriceRule,
    Result,
    Role,
)
from tests import people
from tests.core.network import NOW, Network, top_up
from tests.core.pair import Pair
from tests.core.quoting import Bill, payment_of, quote
from tests.model import Answers, Payments, Rows
from tests.model_quotations import Quotation
from tests.records import (
    Outcome,
    ParticipantRecord,
    Payment,
    Row,
    Said,
    ServiceRecord,
    TariffItem,
)

SECOND_NS = 10**9
HOUR_NS = 3_600 * SECOND_NS
FUNDS = 10**9
DEADLINE_S = 600
DUE = 45_000
CENTRES = 3

ONCE: dict[str, Any] = {
    "duplicate_rule": DuplicateRule.ONCE,
    "key_rule": KeyRule.BILL_ID,
}
MONTHLY: dict[str, Any] = {**ONCE, "key_rule": KeyRule.REFERENCE_PERIOD}
REFERENCE: dict[str, Any] = {**ONCE, "key_rule": KeyRule.REFERENCE}
WITHIN: dict[str, Any] = {
    "duplicate_rule": DuplicateRule.WITHIN,
    "duplicate_hours": 2,
}
CONFIRMED: dict[str, Any] = {
    "mode": Mode.CONFIRMED,
    "deadline_s": DEADLINE_S,
    "deadline_policy": Policy.RELEASE,
}
BILL: dict[str, Any] = {"price_rule": PriceRule.BILL, "amount_rule": AmountRule.EXACT}
TARIFF: dict[str, Any] = {
    "price_rule": PriceRule.TARIFF,
    "amount_rule": AmountRule.EXACT,
    "items": (TariffItem(b"CERT", 2_000), TariffItem(b"COPY", 150)),
}
OPEN: dict[str, Any] = {
    "price_rule": PriceRule.OPEN,
    "amount_rule": AmountRule.MIN_MAX,
    "amount_min": 100,
    "amount_max": 10**6,
}


class Market:
    """One of them; time goes on by a second with each request."""

    def __init__(self, path: Path, *, pair: type[Pair] = Pair, **options: Any) -> None:
        net = self.net = Network()
        net.treasury = net.participant(b"treasury", Role.TREASURY)
        net.float_ = net.account(net.treasury, 0, AccountKind.FLOAT)
        net.harness = net.participant(b"harness", Role.HARNESS)
        self.billers = []
        for code in (b"biller", b"other"):
            biller = net.participant(code, Role.BILLER)
            heads = [net.account(biller, i, AccountKind.BILLER) for i in range(2)]
            self.billers.append((biller, tuple(heads)))
        for number in range(CENTRES):
            code = b"centre-%d" % number
            centre, wallet = net.centre(code, states=False)
            net.centres.append(centre)
            net.wallets.append(wallet)
            net.centre_codes.append(code)
        net.suspense = net.account(net.treasury, 1, AccountKind.SUSPENSE)
        options = {"threads": False, "index_step_rows": 16, **options}
        self.pair = pair(path, **options)
        self.model = self.pair.model
        self.now = NOW
        self.number = 0
        self.pair.commit([Rows(net.rows)], self.now)
        for wallet in net.wallets:
            self.pair.one(top_up(net, wallet, FUNDS, b"UTR-%d" % wallet), self.now)
        lent = Row(Kind.TRANSFER, id=self.id(), amount=FUNDS, reference=b"to advance")
        lent.debit, lent.credit, lent.participant = net.float_, net.suspense, 1
        self.pair.one(lent, self.now)

    def id(self) -> bytes:
        """A new one."""
        self.number += 1
        return b"market%010d" % self.number

    def tick(self, ns: int = SECOND_NS) -> int:
        """Time goes on."""
        self.now += ns
        return self.now

    # --- the register -----------------------------------------------------------------

    def record(self, code: bytes, *, biller: int = 0, **rules: Any) -> ServiceRecord:
        """What is registered of a service."""
        who, heads = self.billers[biller]
        return ServiceRecord(code, who, heads, **rules)

    def register(self, record: ServiceRecord | ParticipantRecord) -> Outcome:
        """Ask for it."""
        row = Row(Kind.REGISTER, id=self.id(), tail=record.pack())
        row.participant = self.net.treasury
        return self.pair.one(row, self.tick())

    def service(self, code: bytes, **rules: Any) -> int:
        """Register a service; its index."""
        outcome = self.register(self.record(code, **rules))
        assert outcome.result == Result.OK
        return outcome.index

    # --- bills ------------------------------------------------------------------------

    def fetch(
        self,
        service: int,
        reference: bytes,
        id_: bytes = b"",
        *,
        due: int = DUE,
        centre: int = 0,
        fetched: int = 0,
        valid_until: int = 0,
        **fields: Any,
    ) -> Quotation:
        """What a centre is told of a bill, by default now."""
        rule = self.model.services[service - 1].amount_rule
        fields.setdefault("amount_rule", rule)
        bill = Bill(service, reference, due, id_, **fields)
        at = fetched or self.tick()
        return quote(self.model, bill, self.net.centres[centre], at, valid_until)

    def payment(self, quoted: Quotation, amount: int = 0, **fields: Any) -> Payment:
        """A payment of a bill."""
        return replace(payment_of(self.model, quoted, self.id(), amount), **fields)

    def plain(self, service: int, reference: bytes, amount: int, **f: Any) -> Payment:
        """A payment of something that is no bill."""
        code = self.model.services[service - 1].code
        made = Payment(id=self.id(), service=code, amount=amount, reference=reference)
        return replace(made, **f)

    # --- doing ------------------------------------------------------------------------

    def send(self, *payments: Payment, centre: int = 0) -> list[Outcome]:
        """Single payments of a centre, in one message."""
        sender = self.net.centres[centre]
        ask = Payments(list(payments), [], sender, sender)
        return self.pair.commit([ask], self.tick())[0]

    def one(self, payment: Payment, centre: int = 0) -> Outcome:
        """One payment."""
        return self.send(payment, centre=centre)[0]

    def basket(self, *payments: Payment, centre: int = 0) -> list[Outcome]:
        """All or none."""
        sender = self.net.centres[centre]
        ask = Payments([], [list(payments)], sender, sender)
        return self.pair.commit([ask], self.tick())[0]

    def state(self, payment: Payment, centre: int = 0) -> Outcome:
        """A payment by the harness, for a centre."""
        named = replace(payment, centre=self.net.centre_codes[centre])
        ask = Payments([named], [], self.net.harness)
        return self.pair.commit([ask], self.tick())[0][0]

    def pay(self, quoted: Quotation, amount: int = 0, centre: int = 0) -> Outcome:
        """A new payment of a bill."""
        return self.one(self.payment(quoted, amount), centre)

    def row(self, outcome: Outcome) -> Row:
        """The row that holds an answer."""
        return self.model.rows[outcome.sequence - 1]

    def answer(
        self, held: Outcome, *, confirmed: bool = True, amount: int = 0
    ) -> Outcome:
        """The biller's word, by default of what it was asked; the row that it makes."""
        hold = self.row(held)
        biller = self.model.services[hold.service - 1].biller
        said = Said(hold.sequence, hold.id, confirmed, b"word")
        said.amount = amount or self.model.question_sum(hold)
        return self.pair.commit([Answers([said], biller)], self.tick())[0][0]

    def post(self, held: Outcome, amount: int) -> Outcome:
        """A part of a hold."""
        row = Row(Kind.POST, resolves=held.sequence, amount=amount)
        return self.pair.one(row, self.tick())

    def void(self, held: Outcome) -> Outcome:
        """A hold is called off."""
        return self.pair.one(Row(Kind.VOID, resolves=held.sequence), self.tick())

    def refund(self, paid: Outcome, amount: int) -> Outcome:
        """Asked for by one person and approved by another."""
        at = len(self.model.rows) + 1
        rows = people.refund(paid.sequence, amount, at, self.id())
        return self.pair.commit([Rows(rows)], self.tick())[0][-1]

    def propose(self, total: int, resolves: int, amount: int) -> Row:
        """What one person wants, with its sequence; 0 if it was refused."""
        row = Row(Kind.PROPOSE, id=self.id(), amount=amount, resolves=resolves)
        row.total, row.reference, row.participant = total, b"as seen", people.MAKER
        outcome = self.pair.one(row, self.tick())
        row.sequence = outcome.sequence if outcome.result == Result.OK else 0
        return row

    def approve(self, proposal: Row, *deeds: Row) -> list[Outcome]:
        """Another person, and in the same request what comes of it."""
        row = Row(Kind.APPROVE, id=self.id(), resolves=proposal.sequence)
        row.participant = people.CHECKER
        return self.pair.commit([Rows([row, *deeds])], self.tick())[0]

    def both(self, total: int, resolves: int, amount: int, **of: int) -> Outcome:
        """Proposed, approved and done; the outcome of the deed."""
        proposal = self.propose(total, resolves, amount)
        deed = people.done(proposal, proposal.sequence, checker=people.CHECKER, **of)
        return self.approve(proposal, deed)[-1]

    def wait(self, seconds: int) -> None:
        """Time goes on, and what is due ends."""
        self.pair.commit([], self.tick(seconds * SECOND_NS))

    def reopen(self, *, without_index: bool = False) -> None:
        """Close and open, with the steps that are whole in the index."""
        while self.pair.ledger.index_step():
            pass
        self.pair.reopen(without_index=without_index)
