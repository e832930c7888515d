"""The fonts that papers are set in: Debian's, by their hashes, and no others.

May use `errors`. The same letters come out everywhere and for as long as a release
lasts only if the very same files make them. So a file with another hash is refused,
and there is no other font in its place. None is ours to pass on: `make build` fetches
them (`tools/fetch_fonts.py`), and where the product is installed, Debian's packages do.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final

from switch.errors import ConfigError

BENGALI: Final = "Lohit Bengali"
LATIN: Final = "DejaVu Sans"
FOLDERS: Final = (
    # Where `make build` puts what the system does not have.
    Path(__file__).resolve().parents[2] / "build" / "fonts" / "usr/share/fonts",
    Path("/usr/share/fonts"),
    Path("/usr/local/share/fonts"),
)
FILE_MAX: Final = 4 << 20
"""Bytes of a font that are read."""

Fonts = Mapping[str, bytes]
"""The bytes of each font by the name of its file."""


def locked() -> Iterator[tuple[str, str, str]]:
    """Package, place below a folder of fonts, and SHA-256 of each: `fonts.lock`."""
    text = files(__package__).joinpath("fonts.lock").read_text("ascii")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            package, place, digest = line.split()
            yield package, place, digest


def find_fonts(folders: Sequence[Path] = FOLDERS) -> Fonts:
    """Read the fonts where they are. Raises ConfigError for one that is not there."""
    found = {}
    for package, place, digest in locked():
        data = _first_right(folders, place, digest)
        if data is None:
            raise ConfigError(
                f"{place} is not there, or is another release's: install Debian's "
                f"package {package}, or see docs/receipts.md"
            )
        found[place.rpartition("/")[2]] = data
    return found


def _first_right(folders: Sequence[Path], place: str, digest: str) -> bytes | None:
    for folder in folders:
        data = _read(folder / place)
        if data is not None and hashlib.sha256(data).hexdigest() == digest:
            return data
    return None


def _read(path: Path) -> bytes | None:
    """What is in a regular file; None if there is none, or one too large."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with open(file, "rb") as opened:
        try:
            data = opened.read(FILE_MAX + 1)
        except OSError:
            return None
    return None if data is None or len(data) > FILE_MAX else data
