"""How a table fits a screen: which columns it shows, and how wide each of them is.

May use nothing of the product. Widths are counted in cells, as terminals count them
(POSIX `wcwidth`): a vowel sign of Bengali that stands beside its letter takes one,
others and joiners take none. Rich counts none for either, and its tables in Bengali are
wider than the screen. A word is never broken: a cell wraps between words. Where that
is not enough, a long text stands below its row; then the table leaves columns out, in
the order that `drop_order` states.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

CELL_WHOLE = 24
"""A cell of up to this width stands on one line; a longer one may wrap."""
BORDER = 3
"""What the frame takes for each column: two spaces and a line."""

_BELOW = "┊ "
"""What a line begins with that belongs to the row above it."""
_PART = re.compile(r"\s*\S+")
"""A word with what stands before it."""


class Fit(NamedTuple):
    """A table as a screen shows it."""

    shown: tuple[int, ...]
    """The columns that are shown, by number, from left to right."""
    widths: tuple[int, ...]
    """The width of each of them, without its frame."""
    left_out: tuple[int, ...]
    """The columns that are not shown, from left to right."""
    below: int | None = None
    """The column that stands below each row instead, if there is one."""

    @property
    def total(self) -> int:
        """The width of the table with its frame."""
        return _total(self.widths)


@lru_cache(maxsize=4096)
def _letter_cells(letter: str) -> int:
    if unicodedata.category(letter) in ("Mn", "Me", "Cf") and letter != "\u00ad":
        return 0
    return 2 if unicodedata.east_asian_width(letter) in ("W", "F") else 1


def cell_len(text: str) -> int:
    """The cells of a terminal that a text without ends of lines takes."""
    return len(text) if text.isascii() else sum(map(_letter_cells, text))


def drawn(
    found: Fit,
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    footer: Sequence[str],
    right: Sequence[bool],
    screen_width: int | None = None,
) -> Iterator[str]:
    """The lines of a table that is drawn as `found` says. `rows` and `footer` have the
    cells of all columns; those of the columns in `right` end at the right. What stands
    below a row is as wide as the screen.
    """
    bars = [*(width + 2 for width in found.widths)]

    def rule(left: str, fill: str, between: str, end: str) -> str:
        return left + between.join(fill * bar for bar in bars) + end

    def lines(cells: Sequence[str], bar: str) -> Iterator[str]:
        wrapped = [
            wrap(cells[at], width).split("\n")
            for at, width in zip(found.shown, found.widths, strict=True)
        ]
        for number in range(max(map(len, wrapped))):
            parts = []
            for at, width, part in zip(found.shown, found.widths, wrapped, strict=True):
                text = part[number].rstrip() if number < len(part) else ""
                space = " " * (width - cell_len(text))
                parts.append(space + text if right[at] else text + space)
            yield f"{bar} " + f" {bar} ".join(parts) + f" {bar}"
        if found.below is not None and cells[found.below].strip():
            text = cells[found.below]
            if screen_width is not None:
                text = wrap(text, screen_width - cell_len(_BELOW))
            yield from (f"{_BELOW}{part.rstrip()}" for part in text.split("\n"))

    yield rule("┏", "━", "┳", "┓")
    yield from lines(heads, "┃")
    yield rule("┡", "━", "╇", "┩")
    for row in rows:
        yield from lines(row, "│")
    if footer:
        yield rule("├", "─", "┼", "┤")
        yield from lines(footer, "│")
    yield rule("└", "─", "┴", "┘")


def drop_order(columns: Sequence[str], drop: Sequence[str]) -> list[int]:
    """The columns in the order in which a narrow screen leaves them out.

    Those in `drop` go first, as they stand there; the others follow from right to
    left. The first column stays, so that a row can be told from another.
    """
    first = [columns.index(name) for name in drop]
    others = [at for at in range(len(columns) - 1, 0, -1) if at not in first]
    return [at for at in (*first, *others) if at]


def fit(
    texts: Sequence[Sequence[str]],
    heads: Sequence[str],
    order: Sequence[int],
    width: int | None,
    *,
    wraps: Sequence[int] = (),
    below: int | None = None,
) -> Fit:
    """How a table fits `width`; None: all columns, and nothing wraps.

    `texts` are the cells of each column, `heads` their names, `order` is that of
    `drop_order`. Before a column is left out, short cells of those in `wraps` wrap,
    too, and the column `below` goes below its rows. Only a first column that is wider
    by itself exceeds the width.
    """
    most = [
        max(map(_widest_line, (head, *cells)))
        for head, cells in zip(heads, texts, strict=True)
    ]
    shown = list(range(len(heads)))
    if width is None:
        return Fit(tuple(shown), tuple(most), ())
    least = [
        max(_widest_word(head), *map(_least, cells)) if cells else _widest_word(head)
        for head, cells in zip(heads, texts, strict=True)
    ]
    if _total(least) > width:
        for at in wraps:
            least[at] = max(map(_widest_word, (heads[at], *texts[at])))
    if below is not None and _total(least) > width:
        shown.remove(below)
    else:
        below = None
    # What is empty in all rows tells nothing: it goes first.
    waiting = sorted(order, key=lambda at: any(map(str.strip, texts[at])))
    if below is not None:
        waiting.remove(below)
    gone: list[int] = []
    while _total([least[at] for at in shown]) > width and waiting:
        gone.append(waiting.pop(0))
        shown.remove(gone[-1])
    # A column that is too wide by itself takes no other one with it.
    for at in reversed(gone):
        if (
            any(map(str.strip, texts[at]))
            and _total([least[at], *(least[other] for other in shown)]) <= width
        ):
            shown = sorted((*shown, at))
    widths = _spread([least[at] for at in shown], [most[at] for at in shown], width)
    left_out = tuple(at for at in range(len(heads)) if at not in (*shown, below))
    return Fit(tuple(shown), tuple(widths), left_out, below)


def wrap(text: str, width: int) -> str:
    """`text` with lines of `width` at most, broken between words alone: a word that is
    wider has a line of its own, which the screen wraps.
    """
    lines = []
    for line in text.split("\n"):
        made = ""
        for part in _PART.findall(line):
            if not made and cell_len(part) > width:
                part = part.lstrip()
            if made.strip() and cell_len(made + part) > width:
                lines.append(made)
                made = part.lstrip()
            else:
                made += part
        lines.append(made)
    return "\n".join(lines)


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + BORDER * len(widths) + 1


def _spread(least: list[int], most: list[int], width: int) -> list[int]:
    """Widths from `least` on, to which what is left of `width` is given, the narrowest
    first, so that as few cells as can be wrap.
    """
    widths = list(least)
    spare = width - _total(widths)
    for at in sorted(range(len(widths)), key=lambda at: most[at] - least[at]):
        more = min(most[at] - least[at], max(spare, 0))
        widths[at] += more
        spare -= more
    return widths


def _least(text: str) -> int:
    """The width that a cell needs: it stands whole while it is short."""
    return max(min(_widest_line(text), CELL_WHOLE), _widest_word(text))


def _widest_line(text: str) -> int:
    return max((cell_len(line) for line in text.split("\n")), default=0)


def _widest_word(text: str) -> int:
    return max(map(cell_len, text.split()), default=0)
