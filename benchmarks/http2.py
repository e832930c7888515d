"""A gRPC client that costs next to nothing: HTTP/2 frames over one mutual TLS socket.

A load generator shares the machine with what it loads. grpcio's own client takes 31
microseconds of processor time for each streamed payment and would measure itself; this
one takes 1. It does what gRPC clients in C++, Go or Java do: messages that are ready
together leave in one frame. It knows as much of HTTP/2 as a gRPC server needs and
treats all else as an error. One thread, no waiting: the caller selects and calls
`turn`.
"""

import contextlib
import socket
import ssl
import struct
from collections import deque
from collections.abc import Callable

from switch.credentials import Credentials

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
CONTINUATION = 9
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8
SET_TABLE_SIZE, SET_PUSH, SET_WINDOW, SET_FRAME = 1, 2, 4, 5

FRAME_HEAD = 9
MESSAGE_HEAD = 5
WINDOW_MAX = (1 << 31) - 1
WINDOW_DEFAULT = 65_535
WINDOW_RENEW = 1 << 29
"""Bytes read after which the peer's window is opened again."""
FRAME_DEFAULT = 16_384
FRAME_MAX = 1 << 17
"""Bytes of one frame that this side sends, whatever more the server would take."""
OUT_MAX = 1 << 18
"""Framed bytes that wait for the socket; beyond it no more is framed."""
READ_SIZE = 1 << 16
CONNECT_TIMEOUT_S = 20.0

_FRAME = struct.Struct(">HBBBI")
_SETTING = struct.Struct(">HI")


class ProtocolError(Exception):
    """The server said something that a benchmark cannot go on after."""


def frame(kind: int, flags: int, stream: int, body: bytes = b"") -> bytes:
    """One frame with its head."""
    size = len(body)
    return _FRAME.pack(size >> 8, size & 0xFF, kind, flags, stream) + body


def literal(name: bytes, value: bytes) -> bytes:
    """A header field that enters the dynamic table, not compressed."""
    return b"\x40" + bytes([len(name)]) + name + bytes([len(value)]) + value


class Call:
    """One stream of a connection."""

    __slots__ = (
        "body",
        "id",
        "last",
        "on_end",
        "on_message",
        "queue",
        "read",
        "window",
    )

    def __init__(
        self,
        number: int,
        window: int,
        on_message: Callable[[bytes], None],
        on_end: Callable[[], None],
    ) -> None:
        self.id = number
        self.window = window
        self.on_message = on_message
        self.on_end = on_end
        self.queue: deque[memoryview] = deque()
        self.last = False
        self.body = bytearray()
        self.read = 0


