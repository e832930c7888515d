"""Copies a journal, chunk by chunk, while its server goes on.

LMDB's own copy holds one read transaction from its beginning to its end, and the file
that is copied grows meanwhile because no page can be used again. Here each read
transaction takes a bounded number of bytes and ends. What makes that a consistent copy
is the journal itself: chunks are only ever appended, so that all up to one that was
durable at the beginning are one state.

The copy has the same chunks, byte for byte, in a file of its own. Of several chunks one
transaction is made, so that its number is never above that of the last chunk.
"""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import lmdb

from switch.backup.proof import Tell, check_end, data_file
from switch.durable_files import make_directories, sync_directory
from switch.errors import BusyError, ConfigError, StorageError
from switch.ledger.shapes import (
    CLUSTER,
    FILES,
    FOLDER,
    PARTS,
    check,
    check_ledger,
    open_file,
    remove_mark,
    shape,
    write_mark,
)

BATCH_BYTES: Final = 32 << 20
"""Bytes that one transaction copies at most, one chunk more aside."""
BATCH_CHUNKS: Final = 4_096
"""Chunks that one transaction copies at most."""
NAMED_MAX: Final = 16
"""Named databases of one environment."""
NAMES_MAX: Final = 16
"""Values beside the chunks; there is one, the ledger's name."""
MAP_LEAST: Final = 1 << 30
INVALID: Final = -30793
"""LMDB's code for a file that is not what it should be."""
TABLES: Final = (b"meta", b"journal")
LOCK: Final = "LOCK"
PARTIAL: Final = ".partial"

Chunks = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied: the ledger's state right after entry `sequence`."""

    sequence: int
    chunks: int
    size: int
    check: str
    """The last chunk's check, which all before it go into; empty without a chunk."""

    def with_chunk(self, key: bytes, value: bytes) -> "Copied":
        """With the chunk behind it."""
        first, count = int.from_bytes(key, "big"), value[8:12]
        return Copied(
            first + int.from_bytes(count, "little") - 1,
            self.chunks + 1,
            self.size + len(value),
            value[60:64][::-1].hex(),
        )


class Journal(Protocol):
    """What is copied: a journal here, or one that comes as a stream."""

    def names(self) -> Chunks:
        """What stands beside the chunks."""

    def last(self) -> bytes:
        """The key of the last chunk that is copied; empty if there is none."""

    def size(self) -> int:
        """About how many bytes it has."""

    def batches(self, last: bytes) -> Iterator[Chunks]:
        """The chunks up to `last`, some at a time."""

    def close(self) -> None:
        """Nothing is read any more."""


class Source:
    """The journal that is copied, read through the table of readers."""

    def __init__(self, directory: Path) -> None:
        """Open it. Raises ConfigError, StorageError; CorruptionError if nobody has the
        ledger open and its journal lacks what lies whole in its file.
        """
        check_ledger(directory)
        if not shape(data_file(directory)):
            raise ConfigError(f"{directory} holds no ledger")
        check_end(directory)
        path = directory / "journal"
        lock = os.access(path / "lock.mdb", os.W_OK)
        try:
            self.env = lmdb.open(
                *(str(path), 0), readonly=True, lock=lock, max_dbs=NAMED_MAX
            )
            self.meta, self.chunks = (
                self.env.open_db(name, create=False) for name in TABLES
            )
        except (lmdb.Error, OSError) as error:
            raise StorageError(INVALID, f"{path} cannot be read: {error}") from error

    def names(self) -> Chunks:
        """What stands beside the chunks."""
        with self.env.begin() as txn, txn.cursor(self.meta) as cursor:
            return [pair for pair, _ in zip(cursor, range(NAMES_MAX), strict=False)]

    def last(self) -> bytes:
        """The key of the last chunk that is durable now; empty if there is none."""
        with self.env.begin() as txn, txn.cursor(self.chunks) as cursor:
            return bytes(cursor.key()) if cursor.last() else b""

    def value(self, key: bytes) -> bytes:
        """A chunk; empty if there is none of this key."""
        with self.env.begin() as txn:
            return txn.get(key, db=self.chunks) or b""

    def close(self) -> None:
        """Nothing is read any more."""
        self.env.close()

    def size(self) -> int:
        """About how many bytes the journal has in use."""
        info = self.env.info()
        return int(info["last_pgno"] + 1) * int(self.env.stat()["psize"])

    def batches(self, last: bytes) -> Iterator[Chunks]:
        """The chunks up to `last`, some at a time, each in a transaction of its own."""
        key = b""
        while last:
            batch: Chunks = []
            size = 0
            with self.env.begin() as txn, txn.cursor(self.chunks) as cursor:
                found = cursor.set_range(key + b"\0" if key else b"\0")
                while found and size < BATCH_BYTES and len(batch) < BATCH_CHUNKS:
                    key = bytes(cursor.key())
                    if key > last:
                        break
                    batch.append((key, cursor.value()))
                    size += len(batch[-1][1])
                    found = cursor.next()
            if not batch:
                return
            yield batch


