"""Goal: what is refused is charged as well, and one participant has its part of a turn,
whatever connections it has.

Method: the compiled front alone; a budget of next to nothing, or bursts of calls.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from server import _front
from tests.server.door import (
    CHAT,
    CLOSED_STREAM,
    COUNT,
    ECHO,
    HOLD,
    METHODS,
    Reached,
    bounds,
    running,
)
from tests.server.frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    HEADERS,
    Peer,
    fields,
    frame,
    is_served,
    message,
)

RESOURCE_EXHAUSTED = 8
PATHS = [path for path, _ in METHODS]
COSTS = {COUNT: (_front.READS, 1, 0, 0), CHAT: (_front.READS, 0, 0, 0)}
FEW = 6
SLOW = {"reads_per_s": 1, "reads_at_once": FEW}
"""A second of it is one call."""


@pytest.fixture
def reached(request: pytest.FixtureRequest, directory: Path) -> Iterator[Reached]:
    costs = [COSTS.get(method, (0, 0, 0, 0)) for method in range(len(METHODS))]
    with running(directory, costs, **getattr(request, "param", {})) as found:
        yield found


# --- what is refused -----------------------------------------------------------------


def whole(stream: int, *more: tuple[bytes, bytes], path: int = ECHO) -> bytes:
    """A call that is over with its headers."""
    block = fields(PATHS[path], *more)
    return frame(HEADERS, END_HEADERS | END_STREAM, stream, block)


def with_data(stream: int, body: bytes) -> bytes:
    block = fields(PATHS[ECHO])
    return frame(HEADERS, END_HEADERS, stream, block) + frame(
        DATA, END_STREAM, stream, body
    )


REFUSED: dict[str, Callable[[int], bytes]] = {
    "timeout": lambda at: whole(at, (b"grpc-timeout", b"none")),
    "late": lambda at: whole(at, (b"grpc-timeout", b"0n")),
    "compressed": lambda at: whole(at, (b"grpc-encoding", b"gzip")),
    "metadata": lambda at: whole(at, (b"more", b"x" * 15_000), (b"b", b"x" * 1_000)),
    "binary": lambda at: whole(at, (b"payswitch-session-bin", b"!")),
    "no message": whole,
    "framing": lambda at: with_data(at, b"\x02\0\0\0\0"),
    "half": lambda at: with_data(at, message(b"whole")[:-1]),
    "two": lambda at: with_data(at, 2 * message(b"one")),
    "too large": lambda at: with_data(at, b"\0\x7f\0\0\0"),
    "no grpc": lambda at: frame(
        HEADERS, END_HEADERS | END_STREAM, at, fields(PATHS[ECHO], grpc=False)
    ),
    "no such": lambda at: frame(
        HEADERS, END_HEADERS | END_STREAM, at, fields("/test.Door/None")
    ),
    "not yours": lambda at: whole(at, path=CLOSED_STREAM),
}


def no_reads_are_left(peer: Peer) -> None:
    """Fewer than there were at first; one goes as long as a thousandth is left."""
    numbers = range(1_001, 1_001 + 2 * (FEW - 2), 2)
    peer.send(*(peer.call(number, PATHS[COUNT], b"1") for number in numbers))
    told: dict[int, int] = {}
    while len(told) < len(numbers):
        got = peer.read_until(HEADERS)
        if got.stream in numbers and got.status is not None:
            told[got.stream] = got.status
    assert RESOURCE_EXHAUSTED in told.values()


@bounds(**SLOW)
@pytest.mark.parametrize("what", REFUSED)
def test_a_refused_call_costs_a_read(reached: Reached, peer: Peer, what: str) -> None:
    refused = REFUSED[what]
    peer.send(*(refused(1 + 2 * number) for number in range(4 * FEW)))
    peer.answered()
    no_reads_are_left(peer)
    assert reached.front.counters()["over_reads"] >= 1


@bounds(**SLOW, owner_calls_max=2)
def test_a_call_beyond_those_at_a_time_costs_a_read(peer: Peer) -> None:
    peer.send(*(peer.open(1 + 2 * number, PATHS[HOLD]) for number in range(4 * FEW)))
    no_reads_are_left(peer)


@bounds(**SLOW)
def test_refused_calls_make_no_debt(reached: Reached, peer: Peer) -> None:
    """Who knows no better can read a second later."""
    refused = [whole(1 + 2 * number, (b"grpc-timeout", b"x")) for number in range(900)]
    peer.send(*refused)
    peer.answered()
    number = 2_001
    while True:
        peer.send(peer.call(number, PATHS[COUNT], b"1"))
        if peer.status(number) == 0:
            break
        number += 2
    assert reached.front.counters()["calls_refused"] >= 900


@bounds(**SLOW)
def test_opening_a_stream_costs_whatever_it_brings(
    reached: Reached, peer: Peer
) -> None:
    """As a biller's: to connect has a rate, what it says there has none."""
    peer.send(peer.open(1, PATHS[CHAT]))
    reached.door.wait_for(_front.CALL)
    for number in range(4 * FEW):
        peer.send(peer.data(1, message(b"%d" % number)))
        assert peer.read_until(DATA, 1).body == message(b"%d" % number)
    for number in range(3, 3 + 8 * FEW, 2):
        peer.send(peer.open(number, PATHS[CHAT]))
    assert peer.status(3 + 8 * FEW - 2) == RESOURCE_EXHAUSTED
    # That which is open goes on.
    peer.send(peer.data(1, message(b"still")))
    assert peer.read_until(DATA, 1).body == message(b"still")


@bounds(calls_connection_max=4, resets_max=200)
def test_calls_beyond_those_of_a_connection_are_resets(reached: Reached) -> None:
    """Who does not say that it has read the settings is refused each by a reset."""
    with Peer(reached.port, reached.credentials()) as peer:
        peer.send(*(peer.open(1 + 2 * number, PATHS[HOLD]) for number in range(2_000)))
        assert peer.last_words() == ENHANCE_YOUR_CALM
        assert reached.door.wait_for(_front.DISCONNECT)[2] == "flood"
    is_served(reached)


# --- turns ---------------------------------------------------------------------------


def test_one_participant_has_its_part_of_a_turn(reached: Reached) -> None:
    """Bursts on many connections are read in pieces; none of them is forgotten."""
    owners = iter([1] * 8 + [2] * 100)
    reached.door.owner_of = lambda _connection: next(owners)
    peers = [Peer(reached.port, reached.credentials()) for _ in range(8)]
    for one in peers:
        one.answered()
    numbers = range(1, 2_001, 2)
    for one in peers:
        one.send(*(one.call(number, PATHS[ECHO], b"x") for number in numbers))
    is_served(reached)
    for one in peers:
        ended = 0
        while ended < len(numbers):
            ended += one.read_until(HEADERS).status is not None
        one.socket.close()
    counts = reached.front.counters()
    assert counts["turns_used_up"] > 0
    assert counts["calls_begun"] == 8 * len(numbers) + 1
