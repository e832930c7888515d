"""Numbers of receipts and complaints, and codes of receipts, as people write them.

May use nothing of the product but `calendar`. All are read off paper and typed, often
on a telephone: capitals, Bengali digits, and spaces around mean nothing.
"""

import re
from typing import Final, NamedTuple

from switch.calendar import format_financial_year

NUMBER_MAX: Final = 64
"""Characters of a number as it is typed."""
CODE_MAX: Final = 32
"""Characters of a code as it is typed, with what stands between its digits."""
CODE_DIGITS: Final = 12
COMPLAINT_MAX: Final = 32
"""Characters of a complaint's number as it is typed."""

_NUMBER = re.compile(
    r"(?:([a-z0-9-]{1,32})/)?([0-9]{4}-[0-9]{2})/"
    r"([0-9]{1,6}|[1-9][0-9]{6,9})(?:/r([1-9][0-9]{0,5}))?"
)
_CODE = re.compile(rf"[0-9a-f]{{{CODE_DIGITS}}}")
_COMPLAINT = re.compile(r"C[0-9]{8}[A-Z2-9]{3}")
_DIGITS = str.maketrans("০১২৩৪৫৬৭৮৯", "0123456789")
# What stands between groups of digits; the dashes that telephones put for one.
_BETWEEN = str.maketrans("", "", " -\u2010\u2011\u2012\u2013\u2014")
_LAST_NUMBER: Final = 2**32 - 1


class ReceiptNumber(NamedTuple):
    """Whose receipt, of which financial year, and which of them."""

    centre: str
    year: int
    """The calendar year in which the financial year begins."""
    number: int
    refund: int = 0
    """Which refund of that payment the paper is about; 0: the payment itself."""

    @property
    def text(self) -> str:
        """As it stands on paper."""
        year = format_financial_year(self.year)
        refund = f"/R{self.refund}" if self.refund else ""
        return f"{self.centre}/{year}/{self.number:06d}{refund}"


def parse_number(text: str, centre: str = "") -> ReceiptNumber | None:
    """`bsk-00001/2026-27/000123`, with `/R1` behind it for a refund; else None.

    Zeros before the number may be left out: `bsk-00001/2026-27/123` is the same. Where
    `centre` is given, so may the centre. Else a number has one spelling only, but for
    capitals, digits and spaces around it.
    """
    if len(text) > NUMBER_MAX:
        return None
    found = _NUMBER.fullmatch(text.strip().translate(_DIGITS).lower())
    if found is None:
        return None
    named, year, number, refund = found.groups()
    first_year = int(year[:4])
    is_one = bool(named or centre) and 0 < int(number) <= _LAST_NUMBER
    if not is_one or format_financial_year(first_year) != year:
        return None
    return ReceiptNumber(named or centre, first_year, int(number), int(refund or 0))


def plain_code(text: str) -> str | None:
    """The twelve hexadecimal digits of a code; None if it is none."""
    if len(text) > CODE_MAX:
        return None
    code = text.strip().translate(_DIGITS).lower().translate(_BETWEEN)
    return code if _CODE.fullmatch(code) else None


def plain_complaint(text: str) -> str | None:
    """A complaint's number as the switch writes it; None if the text is none.

    Whether its three letters are right, the switch alone can say.
    """
    if len(text) > COMPLAINT_MAX:
        return None
    plain = text.strip().translate(_DIGITS).upper().translate(_BETWEEN)
    return plain if _COMPLAINT.fullmatch(plain) else None


def format_code(code: str) -> str:
    """A code for people: `7f3a-09bc-12de`."""
    return "-".join(code[at : at + 4] for at in range(0, len(code), 4))
