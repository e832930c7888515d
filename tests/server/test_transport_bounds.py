"""Goal: whoever connects, and whatever it sends or does not read, the door stays within
its bounds, and others are served.

Method: the compiled front alone with small bounds; sockets and frames by hand.
"""

import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server import _front
from switch.authority.development import DevAuthority
from switch.codes import Role
from tests.server.door import BOUNDS, KIB, METHODS, MIB, WAIT_S, Reached, running
from tests.server.frames import (
    ACK,
    CANCEL,
    CONTINUATION,
    DATA,
    END_HEADERS,
    ENHANCE_YOUR_CALM,
    GOAWAY,
    HEADERS,
    NO_ERROR,
    PING,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Peer,
    fields,
    frame,
    message,
    open_tls,
)

DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNAVAILABLE = 4, 8, 14
ECHO, COUNT, CHAT, HOLD, HOLD_STREAM, CLOSED, CLOSED_STREAM = (
    path for path, _ in METHODS
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("door")


@pytest.fixture
def reached(request: pytest.FixtureRequest, directory: Path) -> Iterator[Reached]:
    """A door of its own for each test, with the bounds that the test names."""
    with running(directory, **getattr(request, "param", {})) as door:
        yield door


def bounds(**values: int) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("reached", [values], indirect=True)


@pytest.fixture
def peer(reached: Reached) -> Iterator[Peer]:
    with Peer(reached.port, reached.credentials()) as peer:
        yield peer


def is_served(reached: Reached) -> None:
    with Peer(reached.port, reached.credentials()) as peer:
        peer.send(peer.call(1, ECHO, b"served"))
        assert peer.read_until(DATA, 1).body == message(b"served")


def ended(peer: Peer) -> int | None:
    """Read to the end; with which error the server ended the connection."""
    last = None
    for got in peer.read_to_end():
        if got.kind == GOAWAY:
            last = int.from_bytes(got.body[4:8], "big")
    return last


# --- the configuration itself ---------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [{"calls": 1}, {"window_bytes": 0}, {"body_ms": -1}, {"window_bytes": 1 << 31}],
)
def test_bounds_that_are_none_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        _front.Front(METHODS, BOUNDS | wrong)


def test_every_bound_has_to_be_named() -> None:
    assert set(BOUNDS) == set(_front.BOUNDS)
    for name in BOUNDS:
        with pytest.raises(ValueError, match=name):
            _front.Front(METHODS, {key: BOUNDS[key] for key in BOUNDS if key != name})


def test_a_door_that_never_started_goes_away() -> None:
    front = _front.Front(METHODS, BOUNDS)
    front.send(1, b"to nobody")
    front.stop(0)
    front = _front.Front(METHODS, BOUNDS)
    front.listen("127.0.0.1", 0)
    del front


def test_an_address_that_is_taken_is_an_error(reached: Reached) -> None:
    with pytest.raises(OSError, match="in use"):
        reached.front.listen("127.0.0.1", reached.port)
    with pytest.raises(OSError, match="assign"):
        reached.front.listen("192.0.2.1", 0)


# --- who gets in ------------------------------------------------------------------


def refused_handshake(reached: Reached, context: ssl.SSLContext) -> None:
    failed = reached.front.counters()["handshakes_failed"]
    with socket.create_connection(("127.0.0.1", reached.port), WAIT_S) as plain:
        try:
            with context.wrap_socket(plain, server_hostname="localhost") as secure:
                # TLS 1.3 tells it only afterwards.
                assert not secure.recv(1)
        except (ssl.SSLError, ConnectionError):
            pass
    reached.door.wait_until(lambda counts: counts["handshakes_failed"] > failed)
    assert reached.front.counters()["connections_open"] == 0


def test_a_client_needs_a_certificate(reached: Reached) -> None:
    context = ssl.create_default_context(cafile=str(reached.credentials().authority))
    context.set_alpn_protocols(["h2"])
    refused_handshake(reached, context)


