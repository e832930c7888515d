"""CancelPayment: give a held payment's money back before its biller was asked."""

from server import convert
from server.node import Node
from server.services.payments import find_payment
from server.sessions import operator_of
from server.status import PreconditionError
from switch._core import Request
from switch.codes import Result, Role, RowFlag
from switch.ledger import statements
from switch.ledger.committer import Reply
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

        async def find() -> statements.Payment:
            return await node.read(
                find_payment, node, request.id, request.sender, caller
            )

        found = await find()
        centre = node.register.account(found.entry.debit).participant
        if not (_is_cancelled(found) and caller.role is not Role.CENTRE):
            # What was cancelled before has its answer, if they sign on by now, too.
            request.operator = operator_of(
                node.register, caller, request.operator, centre
            )
        is_given_back = False
        was_offered = False
        if not _is_cancelled(found):
            made = self._make(found, request.operator)
            was_offered = made is None
            if made is not None:
                is_given_back = _has_done(await node.commit(made))
            # Another cancel, its biller's word or its deadline may have come between.
            found = await find()
        if not _is_cancelled(found):
            if was_offered and found.state is PaymentState.HELD:
                raise PreconditionError(
                    "BILLER_ASKED",
                    "the biller may have heard of it: follow the payment",
                )
            raise _not_held(found)
        end = found.resolution
        assert end is not None
        return pb.CancelPaymentResponse(
            state=convert.wire_state(found.state),
            sequence=end.sequence,
            time_ns=end.timestamp,
            repeat=not is_given_back,
        )

    def _make(self, found: statements.Payment, operator: int) -> Request | None:
        """The request that gives it back; None if its biller may have heard of it, or
        it was decided since it was read.
        """
        node = self._node
        if found.state is not PaymentState.HELD:
            raise _not_held(found)
        # Here, in the event loop's thread: nobody is asked about it from now on.
        return node.dispatch.cancel(found.entry, operator)


def _has_done(reply: Reply) -> bool:
    """Whether this request gave the money back, and not one that came before it."""
    assert not isinstance(reply, bytes)
    return bool(((reply["result"] == Result.OK) & (reply["repeat"] == 0)).all())


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
