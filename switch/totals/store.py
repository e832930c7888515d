"""The totals on disk: an LMDB environment beside the ledger, with parts and a header.

May use the core for checks, and words. It holds what `docs/totals.md` says, and nothing
that the journal could not give again: whatever is wrong with it is a `DoubtError`.
"""

import logging
import os
import shutil
import struct
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, Self

import lmdb
import numpy as np

from switch._core import Ledger, crc32c
from switch.durable_files import sync_directory
from switch.errors import SpaceError, SwitchError
from switch.ledger.environments import ROOM_LEAST, open_environment
from switch.ledger.shapes import FOLDER, check, remove_mark, shape, write_mark
from switch.totals.figures import CUTS, Cut, Level, month_of
from switch.totals.sums import ENTRY, Entries, Sums, from_entries

log = logging.getLogger("switch.totals")

NAME: Final = "totals"
ASIDE: Final = "totals.aside"
OPENING: Final = "totals.opening"
MAP_SIZE: Final = 1 << 40
"""Bytes of address space: at 40 for each row of the journal, 27 thousand million."""

_MAGIC: Final = 0x31544F54
_FORMAT: Final = 1
_HEADER: Final = struct.Struct("<IHH16sQQQQIIII")
_KEY: Final = struct.Struct(">BBIQ")
_HEAD: Final = struct.Struct("<QI")
_CHECK: Final = struct.Struct("<I")
_HEADER_NAME: Final = b"totals"


class DoubtError(SwitchError):
    """What the store says cannot be believed; the text says why."""


class NoRoomError(SpaceError):
    """Too little room on the disk. Nothing was written."""


class Header(NamedTuple):
    """Up to where the store has counted, and in which journal."""

    sequence: int
    timestamp: int
    ordinal: int
    chunk_first: int
    chunk_rows: int
    chunk_check: int
    day: int


class PartKey(NamedTuple):
    """Which part; as its key in the store."""

    level: Level
    cut: Cut
    period: int
    first: int

    def packed(self) -> bytes:
        """The key's bytes."""
        return _KEY.pack(*self)


class Part(NamedTuple):
    """Sums of the rows from `first` of its key to `last`."""

    last: int
    entries: Entries

    @property
    def sums(self) -> Sums:
        """The entries, in columns."""
        return from_entries(self.entries)


def header_of(ledger: Ledger, sequence: int, timestamp: int, day: int) -> Header:
    """The header of a store that has counted up to a durable row."""
    return Header(sequence, timestamp, *ledger.chunk_of(sequence), day)


