"""Makes names durable: a file that was synced may be gone after a loss of power, if the
directory that names it was not synced, too.
"""

import os
from pathlib import Path


def sync_directory(path: Path) -> None:
    """Make names in a directory durable."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def make_directories(path: Path, mode: int = 0o700) -> None:
    """Make a directory and those above it, and the name of each durable. One that is
    there is left as it is. Raises OSError.
    """
    if path.is_dir():
        return
    if path.parent != path:
        make_directories(path.parent, mode)
    path.mkdir(mode=mode, exist_ok=True)
    sync_directory(path.parent)
