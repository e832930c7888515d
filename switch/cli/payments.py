"""The commands that pay, and that say what became of a payment.

Over the wire only, like the other commands; errors are put into words in `cli.main`.
What needs a person is shown and never done: a handle that came with PAID_RECENTLY goes
back only where somebody has typed it.
"""

from argparse import Namespace
from collections.abc import Callable

import grpc

from switch.calendar import format_ist
from switch.cli.bills import find_bill, show_bill
from switch.cli.commands import centre_named, open_client, open_office
from switch.client import CallError, Client, make_payment
from switch.codes import Result, Role
from switch.console.output import Exit, Screen, plain
from switch.console.tokens import format_token
from switch.errors import UsageError
from switch.ids import format_id
from switch.payment_states import PaymentState
from switch.receipt_numbers import ReceiptNumber
from switch.v1 import counter_pb2, payments_pb2, types_pb2

TENDERS = {
    "cash": types_pb2.TENDER_UNSPECIFIED,
    "upi": types_pb2.TENDER_UPI,
    "card": types_pb2.TENDER_CARD,
}

Send = Callable[[payments_pb2.Payment], payments_pb2.PaymentOutcome]

_FETCH_AGAIN = frozenset(
    {Result.QUOTATION_NEEDED, Result.QUOTATION_WRONG, Result.QUOTATION_EXPIRED}
)
"""Results after which the bill is fetched (again)."""
_EXITS = {
    PaymentState.COMPLETED: Exit.DONE,
    PaymentState.REFUNDED: Exit.DONE,
    PaymentState.HELD: Exit.UNKNOWN,
    PaymentState.UNKNOWN: Exit.UNKNOWN,
    PaymentState.KEPT: Exit.UNKNOWN,
    PaymentState.UNVERIFIED: Exit.UNKNOWN,
}
"""What the exit code says of a payment's state; anything else is Exit.REFUSED."""


# --- paying --------------------------------------------------------------------------


def pay(args: Namespace, screen: Screen) -> Exit:
    """Pay, without waiting for the biller's word."""
    payment = _payment(args)
    if not args.quotation:
        payment.amount_due = args.amount if args.due is None else args.due
    with open_client(args, Role.CENTRE, args.centre) as client:
        return _pay(client, client.pay, payment, args, screen)


def pay_bill(args: Namespace, screen: Screen) -> Exit:
    """Pay, and wait for the biller's word."""
    with open_client(args, Role.CENTRE, args.centre) as client:

        def send(payment: payments_pb2.Payment) -> payments_pb2.PaymentOutcome:
            return client.pay_bill(payment, args.wait * 1000)

        return _pay(client, send, _payment(args), args, screen)


def _payment(args: Namespace) -> payments_pb2.Payment:
    payment = make_payment(
        args.service,
        args.amount,
        args.reference,
        centre=centre_named(args),
        operator=args.operator,
        tender=TENDERS[args.tender],
        head=args.head or 0,
        note=args.note,
        quotation=args.quotation,
        items=args.items,
        additional_to=args.additional_to,
    )
    payment.id = args.id or payment.id
    return payment


def _pay(
    client: Client,
    send: Send,
    payment: payments_pb2.Payment,
    args: Namespace,
    screen: Screen,
) -> Exit:
    """Send it, with the quotation of the bill that `--bill` names."""
    if not args.bill:
        return show_payment(send(payment), screen, args)
    known = _known(client, send, payment, args)
    if known is not None:
        return show_payment(known, screen, args)
    bill = find_bill(client, args)
    if not screen.as_json:
        show_bill(bill, screen)
    if bill.state == counter_pb2.BILL_STATE_DUE:
        payment.quotation = bill.quotation
        payment.head = bill.head if args.head is None else args.head
        return show_payment(send(payment), screen, args)
    # What is in the way may be the attempt itself, which has come through meanwhile.
    known = _known(client, send, payment, args)
    if known is not None:
        return show_payment(known, screen, args)
    if screen.as_json:
        screen.value(plain(bill))
    return Exit.REFUSED


def _known(
    client: Client, send: Send, payment: payments_pb2.Payment, args: Namespace
) -> payments_pb2.PaymentOutcome | None:
    """The answer to an attempt whose reply was lost, if it had come through.

    It is answered without its quotation. None if nothing of it is durable.
    """
    if not args.id:
        return None
    try:
        client.get_payment(payment.id)
    except CallError as error:
        if error.code is grpc.StatusCode.NOT_FOUND:
            return None
        raise
    return send(payment)


# --- what came of it -----------------------------------------------------------------


def sender_of(args: Namespace) -> str:
    """Participant id of who sends a payment."""
    return str(args.centre if args.identity is None else args.identity[1])


def exit_of(state: PaymentState) -> Exit:
    """The exit code for where a payment stands."""
    return _EXITS.get(state, Exit.REFUSED)


