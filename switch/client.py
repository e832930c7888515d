"""The client library: the switch's calls as methods that are safe to repeat.

Talks to the switch over the wire only. Makes ids (UUIDv7), repeats what may be
repeated with the same ids, and reports an outcome that is not known as
LostReplyError, an UnknownOutcomeError that carries the ids. A refusal by a rule is a
value in the reply, never an exception. Every amount is in paise.

Every method can raise CallError (the call changed nothing; its `code` says why), and
those that change the ledger LostReplyError.
"""

import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Self, TypeVar

import grpc
from grpc_health.v1 import health_pb2

from switch.client_calls import (
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
from switch.client_stream import PaymentStream, ids_of
from switch.errors import WireError
from switch.identity import Credentials
from switch.ids import new_id
from switch.v1 import (
    admin_pb2,
    admin_pb2_grpc,
    billers_pb2,
    billers_pb2_grpc,
    payments_pb2,
    payments_pb2_grpc,
    types_pb2,
    wallets_pb2,
    wallets_pb2_grpc,
)

__all__ = [
    "BATCH_MAX",
    "OUTSTANDING_MAX",
    "CallError",
    "Client",
    "LostReplyError",
    "PaymentStream",
    "balance_of",
    "make_payment",
]

BATCH_MAX = 8190
"""Payments in one message; participants or services in one load."""
OUTSTANDING_MAX = 16_380
"""Payments of one stream that may be without an answer."""
PAGE_SIZE = 1000
"""Entries asked for at a time where a method walks all pages."""
LOAD_TIMEOUT_S = 60.0
"""A network is thousands of register entries in one call."""

Item = TypeVar("Item")


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
) -> payments_pb2.Payment:
    """A payment of `amount` paise with a fresh id.

    `amount_due` is what the bill says, needed where the service's amount is exact;
    `centre` only for senders that act for several. The other fields are those of
    `Payment` in the protocol.
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
    )


def balance_of(account: admin_pb2.Account) -> int:
    """Posted credits less posted debits, paise; negative for the bank float."""
    return account.credits_posted - account.debits_posted


class Client:
    """One participant's connection to a switch. Thread-safe; a context manager."""

    def __init__(
        self,
        address: str,
        credentials: Credentials,
        *,
        retries_max: int = RETRIES_MAX,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> None:
        """Prepare a connection to `address` (host:port); the first call makes it.

        `timeout_s` is the deadline of one attempt of a unary call, of which there
        are at most `retries_max` + 1. Raises ConfigError if the credentials cannot
        be read.
        """
        self._channel = open_channel(address, credentials)
        self._caller = Caller(retries_max, timeout_s)
        self._payments = payments_pb2_grpc.PaymentServiceStub(self._channel)
        self._wallets = wallets_pb2_grpc.WalletServiceStub(self._channel)
        self._billers = billers_pb2_grpc.BillerServiceStub(self._channel)
        self._admin = admin_pb2_grpc.AdminServiceStub(self._channel)
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
        while True:
            try:
                reply = self._check_health(
                    health_pb2.HealthCheckRequest(), timeout=self._caller.timeout_s
                )
            except grpc.RpcError as error:
                failure = call_error(error)
                if not failure.unreachable or time.monotonic() >= end_s:
                    raise failure from None
            else:
                if reply.status == health_pb2.HealthCheckResponse.SERVING:
                    return
                if time.monotonic() >= end_s:
                    raise CallError(
                        grpc.StatusCode.UNAVAILABLE, "the server is not serving"
                    )
            self._caller.pause(RETRY_DELAY_FIRST_S)

    # --- payments -------------------------------------------------------------------

    def pay(self, payment: payments_pb2.Payment) -> payments_pb2.PaymentOutcome:
        """Pay one bill. A payment without an id is given one, in place."""
        _give_ids([payment])
        reply = self._caller.change(
            self._payments.CreatePayment,
            payments_pb2.CreatePaymentRequest(payment=payment),
            [payment.id],
        )
        return _matched([reply.outcome], [payment.id])[0]

    def pay_batch(
        self,
        payments: Sequence[payments_pb2.Payment],
        baskets: Sequence[payments_pb2.Basket] = (),
    ) -> list[payments_pb2.PaymentOutcome]:
        """Pay up to BATCH_MAX bills, each on its own, in the order given.

        Outcomes of the payments come first, then those of each basket.
        """
        _give_ids(payments)
        for basket in baskets:
            _give_ids(basket.payments)
        ids = ids_of(payments, baskets)
        reply = self._caller.change(
            self._payments.CreatePayments,
            payments_pb2.CreatePaymentsRequest(payments=payments, baskets=baskets),
            ids,
        )
        return _matched(reply.outcomes, ids)

    def pay_basket(
        self, payments: Sequence[payments_pb2.Payment]
    ) -> list[payments_pb2.PaymentOutcome]:
        """Pay 2 to 16 bills of one wallet to one biller, all or none."""
        _give_ids(payments)
        ids = ids_of(payments, ())
        reply = self._caller.change(
            self._payments.CreateBasket,
            payments_pb2.CreateBasketRequest(
                basket=payments_pb2.Basket(payments=payments)
            ),
            ids,
        )
        return _matched(reply.outcomes, ids)

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

    def payments(self, centre: str = "") -> Iterator[types_pb2.Entry]:
        """The payments of a wallet, newest first, page by page."""
        request = payments_pb2.ListPaymentsRequest(centre=centre, page_size=PAGE_SIZE)
        while True:
            reply = self._caller.read(self._payments.ListPayments, request)
            yield from reply.payments
            if not reply.next_page_token:
                return
            request.page_token = reply.next_page_token

    # --- wallets and feeds ----------------------------------------------------------

    def wallet(
        self, centre: str = "", sequence: int = 0
    ) -> wallets_pb2.GetWalletResponse:
        """A centre's wallet, now or as it was at `sequence`."""
        return self._caller.read(
            self._wallets.GetWallet,
            wallets_pb2.GetWalletRequest(centre=centre, sequence=sequence),
        )

    def statement(self, centre: str = "") -> Iterator[wallets_pb2.StatementLine]:
        """The entries of a wallet with the balance after each, newest first."""
        request = wallets_pb2.ListStatementRequest(centre=centre, page_size=PAGE_SIZE)
        while True:
            reply = self._caller.read(self._wallets.ListStatement, request)
            yield from reply.lines
            if not reply.next_page_token:
                return
            request.page_token = reply.next_page_token

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

    # --- administration -------------------------------------------------------------

    def load_network(
        self,
        participants: Sequence[admin_pb2.Participant],
        services: Sequence[admin_pb2.Service] = (),
    ) -> admin_pb2.LoadNetworkResponse:
        """Bring the register to what is given, in as many calls as that needs.

        Participants go first: services name their billers. The counts are the sums.
        """
        total = admin_pb2.LoadNetworkResponse()
        parts = [
            admin_pb2.LoadNetworkRequest(participants=part)
            for part in _parts(participants)
        ]
        parts += [
            admin_pb2.LoadNetworkRequest(services=part) for part in _parts(services)
        ]
        for request in parts:
            reply = self._caller.change(
                self._admin.LoadNetwork, request, timeout_s=LOAD_TIMEOUT_S
            )
            total.added_count += reply.added_count
            total.replaced_count += reply.replaced_count
            total.unchanged_count += reply.unchanged_count
            total.sequence = reply.sequence
        return total

    def top_up(
        self, centre: str, amount: int, utr: str, *, move_id: bytes = b""
    ) -> admin_pb2.Outcome:
        """Credit a wallet with money that reached the bank, once for each UTR."""
        request = admin_pb2.TopUpRequest(
            id=move_id or new_id(), centre=centre, amount=amount, utr=utr
        )
        reply = self._caller.change(self._admin.TopUp, request, [request.id])
        return reply.outcome

    def freeze_wallet(
        self, centre: str, reason: str, *, unfreeze: bool = False, move_id: bytes = b""
    ) -> admin_pb2.Outcome:
        """Freeze a wallet, or end its freeze."""
        request = admin_pb2.FreezeWalletRequest(
            id=move_id or new_id(), centre=centre, unfreeze=unfreeze, reason=reason
        )
        reply = self._caller.change(self._admin.FreezeWallet, request, [request.id])
        return reply.outcome

    def close_wallet(
        self, centre: str, reason: str, *, move_id: bytes = b""
    ) -> admin_pb2.Outcome:
        """Close a wallet for ever; it must be empty and without open holds."""
        request = admin_pb2.CloseWalletRequest(
            id=move_id or new_id(), centre=centre, reason=reason
        )
        reply = self._caller.change(self._admin.CloseWallet, request, [request.id])
        return reply.outcome

    def set_limit(
        self,
        centre: str,
        day_amount_max: int = 0,
        day_count_max: int = 0,
        *,
        move_id: bytes = b"",
    ) -> admin_pb2.Outcome:
        """Set what a wallet may spend in an IST day; 0 is no limit."""
        request = admin_pb2.SetLimitRequest(
            id=move_id or new_id(),
            centre=centre,
            day_amount_max=day_amount_max,
            day_count_max=day_count_max,
        )
        reply = self._caller.change(self._admin.SetLimit, request, [request.id])
        return reply.outcome

    def refund(
        self, payment_sequence: int, amount: int, *, move_id: bytes = b""
    ) -> admin_pb2.Outcome:
        """Give back `amount` of the accepted payment at `payment_sequence`."""
        request = admin_pb2.RefundRequest(
            id=move_id or new_id(), payment_sequence=payment_sequence, amount=amount
        )
        reply = self._caller.change(self._admin.Refund, request, [request.id])
        return reply.outcome

    def close_window(self, previous_window: int) -> admin_pb2.CloseWindowResponse:
        """Close the open settlement window; `previous_window` is the one before."""
        return self._caller.change(
            self._admin.CloseWindow,
            admin_pb2.CloseWindowRequest(previous_window=previous_window),
        )

    def settle(
        self, window: int, biller: str, head: str, amount: int, *, move_id: bytes = b""
    ) -> admin_pb2.Outcome:
        """Move a window's payable amount of one biller account to settlement."""
        request = admin_pb2.SettleRequest(
            id=move_id or new_id(),
            window=window,
            biller=biller,
            head=head,
            amount=amount,
        )
        reply = self._caller.change(self._admin.Settle, request, [request.id])
        return reply.outcome

    def accounts(self) -> tuple[list[admin_pb2.Account], int]:
        """Every account in order, and the one sequence at which all are read."""

        def read_all(
            request: admin_pb2.ListAccountsRequest, *, timeout: float
        ) -> tuple[list[admin_pb2.Account], int]:
            accounts: list[admin_pb2.Account] = []
            sequence = 0
            for page in self._admin.ListAccounts(request, timeout=timeout):
                accounts += page.accounts
                sequence = page.as_of_sequence
            return accounts, sequence

        return self._caller.read(
            read_all, admin_pb2.ListAccountsRequest(), STREAM_TIMEOUT_S
        )

    def services(self) -> list[admin_pb2.Service]:
        """The services in the register."""
        reply = self._caller.read(
            self._admin.ListServices, admin_pb2.ListServicesRequest()
        )
        return list(reply.services)

    def ledger(self) -> admin_pb2.GetLedgerResponse:
        """Where the ledger stands."""
        return self._caller.read(self._admin.GetLedger, admin_pb2.GetLedgerRequest())


def _give_ids(payments: Iterable[payments_pb2.Payment]) -> None:
    for payment in payments:
        if not payment.id:
            payment.id = new_id()


def _matched(
    outcomes: Sequence[payments_pb2.PaymentOutcome], ids: Sequence[bytes]
) -> list[payments_pb2.PaymentOutcome]:
    """The outcomes, if they are those of `ids` in order; otherwise nothing is known."""
    if [outcome.id for outcome in outcomes] != list(ids):
        raise LostReplyError(
            ids, CallError(grpc.StatusCode.INTERNAL, "the outcomes are of other ids")
        )
    return list(outcomes)


def _parts(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), BATCH_MAX):
        yield items[start : start + BATCH_MAX]
