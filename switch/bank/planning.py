"""Which proposals a ledger lacks of what some files say, in order.

May use `booking`, `lines`, `sequence` and the words. The ledger decides; here it is
seen beforehand what it has already, so that the same files again propose nothing, and
what cannot follow, so that nobody signs it.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from switch.bank.booking import Bank, Piece, book, book_advice, day_of, name_of
from switch.bank.lines import LineKey, Statement, StatementError
from switch.bank.sequence import each_once, in_order
from switch.bank_rows import StatementRecord
from switch.codes import Source
from switch.money import format_amount


class Standing(NamedTuple):
    """How a bank account stands in a ledger."""

    bank: Bank
    last: StatementRecord | None
    """The statement accepted last."""


class Planned(NamedTuple):
    """A proposal that is to be made."""

    statement: Statement
    """What it is of."""
    piece: Piece


class Plan(NamedTuple):
    """What is to be proposed, and what is not."""

    wanted: tuple[Planned, ...]
    already: tuple[Statement, ...]
    """Statements that the ledger has: they lead to its last one by their balances."""
    older: tuple[Statement, ...]
    """Statements that are of before its last one, and lead nowhere: whether the ledger
    has them nothing here tells, and none of them can follow any more. If they are the
    bank's newest, what is in the ledger is not the bank's.
    """
    late: tuple[Statement, ...]
    """Advices of which a line is older than the last statement, and told by none of
    these: nobody lists it any more, and people must look.
    """


def plan(
    statements: Sequence[Statement],
    standing: Mapping[str, Standing],
    source: Source,
    today: dt.date,
) -> Plan:
    """What of judged statements and advices a ledger lacks, by account.

    Raises StatementError: an account that is not registered, a statement that does not
    follow the last one, of a day to come, or that the ledger has no place for.
    """
    distinct, _ = each_once(statements)
    wanted: list[Planned] = []
    already: list[Statement] = []
    older: list[Statement] = []
    late: list[Statement] = []
    for account in dict.fromkeys(one.account for one in distinct):
        there = standing.get(account)
        if there is None:
            what = "is not registered, or not active: propose bank-account first"
            raise StatementError(f"account {account}", what)
        of_it = [one for one in distinct if one.account == account]
        whole = in_order([one for one in of_it if not one.is_advice])
        _look_at_days(of_it, today)
        last = there.last
        done = _before(whole, last)
        for one in whole:
            if one in done:
                already.append(one)
                continue
            pieces = _lacking(one, book(one, there.bank, source), last)
            if pieces:
                wanted += [Planned(one, piece) for piece in pieces]
                last = pieces[-1].statement
            elif _is_last(one, last):
                already.append(one)
            else:
                older.append(one)
        told = {line.key for one in whole for line in one.lines}
        for one in of_it:
            if one.is_advice and not _is_told(one, told):
                if _is_late(one, there.last, told):
                    late.append(one)
                else:
                    made = book_advice(one, there.bank)
                    wanted += [Planned(one, piece) for piece in made]
    return Plan(tuple(wanted), tuple(already), tuple(older), tuple(late))


def _look_at_days(statements: Sequence[Statement], today: dt.date) -> None:
    """No bank has booked anything on a day to come, but where it is tomorrow by now.
    Nothing could follow such a statement until then.
    """
    latest = today + dt.timedelta(days=1)
    for one in statements:
        days = [day for day in (one.first_day, one.last_day) if day is not None]
        days += [line.booked for line in one.lines]
        if any(day > latest for day in days):
            kind = "advice" if one.is_advice else "statement"
            place = f"{kind} {one.name} of {one.account}"
            raise StatementError(place, f"is of {max(days)}, a day to come")


def _is_last(one: Statement, last: StatementRecord | None) -> bool:
    """Whether a statement, or its last piece, is what the ledger accepted last."""
    return last is not None and _is_place(one, last) and one.closing == last.closing


def _before(
    whole: Sequence[Statement], last: StatementRecord | None
) -> list[Statement]:
    """Of statements in their order those that lead to the ledger's last one, without a
    gap: each ends with what the next one began with.
    """
    if last is None:
        return []
    ends = [at for at, one in enumerate(whole) if _is_place(one, last)]
    if ends:
        end, opening = ends[-1], whole[ends[-1]].opening
    else:
        # It is not among them; a piece of it may be all that is known.
        end = sum(_place(one) < (last.last_day, last.number) for one in whole)
        opening = last.opening
    found: list[Statement] = []
    for one in reversed(whole[:end]):
        if one.closing != opening:
            break
        found.append(one)
        opening = one.opening
    return found


def _place(one: Statement) -> tuple[int, int]:
    day = one.last_day or one.first_day
    return (day_of(day) if day is not None else 0, one.number or 0)


def _is_place(one: Statement, last: StatementRecord) -> bool:
    """Whether the last one is this, or a piece of it."""
    place = (last.last_day, last.number)
    return _place(one) == place and name_of(one) == last.name


def _lacking(
    one: Statement, pieces: list[Piece], last: StatementRecord | None
) -> list[Piece]:
    """The pieces that are not in the ledger. Raises StatementError for a gap."""
    first = pieces[0].statement
    assert first is not None
    if last is None:
        return pieces
    place, place_before = ((record.last_day, record.number) for record in (first, last))
    if place < place_before:
        return []
    if place == place_before and last.name == name_of(one):
        # Of several with one balance the first: what is proposed again does no harm.
        for at, piece in enumerate(pieces):
            if piece.statement is not None and piece.statement.closing == last.closing:
                return pieces[at + 1 :]
    if first.opening != last.closing:
        raise StatementError(
            f"statement {one.name} of {one.account}",
            f"begins with {format_amount(first.opening)}, the last one in the ledger "
            f"ended with {format_amount(last.closing)}: one between is missing",
        )
    return pieces


def _is_told(advice: Statement, told: set[LineKey | None]) -> bool:
    return all(line.key is None or line.key in told for line in advice.lines)


def _is_late(
    advice: Statement, last: StatementRecord | None, told: set[LineKey | None]
) -> bool:
    """Whether a line's statement must be in the ledger by now. Of the last day itself
    another may come.
    """
    if last is None:
        return False
    return any(
        line.key is not None
        and line.key not in told
        and day_of(line.booked) < last.last_day
        for line in advice.lines
    )
