"""The calls of the front door, as tasks of the event loop.

The front thread (`server/front/`, C) owns sockets, TLS, HTTP/2 and gRPC's framing. It
says by events what has come in and is told by commands what goes out; nothing else
crosses between the two. Calls have handles that are never used again, so that a word
about a call that is over is ignored on either side.

What a call may take of memory and time is the front thread's to bound. Here a stream
holds one message that it has asked for, and one that waits to be sent.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from time import perf_counter
from typing import Any, Final, Protocol

from google.rpc import code_pb2, status_pb2

from server import asking, progress
from server._front import (
    BIDI,
    BOUNDS,
    CALL,
    CONNECT,
    DISCONNECT,
    ENDED,
    HALF_CLOSED,
    MESSAGE,
    OVER,
    REVOKED,
    SENT,
    UNARY,
    Front,
)
from server.observer import Observer
from server.progress import Progress
from server.refusals import set_details
from server.sessions import METADATA
from server.status import UnimplementedError, failed
from switch.config import Config
from switch.register.identity import ForbiddenError, Identity

log = logging.getLogger("server.transport")

EVENTS_MAX: Final = 1_024
"""Events that are taken in one turn of the loop; the others are told in the next."""

MIN_SEQUENCE: Final = b"min-sequence"
ATTEMPTS: Final = b"grpc-previous-rpc-attempts"
"""In the metadata of a call that reads: the entry that its answer must have seen."""
INTERNAL_ERROR: Final = 2
"""HTTP/2's code of an end that the server owes."""

Event = tuple[Any, ...]


class Commands(Protocol):
    """What a call tells the front thread."""

    def start_call(self, call: int) -> None:
        """Send the headers of the answer."""

    def send(self, call: int, body: bytes) -> None:
        """Send a message."""

    def reply(self, call: int, body: bytes) -> None:
        """Send the one message, and the end."""

    def finish(
        self,
        call: int,
        code: int,
        message: str,
        details: bytes,
        metadata: Iterable[tuple[bytes, bytes]] = (),
    ) -> None:
        """Send the end, and behind it this metadata."""

    def want(self, call: int) -> None:
        """Ask for one more message."""

    def charge(self, owner: int, reads: int) -> None:
        """Take so many reads of an owner beside what its calls are priced at."""


class Peer(Protocol):
    """The other end of a connection."""

    @property
    def address(self) -> str:
        """`HOST:PORT`, an IPv6 host in brackets."""

    @property
    def owner(self) -> int:
        """Whose budget it draws on, as the front thread has it."""

    @property
    def caller(self) -> Identity | None:
        """Who it is; None for nobody that the register knows."""


Note = Callable[["Call", float, BaseException | None], None]
"""What is told of a call that is over: how long it took, and its error."""


