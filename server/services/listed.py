"""Lists of payments: what they are filtered by, and how each payment of one stands."""

from collections.abc import Sequence
from typing import Any, Final

from server import convert
from server.node import Node
from server.services.standing import standing_now
from server.status import ArgumentError, NotFoundError
from switch.calendar import financial_year
from switch.codes import AMOUNT_MAX
from switch.errors import shown
from switch.ledger.filtered import Filter
from switch.ledger.statements import Payment
from switch.payment_states import PaymentState, Standing
from switch.register.register import Register
from switch.v1 import payments_pb2 as pb

_TWO_OF_HELD: Final = (PaymentState.HELD, PaymentState.UNKNOWN)

Listed = Any
"""A response with `payments` and `lines`; generated classes share no base."""


def filter_of(register: Register, message: pb.PaymentFilter) -> Filter:
    """What a filter says. Raises ArgumentError for what nothing can pass."""
    if message.state not in pb.PaymentState.values():
        raise ArgumentError("filter.state", "is no state of a payment")
    if message.to_time_ns and message.to_time_ns <= message.from_time_ns:
        raise ArgumentError("filter.to_time_ns", "must be later than from_time_ns")
    for name in ("amount_min", "amount_max"):
        if getattr(message, name) > AMOUNT_MAX:
            raise ArgumentError(f"filter.{name}", f"must be at most {AMOUNT_MAX}")
    if 0 < message.amount_max < message.amount_min:
        raise ArgumentError("filter.amount_max", "must not be below amount_min")
    refuses = message.state == pb.PAYMENT_STATE_REFUSED
    if (message.with_refused or refuses) and not message.from_time_ns:
        raise ArgumentError("filter.from_time_ns", "must be given with refusals")
    service = register.find_service(message.service)
    if message.service and service is None:
        text = f"filter.service: there is no service {shown(message.service)}"
        raise NotFoundError(text)
    return Filter(
        state=PaymentState(message.state),
        from_ns=message.from_time_ns,
        to_ns=message.to_time_ns,
        amount_min=message.amount_min,
        amount_max=message.amount_max,
        service=service.index if service else 0,
        operator=message.operator,
        with_refused=message.with_refused,
    )


def lines_of(found: Sequence[Payment]) -> list[pb.PaymentLine]:
    """How each stands, as the ledger knows it."""
    return [line_of(one) for one in found]


def line_of(found: Payment) -> pb.PaymentLine:
    """How one stands; of what is held it is not yet said whether it was asked about."""
    line = pb.PaymentLine(
        state=convert.wire_state(found.state), refunded_amount=found.refunded
    )
    final = found.resolution or found.entry
    if final.receipt:
        line.receipt = final.receipt
        line.receipt_year = financial_year(final.timestamp)
        line.receipt_sequence = final.sequence
        line.receipt_time_ns = final.timestamp
        line.paid_amount = final.amount
    return line


def finish(
    node: Node, response: Listed, found: Sequence[Payment], wanted: PaymentState
) -> None:
    """Say which of those that are held were asked about; in the event loop's thread.

    Where one of the two is wanted, the others are left out: the page is shorter then.
    """
    left = []
    for at, one in enumerate(found):
        if one.standing is Standing.HELD:
            state = standing_now(node, one).state
            response.lines[at].state = convert.wire_state(state)
            if wanted in _TWO_OF_HELD and state is not wanted:
                left.append(at)
    for at in reversed(left):
        del response.payments[at]
        del response.lines[at]
