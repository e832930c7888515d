"""The commands of `payswitch` about beneficiaries: the list, and the proposal.

Over the wire only, as `commands`, whose ways they share.
"""

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator

from switch.bank.lines import canonical_account
from switch.bank_rows import is_ifsc
from switch.calendar import format_ist
from switch.cli.arguments import as_argument
from switch.cli.commands import open_office
from switch.cli.explain import Name, to_name
from switch.cli.wishes import add_signed, proposing
from switch.console.output import Exit, Screen, plain
from switch.v1 import people_pb2 as pb

Add = Callable[[str, Callable[[Namespace, Screen], Exit], str], ArgumentParser]


def beneficiaries(args: Namespace, screen: Screen) -> Exit:
    """To which accounts at banks billers' money is paid out, and from when on."""
    with open_office(args) as client:
        found = list(client.beneficiaries())
    if screen.as_json:
        for one in found:
            screen.value(plain(one))
        return Exit.DONE
    word = screen.language.word
    if not found:
        screen.line(word("no beneficiaries"))
        screen.command("propose", "beneficiary", "--help")
        return Exit.DONE
    now_ns = time.time_ns()
    screen.table(
        (
            *("biller", "head", "bank number", "ifsc", "name", "active", "entry"),
            "may be used from",
        ),
        [
            (
                one.biller,
                one.head,
                one.number,
                one.ifsc,
                one.name,
                word("yes" if one.active else "no"),
                str(one.sequence),
                _usable(one.usable_from_ns, now_ns, screen) if one.active else "",
            )
            for one in found
        ],
        drop=("entry", "ifsc", "active", "name"),
    )
    return Exit.DONE


def _usable(from_ns: int, now_ns: int, screen: Screen) -> str:
    """From when on money may be paid out to it; what is to come is marked."""
    text = format_ist(from_ns)
    return text if from_ns <= now_ns else f"{text} ({screen.language.word('not yet')})"


def _beneficiary(args: Namespace) -> pb.Wish:
    wish = pb.BeneficiaryWish(
        biller=args.whose.participant,
        head=args.whose.head,
        number=args.bank_number or "",
        ifsc=args.ifsc or "",
        active=not args.off,
        name=args.name,
    )
    return pb.Wish(beneficiary=wish)


def _whose(text: str) -> Name:
    name = to_name(text)
    if not name.participant or not name.head:
        raise ValueError(f"not a biller's account: {text[:64]!r} (power/0801-01 is)")
    return name


def _number(text: str) -> str:
    found = canonical_account(text)
    if not found:
        raise ValueError(f"not an account's number: {text[:40]!r}")
    return found


def _ifsc(text: str) -> str:
    found = text.strip().upper()
    if not is_ifsc(found):
        raise ValueError(f"not an IFSC: {text[:32]!r} (SBIN0001234 is)")
    return found


def add_commands(add: Add) -> Iterator[ArgumentParser]:
    """Add them; none has an id."""
    add("beneficiaries", beneficiaries, "to whom billers' money is paid out")
    yield from ()


def add_verb(add: Add) -> None:
    """`payswitch propose beneficiary`."""
    what = "say to which account at a bank a biller's money is paid out, or end that"
    verb = add("beneficiary", proposing(_beneficiary), what)
    verb.add_argument(
        "whose",
        type=as_argument(_whose),
        metavar="BILLER/HEAD",
        help="whose money: the biller and its head of account",
    )
    verb.add_argument(
        "--number",
        dest="bank_number",
        type=as_argument(_number),
        metavar="NUMBER",
        help="of the account at the bank (default: as it is)",
    )
    verb.add_argument(
        "--ifsc",
        type=as_argument(_ifsc),
        metavar="IFSC",
        help="of the bank's branch (default: as it is)",
    )
    verb.add_argument("--name", default="", metavar="TEXT", help="for people")
    verb.add_argument("--off", action="store_true", help="off, not on")
    add_signed(verb, "beneficiary")
