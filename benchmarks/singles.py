"""What: payments one by one through the queue, from C, durable. Not: wire, sockets.

    python -m benchmarks.singles --mode closed --clients 1 --seconds 10 --json
    python -m benchmarks.singles --mode open --rate 100000 --seconds 10 --json

Closed: each client waits for its answer before it pays again. Open: payments arrive at
their times whatever came of those before, and a latency counts from the scheduled time.
Every payment is a whole message with an id and a bill of its own, made before the clock
starts; every answer is looked at, the index catches up, and the books are checked.

Beside it, in turn with it: the same closed loop from Python, and bare LMDB commits of
two small puts on the same disk, in a file extended beforehand as the ledger's is
("bare") and in one that is not ("bare_growing"). Beside the open loop also the same
arrivals into bare commits of one chunk of what is due ("bare_open"): what no ledger on
this disk can be below.
"""

import argparse
import json
import os
import resource
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks import _drive
from benchmarks.machine import machine
from benchmarks.messages import PAYMENT, PREFIX_SIZE, Maker, amounts_of
from benchmarks.network import make_network
from switch import _core as core
from switch.codes import AccountKind

ROUNDS = 5
"""Turns that the three kinds take; figures are over all of them."""
SECONDS_MAX = 120
CLOSED_RATE_MAX = 25_000
"""Payments a second and client for which messages are made."""
ASIDE = 0.25
"""Share of the seconds that each of the figures beside gets."""
RESERVE = 64 << 20
OPEN_ROW_BYTES = 256
"""Of a file extended beforehand, for each row of an open loop of bare commits."""
LEAD_NS = 200_000_000
"""From the first thread's start to the first arrival."""
INDEX_WAIT_S = 120

Messages = npt.NDArray[np.uint8]
Nanoseconds = npt.NDArray[np.uint64]


class Payer:
    """A ledger, its queue, and messages that nobody has sent before."""

    def __init__(
        self, directory: str, begin: Callable[[core.Ledger], None] | None = None
    ) -> None:
        """`begin` is called with the empty ledger."""
        self.ledger = core.Ledger(directory, map_size=1 << 40, reserve_size=RESERVE)
        if begin is not None:
            begin(self.ledger)
        self.harness, _ = make_network(self.ledger)
        self.base = self.ledger.sequence
        # Who takes the answers takes them at once: nothing is gained by gathering.
        self.queue = core.Queue(self.ledger, gather_s=0)
        self.queue.start()
        self._maker = Maker(1, "random")
        self.sent = 0
        self.accepted = 0
        self.paid = 0
        """Paise."""

    def messages(self, count: int) -> Messages:
        """`count` messages of one payment each."""
        parts = []
        left = count
        while left:
            taken = np.frombuffer(self._maker.take(left), np.uint8)
            parts.append(taken.reshape(-1, self._maker.size)[:, PREFIX_SIZE:])
            left -= len(parts[-1])
        return np.ascontiguousarray(np.concatenate(parts))

    def done(self, messages: Messages, accepted: int) -> None:
        """So many of these were accepted."""
        self.paid += int(amounts_of(messages.view(PAYMENT).reshape(-1)).sum())
        self.sent += len(messages)
        self.accepted += accepted

    def finish(self) -> float:
        """Wait for the index, check the books, close; seconds waited."""
        assert self.queue.stop(INDEX_WAIT_S)
        before = time.perf_counter()
        while self.ledger.index_sequence < self.ledger.sequence // 131_072 * 131_072:
            if self.ledger.dead or time.perf_counter() - before > INDEX_WAIT_S:
                raise SystemExit("the index did not catch up")
            time.sleep(0.001)
        waited = time.perf_counter() - before
        accounts, sequence = self.ledger.accounts()
        wallets = accounts[accounts["kind"] == AccountKind.WALLET]
        billers = accounts[accounts["kind"] == AccountKind.BILLER]
        if self.accepted != self.sent or sequence != self.base + self.sent:
            raise SystemExit(f"{self.accepted} of {self.sent} were accepted")
        if int(wallets["debits_posted"].sum()) != self.paid:
            raise SystemExit("the books do not balance")
        if int(billers["credits_posted"].sum()) != self.paid:
            raise SystemExit("the books do not balance")
        if int(wallets["receipt"].sum()) != self.accepted:
            raise SystemExit("receipts are missing")
        self.ledger.close()
        return waited


