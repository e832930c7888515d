"""Goal: what a payment records beside its row is read as docs/data-model.md writes it.

Method: tails put together byte by byte, by offsets of the page and nothing else, are
read; then those that a payment of the price rule cannot have. On a ledger, many items
that are read together are those that are read alone, in any order and across chunks.
"""

import random
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from switch._core import GROUP_MAX
from switch.calendar import format_month
from switch.codes import AmountRule, PriceRule
from switch.errors import CorruptionError
from switch.ids import new_id
from switch.ledger.payment_tails import (
    BillPart,
    Item,
    PaymentTail,
    read_payment_tail,
    read_tails,
)
from tests.counter.counter_story import Counter

MARCH = 2026 * 12 + 2
DUE_DAY = 20_533  # 2026-03-21
FETCHED_NS = 1_773_500_000 * 10**9


def bill_tail(
    reference: bytes = b"123456789",
    *,
    amount_due: int = 95_000,
    fetched: int = FETCHED_NS,
    period: int = MARCH,
    due_day: int = DUE_DAY,
    amount_rule: int = 1,
    form: int = 1,
) -> bytes:
    return struct.pack(
        "<32sQQIHBB",
        reference,
        amount_due,
        fetched,
        period,
        due_day,
        amount_rule,
        form,
    )


def tariff_tail(*items: tuple[bytes, int], form: int = 2) -> bytes:
    lines = b"".join(struct.pack("<8sI", *item) for item in items)
    return lines.ljust(54, b"\0") + bytes((len(items), form))


def test_a_bill() -> None:
    assert len(bill_tail()) == 56
    found = read_payment_tail(bill_tail() + "দুই".encode(), PriceRule.BILL)
    assert found == PaymentTail(
        bill=BillPart(
            reference="123456789",
            amount_due=95_000,
            fetched_ns=FETCHED_NS,
            period="2026-03",
            due_date="2026-03-21",
            amount_rule=AmountRule.EXACT,
        ),
        note="দুই",
    )


def test_a_bill_that_says_no_more_than_it_must() -> None:
    tail = bill_tail(b"R" * 32, fetched=0, period=0, due_day=0, amount_rule=5)
    bill = read_payment_tail(tail, PriceRule.BILL).bill
    assert bill is not None
    assert bill.reference == "R" * 32
    assert (bill.fetched_ns, bill.period, bill.due_date) == (0, "", "")
    assert bill.amount_rule is AmountRule.EXACT_AND_BELOW


def test_every_month_that_a_quotation_can_have() -> None:
    assert format_month(1) == "0000-02"
    assert format_month(119_999) == "9999-12"
    assert format_month(MARCH) == "2026-03"


def test_a_tariff() -> None:
    items = [(b"COPY", 3), (b"A-LONG-1", 9_999), (b"X", 1), (b"Y", 2)]
    for count in range(1, 5):
        found = read_payment_tail(
            tariff_tail(*items[:count]) + b"note", PriceRule.TARIFF
        )
        assert found == PaymentTail(
            items=tuple(Item(code.decode(), n) for code, n in items[:count]),
            note="note",
        )
    # Refused for naming none.
    assert read_payment_tail(tariff_tail(), PriceRule.TARIFF) == PaymentTail()


@pytest.mark.parametrize("price_rule", [PriceRule.STATED, PriceRule.OPEN])
def test_elsewhere_there_is_a_note_at_most(price_rule: PriceRule) -> None:
    assert read_payment_tail(b"", price_rule) == PaymentTail()
    # A note may be what looks like a fixed part.
    bill = bill_tail(amount_due=1, fetched=0, period=0, due_day=0)
    for note in (bill, tariff_tail((b"A", 1))):
        found = read_payment_tail(note, price_rule)
        assert found == PaymentTail(note=note.decode())


@pytest.mark.parametrize(
    ("tail", "price_rule"),
    [
        (b"", PriceRule.BILL),
        (b"", PriceRule.TARIFF),
        (bill_tail()[:55], PriceRule.BILL),
        (bill_tail(), PriceRule.TARIFF),
        (tariff_tail((b"A", 1)), PriceRule.BILL),
        (bill_tail(form=3), PriceRule.BILL),
        (b"n" * 64, PriceRule.TARIFF),
    ],
)
def test_what_no_payment_of_the_rule_has(tail: bytes, price_rule: PriceRule) -> None:
    with pytest.raises(CorruptionError, match="another tail"):
        read_payment_tail(tail, price_rule)


# --- many at once --------------------------------------------------------------------


@pytest.fixture
def counter(tmp_path: Path) -> Iterator[Counter]:
    counter = Counter(tmp_path)
    for at in range(60):
        items = [("COPY", at + 1)] if at % 3 else []
        note = "n" * (at % 5)
        if items:
            cost = 1_000 * (at + 1)
            counter.pay(new_id(), f"D{at}", cost, service="COPIES", items=items)
        else:
            counter.pay(new_id(), f"F{at}", note=note)
    yield counter
    counter.ledger.close()


def test_many_items_are_those_that_are_read_alone(counter: Counter) -> None:
    ledger = counter.ledger
    whole = range(1, ledger.sequence + 1)
    alone = {at: ledger.tail(at) for at in whole}
    assert len(set(alone.values())) > 40
    assert ledger.tails(np.array(whole, np.uint64)) == list(alone.values())
    draw = random.Random(5)
    for size in (1, 2, 7, len(whole)):
        some = draw.choices(whole, k=size)
        assert ledger.tails(np.array(some, np.uint64)) == [alone[at] for at in some]
        assert read_tails(ledger, some) == {at: alone[at] for at in some}
    assert read_tails(ledger, []) == {}


def test_items_that_cannot_be_read_together(counter: Counter) -> None:
    ledger = counter.ledger
    for wrong in (0, ledger.sequence + 1):
        with pytest.raises(LookupError):
            ledger.tails(np.array([1, wrong], np.uint64))
    with pytest.raises(ValueError, match="at most"):
        ledger.tails(np.ones(GROUP_MAX + 1, np.uint64))
    # Named more than once, an item is read once.
    last = ledger.sequence
    many = [1] * GROUP_MAX + [last]
    assert read_tails(ledger, many) == {at: ledger.tail(at) for at in (1, last)}
