"""Compares the core's reading of a message with that of the generated classes.

Two generated classes read each message. One is made here: the messages of
payments.proto with text declared as bytes and every number as uint64, which is what
the core takes them for; with it the core must agree in everything. The other is the
one that clients use; what it takes must mean the same. Differences that are meant:

- Text that is not UTF-8 is an outcome to the core, or an unknown code.
- Operators, tenders, heads and counts are not cut to 32 bits.
- Payments and baskets count in the order on the wire, even if baskets come first.
- Refused by the core alone: groups nested more than DEPTH_MAX deep, numbers of more
  than 64 bits, field 0 in an unknown group; and messages of too many payments or none.
"""

import re
import struct
import sys
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message

from switch._core import GROUP_MAX, Request
from switch.codes import AMOUNT_MAX, HEAD_SHIFT, TENDER_SHIFT, Kind, Result
from switch.errors import WireError
from switch.v1 import payments_pb2 as pb
from switch.v1 import types_pb2
from tests.core.wire import (
    BYTES,
    FIXED32,
    FIXED64,
    GROUP_END,
    GROUP_START,
    VARINT,
    read_varint,
)
from tests.core.wire_maker import Maker
from tests.core.wire_shrink import shrink
from tests.records import ROW_BYTES, ROW_FIELDS, ZERO_ID

SENDER, CENTRE = 7, 3
DEPTH_MAX = 32
NOTE_MAX = 64
CODE_CUT = 255
ITEMS_MAX, ITEM_COUNT_MAX = 4, 9_999
HANDLE_SIZE = 24
CODE = re.compile(rb"[A-Z0-9-]{1,8}")
WALKED = 0x1F
"""Of the messages that both take one in 32 is also read by `Walk`."""
MALFORMED = "the bytes are not a payments request"
EMPTY = "the message holds no payment"
CROWDED = f"more than {GROUP_MAX} payments in one message"

TEXTS = (
    descriptor_pb2.FieldDescriptorProto.TYPE_BYTES,
    descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
    descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE,
)

Reading = tuple[bytes, bytes, bytes, bytes, int, int]
"""As `Request.decode` gives it."""


def loose_class(*messages: type[Message]) -> type[Message]:
    """The last of these messages with text as bytes and numbers as uint64.

    Whatever files have them; messages that are not among them are bytes as well.
    """
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="loose.proto", package="loose", syntax="proto3"
    )
    names = [one.DESCRIPTOR.name for one in messages]
    for message in messages:
        made = file.message_type.add(name=message.DESCRIPTOR.name)
        for field in message.DESCRIPTOR.fields:
            copy = made.field.add(
                name=field.name,
                number=field.number,
                label=kinds.LABEL_REPEATED
                if field.is_repeated
                else kinds.LABEL_OPTIONAL,
            )
            if field.message_type and field.message_type.name in names:
                copy.type = kinds.TYPE_MESSAGE
                copy.type_name = f".loose.{field.message_type.name}"
            else:
                text = field.type in TEXTS
                copy.type = kinds.TYPE_BYTES if text else kinds.TYPE_UINT64
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = pool.FindMessageTypeByName(f"loose.{names[-1]}")
    return message_factory.GetMessageClass(found)


LOOSE: Any = loose_class(
    types_pb2.TariffItem, pb.Payment, pb.Basket, pb.CreatePaymentsRequest
)


class DisagreementError(AssertionError):
    """A message that the core and the generated classes read differently."""

    def __init__(self, body: bytes, core: object, generated: object) -> None:
        readings = f"  core:      {shown(core)}\n  generated: {shown(generated)}"
        super().__init__(f"{body.hex()}\n{readings}")
        self.body = body


def shown(reading: object) -> str:
    """A reading for people: what is not zero of each payment."""
    if not isinstance(reading, list):
        return str(reading)
    payments = []
    for row, service, centre, note, wrong, left in reading:
        fields = dict(zip(ROW_FIELDS, ROW_BYTES.unpack(row[:124]), strict=True))
        fields |= {"service": service, "centre": centre, "note": note}
        fields |= {"wrong": [r.name for r in Result if wrong >> r & 1], "left": left}
        told = {
            name: value.rstrip(b"\0") if isinstance(value, bytes) else value
            for name, value in fields.items()
            if (value.strip(b"\0") if isinstance(value, bytes) else value)
        }
        payments.append(str(told))
    return f"{len(payments)} payments" + "".join(f"\n    {each}" for each in payments)


