"""GetReceipt: what the citizen takes home of a payment, and of each refund of it."""

from server.asking import Charge
from server.masked import paper_for
from server.node import Node
from server.services.payments import find_payment
from server.status import PreconditionError
from switch.counter.paper_rows import make_receipt, make_refund_receipt
from switch.counter.receipts import Reprint, receipt_json, receipt_text
from switch.counter.refund_receipts import refund_json, refund_text
from switch.ledger.refunds import RefundsFarApartError, refunds_of
from switch.ledger.statements import Payment
from switch.payment_states import PaymentState
from switch.register.identity import Identity
from switch.register.rights import MASKED
from switch.v1 import counter_pb2 as pb

_HAS_RECEIPT = (PaymentState.COMPLETED, PaymentState.REFUNDED)


def get_receipt(
    node: Node, request: pb.GetReceiptRequest, caller: Identity, charge: Charge
) -> pb.GetReceiptResponse:
    """The receipt that is asked for. Reads; blocks; charges what it walks."""
    found = find_payment(node, request.id, request.sender, caller)
    if found.state not in _HAS_RECEIPT:
        state = found.state.name.lower()
        raise PreconditionError("NO_RECEIPT", f"the payment is {state}")
    if request.refund:
        response, sequence = _of_refund(node, found, request, caller, charge)
    else:
        response, sequence = _of_payment(node, found, request, caller)
    # Who reads papers masked has none to hand out, and nothing to prove by one.
    if caller.role not in MASKED:
        response.code = node.receipt_key.code(sequence)
    return response


def _of_payment(
    node: Node, found: Payment, request: pb.GetReceiptRequest, caller: Identity
) -> tuple[pb.GetReceiptResponse, int]:
    """The receipt of the payment, and the sequence of the row that has it."""
    made = make_receipt(found, node.register, node.past_names)
    paper = paper_for(caller, made)
    reprint = Reprint(found.refunded) if request.reprint else None
    bengali = request.language == pb.LANGUAGE_BENGALI
    response = pb.GetReceiptResponse(
        text=receipt_text(paper, bengali=bengali, reprint=reprint),
        json=receipt_json(paper, reprint=reprint),
        number=paper.full_number,
        refunded=found.refunded,
    )
    return response, paper.sequence


def _of_refund(
    node: Node,
    found: Payment,
    request: pb.GetReceiptRequest,
    caller: Identity,
    charge: Charge,
) -> tuple[pb.GetReceiptResponse, int]:
    """The same of one of its refunds."""
    final = found.resolution or found.entry
    try:
        refunds = refunds_of(node.ledger, final, charge=charge)
    except RefundsFarApartError as error:
        raise PreconditionError("NO_RECEIPT", str(error)) from error
    which = request.refund
    if which > len(refunds):
        raise PreconditionError(
            "NO_RECEIPT", f"the payment has {len(refunds)} refunds, not {which}"
        )
    made = make_refund_receipt(
        found, refunds[which - 1], which, node.register, node.past_names
    )
    paper = paper_for(caller, made)
    bengali = request.language == pb.LANGUAGE_BENGALI
    response = pb.GetReceiptResponse(
        text=refund_text(paper, bengali=bengali, is_reprint=request.reprint),
        json=refund_json(paper, is_reprint=request.reprint),
        number=paper.full_number,
        refunded=paper.refunded,
    )
    return response, paper.sequence
