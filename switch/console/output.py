"""How a command speaks: tables for people, JSON for machines, progress on stderr.

May use the words and the generated messages; calls nothing.
"""

import json
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Any

from google.protobuf.message import Message
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.text import Text

from switch.console.tables import cell_len, drawn, drop_order, fit, wrap
from switch.console.tokens import format_token
from switch.console.words import Language
from switch.ids import ID_SIZE, format_id

_TOKENS = frozenset({"quotation", "additional_to"})
"""Fields of bytes that a caller gives back as they are."""
_GAP = 2
"""Spaces between a name and its value."""


class Exit(IntEnum):
    """What the exit code of a command says."""

    DONE = 0
    REFUSED = 1
    """A rule refused it, or what was asked for is not there."""
    USAGE = 2
    """An argument or the caller's rights are wrong; nothing was done."""
    UNKNOWN = 3
    """The switch could not be reached, or the outcome is not known."""
    FINDINGS = 4
    """The auditor found something, or a day did not prove right."""
    CONFIG = 78
    """A setting, a file, a directory or a certificate cannot be used."""
    INTERRUPTED = 130


class Step:
    """Receives the progress of one piece of long work."""

    def __init__(self, progress: Progress, total: int, text: str) -> None:
        self._progress = progress
        self._task = progress.add_task(text, total=total)

    def advance(self, count: int = 1) -> None:
        """`count` more are done."""
        self._progress.advance(self._task, count)


class Screen:
    """Standard output for what was asked for, standard error for everything else."""

    def __init__(
        self,
        *,
        as_json: bool,
        language: Language,
        wide: bool = False,
        where: Sequence[str] = (),
        caller: Sequence[str] = (),
    ) -> None:
        """`where` are the words of this command that say which switch is asked, and
        `caller` those that say as whom: a command that is shown next has them, too.
        """
        self.as_json = as_json
        self.language = language
        self._where = tuple(where)
        self._caller = tuple(caller)
        self._out = Console(file=sys.stdout, highlight=False)
        self._err = Console(file=sys.stderr, highlight=False)
        # A file or a pipe has no width: nothing is left out there, and nothing wraps.
        self._width = (
            shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        )
        self._table_width = None if wide else self._width

    def value(self, value: Mapping[str, Any]) -> None:
        """One JSON object on one line of standard output."""
        print(_harmless_json(json.dumps(value, ensure_ascii=False)), flush=True)

    def line(self, text: str) -> None:
        """A text for people on standard output. A terminal gets it wrapped between
        words: what is to be copied out of it stays whole.
        """
        shown = harmless(text)
        if self._width is not None:
            shown = wrap(shown, self._width)
        self._out.print(Text(shown), soft_wrap=True)

    def command(self, *words: str, same_caller: bool = False) -> None:
        """A command of this program that a person may run next, ready to be copied. It
        asks the same switch; `same_caller`: for the one who ran this one.
        """
        further = () if "--help" in words else self._where
        if same_caller:
            further += self._caller
        text = f"  {shlex.join((program_name(), *words, *further))}"
        self._out.print(Text(harmless(text)), soft_wrap=True)

    def note(self, text: str) -> None:
        """A line on standard error."""
        self._err.print(Text(harmless(text)), soft_wrap=True)

    def table(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        title: str = "",
        right: Sequence[str] = ("amount", "balance", "pending", "change", "payments"),
        footer: Sequence[str] = (),
        drop: Sequence[str] = (),
        wraps: Sequence[str] = (),
        below: str | None = None,
        whole: bool = False,
    ) -> None:
        """A table for people. `columns` are keys of WORDS, those in `right` numbers.

        A terminal that is too narrow wraps short cells of `wraps`, puts the column
        `below` under its rows and leaves columns out, those in `drop` first, and says
        which; `tables` has the rules. What people put their names to is `whole`:
        nothing that is said is left out, each row is a list of named values instead.
        What is empty is no part of it.
        """
        if whole and self._table_width is not None:
            columns, rows, footer = _without_empty(columns, rows, footer)
        heads = [harmless(self.language.word(column)) for column in columns]
        cells = [[harmless(cell) for cell in row] for row in rows]
        feet = [harmless(cell) for cell in footer]
        texts = [
            [row[at] for row in (*cells, *([feet] if feet else []))]
            for at in range(len(columns))
        ]
        found = fit(
            texts,
            heads,
            drop_order(columns, drop),
            self._table_width,
            wraps=[columns.index(name) for name in wraps],
            below=None if below is None else columns.index(below),
        )
        if title:
            self._out.print(Text(harmless(title), style="italic"), soft_wrap=True)
        if whole and found.left_out:
            for row in (*cells, *([feet] if feet else [])):
                named = zip(columns, row, strict=True)
                self.facts([(name, value) for name, value in named if value.strip()])
                self.line("")
            return
        numbers = [column in right for column in columns]
        lines = drawn(found, heads, cells, feet, numbers, self._table_width)
        self._out.print(Text("\n".join(lines)), soft_wrap=True)
        if found.left_out:
            names = ", ".join(heads[at] for at in found.left_out)
            word = self.language.word
            self.line(f"{word('left out')}: {names} ({word('all with wide')})")

    def facts(
        self, facts: Sequence[tuple[str, str]], *, as_typed: bool = False
    ) -> None:
        """Named values, one a line. `as_typed`: the names are fields that a person
        types, and stand as they are.
        """
        word = str if as_typed else self.language.word
        named = [(harmless(word(name)), harmless(value)) for name, value in facts]
        indent = max((cell_len(name) for name, _ in named), default=0) + _GAP
        for name, value in named:
            if self._width is not None:
                value = wrap(value, self._width - indent)
            first, *others = value.split("\n")
            space = " " * (indent - cell_len(name))
            lines = [f"{name}{space}{first}", *(" " * indent + each for each in others)]
            self._out.print(Text("\n".join(map(str.rstrip, lines))), soft_wrap=True)

    @contextmanager
    def progress(self, total: int, text: str) -> Iterator[Step]:
        """A bar on standard error while the block runs; nothing unless a terminal."""
        with Progress(
            "[progress.description]{task.description}",
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._err,
            disable=not sys.stderr.isatty(),
            transient=True,
        ) as progress:
            yield Step(progress, total, text)


