"""A counter's papers out of the ledger: a payment's rows, with the names of that time.

May use the core, `register`, `statements`, `payment_tails` and the papers. Names and
fees change in the register; a paper keeps those that were registered when its payment
was accepted, which older `register` rows still say.
"""

from typing import Any

from switch._core import Ledger
from switch.calendar import day_number, financial_year
from switch.codes import (
    AmountRule,
    KeyRule,
    Kind,
    Record,
    Result,
    RowFlag,
    Tender,
)
from switch.counter.acknowledgements import Acknowledgement
from switch.counter.papers import Item
from switch.counter.receipts import Receipt
from switch.counter.refund_receipts import RefundReceipt
from switch.entries import Entry
from switch.ledger.payment_tails import BillPart, PaymentTail, payment_tail
from switch.ledger.statements import Payment
from switch.payment_states import Standing
from switch.register.past import PastNames
from switch.register.register import Register
from switch.tariffs import fees_on


def make_receipt(payment: Payment, register: Register, names: PastNames) -> Receipt:
    """The receipt of a completed payment.

    Raises ValueError if the payment has none, LookupError, CorruptionError.
    """
    entry, resolution = payment.entry, payment.resolution
    final = resolution or entry
    if not final.receipt:
        raise ValueError("the payment has no receipt")
    ledger = register.ledger
    return Receipt(
        **_paper(entry, register, names)
        | {
            "number": final.receipt,
            "biller_reference": _answer_text(ledger, final) if resolution else "",
            "amount": final.amount,
            "sequence": final.sequence,
            "completed_ns": final.timestamp,
        }
    )


def make_refund_receipt(
    payment: Payment, refund: Entry, which: int, register: Register, names: PastNames
) -> RefundReceipt:
    """The receipt of one refund of a payment, by its place among them.

    Raises LookupError, CorruptionError.
    """
    receipt = make_receipt(payment, register, names)
    return RefundReceipt(
        **_paper(payment.entry, register, names)
        | {
            "receipt": receipt.full_number,
            "which": which,
            "paid": receipt.amount,
            "refunded": refund.total,
            "refunded_ns": refund.timestamp,
            "amount": refund.amount,
            "sequence": refund.sequence,
        }
    )


def make_acknowledgement(
    payment: Payment,
    standing: Standing,
    register: Register,
    names: PastNames,
    as_of_ns: int,
) -> Acknowledgement:
    """The acknowledgement of a payment that stands so at `as_of_ns`.

    Raises ValueError if it was never held, LookupError, CorruptionError.
    """
    entry, final = payment.entry, payment.resolution
    if entry.kind != Kind.HOLD or entry.result != Result.OK:
        raise ValueError("the payment was not held")
    values = _paper(entry, register, names)
    if final is not None and final.receipt:
        values["receipt"] = final.receipt
        values["receipt_year"] = financial_year(final.timestamp)
        values["paid"] = final.amount
        values["refunded"] = payment.refunded
    return Acknowledgement(standing=standing, as_of_ns=as_of_ns, **values)


def _paper(entry: Entry, register: Register, names: PastNames) -> dict[str, Any]:
    """What every paper of an accepted payment says of it: the fields of `Paper`."""
    ledger = register.ledger
    sequence = entry.sequence
    centre = register.account(entry.debit).participant
    credited = register.account(entry.credit)
    service_index = entry.service
    service = register.service(service_index).spec
    tail = payment_tail(ledger, entry, service.price_rule)
    sent = entry.reference_text
    bill = tail.bill or BillPart(sent, 0, 0, "", "", AmountRule.ANY)
    # By another key rule the row has no id of the biller's.
    has_bill_id = tail.bill is not None and service.key_rule is KeyRule.BILL_ID
    of_centre = names.texts(Record.PARTICIPANT, centre, sequence)
    of_service = names.texts(Record.SERVICE, service_index, sequence)
    of_biller = names.texts(Record.PARTICIPANT, credited.participant, sequence)
    return {
        "centre": register.participant(centre).spec.id,
        "centre_code": of_centre.get("code", ""),
        "centre_en": of_centre.get("name_en", ""),
        "centre_bn": of_centre.get("name_bn", ""),
        "service": service.code,
        "service_en": of_service.get("name_en", ""),
        "service_bn": of_service.get("name_bn", ""),
        "department_en": of_service.get("department_en", ""),
        "department_bn": of_service.get("department_bn", ""),
        "biller": register.participant(credited.participant).spec.id,
        "biller_en": of_biller.get("name_en", ""),
        "biller_bn": of_biller.get("name_bn", ""),
        "head": credited.head,
        "reference": bill.reference,
        "bill": sent if has_bill_id else "",
        "period": bill.period,
        "due_date": bill.due_date,
        "amount_due": bill.amount_due,
        "items": _items_of(entry, tail, names),
        "note": tail.note,
        "amount": entry.amount,
        "tender": Tender(entry.tender),
        "operator": entry.operator,
        "id": entry.id,
        "sequence": sequence,
        "accepted_ns": entry.timestamp,
    }


def _items_of(entry: Entry, tail: PaymentTail, names: PastNames) -> tuple[Item, ...]:
    """What was paid for by a tariff, at the fees of that day."""
    if not tail.items:
        return ()
    tariff = names.tariff(entry.service, entry.sequence)
    fees = fees_on(tariff, day_number(entry.timestamp))
    return tuple(
        Item(
            code=one.code,
            name_en=fees[one.code].name_en,
            name_bn=fees[one.code].name_bn,
            count=one.count,
            fee=fees[one.code].amount,
        )
        for one in tail.items
    )


def _answer_text(ledger: Ledger, entry: Entry) -> str:
    """The biller's own reference in what completed a hold."""
    if RowFlag.TAIL not in entry.flags:
        return ""
    return ledger.tail(entry.sequence).decode("ascii")
