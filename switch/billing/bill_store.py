"""The bills that billers have put in, by service and reference: an LMDB environment.

    DIR/bills/store/      meta    service u16 → sequence, count, amount, hash, check
                          bills   service u16, reference, 0, id or period → check, line
                          ids     service u16, id → reference, if bills are paid by id

May use `bill_files` and words. Derived: the journal says which files were put in, and
the files say what is due; what is wrong with the store is a StoreError, and it is made
anew. One thread writes, any may read.
"""

import logging
import os
import shutil
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple

import lmdb

from switch._core import crc32c
from switch.billing.bill_files import NAME, Line, read_line
from switch.durable_files import sync_directory
from switch.errors import SpaceError, SwitchError
from switch.ledger.environments import ROOM_LEAST, open_environment
from switch.ledger.shapes import FOLDER, check, remove_mark, shape, write_mark

log = logging.getLogger("switch.bills")

STORE: Final = "store"
ASIDE: Final = "store.aside"
OPEN: Final = "store.open"
"""The mark of a process that has it open."""
MAP_SIZE: Final = 1 << 38
"""Bytes of address space: four thousand for each of 65,536 bills of 1,024 services."""
FOUND_MAX: Final = 17
"""Bills of one reference that are looked at: one more than an answer may have."""

_SERVICE: Final = struct.Struct(">H")
_STATE: Final = struct.Struct("<QQQ32sI")
_CHECK: Final = struct.Struct("<I")
_FORM: Final = (b"form", b"2")
"""In `meta`, of a store with these tables."""
FULL, DELTA, WITHDRAWAL, ADDITION = 1, 2, 3, 4


class StoreError(SwitchError):
    """What the store says cannot be believed; the text says why."""


@dataclass(frozen=True, slots=True)
class State:
    """What the store has of one service."""

    sequence: int = 0
    """Of the last bills row whose file is in it; 0: of none."""
    count: int = 0
    amount: int = 0
    hash: bytes = bytes(32)
    """Of that file: in another journal another file has the sequence."""


class Met(NamedTuple):
    """What lines of a file meet in the store."""

    replaces: bool
    """Some take the place of bills that are there."""
    other: tuple[int, str] | None
    """The place of the first whose id is there under another reference, and that."""


