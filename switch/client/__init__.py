"""The client library. May use the words and `v1`: it speaks over the wire only."""

from switch.client.client import (
    BATCH_MAX,
    OUTSTANDING_MAX,
    CallError,
    Client,
    LostReplyError,
    PaymentStream,
    balance_of,
    make_payment,
)

__all__ = [
    "BATCH_MAX",
    "OUTSTANDING_MAX",
    "CallError",
    "Client",
    "LostReplyError",
    "PaymentStream",
    "balance_of",
    "make_payment",
]
