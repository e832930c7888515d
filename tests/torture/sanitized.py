"""The server under sanitizers, while callers of all kinds come and go:

    python -m tests.torture.sanitized threads [--seconds 60]
    python -m tests.torture.sanitized memory [--seed 7]

For `make sanitize-threads` and `make sanitize`, which build what it needs. The front's
two threads, the committer, the index and Python's meet in one process: single payments,
batches, streams that end, break off or pass their deadline, hot calls whose bytes are
spoilt, feeds, look-ups, figures, new connections. What a sanitizer sees makes the
server's exit code 66, and is printed: which functions met, and the first of it whole.
"""

import argparse
import json
import os
import random
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import grpc

from server import hot
from switch.v1 import billers_pb2, payments_pb2
from tests.core.wire_maker import Maker
from tests.server.harness import Peers, ServerProcess, load, payment
from tests.server.test_metrics import ask

ROOT = Path(__file__).resolve().parents[2]
SUPPRESSIONS = ROOT / "tests" / "core" / "threads.supp"


@dataclass(frozen=True)
class Sanitizer:
    """One build of the product, and what has to be in its process."""

    folder: str
    libraries: tuple[str, ...]
    options: dict[str, str]
    sign: str
    """What it says when it has seen something."""

    @property
    def library(self) -> Path:
        """Where the build is."""
        return ROOT / "build" / self.folder / "lib"

    def prefix(self) -> list[str]:
        """Of a command that is to run under it."""
        found = [
            subprocess.check_output(["gcc", f"-print-file-name={one}"], text=True)
            for one in self.libraries
        ]
        preload = " ".join(map(str.strip, found))
        settings = {"LD_PRELOAD": preload, "PYTHONMALLOC": "malloc", **self.options}
        return ["env", *(f"{name}={value}" for name, value in settings.items())]


SANITIZERS = {
    "threads": Sanitizer(
        "threads",
        ("libtsan.so",),
        {"TSAN_OPTIONS": f"exitcode=66 suppressions={SUPPRESSIONS}"},
        "WARNING: ThreadSanitizer",
    ),
    "memory": Sanitizer(
        "sanitize",
        ("libasan.so", "libubsan.so"),
        {
            # What an interpreter leaves at its end is no leak of ours.
            "ASAN_OPTIONS": "detect_leaks=0:exitcode=66",
            "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1:exitcode=66",
        },
        r"ERROR: AddressSanitizer|runtime error:",
    ),
}
CALL_S = 60.0
SPOILT = ("INVALID_ARGUMENT", "RESOURCE_EXHAUSTED", "CANCELLED")
SHORT_S = (0.001, 0.003, 0.01, 0.03)
BATCH, STREAM = 300, 20
WITHOUT_BUDGETS = tuple(
    f"budget.{role}.{each}=1000000"
    for role in ("centre", "harness")
    for each in ("payments_per_s", "reads_per_s", "refusals_per_s")
)
"""One centre pays as many would, as fast as it is answered."""
STOP_S = 300.0
"""Under the sanitizer everything takes its time."""


