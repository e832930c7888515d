"""A break: one difference, with a number of its own for its whole life.

May use `cells` and the words. Breaks travel from match to match in a canonical CSV.
"""

import base64
import csv
import dataclasses
import datetime as dt
import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from switch.calendar import parse_date
from switch.canonical_csv import csv_line, paise_of, plain_text, rupees, safe_text
from switch.codes import AMOUNT_MAX
from switch.matching.cells import CELL_MAX, ListError

OPEN_MAX = 100_000
"""Breaks that may travel: more are a list or a map that is not the right one."""
FILE_MAX = 512 * 1024 * 1024
"""Bytes of a file of them."""
LINKED_MAX = 64
"""Linked entries that a break names."""

BILLER_DAYS = 1
"""Days after its own in which a break is its biller's turn: T+1."""
DECIDE_DAYS = 5
"""Days after its own by whose end the treasury has decided: T+5."""


class Type(StrEnum):
    """What differs."""

    MISSING_HERE = "missing_here"
    MISSING_THERE = "missing_there"
    AMOUNT = "amount"
    DUPLICATE = "duplicate"
    DATE = "date"
    HEAD = "head"
    UNKNOWN = "unknown"


class State(StrEnum):
    """Whether it travels on."""

    OPEN = "open"
    CLOSED = "closed"


class Owner(StrEnum):
    """Whose turn it is."""

    BILLER = "biller"
    TREASURY = "treasury"


