"""A book of debts, kept apart from core and model: who owes what, which rows have paid
it, and whether more was ever taken than is owed.

It reads the journal's rows, and knows of a payment only what a biller and a citizen
know: its id, and what it was made for. Used by tests/core/test_bills_once.py.
"""

from dataclasses import dataclass, field
from typing import Any

from switch.codes import CaseType, Kind, Result

SECOND_NS = 10**9
TAKERS_MAX = 16
"""Payments of one reference that are looked at, the newest first: behind them are older
ones, each of which was there when the next was asked for."""


@dataclass
class Debt:
    """What a citizen owes, under whatever ids its biller gives the bill."""

    family: str
    reference: bytes
    total: int
    period: int = 0
    ids: list[bytes] = field(default_factory=list)
    in_parts: bool = False


@dataclass
class Paid:
    """One accepted payment: what is held or paid by it, and since when."""

    debt: Debt
    sequence: int
    time: int
    amount: int
    open_: bool
    ended: int
    service: int
    wallet: int
    account: int
    posted: int = 0
    refunded: int = 0
    corrected: int = 0
    addition: int = 0
    unverified: bool = False
    late: bool = False
    """Its biller says that it has credited what was given back."""
    bill: bytes = b""
    rejected: bool = False
    """Its biller has said once that it has not credited what was paid."""
    differing: int = 0
    """The case of its biller's word that it has credited otherwise than was paid, while
    that is open."""
    settled: int = 0
    """When people have ended the newest dispute."""

    @property
    def money(self) -> int:
        """Paise that its biller has of it."""
        return self.posted - self.refunded + self.corrected

    @property
    def is_back(self) -> bool:
        """Whether it was paid, and all of that was given back."""
        return 0 < self.posted == self.refunded

    @property
    def is_disputed(self) -> bool:
        """Whether its biller says that it has credited what its citizen has back."""
        return self.is_back and self.differing > 0

    @property
    def is_doubtful(self) -> bool:
        """Whether it may come to be a payment yet, or may be one."""
        return self.open_ or self.unverified or self.late or self.is_disputed

    @property
    def taken(self) -> int:
        """Paise that are, or may be, the citizen's no more."""
        return self.amount if self.is_doubtful else self.money

    def counts(self, at: int, hours: int) -> bool:
        """Whether a second one would be a mistake at this time."""
        if self.is_doubtful:
            return True
        return self.taken > 0 and at - self.ended < hours * 3_600 * SECOND_NS


