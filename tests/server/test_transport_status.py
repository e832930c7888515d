"""Goal: what a caller is told when a call is not simply answered, and its handler.

Method: the compiled front alone; grpcio's client for what clients show, frames by hand
for what no client sends.
"""

import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest

from server import _front
from tests.readable import readable
from tests.server.door import METHODS, MIB, WAIT_S, Event, Reached, running
from tests.server.frames import (
    CANCEL,
    CHAT,
    CLOSED,
    CLOSED_STREAM,
    COUNT,
    DATA,
    ECHO,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    HOLD,
    HOLD_STREAM,
    NO_ERROR,
    RST_STREAM,
    Peer,
    fields,
    frame,
    message,
)

CANCELLED, DEADLINE_EXCEEDED, PERMISSION_DENIED = 1, 4, 7
RESOURCE_EXHAUSTED, UNIMPLEMENTED, INTERNAL = 8, 12, 13


@pytest.fixture
def reached(directory: Path) -> Iterator[Reached]:
    """A door of its own for each test: none sees another's events."""
    with running(directory, message_bytes_max=MIB) as door:
        yield door


def error_of(call: Any) -> Any:
    error = call.exception(WAIT_S)
    assert isinstance(error, grpc.RpcError)
    return error


# --- what handlers say ----------------------------------------------------------


def test_a_status_has_its_text_and_details(reached: Reached) -> None:
    text = " 100 % of ৳500 –\n two lines "
    details = bytes(range(256))
    with reached.channel() as channel:
        call = channel.unary_unary(HOLD).future(b"", timeout=WAIT_S)
        held = reached.door.wait_for(_front.CALL)
        metadata = [(b"seen", b"yes"), (b"raw-bin", b"\x00\xff")]
        reached.front.finish(held[1], 9, text, details, metadata)
        error = error_of(call)
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert error.details() == text
    trailers = dict(error.trailing_metadata())
    assert trailers["grpc-status-details-bin"] == details
    assert trailers["seen"] == "yes"
    assert trailers["raw-bin"] == b"\x00\xff"


@pytest.mark.parametrize("size", range(5))
def test_details_of_any_length_arrive_as_they_are(reached: Reached, size: int) -> None:
    with reached.channel() as channel:
        call = channel.unary_unary(HOLD).future(b"", timeout=WAIT_S)
        reached.front.finish(
            reached.door.wait_for(_front.CALL)[1], 5, "", b"\xfe" * size
        )
        trailers = dict(error_of(call).trailing_metadata())
    assert trailers.get("grpc-status-details-bin", b"") == b"\xfe" * size


def test_metadata_goes_both_ways(reached: Reached) -> None:
    """Of a call's as much as somebody reads."""
    session = "payswitch-session-bin"
    sent: list[tuple[str, str | bytes]]
    sent = [("min-sequence", "1"), ("min-sequence", "2")]
    sent += [(session, b"\x00\x01\xff"), (session, b"")]
    with reached.channel() as channel:
        more = [*sent, ("other", "3"), ("other-bin", b"4")]
        call = channel.unary_unary(HOLD).future(b"", timeout=WAIT_S, metadata=more)
        held = reached.door.wait_for(_front.CALL)
        assert held[7] == [
            (key.encode(), value.encode() if isinstance(value, str) else value)
            for key, value in sent
        ]
        reached.front.start_call(held[1], [(b"begun", b"yes"), (b"b-bin", b"\x80")])
        reached.front.reply(held[1], b"done")
        assert call.result(WAIT_S) == b"done"
        initial = dict(call.initial_metadata())
        assert initial["begun"] == "yes"
        assert initial["b-bin"] == b"\x80"


@pytest.mark.parametrize(
    "bad",
    [(b"Upper", b""), (b"", b"x"), (b":path", b"x"), (b"a", b"\n"), (b"a", b" x")],
)
def test_what_cannot_be_a_header_is_refused_here(
    reached: Reached, bad: tuple[bytes, bytes]
) -> None:
    with pytest.raises(ValueError, match="header"):
        reached.front.finish(1, 0, "", b"", [bad])


