"""The commands of a counter: a payment's way, shifts. Each is one function.

Over the wire only, like the other commands; errors are put into words in `cli.main`.
"""

from argparse import Namespace

from switch.calendar import format_ist
from switch.cli.commands import centre_named, open_client
from switch.cli.papers import asker
from switch.cli.payments import exit_of, last_entry
from switch.codes import Result, Role
from switch.console.output import Exit, Screen, enum_word, plain
from switch.payment_states import PaymentState
from switch.v1 import counter_pb2

# --- a payment's way -----------------------------------------------------------------


def watch(args: Namespace, screen: Screen) -> Exit:
    """Follow a payment until it is final."""
    state = PaymentState.NONE
    with asker(args) as client:
        for payment in client.watch_payment(args.id, args.sender):
            state = PaymentState(payment.state)
            if screen.as_json:
                screen.value(plain(payment))
                continue
            time = format_ist(last_entry(payment).time_ns)
            screen.line(f"{time}  {screen.language.state(state)}")
    return exit_of(state)


# --- shifts ------------------------------------------------------------------------


def close(args: Namespace, screen: Screen) -> Exit:
    """Close an operator's shift."""
    with open_client(args, Role.CENTRE, args.centre) as client:
        reply = client.close_shift(
            args.operator, args.cash, centre_named(args), move_id=args.id
        )
    result = Result(reply.outcome.result)
    if screen.as_json:
        screen.value(plain(reply))
    elif result is Result.OK:
        _show_shift(reply.shift, screen)
        if reply.outcome.repeat:
            screen.line(screen.language.word("repeat"))
    else:
        _show_refusal(result, screen)
    return Exit.DONE if result is Result.OK else Exit.REFUSED


def _show_shift(shift: counter_pb2.Shift, screen: Screen) -> None:
    language = screen.language

    def both(count: int, amount: int) -> str:
        return f"{language.count(count)}, {language.amount(amount)}"

    difference = enum_word(counter_pb2.ShiftDifference.DESCRIPTOR, shift.difference)
    paise = abs(shift.cash_counted - shift.cash_expected)
    words = language.word(difference)
    before = shift.cash_from_before
    told = f"{words} {language.amount(paise)}" if paise else words
    screen.line(language.word("closed"))
    screen.facts(
        [
            ("shift", str(shift.sequence)),
            ("centre", shift.centre),
            ("operator", str(shift.operator)),
            ("payments begun", both(shift.payments_count, shift.payments_amount)),
            ("given back", both(shift.refunds_count, shift.refunds_amount)),
            ("open", language.count(shift.open_count)),
            ("cash expected", language.amount(shift.cash_expected)),
            ("cash counted", language.amount(shift.cash_counted)),
            *([("cash from before", language.amount(before))] if before else []),
            # Nothing is expected then: that nothing was counted is no agreement.
            *([("difference", told)] if paise or not before else []),
        ]
    )


def sign(args: Namespace, screen: Screen) -> Exit:
    """Sign another operator's shift off."""
    with open_client(args, Role.CENTRE, args.centre) as client:
        outcome = client.sign_shift(
            args.operator, args.shift, centre_named(args), move_id=args.id
        )
    result = Result(outcome.result)
    if screen.as_json:
        screen.value(plain(outcome))
    elif result is Result.OK:
        screen.line(screen.language.word("signed"))
        screen.facts([("entry", str(outcome.sequence))])
        if outcome.repeat:
            screen.line(screen.language.word("repeat"))
    else:
        _show_refusal(result, screen)
    return Exit.DONE if result is Result.OK else Exit.REFUSED


def _show_refusal(result: Result, screen: Screen) -> None:
    words = screen.language.result(result)
    screen.line(f"{screen.language.word('refused')}: {words} ({result.name})")
