"""Columns of cells, and lines of columns: tables of millions of lines by NumPy.

May use `canonical_csv`. A column is a matrix of bytes, one line for each cell, in which
zero is no character; a table is its columns side by side with commas between, without
the zeros. So a line costs its bytes, and not twenty objects of Python.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from switch.calendar import DAY_S, IST_OFFSET_S, NS_IN_S, day_date
from switch.canonical_csv import FORMULA, LINE_END, QUOTED, quoted, safe_text

Cells = npt.NDArray[np.uint8]
U64 = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]

_ZERO: Final = ord("0")
_TEN: Final = np.uint64(10)
_DASHES: Final = (8, 12, 16, 20)
"""Where a UUID has dashes, in hexadecimal digits."""


def _bytes_table(characters: str) -> Mask:
    table = np.zeros(256, np.bool_)
    table[[ord(one) for one in characters if ord(one) < 128]] = True
    return table


_BEGINS_FORMULA: Final = _bytes_table(FORMULA)
_IS_QUOTED: Final = _bytes_table(QUOTED)
_HEX: Final = np.frombuffer(
    b"".join(b"%02x" % value for value in range(256)), np.uint8
).reshape(256, 2)


def digits(values: U64, least: int = 1) -> Cells:
    """Whole numbers, with at least so many digits."""
    width = max(len(str(int(values.max(initial=0)))), least)
    powers = _TEN ** np.arange(width - 1, -1, -1, dtype=np.uint64)
    cells = (values[:, None] // powers % _TEN + _ZERO).astype(np.uint8)
    # Zeros in front, but for the last `least`.
    front = width - least
    if front:
        cells[:, :front][values[:, None] < powers[:front]] = 0
    return cells


def numbers(values: U64) -> Cells:
    """Whole numbers, where 0 is none."""
    return blank(digits(values), values != 0)


def rupees(paise: U64) -> Cells:
    """Amounts: `1234.50`."""
    hundred = np.uint64(100)
    return beside(digits(paise // hundred), b".", digits(paise % hundred, 2))


def days(time_ns: U64) -> Cells:
    """IST dates of times: `2026-11-28`."""
    return _day_cells(_ist_seconds(time_ns) // DAY_S)


def times(time_ns: U64) -> Cells:
    """Times in IST: `2026-11-28T17:00:00+05:30`."""
    seconds = _ist_seconds(time_ns)
    of_day = _clock()[seconds % DAY_S]
    return beside(_day_cells(seconds // DAY_S), b"T", of_day, b"+05:30")


def time_text(time_ns: int) -> str:
    """One time, as the column has it."""
    return bytes(times(np.array([time_ns], np.uint64))[0]).decode()


def day_starts(time_ns: U64) -> npt.NDArray[np.int64]:
    """When the IST days of times begin, in nanoseconds UTC."""
    day = _ist_seconds(time_ns) // DAY_S
    starts: npt.NDArray[np.int64] = (day * DAY_S - IST_OFFSET_S) * NS_IN_S
    return starts


def _ist_seconds(time_ns: U64) -> npt.NDArray[np.int64]:
    return (time_ns // np.uint64(NS_IN_S)).astype(np.int64) + IST_OFFSET_S


def _day_cells(day: npt.NDArray[np.int64]) -> Cells:
    return looked_up(day, lambda one: day_date(one).isoformat().encode())


@cache
def _clock() -> Cells:
    """`HH:MM:SS` of each second of a day."""
    second = np.arange(DAY_S, dtype=np.uint64)
    sixty = np.uint64(60)
    return beside(
        *(digits(second // sixty // sixty, 2), b":"),
        *(digits(second // sixty % sixty, 2), b":", digits(second % sixty, 2)),
    )


def uuids(ids: Cells) -> Cells:
    """16 bytes as `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`."""
    hexadecimal = _HEX[ids].reshape(len(ids), 32)
    return np.insert(hexadecimal, _DASHES, ord("-"), axis=1)


def texts(column: Cells) -> Cells:
    """Texts in ASCII with zeros behind them, safe, and quoted where they must be."""
    odd = _BEGINS_FORMULA[column[:, 0]] | _IS_QUOTED[column].any(axis=1)
    if not odd.any():
        return column
    places = np.flatnonzero(odd)
    cells = [text_cell(bytes(column[at]).rstrip(b"\0").decode()) for at in places]
    width = max(column.shape[1], *map(len, cells))
    made = np.zeros((len(column), width), np.uint8)
    made[:, : column.shape[1]] = column
    for at, cell in zip(places, cells, strict=True):
        made[at] = 0
        made[at, : len(cell)] = np.frombuffer(cell, np.uint8)
    return made


def text_cell(text: str) -> bytes:
    """One text as it stands in its line. What no text has, NUL, is left out."""
    return quoted(safe_text(text.replace("\0", ""))).encode()


def looked_up(keys: npt.NDArray[np.integer], find: Callable[[int], bytes]) -> Cells:
    """The cell that `find` gives for each key, asked once for each that there is."""
    if not len(keys):
        return np.zeros((0, 1), np.uint8)
    known, places = np.unique(keys, return_inverse=True)
    return stacked([find(one) for one in known.tolist()])[places]


def stacked(cells: Sequence[bytes]) -> Cells:
    """Cells of any length as a column."""
    width = max(1, *map(len, cells)) if cells else 1
    joined = b"".join(one.ljust(width, b"\0") for one in cells)
    return np.frombuffer(joined, np.uint8).reshape(len(cells), width)


def blank(cells: Cells, shown: Mask) -> Cells:
    """The cells that are shown; the others are empty."""
    if shown.all():
        return cells
    return np.where(shown[:, None], cells, np.uint8(0))


def beside(*parts: Cells | bytes) -> Cells:
    """One column out of several, and of bytes that each cell has."""
    count = next(len(one) for one in parts if not isinstance(one, bytes))
    return np.concatenate(
        [
            np.broadcast_to(np.frombuffer(one, np.uint8), (count, len(one)))
            if isinstance(one, bytes)
            else one
            for one in parts
        ],
        axis=1,
    )


def lines(columns: Sequence[Cells]) -> bytes:
    """The lines of a table."""
    parts: list[Cells | bytes] = []
    for column in columns:
        parts += [column, b","]
    parts[-1] = LINE_END.encode()
    table = beside(*parts)
    made: bytes = table[table != 0].tobytes()
    return made
