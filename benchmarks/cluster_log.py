"""In process: a ledger that appends each chunk to the log first, beside one without.

Both stay open; they take turns, the other one first in every second round, and each
figure is the median of its rounds.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.commits import Stretch, WorkError, check_accepted, pay
from benchmarks.commits import quantiles_ms as quantiles_of
from benchmarks.network import make_network
from benchmarks.payments import Maker
from benchmarks.singles import Bare, Payer, pay_closed, quantiles_ms
from switch import _core as core
from switch.cluster.following import Follower
from switch.cluster.postgres import PostgresLog, appender, create
from switch.cluster.replicator import Replicator
from tools.postgres import Nodes

KINDS = ("alone", "log")
"""Without a log, and with one."""
MAP_SIZE = 1 << 40
POOL_GROUPS = 16
"""Of payments that are made beforehand."""
BARE = 0.1
"""Of the seconds, for bare commits."""
ROWS_MAX = 20_000_000
"""Of one log, for which it has room from the beginning."""
NAME = "leader"

Figures = dict[str, object]
Measured = dict[str, float]
"""One round of one kind."""


class Log:
    """A log of its own for one ledger, which must be empty: a database."""

    def __init__(self, nodes: Nodes, name: str) -> None:
        self.nodes = nodes
        self.name = name
        self.dsn = nodes.dsn(database=name)
        nodes.psql(f"CREATE DATABASE {name}")
        self._own = PostgresLog(self.dsn, NAME)

    def lead(self, ledger: core.Ledger) -> None:
        """From now on each of the ledger's chunks goes to the log first."""
        self.begin(ledger.instance)
        self._own.reconnect()
        epoch = self._own.take_over(self._own.head(), NAME, "")
        assert epoch is not None
        way = appender(self._own, Replicator(self._own, epoch))
        ledger.replicate(way.capsule(), epoch)

    def begin(self, instance: bytes) -> None:
        """Make its tables."""
        create(self.nodes.dsn(user="postgres", database=self.name), instance)

    def check(self, ledger: core.Ledger) -> None:
        """Both end with the same chunk, or there is no figure. Raises WorkError."""
        own, _, _, _ = ledger.head
        there = PostgresLog(self.dsn, "check")
        there.reconnect()
        head = there.head()
        there.close()
        if (head.sequence, head.chain) != ledger.head[:2]:
            raise WorkError(f"the log ends with row {head.sequence}, the ledger {own}")

    def close(self) -> None:
        """Let go of the connection."""
        self._own.close()


class Used:
    """What PostgreSQL has used since this was made."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._wal = nodes.wal_bytes()
        self._s = nodes.used_s()

    def each(self, count: int) -> Measured:
        """For each of so many payments: microseconds of all three, and WAL's bytes."""
        used_s = self._nodes.used_s() - self._s
        wal = self._nodes.wal_bytes() - self._wal
        return {
            "postgres_cpu_us_per_payment": used_s / count * 1e6,
            "wal_bytes_per_payment": wal / count,
        }


def in_turns(measure: Callable[[str], Measured], rounds: int) -> Figures:
    """`measure` of each kind, so many times; medians, and each round's."""
    runs: dict[str, list[Measured]] = {kind: [] for kind in KINDS}
    for number in range(rounds):
        for kind in KINDS if number % 2 == 0 else reversed(KINDS):
            runs[kind].append(measure(kind))
    found: Figures = {}
    for kind, each in runs.items():
        found[kind] = {
            name: round(median(one[name] for one in each), 3) for name in each[0]
        } | {"rounds": [{k: round(v, 3) for k, v in one.items()} for one in each]}
    return found


def singles(
    nodes: Nodes, directory: Path, clients: int, seconds: float, rounds: int
) -> Figures:
    """Closed loops of payments one by one, through the queue. Raises WorkError.

    Beside them, before each and after the last, bare LMDB commits on the same disk.
    """
    log = Log(nodes, directory.name)
    bare = Bare(str(directory))
    payers = {
        kind: Payer(str(directory / kind), log.lead if kind == "log" else None)
        for kind in KINDS
    }

    def measure(kind: str) -> Measured:
        bare.run(seconds / rounds * BARE)
        used = Used(nodes)
        took, cpu_s = pay_closed(payers[kind], clients, seconds / rounds)
        found = quantiles_ms(took)
        found["payments_per_s"] = len(took) / (float(took.sum()) / 1e9 / clients)
        found["switch_cpu_us_per_payment"] = cpu_s / len(took) * 1e6
        return found | (used.each(len(took)) if kind == "log" else {})

    for kind in KINDS:
        pay_closed(payers[kind], clients, seconds / rounds / 4)
    found: Figures = {"clients": clients, **in_turns(measure, rounds)}
    bare.run(seconds / rounds * BARE)
    found |= quantiles_ms(np.concatenate(bare.took[0]), "bare_")
    log.check(payers["log"].ledger)
    for payer in payers.values():
        payer.finish()
    log.close()
    return found


