"""Goal: what is printed is a paper of the switch, and nothing somebody made of one.

Method: the JSON of every kind of paper, read whole; each of its fields taken away, of
another type, too long and too large; texts that would steer a printer, a typesetter, a
reader's eye.
"""

import json
from typing import Any

import pytest

from switch.codes import AMOUNT_MAX, Tender
from switch.counter.receipts import Reprint
from switch.papers import PaperError, check_url, read_paper
from switch.papers.checks import format_code
from switch.papers.facts import JSON_MAX, Kind
from switch.papers.letters import BREAK, as_ascii, breakable, harmless
from switch.payment_states import Standing
from switch.specs import TEXT_MAX
from tests.papers.made import (
    BASE,
    CODE,
    ITEMS,
    acknowledgement,
    facts,
    receipt,
    refund,
)


def test_a_receipt() -> None:
    found = facts(receipt(items=ITEMS, note="two pages", bill="B/1"))
    assert found.kind is Kind.RECEIPT
    assert (found.number, found.code) == ("bsk-00001/2025-26/000123", CODE)
    assert (found.centre.en, found.centre_code) == (
        "Sahayata Kendra, Simlapal",
        "BAN/H/R/01956",
    )
    assert (found.amount, found.total, found.fee) == (123_456_789, 123_456_789, 0)
    assert (found.tender, found.operator, found.entry) == (Tender.CASH, 3, 4_711)
    assert found.confirmed == "2026-03-16 11:02:05 IST"
    assert [(one.code, one.count, one.fee) for one in found.items] == [
        ("COPY", 3, 1_000),
        ("URGENT", 1, 2_500),
    ]
    assert (found.is_reprint, found.refunded) == (False, 0)


def test_what_was_given_back_comes_from_whoever_says_it() -> None:
    assert facts(receipt(), refunded=100).refunded == 100
    assert facts(receipt(Reprint(200)), refunded=100).refunded == 200
    assert facts(receipt(Reprint(200))).is_reprint


def test_a_refund_and_an_acknowledgement() -> None:
    found = facts(refund(is_reprint=True))
    assert found.kind is Kind.REFUND
    assert found.number == "bsk-00001/2025-26/000123/R2"
    assert found.of_receipt == "bsk-00001/2025-26/000123"
    assert (found.amount, found.refunded, found.paid) == (50_000, 60_000, 123_456_789)
    assert found.is_reprint
    found = facts(acknowledgement(Standing.UNVERIFIED))
    assert found.kind is Kind.ACKNOWLEDGEMENT
    assert (found.number, found.code) == ("bsk-00001/A/81234", "")
    assert found.standing == "unverified"


WRONG: dict[type, list[Any]] = {
    str: [None, 7, [], "x" * (TEXT_MAX + 257)],
    int: [None, "7", -1, 2**64, 1.0, True],
    dict: [None, "x", {}, {"en": "x"}, {"en": "x", "bn": 7}],
    list: [None, "x", {}, [1], [{}] * 5],
    bool: [None, "x", 1],
}
NOT_READ = (
    *("number", "financial_year", "text", "amount", "centre", "refund", "state"),
    *("as_of_time_ns", "refunded_time_ns"),
)
"""Fields of which the forms make nothing."""


@pytest.mark.parametrize(
    "value",
    [receipt(Reprint(1), items=ITEMS), refund(is_reprint=True), acknowledgement()],
    ids=["receipt", "refund", "acknowledgement"],
)
def test_every_field_is_looked_at(value: dict[str, Any]) -> None:
    facts(value)
    looked_at = 0
    for name, right in value.items():
        if name in NOT_READ:
            continue
        for wrong in WRONG[type(right)]:
            with pytest.raises(PaperError, match=name.split("_")[0]):
                facts(value | {name: wrong})
        if name != "reprint":
            rest = {key: one for key, one in value.items() if key != name}
            with pytest.raises(PaperError):
                facts(rest)
        looked_at += 1
    assert looked_at > 25


def test_what_is_no_paper_at_all() -> None:
    for text in (
        *("", "[]", "7", "null", '"x"', "{}", '{"receipt": ', "[" * 60_000),
        *("x" * (JSON_MAX + 1), "1" * 6_000, '{"receipt": NaN}'),
    ):
        with pytest.raises(PaperError):
            read_paper(text)
    good = json.dumps(receipt())
    for code in ("0123456789AB", "0123456789a", "0123456789abc", "0123456789a\n"):
        with pytest.raises(PaperError, match="code"):
            read_paper(good, code=code)
    for refunded in (-1, AMOUNT_MAX + 1):
        with pytest.raises(PaperError, match="refunded"):
            read_paper(good, refunded=refunded)
    for number in ("", "a b", "a\x1b", "ক", "x" * 65, "a?r=b"):
        with pytest.raises(PaperError, match="number"):
            read_paper(json.dumps(receipt() | {"receipt": number}))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b@\x1dV0 \x07\r\n\t", "?@?V0 ????"),
        ("pay \u202eeman\u202c \u2066x\u2069 \u200e\u061c", "pay ?eman? ?x? ??"),
        ("a\u200bb\u00adc\ufeffd\u2028e\x00", "a?b?c?d?e?"),
        ("שלום नमस्ते 漢字 😀", "???? ?????? ?? ?"),
        ("\ud800\udfff\U000e0041", "???"),
        ("a\u200cb \u200dক", "a?b ?ক"),
        ("\u09bf ক\u09bf a\u09cd", "? ক\u09bf a?"),
        ('#read("/etc/passwd") $x$ *b* =1+1', '#read("/etc/passwd") $x$ *b* =1+1'),
        ("কর্ম র\u200d\u09cdয। ₹১", "কর্ম র\u200d\u09cdয। ₹১"),
    ],
)
def test_what_gets_onto_paper(text: str, shown: str) -> None:
    assert harmless(text) == shown
    assert harmless(shown) == shown


def test_what_a_printer_has_letters_for() -> None:
    assert as_ascii("₹1 – “a” 2 × 3 …") == 'Rs.1 - "a" 2 x 3 ...'
    assert as_ascii("Café") is None
    assert as_ascii("রসিদ") is None


def test_words_break_within_no_letter() -> None:
    word = "00010203-0405-0607-0809-0a0b0c0d0e0f"
    assert breakable(word).split(BREAK) == [
        *("00010203-", "0405-", "0607-", "0809-", "0a0b0c0d0e0f"),
    ]
    assert breakable("WWWWWWWWWWWWWWW").split(BREAK) == ["W"] * 15
    assert breakable("ডব্লিউবিএসইডিসিএলক্ষ্ম").split(BREAK) == [
        *("ড", "ব্লি", "উ", "বি", "এ", "স", "ই", "ডি", "সি", "এ", "ল", "ক্ষ্ম")
    ]


# --- the check -----------------------------------------------------------------------


def test_the_address_of_a_check() -> None:
    number = "bsk-00001/2025-26/000123"
    assert check_url(BASE, number, CODE) == f"{BASE}?r={number}&c={CODE}"
    assert format_code(CODE) == "0123-4567-89ab"
    for base in (
        *("", "check.example", "ftp://x", "javascript:alert(1)", "https://"),
        *("https://u@x", "https://x?a=b", "https://x#a", "https://x/ y", "https://é"),
        *("https://x\n", f"https://{'x' * 200}"),
    ):
        with pytest.raises(ValueError, match="address"):
            check_url(base, number, CODE)
    for bad in ((number, "0123"), ("a&c=b", CODE)):
        with pytest.raises(ValueError, match="number and its code"):
            check_url(BASE, *bad)
