"""Goal: one participant sends and holds what its budgets say, however it is spread over
calls and connections; what is beyond is refused at once, with the time after which
there is room, and costs others nothing.

Method: the front alone. A budget is overdrawn by one call that costs much, so that what
follows is refused for minutes, however slow the machine is.
"""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from server import _front
from switch.v1 import counter_pb2
from tests.server.door import (
    CHAT,
    CLOSED,
    COUNT,
    ECHO,
    HOLD_STREAM,
    METHODS,
    WAIT_S,
    Reached,
    bounds,
    running,
)
from tests.server.frames import HEADERS, RECORD, Peer, is_served, message

RESOURCE_EXHAUSTED = 8
MINUTES = 600
"""References of one call: with one a second as much overdrawn, in seconds."""
COSTS = {
    ECHO: (_front.FETCHES, 1, 2, 0),
    COUNT: (_front.READS, 1, 0, _front.FEEDS),
    CHAT: (_front.READS, 1, 0, 0),
    HOLD_STREAM: (0, 0, 0, _front.WATCHES),
}
PATHS = [path for path, _ in METHODS]
ONE = {f"{of}_{per}": 1 for of in ("reads", "fetches") for per in ("per_s", "at_once")}


@pytest.fixture
def reached(request: pytest.FixtureRequest, directory: Path) -> Iterator[Reached]:
    costs = [COSTS.get(method, (0, 0, 0, 0)) for method in range(len(METHODS))]
    with running(directory, costs, **getattr(request, "param", {})) as found:
        yield found


def references(count: int) -> bytes:
    """A message that costs so many fetches."""
    return counter_pb2.FetchBillsRequest(
        service="S", references=["R"] * count, centre="C"
    ).SerializeToString()


class Refusal:
    """What a refused call was told."""

    def __init__(self, error: grpc.RpcError) -> None:
        assert isinstance(error, grpc.Call)
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        trailers = dict(error.trailing_metadata() or ())
        status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
        assert status.message == error.details()
        info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
        [first, second] = status.details
        assert first.Unpack(info)
        assert second.Unpack(retry)
        self.reason: str = info.reason
        self.outcome: str = info.metadata["outcome"]
        self.pause_s: float = retry.retry_delay.ToMilliseconds() / 1_000


def refusal(channel: Any, method: int, body: bytes) -> Refusal:
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(PATHS[method])(body, timeout=WAIT_S)
    return Refusal(caught.value)


def spend(channel: Any, count: int = MINUTES) -> None:
    body = references(count)
    assert channel.unary_unary(PATHS[ECHO])(body, timeout=WAIT_S) == body


def statuses_of(peer: Peer, count: int) -> list[int]:
    """How so many calls end, in whatever order."""
    found: list[int] = []
    while len(found) < count:
        status = peer.read_until(HEADERS).status
        found += [] if status is None else [status]
    return found


def over(reached: Reached) -> dict[str, int]:
    counted = reached.front.counters()
    return {share: counted[f"over_{share}"] for share in _front.SHARES}


# --- rates ----------------------------------------------------------------------------


@bounds(**ONE)
def test_what_is_beyond_a_rate_is_refused_and_says_until_when(reached: Reached) -> None:
    with reached.channel() as channel:
        before_s = time.monotonic()
        spend(channel)
        told = refusal(channel, ECHO, references(1))
        passed_s = time.monotonic() - before_s
        assert (told.reason, told.outcome) == ("OVER_BUDGET", "not_done")
        # All but the one that was there, and until something is left.
        assert MINUTES - 1 - passed_s <= told.pause_s <= MINUTES - 1 + 0.001
        # Its other budgets are others.
        call = channel.unary_stream(PATHS[COUNT])
        assert list(call(b"2", timeout=WAIT_S)) == [b"0", b"1"]
    event = reached.door.wait_for(_front.OVER)
    assert event[2:] == ("fetches", 1)
    assert over(reached) == dict.fromkeys(_front.SHARES, 0) | {"fetches": 1}


@bounds(**ONE | {"fetches_per_s": 20})
def test_who_waits_as_it_is_told_gets_through(reached: Reached) -> None:
    with reached.channel() as channel:
        for _ in range(3):
            spend(channel, 5)
            told = refusal(channel, ECHO, references(1))
            time.sleep(told.pause_s)