class Batches:
    """A ledger that is paid through in groups, without a queue."""

    def __init__(self, directory: Path, log: Log | None) -> None:
        self.log = log
        self.ledger = core.Ledger(str(directory), map_size=MAP_SIZE)
        if log is not None:
            log.lead(self.ledger)
        harness, first = make_network(self.ledger)
        wallets = first + np.arange(3_561, dtype=np.uint32)
        rows = POOL_GROUPS * core.GROUP_MAX
        self._maker = Maker("random", harness, wallets, pool_rows=rows)

    def pay(self, batch: int, seconds: float, rows_max: int = ROWS_MAX) -> Stretch:
        """In groups of `batch` for so many seconds of commits. Raises WorkError."""
        base = self.ledger.sequence
        stretch = pay(self.ledger, self._maker, batch, rows_max, seconds)
        check_accepted(self.ledger, stretch, base)
        return stretch

    def close(self) -> None:
        """The log must have all of it. Raises WorkError."""
        if self.log is not None:
            self.log.check(self.ledger)
            self.log.close()
        self.ledger.close()


@contextmanager
def both(nodes: Nodes, directory: Path) -> Iterator[dict[str, Batches]]:
    """One without a log, and one with."""
    log = Log(nodes, directory.name)
    made = {
        kind: Batches(directory / kind, log if kind == "log" else None)
        for kind in KINDS
    }
    yield made
    for one in made.values():
        one.close()


def groups(
    nodes: Nodes, directory: Path, batch: int, seconds: float, rounds: int
) -> Figures:
    """Groups of `batch`, one after the other. Raises WorkError."""
    with both(nodes, directory) as ledgers:

        def measure(kind: str) -> Measured:
            used = Used(nodes)
            stretch = ledgers[kind].pay(batch, seconds / rounds)
            count = stretch.rows_count
            commits_s = sum(stretch.took_s)
            cpu_s = stretch.main_s + sum(stretch.others_s.values())
            found = quantiles_of(np.array(stretch.took_s))
            found["commits_rows_per_s"] = count / commits_s
            found["rows_per_s"] = count / stretch.busy_s
            found["wall_rows_per_s"] = count / (stretch.busy_s + stretch.making_s)
            found["switch_cpu_us_per_payment"] = cpu_s / count * 1e6
            return found | (used.each(count) if kind == "log" else {})

        for one in ledgers.values():
            one.pay(batch, seconds / rounds / 4)
        return {"batch": batch, **in_turns(measure, rounds)}


def catch_up(nodes: Nodes, directory: Path, batch: int, seconds: float) -> Figures:
    """A follower that has nothing takes a log of such groups. Raises WorkError."""
    log = Log(nodes, directory.name)
    leader = Batches(directory / "log", log)
    leader.pay(batch, seconds)
    own = PostgresLog(log.dsn, "follower")
    path = directory / "follower"
    instance = leader.ledger.instance
    with core.Ledger(str(path), map_size=MAP_SIZE, instance=instance) as ledger:
        own.reconnect()
        postgres_s, cpu_s = nodes.used_s(), time.process_time()
        begun = time.perf_counter()
        Follower(ledger, own).catch_up()
        took_s = time.perf_counter() - begun
        cpu_s = time.process_time() - cpu_s
        postgres_s = nodes.used_s() - postgres_s
        rows = ledger.sequence
        if ledger.state_hash() != leader.ledger.state_hash():
            raise WorkError("the follower knows something else than the leader")
    own.close()
    leader.close()
    shutil.rmtree(path)
    return {
        "batch": batch,
        "rows": rows,
        "seconds": round(took_s, 3),
        "rows_per_s": round(rows / took_s),
        "switch_cpu_us_per_row": round(cpu_s / rows * 1e6, 3),
        "postgres_cpu_us_per_row": round(postgres_s / rows * 1e6, 3),
    }
