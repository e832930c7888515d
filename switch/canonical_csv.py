"""Canonical CSV: the one form of the tables that go out, and what their cells mean.

May use nothing of the product. One table has one form, so that its hash says whether
two are the same: UTF-8, CRLF behind every line, quotes only where they are needed.
Whoever opens it in a spreadsheet runs nothing: a text that would be a formula has an
apostrophe in front, which readers take away again ("CSV" in docs/files.md).
"""

from collections.abc import Iterable
from typing import Final

MARK: Final = "'"
"""Stands before a text that begins with one of FORMULA; itself is one of them, so that
the way back is certain."""
FORMULA: Final = "=+-@\t\r\n'\uff1d\uff0b\uff0d\uff20"
"""What spreadsheets, and those of other scripts, take for a formula's beginning."""
QUOTED: Final = ',"\r\n'
"""What a cell is quoted for."""
LINE_END: Final = "\r\n"

SCROLL_COLUMNS: Final = (
    *("line", "sequence", "entry", "side", "amount", "date", "time", "payment"),
    *("payment_id", "accepted", "receipt", "service", "service_name", "reference"),
    *("bill", "period", "biller_reference", "centre", "centre_name", "of_entry"),
    "basket",
)
MEMORANDUM_COLUMNS: Final = (
    *("line", "sequence", "entry", "side", "amount", "date", "time", "payment"),
    *("payment_id", "receipt", "service", "reference", "bill", "centre", "of_entry"),
    *("corrects_scroll", "corrects_line"),
)
STATEMENT_COLUMNS: Final = (
    *("line", "entry", "head", "part", "number", "sequence", "date", "time", "lines"),
    *("credits", "debits", "carried", "payable", "settled", "of_window"),
)
NUMBER_COLUMNS: Final = frozenset(
    {
        *("line", "sequence", "payment", "of_entry", "basket", "corrects_line"),
        *("part", "lines", "of_window"),
    }
)
"""Whole numbers from 0 to 2^64 - 1."""
AMOUNT_COLUMNS: Final = frozenset(
    {"amount", "credits", "debits", "carried", "payable", "settled"}
)
"""Rupees with two decimals."""
DATE_COLUMNS: Final = frozenset({"date"})
TIME_COLUMNS: Final = frozenset({"time", "accepted"})
"""To the second, in IST with its offset."""
WORD_COLUMNS: Final = frozenset({"entry", "side", "payment_id", "period"})
"""Of a form of their own, that no formula has."""


def is_text(column: str) -> bool:
    """Whether the cells of a column may have MARK in front."""
    kinds = NUMBER_COLUMNS | AMOUNT_COLUMNS | DATE_COLUMNS | TIME_COLUMNS | WORD_COLUMNS
    return column not in kinds


def safe_text(text: str) -> str:
    """A text as a cell that no spreadsheet calculates."""
    return MARK + text if text and text[0] in FORMULA else text


def plain_text(cell: str) -> str:
    """The text of such a cell."""
    return cell.removeprefix(MARK)


def quoted(cell: str) -> str:
    """A cell as it stands in its line."""
    if any(one in cell for one in QUOTED):
        return '"' + cell.replace('"', '""') + '"'
    return cell


def csv_line(cells: Iterable[str]) -> str:
    """A line of cells, which are safe."""
    return ",".join(map(quoted, cells)) + LINE_END


def rupees(paise: int) -> str:
    """An amount as files have it, without grouping: `1234.50`. Not for negative ones,
    which no cell has.
    """
    if paise < 0:
        raise ValueError(f"a file has no negative amounts: {paise}")
    whole, rest = divmod(paise, 100)
    return f"{whole}.{rest:02d}"


def paise_of(cell: str) -> int:
    """The paise of such an amount. Raises ValueError for any other spelling."""
    whole, point, rest = cell.partition(".")
    digits = whole + rest
    if point != "." or len(rest) != 2 or not (digits.isascii() and digits.isdecimal()):
        raise ValueError(f"not an amount: {cell[:32]!r} (1234.50 is)")
    found = int(digits)
    if rupees(found) != cell:
        raise ValueError(f"not an amount: {cell[:32]!r} (1234.50 is)")
    return found
