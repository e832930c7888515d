"""Goal: every form of a paper says all that the paper says, in either language, marks
what must not be overlooked, and nothing in a name or a note can make it say more.

Method: the 32 columns read line by line; every fact changed, alone, and each form is
another one; the dots looked at where nothing may be; hostile texts in every field, and
the bytes for the printer taken apart. Another process sets the same PDF again.
"""

import hashlib
import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from switch.counter.receipts import Reprint
from switch.errors import ConfigError
from switch.papers import PaperError, find_fonts, text32
from switch.papers.dots import ROW_SIZE, WIDTH, read_png
from switch.papers.escpos import BAND, END, START, square, text
from switch.papers.facts import Facts
from switch.papers.fonts import locked
from switch.papers.press import ROLL_DOTS_MAX
from switch.papers.sheet import lay_out
from switch.payment_states import Standing
from switch.specs import TEXT_MAX
from tests.papers.made import (
    BASE,
    ITEMS,
    acknowledgement,
    facts,
    pictures,
    press,
    receipt,
    refund,
    text_of,
)

RECEIPT = """\
Bangla Sahayata Kendra
Sahayata Kendra, Simlapal
Centre: BAN/H/R/01956
================================
REPRINT
================================
================================
GIVEN BACK IN PART: Rs.100.00
================================
Receipt:
  bsk-00001/2025-26/000123
--------------------------------
Accepted: 2026-03-16 11:02:03
  IST
Confirmed: 2026-03-16 11:02:05
  IST
--------------------------------
Service: WBSEDCL electricity
  bill payment (BSK0199)
Department: Power Department
Paid to: West Bengal State
  Electricity Distribution Co.
  Ltd
Head of account:
  WB:0990-00-101-001-01
Reference: 123456789/2026-03
Biller's reference: TX-77
--------------------------------
Copy (COPY): 3 x Rs.10.00 =
  Rs.30.00
URGENT: 1 x Rs.25.00 = Rs.25.00
Amount: Rs.12,34,567.89
Fee: nothing
Total: Rs.12,34,567.89
Rupees Twelve Lakh Thirty Four
  Thousand Five Hundred Sixty
  Seven and Paise Eighty Nine
  Only
--------------------------------
Paid by: cash
Operator: 3
Payment id:
  00010203-0405-0607-0809-0a0b0c
  0d0e0f
Ledger entry: 4711
--------------------------------
The help of the centre is free
  of charge.
Check code: 0123-4567-89ab
Scan the square, or give number
  and code at
https://check.example
"""


def test_a_receipt_in_32_columns() -> None:
    found = facts(receipt(Reprint(10_000), items=ITEMS))
    sent = press().roll(found, bengali=False, check_base=BASE)
    assert text_of(sent) == RECEIPT.splitlines()
    # The square, and four lines of paper.
    [(height, _), *more] = pictures(sent)
    assert height + sum(one for one, _ in more) == (37 + 8) * 6


MARKS = [
    (receipt(), 0, [], []),
    (receipt(), 1, ["GIVEN BACK IN PART: ₹0.01"], ["আংশিক ফেরত দেওয়া হয়েছে: ₹০.০১"]),
    (receipt(Reprint()), 0, ["REPRINT"], ["পুনর্মুদ্রণ"]),
    (
        receipt(Reprint(123_456_789)),
        0,
        ["REPRINT", "GIVEN BACK IN FULL: ₹12,34,567.89"],
        ["পুনর্মুদ্রণ", "পুরো টাকা ফেরত দেওয়া হয়েছে: ₹১২,৩৪,৫৬৭.৮৯"],
    ),
    (refund(is_reprint=True), 0, ["REPRINT"], ["পুনর্মুদ্রণ"]),
    (acknowledgement(Standing.KEPT), 0, ["NOT CONFIRMED YET"], ["এখনও নিশ্চিত নয়"]),
    (acknowledgement(Standing.UNVERIFIED), 0, ["NOT VERIFIED"], ["যাচাই হয়নি"]),
    (
        acknowledgement(Standing.UNVERIFIED_DISPUTED),
        *(0, ["NOT VERIFIED"], ["যাচাই হয়নি"]),
    ),
    (acknowledgement(Standing.REVERSED), 0, [], []),
    (
        acknowledgement(
            Standing.REFUNDED, receipt=7, receipt_year=2025, paid=95_000, refunded=5_000
        ),
        *(0, ["GIVEN BACK IN PART: ₹50.00"], ["আংশিক ফেরত দেওয়া হয়েছে: ₹৫০.০০"]),
    ),
]


