"""Paise in and out of text: lakh and crore grouping, both scripts, no floats.

May use `codes` for the largest amount. Amounts are whole paise everywhere else;
only here do they meet rupees.
"""

import re

from switch.codes import AMOUNT_MAX

RUPEE = "₹"
PAISE_IN_RUPEE = 100
PAISE_IN_CRORE = 10**7 * PAISE_IN_RUPEE

_BENGALI = str.maketrans("0123456789", "০১২৩৪৫৬৭৮৯")
_ASCII = str.maketrans("০১২৩৪৫৬৭৮৯", "0123456789")

# Either no grouping at all or the country's own: 1,23,45,678.
_AMOUNT = re.compile(r"([0-9]+|[0-9]{1,2}(?:,[0-9]{2})*,[0-9]{3})(?:\.([0-9]{2}))?")
_TEXT_MAX = 40


def parse_amount(text: str) -> int:
    """Paise of an amount in rupees: `1234`, `1,234.50`, `₹12,34,567.00`, `১২৩.৪৫`.

    Paise need both digits. Raises ValueError for a sign, another grouping, an
    exponent, a mix of the two scripts, or more than `AMOUNT_MAX`.
    """
    body = text.strip()
    if len(body) > _TEXT_MAX:
        raise ValueError(f"not an amount: {text[:_TEXT_MAX]!r}...")
    body = body.removeprefix(RUPEE).lstrip(" ")
    ascii_body = body.translate(_ASCII)
    if ascii_body != body and any(digit in body for digit in "0123456789"):
        raise ValueError(f"two scripts in one amount: {text!r}")
    match = _AMOUNT.fullmatch(ascii_body)
    if match is None:
        raise ValueError(
            f"not an amount in rupees: {text!r} (10, 10.50 and 12,34,567.89 are)"
        )
    rupees, paise = match.groups()
    amount = int(rupees.replace(",", "")) * PAISE_IN_RUPEE + int(paise or 0)
    if amount > AMOUNT_MAX:
        raise ValueError(f"more than the ledger takes at once: {text!r}")
    return amount


def group_digits(number: int) -> str:
    """A whole number with the country's grouping: 12,34,56,789."""
    digits = str(abs(number))
    head, groups = digits[:-3], [digits[-3:]]
    while head:
        groups.insert(0, head[-2:])
        head = head[:-2]
    return ("-" if number < 0 else "") + ",".join(groups)


def format_amount(paise: int, *, symbol: bool = True, bengali: bool = False) -> str:
    """Paise as rupees: `₹12,34,56,789.01`, or in Bengali digits.

    `paise` may be negative, as a change is: `-₹1.00`.
    """
    rupees, rest = divmod(abs(paise), PAISE_IN_RUPEE)
    body = f"{group_digits(rupees)}.{rest:02d}"
    text = ("-" if paise < 0 else "") + (RUPEE if symbol else "") + body
    return bengali_digits(text) if bengali else text


def format_crore(paise: int, *, bengali: bool = False) -> str:
    """Paise as crore of rupees, to the nearest hundredth: `1,234.57`.

    What is halfway between two goes away from zero.
    """
    hundredths = (2 * abs(paise) + PAISE_IN_CRORE // 100) // (PAISE_IN_CRORE // 50)
    whole, rest = divmod(hundredths, 100)
    text = ("-" if paise < 0 else "") + f"{group_digits(whole)}.{rest:02d}"
    return bengali_digits(text) if bengali else text


def bengali_digits(text: str) -> str:
    """`text` with its ASCII digits as Bengali ones. Never for a reference."""
    return text.translate(_BENGALI)
