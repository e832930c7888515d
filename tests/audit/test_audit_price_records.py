"""Goal: a service's record that its price rule forbids is found, and so is a tariff
that is none.

Method: as in `test_audit_forgeries`, twins that differ in just one field.
"""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from switch.codes import AmountRule, KeyRule, PriceRule, Role
from tests.audit import price_story as p
from tests.audit.journal_story import Story, Y
from tests.audit.price_story import ABOVE, BELOW, EXACT
from tests.audit.test_audit_forgeries import Pair, Tell, found_in

Fields = dict[str, object]
RECORDS: dict[str, tuple[Callable[..., None], Fields, Fields]] = {
    "price rule": (p.open_service, {}, {"price_rule": 4}),
    "amount rule of bills": (
        p.bill_service,
        {"amount_rule": BELOW},
        {"amount_rule": AmountRule.ANY},
    ),
    "amount rule of a tariff": (p.tariff, {}, {"amount_rule": ABOVE}),
    "amount rule of open amounts": (p.open_service, {}, {"amount_rule": EXACT}),
    "bills without claims": (p.bill_service, {"rule": 3}, {"rule": 1, "hours": 0}),
    "a tariff without claims": (p.tariff, {"rule": 3, "hours": 1}, {"rule": 1}),
    "a key of bills": (p.bill_service, {"key": 2}, {"key": KeyRule.REFERENCE}),
    "a key of a tariff": (p.tariff, {}, {"key": KeyRule.BILL_ID}),
    "a key of open amounts": (
        p.open_service,
        {"rule": 2},
        {"rule": 2, "key": KeyRule.BILL_ID},
    ),
    "hours of bills": (p.bill_service, {"hours": 8_784}, {"hours": 8_785}),
    "hours of bills within": (
        p.bill_service,
        {"rule": 3, "hours": 1},
        {"rule": 3, "hours": 0},
    ),
    "hours of a tariff": (p.tariff, {"hours": 0}, {"hours": 1}),
    "hours of open amounts": (
        p.open_service,
        {"rule": 2, "hours": 0},
        {"rule": 2, "hours": 1},
    ),
    "a least of a tariff": (p.tariff, {}, {"amount_min": 100, "amount_max": 200}),
    "a most of a tariff": (p.tariff, {}, {"amount_max": 200}),
    "a least of open amounts": (
        p.open_service,
        {"amount_min": 100},
        {"amount_min": 99},
    ),
    "no most of open amounts": (
        p.open_service,
        {"amount_max": 10**18},
        {"amount_max": 0},
    ),
    "a step": (p.open_service, {"amount_step": 10**18}, {"amount_step": 10**18 + 1}),
    "a step of bills": (p.bill_service, {}, {"amount_step": 100}),
    "a step of a tariff": (p.tariff, {}, {"amount_step": 100}),
    "no items": (p.tariff, {}, {"items": b""}),
    "items of bills": (p.bill_service, {}, {"items": p.fee(b"A", 1)}),
    "items that are not there": (p.tariff, {}, {"items": b"", "items_count": 9}),
    "64 items": (
        p.tariff,
        {"items": b"".join(p.fee(b"A-%02d" % at, 1) for at in range(64))},
        {"items": b"".join(p.fee(b"A-%02d" % at, 1) for at in range(65))},
    ),
    "items in another order": (
        p.tariff,
        {"items": p.fee(b"A", 1, 5) + p.fee(b"A", 1, 6) + p.fee(b"AB", 1)},
        {"items": p.fee(b"A", 1, 6) + p.fee(b"A", 1, 5) + p.fee(b"AB", 1)},
    ),
    "codes in another order": (
        p.tariff,
        {"items": p.fee(b"A", 1) + p.fee(b"AB", 1)},
        {"items": p.fee(b"AB", 1) + p.fee(b"A", 1)},
    ),
    "two items of a day": (
        p.tariff,
        {"items": p.fee(b"A", 1, 5)},
        {"items": p.fee(b"A", 1, 5) + p.fee(b"A", 2, 5)},
    ),
    "a code of small letters": (
        p.tariff,
        {"items": p.fee(b"A-9", 1)},
        {"items": p.fee(b"a-9", 1)},
    ),
    "a code of nothing": (
        p.tariff,
        {"items": p.fee(b"ABCDEFGH", 1)},
        {"items": p.fee(b"", 1)},
    ),
    "a code behind a zero": (
        p.tariff,
        {"items": p.fee(b"AB", 1)},
        {"items": p.fee(b"A\0B", 1)},
    ),
    "a fee of nothing": (
        p.tariff,
        {"items": p.fee(b"A", 1)},
        {"items": p.fee(b"A", 0)},
    ),
    "a fee beyond the bound": (
        p.tariff,
        {"items": p.fee(b"A", 10**18)},
        {"items": p.fee(b"A", 10**18 + 1)},
    ),
    "a byte of an item that is zero": (
        p.tariff,
        {"items": struct.pack("<8sQII", b"A", 1, 0, 0)},
        {"items": struct.pack("<8sQII", b"A", 1, 0, 1)},
    ),
}


def recorded(make: Callable[..., None], fields: Fields) -> Tell:
    return lambda s: make(s, **fields)


def repriced(price: PriceRule) -> Tell:
    """An update of a service, and one that joins a series."""

    def tell(s: Story) -> None:
        p.bill_service(s)
        told: Fields = {"hours": 0, "key": KeyRule.BILL_ID, "amount_rule": EXACT}
        told["price_rule"] = int(price)
        s.service(7, 1, 2, 5, [Y], series=6, **told)

    return tell


def person(may: int) -> Tell:
    return lambda s: s.participant(9, Role.CENTRE, b"centre-d", may_state=may)


PAIRS: dict[str, Pair] = {
    f"record: {name}": ("services", recorded(make, right), recorded(make, forged))
    for name, (make, right, forged) in RECORDS.items()
}
PAIRS |= {
    "a series of another price rule": (
        "services",
        repriced(PriceRule.BILL),
        repriced(PriceRule.STATED),
    ),
    "a right that is none": ("services", person(1), person(2)),
}


@pytest.mark.parametrize("name", PAIRS)
def test_a_forgery_is_found_and_its_twin_is_not(tmp_path: Path, name: str) -> None:
    check, right, forged = PAIRS[name]
    assert found_in(tmp_path / "right", right) == set()
    assert found_in(tmp_path / "forged", forged) == {check}
