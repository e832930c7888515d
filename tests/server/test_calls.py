"""Goal: a call asks for one message at a time and sends one at a time; it is answered
once, noted once, and not at all when its peer has gone.

Method: the transport with a front that plays its events and remembers its commands.
"""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from google.rpc import code_pb2

from server._front import (
    BIDI,
    CALL,
    CONNECT,
    ENDED,
    HALF_CLOSED,
    MESSAGE,
    REVOKED,
    SENT,
    SERVER_STREAM,
    UNARY,
)
from server.transport import Behaviour, Call, Look, Transport
from switch.codes import Role
from switch.errors import OverloadError
from switch.register.identity import ForbiddenError, Identity

METHODS = (
    ("/payswitch.v1.PaymentService/CreatePayment", UNARY),
    ("/payswitch.v1.PaymentService/WatchPayment", SERVER_STREAM),
    ("/payswitch.v1.PaymentService/StreamPayments", BIDI),
)
KINDS = {kind: number for number, (_, kind) in enumerate(METHODS)}
HANDLE = 7


class Front:
    """Plays events; remembers commands."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []
        self.told: list[tuple[Any, ...]] = []

    def take(self, most: int) -> list[tuple[Any, ...]]:
        taken, self.events = self.events[:most], self.events[most:]
        return taken

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *words: self.told.append((name, *words))


class Case:
    """A transport with one method."""

    def __init__(self, kind: int, behaviour: Behaviour) -> None:
        front: Any = Front()
        self.front: Front = front
        self.noted: list[BaseException | None] = []
        caller = Identity(Role.CENTRE, "centre-a", 1)
        peer = SimpleNamespace(address="127.0.0.1:5", caller=caller, owner=5)
        door: Any = SimpleNamespace(
            peer=lambda _: peer, refusal=lambda *_: ForbiddenError("no")
        )
        numbers = {name: number for number, (name, _) in enumerate(METHODS)}
        observer: Any = SimpleNamespace(
            calls=SimpleNamespace(numbers=numbers),
            ended=lambda _, who, seconds, error, call: self.noted.append(error),
        )
        self.kind = kind
        self.transport = Transport(front, METHODS, door, observer)
        self.transport.serve({METHODS[KINDS[kind]][0]: behaviour})

    async def play(self, *events: tuple[Any, ...]) -> None:
        """Events of one turn, and what follows from them."""
        self.front.events += events
        self.transport._take()
        await self.settle()

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    async def call(self, *events: tuple[Any, ...], allowed: bool = True) -> None:
        """A call, and what comes with it."""
        number = KINDS[self.kind]
        body = None if self.kind == BIDI else b"asked"
        path = METHODS[number][0]
        came: tuple[Any, ...] = (
            CALL,
            HANDLE,
            1,
            number,
            path,
            0,
            "",
            [],
            body,
            allowed,
        )
        await self.play(came, *events)

    def told(self) -> list[tuple[Any, ...]]:
        """Commands since the last time."""
        told, self.front.told = self.front.told, []
        return list(told)

    def code(self) -> int:
        """The status of the one command that was given since."""
        [(name, handle, code, _, _)] = self.told()
        assert (name, handle) == ("finish", HANDLE)
        return int(code)


async def test_a_unary_call_is_one_reply() -> None:
    async def behaviour(call: Call) -> bytes:
        assert call.body == b"asked"
        assert call.peer() == "127.0.0.1:5"
        return b"answer"

    case = Case(UNARY, behaviour)
    await case.call()
    assert case.told() == [("reply", HANDLE, b"answer")]
    assert case.noted == [None]
    # Words about a call that is over are about nothing.
    await case.play((ENDED, HANDLE, "peer_reset"), (REVOKED, HANDLE), (SENT, HANDLE, 0))
    assert case.told() == []
    assert case.noted == [None]


async def test_an_error_is_a_status() -> None:
    async def behaviour(_: Call) -> bytes:
        raise OverloadError("x")

    case = Case(UNARY, behaviour)
    await case.call()
    assert case.code() == code_pb2.RESOURCE_EXHAUSTED
    [error] = case.noted
    assert isinstance(error, OverloadError)


async def test_what_may_not_be_called_is_refused() -> None:
    async def behaviour(_: Call) -> bytes:
        raise AssertionError("it was called")

    case = Case(UNARY, behaviour)
    await case.call(allowed=False)
    assert case.code() == code_pb2.PERMISSION_DENIED
    assert len(case.noted) == 1


async def test_messages_are_asked_for_one_at_a_time() -> None:
    go_on = asyncio.Event()
    got: list[bytes | None] = []

    async def behaviour(call: Call) -> None:
        while (body := await call.read()) is not None:
            got.append(body)
            await go_on.wait()
            go_on.clear()

    case = Case(BIDI, behaviour)
    await case.call()
    assert case.told() == [("want", HANDLE)]
    await case.play((MESSAGE, HANDLE, b"one"))
    assert case.told() == []
    go_on.set()
    await case.settle()
    assert case.told() == [("want", HANDLE)]
    await case.play((MESSAGE, HANDLE, b"two"), (HALF_CLOSED, HANDLE))
    go_on.set()
    await case.settle()
    assert got == [b"one", b"two"]
    assert case.told() == [("finish", HANDLE, 0, "", b"")]


async def test_a_read_that_was_given_up_loses_nothing() -> None:
    async def behaviour(call: Call) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await call.read()
        await call.write(await call.read() or b"")

    case = Case(BIDI, behaviour)
    await case.call()
    await asyncio.sleep(0.05)
    await case.play((MESSAGE, HANDLE, b"late"))
    # It was asked for once.
    assert case.told() == [("want", HANDLE), ("send", HANDLE, b"late")]
    await case.play((SENT, HANDLE, 0))
    assert case.told() == [("finish", HANDLE, 0, "", b"")]


async def test_a_message_is_sent_when_the_one_before_has_left() -> None:
    async def behaviour(call: Call) -> None:
        for body in (b"one", b"two"):
            await call.write(body)

    case = Case(SERVER_STREAM, behaviour)
    await case.call()
    assert case.told() == [("send", HANDLE, b"one")]
    await case.play((SENT, HANDLE, 3))
    assert case.told() == []
    await case.play((SENT, HANDLE, 0))
    assert case.told() == [("send", HANDLE, b"two")]


async def waits(_: Call) -> Any:
    await asyncio.Event().wait()


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("at_once", [False, True])
async def test_a_peer_that_has_gone_is_told_nothing(kind: int, at_once: bool) -> None:
    """Also one that goes before its call has begun."""
    case = Case(kind, waits)
    gone = (ENDED, HANDLE, "peer_reset")
    if at_once:
        await case.call(gone)
    else:
        await case.call()
        await case.play(gone)
    assert case.told() == []
    [error] = case.noted
    assert isinstance(error, asyncio.CancelledError)


@pytest.mark.parametrize("kind", [SERVER_STREAM, BIDI])
@pytest.mark.parametrize("at_once", [False, True])
async def test_a_stream_that_is_revoked(kind: int, at_once: bool) -> None:
    case = Case(kind, waits)
    if at_once:
        await case.call((REVOKED, HANDLE))
    else:
        await case.call()
        await case.play((REVOKED, HANDLE))
    assert case.code() == code_pb2.PERMISSION_DENIED
    [error] = case.noted
    assert isinstance(error, ForbiddenError)


async def test_a_unary_call_that_was_taken_is_answered() -> None:
    go_on = asyncio.Event()

    async def behaviour(_: Call) -> bytes:
        await go_on.wait()
        return b"answer"

    case = Case(UNARY, behaviour)
    await case.call()
    await case.play((REVOKED, HANDLE))
    assert case.told() == []
    go_on.set()
    await case.settle()
    assert case.told() == [("reply", HANDLE, b"answer")]


async def test_an_event_that_fails_takes_none_with_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def behaviour(_: Call) -> bytes:
        return b"answer"

    case = Case(UNARY, behaviour)
    number, path = KINDS[UNARY], METHODS[KINDS[UNARY]][0]
    wrong = (CALL, 1)
    right: tuple[Any, ...] = (CALL, HANDLE, 1, number, path, 0, "", [], b"asked", True)
    await case.play(wrong, right)
    assert case.told() == [
        ("finish", 1, code_pb2.INTERNAL, "internal error", b""),
        ("reply", HANDLE, b"answer"),
    ]
    assert "an event of the front door was lost" in caplog.text


async def test_who_waits_for_an_event_that_failed_is_told() -> None:
    case = Case(BIDI, waits)
    await case.call()
    await case.play((MESSAGE, HANDLE))
    assert case.code() == code_pb2.INTERNAL
    [error] = case.noted
    assert isinstance(error, TypeError)
    # A connection that could not be taken is closed, and not left to its time.
    await case.play((CONNECT, 3))
    assert case.told() == [("close_connection", 3, 2)]


# --- looks ------------------------------------------------------------------------


class Looks:
    """Another thread, which looks when it is told to."""

    def __init__(self) -> None:
        self.waiting: list[Any] = []

    def __call__(self, owner: int, do: Any, done: Any) -> None:
        assert owner == 1
        self.waiting.append((do, done))

    def run(self) -> None:
        for do, done in self.waiting:
            try:
                done(do(), None)
            except Exception as error:  # noqa: BLE001
                done(None, error)
        self.waiting.clear()


async def test_a_look_is_answered_once_it_was_made() -> None:
    looks = Looks()
    case = Case(UNARY, Look(looks, lambda call: b"to " + (call.body or b"")))
    await case.call()
    assert case.told() == []
    looks.run()
    assert case.told() == [("reply", HANDLE, b"to asked")]
    # It is over: what is said of it now is about nothing.
    await case.play((ENDED, HANDLE, "peer_reset"))
    assert case.noted == [None]


async def test_a_look_leaves_its_last_step_to_the_event_loop() -> None:
    looks, steps = Looks(), []

    def last() -> bytes:
        steps.append("last")
        return b"answer"

    case = Case(UNARY, Look(looks, lambda _: last))
    await case.call()
    [(do, done)] = looks.waiting
    found = do()
    assert steps == []
    done(found, None)
    assert case.told() == [("reply", HANDLE, b"answer")]


def _fails(_: Call) -> bytes:
    raise OverloadError("x")


def _fails_at_last(call: Call) -> Callable[[], bytes]:
    return lambda: _fails(call)


@pytest.mark.parametrize("do", [_fails, _fails_at_last])
async def test_a_look_that_fails_is_a_status(do: Any) -> None:
    looks = Looks()
    case = Case(UNARY, Look(looks, do))
    await case.call()
    looks.run()
    assert case.code() == code_pb2.RESOURCE_EXHAUSTED
    [error] = case.noted
    assert isinstance(error, OverloadError)


async def test_a_look_that_finds_no_room_is_a_status() -> None:
    def full(*_: Any) -> None:
        raise OverloadError("x")

    case = Case(UNARY, Look(full, lambda _: b""))
    await case.call()
    assert case.code() == code_pb2.RESOURCE_EXHAUSTED
    assert len(case.noted) == 1


async def test_a_look_whose_peer_has_gone_is_told_to_nobody() -> None:
    looks = Looks()
    case = Case(UNARY, Look(looks, lambda _: b"answer"))
    await case.call((ENDED, HANDLE, "peer_reset"))
    looks.run()
    assert case.told() == []
    [error] = case.noted
    assert isinstance(error, asyncio.CancelledError)