class Callers:
    """Threads that call for so long; how often each kind did."""

    def __init__(self, server: ServerProcess, seconds: float, seed: int) -> None:
        self.server = server
        self.chance = random.Random(seed)
        self.maker = Maker(seed)
        self.end_s = time.monotonic() + seconds
        self.done: Counter[str] = Counter()
        self.errors: list[BaseException] = []
        kinds: list[Callable[[Peers], None]] = [self.pay, self.batch, self.stream]
        kinds += [self.break_off, self.late, self.read, self.follow, self.connect]
        kinds += [self.spoil]
        self.threads = [
            threading.Thread(target=self.repeat, args=(kind,)) for kind in kinds
        ]

    def run(self) -> None:
        """Until the time has passed. Raises what a caller met."""
        for thread in self.threads:
            thread.start()
        for thread in self.threads:
            thread.join()
        if self.errors:
            raise self.errors[0]

    def repeat(self, kind: Callable[[Peers], None]) -> None:
        """One kind of call, again and again, on connections of its own."""
        peers = Peers(self.server)
        try:
            while time.monotonic() < self.end_s:
                kind(peers)
                self.done[kind.__name__] += 1
        except Exception as error:  # noqa: BLE001  # told by who waits for it
            self.errors.append(error)
        finally:
            peers.close()

    def pay(self, peers: Peers) -> None:
        """One payment."""
        assert peers.centre().pay(payment()).sequence

    def batch(self, peers: Peers) -> None:
        """Many in one message."""
        outcomes = peers.centre().pay_all([payment() for _ in range(BATCH)])
        assert len(outcomes) == BATCH

    def stream(self, peers: Peers) -> None:
        """A stream that is answered to its end."""
        replies = peers.centre().payments.StreamPayments(requests(), timeout=CALL_S)
        assert sum(len(reply.outcomes) for reply in replies) == STREAM

    def break_off(self, peers: Peers) -> None:
        """A stream that is cancelled with its first answer."""
        replies = peers.centre().payments.StreamPayments(requests(), timeout=CALL_S)
        next(replies)
        replies.cancel()

    def late(self, peers: Peers) -> None:
        """Payments whose deadline is near."""
        create = peers.centre().payments.CreatePayment
        for limit_s in SHORT_S:
            request = payments_pb2.CreatePaymentRequest(payment=payment())
            may_fail(partial(create, request, timeout=limit_s))

    def read(self, peers: Peers) -> None:
        """A payment, and the figures."""
        request = payments_pb2.GetPaymentRequest(id=payment().id)
        centre = peers.centre().payments
        may_fail(lambda: centre.GetPayment(request, timeout=CALL_S), "NOT_FOUND")
        assert ask(self.server.metrics, "/metrics")[0] == 200

    def follow(self, peers: Peers) -> None:
        """A feed, until its deadline."""
        request = billers_pb2.FollowFeedRequest()
        feed = peers.biller("land").billers.FollowFeed(request, timeout=0.3)
        may_fail(lambda: sum(1 for _ in feed))

    def spoil(self, peers: Peers) -> None:
        """Bytes to a hot call that are mostly no request."""
        sender = peers.harness if self.chance.randrange(2) else peers.centre()
        method = self.chance.choice(hot.METHODS)
        bodies = [self.maker.make() for _ in range(1 + self.chance.randrange(5))]
        call: Any
        if method.endswith("StreamPayments"):
            call = sender.channel.stream_stream(method)
            replies = call(iter(bodies), timeout=CALL_S)
            if self.chance.randrange(3) == 0:
                replies.cancel()
            may_fail(lambda: sum(1 for _ in replies), *SPOILT)
        else:
            call = sender.channel.unary_unary(method)
            for body in bodies:
                may_fail(partial(call, body, timeout=CALL_S), *SPOILT)

    def connect(self, _: Peers) -> None:
        """A new connection, for one payment."""
        peers = Peers(self.server)
        self.pay(peers)
        peers.close()


def requests() -> Iterator[payments_pb2.StreamPaymentsRequest]:
    """Messages of one payment each."""
    for _ in range(STREAM):
        yield payments_pb2.StreamPaymentsRequest(payments=[payment()])


def may_fail(call: Callable[[], object], *codes: str) -> None:
    """Call; it may end with one of these statuses, or late, and with no other."""
    try:
        call()
    except grpc.RpcError as error:
        # Of a call cancelled while its end arrived the details say another code.
        if error.code().name not in (*codes, "DEADLINE_EXCEEDED"):
            raise


def main() -> int:
    """Run once; 1 if anything was seen."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=SANITIZERS)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, help="random if not given")
    given = parser.parse_args()
    seed = secrets.randbits(31) if given.seed is None else given.seed
    sanitizer = SANITIZERS[given.kind]
    with tempfile.TemporaryDirectory() as name:
        # Under a sanitizer all takes its time.
        settings = ("feed_poll_ms=10", "metrics.request_ms=60000", *WITHOUT_BUDGETS)
        options = tuple(word for one in settings for word in ("--set", one))
        server = ServerProcess(
            Path(name), *options, prefix=sanitizer.prefix(), root=sanitizer.library
        )
        server.wait_ready()
        maps = Path(f"/proc/{server.pid}/maps").read_text()
        assert all(one.removesuffix(".so") in maps for one in sanitizer.libraries)
        assert f"{sanitizer.library}/server/_front" in maps
        peers = Peers(server)
        load(peers)
        peers.close()
        callers = Callers(server, given.seconds, seed)
        try:
            callers.run()
        finally:
            os.kill(server.pid, signal.SIGTERM)
            code = server.wait(STOP_S)
            said = server.log()
    seen = re.split(sanitizer.sign, said)[1:]
    if seen:
        print(seen[0], file=sys.stderr)
    for one in seen:
        print(*re.findall(r"#0 (?:0x\w+ in )?(\w+)", one)[:2], file=sys.stderr)
    told = {"exit": code, "seen": len(seen), "seed": seed, "calls": dict(callers.done)}
    print(json.dumps(told))
    return int(code != 0 or bool(seen))


if __name__ == "__main__":
    sys.exit(main())
