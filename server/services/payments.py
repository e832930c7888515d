"""PaymentService: what became of a payment. The hot calls are `server/front/hot.c`."""

from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any

from server import arguments, convert
from server.node import Node
from server.page_tokens import make_token, read_token
from server.reading import Key, Wanted
from server.services.listed import filter_of, finish, lines_of
from server.services.standing import standing_now
from server.status import ArgumentError, NotFoundError, reason_of
from switch.codes import Role
from switch.errors import SwitchError
from switch.ids import ID_SIZE
from switch.ledger import statements
from switch.ledger.filtered import Filter, list_filtered
from switch.payment_states import FINAL, PaymentState, Standing
from switch.register.identity import ForbiddenError, Identity
from switch.register.register import PURPOSE_WALLET
from switch.v1 import payments_pb2 as pb

_Told = tuple[pb.GetPaymentResponse, statements.Payment]

PAYMENTS_MAX = 100
"""Payments of one GetPayments."""
KEYS_AT_ONCE = 64
"""Ids that the core finds in one call."""
_NOBODY = 2**32 - 1
"""A participant index that is never given."""


class PaymentService:
    """Tells what became of payments."""

    def __init__(self, node: Node) -> None:
        """Serves from `node`."""
        self._node = node

    def GetPayment(self, request: pb.GetPaymentRequest, caller: Identity) -> Wanted:
        """What became of a payment, by its sender's id."""

        def then(
            row: statements.Found,
        ) -> pb.GetPaymentResponse | Callable[[], pb.GetPaymentResponse]:
            response, found = self._made(as_of, row)
            if found.standing is not Standing.HELD:
                return response
            return partial(self._with_standing, response, found)

        as_of = self._node.ledger.sequence
        return Wanted(payment_key(self._node, request.id, request.sender, caller), then)

    async def WatchPayment(
        self, request: pb.WatchPaymentRequest, caller: Identity
    ) -> AsyncIterator[pb.WatchPaymentResponse]:
        """What became of a payment, now and after each change, until it is final."""
        node = self._node
        wanted = pb.GetPaymentRequest(id=request.id, sender=request.sender)
        payment = await self._look(wanted, caller)
        yield pb.WatchPaymentResponse(payment=payment)
        told = payment.state
        if PaymentState(told) in FINAL:
            return
        with node.dispatch.watch(payment.entry.sequence) as watch:
            while PaymentState(told) not in FINAL:
                # Looked at after the watch began, so that no change is missed.
                payment = await self._look(wanted, caller)
                if payment.state == told:
                    await watch.wait(node.config.feed_idle_s)
                    node.check_running()
                    continue
                told = payment.state
                yield pb.WatchPaymentResponse(payment=payment)

    async def _look(
        self, request: pb.GetPaymentRequest, caller: Identity
    ) -> pb.GetPaymentResponse:
        response, found = await self._node.look(self._wanted, request, caller)
        return self._with_standing(response, found)

    def _with_standing(
        self, response: pb.GetPaymentResponse, found: statements.Payment
    ) -> pb.GetPaymentResponse:
        response.state = convert.wire_state(standing_now(self._node, found).state)
        return response

    async def GetPayments(
        self, request: pb.GetPaymentsRequest, caller: Identity
    ) -> pb.GetPaymentsResponse:
        """What became of several payments; of each alone what was wrong with it."""
        wanted = request.payments
        if not 1 <= len(wanted) <= PAYMENTS_MAX:
            raise ArgumentError("payments", f"must be 1 to {PAYMENTS_MAX}")
        found = await self._node.read(self._get_payments, wanted, caller)
        response = pb.GetPaymentsResponse()
        for one, told in zip(wanted, found, strict=True):
            if isinstance(told, SwitchError):
                is_none = isinstance(told, ArgumentError)
                error = "INVALID_ARGUMENT" if is_none else reason_of(told)
                response.payments.add(id=one.id[:ID_SIZE], error=error)
                continue
            payment = self._with_standing(*told)
            response.payments.add(id=one.id, payment=payment)
        return response

    async def ListPayments(
        self, request: pb.ListPaymentsRequest, caller: Identity
    ) -> pb.ListPaymentsResponse:
        """The payments of one wallet, newest first."""
        node = self._node
        wanted = filter_of(node.register, request.filter)
        response, found = await node.read(self._list_payments, request, caller, wanted)
        finish(node, response, found, wanted.state)
        return response

    # --- in a reading thread -----------------------------------------------------

    def _wanted(self, request: pb.GetPaymentRequest, caller: Identity) -> Any:
        """A Wanted: who looks by it gets what it gives."""
        as_of = self._node.ledger.sequence
        key = payment_key(self._node, request.id, request.sender, caller)
        return Wanted(key, partial(self._made, as_of))

    def _made(
        self, as_of: int, row: statements.Found
    ) -> tuple[pb.GetPaymentResponse, statements.Payment]:
        node = self._node
        found = payment_found(node, row)
        return convert.payment(found, as_of, node.ledger, node.register), found

    def _get_payments(
        self, wanted: Sequence[pb.GetPaymentRequest], caller: Identity
    ) -> list[_Told | SwitchError]:
        ledger = self._node.ledger
        as_of = ledger.sequence
        told: list[_Told | SwitchError | None] = []
        keys: list[Key] = []
        for one in wanted:
            try:
                keys.append(payment_key(self._node, one.id, one.sender, caller))
                told.append(None)
            except SwitchError as error:
                told.append(error)
        rows: list[statements.Found] = []
        for first in range(0, len(keys), KEYS_AT_ONCE):
            rows += ledger.find_entries(keys[first : first + KEYS_AT_ONCE])
        found = iter(rows)
        return [
            self._made_or_not(as_of, next(found)) if one is None else one
            for one in told
        ]

    def _made_or_not(self, as_of: int, row: statements.Found) -> _Told | SwitchError:
        try:
            return self._made(as_of, row)
        except SwitchError as error:
            return error

    def _list_payments(
        self, request: pb.ListPaymentsRequest, caller: Identity, wanted: Filter
    ) -> tuple[pb.ListPaymentsResponse, list[statements.Payment]]:
        register = self._node.register
        ledger = self._node.ledger
        account = arguments.own_wallet(register, caller, request.centre).index
        size = arguments.page_size(request.page_size, self._node.config)
        before = read_token(request, caller)
        as_of = ledger.sequence
        found, following = list_filtered(ledger, account, wanted, before, size)
        response = pb.ListPaymentsResponse(
            payments=convert.entries([one.entry for one in found], ledger, register),
            lines=lines_of(found),
            next_page_token=make_token(request, caller, following),
            as_of_sequence=as_of,
        )
        return response, found


