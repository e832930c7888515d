"""The site of totals in a folder: the whole of it, or what was there before.

May use `site`. It is written beside, and takes the folder's place in one step of the
file system, so that a web server that has the folder shows one state or the other. What
this did not write is never taken away.
"""

import ctypes
import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from switch.durable_files import make_directories
from switch.errors import ConfigError
from switch.web.public.site import Files

LIST: Final = "files.json"
"""Names all files and their SHA-256, and so what may be replaced."""
_LIST_MAX: Final = 4 << 20
_AT_FDCWD: Final = -100
_EXCHANGE: Final = 2
"""RENAME_EXCHANGE of renameat2."""


def listed(files: Files) -> bytes:
    """The list of some files."""
    hashes = {name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files)}
    return (json.dumps(hashes, indent=1) + "\n").encode()


def write_site(files: Files, folder: Path) -> bool:
    """Write the files; False if they are there already.

    Raises ConfigError if there is something there that this did not write, or another
    run writes it; OSError.
    """
    folder = folder.absolute()
    list_ = listed(files)
    make_directories(folder.parent, 0o777)
    with _alone(folder):
        known = _known(folder)
        if known == list_:
            return False
        made = folder.with_name(f".{folder.name}.part")
        if made.is_symlink() or made.exists():
            # What a run has left that was cut off: nobody else uses this name.
            shutil.rmtree(made)
        _fill(made, {**files, LIST: list_})
        if known is None:
            made.rename(folder)
        else:
            _exchange(made, folder)
            shutil.rmtree(made)
        _sync(folder.parent)
    return True


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """While no other run writes this folder."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    lock = folder.with_name(f".{folder.name}.lock")
    descriptor = os.open(lock, flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise ConfigError(f"{folder} is being written by another run") from None
    finally:
        os.close(descriptor)


def _known(folder: Path) -> bytes | None:
    """The list of what an earlier run has written there; None if nothing is there."""
    if folder.is_symlink():
        raise ConfigError(f"{folder} is a link: name the folder itself")
    if not folder.exists():
        return None
    found = {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }
    if not found and folder.is_dir():
        return b""
    try:
        with (folder / LIST).open("rb") as file:
            list_ = file.read(_LIST_MAX)
        names = {*json.loads(list_), LIST}
    except (OSError, ValueError, TypeError):
        names = set()
        list_ = b""
    if found - names:
        raise ConfigError(
            f"{folder} has {min(found - names)}, which this did not write: name "
            "another folder, or move it away"
        )
    return list_ if found == names else b""


def _fill(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir()
    for name in sorted(files):
        path = folder / name
        if not path.parent.exists():
            path.parent.mkdir()
        with path.open("xb") as file:
            file.write(files[name])
    # All at once: hundreds of small files, each for itself, take ten seconds.
    _sync(folder, whole=True)


def _exchange(one: Path, other: Path) -> None:
    """Each takes the other's place, in one step."""
    libc = ctypes.CDLL(None, use_errno=True)
    code = libc.renameat2(
        _AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE
    )
    if code:
        number = ctypes.get_errno()
        if number in (errno.EINVAL, errno.ENOSYS):
            raise ConfigError(
                f"the file system of {other} cannot exchange two folders in one step: "
                "name a folder on another one, or move this one away first"
            )
        raise OSError(number, os.strerror(number), str(other))


def _sync(folder: Path, *, whole: bool = False) -> None:
    """A folder's names; with `whole` all of its file system."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if whole:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.syncfs(descriptor):
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), str(folder))
        else:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
