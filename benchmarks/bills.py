"""What: whole payments of bills: held, confirmed over the biller's stream, posted.

    python -m benchmarks.load --mode bills --seconds 10 --json
    python -m benchmarks.load --mode bills --rate 20000               an open loop

Everything shares the machine: the server, the client (`benchmarks.bills_client`) and
the billers (`benchmarks.billers`, one process). 70 % of the payments come from
one wallet, 58 % go to one biller. A payment counts when its post is durable. The
latencies of a closed loop are those of the payments that were posted within the
measurement, the latencies of an open loop of those that were due within it.

A latency runs from when the payment was due to be sent until its post is durable, on
one clock. Both come from outside the server's own account: the client notes when each
bill was due, and the journal is read afterwards. A row's time is taken just before its
group is committed; it is durable at the latest when the next group is given a time,
for groups follow one another. So that is taken, and a latency is never too short.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from benchmarks.load_network import LoadError
from benchmarks.network import BILLERS
from switch.audit.reader import Block, Journal
from switch.codes import Kind, Result

STOP_S = 30.0
CONNECTIONS = 2
"""Of each biller."""
REFERENCE_SIZE = 32
DIGITS = 15
"""Of a bill's reference, which is its number."""
NS_IN_S = 1_000_000_000

Numbers = npt.NDArray[np.uint64]
Services = npt.NDArray[np.uint16]
Times = npt.NDArray[np.int64]
_TENS = 10 ** np.arange(DIGITS - 1, -1, -1, dtype=np.uint64)


class Billers:
    """A process of billers; ended with the `with` statement."""

    command: tuple[str, ...] = ("benchmarks.billers",)
    """The module that it runs, and what it is told besides."""

    def __init__(
        self,
        address: str,
        tls: Path,
        billers: Iterable[int] = range(BILLERS),
        *options: str,
    ) -> None:
        """Start it; it dials in by itself. `options`: more that it is told."""
        names = [f"biller-{number}" for number in billers]
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", *self.command),
                *("--address", address, "--tls", str(tls)),
                *("--connections", str(CONNECTIONS), *options, *names),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def stop(self) -> dict[str, int]:
        """End it; what it credited. Raises LoadError."""
        self._process.send_signal(signal.SIGTERM)
        out, _ = self._process.communicate(timeout=STOP_S)
        if self._process.returncode != 0:
            raise LoadError(f"the billers ended with {self._process.returncode}")
        summary: dict[str, int] = json.loads(out.splitlines()[-1])
        return summary

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()


class Simulator(Billers):
    """The billers of the simulator, who may be told to be slow, or dead."""

    command = ("switch", "biller", "--json", "--at-once")


@dataclass(frozen=True, slots=True)
class Posts:
    """All payments of a journal that were posted, in the order of their posts."""

    numbers: Numbers
    """Of the bills, from 1."""
    services: Services
    """Indices of theirs."""
    durable_ns: Times
    """When each was durable at the latest."""
    amount: int
    """Paise of all."""
    holds: int
    """Holds in all, posted or not."""

    def part(self, which: npt.NDArray[np.bool_]) -> "Posts":
        """Some of them; the totals stay those of all."""
        numbers, services = self.numbers[which], self.services[which]
        durable_ns = self.durable_ns[which]
        return Posts(numbers, services, durable_ns, self.amount, self.holds)


@dataclass(frozen=True, slots=True)
class Run:
    """What one run's client says of it; times in nanoseconds UTC."""

    first: int
    """Number of its first bill."""
    due_ns: Times
    """When each bill was due, in the order of the bills."""
    begin_ns: int
    end_ns: int
    posted_ns: int
    """When all of them had a post, before another run began."""
    accepted: int
    is_open: bool
    """Whether bills were due whatever the answers did."""


def read_posts(directory: Path, base: int, end_ns: int) -> Posts:
    """What the journal has after sequence `base`; all of it durable by `end_ns`.

    Raises LoadError if a hold is posted twice or with another amount.
    """
    with Journal(directory) as journal:
        last = journal.last_sequence()
        bills = np.zeros(last + 1, np.uint64)
        amounts = np.zeros(last + 1, np.uint64)
        is_posted = np.zeros(last + 1, np.bool_)
        numbers: list[Numbers] = []
        services: list[Services] = []
        times: list[Times] = []
        sizes: list[int] = []
        starts: list[int] = []
        for block in journal.blocks(last):
            starts += _starts(block)
            rows = block.rows
            good = (rows["result"] == Result.OK) & (rows["sequence"] > base)
            holds = rows[good & (rows["kind"] == Kind.HOLD)]
            bills[holds["sequence"]] = _numbers(holds["reference"])
            amounts[holds["sequence"]] = holds["amount"]
            for chunk in block.chunks:
                part = slice(chunk.offset, chunk.offset + chunk.count)
                posts = rows[part][good[part] & (rows["kind"][part] == Kind.POST)]
                which = posts["resolves"]
                if is_posted[which].any() or len(np.unique(which)) != len(which):
                    raise LoadError("a payment was posted twice")
                if not np.array_equal(amounts[which], posts["amount"]):
                    raise LoadError("a post has another amount than its hold")
                is_posted[which] = True
                numbers.append(bills[which])
                services.append(posts["service"])
                sizes.append(len(which))
    durable = np.array([*starts[1:], end_ns], np.int64)
    times.append(np.repeat(durable, sizes))
    return Posts(
        np.concatenate(numbers),
        np.concatenate(services),
        np.concatenate(times),
        int(amounts[is_posted].sum()),
        int(np.count_nonzero(bills)),
    )


def _starts(block: Block) -> list[int]:
    """The time of each chunk's first row."""
    return [int(block.rows["timestamp"][chunk.offset]) for chunk in block.chunks]


def _numbers(references: npt.NDArray[np.void]) -> Numbers:
    """The numbers of bills from their references."""
    text = np.ascontiguousarray(references).view(np.uint8)
    text = text.reshape(len(references), REFERENCE_SIZE)
    digits = (text[:, :DIGITS] - ord("0")).astype(np.uint64)
    numbers: Numbers = digits @ _TENS
    return numbers


def figures(posts: Posts, run: Run) -> dict[str, object]:
    """Rate and latencies of a run's whole payments. Raises LoadError."""
    places = posts.numbers.astype(np.int64) - run.first
    is_own = (places >= 0) & (places < len(run.due_ns))
    if np.count_nonzero(is_own) != run.accepted:
        raise LoadError(f"{np.count_nonzero(is_own)} of {run.accepted} were posted")
    durable = np.minimum(posts.durable_ns[is_own], run.posted_ns)
    due = run.due_ns[places[is_own]]
    is_done = (durable >= run.begin_ns) & (durable < run.end_ns)
    is_due = (due >= run.begin_ns) & (due < run.end_ns)
    latencies = (durable - due)[is_due if run.is_open else is_done]
    if not len(latencies):
        raise LoadError("no payment was posted")
    done = int(np.count_nonzero(is_done))
    shares = (0.5, 0.99, 0.999, 1.0)
    names = ("p50_ms", "p99_ms", "p99_9_ms", "max_ms")
    values = np.quantile(latencies, shares) / 1e6
    found: dict[str, object] = {
        "payments_per_s": round(done * NS_IN_S / (run.end_ns - run.begin_ns)),
        "payments": done,
    }
    for name, value in zip(names, values.tolist(), strict=True):
        found[name] = round(value, 3)
    if run.is_open:
        late = (due < run.end_ns) & (durable >= run.end_ns)
        found["unanswered_at_end"] = int(np.count_nonzero(late))
    return found
