"""The file of what a biller has acknowledged: its first line, and what others may say.

Apart from `acknowledged`, which lays it beside scrolls: who writes it needs no NumPy.
"""

from enum import StrEnum
from typing import Any, Final

LINES_MAX: Final = 4_000_000
"""Payments, as of the lines of scrolls."""


class Word(StrEnum):
    """What stands behind a completed payment."""

    BILLER = "biller"
    """Its biller has said that it has credited it, and nothing else since."""
    NOBODY = "nobody"
    """Of this service its biller is not asked."""
    PEOPLE = "people"
    """It was completed without its biller's word."""
    WITHDRAWN = "withdrawn"
    """Its biller has said otherwise since, and nobody has decided."""


def first_line(biller: str, after: int, to: int) -> dict[str, Any]:
    """What such a file begins with."""
    return {"acknowledged": {"biller": biller, "after": after, "to": to}}
