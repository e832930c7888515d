"""The client library. May use the words and `v1`: it speaks over the wire only."""

from switch.client.client import (
    BATCH_MAX,
    BEGINNING,
    NOW,
    OUTSTANDING_MAX,
    CallError,
    Client,
    LostReplyError,
    PaymentStream,
    Point,
    balance_of,
    make_payment,
)

__all__ = [
    "BATCH_MAX",
    "BEGINNING",
    "NOW",
    "OUTSTANDING_MAX",
    "CallError",
    "Client",
    "LostReplyError",
    "PaymentStream",
    "Point",
    "balance_of",
    "make_payment",
]
