"""`payswitch propose statement`: what a bank's files say becomes what a person signs.

The lines are made here, from the files, and signed here; the switch is asked which
accounts they name and where the last statement ended. May use `bank` and `banks`.
"""

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from switch.bank.booking import Bank
from switch.bank.lines import Side, StatementError
from switch.bank.planning import Plan, Planned, Standing, plan
from switch.bank.sequence import Break, look_through
from switch.bank_rows import StatementRecord
from switch.calendar import day_date, day_number
from switch.cli.arguments import add_again, add_id, to_reason
from switch.cli.bank_statements import (
    SHOWN,
    add_files,
    plain_finding,
    read_files,
    show_findings,
)
from switch.cli.commands import open_office
from switch.cli.next_steps import show_waiting
from switch.cli.signing import add_person, agreed, signer_of
from switch.client import Client
from switch.client.banks import Banks, booking_id, booking_row
from switch.client.people import Signer
from switch.codes import PersonRole, Result, Source
from switch.console.output import Exit, Screen, plain
from switch.ids import new_id
from switch.signed import Row, hash_of
from switch.v1 import banks_pb2, results_pb2
from switch.v1 import people_pb2 as pb

TEXT = "propose what a bank's files say; a channel's is done at once"


class _Booking(NamedTuple):
    """A proposal, ready to be signed."""

    planned: Planned
    row: Row
    id: bytes
    hash: bytes


class _Told(NamedTuple):
    """What became of one."""

    outcome: results_pb2.Outcome
    lines: Sequence[pb.LineOutcome] = ()
    is_tried: bool = False
    """A channel's is done at once."""

    @property
    def is_done(self) -> bool:
        """Whether nothing of it was refused but for what is there already."""
        is_ok = self.outcome.result == int(Result.OK)
        return is_ok and all(_is_there(one) for one in self.lines)


def _is_there(one: pb.LineOutcome) -> bool:
    return one.outcome.result in (int(Result.OK), int(Result.ALREADY_BOOKED))


def propose_statement(args: Namespace, screen: Screen) -> Exit:
    """Judge the files, make what the ledger lacks of them, show it, sign it."""
    try:
        statements = read_files(args, screen)
    except StatementError as error:
        screen.note(f"not believed: {error}")
        return Exit.REFUSED
    findings = [
        one for one in look_through(statements) if one.what is not Break.REPEATED
    ]
    if findings:
        if screen.as_json:
            for one in findings:
                screen.value({"finding": plain_finding(one)})
        else:
            show_findings(findings, SHOWN, screen)
            screen.note(screen.language.word("nothing proposed"))
        return Exit.FINDINGS
    source = Source.CSV if args.map is not None else Source.CAMT
    with open_office(args) as client:
        signer = signer_of(args, client)
        try:
            standing = standing_of(client.bank_accounts(), signer)
            today = day_date(day_number(time.time_ns()))
            wanted = plan(statements, standing, source, today)
        except StatementError as error:
            screen.note(f"payswitch: {error}")
            return Exit.REFUSED
        return _propose(args, screen, client, signer, wanted)


def standing_of(banks: Banks, signer: Signer) -> dict[str, Standing]:
    """The bank accounts that take lines, by their numbers."""
    return {
        one.number: Standing(
            # Numbers are looked for of the ledger that it is signed for.
            Bank(one.index, one.account, signer.ledger.instance),
            _record(one.statement) if one.HasField("statement") else None,
        )
        for one in banks.accounts
        if one.active
    }


def _record(one: banks_pb2.BankStatement) -> StatementRecord:
    return StatementRecord(
        Source(one.source),
        0,
        one.number,
        one.first_day,
        one.last_day,
        one.lines_count,
        one.opening,
        one.closing,
        one.name,
    )


def _propose(
    args: Namespace, screen: Screen, client: Client, signer: Signer, wanted: Plan
) -> Exit:
    bookings = [_booking(one, args, signer) for one in wanted.wanted]
    if not screen.as_json:
        _show(bookings, wanted, signer, screen)
    if not bookings:
        if screen.as_json:
            screen.value(_plain_plan(wanted))
        return _exit_of(wanted)
    if not agreed(args, screen):
        return Exit.REFUSED
    result = _exit_of(wanted)
    for booking in bookings:
        told = _submit(client, signer, booking)
        if screen.as_json:
            screen.value(_plain(booking, told))
        else:
            _tell(booking, told, signer, args, screen)
        if not told.is_done:
            # What follows would begin where this one did not end.
            return Exit.REFUSED
    return result


def _exit_of(wanted: Plan) -> Exit:
    return Exit.FINDINGS if wanted.late or wanted.older else Exit.DONE


def _booking(planned: Planned, args: Namespace, signer: Signer) -> _Booking:
    row = booking_row(planned.piece.lines, args.because)
    row_id = (args.id or new_id()) if args.again else booking_id(row, signer)
    person = signer.person
    digest = hash_of(
        row, row_id, person.participant_index, person.number, signer.ledger
    )
    return _Booking(planned, row, row_id, digest)


