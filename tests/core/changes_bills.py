"""A walk in which files of bills come, and payments end, between fetch and payment.

At each step a bill is fetched, or a file is put in, or a service's amount rule is to
change, or a payment is answered, expires, is corrected or undone, or what was fetched
is paid. What must come of it is told by a book of the walk's own, written from
docs/data-model.md: it keeps when each service's bills were renewed, and what became of
each payment of a bill. It asks neither core nor model; the model only seals quotations
and keeps rows.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from switch.codes import AmountRule, BillsForm, Kind, Result
from tests import people
from tests.core import wire
from tests.core.changes import WrongError
from tests.core.counter import bills_record
from tests.core.market import BILL, CONFIRMED, DEADLINE_S, ONCE, SECOND_NS, Market
from tests.core.pair import Pair, read_outcome
from tests.model import Ask, Payments
from tests.model_quotations import LIFE_NS, Quotation
from tests.records import Outcome, Row

OK, EXPIRED = Result.OK, Result.QUOTATION_EXPIRED
PARTS: dict[str, Any] = {
    **BILL,
    **ONCE,
    **CONFIRMED,
    "amount_rule": AmountRule.EXACT_AND_BELOW,
}
SERVICES: dict[bytes, dict[str, Any]] = {
    b"DIRECT": {**BILL, **ONCE},
    b"WHOLE": {**BILL, **ONCE, **CONFIRMED},
    b"PARTS": PARTS,
}
BILLS = 12
"""Of each service; another one takes the place of what is paid for good."""
WAITING_MOST = 30
NEAR_S = 10
"""No step takes so long."""
FORMS = (
    BillsForm.FULL,
    BillsForm.DELTA,
    BillsForm.WITHDRAWAL,
    *(BillsForm.ADDITION,) * 3,
)
RULES = (AmountRule.EXACT, AmountRule.EXACT_AND_ABOVE)


class Unheld(Pair):
    """A pair whose core is not held against the model: the walk judges what it says."""

    def commit(self, asks: Sequence[Ask], now_ns: int) -> list[list[Outcome]]:
        """What the core says of each."""
        self.told: list[list[Outcome]] = []
        super().commit(asks, now_ns)
        return self.told

    def compare_reply(self, ask: Ask, expected: list[Outcome], reply: Any) -> None:
        """Keep it."""
        if isinstance(ask, Payments):
            self.told.append([told for _, told in wire.decode_reply(reply)])
            return
        packed = reply.tobytes()
        size = len(expected[0].pack())
        found = [packed[at : at + size] for at in range(0, len(packed), size)]
        self.told.append([read_outcome(each) for each in found])

    def compare_rows(self, first: int) -> None:
        """Neither."""


@dataclass
class Paid:
    """An accepted payment of a bill, and what has become of it."""

    outcome: Outcome
    state: str
    keeps: bool = True
    """Whether its bill is not free because of it."""


@dataclass
class Bill:
    """One bill."""

    service: int
    code: bytes
    name: bytes
    freed_ns: int = 0
    """When a payment of it last let it go."""
    payments: list[Paid] = field(default_factory=list)


class BillsWalk:
    """One ledger, and the book of what may be paid."""

    def __init__(self, path: Path, seed: int) -> None:
        self.rng = Random(seed)
        self.market = Market(path / "ledger", pair=Unheld)
        self.met: Counter[tuple[str, str]] = Counter()
        self.wrong = ""
        self.names = iter(range(1 << 40))
        self.services = {
            code: self.market.service(code, **rules) for code, rules in SERVICES.items()
        }
        self.rules = {
            code: AmountRule(SERVICES[code]["amount_rule"]) for code in SERVICES
        }
        self.renewed = dict.fromkeys(SERVICES, 0)
        self.has_files: set[bytes] = set()
        self.bills = [self._bill(code) for code in SERVICES for _ in range(BILLS)]
        self.fetched: list[tuple[Bill, Quotation, int]] = []

    def _bill(self, code: bytes) -> Bill:
        return Bill(self.services[code], code, b"%d" % next(self.names))

    def _is(self, what: str, told: Outcome, expected: int) -> bool:
        """Whether it was done. Raises WrongError where the rules say otherwise."""
        names = Result(told.result).name, Result(expected).name
        self.met[what, names[0]] += 1
        if told.result != expected:
            raise WrongError(f"{what}: {names[0]}, and the rules say {names[1]}")
        return told.result == OK

    # --- what is prepared, and done ---------------------------------------------------

    def fetch(self) -> None:
        """What a citizen is told of a bill; of some only a part is to be paid."""
        bill = self.rng.choice(self.bills)
        quoted = self.market.fetch(bill.service, b"R-" + bill.name, b"B-" + bill.name)
        part = bill.code == b"PARTS" and self.rng.random() < 0.7
        self.fetched.append((bill, quoted, self.rng.randrange(1, 5_000) if part else 0))
        del self.fetched[:-WAITING_MOST]

    def pay(self) -> None:
        """Something that was fetched is paid, perhaps long after."""
        if not self.fetched:
            return
        bill, quoted, amount = self.fetched[self.rng.randrange(len(self.fetched))]
        payment = self.market.payment(quoted, amount)
        at = self.market.now + SECOND_NS
        expected = self._expected(bill, quoted, at)
        told = self.market.one(payment)
        what = "pay " + bill.code.decode()
        if self._is(what, told, expected):
            state = "paid" if bill.code == b"DIRECT" else "held"
            bill.payments.append(Paid(told, state))

    def _expected(self, bill: Bill, quoted: Quotation, now: int) -> int:
        if now - quoted.fetched > LIFE_NS or self.renewed[bill.code] >= quoted.fetched:
            return EXPIRED
        if any(paid.keeps for paid in bill.payments):
            return Result.BILL_ALREADY_CLAIMED
        return EXPIRED if bill.freed_ns >= quoted.fetched else OK

    # --- what changes -----------------------------------------------------------------

    def file(self) -> None:
        """A file is put in: only one that adds leaves what was fetched."""
        code = self.rng.choice(list(SERVICES))
        form = self.rng.choice(FORMS)
        service = self.services[code]
        tail = bills_record(form, 3, 0 if form == BillsForm.WITHDRAWAL else 900)
        row = Row(Kind.BILLS, id=self.market.id(), service=service, tail=tail)
        row.resolves = self.market.model.bills_of.get(service, 0)
        row.participant = self.market.billers[0][0]
        told = self.market.pair.one(row, self.market.tick())
        in_parts = code == b"PARTS"
        if self._is("file", told, Result.RULE_FIXED if in_parts else OK):
            self.has_files.add(code)
            if form != BillsForm.ADDITION:
                self.renewed[code] = self.market.now

    def amount_rule(self) -> None:
        """A service's: it stays once files are in."""
        code = self.rng.choice((b"DIRECT", b"WHOLE"))
        rule = self.rng.choice(RULES)
        record = self.market.record(code, **{**SERVICES[code], "amount_rule": rule})
        told = self.market.register(record)
        may = code not in self.has_files or rule == self.rules[code]
        if self._is("amount rule", told, OK if may else Result.RULE_FIXED):
            self.rules[code] = rule

    def wait(self, seconds: int = 0) -> None:
        """Time goes on; now and then so much that holds end unanswered."""
        if not seconds:
            is_long = self.rng.random() < 0.5
            seconds = DEADLINE_S + 1 if is_long else self.rng.randrange(1, 90)
        due = self._due(seconds)
        self.market.wait(seconds)
        for paid in due:
            paid.state = "expired"

    def _due(self, seconds: int) -> list[Paid]:
        """What ends unless it is answered by then. It keeps its bill."""
        then = self.market.now + (seconds - DEADLINE_S) * SECOND_NS
        return [
            paid
            for bill in self.bills
            for paid in bill.payments
            if paid.state == "held" and self._held_ns(paid) <= then
        ]

    def _held_ns(self, paid: Paid) -> int:
        return self.market.row(paid.outcome).timestamp

    def _free(self, bill: Bill, paid: Paid) -> None:
        paid.keeps = False
        bill.freed_ns = self.market.now

    # --- what becomes of payments -----------------------------------------------------

    def word(self) -> None:
        """A payment goes on: its biller's word, or what people do about it."""
        ended = ("held", "expired", "late", "corrected", "rejected")
        found = [
            (bill, paid)
            for bill in self.bills
            for paid in bill.payments
            if paid.state in ended
        ]
        if not found:
            return
        bill, paid = self.rng.choice(found)
        getattr(self, f"_{paid.state}")(bill, paid)

    def _held(self, bill: Bill, paid: Paid) -> None:
        """It is answered in time. A part that is paid leaves the rest of its bill."""
        confirmed = self.rng.random() < 0.5
        told = self.market.answer(paid.outcome, confirmed=confirmed)
        self._is("answer", told, OK)
        paid.state = "paid" if confirmed else "voided"
        if bill.code == b"PARTS" or not confirmed:
            self._free(bill, paid)

    def _expired(self, bill: Bill, paid: Paid) -> None:
        """Its biller has credited it all the same."""
        self._tell("late", paid, confirmed=True)
        paid.state = "late"

    def _tell(self, what: str, paid: Paid, *, confirmed: bool) -> None:
        """Its biller says otherwise: that makes a case."""
        told = self.market.answer(paid.outcome, confirmed=confirmed)
        self.met[what, Result(told.result).name] += 1
        if not told.sequence:
            raise WrongError(f"{what}: nothing is kept of it")

    def _late(self, bill: Bill, paid: Paid) -> None:
        """People take the money for the biller after all."""
        row = self.market.row(paid.outcome)
        accounts = {"debit": row.debit, "credit": row.credit}
        told = self.market.both(Kind.TRANSFER, row.sequence, row.amount, **accounts)
        self._is("correct", told, OK)
        paid.state = "corrected"
        if bill.code == b"PARTS":
            self._free(bill, paid)

    def _corrected(self, bill: Bill, paid: Paid) -> None:
        """Its biller rejects it, which does not free the bill by itself."""
        self._tell("reject", paid, confirmed=False)
        paid.state = "rejected"

    def _rejected(self, bill: Bill, paid: Paid) -> None:
        """People take it back, and the bill is free."""
        hold = self.market.row(paid.outcome)
        back = Row(Kind.TRANSFER, id=self.market.id(), amount=hold.amount)
        back.resolves, back.debit, back.credit = (
            paid.outcome.sequence,
            hold.credit,
            hold.debit,
        )
        back.reference, back.participant = b"letter 7", people.MAKER
        told = self.market.pair.one(back, self.market.tick())
        self._is("undo", told, OK)
        paid.state = "undone"
        self._free(bill, paid)

    def _restart(self) -> None:
        self.market.reopen(without_index=self.rng.random() < 0.5)

    # --- all of it --------------------------------------------------------------------

    def steps(self, count: int) -> None:
        """So many steps. Raises WrongError, which is noted, too."""
        for at in range(count):
            try:
                self._step()
            except WrongError as error:
                self.wrong = f"step {at}, {error}"
                raise

    def _step(self) -> None:
        weighted = (
            (self.fetch, 30),
            (self.pay, 40),
            (self.word, 24),
            (self.file, 3),
            (self.amount_rule, 2),
            (self.wait, 6),
            (self._restart, 1),
        )
        steps, weights = zip(*weighted, strict=True)
        # No hold ends within a step: which of the two came first would be a guess.
        if self._due(NEAR_S):
            self.wait(NEAR_S)
        [step] = self.rng.choices(steps, weights)
        step()
        # Another bill takes the place of one that is paid for good, most of the time.
        place = self.rng.randrange(len(self.bills))
        old = self.bills[place]
        if any(each.state == "paid" and each.keeps for each in old.payments):
            self.bills[place] = self._bill(old.code)
