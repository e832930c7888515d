"""The store of totals, compared with what the journal gives.

It is derived, and may be absent; how it is written is said by docs/totals.md, from
which this was made and from nothing else. Each of its parts sums some rows that follow
each other: it is read once, in one read transaction, of which only its digest stays,
and compared when the pass over the journal has come to its last row.
"""

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import lmdb
import numpy as np

from switch.audit.crc import crc32c
from switch.audit.findings import Findings
from switch.audit.layout import Rows
from switch.audit.reader import DAMAGE, Environment, Journal
from switch.audit.sums import (
    ACCOUNTS,
    CELLS,
    CENTRES,
    ENTRY,
    SERVICES,
    Entries,
    Held,
    Sum,
    accounts_of,
    cell_words,
    cells_of,
    day_of,
    month_of,
    paise_of,
    rolled_up,
)
from switch.errors import StorageError

CHECK: Final = "figures"
MAGIC: Final = 0x31544F54
FORMAT: Final = 1
HEADER: Final = struct.Struct("<I2H16s4Q4I")
"""Magic, format, zero, instance; sequence, its timestamp, its chunk's ordinal and first
row; that chunk's rows and check, the day, the check of all before it."""
PLACE: Final = struct.Struct(">BBIQ")
"""Level, cut, period, first: the key of a part."""
HEAD: Final = struct.Struct("<Q2I")
"""Last, entries, check: how the value of a part begins."""
DAY, MONTH = 1, 2
LEVELS: Final = {DAY: "day", MONTH: "month"}
CUTS: Final = {
    CELLS: "cells",
    CENTRES: "centres",
    SERVICES: "services",
    ACCOUNTS: "accounts",
}
TILINGS: Final = (
    *((DAY, cut) for cut in CUTS),
    *((MONTH, cut) for cut in (CELLS, CENTRES, SERVICES)),
)
"""What the parts of each stand without gap or overlap."""
DIFFERING_MAX: Final = 100
"""Entries of one part that are named."""


@dataclass(frozen=True)
class Part:
    """The sums of rows `first` to `last`, all of one day or month."""

    level: int
    cut: int
    period: int
    first: int
    last: int
    digest: bytes
    """Of its entries."""

    def __str__(self) -> str:
        """Where it stands."""
        where = f"{LEVELS[self.level]} {self.period}, {CUTS[self.cut]}"
        return f"the part of {where}, rows {self.first} to {self.last}"


@dataclass
class Stored:
    """What a store says of itself, and its parts."""

    directory: Path
    instance: bytes
    sequence: int
    time_ns: int
    chunk: tuple[int, int, int, int]
    """Ordinal, first row, rows and check of the chunk that has that row."""
    day: int
    parts: list[Part] = field(default_factory=list)


def read_totals(directory: Path, findings: Findings) -> Stored | None:
    """What `directory/totals` holds; None if there is nothing, or nothing that can be
    compared, which is then a finding.
    """
    path = directory / "totals"
    if not (path / "data.mdb").is_file():
        return None
    try:
        with Environment(path) as environment:
            meta, parts = environment.table("meta"), environment.table("parts")
            with environment.env.begin(buffers=True) as txn:
                return _read(txn, meta, parts, directory, findings)
    except (StorageError, *DAMAGE) as error:
        findings.add(CHECK, 0, f"its store cannot be read: {error}")
        return None


def _read(
    txn: "lmdb.Transaction",
    meta: "lmdb._Database | None",
    parts: "lmdb._Database | None",
    directory: Path,
    findings: Findings,
) -> Stored | None:
    """One snapshot."""
    value = txn.get(b"totals", db=meta) if meta is not None else None
    if value is None:
        if parts is not None and txn.stat(parts)["entries"]:
            findings.add(CHECK, 0, "its store has parts and no header")
        return None
    stored = read_header(bytes(value), directory)
    if isinstance(stored, str):
        findings.add(CHECK, 0, stored)
        return None
    if parts is not None:
        with txn.cursor(parts) as cursor:
            for key, body in cursor:
                part = read_part(bytes(key), memoryview(body), stored.instance)
                if isinstance(part, Part):
                    stored.parts.append(part)
                else:
                    findings.add(CHECK, stored.sequence, part)
    return stored


def read_header(value: bytes, directory: Path) -> Stored | str:
    """A header, or what is wrong with it."""
    if len(value) != HEADER.size:
        return f"the header of its store has {len(value)} bytes, not {HEADER.size}"
    magic, version, zero, instance, *rest = HEADER.unpack(value)
    if magic != MAGIC or version != FORMAT or zero:
        return "the header of its store does not begin as one does"
    sequence, time_ns, ordinal, first, rows, check, day, own = rest
    if own != crc32c(value[:-4]):
        return "the header of its store has a wrong check"
    chunk = ordinal, first, rows, check
    return Stored(directory, instance, sequence, time_ns, chunk, day)


