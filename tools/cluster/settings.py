"""What etcd, Patroni, PostgreSQL and pgBackRest are told; pure functions of a plan.

Patroni reads YAML, of which JSON is a part: no writer of YAML is needed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
PREFIX = "10.77"
"""Of all networks of a stand whose nodes are machines of their own."""
SCOPE = "payswitch"
"""Patroni's name of the cluster, and pgBackRest's of what it archives."""
DATABASE = "payswitch"
OWNER = "payswitch_owner"
"""Owns the database: makes the schema and may change it. No switch signs on with it."""
LOG_ROLE = "payswitch_log"
"""What switches sign on with; may touch the log's tables, and nothing else."""
ROLES = ("postgres", "replicator", "rewinder", OWNER, LOG_ROLE)
NODES = (1, 2, 3)
SWITCHES = (1, 2)

TTL_S, LOOP_S, RETRY_S = 20, 2, 4
"""Patroni's least ttl is 20 s: what a dead host costs, at most. It looks each `LOOP_S`
whether PostgreSQL is there, and for whom its commits wait."""
SENDER_TIMEOUT_MS = 3_000
"""After which a standby that is silent counts no more, and the other way round."""


@dataclass(frozen=True)
class Ports:
    """Where each part of node n listens, by n - 1."""

    etcd: tuple[int, ...]
    peers: tuple[int, ...]
    postgres: tuple[int, ...]
    patroni: tuple[int, ...]
    switches: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """Where a stand lies, and what it is made of."""

    folder: Path
    ports: Ports
    postgres_bin: Path
    passwords: Mapping[str, str]
    archive: bool = True
    """Without one a node that was away may lack what it needs: only for a drill."""
    hook: bool = True
    """Whether `before_promote.py` runs: without it only for a drill."""
    apart: bool = False
    """Whether each node is in a network namespace (`tools/cluster/apart.py`)."""

    def front_host(self, number: int) -> str:
        """Where clients reach a switch."""
        return f"{PREFIX}.1.{10 + number}" if self.apart else HOST

    def log_host(self, number: int) -> str:
        """Where switches reach a node's database."""
        return f"{PREFIX}.2.{number}" if self.apart else HOST

    def peer_host(self, number: int) -> str:
        """Where a node's database, Patroni and etcd are reached by other nodes."""
        return f"{PREFIX}.3.{number}" if self.apart else HOST

    def hosts(self) -> list[str]:
        """All addresses that a server's certificate must have, past this machine's."""
        if not self.apart:
            return []
        made = [self.log_host(one) for one in NODES]
        made += [self.peer_host(one) for one in NODES]
        return [*made, *map(self.front_host, SWITCHES)]

    def trusted(self) -> str:
        """Who may connect to a database, if it has the password."""
        return f"{PREFIX}.0.0/16" if self.apart else f"{HOST}/32"

    def inside(self, name: str, command: Sequence[str]) -> list[str]:
        """The command as it is run on the machine of `db1` or `switch1`."""
        into = ["nsenter", f"--net=/run/netns/{name}", "--"] if self.apart else []
        return [*into, *command]

    def node(self, number: int) -> Path:
        """The folder of a database node."""
        return self.folder / f"pg{number}"

    def dsn(self, role: str, database: str = DATABASE, node: int = 0) -> str:
        """How libpq reaches the node that writes, or this one alone."""
        numbers = (node,) if node else NODES
        ports = ",".join(str(self.ports.postgres[number - 1]) for number in numbers)
        parts = {
            "host": ",".join(map(self.log_host, numbers)),
            "port": ports,
            "dbname": database,
            "user": role,
            "passfile": str(self.folder / "pgpass"),
            "sslmode": "verify-full",
            "sslrootcert": str(self.folder / "tls" / "ca.pem"),
            "connect_timeout": "2",
        }
        if not node:
            parts["target_session_attrs"] = "read-write"
        return " ".join(f"{name}={value}" for name, value in parts.items())