@pytest.mark.parametrize(("value", "refunded", "english", "bengali"), MARKS)
def test_marks(
    value: dict[str, Any], refunded: int, english: list[str], bengali: list[str]
) -> None:
    found = facts(value, refunded)
    no_receipt = "acknowledgement" in value
    for is_bengali, marks in ((False, english), (True, bengali)):
        sheet = lay_out(found, bengali=is_bengali, check_base=BASE)
        assert [*sheet.marks[no_receipt:]] == marks
        if no_receipt:
            assert ("NO RECEIPT", "রসিদ নয়")[is_bengali] in sheet.marks[0]
            assert (sheet.url, sheet.code, sheet.address) == ("", "", "")
        else:
            assert sheet.url.startswith(f"{BASE}?r={sheet.number}&c=0123456789ab")


def test_without_an_address_there_is_a_code_and_no_square() -> None:
    sent = press().roll(facts(receipt()), bengali=False)
    assert "Check code: 0123-4567-89ab" in text_of(sent)
    assert sent.endswith(b"\n" + END)
    with pytest.raises(ValueError, match="address"):
        press().roll(facts(receipt()), bengali=False, check_base="check.example")


def test_that_the_help_costs_nothing_is_said() -> None:
    found = facts(receipt())
    assert "Fee: nothing" in text_of(press().roll(found, bengali=False))
    lines = [line for group in lay_out(found, bengali=True).groups for line in group]
    assert [line.value for line in lines if line.label == "পরিষেবা মূল্য"] == ["লাগে না"]


def other(value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, str):
        return f"{value}9" if value else "9"
    if isinstance(value, int):
        return value + 1
    if isinstance(value, list):
        return [one | {"count": one["count"] + 1} for one in value]
    return {name: other(one) for name, one in value.items()}


ALL = [
    receipt(Reprint(10_000), items=ITEMS, note="n", bill="B", period="2026-03"),
    refund(is_reprint=True, items=ITEMS, note="n", bill="B", period="2026-03"),
    acknowledgement(
        Standing.REFUNDED, receipt=7, receipt_year=2025, paid=9_000, refunded=5_000
    ),
]
CODES = ("tender", "standing", "reprint", "state")
"""Fields that are no text of their own."""
ONLY_FOR_MACHINES = (
    *("number", "financial_year", "text", "amount", "centre", "refund"),
    # Its name stands there, if it has one.
    "biller",
    *("completed_time_ns", "accepted_time_ns", "refunded_time_ns", "as_of_time_ns"),
)


@pytest.mark.parametrize("value", ALL, ids=["receipt", "refund", "acknowledgement"])
def test_every_fact_is_on_every_form(value: dict[str, Any]) -> None:
    value = value | {"due_date": "2026-03-31"}
    if "refund" in value:
        # What was to be paid is on the receipt.
        value["items"] = []
    else:
        value["amount_due_paise"] = 7
    before = [*forms(facts(value))]
    looked_at = 0
    for name, right in value.items():
        if name in CODES + ONLY_FOR_MACHINES or not right:
            continue
        changed = [*forms(facts(value | {name: other(right)}))]
        same = [at for at, one in enumerate(changed) if one == before[at]]
        assert not same, name
        looked_at += 1
    assert looked_at > 20


def forms(found: Facts) -> Iterator[bytes]:
    yield press().roll(found, bengali=False)
    yield press().picture(found, bengali=True)
    yield press().pdf(found, bengali=True)


# --- A5 ------------------------------------------------------------------------------

