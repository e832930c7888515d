"""A primary and two standbys of PostgreSQL, with a quorum of one: real, and small.

They listen on free ports of 127.0.0.1 and are ended by their process ids. PostgreSQL
refuses to run as root, so then they are the user `postgres`, as Debian makes it.
For tests and benchmarks; `make cluster` has Patroni besides (`tools/cluster`).
"""

import contextlib
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path("/usr/lib/postgresql")
LEAST = 17
START_S = 30.0
"""After which something else is wrong."""
SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
shared_buffers = 32MB
wal_keep_size = 64MB
synchronous_standby_names = 'ANY 1 (pg2, pg3)'
wal_receiver_status_interval = 1s
wal_receiver_timeout = 0
wal_sender_timeout = 0
wal_retrieve_retry_interval = 100ms
autovacuum = off
logging_collector = off
dynamic_shared_memory_type = mmap
"""
HBA = """
hostssl all payswitch_scram 127.0.0.1/32 scram-sha-256
host all payswitch_scram 127.0.0.1/32 reject
host all all 127.0.0.1/32 trust
host replication all 127.0.0.1/32 trust
"""


class NoPostgresError(Exception):
    """There is none here that can be started; the text says what is missing."""


def binaries() -> Path:
    """Where PostgreSQL's programs are. Raises NoPostgresError."""
    found = [
        path / "bin"
        for path in ROOT.glob("*")
        if path.name.isdigit()
        and int(path.name) >= LEAST
        and (path / "bin" / "initdb").is_file()
    ]
    if not found:
        raise NoPostgresError(
            f"no PostgreSQL {LEAST}: apt-get install postgresql-{LEAST}"
        )
    return max(found, key=lambda path: int(path.parent.name))


def who() -> tuple[int, int] | None:
    """User and group to start it as; None: as oneself. Raises NoPostgresError."""
    if os.geteuid() != 0:
        return None
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        raise NoPostgresError(
            "PostgreSQL refuses to run as root, and there is no user postgres"
        ) from None
    return user.pw_uid, user.pw_gid


def program(name: str) -> list[str | Path]:
    """The words that start one of its programs. Raises NoPostgresError.

    `subprocess` forks where it is to start a program as another user, and who has used
    gRPC must not fork. setpriv becomes the program itself.
    """
    words: list[str | Path] = [binaries() / name]
    if user := who():
        if shutil.which("setpriv") is None:
            raise NoPostgresError("setpriv is not there: apt-get install util-linux")
        words[:0] = ["setpriv", f"--reuid={user[0]}", f"--regid={user[1]}"]
        words[3:3] = ["--clear-groups", "--"]
    return words


def environment() -> dict[str, str]:
    """Of its programs: a sanitizer that comes first in this process is not theirs; a
    clock that is moved (tests/ahead.c) is, or no server would lead by theirs.
    """
    there = dict(os.environ)
    if "AHEAD_S" not in there:
        there.pop("LD_PRELOAD", None)
    return there


def ports_to_keep(count: int) -> list[int]:
    """Free ones that no connection is given for its own end meanwhile: a server that is
    started again must find its port.
    """
    found: set[int] = set()
    while len(found) < count:
        port = random.randrange(20_000, 32_000)  # below what Linux gives by itself
        with socket.socket() as one, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            found.add(port)
    return list(found)


def children(pid: int) -> list[int]:
    """Processes that it has started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(path.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(path.parent.name))
    return found


def state_of(pid: int) -> str:
    """One letter, as in proc(5): T is stopped, Z has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def wait_stopped(pids: list[int]) -> None:
    """Until each has stopped, or ended: SIGSTOP is not there at once."""
    end = time.monotonic() + START_S
    while any(state_of(pid) not in "TZ" for pid in pids):
        assert time.monotonic() < end, [(pid, state_of(pid)) for pid in pids]
        time.sleep(0.001)


class Node:
    """One server."""

    def __init__(self, name: str, directory: Path, port: int) -> None:
        self.name = name
        self.directory = directory
        self.port = port
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Does not wait until it answers."""
        with (self.directory.parent / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*program("postgres"), "-D", self.directory, "-p", str(self.port)],
                stdin=subprocess.DEVNULL,
                env=environment(),
                stdout=log,
                stderr=log,
            )

    @property
    def pid(self) -> int:
        """Of the postmaster."""
        assert self.process is not None
        return self.process.pid

    def used_s(self) -> float:
        """Processor seconds of it and its children, those that have ended too."""
        ticks = 0
        for pid in (self.pid, *children(self.pid)):
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
                ticks += sum(map(int, fields.split()[11:15]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def said(self) -> str:
        """All that it has logged."""
        return (self.directory.parent / f"{self.name}.log").read_text()

    def end(self) -> None:
        """At once, as a crash: with SIGQUIT, which its children get, too."""
        if self.process is not None and self.process.poll() is None:
            for pid in (self.pid, *children(self.pid)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
            self.process.send_signal(signal.SIGQUIT)
            try:
                self.process.wait(START_S)
            finally:
                self.process.kill()
        self.process = None

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Within the block none of its processes does anything."""
        pids = [self.pid]
        try:
            os.kill(self.pid, signal.SIGSTOP)
            wait_stopped(pids)
            # It starts no other, nor takes note of one that has ended meanwhile.
            for pid in children(self.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
                    pids.append(pid)
            wait_stopped(pids)
            yield
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)