def pgpass(plan: Plan) -> str:
    """The file that libpq takes passwords from: `host:port:database:user:password`."""
    return "".join(f"*:*:*:{name}:{word}\n" for name, word in plan.passwords.items())


def etcd_urls(plan: Plan, *numbers: int) -> list[str]:
    """Where clients reach these etcd, or all."""
    return [
        f"http://{plan.peer_host(one)}:{plan.ports.etcd[one - 1]}"
        for one in numbers or NODES
    ]


def etcd(plan: Plan, number: int) -> list[str]:
    """Arguments of one etcd."""
    ports = plan.ports
    [url] = etcd_urls(plan, number)
    peer = f"http://{plan.peer_host(number)}:{ports.peers[number - 1]}"
    members = ",".join(
        f"etcd{one}=http://{plan.peer_host(one)}:{ports.peers[one - 1]}"
        for one in NODES
    )
    return [
        *("--name", f"etcd{number}"),
        *("--data-dir", str(plan.folder / f"etcd{number}")),
        *("--listen-client-urls", url, "--advertise-client-urls", url),
        *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
        *("--initial-cluster", members, "--initial-cluster-state", "new"),
        *("--initial-cluster-token", SCOPE),
        *("--logger", "zap", "--log-level", "warn"),
    ]


def pgbackrest(plan: Plan, number: int) -> str:
    """The file of one node's pgBackRest: one repository for all three."""
    node = plan.node(number)
    return "\n".join(
        [
            "[global]",
            f"repo1-path={plan.folder / 'backup'}",
            "repo1-retention-full=2",
            f"log-path={node / 'log'}",
            f"lock-path={node / 'lock'}",
            f"spool-path={node / 'spool'}",
            "log-level-console=warn",
            "log-level-file=off",
            "start-fast=y",
            f"[{SCOPE}]",
            f"pg1-path={node / 'data'}",
            f"pg1-port={plan.ports.postgres[number - 1]}",
            f"pg1-socket-path={node / 'run'}",
            "pg1-user=postgres",
            "",
        ]
    )


def _archiving(plan: Plan, number: int) -> dict[str, str]:
    node = plan.node(number)
    found = {"restore_command": f"{plan.folder / 'restore.sh'} {node} %f %p"}
    if not plan.archive:
        return {"archive_mode": "off", **(found if plan.hook else {})}
    call = f"pgbackrest --config={node / 'pgbackrest.conf'} --stanza={SCOPE}"
    return {
        "archive_mode": "on",
        "archive_command": f"{call} archive-push %p",
        "archive_timeout": "60s",
        # The histories of timelines come from there, too: a node that starts looks
        # for the newest, and one that is promoted for the first that is not taken.
        **found,
    }


def promotion(plan: Plan, number: int) -> str:
    """What `deploy/patroni/before_promote.py` must know of a node."""
    node = plan.node(number)
    return json.dumps(
        {
            "name": f"pg{number}",
            # Its own first: another's may be on the machine that has just died.
            "etcd": etcd_urls(plan, number, *(one for one in NODES if one != number)),
            "prefix": f"/payswitch/{SCOPE}/",
            "data": str(node / "data"),
            "bin": str(plan.postgres_bin),
            "marker": str(node / "promotes"),
        }
    )


def _before_promote(plan: Plan, number: int) -> dict[str, str]:
    if not plan.hook:
        return {}
    script = plan.folder / "before_promote.py"
    return {"pre_promote": f"{script} {plan.node(number) / 'promotion.json'}"}


def _parameters(plan: Plan, number: int) -> dict[str, Any]:
    tls = plan.folder / "tls"
    return {
        "unix_socket_directories": str(plan.node(number) / "run"),
        "ssl": "on",
        "ssl_cert_file": str(tls / "server.pem"),
        "ssl_key_file": str(tls / "server.key"),
        "ssl_ca_file": str(tls / "ca.pem"),
        "ssl_min_protocol_version": "TLSv1.3",
        "password_encryption": "scram-sha-256",
        "logging_collector": "off",
        **_archiving(plan, number),
    }