def test_a_foreign_certificate_does_not_help(reached: Reached, tmp_path: Path) -> None:
    foreign = DevAuthority(tmp_path).leaf(Role.CENTRE, "c1")
    context = ssl.create_default_context(cafile=str(reached.credentials().authority))
    context.load_cert_chain(foreign.certificate, foreign.key)
    context.set_alpn_protocols(["h2"])
    refused_handshake(reached, context)


@pytest.mark.parametrize("protocols", [[], ["http/1.1"]])
def test_http2_has_to_be_agreed(reached: Reached, protocols: list[str]) -> None:
    own = reached.credentials()
    context = ssl.create_default_context(cafile=str(own.authority))
    context.load_cert_chain(own.certificate, own.key)
    if protocols:
        context.set_alpn_protocols(protocols)
    refused_handshake(reached, context)


def test_tls_1_2_is_taken_and_nothing_is_resumed(reached: Reached) -> None:
    own = reached.credentials()
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = ssl.create_default_context(cafile=str(own.authority))
        context.load_cert_chain(own.certificate, own.key)
        context.set_alpn_protocols(["h2"])
        context.maximum_version = version
        session = None
        for _ in range(2):
            plain = socket.create_connection(("127.0.0.1", reached.port), WAIT_S)
            with context.wrap_socket(
                plain, server_hostname="localhost", session=session
            ) as secure:
                assert secure.version() == version.name.replace("v1_", "v1.")
                assert not secure.session_reused
                assert secure.recv(9)  # its settings: tickets would have come before
                session = secure.session
                assert session is None or not session.has_ticket


@bounds(handshakes_max=4)
def test_sockets_that_say_nothing_keep_nobody_out(reached: Reached) -> None:
    silent = [socket.create_connection(("127.0.0.1", reached.port)) for _ in range(8)]
    is_served(reached)
    for one in silent:
        one.close()
    assert reached.front.counters()["handshakes_shed"] > 0


@bounds(handshake_ms=200)
def test_a_handshake_has_its_time(reached: Reached) -> None:
    with socket.create_connection(("127.0.0.1", reached.port), WAIT_S) as silent:
        assert silent.recv(1) == b""
    assert reached.front.counters()["handshakes_late"] == 1


@bounds(handshake_ms=300)
def test_who_is_not_admitted_goes(reached: Reached) -> None:
    reached.door.admits = False
    with Peer(reached.port, reached.credentials()) as peer:
        peer.send(peer.call(1, ECHO))
        assert ended(peer) in (None, NO_ERROR)
    assert reached.door.wait_for(_front.DISCONNECT)[2] == "not_admitted"
    assert reached.front.counters()["calls_begun"] == 0


@bounds(connections_max=2)
def test_connections_are_bounded(reached: Reached) -> None:
    with (
        Peer(reached.port, reached.credentials()) as one,
        Peer(reached.port, reached.credentials()) as two,
    ):
        one.answered()
        two.answered()
        with pytest.raises((ssl.SSLError, ConnectionError)):
            open_tls(reached.port, reached.credentials())
    reached.door.wait_until(lambda counts: counts["connections_open"] == 0)
    is_served(reached)


@bounds(owner_connections_max=2)
def test_connections_of_an_owner_are_bounded(reached: Reached) -> None:
    owner = iter([1, 1, 1, 2])
    reached.door.owner_of = lambda _connection: next(owner)
    peers = [Peer(reached.port, reached.credentials()) for _ in range(2)]
    for one in peers:
        one.answered()
    with Peer(reached.port, reached.credentials()) as third:
        assert ended(third) == ENHANCE_YOUR_CALM
    assert reached.door.wait_for(_front.DISCONNECT)[2] == "owner_connections"
    is_served(reached)
    for one in peers:
        one.socket.close()


def test_ipv6_is_served(directory: Path) -> None:
    with running(directory) as reached:
        port = reached.front.listen("::", 0)
        for ipv6, address in ((True, "::1"), (False, "127.0.0.1")):
            with Peer(port, reached.credentials(), ipv6=ipv6) as peer:
                peer.answered()
                assert reached.door.wait_for(_front.CONNECT)[2] == address


