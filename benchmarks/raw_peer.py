"""A peer that writes whatever frames it likes: what attackers are made of.

One TLS connection, or one that never gets so far. Frames are bytes; nothing here keeps
to a protocol but what a caller asks for. Every wait has an end.
"""

import contextlib
import select
import socket
import ssl
import struct
import time
from collections.abc import Iterable

from switch.credentials import Credentials

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
WINDOW_UPDATE, CONTINUATION = 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
SET_WINDOW = 4
WINDOW_DEFAULT = 65_535
FRAME_MAX = 16_384
FRAME_HEAD = 9
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
READ_SIZE = 1 << 16
CONNECT_S = 20.0

_FRAME = struct.Struct(">HBBBI")
_SETTING = struct.Struct(">HI")


def frame(kind: int, flags: int, stream: int, body: bytes = b"") -> bytes:
    """One frame with its head."""
    size = len(body)
    return _FRAME.pack(size >> 8, size & 0xFF, kind, flags, stream) + body


def literal(name: bytes, value: bytes) -> bytes:
    """A header field that enters no table, not compressed; sizes below 16 KiB."""
    return b"\x00" + _size(name) + name + _size(value) + value


def _size(text: bytes) -> bytes:
    # A prefix of seven bits, then seven bits a byte.
    left = len(text) - 127
    if left < 0:
        return bytes([len(text)])
    out = bytearray([127])
    while left >= 128:
        out.append(left % 128 + 128)
        left //= 128
    out.append(left)
    return bytes(out)


def call_headers(path: str, more: Iterable[tuple[bytes, bytes]] = ()) -> bytes:
    """The headers of a gRPC call, without a table's help."""
    fields = [
        (b":path", path.encode()),
        (b":authority", b"localhost"),
        (b"te", b"trailers"),
        (b"content-type", b"application/grpc"),
        *more,
    ]
    # :method POST and :scheme https are in the static table.
    return b"\x83\x87" + b"".join(literal(name, value) for name, value in fields)


def message(body: bytes) -> bytes:
    """A gRPC message with its head."""
    return b"\0" + len(body).to_bytes(4, "big") + body


class EndedError(Exception):
    """The other side has closed the connection, or said goodbye."""


class HeldError(Exception):
    """The other side takes no more, and stays."""


def context_of(credentials: Credentials) -> ssl.SSLContext:
    """TLS with this certificate, for any number of connections."""
    context = ssl.create_default_context(cafile=str(credentials.authority))
    context.load_cert_chain(credentials.certificate, credentials.key)
    context.set_alpn_protocols(["h2"])
    return context


def dial(address: str, source: str = "") -> socket.socket:
    """A TCP connection, from an own address of this machine."""
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), CONNECT_S, (source, 0))


class RawPeer:
    """A connection that has shaken hands."""

    def __init__(
        self,
        address: str,
        context: ssl.SSLContext,
        window: int = WINDOW_DEFAULT,
        source: str = "",
    ) -> None:
        """`window`: how much of each answer this side takes. Raises EndedError."""
        self.windows: dict[int, int] = {0: WINDOW_DEFAULT}
        """How much may be sent, by stream; 0 is the connection."""
        self.seen: dict[int, int] = {}
        """Frames that came, by kind."""
        self._stream_window = WINDOW_DEFAULT
        self._in = b""
        try:
            plain = dial(address, source)
            self.socket = context.wrap_socket(plain, server_hostname="127.0.0.1")
            self.socket.setblocking(False)
            self.next_stream = 1
            self.send(PREFACE)
            self.send(frame(SETTINGS, 0, 0, _SETTING.pack(SET_WINDOW, window)))
        except OSError as error:
            raise EndedError from error

    def close(self) -> None:
        """Close it without a word."""
        self.socket.close()

    def send(self, content: bytes, limit_s: float = CONNECT_S) -> None:
        """Write all of it, waiting for room. Raises EndedError, HeldError."""
        view = memoryview(content)
        end_s = time.monotonic() + limit_s
        while view:
            try:
                view = view[self.socket.send(view) :]
            except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
                if time.monotonic() > end_s:
                    raise HeldError from None
                select.select([], [self.socket], [], 0.1)
            except OSError as error:
                raise EndedError from error

    def offer(self, content: bytes) -> int:
        """Write what there is room for now; how much. Raises EndedError."""
        try:
            return self.socket.send(content)
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return 0
        except OSError as error:
            raise EndedError from error

    def call(self, path: str, *, last: bool = False) -> int:
        """Begin a call; its stream."""
        number, self.next_stream = self.next_stream, self.next_stream + 2
        flags = END_HEADERS | (END_STREAM if last else 0)
        self.send(frame(HEADERS, flags, number, call_headers(path)))
        self.windows[number] = self._stream_window
        return number

    def data(self, stream: int, content: bytes, *, last: bool = False) -> int:
        """Send as much as the windows allow now; how much. Raises EndedError."""
        room = min(self.windows[0], self.windows.get(stream, 0), FRAME_MAX)
        part = content[: max(room, 0)]
        ends = END_STREAM if last and len(part) == len(content) else 0
        if part or ends:
            self.send(frame(DATA, ends, stream, part))
            self.windows[0] -= len(part)
            self.windows[stream] -= len(part)
        return len(part)

    def pump(self) -> None:
        """Read what is there; windows open, settings are noted. Raises EndedError."""
        try:
            with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
                while True:
                    content = self.socket.recv(READ_SIZE)
                    if not content:
                        raise EndedError
                    self._in += content
        except OSError as error:
            raise EndedError from error
        while len(self._in) >= FRAME_HEAD:
            high, low, kind, flags, stream = _FRAME.unpack_from(self._in)
            end = FRAME_HEAD + (high << 8 | low)
            if len(self._in) < end:
                return
            self._take(kind, flags, stream, self._in[FRAME_HEAD:end])
            self._in = self._in[end:]

    def _take(self, kind: int, flags: int, stream: int, body: bytes) -> None:
        self.seen[kind] = self.seen.get(kind, 0) + 1
        if kind == GOAWAY:
            raise EndedError
        if kind == WINDOW_UPDATE:
            more = int.from_bytes(body, "big")
            self.windows[stream] = self.windows.get(stream, 0) + more
        elif kind == SETTINGS and not flags & ACK:
            for name, value in _SETTING.iter_unpack(body):
                if name == SET_WINDOW:
                    change = value - self._stream_window
                    self._stream_window = value
                    for one in self.windows:
                        self.windows[one] += change if one else 0
            self.send(frame(SETTINGS, ACK, 0))
