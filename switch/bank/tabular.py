"""A bank's CSV, by a map of its columns.

May use `lines`, `xml` for the bound of a file, and `money`. The map is what somebody
has looked up in one bank's files, once, and is kept as JSON:

    {"account": "0123456789", "date": "Txn Date", "date_format": "%d/%m/%Y",
     "credit": "Deposit", "debit": "Withdrawal", "balance": "Balance",
     "reference": "UTR", "texts": ["Narration"], "skip_lines": 0, "delimiter": ",",
     "newest_first": false}

`credit`, `debit`: columns of amounts without a sign, of which each row has just one.
All but `balance`, `texts` and the last three must be there.
"""

import csv
import datetime as dt
import hashlib
import io
import re
from dataclasses import dataclass, fields, replace
from typing import Any

from switch.bank.lines import (
    LINES_MAX,
    TEXTS_MAX,
    BankLine,
    Problem,
    Side,
    Statement,
    StatementError,
    canonical_account,
    canonical_reference,
    parse_decimal,
    tidy_text,
)
from switch.bank.xml import FILE_MAX
from switch.column_maps import (
    check_columns,
    check_date_format,
    check_delimiter,
    may_skip,
    read_object,
)
from switch.money import parse_amount

CELL_MAX = 4_000
"""Characters of a cell."""

_BALANCE = re.compile(r"(-?)([^-DdCcRr]+?) ?(|DR|Dr|dr|CR|Cr|cr)")


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """Which column of a bank's CSV says what."""

    account: str
    date: str
    date_format: str
    credit: str
    debit: str
    reference: str
    balance: str = ""
    texts: tuple[str, ...] = ()
    skip_lines: int = 0
    """Lines in front of the one with the names of the columns."""
    delimiter: str = ","
    newest_first: bool = False


def read_map(data: bytes, source: str) -> ColumnMap:
    """A map from its JSON. Raises StatementError."""
    try:
        return _map(read_object(data))
    except ValueError as error:
        raise StatementError(source, f"is no map of columns: {error}") from error


def _map(given: dict[str, Any]) -> ColumnMap:
    wanted: dict[str, Any] = {}
    for one in fields(ColumnMap):
        if one.name not in given:
            continue
        value = given.pop(one.name)
        if one.name == "texts":
            right = isinstance(value, list) and all(isinstance(t, str) for t in value)
            value = tuple(value) if right else value
        elif one.name == "newest_first":
            right = isinstance(value, bool)
        elif one.name == "skip_lines":
            right = may_skip(value)
        else:
            right = isinstance(value, str) and value != ""
        if not right:
            raise ValueError(f"{one.name} has no such value")
        wanted[one.name] = value
    if given:
        raise ValueError(f"no such name: {next(iter(given))[:40]!a}")
    try:
        made = ColumnMap(**wanted)
    except TypeError as error:
        missing = {"account", "date", "date_format", "credit", "debit", "reference"}
        raise ValueError(f"{', '.join(sorted(missing - {*wanted}))} missing") from error
    if len(made.texts) > TEXTS_MAX:
        raise ValueError(f"texts are at most {TEXTS_MAX}")
    check_delimiter(made.delimiter)
    check_columns((made.date, made.credit, made.debit, made.reference, made.balance))
    check_date_format(made.date_format)
    account = canonical_account(made.account)
    if not account:
        raise ValueError("no account number")
    return replace(made, account=account)


