"""The stand itself: what `make cluster` starts, waits for, harms and ends.

Everything lies below one folder, and is known by the files of numbers in it.
"""

import base64
import itertools
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from switch.authority.development import DevAuthority
from tools.cluster import programs, settings
from tools.cluster.processes import (
    Process,
    as_owner,
    began,
    children,
    environment,
    kill,
    owner,
    send,
    until,
    wait_gone,
)
from tools.cluster.settings import (
    DATABASE,
    HOST,
    LOG_ROLE,
    NODES,
    OWNER,
    ROLES,
    SCOPE,
    SWITCHES,
    Plan,
    Ports,
)

FIRST_PORTS = {
    "etcd": 17401,
    "peers": 17411,
    "postgres": 17421,
    "patroni": 17431,
    "switches": 17443,
}
BLOCK = 100
BLOCKS_MAX = 20
SCRIPTS = programs.ROOT / "deploy" / "patroni"
START_TIMEOUT_S = 90.0
"""Three databases are made, one by initdb, two by copies of it."""
STOP_TIMEOUT_S = 20.0

Say = Callable[[str], None]


class StandError(Exception):
    """The stand could not do what was asked; the text says what and where to look."""


class Stand:
    """Three etcd and three Patroni with PostgreSQL in a folder."""

    def __init__(self, plan: Plan, say: Say) -> None:
        self.plan = plan
        self.say = say
        folder = plan.folder
        self.etcds = [Process(folder, f"etcd{number}") for number in NODES]
        self.patronis = [Process(folder, f"pg{number}") for number in NODES]

    @classmethod
    def make(
        cls,
        folder: Path,
        say: Say,
        *,
        archive: bool = True,
        hook: bool = True,
        mount: Callable[[Path], None] | None = None,
    ) -> Self:
        """Write everything into a folder that is not there yet.

        `mount`: nodes are machines of their own, whose disks this mounts there.
        """
        folder = folder.resolve()
        if folder.exists():
            raise StandError(f"{folder} is there: `make cluster-down` removes it")
        bin_dir = programs.postgres_bin()
        folder.mkdir(parents=True)
        passwords = {role: secrets.token_hex(16) for role in ROLES}
        apart = mount is not None
        plan = Plan(folder, choose_ports(), bin_dir, passwords, archive, hook, apart)
        if mount is not None:
            mount(folder)
        stored = {**asdict(plan), "folder": str(folder), "postgres_bin": str(bin_dir)}
        _write(folder / "stand.json", json.dumps(stored, indent=1))
        _write(folder / "pgpass", settings.pgpass(plan))
        DevAuthority(folder / "tls").server(*plan.hosts())
        (folder / "backup").mkdir(mode=0o750)
        for number in NODES:
            (folder / f"etcd{number}").mkdir(mode=0o700, exist_ok=True)
            node = plan.node(number)
            for name in ("data", "run", "log", "lock", "spool"):
                (node / name).mkdir(mode=0o700, parents=True)
            _write(node / "patroni.json", settings.patroni(plan, number))
            _write(node / "promotion.json", settings.promotion(plan, number))
            if archive:
                _write(node / "pgbackrest.conf", settings.pgbackrest(plan, number))
        for name in ("before_promote.py", "restore.sh"):
            shutil.copy(SCRIPTS / name, folder / name)
        _give_away(folder)
        return cls(plan, say)

    @classmethod
    def open(cls, folder: Path, say: Say) -> Self:
        """The stand that lies in a folder."""
        folder = folder.resolve()
        try:
            stored = json.loads((folder / "stand.json").read_text())
        except OSError as error:
            raise StandError(f"no stand in {folder}: {error.strerror}") from None
        ports = Ports(**{name: tuple(of) for name, of in stored["ports"].items()})
        plan = Plan(
            folder,
            ports,
            Path(stored["postgres_bin"]),
            stored["passwords"],
            stored["archive"],
            stored["hook"],
            stored["apart"],
        )
        return cls(plan, say)

    # --- start and end ---------------------------------------------------------------

    def up(self) -> None:
        """Start everything, wait until two standbys follow, make database and roles."""
        for number in NODES:
            self.start_etcd(number)
        self.wait(self.etcd_is_healthy, "etcd", START_TIMEOUT_S)
        for number in NODES:
            self.start_host(number)
        self.wait(lambda: self.leader() != 0, "a leading database", START_TIMEOUT_S)
        self._prepare()
        self.wait_whole()

    def start_etcd(self, number: int) -> None:
        """Start one etcd."""
        command = ["etcd", *settings.etcd(self.plan, number)]
        self.etcds[number - 1].start(
            self.plan.inside(f"db{number}", as_owner(programs.found(command)))
        )

    def start_host(self, number: int) -> None:
        """Start Patroni, and by it PostgreSQL, of one node."""
        command = ["patroni", str(self.plan.node(number) / "patroni.json")]
        self.patronis[number - 1].start(
            self.plan.inside(f"db{number}", as_owner(programs.found(command))),
            programs.environment(),
        )

    def postmaster(self, number: int) -> int:
        """The number of a node's PostgreSQL, 0 if it is not running."""
        data = self.plan.node(number) / "data"
        try:
            pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
            # Another process may have that number by now.
            ours = Path(f"/proc/{pid}/cwd").readlink() == data
        except (OSError, ValueError):
            return 0
        return pid if ours and began(pid) else 0

    def kill_host(self, number: int) -> None:
        """End Patroni and PostgreSQL of a node at once, as a power cut would."""
        roots = [self.patronis[number - 1].pid, self.postmaster(number)]
        kill(children(pid for pid in roots if pid))
        self.patronis[number - 1].file.unlink(missing_ok=True)

    def kill_postmaster(self, number: int) -> None:
        """End PostgreSQL of a node at once; Patroni goes on."""
        kill(children([self.postmaster(number)]))

    @contextmanager
    def stopped_host(self, number: int) -> Iterator[None]:
        """Stop a node's processes for a while: they hold all, and say nothing."""
        roots = [self.patronis[number - 1].pid, self.postmaster(number)]
        pids = children(pid for pid in roots if pid)
        for pid in pids:
            send(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                send(pid, signal.SIGCONT)

    def down(self) -> None:
        """End everything that the files name."""
        for process in self.patronis:
            # It stops its PostgreSQL in order.
            if process.pid:
                send(process.pid, signal.SIGTERM)
        for number, process in zip(NODES, self.patronis, strict=True):
            if process.pid:
                wait_gone([process.pid], STOP_TIMEOUT_S)
            self.kill_host(number)
        for process in self.etcds:
            process.stop(STOP_TIMEOUT_S)

    def remove(self) -> None:
        """Remove the folder; everything in it has ended."""
        shutil.rmtree(self.plan.folder)

    # --- what is so ------------------------------------------------------------------

    def etcd_is_healthy(self) -> bool:
        """Whether a quorum of etcd answers."""
        return any(
            _get(f"{url}/health").get("health") == "true"
            for url in settings.etcd_urls(self.plan)
        )

    def etcds_are_whole(self) -> bool:
        """Whether each etcd reads with a quorum."""
        return all(
            _get(f"{url}/health").get("health") == "true"
            for url in settings.etcd_urls(self.plan)
        )

    def members(self) -> list[dict[str, Any]]:
        """What Patroni says of the members; empty if none answers."""
        for number, port in zip(NODES, self.plan.ports.patroni, strict=True):
            host = self.plan.peer_host(number)
            found = _get(f"http://{host}:{port}/cluster").get("members")
            if found:
                return list(found)
        return []

    def sync(self) -> dict[str, Any]:
        """Who Patroni would promote, as etcd has it: leader, quorum, sync_standby."""
        key = f"/{SCOPE}/{SCOPE}/sync"
        question = json.dumps({"key": base64.b64encode(key.encode()).decode()})
        for url in settings.etcd_urls(self.plan):
            found = _get(f"{url}/v3/kv/range", question).get("kvs")
            if found:
                return dict(json.loads(base64.b64decode(found[0]["value"])))
        return {}

    def leader(self) -> int:
        """The node whose database leads and is running, 0 if there is none."""
        for member in self.members():
            if member["role"] == "leader" and member["state"] == "running":
                return int(member["name"].removeprefix("pg"))
        return 0

    def is_primary(self, number: int) -> bool:
        """Whether a node's PostgreSQL runs, and takes what is written."""
        try:
            return self.sql("SELECT pg_is_in_recovery()", node=number) == "f"
        except StandError:
            return False

    def whole(self) -> bool:
        """Whether one leads and two stream from it, on one timeline, as its quorum, and
        all etcd are one: what comes next may take any of them.
        """
        if not self.etcds_are_whole():
            return False
        members = self.members()
        leader = self.leader()
        streaming = [one for one in members if one["state"] == "streaming"]
        if not leader or len(streaming) != 2 or len(members) != 3:
            return False
        if len({one.get("timeline") for one in members}) != 1:
            return False
        sync = self.sync()
        voters = {one for one in (sync.get("sync_standby") or "").split(",") if one}
        if sync.get("leader") != f"pg{leader}" or len(voters) != 2:
            return False
        try:
            names, count = self.sql(
                "SELECT current_setting('synchronous_standby_names'), count(*) "
                "FROM pg_stat_replication WHERE sync_state = 'quorum'",
                node=leader,
            ).split("|")
        except StandError:
            return False
        return names.startswith("ANY 1") and count == "2"

    def wait_whole(self, timeout_s: float = START_TIMEOUT_S) -> float:
        """Wait until the databases are whole; the seconds that it took."""
        return self.wait(self.whole, "three databases as one", timeout_s)

    def wait(
        self, condition: Callable[[], object], what: str, timeout_s: float
    ) -> float:
        """Wait for something, saying each few seconds for what. Raises StandError."""
        start_s = time.monotonic()
        while not until(condition, 5.0, 0.2):
            passed_s = time.monotonic() - start_s
            for process in (*self.etcds, *self.patronis):
                if process.file.exists() and not process.pid:
                    raise StandError(f"{process.name} has ended; see {process.log}")
            if passed_s > timeout_s:
                raise StandError(
                    f"no {what} after {passed_s:.0f} s: {self.told()}; "
                    f"see {self.plan.folder}/*.log"
                )
            self.say(f"waiting for {what}, {passed_s:.0f} s: {self.told()}")
        return time.monotonic() - start_s

    def told(self) -> str:
        """The members in a line for people."""
        return ", ".join(
            f"{one['name']} {one['role']} {one['state']} tl {one.get('timeline', '?')}"
            for one in self.members()
        )

    def sql(
        self,
        statement: str,
        *,
        node: int = 0,
        role: str = "postgres",
        database: str = "postgres",
        timeout_s: float = 10.0,
    ) -> str:
        """One statement by psql; its rows with `|`. Raises StandError."""
        dsn = self.plan.dsn(role, database, node)
        command = [str(self.plan.postgres_bin / "psql"), dsn]
        command += ["-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statement]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=timeout_s
            )
        except subprocess.TimeoutExpired:
            raise StandError(
                f"no answer after {timeout_s:.0f} s: {statement}"
            ) from None
        if done.returncode:
            raise StandError(f"{statement}: {done.stderr.strip()}")
        return done.stdout.strip()

    def pgbackrest(self, number: int, *words: str) -> str:
        """One command of a node's pgBackRest. Raises StandError."""
        conf = self.plan.node(number) / "pgbackrest.conf"
        command = ["pgbackrest", f"--config={conf}", f"--stanza={SCOPE}", *words]
        done = subprocess.run(
            as_owner(programs.found(command)),
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env=environment({"PGPASSFILE": str(self.plan.folder / "pgpass.owner")}),
        )
        if done.returncode:
            raise StandError(
                f"pgbackrest {' '.join(words)}: {done.stdout}{done.stderr}"
            )
        return done.stdout

    # --- the database ----------------------------------------------------------------

    def _prepare(self) -> None:
        """The archive, the database, and the two roles of ours."""
        plan = self.plan
        for role in (OWNER, LOG_ROLE):
            self.sql(f"CREATE ROLE {role} LOGIN PASSWORD '{plan.passwords[role]}'")
        # Its function tells switches how many standbys there are.
        self.sql(f"GRANT pg_read_all_stats TO {OWNER}")
        self.sql(f"CREATE DATABASE {DATABASE} OWNER {OWNER}", timeout_s=30.0)
        self.sql(f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC")
        self.sql(f"GRANT CONNECT ON DATABASE {DATABASE} TO {LOG_ROLE}")
        self.sql("REVOKE ALL ON SCHEMA public FROM PUBLIC", database=DATABASE)
        if plan.archive:
            leader = self.leader()
            self.pgbackrest(leader, "stanza-create")
            self.pgbackrest(leader, "check")


def choose_ports() -> Ports:
    """The usual ports, or the first block behind them of which none is taken.

    None of a block, as a stand whose node is dead now will want its port again; and
    none that the kernel gives to connections.
    """
    for block in range(BLOCKS_MAX):
        chosen = Ports(
            **{
                name: tuple(
                    first + BLOCK * block + one
                    for one in range(2 if name == "switches" else len(NODES))
                )
                for name, first in FIRST_PORTS.items()
            }
        )
        if all(map(_is_free, itertools.chain(*asdict(chosen).values()))):
            return chosen
    raise StandError(f"{BLOCKS_MAX} blocks of ports are taken, from {FIRST_PORTS}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _write(path: Path, text: str) -> None:
    """A file that nobody else reads."""
    with os.fdopen(
        os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w"
    ) as to:
        to.write(text)


def _give_away(folder: Path) -> None:
    """What the databases write or read belongs to who runs them."""
    uid, gid = owner()
    # libpq reads passwords only from a file of one's own that nobody else can read.
    shutil.copy(folder / "pgpass", folder / "pgpass.owner")
    (folder / "pgpass.owner").chmod(0o600)
    folder.chmod(0o755)
    ours = {"stand.json", "pgpass", "disks", *(f"switch{one}" for one in SWITCHES)}
    for path in folder.iterdir():
        if path.name not in ours:
            for one in (path, *path.rglob("*")):
                os.chown(one, uid, gid)


def _get(url: str, question: str = "") -> dict[str, Any]:
    """A JSON object from a port of ours; an empty one if there is none."""
    try:
        with urllib.request.urlopen(url, question.encode() or None, 2.0) as reply:
            return dict(json.load(reply))
    except (OSError, ValueError, urllib.error.URLError):
        return {}
