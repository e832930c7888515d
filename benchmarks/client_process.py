"""The load: pays through open connections, checks every answer, reports one JSON line.

Started by `benchmarks.load` in a process of its own, as a client elsewhere would be.

A closed loop: each connection keeps a number of messages without an answer, and sends
another when one is answered; a latency runs from handing a message to the transport to
having its answer. An open loop (`--rate`): messages are due at times that know nothing
of the answers; a latency runs from when a message was due.

With `--ahead` payments present quotations: so many are sealed before a connection is
opened (`benchmarks.quoted`), with the keys that the fresh ledger's directory has.
"""

import argparse
import gc
import json
import selectors
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.arrivals import Arrivals, Times
from benchmarks.client_calls import Calls, Stream
from benchmarks.histogram import Histogram
from benchmarks.http2 import Connection
from benchmarks.messages import EVEN, Checker, Maker, Shares
from benchmarks.meters import process_s
from benchmarks.quoted import QuotedMaker, Sealer
from switch.credentials import Credentials

EMPTY = "/payswitch.benchmarks.Empty/Call"
"""A method of `benchmarks.empty_server`."""
_SERVICE = "/payswitch.v1.PaymentService/"
METHODS = {
    "unary": _SERVICE + "CreatePayment",
    "batch": _SERVICE + "CreatePayments",
    "stream": _SERVICE + "StreamPayments",
    "bills": _SERVICE + "StreamPayments",
    "empty": EMPTY,
}
DRAIN_S = 30.0
"""How long the last answers may take."""
BEHIND_MAX_NS = 5_000_000_000
"""A load that is so far behind its own schedule sends no more: it is an overload."""
SELECT_S = 0.05
"""The longest sleep, so that the clock is looked at."""
TICK_S = 0.0001
"""The shortest sleep of an open loop: what is due within it leaves together."""
LATENCIES = 4_096
"""Latencies that are counted at a time."""


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

    tail_ns = 0
    """How long an open loop goes on after the measurement."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.maker = self.make_maker(options)
        self.checker = Checker(
            options.payload,
            is_held=options.mode == "bills",
            layout=self.maker.layout,
        )
        self.latencies = Histogram()
        self.outstanding: int = options.outstanding
        self.is_empty = options.mode == "empty"
        self.rate: float = options.rate
        self.arrivals: Arrivals | None = None
        self.refills = not self.rate
        self.payments = 0
        self.messages = 0
        self.replies = 0
        self.overloaded = False
        self._seed: int = options.seed
        self._since_ns = 0
        self._waited: list[Times] = []
        self._waited_count = 0
        self._turn = 0
        self._server_pid: int = options.server_pid
        tls: Path = options.tls
        credentials = Credentials(
            tls / "harness-harness.pem", tls / "harness-harness.key", tls / "ca.pem"
        )
        path = METHODS[options.mode]
        is_stream = path == METHODS["stream"]
        make = self.make_stream if is_stream else self.make_calls
        self.connections: list[Stream | Calls] = [
            make(Connection(options.address, credentials, path))
            for _ in range(options.connections)
        ]

    # --- what a kind of load may do otherwise --------------------------------------

    def make_maker(self, options: argparse.Namespace) -> Maker:
        """What makes the messages."""
        return maker_of(options)

    def make_stream(self, transport: Connection) -> Stream:
        """What pays through a stream."""
        return Stream(self, transport)

    def make_calls(self, transport: Connection) -> Calls:
        """What pays through calls."""
        return Calls(self, transport)

    def next_look_s(self) -> float:
        """Do what is due; seconds until there is more to do."""
        return SELECT_S if self.arrivals is None else self._send_due()

    # --- what connections tell -----------------------------------------------------

    def answered_call(self, sent_ns: int) -> None:
        """One payment of a message of its own has its answer."""
        self.payments += 1
        self.messages += 1
        self.replies += 1
        if sent_ns >= self._since_ns:
            self.latencies.add(time.perf_counter_ns() - sent_ns)

    def answered(self, sent_ns: list[Times], payments: int) -> None:
        """One reply answers messages that were sent, or due, at these times."""
        now_ns = time.perf_counter_ns()
        for times in sent_ns:
            self.messages += len(times)
            # Ascending: what was sent before the measurement comes first.
            if times[0] < self._since_ns:
                times = times[np.searchsorted(times, self._since_ns) :]
            self._waited.append(now_ns - times)
            self._waited_count += len(times)
        self.payments += payments
        self.replies += 1
        if self._waited_count >= LATENCIES:
            self._count_latencies()

    def _count_latencies(self) -> None:
        if self._waited:
            self.latencies.add_many(np.concatenate(self._waited))
        self._waited.clear()
        self._waited_count = 0

    # --- the run -------------------------------------------------------------------

    def run(self, warm_up_s: float, seconds: float) -> dict[str, object]:
        """Warm up, measure, wait for the last answers; give the figures."""
        # The finest sleeps; and an open loop's are shorter than a millisecond.
        with selectors.SelectSelector() as selector:
            for connection in self.connections:
                connection.start()
                if self.refills:
                    connection.fill()
                connection.transport.write()
                selector.register(
                    connection.transport.socket, selectors.EVENT_READ, connection
                )
            if self.rate:
                payload = self.maker.payload
                start_ns = time.perf_counter_ns()
                self.arrivals = Arrivals(self.rate / payload, start_ns, self._seed)
            self._turn_until(selector, time.perf_counter() + warm_up_s)
            before = self._begin()
            self._turn_until(selector, time.perf_counter() + seconds)
            after = self._count()
            unanswered = self._end(after.at_ns)
            self._drain(selector)
        self.checker.finish()
        self._count_latencies()
        figures = self.figures(before, after)
        if self.rate:
            figures["offered_per_s"] = round(self.rate)
            figures["unanswered_at_end"] = unanswered
            figures["overloaded"] = self.overloaded
        return figures

    def _begin(self) -> Count:
        """From here on it counts."""
        count = self._count()
        self._count_latencies()
        self.latencies.clear()
        if self.rate:
            # In a closed loop what is under way counts when it is answered.
            self._since_ns = count.at_ns
        return count

    def _end(self, at_ns: int) -> int:
        """Send nothing that is due after the tail; payments due and not answered.

        A closed loop's latencies end here; in an open loop each message that was due
        has a latency, or the slowest would be left out.
        """
        unanswered = sum(one.unanswered for one in self.connections)
        if self.arrivals is None:
            self._count_latencies()
            self._since_ns = 1 << 62
            return unanswered
        self.arrivals.end(at_ns + self.tail_ns)
        return unanswered + self.arrivals.due(at_ns) * self.maker.payload

    def _turn_until(self, selector: selectors.BaseSelector, end_s: float) -> None:
        """Move bytes until `end_s`, or until nothing is without an answer."""
        while True:
            left_s = end_s - time.perf_counter()
            if left_s <= 0 or not (self.refills or self._is_waiting()):
                return
            for key, _ in selector.select(min(left_s, self.next_look_s())):
                connection: Stream | Calls = key.data
                connection.transport.turn()
            self._watch(selector)

    def _watch(self, selector: selectors.BaseSelector) -> None:
        """Wait for room in a socket only where something waits for it."""
        for key in list(selector.get_map().values()):
            events = selectors.EVENT_READ
            if key.data.transport.wants_write:
                events |= selectors.EVENT_WRITE
            if events != key.events:
                selector.modify(key.fileobj, events, key.data)

    def _send_due(self) -> float:
        """Hand out what is due; seconds until there is more to do."""
        arrivals = self.arrivals
        assert arrivals is not None
        now_ns = time.perf_counter_ns()
        if now_ns - arrivals.next_ns > BEHIND_MAX_NS and not self.overloaded:
            self.overloaded = True
            arrivals.end(now_ns - BEHIND_MAX_NS)
        due = arrivals.due(now_ns)
        count = len(self.connections)
        for number in range(count):
            connection = self.connections[(self._turn + number) % count]
            share = -(-due // (count - number))
            taken = min(share, max(connection.room, 0))
            if taken:
                connection.send(arrivals.take(taken))
                connection.transport.write()
                due -= taken
        self._turn += 1
        if arrivals.ended:
            return SELECT_S
        return max((arrivals.next_ns - time.perf_counter_ns()) / 1e9, TICK_S)

    def _is_waiting(self) -> bool:
        if self.arrivals is not None and not self.arrivals.ended:
            return True
        return any(connection.open_count for connection in self.connections)

    def _drain(self, selector: selectors.BaseSelector) -> None:
        self.refills = False
        until_s = time.perf_counter() + DRAIN_S
        while self.arrivals is not None and not self.arrivals.ended:
            self._turn_until(selector, time.perf_counter() + SELECT_S)
            if time.perf_counter() > until_s:
                raise TimeoutError("what was due could not be sent")
        for connection in self.connections:
            connection.finish()
        self._turn_until(selector, until_s)
        if self._is_waiting():
            raise TimeoutError("the last answers did not come")

    # --- figures -------------------------------------------------------------------

    def _count(self) -> Count:
        at_ns = time.perf_counter_ns()
        self.checker.finish()
        return Count(
            at_ns,
            self.payments,
            self.payments if self.is_empty else self.checker.accepted,
            self.messages,
            self.replies,
            time.process_time(),
            process_s(self._server_pid),
        )

    def figures(self, before: Count, after: Count) -> dict[str, object]:
        """What was done between two counts."""
        seconds = (after.at_ns - before.at_ns) / 1e9
        payments = after.payments - before.payments
        micros = 1e6 / max(payments, 1)
        replies = max(after.replies - before.replies, 1)
        server_s = after.server_s - before.server_s
        client_s = after.client_s - before.client_s
        return {
            "payments": payments,
            "accepted": after.accepted - before.accepted,
            "seconds": round(seconds, 3),
            "messages": after.messages - before.messages,
            "request_bytes_per_payment": round(self.maker.size / self.maker.payload, 1),
            "payments_per_reply": round(payments / replies, 1),
            **self.latencies.quantiles_ms(),
            "server_cpu_us_per_payment": round(server_s * micros, 3),
            "client_cpu_us_per_payment": round(client_s * micros, 3),
            "server_cores": round(server_s / seconds, 2),
            "client_cores": round(client_s / seconds, 2),
        }


def arguments() -> argparse.ArgumentParser:
    """What every load is told."""
    parser = argparse.ArgumentParser()
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
    parser.add_argument("--rate", type=float, default=0.0, help="0: a closed loop")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--first", type=int, default=1, help="number of the first bill")
    parser.add_argument("--ledger", type=Path, help="directory of the server's ledger")
    parser.add_argument("--instance", default="", help="of that ledger")
    parser.add_argument(
        "--ahead", type=int, default=0, help="quotations; 0: none at all"
    )
    return parser


def maker_of(options: argparse.Namespace, shares: Shares = EVEN) -> Maker:
    """What makes the messages of a load, with quotations if there are to be any."""
    payload, ids, seed, first = (
        getattr(options, name) for name in ("payload", "ids", "seed", "first")
    )
    if not options.ahead:
        return Maker(payload, ids, seed=seed, first=first, shares=shares)
    return QuotedMaker(
        payload,
        ids,
        sealer=Sealer.of(options.ledger, bytes.fromhex(options.instance)),
        ahead=options.ahead,
        seed=seed,
        first=first,
        shares=shares,
    )


def report(load: Load, options: argparse.Namespace) -> None:
    """Run a load; the last line of the output is its JSON."""
    # Nothing here makes cycles; a collection would only show as latency.
    gc.freeze()
    gc.disable()
    figures = load.run(options.warm_up, options.seconds)
    checker = load.checker
    figures["all_payments"] = load.payments
    figures["all_accepted"] = load.payments if load.is_empty else checker.accepted
    figures["all_amount_paise"] = checker.amount
    figures["refused"] = {str(k): v for k, v in sorted(checker.refused.items())}
    print(json.dumps(figures))
    sys.stdout.flush()


if __name__ == "__main__":
    parsed = arguments().parse_args()
    report(Load(parsed), parsed)
