"""The client's calls of the counter: bills, receipts, shifts, a payment's way.

Part of `switch.client`, over the wire only. Amounts are paise. What each can raise
stands there.
"""

from collections.abc import Callable, Generator, Iterable, Sequence

import grpc

from switch.client.calls import Caller, CallError, LostReplyError, call_error
from switch.client.quotations import SIZE, same_bill
from switch.errors import SHOWN_MAX, WireError
from switch.ids import new_id
from switch.payment_states import FINAL, PaymentState
from switch.v1 import (
    counter_pb2,
    counter_pb2_grpc,
    payments_pb2,
    payments_pb2_grpc,
    results_pb2,
)

WAIT_S = 5.0
"""What the server waits for a biller if it is not told how long."""
FETCH_MAX = 100
"""References of one `fetch_bills`."""


class CounterCalls:
    """What `Client` can do at a counter."""

    _caller: Caller
    _counter: counter_pb2_grpc.CounterServiceStub
    _payments: payments_pb2_grpc.PaymentServiceStub

    def watch_payment(
        self, payment_id: bytes, sender: str = ""
    ) -> Generator[payments_pb2.GetPaymentResponse, None, None]:
        """What became of a payment, now and after each change, until it is final.

        A broken connection is resumed; a state that was given is not given again.
        """
        attempts = self._caller.attempts(changes=False)
        request = payments_pb2.WatchPaymentRequest(id=payment_id, sender=sender)
        told = PaymentState.NONE
        while True:
            call = self._payments.WatchPayment(request)
            try:
                for reply in call:
                    attempts.progress()
                    state = PaymentState(reply.payment.state)
                    if state is not told:
                        told = state
                        yield reply.payment
                if told in FINAL:
                    return
                failure = CallError(
                    grpc.StatusCode.UNAVAILABLE, "the server ended the watch"
                )
            except grpc.RpcError as error:
                failure = call_error(error)
            finally:
                call.cancel()
            self._caller.pause(attempts.delay_after(failure))

    def fetch_bill(
        self, service: str, reference: str, centre: str = ""
    ) -> list[counter_pb2.Bill]:
        """What a reference owes, as its biller says now: one bill or several.

        Each that can be paid has the quotation that a payment of it presents.
        """
        reply = self._caller.read(
            self._counter.FetchBill,
            counter_pb2.FetchBillRequest(
                service=service, reference=reference, centre=centre
            ),
        )
        return list(reply.bills)

    def fetch_bills(
        self, service: str, references: Sequence[str], centre: str = ""
    ) -> list[counter_pb2.FetchedBills]:
        """The same of up to FETCH_MAX references at once, in their order.

        What fails is said of each alone, in its `error`.
        """
        reply = self._caller.read(
            self._counter.FetchBills,
            counter_pb2.FetchBillsRequest(
                service=service, references=references, centre=centre
            ),
        )
        said = [one.reference for one in reply.fetched]
        if said != [reference[:SHOWN_MAX] for reference in references]:
            raise WireError("the bills are of other references")
        return list(reply.fetched)

    def pay_bill(
        self, payment: payments_pb2.Payment, wait_ms: int = 0
    ) -> payments_pb2.PaymentOutcome:
        """Pay one bill and wait up to `wait_ms` for the biller's word (0: WAIT_S).

        A payment without an id is given one, in place. A bill whose quotation has
        expired is fetched once more, and paid if just as much is due. Sent again, after
        a lost reply too, it has its first answer, with or without its quotation.
        """
        give_ids([payment])

        def send(wanted: payments_pb2.Payment) -> payments_pb2.PaymentOutcome:
            reply = self._caller.change(
                self._counter.PayBill,
                counter_pb2.PayBillRequest(payment=wanted, wait_ms=wait_ms),
                [payment.id],
                timeout_s=self._caller.timeout_s + (wait_ms / 1000 or WAIT_S),
            )
            return matched([reply.outcome], [payment.id])[0]

        return self._pay_as_fetched(payment, send)

    def _pay_as_fetched(
        self,
        payment: payments_pb2.Payment,
        send: Callable[[payments_pb2.Payment], payments_pb2.PaymentOutcome],
    ) -> payments_pb2.PaymentOutcome:
        """Send a payment. If its quotation has expired, the bill is fetched once more,
        and paid if just as much is due: the id is free, as the refusal left no row.
        """
        outcome = send(payment)
        expired = outcome.result == results_pb2.RESULT_QUOTATION_EXPIRED
        if not expired or len(payment.quotation) != SIZE:
            return outcome
        try:
            bills = self.fetch_bill(payment.service, payment.reference, payment.centre)
        except CallError:
            return outcome
        bill = same_bill(payment, bills)
        if bill is None:
            return outcome
        wanted = payments_pb2.Payment()
        wanted.CopyFrom(payment)
        wanted.quotation = bill.quotation
        return send(wanted)

    def receipt(
        self,
        payment_id: bytes,
        sender: str = "",
        language: counter_pb2.Language.ValueType = counter_pb2.LANGUAGE_ENGLISH,
        *,
        reprint: bool = False,
        refund: int = 0,
    ) -> counter_pb2.GetReceiptResponse:
        """The receipt of a completed payment, or of one of its refunds, from 1.

        However often it is asked for; whoever prints it once more says `reprint`.
        """
        return self._caller.read(
            self._counter.GetReceipt,
            counter_pb2.GetReceiptRequest(
                id=payment_id,
                sender=sender,
                language=language,
                reprint=reprint,
                refund=refund,
            ),
        )

    def cancel_payment(
        self, payment_id: bytes, operator: int = 0, sender: str = ""
    ) -> counter_pb2.CancelPaymentResponse:
        """Give a held payment's money back, as long as its biller was not asked."""
        request = counter_pb2.CancelPaymentRequest(
            id=payment_id, sender=sender, operator=operator
        )
        return self._caller.change(self._counter.CancelPayment, request, [payment_id])

    def acknowledgement(
        self,
        payment_id: bytes,
        sender: str = "",
        language: counter_pb2.Language.ValueType = counter_pb2.LANGUAGE_ENGLISH,
    ) -> counter_pb2.GetAcknowledgementResponse:
        """That the switch has a payment, and how it stands now: no receipt."""
        return self._caller.read(
            self._counter.GetAcknowledgement,
            counter_pb2.GetAcknowledgementRequest(
                id=payment_id, sender=sender, language=language
            ),
        )

    def close_shift(
        self,
        operator: int,
        cash_counted: int,
        centre: str = "",
        *,
        move_id: bytes = b"",
    ) -> counter_pb2.CloseShiftResponse:
        """Close an operator's shift with the paise that were counted."""
        request = counter_pb2.CloseShiftRequest(
            id=move_id or new_id(),
            centre=centre,
            operator=operator,
            cash_counted=cash_counted,
        )
        return self._caller.change(self._counter.CloseShift, request, [request.id])

    def sign_shift(
        self,
        operator: int,
        shift_sequence: int,
        centre: str = "",
        *,
        move_id: bytes = b"",
    ) -> results_pb2.Outcome:
        """Sign the shift of another operator off."""
        request = counter_pb2.SignShiftRequest(
            id=move_id or new_id(),
            centre=centre,
            operator=operator,
            shift_sequence=shift_sequence,
        )
        reply = self._caller.change(self._counter.SignShift, request, [request.id])
        return reply.outcome


def give_ids(payments: Iterable[payments_pb2.Payment]) -> None:
    """Give each payment that has no id one, in place."""
    for payment in payments:
        if not payment.id:
            payment.id = new_id()


def matched(
    outcomes: Sequence[payments_pb2.PaymentOutcome], ids: Sequence[bytes]
) -> list[payments_pb2.PaymentOutcome]:
    """The outcomes, if they are those of `ids` in order; otherwise nothing is known."""
    if [outcome.id for outcome in outcomes] != list(ids):
        raise LostReplyError(
            ids, CallError(grpc.StatusCode.INTERNAL, "the outcomes are of other ids")
        )
    return list(outcomes)
