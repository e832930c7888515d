"""What: whole payments of healthy billers, while one biller is dead and one is slow.

    python -m benchmarks.isolation --seconds 11 --json

One server, and payments by chance at a rate to 40 billers; the dead and the slow one
have 30 % of them, two thirds of these the dead one. Phases in turn: in a calm one all
billers credit at once; in a troubled one the dead biller has no connection, the slow
one answers ten seconds later, and a backlog of both is there before it begins. What is
open after it is posted before the next calm one.

Compared are the others' payments alone: from when a payment was due until its post is
durable, by the journal (`benchmarks.bills`). The figures are medians over the phases,
and the ratio of the troubled ones to the calm ones. Everything shares the machine: the
server, the client, a process of the healthy billers and one of the two. Checked: that
the trouble was real, that every payment was posted and credited once, and the books.
"""

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.bills import CONNECTIONS, Posts, Run, Simulator, figures, read_posts
from benchmarks.bills_load import check_credits, run_of, wait_posted, wait_until
from benchmarks.load import READY_S, check_centres, client, run_once
from benchmarks.load_network import (
    ALL,
    SETTINGS,
    Figures,
    LoadError,
    check_books,
    first_bill,
    load_network,
    today,
    work_of,
)
from benchmarks.network import BILLERS, CENTRES, FIRST_SERVICE
from switch.authority.development import DevAuthority
from switch.client import Client
from switch.codes import Role
from switch.day.server import ServerProcess
from switch.v1 import network_pb2

DEAD, SLOW = TROUBLED = (0, 1)
HEALTHY = range(len(TROUBLED), BILLERS)
SHARE = 0.30
"""Of the payments, for the two."""
SCRIPT = f"biller-{SLOW} slow +10s"
RATE_MAX = 8_000.0
BACKLOG_RATE = 20_000.0
"""Payments a second to the two, before a troubled phase."""
BACKLOG = 30_000
BACKLOG_MIN = 5_000
"""So many are more than the slow one is asked at a time."""
WARM_UP_S = 2.0
"""Of a phase, at most."""
SECONDS_MAX = 20.0
"""Of a phase: at RATE_MAX no queue is full by then."""
PHASES_MAX = 100
OUTSTANDING = 300_000
"""Payments without a post: a bound that no phase meets."""
CREDITED = ("credited", "credited_paise", "bills_paid_again")


class Bench:
    """A server with its billers, and the runs of clients there, numbered from 0."""

    def __init__(
        self, directory: Path, server: ServerProcess, treasury: Client
    ) -> None:
        """Nothing runs yet but the server, whose network is loaded."""
        self.said: list[Figures] = []
        """What each run's client said."""
        self.posted_ns: list[int] = []
        """When all payments of each run had a post."""
        self.phases: dict[str, list[int]] = {"calm": [], "troubled": []}
        """Their runs."""
        self.waiting: list[dict[str, int]] = []
        """What waited for the two at the end of each troubled phase."""
        self.credited: dict[str, int] = {}
        """By all billers in all phases."""
        self._directory = directory
        self._server = server
        self._treasury = treasury
        self._state = ("--state", str(directory / "credits.txt"))

    def run(self, options: argparse.Namespace) -> None:
        """Phases in turn, the first and the last of them calm. Raises LoadError."""
        with self._billers(HEALTHY, len(HEALTHY)) as healthy:
            two = self._run_calm(options)
            for _ in range(options.phases):
                self._run_troubled(options)
                two = self._run_calm(options)
            all_ = healthy.stop()
        # The two's record is of all phases.
        self.credited = {name: all_[name] + two[name] for name in CREDITED}

    def _run_calm(self, options: argparse.Namespace) -> dict[str, int]:
        """What is open is posted, then a phase; what the two have credited."""
        with self._billers(TROUBLED, BILLERS, *self._state) as two:
            self._wait_posted()
            self._pay_phase("calm", options)
            self._wait_posted()
            return two.stop()

    def _run_troubled(self, options: argparse.Namespace) -> None:
        script = self._directory / "script.txt"
        script.write_text(SCRIPT)
        more = (*self._state, "--script", str(script))
        with self._billers((SLOW,), BILLERS - 1, *more) as one:
            backlog_s = options.backlog / BACKLOG_RATE
            self._pay(options.centres, BACKLOG_RATE, backlog_s, 1.0, 0.0)
            self._pay_phase("troubled", options)
            found = {one.biller: one for one in self._treasury.billers()}
            one.stop()
        dead, slow = (found[f"biller-{number}"] for number in TROUBLED)
        self.waiting.append({"dead": dead.queued, "slow": slow.queued + slow.asked})
        if dead.asked or not dead.queued or not slow.asked or not slow.queued:
            raise LoadError(f"the two were not in trouble: {self.waiting[-1]}")

    def _wait_posted(self) -> None:
        wait_posted(self._treasury)
        runs = len(self.said) - len(self.posted_ns)
        self.posted_ns += [time.time_ns()] * runs

    @contextmanager
    def _billers(
        self, numbers: Iterable[int], connected: int, *options: str
    ) -> Iterator[Simulator]:
        """A process of billers, with which so many of all are connected."""
        server = self._server
        with Simulator(server.address, server.tls, numbers, *options) as process:

            def is_connected() -> bool:
                found = [one.connections for one in self._treasury.billers()]
                rest = [0] * (BILLERS - connected)
                return sorted(found) == rest + [CONNECTIONS] * connected

            wait_until(is_connected, "billers do not connect")
            yield process

    def _pay_phase(self, kind: str, options: argparse.Namespace) -> None:
        self.phases[kind].append(len(self.said))
        self._pay(
            options.centres, options.rate, options.seconds, SHARE, options.warm_up
        )

    def _pay(
        self, centres: int, rate: float, seconds: float, share: float, warm_up_s: float
    ) -> None:
        """Payments at a rate, `share` of them to the two."""
        options = argparse.Namespace(mode="bills", seconds=seconds, warm_up=warm_up_s)
        options.connections, options.payload, options.ids = 2, 1, "random"
        options.outstanding, options.quoted = OUTSTANDING, False
        options.centres = centres
        server = self._server
        command = ["benchmarks.bills_client", "--ledger", str(server.ledger)]
        command += ["--times", str(self._directory), "--biller-share", str(share)]
        command += ["--hot-billers", str(len(TROUBLED))]
        pay = client(options, server.address, server.tls, server.pid, *command)
        self.said.append(pay(rate, len(self.said)))


