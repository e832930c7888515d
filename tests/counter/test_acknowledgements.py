"""Goal: an acknowledgement says that it is no receipt, how the payment stands, and what
the citizen does now, on any printer.

Method: one read line by line; each standing in both languages; the day by which it is
decided at both of its ends; random ones, whose lines must all fit.
"""

import datetime as dt
import json
import random
import re
from typing import Any

import pytest

from switch.calendar import day_start_ns
from switch.codes import AMOUNT_MAX, Tender
from switch.counter.acknowledgements import (
    Acknowledgement,
    acknowledgement_json,
    acknowledgement_text,
)
from switch.counter.papers import COLUMNS, Item
from switch.ledger.overdue import DECIDE_DAYS
from switch.money import format_amount
from switch.payment_states import Standing

MARCH_NS = 1_773_639_123_000_000_000
HOUR_NS = 3_600 * 10**9
DAY = dt.date(2026, 3, 16)
ACCEPTED = [one for one in Standing if one not in (Standing.NONE, Standing.REFUSED)]


def make(standing: Standing = Standing.KEPT, **changes: Any) -> Acknowledgement:
    values: dict[str, Any] = {
        "standing": standing,
        "as_of_ns": MARCH_NS + 26 * HOUR_NS,
        "centre": "bsk-00001",
        "centre_code": "BAN/H/R/01956",
        "centre_en": "Sahayata Kendra, Simlapal",
        "centre_bn": "সহায়তা কেন্দ্র, সিমলাপাল",
        "service": "BSK0199",
        "service_en": "Electricity bill",
        "service_bn": "বিদ্যুৎ বিল",
        "department_en": "Power Department",
        "department_bn": "বিদ্যুৎ বিভাগ",
        "biller": "wbsedcl",
        "biller_en": "State Electricity",
        "biller_bn": "রাজ্য বিদ্যুৎ",
        "head": "WB:0990-00-101-001-01",
        "reference": "123456789/2026-03",
        "note": "",
        "amount": 95_000,
        "tender": Tender.CASH,
        "operator": 3,
        "id": bytes(range(16)),
        "sequence": 81_234,
        "accepted_ns": MARCH_NS,
    }
    return Acknowledgement(**values | changes)


ENGLISH = """\
Bangla Sahayata Kendra
Sahayata Kendra, Simlapal
Centre: BAN/H/R/01956
Acknowledgement: bsk-00001/A/81234
THIS IS NO RECEIPT. Keep it, and ask by
  its number.
Accepted: 2026-03-16 11:02:03 IST
------------------------------------------
Service: Electricity bill (BSK0199)
Department: Power Department
Paid to: State Electricity
Head of account: WB:0990-00-101-001-01
Reference: 123456789/2026-03
------------------------------------------
Amount: ₹950.00
Rupees Nine Hundred Fifty Only
------------------------------------------
As of: 2026-03-17 13:02:03 IST
State: the money is reserved; the
  department has not confirmed the payment
What now: Do not pay again. No money goes
  back until it is decided.
Decided by: 2026-03-21
------------------------------------------
Paid by: cash
Operator: 3
Payment id:
  00010203-0405-0607-0809-0a0b0c0d0e0f
Ledger entry: 81234
The help of the centre is free of charge.
"""


def test_an_english_one() -> None:
    assert acknowledgement_text(make()) == ENGLISH


def test_a_bengali_one() -> None:
    text = acknowledgement_text(make(), bengali=True)
    lines = text.splitlines()
    assert "প্রাপ্তিস্বীকার: bsk-00001/A/81234" in lines
    assert "এটি রসিদ নয়। কাগজটি রাখুন, এর নম্বর দিয়ে" in lines
    assert "সিদ্ধান্তের শেষ দিন: ২০২৬-০৩-২১" in lines
    assert "টাকা ফেরত হবে না" in " ".join(text.split())
    # References and ids are what a machine or another office knows them by.
    for exact in ("123456789/2026-03", "BAN/H/R/01956"):
        assert exact in text


def test_its_number_is_the_same_for_ever() -> None:
    numbers = {make(standing, receipt=7).full_number for standing in ACCEPTED}
    assert numbers == {"bsk-00001/A/81234"}


@pytest.mark.parametrize("standing", ACCEPTED)
def test_each_standing_is_said_in_both_languages(standing: Standing) -> None:
    paper = make(standing)
    value = json.loads(acknowledgement_json(paper))
    assert value["acknowledgement"] == "bsk-00001/A/81234"
    assert (value["standing"], value["state"]) == (
        standing.value,
        standing.state.name.lower(),
    )
    assert value["text"]["en"] == acknowledgement_text(paper)
    for name in ("state_words", "next_words"):
        english, bengali = value[name]["en"], value[name]["bn"]
        assert english.isascii()
        assert not re.search("[A-Za-z]", bengali)
        for words, language in ((english, "en"), (bengali, "bn")):
            assert words in " ".join(value["text"][language].split())


