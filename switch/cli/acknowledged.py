"""`payswitch acknowledged`: what a biller has acknowledged of its completed payments.

Over the wire, into a file for `match`. The ledger keeps a biller's word in the entry
that it made: in the post of a hold, or in the case that a correction ended.
"""

import json
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from switch.cli.arguments import to_count
from switch.cli.commands import open_office
from switch.cli.match_files import write_file
from switch.client import Client
from switch.console.output import Exit, Screen
from switch.errors import UsageError
from switch.matching.acknowledgements import LINES_MAX, Word, first_line
from switch.v1 import exceptions_pb2, types_pb2

TEXT = "which completed payments a biller has acknowledged, as a file for match"

_SAID_OTHERWISE = (
    exceptions_pb2.EXCEPTION_KIND_LATE_REJECTION,
    exceptions_pb2.EXCEPTION_KIND_AMOUNT_DIFFERS,
)


def add_arguments(command: ArgumentParser) -> None:
    """What it takes."""
    command.add_argument(
        "biller", metavar="BILLER", help="the biller whose answers they are"
    )
    command.add_argument("file", type=Path, metavar="FILE", help="where it is written")
    command.add_argument(
        "--after",
        type=to_count,
        default=0,
        metavar="ENTRY",
        help="from behind this entry, of a window (default: the beginning)",
    )
    command.add_argument(
        "--to",
        type=to_count,
        default=0,
        metavar="ENTRY",
        help="up to this one (default: the last closed window)",
    )


def acknowledged(args: Namespace, screen: Screen) -> Exit:
    """Write it, and say how many stand on what."""
    with open_office(args) as client:
        to = args.to or client.ledger().last_window
        if args.after >= to:
            raise UsageError("no entry is between --after and --to")
        words = write_words(client, args.biller, args.after, to, args.file)
    if screen.as_json:
        screen.value({"file": str(args.file), "words": dict(sorted(words.items()))})
        return Exit.DONE
    word, count = screen.language.word, screen.language.count
    facts = [(f"acknowledged {one}", count(words[one])) for one in Word]
    screen.facts([*((word(name), text) for name, text in facts)])
    screen.facts([("written", str(args.file))])
    return Exit.DONE


def write_words(
    client: Client, biller: str, after: int, to: int, file: Path
) -> Counter[Word]:
    """Write how each payment between two entries stands; how many stand on what.

    Raises UsageError, ConfigError, what the client raises.
    """
    found: Counter[Word] = Counter()
    lines = [json.dumps(first_line(biller, after, to))]
    for one in _told(client, biller, after, to):
        found[one["word"]] += 1
        lines.append(json.dumps(one))
        if len(lines) > LINES_MAX:
            raise UsageError(f"more than {LINES_MAX:,} payments: a shorter span")
    write_file(file, "".join(f"{one}\n" for one in lines).encode())
    return found


def _told(client: Client, biller: str, after: int, to: int) -> Iterator[dict[str, Any]]:
    withdrawn: set[int] = set()
    for case in client.exceptions(_SAID_OTHERWISE, biller):
        # What a biller says of a basket it says of all of it.
        first = case.payment.sequence - case.payment.basket_index
        withdrawn.update(range(first, first + max(case.payment.basket_size, 1)))
    with closing(client.feed(biller, after)) as entries:
        for entry in entries:
            if entry.sequence > to:
                return
            found = _word(entry)
            if found is None:
                continue
            if found is Word.BILLER and entry.resolves in withdrawn:
                found = Word.WITHDRAWN
            yield {"entry": entry.sequence, "word": found}


def _word(entry: types_pb2.Entry) -> Word | None:
    """What stands behind an entry, if it completed a payment."""
    if entry.kind == types_pb2.ENTRY_KIND_PAY:
        return Word.NOBODY
    if entry.kind == types_pb2.ENTRY_KIND_POST:
        return Word.BILLER if entry.by_biller else Word.PEOPLE
    if entry.kind == types_pb2.ENTRY_KIND_TRANSFER and entry.resolves:
        # A correction: its biller has confirmed it late, or it could not be done.
        return Word.BILLER
    return None