def test_commands_for_what_is_over_are_ignored(reached: Reached) -> None:
    for number in (0, 1, (1 << 62) + 5, (1 << 64) - 1):
        reached.front.send(number, b"x")
        reached.front.reply(number, b"x")
        reached.front.finish(number, 0, "", b"")
        reached.front.want(number)
        reached.front.close_connection(number, 0)
    with reached.channel() as channel:
        assert channel.unary_unary(ECHO)(b"on", timeout=WAIT_S) == b"on"


# --- who may ----------------------------------------------------------------------


def test_an_unknown_method_is_told_with_its_path(reached: Reached) -> None:
    with reached.channel() as channel:
        error = error_of(channel.unary_unary("/no/Such").future(b"", timeout=WAIT_S))
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    event = reached.door.wait_for(_front.CALL)
    assert event[3:5] == (-1, "/no/Such")


def test_a_refused_call_is_not_read(reached: Reached, peer: Peer) -> None:
    """The body never comes to the handler; and the peer need not send its rest."""
    body = message(b"x" * 100_000)
    peer.send(peer.open(1, CLOSED), peer.data(1, body[:30_000]))
    event = reached.door.wait_for(_front.CALL)
    assert event[8:] == (None, False)
    assert peer.status(1) == PERMISSION_DENIED
    assert peer.read_until(RST_STREAM, 1).number == NO_ERROR


def test_a_refused_stream_that_only_ends_is_refused(peer: Peer) -> None:
    """Once its end without a message was taken for a stream that ended well."""
    peer.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, fields(CLOSED_STREAM)))
    assert peer.status(1) == PERMISSION_DENIED


def test_rights_that_end_are_told(reached: Reached, peer: Peer) -> None:
    peer.send(peer.open(1, HOLD_STREAM), peer.open(3, HOLD))
    connection = reached.door.wait_for(_front.CONNECT)[1]
    call = reached.door.wait_for(_front.CALL)[1]
    reached.front.admit(
        *(connection, 1, 1, 2, 3, bytes([1, 1, 1, 1, 0, 0, 0])), reached.door.budgets
    )
    assert reached.door.wait_for(_front.REVOKED)[1] == call
    # It goes on until the handler ends it.
    reached.front.want(call)
    peer.send(peer.data(1, message(b"more")))
    assert reached.door.wait_for(_front.MESSAGE)[2] == b"more"
    reached.front.finish(call, PERMISSION_DENIED, "", b"")
    assert peer.status(1) == PERMISSION_DENIED
    # A call that has not come whole is refused as at its headers.
    reached.front.admit(
        *(connection, 1, 1, 2, 3, bytes(len(METHODS))), reached.door.budgets
    )
    assert reached.door.wait_for(_front.CALL)[8:] == (None, False)
    assert peer.status(3) == PERMISSION_DENIED


# --- what cannot be taken -----------------------------------------------------------


