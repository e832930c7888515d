"""Goal: the core's parser takes, refuses and understands what the generated classes do.

Method: seeded messages, with unknown fields, groups, fields of odd types and repeated
scalars strewn in, cut short, or with a byte changed. What both take is written anew by
the generated classes; two ledgers that are given the one and the other must answer and
record the same. Three differences are meant: text that is not UTF-8 is an outcome to
the core (INVALID_NOTE and the like) and a broken message to the generated classes, a
number of more than 64 bits is broken to the core, and operators, tenders, heads and
counts are not cut to 32 bits.
"""

import random
import re
from collections.abc import Iterator

import pytest
from google.protobuf.message import DecodeError

from switch._core import Ledger, Request
from switch.errors import WireError
from switch.v1 import payments_pb2 as pb
from switch.v1 import types_pb2 as types
from tests.core.network import NOW, Network
from tests.core.test_concurrency import make
from tests.core.wire import data, key, scalar

MESSAGES = 3_000
WIDE = re.compile(rb"[\x10\x28\x40\x48][\x80-\xff]{4}[\x10-\xff]")
"""An operator, a tender, a head or a count of more than 32 bits."""
SERVICES = (
    *("GREAT", "S000", "S004", "BILL-00", "FEE-0", "OPEN-2", "NONE", "x" * 20, ""),
)
CODES = ("CERT", "COPY", "x")
Ledgers = tuple[Ledger, Ledger, Network]


@pytest.fixture(scope="module")
def ledgers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledgers]:
    """Two of the same content."""
    path = tmp_path_factory.mktemp("wire")
    one, network = make(path / "one", threads=False)
    other, _ = make(path / "other", threads=False)
    yield one, other, network
    one.close()
    other.close()


def payment(rng: random.Random) -> pb.Payment:
    """A payment, perhaps of a wrong shape."""
    return pb.Payment(
        id=rng.randbytes(rng.choice((16, 16, 16, 16, 0, 15, 17))),
        service=rng.choice(
            (
                "GREAT",
                "S000",
                "S004",
                "NONE",
                "x" * 20,
                "",
                "BILL-00",
                "FEE-0",
                "OPEN-2",
            )
        ),
        amount=rng.choice((0, 1, 500, 10**18, 2**64 - 1)),
        reference=f"R{rng.randrange(40)}",
        operator=rng.choice((0, 1, 2**32 - 1)),
        centre=rng.choice(("", "centre-1", "centre-2")),
        amount_due=rng.choice((0, 500)),
        tender=rng.choice((types.TENDER_UNSPECIFIED, types.TENDER_CARD)),
        head=rng.choice((0, 1, 9)),
        note=rng.choice(("", "note", "é" * 20, "x" * 65)),
        quotation=rng.choice((b"", b"", rng.randbytes(144))),
        additional_to=rng.choice((b"", b"", b"", rng.randbytes(24))),
        items=[
            types.TariffItem(
                code=rng.choice(("CERT", "COPY", "x")), count=rng.randrange(3)
            )
            for _ in range(rng.choice((0, 0, 1, 2, 5)))
        ],
    )


def oddity(rng: random.Random, depth: int = 0) -> bytes:
    """A field that no Payment has, or one of another type; always well-formed."""
    number = rng.choice((14, 100, 2**29 - 1))
    choice = rng.randrange(7 if depth < 4 else 6)
    if choice == 0:
        return scalar(number, rng.getrandbits(64))
    if choice == 1:
        return key(rng.choice((3, 5, number)), 1) + rng.randbytes(8)
    if choice == 2:
        return key(rng.choice((1, 8, number)), 5) + rng.randbytes(4)
    if choice == 3:
        return data(number, rng.randbytes(rng.choice((0, 3, 200))))
    if choice == 4:
        return data(rng.choice((3, 5, 7)), bytes((1, 2, 3)))  # packed, of a scalar
    if choice == 5:
        return scalar(rng.choice((1, 2, 4, 6, 10)), rng.getrandbits(20))
    inner = b"".join(oddity(rng, depth + 1) for _ in range(rng.randrange(3)))
    return key(number, 3) + inner + key(number, 4)


