"""The load: pays through open connections, checks every answer, reports one JSON line.

Started by `benchmarks.load` in a process of its own, as a client elsewhere would be.
A closed loop: each connection keeps a number of messages without an answer, and sends
another when one is answered. A latency runs from handing a message to the transport
to having its answer.
"""

import argparse
import gc
import json
import os
import selectors
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.histogram import Histogram
from benchmarks.http2 import Call, Connection
from benchmarks.messages import Checker, InFlight, Maker, outcome_starts
from switch.identity import Credentials

SERVICE = "/payswitch.v1.PaymentService/"
METHODS = {
    "unary": "CreatePayment",
    "batch": "CreatePayments",
    "stream": "StreamPayments",
}
DRAIN_S = 30.0
"""How long the last answers may take."""
SELECT_S = 0.05
"""The longest sleep, so that the clock is looked at."""


@dataclass
class Count:
    """What has been answered so far, and when it was counted."""

    at_ns: int
    payments: int
    accepted: int
    messages: int
    replies: int
    client_s: float
    server_s: float


class Load:
    """All connections of one run, and what came back on them."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.maker = Maker(options.payload, options.ids)
        self.checker = Checker(options.payload)
        self.latencies = Histogram()
        self.outstanding: int = options.outstanding
        self.sending = True
        self.payments = 0
        self.messages = 0
        self.replies = 0
        self._server_pid: int = options.server_pid
        path = SERVICE + METHODS[options.mode]
        tls: Path = options.tls
        credentials = Credentials(
            tls / "harness-harness.pem", tls / "harness-harness.key", tls / "ca.pem"
        )
        kind = Stream if options.mode == "stream" else Calls
        self.connections: list[Stream | Calls] = [
            kind(self, Connection(options.address, credentials, path))
            for _ in range(options.connections)
        ]

    def answered(
        self, requests: Sequence[tuple[int, memoryview]], reply: bytes, count: int
    ) -> None:
        """A reply answers `requests` of `count` payments."""
        now_ns = time.perf_counter_ns()
        size = self.maker.size
        for sent_ns, messages in requests:
            number = len(messages) // size
            self.latencies.add(now_ns - sent_ns, number)
            self.messages += number
        self.payments += count
        self.replies += 1

    def count(self) -> Count:
        """Where the run stands."""
        at_ns = time.perf_counter_ns()
        self.checker.finish()
        return Count(
            at_ns,
            self.payments,
            self.checker.accepted,
            self.messages,
            self.replies,
            time.process_time(),
            processor_s(self._server_pid),
        )

    def run(self, warm_up_s: float, seconds: float) -> dict[str, object]:
        """Warm up, measure, wait for the last answers; give the figures."""
        with selectors.DefaultSelector() as selector:
            for connection in self.connections:
                connection.start()
                selector.register(
                    connection.transport.socket, selectors.EVENT_READ, connection
                )
            self._turn_until(selector, time.perf_counter() + warm_up_s)
            self.latencies.clear()
            before = self.count()
            self._turn_until(selector, time.perf_counter() + seconds)
            after = self.count()
            figures = self._figures(before, after)
            self._drain(selector)
        self.checker.finish()
        return figures

    def _turn_until(self, selector: selectors.BaseSelector, end_s: float) -> None:
        """Move bytes until `end_s`, or until nothing is without an answer."""
        while True:
            left_s = end_s - time.perf_counter()
            if left_s <= 0 or not (self.sending or self._is_waiting()):
                return
            for key, _ in selector.select(min(left_s, SELECT_S)):
                connection: Stream | Calls = key.data
                transport = connection.transport
                transport.turn()
                events = selectors.EVENT_READ
                if transport.wants_write:
                    events |= selectors.EVENT_WRITE
                if events != key.events:
                    selector.modify(key.fileobj, events, connection)

    def _is_waiting(self) -> bool:
        return any(connection.open_count for connection in self.connections)

    def _drain(self, selector: selectors.BaseSelector) -> None:
        self.sending = False
        for connection in self.connections:
            connection.finish()
        self._turn_until(selector, time.perf_counter() + DRAIN_S)
        if self._is_waiting():
            raise TimeoutError("the last answers did not come")

    def _figures(self, before: Count, after: Count) -> dict[str, object]:
        seconds = (after.at_ns - before.at_ns) / 1e9
        payments = after.payments - before.payments
        micros = 1e6 / max(payments, 1)
        replies = max(after.replies - before.replies, 1)
        return {
            "payments": payments,
            "accepted": after.accepted - before.accepted,
            "seconds": round(seconds, 3),
            "messages": after.messages - before.messages,
            "payments_per_reply": round(payments / replies, 1),
            "p50_ms": self.latencies.quantile_ms(0.5),
            "p99_ms": self.latencies.quantile_ms(0.99),
            "max_ms": round(self.latencies.largest / 1e6, 3),
            "server_cpu_us_per_payment": round(
                (after.server_s - before.server_s) * micros, 3
            ),
            "client_cpu_us_per_payment": round(
                (after.client_s - before.client_s) * micros, 3
            ),
            "server_cores": round((after.server_s - before.server_s) / seconds, 2),
            "client_cores": round((after.client_s - before.client_s) / seconds, 2),
        }


class Calls:
    """A connection that keeps unary calls of one message each under way."""

    def __init__(self, load: Load, transport: Connection) -> None:
        self.transport = transport
        self.open_count = 0
        self._load = load

    def start(self) -> None:
        """Begin all calls that may be under way."""
        for _ in range(self._load.outstanding):
            self._call()
        self.transport.write()

    def finish(self) -> None:
        """Nothing to close: each call closes itself."""

    def _call(self) -> None:
        load = self._load
        message = load.maker.take(1)
        sent_ns = time.perf_counter_ns()
        replies: list[bytes] = []

        def end() -> None:
            [reply] = replies
            starts = outcome_starts(reply)
            load.answered([(sent_ns, message)], reply, len(starts))
            load.checker.add([message], reply, starts)
            self.open_count -= 1
            if load.sending:
                self._call()

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

    def start(self) -> None:
        """Open the stream and fill its window."""
        self._call = self.transport.open(self._answered, self._ended)
        self.open_count = 1
        self._fill()
        self.transport.write()

    def finish(self) -> None:
        """Close this side; the server answers what it has and then its own."""
        assert self._call is not None
        self.transport.finish(self._call)
        self.transport.write()

    def _fill(self) -> None:
        load = self._load
        assert self._call is not None
        payload = load.maker.payload
        while (room := load.outstanding - self._in_flight.payments) >= payload:
            messages = load.maker.take(room // payload)
            self._in_flight.add(time.perf_counter_ns(), messages)
            self.transport.send(self._call, messages)

    def _answered(self, reply: bytes) -> None:
        load = self._load
        starts = outcome_starts(reply)
        requests = self._in_flight.answered(len(starts))
        load.answered(requests, reply, len(starts))
        load.checker.add([messages for _, messages in requests], reply, starts)
        if load.sending:
            self._fill()

    def _ended(self) -> None:
        if self._in_flight.payments:
            raise ValueError(f"{self._in_flight.payments} payments have no answer")
        self.open_count = 0


def processor_s(pid: int) -> float:
    """Processor seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Run one load; the last line of the output is its JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--address", required=True)
    parser.add_argument("--tls", type=Path, required=True)
    parser.add_argument("--mode", choices=sorted(METHODS), required=True)
    parser.add_argument("--server-pid", type=int, required=True)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--outstanding", type=int, required=True)
    parser.add_argument("--payload", type=int, required=True)
    parser.add_argument("--ids", choices=("ordered", "random"), required=True)
    parser.add_argument("--warm-up", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    options = parser.parse_args()
    load = Load(options)
    # Nothing here makes cycles; a collection would only show as latency.
    gc.freeze()
    gc.disable()
    figures = load.run(options.warm_up, options.seconds)
    checker = load.checker
    figures["all_payments"] = checker.checked
    figures["all_accepted"] = checker.accepted
    figures["all_amount_paise"] = checker.amount
    figures["refused"] = {str(k): v for k, v in sorted(checker.refused.items())}
    print(json.dumps(figures))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