def test_compression_is_refused_with_what_is_taken(reached: Reached) -> None:
    with reached.channel() as channel:
        call = channel.unary_unary(ECHO).future(
            b"x" * 1_000, timeout=WAIT_S, compression=grpc.Compression.Gzip
        )
        error = error_of(call)
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    ("path", "more", "status"),
    [
        (ECHO, [(b"grpc-timeout", b"1")], INTERNAL),
        (ECHO, [(b"grpc-timeout", b"S")], INTERNAL),
        (ECHO, [(b"grpc-timeout", b"123456789S")], INTERNAL),
        (ECHO, [(b"grpc-timeout", b"1x")], INTERNAL),
        (ECHO, [(b"grpc-timeout", b"-1S")], INTERNAL),
        (ECHO, [(b"grpc-timeout", b"0n")], DEADLINE_EXCEEDED),
        (ECHO, [(b"grpc-encoding", b"gzip")], UNIMPLEMENTED),
        (CHAT, [(b"grpc-encoding", b"zstd")], UNIMPLEMENTED),
        (ECHO, [(b"payswitch-session-bin", b"not base64")], INTERNAL),
        (ECHO, [(b"much", b"x" * 17_000)], RESOURCE_EXHAUSTED),
        (ECHO, [(b"m%d" % i, b"") for i in range(500)], RESOURCE_EXHAUSTED),
    ],
)
def test_a_call_is_refused_at_its_headers(
    reached: Reached,
    peer: Peer,
    path: str,
    more: list[tuple[bytes, bytes]],
    status: int,
) -> None:
    given = reached.front.counters()["calls_given"]
    block = fields(path, *more)
    pieces = [block[at : at + 16_000] for at in range(0, len(block), 16_000)]
    first = frame(HEADERS, 0 if len(pieces) > 1 else END_HEADERS, 1, pieces[0])
    peer.send(first, *(frame(9, END_HEADERS, 1, piece) for piece in pieces[1:]))
    assert peer.status(1) == status
    assert peer.read_until(RST_STREAM, 1).number == NO_ERROR
    assert reached.front.counters()["calls_given"] == given


@pytest.mark.parametrize("unit", [b"n", b"u", b"m", b"S", b"M", b"H"])
def test_the_longest_timeouts_are_taken(peer: Peer, unit: bytes) -> None:
    more = (b"grpc-timeout", b"99999999" + unit)
    peer.send(peer.open(1, ECHO, more), peer.data(1, message(b""), last=True))
    assert peer.status(1) == 0


@pytest.mark.parametrize(
    ("method", "type_", "answer"),
    [
        (b"POST", b"text/html", b"415"),
        (b"POST", b"application/grpc+json", b"415"),
        (b"POST", b"application/grpc+protobuf", b"415"),
        (b"POST", b"application/grpc+", b"415"),
        (b"GET", b"application/grpc", b"405"),
    ],
)
def test_what_is_no_grpc_is_answered_as_http(
    peer: Peer, method: bytes, type_: bytes, answer: bytes
) -> None:
    block = fields(ECHO, (b"content-type", type_), grpc=False)
    block = block.replace(b"\x04POST", bytes([len(method)]) + method)
    peer.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, block))
    got = peer.read_until(HEADERS, 1)
    assert answer in got.body
    assert got.flags & END_STREAM


@pytest.mark.parametrize("type_", [b"+proto", b"", b";x=y", b"+proto;x=y"])
def test_what_is_grpc(peer: Peer, type_: bytes) -> None:
    kind = (b"content-type", b"application/grpc" + type_)
    block = fields(ECHO, kind, grpc=False)
    peer.send(frame(HEADERS, END_HEADERS, 1, block))
    peer.send(peer.data(1, message(b"x"), last=True))
    assert peer.status(1) == 0


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", INTERNAL),
        (message(b"abc")[:-1], INTERNAL),
        (message(b"abc")[:3], INTERNAL),
        (message(b"a") + message(b"b"), INTERNAL),
        (message(b"a") + b"\x00", INTERNAL),
        (message(b"a", flag=1), INTERNAL),
        (message(b"a", flag=2), INTERNAL),
        (b"\x00" + (MIB + 1).to_bytes(4, "big") + b"x", RESOURCE_EXHAUSTED),
        (b"\x00\xff\xff\xff\xff", RESOURCE_EXHAUSTED),
    ],
)
@pytest.mark.parametrize("path", [ECHO, COUNT])
def test_a_request_that_is_not_one_message_is_refused(
    reached: Reached, peer: Peer, path: str, body: bytes, status: int
) -> None:
    given = reached.front.counters()["calls_given"]
    peer.send(peer.open(1, path), peer.data(1, body, last=True))
    assert peer.status(1) == status
    assert reached.front.counters()["calls_given"] == given


