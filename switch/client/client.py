"""The client library: the switch's calls as methods that are safe to repeat.

Talks to the switch over the wire only. Makes ids (UUIDv7), repeats what may be
repeated with the same ids, and reports an outcome that is not known as
LostReplyError, an UnknownOutcomeError that carries the ids. A refusal by a rule is a
value in the reply, never an exception. Every amount is in paise.

What needs a person it never does by itself: it pays no other amount than it was told,
and sends no handle back that came with PAID_RECENTLY. If a quotation has expired it
fetches its bill once more, and pays it if just as much is due.

Every method can raise CallError (the call changed nothing; its `code` says why), and
those that change the ledger LostReplyError.
"""

import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Self, cast

import grpc
from grpc_health.v1 import health_pb2

from switch.client.admin import BATCH_MAX, PAGE_SIZE, AdminCalls
from switch.client.banks import BankCalls
from switch.client.bill_files import BillFileCalls
from switch.client.calls import (
    CALL_TIMEOUT_S,
    RETRIES_MAX,
    RETRY_DELAY_FIRST_S,
    STREAM_TIMEOUT_S,
    Caller,
    CallError,
    LostReplyError,
    call_error,
    open_channel,
)
from switch.client.complaints import ComplaintCalls
from switch.client.counter import CounterCalls, give_ids, matched
from switch.client.explain import BEGINNING, NOW, ExplainCalls, Point
from switch.client.files import FileCalls
from switch.client.handouts import HandoutCalls
from switch.client.looking import LookingCalls
from switch.client.operators import OperatorCalls
from switch.client.people import PeopleCalls
from switch.client.public import PublicCalls
from switch.client.route import Route
from switch.client.stream import PaymentStream, ids_of
from switch.client.totals import TotalsCalls
from switch.client.windows import WindowCalls
from switch.credentials import Credentials
from switch.errors import WireError
from switch.ids import new_id
from switch.v1 import (
    admin_pb2,
    admin_pb2_grpc,
    banks_pb2_grpc,
    billers_pb2,
    billers_pb2_grpc,
    counter_pb2_grpc,
    explain_pb2_grpc,
    files_pb2_grpc,
    payments_pb2,
    payments_pb2_grpc,
    people_pb2_grpc,
    public_pb2_grpc,
    totals_pb2_grpc,
    types_pb2,
    wallets_pb2,
    wallets_pb2_grpc,
)

__all__ = [
    "BATCH_MAX",
    "BEGINNING",
    "NOW",
    "OUTSTANDING_MAX",
    "CallError",
    "Client",
    "LostReplyError",
    "PaymentStream",
    "Point",
    "balance_of",
    "make_payment",
]

PAYMENTS = "payswitch.v1.PaymentService"
"""Served by who leads alone."""
OUTSTANDING_MAX = 16_380
"""Payments of one stream that may be without an answer."""


def make_payment(
    service: str,
    amount: int,
    reference: str,
    *,
    centre: str = "",
    operator: int = 0,
    amount_due: int = 0,
    tender: types_pb2.Tender.ValueType = types_pb2.TENDER_UNSPECIFIED,
    head: int = 0,
    note: str = "",
    quotation: bytes = b"",
    items: Iterable[tuple[str, int]] = (),
    additional_to: bytes = b"",
) -> payments_pb2.Payment:
    """A payment of `amount` paise with a fresh id.

    `quotation` is that of the fetched bill, where the service is paid by bill; `items`
    are (code, count) where it has a tariff; `additional_to` is the handle that came
    with PAID_RECENTLY, to be given only after a person has said that another payment
    is meant. `amount_due` is for senders that may state it, and `centre` for those
    that act for several. The other fields are those of `Payment` in the protocol.
    """
    return payments_pb2.Payment(
        id=new_id(),
        service=service,
        amount=amount,
        reference=reference,
        operator=operator,
        centre=centre,
        amount_due=amount_due,
        tender=tender,
        head=head,
        note=note,
        quotation=quotation,
        items=[types_pb2.TariffItem(code=code, count=count) for code, count in items],
        additional_to=additional_to,
    )


def balance_of(account: admin_pb2.Account) -> int:
    """Posted credits less posted debits, paise; negative for the bank float."""
    return account.credits_posted - account.debits_posted


