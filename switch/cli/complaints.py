"""`payswitch cancel` and `complaint`: what went wrong with a payment, and is put right.

Over the wire only, like the other commands; errors are put into words in `cli.main`.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from typing import Any

from switch.calendar import format_ist
from switch.cli.arguments import add_id, add_sender, as_argument, to_count
from switch.cli.commands import limited, open_client, open_office
from switch.codes import Result, Role
from switch.console.output import Exit, Screen, enum_word, plain
from switch.errors import UsageError
from switch.ids import format_id, parse_id
from switch.payment_states import PaymentState
from switch.v1 import complaints_pb2 as pb
from switch.v1 import results_pb2

TEXT = "raise, follow and answer complaints about payments"
LINES = 50
"""Complaints that are shown when no number is asked for."""
PAGE = 1_000

Add = Callable[[str, Callable[[Namespace, Screen], Exit], str], ArgumentParser]


def _words(descriptor: Any) -> dict[str, int]:
    """What an argument calls each value of an enumeration."""
    return {
        enum_word(descriptor, number).replace("_", "-"): number
        for number in descriptor.values_by_number
        if number
    }


_REASONS = _words(pb.ComplaintReason.DESCRIPTOR)
_STATES = _words(pb.ComplaintState.DESCRIPTOR)
_STEPS = {"ask": 1, "answer": 2, "close": 3}


def add_commands(add: Add) -> None:
    """Add `cancel`."""
    command = add("cancel", cancel, "give back what no biller was asked about yet")
    command.add_argument(
        "id", type=as_argument(parse_id), metavar="ID", help="of the payment"
    )
    add_sender(command)
    _add_operator(command)


def _add_operator(command: ArgumentParser) -> None:
    command.add_argument(
        "--operator",
        type=to_count,
        default=0,
        metavar="N",
        help="the operator who asks for it",
    )


def add_verbs(add: Add) -> None:
    """Add the verbs of `complaint`."""
    raised = add("raise", raise_one, "say what is wrong with a payment")
    raised.add_argument("centre", metavar="CENTRE", help="the centre that raises it")
    raised.add_argument(
        "payment", type=as_argument(parse_id), metavar="ID", help="of the payment"
    )
    raised.add_argument("reason", choices=tuple(_REASONS), help="what is wrong")
    raised.add_argument(
        "--note", default="", metavar="TEXT", help="at most 64 plain characters"
    )
    _add_operator(raised)
    add_sender(raised)
    add_id(raised)
    shown = add("show", show, "how a complaint stands")
    shown.add_argument(
        "number",
        metavar="NUMBER",
        help="of the complaint, as `complaint raise` gave it",
    )
    listed = add("list", list_all, "complaints, newest first")
    listed.add_argument(
        "--centre", default="", metavar="ID", help="only those that it raised"
    )
    listed.add_argument(
        "--biller", default="", metavar="ID", help="only those about its bills"
    )
    listed.add_argument(
        "--state", choices=tuple(_STATES), help="default: all that are not closed"
    )
    listed.add_argument(
        "--overdue", action="store_true", help="without an answer in its time"
    )
    listed.add_argument(
        "--limit",
        type=to_count,
        default=LINES,
        metavar="N",
        help="complaints at most, 0 for all (default: %(default)s)",
    )
    answered = add("answer", answer, "ask the biller, answer as one, or close")
    answered.add_argument(
        "number",
        metavar="NUMBER",
        help="of the complaint, as `complaint raise` gave it",
    )
    answered.add_argument(
        "step",
        choices=tuple(_STEPS),
        help="ask the biller, answer as the biller, or close it",
    )
    answered.add_argument("text", metavar="TEXT", help="1 to 64 plain characters")
    add_id(answered)


def cancel(args: Namespace, screen: Screen) -> Exit:
    """Give a held payment's money back."""
    if args.identity is None:
        raise UsageError("a centre alone cancels: --as centre/ID")
    with open_client(args, *args.identity) as client:
        reply = client.cancel_payment(args.id, args.operator, args.sender)
    if screen.as_json:
        screen.value(plain(reply))
        return Exit.DONE
    language = screen.language
    screen.facts(
        [
            ("state", language.state(PaymentState(reply.state))),
            ("id", format_id(args.id)),
            ("entry", str(reply.sequence)),
            ("time", format_ist(reply.time_ns)),
        ]
    )
    if reply.repeat:
        screen.line(language.word("repeat"))
    return Exit.DONE


