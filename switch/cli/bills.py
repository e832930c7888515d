"""Fetched bills: how they are shown, and how one of them is chosen to be paid.

Over the wire only, like the other commands; errors are put into words in `cli.main`.
"""

from argparse import Namespace

from switch.calendar import format_ist, ist_date
from switch.cli.commands import centre_named, open_client
from switch.client import Client
from switch.codes import Role
from switch.console.output import Exit, Screen, enum_word, plain
from switch.console.words import Language
from switch.errors import UsageError
from switch.money import format_amount
from switch.v1 import counter_pb2, network_pb2

_COLUMNS = ("number", "bill", "period", "due", "amount rule", "due by", "state")


def fetch(args: Namespace, screen: Screen) -> Exit:
    """What references owe, as their biller says now."""
    with open_client(args, Role.CENTRE, args.centre) as client:
        fetched = _fetched(client, args)
    if screen.as_json:
        screen.value({"fetched": [plain(one) for one in fetched]})
    else:
        for one in fetched:
            _show(one, args, screen)
    return Exit.REFUSED if any(one.error for one in fetched) else Exit.DONE


def _fetched(client: Client, args: Namespace) -> list[counter_pb2.FetchedBills]:
    """The bills of each reference. Of one alone an error has its own text."""
    if len(args.references) > 1:
        return client.fetch_bills(args.service, args.references, centre_named(args))
    (reference,) = args.references
    bills = client.fetch_bill(args.service, reference, centre_named(args))
    return [counter_pb2.FetchedBills(reference=reference, bills=bills)]


def _show(one: counter_pb2.FetchedBills, args: Namespace, screen: Screen) -> None:
    language = screen.language
    if one.error:
        screen.line(f"{one.reference}: {language.error(one.error)} ({one.error})")
        return
    rows = [
        (str(at), *_cells(bill, language)) for at, bill in enumerate(one.bills, start=1)
    ]
    title = f"{language.word('reference')}: {one.bills[0].reference}"
    screen.table(
        _COLUMNS,
        rows,
        title=title,
        right=("number", "due"),
        drop=("amount rule", "period", "bill"),
    )
    due = [
        (at, bill)
        for at, bill in enumerate(one.bills, start=1)
        if bill.state == counter_pb2.BILL_STATE_DUE
    ]
    if due:
        at, bill = due[0]
        screen.line(f"{language.word('pay it')} {format_ist(bill.valid_until_ns)}:")
        amount = format_amount(bill.amount_due, symbol=False)
        words = ("bill", "pay", args.centre, args.service, amount, one.reference)
        screen.command(*words, "--bill", str(at), same_caller=True)


def find_bill(client: Client, args: Namespace) -> counter_pb2.Bill:
    """Bill number `--bill` of what the reference owes now.

    Raises UsageError if there are fewer, CallError.
    """
    bills = client.fetch_bill(args.service, args.reference, centre_named(args))
    number: int = args.bill
    if number > len(bills):
        raise UsageError(
            f"there is no bill {number} of this reference: 1 to {len(bills)} are"
        )
    return bills[number - 1]


def show_bill(bill: counter_pb2.Bill, screen: Screen) -> None:
    """One bill, and whether it can be paid."""
    cells = _cells(bill, screen.language)
    facts = [("service", bill.service), ("reference", bill.reference)]
    facts += [
        (column, cell) for column, cell in zip(_COLUMNS[1:], cells, strict=True) if cell
    ]
    screen.facts(facts)


def _cells(bill: counter_pb2.Bill, language: Language) -> tuple[str, ...]:
    """A bill as a line of the table has it, without its number."""
    rule = enum_word(network_pb2.AmountRule.DESCRIPTOR, bill.amount_rule)
    state = enum_word(counter_pb2.BillState.DESCRIPTOR, bill.state).replace("_", " ")
    return (
        bill.id,
        bill.period,
        language.amount(bill.amount_due),
        rule.replace("_", "-"),
        ist_date(bill.due_time_ns).isoformat() if bill.due_time_ns else "",
        language.word(f"bill {state}"),
    )
