"""The files of matches, read and written, and how breaks are shown."""

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from switch.cli.arguments import to_count
from switch.cli.written_files import make_folder, part_of, sync_folder
from switch.console.output import Screen
from switch.errors import ConfigError
from switch.matching.breaks import Break
from switch.matching.cells import ListError

SHOWN = 20
"""Breaks that a person is shown when no number is asked for."""


def opened(path: Path) -> Any:
    """A file to be read. Raises ConfigError."""
    try:
        return path.open("rb")
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> ConfigError:
    why = os.strerror(error.errno) if error.errno else str(error)
    return ConfigError(f"cannot read {path}: {why}")


def bytes_of(path: Path, size_max: int) -> bytes:
    """All of a file. Raises ListError if it is too long, ConfigError."""
    try:
        with path.open("rb") as file:
            # Not from a pipe or a device that has no end, either.
            data = file.read(size_max + 1)
    except OSError as error:
        raise _unreadable(path, error) from error
    if len(data) > size_max:
        raise ListError(str(path), f"has more than {size_max} bytes")
    return data


def write_file(path: Path, data: bytes) -> None:
    """The whole of it, or nothing: what a match of the same days has left goes."""
    try:
        make_folder(path.parent)
        with part_of(path) as (part, file):
            file.truncate(0)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            part.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from error


def show_breaks(breaks: list[Break], as_of: Any, limit: int, screen: Screen) -> None:
    """A table of breaks, the oldest first."""
    language, word = screen.language, screen.language.word
    breaks = sorted(breaks, key=lambda one: (one.since, one.number))
    shown = breaks[: limit or None]
    if not shown:
        screen.line(word("no breaks"))
        return
    screen.table(
        (
            *("break", "type", "head", "match key", "entry", "here", "there"),
            *("differs", "age", "decide by", "turn"),
        ),
        [
            (
                one.number,
                word(f"break {one.type}"),
                one.head or one.list_head,
                one.key,
                str(one.entry or one.undecided or ""),
                language.amount(one.amount_here) if one.amount_here else "",
                language.amount(one.amount_there) if one.amount_there else "",
                one.differs or one.text,
                language.count(one.age(as_of)),
                one.decide_by.isoformat(),
                word(f"turn {one.owner(as_of)}"),
            )
            for one in shown
        ],
        right=("entry", "here", "there", "age"),
        drop=(
            *("entry", "age", "head", "match key", "differs"),
            *("decide by", "there", "here"),
        ),
        wraps=("type", "differs", "turn"),
    )
    if len(shown) < len(breaks):
        screen.note(f"{len(breaks) - len(shown)} more; --limit 0 shows them")


def add_limit(command: ArgumentParser) -> None:
    """How many of them."""
    command.add_argument(
        "--limit",
        type=to_count,
        default=SHOWN,
        metavar="N",
        help="breaks to show at most, 0 for all (default: %(default)s)",
    )