class BillStore:
    """The environment, open."""

    def __init__(self, directory: Path, instance: bytes) -> None:
        """Open it beside a ledger, or make it.

        Raises StoreError, ConfigError, OSError.
        """
        folder = directory / NAME
        path = folder / STORE
        if not check(folder, FOLDER):
            folder.mkdir(mode=0o700)
            sync_directory(directory)
        self._path = path
        self._instance = instance
        try:
            names = b"meta", b"bills", b"ids"
            self._env, tables = open_environment(path, MAP_SIZE, *names)
            self._meta, self._bills, self._ids = tables
            self._check_form()
        except lmdb.Error as error:
            raise StoreError(f"LMDB cannot open it: {error}") from error

    def _check_form(self) -> None:
        """One of before is made anew: it lacks a table."""
        with self._env.begin(write=True, db=self._meta) as txn:
            if txn.stat(self._meta)["entries"] == 0:
                txn.put(*_FORM)
            is_known = txn.get(_FORM[0]) == _FORM[1]
        if not is_known:
            self._env.close()
            raise StoreError("it has another form")

    def close(self) -> None:
        """Nobody may be reading."""
        self._env.close()

    # --- reading -----------------------------------------------------------------

    def state(self, service: int) -> State:
        """What it has of a service. Raises StoreError."""
        try:
            with self._env.begin(db=self._meta) as txn:
                return self._state(txn, service)
        except lmdb.Error as error:
            raise StoreError(f"LMDB cannot read it: {error}") from error

    def find(
        self, service: int, reference: str, sequence: int, digest: bytes
    ) -> list[Line] | None:
        """The bills of a reference, at most FOUND_MAX; None: it lacks files up to that
        of the bills row `sequence`, whose hash is `digest`. Raises StoreError.
        """
        try:
            with self._env.begin() as txn:
                state = self._state(txn, service)
                if (state.sequence, state.hash) != (sequence, digest):
                    return None
                begin = _SERVICE.pack(service) + reference.encode() + b"\0"
                return list(self._read(txn, begin))
        except lmdb.Error as error:
            raise StoreError(f"LMDB cannot read it: {error}") from error

    def met(
        self, state: State, service: int, lines: Sequence[Line], *, by_period: bool
    ) -> Met | None:
        """What lines of a delta meet here; None if it has not just `state`.

        Raises StoreError.
        """
        replaces, other = False, None
        try:
            with self._env.begin() as txn:
                found = self._state(txn, service)
                if (found.sequence, found.hash) != (state.sequence, state.hash):
                    return None
                for place, line in enumerate(lines):
                    own = line.period if by_period else line.id
                    replaces = replaces or any(
                        txn.get(_key(service, line.reference, one), db=self._bills)
                        for one in (own, *line.supersedes)
                    )
                    if by_period or other is not None:
                        continue
                    of = txn.get(_id_key(service, own), db=self._ids)
                    if of is not None and bytes(of) != line.reference.encode():
                        other = place, bytes(of).decode()
        except lmdb.Error as error:
            raise StoreError(f"LMDB cannot read it: {error}") from error
        return Met(replaces, other)

    def _read(self, txn: lmdb.Transaction, begin: bytes) -> Iterator[Line]:
        cursor = txn.cursor(self._bills)
        found = cursor.set_range(begin)
        count = 0
        while found and count < FOUND_MAX:
            if not bytes(cursor.key()).startswith(begin):
                return
            key, value = map(bytes, cursor.item())
            [stored] = _CHECK.unpack_from(value)
            if stored != self._check(key, value[_CHECK.size :]):
                raise StoreError("the check of a bill is wrong")
            yield read_line(value[_CHECK.size :])
            count += 1
            found = cursor.next()

    def _state(self, txn: lmdb.Transaction, service: int) -> State:
        key = _SERVICE.pack(service)
        found = txn.get(key, db=self._meta)
        if found is None:
            return State()
        value = bytes(found)
        if len(value) != _STATE.size:
            raise StoreError("what it says of a service has another size")
        *said, stored = _STATE.unpack(value)
        if stored != self._check(key, value[: -_CHECK.size]):
            raise StoreError("the check of what it says of a service is wrong")
        return State(*said)

    def _check(self, key: bytes, value: bytes) -> int:
        return crc32c(value, crc32c(self._instance + key))

    # --- writing -----------------------------------------------------------------

    def apply(
        self,
        service: int,
        before: int,
        to: State,
        form: int,
        lines: Iterable[Line],
        *,
        by_period: bool,
    ) -> State:
        """Do what a file says, all of it or nothing; durable when this returns.

        `before` is the bills row that the store must have but with a full file; `to`
        has the sequence and hash of this one. Bills are known by their period or their
        id. Raises StoreError, SpaceError, and what `lines` raises.
        """
        try:
            with self._env.begin(write=True) as txn:
                state = self._state(txn, service)
                if form == FULL:
                    self._drop(txn, service)
                    state = State()
                elif state.sequence != before:
                    raise StoreError(f"it lacks the file of entry {before}")
                sums = _Sums(state.count, state.amount)
                for line in lines:
                    self._look_for_room(txn)
                    self._take(txn, service, line, sums, form, by_period=by_period)
                state = replace(to, count=sums.count, amount=sums.amount)
                key = _SERVICE.pack(service)
                said = _STATE.pack(
                    state.sequence, state.count, state.amount, state.hash, 0
                )[: -_CHECK.size]
                packed = said + _CHECK.pack(self._check(key, said))
                txn.put(key, packed, db=self._meta)
                return state
        except (lmdb.MapFullError, lmdb.DiskError) as error:
            raise SpaceError(f"{self._path}: {error}") from error
        except lmdb.Error as error:
            raise StoreError(f"LMDB cannot write it: {error}") from error

    def _take(
        self,
        txn: lmdb.Transaction,
        service: int,
        line: Line,
        sums: "_Sums",
        form: int,
        *,
        by_period: bool,
    ) -> None:
        """One line: what it stands for goes, as what it takes the place of."""
        own = line.period if by_period else line.id
        for known_as in (own, *line.supersedes):
            key = _key(service, line.reference, known_as)
            old = txn.get(key, db=self._bills)
            if old is not None:
                sums.count -= 1
                sums.amount -= read_line(bytes(old[_CHECK.size :])).amount_due
                txn.delete(key, db=self._bills)
                self._forget_id(txn, service, line.reference, known_as, by_period)
        if form == WITHDRAWAL:
            return
        key, value = _key(service, line.reference, own), line.packed()
        packed = _CHECK.pack(self._check(key, value)) + value
        txn.put(key, packed, db=self._bills)
        if not by_period:
            txn.put(_id_key(service, own), line.reference.encode(), db=self._ids)
        sums.count += 1
        sums.amount += line.amount_due

    def _forget_id(
        self,
        txn: lmdb.Transaction,
        service: int,
        reference: str,
        known_as: str,
        by_period: bool,
    ) -> None:
        key = _id_key(service, known_as)
        if not by_period and txn.get(key, db=self._ids) == reference.encode():
            txn.delete(key, db=self._ids)

    def _drop(self, txn: lmdb.Transaction, service: int) -> None:
        begin = _SERVICE.pack(service)
        for table in (self._bills, self._ids):
            cursor = txn.cursor(table)
            found = cursor.set_range(begin)
            while found and bytes(cursor.key()).startswith(begin):
                found = cursor.delete()

    _steps = 0

    def _look_for_room(self, txn: lmdb.Transaction) -> None:
        """Now and then, as what a file takes is not known before."""
        self._steps += 1
        if self._steps % 65_536 != 1:
            return
        found = os.statvfs(self._path)
        if found.f_bavail * found.f_frsize < ROOM_LEAST:
            raise SpaceError(f"{self._path}: too little room on the disk")


