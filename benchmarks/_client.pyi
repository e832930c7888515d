"""What type checkers see of the load client."""

from typing import Self, TypeAlias

import numpy as np
import numpy.typing as npt

from switch.credentials import Credentials

TIME: int
EMPTY: int
DONE: int
PAYMENTS: int
PAYMENT_STATE: int
NOTHING: int

Bytes: TypeAlias = npt.NDArray[np.uint8] | memoryview | bytes
Times: TypeAlias = npt.NDArray[np.uint64]

MADE: np.dtype[np.void]
"""What was drawn of a payment: `amount`, paise, and numbers `service` and `centre`."""

class CheckError(Exception):
    """An answer is not the one to the payment that was sent."""

class Payments:
    """Makes payments that are each another, as `benchmarks.messages` describes them.

    What is drawn of each follows from the seed and the number of its bill."""

    def __new__(
        cls,
        payment: bytes,
        places: dict[str, int],
        chosen: npt.NDArray[np.uint16],
        services: npt.NDArray[np.bytes_],
        centres: npt.NDArray[np.bytes_],
        *,
        first_share: float,
        operators: int,
        amounts: tuple[int, int],
        seed: int,
        is_ordered: bool,
    ) -> Self:
        """`payment`: its bytes, of which those at `places` are another's each time.
        ValueError if these do not fit."""

    def make(self, first: int, rows: npt.NDArray[np.uint8]) -> npt.NDArray[np.void]:
        """Fill rows with the payments of these bills, and say what was drawn."""

def now_ns() -> int:
    """The clock that all times here are of."""

def check(
    messages: Bytes,
    reply: bytes,
    *,
    payload: int,
    item: int,
    id: int,
    amount: int,
    is_held: bool = False,
) -> tuple[int, int, dict[int, int]]:
    """Hold a reply against whole messages; (accepted, paise, {result: refused}).

    Raises CheckError.
    """

Callers: TypeAlias = list[tuple[Credentials, bytes]]
"""Certificates that have as many connections each, and the session of their calls, or
nothing."""

class Client:
    """Connections to one method of one server, and all that goes over them."""

    size: int
    room: int
    def __new__(
        cls,
        address: str,
        callers: Credentials | Callers,
        path: str,
        *,
        connections: int,
        outstanding: int,
        payload: int,
        item: int,
        id: int,
        amount: int = 0,
        asks: int = ...,
        is_stream: bool = False,
        is_held: bool = False,
        keeps_times: bool = False,
    ) -> Self: ...
    @property
    def last_status(self) -> str:
        """The message of the last call that did not end with OK."""
    @property
    def next_due_ns(self) -> int | None:
        """When the next message is due that was supplied and not sent."""
    def supply(self, messages: Bytes, due_ns: Times | None = None) -> None:
        """What is sent next: whole messages, each at its time, or at once."""
    def run(self, until_ns: int) -> int:
        """Send and read until then (TIME), or messages are missing (EMPTY), or DONE.

        Raises CheckError.
        """
    def end(self, at_ns: int) -> None:
        """Nothing is sent that is due later; streams are closed."""
    def measure(self, since_ns: int, until_ns: int) -> None:
        """Count latencies of messages due in this time, from nothing on."""
    def freeze(self) -> None:
        """Count no more latencies."""
    def latencies(self) -> tuple[Times, int]:
        """The counts of the histogram's buckets, and the largest, nanoseconds."""
    def counts(self) -> dict[str, int]:
        """What has happened so far."""
    def refused(self) -> dict[int, int]:
        """How many payments had each other result than OK."""
    def statuses(self) -> dict[int, int]:
        """How many calls ended with each other status than OK."""
    def overdue(self, at_ns: int) -> int:
        """Messages that were supplied, due before then, and are not sent."""
    def times(self) -> Times:
        """When each message that was sent was due."""

class Sink:
    """Answers whatever a client asks, as fast as it can, until it is stopped."""

    def __new__(
        cls,
        credentials: Credentials,
        *,
        payload: int,
        item: int,
        id: int,
        asks: int,
        is_stream: bool,
    ) -> Self: ...
    def stop(self) -> None:
        """From a signal handler or another thread."""
    def serve(self, listener: int) -> None:
        """Serve on a listening socket's descriptor until stopped."""

class Billers:
    """Billers that confirm whatever they are asked, at once, on all their connections.

    They take no baskets, and have no bills to fetch.
    """

    def dial(self, address: str, credentials: Credentials) -> None:
        """Connect with the certificate of one of them. Raises CheckError."""
    def stop(self) -> None:
        """From a signal handler or another thread."""
    def serve(self) -> None:
        """Answer until stopped. Raises CheckError, also when a connection ends."""
    def counts(self) -> dict[str, int]:
        """What has happened so far."""

def update_keys(
    address: str, credentials: Credentials, until_ns: int
) -> tuple[int, bool]:
    """Change TLS keys on one connection without an end; (how often, was it ended).

    Raises CheckError if it does not come about.
    """

class Silent:
    """A connection that shakes hands, without the GIL, and then says nothing.

    Raises CheckError if it does not come about.
    """

    def __new__(cls, address: str, credentials: Credentials) -> Self: ...
    @property
    def is_ended(self) -> bool:
        """Whether the other side has closed it."""