def find_payment(
    node: Node, payment_id: bytes, sender: str, caller: Identity
) -> statements.Payment:
    """The payment that the caller asks for by its sender's id. Reads; blocks.

    Raises as `payment_key` and `payment_found`.
    """
    [row] = node.ledger.find_entries([payment_key(node, payment_id, sender, caller)])
    return payment_found(node, row)


def payment_key(node: Node, payment_id: bytes, sender: str, caller: Identity) -> Key:
    """By what a payment is found that the caller asks for by its sender's id.

    `sender` is empty for the caller itself. A centre finds what it sent, and of what
    others sent what its own wallet pays: a payment that is another's, one that is not
    there and a sender that is not there are the same answer, by the same look-up.
    Raises ArgumentError, and ForbiddenError of a harness that asks for others'.
    """
    if len(payment_id) != ID_SIZE:
        raise ArgumentError("id", f"must be {ID_SIZE} bytes")
    if not sender or sender == caller.participant:
        return caller.index, payment_id, None
    if caller.role is Role.HARNESS:
        raise ForbiddenError("a harness asks for its own payments only")
    if caller.role is Role.CENTRE:
        known = node.register.find_participant(sender)
        wallet = node.ledger.find_account(caller.index, PURPOSE_WALLET)
        return _NOBODY if known is None else known.index, payment_id, wallet
    index = arguments.participant(node.register, sender, "sender").index
    return index, payment_id, None


def payment_found(node: Node, row: statements.Found) -> statements.Payment:
    """The payment of what was found. Raises NotFoundError, CorruptionError."""
    payment = statements.payment_in(node.ledger, row)
    if payment is None:
        raise NotFoundError("no payment with this id is durable")
    return payment
