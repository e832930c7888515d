"""The oracle's quotations and handles: their bytes, and what seals them.

Part of tests/model.py, which see. Tests make with it what the ledger is to find right,
and by changing a byte what it must not.
"""

import hashlib
import struct
from dataclasses import dataclass, fields
from operator import attrgetter

SIZE = 144
SEALED = 128
SEAL_SIZE = 16
HANDLE_SIZE = 24
HANDLE_MARK = 2
FORMAT = 1
LIFE_NS = 24 * 3600 * 10**9
BYTES = struct.Struct("<BBBBIHHI32s32sQQQQ16x")

Keys = list[tuple[int, bytes]]
"""Numbers and secrets; the first seals, all are accepted."""


@dataclass(slots=True)
class Quotation:
    """What a token says, in the order of its bytes."""

    head: int
    amount_rule: int
    centre: int
    service: int
    series: int
    period: int
    reference: bytes
    bill: bytes
    amount_due: int
    fetched: int
    valid_until: int
    due_time: int = 0


VALUES = attrgetter(*(each.name for each in fields(Quotation)))
"""All that it says."""


def seal_of(said: bytes, secret: bytes, instance: bytes, epoch: int = 0) -> bytes:
    """The seal of 128 bytes."""
    return hashlib.blake2b(
        said,
        digest_size=SEAL_SIZE,
        key=secret,
        salt=instance,
        person=b"bskquote" + epoch.to_bytes(8, "little"),
    ).digest()


def seal(
    quotation: Quotation, keys: Keys, instance: bytes, epoch: int = 0, *, which: int = 0
) -> bytes:
    """Its token, by the first of the keys or another of them."""
    number, secret = keys[which]
    said = BYTES.pack(FORMAT, number, *VALUES(quotation))
    return said + seal_of(said, secret, instance, epoch)


def open_token(token: bytes, keys: Keys, instance: bytes) -> Quotation | None:
    """What a token says, or None if it is not one of this ledger."""
    if len(token) != SIZE or token[0] != FORMAT:
        return None
    said = token[:SEALED]
    for number, secret in keys:
        if number == token[1] and seal_of(said, secret, instance) == token[SEALED:]:
            quotation = Quotation(*BYTES.unpack(said)[2:])
            quotation.reference = quotation.reference.rstrip(b"\0")
            quotation.bill = quotation.bill.rstrip(b"\0")
            return quotation
    return None


def make_handle(sequence: int, centre: int, secret: bytes, instance: bytes) -> bytes:
    """What a centre may give back to pay in addition to the payment `sequence`."""
    said = struct.pack("<B3xIQ112x", HANDLE_MARK, centre, sequence)
    return sequence.to_bytes(8, "little") + seal_of(said, secret, instance)


def handle_sequence(handle: bytes) -> int:
    """Of which payment it is, right or not; 0 if it is none."""
    if len(handle) != HANDLE_SIZE:
        return 0
    return int.from_bytes(handle[:8], "little")


def handle_is_right(handle: bytes, centre: int, keys: Keys, instance: bytes) -> bool:
    """Whether this ledger gave it to this centre."""
    sequence = handle_sequence(handle)
    return handle in [
        make_handle(sequence, centre, secret, instance) for _, secret in keys
    ]