def test_certificates_change_while_it_runs(reached: Reached, tmp_path: Path) -> None:
    other = DevAuthority(tmp_path)
    with Peer(reached.port, reached.credentials()) as before:
        before.answered()
        own, foreign = reached.authority.server().read(), other.server().read()
        with pytest.raises(ValueError, match="key"):
            reached.front.set_credentials(own[0], foreign[1], own[2])
        with pytest.raises(ValueError, match="authority"):
            reached.front.set_credentials(own[0], own[1], b"")
        with pytest.raises(ValueError, match="certificate"):
            reached.front.set_credentials(b"nothing", own[1], own[2])
        is_served(reached)
        reached.front.set_credentials(*foreign)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            Peer(reached.port, reached.credentials()).answered()
        reached.authority = other
        is_served(reached)
        before.answered()  # what is open stays


def test_the_certificate_is_told(reached: Reached) -> None:
    own = reached.credentials()
    with Peer(reached.port, own) as peer:
        peer.answered()
    event = reached.door.wait_for(_front.CONNECT)
    pem = (
        own.certificate.read_text().partition("-----END")[0]
        + "-----END CERTIFICATE-----"
    )
    assert event[2] == "127.0.0.1"
    assert event[4] == ssl.PEM_cert_to_DER_cert(pem[pem.index("-----BEGIN") :] + "\n")
    assert event[5] > time.time()


# --- budgets ------------------------------------------------------------------------


@bounds(owner_calls_max=3)
def test_calls_of_an_owner_are_bounded(directory: Path, reached: Reached) -> None:
    with Peer(reached.port, reached.credentials()) as peer:
        peer.send(*(peer.call(number, HOLD) for number in (1, 3, 5, 7)))
        assert peer.status(7) == RESOURCE_EXHAUSTED
        reached.front.finish(reached.door.wait_for(_front.CALL)[1], 0, "", b"")
        assert peer.status(1) == 0
        peer.send(peer.call(9, ECHO))
        assert peer.status(9) == 0


@bounds(owner_bytes_max=4 * MIB, message_bytes_max=MIB)
def test_bodies_that_do_not_end_are_bounded(reached: Reached) -> None:
    """Four hundred calls that announce much and send most of it."""
    reached.door.owner_of = lambda connection: connection & 1
    with Peer(reached.port, reached.credentials()) as peer:
        start = message(b"x" * MIB)[: 60 * KIB]
        numbers = range(1, 801, 2)
        # All are open before the first body comes: it is the bodies that are bounded.
        peer.send(*(peer.open(number, ECHO) for number in numbers))
        for number in numbers:
            peer.send(peer.data(number, start))
        statuses = [peer.status(number) for number in range(401, 801, 2)]
        assert set(statuses) == {RESOURCE_EXHAUSTED}
        assert reached.front.counters()["bytes_held"] < 5 * MIB
        is_served(reached)


@bounds(process_bytes_max=8 * MIB, message_bytes_max=MIB)
def test_who_holds_most_gives_way_when_the_process_is_full(reached: Reached) -> None:
    """The newest calls of the largest holder go; others' stay."""
    owner = iter([1, 2])
    reached.door.owner_of = lambda _connection: next(owner)
    with (
        Peer(reached.port, reached.credentials()) as small,
        Peer(reached.port, reached.credentials()) as large,
    ):
        small.send(small.call(1, HOLD, b"x" * 1_000))
        held = reached.door.wait_for(_front.CALL)[1]
        large.answered()
        body = b"x" * (900 * KIB)
        for number in range(1, 25, 2):
            large.send(large.call(number, HOLD, body))
        reached.door.wait_until(lambda counts: counts["calls_shed"] > 0)
        # The first of the large one is the last to go.
        assert large.status(1 + 2 * 8) in (UNAVAILABLE, RESOURCE_EXHAUSTED)
        assert not any(got.stream == 1 and got.kind == HEADERS for got in large.seen)
        reached.front.reply(held, b"stayed")
        assert small.read_until(DATA, 1).body == message(b"stayed")
    reached.door.wait_until(lambda counts: counts["bytes_held"] == 0)