def compare(body: bytes) -> str:
    """Read a message in each way; the name of what it turned out to be.

    Raises DisagreementError.
    """
    try:
        message = LOOSE.FromString(body)
    except DecodeError:
        message = None
    try:
        request = Request.payments(body, SENDER, CENTRE)
    except WireError as error:
        return refused(body, message, str(error))
    if message is None:
        raise DisagreementError(body, request.decode(), "malformed")
    found = request.decode()
    expected = [expected_of(payment, 0, 0) for payment in message.payments]
    for basket in message.baskets:
        size = len(basket.payments)
        expected += [
            expected_of(payment, min(size, 255) << 8 | index & 0xFF, size - index)
            for index, payment in enumerate(basket.payments)
        ]
    if found != expected and sorted(found, key=in_basket) != expected:
        raise DisagreementError(body, found, expected)
    if len(found) > GROUP_MAX:
        raise DisagreementError(body, f"{len(found)} payments", CROWDED)
    if zlib.crc32(body) & WALKED == 0 and (walk := Walk(body)).refusals:
        raise DisagreementError(body, "taken", walk.refusals)
    return strict(body, message)


def in_basket(reading: Reading) -> bool:
    """Sorts those outside before those in baskets, each in their order."""
    return reading[5] > 0


def refused(body: bytes, message: Any, why: str) -> str:
    """What the core has refused: whether it was right, and what it was."""
    if message is None:
        # Too many payments may come before what is malformed.
        if why in (MALFORMED, CROWDED):
            return "malformed"
        raise DisagreementError(body, why, "malformed")
    count = len(message.payments) + sum(len(each.payments) for each in message.baskets)
    if why == CROWDED and count > GROUP_MAX:
        return "crowded"
    if why == EMPTY and count == 0:
        return "empty"
    if why == MALFORMED and (refusals := Walk(body).refusals):
        return min(refusals)
    raise DisagreementError(body, why, f"{count} payments")


def strict(body: bytes, message: Any) -> str:
    """Whether the class that clients use reads the same, and what it was."""
    try:
        generated = pb.CreatePaymentsRequest.FromString(body)
    except DecodeError:
        if any(not is_utf8(text) for text in Walk(body).texts):
            return "not UTF-8"
        raise DisagreementError(body, "taken", "malformed, in UTF-8") from None
    again = pb.CreatePaymentsRequest.FromString(message.SerializeToString())
    if again.SerializeToString() != generated.SerializeToString():
        raise DisagreementError(body, again, generated)
    return "baskets" if message.baskets else "payments"


# --- what the core must make of one payment -------------------------------------------


def bit(result: Result) -> int:
    """A mask for one result."""
    return 1 << result


ID, AMOUNT, REFERENCE, OPERATOR, TENDER, HEAD, NOTE, ITEMS = map(
    bit,
    (
        Result.INVALID_ID,
        Result.INVALID_AMOUNT,
        Result.INVALID_REFERENCE,
        Result.INVALID_OPERATOR,
        Result.INVALID_TENDER,
        Result.INVALID_HEAD,
        Result.INVALID_NOTE,
        Result.INVALID_ITEMS,
    ),
)
PRINTABLE = bytes(range(0x20, 0x7F))
PACK = struct.Struct(ROW_BYTES.format + "I").pack


