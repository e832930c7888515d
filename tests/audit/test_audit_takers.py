"""Goal: a payment is found that was made although one of the same reference was in its
way, or refused although none was, or another.

Method: as in `test_audit_forgeries`, twins that differ in just that.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from switch.codes import Kind, Result
from tests.audit import price_story as p
from tests.audit.journal_story import HOUR, MINUTE, A, B, Story, Y
from tests.audit.journal_writer import Row
from tests.audit.price_story import DUE
from tests.audit.test_audit_claims import (
    End,
    left,
    posted,
    refunded,
    refunded_in_part,
    voided,
)
from tests.audit.test_audit_forgeries import Pair, Tell, found_in

R = Result


def other_id(end: End, age: int, hours: int = 0, bill: str = "BILL-91") -> Tell:
    """Another bill of the same citizen, `hours` after the first, by a quotation that
    was fetched `age` nanoseconds after that was taken.
    """

    def tell(s: Story) -> None:
        p.bill_service(s)
        hold = p.held(s, A, 6, DUE, "BILL-90", deadline=31 * 86_400)
        row = end(s, hold)
        assert isinstance(row, Row)
        s.now += HOUR
        s.commit()
        s.now = max(s.now, row.timestamp + hours * HOUR)
        p.quoted(s, B, 6, DUE, bill, fetched=max(hold.timestamp + age, s.now - DAY))

    return tell


DAY = 24 * HOUR - 1


def together(fetched: int) -> Tell:
    """Two bills of a citizen in one basket, and when the second was fetched."""

    def tell(s: Story) -> None:
        p.bill_service(s)
        now = s.now
        for at, name in enumerate(("BILL-90", "BILL-91")):
            p.quoted(s, A, 6, DUE, name, basket=0x200 + at, fetched=now)
        s.rows[-1].tail = p.bill_part("CIT-1", DUE, now + fetched)

    return tell


def apart(s: Story) -> None:
    """The same without a basket."""
    together(1)(s)
    for row in s.rows[-2:]:
        row.basket = 0


def within(make: Callable[..., None], hours: int, end: End | None = None) -> Tell:
    """The same reference again, so many hours after the first, or after its end."""

    def tell(s: Story) -> None:
        make(s)
        first = s.pay(
            A,
            6,
            DUE,
            "REF-1",
            kind=Kind.HOLD if end else Kind.PAY,
            deadline=31 * 86_400 if end else 0,
            tail=part(make),
        )
        s.commit()
        s.now += 2 * HOUR
        row = end(s, first) if end else first
        assert isinstance(row, Row)
        s.commit()
        s.now = max(s.now, row.timestamp + hours * HOUR)
        s.pay(B, 6, DUE, "REF-1", tail=part(make))

    return tell


def part(make: Callable[..., None]) -> bytes | None:
    return p.tariff_part([(b"CASTE", 1)]) if make is certificates else None


def certificates(s: Story) -> None:
    p.tariff(s, rule=3, hours=24)


def deposits(s: Story) -> None:
    p.open_service(s)


def unpriced(s: Story) -> None:
    s.service(6, 1, 3, 5, [Y])


def by_quotation(end: End, hours: int, age: int = 1) -> Tell:
    """The same for bills that are payable within hours only."""

    def tell(s: Story) -> None:
        p.bill_service(s, rule=3, hours=5)
        hold = p.held(s, A, 6, DUE, "CIT-1", deadline=31 * 86_400)
        s.commit()
        s.now += HOUR
        row = end(s, hold)
        assert isinstance(row, Row)
        s.now = max(s.now, row.timestamp + hours * HOUR)
        s.commit()
        p.quoted(s, B, 6, DUE, "CIT-1", fetched=row.timestamp + age)

    return tell


def stated_within(hours: int) -> Tell:
    def tell(s: Story) -> None:
        p.bill_service(s, rule=3, hours=5)
        first = p.stated(s, A, 6, DUE, "CIT-1")
        s.now = first.timestamp + hours * HOUR
        p.stated(s, B, 6, DUE, "CIT-1")

    return tell


def addition(which: int, *, of: str = "REF-1", hours: int = 1) -> Tell:
    """A third payment, in addition to the first, the second, or none (2)."""

    def tell(s: Story) -> None:
        p.open_service(s)
        first = s.pay(A, 6, DUE, "REF-1")
        s.commit()
        second = s.pay(A, 6, DUE, "REF-1", resolves=first.sequence)
        s.pay(A, 6, DUE, "REF-2")
        s.commit()
        s.now += hours * HOUR
        number = (first.sequence, second.sequence, 0)[which]
        s.pay(B, 6, DUE + 1, of, resolves=number)

    return tell


def addition_to(kind: Kind) -> Tell:
    """In addition to something that is a payment of its reference, or is none."""

    def tell(s: Story) -> None:
        p.open_service(s)
        top_up = s.top_up(A, 500, "REF-1")
        paid = s.pay(A, 6, DUE, "REF-1")
        s.commit()
        s.now += 25 * HOUR
        named = paid if kind == Kind.PAY else top_up
        s.pay(B, 6, DUE, "REF-1", resolves=named.sequence)

    return tell


def many(behind: int) -> Tell:
    """An open hold, and so many payments behind it that have come to nothing."""

    def tell(s: Story) -> None:
        p.open_service(s)
        long = {"kind": Kind.HOLD, "deadline": 31 * 86_400}
        first = s.pay(A, 6, 100, "REF-1", **long)
        s.commit()
        for _ in range(behind):
            voided(s, s.pay(A, 6, 100, "REF-1", resolves=first.sequence, **long))
        s.commit()
        s.pay(B, 6, 100, "REF-1")

    return tell


RECENTLY: dict[str, Pair] = {
    "issued again under another id": (
        "claims",
        other_id(left, 0),
        other_id(left, 1),
    ),
    "another bill that was fetched with it": (
        "claims",
        other_id(posted, -MINUTE),
        other_id(posted, 1),
    ),
    "another bill after a void": (
        "claims",
        other_id(voided, 1),
        other_id(posted, 1),
    ),
    "another bill after a refund": (
        "claims",
        other_id(refunded, 1),
        other_id(refunded_in_part, 1),
    ),
    "another bill, hours later": (
        "claims",
        other_id(posted, 1, 72),
        other_id(posted, 1, 71),
    ),
    "another bill, hours later, of one that is held": (
        "claims",
        other_id(posted, 1, 72),
        other_id(left, 1, 72),
    ),
    "another bill of a basket": ("claims", together(1), apart),
    "a certificate again": (
        "claims",
        within(certificates, 24),
        within(certificates, 23),
    ),
    "a deposit again": ("claims", within(deposits, 24), within(deposits, 23)),
    "unpriced again": ("claims", within(unpriced, 24), within(unpriced, 23)),
    "again, and the first is held": (
        "claims",
        within(deposits, 0, voided),
        within(deposits, 48, left),
    ),
    "again, from the end of the first on": (
        "claims",
        within(deposits, 24, posted),
        within(deposits, 23, posted),
    ),
    "again, and the first was refunded in part": (
        "claims",
        within(deposits, 0, refunded),
        within(deposits, 0, refunded_in_part),
    ),
    "a bill within hours": (
        "claims",
        by_quotation(posted, 5),
        by_quotation(posted, 4),
    ),
    "an old quotation within hours": (
        "claims",
        by_quotation(posted, 5),
        by_quotation(posted, 5, 0),
    ),
    "an old quotation behind a void within hours": (
        "claims",
        by_quotation(voided, 1),
        by_quotation(voided, 1, -1),
    ),
    "stated within hours": ("claims", stated_within(5), stated_within(4)),
    "in addition to an older one": ("claims", addition(1), addition(0)),
    "in addition to none": ("claims", addition(1), addition(2)),
    "in addition to one of another reference": (
        "claims",
        addition(1, hours=25),
        addition(1, of="REF-3"),
    ),
    "in addition to what is no payment": (
        "claims",
        addition_to(Kind.PAY),
        addition_to(Kind.TOP_UP),
    ),
    "behind sixteen that have come to nothing": ("claims", many(16), many(15)),
}


# --- refused -------------------------------------------------------------------------


def recently(**f: object) -> Tell:
    """Refused for another bill of the citizen, by a quotation fetched after that."""
    service = f.pop("service", 6)
    end, age, which = f.pop("end", left), f.pop("age", 1), f.pop("which", 0)
    name = str(f.pop("bill", "BILL-91"))

    def tell(s: Story) -> None:
        p.bill_service(s)
        p.bill_service(s, 7)
        together = s.now
        taken = [
            p.held(s, A, 6, DUE, name, deadline=31 * 86_400, fetched=together)
            for name in ("BILL-89", "BILL-90")
        ]
        end(s, taken[-1])  # type: ignore[operator]
        s.now += HOUR
        p.quoted(
            s,
            B,
            int(str(service)),
            DUE,
            name,
            fetched=taken[-1].timestamp + int(str(age)),
            result=R.PAID_RECENTLY,
            total=taken[int(str(which))].sequence,
            **f,
        )

    return tell


def recently_by(rule: int, named: int, *, resolves: int = 3, hours: int = 1) -> Tell:
    """Refused behind two payments, the second in addition to the first; in addition
    to one of them itself, or to none.
    """

    def tell(s: Story) -> None:
        p.open_service(s, rule=rule)
        first = s.pay(A, 6, DUE, "REF-1")
        rows = [first, s.pay(A, 6, DUE, "REF-2" if rule == 2 else "REF-1"), s.rows[0]]
        if rule != 2:
            rows[1].resolves = first.sequence
        s.now += hours * HOUR
        s.pay(
            B,
            6,
            DUE + 1,
            "REF-1",
            result=R.PAID_RECENTLY,
            total=rows[named].sequence,
            resolves=rows[resolves].sequence if resolves < 3 else 0,
        )

    return tell


def in_a_basket(s: Story) -> None:
    """In a basket what was not made may be in the way."""
    recently(end=voided, which=1, basket=0x201)(s)


REFUSED: dict[str, Pair] = {
    "PAID_RECENTLY": ("refusals", recently(which=1), recently(which=0)),
    "PAID_RECENTLY for one behind a void": (
        "refusals",
        recently(end=voided, which=0),
        recently(end=voided, which=1),
    ),
    "PAID_RECENTLY of the same bill": (
        "refusals",
        recently(which=0, bill="BILL-90"),
        recently(which=1, bill="BILL-90"),
    ),
    "PAID_RECENTLY by an older quotation": (
        "refusals",
        recently(which=0, age=0),
        recently(which=1, age=0),
    ),
    "PAID_RECENTLY of another service": (
        "refusals",
        recently(which=1),
        recently(which=1, service=7),
    ),
    "PAID_RECENTLY of who is in addition": (
        "refusals",
        recently_by(3, 1, resolves=0),
        recently_by(3, 0, resolves=0),
    ),
    "PAID_RECENTLY of who names the one in the way": (
        "refusals",
        recently_by(3, 1),
        recently_by(3, 1, resolves=1),
    ),
    "PAID_RECENTLY hours later": (
        "refusals",
        recently_by(3, 1, hours=23),
        recently_by(3, 1, hours=24),
    ),
    "PAID_RECENTLY of what is claimed once": (
        "refusals",
        recently_by(3, 1),
        recently_by(2, 0),
    ),
    "PAID_RECENTLY in addition to another's": (
        "claims",
        recently_by(3, 1, resolves=0),
        recently_by(3, 1, resolves=2),
    ),
}


PAIRS: dict[str, Pair] = {**RECENTLY, **REFUSED}


@pytest.mark.parametrize("name", PAIRS)
def test_a_forgery_is_found_and_its_twin_is_not(tmp_path: Path, name: str) -> None:
    check, right, forged = PAIRS[name]
    assert found_in(tmp_path / "right", right) == set()
    assert found_in(tmp_path / "forged", forged) == {check}


def test_in_a_basket_what_was_not_made_may_be_in_the_way(tmp_path: Path) -> None:
    assert found_in(tmp_path, in_a_basket) == set()
