"""Payments as bytes of the wire, made by the block.

Every payment has the same layout and size; C fills in what is drawn of each
(`benchmarks/client/messages.c`). Every id and every bill is another. Over the wire
answers are checked in C (`answers.c`): whose each is, and with what result.
"""

from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from benchmarks._client import CheckError, Payments
from benchmarks.network import BILLERS, CENTRES, SERVICES
from switch import _core as core

PREFIX_SIZE = 5
"""gRPC's head of a message: not compressed, four bytes of size."""
AMOUNT_MIN = 1 << 14
AMOUNT_MAX = (1 << 21) - 1
"""Paise; those that take exactly three bytes as a varint."""
BLOCK_PAYMENTS = 8190
"""Payments that are made at a time, at least one message."""
SHUFFLED = 1 << 16
OUTCOME_RESULT = 21
"""Where the result of an outcome stands, after its tag, size and id."""

_FIELDS = [
    ("id_tag", "V2"),
    ("id", "V16"),
    ("service_tag", "V2"),
    ("service", "S5"),
    ("amount_tag", "V1"),
    ("amount", "u1", (3,)),
    ("reference_tag", "V2"),
    ("reference", "S5", (3,)),
    ("operator_tag", "V1"),
    ("operator", "u1"),
    ("centre_tag", "V2"),
    ("centre", "S9"),
]
# One Payment inside a request, field by field.
PAYMENT = np.dtype([("payment_tag", "V2"), *_FIELDS])
# One that a centre pays for itself: it names none.
OWN_PAYMENT = np.dtype([("payment_tag", "V2"), *_FIELDS[:-2]])
# The same with a quotation, whose size takes two bytes, as then does the payment's.
_QUOTATION = [("quotation_tag", "V3"), ("quotation", core.QUOTATION)]
QUOTED_PAYMENT = np.dtype([("payment_tag", "V3"), *_FIELDS, *_QUOTATION])

_DRAWN = ("id", "service", "amount", "reference", "operator", "centre")
"""What is another in each payment."""

Bytes = npt.NDArray[np.uint8]
Layout = np.dtype[np.void]
Drawn = npt.NDArray[np.void]
"""Of dtype `_client.MADE`: what was drawn of payments."""


def service_code(number: int) -> str:
    """Code of a service."""
    return f"S{number:04}"


def centre_code(number: int) -> str:
    """Participant id of a centre."""
    return f"bsk-{number:05}"


class Places(TypedDict):
    """What C is told of a payment: its bytes, where its id and its amount stand."""

    item: int
    id: int
    amount: int


def places(layout: Layout) -> Places:
    """Of a layout; one without amounts has them nowhere."""
    fields = layout.fields
    assert fields is not None
    amount = int(fields["amount"][1]) if "amount" in fields else 0
    return {"item": layout.itemsize, "id": int(fields["id"][1]), "amount": amount}


def _varint(value: int) -> bytes:
    """A size of at most two bytes."""
    return bytes([value] if value < 0x80 else [value & 0x7F | 0x80, value >> 7])


def _template(layout: Layout) -> npt.NDArray[np.void]:
    """The bytes that are the same in every payment."""
    one = np.zeros((), layout)
    content = layout.itemsize - one["payment_tag"].itemsize
    tags = {
        "payment_tag": b"\x0a" + _varint(content),
        "id_tag": b"\x0a\x10",
        "service_tag": b"\x12\x05",
        "amount_tag": b"\x18",
        "reference_tag": b"\x22\x0f",
        "operator_tag": b"\x28",
        "centre_tag": b"\x32\x09",
        "quotation_tag": b"\x5a" + _varint(core.QUOTATION.itemsize),
    }
    for name in layout.names or ():
        if name in tags:
            one[name] = np.void(tags[name])
    return one


@dataclass(frozen=True, slots=True)
class Shares:
    """How uneven payments are; without, wallets are even and services a Zipf choice."""

    wallet: float = 0.0
    """Of all payments, those from one wallet."""
    biller: float = 0.0
    """If not 0, those to the first `hot_billers` billers."""
    hot_billers: int = 1


EVEN = Shares()


