"""The oracle's canonical references: one form for each spelling of a bill.

Part of tests/model.py, which see. Patterns become regular expressions whose elements
give nothing back; the core reads them character by character.
"""

import re
from functools import lru_cache

from switch.codes import CheckDigit, KeyRule, Letters
from tests.flags import Ignored

LENGTH_MAX = 32
CLASSES = {b"9": b"[0-9]", b"A": b"[A-Za-z]", b"X": b"[0-9A-Za-z]", b"*": b"[!-~]"}
ELEMENT = re.compile(
    rb"(?P<class_>[9AX*])(?:\{(?P<least>\d{1,2})(?:,(?P<most>\d{1,2}))?\})?"
    rb"|'(?P<quoted>[ -&(-~]+)'"
    rb"|(?P<plain>[ -~])"
)
PERIOD = re.compile(rb"(.+)(/\d{4}-(?:0[1-9]|1[0-2]))", re.DOTALL)
LEFT_OUT = (
    (int(Ignored.SPACE), b" "),
    (int(Ignored.HYPHEN), b"-"),
    (int(Ignored.SLASH), b"/"),
    (int(Ignored.POINT), b"."),
)
REMEMBERED = 10_000
"""References and patterns whose answers are kept: most are asked about many times."""
TURNS = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def fold(text: bytes, letters: int) -> bytes:
    """The letters as a service wants them."""
    if letters == Letters.UPPER:
        return text.upper()
    return text.lower() if letters == Letters.LOWER else text


@lru_cache(REMEMBERED)
def read_pattern(pattern: bytes, letters: int) -> re.Pattern[bytes] | None:
    """What a pattern says, or None if it is not formed as it must be."""
    at, length, parts = 0, 0, []
    while at < len(pattern):
        found = ELEMENT.match(pattern, at)
        if found is None:
            return None
        at = found.end()
        class_, least, most = found["class_"], found["least"], found["most"]
        if class_:
            counts = int(least or 1), int(most or least or 1)
            if not (counts[0] <= counts[1] and 1 <= counts[1] <= LENGTH_MAX):
                return None
            parts.append(b"%b{%d,%d}+" % (CLASSES[class_], *counts))
            length += counts[0]
            continue
        text = found["quoted"] or found["plain"]
        if found["plain"] in (b"{", b"}", b"'") or fold(text, letters) != text:
            return None
        parts.append(re.escape(text))
        length += len(text)
    return re.compile(b"".join(parts)) if length <= LENGTH_MAX else None


def luhn(digits: list[int]) -> bool:
    """Every second digit from the right counts twice, digit by digit."""
    sums = [
        digit if place % 2 == 0 else sum(divmod(2 * digit, 10))
        for place, digit in enumerate(reversed(digits))
    ]
    return sum(sums) % 10 == 0


def turned(left: int, right: int) -> int:
    """One move of a pentagon after another: 0-4 turn it, 5-9 turn it over as well."""
    over = (left >= 5) != (right >= 5)
    angle = left - right if left >= 5 else left + right
    return angle % 5 + (5 if over else 0)


def verhoeff(digits: list[int]) -> bool:
    """The product of all digits, each moved as often as its place says."""
    product = 0
    for place, digit in enumerate(reversed(digits)):
        for _ in range(place % 8):
            digit = TURNS[digit]
        product = turned(product, digit)
    return product == 0


def without(text: bytes, ignored: int) -> bytes:
    """A text without the characters that do not count."""
    for bit, character in LEFT_OUT:
        if ignored & bit:
            text = text.replace(character, b"")
    if ignored & Ignored.ZEROS:
        text = text.lstrip(b"0") or text[-1:]
    return text


def canonical_bill(bill: bytes, *, letters: int, ignored: int) -> bytes | None:
    """The one form of a biller's id of a bill, or None if it has none."""
    text = fold(without(bill, ignored), letters)
    return text if text and text == text.strip(b" ") else None


@lru_cache(REMEMBERED)
def canonical(
    reference: bytes,
    *,
    letters: int,
    ignored: int,
    check_digit: int,
    pattern: bytes,
    key_rule: int,
) -> bytes | None:
    """The one form of a reference, or None if it has none."""
    period = b""
    if key_rule == KeyRule.REFERENCE_PERIOD:
        parts = PERIOD.fullmatch(reference)
        if parts is None:
            return reference
        reference, period = parts.groups()
    reference = fold(without(reference, ignored), letters)
    digits = [int(chr(each)) for each in reference if each in b"0123456789"]
    wanted = read_pattern(pattern, letters) if pattern else None
    whole = reference + period
    if not reference or whole != whole.strip(b" "):
        return None
    if wanted is not None and not wanted.fullmatch(reference):
        return None
    if check_digit == CheckDigit.LUHN and not (digits and luhn(digits)):
        return None
    if check_digit == CheckDigit.VERHOEFF and not (digits and verhoeff(digits)):
        return None
    return whole
