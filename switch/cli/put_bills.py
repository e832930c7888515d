"""`payswitch put-bills`: a biller that does not dial in puts its bills in, from CSV.

Over the wire, as the biller. What is wrong with a line is said with its number, most
of it before anything is sent.
"""

import csv
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import grpc

from switch.calendar import parse_moment
from switch.cli.arguments import add_id, to_count
from switch.cli.commands import open_client
from switch.client import CallError
from switch.client.bill_files import file_of
from switch.codes import Result, Role
from switch.console.output import Exit, Screen, plain
from switch.errors import UsageError
from switch.money import parse_amount
from switch.v1 import billers_pb2 as pb

TEXT = "put a file of bills in, as their biller"

COLUMNS: Final = (
    *("reference", "id", "period", "amount", "due", "valid_until", "head"),
    "supersedes",
)
"""Of the file's first line, in any order; what is not needed may be left out."""
NEEDED: Final = ("reference", "amount")
BILLS_MAX: Final = 1_000_000
CELL_MAX: Final = 1_024
"""Characters of one cell: sixteen ids of 32, and what stands between them."""
_PLACE: Final = re.compile(r"\bbills\[(\d{1,7})\]\.?")
_KINDS: Final = {
    "full": pb.BILL_FILE_KIND_FULL,
    "delta": pb.BILL_FILE_KIND_DELTA,
    "withdrawal": pb.BILL_FILE_KIND_WITHDRAWAL,
}


def add_arguments(command: ArgumentParser) -> None:
    """What it takes."""
    command.add_argument(
        "file", type=Path, metavar="FILE", help=f"CSV: {', '.join(COLUMNS)}"
    )
    command.add_argument(
        "--service",
        required=True,
        metavar="CODE",
        help="the service that the bills are of",
    )
    command.add_argument(
        "--number",
        type=to_count,
        required=True,
        metavar="N",
        help="of the file, counted from 1 for each service",
    )
    command.add_argument(
        "--kind",
        choices=tuple(_KINDS),
        default="full",
        help="these are all bills, are added, or are no longer due",
    )
    add_id(command)


def put_bills(args: Namespace, screen: Screen) -> Exit:
    """Send it, and say how many bills the switch has."""
    if args.identity is None or args.identity[0] is not Role.BILLER:
        raise UsageError("a biller alone puts its bills in: --as biller/ID")
    bills = list(read_bills(args.file))
    file = file_of(_KINDS[args.kind], args.service, args.number, bills, args.id)
    with open_client(args, *args.identity) as client:
        try:
            reply = client.put_bills(file, bills)
        except CallError as error:
            if error.code is not grpc.StatusCode.INVALID_ARGUMENT:
                raise
            raise UsageError(f"{args.file}: {_by_lines(error.text)}") from error
    result = Result(reply.outcome.result)
    code = Exit.DONE if result is Result.OK else Exit.REFUSED
    if screen.as_json:
        screen.value(plain(reply))
        return code
    language = screen.language
    if result is not Result.OK:
        words = language.result(result)
        screen.line(f"{language.word('refused')}: {words} ({result.name})")
        return code
    screen.facts(
        [
            ("service", args.service),
            ("bills", language.count(reply.bills_count)),
            ("entry", str(reply.outcome.sequence)),
        ]
    )
    if reply.outcome.repeat:
        screen.line(language.word("repeat"))
    return code


def _by_lines(text: str) -> str:
    """What the switch says of bills by their places, from 0, by lines of the file: the
    first one has the columns.
    """

    def line(found: re.Match[str]) -> str:
        dot = ", " if found[0].endswith(".") else ""
        return f"line {int(found[1]) + 2}{dot}"

    return _PLACE.sub(line, text)


def read_bills(path: Path) -> Iterator[pb.DueBill]:
    """The bills of a file. Raises UsageError, which names the line."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, strict=True)
            yield from _bills(rows)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from error


def _bills(rows: "Iterator[list[str]]") -> Iterator[pb.DueBill]:
    columns = next(rows, [])
    unknown = [one[:32] for one in columns if one not in COLUMNS]
    if unknown or len({*columns}) != len(columns):
        raise UsageError(f"line 1: the columns are {', '.join(COLUMNS)}, each once")
    if missing := [one for one in NEEDED if one not in columns]:
        raise UsageError(f"line 1: there is no column {missing[0]}")
    for number, row in enumerate(rows, 2):
        if number > BILLS_MAX + 1:
            raise UsageError(f"more than {BILLS_MAX:,} bills")
        if len(row) != len(columns):
            raise UsageError(f"line {number}: has {len(row)} cells")
        if any(len(cell) > CELL_MAX for cell in row):
            raise UsageError(f"line {number}: a cell is too long")
        try:
            yield _bill(dict(zip(columns, row, strict=True)))
        except ValueError as error:
            raise UsageError(f"line {number}: {error}") from error


def _bill(cells: dict[str, str]) -> pb.DueBill:
    """Raises ValueError."""
    head = cells.get("head") or "0"
    if not (head.isascii() and head.isdigit() and len(head) < 4):
        raise ValueError("head is a number")
    return pb.DueBill(
        reference=cells["reference"],
        id=cells.get("id", ""),
        period=cells.get("period", ""),
        amount_due=parse_amount(cells["amount"]),
        due_time_ns=_moment(cells.get("due", "")),
        valid_until_ns=_moment(cells.get("valid_until", "")),
        head=int(head),
        supersedes=[one for one in cells.get("supersedes", "").split("|") if one],
    )


def _moment(text: str) -> int:
    return parse_moment(text) if text else 0
