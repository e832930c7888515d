"""PaymentService: the hot calls as bytes, and what became of a payment."""

from server import arguments, convert
from server.node import Node
from server.services.payment_stream import PaymentStream
from server.status import ArgumentError, Context, NotFoundError
from switch import statements
from switch._core import Request
from switch.codes import Role
from switch.errors import WireError
from switch.identity import ForbiddenError, Identity
from switch.ids import ID_SIZE
from switch.v1 import payments_pb2 as pb

RAW = frozenset({"CreatePayment", "CreatePayments", "CreateBasket", "StreamPayments"})
"""Methods that take and give bytes."""

_PAYMENT = 1
_BASKET = 2


class PaymentService:
    """Pays bills and tells what became of them."""

    def __init__(self, node: Node) -> None:
        """Serves from `node`."""
        self._node = node

    async def CreatePayment(self, body: bytes, caller: Identity) -> bytes:
        """Pay one bill."""
        check_single(body, _PAYMENT)
        return await self.CreatePayments(body, caller)

    async def CreateBasket(self, body: bytes, caller: Identity) -> bytes:
        """Pay the bills of one basket, all or none."""
        check_single(body, _BASKET)
        return await self.CreatePayments(body, caller)

    async def CreatePayments(self, body: bytes, caller: Identity) -> bytes:
        """Pay bills and baskets, each on its own."""
        request = Request.payments(body, caller.index, caller.bound_centre)
        reply = await self._node.commit(request)
        assert isinstance(reply, bytes)
        return reply

    async def StreamPayments(self, context: Context, caller: Identity) -> None:
        """Pay without waiting between messages."""
        await PaymentStream(self._node, context, caller).run()

    async def GetPayment(
        self, request: pb.GetPaymentRequest, caller: Identity
    ) -> pb.GetPaymentResponse:
        """What became of a payment, by its sender's id."""
        return await self._node.read(self._get_payment, request, caller)

    async def ListPayments(
        self, request: pb.ListPaymentsRequest, caller: Identity
    ) -> pb.ListPaymentsResponse:
        """The accepted payments of one wallet, newest first."""
        return await self._node.read(self._list_payments, request, caller)

    # --- in a reading thread -----------------------------------------------------

    def _get_payment(
        self, request: pb.GetPaymentRequest, caller: Identity
    ) -> pb.GetPaymentResponse:
        if len(request.id) != ID_SIZE:
            raise ArgumentError("id", f"must be {ID_SIZE} bytes")
        register = self._node.register
        ledger = self._node.ledger
        sender = caller.index
        if request.sender and request.sender != caller.participant:
            if caller.role is Role.HARNESS:
                raise ForbiddenError("a harness asks for its own payments only")
            sender = arguments.participant(register, request.sender, "sender").index
        as_of = ledger.sequence
        found = statements.find_payment(ledger, sender, request.id)
        if found is None:
            raise NotFoundError("no payment with this id is durable")
        if caller.role is Role.CENTRE and sender != caller.index:
            wallet = ledger.find_account(caller.index, 0)
            if not wallet or found.row["debit"] != wallet:
                raise ForbiddenError("this payment is another centre's")
        return convert.payment(found, as_of, ledger, register)

    def _list_payments(
        self, request: pb.ListPaymentsRequest, caller: Identity
    ) -> pb.ListPaymentsResponse:
        register = self._node.register
        ledger = self._node.ledger
        account = arguments.own_wallet(register, caller, request.centre).index
        size = arguments.page_size(request.page_size, self._node.config)
        before = arguments.read_token(request.page_token, account)
        as_of = ledger.sequence
        rows, following = statements.list_payments(ledger, account, before, size)
        return pb.ListPaymentsResponse(
            payments=convert.entries(rows, ledger, register),
            next_page_token=arguments.make_token(account, following),
            as_of_sequence=as_of,
        )


def check_single(body: bytes, field: int) -> None:
    """Refuse a message that has more than the one payment or basket in `field`.

    Looks at the outermost framing only, and no further than the second. What is
    broken is left to the parser of the whole. Raises WireError.
    """
    seen = 0
    at = 0
    size = len(body)
    while at < size:
        tag, at = _varint(body, at)
        number, wire_type = tag >> 3, tag & 7
        if number in (_PAYMENT, _BASKET):
            if number != field:
                what = "payments" if number == _PAYMENT else "baskets"
                raise WireError(f"this call takes no {what}")
            seen += 1
            if seen > 1:
                what = "payment" if field == _PAYMENT else "basket"
                raise WireError(f"this call takes one {what}")
        if wire_type == 2:
            length, at = _varint(body, at)
            at += length
        elif wire_type == 0:
            _, at = _varint(body, at)
        elif wire_type in (1, 5):
            at += 8 if wire_type == 1 else 4
        else:
            return


def _varint(body: bytes, at: int) -> tuple[int, int]:
    """A varint and where it ends; what runs off the end ends there."""
    value = 0
    for shift in range(0, 64, 7):
        if at >= len(body):
            break
        byte = body[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
    return value, at