def test_a_stream_that_nobody_reads_is_held_back(reached: Reached, peer: Peer) -> None:
    window = BOUNDS["window_bytes"]
    peer.answered()  # and has so taken the settings
    peer.send(peer.open(1, HOLD_STREAM), peer.data(1, message(b"x" * window)[:window]))
    call = reached.door.wait_for(_front.CALL)[1]
    peer.answered()
    assert not any((f.kind, f.stream) == (WINDOW_UPDATE, 1) for f in peer.seen)
    assert reached.front.counters()["messages_in"] == 0
    # Once it is wanted, there is room for all of it.
    reached.front.want(call)
    assert peer.read_until(WINDOW_UPDATE, 1).number >= 5
    peer.send(peer.data(1, b"x" * 5))
    assert len(reached.door.wait_for(_front.MESSAGE)[2]) == window


def test_more_than_the_window_ends_the_connection(reached: Reached, peer: Peer) -> None:
    peer.send(peer.open(1, HOLD_STREAM), peer.data(1, b"\0" * (80 * KIB)))
    assert peer.read_until(RST_STREAM, 1).number == 3 or ended(peer) == 3


def test_a_message_larger_than_the_window_gets_room(peer: Peer) -> None:
    body = message(b"x" * MIB)
    peer.send(peer.open(1, ECHO), peer.data(1, body[:16_384]))
    update = peer.read_until(WINDOW_UPDATE, 1)
    assert update.number >= len(body) - 64 * KIB - 16_384
    peer.send(peer.data(1, body[16_384:], last=True))
    assert peer.status(1) == 0


def test_small_messages_that_nobody_wants_cost_their_bytes(
    reached: Reached, peer: Peer
) -> None:
    """A window full of empty messages is kept as it came, not as messages."""
    before = reached.front.counters()["bytes_held"]
    peer.send(peer.open(1, HOLD_STREAM), peer.data(1, message(b"") * 13_000))
    call = reached.door.wait_for(_front.CALL)[1]
    peer.answered()
    assert reached.front.counters()["bytes_held"] - before < 256 * KIB
    for _ in range(100):
        reached.front.want(call)
        assert reached.door.wait_for(_front.MESSAGE)[2] == b""


def test_a_sender_that_is_read_slowly_is_kept_within_its_window(
    reached: Reached, peer: Peer
) -> None:
    """Once what had been read of a stream's bytes stayed in front of what had not."""
    peer.send(peer.open(1, HOLD_STREAM))
    call = reached.door.wait_for(_front.CALL)[1]
    body, count = message(b"x" * 995), 1_000
    window = BOUNDS["window_bytes"] - 1  # until it has taken the settings
    sent = given = most = 0
    while given < count:
        while sent < count * len(body) and sent + len(body) <= window:
            peer.send(peer.data(1, body))
            sent += len(body)
        # There is always something left that nobody has wanted yet.
        if sent < count * len(body) and sent - given * len(body) < 24 * KIB:
            window += peer.read_until(WINDOW_UPDATE, 1).number
            continue
        reached.front.want(call)
        assert reached.door.wait_for(_front.MESSAGE)[2] == body[5:]
        given += 1
        most = max(most, reached.front.counters()["bytes_held"])
    assert most < 512 * KIB


def test_peers_that_never_read_hold_little(reached: Reached) -> None:
    """A hundred streams of a connection that reads nothing, with endless replies."""
    with Peer(reached.port, reached.credentials()) as peer:
        for number in range(1, 201, 2):
            peer.send(peer.open(number, HOLD_STREAM))
        calls = [reached.door.wait_for(_front.CALL)[1] for _ in range(100)]
        waiting = set(calls)
        body = b"x" * (64 * KIB)
        for call in calls:
            reached.front.send(call, body)
        # Each writer goes on when its bytes have left, as the server's do.
        stuck_since = time.monotonic()
        sent = 0
        while time.monotonic() - stuck_since < 0.5:
            event = None if reached.door.events.empty() else reached.door.events.get()
            if event is None:
                time.sleep(0.005)
            elif event[0] == _front.SENT and event[1] in waiting:
                reached.front.send(event[1], body)
                sent += 1
                stuck_since = time.monotonic()
        assert reached.front.counters()["bytes_held"] < 100 * (len(body) + 4_096) + MIB
        is_served(reached)


