"""Goal: a certificate gives one identity, or none; the authority makes good ones.

Method: alternative names as gRPC gives them, right and wrong; certificates that are
made are read back.
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

from switch import identity
from switch.codes import Role
from switch.errors import ConfigError
from switch.identity import (
    DOMAIN,
    MATRIX,
    Credentials,
    DevAuthority,
    ForbiddenError,
    Identity,
    IdentityError,
    allow,
    identify,
    parse_names,
    server_credentials,
)
from switch.specs import TREASURY, ParticipantSpec


class One:
    """A participant of the register."""

    def __init__(self, index: int, spec: ParticipantSpec) -> None:
        self.index = index
        self.spec = spec


class Names:
    """A register of a few names."""

    def __init__(self, *specs: ParticipantSpec) -> None:
        self.known = {spec.id: One(at, spec) for at, spec in enumerate(specs, 1)}

    def find_participant(self, participant_id: str, /) -> One | None:
        return self.known.get(participant_id)


def context(*names: str) -> dict[str, list[bytes]]:
    return {identity.SAN_KEY: [name.encode() for name in names]}


CENTRE = f"spiffe://{DOMAIN}/centre/bsk-1"


def test_a_name_beside_others() -> None:
    names = [b"localhost", CENTRE.encode(), b"127.0.0.1"]
    assert parse_names(names, DOMAIN) == (Role.CENTRE, "bsk-1")


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["localhost"],
        [CENTRE, CENTRE],
        [CENTRE, f"spiffe://{DOMAIN}/treasury/x"],
        [f"spiffe://{DOMAIN}/centre"],
        [f"spiffe://{DOMAIN}/centre/a/b"],
        [f"spiffe://{DOMAIN}/centre/A"],
        [f"spiffe://{DOMAIN}/centre/{'a' * 33}"],
        [f"spiffe://{DOMAIN}/centre/a\n"],
        [f"spiffe://{DOMAIN}/king/a"],
        ["spiffe://other.test/centre/bsk-1"],
        [f"https://{DOMAIN}/centre/bsk-1"],
        ["spiffe://\u0995/centre/a"],
    ],
)
def test_names_that_are_no_identity(names: list[str]) -> None:
    with pytest.raises(IdentityError):
        parse_names([name.encode() for name in names], DOMAIN)


def test_the_register_has_the_last_word() -> None:
    register = Names(
        ParticipantSpec(id=TREASURY, role=Role.TREASURY),
        ParticipantSpec(id="bsk-1", role=Role.CENTRE),
        ParticipantSpec(id="bsk-2", role=Role.CENTRE, active=False),
    )
    caller = identify(context(CENTRE), register, DOMAIN)
    assert caller == Identity(Role.CENTRE, "bsk-1", 2)
    assert caller.bound_centre == 2
    for name in ("centre/bsk-2", "centre/bsk-3", "biller/bsk-1", "treasury/other"):
        with pytest.raises(IdentityError):
            identify(context(f"spiffe://{DOMAIN}/{name}"), register, DOMAIN)
    with pytest.raises(IdentityError):
        identify({}, register, DOMAIN)


def test_the_first_treasury_may_load_the_network_and_nothing_else() -> None:
    name = context(f"spiffe://{DOMAIN}/treasury/{TREASURY}")
    caller = identify(name, Names(), DOMAIN)
    assert caller.index == 0
    allow(caller, identity.BOOTSTRAP)
    for method in MATRIX:
        if method != identity.BOOTSTRAP:
            with pytest.raises(ForbiddenError):
                allow(caller, method)


def test_a_method_that_is_not_in_the_matrix_is_nobodys() -> None:
    for role in Role:
        with pytest.raises(ForbiddenError):
            allow(Identity(role, "x", 1), "/payswitch.v1.AdminService/NoSuch")


def test_senders_that_may_name_a_centre_are_bound_to_none() -> None:
    assert Identity(Role.HARNESS, "harness", 7).bound_centre == 0


# --- the authority ------------------------------------------------------------------


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
    monkeypatch.setattr(identity, "LEAF_DAYS", 1)
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
    made = server_credentials(tmp_path)
    assert made == server_credentials(tmp_path)
    (tmp_path / "ca.key").unlink()
    assert server_credentials(tmp_path) == made
    made.key.unlink()
    with pytest.raises(ConfigError, match=r"server\.key"):
        server_credentials(tmp_path)
