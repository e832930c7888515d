"""grpc.health.v1: whether the server, and each of its services, takes calls.

Answers before the ledger is open, and needs nobody in particular.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final

from google.protobuf.message import Message
from grpc_health.v1 import health_pb2 as pb

from server.status import NotFoundError

NAME: Final = "grpc.health.v1.Health"
_UNKNOWN: Final = pb.HealthCheckResponse.SERVICE_UNKNOWN
# Younger than the types that mypy knows.
_ListResponse: Final[Any] = vars(pb)["HealthListResponse"]


class HealthService:
    """Says of all services the same: they open and stop together."""

    def __init__(self, services: Iterable[str]) -> None:
        """Not serving."""
        self._services = frozenset(("", *services))
        self._status: Any = pb.HealthCheckResponse.NOT_SERVING
        self._change = asyncio.Event()

    def set(self, status: Any) -> None:
        """From now on it is this ServingStatus."""
        self._status = status
        # Whoever waits holds the old event.
        change, self._change = self._change, asyncio.Event()
        change.set()

    async def Check(self, request: pb.HealthCheckRequest) -> pb.HealthCheckResponse:
        """How it is now."""
        if request.service not in self._services:
            raise NotFoundError(f"there is no service {request.service!r}")
        return pb.HealthCheckResponse(status=self._status)

    async def List(self, request: Message) -> Message:
        """How each service is now."""
        one = pb.HealthCheckResponse(status=self._status)
        response: Message = _ListResponse(statuses=dict.fromkeys(self._services, one))
        return response

    async def Watch(
        self, request: pb.HealthCheckRequest
    ) -> AsyncIterator[pb.HealthCheckResponse]:
        """How it is now, and after each change."""
        is_known = request.service in self._services
        while True:
            change = self._change
            status = self._status if is_known else _UNKNOWN
            yield pb.HealthCheckResponse(status=status)
            await change.wait()
            if not is_known:
                # No service is added later.
                await asyncio.Event().wait()
