"""A server's node and services in the test's own process, called without a network.

What goes wrong between a commit and its answer is hard to bring about from outside;
here a test can replace any part of the node.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from server.interceptors import service_handlers
from server.node import Node
from server.services.admin import AdminService
from server.services.billers import BillerService
from server.services.counter import CounterService
from server.services.payments import RAW, PaymentService
from switch._core import Ledger
from switch.config import Config
from switch.ids import new_id
from switch.ledger.committer import Clock, Committer
from switch.register.identity import SAN_KEY
from switch.v1 import admin_pb2, billers_pb2, counter_pb2, payments_pb2
from tests.server.harness import CENTRES, TOPPED_UP, network

MAP_SIZE = 1 << 30
STOP_S = 10.0


class FailedError(Exception):
    """A call that ended with a status."""

    def __init__(self, status: Any) -> None:
        super().__init__(status.details)
        self.code: grpc.StatusCode = status.code
        self.reason = self.outcome = ""
        [(_, packed)] = status.trailing_metadata
        for detail in status_pb2.Status.FromString(packed).details:
            info = error_details_pb2.ErrorInfo()
            if detail.Unpack(info):
                self.reason = info.reason
                self.outcome = info.metadata.get("outcome", "")


class FakeContext:
    """What the interceptors and streams ask of a call."""

    def __init__(self, name: str, messages: list[bytes]) -> None:
        self._name = f"spiffe://payswitch.test/{name}".encode()
        self._messages = messages
        self.written: list[bytes] = []

    def auth_context(self) -> dict[str, list[bytes]]:
        return {SAN_KEY: [self._name]}

    def time_remaining(self) -> None:
        return None

    def peer(self) -> str:
        return "ipv4:127.0.0.1:1"

    async def abort_with_status(self, status: Any) -> None:
        raise FailedError(status)

    async def read(self) -> Any:
        return self._messages.pop(0) if self._messages else grpc.aio.EOF

    async def write(self, body: bytes) -> None:
        self.written.append(body)

    async def send_initial_metadata(self, _: object) -> None:
        return None


class Inside:
    """The node, and its calls by service and method."""

    def __init__(self, ledger: Ledger, clock: Clock | None) -> None:
        self.ledger = ledger
        self.committer = Committer(ledger, clock=clock)
        self.node = Node(Config(), ledger, self.committer)
        self._handlers: dict[str, Any] = {}
        none: frozenset[str] = frozenset()
        for file, service, raw in (
            (payments_pb2, PaymentService(self.node), RAW),
            (billers_pb2, BillerService(self.node), none),
            (counter_pb2, CounterService(self.node), none),
            (admin_pb2, AdminService(self.node), none),
        ):
            name = type(service).__name__
            descriptor = file.DESCRIPTOR.services_by_name[name]
            self._handlers |= service_handlers(self.node, descriptor, service, raw)

    async def call(self, method: str, request: Message, *, by: str) -> bytes:
        """A unary call by `role/participant`; raises FailedError with its status."""
        context = FakeContext(by, [])
        handler = self._handlers[method].unary_unary
        reply: bytes = await handler(request.SerializeToString(), context)
        return reply

    async def stream(self, method: str, context: FakeContext) -> None:
        """A call that streams both ways, to its end."""
        await self._handlers[method].stream_stream(None, context)

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