def measure(options: argparse.Namespace, directory: Path) -> Figures:
    """All phases on a fresh ledger. Raises LoadError."""
    with ServerProcess(directory, 0, SETTINGS) as server:
        authority = DevAuthority(server.tls)
        authority.leaf(Role.HARNESS, "harness")
        for number in range(BILLERS):
            authority.leaf(Role.BILLER, f"biller-{number}")
        credentials = authority.leaf(Role.TREASURY, "treasury")
        with Client(server.address, credentials) as treasury:
            treasury.wait_ready(READY_S)
            centres = ALL[: options.centres]
            load_network(treasury, network_pb2.SERVICE_MODE_CONFIRMED, centres=centres)
            base, day = treasury.ledger().sequence, today()
            bench = Bench(directory, server, treasury)
            bench.run(options)
            runs = [
                run_of(said, directory, first_bill(number), bench.posted_ns[number])
                for number, said in enumerate(bench.said)
            ]
            work = work_of(bench.said, day, 2)
            check_books(treasury, base, work, centres)
            posts = read_posts(server.ledger, base, bench.posted_ns[-1])
            check_credits(bench.credited, work, posts)
            found = compare(bench.phases, posts, runs)
            found |= {"waiting": bench.waiting}
            return found | {"refused": work.payments - work.accepted}


def compare(phases: dict[str, list[int]], posts: Posts, runs: list[Run]) -> Figures:
    """The figures of the others in all phases (their runs). Raises LoadError."""
    billers = (posts.services - FIRST_SERVICE) % BILLERS
    dead = posts.durable_ns[billers == DEAD]
    for run in (runs[number] for number in phases["troubled"]):
        if ((dead >= run.begin_ns) & (dead < run.end_ns)).any():
            raise LoadError("payments of the dead biller were posted")
    others = posts.part(~np.isin(billers, TROUBLED))
    found: Figures = {}
    medians: dict[str, list[float]] = {"p50": [], "p99": []}
    for kind, numbers in phases.items():
        each = [figures_of(others, runs[number]) for number in numbers]
        for name, values in medians.items():
            all_ms = [float(str(one[f"{name}_ms"])) for one in each]
            values.append(median(all_ms))
            found[f"{kind}_{name}_ms"] = round(values[-1], 3)
            found[f"{kind}_{name}_each_ms"] = all_ms
    for name, (calm, troubled) in medians.items():
        found[f"{name}_ratio"] = round(troubled / calm, 3)
    return found


def figures_of(some: Posts, run: Run) -> Figures:
    """The figures of those of a run's payments that are among some."""
    places = some.numbers.astype(np.int64) - run.first
    own = np.count_nonzero((places >= 0) & (places < len(run.due_ns)))
    return figures(some, replace(run, accepted=int(own)))


def main() -> int:
    """Run once; 1 if the work was not done."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=11.0, help="of each phase")
    parser.add_argument("--phases", type=int, default=3, help="that are troubled")
    parser.add_argument("--rate", type=float, default=4_000.0, help="payments a second")
    parser.add_argument(
        "--warm-up", type=float, default=WARM_UP_S, help="seconds before each phase"
    )
    parser.add_argument(
        "--backlog",
        type=int,
        default=BACKLOG,
        help="payments to the two, before a troubled phase",
    )
    parser.add_argument("--centres", type=int, default=CENTRES, help="that pay")
    parser.add_argument("--directory", type=Path, help="parent of the fresh directory")
    parser.add_argument("--json", action="store_true", help="only the JSON line")
    options = parser.parse_args()
    if not 0 < options.seconds <= SECONDS_MAX or not 1 <= options.rate <= RATE_MAX:
        parser.error(f"at most {SECONDS_MAX:.0f} seconds and {RATE_MAX:,.0f} a second")
    if not 1 <= options.phases <= PHASES_MAX:
        parser.error(f"--phases is 1 to {PHASES_MAX}")
    if not 0 <= options.warm_up <= WARM_UP_S:
        parser.error(f"--warm-up is at most {WARM_UP_S:.0f} s")
    if not BACKLOG_MIN <= options.backlog <= BACKLOG:
        parser.error(f"--backlog is {BACKLOG_MIN:,} to {BACKLOG:,}")
    check_centres(parser, options)
    asked = ("rate", "seconds", "phases")
    return run_once(options, "isolation", measure, asked)


if __name__ == "__main__":
    sys.exit(main())
