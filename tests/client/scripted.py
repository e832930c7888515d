"""A server with mutual TLS that fails as a test says, as a real one rarely does.

It remembers the ids it was sent, and gives a repeated answer for one it has seen.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from switch.authority.development import DevAuthority
from switch.codes import Role
from switch.credentials import Credentials
from switch.v1 import (
    billers_pb2,
    billers_pb2_grpc,
    counter_pb2_grpc,
    payments_pb2_grpc,
    results_pb2,
    types_pb2,
)
from switch.v1 import payments_pb2 as pb
from tests.client.scripted_counter import ScriptedCounter

FEED_LENGTH = 10


class Fault:
    """One call that fails with a status, before or after the work is done."""

    def __init__(
        self,
        code: int,
        *,
        reason: str = "",
        outcome: str = "",
        retry_ms: int = 0,
        is_done: bool = False,
    ) -> None:
        self.is_done = is_done
        details = []
        if reason:
            info = error_details_pb2.ErrorInfo(reason=reason, domain="payswitch")
            info.metadata["outcome"] = outcome
            details.append(packed(info))
        if retry_ms:
            delay = duration_pb2.Duration(nanos=retry_ms * 1_000_000)
            details.append(packed(error_details_pb2.RetryInfo(retry_delay=delay)))
        self.status = status_pb2.Status(code=code, message="scripted", details=details)


UNAVAILABLE = code_pb2.UNAVAILABLE
EXHAUSTED = code_pb2.RESOURCE_EXHAUSTED
DENIED = code_pb2.PERMISSION_DENIED
INTERNAL = code_pb2.INTERNAL


def packed(message: error_details_pb2.ErrorInfo) -> any_pb2.Any:
    """A detail as the rich error model carries it."""
    detail = any_pb2.Any()
    detail.Pack(message)
    return detail


class Scripted(payments_pb2_grpc.PaymentServiceServicer):
    """Takes one fault of the script for each call, then works."""

    def __init__(self) -> None:
        self.faults: deque[Fault] = deque()
        self.calls = 0
        self.sequences: dict[bytes, int] = {}
        self.swap_ids = False
        self.break_stream_after = 0
        """Messages of a stream after which it breaks, once."""
        # What a script has no call for answers UNIMPLEMENTED, as its base says.
        self.counter = ScriptedCounter(self)  # type: ignore[abstract]
        self.where: list[str] = []
        """Of a command: options that lead it here."""

    def answer(self, payment: pb.Payment) -> pb.PaymentOutcome:
        """The outcome of one payment, a repeat if its id was seen."""
        repeat = payment.id in self.sequences
        sequence = self.sequences.setdefault(payment.id, len(self.sequences) + 1)
        return pb.PaymentOutcome(
            id=bytes(16) if self.swap_ids else payment.id,
            result=results_pb2.RESULT_OK,
            sequence=sequence,
            repeat=repeat,
            state=pb.PAYMENT_STATE_COMPLETED,
        )

    def fail(self, context: grpc.ServicerContext, *, done: bool) -> None:
        """Abort if the script has a fault for this moment of the call."""
        if not done:
            self.calls += 1
        if self.faults and self.faults[0].is_done == done:
            fault = self.faults.popleft()
            context.abort_with_status(rpc_status.to_status(fault.status))

    def CreatePayment(  # noqa: N802
        self, request: pb.CreatePaymentRequest, context: grpc.ServicerContext
    ) -> pb.CreatePaymentResponse:
        self.fail(context, done=False)
        outcome = self.counter.answer(request.payment)
        self.fail(context, done=True)
        return pb.CreatePaymentResponse(outcome=outcome)

    def CreatePayments(  # noqa: N802
        self, request: pb.CreatePaymentsRequest, context: grpc.ServicerContext
    ) -> pb.CreatePaymentsResponse:
        self.fail(context, done=False)
        outcomes = [self.answer(one) for one in request.payments]
        for basket in request.baskets:
            outcomes += [self.answer(one) for one in basket.payments]
        self.fail(context, done=True)
        return pb.CreatePaymentsResponse(outcomes=outcomes)

    def StreamPayments(  # noqa: N802
        self,
        requests: Iterator[pb.StreamPaymentsRequest],
        context: grpc.ServicerContext,
    ) -> Iterator[pb.StreamPaymentsResponse]:
        self.fail(context, done=False)
        for at, request in enumerate(requests):
            outcomes = [self.answer(one) for one in request.payments]
            if self.break_stream_after and at == self.break_stream_after:
                self.break_stream_after = 0
                # Half of the message is answered; all of it was done.
                yield pb.StreamPaymentsResponse(outcomes=outcomes[: len(outcomes) // 2])
                context.abort(grpc.StatusCode.UNAVAILABLE, "scripted")
            yield pb.StreamPaymentsResponse(outcomes=outcomes)

    def CreateBasket(  # noqa: N802
        self, request: pb.CreateBasketRequest, context: grpc.ServicerContext
    ) -> pb.CreateBasketResponse:
        outcomes = [self.answer(one) for one in request.basket.payments]
        return pb.CreateBasketResponse(outcomes=outcomes)

    def GetPayment(  # noqa: N802
        self, request: pb.GetPaymentRequest, context: grpc.ServicerContext
    ) -> pb.GetPaymentResponse:
        if request.id not in self.sequences:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such payment")
        return pb.GetPaymentResponse(state=pb.PAYMENT_STATE_COMPLETED)

    def WatchPayment(  # noqa: N802
        self, request: pb.WatchPaymentRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.WatchPaymentResponse]:
        """Held twice; with the script's fault in between it is completed after it."""
        states = [pb.PAYMENT_STATE_HELD] * 2
        if not self.faults:
            states.append(pb.PAYMENT_STATE_COMPLETED)
        for state in states:
            payment = pb.GetPaymentResponse(state=state)
            yield pb.WatchPaymentResponse(payment=payment)
        self.fail(context, done=False)


