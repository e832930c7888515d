"""`payswitch propose ending`: what becomes of what a bank has booked, in plain words.

Each makes one wish of what was typed; `signing` shows and signs it. An item is named by
its entry, as `payswitch bank` lists it.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from typing import Any

from switch.cli.arguments import as_argument, to_count, to_reason
from switch.cli.explain import Name, to_name
from switch.cli.wishes import add_signed, proposing
from switch.console.output import Exit, Screen
from switch.errors import UsageError
from switch.money import parse_amount
from switch.v1 import people_pb2 as pb

TEXT = "say what a line that nobody explains was, release money to a bank, or recall it"

Add = Callable[[str, Callable[[Namespace, Screen], Exit], str], ArgumentParser]

SETTLEMENT = "settlement"
SUSPENSE = "suspense"
"""What may have paid a debit beside the wallet of a centre."""


def _ending(args: Namespace, **what: Any) -> pb.Wish:
    item = getattr(args, "item", 0)
    ending = pb.EndingWish(item=item, reason=args.reason or args.how, **what)
    return pb.Wish(ending=ending)


def _credit_wallet(args: Namespace) -> pb.Wish:
    return _ending(args, credit_wallet=args.centre)


def _return(args: Namespace) -> pb.Wish:
    return _ending(args, send_back=True)


def _to_settlement(args: Namespace) -> pb.Wish:
    return _ending(args, to_settlement=True)


def _to_suspense(args: Namespace) -> pb.Wish:
    return _ending(args, to_suspense=True)


def _payout(args: Namespace) -> pb.Wish:
    to = args.to or Name("", "")
    payout = pb.Payout(
        account=args.account, amount=args.amount, biller=to.participant, head=to.head
    )
    return _ending(args, payout=payout)


def _recall(args: Namespace) -> pb.Wish:
    return _ending(args, recall=True)


def _explain_debit(args: Namespace) -> pb.Wish:
    if args.owed and args.payer in (SETTLEMENT, SUSPENSE):
        raise UsageError("--owed is of a centre: nobody else owes")
    if args.payer == SETTLEMENT:
        return _ending(args, from_settlement=True)
    if args.payer == SUSPENSE:
        return _ending(args, from_suspense=True)
    return _ending(args, from_wallet=args.payer, owed=args.owed)


_ITEM = {"item": {"type": to_count, "metavar": "ITEM", "help": "its entry"}}

_VERBS: tuple[
    tuple[str, Callable[[Namespace], pb.Wish], str, Mapping[str, Mapping[str, Any]]],
    ...,
] = (
    (
        "credit-wallet",
        _credit_wallet,
        "a credit: it is a centre's, and goes to its wallet",
        {**_ITEM, "centre": {"metavar": "CENTRE", "help": "whose wallet it is"}},
    ),
    (
        "return",
        _return,
        "a credit: it goes back to its remitter, through the bank",
        _ITEM,
    ),
    ("to-settlement", _to_settlement, "a credit: it belongs to settlement", _ITEM),
    ("to-suspense", _to_suspense, "a credit: it is put aside, for advances", _ITEM),
    (
        "payout",
        _payout,
        "release money from settlement, for a bank to pay out",
        {
            "amount": {
                "type": as_argument(parse_amount),
                "metavar": "AMOUNT",
                "help": "in rupees",
            },
            "--account": {
                "default": "",
                "metavar": "NUMBER",
                "help": "which bank account pays (default: the only one)",
            },
            "--to": {
                "type": to_name,
                "metavar": "BILLER/HEAD",
                "help": "to whose beneficiary (default: the only one)",
            },
        },
    ),
    (
        "recall",
        _recall,
        "a release that the bank refuses, or was never told of: the money comes back",
        {"item": {"type": to_count, "metavar": "RELEASE", "help": "its entry"}},
    ),
    (
        "explain-debit",
        _explain_debit,
        "a debit: say who has paid it",
        {
            **_ITEM,
            "payer": {
                "metavar": "FROM",
                "help": f"a centre, {SETTLEMENT!r} or {SUSPENSE!r}",
            },
            "--owed": {
                "action": "store_true",
                "help": "although the wallet has not enough: its centre owes the rest",
            },
        },
    ),
)


def add_verbs(add: Add) -> None:
    """Add the verbs of `payswitch propose ending`."""
    for name, make, text, arguments in _VERBS:
        verb = add(name, proposing(make), text)
        for argument, options in arguments.items():
            verb.add_argument(argument, **options)
        verb.add_argument(
            "--reason",
            type=to_reason,
            metavar="TEXT",
            help="on the transfer, 1 to 32 plain characters (default: the verb)",
        )
        add_signed(verb, f"ending {name}")