def expected_of(payment: Any, basket: int, left: int) -> Reading:
    """What the data model says of a payment message's shape."""
    wrong = flags = 0
    id_, reference, note = payment.id, payment.reference, payment.note
    amount, operator, tender = payment.amount, payment.operator, payment.tender
    if len(id_) != 16 or id_ == ZERO_ID:
        id_ = ZERO_ID
        wrong |= ID
    if not 1 <= amount <= AMOUNT_MAX:
        wrong |= AMOUNT
    if (
        not 1 <= len(reference) <= 32
        or reference.translate(None, PRINTABLE)
        or reference.strip(b" ") != reference
    ):
        wrong |= REFERENCE
        if len(reference) > 32 or b"\0" in reference:
            reference = b""
    if operator >= 2**32:
        operator &= 2**32 - 1
        wrong |= OPERATOR
    if tender > 2:
        wrong |= TENDER
    else:
        flags |= tender << TENDER_SHIFT
    if payment.head > 7:
        wrong |= HEAD
    else:
        flags |= payment.head << HEAD_SHIFT
    if len(note) > NOTE_MAX or not is_utf8(note):
        note = b""
        wrong |= NOTE
    if not items_are_valid(payment.items):
        wrong |= ITEMS
    resolves = handle_sequence(payment.additional_to)
    row = PACK(
        *(id_, 0, 0, amount, resolves, reference),
        *(0, 0, 0, operator, 0, SENDER, 0, Kind.PAY),
        *(0, flags, basket, payment.amount_due, 0, 0),
    )
    service, centre = payment.service[:CODE_CUT], payment.centre[:CODE_CUT]
    return row, service, centre, note, wrong, left


def items_are_valid(items: Any) -> bool:
    """Up to 4, each with a code of its own and a count."""
    codes = [bytes(item.code) for item in items]
    return (
        len(codes) <= ITEMS_MAX
        and len(codes) == len(set(codes))
        and all(CODE.fullmatch(code) for code in codes)
        and all(1 <= item.count <= ITEM_COUNT_MAX for item in items)
    )


def handle_sequence(handle: bytes) -> int:
    """The payment that a handle names, whoever has sealed it; 0 if it is none."""
    return int.from_bytes(handle[:8], "little") if len(handle) == HANDLE_SIZE else 0


def is_utf8(text: bytes) -> bool:
    """Well-formed, by Python's reading."""
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


# --- a third reading ------------------------------------------------------------------


class Walk:
    """What the generated classes do not tell of a message that they take."""

    def __init__(self, body: bytes) -> None:
        self.refusals: set[str] = set()
        self.texts: list[bytes] = []
        for number, value in self.fields(body):
            if number == 1:
                self.payment(value)
            elif number == 2:
                for inner, payment in self.fields(value):
                    if inner == 1:
                        self.payment(payment)

    def payment(self, body: bytes) -> None:
        """Keep the text of each of its fields, those given again included."""
        for number, value in self.fields(body):
            if number in (2, 4, 6, 10):
                self.texts.append(value)
            elif number == 13:
                self.texts += [code for inner, code in self.fields(value) if inner == 1]

    def fields(self, body: bytes) -> Iterator[tuple[int, bytes]]:
        """The fields of bytes outside groups; notes what the core refuses."""
        at = depth = 0
        while at < len(body):
            tag, at = read_varint(body, at)
            number, wire_type = tag >> 3, tag & 7
            if number == 0:
                self.refusals.add("field 0")
            if wire_type == VARINT:
                value, at = read_varint(body, at)
                if value >= 2**64:
                    self.refusals.add("wide number")
            elif wire_type == BYTES:
                size, at = read_varint(body, at)
                if depth == 0:
                    yield number, body[at : at + size]
                at += size
            elif wire_type in (FIXED32, FIXED64):
                at += 4 if wire_type == FIXED32 else 8
            elif wire_type == GROUP_START:
                depth += 1
                if depth > DEPTH_MAX:
                    self.refusals.add("deep groups")
            elif wire_type == GROUP_END:
                depth -= 1


# --- many messages --------------------------------------------------------------------


def disagrees(body: bytes) -> bool:
    """Whether the readings differ."""
    try:
        compare(body)
    except DisagreementError:
        return True
    return False


def run(seed: int, count: int) -> Counter[str]:
    """Compare `count` messages of this seed; how many of each sort there were.

    Raises DisagreementError with a small message of the same disagreement.
    """
    sorts: Counter[str] = Counter()
    for body in messages(seed, count):
        try:
            sorts[compare(body)] += 1
        except DisagreementError as error:
            print(f"seed {seed}, before it was made small: {error}", file=sys.stderr)
            compare(shrink(body, disagrees))
            raise
    return sorts


def messages(seed: int, count: int) -> Iterable[bytes]:
    """The first `count` messages of a seed."""
    maker = Maker(seed)
    return (maker.make() for _ in range(count))
