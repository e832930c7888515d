"""`payswitch payments`, `search` and `catalogue`: what was paid, and what can be.

Over the wire only, like the other commands; errors are put into words in `cli.main`.
"""

import argparse
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable

from switch.calendar import (
    day_start_ns,
    format_financial_year,
    format_ist,
    parse_date,
    parse_moment,
)
from switch.cli.arguments import as_argument, to_count
from switch.cli.commands import open_client, open_office, taken
from switch.client.looking import ListedPayment
from switch.codes import Role
from switch.console.output import Exit, Screen, enum_word, plain
from switch.errors import UsageError
from switch.ids import format_id, parse_id
from switch.money import parse_amount
from switch.payment_states import PaymentState
from switch.v1 import catalogue_pb2, network_pb2, payments_pb2, search_pb2

LINES = 50
"""Payments that are shown when no number is asked for."""

Add = Callable[[str, Callable[[Namespace, Screen], Exit], str], ArgumentParser]

_STATES = {
    enum_word(payments_pb2.PaymentState.DESCRIPTOR, number).replace(" ", "-"): number
    for number in payments_pb2.PaymentState.values()
    if number
}


# --- arguments -------------------------------------------------------------------


def add_commands(add: Add) -> None:
    """Add the three commands."""
    listed = add("payments", payments, "a wallet's payments, newest first")
    listed.add_argument("centre", metavar="CENTRE", help="whose wallet it is")
    _add_filter(listed)
    found = add("search", search, "payments by what is known of them")
    keys = found.add_mutually_exclusive_group()
    keys.add_argument(
        "--receipt", default="", metavar="NUMBER", help="as on a receipt or an "
        "acknowledgement; with --centre 2026-27/123 will do",
    )  # fmt: skip
    keys.add_argument(
        "--payment",
        type=as_argument(parse_id),
        default=b"",
        metavar="ID",
        help="its id; with --sender",
    )
    keys.add_argument(
        "--reference", default="", metavar="TEXT", help="the citizen's own"
    )
    keys.add_argument(
        "--biller-reference", default="", metavar="TEXT", help="the biller's own"
    )
    found.add_argument(
        "--centre", default="", metavar="CENTRE", help="only what it has paid"
    )
    found.add_argument(
        "--sender", default="", metavar="PARTICIPANT", help="with --payment: who sent"
    )
    found.add_argument(
        "--biller", default="", metavar="ID", help="with --biller-reference"
    )
    _add_filter(found)
    kept = add("catalogue", catalogue, "what counters offer, also what costs nothing")
    kept.add_argument(
        "--if-version", default="", metavar="VERSION", help="only if it is another"
    )


def _add_filter(command: ArgumentParser) -> None:
    command.add_argument("--state", choices=tuple(_STATES), help="as it stands now")
    command.add_argument(
        "--from",
        dest="from_ns",
        type=as_argument(_to_beginning),
        default=0,
        metavar="TIME",
        help="a time, or an IST date from its beginning",
    )
    command.add_argument(
        "--to",
        dest="to_ns",
        type=as_argument(_to_end),
        default=0,
        metavar="TIME",
        help="a time, or an IST date to its end",
    )
    for name, what in (("least", "no less"), ("most", "no more")):
        command.add_argument(
            f"--{name}",
            type=as_argument(parse_amount),
            default=0,
            metavar="AMOUNT",
            help=f"{what}, in rupees",
        )
    command.add_argument(
        "--service", default="", metavar="CODE", help="only payments of it"
    )
    command.add_argument(
        "--operator",
        type=to_count,
        default=0,
        metavar="N",
        help="only those of this operator",
    )
    command.add_argument(
        "--refused",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="those that a rule has refused, too; needs --from",
    )
    command.add_argument(
        "--limit",
        type=to_count,
        default=LINES,
        metavar="N",
        help="payments at most, 0 for all (default: %(default)s)",
    )


def _to_beginning(text: str) -> int:
    try:
        return day_start_ns(parse_date(text))
    except ValueError:
        return parse_moment(text)


def _to_end(text: str) -> int:
    # A date is its last moment; the bound itself is not included.
    return parse_moment(text) + 1


def _filter(args: Namespace, service: str) -> payments_pb2.PaymentFilter:
    return payments_pb2.PaymentFilter(
        state=payments_pb2.PaymentState.ValueType(_STATES.get(args.state, 0)),
        from_time_ns=args.from_ns,
        to_time_ns=args.to_ns,
        amount_min=args.least,
        amount_max=args.most,
        service=service,
        with_refused=args.refused,
        operator=args.operator,
    )


