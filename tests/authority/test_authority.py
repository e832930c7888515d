"""Goal: the development authority makes good certificates, and keeps them.

Method: certificates that are made are read back.
"""

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtensionOID

from switch.authority import development
from switch.authority.certificates import server_credentials
from switch.authority.development import DOMAIN, DevAuthority
from switch.codes import Role
from switch.credentials import Credentials
from switch.errors import ConfigError

CENTRE = f"spiffe://{DOMAIN}/centre/bsk-1"


def read(files: Credentials) -> x509.Certificate:
    return x509.load_pem_x509_certificate(files.certificate.read_bytes())


def test_a_leaf_says_who_it_is(tmp_path: Path) -> None:
    authority = DevAuthority(tmp_path / "tls")
    files = authority.leaf(Role.CENTRE, "bsk-1")
    certificate = read(files)
    names = certificate.extensions.get_extension_for_oid(
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME
    ).value
    assert isinstance(names, x509.SubjectAlternativeName)
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [CENTRE]
    signer = x509.load_pem_x509_certificate(files.authority.read_bytes())
    certificate.verify_directly_issued_by(signer)
    key = load_pem_private_key(files.key.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.public_key() == certificate.public_key()


def test_only_the_owner_reads_the_files(tmp_path: Path) -> None:
    authority = DevAuthority(tmp_path / "tls")
    authority.server()
    authority.leaf(Role.BILLER, "power")
    for file in (tmp_path / "tls").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "tls").stat().st_mode) == 0o700


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    first = DevAuthority(tmp_path).leaf(Role.CENTRE, "bsk-1").read()
    assert DevAuthority(tmp_path).leaf(Role.CENTRE, "bsk-1").read() == first


def test_a_certificate_that_ends_soon_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(development, "LEAF_DAYS", 1)
    authority = DevAuthority(tmp_path)
    old = read(authority.leaf(Role.CENTRE, "bsk-1"))
    monkeypatch.undo()
    new = read(authority.leaf(Role.CENTRE, "bsk-1"))
    assert new.serial_number != old.serial_number
    assert new.not_valid_after_utc > datetime.now(UTC) + timedelta(days=300)


def test_many_at_once_make_one_authority(tmp_path: Path) -> None:
    def make(at: int) -> bytes:
        return DevAuthority(tmp_path).leaf(Role.CENTRE, f"bsk-{at % 4}").read()[2]

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(make, range(32)))) == 1


def test_names_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        DevAuthority(tmp_path).leaf(Role.CENTRE, "../x")


def test_a_deployments_own_files_are_used_and_never_made(tmp_path: Path) -> None:
    made = server_credentials(tmp_path, dev=True)
    assert made == server_credentials(tmp_path)
    (tmp_path / "ca.key").unlink()
    with pytest.raises(ConfigError, match="another authority"):
        server_credentials(tmp_path, dev=True)
    assert server_credentials(tmp_path) == made
    made.key.unlink()
    with pytest.raises(ConfigError, match=r"server\.key"):
        server_credentials(tmp_path)


def test_nothing_is_made_unless_it_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--dev"):
        server_credentials(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["ca.key", "server.key"])
def test_keys_that_others_can_read_are_refused(tmp_path: Path, name: str) -> None:
    server_credentials(tmp_path, dev=True)
    for file in tmp_path.glob("*.key"):
        assert file.stat().st_mode & 0o777 == 0o600
    (tmp_path / name).chmod(0o604)
    for dev in (False, True):
        with pytest.raises(ConfigError, match=name.replace(".", r"\.")):
            server_credentials(tmp_path, dev=dev)
