"""Which receipts a centre's computer has printed: one mark for each, on its disk.

May use nothing of the product. The counter's page and `payswitch receipt` share it, and
so agree which print is the original: the one that has made the mark. A mark is an empty
file, made in one step of the file system, so that of two who print at once one has it.

A mark is kept for a few days. What is older than that has no original any more: each
further print says REPRINT, whether there is a mark or not.
"""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

FOLDER: Final = "printed"
"""What it is called below the centre's folder."""
ORIGINAL_S: Final = 3 * 86_400
"""So long after a payment, or a refund, its paper may be an original."""
COUNTER_DATA: Final = Path("data/counter")
"""`--data` of the counter, and of a command that prints for it."""
KEEP_S: Final = ORIGINAL_S + 86_400
"""How long a mark is kept: longer, so that clocks may differ by a day."""
MARKS_MAX: Final = 100_000
"""Marks at a time; with more nothing is an original until some are old enough."""


class PrintRecord:
    """The marks of one centre on one computer. Any thread and process may call it."""

    def __init__(self, centre_folder: Path) -> None:
        """Below the folder that the counter's page of this centre has, too."""
        self._folder = centre_folder / FOLDER

    def has(self, payment_id: bytes, refund: int = 0) -> bool:
        """Whether this paper was printed here, a few days ago at most."""
        return self._path(payment_id, refund).exists()

    def claim(self, payment_id: bytes, refund: int = 0) -> bool:
        """Become the one who prints the original; False if somebody has been.

        It is on the disk when this returns. Raises OSError if it cannot be.
        """
        _make_folder(self._folder)
        if self._make_room() >= MARKS_MAX:
            return False
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            os.close(os.open(self._path(payment_id, refund), flags, 0o600))
        except FileExistsError:
            return False
        _sync(self._folder)
        return True

    def give_back(self, payment_id: bytes, refund: int = 0) -> None:
        """Nothing came of the print: the next one is the original. Raises OSError."""
        self._path(payment_id, refund).unlink(missing_ok=True)

    def _path(self, payment_id: bytes, refund: int) -> Path:
        which = f".R{refund}" if refund else ""
        return self._folder / f"{payment_id.hex()}{which}"

    def _make_room(self) -> int:
        """Take away what is too old; how many marks are left."""
        oldest_s = time.time() - KEEP_S
        left = 0
        with os.scandir(self._folder) as marks:
            for mark in marks:
                # Another process may take the same one away.
                with suppress(FileNotFoundError):
                    if mark.stat(follow_symlinks=False).st_mtime >= oldest_s:
                        left += 1
                    else:
                        os.unlink(mark.path)
        return left


def _make_folder(folder: Path) -> None:
    """Have a folder that is its user's alone, and its name on the disk."""
    if folder.is_dir():
        return
    if not folder.parent.is_dir():
        _make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    _sync(folder.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def may_be_original(done_ns: int) -> bool:
    """Whether a payment, or a refund, of this time may still have an original."""
    return time.time_ns() - done_ns <= ORIGINAL_S * 10**9


def counter_folder(data: Path, centre: str, *, is_training: bool = False) -> Path:
    """Where the counter of a centre keeps what it has, below `--data`."""
    return data / f"{centre}-{'training' if is_training else 'counter'}"
