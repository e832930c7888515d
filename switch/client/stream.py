"""One open stream of payments: pipelined, bounded, and resumed when it breaks.

May use `calls` and the generated messages. Used by one thread at a time.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, Self

import grpc

from switch.client.calls import Caller, CallError, LostReplyError, call_error
from switch.errors import WireError
from switch.v1 import payments_pb2 as pb


class StreamCall(Protocol):
    """The part of a call of StreamPayments that is used here."""

    def __iter__(self) -> Iterator[pb.StreamPaymentsResponse]: ...
    def cancel(self) -> bool:
        """End the call."""


Open = Callable[[Iterator[pb.StreamPaymentsRequest]], StreamCall]
"""Starts one call of StreamPayments on an iterator of its requests."""

JOIN_TIMEOUT_S = 5.0
"""A reader that is cancelled ends well within this."""


class PaymentStream:
    """Sends payments without waiting for each answer; answers come in their order.

    At most `outstanding_max` payments are without an answer at any time: `send`
    waits before it exceeds that. When the connection breaks, everything without an
    answer is sent again, in order and with the same ids.
    """

    def __init__(self, open_call: Open, caller: Caller, outstanding_max: int) -> None:
        self._open_call = open_call
        self._caller = caller
        self._attempts = caller.attempts(changes=True)
        self._outstanding_max = outstanding_max
        self._changed = threading.Condition()
        # Messages without all their answers, each with the ids it still waits for.
        self._unanswered: deque[tuple[pb.StreamPaymentsRequest, deque[bytes]]] = deque()
        self._outstanding = 0
        self._outcomes: list[pb.PaymentOutcome] = []
        self._skip = 0
        self._error: CallError | None = None
        self._finished = False
        self._start()

    def send(
        self, payments: Sequence[pb.Payment], baskets: Sequence[pb.Basket] = ()
    ) -> list[pb.PaymentOutcome]:
        """Send one message; return the outcomes that have arrived meanwhile.

        Raises ValueError if the message alone exceeds the bound or is empty,
        LostReplyError with every unanswered id if the stream cannot be resumed,
        CallError if the server refuses the caller.
        """
        request = pb.StreamPaymentsRequest(payments=payments, baskets=baskets)
        ids = ids_of(payments, baskets)
        if not 0 < len(ids) <= self._outstanding_max:
            raise ValueError(f"a message holds 1 to {self._outstanding_max} payments")
        with self._changed:
            if self._finished:
                raise ValueError("the stream is finished")
            self._resume_if_broken()
            while self._outstanding + len(ids) > self._outstanding_max:
                self._wait()
            self._unanswered.append((request, deque(ids)))
            self._outstanding += len(ids)
            self._requests.put(request)
            return self._take_outcomes()

    def finish(self) -> list[pb.PaymentOutcome]:
        """Say that no more comes; wait for and return the outcomes still due.

        Raises what `send` raises.
        """
        with self._changed:
            self._finished = True
            self._requests.put(None)
            while self._outstanding:
                self._wait()
            return self._take_outcomes()

    def close(self) -> None:
        """End the call at once; what is unanswered stays unknown. Idempotent."""
        self._finished = True
        self._call.cancel()
        self._requests.put(None)
        self._reader.join(JOIN_TIMEOUT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # The lock is held by the caller of all below, except in `_read`.

    def _start(self) -> None:
        # Its own queue for each call: a broken call may still hold the old one.
        self._requests: queue.SimpleQueue[pb.StreamPaymentsRequest | None]
        self._requests = queue.SimpleQueue()
        for request, _ in self._unanswered:
            self._requests.put(request)
        if self._finished:
            self._requests.put(None)
        self._call = self._open_call(_drain(self._requests))
        self._reader = threading.Thread(
            target=self._read, args=(self._call,), name="payment-stream", daemon=True
        )
        self._reader.start()

    def _read(self, call: StreamCall) -> None:
        error: CallError
        try:
            for reply in call:
                with self._changed:
                    if call is not self._call:
                        return
                    self._answer(reply.outcomes)
                    self._changed.notify_all()
            error = CallError(
                grpc.StatusCode.UNAVAILABLE, "the server ended the stream"
            )
        except grpc.RpcError as failure:
            error = call_error(failure)
        except WireError as failure:
            error = CallError(grpc.StatusCode.INTERNAL, str(failure))
            call.cancel()
        with self._changed:
            if call is self._call:
                self._error = error
                self._changed.notify_all()

    def _answer(self, outcomes: Sequence[pb.PaymentOutcome]) -> None:
        for outcome in outcomes:
            if self._skip:
                # Answered before the stream broke; it comes again as a repeat.
                self._skip -= 1
                continue
            if not self._unanswered:
                raise WireError("an outcome that no payment waits for")
            _, ids = self._unanswered[0]
            if outcome.id != ids.popleft():
                raise WireError("an outcome that is not the next payment's")
            if not ids:
                self._unanswered.popleft()
            self._outstanding -= 1
            self._outcomes.append(outcome)
        self._attempts.progress()

    def _wait(self) -> None:
        self._resume_if_broken()
        if self._outstanding and not self._changed.wait(self._caller.pay_timeout_s):
            self._error = CallError(
                grpc.StatusCode.DEADLINE_EXCEEDED,
                f"no outcome for {self._caller.pay_timeout_s} s",
            )

    def _resume_if_broken(self) -> None:
        if self._error is None:
            return
        waiting = [one for _, ids in self._unanswered for one in ids]
        try:
            delay_s = self._attempts.delay_after(self._error, waiting)
        except LostReplyError as lost:
            # A stream that breaks with nothing under way leaves nothing unknown.
            raise (lost if waiting else lost.last) from None
        self._error = None
        self._call.cancel()
        self._requests.put(None)
        self._caller.pause(delay_s)
        self._skip = 0
        if self._unanswered:
            request, ids = self._unanswered[0]
            self._skip = len(ids_of(request.payments, request.baskets)) - len(ids)
        self._start()

    def _take_outcomes(self) -> list[pb.PaymentOutcome]:
        outcomes, self._outcomes = self._outcomes, []
        return outcomes


def ids_of(payments: Sequence[pb.Payment], baskets: Sequence[pb.Basket]) -> list[bytes]:
    """The ids of a message in the order in which it is answered."""
    ids = [payment.id for payment in payments]
    ids += [payment.id for basket in baskets for payment in basket.payments]
    return ids


def _drain(
    requests: "queue.SimpleQueue[pb.StreamPaymentsRequest | None]",
) -> Iterator[pb.StreamPaymentsRequest]:
    while (request := requests.get()) is not None:
        yield request
