"""A biller's list, read line by line: what can be matched, and what is wrong elsewhere.

May use `cells`, `lines`, `maps` and the words. A bad line is kept with its place and
what is wrong with it; the whole is refused only for what says that it is not the list.
"""

import codecs
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from switch.canonical_csv import rupees
from switch.errors import SwitchError
from switch.matching.cells import (
    LINE_MAX,
    Dates,
    ListError,
    head_of,
    paise_of,
    plain_cell,
    plain_cells,
    signed_paise_of,
    split_line,
)
from switch.matching.lines import KEY_MAX, Gathered, Texts, There, exact_sum
from switch.matching.maps import By, ListMap
from switch.references import canonical

FILE_MAX = 512 * 1024 * 1024
"""Bytes of a list."""
LINES_MAX = 1_000_000
"""Lines of a list, as of the list of a day."""
HEADS_MAX = 10_000
"""Heads, and spellings of them."""
UNKNOWN_MAX = 100_000
"""Lines that cannot be read: more are another file, or another map."""

_HEX = "[0-9A-Fa-f]"
_UUID = re.compile(f"{_HEX}{{32}}|{_HEX}{{8}}(?:-{_HEX}{{4}}){{3}}-{_HEX}{{12}}")
_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line of which nobody can say which payment it is."""

    line: int
    digest: bytes
    """Of its bytes: by that it is known again, wherever it stands."""
    what: str
    """What is wrong with it."""
    amount: int
    """Paise with a sign, as far as they can be read; else 0."""


@dataclass(frozen=True, slots=True)
class BillerList:
    """What a list has."""

    name: str
    sha256: str
    there: There
    bad: tuple[BadLine, ...]
    count: int
    """Lines that are not empty, bad ones too."""
    total: int
    """Paise of those whose amount can be read, refunds below zero."""
    is_complete: bool
    """It is what it was announced to be, and every line can be read."""


NO_LIST = BillerList("", "", Gathered(There).columns(), (), 0, 0, is_complete=False)
"""Nothing is told."""


def read_list(
    file: BinaryIO,
    name: str,
    columns: ListMap,
    heads: Texts,
    *,
    count: int | None = None,
    total: int | None = None,
) -> BillerList:
    """The list in a file. `count` and `total` (paise) as they were announced, if so.

    Raises ListError.
    """
    reader = _Reader(columns, heads, name)
    reader.read(file)
    found = reader.gathered.columns()
    said = exact_sum(found.amount[~found.refund]) - exact_sum(
        found.amount[found.refund]
    )
    said += sum(bad.amount for bad in reader.bad)
    if count is not None and count != reader.count:
        raise ListError(name, f"has {reader.count} lines, not the {count} announced")
    unread = sum(not bad.amount for bad in reader.bad)
    if total is not None and (said > total if unread else said != total):
        raise ListError(
            name, f"comes to {_signed(said)}, not to the {_signed(total)} announced"
        )
    return BillerList(
        name=name,
        sha256=reader.digest.hexdigest(),
        there=found,
        bad=tuple(reader.bad),
        count=reader.count,
        total=said,
        is_complete=count is not None and total is not None and not reader.bad,
    )


def _signed(paise: int) -> str:
    return ("-" if paise < 0 else "") + rupees(abs(paise))


class _Reader:
    def __init__(self, columns: ListMap, heads: Texts, name: str) -> None:
        self._columns = columns
        self._heads = heads
        self._name = name
        self._dates = Dates(columns.date_format)
        self._key = key_reader(columns)
        self._paise = signed_paise_of if columns.refunds else paise_of
        self._head_places: dict[str, int] = {}
        self.gathered = Gathered(There)
        self.bad: list[BadLine] = []
        self.count = 0
        self.digest = hashlib.sha256()

    def read(self, file: BinaryIO) -> None:
        """All lines of a file. Raises ListError."""
        columns = self._columns
        lines = physical_lines(file, self._name, columns, self.digest.update)
        header = header_of(lines, self._name, columns)
        places = self._places(header)
        blank = b" \t" + columns.delimiter.encode(columns.encoding)
        for number, raw in lines:
            if not raw.strip(blank):
                continue
            self.count += 1
            if self.count > LINES_MAX:
                raise ListError(self._name, f"has more than {LINES_MAX:,} lines")
            self._take(number, raw, len(header), places)
        if len(self.bad) > UNKNOWN_MAX:
            raise ListError(self._name, f"{len(self.bad):,} lines cannot be read")

    def _places(self, header: list[str]) -> tuple[int, int, int, int]:
        columns = self._columns
        for name in (columns.key, columns.date, columns.amount, columns.head):
            if name and header.count(name) != 1:
                there = "twice" if name in header else "not"
                raise ListError(
                    self._name, f"the column {name[:40]!a} is {there} there"
                )
        head = header.index(columns.head) if columns.head else -1
        return (
            header.index(columns.key),
            header.index(columns.date),
            header.index(columns.amount),
            head,
        )

    def _take(
        self, number: int, raw: bytes, width: int, places: tuple[int, int, int, int]
    ) -> None:
        amount = 0
        at_key, at_date, at_amount, at_head = places
        columns = self._columns
        try:
            if len(raw) > LINE_MAX:
                raise ValueError(f"has more than {LINE_MAX} bytes")
            line = raw.decode(columns.encoding)
            if "\0" in line:
                raise ValueError("has a zero byte")
            cells = split_line(line, columns.delimiter)
            if len(cells) != width:
                raise ValueError("has more or fewer cells than there are columns")
            amount = self._paise(plain_cell(cells[at_amount]))
            day = self._dates.day(plain_cell(cells[at_date]))
            key = self._key(plain_cell(cells[at_key]))
            head = self._head(plain_cell(cells[at_head])) if at_head >= 0 else 0
        except UnicodeDecodeError as error:
            what = f"is not in {columns.encoding}, byte {error.start}"
            self._refuse(number, raw, what, 0)
        except (ValueError, SwitchError) as error:
            self._refuse(number, raw, str(error), amount)
        else:
            self.gathered.add((key, amount < 0, abs(amount), day, head, number))

    def _refuse(self, number: int, raw: bytes, what: str, amount: int) -> None:
        digest = hashlib.blake2b(raw, digest_size=16).digest()
        if len(self.bad) <= UNKNOWN_MAX:
            self.bad.append(BadLine(number, digest, what[:200], amount))

    def _head(self, text: str) -> int:
        found = self._head_places.get(text)
        if found is None:
            bare = head_of(text)
            if not bare:
                raise ValueError("has no head of account")
            if len(bare) > KEY_MAX:
                raise ValueError("no head of account is so long")
            if len(self._heads.texts) > HEADS_MAX or len(self._head_places) > HEADS_MAX:
                raise ValueError("is of one head more than a biller can have")
            found = self._head_places[text] = self._heads.place(bare)
        return found


def key_reader(columns: ListMap) -> Callable[[str], bytes]:
    """What makes a cell the key of a line; it raises ValueError or SwitchError."""
    if columns.by is By.ID:
        return _id
    if columns.by is By.NUMBER:
        return _number
    if columns.by is By.REFERENCE:
        form = columns.form
        return lambda text: canonical(form, text).encode("ascii")
    if columns.by is By.RECEIPT:
        return lambda text: _plain(text).upper()
    return _plain


def physical_lines(
    file: BinaryIO,
    name: str,
    columns: ListMap,
    hashed: Callable[[bytes], None] = lambda _: None,
) -> Iterator[tuple[int, bytes]]:
    """The lines of a list without their ends, from 1; of one that is too long its
    beginning, which is too long as well. Raises ListError.
    """
    size = 0
    number = 0
    while raw := file.readline(LINE_MAX + 2):
        number += 1
        size += len(raw)
        hashed(raw)
        if size > FILE_MAX:
            raise ListError(name, f"has more than {FILE_MAX} bytes")
        if number == 1:
            if raw.startswith(_MARKS):
                raise ListError(name, "is in UTF-16: have it saved as UTF-8")
            if columns.encoding == "utf-8":
                raw = raw.removeprefix(codecs.BOM_UTF8)
        if len(raw) > LINE_MAX and not raw.endswith(b"\n"):
            while more := file.readline(LINE_MAX):
                size += len(more)
                hashed(more)
                if size > FILE_MAX:
                    raise ListError(name, f"has more than {FILE_MAX} bytes")
                if more.endswith(b"\n"):
                    break
        yield number, raw.rstrip(b"\r\n")


def header_of(
    lines: Iterator[tuple[int, bytes]], name: str, columns: ListMap
) -> list[str]:
    """The names of the columns; `lines` go on behind them. Raises ListError."""
    for number, raw in lines:
        if number <= columns.skip_lines:
            continue
        try:
            return plain_cells(raw.decode(columns.encoding), columns.delimiter)
        except ValueError:
            raise ListError(name, "its line of columns is none") from None
    return []


def _id(text: str) -> bytes:
    if not _UUID.fullmatch(text):
        raise ValueError("the key is no id: 32 hexadecimal digits")
    return text.replace("-", "").lower().encode()


def _number(text: str) -> bytes:
    if not text.isdecimal() or not text.isascii() or not 0 < len(text) <= 18:
        raise ValueError("the key is no number")
    return str(int(text)).encode()


def _plain(text: str) -> bytes:
    if not 0 < len(text) <= KEY_MAX or not (text.isascii() and text.isprintable()):
        raise ValueError(f"the key has not 1 to {KEY_MAX} printable characters")
    return text.encode()
