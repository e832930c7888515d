"""Goal: the front door is the HTTP/2 server that RFC 9113 and RFC 7541 ask for.

Method: the sections of h2spec, with frames by hand against the compiled front alone.
nghttp2 decides alone, before any callback of ours, whatever breaks a rule of

    4.1 to 4.3   frames, their size, header blocks; all of RFC 7541
    5.1, 5.1.1   states of streams, their numbers
    5.5          frames within a header block
    6.1 to 6.10  each frame's stream, size, padding and flags; windows that overflow
    8.1, 8.2     malformed requests: pseudo fields, names, content-length
    8.4          PUSH_PROMISE from a client

and answers PING and SETTINGS (6.5.3, 6.7). Of those the tests ask what is ours: that
the peer is told why, that calls which are open are told too, that no handler ever sees
such a call, and that neither neighbours on the connection nor others suffer. Ours alone
are the preface's settings (3.4), how many streams there may be (5.1.2), what follows an
error (5.4), frames that are not known (5.5), bytes given back to windows and taken from
them (5.2, 6.9), padding among them (6.1), GOAWAY and what is under way (6.8), trailers
(8.1), methods (8.3), and codes of errors that nobody knows (7).
"""

from collections.abc import Iterator

import pytest

from server import _front
from tests.server.door import Reached, bounds
from tests.server.frames import (
    ACK,
    CANCEL,
    CLOSED_STREAM,
    CONTINUATION,
    DATA,
    ECHO,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    HOLD,
    HOLD_STREAM,
    PADDED,
    PING,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    WINDOW_MAX,
    WINDOW_UPDATE,
    Frame,
    Peer,
    field,
    fields,
    frame,
    is_served,
    message,
    open_tls,
)

PUSH_PROMISE, UNKNOWN = 5, 0x2A
WITH_PRIORITY = 0x20
PROTOCOL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED = 1, 3, 5
FRAME_SIZE_ERROR, REFUSED_STREAM, COMPRESSION_ERROR = 6, 7, 9
NO_SUCH_CODE = 0xFFFF_FFF0
SET_TABLE, SET_PUSH, SET_STREAMS, SET_WINDOW, SET_FRAME = 1, 2, 3, 4, 5
WINDOW_BYTES = 64 << 10


def number(value: int) -> bytes:
    return value.to_bytes(4, "big")


def setting(name: int, value: int) -> bytes:
    return frame(SETTINGS, 0, 0, name.to_bytes(2, "big") + number(value))


# --- what ends the connection --------------------------------------------------------

