"""Goal: what a peer's headers, resets and unread answers cost is bounded, and counted.

Method: the compiled front alone; frames by hand, few bytes of which name many.
"""

import contextlib
import socket
import ssl
import time

import grpc
import pytest

from server import _front
from tests.server.door import KIB, MIB, Reached, bounds
from tests.server.frames import (
    CANCEL,
    CONTINUATION,
    DATA,
    ECHO,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    HOLD,
    HOLD_STREAM,
    RST_STREAM,
    Peer,
    field,
    fields,
    frame,
    is_served,
)

RESOURCE_EXHAUSTED = 8
INTERNAL_ERROR = 2
SESSION = b"payswitch-session-bin"
ENTRY = b"\x40" + field(b"x", b"y" * 4_000)[1:]
"""A header of 4,000 bytes that enters HPACK's table."""
AGAIN = b"\xbe"
"""That header again."""


@pytest.mark.parametrize("name", [SESSION, b"another-bin"], ids=["read", "unread"])
def test_each_piece_of_a_binary_header_is_counted(
    reached: Reached, peer: Peer, name: bytes
) -> None:
    """A piece is handed on with its name: some bytes make megabytes of some KiB."""
    empty = reached.front.counters()["bytes_held"]
    peer.send(peer.open(1, HOLD_STREAM, (name, b"," * 12_000)))
    if name == SESSION:
        assert peer.status(1) == RESOURCE_EXHAUSTED
    else:
        assert reached.door.wait_for(_front.CALL)[7] == []
    assert reached.front.counters()["bytes_held"] - empty < 64 * KIB
    is_served(reached)


def test_some_pieces_are_what_they_say(reached: Reached, peer: Peer) -> None:
    peer.send(peer.open(1, HOLD_STREAM, (SESSION, b"AAE=, /w,")))
    pieces = [(SESSION, each) for each in (b"\x00\x01", b"\xff", b"")]
    assert reached.door.wait_for(_front.CALL)[7] == pieces


def test_a_little_too_much_is_said(peer: Peer) -> None:
    more = field(b"more", b"x" * 8_200)
    peer.send(frame(HEADERS, 0, 1, fields(ECHO) + more))
    peer.send(frame(CONTINUATION, END_HEADERS, 1, more))
    assert peer.status(1) == RESOURCE_EXHAUSTED
    peer.echo(3)


@pytest.mark.parametrize("kind", ["headers", "trailers", "of_what_is_over"])
def test_headers_without_end_are_not_read_to_it(
    reached: Reached, peer: Peer, kind: str
) -> None:
    """One byte is 4,000 of a header: its stream ends in the middle."""
    bomb = ENTRY + AGAIN * 8_000
    if kind == "headers":
        peer.send(frame(HEADERS, END_HEADERS, 1, fields(ECHO) + bomb))
    elif kind == "trailers":
        peer.send(peer.open(1, HOLD_STREAM))
        reached.door.wait_for(_front.CALL)
        peer.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, bomb))
    else:
        # Its answer is decided; the peer may send its trailers all the same.
        peer.send(peer.open(1, HOLD_STREAM))
        call = reached.door.wait_for(_front.CALL)[1]
        peer.send(frame(HEADERS, 0, 1, ENTRY))
        reached.front.finish(call, 0, "", b"")
        peer.send(frame(CONTINUATION, END_HEADERS, 1, AGAIN * 8_000))
    if kind != "of_what_is_over":
        assert peer.read_until(RST_STREAM, 1).number == INTERNAL_ERROR
    # The table is the same on both sides: the next block is read right.
    peer.echo(3)
    is_served(reached)


@bounds(resets_max=50)
def test_headers_without_end_are_a_flood(reached: Reached) -> None:
    with Peer(reached.port, reached.credentials()) as peer:
        first = frame(HEADERS, END_HEADERS, 1, fields(ECHO) + ENTRY + AGAIN * 100)
        rest = fields(ECHO) + AGAIN * 1_000
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            peer.send(first)
            for stream in range(3, 2_000, 2):
                peer.send(frame(HEADERS, END_HEADERS, stream, rest))
        assert reached.door.wait_for(_front.DISCONNECT)[2] == "flood"
        is_served(reached)


@bounds(output_bytes_max=64 * KIB, resets_max=1_000_000, control_frames_max=1_000_000)
@pytest.mark.parametrize("kind", ["refused", "reset"])
def test_who_does_not_read_its_answers_is_read_no_further(
    reached: Reached, kind: str
) -> None:
    """Answers and resets that nobody reads wait in the door, and have a bound there."""
    block = fields(ECHO, (b"grpc-timeout", b"none"))
    with Peer(reached.port, reached.credentials()) as peer:
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * KIB)
        is_served(reached)
        empty = reached.front.counters()["bytes_held"]
        peer.socket.settimeout(2)
        most = 0
        with contextlib.suppress(TimeoutError, ConnectionError, ssl.SSLError):
            for first in range(1, 2_000_000, 2_000):
                frames = []
                for stream in range(first, first + 2_000, 2):
                    frames.append(
                        frame(HEADERS, END_HEADERS | END_STREAM, stream, block)
                    )
                    if kind == "reset":
                        frames.append(frame(DATA, 0, stream, b"more"))
                peer.send(*frames)
                most = max(most, reached.front.counters()["bytes_held"] - empty)
        assert most < MIB
        is_served(reached)


@bounds(resets_max=500)
def test_a_cancel_counts_once(reached: Reached) -> None:
    with Peer(reached.port, reached.credentials()) as peer:
        block = fields(HOLD)
        cancels = [
            frame(HEADERS, END_HEADERS, stream, block)
            + frame(RST_STREAM, 0, stream, CANCEL.to_bytes(4, "big"))
            for stream in range(1, 801, 2)
        ]
        # In one second, if it lasts: 400 of 500.
        time.sleep(1 - time.monotonic() % 1)
        peer.send(*cancels)
        peer.echo(1_001)
    assert reached.door.wait_for(_front.DISCONNECT)[2] == "peer_closed"


def test_an_answer_with_more_headers_than_http2_carries_ends(
    reached: Reached,
) -> None:
    with reached.channel() as channel:
        call = channel.unary_unary(HOLD).future(b"", timeout=30)
        held = reached.door.wait_for(_front.CALL)
        much = [(b"much", b"x" * 70_000)]
        reached.front.finish(held[1], 9, "", b"", much)
        assert call.code() is grpc.StatusCode.INTERNAL
        call = channel.unary_unary(HOLD).future(b"", timeout=30)
        held = reached.door.wait_for(_front.CALL)
        reached.front.start_call(held[1], much)
        assert call.code() is grpc.StatusCode.INTERNAL
    is_served(reached)


def test_a_long_text_is_cut_between_letters(reached: Reached) -> None:
    with reached.channel() as channel:
        call = channel.unary_unary(HOLD).future(b"", timeout=30)
        held = reached.door.wait_for(_front.CALL)
        reached.front.finish(held[1], 9, "x" + "৳" * 30_000, b"")
        error = call.exception(30)
    assert isinstance(error, grpc.RpcError)
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert error.details() == "x" + "৳" * 227
    is_served(reached)
