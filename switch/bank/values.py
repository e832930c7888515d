"""Values of camt's elements: amounts, counts, sides, days. Each is right or refused.

May use `lines` and `xml`.
"""

import datetime as dt
import re

from switch.bank.lines import Side, StatementError, parse_decimal
from switch.bank.xml import Element

_COUNT = re.compile(r"[0-9]{1,15}")
_DATE = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})?)?"
)


def read_amount(element: Element) -> int:
    """Paise of an amount in rupees. Raises StatementError."""
    currency = element.attribute("Ccy")
    if currency != "INR":
        raise StatementError(element.place, f"is in {currency[:3]!a}, not in INR")
    return read_decimal(element, element.text)


def read_decimal(element: Element, text: str) -> int:
    """Paise of a text. Raises StatementError."""
    try:
        return parse_decimal(text)
    except ValueError as error:
        raise StatementError(element.place, str(error)) from error


def read_count(element: Element, text: str) -> int:
    """A whole number of a text. Raises StatementError."""
    if not _COUNT.fullmatch(text):
        raise StatementError(element.place, f"not a count: {text[:40]!a}")
    return int(text)


def read_side(element: Element) -> Side:
    """Which way its `CdtDbtInd` goes. Raises StatementError."""
    mark = element.one("CdtDbtInd")
    if mark.text not in {"CRDT", "DBIT"}:
        raise StatementError(mark.place, f"neither CRDT nor DBIT: {mark.text[:8]!a}")
    return Side.CREDIT if mark.text == "CRDT" else Side.DEBIT


def read_flag(element: Element) -> bool:
    """Yes or no. Raises StatementError."""
    if element.text not in {"true", "false", "1", "0"}:
        raise StatementError(element.place, f"no yes or no: {element.text[:8]!a}")
    return element.text in {"true", "1"}


def maybe_day(element: Element | None) -> dt.date | None:
    """The day of a moment, if there is one. Raises StatementError."""
    return _parse_day(element, element.text) if element is not None else None


def read_day(element: Element) -> dt.date:
    """The day of a date or a moment. Raises StatementError."""
    return _parse_day(element, element.text_of("Dt") or element.text_of("DtTm"))


def _parse_day(element: Element, text: str) -> dt.date:
    found = _DATE.fullmatch(text)
    try:
        if found is not None:
            return dt.date.fromisoformat(found[1])
    except ValueError:
        pass
    raise StatementError(element.place, f"no date: {text[:40]!a}")
