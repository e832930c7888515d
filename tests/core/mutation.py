"""How a right request is made wrong, and how one field of a request is changed."""

import random
from dataclasses import replace
from typing import Any

from switch.codes import AMOUNT_MAX, TENDER_SHIFT, Kind, RowFlag
from tests.records import Payment, Row

WORD_MAX = 2**64 - 1
NEGATIVE = 2**64 - 5

WRONG_ITEMS: tuple[tuple[tuple[bytes, int], ...], ...] = (
    # Each is none, for a reason of its own.
    tuple((b"I%d" % number, 1) for number in range(5)),
    ((b"CERT", 1), (b"CERT", 2)),
    ((b"CERT", 0),),
    ((b"COPY", 10_000),),
    ((b"copy", 1),),
    ((b"", 1),),
    ((b"TOO-LONG-", 1),),
    ((b"COPY\xff", 1),),
    ((b"COPY", 2**32 + 1),),
)

PAYMENT_BREAKS: tuple[dict[str, Any], ...] = (
    {"id": b""},
    {"id": bytes(16)},
    {"id": b"x" * 15},
    {"id": b"x" * 17},
    {"amount": 0},
    {"amount": AMOUNT_MAX + 1},
    {"amount": WORD_MAX},
    {"amount": NEGATIVE},
    {"reference": b""},
    {"reference": b"r" * 33},
    {"reference": "বিল ৭".encode()},
    {"reference": b"bell\x07"},
    {"reference": b"nul\x00"},
    {"operator": 2**32},
    {"operator": WORD_MAX},
    {"centre": b"nobody"},
    {"centre": b"treasury"},
    {"centre": b"centre-0\x00"},
    {"centre": b"c" * 40},
    {"tender": 3},
    {"tender": WORD_MAX},
    {"head": 8},
    {"head": 2**40},
    {"note": b"n" * 65},
    {"note": b"\xff\xfe"},
    {"service": b"\xff"},
    {"service": b"S001\x00"},
    {"service": b"S" * 17},
    {"service": b""},
    *({"items": items} for items in WRONG_ITEMS),
)


def break_payment(rng: random.Random, payment: Payment) -> Payment:
    """A payment with one or two fields of a wrong shape."""
    fields = {**rng.choice(PAYMENT_BREAKS)}
    if rng.randrange(4) == 0:
        fields |= rng.choice(PAYMENT_BREAKS)
    return replace(payment, **fields)


def vary_payment(rng: random.Random, payment: Payment, codes: list[bytes]) -> Payment:
    """The same id with one field changed, perhaps to what it was."""
    fields: tuple[dict[str, Any], ...] = (
        {"service": rng.choice((b"S001", b"S002", b"NOBODY"))},
        {"amount": max(1, payment.amount ^ 1) if payment.amount < 2**60 else 1},
        {"reference": payment.reference[:31] + b"!"},
        {"operator": payment.operator ^ 1},
        {"centre": rng.choice(codes)},
        {"amount_due": payment.amount_due + 1},
        {"tender": (payment.tender + 1) % 3},
        {"head": (payment.head + 1) % 8},
        {"note": payment.note[:60] + b"?"},
        {"quotation": b""},
        {"quotation": rng.randbytes(144)},
        {"items": (*payment.items[:3], (b"MORE", 1))},
        {"items": payment.items[::-1]},
        {"additional_to": b""},
        {"additional_to": rng.randbytes(24)},
    )
    return replace(payment, **rng.choice(fields))


def break_row(rng: random.Random, row: Row) -> Row:
    """A row template with one field of a wrong shape, as far as its kind has it."""
    changed = row.copy()
    draw = 7 if row.tail is not None and rng.randrange(2) else rng.randrange(9)
    if draw == 0:
        changed.kind = rng.choice((0, Kind.EXPIRE, Kind.CASE, 28, 255))
        changed.tail = None
    elif draw == 1:
        changed.id = bytes(16)
    elif draw == 2:
        changed.amount = rng.choice((0, AMOUNT_MAX + 1, WORD_MAX))
    elif draw == 3:
        changed.reference = rng.choice((b"", b"a\x00b", b"\xe0" * 8, b"\x1f"))
    elif draw == 4:
        changed.debit = rng.choice((0, 1, 2, 10**6))
    elif draw == 5:
        changed.flags |= 3 << TENDER_SHIFT
    elif draw == 6:
        changed.deadline = rng.choice((0, 31 * 86_400 + 1, 2**32 - 1))
    elif draw == 7 and row.tail is not None:
        changed.tail = break_tail(rng, row.tail)
    else:
        changed.basket = rng.choice((1, 0x200, 0x201, 0x1100, 0xFFFF))
    return changed


def break_tail(rng: random.Random, tail: bytes) -> bytes:
    """A record that is cut short, or a byte of it changed."""
    if rng.randrange(3) == 0:
        return tail[: rng.randrange(len(tail)) + 1]
    at = rng.randrange(min(len(tail), 64))
    return tail[:at] + bytes([rng.randrange(256)]) + tail[at + 1 :]


def vary_row(rng: random.Random, row: Row) -> Row:
    """The same id with one field changed."""
    changed = row.copy()
    draw = rng.randrange(14)
    if draw == 0:
        pay = Kind.HOLD if row.kind == Kind.PAY else Kind.PAY
        changed.kind, changed.tail = pay, None
        changed.deadline = 60 if pay == Kind.HOLD else 0
    elif draw == 1:
        changed.service = row.service % 20 + 1
    elif draw == 2:
        changed.amount = row.amount % AMOUNT_MAX + 1
    elif draw == 3:
        changed.reference = row.reference[:31] + b"!"
    elif draw == 4:
        changed.operator_ = row.operator_ ^ 1
    elif draw == 5:
        changed.debit = row.debit + 1
    elif draw == 6:
        changed.credit = row.credit + 1
    elif draw == 7:
        changed.flags ^= 1 << TENDER_SHIFT
    elif draw == 8:
        changed.flags ^= 1 << 9
    elif draw == 9:
        changed.resolves = row.resolves + 1
    elif draw == 10:
        changed.checker = row.checker + 1
    elif draw == 11:
        changed.total = row.total + 1
    elif draw == 12:
        changed.flags ^= RowFlag.UNFREEZE
    elif row.tail is not None:
        changed.tail = row.tail + b" "
    else:
        changed.deadline = row.deadline % 86_400 + 1
    return changed
