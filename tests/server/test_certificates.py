"""Goal: the server's certificate is changed without a restart, and only for one that
fits; without `--dev` nothing is made, and files of others are refused.

Method: real servers; their files are replaced, whole and half, with and without a
signal; what a new connection is shown is compared.
"""

import signal
from pathlib import Path

import pytest

from switch.codes import Role
from switch.credentials import Credentials
from tests.server.harness import Peers, ServerProcess, payment, until
from tests.server.leaves import server_certificate
from tests.server.test_process import EXIT_CONFIG

BOUND_S = 60.0
STAYS = "the server's certificate stays as it is"


@pytest.fixture
def leaf(peers: Peers) -> Credentials:
    return peers.authority.leaf(Role.AUDITOR, "auditor")


def renew(peers: Peers) -> None:
    """A new certificate and key in the server's files."""
    for name in ("server.pem", "server.key"):
        (peers.authority.directory / name).unlink()
    peers.authority.server()


@pytest.mark.parametrize("signalled", [True, False])
def test_a_new_certificate_is_for_new_connections(
    peers: Peers, leaf: Credentials, signalled: bool
) -> None:
    address = peers.server.address
    before = server_certificate(address, leaf)
    assert peers.centre().pay(payment()).result == 1
    renew(peers)
    if signalled:
        peers.server.process.send_signal(signal.SIGHUP)
    until(lambda: server_certificate(address, leaf) != before, BOUND_S)
    # Whoever was there goes on.
    assert peers.centre().pay(payment()).result == 1


def test_half_of_a_new_one_changes_nothing(peers: Peers, leaf: Credentials) -> None:
    address = peers.server.address
    before = server_certificate(address, leaf)
    key = peers.authority.directory / "server.key"
    old = key.read_bytes()
    told = peers.server.log().count(STAYS)
    certificate = peers.authority.directory / "server.pem"
    certificate.unlink()
    key.unlink()
    peers.authority.server()
    new = key.read_bytes()
    key.write_bytes(old)
    peers.server.process.send_signal(signal.SIGHUP)
    until(lambda: peers.server.log().count(STAYS) > told, BOUND_S)
    assert server_certificate(address, leaf) == before
    key.write_bytes(new)
    until(lambda: server_certificate(address, leaf) != before, BOUND_S)


def one_line(server: ServerProcess) -> str:
    assert server.wait(BOUND_S) == EXIT_CONFIG
    [line] = server.log().splitlines()
    assert "cannot start: " in line
    return line


def test_nothing_is_made_without_being_asked(tmp_path: Path) -> None:
    line = one_line(ServerProcess(tmp_path, dev=False))
    assert "--dev makes certificates" in line
    assert not (tmp_path / "tls").exists()
    assert not (tmp_path / "ledger").exists()


def test_made_once_they_need_no_dev(tmp_path: Path, peers: Peers) -> None:
    tls = str(peers.authority.directory)
    server = ServerProcess(tmp_path, "--tls", tls, dev=False)
    server.wait_ready()
    assert server.stop() == 0


@pytest.mark.parametrize("name", ["ledger/journal", "ledger/index"])
def test_a_ledger_that_is_open_to_others_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir(parents=True)
    (tmp_path / name).chmod(0o755)
    assert "is open to others" in one_line(ServerProcess(tmp_path))


def test_a_certificate_and_a_key_that_do_not_fit(tmp_path: Path, peers: Peers) -> None:
    tls = tmp_path / "tls"
    tls.mkdir()
    for name in ("ca.pem", "server.pem"):
        (tls / name).write_bytes((peers.authority.directory / name).read_bytes())
    leaf = peers.authority.leaf(Role.AUDITOR, "auditor")
    (tls / "server.key").write_bytes(leaf.key.read_bytes())
    (tls / "server.key").chmod(0o600)
    assert "is not the key of" in one_line(ServerProcess(tmp_path, dev=False))
