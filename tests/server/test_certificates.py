"""Goal: the server's certificate is changed without a restart, and only for one that
fits; without `--dev` nothing is made, and files of others are refused.

Method: real servers; their files are replaced, whole and half, with and without a
signal; what a new connection is shown is compared.
"""

import shutil
import signal
from pathlib import Path

import pytest

from server.beginning import check_directory
from server.certificates import ServerCertificates
from server.security_log import security_log
from switch.authority.certificates import server_credentials
from switch.authority.development import DevAuthority
from switch.codes import Role
from switch.config import Config
from switch.credentials import Credentials
from switch.errors import ConfigError
from tests.server.harness import Peers, ServerProcess, payment, running, until
from tests.server.leaves import server_certificate
from tests.server.test_metrics import read, wait_for
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
    server = ServerProcess(tmp_path, "--without-people", "--tls", tls, dev=False)
    server.wait_ready()
    assert server.stop() == 0


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a server that has stopped leaves behind."""
    directory = tmp_path_factory.mktemp("served")
    with running(directory):
        pass
    (directory / "server.log").unlink()
    return directory


OTHERS_READ, OTHERS_WRITE = "is open to others", "can be written by others"


@pytest.mark.parametrize(
    ("name", "mode", "why"),
    [
        ("ledger", 0o777, OTHERS_WRITE),
        ("ledger/journal", 0o755, OTHERS_READ),
        ("ledger/index", 0o755, OTHERS_READ),
        ("ledger/journal/data.mdb", 0o644, OTHERS_READ),
        ("ledger/index/data.mdb", 0o640, OTHERS_READ),
        ("ledger/index/lock.mdb", 0o666, OTHERS_READ),
        ("ledger/LOCK", 0o666, OTHERS_READ),
        ("ledger/security", 0o775, OTHERS_WRITE),
        ("tls", 0o777, OTHERS_WRITE),
        ("tls/ca.pem", 0o666, OTHERS_WRITE),
        ("tls/server.pem", 0o664, OTHERS_WRITE),
        ("tls/server.key", 0o644, OTHERS_READ),
    ],
)
def test_what_others_can_read_or_replace_is_refused(
    served: Path, name: str, mode: int, why: str
) -> None:
    def check() -> None:
        check_directory(served / "ledger")
        files = server_credentials(served / "tls", "payswitch.test", dev=False)
        ServerCertificates(files, Front(), lambda *_: None)
        settings = Config(data_dir=served / "ledger")
        log = security_log(settings)
        log.start()
        log.stop()

    class Front:
        def set_credentials(self, *_: bytes) -> None:
            pass

    check()
    before = (served / name).stat().st_mode
    (served / name).chmod(mode)
    try:
        with pytest.raises(ConfigError) as raised:
            check()
        assert f"{served / name} {why} (mode {mode:04o})" in str(raised.value)
    finally:
        (served / name).chmod(before)


@pytest.mark.parametrize("name", ["ledger/journal/data.mdb", "tls/ca.pem"])
def test_a_server_does_not_start_with_it(
    served: Path, tmp_path: Path, name: str
) -> None:
    shutil.copytree(served, tmp_path, dirs_exist_ok=True)
    (tmp_path / name).chmod(0o666)
    assert f"{tmp_path / name} " in one_line(ServerProcess(tmp_path))


def test_an_authority_that_others_can_write_is_not_believed(
    peers: Peers, leaf: Credentials
) -> None:
    """Whoever can write it chooses who is let in as the treasury."""
    address = peers.server.address
    failing = "payswitch_certificate_files_failing"
    authority = peers.authority.directory / "ca.pem"
    before = server_certificate(address, leaf)
    wait_for(peers.server.metrics, failing, 0)
    authority.chmod(0o666)
    renew(peers)
    # An operator hears of it.
    until(lambda: read(peers.server.metrics)[failing] == 1, BOUND_S)
    assert server_certificate(address, leaf) == before
    authority.chmod(0o600)
    peers.server.process.send_signal(signal.SIGHUP)
    until(lambda: read(peers.server.metrics)[failing] == 0, BOUND_S)
    assert server_certificate(address, leaf) != before


def test_revocation_lists_are_read_beside_the_authority(tmp_path: Path) -> None:
    taken: list[bytes] = []

    class Front:
        def set_credentials(self, *files: bytes) -> None:
            taken.append(files[3])

    files = DevAuthority(tmp_path / "tls").server()
    certificates = ServerCertificates(files, Front(), lambda *_: None)
    assert taken == [b""]
    files.revocations.write_bytes(b"a list")
    certificates.reload()
    assert taken == [b"", b"a list"]
    # Who can write it chooses who is let in.
    files.revocations.chmod(0o666)
    certificates.reload()
    assert "can be written by others" in certificates.failing
    assert len(taken) == 2


def test_a_certificate_and_a_key_that_do_not_fit(tmp_path: Path, peers: Peers) -> None:
    tls = tmp_path / "tls"
    tls.mkdir()
    for name in ("ca.pem", "server.pem"):
        (tls / name).write_bytes((peers.authority.directory / name).read_bytes())
    leaf = peers.authority.leaf(Role.AUDITOR, "auditor")
    (tls / "server.key").write_bytes(leaf.key.read_bytes())
    (tls / "server.key").chmod(0o600)
    assert "is not the key of" in one_line(ServerProcess(tmp_path, dev=False))