BLOCK = fields(ECHO)
WRONG = {
    "4.2 data too long": (frame(DATA, 0, 1, bytes(16_385)), FRAME_SIZE_ERROR),
    "4.2 headers too long": (
        frame(HEADERS, END_HEADERS, 3, bytes(16_385)),
        FRAME_SIZE_ERROR,
    ),
    "4.3 block cut off": (
        frame(HEADERS, END_HEADERS, 3, BLOCK[:-1]),
        COMPRESSION_ERROR,
    ),
    "4.3 another frame within": (
        frame(HEADERS, 0, 3, BLOCK) + frame(PRIORITY, 0, 3, bytes(5)),
        PROTOCOL_ERROR,
    ),
    "4.3 another stream within": (
        frame(HEADERS, 0, 3, BLOCK) + frame(HEADERS, END_HEADERS, 5, BLOCK),
        PROTOCOL_ERROR,
    ),
    "5.1 idle: data": (frame(DATA, 0, 9, b"x"), PROTOCOL_ERROR),
    "5.1 idle: reset": (frame(RST_STREAM, 0, 9, number(8)), PROTOCOL_ERROR),
    "5.1 idle: window": (frame(WINDOW_UPDATE, 0, 9, number(1)), PROTOCOL_ERROR),
    "5.1 idle: continuation": (
        frame(CONTINUATION, END_HEADERS, 9, BLOCK),
        PROTOCOL_ERROR,
    ),
    "5.1.1 even number": (frame(HEADERS, END_HEADERS, 2, BLOCK), PROTOCOL_ERROR),
    "5.5 unknown within a block": (
        frame(HEADERS, 0, 3, BLOCK) + frame(UNKNOWN, 0, 0, b"x"),
        PROTOCOL_ERROR,
    ),
    "6.1 no stream": (frame(DATA, 0, 0, b"x"), PROTOCOL_ERROR),
    "6.1 padding": (frame(DATA, PADDED, 1, b"\x05abcd"), PROTOCOL_ERROR),
    "6.2 no stream": (frame(HEADERS, END_HEADERS, 0, BLOCK), PROTOCOL_ERROR),
    "6.2 padding": (
        frame(HEADERS, END_HEADERS | PADDED, 3, b"\xff" + BLOCK),
        PROTOCOL_ERROR,
    ),
    "6.3 size": (frame(PRIORITY, 0, 3, bytes(4)), FRAME_SIZE_ERROR),
    "6.4 no stream": (frame(RST_STREAM, 0, 0, number(8)), PROTOCOL_ERROR),
    "6.4 size": (frame(RST_STREAM, 0, 1, bytes(3)), FRAME_SIZE_ERROR),
    "6.5 answer with a body": (frame(SETTINGS, ACK, 0, bytes(6)), FRAME_SIZE_ERROR),
    "6.5 of a stream": (frame(SETTINGS, 0, 1, bytes(6)), PROTOCOL_ERROR),
    "6.5 size": (frame(SETTINGS, 0, 0, bytes(5)), FRAME_SIZE_ERROR),
    "6.5.2 push": (setting(SET_PUSH, 2), PROTOCOL_ERROR),
    "6.5.2 window": (setting(SET_WINDOW, 1 << 31), FLOW_CONTROL_ERROR),
    "6.5.2 small frames": (setting(SET_FRAME, 16_383), PROTOCOL_ERROR),
    "6.5.2 large frames": (setting(SET_FRAME, 1 << 24), PROTOCOL_ERROR),
    "6.7 of a stream": (frame(PING, 0, 1, bytes(8)), PROTOCOL_ERROR),
    "6.7 size": (frame(PING, 0, 0, bytes(6)), FRAME_SIZE_ERROR),
    "6.8 of a stream": (frame(GOAWAY, 0, 1, bytes(8)), PROTOCOL_ERROR),
    "6.9 nothing": (frame(WINDOW_UPDATE, 0, 0, number(0)), PROTOCOL_ERROR),
    "6.9 nothing for a stream": (
        frame(WINDOW_UPDATE, 0, 1, number(0)),
        PROTOCOL_ERROR,
    ),
    "6.9 size": (frame(WINDOW_UPDATE, 0, 0, bytes(3)), FRAME_SIZE_ERROR),
    "6.9.1 overflow": (
        frame(WINDOW_UPDATE, 0, 0, number(WINDOW_MAX)),
        FLOW_CONTROL_ERROR,
    ),
    "6.10 no stream": (frame(CONTINUATION, END_HEADERS, 0, BLOCK), PROTOCOL_ERROR),
    "6.10 after the end": (
        frame(HEADERS, END_HEADERS, 3, BLOCK)
        + frame(CONTINUATION, END_HEADERS, 3, b""),
        PROTOCOL_ERROR,
    ),
    "8.4 push": (
        frame(PUSH_PROMISE, END_HEADERS, 1, number(2) + BLOCK),
        PROTOCOL_ERROR,
    ),
    "7541-2.3.3 index": (frame(HEADERS, END_HEADERS, 3, b"\xfe"), COMPRESSION_ERROR),
    "7541-5.2 padding": (
        frame(HEADERS, END_HEADERS, 3, b"\x00\x84\xff\xff\xff\xff\x01x"),
        COMPRESSION_ERROR,
    ),
    "7541-6.1 index 0": (frame(HEADERS, END_HEADERS, 3, b"\x80"), COMPRESSION_ERROR),
    "7541-4.2 size late": (
        frame(HEADERS, END_HEADERS, 3, BLOCK + b"\x20"),
        COMPRESSION_ERROR,
    ),
    "7541-6.3 size": (
        frame(HEADERS, END_HEADERS, 3, b"\x3f\xff\xff\x03" + BLOCK),
        COMPRESSION_ERROR,
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_an_error_of_the_connection(reached: Reached, peer: Peer, what: str) -> None:
    wrong, code = WRONG[what]
    peer.send(peer.open(1, HOLD_STREAM))
    reached.door.wait_for(_front.CALL)
    given = reached.front.counters()["calls_given"]
    peer.send(wrong)
    goodbye = [got for got in peer.read_to_end() if got.kind == GOAWAY][-1]
    assert int.from_bytes(goodbye.body[4:8], "big") == code
    peer.socket.close()
    assert reached.door.wait_for(_front.ENDED)[2] == "connection"
    assert reached.door.wait_for(_front.DISCONNECT)[2] == "protocol"
    assert reached.front.counters()["calls_given"] == given
    is_served(reached)


def test_priorities_are_off(peer: Peer) -> None:
    """No tree of streams is kept; frames about it say nothing, and are counted."""
    off = b"\0\x09\0\0\0\x01"
    assert off in peer.read_until(SETTINGS).body
    peer.send(frame(PRIORITY, 0, 0, bytes(5)), frame(PRIORITY, 0, 9, bytes(5)))
    peer.echo()


def test_a_preface_that_is_none(reached: Reached) -> None:
    with open_tls(reached.port, reached.credentials()) as raw:
        raw.sendall(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n")
        while raw.recv(1 << 16):
            pass
    assert reached.door.wait_for(_front.DISCONNECT)[2] == "protocol"


# --- what ends one stream ------------------------------------------------------------


def call(*more: bytes, path: bytes = field(b":path", ECHO.encode())) -> bytes:
    """A header block with something wrong in it, or left out."""
    block = field(b":method", b"POST") + field(b":scheme", b"https") + path
    return block + b"".join(more) + field(b"content-type", b"application/grpc")


BAD_CALLS = {
    "8.2.1 capitals": call(field(b"X-Trace", b"1")),
    "8.2.1 newline": call(field(b"trace", b"a\nb")),
    "8.2.2 connection": call(field(b"connection", b"keep-alive")),
    "8.2.2 te": call(field(b"te", b"trailers, deflate")),
    "8.3 unknown": call(field(b":test", b"ok")),
    "8.3 of a response": call(field(b":status", b"200")),
    "8.3 late": call(field(b"x", b"y"), field(b":authority", b"localhost")),
    "8.3.1 no path": call(path=b""),
    "8.3.1 empty path": call(path=field(b":path", b"")),
    "8.3.1 two paths": call(field(b":path", ECHO.encode())),
    "8.3.1 two methods": call(field(b":method", b"POST")),
    "8.3.1 two schemes": call(field(b":scheme", b"https")),
    "8.3.1 no method": field(b":scheme", b"https") + field(b":path", ECHO.encode()),
    "8.3.1 no scheme": field(b":method", b"POST") + field(b":path", ECHO.encode()),
}


@pytest.mark.parametrize("what", BAD_CALLS)
def test_a_malformed_call_is_reset(reached: Reached, peer: Peer, what: str) -> None:
    peer.echo(1)
    given = reached.front.counters()["calls_given"]
    peer.send(frame(HEADERS, END_HEADERS, 3, BAD_CALLS[what]))
    peer.send(peer.data(3, message(b"not to be seen"), last=True))
    assert peer.read_until(RST_STREAM, 3).number == PROTOCOL_ERROR
    peer.answered()
    assert reached.front.counters()["calls_given"] == given
    assert reached.front.counters()["calls_open"] == 0
    peer.echo(5)


LENGTH = (b"content-length", b"%d" % len(message(b"abc")))
BAD_BODIES = {
    "8.1.1 less than said": frame(DATA, END_STREAM, 3, message(b"ab")),
    "8.1.1 more than said": frame(DATA, END_STREAM, 3, message(b"abcd")),
    "8.1.1 more in two frames": frame(DATA, 0, 3, message(b"abc"))
    + frame(DATA, END_STREAM, 3, b"d"),
    "8.1 headers again": frame(DATA, 0, 3, message(b"abc"))
    + frame(HEADERS, END_HEADERS, 3, field(b"x", b"y")),
    "8.1 pseudo field in trailers": frame(DATA, 0, 3, message(b"abc"))
    + frame(HEADERS, END_HEADERS | END_STREAM, 3, field(b":path", b"/")),
    "6.9.1 overflow": frame(WINDOW_UPDATE, 0, 3, number(WINDOW_MAX)) * 2,
}


@pytest.mark.parametrize("what", BAD_BODIES)
def test_a_malformed_body_is_reset(reached: Reached, peer: Peer, what: str) -> None:
    peer.echo(1)
    given = reached.front.counters()["calls_given"]
    peer.send(peer.open(3, ECHO, LENGTH), BAD_BODIES[what])
    code = FLOW_CONTROL_ERROR if "overflow" in what else PROTOCOL_ERROR
    assert peer.read_until(RST_STREAM, 3).number == code
    peer.answered()
    assert reached.front.counters()["calls_given"] == given
    peer.echo(5)


def test_a_reset_of_the_server_is_told_to_the_handler(
    reached: Reached, peer: Peer
) -> None:
    overflow = frame(WINDOW_UPDATE, 0, 1, number(WINDOW_MAX)) * 2
    peer.send(peer.open(1, HOLD_STREAM))
    told = reached.door.wait_for(_front.CALL)[1]
    peer.send(overflow)
    ended = reached.door.wait_for(_front.ENDED)
    assert (ended[1], ended[2]) == (told, "peer_reset")


@pytest.mark.parametrize(
    "late",
    [
        frame(DATA, 0, 1, b"x"),
        frame(HEADERS, END_HEADERS | END_STREAM, 1, BLOCK),
        frame(CONTINUATION, END_HEADERS, 1, BLOCK),
    ],
    ids=["data", "headers", "continuation"],
)
def test_more_after_the_end_of_a_stream(
    reached: Reached, peer: Peer, late: bytes
) -> None:
    """5.1: the stream or its connection ends, and the call is none the wiser."""
    peer.send(peer.call(1, HOLD, b"whole"))
    told = reached.door.wait_for(_front.CALL)
    assert told[8] == b"whole"
    peer.send(late)
    seen: list[Frame] = []
    while not seen or (seen[-1].kind not in (RST_STREAM, GOAWAY)):
        got = peer.read()
        assert got is not None
        seen.append(got)
    assert seen[-1].number in (STREAM_CLOSED, PROTOCOL_ERROR) or (
        int.from_bytes(seen[-1].body[4:8], "big") in (STREAM_CLOSED, PROTOCOL_ERROR)
    )
    assert reached.door.wait_for(_front.ENDED)[1] == told[1]
    is_served(reached)


# --- what our callbacks decide -------------------------------------------------------


@bounds(calls_connection_max=3)
def test_there_are_as_many_streams_as_the_settings_say(
    reached: Reached, peer: Peer
) -> None:
    """5.1.2: who has not read them yet is refused one stream, and may try it again;
    who has answered them and opens more breaks the protocol.
    """
    peer.send(*(peer.open(stream, HOLD_STREAM) for stream in (1, 3, 5, 7)))
    first = peer.read_until(SETTINGS)
    names = {first.body[at : at + 2]: first.body[at + 2 : at + 6] for at in (0, 6, 12)}
    assert names[SET_STREAMS.to_bytes(2, "big")] == number(3)
    assert names[SET_WINDOW.to_bytes(2, "big")] == number(WINDOW_BYTES)
    refused = peer.read_until(RST_STREAM)
    assert (refused.stream, refused.number) == (7, REFUSED_STREAM)
    calls = [reached.door.wait_for(_front.CALL)[1] for _ in range(3)]
    reached.front.finish(calls[0], 0, "", b"")
    assert peer.status(1) == 0
    peer.echo(9)
    peer.send(peer.open(11, HOLD_STREAM), peer.open(13, HOLD_STREAM))
    goodbye = [got for got in peer.read_to_end() if got.kind == GOAWAY][-1]
    assert int.from_bytes(goodbye.body[4:8], "big") == PROTOCOL_ERROR
    is_served(reached)


def test_what_nobody_knows_is_passed_over(peer: Peer) -> None:
    """4.1, 5.5, 6.5.2, 7: kinds of frames, flags, settings and codes to come."""
    peer.send(
        frame(UNKNOWN, 0xFF, 0, b"for later"),
        frame(UNKNOWN, 0, 77, b"for later"),
        setting(0x2A2A, 7),
        frame(PING, 0xFE, 0, b"answer!!"),
    )
    assert peer.read_until(PING).body == b"answer!!"
    peer.send(peer.open(1, HOLD_STREAM), frame(RST_STREAM, 0, 1, number(NO_SUCH_CODE)))
    # The reserved bit of a stream's number is nobody's, and flags that are not defined.
    whole = frame(HEADERS, END_HEADERS, 3 | 1 << 31, BLOCK)
    peer.send(whole, frame(DATA, END_STREAM | 0xF0, 3, message(b"known")))
    assert peer.read_until(DATA, 3).body == message(b"known")


def test_a_call_in_pieces_with_padding_and_a_priority(peer: Peer) -> None:
    """6.1, 6.2, 6.10: all that a block of headers may be, and a body."""
    block = fields(ECHO)
    priority = number(1 << 31) + b"\x0f"
    first = b"\x03" + priority + block[:5] + bytes(3)
    body = message(b"padded")
    peer.send(
        frame(PRIORITY, 0, 1, number(0) + b"\xff"),
        frame(HEADERS, PADDED | WITH_PRIORITY, 1, first),
        frame(CONTINUATION, 0, 1, block[5:9]),
        frame(CONTINUATION, 0, 1, b""),
        frame(CONTINUATION, END_HEADERS, 1, block[9:]),
        frame(DATA, PADDED, 1, b"\x00" + body[:3]),
        frame(DATA, PADDED, 1, b"\x04" + bytes(4)),
        frame(DATA, PADDED | END_STREAM, 1, b"\xff" + body[3:] + bytes(255)),
    )
    assert peer.read_until(DATA, 1).body == body
    assert peer.status(1) == 0


@pytest.mark.parametrize("known", [b"x-sum", b"grpc-timeout"])
def test_trailers_end_a_request_and_say_nothing(peer: Peer, known: bytes) -> None:
    """8.1. What would refuse the call in its headers is not looked at any more."""
    peer.send(
        peer.open(1, ECHO),
        peer.data(1, message(b"with trailers")),
        frame(HEADERS, END_HEADERS | END_STREAM, 1, field(known, b"no number")),
    )
    assert peer.read_until(DATA, 1).body == message(b"with trailers")
    assert peer.status(1) == 0


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"PUT", b"OPTIONS", b"CONNECT"])
def test_other_methods_are_answered_as_http(peer: Peer, method: bytes) -> None:
    """8.3, 8.5: a tunnel is no call either, and has no path."""
    block = field(b":method", method) + field(b":authority", b"localhost")
    if method != b"CONNECT":
        block += field(b":scheme", b"https") + field(b":path", ECHO.encode())
    peer.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, block))
    got = peer.read_until(HEADERS, 1)
    assert b"405" in got.body
    assert got.flags & END_STREAM
    peer.echo(3)


