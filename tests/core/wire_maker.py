"""Makes messages for the parser of payments, right and wrong, from a seed.

A message is built field by field out of a stock of encoded fields, and spoilt on the
way: at each of its levels (payment, basket, message) before the length of the next
level is written, so that what is wrong inside stands in a frame that is right, and the
other way round. The same seed makes the same messages.
"""

import random
from collections.abc import Callable

from tests.core import wire
from tests.core.wire import BYTES, FIXED32, FIXED64, GROUP_END, GROUP_START, VARINT

STOCK = 48
"""Encoded forms of each field of a payment."""
FRESH_EVERY = 2_000
"""Messages made of one stock."""
CROWD_EVERY = 4_000
"""One message of so many holds about as many payments as one group may."""
CROWD = 8_190
TEXTS = {1: 16, 2: 16, 4: 32, 6: 32, 10: 64, 11: 144, 12: 24}
"""Fields of bytes, and the longest right value."""
ITEM = 13
"""The field of messages with a code and a count."""
FIELDS = 13
UNKNOWN = (0, 14, 15, 16, 100, 2_047, 2_048, 2**29 - 1)
EDGES = (
    *(0, 1, 2, 3, 7, 8, 127, 128, 16_383, 16_384, 10**18, 10**18 + 1),
    *(2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**32 + 2, 2**63, 2**64 - 1),
)
UTF8 = (
    *(b"note", b"\xc2\x80", b"\xdf\xbf", b"\xe0\xa0\x80", b"\xef\xbf\xbf", b"\x00"),
    *(b"\xf0\x90\x80\x80", b"\xf4\x8f\xbf\xbf", "বিল".encode(), b"\xed\x9f\xbf", b" "),
)
NOT_UTF8 = (
    *(b"\xff", b"\x80", b"\xc0\x80", b"\xc1\xbf", b"\xc2", b"\xc2\x41", b"\xf8\x88"),
    *(b"\xe0\x80\x80", b"\xe0\x9f\xbf", b"\xe2\x82", b"\xed\xa0\x80", b"\xed\xbf\xbf"),
    *(b"\xf0\x80\x80\x80", b"\xf0\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf5\x80\x80"),
)
DEPTHS = (1, 2, 3, 31, 32, 33, 40, 97, 98, 99, 100, 101, 120)


