"""`payswitch match`: what it takes, and how breaks are shown and files written.

What it does stands in `matching`, which needs NumPy: that is imported when somebody
matches, so that no other command waits for it.
"""

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from switch.bank.lines import StatementError
from switch.calendar import parse_date
from switch.cli.arguments import as_argument, to_count
from switch.cli.written_files import make_folder, part_of, sync_folder
from switch.console.output import Exit, Screen
from switch.errors import ConfigError
from switch.matching.breaks import Break
from switch.matching.cells import ListError
from switch.money import parse_amount

TEXT = "lay scrolls, a biller's list and the bank side by side, and write what differs"
SHOWN = 20
"""Breaks that a person is shown when no number is asked for."""


def match(args: Namespace, screen: Screen) -> Exit:
    """Match the files, write the breaks, and say where the difference lies."""
    from switch.cli import matching

    try:
        return matching.match(args, screen)
    except (ListError, StatementError) as error:
        screen.note(f"not believed: {error}")
        return Exit.REFUSED


# --- files ----------------------------------------------------------------------------


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
        drop=("turn", "entry", "head", "age", "decide by", "differs"),
    )
    if len(shown) < len(breaks):
        screen.note(f"{len(breaks) - len(shown)} more; --limit 0 shows them")


# --- arguments ------------------------------------------------------------------------


def add_arguments(command: ArgumentParser) -> None:
    """What it takes."""
    date = as_argument(parse_date)
    command.add_argument(
        "--scrolls", type=Path, required=True, metavar="DIR", help="of the ledger"
    )
    command.add_argument("--biller", required=True, metavar="BILLER", help="whose list")
    command.add_argument("--list", type=Path, metavar="FILE", help="CSV")
    command.add_argument(
        "--map", type=Path, metavar="FILE", help="of the list's columns"
    )
    command.add_argument(
        "--acknowledged",
        type=Path,
        metavar="FILE",
        help="in the place of a list, what `acknowledged` has written",
    )
    command.add_argument("--day", type=date, metavar="DATE", help="of the list (IST)")
    command.add_argument(
        "--from",
        dest="first",
        type=date,
        metavar="DATE",
        help="the first day that is matched",
    )
    command.add_argument(
        "--to",
        dest="last",
        type=date,
        metavar="DATE",
        help="the last day that is matched",
    )
    command.add_argument(
        "--count", type=to_count, metavar="N", help="lines, as they were announced"
    )
    command.add_argument(
        "--total",
        type=as_argument(parse_amount),
        metavar="AMOUNT",
        help="in rupees, as it was announced",
    )
    command.add_argument(
        "--open", type=Path, metavar="FILE", help="the breaks of the match before"
    )
    command.add_argument(
        "--undecided",
        type=Path,
        metavar="FILE",
        help="the lines of `exceptions --json`: payments without their biller's word",
    )
    command.add_argument(
        "--payouts",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a payment instruction (pain.001); may be given again",
    )
    command.add_argument(
        "--payees",
        type=Path,
        metavar="FILE",
        help="the lines of `beneficiaries --json`: whose accounts it pays",
    )
    command.add_argument(
        "--bank",
        dest="files",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a bank's statement or advice; may be given again",
    )
    command.add_argument(
        "--bank-map", type=Path, metavar="FILE", help="the bank's files are CSV"
    )
    command.add_argument(
        "--out", type=Path, default=Path(), metavar="DIR", help="where it is written"
    )
    command.add_argument(
        "--limit",
        type=to_count,
        default=SHOWN,
        metavar="N",
        help="breaks to show at most, 0 for all (default: %(default)s)",
    )