def _without_empty(
    columns: Sequence[str], rows: Sequence[Sequence[str]], footer: Sequence[str]
) -> tuple[list[str], list[list[str]], list[str]]:
    """A table without the columns that are empty in all rows as they are shown; the
    first one stays.
    """
    every = [*rows, *([footer] if footer else [])]
    kept = [
        at
        for at in range(len(columns))
        if not at or any(harmless(row[at]).strip() for row in every)
    ]
    return (
        [columns[at] for at in kept],
        [[row[at] for at in kept] for row in rows],
        [footer[at] for at in kept] if footer else [],
    )


def program_name() -> str:
    """How a shell finds this program again: its name, or the path that was typed."""
    typed = sys.argv[0]
    if Path(typed).name != "payswitch":
        return "payswitch"
    found = shutil.which("payswitch")
    is_found = found is not None and Path(found).samefile(typed)
    return "payswitch" if is_found else typed


_KEPT = "\n\u200c\u200d"
"""Ends of lines, and the joiners with which Bengali is written."""


def harmless(text: str) -> str:
    """A text in which a terminal finds nothing to act on: what is not printable is
    escaped. Names come from others, and what is signed is what is shown.
    """
    return "".join(
        one if one.isprintable() or one in _KEPT else ascii(one)[1:-1] for one in text
    )


def _harmless_json(text: str) -> str:
    """The same JSON, in which a terminal finds nothing to act on either: JSON itself
    escapes neither C1 controls nor marks that turn text round.
    """
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() or one in _KEPT else json.dumps(one)[1:-1]
        for one in text
    )


def plain(message: Message) -> dict[str, Any]:
    """A message as plain values: whole numbers stay numbers, ids are UUIDs.

    Every field is there, so that a reader need not know the defaults; enumerated
    values are their names without the prefix. Quotations and handles are as commands
    take them.
    """
    return {
        field.name: _plain_field(field, getattr(message, field.name))
        for field in message.DESCRIPTOR.fields
    }


# A descriptor has one class in Python's protobuf and another in the compiled one.
def _plain_field(field: Any, value: Any) -> Any:
    if field.is_repeated:
        return [_plain_value(field, one) for one in value]
    return _plain_value(field, value)


def _plain_value(field: Any, value: Any) -> Any:
    if isinstance(value, Message):
        return plain(value)
    if isinstance(value, bytes):
        if field.name in _TOKENS:
            return format_token(value)
        return format_id(value) if len(value) == ID_SIZE else value.hex()
    if field.enum_type is not None:
        return enum_word(field.enum_type, value)
    return value


def enum_word(enum: Any, value: int) -> str:
    """The name of an enumerated value without its type's prefix, or its number.

    `enum` is the type's descriptor.
    """
    known = enum.values_by_number.get(value)
    if known is None:
        return str(value)
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return str(known.name.removeprefix(prefix)).lower()
