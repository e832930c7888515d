"""CancelPayment: give a held payment's money back before its biller was asked."""

from server import convert
from server.node import Node
from server.services.payments import find_payment
from server.sessions import operator_of
from server.status import PreconditionError
from switch.codes import RowFlag
from switch.ledger import statements
from switch.payment_states import PaymentState
from switch.register.identity import Identity
from switch.v1 import counter_pb2 as pb


class CancelCalls:
    """What CounterService does about payments that nobody was asked about yet."""

    _node: Node

    async def CancelPayment(
        self, request: pb.CancelPaymentRequest, caller: Identity
    ) -> pb.CancelPaymentResponse:
        """Give a payment's money back, and that of its basket."""
        node = self._node
        found = await node.read(find_payment, node, request.id, request.sender, caller)
        # The void names the payment's operator: who wished it the security log says.
        request.operator = operator_of(node.register, caller, request.operator)
        repeat = _is_cancelled(found)
        if not repeat:
            await self._cancel(found)
            found = await node.read(
                find_payment, node, request.id, request.sender, caller
            )
        # Its biller's word, or its deadline, may have come between.
        if not _is_cancelled(found):
            raise _not_held(found)
        end = found.resolution
        assert end is not None
        return pb.CancelPaymentResponse(
            state=convert.wire_state(found.state),
            sequence=end.sequence,
            time_ns=end.timestamp,
            repeat=repeat,
        )

    async def _cancel(self, found: statements.Payment) -> None:
        node = self._node
        if found.state is not PaymentState.HELD:
            raise _not_held(found)
        # Here, in the event loop's thread: nobody is asked about it from now on.
        request = node.dispatch.cancel(found.entry)
        if request is None:
            raise PreconditionError(
                "BILLER_ASKED", "the biller may have heard of it: follow the payment"
            )
        await node.commit(request)


def _not_held(found: statements.Payment) -> PreconditionError:
    state = found.state.name.lower()
    return PreconditionError("NOT_HELD", f"the payment is {state}")


def _is_cancelled(found: statements.Payment) -> bool:
    """Whether its money came back without its biller's word."""
    end = found.resolution
    return (
        found.state is PaymentState.REVERSED
        and end is not None
        and not end.flags & RowFlag.EVIDENCE
    )
