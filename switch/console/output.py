"""How a command speaks: tables for people, JSON for machines, progress on stderr.

May use the words and the generated messages; calls nothing.
"""

import json
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

from google.protobuf.message import Message
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from switch.console.tokens import format_token
from switch.console.words import Language
from switch.ids import ID_SIZE, format_id

_TOKENS = frozenset({"quotation", "additional_to"})
"""Fields of bytes that a caller gives back as they are."""


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

    def __init__(self, *, as_json: bool, language: Language) -> None:
        self.as_json = as_json
        self.language = language
        # Wide enough for a table that goes into a file or a pipe.
        width = None if sys.stdout.isatty() else 160
        self._out = Console(file=sys.stdout, width=width, highlight=False)
        self._err = Console(file=sys.stderr, highlight=False)

    def value(self, value: Mapping[str, Any]) -> None:
        """One JSON object on one line of standard output."""
        print(_harmless_json(json.dumps(value, ensure_ascii=False)), flush=True)

    def line(self, text: str) -> None:
        """A line of text for people on standard output."""
        self._out.print(Text(harmless(text)))

    def command(self, *words: str) -> None:
        """A command of this program that a person may run next, ready to be copied."""
        text = f"  payswitch {shlex.join(words)}"
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
    ) -> None:
        """A table for people. `columns` are keys of WORDS, those in `right` numbers."""
        word = self.language.word
        table = Table(
            title=title or None, title_justify="left", show_footer=bool(footer)
        )
        for at, column in enumerate(columns):
            table.add_column(
                word(column),
                footer=footer[at] if footer else "",
                justify="right" if column in right else "left",
                overflow="fold",
            )
        for row in rows:
            table.add_row(*(Text(harmless(cell)) for cell in row))
        self._out.print(table)

    def facts(self, facts: Sequence[tuple[str, str]]) -> None:
        """Named values, one a line."""
        table = Table(show_header=False, box=None, pad_edge=False)
        for name, value in facts:
            table.add_row(
                Text(harmless(self.language.word(name))), Text(harmless(value))
            )
        self._out.print(table)

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
