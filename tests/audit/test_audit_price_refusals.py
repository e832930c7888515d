"""Goal: a payment that was refused for its price although its price was right is found.

Method: as in `test_audit_refusals`: once with the cause that the refusal names and once
without. A payment that is refused for its bill, its items or its step says of them what
an accepted one says.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from switch.codes import Result
from tests.audit import price_story as p
from tests.audit.journal_story import STATED, A, Story
from tests.audit.journal_writer import Row
from tests.audit.price_story import ABOVE, BELOW, COPY, DUE
from tests.audit.test_audit_forgeries import Tell, found_in
from tests.audit.test_audit_prices import (
    MONTH,
    PERIODIC,
    UPPER,
    aged,
    bill,
    changed,
    deposit,
    items,
    of_day,
    refused,
    said,
    tailed,
)

R = Result
Payment = Callable[..., Tell]


def both(result: Result, right: Tell, forged: Tell) -> tuple[Tell, Tell]:
    """The same refusal of what had its cause, and of what had not."""
    return refused(right, result), refused(forged, result)


def formless(reference: str, **f: object) -> Tell:
    """A stated reference that has no canonical form, in part and row as it was sent."""
    return refused(
        said(PERIODIC | {"pattern": b"9{3}"}, reference, **f), R.REFERENCE_WRONG
    )


PAIRS: dict[str, tuple[Tell, Tell]] = {
    "AMOUNT_NOT_EXACT": both(R.AMOUNT_NOT_EXACT, bill(due=DUE + 1), bill()),
    "AMOUNT_NOT_EXACT above": both(
        R.AMOUNT_NOT_EXACT,
        bill(due=DUE + 1, amount_rule=ABOVE),
        bill(due=DUE, amount_rule=ABOVE),
    ),
    "AMOUNT_NOT_EXACT below": both(
        R.AMOUNT_NOT_EXACT,
        bill(due=DUE - 1, amount_rule=BELOW),
        bill(due=DUE, amount_rule=BELOW),
    ),
    "AMOUNT_NOT_EXACT of what was stated": both(
        R.AMOUNT_NOT_EXACT, said({}, due=0), said({})
    ),
    "AMOUNT_NOT_EXACT of a tariff": both(
        R.AMOUNT_NOT_EXACT, bill(due=1), items(1, (b"COPY", 1))
    ),
    "AMOUNT_NOT_EXACT of an open amount": both(
        R.AMOUNT_NOT_EXACT, bill(due=1), deposit(1_001)
    ),
    "ITEM_UNKNOWN": both(
        R.ITEM_UNKNOWN, items(COPY, (b"COPIES", 1)), items(1, (b"COPY", 1))
    ),
    "ITEM_UNKNOWN of none": both(
        R.ITEM_UNKNOWN, items(COPY), items(COPY, (b"COPY", 1))
    ),
    "ITEM_UNKNOWN of one of two": both(
        R.ITEM_UNKNOWN,
        items(COPY, (b"COPY", 1), (b"NONE", 1)),
        items(COPY, (b"COPY", 1), (b"CASTE", 1)),
    ),
    "ITEM_UNKNOWN of a service without a tariff": both(
        R.ITEM_UNKNOWN, deposit(1_000), items(COPY, (b"COPY", 1))
    ),
    "FEE_CHANGED": both(
        R.FEE_CHANGED, items(COPY, (b"COPY", 2)), items(2 * COPY, (b"COPY", 2))
    ),
    "FEE_CHANGED since yesterday": both(
        R.FEE_CHANGED, of_day(1, COPY), of_day(0, COPY)
    ),
    "FEE_CHANGED of an item without a fee": both(
        R.FEE_CHANGED, items(COPY, (b"COPY", 2)), items(COPY, (b"NONE", 2))
    ),
    "FEE_CHANGED of another service": both(
        R.FEE_CHANGED, items(COPY, (b"COPY", 2)), deposit(1_000)
    ),
    "AMOUNT_STEP_WRONG": both(R.AMOUNT_STEP_WRONG, deposit(1_001), deposit(1_000)),
    "AMOUNT_STEP_WRONG of another service": both(
        R.AMOUNT_STEP_WRONG, deposit(1_001), bill()
    ),
    "REFERENCE_WRONG of a quotation": (
        refused(said(UPPER, "CIT-X"), R.REFERENCE_WRONG),
        refused(bill(DUE, UPPER), R.REFERENCE_WRONG),
    ),
    "PERIOD_MISSING of a quotation": (
        refused(said(PERIODIC, "CIT-1"), R.PERIOD_MISSING),
        refused(
            bill(DUE, PERIODIC, bill="CIT-1/2026-04", period=MONTH), R.PERIOD_MISSING
        ),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_a_refusal_has_its_cause(tmp_path: Path, name: str) -> None:
    right, forged = PAIRS[name]
    assert found_in(tmp_path / "right", right) == set()
    assert found_in(tmp_path / "forged", forged) == {"refusals"}


@pytest.mark.parametrize(
    "result",
    [R.QUOTATION_NEEDED, R.QUOTATION_WRONG, R.QUOTATION_EXPIRED, R.ADDITION_WRONG],
)
def test_what_leaves_no_row_has_none(tmp_path: Path, result: Result) -> None:
    assert "fields" in found_in(tmp_path, refused(bill(), result))


def test_a_refused_payment_has_the_flags_of_its_sender_alone(tmp_path: Path) -> None:
    right = refused(bill(due=1), R.AMOUNT_NOT_EXACT)
    assert found_in(tmp_path / "right", right) == set()
    for flag in (0x02, 0x04, 0x08, 0x20, 0x40, 0x80, 0x8000):
        forged = changed(right, partial(flagged, flags=flag))
        assert "fields" in found_in(tmp_path / str(flag), forged)
    forged = changed(right, partial(flagged, flags=STATED))
    assert found_in(tmp_path / "stated", forged) == {"prices"}


def test_a_quotation_that_was_too_old_is_refused_without_a_row(tmp_path: Path) -> None:
    for age, found in ((0, set()), (-1, {"prices"})):
        tell = changed(aged(age), failed_in_basket)
        assert found_in(tmp_path / str(age), tell) == found


def flagged(row: Row, flags: int) -> None:
    row.flags = flags


def failed_in_basket(row: Row) -> None:
    """Refused because another payment of its basket was."""
    row.result, row.receipt, row.flags, row.basket = R.BASKET_FAILED, 0, 0, 0x200


def test_what_was_sent_without_a_form_is_kept_as_it_was_sent(tmp_path: Path) -> None:
    """The citizen's reference too, with its period or without it."""
    for name, tell, found in (
        ("whole", formless("12/2026-04", citizen="12/2026-04"), set()),
        ("without", formless("12/2026-04", citizen="12", period=MONTH), set()),
        ("another", formless("12/2026-04", citizen="13", period=MONTH), {"services"}),
        ("month", formless("12/2026-04", citizen="12", period=MONTH + 1), {"services"}),
    ):
        assert found_in(tmp_path / name, tell) == found


def test_a_payment_of_an_unknown_service_has_no_part(tmp_path: Path) -> None:
    def tell(s: Story) -> None:
        row = s.pay(A, 1, DUE, "BILL-90", result=R.SERVICE_UNKNOWN)
        row.service = row.credit = row.flags = 0

    assert found_in(tmp_path / "right", tell) == set()
    forged = tailed(tell, p.bill_part("CIT-1", DUE, 1) + bytes(9))
    assert found_in(tmp_path / "long", forged) == {"prices"}