# --- payments --------------------------------------------------------------------


def payments(args: Namespace, screen: Screen) -> Exit:
    """List a wallet's payments."""
    with open_office(args) as client:
        wanted = _filter(args, args.service)
        return _show(client.payment_lines(args.centre, wanted), args, screen)


def search(args: Namespace, screen: Screen) -> Exit:
    """Find payments. Exit.REFUSED if there are none."""
    by_reference = bool(args.reference)
    keys = (args.receipt, args.payment, args.reference, args.biller_reference)
    if not any(keys) and not args.centre:
        raise UsageError(
            "say what you look for: --receipt, --payment, --reference or "
            "--biller-reference, or all of a centre with --centre"
        )
    request = search_pb2.SearchPaymentsRequest(
        centre=args.centre,
        receipt=args.receipt,
        id=args.payment,
        sender=args.sender,
        reference=args.reference,
        biller_reference=args.biller_reference,
        service=args.service if by_reference else "",
        biller=args.biller,
        filter=_filter(args, "" if by_reference else args.service),
    )
    with open_office(args) as client:
        return _show(client.search(request), args, screen)


def _show(found: Iterable[ListedPayment], args: Namespace, screen: Screen) -> Exit:
    lines, has_more = taken(found, args.limit)
    code = Exit.DONE if lines else Exit.REFUSED
    if screen.as_json:
        said = [{**plain(one.entry), "line": plain(one.line)} for one in lines]
        screen.value({"payments": said, "more": has_more})
        return code
    language = screen.language
    screen.table(
        ("entry", "time", "state", "centre", "service", "reference", "amount",
         "receipt", "id"),
        [
            (
                str(one.entry.sequence),
                format_ist(one.entry.time_ns),
                language.state(PaymentState(one.line.state)),
                one.entry.centre,
                one.entry.service,
                one.entry.citizen_reference or one.entry.reference,
                language.amount(one.entry.amount),
                _receipt(one.line),
                format_id(one.entry.id),
            )
            for one in lines
        ],
        drop=("id", "service", "centre", "time", "reference", "receipt"),
    )  # fmt: skip
    if has_more:
        screen.note(language.word("there is more"))
    return code


def _receipt(line: payments_pb2.PaymentLine) -> str:
    if not line.receipt:
        return "-"
    return f"{format_financial_year(line.receipt_year)}/{line.receipt:06d}"


# --- the catalogue ---------------------------------------------------------------


def catalogue(args: Namespace, screen: Screen) -> Exit:
    """What counters offer."""
    with open_client(args, Role.AUDITOR, "auditor") as client:
        found = client.catalogue(args.if_version)
    if screen.as_json:
        screen.value(plain(found))
        return Exit.DONE
    language = screen.language
    bengali = language.value == "bn"
    screen.facts([("version", found.version), ("prices of", found.day)])
    if found.unchanged:
        screen.line(language.word("unchanged"))
        return Exit.DONE
    away = {*found.unavailable_billers}
    screen.table(
        ("code", "name", "called", "department", "biller", "example"),
        [
            (
                one.code,
                one.name_bn if bengali and one.name_bn else one.name_en,
                ", ".join(one.called_bn if bengali else one.called_en),
                one.department_bn if bengali else one.department_en,
                f"{one.biller} ({language.word('away')})"
                if _asks(one) and one.biller in away
                else one.biller,
                one.example,
            )
            for one in found.services
        ],
        drop=("called", "department", "biller"),
    )
    free = [one.service for one in found.free_services]
    screen.table(
        ("code", "name", "where to apply", "documents"),
        [
            (
                one.code,
                one.name_bn if bengali and one.name_bn else one.name_en,
                one.where_bn if bengali and one.where_bn else one.where_en,
                ", ".join(
                    each.bn if bengali and each.bn else each.en
                    for each in one.documents
                ),
            )
            for one in free
        ],
        title=language.word("free services"),
    )
    return Exit.DONE


def _asks(service: catalogue_pb2.CatalogueService) -> bool:
    """Whether its biller is asked anything."""
    confirmed = service.mode == network_pb2.SERVICE_MODE_CONFIRMED
    return confirmed or service.price_rule == network_pb2.PRICE_RULE_BILL
