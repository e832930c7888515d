"""The commands of `payswitch` about money in: requests, bank accounts, what is open.

Over the wire only, as `commands`, whose ways they share.
"""

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence

from switch.calendar import DAY_S, NS_IN_S, day_date, format_ist
from switch.cli.arguments import SIGNER, as_argument, to_count
from switch.cli.commands import limited, open_client, open_office
from switch.cli.office import show_outcome
from switch.client.banks import Banks
from switch.codes import Result, Role
from switch.console.output import Exit, Screen, enum_word, plain
from switch.console.words import Language
from switch.errors import UsageError
from switch.ids import new_id
from switch.money import parse_amount
from switch.v1 import banks_pb2 as pb

SHOWN = 100
"""Items or requests that a person is shown when no number is asked for."""


# --- requests ------------------------------------------------------------------------


def request_top_up(args: Namespace, screen: Screen) -> Exit:
    """Ask for money for a centre's wallet; print the number of its transfer."""
    with open_client(args, Role.CENTRE, args.centre) as client:
        reply = client.request_top_up(
            args.amount, operator=args.operator, request_id=args.id or new_id()
        )
    is_done = reply.outcome.result == int(Result.OK)
    if screen.as_json:
        screen.value(plain(reply))
        return Exit.DONE if is_done else Exit.REFUSED
    if not is_done:
        return show_outcome(reply.outcome, screen)
    word, amount = screen.language.word, screen.language.amount
    one = reply.request
    screen.facts(
        [
            ("request number", one.number),
            ("amount", amount(one.amount)),
            ("open until", format_ist(one.open_until_ns)),
        ]
    )
    screen.line(word("write the number"))
    if reply.outcome.repeat:
        screen.line(word("repeat"))
    return Exit.DONE


def top_ups(args: Namespace, screen: Screen) -> Exit:
    """Requests and how they stand, newest first."""
    if not args.centre and not args.open:
        raise UsageError("name a centre, or ask for all that are open with --open")
    client = (
        open_client(args, Role.CENTRE, args.centre)
        if args.centre
        else open_office(args)
    )
    with client:
        found = client.top_up_requests(args.centre, open_only=args.open)
        lines = limited(found, args.limit, screen)
    if screen.as_json:
        for one in lines:
            screen.value(plain(one))
        return Exit.DONE
    if not lines:
        screen.line(screen.language.word("no requests"))
        return Exit.DONE
    word, amount = screen.language.word, screen.language.amount
    screen.table(
        ("request number", "centre", "time", "amount", "state", "entry"),
        [
            (
                one.number,
                one.centre,
                format_ist(one.time_ns),
                amount(one.amount),
                word(f"request {enum_word(pb.TopUpState.DESCRIPTOR, one.state)}"),
                str(one.booked_sequence or ""),
            )
            for one in lines
        ],
        drop=("entry", "time"),
    )
    return Exit.DONE


# --- what banks have, and what is open ------------------------------------------------


def bank(args: Namespace, screen: Screen) -> Exit:
    """Each bank account against its statements, and what waits for people."""
    with open_office(args) as client:
        banks = client.bank_accounts()
        items = limited(client.bank_items(args.account), args.limit, screen)
    now_ns = time.time_ns()
    if screen.as_json:
        screen.value(
            {
                "accounts": [plain(one) for one in banks.accounts],
                "items": [plain(one) for one in items],
                "as_of": banks.as_of,
            }
        )
        return Exit.DONE
    if not banks.accounts:
        screen.line(screen.language.word("no bank accounts"))
        screen.command("propose", "bank-account", "NUMBER", *SIGNER)
        return Exit.DONE
    _show_accounts(banks, screen)
    _show_items(items, now_ns, screen)
    return Exit.DONE


def _show_accounts(banks: Banks, screen: Screen) -> None:
    language = screen.language
    amount, word = language.amount, language.word
    money = ("booked", "closing", "unlisted", "bank suspense", "bank transit")
    rows = []
    for one in banks.accounts:
        has_one = one.HasField("statement")
        last = one.statement
        rows.append(
            (
                one.number,
                one.name,
                word("yes" if one.active else "no"),
                amount(one.before + one.balance),
                _statement(last) if has_one else "",
                amount(last.closing) if has_one else "",
                amount(one.unlisted),
                amount(one.suspense),
                amount(one.transit),
            )
        )
    screen.table(
        (
            *("bank account", "name", "active", "booked", "last statement", "closing"),
            *("unlisted", "bank suspense", "bank transit"),
        ),
        rows,
        right=money,
        drop=("active", "name", "last statement", "bank transit"),
    )
    for one in banks.accounts:
        if one.unlisted < 0:
            # The ledger lacks what a statement lists: a reference stood for two lines.
            screen.line(f"{one.number}: {word('less than listed')}")
        if one.contradictions_count:
            count = language.count(one.contradictions_count)
            screen.line(f"{one.number}: {word('contradictions')}: {count}")


