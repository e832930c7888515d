"""Operators sign on: the client's calls, and whose session a call has.

A part of the client library; `switch.client.Client` has these methods. Several
operators may be signed on by one client: each call says whose session it has. May use
`calls`, the words and the messages.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from switch.client.calls import SESSION, Caller
from switch.sign_on import signed_bytes
from switch.v1 import counter_pb2_grpc
from switch.v1 import operators_pb2 as pb


class OperatorCalls:
    """What `Client` can do for who is at a counter."""

    _caller: Caller
    _counter: counter_pb2_grpc.CounterServiceStub

    def sign_on(
        self, centre: str, operator: int, key: Ed25519PrivateKey
    ) -> pb.SignOnResponse:
        """A session for an operator of the calling centre; secret, for `signed_on`.

        Raises CallError, with the reason SIGN_ON_WRONG if it is not the operator's key.
        """
        given = self._caller.read(
            self._counter.GetSignOnNonce, pb.GetSignOnNonceRequest()
        )
        message = signed_bytes(
            given.instance,
            given.epoch,
            given.nonce,
            centre,
            operator,
            given.certificate,
        )
        request = pb.SignOnRequest(
            nonce=given.nonce, operator=operator, signature=key.sign(message)
        )
        return self._caller.read(self._counter.SignOn, request)

    def tell_wrong_pins(self, count: int) -> None:
        """Have the switch know that so many PINs were wrong at this counter."""
        request = pb.GetSignOnNonceRequest(wrong_pins=count)
        self._caller.read(self._counter.GetSignOnNonce, request)

    @contextmanager
    def signed_on(self, session: bytes) -> Iterator[None]:
        """Calls of this thread or task have this session in the block; empty: none."""
        before = SESSION.set(session)
        try:
            yield
        finally:
            SESSION.reset(before)

    def open_session(self, session: bytes) -> pb.GetSessionResponse:
        """Have a server that was started anew know a session; whose it is."""
        request = pb.GetSessionRequest(session=session)
        return self._caller.read(self._counter.GetSession, request)

    def sign_off(self, session: bytes) -> None:
        """End a session, whether or not it still was one."""
        request = pb.SignOffRequest(session=session)
        self._caller.change(self._counter.SignOff, request)
