"""Through the front door: two servers that share a log, beside one that has none.

The one that leads is paid through, the other one follows it; all of it on one machine,
with the databases and the client.
"""

import argparse
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

import numpy as np

from benchmarks.cluster_log import Figures, Log, Measured, Used, in_turns
from benchmarks.load import CLIENT, DEFAULTS, OPEN_OUTSTANDING, client, rate_of
from benchmarks.load_network import (
    SETTINGS,
    LoadError,
    Pay,
    check_books,
    load_network,
    today,
    wait_index,
    work_of,
)
from benchmarks.meters import process_s
from benchmarks.network import CENTRES
from switch.audit.reader import Journal
from switch.authority.development import DevAuthority
from switch.client import Client
from switch.codes import Role
from switch.day.server import ServerProcess
from switch.ledger import node_keys
from switch.v1 import network_pb2
from tools.postgres import Nodes, ports_to_keep

NAMES = ("north", "south")
"""The first one leads: it is there before the other."""
HOST = "127.0.0.1"
READY_S = 60.0
LOOK_S = 0.001
"""Between two looks at the journals: how exactly a lag is known."""
WARM_UP_S = 1.0

Seen = list[tuple[int, int]]
"""(nanoseconds of the monotonic clock, last entry), whenever it had changed."""


class Side:
    """Who takes payments, and the office that looks at its books."""

    def __init__(self, server: ServerProcess, addresses: list[str]) -> None:
        self.server = server
        authority = DevAuthority(server.tls)
        authority.leaf(Role.HARNESS, "harness")
        self.treasury = Client(addresses, authority.leaf(Role.TREASURY, "treasury"))
        self.treasury.wait_ready(READY_S)
        load_network(self.treasury, network_pb2.SERVICE_MODE_DIRECT)
        self.base = self.treasury.ledger().sequence
        self.day = today()
        self.runs: list[Figures] = []

    def pay(self, options: argparse.Namespace, rate: float = 0.0) -> Figures:
        """One run of the load; its figures. Raises LoadError."""
        server = self.server
        run: Pay = client(options, server.address, server.tls, server.pid, CLIENT)
        figures = run(rate, len(self.runs))
        figures["index_wait_s"] = round(wait_index(self.treasury), 3)
        self.runs.append(figures)
        return figures

    def check(self) -> int:
        """Hold the books against all runs; the last entry. Raises LoadError."""
        check_books(self.treasury, self.base, work_of(self.runs, self.day, 1))
        last = self.treasury.ledger().sequence
        self.treasury.close()
        return last


class Pair:
    """Two servers over a log of their own, ended with the block."""

    def __init__(self, nodes: Nodes, directory: Path) -> None:
        self.log = Log(nodes, directory.name)
        self.log.begin(os.urandom(16))
        self.directories = [directory / name for name in NAMES]
        self.addresses = [f"{HOST}:{port}" for port in ports_to_keep(len(NAMES))]
        first, second = self.directories
        for name, one, address in zip(
            NAMES, self.directories, self.addresses, strict=True
        ):
            (one / "ledger").mkdir(mode=0o700, parents=True)
            (one / "payswitch.toml").write_text(
                f'[cluster]\ndsn = "{self.log.dsn}"\n'
                f'node = "{name}"\naddress = "{address}"\n'
            )
        authority = DevAuthority(first / "tls")
        authority.server()
        node_keys.make_keys(first / "ledger")
        for kind in ("tls", "ledger"):
            shutil.copytree(first / kind, second / kind, dirs_exist_ok=True)
        self._servers: list[ServerProcess] = []
        self._looks = ExitStack()
        self.journals: list[Journal] = []
        """Of both, to look at while they are written."""

    def __enter__(self) -> Self:
        """Start both. Raises LoadError."""
        try:
            self._start(0)
            self.side = Side(self._servers[0], self.addresses)
            self._start(1)
            self.journals = [
                self._looks.enter_context(Journal(one / "ledger"))
                for one in self.directories
            ]
            self.wait_level(self.side.base)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        """End both, the one that follows first."""
        self._looks.close()
        for server in reversed(self._servers):
            server.stop()
        self.log.close()

    def _start(self, number: int) -> None:
        directory = self.directories[number]
        port = int(self.addresses[number].rpartition(":")[2])
        config = directory / "payswitch.toml"
        self._servers.append(ServerProcess(directory, port, SETTINGS, config))

    @property
    def follower(self) -> ServerProcess:
        """The one that follows."""
        return self._servers[1]

    def wait_level(self, sequence: int) -> None:
        """Until the follower has this entry. Raises LoadError."""
        end_s = time.monotonic() + READY_S
        while self.journals[1].last_sequence() < sequence:
            if time.monotonic() > end_s:
                raise LoadError(f"the follower has not come to entry {sequence}")
            time.sleep(0.01)