def _statement(one: pb.BankStatement) -> str:
    number = f"{one.number}, " if one.number else ""
    return f"{number}{day_date(one.last_day).isoformat()}"


def _show_items(items: Sequence[pb.BankItem], now_ns: int, screen: Screen) -> None:
    language = screen.language
    if not items:
        screen.line(language.word("nothing unexplained"))
        return
    screen.table(
        (
            *("entry", "what", "bank account", "amount", "reference", "booked day"),
            *("age", "number", "detail"),
        ),
        [_item(one, _twins(one, items), now_ns, language) for one in items],
        drop=("detail", "bank account", "number", "age"),
    )


def _twins(one: pb.BankItem, items: Sequence[pb.BankItem]) -> list[int]:
    """Other items of its account with its reference: what has come in and was taken
    back is not to be credited, nor is what contradicts.
    """
    if one.kind == pb.BANK_ITEM_KIND_RELEASE or not one.reference:
        return []
    return [
        other.sequence
        for other in items
        if other.sequence != one.sequence
        and (other.account, other.reference) == (one.account, one.reference)
        and other.kind != pb.BANK_ITEM_KIND_RELEASE
    ]


def _item(
    one: pb.BankItem, twins: Sequence[int], now_ns: int, language: Language
) -> tuple[str, ...]:
    what = language.word(f"item {enum_word(pb.BankItemKind.DESCRIPTOR, one.kind)}")
    if one.reversal:
        what = f"{what}, {language.word('reversal')}"
    # Of an entry that is damaged no time is known.
    days = max(now_ns - one.time_ns, 0) // (DAY_S * NS_IN_S) if one.time_ns else None
    detail = " · ".join(one.texts)
    if one.texts_cut:
        detail = f"{detail} …"
    if one.line_kind not in ("", "transfer"):
        detail = f"{one.line_kind} {detail}".rstrip()
    if one.named_sequence:
        detail = f"{language.word('names entry')} {one.named_sequence}; {detail}"
    if twins:
        also = ", ".join(map(str, twins))
        detail = f"{language.word('same reference')} {also}; {detail}"
    return (
        str(one.sequence),
        what,
        one.account,
        language.amount(one.amount),
        one.reference,
        one.booked,
        language.count(days) if days is not None else language.word("kind damaged"),
        one.number,
        detail,
    )


# --- arguments -----------------------------------------------------------------------

Add = Callable[[str, Callable[[Namespace, Screen], Exit], str], ArgumentParser]


def add_commands(add: Add) -> Iterator[ArgumentParser]:
    """Add them; gives those whose attempts have an id."""
    asked = add("request-top-up", request_top_up, "ask for money for a centre's wallet")
    asked.add_argument("centre", metavar="CENTRE", help="the centre's participant id")
    asked.add_argument(
        "amount",
        type=as_argument(parse_amount),
        metavar="AMOUNT",
        help="in rupees: just what will be sent",
    )
    asked.add_argument(
        "--operator", type=to_count, default=0, metavar="N", help="who asks for it"
    )
    yield asked
    listed = add("top-ups", top_ups, "what centres have asked for, and what has come")
    listed.add_argument(
        "centre", nargs="?", default="", metavar="CENTRE", help="only its own"
    )
    listed.add_argument("--open", action="store_true", help="only what has not come")
    _add_limit(listed)
    stands = add("bank", bank, "what banks have booked, and what nobody explains")
    stands.add_argument(
        "--account", default="", metavar="NUMBER", help="items of this account only"
    )
    _add_limit(stands)


def _add_limit(command: ArgumentParser) -> None:
    command.add_argument(
        "--limit",
        type=to_count,
        default=SHOWN,
        metavar="N",
        help="to show at most, 0 for all (default: %(default)s)",
    )