NOTHING_BACK = [
    *(Standing.HELD, Standing.UNKNOWN, Standing.KEPT),
    *(Standing.COMPLETED, Standing.COMPLETED_DIFFERS),
    *(Standing.EXPIRED_CORRECTED, Standing.REVERSED_CORRECTED),
    *(one for one in ACCEPTED if one.name.endswith("_DISPUTED")),
]


@pytest.mark.parametrize("standing", ACCEPTED)
def test_money_is_given_back_only_where_it_is(standing: Standing) -> None:
    said = json.loads(acknowledgement_json(make(standing)))["next_words"]["en"]
    assert ("gives the money back" in said) == (standing not in NOTHING_BACK)


def test_until_when_it_is_decided() -> None:
    last = DAY + dt.timedelta(days=DECIDE_DAYS)
    end_ns = day_start_ns(last + dt.timedelta(days=1))
    assert make(as_of_ns=end_ns - 1).decided_by == last.isoformat() == "2026-03-21"
    # That day is over: nothing is promised that was not kept.
    late = make(as_of_ns=end_ns)
    assert late.decided_by == ""
    assert "Decided by" not in acknowledgement_text(late)
    in_doubt = {one for one in ACCEPTED if make(one).decided_by}
    assert in_doubt == {
        Standing.KEPT,
        Standing.UNVERIFIED,
        Standing.UNVERIFIED_DISPUTED,
        Standing.EXPIRED_DISPUTED,
        Standing.REVERSED_DISPUTED,
        Standing.RETURNED_DISPUTED,
        Standing.REFUNDED_DISPUTED,
    }


def test_what_has_been_paid_has_its_receipt_s_number() -> None:
    paid = make(Standing.COMPLETED, receipt=123, receipt_year=2025, paid=95_000)
    lines = acknowledgement_text(paid).splitlines()
    assert "Receipt: bsk-00001/2025-26/000123" in lines
    assert not any(line.startswith(("Paid: ", "Given back: ")) for line in lines)
    partly = make(
        Standing.REFUNDED,
        receipt=123,
        receipt_year=2025,
        paid=90_000,
        refunded=40_000,
    )
    lines = acknowledgement_text(partly).splitlines()
    assert "Paid: ₹900.00" in lines
    assert "Given back: ₹400.00" in lines
    value = json.loads(acknowledgement_json(partly))
    assert value["receipt"] == "bsk-00001/2025-26/000123"
    assert (value["paid_paise"], value["refunded_paise"]) == (90_000, 40_000)


def words(draw: random.Random, letters: str, most: int) -> str:
    return "".join(draw.choices(letters, k=draw.randrange(1, most + 1)))


@pytest.mark.parametrize("bengali", [False, True])
def test_every_line_fits_and_nothing_is_lost(bengali: bool) -> None:
    draw = random.Random(3)
    printable = "".join(map(chr, range(0x21, 0x7F)))
    script = "কখগিুেঁ্য়ম " if bengali else "abcdef-,. "
    for _ in range(400):
        paper = make(
            draw.choice(ACCEPTED),
            centre=words(draw, "abc-", 32),
            centre_code=words(draw, printable, 256),
            service_bn=words(draw, script, 256),
            head=words(draw, printable, 64),
            reference=words(draw, printable, 32),
            note=words(draw, script + printable, 64),
            amount=draw.randrange(1, AMOUNT_MAX + 1),
            paid=draw.randrange(1, AMOUNT_MAX + 1),
            refunded=draw.randrange(1, AMOUNT_MAX + 1),
            sequence=draw.randrange(1, 1 << 63),
            receipt=draw.randrange(1, 1 << 32),
            receipt_year=2026,
            items=(
                Item(
                    code=words(draw, "ABC-9", 8),
                    name_en=words(draw, script, 256),
                    name_bn=words(draw, script, 256),
                    count=draw.randrange(1, 10_000),
                    fee=draw.randrange(1, AMOUNT_MAX // 9_999),
                ),
            ),
        )
        text = acknowledgement_text(paper, bengali=bengali)
        assert max(map(len, text.splitlines())) <= COLUMNS
        whole = re.sub(r"\s", "", text)
        for value in (
            paper.full_number,
            paper.full_receipt,
            paper.centre_code,
            paper.head,
            paper.reference,
            paper.note,
            *(
                format_amount(one, bengali=bengali)
                for one in (paper.amount, paper.paid)
            ),
            format_amount(paper.refunded, bengali=bengali),
        ):
            assert re.sub(r"\s", "", value) in whole
