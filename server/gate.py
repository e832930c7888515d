"""What stands on the port from the first moment, closed until the ledger is open.

A gate is bound with the port and knows no service. As long as it is closed every call
of ours is told to come again; health and reflection answer by themselves. It opens
once, with every handler at its method's name.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import grpc

from server.status import Context, OpeningError, abort

OURS: Final = "/payswitch."
"""What the names of our methods begin with."""

Handler = Any  # what grpc calls an RpcMethodHandler, which types nothing of its own


class Registered(grpc.RpcMethodHandler):  # type: ignore[type-arg]
    """A handler that gRPC is given before the server starts, and that changes once.

    gRPC looks at its fields at each call, so that an open gate costs nothing.
    """

    def __init__(self, closed: Handler) -> None:
        self.become(closed)

    def become(self, handler: Handler) -> None:
        """Do from now on what `handler` does."""
        self.request_streaming = handler.request_streaming
        self.response_streaming = handler.response_streaming
        self.request_deserializer = handler.request_deserializer
        self.response_serializer = handler.response_serializer
        self.unary_unary = handler.unary_unary
        self.unary_stream = handler.unary_stream
        self.stream_unary = handler.stream_unary
        self.stream_stream = handler.stream_stream


class Gate(grpc.GenericRpcHandler):
    """Gives gRPC the handler of a call: that of its method, or one that refuses."""

    def __init__(self, where: Callable[[], str], registered: frozenset[str]) -> None:
        """Closed. `where` says how far the opening is.

        `registered` are full names of methods that gRPC dispatches itself, unary ones.
        """
        self._handlers: Mapping[str, Handler] | None = None
        self._where = where
        self._streams: Handler = grpc.stream_stream_rpc_method_handler(self._refuse)
        refuse: Handler = grpc.unary_unary_rpc_method_handler(self._refuse)
        self.registered = {name: Registered(refuse) for name in registered}

    def open(self, handlers: Mapping[str, Handler]) -> None:
        """Take calls from now on; handlers by the full name of their method."""
        for name, handler in self.registered.items():
            handler.become(handlers[name])
        self._handlers = handlers

    def service(self, details: Any) -> Handler | None:
        """The handler of a call; None if it is none of ours."""
        if self._handlers is not None:
            return self._handlers.get(details.method)
        return self._streams if details.method.startswith(OURS) else None

    async def _refuse(self, _: object, context: Context) -> None:
        error = OpeningError(
            f"the ledger is being opened ({self._where()}); come again"
        )
        await abort(context, "a call before the ledger is open", error)
