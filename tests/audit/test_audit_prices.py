"""Goal: a payment that costs another amount than its tariff, its bill or its service
says is found, and so is one that does not say what it has paid for.

Method: as in `test_audit_forgeries`, twins that differ in just that, of services with
price rules. Records of such services are forged field by field.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from switch.codes import AmountRule, KeyRule, Result, Role, RowFlag
from tests.audit import price_story as p
from tests.audit.again import audit
from tests.audit.journal_story import (
    MINUTE,
    ONCE,
    RECENT,
    STATED,
    A,
    B,
    Story,
    failed,
)
from tests.audit.journal_writer import Row, ist_day
from tests.audit.price_story import ABOVE, BELOW, COPY, DUE, EXACT
from tests.audit.test_audit_forgeries import Pair, Tell, found_in
from tests.audit.told_story import (
    going_on,
    written,
)

DAY = 24 * 60 * MINUTE
UPDATE = int(RowFlag.UPDATE)
MONTH = 2026 * 12 + 3
"""April 2026."""


def bill(
    amount: int = DUE, rule: dict[str, object] | None = None, /, **f: object
) -> Tell:
    """A payment with a quotation, of a service of bills."""

    def tell(s: Story) -> None:
        p.bill_service(s, **(rule or {}))  # type: ignore[arg-type]
        name = str(f.get("bill", "BILL-90"))
        said = {key: value for key, value in f.items() if key != "bill"}
        p.quoted(s, A, 6, amount, name, **said)

    return tell


def aged(age: int) -> Tell:
    """A quotation that was fetched so long before the payment."""

    def tell(s: Story) -> None:
        p.bill_service(s)
        p.quoted(s, A, 6, DUE, "BILL-90", fetched=s.now - age)

    return tell


def changed(tell: Tell, change: Callable[[Row], object]) -> Tell:
    """A story with something else in its last row."""

    def told(s: Story) -> None:
        tell(s)
        change(s.rows[-1])

    return told


def flagged(tell: Tell, flags: int) -> Tell:
    """With other flags in its last row: those are turned over."""
    return changed(tell, lambda row: setattr(row, "flags", row.flags ^ flags))


def tailed(tell: Tell, tail: bytes | None) -> Tell:
    """With another tail of its last row."""
    return changed(tell, lambda row: setattr(row, "tail", tail))


def said(rule: dict[str, object], reference: str = "BILL-90", /, **f: object) -> Tell:
    """A payment whose sender states what is due."""

    def tell(s: Story) -> None:
        p.bill_service(s, **rule)  # type: ignore[arg-type]
        p.stated(s, A, 6, DUE, reference, **f)

    return tell


def may_state(right: int, *, before: bool = True) -> Tell:
    """The same with and without the right to, which may change behind it."""

    def tell(s: Story) -> None:
        p.bill_service(s)
        told = (2, Role.CENTRE, b"centre-a")
        if before:
            s.participant(*told, may_state=right, flags=UPDATE)
        p.stated(s, A, 6, DUE, "BILL-90")
        s.participant(*told, may_state=1 - right, flags=UPDATE)

    return tell


def unpriced(s: Story) -> None:
    s.pay(A, 1, DUE, "BILL-90")


def items(amount: int, *named: p.Item, **f: object) -> Tell:
    """A payment by tariff."""

    def tell(s: Story) -> None:
        p.tariff(s)
        p.bought(s, A, amount, "APPLICATION-1", *named, **f)

    return tell


def of_day(days: int, amount: int) -> Tell:
    """A copy, bought so many days later: from the second day on it costs 700."""

    def tell(s: Story) -> None:
        p.tariff(s)
        s.now += days * DAY
        p.bought(s, A, amount, "APPLICATION-1", (b"COPY", 1))

    return tell


def raised(amount: int) -> Tell:
    """A copy, bought when the register has another fee since."""

    def tell(s: Story) -> None:
        p.tariff(s)
        p.tariff(s, items=p.fee(b"COPY", 900), flags=UPDATE)
        p.bought(s, A, amount, "APPLICATION-1", (b"COPY", 1))

    return tell


def deposit(amount: int, **f: object) -> Tell:
    """An open amount, in steps of ₹10."""

    def tell(s: Story) -> None:
        p.open_service(s, amount_min=500, amount_max=50_000, amount_step=1_000)
        s.pay(A, 6, amount, "ACCOUNT-1", **f)

    return tell


def adding(service: int) -> Tell:
    """A payment that says that it is in addition to another one."""

    def tell(s: Story) -> None:
        p.open_service(s)
        p.open_service(s, 7, rule=2)
        first = s.pay(A, 6, DUE, "ACCOUNT-1")
        s.pay(A, service, DUE, "ACCOUNT-1", resolves=first.sequence)

    return tell


def refused(tell: Tell, result: Result) -> Tell:
    """The same payment, refused: it keeps its part, and none of its claims."""

    def change(row: Row) -> None:
        row.result, row.receipt = result, 0
        row.flags &= ~(ONCE | RECENT)

    return changed(tell, change)


def failed_basket(tell: Tell) -> Tell:
    """Refused because another payment of its basket was."""
    failed = refused(tell, Result.BASKET_FAILED)
    return changed(failed, lambda row: setattr(row, "basket", 0x200))


RIGHTS = {"a statement without the right", "a statement of who lost the right"}
"""Stories that do not end with their payment."""
NOTE = b"n" * 64
PERIODIC: dict[str, object] = {"key": KeyRule.REFERENCE_PERIOD}
WITHIN: dict[str, object] = {"rule": 3}
UPPER: dict[str, object] = {"letters": 2, "pattern": b"A{3}-9"}
"""Citizens' references like CIT-1; bills only have their letters made upper-case."""

