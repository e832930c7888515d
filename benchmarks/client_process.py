"""The load: pays through open connections, checks every answer, reports one JSON line.

Started by `benchmarks.load` in a process of its own, as a client elsewhere would be.
Making messages by the block, sending them, reading the answers and checking each is C's
work (`benchmarks/client`).

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
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import _client
from benchmarks._client import CheckError
from benchmarks.arrivals import Arrivals
from benchmarks.histogram import Histogram
from benchmarks.messages import (
    EVEN,
    PREFIX_SIZE,
    Maker,
    Shares,
    places,
)
from benchmarks.meters import process_s
from benchmarks.network import CENTRES
from benchmarks.quoted import QuotedMaker, Sealer
from switch.credentials import Credentials

Callers = list[tuple[Credentials, bytes]]
"""Certificates with as many connections each; the session of their calls, or none."""
EMPTY = "/payswitch.benchmarks.Empty/Call"
"""A method of `benchmarks.empty_server`."""
_SERVICE = "/payswitch.v1.PaymentService/"
METHODS = {
    "unary": _SERVICE + "CreatePayment",
    "batch": _SERVICE + "CreatePayments",
    "stream": _SERVICE + "StreamPayments",
    "bills": _SERVICE + "StreamPayments",
    "get": _SERVICE + "GetPayment",
    "empty": EMPTY,
}
STREAMS = ("stream", "bills")
"""Modes in which all messages of a connection go over one stream."""
DRAIN_NS = 30_000_000_000
"""How long the last answers may take."""
BEHIND_MAX_NS = 5_000_000_000
"""A load that is so far behind its own schedule sends no more: it is an overload."""
LOOK_NS = 50_000_000
"""Between two looks at how far behind it is."""
NS_IN_S = 1_000_000_000
KNOWN = 8_190
"""Payments that GetPayment is asked for, in turn."""
QUESTION = np.dtype([("tag", "V2"), ("id", "V16")])
"""A GetPaymentRequest."""


class Questions:
    """Makes GetPayment's messages, of payments that were made before."""

    payload = 1
    layout = QUESTION

    def __init__(self, ids: np.ndarray[tuple[int], np.dtype[np.void]]) -> None:
        """`ids`: of the payments."""
        questions = np.zeros(len(ids), [("head", "V5"), ("question", QUESTION)])
        questions["head"] = np.void(b"\0" + QUESTION.itemsize.to_bytes(4, "big"))
        questions["question"]["tag"] = np.void(b"\x0a\x10")
        questions["question"]["id"] = ids
        self._block = memoryview(questions.tobytes())
        self.size = questions.itemsize

    def take(self, count: int) -> memoryview:
        """1 to `count` messages, the same again and again."""
        return self._block[: count * self.size]


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
    look_ns = LOOK_NS
    keeps_times = False
    """Whether C notes when each message was due."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.paid_before = {"payments": 0, "accepted": 0, "amount": 0}
        """By this process, beside the load."""
        self.maker: Maker | Questions = self.make_maker(options)
        asks = {"get": _client.PAYMENT_STATE, "empty": _client.NOTHING}
        if options.mode == "get":
            self.maker = self._questions(options)
        self.client = _client.Client(
            options.address,
            self.callers(options),
            METHODS[options.mode],
            connections=options.connections,
            outstanding=self.bound(options),
            payload=self.maker.payload,
            asks=asks.get(options.mode, _client.PAYMENTS),
            is_stream=options.mode in STREAMS,
            is_held=options.mode == "bills",
            keeps_times=self.keeps_times,
            **places(self.maker.layout),
        )
        self.rate: float = options.rate
        self.arrivals: Arrivals | None = None
        self.overloaded = False
        self._seed: int = options.seed
        self._server_pid: int = options.server_pid

    # --- what a kind of load may do otherwise --------------------------------------

    def make_maker(self, options: argparse.Namespace) -> Maker:
        """What makes the messages."""
        return maker_of(options)

    def callers(self, options: argparse.Namespace) -> Credentials | Callers:
        """Who has the connections."""
        return credentials(options.tls)

    def bound(self, options: argparse.Namespace) -> int:
        """Messages of each connection without an answer."""
        each = self.maker.payload if options.mode in STREAMS else 1
        bound: int = max(options.outstanding // each, 1)
        return bound

    def look(self) -> None:
        """What is to be done each `look_ns`."""

    # --- the run -------------------------------------------------------------------

    def run(self, warm_up_s: float, seconds: float) -> dict[str, object]:
        """Warm up, measure, wait for the last answers; give the figures."""
        start_ns = _client.now_ns()
        if self.rate:
            per_s = self.rate / self.maker.payload
            self.arrivals = Arrivals(per_s, start_ns, self._seed)
        self._turn_until(start_ns + round(warm_up_s * NS_IN_S))
        before = self._count()
        end_ns = before.at_ns + round(seconds * NS_IN_S)
        # In an open loop what was due within has a latency, or the slowest would be
        # left out; in a closed one what was answered within.
        since_ns = before.at_ns if self.rate else 0
        self.client.measure(since_ns, end_ns if self.rate else 1 << 63)
        self._turn_until(end_ns)
        after = self._count()
        unanswered = self._unanswered(after.at_ns)
        if not self.rate:
            self.client.freeze()
        self.client.end(after.at_ns + (self.tail_ns if self.rate else 0))
        self._drain()
        figures = self.figures(before, after)
        if self.rate:
            figures["offered_per_s"] = round(self.rate)
            figures["unanswered_at_end"] = unanswered
            figures["overloaded"] = self.overloaded
        return figures

    def _supply(self) -> None:
        """Make the next messages, and say when they are due."""
        messages = self.maker.take(1 << 30)
        times = None
        if self.arrivals is not None:
            times = self.arrivals.take(len(messages) // self.maker.size)
        self.client.supply(messages, times)

    def _turn_until(self, end_ns: int) -> bool:
        """Send and read until `end_ns`, or until all is done; whether it is."""
        while (now_ns := _client.now_ns()) < end_ns:
            self.look()
            found = self.client.run(min(end_ns, now_ns + self.look_ns))
            if found == _client.DONE:
                return True
            if found == _client.EMPTY:
                self._supply()
            self._look_behind()
        return False

    def _look_behind(self) -> None:
        next_ns = self.client.next_due_ns
        now_ns = _client.now_ns()
        if next_ns is not None and now_ns - next_ns > BEHIND_MAX_NS:
            self.overloaded = True
            self.client.end(now_ns - BEHIND_MAX_NS)

    def _unanswered(self, at_ns: int) -> int:
        """Payments that were due by then, or sent, and have no answer."""
        messages = self.client.counts()["unanswered"]
        if self.arrivals is not None:
            messages += self.client.overdue(at_ns) + self.arrivals.due(at_ns)
        return messages * self.maker.payload

    def _drain(self) -> None:
        if not self._turn_until(_client.now_ns() + DRAIN_NS):
            raise TimeoutError("the last answers did not come")

    def _questions(self, options: argparse.Namespace) -> Questions:
        """Pay some, unless none are to be made, and ask for these."""
        maker = Maker(
            KNOWN,
            "random",
            seed=options.seed,
            first=options.first,
            centres=options.centres,
        )
        message = maker.take(1)
        if not options.made_up:
            self._pay_before(options, maker, message)
        body = np.frombuffer(message[PREFIX_SIZE:], np.uint8)
        return Questions(body.view(maker.layout)["id"].copy())

    def _pay_before(
        self, options: argparse.Namespace, maker: Maker, message: memoryview
    ) -> None:
        client = _client.Client(
            options.address,
            credentials(options.tls),
            METHODS["batch"],
            connections=1,
            outstanding=1,
            payload=KNOWN,
            **places(maker.layout),
        )
        client.supply(message)
        until_ns = _client.now_ns() + DRAIN_NS
        if client.run(until_ns) != _client.EMPTY:
            raise CheckError("nothing was sent")
        client.end(0)
        if client.run(until_ns) != _client.DONE:
            raise CheckError("nothing was paid before")
        counts = client.counts()
        self.paid_before = {name: counts[name] for name in self.paid_before}
        if counts["accepted"] != KNOWN:
            raise CheckError(f"{counts['accepted']} of {KNOWN} were accepted")

    # --- figures -------------------------------------------------------------------

    def _count(self) -> Count:
        counts = self.client.counts()
        return Count(
            _client.now_ns(),
            counts["payments"],
            counts["accepted"],
            counts["messages"],
            counts["replies"],
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
        latencies = Histogram.of(*self.client.latencies())
        return {
            "payments": payments,
            "accepted": after.accepted - before.accepted,
            "seconds": round(seconds, 3),
            "messages": after.messages - before.messages,
            "request_bytes_per_payment": round(self.maker.size / self.maker.payload, 1),
            "payments_per_reply": round(payments / replies, 1),
            **latencies.quantiles_ms(),
            "server_cpu_us_per_payment": round(server_s * micros, 3),
            "client_cpu_us_per_payment": round(client_s * micros, 3),
            "server_cores": round(server_s / seconds, 2),
            "client_cores": round(client_s / seconds, 2),
        }


def credentials(tls: Path) -> Credentials:
    """The harness's."""
    return Credentials(
        tls / "harness-harness.pem", tls / "harness-harness.key", tls / "ca.pem"
    )


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
    parser.add_argument("--centres", type=int, default=CENTRES, help="that pay")
    parser.add_argument("--ledger", type=Path, help="directory of the server's ledger")
    parser.add_argument("--instance", default="", help="of that ledger")
    parser.add_argument(
        "--made-up", action="store_true", help="ask a sink for payments of nobody"
    )
    parser.add_argument(
        "--ahead", type=int, default=0, help="quotations; 0: none at all"
    )
    return parser


