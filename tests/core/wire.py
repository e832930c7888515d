"""The payment messages on the wire, written and read a second time and by hand.

Independent of both the core's parser and protobuf's: from proto/switch/v1/
payments.proto and the encoding's description alone. It can also write what no
client should send.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from operator import attrgetter

from tests.records import OUTCOME_FIELDS, ZERO_ID, Outcome, Payment, Said

VARINT, FIXED64, BYTES, GROUP_START, GROUP_END, FIXED32 = range(6)
WORD = 2**64
SMALL = [bytes([value]) for value in range(0x80)]
"""Numbers of one byte, which are most."""


def varint(value: int) -> bytes:
    """A base-128 number; negative ones are 10 bytes, as protobuf writes them."""
    if 0 <= value < len(SMALL):
        return SMALL[value]
    value %= WORD
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def padded(value: int, size: int) -> bytes:
    """The same number in at least `size` bytes, the last ones needless."""
    out = bytearray(varint(value))
    while len(out) < size:
        out[-1] |= 0x80
        out.append(0)
    return bytes(out)


@lru_cache
def key(number: int, wire_type: int) -> bytes:
    """A field's key."""
    return varint(number << 3 | wire_type)


def scalar(number: int, value: int) -> bytes:
    """A varint field, written even if it is zero."""
    return key(number, VARINT) + varint(value)


def data(number: int, value: bytes) -> bytes:
    """A bytes, string or message field, written even if it is empty."""
    return key(number, BYTES) + varint(len(value)) + value


def encode_payment(payment: Payment) -> bytes:
    """A Payment message, defaults left out."""
    out = b""
    for number, value in (
        (1, payment.id),
        (2, payment.service),
        (3, payment.amount),
        (4, payment.reference),
        (5, payment.operator),
        (6, payment.centre),
        (7, payment.amount_due),
        (8, payment.tender),
        (9, payment.head),
        (10, payment.note),
        (11, payment.quotation),
        (12, payment.additional_to),
    ):
        if isinstance(value, int):
            out += scalar(number, value) if value else b""
        else:
            out += data(number, value) if value else b""
    for code, count in payment.items:
        item = (data(1, code) if code else b"") + (scalar(2, count) if count else b"")
        out += data(13, item)
    return out


def encode_request(
    payments: Iterable[Payment], baskets: Iterable[Iterable[Payment]] = ()
) -> bytes:
    """A CreatePaymentsRequest; one payment alone is a CreatePaymentRequest too."""
    out = [data(1, encode_payment(payment)) for payment in payments]
    for basket in baskets:
        body = b"".join(data(1, encode_payment(payment)) for payment in basket)
        out.append(data(2, body))
    return b"".join(out)


def encode_answers(answers: Iterable[Said]) -> bytes:
    """A ConnectRequest; the text that does not count is there as well."""
    out = b""
    for said in answers:
        body = scalar(1, said.number) + data(2, said.id)
        body += scalar(3, 1 if said.confirmed else 2)
        body += data(4, said.text if said.confirmed else b"ref")
        body += data(5, b"why" if said.confirmed else said.text)
        body += scalar(12, said.amount) if said.amount else b""
        out += data(1, body)
    return out


# --- reading --------------------------------------------------------------------------

OUTCOME_NUMBERS = {
    2: "result",
    3: "sequence",
    4: "receipt",
    5: "year",
    6: "timestamp",
    7: "balance",
    8: "pending",
    9: "repeat",
    10: "field",
    12: "other",
    13: "state",
}


def read_varint(body: bytes, at: int) -> tuple[int, int]:
    """A number and where it ends."""
    value = shift = 0
    while True:
        byte = body[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def read_fields(body: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers and values; strict, for the core writes nothing odd."""
    at = 0
    while at < len(body):
        tag, at = read_varint(body, at)
        value, at = read_varint(body, at)
        if tag & 7 == VARINT:
            yield tag >> 3, value
        elif tag & 7 == BYTES and at + value <= len(body):
            yield tag >> 3, body[at : at + value]
            at += value
        else:
            raise ValueError(f"tag {tag} at {at}")


def decode_reply(body: bytes) -> list[tuple[bytes, Outcome]]:
    """A CreatePaymentsResponse: the ids as they were sent, and the outcomes."""
    reply = []
    for number, message in read_fields(body):
        if number != 1 or isinstance(message, int):
            raise ValueError(f"field {number} in a reply")
        reply.append(decode_outcome(message))
    return reply


def decode_outcome(message: bytes) -> tuple[bytes, Outcome]:
    """One PaymentOutcome."""
    id_, outcome = b"", Outcome(0)
    for number, value in read_fields(message):
        if isinstance(value, bytes) and number == 1:
            id_ = value
        elif isinstance(value, bytes) and number == 11:
            outcome.other_id = value
        elif isinstance(value, bytes) and number == 14:
            outcome.handle = value
        elif isinstance(value, int):
            setattr(outcome, OUTCOME_NUMBERS[number], value)
        else:
            raise ValueError(f"field {number} in an outcome")
    return id_, outcome


def encode_reply(ids: Iterable[bytes], outcomes: Iterable[Outcome]) -> bytes:
    """The reply that is expected, fields in order and defaults left out."""
    return b"".join(
        data(1, encode_outcome(id_, told(outcome)))
        for id_, outcome in zip(ids, outcomes, strict=True)
    )


NUMBERED = sorted((number, name) for number, name in OUTCOME_NUMBERS.items())
BEFORE_OTHER_ID = [number for number, _ in NUMBERED if number < 11]
VALUES_BEFORE = attrgetter(*(name for number, name in NUMBERED if number < 11))


def told(outcome: Outcome) -> Outcome:
    """What of an outcome the wire tells: no index, and no stranger's payment."""
    if outcome.foreign:
        return replace(outcome, index=0, other=0, other_id=ZERO_ID, foreign=0)
    return replace(outcome, index=0) if outcome.index else outcome


def encode_outcome(id_: bytes, outcome: Outcome) -> bytes:
    """One PaymentOutcome."""
    out = data(1, id_) if id_ else b""
    for number, value in zip(BEFORE_OTHER_ID, VALUES_BEFORE(outcome), strict=True):
        if value:
            out += scalar(number, value)
    if outcome.other_id != ZERO_ID:
        out += data(11, outcome.other_id)
    if outcome.other:
        out += scalar(12, outcome.other)
    if outcome.state:
        out += scalar(13, outcome.state)
    if outcome.handle:
        out += data(14, outcome.handle)
    return out


def differences(one: Outcome, other: Outcome) -> dict[str, tuple[object, object]]:
    """The fields in which two outcomes differ."""
    pairs = {
        name: (getattr(one, name), getattr(other, name))
        for name in (*OUTCOME_FIELDS, "handle")
    }
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
