"""Goal: claims, quotations and payments in the way are judged as a plain reading of the
data model judges them, one payment after the other.

Method: payments at random of a few bills and references, in several groups, with ends,
refunds, leaps of time, old quotations, and billers who find out later what they have
credited; a book that is kept apart decides each. Right
stories have no finding. Then one decision is turned over: that very row is found.
"""

import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from switch.audit import audit, reader
from switch.codes import CaseType, KeyRule, Kind, Result, RowFlag
from tests.audit import price_story as p
from tests.audit.journal_story import (
    HOUR,
    MINUTE,
    WORD,
    B,
)
from tests.audit.journal_writer import NEVER, UNVERIFIED, Row
from tests.audit.price_story import BELOW, DUE, EXACT
from tests.audit.told_story import (
    going_on,
    written,
)

BILLS, PARTS, WITHIN, DEPOSITS, MONTHS, TWIN = range(6, 12)
"""Exact bills, bills at most, bills within hours, deposits, bills by month, and exact
bills of the first ones' series.
"""
HOURS = {BILLS: 10, PARTS: 10, WITHIN: 5, DEPOSITS: 6, MONTHS: 10, TWIN: 4}
SERIES = {TWIN: BILLS}
ONCE = (BILLS, PARTS, MONTHS, TWIN)
TAKERS = 16
EXPIRED = 0
"""What would have had no row."""
R = Result


def series(service: int) -> int:
    """The service that names the series of one's bills."""
    return SERIES.get(service, service)


@dataclass
class Taker:
    """A payment, as its claims remember it."""

    row: Row
    fetched: int
    open: bool
    paid: bool
    ended: int
    left: int
    late: bool = False
    """Credited, its biller has said, after it was given back."""


@dataclass
class Book:
    """Who holds which bill, and who has paid what of a reference, plainly."""

    holder: dict[tuple[int, bytes], int] = field(default_factory=dict)
    released: dict[tuple[int, bytes], int] = field(default_factory=dict)
    takers: dict[tuple[int, str], list[Taker]] = field(default_factory=dict)
    bills: dict[tuple[int, bytes], list[Taker]] = field(default_factory=dict)

    def decide(
        self,
        service: int,
        bill: bytes,
        citizen: str,
        fetched: int,
        now: int,
        named: int,
    ) -> tuple[int, int]:
        """Result and the row in the way."""
        if fetched and not fetched <= now < fetched + 24 * HOUR:
            return EXPIRED, 0
        once = service in ONCE
        key = series(service), bill
        if once and key not in self.holder and self.released.get(key, 0) >= fetched:
            return EXPIRED, 0
        way = self.in_the_way(service, bill, citizen, fetched, now, named)
        if way == -1:
            return EXPIRED, 0
        if once and key in self.holder:
            return R.BILL_ALREADY_CLAIMED, self.holder[key]
        for taker in self.bills.get(key, [])[: -TAKERS - 1 : -1] if once else ():
            if taker.late:
                return R.BILL_ALREADY_CLAIMED, taker.row.sequence
        return (R.PAID_RECENTLY, way) if way else (R.OK, 0)

    def in_the_way(
        self,
        service: int,
        bill: bytes,
        citizen: str,
        fetched: int,
        now: int,
        named: int,
    ) -> int:
        """Who is, 0 for nobody; -1 if the quotation is from before somebody's end."""
        for taker in self.takers.get((series(service), citizen), [])[
            : -TAKERS - 1 : -1
        ]:
            recent = now - taker.ended < HOURS[service] * HOUR
            counts = taker.open or (taker.paid and taker.left > 0 and recent)
            if service == WITHIN and not counts and taker.ended >= fetched:
                return -1
            if not counts:
                continue
            if service in ONCE:
                if taker.row.timestamp < fetched and taker.row.reference != bill:
                    return taker.row.sequence
            elif service == DEPOSITS and taker.row.sequence == named:
                return 0
            else:
                return taker.row.sequence
        return 0

    def take(self, row: Row, citizen: str, fetched: int) -> Taker:
        held = row.kind == Kind.HOLD
        taker = Taker(row, fetched, held, not held, row.timestamp, row.amount)
        if row.service in ONCE:
            key = series(row.service), row.reference
            self.holder[key] = row.sequence
            self.bills.setdefault(key, []).append(taker)
        self.takers.setdefault((series(row.service), citizen), []).append(taker)
        return taker

    def release(self, taker: Taker, by: Row) -> bool:
        """Whether a row that ends a payment releases its bill."""
        key = series(taker.row.service), taker.row.reference
        if taker.row.service not in ONCE:
            return False
        if self.holder.get(key, taker.row.sequence) != taker.row.sequence:
            return False
        self.holder.pop(key, None)
        self.released[key] = by.timestamp
        return True


