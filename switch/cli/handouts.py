"""`payswitch handouts` and `hand-out`: money that came back to a centre's wallet, and
that its citizens have to get.

Over the wire only, like the other commands; errors are put into words in `cli.main`.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable

from switch.calendar import format_ist
from switch.cli.arguments import add_id, as_argument, to_count
from switch.cli.commands import limited, open_client, open_office
from switch.codes import Result, Role, Tender
from switch.console.output import Exit, Screen, enum_word, plain
from switch.console.words import Language
from switch.ids import format_id
from switch.money import parse_amount
from switch.v1 import handouts_pb2 as pb
from switch.v1 import types_pb2

LINES = 50
"""Handouts that are shown unless more are asked for."""

Add = Callable[[str, Callable[[Namespace, Screen], Exit], str], ArgumentParser]


def add_commands(add: Add) -> None:
    """Add `handouts` and `hand-out`."""
    listed = add("handouts", list_all, "refunds that wait for their citizens")
    listed.add_argument("centre", metavar="CENTRE", help="whose refunds")
    listed.add_argument(
        "--limit",
        type=to_count,
        default=LINES,
        metavar="N",
        help="handouts at most, 0 for all (default: %(default)s)",
    )
    made = add("hand-out", hand_out, "hand the cash of a refund to its citizen")
    made.add_argument("centre", metavar="CENTRE", help="which hands it out")
    made.add_argument(
        "entry",
        type=to_count,
        metavar="ENTRY",
        help="the entry that gave the money back, as `handouts` lists it",
    )
    made.add_argument(
        "amount",
        type=as_argument(parse_amount),
        metavar="AMOUNT",
        help="all that the entry gave back, in rupees",
    )
    made.add_argument(
        "--operator",
        type=to_count,
        default=0,
        metavar="N",
        help="who hands it out; the cash counts in that operator's shift",
    )
    add_id(made)


def list_all(args: Namespace, screen: Screen) -> Exit:
    """What waits at a centre, the oldest first."""
    with open_office(args) as client:
        lines = limited(client.all_handouts(args.centre), args.limit, screen)
    if screen.as_json:
        screen.value({"handouts": [plain(line) for line in lines]})
        return Exit.DONE
    if not lines:
        screen.line(screen.language.word("no handouts"))
        return Exit.DONE
    language = screen.language
    screen.table(
        ("entry", "time", "kind", "amount", "tender", "reference", "id"),
        [
            (
                str(line.sequence),
                format_ist(line.time_ns),
                enum_word(types_pb2.EntryKind.DESCRIPTOR, line.kind),
                language.amount(line.amount),
                _tender(line, language),
                line.payment.citizen_reference or line.payment.reference,
                format_id(line.payment.id),
            )
            for line in lines
        ],
    )
    return Exit.DONE


def hand_out(args: Namespace, screen: Screen) -> Exit:
    """Hand one of them out. Hand over no money before this has answered."""
    with open_client(args, Role.CENTRE, args.centre) as client:
        reply = client.hand_out(
            args.entry, args.amount, operator=args.operator, move_id=args.id
        )
    result = Result(reply.outcome.result)
    code = Exit.DONE if result is Result.OK else Exit.REFUSED
    if screen.as_json:
        screen.value(plain(reply))
        return code
    language = screen.language
    if result is not Result.OK:
        words = language.result(result)
        screen.line(f"{language.word('refused')}: {words} ({result.name})")
    else:
        screen.line(language.word("handed out"))
    _show(reply.handout, screen)
    if reply.outcome.repeat:
        screen.line(language.word("repeat"))
    return code


def _tender(found: pb.Handout, language: Language) -> str:
    """How the citizen had paid."""
    return language.word(f"tender {Tender(found.tender).name.lower()}")


def _show(found: pb.Handout, screen: Screen) -> None:
    """What was given back, and who has handed it out."""
    language = screen.language
    facts = [
        ("entry", str(found.sequence)),
        ("amount", language.amount(found.amount)),
        ("tender", _tender(found, language)),
        ("id", format_id(found.payment.id)),
    ]
    if found.handed_out_sequence:
        when = format_ist(found.handed_out_time_ns)
        facts.append(("handed out", f"{when}, {found.handed_out_sequence}"))
        facts.append(("operator", str(found.handed_out_operator)))
    screen.facts(facts)
