"""The server under the sanitizer of threads, while callers of all kinds come and go:

    python -m tests.torture.threads [--seconds 60]

For `make sanitize-threads`, which builds build/threads/lib. The front's two threads,
the committer, the index and Python's meet in one process: single payments, batches,
streams that end, break off or pass their deadline, feeds, look-ups, figures, new
connections. What the sanitizer sees makes the server's exit code 66, and is printed:
which functions met, and the first of it whole.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import grpc

from switch.v1 import billers_pb2, payments_pb2
from tests.server.harness import Failure, Peers, ServerProcess, load, payment
from tests.server.test_metrics import ask

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "build" / "threads" / "lib"
SUPPRESSIONS = ROOT / "tests" / "core" / "threads.supp"
CALL_S = 60.0
SHORT_S = (0.001, 0.003, 0.01, 0.03)
BATCH, STREAM = 300, 20
STOP_S = 300.0
"""Under the sanitizer everything takes its time."""


class Callers:
    """Threads that call for so long; how often each kind did."""

    def __init__(self, server: ServerProcess, seconds: float) -> None:
        self.server = server
        self.end_s = time.monotonic() + seconds
        self.done: Counter[str] = Counter()
        self.errors: list[BaseException] = []
        kinds: list[Callable[[Peers], None]] = [self.pay, self.batch, self.stream]
        kinds += [self.break_off, self.late, self.read, self.follow, self.connect]
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

    def connect(self, _: Peers) -> None:
        """A new connection, for one payment."""
        peers = Peers(self.server)
        self.pay(peers)
        peers.close()


def requests() -> Iterator[payments_pb2.StreamPaymentsRequest]:
    """Messages of one payment each."""
    for _ in range(STREAM):
        yield payments_pb2.StreamPaymentsRequest(payments=[payment()])


def may_fail(call: Callable[[], object], code: str = "DEADLINE_EXCEEDED") -> None:
    """Call; it may end with this status and no other."""
    try:
        call()
    except grpc.RpcError as error:
        if Failure(error).code.name != code:
            raise


def main() -> int:
    """Run once; 1 if anything was seen."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args()
    found = ["gcc", "-print-file-name=libtsan.so"]
    sanitizer = subprocess.check_output(found, text=True).strip()
    prefix = ["env", f"LD_PRELOAD={sanitizer}", "PYTHONMALLOC=malloc"]
    prefix += [f"TSAN_OPTIONS=exitcode=66 suppressions={SUPPRESSIONS}"]
    with tempfile.TemporaryDirectory() as name:
        options = ("--set", "feed_poll_ms=10")
        server = ServerProcess(Path(name), *options, prefix=prefix, root=LIBRARY)
        server.wait_ready()
        maps = Path(f"/proc/{server.pid}/maps").read_text()
        assert "libtsan" in maps
        assert f"{LIBRARY}/server/_front" in maps
        peers = Peers(server)
        load(peers)
        peers.close()
        callers = Callers(server, given.seconds)
        try:
            callers.run()
        finally:
            server.process.terminate()
            code = server.wait(STOP_S)
            said = server.log()
    races = said.split("WARNING: ThreadSanitizer")[1:]
    if races:
        print(races[0], file=sys.stderr)
    for race in races:
        print(*re.findall(r"#0 (\w+)", race)[:2], file=sys.stderr)
    print(json.dumps({"exit": code, "seen": len(races), "calls": dict(callers.done)}))
    return int(code != 0 or bool(races))


if __name__ == "__main__":
    sys.exit(main())
