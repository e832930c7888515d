"""A front door alone: real sockets, certificates of its own, handlers of a few lines.

Handlers run on one thread, which takes events and gives commands as the server's event
loop does. What a test wants to see happen it waits for in `events`.
"""

import queue
import select
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from server import _front
from server.refusals import set_details
from switch.authority.development import DevAuthority
from switch.codes import Role
from switch.credentials import Credentials

WAIT_S = 60.0
"""Only a failure waits so long."""
KIB = 1 << 10
MIB = 1 << 20
BOUNDS = {
    "connections_max": 1_000,
    "handshakes_max": 64,
    "sockets_waiting_max": 4_096,
    "handshake_ms": 20_000,
    "calls_connection_max": 4_096,
    "metadata_bytes_max": 16 * KIB,
    "message_bytes_max": 4 * MIB,
    "body_ms": 60_000,
    "idle_ms": 3_600_000,
    "age_ms": 0,
    "keepalive_ms": 30_000,
    "keepalive_timeout_ms": 20_000,
    "ping_min_ms": 10_000,
    "connection_bytes_max": 16 * MIB,
    "window_bytes": 64 * KIB,
    "output_bytes_max": MIB,
    "process_bytes_max": 512 * MIB,
    "handshakes_address_max": 64,
    "handshakes_address_per_s": 10_000,
    "control_frames_max": 10_000,
    "resets_max": 2_000,
}
BUDGETS = {
    **dict.fromkeys(_front.BUDGETS, 1_000_000),
    "owner_connections_max": 100,
    "owner_calls_max": 8_192,
    "owner_bytes_max": 64 * MIB,
}
METHODS = [
    ("/test.Door/Echo", _front.UNARY),
    ("/test.Door/Count", _front.SERVER_STREAM),
    ("/test.Door/Chat", _front.BIDI),
    ("/test.Door/Hold", _front.UNARY),
    ("/test.Door/HoldStream", _front.BIDI),
    ("/test.Door/Closed", _front.UNARY),
    ("/test.Door/ClosedStream", _front.BIDI),
]
ECHO, COUNT, CHAT, HOLD, HOLD_STREAM, CLOSED, CLOSED_STREAM = range(len(METHODS))
RIGHTS = bytes([1, 1, 1, 1, 1, 0, 0])
OK, PERMISSION_DENIED, UNIMPLEMENTED = 0, 7, 12

Event = tuple[Any, ...]
Costs = Sequence[tuple[int, int, int, int]]


def split(bounds: dict[str, int]) -> tuple[tuple[int, ...], dict[str, int]]:
    """Budgets in their order, and bounds, with what is different."""
    budgets = BUDGETS | {name: bounds[name] for name in bounds if name in BUDGETS}
    others = {name: bounds[name] for name in bounds if name not in BUDGETS}
    return tuple(budgets[name] for name in _front.BUDGETS), BOUNDS | others