BILLS: dict[str, Pair] = {
    "less than is due": ("prices", bill(), bill(due=DUE + 1)),
    "more than is due": ("prices", bill(), bill(due=DUE - 1)),
    "less than is due at least": (
        "prices",
        bill(due=DUE - 1, amount_rule=ABOVE),
        bill(due=DUE + 1, amount_rule=ABOVE),
    ),
    "more than is due at most": (
        "prices",
        bill(due=DUE + 1, amount_rule=BELOW),
        bill(due=DUE - 1, amount_rule=BELOW),
    ),
    "nothing is due": (
        "prices",
        bill(due=1, amount_rule=ABOVE),
        bill(due=0, amount_rule=ABOVE),
    ),
    "more is due than can be": (
        "prices",
        bill(due=10**18, amount_rule=BELOW),
        bill(due=10**18 + 1, amount_rule=BELOW),
    ),
    "a quotation of no rule": ("prices", bill(), bill(amount_rule=AmountRule.MIN_MAX)),
    "before it was fetched": ("prices", aged(0), aged(-1)),
    "a quotation of a day": ("prices", aged(DAY - 1), aged(DAY)),
    "a period that is none": ("prices", bill(period=119_999), bill(period=120_000)),
    "no part": ("prices", bill(), tailed(bill(), None)),
    "a note in the place of a part": ("prices", bill(), tailed(bill(), NOTE[:55])),
    "a part of another form": ("prices", bill(), bill(form=2)),
    "a note that is too long": ("prices", bill(note=NOTE), bill(note=NOTE + b"n")),
    "a note that is too long behind no part": (
        "prices",
        tailed(unpriced, NOTE),
        tailed(unpriced, NOTE + b"n"),
    ),
    "an empty note": ("prices", tailed(unpriced, None), tailed(unpriced, b"")),
    "a quotation and a statement": ("prices", bill(), flagged(bill(), STATED)),
    "neither": ("prices", said({}), flagged(said({}), STATED)),
    "a statement without the right": ("prices", may_state(1), may_state(0)),
    "a statement of who lost the right": (
        "prices",
        may_state(1, before=False),
        may_state(0),
    ),
    "a statement by another rule": (
        "prices",
        said({"amount_rule": ABOVE}),
        said({"amount_rule": ABOVE}, amount_rule=EXACT),
    ),
    "less than was stated": ("prices", said({}), said({}, due=DUE + 1)),
    "a stated due day": ("prices", said({}), said({}, due_day=20_000)),
    "nothing is said where all is stated": (
        "prices",
        unpriced,
        flagged(unpriced, STATED),
    ),
    "a statement about a tariff": (
        "prices",
        items(COPY, (b"COPY", 1)),
        flagged(items(COPY, (b"COPY", 1)), STATED),
    ),
    "a statement about an open amount": (
        "prices",
        deposit(DUE),
        flagged(deposit(DUE), STATED),
    ),
}
TARIFFS: dict[str, Pair] = {
    "another sum": (
        "prices",
        items(4_000, (b"CASTE", 1), (b"COPY", 2)),
        items(4_001, (b"CASTE", 1), (b"COPY", 2)),
    ),
    "the sum of others": (
        "prices",
        items(4_500, (b"CASTE", 1), (b"COPY", 3)),
        items(4_500, (b"CASTE", 1), (b"COPY", 2)),
    ),
    "yesterday's fee": ("prices", of_day(0, COPY), of_day(1, COPY)),
    "tomorrow's fee": ("prices", of_day(1, 700), of_day(0, 700)),
    "the fee of an older tariff": ("prices", raised(900), raised(COPY)),
    "an item without a fee": (
        "prices",
        items(COPY, (b"COPY", 1)),
        items(COPY, (b"COPIES", 1)),
    ),
    "no item": ("prices", items(COPY, (b"COPY", 1)), items(COPY)),
    "an item twice": (
        "prices",
        items(2 * COPY, (b"COPY", 2)),
        items(2 * COPY, (b"COPY", 1), (b"COPY", 1)),
    ),
    "too many of one": (
        "prices",
        refused(items(1, (b"COPY", 9_999)), Result.FEE_CHANGED),
        refused(items(1, (b"COPY", 10_000)), Result.FEE_CHANGED),
    ),
    "none of one": (
        "prices",
        items(COPY, (b"COPY", 1)),
        items(COPY, (b"COPY", 1), (b"CASTE", 0)),
    ),
    "more items than it names": (
        "prices",
        items(COPY, (b"COPY", 1)),
        items(COPY, (b"COPY", 1), (b"CASTE", 1), count=1),
    ),
    "fewer items than it names": (
        "prices",
        items(COPY, (b"COPY", 1)),
        items(COPY, (b"COPY", 1), count=2),
    ),
    "more items than there may be": (
        "prices",
        items(COPY, (b"COPY", 1)),
        items(COPY, (b"COPY", 1), count=5),
    ),
    "a part by tariff of another form": (
        "prices",
        items(COPY, (b"COPY", 1)),
        items(COPY, (b"COPY", 1), form=1),
    ),
    "a note that is too long behind items": (
        "prices",
        items(COPY, (b"COPY", 1), note=NOTE),
        items(COPY, (b"COPY", 1), note=NOTE + b"n"),
    ),
    "a byte of a part that is zero": (
        "prices",
        items(COPY, (b"COPY", 1)),
        tailed(
            items(COPY, (b"COPY", 1)),
            p.tariff_part([(b"COPY", 1)])[:50] + b"\1" + b"\0\0\0\1\2",
        ),
    ),
    "another step": ("prices", deposit(3_000), deposit(3_001)),
    "more than the most": ("services", deposit(50_000), deposit(51_000)),
    "in addition where all is new": ("prices", adding(6), adding(7)),
}
REFERENCES: dict[str, Pair] = {
    "a bill's id that is not canonical": (
        "services",
        bill(DUE, UPPER, bill="BILL 9/1"),
        bill(DUE, UPPER, bill="bill 9/1"),
    ),
    "a citizen's reference that is not canonical": (
        "services",
        bill(DUE, UPPER, citizen="CIT-1"),
        bill(DUE, UPPER, citizen="cit-1"),
    ),
    "a citizen's reference of another pattern": (
        "services",
        bill(DUE, UPPER, citizen="CIT-1"),
        bill(DUE, UPPER, citizen="CIT-10"),
    ),
    "no citizen's reference": ("services", bill(), bill(citizen="")),
    "a space behind a citizen's reference": (
        "services",
        bill(citizen="CIT 1"),
        bill(citizen="CIT "),
    ),
    "another month than the quotation's": (
        "services",
        bill(DUE, PERIODIC, bill="CIT-1/2026-04", period=MONTH),
        bill(DUE, PERIODIC, bill="CIT-1/2026-05", period=MONTH),
    ),
    "another citizen than the quotation's": (
        "services",
        bill(DUE, PERIODIC, bill="CIT-1/2026-04", period=MONTH),
        bill(DUE, PERIODIC, bill="CIT-2/2026-04", period=MONTH),
    ),
    "a reference that leaves no room for its month": (
        "services",
        bill(
            DUE,
            PERIODIC,
            bill="C" * 24 + "/2026-04",
            citizen="C" * 24,
            period=MONTH,
        ),
        bill(
            DUE,
            PERIODIC,
            bill="C" * 24 + "/2026-04",
            citizen="C" * 25,
            period=MONTH,
        ),
    ),
    "another reference than the quotation's": (
        "services",
        bill(DUE, WITHIN, bill="CIT-1"),
        bill(DUE, WITHIN, bill="CIT-2"),
    ),
    "another citizen than was stated": (
        "services",
        said({}, "BILL-90"),
        said({}, "BILL-90", citizen="BILL-91"),
    ),
    "another citizen than was stated, by month": (
        "services",
        said(PERIODIC, "CIT-1/2026-04", citizen="CIT-1", period=MONTH),
        said(PERIODIC, "CIT-1/2026-04", citizen="CIT-1/2026-04", period=MONTH),
    ),
    "another month than was stated": (
        "services",
        said(PERIODIC, "CIT-1/2026-04", citizen="CIT-1", period=MONTH),
        said(PERIODIC, "CIT-1/2026-04", citizen="CIT-1", period=0),
    ),
    "a month of a bill that has none": (
        "services",
        said({}, "CIT-1/2026-04"),
        said({}, "CIT-1/2026-04", period=MONTH),
    ),
    "stated and not canonical": (
        "services",
        said(UPPER, "CIT-1"),
        said(UPPER, "cit-1"),
    ),
}
PAIRS: dict[str, Pair] = {**BILLS, **TARIFFS, **REFERENCES}