class Bare:
    """LMDB alone, in two directories: extended beforehand, and as it grows."""

    def __init__(self, directory: str) -> None:
        self._next = 1
        self._path = Path(directory)
        self._paths = [self._path / "bare", self._path / "bare-growing"]
        self.took: list[list[Nanoseconds]] = [[], []]
        for path in self._paths:
            path.mkdir()
            _drive.bare_commits(bytes(path), 1, np.zeros(10, np.uint64))
        with (self._paths[0] / "data.mdb").open("ab") as file:
            for _ in range(RESERVE >> 20):
                file.write(bytes(1 << 20))
                file.flush()
        self._next = 11

    def run(self, seconds: float) -> None:
        """Commit in both for about so long."""
        count = max(int(seconds / 2 * 3_000), 50)
        for path, took in zip(self._paths, self.took, strict=True):
            latencies = np.zeros(count, np.uint64)
            _drive.bare_commits(bytes(path), self._next, latencies)
            took.append(latencies)
        self._next += count

    def run_open(self, rate: int, seconds: float) -> tuple[Nanoseconds, int]:
        """What is due at this rate, a chunk in each commit; latencies, and commits."""
        path = self._path / "bare-open"
        path.mkdir()
        _drive.bare_commits(bytes(path), 1, np.zeros(10, np.uint64))
        with (path / "data.mdb").open("ab") as file:
            for _ in range(int(rate * seconds * OPEN_ROW_BYTES) >> 20):
                file.write(bytes(1 << 20))
            file.flush()
            os.fsync(file.fileno())
        latencies = np.zeros(int(rate * seconds), np.uint64)
        start = _drive.now_ns() + LEAD_NS
        return latencies, _drive.bare_open(bytes(path), 11, latencies, start, rate)