class Door:
    """A front with a thread that handles its calls."""

    def __init__(
        self, credentials: Credentials, costs: Costs = (), **bounds: int
    ) -> None:
        """Without `costs` nothing is counted."""
        self.budgets, others = split(bounds)
        self.front = _front.Front(METHODS, others, costs)
        if costs:
            set_details(self.front)
        self.front.set_credentials(*credentials.read())
        self.events: queue.Queue[Event] = queue.Queue()
        """Every event, after its handling."""
        self.owner_of: Callable[[int], int] = lambda _connection: 1
        self.admits = True
        self.takes = threading.Event()
        """Set while events are taken."""
        self.takes.set()
        self.calls: dict[int, Event] = {}
        self._stop, self._wake = False, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self, host: str = "127.0.0.1") -> int:
        port = self.front.listen(host, 0)
        self.front.start()
        self._thread.start()
        return port

    def stop(self, grace_ms: int = 0) -> None:
        self.front.stop(grace_ms)
        self._stop = True
        self.takes.set()
        self._thread.join()
        for event in self.front.take():
            self._handle(event)
            self.events.put(event)

    def admit(self, connection: int, **budgets: int) -> None:
        """With what is different from its first budgets."""
        told = dict(zip(_front.BUDGETS, self.budgets, strict=True)) | budgets
        owner = self.owner_of(connection)
        self.front.admit(*(connection, owner, 1, 2, 3, RIGHTS), tuple(told.values()))

    def wait_for(self, kind: int, **fields: Any) -> Event:
        """Return the next event of a kind; those before it are forgotten."""
        deadline = time.monotonic() + WAIT_S
        while True:
            left = deadline - time.monotonic()
            event = self.events.get(timeout=max(left, 0.001))
            if event[0] == kind and all(
                event[int(at[1:])] == value for at, value in fields.items()
            ):
                return event

    def wait_until(self, condition: Callable[[dict[str, int]], bool]) -> None:
        """Wait for what the counters say."""
        deadline = time.monotonic() + WAIT_S
        while not condition(self.front.counters()):
            assert time.monotonic() < deadline, self.front.counters()
            time.sleep(0.002)

    def wait_until_held(self, condition: Callable[[int], bool]) -> None:
        """Wait for what the bytes that are held come to."""

        def is_so(counts: dict[str, int]) -> bool:
            self.front.want(0)  # a turn, in which what was taken is counted off
            return condition(counts["bytes_held"])

        self.wait_until(is_so)

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self.front.fileno(), select.POLLIN)
        while not self._stop:
            poll.poll(100)
            self.takes.wait(WAIT_S)
            for event in self.front.take():
                self._handle(event)
                self.events.put(event)

    def _handle(self, event: Event) -> None:
        kind, number = event[:2]
        front = self.front
        if kind == _front.CONNECT and self.admits:
            self.admit(number)
        elif kind == _front.CALL:
            method, body, allowed = event[3], event[8], event[9]
            self.calls[number] = event
            if method < 0:
                front.finish(number, UNIMPLEMENTED, "no such method", b"")
            elif not allowed:
                front.finish(number, PERMISSION_DENIED, "not yours", b"details")
            elif method == ECHO:
                front.reply(number, body)
            elif method == COUNT:
                for i in range(int(body)):
                    front.send(number, b"%d" % i)
                front.finish(number, OK, "", b"")
            elif method == CHAT:
                front.want(number)
        elif kind == _front.MESSAGE and self.calls[number][3] == CHAT:
            front.send(number, event[2])
            front.want(number)
        elif kind == _front.HALF_CLOSED and self.calls[number][3] == CHAT:
            front.finish(number, OK, "", b"")


def bounds(**values: int) -> pytest.MarkDecorator:
    """The test's door (fixture `reached`) has these."""
    return pytest.mark.parametrize("reached", [values], indirect=True)


@contextmanager
def running(directory: Path, costs: Costs = (), **bounds: int) -> Iterator["Reached"]:
    """Run a door, and stop it."""
    authority = DevAuthority(directory / "tls")
    door = Door(authority.server(), costs, **bounds)
    reached = Reached(door, authority, door.start())
    try:
        yield reached
    finally:
        door.stop()


class Reached:
    """A door that runs, as its clients see it."""

    def __init__(self, door: Door, authority: DevAuthority, port: int) -> None:
        self.door = door
        self.authority = authority
        self.port = port

    @property
    def front(self) -> _front.Front:
        return self.door.front

    def credentials(self) -> Credentials:
        return self.authority.leaf(Role.CENTRE, "c1")

    @contextmanager
    def channel(self, *options: tuple[str, Any]) -> Iterator[Any]:
        """A channel of grpcio, without types: they know no calls of plain bytes."""
        certificate, key, authority = self.credentials().read()
        secure = grpc.ssl_channel_credentials(authority, key, certificate)
        address = f"localhost:{self.port}"
        every = [("grpc.use_local_subchannel_pool", 1), *options]
        with grpc.secure_channel(address, secure, every) as channel:
            yield channel
