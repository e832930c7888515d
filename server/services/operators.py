"""Signing on: what CounterService does for the people at a counter."""

from server import arguments, convert
from server.node import Node
from server.security_log import Cause
from server.sessions import EPOCH, NONCE_LIFE_NS
from server.status import ArgumentError, PreconditionError
from switch.counter.sign_offs import sign_off
from switch.register.identity import Identity
from switch.v1 import operators_pb2 as pb
from switch.v1 import results_pb2

WRONG_PINS_MAX = 10_000
"""What a counter may tell at a time."""


class OperatorCalls:
    """Who sits at a counter says so, and is believed until the session ends."""

    _node: Node

    def GetSignOnNonce(
        self, request: pb.GetSignOnNonceRequest, caller: Identity
    ) -> pb.GetSignOnNonceResponse:
        """What an operator's key signs; wrong PINs of a counter are noted."""
        if request.wrong_pins > WRONG_PINS_MAX:
            raise ArgumentError("wrong_pins", f"is at most {WRONG_PINS_MAX}")
        if request.wrong_pins:
            name = f"{caller.role.name.lower()}/{caller.participant}"
            note = self._node.observer.security.note
            # Its address is the centre's own, and says nothing of who has guessed.
            note(Cause.WRONG_PIN, name, "", request.wrong_pins)
        sessions = self._node.sessions
        return pb.GetSignOnNonceResponse(
            nonce=sessions.make_nonce(caller),
            instance=sessions.instance,
            epoch=EPOCH,
            life_s=NONCE_LIFE_NS // 1_000_000_000,
            certificate=caller.certificate,
        )

    async def SignOn(
        self, request: pb.SignOnRequest, caller: Identity
    ) -> pb.SignOnResponse:
        """A session for an operator of the caller."""
        node = self._node
        token, session = await node.read(
            node.sessions.sign_on,
            caller,
            request.operator,
            request.nonce,
            request.signature,
        )
        return pb.SignOnResponse(
            session=token,
            ends_ns=session.ends_ns,
            idle_s=node.config.session_idle_s,
        )

    async def GetSession(
        self, request: pb.GetSessionRequest, caller: Identity
    ) -> pb.GetSessionResponse:
        """What a session is; it is open from now on."""
        node = self._node
        session = await node.read(node.sessions.open_again, caller, request.session)
        return pb.GetSessionResponse(
            operator=session.operator,
            ends_ns=session.ends_ns,
            idle_s=node.config.session_idle_s,
        )

    async def SignOff(
        self, request: pb.SignOffRequest, caller: Identity
    ) -> pb.SignOffResponse:
        """End a session: here at once, and for good by a row."""
        node = self._node
        wallet = arguments.own_wallet(node.register, caller, "").index
        over = await node.read(node.sessions.end, caller, request.session)
        if over.row_id:
            move = sign_off(over.row_id, wallet, over.operator, sender=caller.index)
            reply = await node.commit_alone(move.request())
            assert not isinstance(reply, bytes)
            _check_over(convert.outcome(reply[0]).result)
        return pb.SignOffResponse(was_on=over.was_on)


def _check_over(result: "results_pb2.Result.ValueType") -> None:
    """Raise PreconditionError unless the session's id is used by now.

    Whatever row has it ends the session, if its centre has sent another one too.
    """
    if result not in (results_pb2.RESULT_OK, results_pb2.RESULT_ID_REUSED):
        name = results_pb2.Result.Name(result)
        raise PreconditionError(
            "SIGN_OFF_REFUSED",
            f"the session is over here, and no row says so for good: {name}",
        )
