"""Goal: paise become rupees and come back the same; nothing else is taken as money.

Method: examples from the country's own way of writing, and a round trip of any amount.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch.codes import AMOUNT_MAX
from switch.money import bengali_digits, format_amount, group_digits, parse_amount


@pytest.mark.parametrize(
    ("paise", "text"),
    [
        (0, "₹0.00"),
        (1, "₹0.01"),
        (99_999, "₹999.99"),
        (100_000, "₹1,000.00"),
        (10_000_000, "₹1,00,000.00"),
        (1_000_000_000, "₹1,00,00,000.00"),
        (12_345_678_901, "₹12,34,56,789.01"),
        (-100, "-₹1.00"),
    ],
)
def test_amounts_are_grouped_by_lakh_and_crore(paise: int, text: str) -> None:
    assert format_amount(paise) == text


def test_other_forms() -> None:
    assert format_amount(12_345_678_901, symbol=False) == "12,34,56,789.01"
    assert format_amount(12_345_678_901, bengali=True) == "₹১২,৩৪,৫৬,৭৮৯.০১"
    assert group_digits(1_234_567) == "12,34,567"
    assert group_digits(-999) == "-999"
    assert bengali_digits("2026-27") == "২০২৬-২৭"


@given(st.integers(0, AMOUNT_MAX), st.booleans(), st.booleans())
def test_an_amount_comes_back(paise: int, symbol: bool, bengali: bool) -> None:
    text = format_amount(paise, symbol=symbol, bengali=bengali)
    assert parse_amount(text) == paise


@pytest.mark.parametrize(
    ("text", "paise"),
    [
        ("1234", 123_400),
        ("1234.50", 123_450),
        (" ₹ 1,234.50 ", 123_450),
        ("১২৩.৪৫", 12_345),
        ("1,00,000", 10_000_000),
        ("007", 700),
    ],
)
def test_what_people_write(text: str, paise: int) -> None:
    assert parse_amount(text) == paise


@pytest.mark.parametrize(
    "text",
    [
        "",
        "₹",
        "-1",
        "+1",
        "1.5",
        "1.505",
        "1.",
        ".50",
        "1e3",
        "1_000",
        "100,000",
        "1,23",
        "1,234,567",
        "1,2,345",
        "12 345",
        "1২",
        "٣",
        "NaN",
        "inf",
        "0x10",
        "10000000000000000.01",
        "9" * 50,
    ],
)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"amount|ledger"):
        parse_amount(text)
