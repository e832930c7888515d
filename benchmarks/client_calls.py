"""The two ways in which a load pays on a connection: calls and a stream.

In a closed loop each keeps `load.outstanding` messages without an answer and sends
another when one is answered. In an open loop it sends what the load hands it.
"""

import time
from typing import Protocol

import numpy as np

from benchmarks.arrivals import Times
from benchmarks.http2 import Call, Connection
from benchmarks.messages import Checker, CheckError, InFlight, Maker, outcome_starts


class Load(Protocol):
    """What a connection needs of the load that it is part of."""

    maker: Maker
    checker: Checker
    outstanding: int
    refills: bool
    """Whether an answer makes room for another message: a closed loop, not ended."""
    is_empty: bool
    """Whether the answers are empty messages, from a handler that does nothing."""

    def answered_call(self, sent_ns: int) -> None:
        """One payment of a message of its own has its answer."""

    def answered(self, sent_ns: list[Times], payments: int) -> None:
        """One reply answers messages that were sent, or due, at these times."""


class Calls:
    """A connection that keeps unary calls of one message each under way."""

    def __init__(self, load: Load, transport: Connection) -> None:
        self.transport = transport
        self.open_count = 0
        self._load = load

    @property
    def room(self) -> int:
        """Messages that may be sent now."""
        return self._load.outstanding - self.open_count

    @property
    def unanswered(self) -> int:
        """Payments that were sent and have no answer."""
        return self.open_count * self._load.maker.payload

    def start(self) -> None:
        """Nothing is sent but calls."""

    def fill(self) -> None:
        """Begin all calls that may be under way."""
        self.send(np.full(self.room, time.perf_counter_ns(), np.int64))

    def finish(self) -> None:
        """Nothing to close: each call closes itself."""

    def send(self, times: Times) -> None:
        """Begin calls that were due at `times`; the transport is yet to write."""
        for sent_ns in times.tolist():
            self._call(sent_ns)

    def _call(self, sent_ns: int) -> None:
        load = self._load
        message = load.maker.take(1)
        replies: list[bytes] = []

        def end() -> None:
            [reply] = replies
            if load.is_empty:
                if reply:
                    raise CheckError("an empty handler gave an answer")
                load.answered_call(sent_ns)
            else:
                starts = outcome_starts(reply)
                if load.maker.payload == 1:
                    load.answered_call(sent_ns)
                else:
                    load.answered([np.array([sent_ns])], len(starts))
                load.checker.add([message], reply, starts)
            self.open_count -= 1
            if load.refills:
                self._call(time.perf_counter_ns())

        self.open_count += 1
        call = self.transport.open(replies.append, end)
        self.transport.send(call, message, last=True)


class Stream:
    """A connection with one stream of payments, answered in bulk."""

    def __init__(self, load: Load, transport: Connection) -> None:
        self.transport = transport
        self.open_count = 0
        self._load = load
        self._in_flight = InFlight(load.maker)
        self._call: Call | None = None

    @property
    def room(self) -> int:
        """Messages that may be sent now."""
        load = self._load
        return (load.outstanding - self._in_flight.payments) // load.maker.payload

    @property
    def unanswered(self) -> int:
        """Payments that were sent and have no answer."""
        return self._in_flight.payments

    def start(self) -> None:
        """Open the stream."""
        self._call = self.transport.open(self._answered, self._ended)
        self.open_count = 1

    def fill(self) -> None:
        """Send all that may be without an answer."""
        room = self.room
        if room > 0:
            self.send(np.full(room, time.perf_counter_ns(), np.int64))

    def finish(self) -> None:
        """Close this side; the server answers what it has and then its own."""
        assert self._call is not None
        self.transport.finish(self._call)
        self.transport.write()

    def send(self, times: Times) -> None:
        """Send messages that were due at `times`; the transport is yet to write."""
        maker = self._load.maker
        assert self._call is not None
        while len(times):
            messages = maker.take(len(times))
            count = len(messages) // maker.size
            self._in_flight.add(times[:count], messages)
            self.transport.send(self._call, messages)
            times = times[count:]

    def _answered(self, reply: bytes) -> None:
        load = self._load
        starts = outcome_starts(reply)
        requests = self._in_flight.answered(len(starts))
        load.answered([times for times, _ in requests], len(starts))
        load.checker.add([messages for _, messages in requests], reply, starts)
        if load.refills:
            self.fill()

    def _ended(self) -> None:
        if self._in_flight.payments:
            raise ValueError(f"{self._in_flight.payments} payments have no answer")
        self.open_count = 0