class Watch(threading.Thread):
    """Notes when the journals of a leader and a follower were at which entry."""

    def __init__(self, leader: Journal, follower: Journal) -> None:
        super().__init__(name="watch")
        self._journals = (leader, follower)
        self._stop_asked = threading.Event()
        self.seen: tuple[Seen, Seen] = ([], [])
        """Of each."""

    def run(self) -> None:
        """Look until `end`."""
        while not self._stop_asked.is_set():
            for journal, seen in zip(self._journals, self.seen, strict=True):
                last = journal.last_sequence()
                if not seen or last != seen[-1][1]:
                    seen.append((time.monotonic_ns(), last))
            time.sleep(LOOK_S)

    def end(self) -> None:
        """Stop looking."""
        self._stop_asked.set()
        self.join()


def options_of(mode: str, seconds: float, rate: float = 0.0) -> argparse.Namespace:
    """What `benchmarks.load` would be told."""
    connections, outstanding, payload = DEFAULTS[mode]
    return argparse.Namespace(
        mode=mode,
        seconds=seconds,
        warm_up=min(WARM_UP_S, seconds),
        connections=connections,
        outstanding=OPEN_OUTSTANDING[mode] if rate else outstanding,
        payload=payload,
        ids="random",
        centres=CENTRES,
        quoted=False,
    )


def payments(figures: Figures) -> int:
    """All of a run, its warm-up too."""
    return int(str(figures["all_payments"]))


@contextmanager
def single(directory: Path) -> Iterator[Side]:
    """A server without a log."""
    with ServerProcess(directory, 0, SETTINGS) as server:
        yield Side(server, [server.address])


def front(
    nodes: Nodes, directory: Path, mode: str, seconds: float, rounds: int
) -> Figures:
    """A closed loop of `mode`, with a log and without. Raises LoadError."""
    options = options_of(mode, seconds / rounds)
    with single(directory / "single") as alone, Pair(nodes, directory) as pair:
        sides = {"alone": alone, "log": pair.side}

        def measure(kind: str) -> Measured:
            used, follower_s = Used(nodes), process_s(pair.follower.pid)
            figures = sides[kind].pay(options)
            found: Measured = {"payments_per_s": rate_of(figures)}
            for name in (
                *("p50_ms", "p99_ms"),
                *("server_cpu_us_per_payment", "client_cpu_us_per_payment"),
            ):
                found[name] = float(str(figures[name]))
            if kind == "log":
                count = payments(figures)
                pair.wait_level(pair.side.treasury.ledger().sequence)
                follower_s = process_s(pair.follower.pid) - follower_s
                found["follower_cpu_us_per_payment"] = follower_s / count * 1e6
                found |= used.each(count)
            return found

        result = in_turns(measure, rounds)
        alone.check()
        pair.wait_level(pair.side.check())
    return {"mode": mode, **result}


def lag(nodes: Nodes, directory: Path, rate: float, seconds: float) -> Figures:
    """How far the follower is behind in an open loop. Raises LoadError."""
    options = options_of("stream", seconds, rate)
    with Pair(nodes, directory) as pair:
        watch = Watch(*pair.journals)
        used = Used(nodes)
        watch.start()
        try:
            figures = pair.side.pay(options, rate)
            pair.wait_level(pair.side.treasury.ledger().sequence)
        finally:
            watch.end()
        more = used.each(payments(figures))
        pair.wait_level(pair.side.check())
    taken = ("offered_per_s", "overloaded", "p50_ms", "p99_ms", "max_ms")
    return {
        **{name: figures[name] for name in taken},
        "payments_per_s": rate_of(figures),
        **{name: round(value, 3) for name, value in more.items()},
        **lags(watch.seen[0], watch.seen[1], options.warm_up),
    }


def lags(leader: Seen, follower: Seen, warm_up_s: float) -> Figures:
    """Behind the leader's commit, by entries; those of the warm-up left out.

    An entry counts with the last one that the leader was seen to have at once with it.
    """
    there_ns, there = (np.array(part, np.int64) for part in zip(*leader, strict=True))
    here_ns, here = (np.array(part, np.int64) for part in zip(*follower, strict=True))
    # The first look was before anything was paid.
    is_measured = there_ns >= there_ns[1] + int(warm_up_s * 1e9)
    rows = np.diff(there, prepend=there[0])[is_measured]
    found = np.searchsorted(here, there[is_measured])
    took_ms = np.maximum(here_ns[found] - there_ns[is_measured], 0) / 1e6
    order = np.argsort(took_ms)
    share = np.cumsum(rows[order]) / rows.sum()
    marks = {"p50": 0.5, "p99": 0.99, "p99_9": 0.999, "max": 1.0}
    return {
        "lag_entries": int(rows.sum()),
        **{
            f"lag_{name}_ms": round(
                float(took_ms[order][min(np.searchsorted(share, mark), len(rows) - 1)]),
                3,
            )
            for name, mark in marks.items()
        },
    }