def show_payment(
    outcome: payments_pb2.PaymentOutcome, screen: Screen, args: Namespace
) -> Exit:
    """Say what came of the payment in `args`; the exit code that says the same."""
    result, state = Result(outcome.result), PaymentState(outcome.state)
    code = exit_of(state) if result is Result.OK else Exit.REFUSED
    if screen.as_json:
        screen.value(plain(outcome))
        return code
    language = screen.language
    if result is not Result.OK:
        _show_refusal(outcome, result, screen, args)
        return code
    screen.facts(
        [
            ("state", language.state(state)),
            ("receipt", _receipt(args.centre, outcome)),
            ("id", format_id(outcome.id)),
            ("entry", str(outcome.sequence)),
            ("time", format_ist(outcome.time_ns)),
            ("balance", language.amount(outcome.wallet_balance)),
            ("pending", language.amount(outcome.wallet_pending)),
        ]
    )
    if code is Exit.UNKNOWN:
        asked = (format_id(outcome.id), "--sender", sender_of(args))
        screen.line(language.word("waits"))
        screen.command("bill", "watch", *asked, same_caller=True)
        screen.line(language.word("paper"))
        screen.command("acknowledgement", *asked, same_caller=True)
    if outcome.repeat:
        screen.line(language.word("repeat"))
    return code


def _show_refusal(
    outcome: payments_pb2.PaymentOutcome,
    result: Result,
    screen: Screen,
    args: Namespace,
) -> None:
    """Why it was refused, and what a person can do now."""
    language = screen.language
    screen.line(f"{language.word('refused')}: {language.result(result)}")
    screen.facts([("reason", result.name), ("id", format_id(outcome.id))])
    if outcome.other_id:
        other = f"{format_id(outcome.other_id)} ({outcome.other_sequence})"
        screen.facts([("entry", other)])
    if not outcome.sequence:
        screen.line(language.word("not recorded"))
    if result in _FETCH_AGAIN:
        screen.line(language.word("fetch it"))
        words = ("bill", "fetch", args.centre, args.service, args.reference)
        screen.command(*words, same_caller=True)
    elif outcome.additional_to:
        screen.line(language.word("in addition"))
        # Joined, as a handle may begin with a hyphen.
        screen.line(f"  --in-addition-to={format_token(outcome.additional_to)}")


def _receipt(centre: str, outcome: payments_pb2.PaymentOutcome) -> str:
    """As it stands on the paper, and is searched for."""
    if not outcome.receipt:
        return "-"
    return ReceiptNumber(centre, outcome.receipt_year, outcome.receipt).text


def status(args: Namespace, screen: Screen) -> Exit:
    """What became of a payment."""
    if args.identity is None and not args.sender:
        raise UsageError("name who sent the payment with --sender, or be it with --as")
    with open_office(args) as client:
        reply = client.get_payment(args.id, args.sender)
    if screen.as_json:
        screen.value(plain(reply))
        return Exit.DONE
    language, entry = screen.language, reply.entry
    facts = [
        ("state", language.state(PaymentState(reply.state))),
        ("service", entry.service),
        ("amount", language.amount(entry.amount)),
        *_of_whom(entry, screen),
        ("centre", entry.centre),
        ("biller", f"{entry.biller} {entry.head}"),
        ("receipt", str(entry.receipt or reply.resolution.receipt or "-")),
        ("entry", str(entry.sequence)),
        ("time", format_ist(entry.time_ns)),
    ]
    result = Result(entry.result)
    if result is not Result.OK:
        facts.insert(1, ("reason", language.result(result)))
    if reply.refunded_amount:
        facts.append(("refunded", language.amount(reply.refunded_amount)))
    if reply.resolution.kind == types_pb2.ENTRY_KIND_VOID:
        by = reply.resolution.sender
        if by.operator:
            facts.append(("cancelled by", f"{by.participant} / {by.operator}"))
    if reply.disputed:
        facts.insert(1, ("in doubt", language.word("disputed")))
    elif reply.conclusion.kind == types_pb2.ENTRY_KIND_TRANSFER:
        facts.insert(1, ("but", language.word("paid after all")))
    screen.facts(facts)
    return Exit.DONE


def last_entry(payment: payments_pb2.GetPaymentResponse) -> types_pb2.Entry:
    """The newest of what a payment has come to."""
    entries = (payment.entry, payment.resolution, payment.conclusion)
    return max(entries, key=lambda entry: entry.sequence)


def _of_whom(entry: types_pb2.Entry, screen: Screen) -> list[tuple[str, str]]:
    """Whose bill was paid, or what for."""
    language = screen.language
    if not entry.citizen_reference:
        items = [("item", f"{one.code} × {one.count}") for one in entry.items]
        facts = [("reference", entry.reference), *items]
        if entry.resolves:
            facts.append(("additional to", str(entry.resolves)))
        return facts
    facts = [("reference", entry.citizen_reference), ("bill", entry.reference)]
    if entry.period:
        facts.append(("period", entry.period))
    facts.append(("due", language.amount(entry.amount_due)))
    if entry.due_date:
        facts.append(("due by", entry.due_date))
    return facts
