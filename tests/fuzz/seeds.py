"""Inputs that the fuzz targets begin with: made here, the same each time.

`python -m tests.fuzz.seeds FOLDER` writes them, a folder for each target. What was
found once stands in `tests/fuzz/found` as hexadecimal text and is written with them.
"""

import itertools
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

from switch.audit.crc import crc32c
from switch.codes import Kind, Record
from tests.core import wire
from tests.core.chunks import HEAD
from tests.flags import RowFlag
from tests.fuzz import camt
from tests.records import ROW_BYTES, ROW_FIELDS

FOUND = Path(__file__).resolve().parent / "found"
DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, UPDATE, CONTINUATION = (
    0,
    1,
    3,
    4,
    6,
    7,
    8,
    9,
)
END_STREAM, END_HEADERS = 1, 4
PATHS = (
    "/f/Unary",
    "/f/Server",
    "/f/Bidi",
    "/h/Payment",
    "/h/Basket",
    "/h/Batch",
    "/h/Stream",
)

Seeds = Iterator[tuple[str, bytes]]


# --- HTTP/2 ---------------------------------------------------------------------------


def frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    """A frame with its head."""
    return (
        len(content).to_bytes(3, "big")
        + struct.pack(">BBI", kind, flags, stream)
        + content
    )