def test_a_goodbye_of_the_peer_waits_for_its_calls(
    reached: Reached, peer: Peer
) -> None:
    """6.8: also one with a code that nobody knows."""
    peer.send(peer.call(1, HOLD), frame(GOAWAY, 0, 0, number(0) + number(NO_SUCH_CODE)))
    told = reached.door.wait_for(_front.CALL)[1]
    peer.answered()
    reached.front.reply(told, b"after the goodbye")
    assert peer.read_until(DATA, 1).body == message(b"after the goodbye")
    assert peer.status(1) == 0
    peer.read_to_end()
    assert reached.door.wait_for(_front.DISCONNECT)


# --- windows -------------------------------------------------------------------------


@bounds(connection_bytes_max=2 * WINDOW_BYTES)
@pytest.mark.parametrize("what", ["refused", "not grpc", "reset", "padding"])
def test_what_is_thrown_away_is_given_back(
    reached: Reached, peer: Peer, what: str
) -> None:
    """5.2, 6.1, 6.9: or the connection would dry up after its window's bytes."""
    path = {"refused": CLOSED_STREAM, "not grpc": ECHO}.get(what, HOLD_STREAM)
    opens = [(b"content-type", b"text/html")] if what == "not grpc" else []
    flags, body, count = 0, bytes(16_000), 3
    if what == "padding":
        flags, body, count = PADDED, b"\xff" + bytes(255), 180
    peer.answered()
    sent = given = 0
    for stream in range(1, 25, 2):
        block = fields(path, *opens, grpc=not opens)
        peer.send(frame(HEADERS, END_HEADERS, stream, block))
        if what == "reset":
            peer.send(frame(RST_STREAM, 0, stream, number(CANCEL)))
        peer.send(frame(DATA, flags, stream, body) * count)
        sent += len(body) * count
        while sent - given >= WINDOW_BYTES:
            given += peer.read_until(WINDOW_UPDATE, 0).number
    assert sent > 4 * 2 * WINDOW_BYTES
    peer.echo(25)