class Maker:
    """Messages without end; `make` gives the next one."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.made = 0
        self.last = b""
        self.fields: list[list[bytes]] = []
        self.odd: list[bytes] = []

    def make(self) -> bytes:
        """The next message."""
        if self.made % FRESH_EVERY == 0:
            self.fields = [
                [self.known(number) for _ in range(STOCK)]
                for number in range(1, FIELDS + 1)
            ]
            self.odd = [self.oddity() for _ in range(STOCK * 4)]
        self.made += 1
        body = self.crowd() if self.made % CROWD_EVERY == 0 else self.message()
        body = self.spoilt(body, 0.25)
        self.last = body
        return body

    # --- levels -------------------------------------------------------------------

    def message(self) -> bytes:
        """A CreatePaymentsRequest of a few payments, baskets and odd fields."""
        random_ = self.rng.random
        parts = []
        for _ in range(1 + int(random_() * random_() * 5)):
            draw = random_()
            if draw < 0.72:
                parts.append(self.framed(1, self.payment()))
            elif draw < 0.87:
                parts.append(self.framed(2, self.basket()))
            else:
                parts.append(self.pick(self.odd))
        return b"".join(parts)

    def basket(self) -> bytes:
        """A Basket, mostly of a few payments, with odd fields between them."""
        draw = self.rng.random()
        if draw < 0.01:
            return self.framed(1, self.pick(self.fields[0])) * self.rng.choice(
                (16, 17, 254, 255, 256, 257, 300)
            )
        parts = [self.framed(1, self.payment()) for _ in range(int(draw * 4))]
        if draw < 0.3:
            parts.insert(int(draw * 10) % (len(parts) + 1), self.pick(self.odd))
        return self.spoilt(b"".join(parts), 0.1)

    def payment(self) -> bytes:
        """A Payment: each field once, or any fields in any order and number."""
        random_ = self.rng.random
        draw = random_()
        if draw < 0.6:
            parts = [stock[int(random_() * STOCK)] for stock in self.fields]
        else:
            parts = [
                self.fields[int(random_() * FIELDS)][int(random_() * STOCK)]
                for _ in range(int(random_() * 8))
            ]
        if draw < 0.1 or draw > 0.8:
            parts.insert(int(random_() * (len(parts) + 1)), self.pick(self.odd))
        return self.spoilt(b"".join(parts), 0.15)

    def crowd(self) -> bytes:
        """About as many payments as a group may have, in a basket or outside."""
        count = CROWD + self.rng.choice((-2, -1, 0, 1, 2, 300))
        basket = self.rng.choice((0, 0, 2, count))
        tiny = self.framed(1, self.pick(self.fields[0]))
        inside = wire.data(2, tiny * basket) if basket else b""
        return inside + tiny * (count - basket)

    # --- fields -------------------------------------------------------------------

    def pick(self, stock: list[bytes]) -> bytes:
        """One of them."""
        return stock[int(self.rng.random() * len(stock))]

    def known(self, number: int) -> bytes:
        """A field of a payment, right, at an edge, wrong, of another type or absent."""
        draw = self.rng.random()
        if draw < 0.08:
            return b""
        if draw < 0.12:
            return self.typed(number, self.rng.randrange(6))
        if number == ITEM:
            count = self.rng.choice((1, 1, 1, 2, 4, 5))
            return b"".join(self.framed(ITEM, self.item()) for _ in range(count))
        if number in TEXTS:
            return self.framed(number, self.text(number))
        return self.key(number, VARINT) + self.number()

    def item(self) -> bytes:
        """A TariffItem, most often one that could be, with odd fields in it."""
        rng = self.rng
        code = rng.choice(
            (b"CERT", b"COPY", b"A-7", b"12345678", b"", b"cert", b"A" * 9)
        )
        if rng.random() < 0.1:
            code = b"".join(rng.choice(UTF8 + NOT_UTF8) for _ in range(2))
        count = rng.choice((1, 2, 7, 9_999, 10_000, 0, *EDGES))
        parts = [self.framed(1, code), self.key(2, VARINT) + wire.varint(count)]
        if rng.random() < 0.2:
            parts.append(self.typed(rng.choice((1, 2, 3)), rng.randrange(6), 4))
        if rng.random() < 0.1:
            rng.shuffle(parts)
        return self.spoilt(b"".join(parts), 0.05)

    def oddity(self, depth: int = 0) -> bytes:
        """A field of any number and type, mostly an unknown one; groups in groups."""
        rng = self.rng
        number = rng.choice(UNKNOWN[1:]) if rng.random() < 0.95 else 0
        if rng.random() < 0.3:
            number = rng.randrange(1, FIELDS + 1)
        if depth == 0 and rng.random() < 0.06:
            return self.pit(number, rng.choice(DEPTHS))
        return self.typed(number, rng.choice((0, 1, 2, 3, 3, 3, 5)), depth)

    def typed(self, number: int, wire_type: int, depth: int = 0) -> bytes:
        """A field of this wire type."""
        rng = self.rng
        start = self.key(number, wire_type)
        if wire_type == VARINT:
            return start + self.number()
        if wire_type == FIXED64:
            return start + rng.randbytes(8)
        if wire_type == FIXED32:
            return start + rng.randbytes(4)
        if wire_type == BYTES:
            packed = b"".join(self.number() for _ in range(rng.randrange(4)))
            return self.framed(number, rng.choice((b"", packed, b"x" * 200)))
        if wire_type == GROUP_END or depth == 5:
            return start
        inner = b"".join(self.oddity(depth + 1) for _ in range(rng.randrange(3)))
        end = number if rng.random() < 0.96 else number + 1
        return (
            start + inner + (self.key(end, GROUP_END) if rng.random() < 0.97 else b"")
        )

    def pit(self, number: int, depth: int) -> bytes:
        """Groups in each other, `depth` of them."""
        start, end = wire.key(number, GROUP_START), wire.key(number, GROUP_END)
        return start * depth + self.pick([b"", b"\x58\x01", b"\x58"]) + end * depth

    def key(self, number: int, wire_type: int) -> bytes:
        """A field's key, now and then written longer than it need be."""
        if self.rng.random() < 0.008:
            wire_type = self.rng.randrange(8)
        return self.padded(number << 3 | wire_type, 0.05, 6)

    def framed(self, number: int, value: bytes) -> bytes:
        """A field of bytes; its length may be wrong, or written too long."""
        size = len(value)
        draw = self.rng.random()
        if draw > 0.02:
            return wire.data(number, value)
        if draw < 0.004:
            size = self.rng.choice((size + 1, max(size - 1, 0), 0, 2**31, 2**32 + size))
        return self.key(number, BYTES) + self.padded(size, 0.7, 6) + value

    def number(self) -> bytes:
        """A varint: edges, anything, and more bits than 64."""
        rng = self.rng
        draw = rng.random()
        if draw < 0.02:
            return b"\xff" * 9 + bytes((rng.choice((0, 1, 2, 3, 0x7F, 0x80, 0xFF)),))
        if draw < 0.45:
            return self.padded(rng.choice(EDGES), 0.1, 10)
        return self.padded(rng.getrandbits(rng.choice((3, 7, 8, 20, 63))), 0.05, 11)

    def padded(self, value: int, chance: float, size_max: int) -> bytes:
        """A varint, by chance with needless bytes behind."""
        if self.rng.random() >= chance:
            return wire.varint(value)
        return wire.padded(value, self.rng.randrange(1, size_max + 1))

    def text(self, number: int) -> bytes:
        """Bytes for a field of text, or for the id."""
        rng = self.rng
        draw = rng.random()
        longest = TEXTS[number]
        if number > 10:
            # A token or a handle: any bytes of any length.
            return rng.randbytes(longest + rng.choice((0, 0, 0, -1, 1, -longest, 300)))
        if number == 1:
            size = rng.choice((16, 16, 16, 0, 1, 15, 17, 255))
            return bytes(size) if draw < 0.1 else rng.randbytes(size)
        if draw < 0.5:
            return rng.choice(
                (b"S001", b"centre-1", b"BILL/2026-03", b"a b", b"~", b"!")
            )
        if draw < 0.75:
            size = longest + rng.choice((-1, 0, 1))
            return bytes(rng.randrange(0x20, 0x7F) for _ in range(size))
        if draw < 0.8:
            return b"x" * rng.choice((254, 255, 256, 257, 511))
        pieces = UTF8 if draw < 0.93 else UTF8 + NOT_UTF8
        return b"".join(rng.choice(pieces) for _ in range(rng.choice((1, 2, 3, 20))))

    # --- spoiling -----------------------------------------------------------------

    def spoilt(self, body: bytes, chance: float) -> bytes:
        """The bytes, by chance changed in one to three ways."""
        random_ = self.rng.random
        while body and random_() < chance:
            body = SPOILERS[int(random_() * len(SPOILERS))](self, body)
        return body

    def place(self, body: bytes) -> int:
        """Somewhere in it, its end included."""
        return int(self.rng.random() * (len(body) + 1))

    def flip(self, body: bytes) -> bytes:
        at = int(self.rng.random() * len(body))
        changed = body[at] ^ 1 << int(self.rng.random() * 8)
        return body[:at] + bytes((changed,)) + body[at + 1 :]

    def write(self, body: bytes) -> bytes:
        at = int(self.rng.random() * len(body))
        value = self.rng.choice((0, 1, 0x7F, 0x80, 0xFF, 0x0A, 0x12, 0x0B, 0x0C))
        return body[:at] + bytes((value,)) + body[at + 1 :]

    def cut(self, body: bytes) -> bytes:
        return body[: self.place(body)]

    def drop(self, body: bytes) -> bytes:
        at = self.place(body)
        return body[:at] + body[at + 1 + int(self.rng.random() * 4) :]

    def repeat(self, body: bytes) -> bytes:
        start, end, at = sorted((self.place(body), self.place(body), self.place(body)))
        return body[:at] + body[start:end] + body[at:]

    def insert(self, body: bytes) -> bytes:
        at = self.place(body)
        odd = self.rng.random() < 0.5 and self.odd
        piece = self.pick(self.odd) if odd else self.number()
        return body[:at] + piece + body[at:]

    def splice(self, body: bytes) -> bytes:
        return body[: self.place(body)] + self.last[-64:][self.place(self.last[-64:]) :]


SPOILERS: tuple[Callable[[Maker, bytes], bytes], ...] = (
    *(Maker.flip, Maker.flip, Maker.write, Maker.cut, Maker.drop, Maker.repeat),
    *(Maker.insert, Maker.splice),
)