# --- time ---------------------------------------------------------------------------


@bounds(body_ms=200)
def test_a_body_has_its_time(reached: Reached, peer: Peer) -> None:
    peer.send(peer.open(1, ECHO), peer.data(1, message(b"xy")[:6]))
    peer.send(peer.open(3, ECHO), peer.data(3, message(b"xy")))
    assert peer.status(1) == DEADLINE_EXCEEDED
    assert peer.status(3) == DEADLINE_EXCEEDED
    peer.send(peer.open(5, HOLD_STREAM))
    peer.answered()
    assert reached.front.counters()["calls_open"] == 1


@bounds(idle_ms=300)
def test_an_idle_connection_ends(reached: Reached, peer: Peer) -> None:
    assert ended(peer) == NO_ERROR
    assert reached.door.wait_for(_front.DISCONNECT)[2] == "idle"


@bounds(idle_ms=100)
def test_a_connection_with_a_call_is_not_idle(reached: Reached, peer: Peer) -> None:
    peer.send(peer.open(1, HOLD_STREAM, (b"grpc-timeout", b"400m")))
    assert peer.status(1) == DEADLINE_EXCEEDED
    assert ended(peer) == NO_ERROR


@bounds(age_ms=200)
def test_an_old_connection_is_drained(reached: Reached, peer: Peer) -> None:
    peer.send(peer.open(1, HOLD_STREAM))
    call = reached.door.wait_for(_front.CALL)[1]
    assert peer.read_until(GOAWAY).body[:4] == b"\x7f\xff\xff\xff"
    reached.front.finish(call, 0, "", b"")
    assert peer.status(1) == 0
    assert ended(peer) == NO_ERROR
    assert reached.door.wait_for(_front.DISCONNECT)[2] == "aged"


@bounds(keepalive_ms=100, keepalive_timeout_ms=200)
def test_a_peer_that_does_not_answer_is_gone(reached: Reached, peer: Peer) -> None:
    peer.read_to_end()
    assert reached.door.wait_for(_front.DISCONNECT)[2] == "keepalive"


@bounds(keepalive_ms=50, keepalive_timeout_ms=60_000)
def test_a_peer_that_answers_stays(reached: Reached, peer: Peer) -> None:
    for _ in range(5):
        ping = peer.read_until(PING)
        assert not ping.flags & ACK
        peer.send(frame(PING, ACK, 0, ping.body))


# --- floods ---------------------------------------------------------------------------


def flood(peer: Peer, *frames: bytes) -> None:
    """Send until the server has had enough."""
    piece = b"".join(frames)
    try:
        for _ in range(400):
            peer.socket.sendall(piece)
    except (ConnectionError, ssl.SSLError, TimeoutError):
        pass


def resets() -> bytes:
    block = fields(ECHO)
    return b"".join(
        frame(HEADERS, END_HEADERS, number, block)
        + frame(RST_STREAM, 0, number, CANCEL.to_bytes(4, "big"))
        for number in range(1, 2_000, 2)
    )


def bad_updates() -> bytes:
    """Each makes the server reset a stream that it works for."""
    block = fields(HOLD_STREAM)
    return b"".join(
        frame(HEADERS, END_HEADERS, number, block)
        + frame(WINDOW_UPDATE, 0, number, bytes(4))
        for number in range(1, 2_000, 2)
    )


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param(frame(PING, 0, 0, bytes(8)) * 100, id="ping"),
        pytest.param(frame(SETTINGS, 0, 0) * 100, id="settings"),
        pytest.param(frame(PRIORITY, 0, 1, bytes(4) + b"\x01") * 100, id="priority"),
        pytest.param(
            frame(WINDOW_UPDATE, 0, 0, (1).to_bytes(4, "big")) * 100, id="window"
        ),
        pytest.param(
            frame(HEADERS, 0, 1, fields(ECHO))
            + frame(CONTINUATION, 0, 1, b"\x00\x01a\x01b") * 100,
            id="continuation",
        ),
        pytest.param(resets(), id="reset"),
        pytest.param(bad_updates(), id="made_to_reset"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="http1"),
    ],
)
@bounds(control_frames_max=1_000, resets_max=500)
def test_frames_that_only_cost_end_the_connection(
    reached: Reached, frames: bytes
) -> None:
    with Peer(reached.port, reached.credentials()) as peer:
        flood(peer, frames)
        peer.read_to_end()
        assert reached.door.wait_for(_front.DISCONNECT)[2] in ("flood", "protocol")
        is_served(reached)


