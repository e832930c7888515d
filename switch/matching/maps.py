"""Which column of a biller's list says what: the map, written once for a biller.

May use `cells` and the words. What it looks like, docs/matching.md says.
"""

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from switch.codes import CheckDigit, Ignored, Letters
from switch.column_maps import (
    check_columns,
    check_date_format,
    check_delimiter,
    may_skip,
    read_object,
)
from switch.matching.cells import ListError
from switch.references import Form, form_problems

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
        return _map(read_object(data))
    except ValueError as error:
        raise ListError(source, f"is no map of columns: {error}") from None


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
    check_delimiter(made.delimiter)
    columns = (made.key, made.date, made.amount, made.head, made.number)
    check_columns((*columns, made.biller_reference))
    if made.form != Form() and made.by is not By.REFERENCE:
        raise ValueError("a form is of the citizen's references alone")
    if made.baskets and (made.refunds or made.head or not made.by.names_one):
        raise ValueError("baskets are told by one payment's key, no heads, no refunds")
    check_date_format(made.date_format)
    return made


def _value(name: str, value: Any) -> Any:
    if name == "form":
        return _form(value)
    if name == "by":
        if value not in [*By]:
            raise ValueError(f"by is one of {', '.join(By)}")
        return By(value)
    if name == "skip_lines":
        right = may_skip(value)
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