def body_of(rng: random.Random) -> bytes:
    """One Payment with oddities, and with one of its fields given twice."""
    parts = [payment(rng).SerializeToString(), oddity(rng)]
    if rng.random() < 0.3:
        parts += [payment(rng).SerializeToString(), oddity(rng)]
    return b"".join(parts)


def message_of(rng: random.Random) -> bytes:
    """A CreatePaymentsRequest: payments, then baskets, as every library writes it."""
    out = [data(1, body_of(rng)) for _ in range(rng.randrange(4))]
    for _ in range(rng.randrange(2)):
        inner = [data(1, body_of(rng)) for _ in range(rng.randrange(4))]
        out.append(data(2, b"".join([oddity_outside(rng), *inner])))
    out.insert(rng.randrange(len(out) + 1), oddity_outside(rng))
    return b"".join(out)


def oddity_outside(rng: random.Random) -> bytes:
    """A field that is neither `payments` nor `baskets`, or of another type."""
    return rng.choice(
        (b"", scalar(1, 7), scalar(2, 7), data(3, b"x"), key(9, 5) + b"four")
    )


def generated(body: bytes) -> pb.CreatePaymentsRequest | None:
    """What the generated classes read, None if they refuse."""
    message = pb.CreatePaymentsRequest()
    try:
        message.ParseFromString(body)
    except DecodeError:
        return None
    message.DiscardUnknownFields()
    return message


def core(body: bytes, network: Network) -> Request | None:
    """What the core reads, None if it refuses; an empty message is refused as well."""
    try:
        return Request.payments(body, network.centres[1], network.centres[1])
    except WireError:
        return None


def payments_count(message: pb.CreatePaymentsRequest) -> int:
    """Payments in baskets and outside."""
    baskets = sum(len(basket.payments) for basket in message.baskets)
    return len(message.payments) + baskets


def compare(ledgers: Ledgers, body: bytes, now: int) -> bool:
    """Give one ledger the bytes and the other what they mean, if both take them."""
    one, other, network = ledgers
    message, request = generated(body), core(body, network)
    if message is None or request is None:
        return False
    assert request.rows_count == payments_count(message), body.hex()
    again = core(message.SerializeToString(), network)
    assert again is not None
    assert one.commit([request], now) == other.commit([again], now), body.hex()
    return True


def test_well_formed_messages_mean_the_same(ledgers: Ledgers) -> None:
    rng = random.Random(1)
    network = ledgers[2]
    for number in range(MESSAGES):
        body = message_of(rng)
        message = generated(body)
        assert message is not None
        taken = compare(ledgers, body, NOW + number)
        assert taken == (payments_count(message) > 0), body.hex()
        short = body[: rng.randrange(len(body) + 1)]
        message = generated(short)
        expected = message is not None and payments_count(message) > 0
        assert (core(short, network) is not None) == expected, short.hex()
    one, other, _ = ledgers
    assert one.sequence == other.sequence
    rows = one.rows(1, 65_536)
    assert rows.tobytes() == other.rows(1, 65_536).tobytes()
    assert len({int(result) for result in rows["result"]}) > 5


def test_changed_bytes_mean_the_same_where_both_take_them(ledgers: Ledgers) -> None:
    rng = random.Random(2)
    taken = 0
    for number in range(MESSAGES):
        body = bytearray(data(1, body_of(rng)))
        body[rng.randrange(len(body))] = rng.randrange(0x80)
        if WIDE.search(body):
            continue
        taken += compare(ledgers, bytes(body), NOW + MESSAGES + number)
    assert taken > MESSAGES // 4
    assert ledgers[0].sequence == ledgers[1].sequence