def copy(source: Path, target: Path, tell: Tell | None = None) -> Copied:
    """Copy the ledger `source` to `target`; nothing is in its place until it is whole.

    `tell` hears how many entries of how many are copied. What is returned lies in
    `partial_of(target)`, for `finish` to put in place. Raises ConfigError, BusyError,
    StorageError, lmdb.Error.
    """
    _check_free(target)
    journal = Source(source)
    try:
        _check_apart(source, partial_of(target))
        return _copy(journal, target, bool(shape(source / CLUSTER)), tell)
    finally:
        journal.close()


def receive(
    journal: Journal, target: Path, *, is_clusters: bool, tell: Tell | None = None
) -> Copied:
    """The same of a journal that comes from elsewhere. Raises also what that raises."""
    _check_free(target)
    return _copy(journal, target, is_clusters, tell)


def _check_free(target: Path) -> None:
    if shape(target):
        raise ConfigError(f"{target} is there already; a copy replaces nothing")


def _copy(
    journal: Journal, target: Path, is_clusters: bool, tell: Tell | None
) -> Copied:
    partial = partial_of(target)
    with _locked(partial):
        _clear(partial)
        size = journal.size()
        room = shutil.disk_usage(partial).free
        if room < size:
            raise ConfigError(
                f"{partial.parent} has room for {room:,} bytes; {size:,} are needed"
            )
        copied = _fill(journal, partial / "journal", size, tell)
        if is_clusters:
            # Served alone it would be a second ledger beside the log, too.
            write_mark(partial / CLUSTER)
    return copied


def partial_of(target: Path) -> Path:
    """Where a copy lies until it is whole."""
    return target.with_name(target.name + PARTIAL)


def finish(target: Path) -> None:
    """Put a copy that was proved in its place, durably."""
    partial = partial_of(target)
    (partial / "journal" / "lock.mdb").unlink(missing_ok=True)
    for path in (partial / "journal", partial):
        sync_directory(path)
    partial.rename(target)
    sync_directory(target.parent)


def _fill(journal: Journal, path: Path, size: int, tell: Tell | None) -> Copied:
    """Write the chunks that are durable now into a new environment."""
    last = journal.last()
    env = lmdb.open(
        *(str(path), max(2 * size, MAP_LEAST)), max_dbs=NAMED_MAX, mode=0o600
    )
    with contextlib.closing(env):
        return _write(journal, last, env, tell)


def _write(
    journal: Journal, last: bytes, env: lmdb.Environment, tell: Tell | None
) -> Copied:
    names = journal.names()
    total = int.from_bytes(last, "big")
    copied = Copied(0, 0, 0, "")
    # The first transaction makes the tables as well, as that of a new ledger does.
    for batch in _with_first(journal.batches(last)):
        with env.begin(write=True) as txn:
            meta, table = (env.open_db(name, txn=txn) for name in TABLES)
            for key, value in names if not copied.chunks else ():
                txn.put(key, value, db=meta)
            for key, value in batch:
                if not txn.put(key, value, db=table, append=True):
                    raise StorageError(INVALID, "chunks are not in order")
        for key, value in batch:
            copied = copied.with_chunk(key, value)
        if tell:
            tell(min(copied.sequence, total), total)
    return copied


def _with_first(batches: Iterator[Chunks]) -> Iterator[Chunks]:
    """The batches; one without a chunk if there is none."""
    yield next(batches, [])
    yield from batches


def _clear(partial: Path) -> None:
    """Delete what an earlier copy left that was cut off, and nothing else."""
    known = {LOCK, CLUSTER, "journal", "journal/data.mdb", "journal/lock.mdb"}
    check_ledger(partial)
    there = {str(path.relative_to(partial)) for path in partial.rglob("*")}
    if not there <= known:
        raise ConfigError(f"{partial} has files that no copy makes; look at it")
    remove_mark(partial / CLUSTER)
    (partial / "journal").mkdir(mode=0o700, exist_ok=True)
    # In the very directory that is ours, whatever its name leads to meanwhile.
    own = os.open(partial / "journal", os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        for name in FILES:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=own)
    finally:
        os.close(own)


def _check_apart(source: Path, partial: Path) -> None:
    """Raise ConfigError if a copy would lie in the ledger or be it by another name."""
    check(partial, FOLDER)
    check_ledger(partial)
    ledger = {_place(source), *(_place(source / part) for part in PARTS)} - {None}
    real = partial.parent.resolve()
    for path in (partial / "journal", partial, real, *real.parents):
        if _place(path) in ledger:
            raise ConfigError(
                f"{partial} would lie in the ledger {source}; copy it elsewhere. "
                "Nothing was changed"
            )


def _place(path: Path) -> tuple[int, int] | None:
    """Which directory a path leads to, whatever its name; None if to none."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


@contextlib.contextmanager
def _locked(partial: Path) -> Iterator[None]:
    """Keep another copy out of the directory; it is made if it is not there."""
    make_directories(partial)
    check(partial, FOLDER)
    lock = open_file(partial / LOCK, os.O_RDWR | os.O_CREAT)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(f"another copy is being written to {partial}") from None
        yield
    finally:
        os.close(lock)
