"""Goal: a receipt says all that a citizen and an inspector need, on any printer.

Method: one receipt read line by line in both languages; then random ones, whose lines
must all fit and whose every figure and reference must be found again in text and JSON.
"""

import json
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest

from switch.calendar import format_ist
from switch.catalogue import has_hidden
from switch.codes import AMOUNT_MAX, Tender
from switch.counter.acknowledgements import Acknowledgement, acknowledgement_text
from switch.counter.papers import COLUMNS, Item, Paper
from switch.counter.receipts import Receipt, Reprint, receipt_json, receipt_text
from switch.counter.refund_receipts import RefundReceipt, refund_text
from switch.ids import format_id
from switch.money import format_amount
from switch.payment_states import Standing
from tests.words.test_catalogue import HIDDEN

MARCH_NS = 1_773_639_123_000_000_000
ID = bytes(range(16))


def make(**changes: Any) -> Receipt:
    values: dict[str, Any] = {
        "number": 123,
        "centre": "bsk-00001",
        "centre_code": "BAN/H/R/01956",
        "centre_en": "Sahayata Kendra, Simlapal",
        "centre_bn": "সহায়তা কেন্দ্র, সিমলাপাল",
        "service": "BSK0199",
        "service_en": "WBSEDCL electricity bill payment",
        "service_bn": "ডব্লিউবিএসইডিসিএল বিদ্যুৎ বিল জমা",
        "department_en": "Power Department",
        "department_bn": "বিদ্যুৎ বিভাগ",
        "biller": "wbsedcl",
        "biller_en": "West Bengal State Electricity Distribution Co. Ltd",
        "biller_bn": "পশ্চিমবঙ্গ রাজ্য বিদ্যুৎ বণ্টন কোম্পানি",
        "head": "WB:0990-00-101-001-01",
        "reference": "123456789/2026-03",
        "biller_reference": "TX-77",
        "note": "",
        "amount": 123_456_789,
        "tender": Tender.CASH,
        "operator": 3,
        "id": ID,
        "sequence": 4_711,
        "accepted_ns": MARCH_NS,
        "completed_ns": MARCH_NS + 2 * 10**9,
    }
    return Receipt(**values | changes)


ENGLISH = """\
Bangla Sahayata Kendra
Sahayata Kendra, Simlapal
Centre: BAN/H/R/01956
Receipt: bsk-00001/2025-26/000123
Accepted: 2026-03-16 11:02:03 IST
Confirmed: 2026-03-16 11:02:05 IST
------------------------------------------
Service: WBSEDCL electricity bill payment
  (BSK0199)
Department: Power Department
Paid to: West Bengal State Electricity
  Distribution Co. Ltd
Head of account: WB:0990-00-101-001-01
Reference: 123456789/2026-03
Biller's reference: TX-77
------------------------------------------
Amount: ₹12,34,567.89
Fee: ₹0.00
Total: ₹12,34,567.89
Rupees Twelve Lakh Thirty Four Thousand
  Five Hundred Sixty Seven and Paise
  Eighty Nine Only
------------------------------------------
Paid by: cash
Operator: 3
Payment id:
  00010203-0405-0607-0809-0a0b0c0d0e0f
Ledger entry: 4711
The help of the centre is free of charge.
"""


def test_an_english_receipt() -> None:
    assert receipt_text(make()) == ENGLISH


def test_a_bengali_receipt() -> None:
    text = receipt_text(make(), bengali=True)
    lines = text.splitlines()
    assert lines[0] == "বাংলা সহায়তা কেন্দ্র"
    assert "মোট: ₹১২,৩৪,৫৬৭.৮৯" in lines
    assert "পরিষেবা মূল্য: ₹০.০০" in lines
    assert "গৃহীত: ২০২৬-০৩-১৬ ১১:০২:০৩ IST" in lines
    assert "ঊননব্বই পয়সা মাত্র" in " ".join(text.split())
    # References and ids are what a machine or another office knows them by.
    for exact in ("bsk-00001/2025-26/000123", "123456789/2026-03", "BAN/H/R/01956"):
        assert exact in text
    assert format_id(ID) in text


BILL = """\
Reference: 123456789
Bill: 2026/0007
Period: 2026-03
Due by: 2026-03-21
Biller's reference: TX-77
------------------------------------------
Amount due: ₹900.00
Amount: ₹500.00
"""