class Call:
    """One call, as its handler sees it. Belongs to the event loop's thread."""

    __slots__ = (
        "_begun",
        "_commands",
        "_deadline_ns",
        "_half_closed",
        "_message",
        "_note",
        "_open",
        "_peer",
        "_reader",
        "_wanted",
        "_writer",
        "body",
        "caller",
        "error",
        "handle",
        "method",
        "min_sequence",
        "on_message",
        "on_revoked",
        "on_sent",
        "progress",
        "session",
        "task",
        "trailers",
        "tried_before",
    )

    def __init__(
        self,
        commands: Commands,
        open_calls: "dict[int, Call]",
        note: Note,
        handle: int,
        method: str,
        peer: Peer,
        body: bytes | None,
        deadline_ns: int,
        session: bytes | None = None,
        min_sequence: bytes | None = None,
        tried_before: bool = False,
    ) -> None:
        """`open_calls` are those by handle, of which this is one until it is over."""
        self._commands = commands
        self._open = open_calls
        self._note = note
        self._peer = peer
        self.handle = handle
        self.method = method
        self.caller = peer.caller
        """Who called, as the register had it then; None for nobody in particular."""
        self.body = body
        """The one message of a call that takes one."""
        self._deadline_ns = deadline_ns
        self.session = session
        """The token in its metadata, of who says to be signed on."""
        self.min_sequence = min_sequence
        """What its metadata says of how new the answer must be, as it came."""
        self.tried_before = tried_before
        """Whether gRPC has sent it before, of which its caller hears nothing."""
        self.trailers: Sequence[tuple[bytes, bytes]] = ()
        """Metadata that goes behind its answer."""
        self._message: bytes | None = None
        self._wanted = False
        self._half_closed = False
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self.on_message: Callable[[bytes | None], None] | None = None
        """Called with each message that `want` has asked for, and None after the last:
        instead of `read`, for who acts at once and needs no task woken for it."""
        self.on_sent: Callable[[], None] | None = None
        """Called when all that `send` was given has left for the peer."""
        self.on_revoked: Callable[[], None] | None = None
        """Ends the call in order when its caller may not make it any more. Without it
        the call is ended where it stands."""
        self.error: Exception | None = None
        """What it was ended with from outside."""
        self.progress: Progress | None = None
        self.task: asyncio.Task[None] | None = None
        open_calls[handle] = self

    # --- for handlers ------------------------------------------------------------

    def time_remaining(self) -> float | None:
        """Seconds until the call's deadline; None if it has none."""
        if not self._deadline_ns:
            return None
        return (self._deadline_ns - time.monotonic_ns()) / 1e9

    def peer(self) -> str:
        """Where it came from."""
        return self._peer.address

    def start(self) -> None:
        """Send the headers now, before there is a message."""
        self._commands.start_call(self.handle)

    async def read(self) -> bytes | None:
        """The next message; None after the last. One task at a time."""
        while self._message is None and not self._half_closed:
            self._reader = asyncio.get_running_loop().create_future()
            if not self._wanted:
                self.want()
            await self._reader
        message, self._message = self._message, None
        return message

    def want(self) -> None:
        """Ask for the next message."""
        self._wanted = True
        self._commands.want(self.handle)

    async def write(self, body: bytes) -> None:
        """Send a message; returns when it has left for the peer. One task at a time."""
        self._writer = asyncio.get_running_loop().create_future()
        self._commands.send(self.handle, body)
        await self._writer

    def send(self, body: bytes) -> None:
        """Send a message and go on; `on_sent` says when the next may follow.

        For who writes from many places: no task has to be woken for it.
        """
        self._commands.send(self.handle, body)

    # --- for the transport -------------------------------------------------------

    async def run(self, behaviour: "Callable[[Call], Awaitable[bytes | None]]") -> None:
        """Do what the method does, and answer: the whole of a call's task."""
        self.progress = progress.begin()
        asking.begin(self.caller, partial(self._commands.charge, self._peer.owner))
        begun = perf_counter()
        failed: BaseException | None = None
        try:
            reply = await behaviour(self)
        except Exception as error:  # noqa: BLE001
            failed = error
            self.fail(error, has_committed=self.progress.has_committed)
        except BaseException as error:
            failed = self.error or error
            raise
        else:
            self._finish(reply)
        finally:
            # One that was ended from outside is not there any more.
            self._open.pop(self.handle, None)
            self._note(self, perf_counter() - begun, failed)

    def _finish(self, reply: bytes | None) -> None:
        """End it well."""
        commands, handle = self._commands, self.handle
        if self.trailers:
            if reply is not None:
                commands.send(handle, reply)
            commands.finish(handle, 0, "", b"", self.trailers)
        elif reply is None:
            commands.finish(handle, 0, "", b"")
        else:
            commands.reply(handle, reply)

    def look(self, behaviour: "Look") -> None:
        """Do what the method does, and answer, without a task."""
        self._begun = perf_counter()
        try:
            owner = asking.owner_of(self.caller)
            behaviour.look_up(owner, partial(behaviour.do, self), self.answer)
        except Exception as error:  # noqa: BLE001
            self.answer(None, error)

    def answer(self, reply: "Reply | None", error: Exception | None) -> None:
        """What came of a look."""
        if self._open.pop(self.handle, None) is None:
            return  # its peer has gone meanwhile
        try:
            if error is not None:
                raise error
            assert reply is not None
            body = reply if isinstance(reply, bytes) else reply()
        except Exception as raised:  # noqa: BLE001
            error = raised
            self.fail(raised, has_committed=False)
        else:
            self._commands.reply(self.handle, body)
        self._note(self, perf_counter() - self._begun, error)

    def fail(self, error: Exception, *, has_committed: bool) -> None:
        """End it with the status of an error."""
        status = failed(
            self.method,
            error,
            has_committed=has_committed,
            tried_before=self.tried_before,
        )
        self._commands.finish(
            self.handle, status.code, status.message, details_of(status)
        )

    def take_message(self, body: bytes) -> None:
        """The message that was asked for."""
        self._wanted = False
        if self.on_message is not None:
            self.on_message(body)
            return
        self._message = body
        _wake(self._reader)

    def take_half_close(self) -> None:
        """No message follows."""
        self._half_closed = True
        if self.on_message is not None:
            self.on_message(None)
        _wake(self._reader)

    def take_sent(self, bytes_left: int) -> None:
        """What was to be sent has left, but for so many bytes."""
        if bytes_left:
            return
        if self.on_sent is not None:
            self.on_sent()
        _wake(self._writer)