def read_part(key: bytes, value: memoryview, instance: bytes) -> Part | str:
    """A part, or what is wrong with it."""
    if len(key) != PLACE.size:
        return f"a part of its store has a key of {len(key)} bytes"
    level, cut, period, first = PLACE.unpack(key)
    if (level, cut) not in TILINGS:
        return f"a part of its store is of level {level}, cut {cut}: there are none"
    where = f"the part of {LEVELS[level]} {period}, {CUTS[cut]}, from row {first}"
    if len(value) < HEAD.size:
        return f"{where} has {len(value)} bytes"
    last, count, check = HEAD.unpack(value[: HEAD.size])
    body = value[HEAD.size :]
    if len(body) != count * ENTRY.itemsize:
        return f"{where} says {count} entries and has {len(body)} bytes of them"
    head = instance + key + bytes(value[: HEAD.size - 4])
    if check != crc32c(body, crc32c(head)):
        return f"{where} has a wrong check"
    if not 1 <= first <= last:
        return f"{where} ends at {last}"
    entries = np.frombuffer(body, ENTRY)
    if (entries["key"][1:] <= entries["key"][:-1]).any():
        return f"{where} has entries that do not ascend"
    if not entries["count"].all():
        return f"{where} has an entry of no rows"
    return Part(level, cut, period, first, last, digest_of(body))


def digest_of(entries: "bytes | memoryview") -> bytes:
    """Of entries; there is one way to write them."""
    return hashlib.blake2b(entries, digest_size=16).digest()


class _Tiling:
    """The parts of one level and cut, in their order, and the sums of the next one."""

    def __init__(self, parts: list[Part]) -> None:
        self.parts = parts
        self.next = 0
        self.sum = Sum()
        self.periods: set[int] = set()

    @property
    def part(self) -> Part | None:
        """The one whose rows come."""
        return self.parts[self.next] if self.next < len(self.parts) else None