def test_a_bill_says_what_was_due() -> None:
    billed = make(
        reference="123456789",
        bill="2026/0007",
        period="2026-03",
        due_date="2026-03-21",
        amount_due=90_000,
        amount=50_000,
    )
    assert BILL in receipt_text(billed)
    bengali = receipt_text(billed, bengali=True).splitlines()
    for line in (
        *("বিল: 2026/0007", "সময়কাল: ২০২৬-০৩", "শেষ তারিখ: ২০২৬-০৩-২১"),
        *("প্রদেয়: ₹৯০০.০০", "টাকার অঙ্ক: ₹৫০০.০০"),
    ):
        assert line in bengali
    value = json.loads(receipt_json(billed))
    assert (value["reference"], value["bill"]) == ("123456789", "2026/0007")
    assert (value["period"], value["due_date"]) == ("2026-03", "2026-03-21")
    assert value["amount_due_paise"] == 90_000


ITEMS = """\
------------------------------------------
Certified copy, each page (COPY)
  3 × ₹10.00 = ₹30.00
URGENT
  1 × ₹25.00 = ₹25.00
Amount: ₹55.00
"""


def test_a_tariff_says_what_was_paid_for() -> None:
    name_en, name_bn = "Certified copy, each page", "নকল, প্রতি পৃষ্ঠা"
    items = (
        Item(code="COPY", name_en=name_en, name_bn=name_bn, count=3, fee=1_000),
        Item(code="URGENT", name_en="", name_bn="", count=1, fee=2_500),
    )
    paid = make(items=items, amount=5_500)
    assert ITEMS in receipt_text(paid)
    bengali = receipt_text(paid, bengali=True).splitlines()
    assert "নকল, প্রতি পৃষ্ঠা (COPY)" in bengali
    assert "  ৩ × ₹১০.০০ = ₹৩০.০০" in bengali
    first, second = json.loads(receipt_json(paid))["items"]
    assert first == {
        "code": "COPY",
        "name": {"en": name_en, "bn": name_bn},
        "count": 3,
        "fee_paise": 1_000,
        "amount_paise": 3_000,
    }
    assert second["amount_paise"] == 2_500


def test_the_number_is_of_the_year_in_which_it_was_completed() -> None:
    last_ns = 1_774_981_799_000_000_000  # 2026-03-31 23:59:59 IST
    assert format_ist(last_ns) == "2026-03-31 23:59:59 IST"
    held = make(number=1, accepted_ns=last_ns, completed_ns=last_ns + 2 * 10**9)
    assert held.full_number == "bsk-00001/2026-27/000001"
    assert make(completed_ns=last_ns).full_number.split("/")[1] == "2025-26"


def test_a_direct_payment_has_one_time_and_no_biller_s_reference() -> None:
    text = receipt_text(make(completed_ns=MARCH_NS, biller_reference=""))
    assert "Confirmed" not in text
    assert "Biller's reference" not in text


def test_the_json_has_both_languages() -> None:
    value = json.loads(receipt_json(make(note="for two")))
    assert value["receipt"] == "bsk-00001/2025-26/000123"
    assert value["amount_paise"] == value["total_paise"] == 123_456_789
    assert value["fee_paise"] == 0
    assert value["amount"] == {"en": "₹12,34,567.89", "bn": "₹১২,৩৪,৫৬৭.৮৯"}
    assert value["amount_in_words"]["en"].startswith("Rupees Twelve Lakh")
    assert value["accepted_time"] == "2026-03-16 11:02:03 IST"
    assert value["payment_id"] == format_id(ID)
    assert value["note"] == "for two"
    assert value["text"]["en"] == receipt_text(make(note="for two"))


def test_a_note_does_not_steer_the_printer() -> None:
    lines = receipt_text(make(note="a\x1b@b\nc")).splitlines()
    assert "Note: a?@b?c" in lines


@pytest.mark.parametrize("character", HIDDEN)
@pytest.mark.parametrize(
    "field", ["note", "reference", "bill", "service_en", "biller_en", "department_en"]
)
def test_nothing_that_hides_or_turns_gets_onto_a_paper(
    field: str, character: str
) -> None:
    """What the register has refused only since, and what a counter may send."""
    for text in papers_of(make(**{field: f"₹1{character}00 paid"})):
        lines = text.split("\n")
        assert not any(has_hidden(line) for line in lines)
        # Ends of lines are spaces in names; a reader sees all else.
        shown = " ".join(text.split())
        assert "₹1?00 paid" in shown or "₹1 00 paid" in shown


