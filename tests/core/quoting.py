"""Tokens for tests: what a biller says of a bill, sealed as the ledger would."""

from dataclasses import dataclass, replace

from switch.codes import AmountRule
from tests.model import Ask, Model, Payments
from tests.model_prices import row_reference
from tests.model_quotations import (
    LIFE_NS,
    SEALED,
    Quotation,
    handle_sequence,
    make_handle,
    open_token,
    seal,
    seal_of,
)
from tests.model_references import canonical_bill
from tests.records import Payment

KEYS = [(1, bytes(range(32)))]
"""What seals quotations in a pair, until it is told otherwise."""
STRANGE_KEYS = [(1, bytes(range(1, 33)))]


@dataclass
class Bill:
    """One bill, as its biller has it."""

    service: int
    reference: bytes
    amount_due: int
    id: bytes = b""
    period: int = 0
    amount_rule: int = AmountRule.EXACT
    head: int = 0
    due_time: int = 0


def quote(
    model: Model, bill: Bill, centre: int, fetched: int, valid_until: int = 0
) -> Quotation:
    """What the switch seals of a bill for a centre that has fetched it."""
    service = model.services[bill.service - 1]
    reference = service.canonical(bill.reference, whole=True)
    assert reference is not None
    id_ = canonical_bill(bill.id, letters=service.letters, ignored=service.ignored)
    latest = fetched + LIFE_NS
    return Quotation(
        bill.head,
        bill.amount_rule,
        centre,
        bill.service,
        service.series or bill.service,
        bill.period,
        reference,
        id_ or b"",
        bill.amount_due,
        fetched,
        min(valid_until or latest, latest),
        bill.due_time,
    )


def token(model: Model, quotation: Quotation) -> bytes:
    """Its token, by the newest key."""
    return seal(quotation, model.keys or STRANGE_KEYS, model.instance)


def payment_of(model: Model, quoted: Quotation, id_: bytes, amount: int = 0) -> Payment:
    """A payment that presents it, of what is due unless an amount is given."""
    return Payment(
        id=id_,
        service=model.services[quoted.service - 1].code,
        amount=amount or quoted.amount_due,
        reference=quoted.reference,
        head=quoted.head,
        quotation=token(model, quoted),
    )


def claimed_reference(model: Model, quoted: Quotation) -> bytes:
    """What the row of its payment has as its reference."""
    return row_reference(quoted, model.services[quoted.service - 1])


def forged(sealed: bytes, at: int) -> bytes:
    """A token of which one bit was changed."""
    return sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]


def moved(model: Model, ask: Ask, instance: bytes) -> Ask:
    """The request as it would have been made of another ledger with the same rows."""
    if not isinstance(ask, Payments):
        return ask
    payments = [moved_payment(model, each, instance) for each in ask.payments]
    baskets = [
        [moved_payment(model, each, instance) for each in basket]
        for basket in ask.baskets
    ]
    return replace(ask, payments=payments, baskets=baskets)


def moved_payment(model: Model, payment: Payment, instance: bytes) -> Payment:
    """What was sealed for the one ledger is sealed for the other."""
    said = payment.quotation[:SEALED]
    made = replace(payment)
    if open_token(payment.quotation, model.keys, model.instance):
        secret = dict(model.keys)[said[1]]
        made.quotation = said + seal_of(said, secret, instance)
    sequence = handle_sequence(payment.additional_to)
    for _, secret in model.keys if sequence else ():
        for centre in range(1, len(model.participants)):
            given = make_handle(sequence, centre, secret, model.instance)
            if given == payment.additional_to:
                made.additional_to = make_handle(sequence, centre, secret, instance)
    return made


def of_month(year: int, month: int) -> int:
    """A period."""
    return year * 12 + month - 1
