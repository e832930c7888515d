"""What stands between a call and a service: running, deadline, the request's class.

Each method is wrapped once, so that a call pays for nothing that could have been
decided before. Who may call it the door has decided before it came here. Requests
arrive as bytes, and services get the generated class.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from inspect import iscoroutinefunction
from typing import Any, TypeVar

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from server import hot
from server._front import BIDI, SERVER_STREAM, UNARY
from server.masked import reply_to
from server.node import Node
from server.reading import Wanted
from server.status import LateError
from server.transport import Behaviour, Call, Look, Reply
from switch.errors import WireError
from switch.register.identity import Identity
from switch.register.rights import ACTS, MATRIX, SEARCHES

R = TypeVar("R", bound=Message)

Stream = Callable[[Call, Identity], Awaitable[None]]
Unary = Callable[[Any, Identity], Awaitable[Message]]
Plain = Callable[[Any, Identity], Message | Callable[[], Message] | Wanted]
"""A short look-up, in the looking thread. What only the event loop may do to its
response is what it returns instead; or the row that it wants, and what then gives one
of both."""
Pages = Callable[[Any, Identity], AsyncIterator[Message]]


def full_name(method: MethodDescriptor) -> str:
    """`/package.Service/Method`."""
    return f"/{method.containing_service.full_name}/{method.name}"


def kind_of(method: MethodDescriptor) -> int:
    """What the front thread calls it."""
    if method.client_streaming:
        return BIDI
    return SERVER_STREAM if method.server_streaming else UNARY


def admit(node: Node, call: Call) -> Identity:
    """The caller, if the call may begin now, with who is signed on.

    Raises LateError, StoppingError, NotLeaderError, SessionError.
    """
    node.check_running()
    if node.check_leads is not None:
        node.check_leads()
    left_s = call.time_remaining()
    if left_s is not None and left_s <= 0:
        raise LateError("the deadline passed before the call was looked at")
    assert call.caller is not None
    if call.session is not None:
        return node.sessions.signed_on(call.caller, call.session)
    return call.caller


def service_behaviours(
    node: Node, descriptor: ServiceDescriptor, service: object
) -> dict[str, Behaviour]:
    """What each method of a service does, by its full name.

    `service` has one method for each of the descriptor's, under its name, but for the
    hot ones, which are the front's.
    """
    behaviours = {}
    for method in descriptor.methods:
        name = full_name(method)
        if name not in MATRIX:
            raise LookupError(f"{name} is not in the matrix of who may call what")
        if name not in hot.METHODS:
            behaviours[name] = _behaviour(node, method, getattr(service, method.name))
    return behaviours


def open_behaviours(
    descriptor: ServiceDescriptor, service: object
) -> dict[str, Behaviour]:
    """The same of a service that needs no ledger, and nobody in particular."""
    behaviours: dict[str, Behaviour] = {}
    for method in descriptor.methods:
        do = getattr(service, method.name)
        kind = kind_of(method)
        if kind == BIDI:
            behaviours[full_name(method)] = do
            continue
        request = GetMessageClass(method.input_type)
        make = _open_pages if kind == SERVER_STREAM else _open_unary
        behaviours[full_name(method)] = make(request, do)
    return behaviours


def _behaviour(node: Node, method: MethodDescriptor, do: Any) -> Behaviour:
    kind = kind_of(method)
    if kind == BIDI:
        return _stream(node, do)
    request = GetMessageClass(method.input_type)
    if kind == SERVER_STREAM:
        return _pages(node, request, do)
    if not iscoroutinefunction(do):
        return _look(node, request, do)
    name = full_name(method)
    make = _act if name in ACTS else _search if name in SEARCHES else _unary
    return make(node, request, do)


def _unary(node: Node, kind: type[R], do: Unary) -> Behaviour:
    async def behaviour(call: Call) -> bytes:
        caller = admit(node, call)
        response = await do(_parse(kind, call), caller)
        return _told(caller, response)

    return behaviour


def _look(node: Node, kind: type[R], do: Plain) -> Behaviour:
    def look(call: Call) -> Reply | Wanted:
        """In the looking thread."""
        caller = admit(node, call)
        found = do(_parse(kind, call), caller)
        if isinstance(found, Wanted):
            then = found.then
            return Wanted(found.key, lambda row: _reply(caller, then(row)))
        return _reply(caller, found)

    return Look(node.look_up, look)


def _reply(caller: Identity, found: Message | Callable[[], Message]) -> Reply:
    if isinstance(found, Message):
        return _told(caller, found)
    return lambda: _told(caller, found())


def _told(caller: Identity, response: Message) -> bytes:
    return reply_to(caller, response).SerializeToString()


def _act(node: Node, kind: type[R], do: Unary) -> Behaviour:
    async def behaviour(call: Call) -> bytes:
        """A call that is a line of the security log, however it ends."""
        caller = admit(node, call)
        request = _parse(kind, call)
        response, failed = None, None
        try:
            response = await do(request, caller)
        except BaseException as error:
            failed = error
            raise
        finally:
            node.observer.acted(call.method, caller, request, response, failed, call)
        return _told(caller, response)

    return behaviour


def _search(node: Node, kind: type[R], do: Unary) -> Behaviour:
    async def behaviour(call: Call) -> bytes:
        """A call of which the security log says that somebody has searched."""
        caller = admit(node, call)
        request = _parse(kind, call)
        response = await do(request, caller)
        node.observer.searched(caller, request, response, call)
        return _told(caller, response)

    return behaviour


def _pages(node: Node, kind: type[R], do: Pages) -> Behaviour:
    async def behaviour(call: Call) -> None:
        caller = admit(node, call)
        await _write_all(call, do(_parse(kind, call), caller), partial(_told, caller))

    return behaviour


def _stream(node: Node, do: Stream) -> Behaviour:
    def behaviour(call: Call) -> Awaitable[None]:
        return do(call, admit(node, call))

    return behaviour


def _open_unary(kind: type[R], do: Callable[[R], Awaitable[Message]]) -> Behaviour:
    async def behaviour(call: Call) -> bytes:
        return (await do(_parse(kind, call))).SerializeToString()

    return behaviour


def _open_pages(kind: type[R], do: Callable[[R], AsyncIterator[Message]]) -> Behaviour:
    async def behaviour(call: Call) -> None:
        pages = do(_parse(kind, call))
        await _write_all(call, pages, lambda page: page.SerializeToString())

    return behaviour


async def _write_all(call: Call, pages: Any, told: Callable[[Message], bytes]) -> None:
    # Closed here: what the pages hold ends with the call, not with a collection.
    async with aclosing(pages):
        async for page in pages:
            await call.write(told(page))


def _body(call: Call) -> bytes:
    assert call.body is not None
    return call.body


def _parse(kind: type[R], call: Call) -> R:
    try:
        return kind.FromString(_body(call))
    except DecodeError as error:
        raise WireError(f"not a {kind.DESCRIPTOR.full_name}: {error}") from error
