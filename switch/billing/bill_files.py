"""Files of bills, as billers put them in: their lines, their hash, and where they lie.

    DIR/bills/files/<service index>/<BLAKE2b-256 in hexadecimal>

May use words and the generated messages. A file has a line for each bill, in the forms
of its service; the journal's row has its hash, so that anybody can look whether a file
is the one that was put in. It is written once, and durable before the journal names it.
"""

import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple, Self

from switch.durable_files import sync_directory
from switch.errors import SpaceError, SwitchError
from switch.ledger.bills_put import HASH_SIZE
from switch.ledger.environments import ROOM_LEAST
from switch.ledger.shapes import FILE, FOLDER, check
from switch.v1 import billers_pb2 as pb

NAME: Final = "bills"
"""The folder beside the ledger: the store, and `files`."""
FILES: Final = "files"
PARTIAL: Final = "partial-"
"""What the name of a file that is being written begins with."""
_FIELDS: Final = 8


class BillFileError(SwitchError):
    """A file is not there, or not what the journal says; the text says which."""


class Line(NamedTuple):
    """One bill of a file, in the forms of its service. Paise, nanoseconds UTC."""

    reference: str
    id: str
    period: str
    amount_due: int
    due_time_ns: int
    valid_until_ns: int
    head: int
    supersedes: tuple[str, ...]

    def packed(self) -> bytes:
        """The bytes that the file's hash is of."""
        fields = (
            *(self.reference, self.id, self.period),
            *(self.amount_due, self.due_time_ns, self.valid_until_ns, self.head),
            *self.supersedes,
        )
        return "\t".join(map(str, fields)).encode() + b"\n"

    def message(self) -> pb.DueBill:
        """As its biller would say it when it is asked."""
        return pb.DueBill(
            id=self.id,
            period=self.period,
            reference=self.reference,
            amount_due=self.amount_due,
            due_time_ns=self.due_time_ns,
            valid_until_ns=self.valid_until_ns,
            head=self.head,
            supersedes=self.supersedes,
        )


def read_line(packed: bytes) -> Line:
    """A line of a file that was written here. Raises BillFileError."""
    fields = packed.decode("utf-8", "replace").removesuffix("\n").split("\t")
    if len(fields) < _FIELDS - 1:
        raise BillFileError("a line of a file of bills is cut short")
    try:
        numbers = [int(one) for one in fields[3:7]]
    except ValueError as error:
        raise BillFileError("a line of a file of bills has no numbers") from error
    reference, bill_id, period = fields[:3]
    amount_due, due_time_ns, valid_until_ns, head = numbers
    return Line(
        reference,
        bill_id,
        period,
        amount_due,
        due_time_ns,
        valid_until_ns,
        head,
        tuple(fields[7:]),
    )


def line_of(stated: pb.DueBill) -> Line:
    """What a biller has sent, as it has sent it."""
    return Line(
        stated.reference,
        stated.id,
        stated.period,
        stated.amount_due,
        stated.due_time_ns,
        stated.valid_until_ns,
        stated.head,
        tuple(stated.supersedes),
    )


class Writer:
    """A file on its way: hashed as it is written, gone if it is not kept."""

    def __init__(self, folder: Path) -> None:
        """In the folder of its service, which is made. Raises OSError, ConfigError."""
        _make(folder)
        self._folder = folder
        self._path = folder / f"{PARTIAL}{secrets.token_hex(8)}"
        self._file = self._path.open("xb")
        os.fchmod(self._file.fileno(), 0o600)
        self._hash = _new_hash()
        self.size = 0
        """Bytes that were written so far."""
        self._kept = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()
        if not self._kept:
            with suppress(FileNotFoundError):
                self._path.unlink()

    def add(self, lines: Iterable[Line]) -> None:
        """Write some. Raises SpaceError, OSError."""
        self.write(b"".join(line.packed() for line in lines))

    def write(self, packed: bytes) -> None:
        """Write lines as they are packed. Raises SpaceError, OSError."""
        found = os.statvfs(self._folder)
        if found.f_bavail * found.f_frsize < ROOM_LEAST + len(packed):
            raise SpaceError(f"{self._folder}: too little room on the disk")
        self._hash.update(packed)
        self.size += len(packed)
        self._file.write(packed)

    @property
    def digest(self) -> bytes:
        """Of what was written so far."""
        return self._hash.digest()

    def keep(self) -> Path:
        """Have it under its name; durable when this returns."""
        self._file.flush()
        os.fsync(self._file.fileno())
        path = self._folder / self.digest.hex()
        self._path.replace(path)
        sync_directory(self._folder)
        self._kept = True
        return path


def is_whole(path: Path, digest: bytes) -> bool:
    """Whether the file of this hash is there, and nothing else in its place."""
    if not check(path, FILE):
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, _new_hash).digest() == digest


def read_file(path: Path, digest: bytes) -> Iterator[Line]:
    """The lines of a file, its hash looked at first. Raises BillFileError."""
    if not check(path, FILE):
        raise BillFileError(f"{path} is not there: its biller puts it in again")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, _new_hash).digest()
        if found != digest:
            raise BillFileError(f"{path} is not the file that was put in")
        file.seek(0)
        for packed in file:
            yield read_line(packed)


def _new_hash() -> "hashlib.blake2b":
    return hashlib.blake2b(digest_size=HASH_SIZE)


def folder_of(directory: Path, service: int) -> Path:
    """Where the files of a service of a ledger lie."""
    return directory / NAME / FILES / str(service)


def _make(folder: Path) -> None:
    """A folder, and those above it; each its owner's alone and durable."""
    if check(folder, FOLDER):
        return
    if not check(folder.parent, FOLDER):
        _make(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    sync_directory(folder.parent)
