"""Files of the treasury in a folder: written whole or not at all, and the same again.

May use the client and words. A file has its name only when all of it is there and on
the disk; until then it lies beside as `.NAME.part`, from which a run that was cut off
goes on. What is there already is compared, and never replaced.
"""

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import grpc

from switch.client import CallError, Client
from switch.client.files import RECALLED
from switch.durable_files import make_directories
from switch.errors import ConfigError, WireError
from switch.file_names import parse_name

READ_SIZE: Final = 1 << 20


class Written(NamedTuple):
    """A file in the folder."""

    name: str
    size: int
    sha256: str
    is_new: bool
    """Whether this run has written it; else it was there."""


def write_file(
    client: Client, name: str, folder: Path, *, although_recalled: bool = False
) -> Written:
    """A file of the ledger in a folder; an instruction with payouts that were recalled
    behind its window only if so said.

    Raises ConfigError if there is another of this name, or it is being written by
    somebody else; what `Client.read_file` raises.
    """
    try:
        # A name may come from the switch, and is to be no path.
        whole = folder / parse_name(name).text
    except ValueError as error:
        raise WireError(str(error)) from None
    if whole.exists():
        hashed, size = hash_file(whole)
        if (size, hashed.digest()) != client.file_size(
            name, although_recalled=although_recalled
        ):
            raise ConfigError(
                f"{whole} is there and is not what the switch says it is: "
                "move it away, and find out who has written it"
            )
        return Written(name, size, hashed.hexdigest(), is_new=False)

    def fetch(file: BinaryIO) -> "hashlib._Hash":
        try:
            return _fetch(client, name, file, although_recalled)
        except (WireError, CallError) as error:
            cannot_go_on = isinstance(error, WireError) or (
                error.code is grpc.StatusCode.INVALID_ARGUMENT
            )
            if not cannot_go_on:
                raise
        # What lay there was no beginning of it: a disk has lost what was not synced.
        file.truncate(0)
        return _fetch(client, name, file, although_recalled)

    hashed, size = write_whole(whole, fetch)
    return Written(name, size, hashed.hexdigest(), is_new=True)


def _fetch(
    client: Client, name: str, file: BinaryIO, although_recalled: bool
) -> "hashlib._Hash":
    """Get what the file does not have yet."""
    file.seek(0)
    hashed = hashlib.sha256()
    while data := file.read(READ_SIZE):
        hashed.update(data)
    for data in client.read_file(
        name, file.tell(), hashed, although_recalled=although_recalled
    ):
        file.write(data)
    return hashed


def is_recalled(error: CallError) -> bool:
    """Whether a file is refused as a bank would pay by it what was taken back."""
    return error.reason == RECALLED


def write_whole(
    whole: Path, fill: Callable[[BinaryIO], "hashlib._Hash"]
) -> tuple["hashlib._Hash", int]:
    """Write a file that has its name only when all of it is on the disk.

    `fill` gets what an earlier run has left, to go on with. Returns its hash, and how
    long it is. Raises ConfigError if somebody else is writing it.
    """
    with part_of(whole) as (part, file):
        hashed = fill(file)
        file.flush()
        size = file.tell()
        os.fsync(file.fileno())
        part.rename(whole)
    sync_folder(whole.parent)
    return hashed, size


@contextmanager
def part_of(whole: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """What is there of a file so far, for one writer."""
    part = whole.with_name(f".{whole.name}.part")
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(part, flags, 0o640), "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found = part.stat()
        except (BlockingIOError, FileNotFoundError):
            raise ConfigError(f"{part} is being written by another run") from None
        if not os.path.samestat(found, os.fstat(file.fileno())):
            # That one has ended since it was opened here: it has its name by now.
            raise ConfigError(f"{part} is being written by another run")
        try:
            yield part, file
        except BaseException:
            file.flush()
            if not os.fstat(file.fileno()).st_size:
                part.unlink()
            raise


@contextmanager
def one_run(folder: Path) -> Iterator[None]:
    """For one that writes all of a folder. Raises ConfigError if another does."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise ConfigError(f"another run is writing {folder}") from None
    finally:
        os.close(opened)


def sync_folder(folder: Path) -> None:
    """What was renamed in it stays so, whatever happens."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def make_folder(folder: Path) -> None:
    """The folder, if it is not there. Raises ConfigError if it cannot be one."""
    with suppress(FileExistsError, NotADirectoryError):
        make_directories(folder, 0o750)
    if not folder.is_dir():
        raise ConfigError(f"{folder} is no directory")


def hash_file(path: Path) -> tuple["hashlib._Hash", int]:
    """The SHA-256 of a file, and how long it is."""
    hashed, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while data := file.read(READ_SIZE):
            hashed.update(data)
            size += len(data)
    return hashed, size
