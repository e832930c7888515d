"""What a line of a proposal replaces: the newest row about the same thing.

The ledger does no line of a record that has changed since its proposal. Here is what it
was before, for whoever looks at a proposal, and whether it has changed since the
proposal was prepared.
"""

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from server.status import PreconditionError
from switch._core import Ledger
from switch.bank_rows import read_bank_account, read_beneficiary
from switch.codes import Budget, Kind, Link, Record, Result
from switch.ledger.lines import line_of
from switch.ledger.templates import set_limit
from switch.money import format_amount
from switch.operator_rows import read_operator
from switch.register.budgets import budget_tail
from switch.register.certificates import pins_tail
from switch.register.merge import limits_of
from switch.register.operators import find_operator
from switch.register.register import Register
from switch.said import paise_of, say_changes
from switch.signed import (
    Line,
    read_line,
    read_person,
    record_of,
    speaks_of,
    split_lines,
)

ROWS_MAX: Final = 1 << 20
"""Rows that are looked through for limits since a proposal was prepared."""
_PAGE: Final = 1 << 16
_CODE_AT: Final = 8
"""Where the records of participants and services have their codes."""
_PARTICIPANT_CODE: Final = 32
_SERVICE_CODE: Final = 16


class Newest(NamedTuple):
    """The newest row of the register about what a line is of."""

    sequence: int
    tail: bytes


def newest_record(register: Register, line: Line) -> Newest | None:
    """The newest row about what a register line is of; None of what is new, and of
    what is added rather than replaced. Raises CorruptionError.
    """
    sequence = _sequence_of(register, line.tail) if line.kind is Kind.REGISTER else 0
    return Newest(sequence, register.record(sequence)) if sequence else None


def newest_sequence(register: Register, line: Line) -> int:
    """The newest entry of what a line replaces, limits too, 0 for none. The ledger does
    no line behind it that was proposed before. Raises CorruptionError.
    """
    if line.kind is Kind.LIMIT:
        return register.ledger.link(line.debit, Link.LIMIT)
    newest = newest_record(register, line)
    return newest.sequence if newest else 0


def _sequence_of(register: Register, tail: bytes) -> int:
    """Of the newest row about what a record is of, 0 for none."""
    record = record_of(tail)
    if record is Record.PARTICIPANT:
        participant = register.find_participant(_code(tail, _PARTICIPANT_CODE))
        return participant.sequence if participant else 0
    if record is Record.SERVICE:
        service = register.find_service(_code(tail, _SERVICE_CODE))
        return service.sequence if service else 0
    if record is Record.OPERATOR:
        each = read_operator(tail)
        operator = find_operator(register.ledger, each.participant, each.number)
        return operator.sequence if operator else 0
    if record is Record.PERSON:
        named = read_person(tail)
        person = register.find_person(named.participant, named.number)
        return person.sequence if person else 0
    if record is Record.THRESHOLDS:
        return register.thresholds.sequence if register.thresholds else 0
    if record is Record.SCHEDULE:
        return register.schedule.sequence if register.schedule else 0
    if record is Record.BANK_ACCOUNT:
        bank = register.banks.find(read_bank_account(tail).account)
        return bank.sequence if bank else 0
    if record is Record.BENEFICIARY:
        payee = register.banks.beneficiary_of(read_beneficiary(tail).account)
        return payee.sequence if payee else 0
    return 0


def _code(tail: bytes, size: int) -> str:
    code = tail[_CODE_AT : _CODE_AT + size].rstrip(b"\0")
    return code.decode("ascii", "replace")


def replaced_line(register: Register, line: Line) -> bytes:
    """What a line replaces, packed as a line; empty of what is new."""
    if line.kind is Kind.LIMIT:
        try:
            image, _ = register.ledger.account(line.debit)
        except LookupError:
            # The ledger refuses such a line.
            return b""
        limits = limits_of(image)
        return line_of(set_limit(line.debit, *limits.values(), row_id=b""))
    if line.kind is not Kind.REGISTER:
        return b""
    tail = _said_before(register, line.tail)
    return Line(Kind.REGISTER, tail=tail).pack() if tail else b""


def _said_before(register: Register, tail: bytes) -> bytes:
    record = record_of(tail)
    if record is Record.PINS:
        whose = speaks_of(tail)
        pins = register.pins(whose)
        return pins_tail(whose, pins) if pins else b""
    if record is Record.BUDGET:
        whose, budget = speaks_of(tail), Budget(tail[1])
        value = register.budgets_of(whose).get(budget, 0)
        return budget_tail(whose, budget, value) if value else b""
    newest = newest_record(register, Line(Kind.REGISTER, tail=tail))
    return newest.tail if newest else b""


def changes_text(line: Line, replaced: bytes) -> str:
    """What a line changes of what it replaces, old and new, in English."""
    told = [
        f"{change.name}: {value_text(change.name, change.before)} → "
        f"{value_text(change.name, change.after)}"
        for change in say_changes(line, read_line(replaced))
    ]
    return ", ".join(told) or "nothing"


def value_text(name: str, value: str) -> str:
    """A fact as a person reads it."""
    paise = paise_of(name, value)
    return (value or "none") if paise is None else format_amount(paise)


def check_unchanged(register: Register, tail: bytes, as_of: int) -> None:
    """Raise PreconditionError if what a line of a proposal's tail item replaces has
    changed since this entry. What is wrong with the lines the ledger says.
    """
    try:
        lines = [read_line(packed) for packed in split_lines(tail)]
        found = _first_changed(register, lines, as_of)
    except (ValueError, LookupError, struct.error):
        return
    if found:
        number, sequence = found
        text = f"line {number}: entry {sequence} has changed this meanwhile"
        raise PreconditionError("RECORD_CHANGED", f"{text}; propose it anew")


def _first_changed(
    register: Register, lines: Sequence[Line], as_of: int
) -> tuple[int, int] | None:
    """The first line whose record has changed since an entry, and by which entry."""
    limits: dict[int, int] = {}
    if any(line.kind is Kind.LIMIT for line in lines):
        limits = _limits_since(register.ledger, as_of)
    for number, line in enumerate(lines):
        newest = newest_record(register, line)
        sequence = newest.sequence if newest else 0
        if line.kind is Kind.LIMIT:
            sequence = limits.get(line.debit, 0)
        if sequence > as_of:
            return number, sequence
    return None


def _limits_since(ledger: Ledger, as_of: int) -> dict[int, int]:
    """The newest entry behind `as_of` that has set the limits of each wallet.

    Raises PreconditionError if there are more entries than are looked through.
    """
    end = ledger.sequence
    if end - as_of > ROWS_MAX:
        text = "it was prepared too long ago to tell whether limits have changed"
        raise PreconditionError("RECORD_CHANGED", f"{text}; propose it anew")
    found: dict[int, int] = {}
    first = as_of + 1
    while first <= end:
        rows = ledger.rows(first, min(end - first + 1, _PAGE))
        chosen = rows[(rows["kind"] == Kind.LIMIT) & (rows["result"] == Result.OK)]
        numbers = zip(
            chosen["debit"].tolist(), chosen["sequence"].tolist(), strict=True
        )
        found |= dict(numbers)
        first += len(rows)
    return found