class Book:
    """All debts, by what was paid of them."""

    def __init__(self, hours: int) -> None:
        self.hours = hours
        self.asked: dict[tuple[int, bytes], Debt] = {}
        """By sender and id; what follows likewise."""
        self.fetched: dict[tuple[int, bytes], int] = {}
        self.done: set[tuple[int, bytes]] = set()
        self.paid: dict[int, Paid] = {}
        self.finals: dict[int, Paid] = {}
        self.cases: dict[int, Paid] = {}
        self.disputed: set[int] = set()
        """Payments that have been at any time."""
        self.of_debt: dict[int, list[Paid]] = {}
        self.of_reference: dict[tuple[str, bytes], list[Paid]] = {}

    def ask(self, sender: int, id_: bytes, debt: Debt, fetched: int = 0) -> None:
        """A payment of this sender's with this id is for this debt, unless it was done
        already; as its bill was fetched at that time, if it is one.
        """
        key = sender, id_
        if key not in self.done:
            self.asked[key], self.fetched[key] = debt, fetched

    def all_of(self, debt: Debt) -> list[Paid]:
        """What was paid of a debt, the newest last."""
        return self.of_debt.setdefault(id(debt), [])

    def taken(self, debt: Debt) -> int:
        """Paise held or paid of it by now."""
        return sum(paid.taken for paid in self.all_of(debt))

    def credited(self, debt: Debt, before: int) -> int:
        """Paise that its biller has seen by this time."""
        return sum(
            paid.money
            for paid in self.all_of(debt)
            if not paid.open_ and paid.ended <= before
        )

    def read(self, rows: Any) -> None:
        """What the journal says next."""
        for row in rows:
            if row["result"] != Result.OK:
                continue
            kind, resolves = int(row["kind"]), int(row["resolves"])
            if kind in (Kind.PAY, Kind.HOLD):
                self.take(row)
            elif kind in (Kind.POST, Kind.VOID, Kind.EXPIRE):
                self.end(row)
            elif kind == Kind.REFUND and resolves in self.finals:
                paid = self.finals[resolves]
                paid.refunded += int(row["amount"])
                assert paid.refunded <= paid.posted
                self.note(paid)
            elif kind == Kind.CASE_CLOSE and resolves in self.cases:
                self.settle(self.cases.pop(resolves), int(row["timestamp"]))
            elif resolves in self.paid:
                self.doubt(self.paid[resolves], row)

    def take(self, row: Any) -> None:
        """An accepted payment: nobody may have paid for it already."""
        key = int(row["participant"]), row["id"].tobytes()
        debt = self.asked[key]
        self.done.add(key)
        amount, time = int(row["amount"]), int(row["timestamp"])
        held = row["kind"] == Kind.HOLD
        sequence = int(row["sequence"])
        service, wallet = int(row["service"]), int(row["debit"])
        ended, account = time, int(row["credit"])
        paid = Paid(debt, sequence, time, amount, held, ended, service, wallet, account)
        paid.addition = int(row["resolves"])
        paid.bill = row["reference"].tobytes()
        if not held:
            paid.posted = amount
            self.finals[sequence] = paid
        if debt.family.startswith("open"):
            self.check_addition(paid)
        else:
            before = [each for each in self.all_of(debt) if each.taken]
            wrong = (
                self.taken(debt) + amount > debt.total,
                not debt.in_parts and bool(before),
                not debt.in_parts and amount != debt.total,
                any(each.is_doubtful for each in before),
            )
            assert not any(wrong), f"{debt} was paid by {before}, and again by {paid}"
            self.check_fetched(paid, self.fetched[key])
        self.paid[sequence] = paid
        self.all_of(debt).append(paid)
        same = self.of_reference.setdefault((debt.family, debt.reference), [])
        same.append(paid)

    def check_addition(self, paid: Paid) -> None:
        """Of an amount that the citizen says: who has paid lately must be named, among
        the newest of those who paid for it.
        """
        same = self.of_reference.get((paid.debt.family, paid.debt.reference), [])
        same = same[-TAKERS_MAX:]
        counting = [each for each in same if each.counts(paid.time, self.hours)]
        if counting:
            newest = counting[-1].sequence
            assert paid.addition == newest, f"{paid} did not know of {newest}"

    def check_fetched(self, paid: Paid, fetched: int) -> None:
        """What is due of a bill that is paid once may be another amount since people
        have spoken with its biller.
        """
        if not fetched or paid.debt.family.startswith("hours"):
            return
        same = [each for each in self.all_of(paid.debt) if each.bill == paid.bill]
        settled = max((each.settled for each in same), default=0)
        assert fetched > settled, f"{paid} was fetched before {settled}"

    def note(self, paid: Paid) -> None:
        """Whether it is disputed by now."""
        if paid.is_disputed:
            self.disputed.add(paid.sequence)

    def settle(self, paid: Paid, time: int) -> None:
        """People have ended a case of another amount."""
        if paid.is_disputed:
            paid.settled = time
        paid.differing = 0

    def end(self, row: Any) -> None:
        """A hold became money, or nothing."""
        paid = self.paid[int(row["resolves"])]
        assert paid.open_
        paid.open_, paid.ended = False, int(row["timestamp"])
        paid.unverified = bool(row["kind"] == Kind.EXPIRE)
        if row["kind"] == Kind.POST:
            paid.posted = int(row["amount"])
            self.finals[int(row["sequence"])] = paid

    def doubt(self, paid: Paid, row: Any) -> None:
        """Something is said or done about a payment that has ended."""
        kind = int(row["kind"])
        if kind == Kind.CASE and row["total"] == CaseType.LATE_CONFIRMATION:
            paid.late = True
        elif kind == Kind.CASE and row["total"] == CaseType.LATE_REJECTION:
            paid.rejected = True
        elif kind == Kind.CASE and row["total"] == CaseType.AMOUNT_DIFFERS:
            if paid.posted:
                # What is said of an open hold is answered by its end.
                paid.differing = int(row["sequence"])
                self.cases[paid.differing] = paid
                self.note(paid)
        elif kind == Kind.VERIFY:
            assert paid.unverified or paid.late
            paid.unverified = paid.late = False
        elif kind == Kind.TRANSFER and int(row["credit"]) == paid.account:
            assert paid.late, f"{paid} was corrected, and nobody has said why"
            paid.unverified = paid.late = False
            paid.corrected, paid.ended = int(row["amount"]), int(row["timestamp"])
