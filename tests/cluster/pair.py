"""Two servers over one log in real PostgreSQL, as two machines would be: each with a
ledger, a name and a port of its own, and the same keys.
"""

import contextlib
import os
import shutil
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2

from switch.authority.development import DevAuthority
from switch.client import Client
from switch.codes import Role
from switch.ledger import node_keys
from tests.cluster.postgres import Nodes, ports_to_keep
from tests.server.harness import (
    CALL_S,
    CENTRES,
    START_S,
    TOPPED_UP,
    Peer,
    ServerProcess,
    network,
    until,
)

NAMES = ("north", "south")
PAYMENTS = "payswitch.v1.PaymentService"
WALLETS = "payswitch.v1.WalletService"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Member:
    """One server of the two, running or not."""

    def __init__(self, pair: "Pair", name: str, port: int) -> None:
        self.pair = pair
        self.name = name
        self.address = f"127.0.0.1:{port}"
        self.directory = pair.directory / name
        self.ledger = self.directory / "ledger"
        self.server: ServerProcess | None = None
        self._peers: dict[tuple[Role, str], Peer] = {}
        self.directory.mkdir()
        self.ledger.mkdir(mode=0o700)

    def start(
        self, *arguments: str, dsn: str = "", prefix: Sequence[str] = ()
    ) -> ServerProcess:
        """Start it, behind `prefix`; it is not waited for."""
        config = self.directory / "payswitch.toml"
        config.write_text(
            "[cluster]\n"
            f'dsn = "{dsn or self.pair.dsn}"\n'
            f'node = "{self.name}"\n'
            f'address = "{self.address}"\n'
        )
        self.server = ServerProcess(
            self.directory,
            *("--config", str(config), "--tls", str(self.pair.directory / "tls")),
            *arguments,
            listen=self.address,
            prefix=prefix,
        )
        return self.server

    @property
    def process(self) -> ServerProcess:
        assert self.server is not None
        return self.server

    def ready(self) -> None:
        """Wait until it serves anything."""
        self.process.wait_ready()

    def peer(self, role: Role = Role.CENTRE, who: str = "centre-a") -> Peer:
        """Somebody's connection to it."""
        if (role, who) not in self._peers:
            credentials = self.pair.authority.leaf(role, who)
            self._peers[role, who] = Peer(self.address, credentials)
        return self._peers[role, who]

    def treasury(self) -> Peer:
        return self.peer(Role.TREASURY, "treasury")

    def health(self, service: str = PAYMENTS) -> int:
        """What it says of itself; -1 if nobody is there."""
        with contextlib.suppress(grpc.RpcError):
            raw = self.treasury().raw(
                "/grpc.health.v1.Health/Check",
                health_pb2.HealthCheckRequest(service=service).SerializeToString(),
                CALL_S,
            )
            return int(health_pb2.HealthCheckResponse.FromString(raw).status)
        return -1

    @property
    def leads(self) -> bool:
        return self.health() == SERVING

    def figures(self) -> str:
        """All that it tells."""
        with urllib.request.urlopen(f"http://{self.process.metrics}/metrics") as page:
            text: str = page.read().decode()
        return text

    def figure(self, name: str) -> float:
        """A figure without labels; -1: it is not there."""
        for line in self.figures().splitlines():
            if line.startswith(f"payswitch_{name} "):
                return float(line.split()[1])
        return -1.0

    def end(self) -> None:
        """Kill it if it runs."""
        for peer in self._peers.values():
            peer.close()
        self._peers.clear()
        if self.server is not None:
            if self.server.process.poll() is None:
                self.server.process.kill()
            self.server.wait()
            self.server = None


class Pair:
    """The two."""

    def __init__(self, directory: Path, databases: Nodes, database: str) -> None:
        # Where there is no libpq the fixture has skipped the test before.
        from switch.cluster.postgres import create

        self.directory = directory
        self.databases = databases
        self.dsn = databases.dsn(database=database)
        self.instance = os.urandom(16)
        self.database = database
        databases.psql(f"CREATE DATABASE {database}")
        create(databases.dsn(user="postgres", database=database), self.instance)
        self.authority = DevAuthority(directory / "tls")
        ports = ports_to_keep(2)
        self.members = [
            Member(self, name, port) for name, port in zip(NAMES, ports, strict=True)
        ]
        first, *others = self.members
        node_keys.make_keys(first.ledger)
        for other in others:
            for path in first.ledger.iterdir():
                shutil.copy2(path, other.ledger / path.name)

    @property
    def addresses(self) -> list[str]:
        return [one.address for one in self.members]

    def start(self, *arguments: str) -> tuple[Member, Member]:
        """Start both, with the small network: who leads, who follows."""
        first, second = self.members
        first.start(*arguments)
        second.start(*arguments)
        first.ready()
        second.ready()
        until(lambda: first.leads or second.leads, START_S)
        leader = self.leader()
        admin = leader.treasury().admin
        admin.LoadNetwork(network(), timeout=CALL_S)
        for centre in CENTRES:
            outcome = leader.treasury().top_up(centre, TOPPED_UP)
            assert outcome.result == 1
        other = self.other(leader)
        # Rows come to it before it looks at the head again, which says who leads.
        epoch = leader.figure("cluster_epoch")
        until(lambda: other.figure("cluster_epoch") == epoch)
        return leader, other

    def leader(self) -> Member:
        """Whoever takes payments, once one does."""
        found: list[Member] = []

        def is_known() -> bool:
            found[:] = [one for one in self.members if one.server and one.leads]
            return len(found) == 1

        until(is_known)
        return found[0]

    def other(self, member: Member) -> Member:
        [found] = [one for one in self.members if one is not member]
        return found

    def client(
        self, role: Role, who: str, addresses: Sequence[str] = (), **options: Any
    ) -> Client:
        """Ours, which knows both."""
        credentials = self.authority.leaf(role, who)
        return Client(list(addresses) or self.addresses, credentials, **options)


@contextmanager
def pair(directory: Path, databases: Nodes, database: str) -> Iterator[Pair]:
    """Both, over a log in this database, ended with the block."""
    made = Pair(directory, databases, database)
    try:
        yield made
    finally:
        for one in made.members:
            one.end()
