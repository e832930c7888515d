"""An independent count of the totals, row by row, and a reading of the store.

Written from docs/totals.md alone, with the model's rows; it shares nothing with
`switch/totals` but what the page says.
"""

import struct
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import lmdb

from switch.audit.crc import crc32c
from tests.records import Row

OK = 1
PAY, HOLD, POST, VOID, EXPIRE, REFUND, TOP_UP, TRANSFER = range(1, 9)
SETTLE, CASE, VERIFY, BOOKED = 10, 16, 21, 24
ROW_UNDOES, ROW_CASE = 0x20, 0x40

Cell = tuple[int, int, int, int, int]
"""Day, wallet, service, head, figure."""
Sum = tuple[int, int]
"""Rows, and paise."""


def day_of(timestamp: int) -> int:
    return (timestamp // 10**9 + 19_800) // 86_400


def month_of(day: int) -> int:
    that = date(1970, 1, 1) + timedelta(days=day)
    return that.year * 12 + that.month - 1


class Count:
    """Cells, and what accounts moved besides, of rows up to the last one added."""

    def __init__(self) -> None:
        self.cells: dict[Cell, Sum] = {}
        self.accounts: dict[tuple[int, int, int, int], Sum] = {}
        self.rows: list[Row] = []

    def add(self, row: Row) -> None:
        self.rows.append(row)
        if row.result != OK:
            return
        day, kind = day_of(row.timestamp), row.kind
        # What a bank's line names may be no row.
        named = 0 < row.resolves < row.sequence
        hold = self.rows[row.resolves - 1] if named else None
        service, wallet, head = row.service, row.debit, row.credit
        figures: list[tuple[int, int]] = []
        if kind == PAY:
            figures = [(1, row.amount)]
        elif kind == HOLD:
            figures = [(2, row.amount)]
        elif kind == POST:
            assert hold is not None
            figures = [(3, row.amount), (4, hold.amount)]
        elif kind == VOID:
            assert hold is not None
            figures = [(5, hold.amount)]
        elif kind == EXPIRE:
            assert hold is not None
            figures = [(6, hold.amount)]
        elif kind == REFUND:
            figures, wallet, head = [(7, row.amount)], row.credit, row.debit
        elif kind == TRANSFER and row.flags & ROW_CASE:
            assert hold is not None
            figures = [(8, row.amount), (9, hold.amount)]
            service = hold.service
        elif kind == TRANSFER and row.resolves and row.flags & ROW_UNDOES:
            assert hold is not None
            figures, wallet, head = [(13, row.amount)], row.credit, row.debit
            service = hold.service
        elif kind == CASE:
            assert hold is not None
            figures = [(10, hold.amount)]
            if row.flags & ROW_CASE:
                figures.append((11, hold.amount))
        elif kind == VERIFY:
            assert hold is not None
            figures = [(12, hold.amount)]
        for figure, paise in figures:
            cell = (day, wallet, service, head, figure)
            count, before = self.cells.get(cell, (0, 0))
            self.cells[cell] = count + 1, before + paise
        if kind in (TOP_UP, TRANSFER, SETTLE, BOOKED):
            for account, side in ((row.debit, 1), (row.credit, 2)):
                key = (day, account, kind, side)
                count, before = self.accounts.get(key, (0, 0))
                self.accounts[key] = count + 1, before + row.amount

    def cut(self, cut: int) -> dict[tuple[int, int], Sum]:
        """By day and key: what parts of level 1 must come to."""
        found: dict[tuple[int, int], Sum] = {}
        if cut == 4:
            for (day, account, kind, side), add in self.accounts.items():
                found[day, account * 2**10 + kind * 4 + side] = add
            return found
        for (day, wallet, service, head, figure), (count, paise) in self.cells.items():
            key = figure
            if cut in (1, 2):
                key += wallet * 2**4
            if cut in (1, 3):
                key += head * 2**41 + service * 2**25
            before = found.get((day, key), (0, 0))
            found[day, key] = before[0] + count, before[1] + paise
        return found


def in_months(
    days: dict[tuple[int, int], Sum], last: int
) -> dict[tuple[int, int], Sum]:
    """What parts of level 2 must come to, if the newest row is of the day `last`."""
    found: dict[tuple[int, int], Sum] = defaultdict(lambda: (0, 0))
    for (day, key), (count, paise) in days.items():
        if month_of(day) < month_of(last):
            before = found[month_of(day), key]
            found[month_of(day), key] = before[0] + count, before[1] + paise
    return dict(found)


class Stored(NamedTuple):
    """What a store says."""

    sequence: int
    cuts: dict[tuple[int, int], dict[tuple[int, int], Sum]]
    """By level and cut: by period and key."""


def read_store(path: Path, instance: bytes, rows: Sequence[Row]) -> Stored:
    """Read a store and hold it against the page; of no header all is empty."""
    with (
        lmdb.open(str(path / "totals"), max_dbs=2, readonly=True, lock=False) as env,
        env.begin() as txn,
    ):
        meta = env.open_db(b"meta", txn, create=False)
        parts = env.open_db(b"parts", txn, create=False)
        header = txn.get(b"totals", db=meta)
        assert txn.stat(meta)["entries"] == (header is not None)
        values = [(bytes(k), bytes(v)) for k, v in txn.cursor(db=parts)]
    if header is None:
        assert not values
        return Stored(0, {})
    assert len(header) == 72
    magic, version, zero = struct.unpack_from("<IHH", header)
    assert (magic, version, zero) == (0x31544F54, 1, 0)
    assert header[8:24] == instance
    sequence, timestamp = struct.unpack_from("<QQ", header, 24)
    day, check = struct.unpack_from("<II", header, 64)
    assert check == crc32c(header[:68])
    assert timestamp == rows[sequence - 1].timestamp
    assert day == day_of(timestamp)
    cuts: dict[tuple[int, int], dict[tuple[int, int], Sum]] = {}
    ends: dict[tuple[int, int], int] = defaultdict(int)
    for key, value in values:
        level, cut, period, first = struct.unpack(">BBIQ", key)
        last, count, check = struct.unpack_from("<QII", value)
        assert check == crc32c(instance + key + value[:12] + value[16:])
        assert len(value) == 16 + 32 * count
        assert first == ends[level, cut] + 1 <= last
        ends[level, cut] = last
        for row in (rows[first - 1], rows[last - 1]):
            of = day_of(row.timestamp)
            assert period == (of if level == 1 else month_of(of))
        keys = [value[at : at + 8] for at in range(16, len(value), 32)]
        numbers = [int.from_bytes(one, "little") for one in keys]
        assert numbers == sorted(set(numbers))
        found = cuts.setdefault((level, cut), {})
        for at, number in zip(range(16, len(value), 32), numbers, strict=True):
            rows_count = int.from_bytes(value[at + 8 : at + 16], "little")
            paise = int.from_bytes(value[at + 16 : at + 32], "little")
            assert rows_count
            before = found.get((period, number), (0, 0))
            found[period, number] = before[0] + rows_count, before[1] + paise
    last_month = month_of(day)
    ended = [
        row.sequence
        for row in rows[:sequence]
        if month_of(day_of(row.timestamp)) < last_month
    ]
    for (level, _), end in ends.items():
        assert end == (sequence if level == 1 else ended[-1])
    wanted = {(1, cut) for cut in (1, 2, 3, 4)}
    if ended:
        wanted |= {(2, cut) for cut in (1, 2, 3)}
    assert set(ends) == wanted
    return Stored(sequence, cuts)