def field(name: str, value: str, first: int = 0x00) -> bytes:
    """A header field that is spelled out; `first` 0x40: it goes into the table."""
    return (
        bytes([first, len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
    )


def block(path: str, *more: tuple[str, str], first: int = 0x00) -> bytes:
    """The header fields of a call."""
    fields = [
        (":method", "POST"),
        (":scheme", "https"),
        (":path", path),
        (":authority", "localhost"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        *more,
    ]
    return b"".join(field(name, value, first) for name, value in fields)


def message(body: bytes) -> bytes:
    """A message as gRPC frames it."""
    return b"\0" + struct.pack(">I", len(body)) + body


def call(
    stream: int, path: str, body: bytes = b"\x22hello", first: int = 0x00
) -> bytes:
    """A call of one message."""
    return frame(HEADERS, END_HEADERS, stream, block(path, first=first)) + frame(
        DATA, END_STREAM, stream, message(body)
    )


def http2_seeds() -> Seeds:
    """Two bytes of options, and frames."""
    begin = frame(SETTINGS, 0, 0, b"") + frame(SETTINGS, 1, 0, b"")
    for path in PATHS:
        yield path.rpartition("/")[2].lower(), b"\0\1" + begin + call(1, path)
    for step in range(1, 4):
        yield (
            f"step_{step}",
            bytes([step, 2]) + begin + call(1, "/f/Bidi") + call(3, "/h/Batch"),
        )
    table = b"".join(call(stream, "/f/Unary", first=0x40) for stream in (1, 3))
    again = bytes([0x80 | 62 + index for index in range(6)])
    yield (
        "table",
        b"\0\3" + begin + table + frame(HEADERS, END_HEADERS | END_STREAM, 5, again),
    )
    sizes = b"\x20" + bytes([0x3F, 0xE1, 0x1F]) + block("/f/Server")
    yield "table_sizes", b"\0\4" + begin + frame(HEADERS, 5, 1, sizes)
    long = block("/f/Bidi", ("more", "x" * 100))
    pieces = [long[at : at + 40] for at in range(0, len(long), 40)]
    cut = frame(HEADERS, 0, 1, pieces[0])
    for index, piece in enumerate(pieces[1:], 2):
        cut += frame(CONTINUATION, END_HEADERS * (index == len(pieces)), 1, piece)
    yield "continuation", b"\1\5" + begin + cut + frame(DATA, 1, 1, message(b""))
    control = frame(PING, 0, 0, b"12345678") + frame(UPDATE, 0, 0, b"\0\1\0\0")
    control += frame(UPDATE, 0, 1, b"\0\0\1\0") + frame(RESET, 0, 1, b"\0\0\0\x08")
    control += frame(GOAWAY, 0, 0, bytes(8)) + frame(2, 0, 1, b"\0\0\0\3\x10")
    control += frame(SETTINGS, 0, 0, b"\0\x04\0\0\0\x10" + b"\0\x05\0\1\0\0")
    yield "control", b"\0\6" + begin + call(1, "/f/Bidi") + control
    deaf = call(1, "/f/Unary") + call(3, "/f/Server") + call(5, "/f/Bidi")
    yield "deaf", b"\4\7" + begin + deaf * 2
    yield "timers", b"\x10\x08" + begin + frame(HEADERS, 4, 1, block("/f/Unary"))
    odd = [
        ("grpc-timeout", "1m"),
        ("payswitch-session-bin", "AAAA,AA=="),
        ("min-sequence", "7"),
    ]
    yield "metadata", b"\0\x09" + begin + frame(HEADERS, 5, 1, block("/f/Unary", *odd))
    many = frame(DATA, 0, 1, message(b"a") * 30)
    yield "stream", b"\2\x0a" + begin + frame(HEADERS, 4, 1, block("/h/Stream")) + many
    yield (
        "padded",
        b"\0\x0b"
        + begin
        + frame(HEADERS, 4, 1, block("/f/Unary"))
        + frame(DATA, 9, 1, b"\x03" + message(b"x") + bytes(3)),
    )


# --- framing --------------------------------------------------------------------------


def step(what: int, how: int = 0, *more: int) -> bytes:
    """A step of framing.c."""
    return bytes([what << 5 | how, *more])


def sends(call_: int, content: bytes) -> bytes:
    """Bytes of a call."""
    return step(1, call_, len(content)) + content


def framing_seeds() -> Seeds:
    """A byte of how large pieces are, and steps."""
    for size in range(4):
        begin = bytes([size]) + step(0, 0) + step(0, 2)
        own = step(2, 0, 3) + step(3, 0)
        stream = (
            step(4, 1) + step(2, 1, 1) + step(2, 1, 200) + step(4, 1) + step(2, 1, 0)
        )
        yield f"pieces_{size}", begin + own + stream + step(3, 1) + step(4, 1) * 2
    bidi = b"\0" + step(0, 2)
    three = message(b"one") + message(b"") + message(b"three")
    yield (
        "split",
        bidi + b"".join(sends(0, three[at : at + 2]) for at in range(0, len(three), 2)),
    )
    yield "unwanted", bidi + step(2, 0, 255) * 4 + step(4) * 3 + step(6)
    yield "compressed", bidi + step(4) + sends(0, b"\1" + message(b"x")[1:])
    yield "flag", bidi + step(4) + sends(0, b"\2" + message(b"x")[1:])
    yield "huge", bidi + step(4) + sends(0, b"\0\xff\xff\xff\xff")
    yield "cut", bidi + step(4) + sends(0, message(b"hello")[:7]) + step(3) + step(4)
    yield "second", b"\0" + step(0, 0) + step(2, 0, 1) * 2 + step(3)
    yield "none", b"\0" + step(0, 0) + step(3)
    yield (
        "late",
        b"\0" + step(0, 1) + sends(0, message(b"hello")[:6]) + step(5, 31) * 12,
    )
    yield "given_up", bidi + sends(0, three) + step(7) + step(4)
    yield (
        "four",
        b"\1"
        + b"".join(step(0, index % 3) + step(2, index, index) for index in range(4))
        + b"".join(step(3, index) + step(4, index) for index in range(4)),
    )


# --- TLS ------------------------------------------------------------------------------


def tls_seeds() -> Seeds:
    """A byte of what the client is, and steps of tls.c."""
    go = step(0) * 4
    for options in (0, 1, 2, 3, 4, 8, 12, 0x10, 0x21, 0x30):
        yield f"client_{options:02x}", bytes([options]) + go + step(6, 1) + go
    for flight in range(4):
        before = step(0) * flight
        for version in (0, 1):
            name = f"{flight}_{version}"
            client = bytes([version])
            yield f"changed_{name}", client + before + step(1, 0, 0, 40, 1) + go
            yield f"cut_{name}", client + before + step(2, 0, 60) + go
            yield f"twice_{name}", client + before + step(3) + go
            yield f"behind_{name}", client + before + step(4) + go
            alert = b"\x15\x03\x03\0\2\1\0"
            yield (
                f"before_{name}",
                client + before + step(5, 0, len(alert)) + alert + go,
            )
    for how in (4, 5, 29):
        yield f"keys_{how}", b"\0" + step(0) * 3 + step(6, how) + go + step(6, 0) + go
    yield "last_word", b"\0" + step(0) * 3 + step(6, 2) + go
    yield "hangs_up", b"\0" + step(0) * 3 + step(6, 3) + go
    yield "many", b"\x10" + step(0) * 3 + step(6, 25) * 3 + go
    yield "time", b"\0" + step(0) * 3 + step(7, 31) * 20 + go


# --- the core -------------------------------------------------------------------------

INSTANCE = b"fuzzed instance\0"
JOURNAL_FORMAT = 5


def payment(*fields: bytes) -> bytes:
    """A payment that is right, and more fields of it."""
    right = wire.data(1, b"i" * 16) + wire.data(2, b"POWER") + wire.scalar(3, 12_345)
    return (
        right
        + wire.data(4, b"BILL-0042")
        + wire.data(6, b"CENTRE-7")
        + b"".join(fields)
    )


def item(code: bytes, count: int) -> bytes:
    """A line of a tariff."""
    return wire.data(13, wire.data(1, code) + wire.scalar(2, count))


def wire_seeds() -> Seeds:
    """Requests of payments."""
    plain = wire.data(1, payment())
    yield "plain", plain
    yield "empty", b""
    yield "two", plain * 2
    yield "basket", wire.data(2, wire.data(1, payment()) * 3) + plain
    numbers = [
        wire.scalar(field_, value)
        for field_, value in ((5, 17), (7, 99), (8, 2), (9, 7))
    ]
    yield "numbers", wire.data(1, payment(*numbers))
    texts = [
        wire.data(10, "বিল".encode()),
        wire.data(11, b"t" * 144),
        wire.data(12, b"h" * 24),
    ]
    yield "texts", wire.data(1, payment(*texts))
    yield "items", wire.data(1, payment(item(b"A", 1), item(b"B-2", 9_999)))
    group = wire.key(20, 3) + wire.scalar(1, 5) + wire.key(20, 4)
    unknown = group + wire.key(21, 1) + bytes(8) + wire.key(22, 5) + bytes(4)
    yield "unknown", unknown + wire.data(1, payment(unknown)) + wire.data(2, unknown)
    yield "padded", wire.data(1, payment(wire.padded(3 << 3, 5) + b"\x05"))
    yield "wrong", wire.data(1, wire.scalar(3, 2**64 - 1) + wire.data(10, b"\xff"))
    yield "many", plain * 40


def pages_seeds() -> Seeds:
    """A byte of what it is, and entries or a page."""
    for width in (0, 7, 8, 0o33, 0o77):
        size = 2 + width % 8 + width // 8 % 8
        for count in (1, 3, 255):
            body = bytes(index * 37 % 251 for index in range(size * count))
            yield f"packed_{width}_{count}", bytes([0, width]) + body
    for high, value in ((0, 0), (20, 13), (64, 40)):
        width = high + 24 + value
        width = 128 if width > 120 else width
        length = (24 + 2 * width // 8 + 16 + 7) // 8 * 8
        head = struct.pack("<4B2Q", 3, high, value, 0, 5, 9)
        page = head + bytes(index * 11 % 256 for index in range(length - 24))
        yield f"page_{high}_{value}", b"\1" + page
        yield (
            f"block_{high}_{value}",
            b"\3" + struct.pack("<H6xI", 1 + length // 8, 0) + page,
        )


def row(sequence: int, kind: int, result: int, **fields: int | bytes) -> bytes:
    """A row of the journal, its check included."""
    values = dict.fromkeys(ROW_FIELDS, 0) | {"id": bytes(16), "reference": bytes(32)}
    values |= {"sequence": sequence, "timestamp": 10**18 + sequence, "kind": kind}
    body = ROW_BYTES.pack(*(values | {"result": result} | fields).values())
    return body + crc32c(body).to_bytes(4, "little")


def chunk(rows: list[bytes], items: dict[int, bytes] | None = None) -> bytes:
    """A chunk of these rows; `items` by the sequences of theirs."""
    tail = b""
    for sequence, text in (items or {}).items():
        head = struct.pack("<QI", sequence, len(text))
        check = crc32c(text, crc32c(head, crc32c(INSTANCE)))
        tail += struct.pack("<II", len(text), check) + text + bytes(-len(text) % 8)
    first = int.from_bytes(rows[0][16:24], "little")
    head = HEAD.pack(
        0x314B4843, JOURNAL_FORMAT, 0, len(rows), len(tail), first, INSTANCE, 3, 1, 0
    )
    check = crc32c(tail, crc32c(b"".join(each[124:] for each in rows), crc32c(head)))
    return head + check.to_bytes(4, "little") + b"".join(rows) + tail


def chunks_seeds() -> Seeds:
    """Chunks with right checks, and some without."""
    paid = [
        row(sequence, Kind.PAY, 1, debit=2, credit=3, amount=5)
        for sequence in range(1, 5)
    ]
    yield "payments", chunk(paid)
    refused = row(1, Kind.PAY, 7, total=5)
    yield "refused", chunk([refused])
    for record in Record:
        text = bytes([record]) + bytes(151)
        registered = row(9, Kind.REGISTER, 1, flags=RowFlag.TAIL, debit=1)
        yield f"record_{record.name.lower()}", chunk([registered], {9: text})
    for kind in Kind:
        lone = row(1, kind, 1, debit=1, credit=1, amount=1, flags=RowFlag.TAIL)
        yield f"kind_{kind.name.lower()}", chunk([lone], {1: bytes(33)})
    whole = chunk(paid)
    yield "cut", whole[:-1]
    yield "format", whole[:4] + b"\x09" + whole[5:]
    yield "flipped", whole[:200] + b"\xff" + whole[201:]
    yield "head", whole[:64]


TARGETS = {
    "camt": camt.seeds,
    "chunks": chunks_seeds,
    "framing": framing_seeds,
    "http2": http2_seeds,
    "pages": pages_seeds,
    "tls": tls_seeds,
    "wire": wire_seeds,
}
"""The seeds of each target; its folder has that name."""


def found(target: str) -> Seeds:
    """What was found once."""
    for path in sorted((FOUND / target).glob("*.hex")):
        yield f"found_{path.stem}", bytes.fromhex(path.read_text())


def write(folder: Path) -> None:
    """Write every corpus anew: what else lies there goes."""
    for target, seeds in TARGETS.items():
        place = folder / target
        place.mkdir(parents=True, exist_ok=True)
        for old in place.iterdir():
            old.unlink()
        for name, content in itertools.chain(seeds(), found(target)):
            (place / name).write_bytes(content)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