class Reading:
    """One state of the store, for one thread. Raises DoubtError for a wrong check."""

    def __init__(self, store: "Store", txn: lmdb.Transaction) -> None:
        """What a transaction sees that gives buffers."""
        self._store = store
        self._txn = txn

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._txn.abort()

    def _get(
        self, key: bytes, table: "lmdb._Database", size: int | None = None
    ) -> bytes | None:
        """A value, or its first bytes: what is not wanted is not read either."""
        value = self._txn.get(key, db=table)
        return None if value is None else bytes(value[:size])

    def header(self) -> Header | None:
        """Up to where it has counted; None if it has counted nothing."""
        found = self._get(_HEADER_NAME, self._store.meta)
        if found is None:
            return None
        if len(found) != _HEADER.size:
            raise DoubtError("its header has another size")
        magic, version, zero, instance, *fields, checked = _HEADER.unpack(found)
        if (magic, version, zero) != (_MAGIC, _FORMAT, 0):
            raise DoubtError("it is of another format")
        if checked != crc32c(found[:-4]):
            raise DoubtError("the check of its header is wrong")
        if instance != self._store.instance:
            raise DoubtError("it is of another ledger")
        return Header(*fields)

    def keys(
        self, level: Level, cut: Cut, period: int = 0, before: int = 1 << 32
    ) -> Iterator[PartKey]:
        """The parts of these periods, `before` left out, in the order of their rows."""
        begin = PartKey(level, cut, period, 0).packed()
        cursor = self._txn.cursor(self._store.parts)
        found = cursor.set_range(begin)
        while found:
            key = _part_key(bytes(cursor.key()))
            if (key.level, key.cut) != (level, cut) or key.period >= before:
                return
            yield key
            found = cursor.next()

    def part(self, key: PartKey) -> Part:
        """What a part sums, its check looked at. Its entries lie in the store, and are
        there as long as this reads; its `sums` are columns of their own.
        """
        packed = key.packed()
        value = self._txn.get(packed, db=self._store.parts)
        if value is None or len(value) < _HEAD.size + _CHECK.size:
            raise DoubtError(f"a part is not there, or cut short: {key}")
        head = bytes(value[: _HEAD.size])
        # A year has some ten megabytes of them: to copy them takes as long as to add.
        entries = value[_HEAD.size + _CHECK.size :]
        last, count = _HEAD.unpack(head)
        [check] = _CHECK.unpack_from(value, _HEAD.size)
        if check != self._store.check_of(packed, head, entries):
            raise DoubtError(f"the check of a part is wrong: {key}")
        if len(entries) != count * ENTRY.itemsize:
            raise DoubtError(f"a part has another size: {key}")
        return Part(last, np.frombuffer(entries, ENTRY))

    def last(self, key: PartKey) -> int:
        """The last row of a part, as it says without its check."""
        with_head = self._get(key.packed(), self._store.parts, _HEAD.size)
        if with_head is None or len(with_head) < _HEAD.size:
            raise DoubtError(f"a part is not there, or cut short: {key}")
        last, _ = _HEAD.unpack_from(with_head)
        return int(last)


def _part_key(packed: bytes) -> PartKey:
    try:
        level, cut, period, first = _KEY.unpack(packed)
        return PartKey(Level(level), Cut(cut), period, first)
    except (struct.error, ValueError) as error:
        raise DoubtError(f"a part has a key that is none: {packed.hex()}") from error


class Store:
    """The environment, open. One thread writes; any may read."""

    def __init__(self, path: Path, instance: bytes) -> None:
        """Open it in `path`, or make it. Raises DoubtError if LMDB cannot.

        ConfigError if a link, or anything else, lies where its files must.
        """
        self._path = path
        self.instance = instance
        try:
            self.env, tables = open_environment(path, MAP_SIZE, b"meta", b"parts")
            self.meta, self.parts = tables
        except lmdb.Error as error:
            raise DoubtError(f"LMDB cannot open it: {error}") from error

    def close(self) -> None:
        """Close the environment. Nobody may be reading."""
        self.env.close()

    def reading(self) -> Reading:
        """Its newest state. Use it in a `with`, in one thread."""
        return Reading(self, self.env.begin(buffers=True))

    def check_of(self, key: bytes, head: bytes, entries: bytes | memoryview) -> int:
        """The check of a part."""
        return crc32c(entries, crc32c(self.instance + key + head))

    def write(
        self,
        header: Header,
        parts: Callable[[Reading], Iterable[tuple[PartKey, Part]]],
    ) -> None:
        """Put parts in the place of those with the same keys, in one transaction.

        `parts` makes them of what is there. Durable when this returns. Raises
        NoRoomError, OSError and what `parts` raises; nothing was written then.
        """
        found = os.statvfs(self._path)
        room = found.f_bavail * found.f_frsize - ROOM_LEAST
        packed = _HEADER.pack(_MAGIC, _FORMAT, 0, self.instance, *header, 0)[:-4]
        try:
            with self.env.begin(write=True, buffers=True) as txn:
                for key, part in parts(Reading(self, txn)):
                    value = self._pack(key, part)
                    room -= 2 * len(value)
                    if room < 0:
                        raise NoRoomError(f"{self._path}: too little room on the disk")
                    txn.put(key.packed(), value, db=self.parts)
                packed += _CHECK.pack(crc32c(packed))
                txn.put(_HEADER_NAME, packed, db=self.meta)
        except (lmdb.MapFullError, lmdb.DiskError) as error:
            raise NoRoomError(f"{self._path}: {error}") from error
        except lmdb.Error as error:
            raise DoubtError(f"LMDB cannot write it: {error}") from error

    def _pack(self, key: PartKey, part: Part) -> bytes:
        entries = part.entries.tobytes()
        head = _HEAD.pack(part.last, len(part.entries))
        check = self.check_of(key.packed(), head, entries)
        return head + _CHECK.pack(check) + entries