@pytest.fixture
def narrow(request: pytest.FixtureRequest, reached: Reached) -> Iterator[Peer]:
    window: int = request.param
    with Peer(reached.port, reached.credentials(), window=window) as peer:
        yield peer


@pytest.mark.parametrize("narrow", [1], indirect=True)
def test_a_byte_at_a_time_of_the_answer(narrow: Peer) -> None:
    """6.9.1: never more than the peer has room for."""
    body = message(b"slow")
    narrow.send(narrow.call(1, ECHO, b"slow"))
    got = b""
    while got != body:
        one = narrow.read_until(DATA, 1).body
        assert len(one) == 1
        got += one
        assert body.startswith(got)
        narrow.send(frame(WINDOW_UPDATE, 0, 1, number(1)))
    assert narrow.status(1) == 0


@pytest.mark.parametrize("narrow", [0], indirect=True)
def test_settings_open_the_windows_of_calls_under_way(narrow: Peer) -> None:
    """6.9.2."""
    narrow.send(narrow.call(1, ECHO, b"held"))
    narrow.read_until(HEADERS, 1)
    narrow.send(setting(SET_WINDOW, 4))
    assert narrow.read_until(DATA, 1).body == message(b"held")[:4]
    narrow.send(setting(SET_WINDOW, 100))
    assert narrow.read_until(DATA, 1).body == message(b"held")[4:]
    assert narrow.status(1) == 0


@pytest.mark.parametrize("narrow", [4], indirect=True)
def test_a_window_can_be_less_than_nothing(narrow: Peer) -> None:
    """6.9.2: what was sent counts against a window that became smaller."""
    narrow.send(narrow.call(1, ECHO, b"held"))
    assert narrow.read_until(DATA, 1).body == message(b"held")[:4]
    narrow.send(setting(SET_WINDOW, 1))
    narrow.send(frame(WINDOW_UPDATE, 0, 1, number(3)))
    narrow.answered()
    assert narrow.seen[-1].kind == PING, "more than there was room for"
    narrow.send(frame(WINDOW_UPDATE, 0, 1, number(2)))
    assert narrow.read_until(DATA, 1).body == message(b"held")[4:6]


def test_the_answers_headers_need_no_table(reached: Reached, peer: Peer) -> None:
    """7541-4.2: the peer's table has no room, then some, then none again."""
    for stream, size in ((1, 0), (3, 4_096), (5, 0), (7, 1 << 31)):
        peer.send(setting(SET_TABLE, size))
        peer.echo(stream)
    is_served(reached)