@pytest.mark.parametrize("name", PAIRS)
def test_a_forgery_is_found_and_its_twin_is_not(tmp_path: Path, name: str) -> None:
    check, right, forged = PAIRS[name]
    assert found_in(tmp_path / "right", right) == set()
    assert found_in(tmp_path / "forged", forged) == {check}


@pytest.mark.parametrize("name", sorted({*BILLS, *TARIFFS, *REFERENCES} - RIGHTS))
def test_refused_payments_say_the_same_of_their_price(
    tmp_path: Path, name: str
) -> None:
    """All but whether the amount is right: refused for another reason it may be."""
    check, right, forged = PAIRS[name]
    assert found_in(tmp_path / "right", failed_basket(right)) == set()
    amounts = name in {
        *("less than is due", "more than is due", "less than is due at least"),
        *("more than is due at most", "less than was stated", "another sum"),
        *("the sum of others", "yesterday's fee", "tomorrow's fee"),
        *("the fee of an older tariff", "an item without a fee", "no item"),
        *("another step", "more than the most"),
    }
    assert found_in(tmp_path / "forged", failed_basket(forged)) == (
        set() if amounts else {check}
    )


@pytest.mark.parametrize("seed", range(3))
def test_fees_are_summed_as_they_are_by_hand(tmp_path: Path, seed: int) -> None:
    """Counts and days at random; sums beyond 64 bits are no amount."""
    s = going_on()
    today, wrong = ist_day(s.now), 0
    fees = {b"A": [(0, 7), (today + 1, 9)], b"B": [(today, 10**18)], b"C": [(1, 11)]}
    record = b"".join(
        p.fee(code, paise, day) for code, all_ in fees.items() for day, paise in all_
    )
    p.tariff(s, items=record)
    for number in range(60):
        mixed = (number * 7 + seed) % 13
        counts = {b"A": mixed, b"C": (mixed * 5 + number) % 9_999 + 1}
        if number % 10 == 9:
            counts[b"B"] = 1 + number * 100
        named = [(code, count) for code, count in counts.items() if count]
        day = ist_day(s.now)
        total = sum(
            max(paise for first, paise in fees[code] if first <= day) * count
            if code != b"A"
            else (9 if day > today else 7) * count
            for code, count in named
        )
        amount = total % 2**64 if total < 10**12 else total % 10**6 + 1
        more = number % 3 == 2
        p.bought(s, B, max(amount + more, 1), f"APPLICATION-{number}", *named)
        wrong += more or amount != total
        s.now += 60 * MINUTE
    s.commit()
    report = audit(written(tmp_path, s.groups))
    assert failed(report) - {"below_zero", "limits"} == {"prices"}
    assert report.checks["prices"] == wrong
