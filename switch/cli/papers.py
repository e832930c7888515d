"""A citizen's papers: receipts, those of refunds, acknowledgements; on a screen, as A5,
on a roll of 58 mm.

Over the wire only, like the other commands. The forms need `payswitch[counter]`: who
asks for none of them does not wait for it.
"""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path

from switch.cli.arguments import add_sender, as_argument, to_count
from switch.cli.commands import open_client
from switch.client import Client
from switch.codes import Role
from switch.console.output import Exit, Screen
from switch.console.print_record import (
    COUNTER_DATA,
    PrintRecord,
    counter_folder,
    may_be_original,
)
from switch.console.words import Language
from switch.errors import ConfigError, UsageError, WireError
from switch.ids import parse_id
from switch.specs import TREASURY
from switch.v1 import counter_pb2

LANGUAGES = {
    Language.ENGLISH: counter_pb2.LANGUAGE_ENGLISH,
    Language.BENGALI: counter_pb2.LANGUAGE_BENGALI,
}
REFUNDS_MAX = 2**32 - 1


Add = Callable[[str, Callable[[Namespace, Screen], Exit], str], ArgumentParser]


def add_commands(add: Add) -> None:
    """The commands of papers."""
    command = add("receipt", receipt, "the receipt of a completed payment")
    add_asked(command)
    _add_forms(command)
    command.add_argument(
        "--reprint", action="store_true", help="say that it is printed once more"
    )
    command.add_argument(
        "--data",
        type=Path,
        default=COUNTER_DATA,
        metavar="DIR",
        help="of the counter: where it stands which receipts were printed; the second "
        "print says REPRINT (default: %(default)s)",
    )
    command.add_argument(
        "--refund",
        type=to_count,
        default=0,
        metavar="N",
        help="of the payment's first (1), second, ... refund",
    )
    command.add_argument(
        "--check-base",
        default="",
        metavar="URL",
        help="where receipts are checked: the square on the paper leads there",
    )
    command = add(
        "acknowledgement",
        acknowledgement,
        "that the switch has a payment, and how it stands: no receipt",
    )
    add_asked(command)
    _add_forms(command)


def add_asked(command: ArgumentParser) -> None:
    """Which payment is asked about."""
    command.add_argument(
        "id", type=as_argument(parse_id), metavar="ID", help="of the payment"
    )
    add_sender(command)


def _add_forms(command: ArgumentParser) -> None:
    command.add_argument("--pdf", metavar="FILE", help="write it as PDF on A5")
    command.add_argument(
        "--printer",
        metavar="HOST:PORT|DEVICE|FILE",
        help="print it on a roll of 58 mm (ESC/POS)",
    )


def receipt(args: Namespace, screen: Screen) -> Exit:
    """Print the receipt of a completed payment, or of one of its refunds."""
    if args.refund > REFUNDS_MAX:
        raise UsageError(f"--refund must be at most {REFUNDS_MAX}")
    record = _record_of(args)
    with asker(args) as client:
        found = _ask(client, args, screen, reprint=record is None)
        is_first = (
            record is not None
            and may_be_original(_done_ns(found.json))
            and _claim(record, args)
        )
        try:
            if record is not None and not is_first:
                found = _ask(client, args, screen, reprint=True)
            if _has_form(args):
                _print_forms(args, screen, found.json, found.code, found.refunded)
            else:
                _show(screen, found.text, found.json)
        except BaseException:
            if record is not None and is_first:
                record.give_back(args.id, args.refund)
            raise
    return Exit.DONE


def _ask(
    client: Client, args: Namespace, screen: Screen, *, reprint: bool
) -> counter_pb2.GetReceiptResponse:
    return client.receipt(
        args.id,
        args.sender,
        LANGUAGES[screen.language],
        reprint=reprint,
        refund=args.refund,
    )


def _record_of(args: Namespace) -> PrintRecord | None:
    """Which receipts the centre has printed; None if all that is printed is a reprint.

    A centre alone has originals, of what it has paid itself: nobody else knows what was
    printed at the counter.
    """
    role, name = args.identity or (Role.TREASURY, TREASURY)
    if args.reprint or role is not Role.CENTRE or args.sender not in ("", name):
        return None
    return PrintRecord(counter_folder(args.data, name))


def _claim(record: PrintRecord, args: Namespace) -> bool:
    try:
        return record.claim(args.id, args.refund)
    except OSError as error:
        raise ConfigError(
            f"{args.data} cannot have it that this is printed ({error.strerror}): "
            "nothing was printed. Name the counter's folder with --data, or print a "
            "copy with --reprint"
        ) from error


def _done_ns(text: str) -> int:
    """When what the paper is of was done. Raises WireError if it does not say."""
    try:
        paper = json.loads(text)
        return int(paper.get("refunded_time_ns") or paper["completed_time_ns"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WireError(f"a receipt without its time: {error}") from error


def acknowledgement(args: Namespace, screen: Screen) -> Exit:
    """Print the acknowledgement of a payment, however it stands."""
    with asker(args) as client:
        language = LANGUAGES[screen.language]
        found = client.acknowledgement(args.id, args.sender, language)
    if _has_form(args):
        _print_forms(args, screen, found.json)
    else:
        _show(screen, found.text, found.json)
    return Exit.DONE


def asker(args: Namespace) -> Client:
    """Who asks about a payment of `--sender`, or its own."""
    if args.identity is None and not args.sender:
        raise UsageError("name who sent the payment with --sender, or be it with --as")
    return open_client(args, Role.TREASURY, TREASURY)


def _show(screen: Screen, text: str, value: str) -> None:
    # As it is: a paper has its own width, and its own JSON.
    print(value if screen.as_json else text.rstrip("\n"), flush=True)


def _has_form(args: Namespace) -> bool:
    return args.pdf is not None or args.printer is not None


def _print_forms(
    args: Namespace, screen: Screen, text: str, code: str = "", refunded: int = 0
) -> None:
    """Write the PDF, and print on the roll, whichever is asked for.

    Raises ConfigError for what cannot be used, a printer too; PaperError, UsageError.
    """
    try:
        from switch import papers
    except ImportError as error:
        raise ConfigError(
            f"{error.name} is not there: forms need pip install 'payswitch[counter]'"
        ) from error
    base = getattr(args, "check_base", "")
    try:
        base = base and papers.check_base(base)
    except ValueError as error:
        raise UsageError(f"--check-base {error}") from error
    facts = papers.read_paper(text, code=code, refunded=refunded)
    press = papers.Press(papers.find_fonts())
    bengali = screen.language is Language.BENGALI
    made = {}
    if args.pdf is not None:
        made[args.pdf] = press.pdf(facts, bengali=bengali, check_base=base)
    if args.printer is not None:
        made[args.printer] = press.roll(facts, bengali=bengali, check_base=base)
    for target, data in made.items():
        papers.send(target, data)
    if screen.as_json:
        screen.value({"number": facts.number, "code": facts.code, "to": [*made]})
    else:
        for target in made:
            screen.line(f"{facts.number} → {target}")
