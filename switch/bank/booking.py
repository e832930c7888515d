"""From what a bank's file says to the rows that it asks a ledger for.

May use `lines`, `requests`, `sequence`, and the words. A statement is one proposal, or,
if it is too long for one, several that chain: each a statement of its own, from a
balance to the next, with the bank's one name, number and days. The lines of an advice
are proposed without a statement.
"""

import datetime as dt
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from switch.bank.lines import BankLine, Side, Statement, StatementError
from switch.bank.sequence import distinct_lines
from switch.bank_numbers import Letter, find_number
from switch.bank_rows import (
    BALANCE_MAX,
    DAY_MAX,
    NAME_SIZE,
    NUMBER_MAX,
    STATEMENT_LINES_MAX,
    STATEMENT_SIZE,
    BookedTexts,
    StatementRecord,
    booked_tail,
    statement_tail,
)
from switch.codes import AMOUNT_MAX, Kind, RowFlag, Source
from switch.signed import LINES_MAX, LINES_SIZE_MAX, SIGNATURE_SIZE, Line

_EPOCH: Final = dt.date(1970, 1, 1)
_LINE_SIZE: Final = 64
_HEAD_SIZE: Final = 8
_ROOM: Final = LINES_SIZE_MAX - SIGNATURE_SIZE - _HEAD_SIZE
"""Bytes of the lines of one proposal."""


class Bank(NamedTuple):
    """A bank account of the register, as far as its lines name it."""

    number: int
    """Its index."""
    account: int
    """Of the ledger, the one of kind bank."""
    instance: bytes
    """The ledger's: a number is right in one ledger alone."""


class Piece(NamedTuple):
    """What one proposal has: lines, and behind those of a statement its own."""

    lines: tuple[bytes, ...]
    """As they are signed."""
    statement: StatementRecord | None
    """None: of an advice."""
    counts: dict[Side, int]
    sums: dict[Side, int]
    """Paise."""
    named: int
    """How many lines name a request or a release."""


def book(statement: Statement, bank: Bank, source: Source) -> list[Piece]:
    """The proposals of a judged statement, in the order in which they must be done.

    Raises StatementError for what the ledger has no place for.
    """
    place = f"statement {statement.name} of {statement.account}"
    if statement.is_advice or statement.opening is None or statement.closing is None:
        raise StatementError(place, "has no balances: nothing says that it is whole")
    last_day = statement.last_day or statement.first_day
    if last_day is None:
        raise StatementError(place, "says of no day")
    first, last = day_of(statement.first_day or last_day), day_of(last_day)
    number = statement.number or 0
    for value, least, most, what in (
        (first, 0, last, "days"),
        (last, 1, DAY_MAX, "days"),
        (number, 0, NUMBER_MAX, "number"),
        (statement.opening, -BALANCE_MAX, BALANCE_MAX, "balance"),
        (statement.closing, -BALANCE_MAX, BALANCE_MAX, "balance"),
    ):
        if not least <= value <= most:
            raise StatementError(place, f"its {what} cannot be: {value}")
    name = name_of(statement)
    mark = _mark(last_day, number, name)
    lines = [
        (one, _booked(one, bank, f"{mark}/{at}"))
        for at, one in enumerate(statement.lines, 1)
    ]
    opening = statement.opening
    pieces = []
    room = _ROOM - _LINE_SIZE - STATEMENT_SIZE
    for part in _parts(lines, STATEMENT_LINES_MAX, room) or [[]]:
        change = sum(one.change for one, _ in part)
        if abs(opening + change) > BALANCE_MAX:
            raise StatementError(place, "leads to what no balance can be")
        record = StatementRecord(
            source,
            bank.number,
            number,
            first,
            last,
            len(part),
            opening,
            opening + change,
            name,
        )
        try:
            own = Line(Kind.REGISTER, tail=statement_tail(record)).pack()
        except ValueError as error:
            raise StatementError(place, str(error)) from None
        pieces.append(_piece(part, own, record))
        opening += change
    return pieces


def book_advice(advice: Statement, bank: Bank) -> list[Piece]:
    """The proposals of an advice, each movement once. Lines without a reference are
    left to their statement. Raises StatementError as `book`.
    """
    movements = [one for one in distinct_lines([advice]) if one.reference]
    lines = [(one, _booked(one, bank, "")) for one in movements]
    return [_piece(part, None, None) for part in _parts(lines, LINES_MAX, _ROOM)]


def day_of(date: dt.date) -> int:
    """Days since 1970-01-01."""
    return (date - _EPOCH).days


def name_of(statement: Statement) -> bytes:
    """The bytes that stand for the bank's name of a statement."""
    return hashlib.blake2b(statement.name.encode(), digest_size=32).digest()[:NAME_SIZE]


def _mark(last_day: dt.date, number: int, name: bytes) -> str:
    """What tells a statement apart from all others of its account. Banks begin to count
    anew each year, so the day belongs to it.
    """
    return f"S{last_day:%Y%m%d}-{number or name.hex()}"


_Made = tuple[BankLine, bytes]


def _booked(line: BankLine, bank: Bank, own: str) -> bytes:
    """A line as it is signed; `own` is its reference if the bank gave none."""
    named = find_number(line.texts, bank.instance)
    is_credit = line.side is Side.CREDIT
    texts = BookedTexts(
        line.booked.isoformat(), str(line.kind), line.charges, line.texts
    )
    return Line(
        Kind.BOOKED,
        int(RowFlag.REVERSAL) if line.reversal else 0,
        line.amount,
        named.sequence if named and _fits(line, named.letter) else 0,
        bank.account if is_credit else 0,
        0 if is_credit else bank.account,
        (line.reference or own).encode("ascii"),
        booked_tail(texts),
    ).pack()


def _fits(line: BankLine, letter: Letter) -> bool:
    """A credit is of a request, a debit of a release, and a reversal takes back the one
    of the other side. A payout that came back names a release, too; it is a credit that
    people look at, and so it says what it is about.
    """
    is_credit = line.side is Side.CREDIT
    return letter is Letter.RELEASE or is_credit != line.reversal


def _parts(lines: Iterable[_Made], lines_max: int, size_max: int) -> list[list[_Made]]:
    return list(_split(lines, lines_max, size_max))


def _split(
    lines: Iterable[_Made], lines_max: int, size_max: int
) -> Iterator[list[_Made]]:
    part: list[_Made] = []
    size = 0
    for one in lines:
        if part and (len(part) == lines_max or size + len(one[1]) > size_max):
            yield part
            part, size = [], 0
        part.append(one)
        size += len(one[1])
    if part:
        yield part


def _piece(
    part: Sequence[_Made], own: bytes | None, record: StatementRecord | None
) -> Piece:
    counts, sums = dict.fromkeys(Side, 0), dict.fromkeys(Side, 0)
    named = 0
    for line, packed in part:
        counts[line.side] += 1
        sums[line.side] += line.amount
        named += _names(packed)
    if sum(sums.values()) > AMOUNT_MAX:
        what = "moves more than one proposal can say"
        raise StatementError(f"account {part[0][0].account}", what)
    lines = [packed for _, packed in part]
    if own is not None:
        lines.append(own)
    return Piece(tuple(lines), record, counts, sums, named)


def _names(packed: bytes) -> bool:
    return any(packed[16:24])
