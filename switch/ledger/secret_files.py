"""A small file of secrets beside a ledger: its owner's alone, whole or not at all.

May use `shapes`. What is read is a regular file that nobody else can read or write;
what is written is beside it first, synced, and then has its name, which is synced, too.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from switch.errors import ConfigError, SpaceError
from switch.ledger.shapes import FILE, check

FILE_SIZE_MAX: Final = 512
"""Bytes that are read; a whole file has fewer."""


def check_of(text: bytes) -> str:
    """What the last line of such a file says of the lines before."""
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def read_secret(directory: Path, name: str, rest: str) -> bytes | None:
    """What is in the file; None if there is none.

    Raises ConfigError, whose text ends with `rest`: what else can be done, and that
    nothing was.
    """
    path = directory / name
    with _opened(directory) as parent:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            file = os.open(name, flags, dir_fd=parent)
        except FileNotFoundError:
            return None
        except OSError as error:
            # A link, or a socket.
            check(path, FILE)
            raise ConfigError(
                f"{path} cannot be read ({error.strerror}): put that right, {rest}"
            ) from error
        try:
            _check_owned(path, file, rest)
            return os.read(file, FILE_SIZE_MAX)
        finally:
            os.close(file)


def _check_owned(path: Path, file: int, rest: str) -> None:
    """Raise ConfigError unless it is a file that nobody else can read or write."""
    found = os.fstat(file)
    if not stat.S_ISREG(found.st_mode):
        check(path, FILE)
        raise ConfigError(f"{path} must be a regular file. Nothing was changed")
    if found.st_uid != os.geteuid():
        raise ConfigError(
            f"{path} belongs to the user {found.st_uid}, who can read it: give it to "
            f"the server's user if that is meant, {rest}"
        )
    if found.st_mode & 0o077:
        raise ConfigError(
            f"{path} is open to others (mode {stat.S_IMODE(found.st_mode):04o}): "
            f"`chmod 600` it if nobody has read it, {rest}"
        )


def write_secret(directory: Path, name: str, partial: str, data: bytes) -> None:
    """Put this in the place of what is there, durable when it returns.

    `partial` is its name while it is written. Raises ConfigError if no file is there,
    but something else; SpaceError, OSError.
    """
    check(directory / name, FILE)
    try:
        with _opened(directory) as parent:
            _replace(parent, name, partial, data)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise SpaceError(
                f"the disk has no room for {directory / name}; nothing was done"
            ) from error
        raise


def _replace(parent: int, name: str, partial: str, data: bytes) -> None:
    """Write it beside, sync it, give it its name, sync that."""
    with suppress(FileNotFoundError):
        os.unlink(partial, dir_fd=parent)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    file = os.open(partial, flags, 0o600, dir_fd=parent)
    try:
        # Whatever the umask leaves of it.
        os.fchmod(file, 0o600)
        while data:
            data = data[os.write(file, data) :]
        os.fsync(file)
    finally:
        os.close(file)
    os.rename(partial, name, src_dir_fd=parent, dst_dir_fd=parent)
    os.fsync(parent)


@contextmanager
def _opened(directory: Path) -> Iterator[int]:
    """The ledger's directory, so that all names are looked up in that very one."""
    parent = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield parent
    finally:
        os.close(parent)