def test_a_stream_ends_at_a_message_too_large(reached: Reached, peer: Peer) -> None:
    peer.send(
        peer.open(1, CHAT), peer.data(1, message(b"good") + b"\x00\xff\xff\xff\0")
    )
    assert peer.read_until(DATA, 1).body == message(b"good")
    assert peer.status(1) == RESOURCE_EXHAUSTED
    assert reached.door.wait_for(_front.ENDED)[2] == "refused"


def test_a_byte_at_a_time_is_a_message_too(reached: Reached, peer: Peer) -> None:
    body = message(b"slow and steady")
    peer.send(peer.open(1, ECHO))
    for byte in body[:-1]:
        peer.send(peer.data(1, bytes([byte])))
    peer.send(peer.data(1, body[-1:], last=True))
    assert peer.read_until(DATA, 1).body == body


# --- time and cancelling -------------------------------------------------------------


def test_a_deadline_ends_the_call_for_both(reached: Reached) -> None:
    with reached.channel() as channel:
        call = channel.unary_unary(HOLD).future(b"", timeout=1.5)
        event = reached.door.wait_for(_front.CALL)
        assert 0 < event[5] - time.monotonic_ns() < 1_500_000_000
        assert error_of(call).code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert reached.door.wait_for(_front.ENDED)[1] == event[1]
        reached.front.reply(event[1], b"late")


def test_a_deadline_is_the_servers_too(reached: Reached, peer: Peer) -> None:
    """A client that forgets its own deadline is told by the server."""
    peer.send(
        peer.open(1, HOLD, (b"grpc-timeout", b"1000m")),
        peer.data(1, message(b""), last=True),
        peer.open(3, HOLD_STREAM, (b"grpc-timeout", b"1050m")),
        peer.open(5, HOLD, (b"grpc-timeout", b"1100m")),
    )
    assert [peer.status(stream) for stream in (1, 3, 5)] == [DEADLINE_EXCEEDED] * 3
    ended = [reached.door.wait_for(_front.ENDED)[2] for _ in range(2)]
    assert ended == ["deadline", "deadline"]


def test_a_deadline_counts_from_when_its_call_came(
    reached: Reached, peer: Peer
) -> None:
    """Once from the beginning of a turn in which the call came late."""
    sent = []
    for number in range(1, 401, 2):
        sent.append(time.monotonic_ns())
        peer.send(
            peer.open(number, ECHO, (b"grpc-timeout", b"50S")),
            peer.data(number, message(b""), last=True),
        )
    for at in sent:
        assert reached.door.wait_for(_front.CALL)[5] >= at + 50_000_000_000


def test_a_cancelled_call_is_told(reached: Reached) -> None:
    with reached.channel() as channel:
        call = channel.unary_unary(HOLD).future(b"", timeout=WAIT_S)
        event = reached.door.wait_for(_front.CALL)
        call.cancel()
        assert reached.door.wait_for(_front.ENDED)[1:] == (event[1], "peer_reset")


def test_a_call_that_is_cancelled_at_once_is_never_given(
    reached: Reached, peer: Peer
) -> None:
    """A cancel that was read with its call wins."""
    given = frame(RST_STREAM, 0, 1, CANCEL.to_bytes(4, "big"))
    peer.send(peer.call(1, HOLD, b"cancelled"), given, peer.call(3, ECHO, b"next"))
    assert peer.read_until(DATA, 3).body == message(b"next")
    event = reached.door.wait_for(_front.CALL)
    assert event[8] == b"next"


def test_calls_of_a_connection_that_ends_are_told(reached: Reached) -> None:
    with Peer(reached.port, reached.credentials()) as peer:
        peer.send(peer.call(1, HOLD), peer.open(3, HOLD_STREAM))
        calls = {reached.door.wait_for(_front.CALL)[1] for _ in range(2)}
    ended = [reached.door.wait_for(_front.ENDED) for _ in range(2)]
    assert {event[1] for event in ended} == calls
    assert {event[2] for event in ended} == {"connection"}
    assert reached.door.wait_for(_front.DISCONNECT)[2] == "peer_closed"