_SHARED = frozenset({Type.MISSING_HERE, Type.MISSING_THERE, Type.AMOUNT})
BANK_KEYS = frozenset({"scroll", "payout", "recall"})
"""What a break between the ledger and a bank is by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """One difference. 0, an empty text and no date are what there is not."""

    number: str
    type: Type
    state: State = State.OPEN
    biller: str
    day: dt.date
    """Its own: of the payment, or of the line."""
    since: dt.date
    """The last day of the match that raised it."""
    by: str
    key: str
    refund: bool = False
    """It is about what was given, or taken, back."""
    entry: int = 0
    """Of the ledger."""
    payment: int = 0
    receipt: str = ""
    centre: str = ""
    service: str = ""
    made: dt.date | None = None
    """When the payment was made."""
    head: str = ""
    scroll: str = ""
    scroll_line: int = 0
    amount_here: int = 0
    list: str = ""
    list_line: int = 0
    list_day: dt.date | None = None
    list_head: str = ""
    amount_there: int = 0
    differs: str = ""
    """In what: `amount`, `head`, `date`, with blanks between."""
    text: str = ""
    linked: tuple[tuple[int, int], ...] = ()
    """Entries that gave money of it back, and their amounts; by `scroll` and `recall`
    entries that released it, by `payout` the one that recalled it."""
    undecided: int = 0
    """The entry of an undecided payment that it is about."""
    closed_by: str = ""
    closed_on: dt.date | None = None

    @property
    def left(self) -> int:
        """What is left of the payment here."""
        return self.amount_here - sum(amount for _, amount in self.linked)

    def owner(self, as_of: dt.date) -> Owner:
        """Whose turn it is on a day."""
        if self.by in BANK_KEYS or self.type is Type.HEAD:
            return Owner.TREASURY
        is_late = as_of > self.day + dt.timedelta(days=BILLER_DAYS)
        return Owner.TREASURY if is_late and self.type in _SHARED else Owner.BILLER

    def age(self, as_of: dt.date) -> int:
        """Days since it was raised."""
        return (as_of - self.since).days

    @property
    def decide_by(self) -> dt.date:
        """The last day to decide it."""
        return self.day + dt.timedelta(days=DECIDE_DAYS)

    def closed(self, by: str, on: dt.date) -> "Break":
        """The same, closed."""
        return replace(self, state=State.CLOSED, closed_by=by, closed_on=on)


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """What a match was of: by that the next one knows what was expected before."""

    biller: str
    first: dt.date
    last: dt.date
    by: str
    window: int
    """The last whose scroll was at hand."""
    list: str
    before: tuple[dt.date, int] | None = None
    """The last day, and the last window, of the match before it."""

    def previous(self, first: dt.date, last: dt.date) -> tuple[dt.date, int] | None:
        """What was matched before these days: by this match, or, if it was of the same
        days, by the one before it. Raises ValueError.
        """
        if self.last < first:
            return self.last, self.window
        if self.last > last or (self.before is not None and self.before[0] >= first):
            raise ValueError(f"is of the match to {self.last}, which is a later one")
        return self.before


def number_of(day: dt.date, *about: str | int | bytes) -> str:
    """The number of what is about just that. Each part has its length before it."""
    hashed = hashlib.blake2b(digest_size=10)
    for one in (day.isoformat(), *about):
        part = one if isinstance(one, bytes) else str(one).encode()
        hashed.update(len(part).to_bytes(4, "little") + part)
    letters = base64.b32encode(hashed.digest()).decode()
    return f"B{day.isoformat().replace('-', '')}-{letters}"


# --- as a file ------------------------------------------------------------------------

_MONEY = frozenset({"amount_here", "amount_there"})
_WHOLE = frozenset({"entry", "payment", "scroll_line", "list_line", "undecided"})
_DATES = frozenset({"day", "since", "made", "list_day", "closed_on"})
_FIELDS = tuple(one.name for one in dataclasses.fields(Break))
_TOLD = ("owner", "age", "decide_by")
"""What follows from the others and the day: written, and not read."""
COLUMNS = (*_FIELDS[:3], *_TOLD, *_FIELDS[3:])
DECIDED = ("decision", "about", "amount", "reason")
"""Columns of a file that people decide in."""
_NUMBER = re.compile(r"B[0-9]{8}-[A-Z2-7]{16}")


def write_breaks(
    breaks: Iterable[Break],
    as_of: dt.date,
    matched: Matched | None = None,
    *,
    to_decide: bool = False,
) -> bytes:
    """Canonical CSV: UTF-8, CRLF, what was matched first, then sorted by number."""
    empty = [""] * len(DECIDED) if to_decide else []
    lines = [csv_line(COLUMNS + DECIDED if to_decide else COLUMNS)]
    if matched is not None:
        lines.append(csv_line(map(safe_text, _matched_cells(matched))))
    for one in sorted(breaks, key=lambda one: one.number):
        cells = [safe_text(_cell(one, name, as_of)) for name in COLUMNS]
        lines.append(csv_line(cells + empty))
    return "".join(lines).encode()


_MATCHED = "matched"


def _matched_cells(one: Matched) -> list[str]:
    cells = dict.fromkeys(COLUMNS, "")
    cells |= {
        "number": f"M{one.last.isoformat().replace('-', '')}",
        "type": _MATCHED,
        "biller": one.biller,
        "day": one.last.isoformat(),
        "since": one.first.isoformat(),
        "by": one.by,
        "entry": str(one.window),
        "list": one.list,
    }
    if one.before is not None:
        cells["list_day"] = one.before[0].isoformat()
        cells["payment"] = str(one.before[1])
    return list(cells.values())


def _read_matched(row: dict[str, str]) -> Matched:
    """Raises ValueError."""
    before = None
    if row["list_day"]:
        before = parse_date(row["list_day"]), _whole(row["payment"])
    made = Matched(
        biller=row["biller"],
        first=parse_date(row["since"]),
        last=parse_date(row["day"]),
        by=row["by"],
        window=_whole(row["entry"]),
        list=row["list"],
        before=before,
    )
    if _matched_cells(made) != [row[name] for name in COLUMNS]:
        raise ValueError("says what no match is of")
    return made


def _cell(one: Break, name: str, as_of: dt.date) -> str:
    if name == "owner":
        return one.owner(as_of) if one.state is State.OPEN else ""
    if name == "age":
        return str(one.age(as_of))
    value = getattr(one, name)
    if name == "linked":
        return " ".join(f"{entry}={rupees(amount)}" for entry, amount in value)
    if name == "refund":
        return "yes" if value else ""
    if isinstance(value, dt.date):
        return value.isoformat()
    if name in _MONEY:
        return rupees(value) if value else ""
    return str(value) if value else ""


def plain_break(one: Break, as_of: dt.date) -> dict[str, Any]:
    """The same for machines: amounts are paise."""
    made: dict[str, Any] = {}
    for name in COLUMNS:
        if name == "owner":
            made[name] = one.owner(as_of) if one.state is State.OPEN else ""
        elif name == "age":
            made[name] = one.age(as_of)
        else:
            value = getattr(one, name)
            made[name] = value.isoformat() if isinstance(value, dt.date) else value
    made["linked"] = [{"entry": e, "amount": a} for e, a in one.linked]
    return made


def read_breaks(data: bytes, source: str) -> list[Break]:
    """The breaks of a file that a match has written. Raises ListError."""
    return read_match(data, source)[1]


def read_match(data: bytes, source: str) -> tuple[Matched | None, list[Break]]:
    """The same, and what was matched, if the file has it. Raises ListError.

    It is our own: what is wrong with one line says that it is not as it was written.
    """
    matched: Matched | None = None
    found: list[Break] = []
    numbers: set[str] = set()
    for place, row in read_rows(data, source, COLUMNS):
        try:
            if row["type"] == _MATCHED and matched is None and not found:
                matched = _read_matched(row)
                continue
            one = Break(**{name: _read(name, row[name]) for name in _FIELDS})
            if not _NUMBER.fullmatch(one.number) or one.number in numbers:
                raise ValueError("its number is none, or there twice")
        except (ValueError, KeyError) as error:
            raise ListError(place, f"is no line of breaks: {error}") from None
        numbers.add(one.number)
        found.append(one)
        if len(found) > 2 * OPEN_MAX:
            raise ListError(source, f"has more than {2 * OPEN_MAX:,} breaks")
    return matched, found


def read_rows(
    data: bytes, source: str, columns: Sequence[str]
) -> Iterator[tuple[str, dict[str, str]]]:
    """(place, plain cells) of each line of one of our files. Raises ListError."""
    if len(data) > FILE_MAX:
        raise ListError(source, f"has more than {FILE_MAX} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ListError(source, f"is not in UTF-8, byte {error.start}") from None
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        names = rows.fieldnames or []
        lacking = [name for name in columns if names.count(name) != 1]
        if lacking:
            raise ListError(source, f"the column {lacking[0]!r} is not there, or twice")
        for row in rows:
            place = f"{source}, line {rows.line_num}"
            if None in row or None in row.values():
                raise ListError(place, "has more or fewer cells than columns")
            if any(len(cell) > CELL_MAX for cell in row.values()):
                raise ListError(place, f"has a cell of more than {CELL_MAX} characters")
            yield place, {name: plain_text(cell) for name, cell in row.items()}
    except csv.Error as error:
        raise ListError(source, f"line {rows.line_num} is no CSV: {error}") from None


def _read(name: str, text: str) -> Any:
    if name == "type":
        return Type(text)
    if name == "state":
        return State(text)
    if name == "refund":
        if text not in ("", "yes"):
            raise ValueError("refund is yes or nothing")
        return bool(text)
    if name in _DATES:
        if not text and name in ("day", "since"):
            raise ValueError(f"{name} is empty")
        return parse_date(text) if text else None
    if name in _MONEY:
        return _paise(text) if text else 0
    if name in _WHOLE:
        return _whole(text) if text else 0
    if name == "linked":
        return _linked(text)
    return text


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise ValueError(f"no whole number: {text[:32]!a}")
    return int(text)


def _paise(text: str) -> int:
    amount = paise_of(text)
    if amount > AMOUNT_MAX:
        raise ValueError("more than the ledger takes")
    return amount


def _linked(text: str) -> tuple[tuple[int, int], ...]:
    found = []
    for one in text.split():
        entry, _, amount = one.partition("=")
        found.append((_whole(entry), _paise(amount)))
    if len(found) > LINKED_MAX:
        raise ValueError(f"more than {LINKED_MAX} linked entries")
    return tuple(found)