class Town:
    """Tells a story of payments; the lie, if there is one, is its last row."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.s = s = going_on()
        self.book = Book()
        self.paid: list[tuple[Taker, Row]] = []
        self.held: list[Taker] = []
        # Those in question, and those that were given back and are not.
        self.doubts: list[Taker] = []
        self.back: list[Taker] = []
        self.corrected: list[Taker] = []
        self.results: dict[int, int] = {}
        p.bill_service(s, BILLS, hours=10)
        p.bill_service(s, PARTS, hours=10, amount_rule=BELOW)
        p.bill_service(s, WITHIN, rule=3, hours=5)
        p.open_service(s, DEPOSITS, hours=6)
        p.bill_service(s, MONTHS, key=KeyRule.REFERENCE_PERIOD, hours=10)
        p.bill_service(s, TWIN, hours=4, series=BILLS)
        s.top_up(B, 10**8, "UTR-TOWN")
        s.commit()

    def step(self, *, lie: bool = False) -> bool:
        """One thing that happens; whether it was a payment that was decided."""
        s, rng = self.s, self.rng
        s.now += rng.choice((0, 0, MINUTE, 20 * MINUTE, HOUR, 3 * HOUR))
        if not s.group:
            self.expire()
        move = rng.choice(("pay", "pay", "pay", "end", "end", "refund", "late", "told"))
        if move == "end" and self.held:
            self.end(self.held.pop(rng.randrange(len(self.held))))
        elif move == "refund" and self.paid:
            self.refund()
        elif move == "late" and self.back and rng.random() < 0.3:
            self.credited(self.back.pop(rng.randrange(len(self.back))))
        elif move == "told" and self.doubts:
            self.told(self.doubts.pop(rng.randrange(len(self.doubts))))
        elif move == "late" and self.corrected and rng.random() < 0.3:
            self.undone(self.corrected.pop(rng.randrange(len(self.corrected))))
        elif move == "pay":
            return self.pay(lie=lie)
        if rng.random() < 0.3:
            s.commit()
        return False

    def expire(self) -> None:
        s = self.s
        for sequence, due in list(s.images.holds.items()):
            if due <= s.now and due not in (NEVER, UNVERIFIED):
                mine = [one for one in self.held if one.row.sequence == sequence]
                s.resolve(Kind.EXPIRE, s.rows[sequence - 1])
                for taker in mine:
                    self.held.remove(taker)
                    self.doubts.append(taker)

    def credited(self, taker: Taker) -> None:
        """Its biller says so of what was given back."""
        self.s.case(taker.row, CaseType.LATE_CONFIRMATION)
        taker.open = taker.late = True
        self.doubts.append(taker)

    def told(self, taker: Taker) -> None:
        """What is in question is no longer: it was not credited, or is paid for."""
        if taker.late and self.rng.random() < 0.4:
            row = self.s.corrected_by_two(taker.row)
            taker.open, taker.paid, taker.ended = False, True, row.timestamp
            if taker.row.flags & RowFlag.PARTIAL:
                self.freed(taker, row)
            self.corrected.append(taker)
            return
        row = self.s.verified_by_two(taker.row)
        row.flags &= ~8
        row.flags |= 8 * self.book.release(taker, row)
        taker.open = taker.paid = taker.late = False
        taker.ended = row.timestamp
        self.back.append(taker)

    def end(self, taker: Taker) -> None:
        kind = self.rng.choice((Kind.POST, Kind.POST, Kind.VOID))
        self.ended(taker, self.s.resolve(kind, taker.row, word=WORD))

    def freed(self, taker: Taker, row: Row) -> None:
        """A correction, or its undoing, leaves nothing claimed."""
        row.flags &= ~8
        row.flags |= 8 * self.book.release(taker, row)
        taker.late = False

    def undone(self, taker: Taker) -> None:
        """Its biller rejects what was corrected, and it is taken back."""
        self.s.case(taker.row, CaseType.LATE_REJECTION)
        row = self.s.undo(taker.row)
        self.freed(taker, row)
        taker.paid, taker.ended = False, row.timestamp
        self.back.append(taker)

    def ended(self, taker: Taker, row: Row) -> None:
        taker.open, taker.ended = False, row.timestamp
        taker.paid = row.kind == Kind.POST
        if taker.paid:
            self.paid.append((taker, row))
        else:
            self.back.append(taker)
        if row.kind != Kind.POST or taker.row.service == PARTS:
            assert bool(row.flags & 8) == self.book.release(taker, row) or (
                taker.row.service not in ONCE
            )

    def refund(self) -> None:
        taker, payment = self.rng.choice(self.paid)
        if not taker.left:
            return
        amount = self.rng.choice((taker.left, self.rng.randint(1, taker.left)))
        row = self.s.refunded_by_two(payment, amount)
        taker.left -= amount
        if not taker.left:
            row.flags &= ~8
            row.flags |= 8 * self.book.release(taker, row)

    def pay(self, *, lie: bool) -> bool:
        s, rng = self.s, self.rng
        service = rng.choice((BILLS, PARTS, WITHIN, DEPOSITS, MONTHS, TWIN))
        citizen = f"C-{rng.randrange(3)}"
        month = rng.randrange(1, 4)
        name = {
            BILLS: f"{citizen}-{month}",
            TWIN: f"{citizen}-{month}",
            PARTS: f"{citizen}-{month}",
            MONTHS: f"{citizen}/2026-0{month}",
        }.get(service, citizen)
        fetched = 0 if service == DEPOSITS else s.now - rng.choice(AGES)
        takers = self.book.takers.get((series(service), citizen), [])
        named = 0
        if service == DEPOSITS and takers and rng.random() < 0.6:
            named = rng.choice(takers[-2:]).row.sequence
        asked = service, name.encode(), citizen, fetched, s.now, named
        told = self.book.decide(*asked)
        near = self.book.in_the_way(*asked)
        result, way = self.lied(told, takers, near) if lie else told
        if not lie:
            self.results[told[0]] = self.results.get(told[0], 0) + 1
        if result == EXPIRED:
            return False
        f: dict[str, object] = {"resolves": named}
        if rng.random() < 0.6:
            f |= {"kind": Kind.HOLD, "deadline": rng.choice((3_600, 86_400))}
        if result != R.OK:
            f |= {"result": Result(result), "total": way}
        amount = rng.randint(100, DUE) if service in (PARTS, DEPOSITS) else DUE
        if service == DEPOSITS:
            row = s.pay(B, service, amount, name, **f)
        else:
            if service == MONTHS:
                f["period"] = 2026 * 12 + month - 1
            rule = BELOW if service == PARTS else EXACT
            f |= {"citizen": citizen, "amount_rule": rule, "fetched": fetched}
            row = p.quoted(s, B, service, amount, name, **f)
        if result == R.OK:
            taker = self.book.take(row, citizen, fetched)
            if taker.open:
                self.held.append(taker)
            else:
                self.paid.append((taker, row))
        return True

    def lied(
        self, told: tuple[int, int], takers: list[Taker], near: int
    ) -> tuple[int, int]:
        """Another decision than the right one; `near` is in the way in any case, and
        which of two causes was told first is not looked at.
        """
        result, way = told
        if result != R.OK and self.rng.random() < 0.7:
            return R.OK, 0
        ways = way, near
        others = [one.row.sequence for one in takers if one.row.sequence not in ways]
        return R.PAID_RECENTLY, self.rng.choice(others or [1])


AGES = (1, MINUTE, 30 * MINUTE, 2 * HOUR, 6 * HOUR, 23 * HOUR)


@pytest.mark.parametrize("seed", range(12))
def test_right_payments_at_random_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(reader, "BLOCK_ROWS", (1, 50, 32_768)[seed % 3])
    town = Town(seed)
    for _ in range(600):
        town.step()
    town.s.commit()
    report = audit(written(tmp_path, town.s.groups))
    assert report.findings.kept == []
    assert set(town.results) == set(EACH)


EACH = (EXPIRED, R.OK, R.BILL_ALREADY_CLAIMED, R.PAID_RECENTLY)


@pytest.mark.parametrize("seed", range(40))
def test_one_wrong_decision_is_found(tmp_path: Path, seed: int) -> None:
    town = Town(seed)
    for _ in range(100 + 5 * seed):
        town.step()
    while not town.step(lie=True):
        pass
    town.s.commit()
    report = audit(written(tmp_path, town.s.groups))
    assert {one.sequence for one in report.findings.kept} == {len(town.s.rows)}
    assert set(report.findings.counts) <= {"claims", "refusals", "prices"}
