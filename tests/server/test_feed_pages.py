"""Goal: each page of a feed costs its reader a read; a feed goes no faster than that.

Method: a door over real sockets whose one stream is counted as a feed; the test sends
its pages, and looks when it hears that they have left.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from server import _front
from tests.server.door import (
    ECHO,
    HOLD_STREAM,
    METHODS,
    Reached,
    bounds,
    running,
)
from tests.server.frames import RST_STREAM, Peer, frame

RESOURCE_EXHAUSTED = 8
COSTS = {
    ECHO: (_front.READS, 1, 0, 0),
    HOLD_STREAM: (_front.READS, 1, 0, _front.FEEDS),
}
PATHS = [path for path, _ in METHODS]
PER_S, AT_ONCE = 20, 5
OWNER, NOBODY = 7, 8
CANCEL = (8).to_bytes(4, "big")
TURNS_FEW = 100


@pytest.fixture
def reached(request: pytest.FixtureRequest, directory: Path) -> Iterator[Reached]:
    costs = [COSTS.get(method, (0, 0, 0, 0)) for method in range(len(METHODS))]
    with running(directory, costs, **getattr(request, "param", {})) as found:
        yield found


def open_feed(reached: Reached, peer: Peer, stream: int = 1) -> int:
    """Its handle. To be opened costs a read, too."""
    peer.send(peer.open(stream, PATHS[HOLD_STREAM]))
    return int(reached.door.wait_for(_front.CALL, _3=HOLD_STREAM)[1])


@bounds(reads_per_s=PER_S, reads_at_once=AT_ONCE)
def test_a_feed_goes_as_fast_as_its_owner_may_read(reached: Reached) -> None:
    with Peer(reached.port, reached.credentials()) as peer:
        began_s = time.monotonic()
        call = open_feed(reached, peer)
        count = 30
        for _ in range(count):
            reached.front.send(call, b"page")
            reached.door.wait_for(_front.SENT, _1=call)
        # The last but one was paid for when the last could be sent.
        assert time.monotonic() - began_s >= (count - AT_ONCE - 1) / PER_S
        reached.front.finish(call, 0, "", b"")
        assert peer.status(1) == 0


@bounds(reads_per_s=1, reads_at_once=AT_ONCE)
def test_who_has_spent_its_reads_on_a_feed_reads_nothing_else(reached: Reached) -> None:
    reached.door.owner_of = lambda connection: connection
    with (
        Peer(reached.port, reached.credentials()) as peer,
        Peer(reached.port, reached.credentials()) as other,
    ):
        call = open_feed(reached, peer)
        for _ in range(AT_ONCE):
            reached.front.send(call, b"page")
            reached.door.wait_for(_front.SENT, _1=call)
        # Without the pages there were three left.
        peer.send(*(peer.call(at, PATHS[ECHO], b"more") for at in (3, 5)))
        assert peer.status(5) == RESOURCE_EXHAUSTED
        other.send(other.call(1, PATHS[ECHO], b"another's"))
        assert other.status(1) == 0
        reached.front.finish(call, 0, "", b"")


@pytest.mark.parametrize("how", ["finished", "gone", "given up"])
@bounds(reads_per_s=1, reads_at_once=1)
def test_a_feed_that_is_held_back_ends_like_any(reached: Reached, how: str) -> None:
    peer = Peer(reached.port, reached.credentials())
    with peer:
        call = open_feed(reached, peer)
        reached.front.send(call, b"page")
        peer.answered()
        if how == "finished":
            reached.front.finish(call, 0, "", b"")
            assert peer.status(1) == 0
        elif how == "given up":
            peer.send(frame(RST_STREAM, 0, 1, CANCEL))
        else:
            peer.socket.close()
        reached.door.wait_until(lambda counts: counts["calls_open"] == 0)
    # And costs no turns afterwards.
    reached.door.wait_until_held(lambda held: held == 0)
    before = reached.front.counters()["turns"]
    time.sleep(1.5)  # its time would have come
    assert reached.front.counters()["turns"] - before < TURNS_FEW


@bounds(reads_per_s=1, reads_at_once=AT_ONCE)
def test_what_a_call_has_walked_is_paid_for_by_its_owner(reached: Reached) -> None:
    """Also when the call, and its connection, have gone; and by nobody else."""
    reached.door.owner_of = lambda connection: OWNER
    with Peer(reached.port, reached.credentials()) as peer:
        peer.send(peer.call(1, PATHS[ECHO], b"first"))
        assert peer.status(1) == 0
    reached.door.wait_until(lambda counts: counts["connections_open"] == 0)
    reached.front.charge(OWNER, 100)
    reached.front.charge(NOBODY, 100)
    with Peer(reached.port, reached.credentials()) as peer:
        peer.send(peer.call(1, PATHS[ECHO], b"again"))
        assert peer.status(1) == RESOURCE_EXHAUSTED
    reached.door.owner_of = lambda connection: NOBODY
    with Peer(reached.port, reached.credentials()) as peer:
        peer.send(peer.call(1, PATHS[ECHO], b"another's"))
        assert peer.status(1) == 0
    with pytest.raises(ValueError, match="reads"):
        reached.front.charge(OWNER, -1)