class Client(
    AdminCalls,
    WindowCalls,
    PeopleCalls,
    BankCalls,
    CounterCalls,
    LookingCalls,
    ComplaintCalls,
    HandoutCalls,
    BillFileCalls,
    OperatorCalls,
    ExplainCalls,
    TotalsCalls,
    FileCalls,
    PublicCalls,
):
    """One participant's connection to a switch. Thread-safe; a context manager."""

    def __init__(
        self,
        addresses: str | Sequence[str],
        credentials: Credentials,
        *,
        retries_max: int = RETRIES_MAX,
        timeout_s: float = CALL_TIMEOUT_S,
        leader_only: bool = True,
    ) -> None:
        """Prepare a connection to a server (host:port); the first call makes it.

        `timeout_s` is the deadline of one attempt of a unary call, of which there
        are at most `retries_max` + 1. Of several servers, the nodes of a cluster, it
        finds the one that leads, for 30 seconds (and never, without retries); unless
        `leader_only` others may answer what only reads. Raises ConfigError if the
        credentials cannot be read.
        """
        several = [addresses] if isinstance(addresses, str) else [*addresses]
        if not several:
            raise ValueError("a client needs the address of a server")
        route = None
        if len(several) == 1:
            self._channel = open_channel(several[0], credentials)
        else:
            route = Route(
                several,
                lambda address: open_channel(address, credentials),
                leader_only=leader_only,
            )
            # All that stubs ask of one.
            self._channel = cast(grpc.Channel, route)
        super().__init__(
            Caller(retries_max, timeout_s, route),
            admin_pb2_grpc.AdminServiceStub(self._channel),
        )
        self._people = people_pb2_grpc.PeopleServiceStub(self._channel)
        self._banks = banks_pb2_grpc.BankServiceStub(self._channel)
        self._payments = payments_pb2_grpc.PaymentServiceStub(self._channel)
        self._wallets = wallets_pb2_grpc.WalletServiceStub(self._channel)
        self._explain = explain_pb2_grpc.ExplainServiceStub(self._channel)
        self._totals = totals_pb2_grpc.TotalsServiceStub(self._channel)
        self._files = files_pb2_grpc.FilesServiceStub(self._channel)
        self._public = public_pb2_grpc.PublicServiceStub(self._channel)
        self._counter = counter_pb2_grpc.CounterServiceStub(self._channel)
        self._billers = billers_pb2_grpc.BillerServiceStub(self._channel)
        # The health package's own stub has no types.
        self._check_health = self._channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )

    def close(self) -> None:
        """End pauses between attempts and the connection. Idempotent."""
        self._caller.close()
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def wait_ready(self, timeout_s: float) -> None:
        """Wait until the server says that it serves. Raises CallError if it does not.

        For use right after a server was started: other calls have their own retries.
        """
        end_s = time.monotonic() + timeout_s
        route = self._caller.route
        asked = health_pb2.HealthCheckRequest(service=PAYMENTS if route else "")
        while True:
            try:
                reply = self._check_health(asked, timeout=self._caller.timeout_s)
            except grpc.RpcError as error:
                failure = call_error(error)
                if route is not None:
                    route.failed(failure.reason, failure.leader, is_busy=False)
                if not failure.unreachable or time.monotonic() >= end_s:
                    raise failure from None
            else:
                if reply.status == health_pb2.HealthCheckResponse.SERVING:
                    return
                if route is not None:
                    route.failed("", "", is_busy=False)
                if time.monotonic() >= end_s:
                    raise CallError(
                        grpc.StatusCode.UNAVAILABLE, "the server is not serving"
                    )
            self._caller.pause(RETRY_DELAY_FIRST_S)

    # --- payments -------------------------------------------------------------------

    def pay(self, payment: payments_pb2.Payment) -> payments_pb2.PaymentOutcome:
        """Pay one bill. A payment without an id is given one, in place."""
        give_ids([payment])

        def send(wanted: payments_pb2.Payment) -> payments_pb2.PaymentOutcome:
            reply = self._caller.change(
                self._payments.CreatePayment,
                payments_pb2.CreatePaymentRequest(payment=wanted),
                [payment.id],
                self._caller.pay_timeout_s,
            )
            return matched([reply.outcome], [payment.id])[0]

        return self._pay_as_fetched(payment, send)

    def pay_batch(
        self,
        payments: Sequence[payments_pb2.Payment],
        baskets: Sequence[payments_pb2.Basket] = (),
    ) -> list[payments_pb2.PaymentOutcome]:
        """Pay up to BATCH_MAX bills, each on its own, in the order given.

        Outcomes of the payments come first, then those of each basket.
        """
        give_ids(payments)
        for basket in baskets:
            give_ids(basket.payments)
        ids = ids_of(payments, baskets)
        reply = self._caller.change(
            self._payments.CreatePayments,
            payments_pb2.CreatePaymentsRequest(payments=payments, baskets=baskets),
            ids,
            self._caller.pay_timeout_s,
        )
        return matched(reply.outcomes, ids)

    def pay_basket(
        self, payments: Sequence[payments_pb2.Payment]
    ) -> list[payments_pb2.PaymentOutcome]:
        """Pay 2 to 16 bills of one wallet to one biller, all or none."""
        give_ids(payments)
        ids = ids_of(payments, ())
        reply = self._caller.change(
            self._payments.CreateBasket,
            payments_pb2.CreateBasketRequest(
                basket=payments_pb2.Basket(payments=payments)
            ),
            ids,
            self._caller.pay_timeout_s,
        )
        return matched(reply.outcomes, ids)

    def open_stream(self, outstanding_max: int = OUTSTANDING_MAX) -> PaymentStream:
        """Open a stream that pays without waiting between messages."""
        return PaymentStream(
            lambda requests: self._payments.StreamPayments(requests),
            self._caller,
            outstanding_max,
        )

    def get_payment(
        self, payment_id: bytes, sender: str = ""
    ) -> payments_pb2.GetPaymentResponse:
        """What became of the payment with this id of `sender` (empty: the caller)."""
        return self._caller.read(
            self._payments.GetPayment,
            payments_pb2.GetPaymentRequest(id=payment_id, sender=sender),
        )

    # --- wallets and feeds ----------------------------------------------------------

    def wallet(
        self, centre: str = "", sequence: int = 0, time_ns: int = 0
    ) -> wallets_pb2.GetWalletResponse:
        """A centre's wallet, now or as it was at an entry or a time."""
        return self._caller.read(
            self._wallets.GetWallet,
            wallets_pb2.GetWalletRequest(
                centre=centre, sequence=sequence, time_ns=time_ns
            ),
        )

    def statement(
        self, centre: str = "", sequence: int = 0, time_ns: int = 0
    ) -> Iterator[wallets_pb2.StatementLine]:
        """The entries of a wallet with the balance after each, newest first; as it was
        at an entry or a time.
        """
        request = wallets_pb2.ListStatementRequest(
            centre=centre, page_size=PAGE_SIZE, sequence=sequence, time_ns=time_ns
        )
        while True:
            reply = self._caller.read(self._wallets.ListStatement, request)
            yield from reply.lines
            if not reply.next_page_token:
                return
            request.page_token = reply.next_page_token

    def low_balances(
        self, centre: str = "", after_sequence: int = 0
    ) -> tuple[list[wallets_pb2.LowBalance], int]:
        """The wallets that are low, in the order in which they became so, and as of
        which entry; of those that became so after an entry.

        Given back as `after_sequence` the next time that entry leaves out what has been
        told; a wallet that has risen and fallen since is told again.
        """
        request = wallets_pb2.ListLowBalancesRequest(
            centre=centre, after_sequence=after_sequence, page_size=PAGE_SIZE
        )
        found: list[wallets_pb2.LowBalance] = []
        while True:
            reply = self._caller.read(self._wallets.ListLowBalances, request)
            found += reply.wallets
            if not reply.next_page_token:
                return found, reply.as_of_sequence
            request.page_token = reply.next_page_token

    def acknowledge(
        self, answers: Sequence[billers_pb2.Answer]
    ) -> list[billers_pb2.Acknowledged]:
        """Say what a biller has made of holds of its feed; where each payment stands.

        1 to 1,000 answers, final ones; saying the same again changes nothing. Raises
        CallError, LostReplyError.
        """
        request = billers_pb2.AcknowledgeRequest(answers=answers)
        ids = [one.id for one in answers]
        reply = self._caller.change(self._billers.Acknowledge, request, ids)
        return list(reply.payments)

    def feed(
        self, biller: str = "", cursor: int = 0, *, follow: bool = False
    ) -> Generator[types_pb2.Entry, None, None]:
        """A biller's accepted entries after `cursor`, complete and without repeats.

        Ends at the newest one unless `follow`. A broken connection is resumed; to go
        on later, pass the last entry's sequence as the cursor. Raises WireError if
        the server's order is not strictly ascending.
        """
        attempts = self._caller.attempts(changes=False)
        while True:
            request = billers_pb2.FollowFeedRequest(
                cursor=cursor, end_at_newest=not follow, biller=biller
            )
            call = self._billers.FollowFeed(
                request, timeout=None if follow else STREAM_TIMEOUT_S
            )
            try:
                for page in call:
                    attempts.progress()
                    for entry in page.events:
                        if entry.sequence <= cursor:
                            raise WireError(f"the feed repeats entry {entry.sequence}")
                        cursor = entry.sequence
                        yield entry
                    cursor = max(cursor, page.cursor)
                if not follow:
                    return
                failure = CallError(
                    grpc.StatusCode.UNAVAILABLE, "the server ended the feed"
                )
            except grpc.RpcError as error:
                failure = call_error(error)
            finally:
                call.cancel()
            self._caller.pause(attempts.delay_after(failure))
