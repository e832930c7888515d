"""Goal: floods of frames end their connection, and the door itself ends in order.

Method: the compiled front alone with small bounds; frames by hand.
"""

import contextlib
import ssl
import struct
import threading
from pathlib import Path
from typing import Any

import pytest

from server import _front
from tests.server.door import Reached, bounds, running
from tests.server.frames import (
    ACK,
    CANCEL,
    CLOSED_STREAM,
    CONTINUATION,
    DATA,
    ECHO,
    END_HEADERS,
    ENHANCE_YOUR_CALM,
    GOAWAY,
    HEADERS,
    HOLD,
    HOLD_STREAM,
    NO_ERROR,
    PADDED,
    PING,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Peer,
    fields,
    frame,
    is_served,
    message,
    open_tls,
)

DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNAVAILABLE = 4, 8, 14


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


@pytest.mark.parametrize(
    ("path", "data"),
    [
        pytest.param(HOLD_STREAM, frame(DATA, 0, 1), id="nothing"),
        pytest.param(HOLD_STREAM, frame(DATA, PADDED, 1, b"\x02\0\0"), id="padding"),
        pytest.param(CLOSED_STREAM, frame(DATA, 0, 1, b"x"), id="to_nobody"),
    ],
)
@bounds(control_frames_max=1_000)
def test_empty_data_is_a_flood_too(reached: Reached, path: str, data: bytes) -> None:
    with Peer(reached.port, reached.credentials()) as peer:
        # At once, and few enough to be read to the end: no goodbye is lost.
        peer.send(peer.open(1, path), data * 4_000)
        assert peer.last_words() == ENHANCE_YOUR_CALM
        assert reached.door.wait_for(_front.DISCONNECT)[2] == "flood"
        assert reached.front.counters()["connections_flooded"] == 1


@bounds(control_frames_max=1_000)
def test_who_is_thrown_out_is_not_read_on(reached: Reached) -> None:
    """It has a second to read our last words: no second to be read by us."""
    with Peer(reached.port, reached.credentials()) as peer:
        flood(peer, frame(PING, 0, 0, bytes(8)) * 100)
        before = reached.front.counters()["bytes_in"]
        with contextlib.suppress(OSError):
            for _ in range(1_000):
                peer.send(frame(PING, 0, 0, bytes(8)) * 4_000)
        reached.door.wait_for(_front.DISCONNECT)
        assert reached.front.counters()["bytes_in"] - before < 4 << 20
        is_served(reached)


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
        stop = threading.Thread(target=reached.front.stop, args=(3_000,))
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
    assert peer.last_words() == NO_ERROR
    assert [f.status for f in peer.seen if f.status is not None] == [7, 7]
    assert reached.door.wait_for(_front.DISCONNECT)[2] == "closed"