AGAIN = """
import hashlib, sys
from tests.papers.made import *
for value in (receipt(items=ITEMS), refund(), acknowledgement()):
    for bengali in (False, True):
        made = press().pdf(facts(value), bengali=bengali, check_base=BASE)
        print(hashlib.sha256(made).hexdigest())
"""


def test_a_pdf_is_the_same_whoever_sets_it_and_when() -> None:
    here = [
        hashlib.sha256(
            press().pdf(facts(value), bengali=bengali, check_base=BASE)
        ).hexdigest()
        for value in (receipt(items=ITEMS), refund(), acknowledgement())
        for bengali in (False, True)
    ]
    command = [sys.executable, "-c", AGAIN]
    environment = {"TZ": "Asia/Tokyo", "LANG": "de_DE", "PYTHONHASHSEED": "7"}
    said = subprocess.check_output(command, text=True, env=environment)
    assert said.split() == here
    assert len({*here}) == 6


def test_a_pdf_has_the_two_fonts_and_the_payment_s_day() -> None:
    made = press().pdf(facts(receipt()), bengali=True, check_base=BASE)
    assert made.startswith(b"%PDF-")
    assert b"D:20260316" in made
    for name in (b"+Lohit-Bengali", b"+DejaVuSans"):
        assert name in made
    assert made.count(b"/Type/Page/") == 1
    assert len(made) < 100_000


