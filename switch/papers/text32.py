"""A paper as text of 32 columns, of the letters that every thermal printer has.

May use the words.
"""

from collections.abc import Iterator
from textwrap import wrap
from typing import Final

from switch.papers.letters import as_ascii
from switch.papers.sheet import Line, Sheet

COLUMNS: Final = 32
"""Of a printer of 58 mm in its usual letters."""
RULE: Final = "-" * COLUMNS
_INDENT: Final = "  "
_MARK: Final = "=" * COLUMNS


def lines(sheet: Sheet) -> list[str] | None:
    """Lines of printable ASCII; None if the paper has letters beyond it."""
    made = []
    for text in _paragraphs(sheet):
        plain = as_ascii(text)
        if plain is None:
            return None
        made += wrap(
            plain, COLUMNS, subsequent_indent=_INDENT, break_on_hyphens=False
        ) or [""]
    return made


def _paragraphs(sheet: Sheet) -> Iterator[str]:
    """Each is broken at its spaces."""
    yield sheet.title
    yield from sheet.centre
    for mark in sheet.marks:
        yield _MARK
        yield mark
        yield _MARK
    yield from _both(sheet.heading, sheet.number)
    for group in sheet.groups:
        yield RULE
        for line in group:
            yield from _line(line)
    yield RULE
    yield sheet.foot
    if sheet.code:
        yield from _both(sheet.code_label, sheet.code)
    if sheet.address:
        yield sheet.check
        yield sheet.address


def _line(line: Line) -> Iterator[str]:
    if line.label:
        yield from _both(line.label, line.value)
    else:
        yield line.value


def _both(label: str, value: str) -> Iterator[str]:
    """A label and its value, which stands below it if it is one word too long."""
    if " " in value or len(label) + len(value) + 2 <= COLUMNS:
        yield f"{label}: {value}"
    else:
        yield f"{label}:"
        # As `wrap` indents what goes on.
        yield f"{_INDENT}{value}"