def maker_of(options: argparse.Namespace, shares: Shares = EVEN) -> Maker:
    """What makes the messages of a load, with quotations if there are to be any."""
    payload, ids, seed, first, centres = (
        getattr(options, name)
        for name in ("payload", "ids", "seed", "first", "centres")
    )
    if not options.ahead:
        return Maker(
            payload, ids, seed=seed, first=first, shares=shares, centres=centres
        )
    return QuotedMaker(
        payload,
        ids,
        sealer=Sealer.of(options.ledger, bytes.fromhex(options.instance)),
        ahead=options.ahead,
        seed=seed,
        first=first,
        shares=shares,
        centres=centres,
    )


def report(load: Load, options: argparse.Namespace) -> None:
    """Run a load; the last line of the output is its JSON. Raises CheckError."""
    # Nothing here makes cycles; a collection would only show as latency.
    gc.freeze()
    gc.disable()
    figures = load.run(options.warm_up, options.seconds)
    client = load.client
    counts, statuses = client.counts(), client.statuses()
    if statuses or counts["resets"]:
        raise CheckError(f"calls ended with {statuses}: {client.last_status}")
    paid = counts if options.mode != "get" else dict.fromkeys(counts, 0)
    for name, before in load.paid_before.items():
        figures[f"all_{name}"] = paid[name] + before
    if options.mode == "empty":
        figures["all_amount"] = 0
    figures["all_amount_paise"] = figures.pop("all_amount")
    figures["refused"] = {str(k): v for k, v in sorted(client.refused().items())}
    print(json.dumps(figures))
    sys.stdout.flush()


if __name__ == "__main__":
    parsed = arguments().parse_args()
    report(Load(parsed), parsed)
