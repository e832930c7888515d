"""Signing on: what CounterService does for the people at a counter."""

from server.node import Node
from server.sessions import EPOCH, NONCE_LIFE_NS
from switch.register.identity import Identity
from switch.v1 import operators_pb2 as pb


class OperatorCalls:
    """Who sits at a counter says so, and is believed until the session ends."""

    _node: Node

    def GetSignOnNonce(
        self, request: pb.GetSignOnNonceRequest, caller: Identity
    ) -> pb.GetSignOnNonceResponse:
        """What an operator's key signs."""
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
        """End a session."""
        node = self._node
        was_on = await node.read(node.sessions.end, caller, request.session)
        return pb.SignOffResponse(was_on=was_on)