@bounds(**ONE)
def test_neither_connections_nor_calls_at_once_are_a_way_around(
    reached: Reached,
) -> None:
    peers = [Peer(reached.port, reached.credentials()) for _ in range(4)]
    streams = range(1, 41, 2)
    body = references(MINUTES)
    # All are open before the first has its message: each finds something left then.
    for peer in peers:
        peer.send(*(peer.open(stream, PATHS[ECHO]) for stream in streams))
        peer.answered()
    for peer in peers:
        peer.send(*(peer.data(at, message(body), last=True) for at in streams))
    statuses = [one for peer in peers for one in statuses_of(peer, len(streams))]
    assert statuses.count(0) == 1
    assert statuses.count(RESOURCE_EXHAUSTED) == len(statuses) - 1
    for peer in peers:
        peer.socket.close()


@bounds(**ONE)
def test_who_comes_again_has_what_it_had(reached: Reached) -> None:
    with reached.channel() as channel:
        spend(channel)
    reached.door.wait_until(lambda counts: counts["connections_open"] == 0)
    with reached.channel() as channel:
        assert refusal(channel, ECHO, references(1)).pause_s > MINUTES / 2
    # Others are not it.
    reached.door.owner_of = lambda _connection: 2
    with reached.channel() as channel:
        spend(channel)