class Figures:
    """Compares a store as the rows come, in their order."""

    def __init__(self, stored: Stored, journal: Journal, findings: Findings) -> None:
        """`stored` is not ahead of the journal."""
        self._stored = stored
        self._journal = journal
        self._findings = findings
        self._held = Held(journal)
        self._tilings = {one: _Tiling(self._tiled(*one)) for one in TILINGS}
        self._ends = {part.last for of in self._tilings.values() for part in of.parts}
        self._lasts = np.array(sorted(self._ends), np.uint64)
        # Since the last row that was some part's last.
        self._cells, self._accounts = Sum(), Sum()
        self._periods: dict[int, set[int]] = {level: set() for level in LEVELS}
        self._seen = 0
        self._month = 0
        self._ended = 0
        """The last row of the newest month that has ended."""

    def _add(self, sequence: int, text: str) -> None:
        self._findings.add(CHECK, sequence, text)

    def check_header(self) -> None:
        """What the store says of its last row, against the journal."""
        stored, at = self._stored, self._stored.sequence
        row = self._journal.rows_at(np.array([at], np.uint64))[0]
        if int(row["timestamp"]) != stored.time_ns:
            self._add(at, f"it says that this row is of {stored.time_ns} ns")
        day = int(day_of(np.array([stored.time_ns], np.uint64))[0])
        if day != stored.day:
            self._add(at, f"it says that this row is of day {stored.day}, not {day}")
        head = self._journal.header_at(at)
        names = ("ordinal", "first_sequence", "rows_count", "check")
        mine = None if head is None else tuple(int(head[name]) for name in names)
        if mine != stored.chunk:
            text = "its store was made of another journal: the chunk of its last row is"
            self._add(at, f"{text} {stored.chunk}, not {mine}")

    def _tiled(self, level: int, cut: int) -> list[Part]:
        """Parts in order, as far as they follow each other without gap or overlap."""
        found = [
            one for one in self._stored.parts if (one.level, one.cut) == (level, cut)
        ]
        found.sort(key=lambda one: (one.first, one.last))
        expected = 1
        for number, part in enumerate(found):
            if part.first != expected or part.last > self._stored.sequence:
                where = f"{LEVELS[level]}s, {CUTS[cut]}"
                if part.last > self._stored.sequence:
                    text = f"{part} is ahead of its store"
                else:
                    text = f"of {where}, row {expected} should be followed by {part}"
                self._add(self._stored.sequence, text)
                return found[:number]
            expected = part.last + 1
        if level == DAY and expected != self._stored.sequence + 1:
            text = f"its {CUTS[cut]} by day end with row {expected - 1}"
            self._add(self._stored.sequence, text)
        return found

    def take(self, rows: Rows) -> None:
        """Take rows behind those before, up to the store's last and no further."""
        sequences = rows["sequence"]
        ends = np.searchsorted(sequences, self._lasts, side="right")
        edges = {*ends.tolist(), len(rows)} - {0}
        start = 0
        for end in sorted(edges):
            self._run(rows[start:end])
            start = end

    def _run(self, rows: Rows) -> None:
        """Rows that each tiling has in one part."""
        days = day_of(rows["timestamp"])
        months = month_of(days)
        last = int(rows["sequence"][-1])
        turns = np.flatnonzero(months[1:] != months[:-1])
        if self._month and months[0] != self._month:
            self._ended = self._seen
        if len(turns):
            self._ended = int(rows["sequence"][turns[-1]])
        self._month, self._seen = int(months[-1]), last
        self._cells.add(cells_of(rows, self._held))
        self._accounts.add(accounts_of(rows))
        self._periods[DAY] |= {int(days[0]), int(days[-1])}
        self._periods[MONTH] |= {int(months[0]), int(months[-1])}
        if last in self._ends:
            self._end(last)

    def _end(self, last: int) -> None:
        """A row was the last one of some parts."""
        cells = self._cells.take()
        cuts = {cut: rolled_up(cells, cut) for cut in (CELLS, CENTRES, SERVICES)}
        cuts[ACCOUNTS] = self._accounts.take()
        for (level, cut), tiling in self._tilings.items():
            part = tiling.part
            if part is None:
                continue
            tiling.sum.add(cuts[cut])
            tiling.periods |= self._periods[level]
            if part.last == last:
                self._compare(part, tiling)
                tiling.next += 1
                tiling.periods.clear()
        for periods in self._periods.values():
            periods.clear()

    def _compare(self, part: Part, tiling: _Tiling) -> None:
        mine = tiling.sum.take()
        if tiling.periods != {part.period}:
            text = f"{part} has rows of {LEVELS[part.level]} "
            others = sorted(tiling.periods - {part.period})
            self._add(part.last, text + ", ".join(map(str, others)))
        if digest_of(mine.tobytes()) == part.digest:
            return
        theirs = self._again(part)
        if theirs is None:
            self._add(part.last, f"{part} is not what the rows give")
            return
        for text in _differences(part, theirs, mine):
            self._add(part.last, text)

    def _again(self, part: Part) -> Entries | None:
        """The entries of a part; None if a server has written others since."""
        key = PLACE.pack(part.level, part.cut, part.period, part.first)
        with Environment(self._stored.directory / "totals") as environment:
            parts = environment.table("parts")
            with environment.env.begin() as txn:
                value = txn.get(key, db=parts) if parts is not None else None
        body = b"" if value is None else value[HEAD.size :]
        return np.frombuffer(body, ENTRY) if digest_of(body) == part.digest else None

    def finish(self) -> None:
        """All rows up to the store's last have come."""
        for (level, cut), tiling in self._tilings.items():
            if tiling.part is not None:
                self._add(
                    self._seen, f"{tiling.part} has rows that the journal has not"
                )
            if level == MONTH:
                last = tiling.parts[-1].last if tiling.parts else 0
                if last != self._ended:
                    text = f"its {CUTS[cut]} by month end with row {last}"
                    text += f", the last month that has ended with {self._ended}"
                    self._add(self._stored.sequence, text)


def _differences(part: Part, theirs: Entries, mine: Entries) -> Iterator[str]:
    """Each entry that is not what the rows give, the first ones by name."""
    both = np.concatenate((theirs, mine))
    _, where, counts = np.unique(both, return_index=True, return_counts=True)
    differing = np.unique(both["key"][where[counts == 1]])
    found = [
        {int(one["key"]): one for one in some[np.isin(some["key"], differing)]}
        for some in (theirs, mine)
    ]
    for key in differing[:DIFFERING_MAX].tolist():
        said, was = (_words(one.get(key)) for one in found)
        yield f"{part}: {cell_words(part.cut, key)}: {said}, and not {was}"
    if len(differing) > DIFFERING_MAX:
        yield f"{part}: {len(differing) - DIFFERING_MAX} entries more differ"


def _words(entry: np.void | None) -> str:
    if entry is None:
        return "nothing"
    return f"{int(entry['count'])} rows of {paise_of(entry)} paise"