class Connection:
    """One TLS connection with any number of calls to one method."""

    def __init__(self, address: str, credentials: Credentials, path: str) -> None:
        """Connect and shake hands; blocks. `path` is the method's."""
        host, _, port = address.rpartition(":")
        context = ssl.create_default_context(cafile=str(credentials.authority))
        context.load_cert_chain(credentials.certificate, credentials.key)
        context.set_alpn_protocols(["h2"])
        plain = socket.create_connection((host, int(port)), CONNECT_TIMEOUT_S)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = context.wrap_socket(plain, server_hostname=host)
        if self.socket.selected_alpn_protocol() != "h2":
            raise ProtocolError("the server does not speak HTTP/2")
        self._path = path.encode()
        self._authority = address.encode()
        self._calls: dict[int, Call] = {}
        self._next_id = 1
        self._ready: deque[Call] = deque()
        self._window = WINDOW_DEFAULT
        self._call_window = WINDOW_DEFAULT
        self._frame_max = FRAME_DEFAULT
        self._read = 0
        self._in = bytearray()
        self._out = bytearray(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        # Without a dynamic table on this side, headers need no state to be read.
        settings = _SETTING.pack(SET_TABLE_SIZE, 0) + _SETTING.pack(SET_PUSH, 0)
        settings += _SETTING.pack(SET_WINDOW, WINDOW_MAX)
        settings += _SETTING.pack(SET_FRAME, FRAME_MAX)
        self._out += frame(SETTINGS, 0, 0, settings)
        more = (WINDOW_MAX - WINDOW_DEFAULT).to_bytes(4, "big")
        self._out += frame(WINDOW_UPDATE, 0, 0, more)
        self.socket.setblocking(False)

    def close(self) -> None:
        """Close the socket; calls under way are lost."""
        self.socket.close()

    @property
    def wants_write(self) -> bool:
        """Whether bytes wait for the socket."""
        return bool(self._out)

    def open(
        self, on_message: Callable[[bytes], None], on_end: Callable[[], None]
    ) -> Call:
        """Begin a call. `on_end` is called when the server ended it with OK."""
        call = Call(self._next_id, self._call_window, on_message, on_end)
        self._calls[call.id] = call
        self._out += frame(HEADERS, END_HEADERS, call.id, self._headers())
        self._next_id += 2
        return call

    def send(self, call: Call, messages: memoryview, *, last: bool = False) -> None:
        """Hand over framed messages; `last` closes this side of the call."""
        if not call.queue:
            self._ready.append(call)
        call.queue.append(messages)
        call.last = last

    def finish(self, call: Call) -> None:
        """Close this side of a call after what was sent."""
        call.last = True
        if not call.queue:
            self._out += frame(DATA, END_STREAM, call.id)

    def turn(self) -> None:
        """Read what is there and act on it, then write what can be written."""
        self._receive()
        self.write()

    def write(self) -> None:
        """Write until nothing is left or the socket takes no more."""
        while True:
            self._frame_all()
            if not self._out:
                return
            try:
                size = self.socket.send(self._out)
            except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
                return
            del self._out[:size]

    # --- sending -----------------------------------------------------------------

    def _headers(self) -> bytes:
        # :method POST and :scheme https are in the static table; the rest enters the
        # dynamic one with the first call, newest first from 62.
        if self._next_id > 1:
            return b"\x83\x87\xc1\xc0\xbf\xbe"
        return b"\x83\x87" + b"".join(
            literal(name, value)
            for name, value in (
                (b":path", self._path),
                (b":authority", self._authority),
                (b"te", b"trailers"),
                (b"content-type", b"application/grpc"),
            )
        )

    def _frame_all(self) -> None:
        """Turn queued messages into frames, in turn, as far as the windows go."""
        ready = self._ready
        while ready and self._window and len(self._out) < OUT_MAX:
            call = ready.popleft()
            room = min(self._window, call.window, self._frame_max)
            parts = []
            while call.queue and room:
                part = call.queue[0][:room]
                parts.append(part)
                room -= len(part)
                if len(part) == len(call.queue[0]):
                    call.queue.popleft()
                else:
                    call.queue[0] = call.queue[0][len(part) :]
            if not parts:
                # Its window is shut; the server's update makes it ready again.
                continue
            body = b"".join(parts)
            self._window -= len(body)
            call.window -= len(body)
            ends = call.last and not call.queue
            self._out += frame(DATA, END_STREAM if ends else 0, call.id, body)
            if call.queue and call.window:
                ready.append(call)

    # --- receiving ---------------------------------------------------------------

    def _receive(self) -> None:
        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
            while True:
                content = self.socket.recv(READ_SIZE)
                if not content:
                    raise ProtocolError("the server closed the connection")
                self._in += content
        content = bytes(self._in)
        at = 0
        while len(content) - at >= FRAME_HEAD:
            high, low, kind, flags, number = _FRAME.unpack_from(content, at)
            end = at + FRAME_HEAD + (high << 8 | low)
            if end > len(content):
                break
            self._take(kind, flags, number, content[at + FRAME_HEAD : end])
            at = end
        del self._in[:at]

    def _take(self, kind: int, flags: int, number: int, body: bytes) -> None:
        if kind == DATA and not flags & PADDED:
            self._take_data(self._calls[number], body)
            if flags & END_STREAM:
                raise ProtocolError("the server ended a call without a status")
        elif kind == HEADERS and not flags & PADDED and flags & END_HEADERS:
            self._take_headers(number, body, ends=bool(flags & END_STREAM))
        elif kind == WINDOW_UPDATE:
            self._take_window(number, int.from_bytes(body, "big"))
        elif kind == SETTINGS:
            if not flags & ACK:
                self._take_settings(body)
        elif kind == PING:
            if not flags & ACK:
                self._out += frame(PING, ACK, 0, body)
        else:
            raise ProtocolError(f"frame {kind}, flags {flags}: {body[:200]!r}")

    def _take_data(self, call: Call, body: bytes) -> None:
        self._read += len(body)
        if self._read > WINDOW_RENEW:
            self._out += frame(WINDOW_UPDATE, 0, 0, self._read.to_bytes(4, "big"))
            self._read = 0
        call.read += len(body)
        if call.read > WINDOW_RENEW:
            self._out += frame(WINDOW_UPDATE, 0, call.id, call.read.to_bytes(4, "big"))
            call.read = 0
        waiting = call.body
        waiting += body
        while len(waiting) >= MESSAGE_HEAD:
            end = MESSAGE_HEAD + int.from_bytes(waiting[1:MESSAGE_HEAD], "big")
            if len(waiting) < end:
                break
            if waiting[0]:
                raise ProtocolError("the server compresses, which it was not asked to")
            message = bytes(waiting[MESSAGE_HEAD:end])
            del waiting[:end]
            call.on_message(message)

    def _take_headers(self, number: int, body: bytes, *, ends: bool) -> None:
        if not ends:
            return
        # Never compressed by gRPC's server, and stateless because of the settings.
        if b"grpc-status\x010" not in body:
            raise ProtocolError(f"a call ended with {body!r}")
        call = self._calls.pop(number)
        if call.body or not call.last or call.queue:
            raise ProtocolError("the server ended a call early")
        call.on_end()

    def _take_window(self, number: int, more: int) -> None:
        if number == 0:
            self._window += more
            return
        call = self._calls.get(number)
        if call is None:
            # It has ended.
            return
        if call.window <= 0 < call.window + more and call.queue:
            self._ready.append(call)
        call.window += more

    def _take_settings(self, body: bytes) -> None:
        for name, value in _SETTING.iter_unpack(body):
            if name == SET_WINDOW:
                change = value - self._call_window
                self._call_window = value
                for call in self._calls.values():
                    self._take_window(call.id, change)
            elif name == SET_FRAME:
                self._frame_max = min(value, FRAME_MAX)
        self._out += frame(SETTINGS, ACK, 0)