@bounds(**ONE)
def test_what_the_caller_may_not_call_costs_a_read(reached: Reached) -> None:
    number = 100
    with Peer(reached.port, reached.credentials()) as peer:
        streams = range(1, 2 * number, 2)
        began_s = time.monotonic()
        paths = (PATHS[CLOSED], "/test.Door/None")
        calls = [peer.call(at, paths[at // 2 % 2]) for at in streams]
        peer.send(*calls)
        statuses = statuses_of(peer, number)
        passed_s = time.monotonic() - began_s
    let = number - statuses.count(RESOURCE_EXHAUSTED)
    assert 1 <= let <= 2 + passed_s
    assert over(reached)["reads"] == number - let


@bounds(**ONE)
def test_messages_of_a_stream_cost_as_calls_do(reached: Reached) -> None:
    with reached.channel() as channel:
        call = channel.stream_stream(PATHS[CHAT])
        began_s = time.monotonic()
        got: list[bytes] = []
        with pytest.raises(grpc.RpcError) as caught:
            got.extend(call(iter([b"x"] * 100), timeout=WAIT_S))
        passed_s = time.monotonic() - began_s
        told = Refusal(caught.value)
    # What it had before may be done.
    assert (told.reason, told.outcome) == ("OVER_BUDGET", "unknown")
    assert 1 <= len(got) <= 2 + passed_s


@pytest.mark.parametrize(
    ("body", "cost"),
    [
        (references(0), 1),
        (references(7), 7),
        # A field that nobody knows, as a group, with others behind it.
        (b"\x7b\x08\x01\x7c" + references(7), 7),
        (b"\x12\x00" * 9, 9),
        (b"\x11" + b"x" * 8 + b"\x15" + b"x" * 4 + b"\x12\x01R" * 2, 2),
        # Longer than it need be.
        (b"\x92\x80\x00\x01R" * 3, 3),
        # No message from here on: it is parsed no further either.
        (b"\x12\x01R" + b"\x12\x7f", 1),
        (b"\x12\x01R" + b"\xff" * 11, 1),
        (b"\x12\x01R" + b"\x11x", 1),
    ],
)
@bounds(**ONE | {"fetches_at_once": 500})
def test_what_is_counted_is_what_the_message_has(
    reached: Reached, body: bytes, cost: int
) -> None:
    with reached.channel() as channel:
        before_s = time.monotonic()
        assert channel.unary_unary(PATHS[ECHO])(body, timeout=WAIT_S) == body
        spend(channel, 1_000)
        left_s = refusal(channel, ECHO, b"").pause_s
        passed_s = time.monotonic() - before_s
    want_s = cost + 1_000 - 500
    assert want_s - passed_s <= left_s <= want_s + 0.001


@bounds(**ONE)
def test_what_no_call_takes_is_not_counted_to_its_end(reached: Reached) -> None:
    """A mistake costs a quarter of an hour, and not a day."""
    with reached.channel() as channel:
        spend(channel, 100_000)
        assert refusal(channel, ECHO, b"").pause_s < 1_000


# --- changes --------------------------------------------------------------------------


@bounds(**ONE)
def test_a_wider_budget_reaches_open_connections(reached: Reached) -> None:
    with reached.channel() as channel:
        spend(channel)
        [connection] = {event[2] for event in reached.door.calls.values()}
        reached.door.admit(connection, fetches_per_s=1_000_000)
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            try:
                spend(channel, 1)
            except grpc.RpcError as error:
                # It is told as it is now.
                time.sleep(min(Refusal(error).pause_s, 0.01))
            else:
                break
        else:
            raise AssertionError("it never got through")


@bounds(**ONE | {"fetches_at_once": 1_000_000})
def test_what_was_used_stays_used_in_another_budget(reached: Reached) -> None:
    with reached.channel() as channel:
        spend(channel)
        [connection] = {event[2] for event in reached.door.calls.values()}
        reached.door.admit(connection, fetches_at_once=MINUTES // 2)
        reached.door.owner_of = lambda _connection: 2
        with Peer(reached.port, reached.credentials()) as peer:
            peer.answered()  # what was told before has been followed
        assert refusal(channel, ECHO, b"").pause_s > MINUTES / 4


def test_connections_beyond_a_smaller_budget_end(reached: Reached) -> None:
    peers = [Peer(reached.port, reached.credentials()) for _ in range(5)]
    for peer in peers:
        peer.answered()
    connections = [reached.door.wait_for(_front.CONNECT)[1] for _ in peers]
    for connection in connections:
        reached.door.admit(connection, owner_connections_max=2)
    gone = [reached.door.wait_for(_front.DISCONNECT) for _ in range(3)]
    assert {event[2] for event in gone} == {"owner_connections"}
    # As many as are too many, and no more.
    reached.door.wait_until(lambda counts: counts["connections_open"] == 2)
    left = set(connections) - {event[1] for event in gone}
    assert len(left) == 2
    assert over(reached)["connections"] == 3
    for connection in left:
        reached.door.admit(connection, owner_connections_max=2)
    reached.door.wait_until(lambda counts: counts["connections_open"] == 2)
    for peer in peers:
        peer.socket.close()


@bounds(owner_calls_max=2, owner_watches_max=1, **ONE)
def test_what_is_open_moves_with_its_connection_to_another(reached: Reached) -> None:
    with reached.channel() as channel:
        spend(channel)
    with (
        Peer(reached.port, reached.credentials()) as one,
        Peer(reached.port, reached.credentials()) as other,
    ):
        for peer in (one, other):
            peer.answered()
        [_, first, second] = (reached.door.wait_for(_front.CONNECT)[1] for _ in "123")
        one.send(one.open(1, PATHS[HOLD_STREAM]))
        call = reached.door.wait_for(_front.CALL, _3=HOLD_STREAM)
        other.send(other.open(1, PATHS[HOLD_STREAM]))
        assert other.status(1) == RESOURCE_EXHAUSTED
        # The first is somebody else from now on, with its call and a bucket of its own.
        reached.door.owner_of = lambda _connection: 2
        reached.door.admit(first)
        one.send(one.open(3, PATHS[HOLD_STREAM]))
        assert one.status(3) == RESOURCE_EXHAUSTED
        one.send(one.call(5, PATHS[ECHO], references(1)))
        assert one.status(5) == 0
        other.send(other.open(3, PATHS[HOLD_STREAM]))
        moved = reached.door.wait_for(_front.CALL, _3=HOLD_STREAM)
        assert moved[2] == second
        other.send(other.call(5, PATHS[ECHO], references(1)))
        assert other.status(5) == RESOURCE_EXHAUSTED
        for number in (call[1], moved[1]):
            reached.front.finish(number, 0, "", b"")
    reached.door.wait_until_held(lambda held: held == 0)


# --- at a time ------------------------------------------------------------------------


@bounds(owner_watches_max=3, owner_feeds_max=1)
def test_what_is_open_is_bounded_by_its_kind(reached: Reached) -> None:
    with (
        Peer(reached.port, reached.credentials()) as one,
        Peer(reached.port, reached.credentials()) as other,
    ):
        one.send(one.open(1, PATHS[HOLD_STREAM]), one.open(3, PATHS[HOLD_STREAM]))
        one.answered()
        other.send(*(other.open(at, PATHS[HOLD_STREAM]) for at in (1, 3)))
        assert other.status(3) == RESOURCE_EXHAUSTED
        # Feeds are others.
        other.send(other.call(5, PATHS[COUNT], b"1"))
        assert other.status(5) == 0
        held = [reached.door.wait_for(_front.CALL, _3=HOLD_STREAM) for _ in range(3)]
        # One ends by itself, one by its peer, one with its connection.
        reached.front.finish(held[0][1], 0, "", b"")
        assert one.status(1) == 0
        one.socket.close()
        reached.door.wait_until(lambda counts: counts["connections_open"] == 1)
        other.send(*(other.open(at, PATHS[HOLD_STREAM]) for at in (7, 9, 11)))
        assert other.status(11) == RESOURCE_EXHAUSTED
    assert over(reached)["watches"] == 2
    assert reached.door.wait_for(_front.OVER)[2] == "watches"


@bounds(owner_calls_max=1)
def test_a_flood_of_refusals_is_told_once_a_second(reached: Reached) -> None:
    count = 2_000
    with Peer(reached.port, reached.credentials()) as peer:
        peer.send(*(peer.call(at, PATHS[ECHO]) for at in range(1, 2 * count, 2)))
        reached.door.wait_until(lambda counts: counts["calls_begun"] == count)
        peer.answered()
    # The rest with its end: nothing is told twice, and nothing is forgotten.
    told: list[int] = []
    while (event := reached.door.events.get(timeout=WAIT_S))[0] != _front.DISCONNECT:
        if event[0] == _front.OVER:
            assert event[2] == "calls"
            told.append(event[3])
    refused = over(reached)["calls"]
    assert sum(told) == refused > 0
    assert len(told) < refused / 10 or len(told) <= 2


# --- handshakes -----------------------------------------------------------------------


@contextmanager
def begun(port: int, count: int, host: str = "127.0.0.1") -> Iterator[None]:
    """So many handshakes that stop at once."""
    with ExitStack() as stack:
        for _ in range(count):
            one = stack.enter_context(socket.create_connection((host, port), WAIT_S))
            with suppress(ConnectionError):
                one.sendall(RECORD)
        yield


@bounds(handshakes_address_max=2)
def test_handshakes_of_an_address_are_bounded(reached: Reached) -> None:
    with begun(reached.port, 3):
        # The third stands in line until the oldest of its own has had its time.
        reached.door.wait_until(
            lambda counts: (
                counts["handshakes_shed"] == 1 and counts["handshakes_open"] == 2
            )
        )
        assert reached.front.take_refused() == []
        # Whoever comes in earnest gets in: those who stopped have had their time.
        is_served(reached)
        assert reached.front.counters()["handshakes_shed"] == 2


@bounds(handshakes_address_max=1)
def test_a_handshake_that_is_done_makes_room(reached: Reached) -> None:
    peers = []
    for _ in range(4):
        peers.append(Peer(reached.port, reached.credentials()))
        peers[-1].answered()  # the server is through with it, too
    assert reached.front.counters()["handshakes_refused"] == 0
    for peer in peers:
        peer.socket.close()


@bounds(handshakes_address_max=1)
def test_an_address_of_ipv4_is_one_by_whatever_socket(reached: Reached) -> None:
    port = reached.front.listen("::", 0)
    with begun(reached.port, 1), begun(port, 1):
        reached.door.wait_until(lambda counts: counts["handshakes_shed"] == 1)
        # Another network's is another's.
        with begun(port, 1, host="::1"):
            reached.door.wait_until(lambda counts: counts["handshakes_open"] == 2)


@bounds(handshakes_address_per_s=3)
def test_handshakes_of_an_address_have_a_rate(reached: Reached) -> None:
    began_s = time.monotonic()
    with begun(reached.port, 40):
        reached.door.wait_until(
            lambda counts: (
                counts["handshakes_refused"] + counts["handshakes_open"] == 40
            )
        )
        passed_s = time.monotonic() - began_s
        refused = reached.front.counters()["handshakes_refused"]
        assert 3 <= 40 - refused <= 4 + 3 * passed_s
        assert reached.front.take_refused() == [("127.0.0.1", refused)]
