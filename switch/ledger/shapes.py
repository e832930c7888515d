"""What lies at a path of a ledger's directory, without following a link.

Whoever may write beside a ledger can put a link in the place of a mark or a file: what
is then truncated, deleted or mapped is another file, perhaps the journal. A pipe in its
place keeps waiting whoever opens it. So everything is looked at before it is opened.
"""

import errno
import os
import stat
from pathlib import Path
from typing import Final

from switch.durable_files import sync_directory
from switch.errors import ConfigError

HALTED: Final = "HALTED"
"""The mark of a node that must not be started again before a person has looked."""
CLUSTER: Final = "CLUSTER"
"""Says that a log was begun where this ledger stands: it is not served alone."""
FOUND: Final = "journal.found"
"""Chunks that are being put back (`repair.py`), so that they outlive a start that dies
meanwhile: LMDB may write over the pages in which they were found."""
MARKS: Final = (
    *("LOCK", "OPENING", "NEW", "DOUBT", "index.damaged"),
    *(HALTED, CLUSTER, FOUND),
)
KEYS: Final = ("quotation.keys", "quotation.keys.new")
RECEIPT_KEY: Final = ("receipt.key", "receipt.key.new")
PARTS: Final = ("journal", "index")
FILES: Final = ("data.mdb", "lock.mdb")

FILE: Final = "regular file"
FOLDER: Final = "directory"
_SHAPES: Final = {
    stat.S_IFREG: FILE,
    stat.S_IFDIR: FOLDER,
    stat.S_IFLNK: "symbolic link",
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
}


def shape(path: Path) -> str:
    """What lies there; empty if nothing does."""
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return ""
    return _SHAPES.get(stat.S_IFMT(mode), "device")


def check(path: Path, wanted: str) -> bool:
    """Whether it is there. Raises ConfigError if it is there and is something else."""
    found = shape(path)
    if found not in ("", wanted):
        raise ConfigError(
            f"{path} is a {found} and must be a {wanted} or not there; look at it. "
            "Nothing was changed"
        )
    return bool(found)


def check_ledger(directory: Path) -> None:
    """Raise ConfigError if a mark, a part or a file of a ledger has another shape."""
    for name in (*MARKS, *KEYS, *RECEIPT_KEY):
        check(directory / name, FILE)
    for part in PARTS:
        if check(directory / part, FOLDER):
            for name in FILES:
                check(directory / part / name, FILE)


def check_alone(directory: Path) -> None:
    """Raise ConfigError for a ledger that is a cluster's: its log would lack what it
    takes alone, and the other nodes. Asked by who holds its LOCK.
    """
    if shape(directory / CLUSTER):
        raise ConfigError(
            f"{directory} belongs to a cluster (the file {CLUSTER} says so), and the "
            "settings [cluster] are missing (docs/cluster.md). Nothing was changed"
        )


def open_file(path: Path, flags: int) -> int:
    """Open a regular file; a new one is its owner's alone. Raises ConfigError."""
    flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        file = os.open(path, flags, 0o600)
    except OSError as error:
        # What O_NOFOLLOW, a directory and a pipe without a reader give.
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            check(path, FILE)
        raise
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        check(path, FILE)
        raise ConfigError(f"{path} must be a regular file. Nothing was changed")
    return file


def write_mark(path: Path, text: str = "") -> None:
    """Make a mark, durable when this returns. Its being there is what it says; a text
    is for people, and takes the place of an earlier one.
    """
    file = open_file(path, os.O_WRONLY | os.O_CREAT)
    try:
        if text:
            os.ftruncate(file, 0)
            os.write(file, text.encode())
        os.fsync(file)
    finally:
        os.close(file)
    sync_directory(path.parent)


def remove_mark(path: Path) -> None:
    """Take a mark away, durably."""
    if shape(path):
        path.unlink()
        sync_directory(path.parent)