def test_data_and_trailers_of_one_turn_are_whole(reached: Reached, peer: Peer) -> None:
    """Once the output overflowed when both were made in one turn."""
    sizes = [1, 100, 16_379, 16_380, 16_384, 65_536, 65_531, 200_000, 900_000]
    for number, size in enumerate(sizes):
        peer.send(peer.call(2 * number + 1, ECHO, bytes([number]) * size))
    for number, size in enumerate(sizes):
        stream = 2 * number + 1
        while not any(f.status is not None and f.stream == stream for f in peer.seen):
            assert peer.read()
        body = b"".join(
            f.body for f in peer.seen if (f.kind, f.stream) == (DATA, stream)
        )
        assert body == message(bytes([number]) * size)


def test_streams_are_told_when_their_bytes_have_left(reached: Reached) -> None:
    with Peer(reached.port, reached.credentials(), window=1_000) as peer:
        peer.send(peer.open(1, HOLD_STREAM))
        call = reached.door.wait_for(_front.CALL)[1]
        reached.front.send(call, b"x" * 995)
        assert reached.door.wait_for(_front.SENT)[1:] == (call, 0)
        reached.front.send(call, b"y")
        peer.answered()
        assert reached.front.counters()["messages_out"] > 0
        peer.send(frame(8, 0, 1, (6).to_bytes(4, "big")))
        assert reached.door.wait_for(_front.SENT)[1:] == (call, 0)
        reached.front.finish(call, 0, "", b"")
        assert peer.status(1) == 0


def has_given(calls: int, counts: dict[str, int]) -> bool:
    return counts["calls_given"] == calls


def test_without_memory_no_event_is_lost(reached: Reached, peer: Peer) -> None:
    """Each allocation while events are taken fails once."""
    fail = pytest.importorskip("_testcapi")
    peer.send(peer.call(1, ECHO, b"served"))
    assert peer.status(1) == 0
    reached.door.takes.clear()
    front, kept = reached.front, 0
    for at in range(24):
        streams = [3 + 6 * at, 5 + 6 * at, 7 + 6 * at]
        peer.send(*[peer.call(stream, HOLD, b"body") for stream in streams])
        given = 4 + 3 * at
        reached.door.wait_until(partial(has_given, given))
        taken: list[Event] = []
        fail.set_nomemory(at, at + 1)
        try:
            taken = front.take()
        except MemoryError:
            kept += 1
        finally:
            fail.remove_mem_hooks()
        while len(taken) < 3:
            # What is left wakes who takes it.
            assert readable(front.fileno(), WAIT_S)
            taken += front.take()
        assert [event[8] for event in taken] == [b"body"] * 3
        for event in taken:
            front.reply(event[1], b"answer")
    # Some are for the first event, and some for none.
    assert 0 < kept < 24


def test_many_threads_of_calls_end_well(reached: Reached) -> None:
    """Calls, cancels and connections at once: the counts come back to nothing."""

    def work(seed: int) -> None:
        with reached.channel() as channel:
            echo = channel.unary_unary(ECHO)
            chat = channel.stream_stream(CHAT)
            for turn in range(20):
                calls = [
                    echo.future(b"x" * (i * seed), timeout=WAIT_S) for i in range(20)
                ]
                calls[turn].cancel()
                talk = chat(iter([b"a"] * 5), timeout=WAIT_S)
                assert next(talk) == b"a"
                talk.cancel()
                for i, call in enumerate(calls):
                    if i != turn:
                        assert call.result() == b"x" * (i * seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reached.door.wait_until(lambda counts: counts["connections_open"] == 0)
    assert reached.front.counters()["calls_open"] == 0
    reached.door.wait_until_held(lambda held: held == 0)