class _Sums:
    """Of a service's bills, as a file is taken in."""

    def __init__(self, count: int, amount: int) -> None:
        self.count = count
        self.amount = amount


def _key(service: int, reference: str, known_as: str) -> bytes:
    return _SERVICE.pack(service) + f"{reference}\0{known_as}".encode()


def _id_key(service: int, bill_id: str) -> bytes:
    return _SERVICE.pack(service) + bill_id.encode()


def open_store(directory: Path, instance: bytes) -> BillStore:
    """The store beside a ledger; what cannot be opened is set aside, and begun anew.

    So is what no process has closed: LMDB follows its pages wherever they lead, and
    what has ended one process would end the next.
    """
    mark, path = directory / NAME / OPEN, directory / NAME / STORE
    if shape(mark) and shape(path) == FOLDER:
        log.info("the store of bills was not closed: it is made anew")
        shutil.rmtree(path)
    try:
        store = BillStore(directory, instance)
    except StoreError as error:
        set_aside(directory, error)
        store = BillStore(directory, instance)
    write_mark(mark)
    return store


def close_store(directory: Path, store: BillStore) -> None:
    """Close it in order. Nobody may be reading."""
    store.close()
    remove_mark(directory / NAME / OPEN)


def set_aside(directory: Path, why: StoreError) -> None:
    """Keep what there is of it once, for who wants to know. It must not be open."""
    path, aside = directory / NAME / STORE, directory / NAME / ASIDE
    log.error("the store of bills is made anew: %s; the old one is %s", why, aside)
    if shape(aside) == FOLDER:
        shutil.rmtree(aside)
    if shape(path):
        path.replace(aside)
        sync_directory(path.parent)
