"""A bank's statement and its lines, whatever file they came in.

May use `codes` for the largest amount. Amounts are whole paise; a balance has a sign,
in favour of the account's owner. Dates are the bank's own.
"""

import datetime as dt
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from switch.codes import AMOUNT_MAX

LINES_MAX = 50_000
"""Lines of one page: a bank account of all centres has some thousands a day."""
TEXTS_MAX = 32
"""Texts that one line may bring."""
TEXT_MAX = 500
"""Characters of one of them; ISO 20022 allows 140, banks of old more."""

_REFERENCE = re.compile(r"[A-Z0-9]{12}|[A-Z0-9]{16}|[A-Z0-9]{22}")
_ACCOUNT = re.compile(r"[A-Z0-9]{1,34}")
_DECIMAL = re.compile(r"([0-9]{1,18})(?:\.([0-9]{1,5}))?")
_SPACES = re.compile(r"[ \t\r\n]+")


class StatementError(ValueError):
    """A file that is not believed, as a whole. The text says where and what."""

    def __init__(self, place: str, what: str) -> None:
        super().__init__(f"{place}: {what}")
        self.place = place
        self.what = what


class Side(StrEnum):
    """Which way a line moves the account's balance."""

    CREDIT = "credit"
    DEBIT = "debit"


class LineKind(StrEnum):
    """What a line is, by the bank's own code."""

    TRANSFER = "transfer"
    CHARGE = "charge"
    INTEREST = "interest"
    RETURN = "return"


class Problem(StrEnum):
    """Why a line can be matched with nothing."""

    NO_REFERENCE = "no-reference"
    """None of the fields where this bank writes its reference has one."""
    NOT_ITEMISED = "not-itemised"
    """Several transactions in one sum, without saying which."""


class LineKey(NamedTuple):
    """What makes two lines the same movement of money, in whichever file they stand."""

    account: str
    side: Side
    reversal: bool
    reference: str


@dataclass(frozen=True, slots=True)
class BankLine:
    """One booked movement of a bank account."""

    account: str
    side: Side
    amount: int
    """Paise, from 1."""
    booked: dt.date
    reference: str
    """The bank's, in its one form, or empty."""
    reversal: bool = False
    """It takes an earlier line of the other side back."""
    kind: LineKind = LineKind.TRANSFER
    charges: int = 0
    """Paise that the bank kept of it, where it says so."""
    texts: tuple[str, ...] = ()
    """What the payer and the bank wrote: references, remittance, accounts."""
    problem: Problem | None = None
    place: str = field(default="", compare=False)
    """Where it stands in its file, for people."""

    @property
    def key(self) -> LineKey | None:
        """What it is found again by; nothing without a reference."""
        if not self.reference:
            return None
        return LineKey(self.account, self.side, self.reversal, self.reference)

    @property
    def change(self) -> int:
        """What it does to the balance, with its sign."""
        return self.amount if self.side is Side.CREDIT else -self.amount


@dataclass(frozen=True, slots=True)
class Statement:
    """What a bank says of one account and one time. An advice has no balances, nor has
    a CSV without a column for them.
    """

    account: str
    name: str
    """The bank's name for it, the same on all its pages."""
    lines: tuple[BankLine, ...]
    is_advice: bool = False
    """Of single movements, which a statement will tell again."""
    opening: int | None = None
    closing: int | None = None
    number: int | None = None
    """The bank counts its statements; none if it does not."""
    first_day: dt.date | None = None
    last_day: dt.date | None = None
    page: int = 1
    last_page: bool = True
    pending_count: int = 0
    """Entries that are not booked yet: no money."""
    sources: tuple[str, ...] = field(default=(), compare=False)
    """The files that it came in."""

    @property
    def year(self) -> int:
        """The one in which it ends, or 0 if it has no days."""
        day = self.last_day or self.first_day
        return day.year if day is not None else 0

    @property
    def change(self) -> int:
        """The sum of its lines, with its sign."""
        return sum(line.change for line in self.lines)


def canonical_account(text: str) -> str:
    """An account's number in its one form: capitals without spaces; empty if none."""
    bare = "".join(text.split())
    if not bare.isascii() or not _ACCOUNT.fullmatch(bare.upper()):
        return ""
    return bare.upper()


def canonical_reference(text: str) -> str:
    """A bank's reference in its one form: capitals without spaces, 12, 16 or 22 letters
    and digits. Empty if it is none.
    """
    bare = _SPACES.sub("", text)
    if not bare.isascii():
        return ""
    bare = bare.upper()
    return bare if _REFERENCE.fullmatch(bare) else ""


def first_reference(texts: list[str]) -> str:
    """The first of some texts that is a bank's reference, in its one form; or empty."""
    return next((found for found in map(canonical_reference, texts) if found), "")


def tidy_text(text: str) -> str:
    """A text on one line without what a screen would obey; cut if it is too long. What
    is a space to a reader stays one, so that no two words become another.
    """
    bare = " ".join(text.split())
    return "".join(c for c in bare if c.isprintable())[:TEXT_MAX]


def parse_decimal(text: str) -> int:
    """Paise of an amount as files write it: `1234`, `1234.5`, `1234.50000`. No sign, no
    grouping, no part of a paisa. Raises ValueError.
    """
    found = _DECIMAL.fullmatch(text)
    if found is None:
        raise ValueError(f"not an amount: {text[:40]!a}")
    fraction = (found[2] or "").ljust(2, "0")
    if fraction[2:].strip("0"):
        raise ValueError(f"a part of a paisa: {text[:40]!a}")
    amount = int(found[1]) * 100 + int(fraction[:2])
    if amount > AMOUNT_MAX:
        raise ValueError(f"more than the ledger takes: {text[:40]!a}")
    return amount
