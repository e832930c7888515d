"""Maps of columns: which column of somebody's CSV says what, kept as JSON.

What the maps of banks' and of billers' files have in common. Everything here raises
ValueError with what is wrong, for whoever wrote the map.
"""

import datetime as dt
import json
import re
from collections.abc import Iterable
from typing import Any, Final

MAP_MAX: Final = 65_536
"""Bytes of a map."""
SKIP_MAX: Final = 1_000
"""Lines in front of the one with the names of the columns."""

_HAS_YEAR = re.compile("%[YyGcxDF]")


def read_object(data: bytes) -> dict[str, Any]:
    """The JSON object that a map is, with no name twice."""
    if len(data) > MAP_MAX:
        raise ValueError(f"more than {MAP_MAX} bytes")
    try:
        given = json.loads(data.decode(), object_pairs_hook=_once_each)
    except RecursionError:
        raise ValueError("no map has so many levels") from None
    if not isinstance(given, dict):
        raise ValueError("no JSON object")
    return given


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name is there twice")
    return made


def may_skip(value: object) -> bool:
    """Whether so many lines may be skipped."""
    return type(value) is int and 0 <= value <= SKIP_MAX


def check_delimiter(delimiter: str) -> None:
    """It is one character, and none that a cell or a line needs."""
    if len(delimiter) != 1 or delimiter in {'"', "\r", "\n"}:
        raise ValueError("no such delimiter")


def check_columns(columns: Iterable[str]) -> None:
    """No column says two things; the empty one is no column's name."""
    named = [one for one in columns if one]
    if len({*named}) != len(named):
        raise ValueError("one column for two things")


def check_date_format(date_format: str) -> None:
    """It says day, month and year: a date written by it is read as the same."""
    if not _HAS_YEAR.search(date_format):
        raise ValueError("date_format has no year")
    for day in (dt.datetime(2026, 11, 27), dt.datetime(2031, 2, 3)):  # noqa: DTZ001
        try:
            text = day.strftime(date_format)
            is_right = dt.datetime.strptime(text, date_format) == day  # noqa: DTZ007
        except (ValueError, re.error):
            is_right = False
        if not is_right:
            raise ValueError("date_format is none of a day, a month and a year")
