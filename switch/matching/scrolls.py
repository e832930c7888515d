"""The scrolls of one biller, read from a folder: the ledger's side of a match.

May use `cells`, `lines`, `maps` and the words. They are our own files: each is believed
only as a whole, if it is what its manifest says, and none in their row may lack.
"""

import csv
import datetime as dt
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

from switch.calendar import parse_date
from switch.canonical_csv import SCROLL_COLUMNS, paise_of, plain_text
from switch.errors import ConfigError
from switch.file_names import FileKind, FileName, parse_name
from switch.matching.cells import (
    LINE_MAX,
    ListError,
    canonical_paise_of,
    day_of,
    head_of,
)
from switch.matching.lines import Gathered, Here, Texts
from switch.matching.maps import By

SCROLLS_MAX = 10_000
"""Scrolls of one match: a biller's heads in the windows of some months."""
LINES_MAX = 4_000_000
"""Lines of all of them."""
FILE_MAX = 2**31
"""Bytes of one scroll."""
MANIFEST_MAX = 65_536
"""Bytes of a manifest."""
DAYS_BEFORE = 31
"""Days before a match whose scrolls are read, too."""
ENTRIES_MAX = 1_000_000
"""Files that a folder may have."""
FORMAT = 1

_MONTH: Final = re.compile(r"[0-9]{4}-[0-9]{2}")
_WIDTH: Final = len(SCROLL_COLUMNS)
_AT: Final = {name: place for place, name in enumerate(SCROLL_COLUMNS)}
_SIDES: Final = {"credit": 1, "debit": -1}


@dataclass(frozen=True, slots=True)
class Scroll:
    """What the manifest of one says: amounts are paise."""

    number: str
    file: str
    head: str
    """As it is written."""
    part: int
    day: dt.date
    """The accounting date of its window."""
    window: int
    after: int
    """The window before."""
    lines: int
    credits: int
    debits: int
    carried: int
    payable: int
    sha256: str


@dataclass(slots=True)
class Scrolls:
    """All that a folder has of a biller."""

    biller: str
    here: Here
    scrolls: list[Scroll]
    places: Texts
    """Centres and services, as the lines name them."""
    other_count: int = 0
    """Lines that are no payments: openings."""
    heads: dict[str, str] = field(default_factory=dict)
    """How each head is written."""


def read_scrolls(
    folder: Path, biller: str, by: By, heads: Texts, since: dt.date = dt.date.min
) -> Scrolls:
    """The scrolls of a biller, of accounting dates from `since` on, in a folder and in
    those of months (`2026-11`) in it.

    Raises ListError, ConfigError.
    """
    where = _names(folder, biller, since)
    scrolls = sorted(
        (_read_manifest(path, name) for name, path in where.items()),
        key=lambda one: (one.part, one.window),
    )
    _look_at_row(scrolls, folder)
    scrolls = [one for one in scrolls if one.day >= since]
    if not scrolls:
        raise ListError(str(folder), f"has no scroll of it since {since}")
    reader = _Reader(by, heads)
    for place, scroll in enumerate(scrolls):
        reader.read(where[parse_name(scroll.file)], scroll, place)
    made = Scrolls(biller, reader.gathered.columns(), scrolls, reader.places)
    made.other_count = reader.other_count
    made.heads = {head_of(one.head): one.head for one in scrolls}
    return made


def _names(folder: Path, biller: str, since: dt.date) -> dict[FileName, Path]:
    """The scrolls' names, and in which folder each is."""
    found: dict[FileName, Path] = {}
    try:
        for path in _entries(folder, since):
            if path.suffix != ".csv":
                continue
            try:
                name = parse_name(path.name)
            except ValueError:
                continue
            if name.kind is not FileKind.SCROLL or name.owner != biller:
                continue
            if name in found:
                raise ListError(path.name, f"is in {found[name]}, too")
            found[name] = path.parent
    except OSError as error:
        raise ConfigError(f"cannot read {folder}: {error.strerror}") from error
    if not found:
        raise ListError(str(folder), f"has no scroll of {biller[:64]!a}")
    if len(found) > SCROLLS_MAX:
        raise ListError(str(folder), f"has more than {SCROLLS_MAX:,} scrolls of it")
    return found


def _entries(folder: Path, since: dt.date) -> Iterator[Path]:
    """All that is there, and in the folders of months that may have what is wanted."""
    count = 0
    places = [folder]
    for place in places:
        for path in place.iterdir():
            count += 1
            if count > ENTRIES_MAX:
                raise ListError(str(folder), f"has more than {ENTRIES_MAX:,} files")
            if place is folder and _MONTH.fullmatch(path.name):
                if path.name >= since.isoformat()[:7] and path.is_dir():
                    places.append(path)
                continue
            yield path


