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

def bare_commits(path: bytes, first: int, latencies: Nanoseconds) -> None:
    """Durable commits of two small puts each, in an environment of their own."""

def bare_open(
    path: bytes, first: int, latencies: Nanoseconds, start_ns: int, rate: float
) -> int:
    """Arrivals at a rate into bare commits of what is due; how many commits."""

def open_tokens(tokens: Messages, secret: bytes, instance: bytes, now_ns: int) -> int:
    """Open each, sealed with the key of number 1; how many were right."""

def seal_tokens(tokens: Messages, secret: bytes, instance: bytes) -> int:
    """Seal each again where it stands, with the key of number 1; how many were."""
