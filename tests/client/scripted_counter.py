"""The counter's calls of the scripted server: bills as a test says, what was asked."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import grpc

from switch.v1 import counter_pb2 as pb
from switch.v1 import counter_pb2_grpc, payments_pb2

if TYPE_CHECKING:
    from tests.client.scripted import Scripted


class ScriptedCounter(counter_pb2_grpc.CounterServiceServicer):
    """Knows the bills that a test gives it; pays as the script's payments do."""

    def __init__(self, script: Scripted) -> None:
        self.script = script
        self.bills: dict[str, list[pb.Bill]] = {}
        """By reference; one that is not there is not found."""
        self.refusals: deque[payments_pb2.PaymentOutcome] = deque()
        """Each is the outcome of the next payment, in place of a good one."""
        self.swap_fetched = False
        """Give the bills of several references in another order."""
        self.fetched: list[str] = []
        self.paid: list[payments_pb2.Payment] = []

    def answer(self, payment: payments_pb2.Payment) -> payments_pb2.PaymentOutcome:
        """The next refusal, or a good outcome."""
        if not self.refusals:
            return self.script.answer(payment)
        outcome = self.refusals.popleft()
        outcome.id = payment.id
        return outcome

    def FetchBill(  # noqa: N802
        self, request: pb.FetchBillRequest, context: grpc.ServicerContext
    ) -> pb.FetchBillResponse:
        self.script.fail(context, done=False)
        self.fetched.append(request.reference)
        if request.reference not in self.bills:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such bill")
        return pb.FetchBillResponse(bills=self.bills[request.reference])

    def FetchBills(  # noqa: N802
        self, request: pb.FetchBillsRequest, context: grpc.ServicerContext
    ) -> pb.FetchBillsResponse:
        self.script.fail(context, done=False)
        self.fetched += request.references
        fetched = [
            pb.FetchedBills(
                reference=reference,
                bills=self.bills.get(reference),
                error="" if reference in self.bills else "BILL_NOT_FOUND",
            )
            for reference in request.references
        ]
        if self.swap_fetched:
            fetched.reverse()
        return pb.FetchBillsResponse(fetched=fetched)

    def PayBill(  # noqa: N802
        self, request: pb.PayBillRequest, context: grpc.ServicerContext
    ) -> pb.PayBillResponse:
        self.script.fail(context, done=False)
        self.paid.append(request.payment)
        outcome = self.answer(request.payment)
        self.script.fail(context, done=True)
        return pb.PayBillResponse(outcome=outcome)