def shared_parameters() -> dict[str, Any]:
    """PostgreSQL's settings that are the cluster's, and kept in etcd."""
    return {
        "wal_level": "replica",
        "max_connections": 50,
        "max_wal_senders": 10,
        "max_replication_slots": 10,
        "wal_keep_size": "512MB",
        "wal_log_hints": "on",
        "synchronous_commit": "on",
        "wal_sender_timeout": SENDER_TIMEOUT_MS,
        "wal_receiver_timeout": SENDER_TIMEOUT_MS,
        "wal_receiver_status_interval": "1s",
        "wal_retrieve_retry_interval": "250ms",
        "tcp_user_timeout": SENDER_TIMEOUT_MS,
        "shared_buffers": "64MB",
        "max_wal_size": "1GB",
        "checkpoint_timeout": "5min",
        # Else PostgreSQL syncs its files one by one before it recovers from a crash.
        "recovery_init_sync_method": "syncfs",
    }


def patroni(plan: Plan, number: int) -> str:
    """The file of one Patroni."""
    node, ports = plan.node(number), plan.ports
    host, port = plan.peer_host(number), ports.postgres[number - 1]
    hosts = ",".join(dict.fromkeys((host, plan.log_host(number))))
    rest = f"{host}:{ports.patroni[number - 1]}"
    trusted = plan.trusted()
    tls = {
        "sslmode": "verify-full",
        "sslrootcert": str(plan.folder / "tls" / "ca.pem"),
    }

    def sign_on(role: str) -> dict[str, str]:
        return {"username": role, "password": plan.passwords[role], **tls}

    return json.dumps(
        {
            "scope": SCOPE,
            "namespace": "/payswitch/",
            "name": f"pg{number}",
            "restapi": {"listen": rest, "connect_address": rest},
            # Three on one machine: it would be reset with the first that a drill kills.
            # On machines of one's own it is `required` (docs/cluster.md).
            "watchdog": {"mode": "off"},
            "etcd3": {"hosts": [url.split("/")[2] for url in etcd_urls(plan)]},
            "bootstrap": {
                "dcs": {
                    "ttl": TTL_S,
                    "loop_wait": LOOP_S,
                    "retry_timeout": RETRY_S,
                    "synchronous_mode": "quorum",
                    "synchronous_mode_strict": True,
                    "synchronous_node_count": 1,
                    # Who is behind the newest timeline that etcd knows never leads.
                    "check_timeline": True,
                    "postgresql": {
                        "use_pg_rewind": True,
                        "use_slots": True,
                        "parameters": shared_parameters(),
                    },
                },
                "initdb": [
                    {"encoding": "UTF8"},
                    {"locale": "C"},
                    {"auth-local": "scram-sha-256"},
                    {"auth-host": "scram-sha-256"},
                    "data-checksums",
                ],
            },
            "postgresql": {
                "listen": f"{hosts}:{port}",
                "connect_address": f"{host}:{port}",
                "use_unix_socket": True,
                "data_dir": str(node / "data"),
                "bin_dir": str(plan.postgres_bin),
                "pgpass": str(node / "pgpass"),
                "authentication": {
                    "superuser": sign_on("postgres"),
                    "replication": sign_on("replicator"),
                    "rewind": sign_on("rewinder"),
                },
                "parameters": _parameters(plan, number),
                **_before_promote(plan, number),
                "pg_hba": [
                    "local all postgres scram-sha-256",
                    f"hostssl replication replicator {trusted} scram-sha-256",
                    f"hostssl all postgres,rewinder {trusted} scram-sha-256",
                    f"hostssl {DATABASE} {OWNER},{LOG_ROLE} {trusted} scram-sha-256",
                ],
                "create_replica_methods": ["basebackup"],
                # Else a copy waits minutes for the next checkpoint.
                "basebackup": [{"checkpoint": "fast"}],
                # A node whose past is not the cluster's is copied anew, whole.
                "remove_data_directory_on_rewind_failure": True,
                "remove_data_directory_on_diverged_timelines": True,
            },
        },
        indent=1,
    )