def read_csv(data: bytes, source: str, columns: ColumnMap) -> Statement:
    """The statement in one file, the oldest line first. Raises StatementError."""
    if len(data) > FILE_MAX:
        raise StatementError(source, f"has more than {FILE_MAX} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise StatementError(source, f"is not in UTF-8, byte {error.start}") from error
    if "\0" in text:
        raise StatementError(source, "has zero bytes")
    lines, balances = _read_rows(text, source, columns)
    if columns.newest_first:
        lines.reverse()
        balances.reverse()
    _look_at_balances(lines, balances, source)
    days = [line.booked for line in lines]
    return Statement(
        account=columns.account,
        # A CSV has no name; the same file has the same one.
        name=f"csv-{hashlib.sha256(data).hexdigest()[:24]}",
        lines=tuple(lines),
        opening=balances[0] - lines[0].change if balances else None,
        closing=balances[-1] if balances else None,
        first_day=min(days),
        last_day=max(days),
        sources=(source,),
    )


def _read_rows(
    text: str, source: str, columns: ColumnMap
) -> tuple[list[BankLine], list[int]]:
    file = io.StringIO(text, newline="")
    for _ in range(columns.skip_lines):
        file.readline()
    rows = csv.DictReader(file, delimiter=columns.delimiter, strict=True)
    lines: list[BankLine] = []
    balances: list[int] = []
    try:
        names = [name.strip() for name in rows.fieldnames or ()]
        rows.fieldnames = names
        _look_at_names(names, source, columns)
        for row in rows:
            place = f"{source}, line {rows.line_num + columns.skip_lines}"
            cells = _cells(row, place)
            if not any(cells.values()):
                continue
            lines.append(_line(cells, place, columns))
            if columns.balance:
                balances.append(_balance(cells[columns.balance], place))
            if len(lines) > LINES_MAX:
                raise StatementError(source, f"has more than {LINES_MAX} lines")
    except csv.Error as error:
        raise StatementError(source, f"is no CSV: {error}") from error
    if not lines:
        raise StatementError(source, "has no lines")
    return lines, balances


def _look_at_names(names: list[str], source: str, columns: ColumnMap) -> None:
    wanted = [columns.date, columns.credit, columns.debit, columns.reference]
    wanted += [name for name in (columns.balance, *columns.texts) if name]
    for name in wanted:
        if names.count(name) != 1:
            there = "twice" if name in names else "not"
            raise StatementError(source, f"the column {name[:40]!a} is {there} there")


def _cells(row: dict[Any, Any], place: str) -> dict[str, str]:
    # DictReader keeps what is too much under None, and gives None for what lacks.
    if None in row or None in row.values():
        raise StatementError(place, "has more or fewer cells than there are columns")
    if any(len(cell) > CELL_MAX for cell in row.values()):
        raise StatementError(place, f"has a cell of more than {CELL_MAX} characters")
    return {name: cell.strip() for name, cell in row.items()}


def _line(cells: dict[str, str], place: str, columns: ColumnMap) -> BankLine:
    credit = _paise(cells[columns.credit], place)
    debit = _paise(cells[columns.debit], place)
    if (credit > 0) == (debit > 0):
        raise StatementError(place, "must be either a credit or a debit")
    try:
        moment = dt.datetime.strptime(cells[columns.date], columns.date_format)  # noqa: DTZ007
    except ValueError as error:
        raise StatementError(place, f"no date: {cells[columns.date][:40]!a}") from error
    reference = canonical_reference(cells[columns.reference])
    texts = [tidy_text(cells[name]) for name in (columns.reference, *columns.texts)]
    return BankLine(
        account=columns.account,
        side=Side.CREDIT if credit else Side.DEBIT,
        amount=credit or debit,
        booked=moment.date(),
        reference=reference,
        texts=tuple(dict.fromkeys(text for text in texts if text))[:TEXTS_MAX],
        problem=None if reference else Problem.NO_REFERENCE,
        place=place,
    )


def _paise(text: str, place: str) -> int:
    if text in {"", "-"}:
        return 0
    try:
        return parse_amount(text) if "," in text else parse_decimal(text)
    except ValueError as error:
        raise StatementError(place, str(error)) from error


def _balance(text: str, place: str) -> int:
    """A balance may be below zero: `-12.00`, `12.00 DR`, but not both. It is there."""
    found = _BALANCE.fullmatch(text)
    if found is None or (found[1] and found[3]):
        raise StatementError(place, f"no balance: {text[:40]!a}")
    amount = _paise(found[2], place)
    return -amount if found[1] or found[3] in {"DR", "Dr", "dr"} else amount


def _look_at_balances(lines: list[BankLine], balances: list[int], source: str) -> None:
    for at in range(1, len(balances)):
        if balances[at - 1] + lines[at].change != balances[at]:
            raise StatementError(
                lines[at].place or source, "the balance does not follow"
            )
