"""By what anybody checks a receipt: its number, its code, and the address of both.

May use nothing of the product. Numbers have no gaps: who knew them alone would read a
centre's takings off two receipts. So the check wants the code, which only the switch
can make, and which is nowhere but on the paper.
"""

import re
from typing import Final
from urllib.parse import quote, urlsplit

import segno

BASE_MAX: Final = 200
"""Characters of the address of the public check."""
NUMBER_MAX: Final = 64
"""Characters of a receipt's number."""

_CODE: Final = re.compile(r"[0-9a-f]{12}")
# What stands in a participant's id, a year, a count, and `/R1` of a refund.
_NUMBER: Final = re.compile(rf"[A-Za-z0-9/-]{{1,{NUMBER_MAX}}}")
_GROUP: Final = 4


def is_code(text: str) -> bool:
    """Whether it is a code as the switch gives it: 12 hexadecimal digits."""
    return _CODE.fullmatch(text) is not None


def is_number(text: str) -> bool:
    """Whether it can be the number of a paper."""
    return _NUMBER.fullmatch(text) is not None


def format_code(code: str) -> str:
    """A code as people read it: `0a1b-2c3d-4e5f`."""
    return "-".join(code[at : at + _GROUP] for at in range(0, len(code), _GROUP))


def check_base(text: str) -> str:
    """The address of the public check, as it may be printed.

    Raises ValueError for what is none, or has a query or a name of a user in it.
    """
    parts = urlsplit(text) if text.isascii() and text.isprintable() else None
    if (
        parts is None
        or len(text) > BASE_MAX
        or parts.scheme not in ("http", "https")
        or not parts.hostname
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
        or not re.fullmatch(r"[!-~]+", text)
    ):
        raise ValueError("must be an address such as https://check.example")
    return text


def check_url(base: str, number: str, code: str) -> str:
    """The address that the square on a receipt has.

    Raises ValueError for a base, a number or a code that is none.
    """
    if not is_number(number) or not is_code(code):
        raise ValueError("a receipt is checked by its number and its code")
    return f"{check_base(base)}?r={quote(number)}&c={code}"


def squares(url: str) -> list[bytearray]:
    """The QR code of an address, without its margin: 1 is black, a row each."""
    made = segno.make_qr(url, error="m")
    return [bytearray(row) for row in made.matrix]


def inline_square(url: str) -> str:
    """The QR code of an address as SVG for a page, with the white margin that it needs.

    Black and white are said by names alone: no style in it that a page could forbid.
    """
    made = segno.make_qr(url, error="m")
    return made.svg_inline(svgclass="square", lineclass=None, omitsize=True)
