"""What type checkers see of the load in C."""

import numpy as np
import numpy.typing as npt

from switch._core import Queue

Messages = npt.NDArray[np.uint8]
"""One message of one payment in each row."""
Nanoseconds = npt.NDArray[np.uint64]

def now_ns() -> int:
    """The clock that all times here are of."""

def closed(
    queue: Queue,
    messages: Messages,
    sender: int,
    latencies: Nanoseconds,
    until_ns: int,
) -> tuple[int, int]:
    """Pay, wait for the answer, pay the next; (answered, accepted)."""

def send(
    queue: Queue, messages: Messages, sender: int, start_ns: int, rate: float
) -> int:
    """Pay each message at its time; how many found the queue full."""

def receive(
    queue: Queue,
    messages: Messages,
    latencies: Nanoseconds,
    start_ns: int,
    rate: float,
) -> tuple[int, int]:
    """Take the answers to all that `send` sends; (groups, accepted)."""

class Taker:
    """Who submits and takes by `core/queue_api.h`, as another extension does."""

    def __init__(self, capsule: object) -> None:
        """Opens a taker; OSError if there are too many."""

    def fileno(self) -> int:
        """Readable when there is something to take."""

    def count(self, body: bytes) -> tuple[int, int, int, int]:
        """(rc, rows, payments, baskets) of a message."""

    def submit(self, body: bytes, rows: int, sender: int, tag: int) -> int:
        """Queue a message of so many rows, and keep it until it is released."""

    def take(self) -> tuple[int, list[tuple[int, int, int, bytes]]] | None:
        """The next group, (rc, [(tag, rows, first result, answer), ...])."""

    def release(self) -> None:
        """The group that was taken."""

    def died(self) -> tuple[int, str]:
        """Why the ledger is dead; 0 while it is alive."""

def bare_commits(path: bytes, first: int, latencies: Nanoseconds) -> None:
    """Durable commits of two small puts each, in an environment of their own."""

def bare_open(
    path: bytes, first: int, latencies: Nanoseconds, start_ns: int, rate: float
) -> int:
    """Arrivals at a rate into bare commits of what is due; how many commits."""

def turns(calls: int, rounds: int, in_line: bool) -> tuple[int, int]:
    """Calls of one row of one sender, so many a group: (ns, calls that came out). With
    `in_line` without turns, in the order in which they came."""

def open_tokens(tokens: Messages, secret: bytes, instance: bytes, now_ns: int) -> int:
    """Open each, sealed with the key of number 1; how many were right."""

def seal_tokens(tokens: Messages, secret: bytes, instance: bytes) -> int:
    """Seal each again where it stands, with the key of number 1; how many were."""