def _read_manifest(folder: Path, name: FileName) -> Scroll:
    path = folder / name.as_kind(FileKind.SCROLL, "json").text
    try:
        with path.open("rb") as file:
            data = file.read(MANIFEST_MAX + 1)
    except OSError as error:
        raise ListError(path.name, f"cannot be read: {error.strerror}") from error
    try:
        if len(data) > MANIFEST_MAX:
            raise ValueError("too long")
        said = json.loads(data)
        made = Scroll(
            number=_text(said["number"]),
            file=_text(said["file"]["name"]),
            head=_text(said["head"]),
            part=_whole(said["part"]),
            day=parse_date(said["accounting_date"]),
            window=_whole(said["window"]),
            after=_whole(said["after"]),
            lines=_whole(said["lines"]),
            credits=paise_of(said["credits"]),
            debits=paise_of(said["debits"]),
            carried=paise_of(said["carried"]),
            payable=paise_of(said["payable"]),
            sha256=_text(said["file"]["sha256"]),
        )
        if said["format"] != FORMAT or said["kind"] != "scroll":
            raise ValueError("of another format or kind")
        if (made.number, made.file, made.part) != (name.number, name.text, name.part):
            raise ValueError("of another file")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ListError(path.name, f"is no manifest of a scroll: {error}") from None
    return made


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _whole(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError("no whole number")
    return value


def _look_at_row(scrolls: Iterable[Scroll], folder: Path) -> None:
    """Between the first and the last of an account none lacks, and all go as far: each
    head has one in each window. Raises ListError.
    """
    before: dict[int, Scroll] = {}
    for one in scrolls:
        last = before.get(one.part)
        if last is not None and last.window != one.after:
            raise ListError(
                str(folder),
                f"between {last.number} and {one.number} a scroll is not there",
            )
        before[one.part] = one
    reach = max(one.window for one in before.values())
    for one in before.values():
        if one.window < reach:
            raise ListError(
                str(folder), f"behind {one.number} a scroll of that head is not there"
            )


class _Reader:
    def __init__(self, by: By, heads: Texts) -> None:
        self.gathered = Gathered(Here)
        self.places = Texts()
        self.other_count = 0
        self._heads = heads
        self._key = _KEYS[by]
        self._days: dict[str, int] = {}

    def read(self, folder: Path, scroll: Scroll, place: int) -> None:
        """All lines of one. Raises ListError."""
        try:
            self._read(folder / scroll.file, scroll, place)
        except OSError as error:
            raise ListError(scroll.file, f"cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, csv.Error) as error:
            raise ListError(scroll.file, f"is no scroll: {error}") from None

    def _read(self, path: Path, scroll: Scroll, place: int) -> None:
        digest = hashlib.sha256()
        head = self._heads.place(head_of(scroll.head))
        count = 0
        sums: dict[int, int] = defaultdict(int)
        with path.open("rb") as file:
            rows = csv.reader(_texts(file, digest.update), strict=True)
            if next(rows, []) != list(SCROLL_COLUMNS):
                raise ListError(scroll.file, "has not the columns of a scroll")
            for row in rows:
                count += 1
                if len(row) != _WIDTH or row[0] != str(count):
                    raise ListError(scroll.file, f"its line {count} is none")
                amount = canonical_paise_of(row[_AMOUNT])
                side = _SIDES[row[_SIDE]]
                sums[side] += amount
                self._take(row, amount, side < 0, head, place, count)
        if digest.hexdigest() != scroll.sha256:
            raise ListError(scroll.file, "has not the hash of its manifest")
        said = (scroll.lines, scroll.credits, scroll.debits)
        if said != (count, sums[1], sums[-1]):
            raise ListError(scroll.file, "has not the sums of its manifest")

    def _take(
        self,
        row: list[str],
        amount: int,
        is_debit: bool,
        head: int,
        place: int,
        line: int,
    ) -> None:
        if row[2] in _OTHERS:
            self.other_count += 1
            return
        if row[2] not in _ENTRIES or is_debit is not (row[2] == "refund"):
            raise ValueError(f"line {line} is no payment, refund or correction")
        if self.gathered.count >= LINES_MAX:
            raise ValueError(f"with it there are more than {LINES_MAX:,} lines")
        self.gathered.add(
            (
                self._key(row),
                is_debit,
                amount,
                self._day(row[_DATE]),
                self._day(row[_ACCEPTED][:10]),
                head,
                int(row[1]),
                int(row[_PAYMENT]),
                int(row[_OF] or 0),
                int(row[_BASKET] or 0),
                plain_text(row[_RECEIPT]).encode("ascii"),
                self.places.place(plain_text(row[_CENTRE])),
                self.places.place(plain_text(row[_SERVICE])),
                place,
                line,
            )
        )

    def _day(self, text: str) -> int:
        found = self._days.get(text)
        if found is None:
            found = self._days[text] = day_of(parse_date(text))
        return found


def _texts(file: BinaryIO, hashed: Callable[[bytes], None]) -> Iterator[str]:
    """The lines of a file, hashed on the way: what is read is what was hashed."""
    size = 0
    while raw := file.readline(LINE_MAX + 1):
        size += len(raw)
        if len(raw) > LINE_MAX or size > FILE_MAX:
            raise ValueError("a line, or all of it, is too long")
        hashed(raw)
        yield raw.decode()


_SIDE: Final = _AT["side"]
_AMOUNT: Final = _AT["amount"]
_ENTRIES: Final = frozenset({"payment", "refund", "correction"})
_OTHERS: Final = frozenset({"transfer", "undoing"})
"""What no list of a biller tells."""
_DATE: Final = _AT["date"]
_ACCEPTED: Final = _AT["accepted"]
_PAYMENT: Final = _AT["payment"]
_OF: Final = _AT["of_entry"]
_BASKET: Final = _AT["basket"]
_RECEIPT: Final = _AT["receipt"]
_CENTRE: Final = _AT["centre"]
_SERVICE: Final = _AT["service"]
_ID: Final = _AT["payment_id"]
_REFERENCE: Final = _AT["reference"]
_BILLER: Final = _AT["biller_reference"]

_KEYS: Final[dict[By, Callable[[list[str]], bytes]]] = {
    By.ID: lambda row: row[_ID].replace("-", "").encode(),
    By.NUMBER: lambda row: str(int(row[_PAYMENT])).encode(),
    By.RECEIPT: lambda row: plain_text(row[_RECEIPT]).upper().encode(),
    By.BILLER_REFERENCE: lambda row: plain_text(row[_BILLER]).encode(),
    By.REFERENCE: lambda row: plain_text(row[_REFERENCE]).encode(),
}
"""A line's key as the list has it; empty if the ledger has none."""
