"""`payswitch day-list`: a biller sends its list of a day, the same CSV as for a match.

Over the wire, as the biller: it is its own word, and what follows from it is the
ledger's to decide.
"""

import asyncio
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from switch.calendar import parse_date
from switch.cli.arguments import add_announced, as_argument, to_count
from switch.cli.commands import credentials_of
from switch.cli.match_files import bytes_of, opened
from switch.codes import Role
from switch.column_maps import MAP_MAX
from switch.console.output import Exit, Screen
from switch.errors import UsageError
from switch.matching.cells import ListError
from switch.matching.maps import read_map
from switch.simulator.day_list import list_messages, send_day_list
from switch.v1 import billers_pb2 as pb

TEXT = "send the complete list of a day that a biller has credited, as that biller"

_CANNOT_BE = "invalid_argument"


def day_list(args: Namespace, screen: Screen) -> Exit:
    """Send it, and say what came of it."""
    if args.identity is None or args.identity[0] is not Role.BILLER:
        raise UsageError("a biller alone sends its list: --as biller/ID")
    # It needs NumPy, which no other command should wait for.
    from switch.matching.day_lines import read_day

    columns = read_map(bytes_of(args.map, MAP_MAX), str(args.map))
    try:
        with opened(args.file) as file:
            lines = read_day(
                file,
                args.file.name,
                columns,
                args.day,
                count=args.count,
                total=args.total,
            )
    except ListError as error:
        screen.note(f"not believed: {error}")
        return Exit.REFUSED
    answers = [
        pb.Answer(
            number=one.number,
            id=one.id,
            kind=pb.ANSWER_KIND_CONFIRMED,
            biller_reference=one.reference,
            amount=one.amount,
        )
        for one in lines
    ]
    messages = list_messages(args.day, answers)
    caller = credentials_of(args.tls, *args.identity)
    addresses = args.address.split(",")
    said = asyncio.run(send_day_list(messages, addresses, caller, args.wait))
    if screen.as_json:
        screen.value(said)
    else:
        _show(said, args.identity[1], screen)
    if "error" in said:
        return Exit.REFUSED if said["error"] == _CANNOT_BE else Exit.UNKNOWN
    if "lacks" in said:
        return Exit.REFUSED
    wrong = (
        "disputed",
        "differing",
        "late",
        "unknown",
        "missing",
        "damaged",
        "too_early",
    )
    return Exit.FINDINGS if any(said.get(name) for name in wrong) else Exit.DONE


def _show(said: dict[str, Any], biller: str, screen: Screen) -> None:
    """What came of it to a person."""
    language = screen.language
    lacks = said.get("lacks")
    facts = []
    for name, value in said.items():
        if isinstance(value, list):
            facts.append(("list numbers", ", ".join(map(str, value))))
        elif isinstance(value, int):
            facts.append((f"list {name}", language.count(value)))
        elif name != "lacks":
            facts.append((f"list {name}", str(value)))
    if lacks is not None:
        facts += [
            ("list lacks", language.count(lacks["count"])),
            ("list lacks amount", language.amount(lacks["amount"])),
            ("list numbers", ", ".join(map(str, lacks["numbers"]))),
        ]
    screen.facts(facts)
    if lacks is not None:
        screen.line(language.word("list too little"))
        screen.command("network", "set", biller, f"day_list={lacks['let_through']}")


def add_arguments(command: ArgumentParser) -> None:
    """What it takes."""
    command.add_argument("file", type=Path, metavar="FILE", help="CSV")
    command.add_argument(
        "--map", type=Path, required=True, metavar="FILE", help="of its columns"
    )
    command.add_argument(
        "--day",
        type=as_argument(parse_date),
        required=True,
        metavar="DATE",
        help="IST, on which the payments were made",
    )
    add_announced(command)
    command.add_argument(
        "--wait",
        type=to_count,
        default=0,
        metavar="SECONDS",
        help="send it again for so long while it is too early for some payments",
    )
