"""A server's node and services in the test's own process, called without a network.

What goes wrong between a commit and its answer is hard to bring about from outside;
here a test can replace any part of the node.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from server.app import all_behaviours
from server.node import Node
from server.transport import Call, Look
from switch._core import Ledger, Request
from switch.config import Config
from switch.ids import new_id
from switch.ledger.committer import Clock, Committer
from switch.register.identity import ForbiddenError, identify
from switch.register.rights import allow
from switch.v1 import admin_pb2
from tests.server.harness import CENTRES, TOPPED_UP, network

MAP_SIZE = 1 << 30
STOP_S = 10.0


_CODES = {code.value[0]: code for code in grpc.StatusCode}


class FailedError(Exception):
    """A call that ended with a status."""

    def __init__(self, code: int, message: str, details: bytes) -> None:
        super().__init__(message)
        self.code: grpc.StatusCode = _CODES[code]
        self.reason = self.outcome = ""
        for detail in status_pb2.Status.FromString(details).details:
            info = error_details_pb2.ErrorInfo()
            if detail.Unpack(info):
                self.reason = info.reason
                self.outcome = info.metadata.get("outcome", "")


class FakeCall(Call):
    """A call with its messages at hand; what it would tell the front it keeps."""

    def __init__(self, name: str, messages: list[bytes]) -> None:
        peer = SimpleNamespace(address="127.0.0.1:1", caller=None, owner=1)
        self.answered = asyncio.Event()
        super().__init__(self, {}, lambda *_: self.answered.set(), 1, "", peer, None, 0)  # type: ignore[arg-type]
        self.name = name
        self.written: list[bytes] = []
        self.status: tuple[int, str, bytes] = (0, "", b"")
        self.charged = 0
        self._messages = messages

    def charge(self, _: int, reads: int) -> None:
        self.charged += reads

    def start(self) -> None:
        pass

    async def read(self) -> bytes | None:
        return self._messages.pop(0) if self._messages else None

    async def write(self, body: bytes) -> None:
        self.written.append(body)

    def reply(self, _: int, body: bytes) -> None:
        self.written.append(body)

    def finish(self, _: int, code: int, message: str, details: bytes) -> None:
        self.status = (code, message, details)


class Inside:
    """The node, and its calls by method."""

    def __init__(self, ledger: Ledger, clock: Clock | None) -> None:
        self.ledger = ledger
        self.committer = Committer(ledger, clock=clock)
        self.node = Node(Config(), ledger, self.committer)
        self._behaviours = all_behaviours(self.node)
        self._behaviours["/payswitch.v1.PaymentService/CreatePayment"] = self._pay

    async def _pay(self, call: Call) -> bytes:
        """One payment as Python makes it: the hot calls are the front's."""
        assert call.body is not None
        assert call.caller is not None
        caller = call.caller
        made = Request.payments(call.body, caller.index, caller.bound_centre)
        return await self.node.pay(made)

    async def call(self, method: str, request: Message, *, by: str) -> bytes:
        """A unary call by `role/participant`; raises FailedError with its status."""
        call = FakeCall(by, [])
        call.body = request.SerializeToString()
        await self.stream(method, call)
        [reply] = call.written
        return reply

    async def stream(self, method: str, call: FakeCall) -> None:
        """A call to its end; raises FailedError with its status."""
        [name] = [one for one in self._behaviours if one.endswith(f"/{method}")]
        domain = self.node.config.trust_domain
        uri = f"spiffe://{domain}/{call.name}"
        call.caller = identify([uri], self.node.register, domain)
        try:
            allow(call.caller, name)
        except ForbiddenError as error:
            call.fail(error, has_committed=False)
        else:
            behaviour = self._behaviours[name]
            if isinstance(behaviour, Look):
                call.look(behaviour)
                await call.answered.wait()
            else:
                await call.run(behaviour)
        if call.status[0]:
            raise FailedError(*call.status)

    async def load(self) -> None:
        """The small network, its wallets filled."""
        await self.call("LoadNetwork", network(), by="treasury/treasury")
        for centre in CENTRES:
            request = admin_pb2.TopUpRequest(
                id=new_id(), centre=centre, amount=TOPPED_UP, utr=new_id().hex()
            )
            await self.call("TopUp", request, by="treasury/treasury")


@asynccontextmanager
async def inside(
    path: Path, clock: Clock | None = None, **options: Any
) -> AsyncIterator[Inside]:
    """A node that is ready."""
    where = str(path / "ledger")
    ledger = Ledger(where, map_size=MAP_SIZE, reserve_size=0, **options)
    one = Inside(ledger, clock)
    one.committer.start()
    try:
        await one.load()
        yield one
    finally:
        one.node.loop.remove_reader(one.committer._queue.fileno())
        one.node.stopping = True
        one.committer.stop(STOP_S)
        one.node.close()
        ledger.close()
