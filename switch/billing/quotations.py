"""Fetched bills as a counter gets them: paid, under way, or due with a quotation.

May use the core, the ledger's readers, the register and `bills`. Reads what is durable;
blocks; any thread. What is decided meanwhile the ledger sees when the bill is paid.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from switch._core import QUOTATION, Ledger
from switch.billing.bills import Bill, Fetched, month_number, paid_as
from switch.ledger.statements import payment_of
from switch.payment_states import Standing
from switch.register.register import Register

_PAID = frozenset(
    {
        Standing.COMPLETED,
        Standing.COMPLETED_DIFFERS,
        Standing.REFUNDED,
        Standing.EXPIRED_CORRECTED,
        Standing.REVERSED_CORRECTED,
    }
)


class BillState(IntEnum):
    """Whether a bill can be paid; the numbers are the wire's."""

    DUE = 1
    IN_PROGRESS = 2
    PAID = 3


class Quoted(NamedTuple):
    """One bill, for one centre."""

    bill: Bill
    state: BillState
    token: bytes
    """The quotation; empty unless it is due."""


def quote(
    register: Register, fetched: Fetched, centre: int, now_ns: int
) -> list[Quoted]:
    """The bills for the centre with this participant index, at the ledger's time.

    Raises CorruptionError.
    """
    quoted = []
    for bill in fetched.bills:
        state = _state(register.ledger, fetched, bill, now_ns)
        is_due = state is BillState.DUE
        token = _seal(register, fetched, bill, centre) if is_due else b""
        quoted.append(Quoted(bill, state, token))
    return quoted


def _state(ledger: Ledger, fetched: Fetched, bill: Bill, now_ns: int) -> BillState:
    """By the bill and those that it stands for: paid if one is, whatever the others."""
    states = [
        _state_of(ledger, fetched, bill_id, bill.period, now_ns)
        for bill_id in (bill.id, *bill.supersedes)
    ]
    return max(states)


def _state_of(
    ledger: Ledger, fetched: Fetched, bill_id: str, period: str, now_ns: int
) -> BillState:
    service, citizen = fetched.service, fetched.reference
    reference = paid_as(service.spec, citizen, bill_id, period)
    sequence = ledger.in_the_way(
        service.index, reference.encode("ascii"), citizen.encode("ascii"), now_ns
    )
    if not sequence:
        return BillState.DUE
    payment = payment_of(ledger, ledger.row(sequence))
    assert payment is not None, sequence
    # What was released since it was looked for is due with the next fetch.
    return BillState.PAID if payment.standing in _PAID else BillState.IN_PROGRESS


def _seal(register: Register, fetched: Fetched, bill: Bill, centre: int) -> bytes:
    service = fetched.service
    named = register.find_service(service.spec.series) if service.spec.series else None
    quotation = np.zeros(1, QUOTATION)
    quotation["head"] = bill.head
    quotation["amount_rule"] = int(service.spec.amount_rule)
    quotation["centre"] = centre
    quotation["service"] = service.index
    quotation["series"] = named.index if named else service.index
    quotation["period"] = month_number(bill.period)
    for name, text in (("reference", fetched.reference), ("bill", bill.id)):
        quotation[name][0, : len(text)] = np.frombuffer(text.encode("ascii"), np.uint8)
    quotation["amount_due"] = bill.amount_due
    quotation["fetched"] = fetched.at_ns
    quotation["valid_until"] = bill.valid_until_ns
    quotation["due_time"] = bill.due_time_ns
    return register.ledger.seal_quotation(quotation)
