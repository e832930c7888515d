"""A biller's list as the list of a day: what the biller sends the switch by itself.

May use `cells`, `lists`, `maps` and the words. It is the biller's word about what it
lacks, too, so that one line that is wrong makes all of it none.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from switch.matching.cells import ListError, date_of, plain_cell, split_line
from switch.matching.lines import Texts
from switch.matching.lists import header_of, physical_lines, read_list
from switch.matching.maps import By, ListMap

REFERENCE_MAX = 32
"""Characters of a biller's own reference."""


@dataclass(frozen=True, slots=True)
class DayLine:
    """A payment that the biller has credited."""

    number: int
    id: bytes
    amount: int
    reference: str
    """The biller's own; may be empty."""


def read_day(
    file: BinaryIO,
    name: str,
    columns: ListMap,
    day: dt.date,
    *,
    count: int | None = None,
    total: int | None = None,
) -> list[DayLine]:
    """All lines of a list of a day. Raises ListError, also for one wrong line."""
    if columns.by is not By.ID or not columns.number or columns.refunds:
        raise ListError(
            name, "the list of a day is by id, with a column of numbers, no refunds"
        )
    listed = read_list(file, name, columns, Texts(), count=count, total=total)
    if listed.bad:
        bad = listed.bad[0]
        raise ListError(f"{name}, line {bad.line}", bad.what)
    there = listed.there
    file.seek(0)
    found: list[DayLine] = []
    lines = _cells(file, name, columns)
    for at, (line, number, reference) in enumerate(lines):
        place = f"{name}, line {line}"
        if date_of(int(there.day[at])) != day:
            raise ListError(place, f"is not of {day}")
        if not (number.isascii() and number.isdecimal() and 0 < len(number) <= 18):
            raise ListError(place, "has no number of a payment")
        if len(reference) > REFERENCE_MAX or not (
            reference.isascii() and reference.isprintable()
        ):
            raise ListError(place, f"a reference has {REFERENCE_MAX} characters")
        payment_id = bytes.fromhex(there.key[at].decode())
        amount = int(there.amount[at])
        found.append(DayLine(int(number), payment_id, amount, reference))
    return found


def _cells(
    file: BinaryIO, name: str, columns: ListMap
) -> Iterator[tuple[int, str, str]]:
    """(line, number, reference) of each line that is not empty."""
    lines = physical_lines(file, name, columns)
    header = header_of(lines, name, columns)
    for wanted in (columns.number, columns.biller_reference):
        if wanted and header.count(wanted) != 1:
            raise ListError(name, f"the column {wanted[:40]!a} is not there, or twice")
    at_number = header.index(columns.number)
    blank = b" \t" + columns.delimiter.encode(columns.encoding)
    for line, raw in lines:
        if not raw.strip(blank):
            continue
        cells = split_line(raw.decode(columns.encoding), columns.delimiter)
        reference = ""
        if columns.biller_reference:
            reference = plain_cell(cells[header.index(columns.biller_reference)])
        yield line, plain_cell(cells[at_number]), reference
