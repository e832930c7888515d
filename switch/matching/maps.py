"""Which column of a biller's list says what: the map, written once for a biller.

May use `cells` and the words. What it looks like, docs/matching.md says.
"""

import datetime as dt
import json
import re
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from switch.codes import CheckDigit, Ignored, Letters
from switch.matching.cells import ListError
from switch.references import Form, form_problems

MAP_MAX = 65_536
"""Bytes of a map."""
SKIP_MAX = 1_000
ENCODINGS = ("utf-8", "windows-1252")


class By(StrEnum):
    """What says which payment a line is of."""

    ID = "id"
    NUMBER = "number"
    RECEIPT = "receipt"
    BILLER_REFERENCE = "biller_reference"
    REFERENCE = "reference"

    @property
    def names_one(self) -> bool:
        """Whether one payment alone has it."""
        return self is not By.REFERENCE


@dataclass(frozen=True, slots=True)
class ListMap:
    """The columns of a biller's list."""

    by: By
    key: str
    date: str
    date_format: str
    amount: str
    head: str = ""
    number: str = ""
    """With `by` id, of what is sent as the list of a day: the column of numbers."""
    biller_reference: str = ""
    form: Form = Form()  # noqa: RUF009 - it never changes
    """Of the citizen's references."""
    skip_lines: int = 0
    """Lines in front of the one with the names of the columns."""
    delimiter: str = ","
    encoding: str = "utf-8"
    refunds: bool = False
    """It tells what the biller has taken back, with a sign."""
    baskets: bool = False
    """A basket is one line, by its first payment, with the sum."""


def read_map(data: bytes, source: str) -> ListMap:
    """A map from its JSON. Raises ListError."""
    try:
        if len(data) > MAP_MAX:
            raise ValueError(f"more than {MAP_MAX} bytes")
        given = json.loads(data.decode(), object_pairs_hook=_object)
        if not isinstance(given, dict):
            raise ValueError("no JSON object")
        return _map(given)
    except (ValueError, RecursionError) as error:
        raise ListError(source, f"is no map of columns: {error}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name is there twice")
    return made


def _map(given: dict[str, Any]) -> ListMap:
    wanted: dict[str, Any] = {}
    known = {one.name for one in fields(ListMap)}
    for name, value in given.items():
        if name not in known:
            raise ValueError(f"no such name: {name[:40]!a}")
        wanted[name] = _value(name, value)
    missing = {"by", "key", "date", "date_format", "amount"} - wanted.keys()
    if missing:
        raise ValueError(f"{', '.join(sorted(missing))} missing")
    made = ListMap(**wanted)
    if len(made.delimiter) != 1 or made.delimiter in {'"', "\r", "\n"}:
        raise ValueError("no such delimiter")
    columns = [made.key, made.date, made.amount, made.head, made.number]
    columns = [one for one in (*columns, made.biller_reference) if one]
    if len({*columns}) != len(columns):
        raise ValueError("one column for two things")
    if made.form != Form() and made.by is not By.REFERENCE:
        raise ValueError("a form is of the citizen's references alone")
    if made.baskets and (made.refunds or made.head or not made.by.names_one):
        raise ValueError("baskets are told by one payment's key, no heads, no refunds")
    _look_at_format(made.date_format)
    return made


def _value(name: str, value: Any) -> Any:
    if name == "form":
        return _form(value)
    if name == "by":
        if value not in [*By]:
            raise ValueError(f"by is one of {', '.join(By)}")
        return By(value)
    if name == "skip_lines":
        right = type(value) is int and 0 <= value <= SKIP_MAX
    elif name in ("refunds", "baskets"):
        right = isinstance(value, bool)
    elif name == "encoding":
        right = value in ENCODINGS
    else:
        right = isinstance(value, str) and value != ""
    if not right:
        raise ValueError(f"{name} has no such value")
    return value


def _form(value: Any) -> Form:
    """A service's form, by the names that the network file has for its parts."""
    if not isinstance(value, dict) or not value.keys() <= {
        *("letters", "ignored", "check_digit", "pattern", "has_period")
    }:
        raise ValueError("form has no such value")
    ignored = value.get("ignored", [])
    pattern, period = value.get("pattern", ""), value.get("has_period", False)
    if not isinstance(ignored, list) or not isinstance(pattern, str):
        raise ValueError("form has no such value")
    left_out = Ignored(0)
    for one in ignored:
        left_out |= _named(Ignored, one)
    form = Form(
        letters=_named(Letters, value.get("letters", "as-they-are")),
        ignored=left_out,
        check_digit=_named(CheckDigit, value.get("check_digit", "none")),
        pattern=pattern,
        has_period=period is True,
    )
    for name, text in form_problems(form):
        raise ValueError(f"form: {name} {text}")
    return form


def _named(enum: Any, name: object) -> Any:
    found = {one.name.lower().replace("_", "-"): one for one in enum}
    if not isinstance(name, str) or name not in found:
        raise ValueError(f"form has no {str(name)[:40]!a}")
    return found[name]


_HAS_YEAR = re.compile("%[YyGcxDF]")


def _look_at_format(date_format: str) -> None:
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
