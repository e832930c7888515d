"""Goal: whatever a switch answers, or does not, the example of a counter sends the very
same message again until it knows what became of the payment.

Method: a switch that a test plays, over mutual TLS.
"""

from pathlib import Path
from typing import Any

import grpc

from switch.codes import Role
from switch.v1 import counter_pb2 as pb
from switch.v1 import payments_pb2, results_pb2
from tests.examples.played import playing
from tests.examples.programs import CENTRE, Program

COMPLETED = payments_pb2.PAYMENT_STATE_COMPLETED
HELD = payments_pb2.PAYMENT_STATE_HELD
BILL = pb.Bill(
    service="S", reference="1", amount_due=500, state=pb.BILL_STATE_DUE, quotation=b"q"
)


def unary(behaviour: Any, request: Any) -> "grpc.RpcMethodHandler[Any, Any]":
    return grpc.unary_unary_rpc_method_handler(
        behaviour, request.FromString, lambda reply: reply.SerializeToString()
    )


def test_it_sends_the_same_until_it_knows(tmp_path: Path) -> None:
    sent: list[bytes] = []
    watched = 0

    def fetch(request: pb.FetchBillRequest, _: Any) -> pb.FetchBillResponse:
        return pb.FetchBillResponse(bills=[BILL])

    def pay(
        request: pb.PayBillRequest, context: grpc.ServicerContext
    ) -> pb.PayBillResponse:
        sent.append(request.payment.SerializeToString(deterministic=True))
        outcome = payments_pb2.PaymentOutcome(
            id=request.payment.id, result=results_pb2.RESULT_OK
        )
        match len(sent):
            case 1:
                context.abort(grpc.StatusCode.PERMISSION_DENIED, "no")
            case 2:
                outcome.result = results_pb2.RESULT_BILLER_BUSY
            case 3:
                outcome.state = HELD
            case _:
                outcome.state = COMPLETED
        return pb.PayBillResponse(outcome=outcome)

    def watch(_: Any, __: Any) -> Any:
        nonlocal watched
        watched += 1
        # It ends without a final state, as when a switch stops.
        reply = payments_pb2.GetPaymentResponse(state=HELD)
        yield payments_pb2.WatchPaymentResponse(payment=reply)

    def receipt(_: Any, __: Any) -> pb.GetReceiptResponse:
        return pb.GetReceiptResponse(text="RECEIPT")

    services = {
        "CounterService": {
            "FetchBill": unary(fetch, pb.FetchBillRequest),
            "PayBill": unary(pay, pb.PayBillRequest),
            "GetReceipt": unary(receipt, pb.GetReceiptRequest),
        },
        "PaymentService": {
            "WatchPayment": grpc.unary_stream_rpc_method_handler(
                watch,
                payments_pb2.WatchPaymentRequest.FromString,
                payments_pb2.WatchPaymentResponse.SerializeToString,
            )
        },
    }
    folder = tmp_path / "open"
    with playing(tmp_path / "tls", Role.CENTRE, CENTRE, services) as switch:
        arguments = (CENTRE, "S", "1", "--open", str(folder), *switch)
        counter = Program("counter.py", *arguments, log=tmp_path / "log")
        try:
            counter.type("1")
            assert counter.wait() == 0, counter.log()
        finally:
            counter.end()
    assert len(sent) == 4
    assert len(set(sent)) == 1
    payment = payments_pb2.Payment.FromString(sent[0])
    assert (payment.amount, payment.quotation) == (500, b"q")
    assert len(payment.id) == 16
    assert payment.id[6] >> 4 == 7
    assert watched == 1
    assert "RECEIPT" in counter.log()
    assert list(folder.glob("*.payment")) == []