LONG = "W" * TEXT_MAX
HOSTILE = [
    LONG,
    "ক্ষ্ম" * (TEXT_MAX // 5),
    ("শব্দ " * TEXT_MAX)[:TEXT_MAX],
    '#read("/etc/passwd") #import "@preview/x:1.0.0" $x^2$ *b* _i_ `c` <l> @l \\ // /*',
    "\x1b@\x1bp\x00\x1dV0\x10\x04\x01 \r\n\f",
    "\u202egnp.\u202c\u2066x\u2069",
    '=HYPERLINK("http://x","y")+cmd|',
    "]]>\"'&<script>alert(1)</script>",
]
TEXTS = (
    "centre_name",
    "service_name",
    "department",
    "biller_name",
    "reference",
    "note",
)
WORDY = ("bill", "biller_reference", "head", "centre_code", "period")


@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_what_a_text_has_in_it_is_printed_and_nothing_else(hostile: str) -> None:
    value = receipt(Reprint(1), items=ITEMS)
    both = {"en": hostile, "bn": hostile}
    for name in TEXTS + WORDY:
        value[name] = both if isinstance(value[name], dict) else hostile
    value["items"] = [one | {"name": both} for one in value["items"]]
    found = facts(value)
    for bengali in (False, True):
        pdf = press().pdf(found, bengali=bengali, check_base=BASE)
        for inside in (b"root:x:", b"/JavaScript", b"/Launch", b"/EmbeddedFile"):
            assert inside not in pdf
        sent = press().roll(found, bengali=bengali, check_base=BASE)
        assert_only_paper(sent)
        for page in press().pages(found, bengali=bengali, check_base=BASE):
            # 11 of the 12 mm of margin.
            clear_of_the_edges(page, 40)
    picture = press().picture(found, bengali=True, check_base=BASE)
    clear_of_the_edges(picture, 2)


def assert_only_paper(sent: bytes) -> None:
    """Nothing but the beginning, printable lines, pictures, and the end."""
    assert sent.startswith(START)
    for line in text_of(sent):
        assert line.isascii()
        assert line.isprintable()
        assert len(line) <= 32
    for height, rows in pictures(sent):
        assert 0 < height <= BAND
        assert len(rows) == height * ROW_SIZE


def clear_of_the_edges(png: bytes, margin: int) -> None:
    """No letter is cut off: both edges are white, as many dots as are said."""
    with Image.open(io.BytesIO(png)) as opened:
        grey = opened.convert("L")
    for left in (0, grey.width - margin):
        edge = grey.crop((left, 0, left + margin, grey.height)).tobytes()
        assert set(edge) == {255}


def test_what_is_too_long_is_no_paper() -> None:
    for name in TEXTS + WORDY:
        value = receipt()
        text = "x" * 10_000
        both = {"en": text, "bn": text}
        changed = value | {name: both if isinstance(value[name], dict) else text}
        with pytest.raises(PaperError, match=name):
            facts(changed)


# --- rolls ---------------------------------------------------------------------------


def test_bengali_is_dots() -> None:
    found = facts(receipt(Reprint(1)))
    sent = press().roll(found, bengali=True, check_base=BASE)
    assert text_of(sent) == []
    assert_only_paper(sent)
    rows = b"".join(one for _, one in pictures(sent))
    dots = read_png(press().picture(found, bengali=True, check_base=BASE), 5_000)
    assert rows.startswith(dots.data)
    black = sum(byte.bit_count() for byte in dots.data)
    assert 0.05 < black / (8 * len(dots.data)) < 0.3


def test_english_with_other_letters_is_dots_too() -> None:
    sent = press().roll(facts(receipt(note="দুই পাতা")), bengali=False)
    assert text_of(sent) == []
    assert_only_paper(sent)


def test_the_longest_paper_is_within_a_roll() -> None:
    value = receipt(Reprint(1), items=ITEMS * 2)
    both = {"en": LONG, "bn": LONG}
    for name, one in value.items():
        if name in ("receipt", "tender", "text", "payment_id"):
            continue
        if isinstance(one, dict):
            value[name] = both
        elif isinstance(one, str):
            value[name] = LONG
    value["items"] = [one | {"name": both, "code": LONG} for one in value["items"]]
    found = facts(value)
    assert_only_paper(press().roll(found, bengali=True, check_base=BASE))
    png = press().picture(found, bengali=True)
    assert read_png(png, ROLL_DOTS_MAX).height > ROLL_DOTS_MAX / 8
    with pytest.raises(ValueError, match="none of a roll"):
        read_png(png, 100)


def test_a_square_of_dots_is_the_square() -> None:
    rows = [bytearray([1, 0, 1]), bytearray([0, 1, 0]), bytearray([1, 1, 1])]
    drawn = square(rows).data
    lines = [drawn[at : at + ROW_SIZE] for at in range(0, len(drawn), ROW_SIZE)]
    assert len(lines) == (3 + 8) * 6
    assert {*lines[:24]} == {bytes(ROW_SIZE)} == {*lines[-24:]}
    for number, row in enumerate(rows):
        bits = f"{int.from_bytes(lines[24 + 6 * number], 'big'):0{WIDTH}b}"
        left = (WIDTH - 18) // 2
        assert bits[left : left + 18] == "".join(str(one) * 6 for one in row)
    with pytest.raises(ValueError, match="too fine"):
        square([bytearray(200)] * 200)


def test_a_printer_gets_printable_ascii_alone() -> None:
    for line in ("a\x1b@", "a\nb", "é", "\x7f"):
        with pytest.raises(ValueError, match="ASCII"):
            text([line])


def test_columns_hold_for_whatever_is_in_them() -> None:
    for long in ("W" * 256, "ab " * 80, "-" * 256):
        sheet = lay_out(facts(receipt(note=long, reference=long)), bengali=False)
        lines = text32.lines(sheet)
        assert lines is not None
        assert max(map(len, lines)) <= 32
        assert "".join(lines).count(long[0]) >= 2 * long.count(long[0])


def test_without_the_right_fonts_nothing_is_set(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="fonts-lohit-beng-bengali"):
        find_fonts([tmp_path])
    # Another file of the name is none: there is no next best font.
    for name, data in find_fonts().items():
        for _, place, _ in locked():
            if place.endswith(f"/{name}"):
                (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / place).write_bytes(data)
    assert find_fonts([tmp_path]) == find_fonts()
    bold = tmp_path / "truetype/dejavu/DejaVuSans-Bold.ttf"
    bold.write_bytes(bold.read_bytes()[:-1] + b"x")
    with pytest.raises(ConfigError, match="fonts-dejavu-core"):
        find_fonts([tmp_path])