@bounds(control_frames_max=1_000)
def test_empty_data_is_a_flood_too(reached: Reached) -> None:
    with Peer(reached.port, reached.credentials()) as peer:
        peer.send(peer.open(1, HOLD_STREAM))
        flood(peer, frame(DATA, 0, 1) * 100)
        assert ended(peer) == ENHANCE_YOUR_CALM
        assert reached.door.wait_for(_front.DISCONNECT)[2] == "flood"
        assert reached.front.counters()["connections_flooded"] == 1


def test_pings_beside_calls_are_no_flood(reached: Reached, peer: Peer) -> None:
    """Clients of gRPC measure with one PING after each read."""
    for number in range(1, 41, 2):
        peer.send(peer.call(number, ECHO), frame(PING, 0, 0, bytes(8)))
        assert peer.status(number) == 0


# --- the end -------------------------------------------------------------------------


def test_a_drain_is_told_in_two_steps(reached: Reached, peer: Peer) -> None:
    peer.send(peer.open(1, HOLD_STREAM))
    call = reached.door.wait_for(_front.CALL)[1]
    reached.front.drain()
    first = peer.read_until(GOAWAY)
    assert first.body[:8] == b"\x7f\xff\xff\xff\0\0\0\0"
    # What was on its way is taken.
    peer.send(peer.call(3, ECHO, b"on the way"))
    assert peer.read_until(DATA, 3).body == message(b"on the way")
    ping = next(f for f in peer.seen if f.kind == PING)
    peer.send(frame(PING, ACK, 0, ping.body))
    assert peer.read_until(GOAWAY).body[:8] == struct.pack(">II", 3, 0)
    # What comes now is not, and holds nothing up.
    peer.send(peer.call(5, HOLD))
    reached.front.finish(call, 0, "", b"")
    assert peer.status(1) == 0
    peer.read_to_end()
    assert reached.door.wait_for(_front.DISCONNECT)[2] == "closed"
    assert reached.front.counters()["calls_begun"] == 2
    with pytest.raises(ConnectionError):
        open_tls(reached.port, reached.credentials())


def test_a_stop_waits_for_its_calls_and_no_longer(directory: Path) -> None:
    results: list[Any] = []
    with (
        running(directory) as reached,
        Peer(reached.port, reached.credentials()) as peer,
    ):
        peer.send(peer.call(1, HOLD), peer.call(3, HOLD))
        first = reached.door.wait_for(_front.CALL)[1]
        reached.door.wait_for(_front.CALL)
        stop = threading.Thread(target=reached.front.stop, args=(1_000,))
        stop.start()
        peer.read_until(GOAWAY)
        reached.front.reply(first, b"in time")
        assert peer.read_until(DATA, 1).body == message(b"in time")
        peer.read_to_end()
        stop.join()
        # The call that nobody answered is told, and its connection.
        results.append(reached.door.wait_for(_front.ENDED)[2])
        results.append(reached.door.wait_for(_front.DISCONNECT)[2])
    assert results == ["connection", "stopped"]


def test_a_connection_is_closed_after_what_was_said(
    reached: Reached, peer: Peer
) -> None:
    peer.send(peer.open(1, HOLD_STREAM), peer.open(3, HOLD_STREAM))
    calls = [reached.door.wait_for(_front.CALL) for _ in range(2)]
    reached.front.send(calls[0][1], b"last words")
    reached.front.finish(calls[0][1], 7, "", b"")
    reached.front.finish(calls[1][1], 7, "", b"")
    reached.front.close_connection(calls[0][2], NO_ERROR)
    assert ended(peer) == NO_ERROR
    assert [f.status for f in peer.seen if f.status is not None] == [7, 7]
    assert reached.door.wait_for(_front.DISCONNECT)[2] == "closed"
