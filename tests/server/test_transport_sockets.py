"""Goal: sockets that are not connections yet keep nobody out, whatever they do not say.

Method: the compiled front alone; sockets of several addresses of the loopback network,
which stand for as many machines.
"""

import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from server import _front
from switch.codes import Role
from tests.server.door import WAIT_S, Reached, bounds
from tests.server.frames import ECHO, RECORD, Peer, is_served

FLOODER, OTHER, THIRD = "127.0.0.2", "127.0.0.3", "127.0.0.4"


@contextmanager
def sockets(
    reached: Reached, count: int, source: str = FLOODER, said: bytes = b""
) -> Iterator[Sequence[socket.socket]]:
    """So many of an address, each of which has said so much."""
    with ExitStack() as stack:
        opened = []
        for _ in range(count):
            one = socket.create_connection(
                ("127.0.0.1", reached.port), WAIT_S, (source, 0)
            )
            stack.enter_context(one)
            if said:
                one.sendall(said)
            opened.append(one)
        yield opened


def is_closed(one: socket.socket) -> bool:
    """Whether the other side has ended it by now."""
    one.setblocking(False)
    try:
        return one.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    finally:
        one.settimeout(WAIT_S)


@bounds(handshakes_max=4, sockets_waiting_max=64)
def test_who_is_silent_has_no_handshake(reached: Reached) -> None:
    """As many as are let in, before one who speaks: it waits for none of them."""
    with sockets(reached, 60):
        is_served(reached)
        reached.door.wait_until(lambda counts: counts["sockets_waiting"] == 60)
        is_served(reached)
        counts = reached.front.counters()
        assert counts["handshakes_shed"] == counts["handshakes_late"] == 0
        assert counts["handshakes_open"] == 0


@bounds(handshakes_max=4, handshakes_address_max=3)
def test_an_address_has_its_share_of_handshakes(reached: Reached) -> None:
    """What begins a handshake and stops there takes no more than its address may."""
    with sockets(reached, 40, said=RECORD):
        reached.door.wait_until(
            lambda counts: counts["handshakes_open"] + counts["sockets_waiting"] == 40
        )
        assert reached.front.counters()["handshakes_open"] == 3
        is_served(reached)


@bounds(handshakes_max=2, handshakes_address_max=2)
def test_addresses_take_turns(reached: Reached) -> None:
    """Who stands in line behind one address' many is the next but one."""
    with sockets(reached, 30, said=RECORD):
        reached.door.wait_until(
            lambda counts: counts["handshakes_open"] + counts["sockets_waiting"] == 30
        )
        before = reached.front.counters()["handshakes_shed"]
        is_served(reached)
        # Two have had their second when its turn comes, and two more while it lasts.
        assert reached.front.counters()["handshakes_shed"] - before <= 6


@bounds(handshakes_max=2, sockets_waiting_max=8)
def test_the_address_with_the_most_silent_ones_gives_way(reached: Reached) -> None:
    with sockets(reached, 2, OTHER) as few:
        reached.door.wait_until(lambda counts: counts["sockets_waiting"] == 2)
        with sockets(reached, 40) as many:
            reached.door.wait_until(lambda counts: counts["handshakes_shed"] == 34)
            assert reached.front.counters()["sockets_waiting"] == 8
            assert not any(is_closed(one) for one in few)
            assert sum(is_closed(one) for one in many) == 34
            is_served(reached)


@bounds(handshakes_max=2, sockets_waiting_max=8)
def test_who_has_spoken_stays_and_the_silent_go(reached: Reached) -> None:
    with (
        sockets(reached, 2, FLOODER, RECORD),
        sockets(reached, 5, OTHER, RECORD) as line,
    ):
        reached.door.wait_until(lambda counts: counts["sockets_waiting"] >= 3)
        with sockets(reached, 20, THIRD):
            reached.door.wait_until(lambda counts: counts["handshakes_shed"] >= 12)
            assert sum(is_closed(one) for one in line) <= 2


@bounds(handshakes_max=1, sockets_waiting_max=8, handshake_ms=60_000)
def test_a_line_that_is_full_refuses_who_makes_it_full(reached: Reached) -> None:
    with sockets(reached, 40, said=RECORD):
        reached.door.wait_until(lambda counts: counts["handshakes_refused"] > 20)
        refused = dict(reached.front.take_refused())
        assert set(refused) == {FLOODER}
        with sockets(reached, 1, OTHER, RECORD) as other:
            reached.door.wait_until(lambda counts: counts["sockets_waiting"] == 8)
            assert not is_closed(other[0])
        assert set(dict(reached.front.take_refused())) <= {FLOODER}


@bounds(handshake_ms=200)
def test_a_silent_socket_has_its_time(reached: Reached) -> None:
    with sockets(reached, 1) as silent:
        assert silent[0].recv(1) == b""
    assert reached.front.counters()["handshakes_late"] == 1


@bounds(handshakes_max=1)
def test_who_leaves_the_line_is_gone(reached: Reached) -> None:
    with sockets(reached, 1, said=RECORD):
        reached.door.wait_until(lambda counts: counts["handshakes_open"] == 1)
        with sockets(reached, 3, OTHER, RECORD):
            reached.door.wait_until(lambda counts: counts["sockets_waiting"] == 3)
        reached.door.wait_until(lambda counts: counts["sockets_waiting"] == 0)
    is_served(reached)


def test_who_is_silent_is_kept_by_the_system_first(reached: Reached) -> None:
    """Of a moment's silence the door hears nothing: the first bytes come with it."""
    with sockets(reached, 20):
        is_served(reached)
        counts = reached.front.counters()
        assert counts["connections_accepted"] < 20
    with Peer(reached.port, reached.authority.leaf(Role.CENTRE, "c1")) as peer:
        peer.send(peer.call(1, ECHO, b"x"))
        assert peer.status(1) == 0


def test_counters_of_sockets_have_names() -> None:
    assert "sockets_waiting_max" in _front.BOUNDS
    assert {"sockets_waiting", "sockets_refused"} <= set(_front.COUNTERS)
