"""Cells of a CSV that others have written: what stands in them, and what it says.

May use the words. A cell that is wrong raises ValueError with what is wrong with it,
and never ends a file.
"""

import csv
import datetime as dt
import re

from switch.calendar import parse_date
from switch.canonical_csv import FORMULA, MARK
from switch.codes import AMOUNT_MAX
from switch.errors import SwitchError
from switch.money import parse_amount

CELL_MAX = 4_000
"""Characters of a cell."""
LINE_MAX = 65_536
"""Bytes of a line."""
DATES_KEPT = 100_000
"""Dates that are remembered by their text: of a day there is one, with times many."""

_KEPT_TEXT = re.compile(r'="([^"]*)"')
_PAISE = re.compile(r"([0-9]{1,17})(?:\.([0-9]{2}))?")
_CANONICAL = re.compile(r"(?:0|[1-9][0-9]{0,16})\.[0-9]{2}")
_SIGNED = re.compile(r"(-?)(.*?) ?(|DR|Dr|dr|CR|Cr|cr)")
_NOT_IN_A_HEAD = re.compile(r"[^0-9A-Za-z]")


class ListError(SwitchError):
    """A file that is not believed, as a whole. The text says where and what."""

    def __init__(self, place: str, what: str) -> None:
        super().__init__(f"{place}: {what}")
        self.place = place
        self.what = what


def plain_cell(text: str) -> str:
    """What stands in a cell, without the space around it: of one that was made
    harmless, or kept as a text by a `="…"`, that.
    """
    # Blanks go first: `'=1` is harmless with a blank in front, too.
    text = text.strip(" \t")
    if text[:1] == MARK and text[1:2] and text[1] in FORMULA:
        return text[1:].strip()
    if text[:2] == '="':
        found = _KEPT_TEXT.fullmatch(text)
        return found[1].strip() if found else text
    return text.strip()


def split_line(line: str, delimiter: str) -> list[str]:
    """The cells of one physical line, as they stand in it. Raises ValueError."""
    if '"' in line:
        try:
            cells = next(csv.reader([line], delimiter=delimiter, strict=True), [])
        except csv.Error as error:
            raise ValueError(f"is no CSV: {error}") from None
    else:
        cells = line.split(delimiter)
    if len(line) > CELL_MAX and any(len(cell) > CELL_MAX for cell in cells):
        raise ValueError(f"has a cell of more than {CELL_MAX} characters")
    return cells


def plain_cells(line: str, delimiter: str) -> list[str]:
    """The same, each as what stands in it. Raises ValueError."""
    return [plain_cell(cell) for cell in split_line(line, delimiter)]


def paise_of(text: str) -> int:
    """Paise of an amount without a sign, from 1. Raises ValueError."""
    found = _PAISE.fullmatch(text)
    if found is None:
        amount = parse_amount(text)
    else:
        amount = int(found[1]) * 100 + int(found[2] or 0)
    if not 0 < amount <= AMOUNT_MAX:
        raise ValueError(
            "an amount of nothing" if not amount else "more than the ledger takes"
        )
    return amount


def canonical_paise_of(cell: str) -> int:
    """Paise from 1 of an amount as our own files have it. Raises ValueError."""
    if not _CANONICAL.fullmatch(cell):
        raise ValueError(f"not an amount: {cell[:32]!a} (1234.50 is)")
    amount = int(cell.replace(".", ""))
    if not 0 < amount <= AMOUNT_MAX:
        raise ValueError("not an amount that a line has")
    return amount


def signed_paise_of(text: str) -> int:
    """The same with a sign, as `-12.00` or `12.00 DR`; not both. Raises ValueError."""
    found = _SIGNED.fullmatch(text)
    if found is None or (found[1] and found[3]):
        raise ValueError(f"not an amount: {text[:40]!a}")
    amount = paise_of(found[2])
    return -amount if found[1] or found[3] in ("DR", "Dr", "dr") else amount


def head_of(text: str) -> str:
    """A head of account by its letters and digits, in capitals; empty without any."""
    return _NOT_IN_A_HEAD.sub("", text).upper()


_EPOCH = dt.date(1970, 1, 1)


def day_of(date: dt.date) -> int:
    """The number of a day, as the columns have it."""
    return (date - _EPOCH).days


def date_of(day: int) -> dt.date:
    """The date of such a number."""
    return _EPOCH + dt.timedelta(days=day)


_FIRST_DAY = day_of(dt.date(2000, 1, 1))
_LAST_DAY = day_of(dt.date(2200, 1, 1))


class Dates:
    """Reads dates by a format, each text once."""

    def __init__(self, date_format: str) -> None:
        """`date_format` as strptime has it; empty for `YYYY-MM-DD` and what follows."""
        self._format = date_format
        self._known: dict[str, int] = {}

    def day(self, text: str) -> int:
        """The number of the day. Raises ValueError."""
        found = self._known.get(text)
        if found is None:
            if len(self._known) >= DATES_KEPT:
                self._known.clear()
            found = self._read(text)
            if not _FIRST_DAY <= found < _LAST_DAY:
                raise ValueError(f"no date of these times: {text[:40]!a}")
            self._known[text] = found
        return found

    def _read(self, text: str) -> int:
        if not self._format:
            return day_of(parse_date(text[:10]))
        try:
            moment = dt.datetime.strptime(text, self._format)  # noqa: DTZ007
        except (ValueError, re.error):
            raise ValueError(f"no date: {text[:40]!a}") from None
        return day_of(moment.date())