def pay_closed(payer: Payer, clients: int, seconds: float) -> tuple[Nanoseconds, float]:
    """A closed loop from C for so long; every latency, and processor seconds."""
    count = int(seconds * CLOSED_RATE_MAX)
    sets = [payer.messages(count) for _ in range(clients)]
    latencies = [np.zeros(count, np.uint64) for _ in sets]
    answers: list[tuple[int, int]] = [(0, 0)] * clients
    cpu_s = used_s()
    until = _drive.now_ns() + int(seconds * 1e9)

    def run(client: int) -> None:
        answers[client] = _drive.closed(
            payer.queue, sets[client], payer.harness, latencies[client], until
        )

    threads = [threading.Thread(target=run, args=(n,)) for n in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cpu_s = used_s() - cpu_s
    parts = []
    for messages, took, (sent, accepted) in zip(sets, latencies, answers, strict=True):
        payer.done(messages[:sent], accepted)
        parts.append(took[:sent])
    return np.concatenate(parts), cpu_s


def pay_python(payer: Payer, seconds: float) -> Nanoseconds:
    """The same from Python, one client."""
    messages = payer.messages(int(seconds * CLOSED_RATE_MAX))
    bodies = [bytes(one) for one in messages]
    latencies = []
    accepted = 0
    before = _drive.now_ns()
    until = before + int(seconds * 1e9)
    for body in bodies:
        if before >= until:
            break
        reply = payer.queue.commit(core.Request.payments(body, payer.harness, 0))
        after = _drive.now_ns()
        latencies.append(after - before)
        accepted += isinstance(reply, bytes) and reply[21] == 1
        before = after
    payer.done(messages[: len(latencies)], accepted)
    return np.array(latencies, np.uint64)


def pay_open(
    payer: Payer, rate: int, seconds: float
) -> tuple[Nanoseconds, float, int, int]:
    """Arrivals at a rate; every latency, processor seconds, groups, and no room."""
    messages = payer.messages(int(seconds * rate))
    latencies = np.zeros(len(messages), np.uint64)
    late: list[int] = []
    cpu_s = used_s()
    start = _drive.now_ns() + LEAD_NS

    def send() -> None:
        late.append(_drive.send(payer.queue, messages, payer.harness, start, rate))

    sender = threading.Thread(target=send)
    sender.start()
    groups, accepted = _drive.receive(payer.queue, messages, latencies, start, rate)
    sender.join()
    cpu_s = used_s() - cpu_s
    payer.done(messages, accepted)
    return latencies, cpu_s, groups, late[0]


def quantiles_ms(took: Nanoseconds, prefix: str = "") -> dict[str, float]:
    """p50, p99, p99.9 and the largest."""
    marks = {"p50": 0.5, "p99": 0.99, "p99_9": 0.999, "max": 1.0}
    return {
        f"{prefix}{name}_ms": round(float(np.quantile(took, share)) / 1e6, 3)
        for name, share in marks.items()
    }


def used_s() -> float:
    """Processor time of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def closed(payer: Payer, bare: Bare, clients: int, seconds: float) -> dict[str, object]:
    """A closed loop from C, from Python, and bare commits, in turn."""
    share = seconds / ROUNDS
    took: list[Nanoseconds] = []
    python: list[Nanoseconds] = []
    cpu_s = wall_s = 0.0
    pay_closed(payer, clients, share / 4)
    for _ in range(ROUNDS):
        bare.run(share * ASIDE)
        latencies, used = pay_closed(payer, clients, share)
        took.append(latencies)
        cpu_s += used
        wall_s += float(took[-1].sum()) / 1e9 / clients
        python.append(pay_python(payer, share * ASIDE))
    all_ = np.concatenate(took)
    p50s = [float(np.median(one)) for one in took]
    bares = [float(np.median(one)) for one in bare.took[0]]
    ratios = [one / other for one, other in zip(p50s, bares, strict=True)]
    return {
        "mode": "closed",
        "clients": clients,
        "payments": len(all_),
        "payments_per_s": round(len(all_) / wall_s),
        **quantiles_ms(all_),
        **quantiles_ms(np.concatenate(python), "python_"),
        **quantiles_ms(np.concatenate(bare.took[0]), "bare_"),
        **quantiles_ms(np.concatenate(bare.took[1]), "bare_growing_"),
        "p50_to_bare": round(float(np.median(ratios)), 3),
        "cpu_us_per_payment": round(cpu_s / len(all_) * 1e6, 1),
    }


def opened(payer: Payer, bare: Bare, rate: int, seconds: float) -> dict[str, object]:
    """An open loop from C, bare commits before and after it."""
    bare.run(seconds * ASIDE)
    pay_open(payer, rate, 0.5)
    took, cpu_s, groups, late = pay_open(payer, rate, seconds)
    bare.run(seconds * ASIDE)
    floor, commits = bare.run_open(rate, max(seconds * ASIDE, 0.1))
    return {
        "mode": "open",
        "rate": rate,
        "payments": len(took),
        "payments_per_s": round(len(took) / (seconds + float(took[-1]) / 1e9)),
        **quantiles_ms(took),
        "groups": groups,
        "found_no_room": late,
        **quantiles_ms(np.concatenate(bare.took[0]), "bare_"),
        **quantiles_ms(floor, "bare_open_"),
        "bare_open_rows_a_commit": round(len(floor) / commits, 1),
        "cpu_us_per_payment": round(cpu_s / len(took) * 1e6, 1),
    }


def main() -> None:
    """Run once in a fresh directory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mode", choices=("closed", "open"), default="closed")
    parser.add_argument("--clients", type=int, default=1, help="of the closed loop")
    parser.add_argument("--rate", type=int, default=100_000, help="of the open loop")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--directory", type=Path, help="parent of the fresh directory")
    parser.add_argument("--json", action="store_true", help="only the JSON line")
    options = parser.parse_args()
    if not 0.1 <= options.seconds <= SECONDS_MAX:
        parser.error(f"--seconds is 0.1 to {SECONDS_MAX}")
    if not 1 <= options.clients <= 256 or not 1 <= options.rate <= 1_000_000:
        parser.error("--clients is 1 to 256, --rate 1 to 1,000,000")
    directory = tempfile.mkdtemp(prefix="singles-bench-", dir=options.directory)
    try:
        payer = Payer(f"{directory}/ledger")
        bare = Bare(directory)
        if options.mode == "closed":
            result = closed(payer, bare, options.clients, options.seconds)
        else:
            result = opened(payer, bare, options.rate, options.seconds)
        result["index_wait_s"] = round(payer.finish(), 3)
    finally:
        shutil.rmtree(directory)
    result["machine"] = machine()
    if not options.json:
        for name, value in result.items():
            print(f"{name:24}{value}", file=sys.stderr)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
