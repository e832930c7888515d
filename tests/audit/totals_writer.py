"""A tiny writer of a ledger's totals for tests, apart from server and auditor.

It counts rows one by one in plain integers, as docs/totals.md says, and packs what it
has counted with `struct`. It has no rules: whatever it is given it writes, well sealed.
"""

import datetime
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import lmdb

from switch.audit.crc import crc32c
from switch.codes import Kind, RowFlag
from tests.audit.journal_writer import INSTANCE, MAP_SIZE, Groups, Row, ist_day

Entries = dict[int, tuple[int, int]]
"""Count and paise, by key."""
DAY, MONTH = 1, 2
CUTS = {DAY: (1, 2, 3, 4), MONTH: (1, 2, 3)}
CORRECTION, UNDOING = int(RowFlag.CASE), int(RowFlag.UNDOES)


@dataclass
class Part:
    """Sums of rows that follow each other."""

    level: int
    cut: int
    period: int
    first: int
    last: int
    entries: Entries = field(default_factory=dict)

    @property
    def key(self) -> bytes:
        """Where it stands."""
        return struct.pack(">BBIQ", self.level, self.cut, self.period, self.first)

    def value(self, instance: bytes = INSTANCE) -> bytes:
        """What stands there."""
        body = b"".join(
            struct.pack("<QQ", key, count) + paise.to_bytes(16, "little")
            for key, (count, paise) in self.entries.items()
        )
        head = struct.pack("<QI", self.last, len(self.entries))
        check = crc32c(instance + self.key + head + body)
        return head + struct.pack("<I", check) + body


@dataclass
class Store:
    """A header's fields, and parts."""

    sequence: int
    timestamp: int
    ordinal: int
    first: int
    rows: int
    check: int
    day: int
    parts: list[Part]
    instance: bytes = INSTANCE

    def header(self) -> bytes:
        """72 bytes."""
        head = struct.pack("<I2H16s", 0x31544F54, 1, 0, self.instance)
        head += struct.pack(
            "<4Q", self.sequence, self.timestamp, self.ordinal, self.first
        )
        head += struct.pack("<3I", self.rows, self.check, self.day)
        return head + struct.pack("<I", crc32c(head))

    def part(self, level: int, cut: int, number: int = 0) -> Part:
        """One of the parts, in the order of their rows."""
        return [one for one in self.parts if (one.level, one.cut) == (level, cut)][
            number
        ]

    def write(self, directory: Path) -> None:
        """As `directory/totals`."""
        values = {part.key: part.value(self.instance) for part in self.parts}
        write_store(directory, self.header(), values)


def write_store(
    directory: Path, header: bytes | None, parts: dict[bytes, bytes]
) -> None:
    """Whatever bytes these are."""
    path = directory / "totals"
    path.mkdir(parents=True)
    options: dict[str, Any] = {"map_size": MAP_SIZE, "max_dbs": 4, "sync": False}
    with lmdb.open(str(path), **options) as env, env.begin(write=True) as txn:
        meta, table = (env.open_db(name, txn=txn) for name in (b"meta", b"parts"))
        if header is not None:
            txn.put(b"totals", header, db=meta)
        for key, value in parts.items():
            txn.put(key, value, db=table)


def month_of(day: int) -> int:
    """Of days since 1970-01-01."""
    date = datetime.date(1970, 1, 1) + datetime.timedelta(days=day)
    return date.year * 12 + date.month - 1


def figures_of(row: Row, holds: dict[int, Row]) -> Iterator[tuple[int, int]]:
    """The figures that a row counts in, and its paise there."""
    held = holds[row.resolves].amount if row.resolves in holds else 0
    match row.kind:
        case Kind.PAY:
            yield 1, row.amount
        case Kind.HOLD:
            yield 2, row.amount
        case Kind.POST:
            yield 3, row.amount
            yield 4, held
        case Kind.VOID:
            yield 5, held
        case Kind.EXPIRE:
            yield 6, held
        case Kind.REFUND:
            yield 7, row.amount
        case Kind.TRANSFER if row.flags & CORRECTION:
            yield 8, row.amount
            yield 9, held
        case Kind.TRANSFER if row.resolves and row.flags & UNDOING:
            yield 13, row.amount
        case Kind.CASE:
            yield 10, held
            if row.flags & CORRECTION:
                yield 11, held
        case Kind.VERIFY:
            yield 12, held


def counted(rows: Iterable[Row], holds: dict[int, Row], cut: int) -> Entries:
    """Entries of a cut."""
    found: Entries = {}

    def add(key: int, paise: int) -> None:
        count, before = found.get(key, (0, 0))
        found[key] = count + 1, before + paise

    for row in rows:
        if row.result != 1:
            continue
        if cut == 4:
            if row.kind in (Kind.TOP_UP, Kind.TRANSFER, Kind.SETTLE, Kind.BOOKED):
                add(row.debit * 1024 + row.kind * 4 + 1, row.amount)
                add(row.credit * 1024 + row.kind * 4 + 2, row.amount)
            continue
        undoes = row.kind == Kind.TRANSFER and row.resolves and row.flags & UNDOING
        refund = row.kind == Kind.REFUND or undoes
        wallet = row.credit if refund else row.debit
        head = row.debit if refund else row.credit
        service = row.service
        if row.kind == Kind.TRANSFER and (row.flags & CORRECTION or undoes):
            service = holds[row.resolves].service
        for figure, paise in figures_of(row, holds):
            key = figure
            if cut in (1, 2):
                key += wallet * 2**4
            if cut in (1, 3):
                key += service * 2**25 + head * 2**41
            add(key, paise)
    return dict(sorted(found.items()))


def store_of(groups: Groups, last: int, step: int = 10**9) -> Store:
    """What is right as of a row; days in parts of `step` rows at most."""
    rows = [row for group in groups for row in group if row.sequence <= last]
    holds = {row.sequence: row for row in rows if row.kind == Kind.HOLD}
    parts = []
    running = month_of(ist_day(rows[-1].timestamp))
    for level, cuts in CUTS.items():
        runs: list[list[Row]] = []
        before = None
        for row in rows:
            day = ist_day(row.timestamp)
            period = day if level == DAY else month_of(day)
            if level == MONTH and period == running:
                break
            if period != before or len(runs[-1]) == step:
                runs.append([])
            runs[-1].append(row)
            before = period
        for run in runs:
            day = ist_day(run[0].timestamp)
            period = day if level == DAY else month_of(day)
            parts += [
                Part(level, cut, period, run[0].sequence, run[-1].sequence, entries)
                for cut in cuts
                for entries in [counted(run, holds, cut)]
            ]
    ordinal, group = next(
        (at, one) for at, one in enumerate(groups, 1) if one[-1].sequence >= last
    )
    row = rows[-1]
    day = ist_day(row.timestamp)
    place = (ordinal, group[0].sequence, len(group))
    return Store(last, row.timestamp, *place, 0, day, parts)


def sealed(store: Store, directory: Path) -> Store:
    """With the check of the journal's chunk, as it is written there."""
    path, key = str(directory / "journal"), store.first.to_bytes(8, "big")
    with (
        lmdb.open(path, map_size=MAP_SIZE, max_dbs=4) as env,
        env.begin(db=env.open_db(b"journal")) as txn,
    ):
        value = txn.get(key)
    assert value is not None
    return replace(store, check=int.from_bytes(value[60:64], "little"))