class Nodes:
    """The three; `primary` is written to, the others are standbys of it."""

    def __init__(self, base: Path) -> None:
        self.base = base
        ports = ports_to_keep(3)
        self.all = [
            Node(f"pg{n}", base / f"pg{n}", port) for n, port in enumerate(ports, 1)
        ]
        self.primary, *self.standbys = self.all

    def dsn(self, user: str = "payswitch_log", database: str = "payswitch") -> str:
        """Of all three."""
        ports = ",".join(str(node.port) for node in self.all)
        hosts = ",".join("127.0.0.1" for _ in self.all)
        return f"host={hosts} port={ports} user={user} dbname={database}"

    def psql(
        self, statement: str, node: Node | None = None, database: str = "postgres"
    ) -> str:
        """What the superuser reads: for what a test arranges."""
        done = subprocess.run(
            [
                *(binaries() / "psql", "-X", "-A", "-t", "-q", "-h", "127.0.0.1"),
                *("-p", str((node or self.primary).port), "-U", "postgres"),
                *("-v", "ON_ERROR_STOP=1", "-d", database, "-c", statement),
            ],
            capture_output=True,
            env=environment(),
            text=True,
            timeout=START_S,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def until(self, statement: str, wanted: str) -> None:
        """Until the primary answers that."""
        end = time.monotonic() + START_S
        while True:
            try:
                found = self.psql(statement)
            except AssertionError as error:
                found = str(error)
            if found == wanted:
                return
            told = [node.said()[-2_000:] for node in self.all]
            assert time.monotonic() < end, (statement, found, *told)
            time.sleep(0.05)

    def set(self, name: str, value: str) -> None:
        """Change a setting of the primary, and wait until new sessions have it."""
        self.psql(f"ALTER SYSTEM SET {name} = '{value}'")
        self.psql("SELECT pg_reload_conf()")
        self.until(f"SHOW {name}", value)

    def streaming(self) -> None:
        """Wait until both standbys stream."""
        self.until(
            "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'", "2"
        )

    def shown(self) -> None:
        """Until both standbys show all that there is: commits wait for one alone, and
        for none until it shows them.
        """
        self.until(
            "SELECT count(*) FROM pg_stat_replication"
            " WHERE replay_lsn >= pg_current_wal_lsn()",
            "2",
        )

    def lose_primary(self) -> None:
        """It ends for good; the standby that has more is promoted, as Patroni does it.

        The settings name both standbys, so that the new one waits for the other.
        """
        self.primary.end()
        has = "SELECT pg_last_wal_receive_lsn() - '0/0'"
        other, first = sorted(self.standbys, key=lambda node: int(self.psql(has, node)))
        self.psql(f"SELECT pg_promote(true, {START_S:.0f})", first)
        line = f"host=127.0.0.1 port={first.port} user=postgres"
        line += f" application_name={other.name}"
        self.psql(f"ALTER SYSTEM SET primary_conninfo = '{line}'", other)
        self.psql("SELECT pg_reload_conf()", other)
        self.primary, self.standbys = first, [other]

    def make(self, settings: str = "", certificate: tuple[str, str] = ("", "")) -> None:
        """Make and start them. Raises NoPostgresError."""
        user = who()
        first = self.primary.directory
        if user:
            os.chown(self.base, *user)
        done = subprocess.run(
            [
                *(*program("initdb"), "-D", first, "-U", "postgres", "-A", "trust"),
                *("--data-checksums", "--no-sync", "--locale=C", "-E", "UTF8"),
                "--no-instructions",
            ],
            capture_output=True,
            env=environment(),
            text=True,
        )
        if done.returncode:
            raise NoPostgresError(f"initdb failed in {self.base}: {done.stderr}")
        self._write(first / "postgresql.auto.conf", SETTINGS + settings)
        self._write(first / "pg_hba.conf", HBA)
        for name, text in zip(("server.crt", "server.key"), certificate, strict=True):
            if text:
                self._write(first / name, text)
        for node in self.standbys:
            shutil.copytree(first, node.directory)
            line = f"host=127.0.0.1 port={self.primary.port} user=postgres"
            line += f" application_name={node.name}"
            self._write(
                node.directory / "postgresql.auto.conf",
                f"{SETTINGS}{settings}primary_conninfo = '{line}'\n",
            )
            self._write(node.directory / "standby.signal", "")
            for path in (node.directory, *node.directory.rglob("*")):
                if user:
                    os.chown(path, *user)
            node.directory.chmod(0o700)
        for node in self.all:
            node.start()
        self.streaming()
        self.psql("CREATE DATABASE payswitch")

    def _write(self, path: Path, text: str) -> None:
        path.write_text(text)
        path.chmod(0o600)
        if user := who():
            os.chown(path, *user)

    def used_s(self) -> float:
        """Processor seconds of all three so far, in steps of the system's tick."""
        return sum(node.used_s() for node in self.all)

    def wal_bytes(self) -> int:
        """What the primary has ever written of its log."""
        return int(self.psql("SELECT pg_current_wal_lsn() - '0/0'"))

    def end(self) -> None:
        """All of them, at once."""
        for node in reversed(self.all):
            node.end()


@contextmanager
def running(
    base: Path, settings: str = "", certificate: tuple[str, str] = ("", "")
) -> Iterator[Nodes]:
    """Three of them in an empty folder, for the time of the block."""
    base.chmod(0o755)
    made = Nodes(base)
    try:
        made.make(settings, certificate)
        yield made
    finally:
        made.end()
