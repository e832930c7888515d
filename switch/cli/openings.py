"""`payswitch propose openings`: what a network that comes from elsewhere begins with.

One proposal of a file of CSV, whole or not at all: control figures that do not fit, an
account that is there twice or has moved, and a bad amount stop it before anything is
signed. Over the wire only, as `commands`, whose ways it shares.
"""

import csv
import io
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from switch.cli.arguments import add_again, add_id, as_argument, to_count
from switch.cli.commands import open_office
from switch.cli.signing import add_person, sign_prepared, signer_of
from switch.client.banks import booking_id
from switch.client.calls import CallError
from switch.client.people import Prepared, Signer
from switch.console.output import Exit, Screen
from switch.errors import ConfigError, SwitchError, UsageError
from switch.ids import new_id
from switch.money import PAISE_IN_RUPEE, parse_amount
from switch.signed import LINES_MAX, read_line
from switch.v1 import people_pb2 as pb

TEXT = "propose what accounts begin with, out of a file"
COLUMNS = ("participant", "head", "amount")
"""Of the file; what a wallet has as its head is empty."""
_NOTHING = "nothing was proposed"

Add = Callable[[str, Callable[[Namespace, Screen], Exit], str], ArgumentParser]


class Opening(NamedTuple):
    """One line of the file."""

    line: int
    """Its number, the line of columns being 1."""
    wish: pb.OpeningWish


def propose_openings(args: Namespace, screen: Screen) -> Exit:
    """Read the file, compare its control figures, propose it whole."""
    try:
        data = args.file.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {args.file}: {error.strerror}") from error
    openings = read_openings(data)
    total = sum(one.wish.amount for one in openings)
    for name, given, is_so in (
        ("count", args.count, len(openings)),
        ("total", args.total, total),
    ):
        if given != is_so:
            raise UsageError(
                f"{args.file} is not what was announced: its {name} is "
                f"{_figure(name, is_so)}, not {_figure(name, given)}; {_NOTHING}"
            )
    wishes = [pb.Wish(opening=one.wish) for one in openings]
    request = pb.PrepareRequest(wishes=wishes, reason=args.because)
    with open_office(args) as client:
        signer = signer_of(args, client)
        try:
            made = client.prepare(request)
        except CallError as error:
            raise _at_its_line(error, openings) from error
        _check_amounts(openings, made)
        args.id = args.id or _id_of(args, made, signer)
        return sign_prepared(args, screen, client, signer, made)


def _check_amounts(openings: list[Opening], made: Prepared) -> None:
    """Raise SwitchError unless the lines have the amounts of the file: nobody compares
    thousands of them on a screen, and what they come to was told by another way.
    """
    amounts = [read_line(one.line).amount for one in made.lines]
    if amounts != [abs(one.wish.amount) for one in openings]:
        raise SwitchError("the switch has made other amounts of it: nothing is signed")


def _id_of(args: Namespace, made: Prepared, signer: Signer) -> bytes:
    """The same file again is the same proposal again: it is not to be done twice."""
    if args.again or made.row is None:
        return new_id()
    return booking_id(made.row, signer)


def _figure(name: str, value: int) -> str:
    if name == "count":
        return str(value)
    rupees, paise = divmod(abs(value), PAISE_IN_RUPEE)
    return f"{'-' if value < 0 else ''}{rupees}.{paise:02d}"


def _at_its_line(error: CallError, openings: list[Opening]) -> Exception:
    """What the switch says of one wish, as of its line in the file."""
    found = re.search(r"wishes\[(\d+)\](?:\.opening)?(?:\.[a-z_]+)?:? ?", error.text)
    if found is None or int(found[1]) >= len(openings):
        return error
    one = openings[int(found[1])]
    whose = f"{one.wish.participant} {one.wish.head}".strip()
    text = error.text[found.end() :]
    return UsageError(f"line {one.line}: {whose}: {text}; {_NOTHING}")


# --- the file ------------------------------------------------------------------------


def read_openings(data: bytes) -> list[Opening]:
    """The openings of a file of CSV. Raises UsageError with the number of a line."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"openings are CSV in UTF-8; {_NOTHING}") from None
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    found: list[Opening] = []
    seen: dict[tuple[str, str], int] = {}
    try:
        if tuple(rows.fieldnames or ()) != COLUMNS:
            columns = ",".join(COLUMNS)
            raise UsageError(f"the first line must be {columns}; {_NOTHING}")
        for row in rows:
            at = rows.line_num
            if None in row or None in row.values():
                raise _wrong(at, f"has not {len(COLUMNS)} columns")
            name = (row["participant"].strip(), row["head"].strip())
            if name in seen:
                raise _wrong(at, f"the account of line {seen[name]} again")
            seen[name] = at
            found.append(Opening(at, _wish(name, row["amount"], at)))
    except csv.Error as error:
        raise _wrong(rows.line_num, f"no CSV: {error}") from None
    if not 0 < len(found) <= LINES_MAX:
        text = f"a proposal has 1 to {LINES_MAX} lines, not {len(found)}"
        raise UsageError(f"{text}: propose several files; {_NOTHING}")
    return found


def _wish(name: tuple[str, str], text: str, at: int) -> pb.OpeningWish:
    try:
        amount = _signed_amount(text)
    except ValueError as error:
        raise _wrong(at, str(error)) from None
    if not amount:
        raise _wrong(at, "an account with nothing is not opened: leave it out")
    return pb.OpeningWish(participant=name[0], head=name[1], amount=amount)


def _signed_amount(text: str) -> int:
    """Paise of an amount in rupees; negative of a bank account that is overdrawn."""
    body = text.strip()
    amount = parse_amount(body.removeprefix("-"))
    return -amount if body.startswith("-") else amount


def _wrong(line: int, text: str) -> UsageError:
    return UsageError(f"line {line}: {text}; {_NOTHING}")


def add_verb(add: Add) -> None:
    """`payswitch propose openings`."""
    verb = add("openings", propose_openings, TEXT)
    verb.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help=f"CSV; its first line is {','.join(COLUMNS)}",
    )
    verb.add_argument(
        "--count", type=to_count, required=True, metavar="N", help="of its accounts"
    )
    verb.add_argument(
        "--total",
        type=as_argument(_signed_amount),
        required=True,
        metavar="RUPEES",
        help="the sum of its amounts",
    )
    add_again(verb)
    verb.add_argument("--because", default="openings", metavar="TEXT", help="why")
    add_person(verb)
    add_id(verb)