def check_store(store: Store, ledger: Ledger) -> Header | None:
    """What the store has counted of this very journal; None if nothing.

    Raises DoubtError if it knows another journal, or its parts are not whole.
    """
    try:
        with store.reading() as reading:
            header = reading.header()
            ends = [_end(reading, Level.DAY, cut) for cut in CUTS[Level.DAY]]
            _check_months(reading)
    except lmdb.Error as error:
        raise DoubtError(f"LMDB cannot read it: {error}") from error
    if header is None:
        if any(ends):
            raise DoubtError("it has parts and no header")
        return None
    if header.sequence > ledger.sequence:
        raise DoubtError(
            f"it has counted up to entry {header.sequence}, and the journal ends with "
            f"{ledger.sequence}"
        )
    known = header.ordinal, header.chunk_first, header.chunk_rows, header.chunk_check
    if ledger.chunk_of(header.sequence) != known:
        raise DoubtError(f"the journal has another entry {header.sequence}")
    if any(end != header.sequence for end in ends):
        raise DoubtError("its parts leave rows out")
    return header


def _check_months(reading: Reading) -> None:
    """Months end where their days do, by each cut."""
    ends = {_end(reading, Level.MONTH, cut) for cut in CUTS[Level.MONTH]}
    days = {0: 0}
    for key in reading.keys(Level.DAY, Cut.CELLS):
        days[month_of(key.period)] = reading.last(key)
    months = [key.period for key in reading.keys(Level.MONTH, Cut.CELLS)]
    if ends != {days.get(max(months, default=0))}:
        raise DoubtError("its months do not end where their days do")


def _end(reading: Reading, level: Level, cut: Cut) -> int:
    """The last row of the parts of a cut, which follow each other."""
    end = 0
    for key in reading.keys(level, cut):
        if key.first != end + 1:
            raise DoubtError(f"rows are missing before a part, or there twice: {key}")
        end = reading.last(key)
        if end < key.first:
            raise DoubtError(f"a part ends before it begins: {key}")
    return end


def open_store(directory: Path, ledger: Ledger) -> tuple[Store, Header | None]:
    """The store of a ledger's directory, and up to where it has counted.

    One that cannot be believed is set aside, and begun anew.
    """
    path, mark = directory / NAME, directory / OPENING
    if shape(mark) and shape(path):
        # LMDB follows its pages, and may end the process where they are none.
        set_aside(directory, DoubtError("a start ended while it was read"))
    write_mark(mark)
    try:
        return _opened(path, ledger)
    except DoubtError as error:
        set_aside(directory, error)
        return Store(path, ledger.instance), None
    finally:
        remove_mark(mark)


def _opened(path: Path, ledger: Ledger) -> tuple[Store, Header | None]:
    store = Store(path, ledger.instance)
    try:
        return store, check_store(store, ledger)
    except BaseException:
        store.close()
        raise


def set_aside(directory: Path, why: Exception) -> None:
    """Keep a store that is not believed as evidence, in the place of the last one."""
    log.error("the totals are set aside in %s and made anew: %s", ASIDE, why)
    aside = directory / ASIDE
    if shape(aside) == FOLDER:
        shutil.rmtree(aside)
    else:
        check(aside, FOLDER)
    (directory / NAME).rename(aside)
    sync_directory(directory)