class Maker:
    """Makes messages of `payload` payments each, as gRPC frames them."""

    layout: Layout = PAYMENT
    """Of a payment."""
    operators = 2
    """At each centre, in turn."""

    def __init__(
        self,
        payload: int,
        ids: str,
        *,
        seed: int = 2026,
        first: int = 1,
        shares: Shares = EVEN,
        centres: int = CENTRES,
    ) -> None:
        """`ids`: "random", or "ordered" as UUIDv7 are. `first`: of the bills.

        `centres`: how many pay, from the first on.
        """
        self.payload = payload
        self.size = PREFIX_SIZE + payload * self.layout.itemsize
        self._next = first
        self._block = memoryview(b"")
        self._prefix = np.frombuffer(
            b"\0" + (self.size - PREFIX_SIZE).to_bytes(4, "big"), np.uint8
        )
        template = _template(self.layout)
        self._settle(template)
        self._rows = np.empty(0, self.layout)
        # A Zipf choice, as the network's own shares are.
        weights = 1.0 / np.arange(1, SERVICES + 1)
        if shares.biller:
            # The services of one biller are each BILLERSth one.
            is_hot = np.arange(SERVICES) % BILLERS < shares.hot_billers
            weights[is_hot] *= shares.biller / weights[is_hot].sum()
            weights[~is_hot] *= (1 - shares.biller) / weights[~is_hot].sum()
        rng = np.random.default_rng(seed)
        chosen = rng.choice(SERVICES, SHUFFLED, p=weights / weights.sum())
        fields = self.layout.fields
        assert fields is not None
        self._payments_of = Payments(
            template.tobytes(),
            {name: int(fields[name][1]) for name in _DRAWN if name in fields},
            chosen.astype(np.uint16),
            np.array([service_code(n).encode() for n in range(SERVICES)]),
            np.array([centre_code(n).encode() for n in range(centres)]),
            first_share=shares.wallet,
            operators=self.operators,
            amounts=(AMOUNT_MIN, AMOUNT_MAX),
            seed=seed,
            is_ordered=ids == "ordered",
        )

    @property
    def block_payments(self) -> int:
        """Payments that are made at a time."""
        return max(BLOCK_PAYMENTS // self.payload, 1) * self.payload

    def take(self, count: int) -> memoryview:
        """1 to `count` whole messages that nobody has had before."""
        if not self._block:
            self._block = self._make(self.block_payments // self.payload)
        taken = self._block[: count * self.size]
        self._block = self._block[len(taken) :]
        return taken

    def _make(self, messages: int) -> memoryview:
        count = messages * self.payload
        block = np.empty((messages, self.size), np.uint8)
        block[:, :PREFIX_SIZE] = self._prefix
        payments = self._payments(count).view(np.uint8)
        block[:, PREFIX_SIZE:] = payments.reshape(messages, -1)
        return block.reshape(-1).data

    def _payments(self, count: int) -> npt.NDArray[np.void]:
        """So many that nobody has had before, until it is called again."""
        if len(self._rows) != count:
            # Kept: half a megabyte that is new each time costs more than what is made.
            self._rows = np.empty(count, self.layout)
        rows = self._rows
        content = rows.view(np.uint8).reshape(count, self.layout.itemsize)
        drawn = self._payments_of.make(self._next, content)
        self._next += count
        self._quote(rows, drawn)
        return rows

    def _settle(self, template: npt.NDArray[np.void]) -> None:
        """Write what else is the same in every payment."""

    def _quote(self, rows: npt.NDArray[np.void], drawn: Drawn) -> None:
        """Put quotations into payments of which this was drawn.

        Here there are none.
        """


def amounts_of(payments: npt.NDArray[np.void]) -> npt.NDArray[np.uint64]:
    """Paise of each."""
    parts = payments["amount"].astype(np.uint64) & np.uint64(0x7F)
    amounts: npt.NDArray[np.uint64] = parts @ np.array([1, 1 << 7, 1 << 14], np.uint64)
    return amounts


def outcome_starts(reply: bytes) -> list[int]:
    """Where each outcome of a reply begins; their number is the list's length."""
    starts = []
    at = 0
    size = len(reply)
    while at < size:
        starts.append(at)
        at += 2 + reply[at + 1]
    if at != size:
        raise CheckError("a reply ends within an outcome")
    return starts