def raise_one(args: Namespace, screen: Screen) -> Exit:
    """Raise a complaint; its number is for the citizen."""
    with open_client(args, Role.CENTRE, args.centre) as client:
        reply = client.raise_complaint(
            args.payment,
            pb.ComplaintReason.ValueType(_REASONS[args.reason]),
            args.note,
            operator=args.operator,
            sender=args.sender,
            move_id=args.id,
        )
    return _told(reply.outcome, reply.complaint, reply, screen)


def answer(args: Namespace, screen: Screen) -> Exit:
    """Add a step to a complaint."""
    with open_office(args) as client:
        reply = client.answer_complaint(
            args.number,
            pb.ComplaintStep.ValueType(_STEPS[args.step]),
            args.text,
            move_id=args.id,
        )
    return _told(reply.outcome, reply.complaint, reply, screen)


def _told(
    outcome: results_pb2.Outcome,
    complaint: pb.Complaint,
    reply: pb.RaiseComplaintResponse | pb.AnswerComplaintResponse,
    screen: Screen,
) -> Exit:
    result = Result(outcome.result)
    code = Exit.DONE if result is Result.OK else Exit.REFUSED
    if screen.as_json:
        screen.value(plain(reply))
        return code
    language = screen.language
    if result is not Result.OK:
        words = language.result(result)
        screen.line(f"{language.word('refused')}: {words} ({result.name})")
    if complaint.number:
        _show(complaint, screen)
    if outcome.repeat:
        screen.line(language.word("repeat"))
    return code


def show(args: Namespace, screen: Screen) -> Exit:
    """How one stands, and all that was said."""
    with open_office(args) as client:
        found = client.complaint(args.number)
    if screen.as_json:
        screen.value(plain(found))
    else:
        _show(found, screen)
    return Exit.DONE


def _show(found: pb.Complaint, screen: Screen) -> None:
    word = screen.language.word
    facts = [
        ("complaint", found.number),
        ("state", word(_state(found))),
        ("reason", word(_reason(found))),
        ("centre", found.centre),
        ("biller", found.biller),
        ("entry", f"{found.payment_sequence} ({format_id(found.payment_id)})"),
        ("time", format_ist(found.time_ns)),
        ("answer due", format_ist(found.answer_due_ns)),
    ]
    if found.note:
        facts.append(("note", found.note))
    if found.refund_sequence:
        facts.append(("refunded", str(found.refund_sequence)))
    for one in found.events:
        step = enum_word(pb.ComplaintStep.DESCRIPTOR, one.step)
        when = format_ist(one.time_ns)
        facts.append((f"complaint {step}", f"{when} {one.participant}: {one.text}"))
    screen.facts(facts)


def _state(found: pb.Complaint) -> str:
    return f"complaint {enum_word(pb.ComplaintState.DESCRIPTOR, found.state)}"


def _reason(found: pb.Complaint) -> str:
    name = enum_word(pb.ComplaintReason.DESCRIPTOR, found.reason)
    return f"reason {name.replace('_', ' ')}"


def list_all(args: Namespace, screen: Screen) -> Exit:
    """Complaints that the caller may see."""
    request = pb.ListComplaintsRequest(
        centre=args.centre,
        biller=args.biller,
        state=pb.ComplaintState.ValueType(_STATES.get(args.state, 0)),
        overdue_only=args.overdue,
        page_size=PAGE,
    )
    with open_office(args) as client:
        lines = limited(client.all_complaints(request), args.limit, screen)
    if screen.as_json:
        screen.value({"complaints": [plain(one) for one in lines]})
        return Exit.DONE
    word = screen.language.word
    if not lines:
        screen.line(word("no complaints"))
        return Exit.DONE
    screen.table(
        ("complaint", "time", "state", "reason", "centre", "biller", "answer due"),
        [
            (
                one.number,
                format_ist(one.time_ns),
                word(_state(one)),
                word(_reason(one)),
                one.centre,
                one.biller,
                format_ist(one.answer_due_ns),
            )
            for one in lines
        ],
        drop=("time", "biller", "centre"),
    )
    return Exit.DONE
