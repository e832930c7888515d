"""Goal: whoever connects, and whatever it sends or does not read, the door stays within
its bounds, and others are served.

Method: the compiled front alone with small bounds; sockets and frames by hand.
"""

import socket
import ssl
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from server import _front
from switch.authority.development import DevAuthority
from switch.codes import Role
from tests.server.door import (
    BOUNDS,
    KIB,
    METHODS,
    MIB,
    WAIT_S,
    Reached,
    bounds,
    running,
)
from tests.server.frames import (
    ACK,
    CANCEL,
    DATA,
    ECHO,
    ENHANCE_YOUR_CALM,
    GOAWAY,
    HEADERS,
    HOLD,
    HOLD_STREAM,
    NO_ERROR,
    PING,
    RECORD,
    RST_STREAM,
    WINDOW_UPDATE,
    Peer,
    frame,
    is_served,
    message,
    open_tls,
)

DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNAVAILABLE = 4, 8, 14
COMES_S = 1.0
"""What has not come by then was too late for its connection."""


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
def test_handshakes_that_stop_keep_nobody_out(reached: Reached) -> None:
    begun = [socket.create_connection(("127.0.0.1", reached.port)) for _ in range(8)]
    for one in begun:
        one.sendall(RECORD)
    reached.door.wait_until(
        lambda counts: counts["handshakes_open"] + counts["sockets_waiting"] == 8
    )
    is_served(reached)
    for one in begun:
        one.close()
    assert reached.front.counters()["handshakes_shed"] > 0


@bounds(handshake_ms=200)
def test_a_handshake_has_its_time(reached: Reached) -> None:
    with socket.create_connection(("127.0.0.1", reached.port), WAIT_S) as begun:
        begun.sendall(RECORD)
        assert begun.recv(1) == b""
    assert reached.front.counters()["handshakes_late"] == 1


@bounds(handshake_ms=2_000)
def test_who_is_not_admitted_goes(reached: Reached) -> None:
    reached.door.admits = False
    with Peer(reached.port, reached.credentials()) as peer:
        peer.send(peer.call(1, ECHO))
        assert peer.last_words() in (None, NO_ERROR)
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
        assert third.last_words() == ENHANCE_YOUR_CALM
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
        # What is refused makes room: which calls are is not said, but that most are.
        reached.door.wait_until(lambda counts: counts["calls_refused"] >= 200)
        assert reached.front.counters()["bytes_held"] < 5 * MIB
        is_served(reached)


def has_decided(calls: int, counts: dict[str, int]) -> bool:
    return counts["calls_given"] + counts["calls_refused"] == calls


def has_turned(turns: int, counts: dict[str, int]) -> bool:
    return counts["turns"] > turns


@bounds(owner_bytes_max=MIB)
def test_what_is_not_taken_counts_though_its_call_is_over(
    reached: Reached, peer: Peer
) -> None:
    peer.send(peer.call(1, ECHO, b"served"))
    assert peer.status(1) == 0
    reached.door.takes.clear()
    streams = range(3, 163, 2)
    for count, stream in enumerate(streams, 2):
        peer.send(peer.call(stream, HOLD, b"x" * 60_000))
        # Each is whole before it is given up.
        reached.door.wait_until(partial(has_decided, count))
        peer.send(frame(RST_STREAM, 0, stream, CANCEL.to_bytes(4, "big")))
    reached.door.wait_until(lambda now: now["calls_open"] == 0)
    # Those that were taken before the stop are few.
    counts = reached.front.counters()
    assert counts["calls_given"] < len(streams) // 2
    assert counts["calls_refused"] > 0
    assert counts["bytes_held"] < 2 * MIB
    reached.door.takes.set()
    for _ in range(counts["calls_given"]):
        reached.door.wait_for(_front.CALL)
    peer.send(peer.call(163, ECHO, b"room again"))
    assert peer.status(163) == 0


def test_what_the_caller_has_counts_until_it_is_answered(
    reached: Reached, peer: Peer
) -> None:
    peer.send(peer.call(1, ECHO, b"served"))
    assert peer.status(1) == 0
    before = reached.front.counters()["bytes_held"]
    peer.send(peer.call(3, HOLD, b"x" * 60_000))
    while (event := reached.door.wait_for(_front.CALL))[8] == b"served":
        pass
    for _ in range(3):
        turns = reached.front.counters()["turns"]
        reached.front.want(0)  # a turn, in which what was taken is counted off
        reached.door.wait_until(partial(has_turned, turns))
        held = reached.front.counters()["bytes_held"] - before
        assert 60_000 <= held < 70_000
    reached.front.reply(event[1], b"answer")
    assert peer.status(3) == 0
    reached.door.wait_until_held(lambda held: held < before + 60_000)


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
    reached.door.wait_until_held(lambda held: held == 0)


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
    assert peer.read_until(RST_STREAM, 1).number == 3 or peer.last_words() == 3


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
    assert peer.last_words() == NO_ERROR
    assert reached.door.wait_for(_front.DISCONNECT)[2] == "idle"
    assert reached.front.counters()["connections_idle"] == 1


def calling(reached: Reached, *more: tuple[bytes, bytes]) -> Peer:
    """A connection whose call has come before its own time was over: on a busy machine
    some of them end earlier.
    """
    end = time.monotonic() + WAIT_S
    while (begun_s := time.monotonic()) < end:
        begun = reached.front.counters()["calls_begun"]
        with suppress(OSError):
            peer = Peer(reached.port, reached.credentials())
            peer.send(peer.open(1, HOLD_STREAM, *more))
            has_ended = False
            while not has_ended:
                has_ended = time.monotonic() > begun_s + COMES_S
                if reached.front.counters()["calls_begun"] > begun:
                    return peer
                time.sleep(0.002)
            peer.socket.close()
    raise AssertionError("no call has come")


@bounds(idle_ms=100)
def test_a_connection_with_a_call_is_not_idle(reached: Reached) -> None:
    with calling(reached, (b"grpc-timeout", b"400m")) as peer:
        assert peer.status(1) == DEADLINE_EXCEEDED
        assert peer.last_words() == NO_ERROR


@bounds(age_ms=200)
def test_an_old_connection_is_drained(reached: Reached) -> None:
    with calling(reached) as peer:
        call = reached.door.wait_for(_front.CALL)[1]
        assert peer.read_until(GOAWAY).body[:4] == b"\x7f\xff\xff\xff"
        reached.front.finish(call, 0, "", b"")
        assert peer.status(1) == 0
        assert peer.last_words() == NO_ERROR
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


def test_an_end_that_comes_with_the_last_words_is_heard(
    reached: Reached, peer: Peer
) -> None:
    """Both in one segment, of which the system tells once."""
    peer.echo()
    peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    peer.send(peer.open(3, HOLD), peer.data(3, message(b"and")[:6]))
    peer.socket.shutdown(socket.SHUT_WR)
    assert reached.door.wait_for(_front.DISCONNECT)[2] == "peer_closed"
    is_served(reached)
