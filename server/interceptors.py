"""What stands between the wire and a service: identity, rights, deadline, errors.

Each method is wrapped once, when it is registered, so that a call pays for nothing
that could have been decided before. Requests arrive as bytes; the hot methods keep
them so, all others get the generated class.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from time import perf_counter
from typing import Any, TypeVar

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from server import progress
from server.node import Node
from server.observer import ACTS
from server.status import Context, LateError, abort
from switch.errors import WireError
from switch.register.identity import Identity, identify
from switch.register.rights import MATRIX, allow

R = TypeVar("R", bound=Message)

RawUnary = Callable[[bytes, Identity], Awaitable[bytes]]
RawStream = Callable[[Context, Identity], Awaitable[None]]
Unary = Callable[[Any, Identity], Awaitable[Message]]
Call = Callable[[Any, Context], Awaitable[Any]]
Pages = Callable[[Any, Identity], AsyncIterator[Message]]


def admit(node: Node, method: str, context: Context) -> Identity:
    """The caller, if it may call `method` now.

    Raises IdentityError, ForbiddenError, LateError, StoppingError.
    """
    caller = identify(context.auth_context(), node.register, node.config.trust_domain)
    progress.current().caller = caller
    allow(caller, method)
    node.check_running()
    left_s: float | None = context.time_remaining()
    if left_s is not None and left_s <= 0:
        raise LateError("the deadline passed before the call was looked at")
    return caller


def service_handlers(
    node: Node, descriptor: ServiceDescriptor, service: object, raw: frozenset[str]
) -> "dict[str, grpc.RpcMethodHandler[Any, Any]]":
    """Handlers for every method of a service; `raw` names those that take bytes.

    `service` has one method for each of the descriptor's, under its name.
    """
    handlers = {}
    for method in descriptor.methods:
        name = f"/{descriptor.full_name}/{method.name}"
        if name not in MATRIX:
            raise LookupError(f"{name} is not in the matrix of who may call what")
        handlers[method.name] = _handler(
            node, name, method, getattr(service, method.name), method.name in raw
        )
    return handlers


def _handler(
    node: Node, name: str, method: MethodDescriptor, behaviour: Any, raw: bool
) -> "grpc.RpcMethodHandler[Any, Any]":
    if method.client_streaming:
        return grpc.stream_stream_rpc_method_handler(_stream(node, name, behaviour))
    request = GetMessageClass(method.input_type)
    if method.server_streaming:
        return grpc.unary_stream_rpc_method_handler(
            _pages(node, name, request, behaviour)
        )
    if raw:
        return grpc.unary_unary_rpc_method_handler(_raw_unary(node, name, behaviour))
    return grpc.unary_unary_rpc_method_handler(_unary(node, name, request, behaviour))


def _guard(node: Node, name: str, call: Call) -> Call:
    """`call`, with every error turned into a status, and noted when it is over."""
    ended, number = node.observer.ended, node.observer.calls.numbers[name]

    async def guarded(request: Any, context: Context) -> Any:
        so_far = progress.begin()
        begun = perf_counter()
        failed: BaseException | None = None
        try:
            return await call(request, context)
        except grpc.aio.BaseError as error:
            # The transport's own: the call is over already.
            failed = error
            raise
        except Exception as error:  # noqa: BLE001
            failed = error
            await abort(context, name, error, has_committed=so_far.has_committed)
        except BaseException as error:
            failed = error
            raise
        finally:
            ended(number, so_far.caller, perf_counter() - begun, failed, context)

    return guarded


def _raw_unary(node: Node, name: str, behaviour: RawUnary) -> Call:
    # No coroutine of its own: the guard awaits the service's.
    def call(body: bytes, context: Context) -> Awaitable[bytes]:
        return behaviour(body, admit(node, name, context))

    return _guard(node, name, call)


def _unary(node: Node, name: str, kind: type[R], behaviour: Unary) -> Call:
    async def call(body: bytes, context: Context) -> bytes:
        caller = admit(node, name, context)
        response = await behaviour(_parse(kind, body), caller)
        return response.SerializeToString()

    async def act(body: bytes, context: Context) -> bytes:
        """The same of a call that is a line of the security log, however it ends."""
        caller = admit(node, name, context)
        request = _parse(kind, body)
        response, failed = None, None
        try:
            response = await behaviour(request, caller)
        except BaseException as error:
            failed = error
            raise
        finally:
            node.observer.acted(name, caller, request, response, failed, context)
        return response.SerializeToString()

    return _guard(node, name, act if name in ACTS else call)


def _pages(node: Node, name: str, kind: type[R], behaviour: Pages) -> Call:
    async def call(body: bytes, context: Context) -> None:
        caller = admit(node, name, context)
        async for response in behaviour(_parse(kind, body), caller):
            await context.write(response.SerializeToString())

    return _guard(node, name, call)


def _stream(node: Node, name: str, behaviour: RawStream) -> Call:
    def call(_: object, context: Context) -> Awaitable[None]:
        return behaviour(context, admit(node, name, context))

    return _guard(node, name, call)


def _parse(kind: type[R], body: bytes) -> R:
    try:
        return kind.FromString(body)
    except DecodeError as error:
        raise WireError(f"not a {kind.DESCRIPTOR.full_name}: {error}") from error
