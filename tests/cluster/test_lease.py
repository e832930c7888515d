"""Goal: one node at a time believes that it is to lead, and another one soon does when
that one is gone, stopped or has lost its database; what is said about passwords and
certificates holds.

Method: processes that ask for the lease of one real database, killed and stopped; a
clock of the test's own for the order in which they come; TLS and SCRAM as in a cluster.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("switch.cluster._pq", reason="built without libpq")

from switch.authority.development import DevAuthority
from switch.cluster.lease import OTHERS_WAIT_S, PING_EVERY_S, Lease
from switch.cluster.log import DoubtError
from switch.cluster.postgres import PostgresLog, create
from tests.cluster.postgres import Nodes, nodes
from tests.cluster.proxy import until
from tests.stopped import stop

ROOT = Path(__file__).resolve().parent.parent.parent
LEASE_S = 1.0


class Holder:
    """One process, and what it said last."""

    def __init__(self, dsn: str, name: str) -> None:
        self.said: list[str] = []
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.cluster.lease_holder",
                dsn,
                name,
                str(LEASE_S),
            ],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def holds(self) -> bool:
        return self.said[-1:] == ["holds"]

    def waits(self) -> bool:
        return self.said[-1:] == ["waits"]

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as out:
            for line in iter(out.readline, ""):
                self.said.append(line.strip())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> DevAuthority:
    return DevAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def servers(certificate: DevAuthority) -> Iterator[Nodes]:
    given = certificate.server()
    pair = (given.certificate.read_text(), given.key.read_text())
    with nodes("ssl = on\n", pair) as made:
        create(made.dsn("postgres"), bytes(16))
        yield made


@contextmanager
def two(servers: Nodes) -> Iterator[tuple[Holder, Holder]]:
    """The one that holds it, and the one that waits."""
    holders = [Holder(servers.dsn(), name) for name in ("ALPHA", "BETA")]
    try:
        until(
            lambda: sorted(one.said[-1:] for one in holders) == [["holds"], ["waits"]]
        )
        holders.sort(key=Holder.waits)
        yield holders[0], holders[1]
    finally:
        for one in holders:
            one.end()


def test_another_has_it_when_its_holder_is_killed(servers: Nodes) -> None:
    with two(servers) as (first, second):
        os.kill(first.pid, signal.SIGKILL)
        until(second.holds)


def test_a_holder_that_was_stopped_does_not_have_it_any_more(servers: Nodes) -> None:
    with two(servers) as (first, second):
        stop(first.pid)
        until(second.holds)
        os.kill(first.pid, signal.SIGCONT)
        until(first.waits)
        # Both are there now; it stays where it is, unless its holder was silent again.
        told = len(second.said)
        time.sleep(2 * PING_EVERY_S)
        assert first.waits() or len(second.said) > told


def test_what_lost_its_database_comes_back_in_order(servers: Nodes) -> None:
    now = [100.0]
    first, second = (
        Lease(servers.dsn(), name, 10.0, now=lambda: now[0]) for name in ("A", "B")
    )
    try:
        for lease in (first, second, first, second):
            lease.turn()
        assert (first.holds(), second.holds()) == (True, False)
        assert (first.held_s(), second.held_s()) == (0.0, 0.0)
        now[0] += PING_EVERY_S
        first.turn()
        assert (first.held_s(), second.held_s()) == (PING_EVERY_S, 0.0)
        ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        ended += " WHERE application_name LIKE 'payswitch lease%'"
        assert servers.psql(ended) == "2"
        now[0] += PING_EVERY_S
        for lease in (second, first):
            lease.turn()
            assert not lease.holds()
            assert lease.held_s() == 0.0
            assert lease.why.startswith("lost")
        # The incumbent asks at once, though the other has a session first.
        now[0] += PING_EVERY_S
        second.turn()
        second.turn()
        assert not second.holds()
        first.turn()
        assert first.holds()
        assert first.held_s() == 0.0
        # Who lets go of it is not in the way of others, but for so long.
        first.let_go(60.0)
        now[0] += OTHERS_WAIT_S
        first.turn()
        # Its server may let go of it a moment later.
        until(lambda: second.turn() > 0.0 and second.holds())
        first.turn()
        assert not first.holds()
        assert not second.why.startswith("timeout")
        now[0] += 10.0
        assert not second.holds()
    finally:
        first.close()
        second.close()


def test_a_primary_that_nobody_follows_has_no_lease_to_give(servers: Nodes) -> None:
    lease = Lease(servers.dsn(), "ALPHA", LEASE_S)
    standby, other = servers.standbys
    try:
        with standby.stopped(), other.stopped():
            lease.turn()
            assert not lease.holds()
            assert lease.why.startswith("timeout")
        # It has the lock until its commit is done there, and nobody is there for it.
        lease.start()
        until(lease.holds)
        # Nor has one that would wait for nobody.
        name = "synchronous_standby_names"
        was = servers.psql(f"SHOW {name}")
        servers.set(name, "")
        try:
            lease.let_go(0.0)
            until(lambda: lease.why.startswith("settings"))
            assert not lease.holds()
        finally:
            servers.set(name, was)
        until(lease.holds)
    finally:
        lease.close()


SLOW = """
import os, select, sys, time
end = time.monotonic() + 30.0
while time.monotonic() < end:
    try:
        file = os.open(sys.argv[1], os.O_WRONLY | os.O_NONBLOCK)
        os.unlink(sys.argv[1])
        break
    except OSError:
        time.sleep(0.005)
