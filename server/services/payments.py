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


class PaymentService:
    """Pays bills and tells what became of them."""

    def __init__(self, node: Node) -> None:
        """Serves from `node`."""
        self._node = node

    async def CreatePayment(self, body: bytes, caller: Identity) -> bytes:
        """Pay one bill."""
        request = Request.payments(body, caller.index, caller.bound_centre)
        if request.payments_count != 1 or request.baskets_count:
            raise WireError("this call takes one payment and no basket")
        return await self._pay(request)

    async def CreateBasket(self, body: bytes, caller: Identity) -> bytes:
        """Pay the bills of one basket, all or none."""
        request = Request.payments(body, caller.index, caller.bound_centre)
        if request.baskets_count != 1 or request.payments_count:
            raise WireError("this call takes one basket and no payment beside it")
        return await self._pay(request)

    async def CreatePayments(self, body: bytes, caller: Identity) -> bytes:
        """Pay bills and baskets, each on its own."""
        return await self._pay(
            Request.payments(body, caller.index, caller.bound_centre)
        )

    async def _pay(self, request: Request) -> bytes:
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