class ScriptedFeed(billers_pb2_grpc.BillerServiceServicer):
    """Ten entries; breaks after each page of three."""

    def __init__(self, script: Scripted) -> None:
        self.script = script
        self.cursors: list[int] = []

    def FollowFeed(  # noqa: N802
        self, request: billers_pb2.FollowFeedRequest, context: grpc.ServicerContext
    ) -> Iterator[billers_pb2.FollowFeedResponse]:
        self.cursors.append(request.cursor)
        first = request.cursor + 1
        page = range(first, min(first + 3, FEED_LENGTH + 1))
        if page:
            yield billers_pb2.FollowFeedResponse(
                events=[types_pb2.Entry(sequence=one) for one in page], cursor=page[-1]
            )
            context.abort(grpc.StatusCode.UNAVAILABLE, "scripted")


@contextmanager
def serving(
    directory: Path,
) -> Iterator[tuple[Scripted, ScriptedFeed, str, Credentials]]:
    """The script, its feed, the address, and a centre's credentials."""
    authority = DevAuthority(directory)
    certificate, key, root = authority.server().read()
    server = grpc.server(ThreadPoolExecutor(4))
    script = Scripted()  # type: ignore[abstract]
    feed = ScriptedFeed(script)  # type: ignore[abstract]
    payments_pb2_grpc.add_PaymentServiceServicer_to_server(script, server)
    counter_pb2_grpc.add_CounterServiceServicer_to_server(script.counter, server)
    billers_pb2_grpc.add_BillerServiceServicer_to_server(feed, server)
    port = server.add_secure_port(
        "127.0.0.1:0",
        grpc.ssl_server_credentials([(key, certificate)], root, True),
    )
    server.start()
    try:
        credentials = authority.leaf(Role.CENTRE, "bsk-00001")
        yield script, feed, f"127.0.0.1:{port}", credentials
    finally:
        server.stop(None).wait()