else:
    sys.exit(2)
print("asked", flush=True)
sys.exit(not select.select([0], [], [], 30.0)[0])
"""
"""Ends with 0 if its parent does something while its file is waited for."""


def test_others_go_on_while_libpq_looks_something_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A file of services that is a pipe is as slow as a name that is not found.
    pipe = tmp_path / "services"
    os.mkfifo(pipe)
    monkeypatch.setenv("PGSERVICEFILE", str(pipe))
    monkeypatch.setenv("PGSERVICE", "slow")
    lease = Lease("host=127.0.0.1 port=1 user=nobody", "ALPHA", LEASE_S)
    with subprocess.Popen(
        [sys.executable, "-c", SLOW, str(pipe)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdin
        assert other.stdout
        lease.start()
        try:
            assert other.stdout.readline() == b"asked\n"
            other.stdin.write(b"here\n")
            other.stdin.flush()
            assert other.wait() == 0
            until(lambda: "slow" in lease.why)
        finally:
            lease.close()


def test_no_server_is_no_lease() -> None:
    lease = Lease("host=127.0.0.1 port=1 user=nobody", "ALPHA", LEASE_S)
    lease.start()
    until(lambda: lease.why.startswith("lost"))
    assert not lease.holds()
    lease.close()


def test_passwords_and_certificates_are_asked_for(
    servers: Nodes, certificate: DevAuthority, tmp_path: Path
) -> None:
    servers.psql(
        "DROP ROLE IF EXISTS payswitch_scram;"
        " SET password_encryption = 'scram-sha-256';"
        " CREATE ROLE payswitch_scram LOGIN PASSWORD 'right' IN ROLE payswitch_log"
    )
    other = DevAuthority(tmp_path / "other")
    dsn = (
        f"{servers.dsn('payswitch_scram')} sslmode=verify-full channel_binding=require"
    )
    mine, theirs = certificate.directory / "ca.pem", other.directory / "ca.pem"

    elsewhere = f"host={','.join(['elsewhere'] * 3)}"
    elsewhere += f" hostaddr={','.join(['127.0.0.1'] * 3)}"

    def reaches(password: str, root: Path, more: str = "") -> PostgresLog:
        words = tmp_path / "pgpass"
        words.write_text(f"*:*:*:*:{password}\n")
        words.chmod(0o600)
        log = PostgresLog(f"{dsn} passfile={words} sslrootcert={root} {more}")
        log.reconnect()
        return log

    log = reaches("right", mine)
    assert log.connection.is_encrypted
    assert log.head().epoch == 0
    for password, root, more, said in (
        ("wrong", mine, "", "password authentication failed"),
        ("right", theirs, "", "certificate verify failed"),
        (
            "right",
            mine,
            elsewhere,
            "does not match host name",
        ),
        (
            "right",
            mine,
            "sslmode=disable channel_binding=disable",
            "pg_hba.conf rejects",
        ),
    ):
        with pytest.raises(DoubtError, match=f"^lost: .*{said}") as refused:
            reaches(password, root, more)
        assert "right" not in str(refused.value)
