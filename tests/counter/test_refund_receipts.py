"""Goal: each refund of a payment has a receipt of its own, the same for ever, by its
place among them.

Method: one read line by line in both languages; then payments in a ledger, given back
at once, in parts and among much else, their papers made before and after more refunds.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from switch.counter.paper_rows import make_refund_receipt
from switch.counter.papers import COLUMNS
from switch.counter.refund_receipts import RefundReceipt, refund_json, refund_text
from switch.ids import new_id
from switch.ledger import refunds
from switch.ledger.refunds import RefundsFarApartError, refunds_of
from switch.ledger.statements import find_payment
from switch.register.past import PastNames
from tests.counter import test_receipts
from tests.counter.counter_story import Counter

DAY_NS = 86_400 * 10**9


def make() -> RefundReceipt:
    paid = test_receipts.make()
    names = RefundReceipt.__dataclass_fields__
    shared = {name: getattr(paid, name) for name in names if hasattr(paid, name)}
    return RefundReceipt(
        **shared
        | {
            "receipt": paid.full_number,
            "which": 2,
            "paid": paid.amount,
            "amount": 50_000,
            "refunded": 60_000,
            "refunded_ns": paid.accepted_ns + DAY_NS,
            "sequence": 5_000,
        }
    )


ENGLISH = """\
Bangla Sahayata Kendra
Sahayata Kendra, Simlapal
Centre: BAN/H/R/01956
Receipt of a refund:
  bsk-00001/2025-26/000123/R2
Of the receipt: bsk-00001/2025-26/000123
Accepted: 2026-03-16 11:02:03 IST
Given back: 2026-03-17 11:02:03 IST
------------------------------------------
Service: WBSEDCL electricity bill payment
  (BSK0199)
Department: Power Department
Paid to: West Bengal State Electricity
  Distribution Co. Ltd
Head of account: WB:0990-00-101-001-01
Reference: 123456789/2026-03
------------------------------------------
Was paid: ₹12,34,567.89
Given back now: ₹500.00
Given back so far: ₹600.00
Rupees Five Hundred Only
The centre gives this money to the
  citizen.
------------------------------------------
Paid by: cash
Operator: 3
Payment id:
  00010203-0405-0607-0809-0a0b0c0d0e0f
Ledger entry: 5000
The help of the centre is free of charge.
"""


def test_one_in_both_languages() -> None:
    assert refund_text(make()) == ENGLISH
    bengali = refund_text(make(), bengali=True)
    for line in (
        "ফেরতের রসিদ: bsk-00001/2025-26/000123/R2",
        *("দেওয়া হয়েছিল: ₹১২,৩৪,৫৬৭.৮৯", "এবার ফেরত: ₹৫০০.০০"),
        *("এ পর্যন্ত মোট ফেরত: ₹৬০০.০০", "পাঁচ শত টাকা মাত্র"),
    ):
        assert line in bengali.splitlines()
    assert max(map(len, (ENGLISH + bengali).splitlines())) <= COLUMNS
    alone = refund_text(replace(make(), refunded=50_000))
    assert "so far" not in alone


def test_its_json_and_a_reprint() -> None:
    paper = make()
    value = json.loads(refund_json(paper))
    assert value["refund_receipt"] == "bsk-00001/2025-26/000123/R2"
    assert (value["refund"], value["receipt"]) == (2, "bsk-00001/2025-26/000123")
    assert (value["amount_paise"], value["paid_paise"]) == (50_000, 123_456_789)
    assert value["refunded_paise"] == 60_000
    assert value["text"] == {"en": ENGLISH, "bn": refund_text(paper, bengali=True)}
    assert "reprint" not in value
    again = refund_text(paper, is_reprint=True).splitlines()
    assert again[3] == "REPRINT"
    assert again[:3] + again[4:] == ENGLISH.splitlines()
    assert json.loads(refund_json(paper, is_reprint=True))["reprint"] is True


# --- out of a ledger -----------------------------------------------------------------


@pytest.fixture
def counter(tmp_path: Path) -> Iterator[Counter]:
    counter = Counter(tmp_path)
    yield counter
    counter.ledger.close()


def papers_of(counter: Counter, payment_id: bytes) -> list[RefundReceipt]:
    found = find_payment(counter.ledger, counter.centre, payment_id)
    assert found
    rows = refunds_of(counter.ledger, found.resolution or found.entry)
    names = PastNames(counter.register)
    return [
        make_refund_receipt(found, row, which, counter.register, names)
        for which, row in enumerate(rows, 1)
    ]


def test_refunds_among_much_else(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that several pages are gone through.
    monkeypatch.setattr(refunds, "PAGE", 2)
    direct, confirmed, whole = new_id(), new_id(), new_id()
    finals = {
        direct: counter.pay(direct, "B-1", 1_000, service="DIRECT").sequence,
        whole: counter.pay(whole, "B-2", 700, service="DIRECT").sequence,
    }
    held = counter.pay(confirmed, "B-3", 900)
    posted = counter.answer(held.sequence, confirm=True, text="POWER-1")
    finals[confirmed] = int(posted["sequence"])
    assert papers_of(counter, direct) == []
    given = {direct: [300, 500, 200], confirmed: [1, 2], whole: [700]}
    sequences: dict[bytes, list[int]] = {one: [] for one in given}
    first = None
    for place in range(3):
        for payment_id, amounts in given.items():
            for _ in range(3):
                counter.paid(service="DIRECT")
            if place < len(amounts):
                done = counter.refund(finals[payment_id], amounts[place])
                sequences[payment_id].append(int(done["sequence"]))
        first = first or papers_of(counter, direct)[0]
    for payment_id, amounts in given.items():
        made = papers_of(counter, payment_id)
        assert [one.amount for one in made] == amounts
        assert [one.sequence for one in made] == sequences[payment_id]
        assert [one.refunded for one in made] == [
            sum(amounts[: at + 1]) for at in range(len(amounts))
        ]
        number = made[0].receipt
        assert [one.full_number for one in made] == [
            f"{number}/R{at + 1}" for at in range(len(amounts))
        ]
    # Later refunds change nothing of it.
    assert papers_of(counter, direct)[0] == first
    assert papers_of(counter, confirmed)[0].paid == 900


def test_refunds_too_far_apart(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refunds, "PAGE", 2)
    monkeypatch.setattr(refunds, "SCAN_MAX", 4)
    payment_id = new_id()
    final = counter.pay(payment_id, "B-1", 1_000, service="DIRECT").sequence
    counter.refund(final, 1)
    for _ in range(6):
        counter.paid(service="DIRECT")
    counter.refund(final, 2)
    with pytest.raises(RefundsFarApartError, match="4 rows"):
        papers_of(counter, payment_id)