Reply = bytes | Callable[[], bytes]
"""Of a look: the one reply, or what gives it in the event loop."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a method does that only looks something up: it has no task of its own."""

    look_up: Callable[
        [int, Callable[[], Any], Callable[[Reply | None, Exception | None], None]],
        None,
    ]
    """For an owner: runs the second argument in another thread, and the third with what
    came of it in the event loop. Raises OverloadError."""
    do: Callable[[Call], Any]
    """Gives a Reply, or what `look_up` makes one of."""


Behaviour = Callable[[Call], Awaitable[bytes | None]] | Look
"""What a method does. It returns the one reply of a unary call, else None."""


class Doorkeeper(Protocol):
    """Who decides what a connection may call."""

    def connect(
        self, connection: int, address: str, certificate: bytes, not_after: int
    ) -> None:
        """A connection whose handshake is done: admit it."""

    def disconnect(self, connection: int, cause: str) -> None:
        """It is gone."""

    def over_budget(self, connection: int, share: str, count: int) -> None:
        """It was refused so often what is beyond this share of its budgets."""

    def peer(self, connection: int) -> Peer:
        """Who is at its other end."""

    def refusal(self, connection: int, method: str) -> Exception:
        """Why it may not call a method."""


class Transport:
    """Runs the calls that the front thread brings."""

    def __init__(
        self,
        front: Front,
        methods: Sequence[tuple[str, int]],
        door: Doorkeeper,
        observer: Observer,
    ) -> None:
        """`methods` as `front` has them. No method does anything yet."""
        self._front = front
        self._kinds = [kind for _, kind in methods]
        self._numbers = {name: number for number, (name, _) in enumerate(methods)}
        self._behaviours: list[Behaviour | None] = [None] * len(methods)
        self._door = door
        self._observer = observer
        self._calls: dict[int, Call] = {}
        self._loop = asyncio.get_running_loop()
        self._actions: dict[int, Callable[..., None]] = {
            CONNECT: self._connect,
            DISCONNECT: self._disconnect,
            CALL: self._call,
            MESSAGE: self._message,
            HALF_CLOSED: self._half_closed,
            SENT: self._sent,
            ENDED: self._ended,
            REVOKED: self._revoked,
            OVER: self._over,
        }

    def serve(self, behaviours: dict[str, Behaviour]) -> None:
        """From now on methods do this, by their full names."""
        for name, behaviour in behaviours.items():
            self._behaviours[self._numbers[name]] = behaviour

    def start(self) -> None:
        """Begin to take connections."""
        self._front.start()
        self._loop.add_reader(self._front.fileno(), self._take)

    def end_calls(self, methods: Collection[str], error: Exception) -> None:
        """End the calls of these methods, which have nothing to finish."""
        for call in tuple(self._calls.values()):
            if call.method in methods:
                call.error = error
                call.fail(error, has_committed=False)
                self._end(call)

    async def stop(self, grace_s: float) -> None:
        """Take nothing more, let what was taken end in this time, close everything."""
        self._front.drain()
        await self._loop.run_in_executor(None, self._front.stop, int(grace_s * 1_000))
        self._loop.remove_reader(self._front.fileno())
        for call in tuple(self._calls.values()):
            self._end(call)

    # --- events ------------------------------------------------------------------

    def _take(self) -> None:
        for event in self._front.take(EVENTS_MAX):
            try:
                self._actions[event[0]](*event)
            except Exception as error:
                # The other events of this turn are others'.
                log.exception("an event of the front door was lost")
                self._lost(event, error)

    def _lost(self, event: Event, error: Exception) -> None:
        """What it was about is ended: nobody waits for what is not done."""
        kind, number = event[:2]
        if kind == CONNECT:
            self._front.close_connection(number, INTERNAL_ERROR)
        elif kind in (DISCONNECT, OVER):
            pass  # a connection's number may be a call's, too
        elif (call := self._calls.get(number)) is not None:
            call.error = error
            call.fail(error, has_committed=kind != CALL)
            self._end(call)
        elif kind == CALL:
            self._front.finish(number, code_pb2.INTERNAL, "internal error", b"")

    def _connect(
        self,
        _: int,
        connection: int,
        address: str,
        port: int,
        certificate: bytes,
        not_after: int,
    ) -> None:
        host = f"[{address}]" if ":" in address else address
        self._door.connect(connection, f"{host}:{port}", certificate, not_after)

    def _over(self, _: int, connection: int, share: str, count: int) -> None:
        self._door.over_budget(connection, share, count)

    def _disconnect(self, _: int, connection: int, cause: str) -> None:
        self._door.disconnect(connection, cause)

    def _call(
        self,
        _: int,
        handle: int,
        connection: int,
        number: int,
        path: str,
        deadline_ns: int,
        timeout_text: str,
        metadata: Sequence[tuple[bytes, bytes]],
        body: bytes | None,
        allowed: bool,
    ) -> None:
        door = self._door
        call = Call(
            self._front,
            self._calls,
            self._noted,
            handle,
            path,
            door.peer(connection),
            body,
            deadline_ns,
            _first(metadata, METADATA),
            _first(metadata, MIN_SEQUENCE),
            _first(metadata, ATTEMPTS) is not None,
        )
        behaviour = self._behaviours[number] if allowed else None
        if isinstance(behaviour, Look):
            call.look(behaviour)
            return
        if behaviour is not None:
            call.task = self._loop.create_task(call.run(behaviour))
            return
        del self._calls[handle]
        if number < 0:
            error: Exception = UnimplementedError(f"there is no method {path}")
        else:
            error = door.refusal(connection, path)
        call.fail(error, has_committed=False)
        self._noted(call, 0.0, error)

    def _noted(self, call: Call, seconds: float, error: BaseException | None) -> None:
        """A call is over, and answered."""
        number = self._observer.calls.numbers.get(call.method)
        if number is not None:
            self._observer.ended(number, call.caller, seconds, error, call)

    def _message(self, _: int, handle: int, body: bytes) -> None:
        if (call := self._calls.get(handle)) is not None:
            call.take_message(body)

    def _half_closed(self, _: int, handle: int) -> None:
        if (call := self._calls.get(handle)) is not None:
            call.take_half_close()

    def _sent(self, _: int, handle: int, bytes_left: int) -> None:
        if (call := self._calls.get(handle)) is not None:
            call.take_sent(bytes_left)

    def _ended(self, _: int, handle: int, cause: str) -> None:
        if (call := self._calls.get(handle)) is not None:
            self._end(call)

    def _end(self, call: Call) -> None:
        """It is over for the peer; what it has committed stays."""
        del self._calls[call.handle]
        if call.task is not None:
            call.task.cancel()
        if call.progress is None:
            # It has no task, or one that has not begun, and never will.
            self._noted(call, 0.0, call.error or asyncio.CancelledError())

    def _revoked(self, _: int, handle: int) -> None:
        call = self._calls.get(handle)
        if call is None:
            return
        number = self._numbers[call.method]
        if self._kinds[number] == UNARY:
            return  # it was taken while it might be made, and is answered
        if call.on_revoked is not None:
            call.on_revoked()
            return
        call.error = revoked_error(call.method)
        # Part of what a stream has brought may be under way.
        call.fail(call.error, has_committed=self._kinds[number] == BIDI)
        self._end(call)


def revoked_error(method: str) -> ForbiddenError:
    """What ends a call whose caller was switched off meanwhile."""
    return ForbiddenError(f"the caller may not call {method} any more")


def make_front(
    config: Config,
    methods: Sequence[tuple[str, int]],
    costs: Sequence[tuple[int, int, int, int]],
) -> Front:
    """A front door with the bounds of a config; `costs` as `Front` takes them."""
    settings: dict[str, int] = {
        **asdict(config.transport),
        **asdict(config.budget),
        "message_bytes_max": config.message_bytes_max,
    }
    front = Front(methods, {name: settings[name] for name in BOUNDS}, costs)
    set_details(front)
    return front


def details_of(status: status_pb2.Status) -> bytes:
    """What goes into grpc-status-details-bin: nothing if it adds nothing."""
    return status.SerializeToString() if status.details else b""


def _first(metadata: Sequence[tuple[bytes, bytes]], wanted: bytes) -> bytes | None:
    """The first value of this name."""
    return next((value for name, value in metadata if name == wanted), None)


def _wake(waiter: "asyncio.Future[None] | None") -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