def papers_of(receipt: Receipt, *, bengali: bool = False) -> Iterator[str]:
    """The texts of each paper that a payment has."""
    shared = {
        name: getattr(receipt, name)
        for name in Paper.__dataclass_fields__
        if hasattr(receipt, name)
    }
    yield receipt_text(receipt, bengali=bengali, reprint=Reprint(refunded=1))
    yield refund_text(
        RefundReceipt(
            **shared,
            receipt=receipt.full_number,
            which=1,
            paid=receipt.amount,
            refunded=1,
            refunded_ns=receipt.accepted_ns,
        ),
        bengali=bengali,
    )
    yield acknowledgement_text(
        Acknowledgement(**shared, standing=Standing.KEPT, as_of_ns=receipt.accepted_ns),
        bengali=bengali,
    )


def words(draw: random.Random, letters: str, most: int) -> str:
    return "".join(draw.choices(letters, k=draw.randrange(1, most + 1)))


@pytest.mark.parametrize("bengali", [False, True])
def test_every_line_fits_and_nothing_is_lost(bengali: bool) -> None:
    draw = random.Random(3)
    printable = "".join(map(chr, range(0x21, 0x7F)))
    script = "কখগিুেঁ্য়ম " if bengali else "abcdef-,. "
    for _ in range(400):
        receipt = make(
            number=draw.randrange(1, 1 << 32),
            centre=words(draw, "abc-", 32),
            centre_code=words(draw, printable, 256),
            service_en=words(draw, script, 256),
            service_bn=words(draw, script, 256),
            biller_en=words(draw, script, 256),
            head=words(draw, printable, 64),
            reference=words(draw, printable, 32),
            biller_reference=words(draw, printable, 32),
            note=words(draw, script + printable, 64),
            amount=draw.randrange(1, AMOUNT_MAX + 1),
            operator=draw.randrange(1 << 32),
            sequence=draw.randrange(1, 1 << 63),
            tender=draw.choice(list(Tender)),
            bill=words(draw, printable, 32),
            period="2026-03",
            due_date="2026-03-21",
            amount_due=draw.randrange(1, AMOUNT_MAX + 1),
            items=tuple(
                Item(
                    code=words(draw, "ABC-9", 8),
                    name_en=words(draw, script, 256),
                    name_bn=words(draw, script, 256),
                    count=draw.randrange(1, 10_000),
                    fee=draw.randrange(1, AMOUNT_MAX // 9_999),
                )
                for _ in range(4)
            ),
        )
        text = receipt_text(receipt, bengali=bengali)
        assert max(map(len, text.splitlines())) <= COLUMNS
        whole = re.sub(r"\s", "", text)
        for value in (
            receipt.full_number,
            receipt.centre_code,
            receipt.head,
            receipt.reference,
            receipt.biller_reference,
            receipt.service_bn if bengali else receipt.service_en,
            receipt.note,
            format_amount(receipt.amount, bengali=bengali),
            str(receipt.sequence),
            receipt.bill,
            format_amount(receipt.amount_due, bengali=bengali),
            *(item.code for item in receipt.items),
            *(
                format_amount(item.fee * item.count, bengali=bengali)
                for item in receipt.items
            ),
        ):
            assert re.sub(r"\s", "", value) in whole


# --- printed once more ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("refunded", "english", "bengali"),
    [
        (0, ["REPRINT"], ["পুনর্মুদ্রণ"]),
        (
            1,
            ["REPRINT", "GIVEN BACK IN PART: ₹0.01"],
            ["পুনর্মুদ্রণ", "আংশিক ফেরত দেওয়া হয়েছে: ₹০.০১"],
        ),
        (
            123_456_789,
            ["REPRINT", "GIVEN BACK IN FULL: ₹12,34,567.89"],
            ["পুনর্মুদ্রণ", "পুরো টাকা ফেরত দেওয়া হয়েছে:", "  ₹১২,৩৪,৫৬৭.৮৯"],
        ),
    ],
)
def test_a_reprint_says_so_and_nothing_else_more(
    refunded: int, english: list[str], bengali: list[str]
) -> None:
    receipt, reprint = make(), Reprint(refunded)
    for is_bengali, marks in ((False, english), (True, bengali)):
        before = receipt_text(receipt, bengali=is_bengali).splitlines()
        after = receipt_text(receipt, bengali=is_bengali, reprint=reprint).splitlines()
        # Below the centre's lines.
        assert after == before[:3] + marks + before[3:]
    value = json.loads(receipt_json(receipt, reprint=reprint))
    assert value.pop("reprint") is True
    assert value.pop("refunded_paise") == refunded
    assert value["text"]["en"] == receipt_text(receipt, reprint=reprint)
    plain = json.loads(receipt_json(receipt))
    del value["text"], plain["text"]
    assert value == plain
