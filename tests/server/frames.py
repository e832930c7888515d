"""A peer of the front door that sends whatever frames a test wants.

It knows as little of HTTP/2 as that takes: frames by hand, headers not compressed, and
of what the server sends only what stands in a frame's head, and a status.
"""

import contextlib
import socket
import ssl
import struct
from dataclasses import dataclass
from typing import Self

from switch.credentials import Credentials
from tests.server.door import METHODS, WAIT_S, Reached

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = 0, 1, 2, 3, 4
PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8
NO_ERROR, CANCEL, ENHANCE_YOUR_CALM = 0, 8, 11
ECHO, COUNT, CHAT, HOLD, HOLD_STREAM, CLOSED, CLOSED_STREAM = (
    path for path, _ in METHODS
)
"""The paths of the door's methods."""
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
WINDOW_MAX = (1 << 31) - 1
RECORD = b"\x16\x03\x01\x02\x00\x01"
"""The first bytes of a ClientHello that does not come."""
STATUS = bytes.fromhex("9acac8b21234da8f")
"""`grpc-status`, as HPACK's code for letters shortens it."""


@dataclass(frozen=True)
class Frame:
    kind: int
    flags: int
    stream: int
    body: bytes

    @property
    def number(self) -> int:
        """The number that the frame's last four bytes are."""
        return int.from_bytes(self.body[-4:], "big")

    @property
    def status(self) -> int | None:
        """The gRPC status in a block of headers."""
        at = self.body.find(STATUS)
        if self.kind != HEADERS or at < 0:
            return None
        size = self.body[at + len(STATUS)]
        return int(self.body[at + len(STATUS) + 1 :][:size])


def frame(kind: int, flags: int, stream: int, body: bytes = b"") -> bytes:
    size = len(body)
    head = struct.pack(">HBBBI", size >> 8, size & 0xFF, kind, flags, stream)
    return head + body


def field(name: bytes, value: bytes) -> bytes:
    """A header that enters no table."""

    def text(one: bytes) -> bytes:
        size = len(one)
        if size < 127:
            return bytes([size]) + one
        size -= 127
        digits = b"\x7f"
        while size >= 128:
            digits += bytes([size % 128 | 128])
            size //= 128
        return digits + bytes([size]) + one

    return b"\x00" + text(name) + text(value)


def fields(path: str, *more: tuple[bytes, bytes], grpc: bool = True) -> bytes:
    """The headers of a call."""
    usual = [(b":method", b"POST"), (b":scheme", b"https"), (b":path", path.encode())]
    usual += [(b":authority", b"localhost")]
    if grpc:
        usual += [(b"te", b"trailers"), (b"content-type", b"application/grpc")]
    return b"".join(field(*one) for one in [*usual, *more])


def message(body: bytes, flag: int = 0) -> bytes:
    return bytes([flag]) + len(body).to_bytes(4, "big") + body


def open_tls(
    port: int, credentials: Credentials, *, ipv6: bool = False, alpn: str = "h2"
) -> ssl.SSLSocket:
    """A TLS connection without a word of HTTP/2."""
    context = ssl.create_default_context(cafile=str(credentials.authority))
    context.load_cert_chain(credentials.certificate, credentials.key)
    if alpn:
        context.set_alpn_protocols([alpn])
    plain = socket.create_connection(("::1" if ipv6 else "127.0.0.1", port), WAIT_S)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        return context.wrap_socket(plain, server_hostname="localhost")
    except BaseException:
        plain.close()
        raise


class Peer:
    """One connection; what it does not read stays in the socket."""

    def __init__(
        self,
        port: int,
        credentials: Credentials,
        *,
        ipv6: bool = False,
        window: int = WINDOW_MAX,
    ) -> None:
        self.socket = open_tls(port, credentials, ipv6=ipv6)
        self._in = b""
        self.seen: list[Frame] = []
        # No table, so that a block of headers can be read alone.
        settings = struct.pack(">HIHI", 1, 0, 4, window)
        start = PREFACE + frame(SETTINGS, 0, 0, settings)
        if window > 65_535:
            start += frame(
                WINDOW_UPDATE, 0, 0, (WINDOW_MAX - 65_535).to_bytes(4, "big")
            )
        self.socket.sendall(start)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_unused: object) -> None:
        self.socket.close()

    def send(self, *frames: bytes) -> None:
        self.socket.sendall(b"".join(frames))

    def open(self, stream: int, path: str, *more: tuple[bytes, bytes]) -> bytes:
        """The frame that opens a call."""
        return frame(HEADERS, END_HEADERS, stream, fields(path, *more))

    def data(self, stream: int, body: bytes, *, last: bool = False) -> bytes:
        """Frames of at most 16 KiB."""
        pieces = [body[at : at + 16_384] for at in range(0, len(body), 16_384)] or [b""]
        ends = [END_STREAM if last else 0]
        flags = [0] * (len(pieces) - 1) + ends
        return b"".join(
            frame(DATA, flag, stream, piece)
            for flag, piece in zip(flags, pieces, strict=True)
        )

    def call(self, stream: int, path: str, body: bytes = b"") -> bytes:
        """The frames of a whole unary call."""
        return self.open(stream, path) + self.data(stream, message(body), last=True)

    def read(self) -> Frame | None:
        """The next frame but answers to settings; None at the end."""
        while True:
            if len(self._in) >= 9:
                size = int.from_bytes(self._in[:3], "big")
                if len(self._in) >= 9 + size:
                    kind, flags, stream = struct.unpack(">BBI", self._in[3:9])
                    got = Frame(kind, flags, stream, self._in[9 : 9 + size])
                    self._in = self._in[9 + size :]
                    self.seen.append(got)
                    if got.kind == SETTINGS and not got.flags & ACK:
                        with contextlib.suppress(OSError):
                            self.send(frame(SETTINGS, ACK, 0))
                    return got
            try:
                more = self.socket.recv(1 << 16)
            except (ConnectionError, ssl.SSLError):
                return None
            if not more:
                return None
            self._in += more

    def read_until(self, kind: int, stream: int | None = None) -> Frame:
        """Read up to the frame that is waited for."""
        while True:
            got = self.read()
            assert got is not None, f"ended, after {self.seen[-5:]}"
            if got.kind == kind and stream in (None, got.stream):
                return got

    def status(self, stream: int) -> int:
        """Read up to a call's trailers; their status."""
        while True:
            got = self.read_until(HEADERS, stream)
            if got.status is not None:
                return got.status

    def read_to_end(self) -> list[Frame]:
        """Read until the server ends the connection."""
        while self.read() is not None:
            pass
        return self.seen

    def answered(self) -> None:
        """Wait until the server has read what was sent: it answers a PING in order."""
        mark = b"answered"
        self.send(frame(PING, 0, 0, mark))
        while self.read_until(PING).body != mark:
            pass

    def last_words(self) -> int | None:
        """Read to the end; with which error the server ended the connection."""
        away = [got for got in self.read_to_end() if got.kind == GOAWAY]
        return int.from_bytes(away[-1].body[4:8], "big") if away else None

    def echo(self, stream: int = 1, body: bytes = b"still served") -> None:
        """Call, and be answered."""
        self.send(self.call(stream, ECHO, body))
        assert self.read_until(DATA, stream).body == message(body)
        assert self.status(stream) == 0


def is_served(reached: Reached) -> None:
    """Whoever else comes is answered."""
    with Peer(reached.port, reached.credentials()) as peer:
        peer.echo()