def _submit(client: Client, signer: Signer, booking: _Booking) -> _Told:
    outcome = client.submit(booking.row, signer, move_id=booking.id)
    is_channel = signer.person.role == int(PersonRole.CHANNEL)
    if outcome.result != int(Result.OK) or not is_channel:
        return _Told(outcome)
    return _Told(outcome, client.do_lines(outcome.sequence), is_tried=True)


# --- what is shown -------------------------------------------------------------------


def _show(
    bookings: Sequence[_Booking], wanted: Plan, signer: Signer, screen: Screen
) -> None:
    language = screen.language
    amount, count, word = language.amount, language.count, language.word
    rows = []
    for one in bookings:
        piece, statement = one.planned.piece, one.planned.statement
        record = piece.statement
        rows.append(
            (
                statement.account,
                statement.name,
                _days(record) if record else word("advice"),
                amount(record.opening) if record else "",
                *(
                    f"{amount(piece.sums[side])} ({count(piece.counts[side])})"
                    for side in (Side.CREDIT, Side.DEBIT)
                ),
                amount(record.closing) if record else "",
                count(piece.named),
                one.hash.hex(),
            )
        )
    if rows:
        screen.table(
            (
                *("bank account", "statement", "days", "opening", "credits"),
                *("debits", "closing", "naming", "hash"),
            ),
            rows,
            right=("opening", "credits", "debits", "closing", "naming"),
            whole=True,
        )
        screen.facts([("instance", signer.ledger.instance.hex())])
    else:
        screen.line(word("nothing to do"))
    if wanted.already:
        screen.facts([("statements already", count(len(wanted.already)))])
    for older in wanted.older:
        screen.note(f"{older.account}, {older.name}: {word('older statement')}")
    for late in wanted.late:
        screen.note(f"{late.account}, {late.name}: {word('late advice')}")


def _days(record: StatementRecord) -> str:
    first, last = day_date(record.first_day), day_date(record.last_day)
    days = f"{first}" if first == last else f"{first} – {last}"
    return f"{record.number}, {days}" if record.number else days


def _tell(
    booking: _Booking, told: _Told, signer: Signer, args: Namespace, screen: Screen
) -> None:
    language = screen.language
    word, outcome = language.word, told.outcome
    result = Result(outcome.result)
    if result is not Result.OK:
        text = f"{word('refused')}: {language.result(result)} ({result.name})"
        screen.line(f"{booking.planned.statement.name}: {text}")
        return
    if signer.person.role != int(PersonRole.CHANNEL):
        show_waiting(outcome, screen)
        return
    screen.facts([("state", word("done")), ("entry", str(outcome.sequence))])
    if outcome.repeat:
        screen.line(word("repeat"))
    counts = _counts(booking, told)
    facts = [("booked now", language.count(counts["booked"]))]
    facts += [("booked before", language.count(counts["already"]))]
    screen.facts(facts)
    for one in told.lines:
        if not _is_there(one):
            why = Result(one.outcome.result)
            text = f"{language.result(why)} ({why.name})"
            screen.line(f"{word('line')} {one.line}: {text}")


def _counts(booking: _Booking, told: _Told) -> dict[str, int]:
    """What became of its lines; what was there already the switch passes over."""
    if not told.is_tried:
        return {"booked": 0, "already": 0, "refused": 0}
    booked = sum(one.outcome.result == int(Result.OK) for one in told.lines)
    refused = sum(not _is_there(one) for one in told.lines)
    already = len(booking.planned.piece.lines) - booked - refused
    return {"booked": booked, "already": already, "refused": refused}


def _plain(booking: _Booking, told: _Told) -> dict[str, Any]:
    piece, statement = booking.planned.piece, booking.planned.statement
    record = piece.statement
    return {
        **plain(told.outcome),
        "account": statement.account,
        "statement": statement.name,
        "advice": record is None,
        "opening": record.opening if record else None,
        "closing": record.closing if record else None,
        "lines_count": len(piece.lines),
        "credits": piece.sums[Side.CREDIT],
        "debits": piece.sums[Side.DEBIT],
        "naming": piece.named,
        "hash": booking.hash.hex(),
        **_counts(booking, told),
        "refused_lines": [plain(one) for one in told.lines if not _is_there(one)],
    }


def _plain_plan(wanted: Plan) -> dict[str, Any]:
    return {
        "lines_count": 0,
        "already_count": len(wanted.already),
        "older": [one.name for one in wanted.older],
        "late": [one.name for one in wanted.late],
    }


# --- arguments -----------------------------------------------------------------------


def add_verb(
    add: Callable[[str, Callable[[Namespace, Screen], Exit], str], ArgumentParser],
) -> None:
    """`payswitch propose statement`."""
    verb = add("statement", propose_statement, TEXT)
    add_files(verb)
    add_again(verb)
    verb.add_argument(
        "--because",
        type=to_reason,
        default="statement",
        metavar="TEXT",
        help="why, 1 to 32 plain characters (default: %(default)s)",
    )
    add_person(verb)
    add_id(verb)
