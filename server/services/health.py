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
_SERVING: Final = pb.HealthCheckResponse.SERVING
_UNKNOWN: Final = pb.HealthCheckResponse.SERVICE_UNKNOWN
# Younger than the types that mypy knows.
_ListResponse: Final[Any] = vars(pb)["HealthListResponse"]


class HealthService:
    """Says of each service whether it is served; the empty name is the server's."""

    def __init__(self, services: Iterable[str]) -> None:
        """Not serving."""
        self._services = frozenset(("", *services))
        self._serving: frozenset[str] = frozenset()
        self._change = asyncio.Event()

    def serve(self, services: Iterable[str] | None = None) -> None:
        """From now on these are served, and no others; None: all are."""
        serving = self._services if services is None else frozenset(services)
        if serving == self._serving:
            return
        self._serving = serving
        # Whoever waits holds the old event.
        change, self._change = self._change, asyncio.Event()
        change.set()

    async def Check(self, request: pb.HealthCheckRequest) -> pb.HealthCheckResponse:
        """How it is now."""
        if request.service not in self._services:
            raise NotFoundError(f"there is no service {request.service!r}")
        return pb.HealthCheckResponse(status=self._status(request.service))

    async def List(self, request: Message) -> Message:
        """How each service is now."""
        statuses = {
            name: pb.HealthCheckResponse(status=self._status(name))
            for name in self._services
        }
        response: Message = _ListResponse(statuses=statuses)
        return response

    async def Watch(
        self, request: pb.HealthCheckRequest
    ) -> AsyncIterator[pb.HealthCheckResponse]:
        """How it is now, and after each change."""
        is_known = request.service in self._services
        told: Any = None
        while True:
            change = self._change
            status = self._status(request.service) if is_known else _UNKNOWN
            if status != told:
                told = status
                yield pb.HealthCheckResponse(status=status)
            await change.wait()
            if not is_known:
                # No service is added later.
                await asyncio.Event().wait()

    def _status(self, service: str) -> Any:
        is_served = service in self._serving
        return _SERVING if is_served else pb.HealthCheckResponse.NOT_SERVING
