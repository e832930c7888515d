"""Who is calling, and what they may call.

An identity is the URI SAN `spiffe://<domain>/<role>/<participant>` of the client's
certificate and nothing else: no field of a message and no common name. The register
has the last word: the participant must be in it, active, with that role.
"""

import fcntl
import ipaddress
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from switch.codes import Role
from switch.errors import ConfigError, SwitchError
from switch.specs import TREASURY, ParticipantSpec

DOMAIN = "payswitch.test"
"""Trust domain of the development authority; a deployment names its own."""
SAN_KEY = "x509_subject_alternative_name"
SPIFFE = re.compile(r"spiffe://([a-z0-9.-]{1,255})/([a-z]+)/([a-z0-9-]{1,32})")

AUTHORITY_DAYS = 3650
LEAF_DAYS = 397


class IdentityError(SwitchError):
    """The certificate names nobody that the switch knows."""


class ForbiddenError(SwitchError):
    """The caller is known and may not do this."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who calls: role, participant id, and its index in the register."""

    role: Role
    participant: str
    index: int
    """0 only for a treasury that the register does not have yet."""

    @property
    def bound_centre(self) -> int:
        """The participant index of the only centre it acts for, 0 if it names one."""
        return self.index if self.role is Role.CENTRE else 0


class Known(Protocol):
    """What the register says of a participant."""

    @property
    def index(self) -> int:
        """Dense, from 1."""

    @property
    def spec(self) -> ParticipantSpec:
        """Role, and whether it is active."""


class Directory(Protocol):
    """The part of the register that identities need; clients load no ledger."""

    def find_participant(self, participant_id: str, /) -> Known | None:
        """The participant with this id."""


# --- the matrix: who may call what ------------------------------------------------

_CENTRE = frozenset({Role.CENTRE})
_SENDERS = frozenset({Role.CENTRE, Role.HARNESS})
_TREASURY = frozenset({Role.TREASURY})
_OFFICES = frozenset({Role.TREASURY, Role.AUDITOR})
_READERS = _OFFICES | {Role.HARNESS}

MATRIX: Final[Mapping[str, frozenset[Role]]] = {
    "/payswitch.v1.PaymentService/CreatePayment": _SENDERS,
    "/payswitch.v1.PaymentService/CreatePayments": _SENDERS,
    "/payswitch.v1.PaymentService/CreateBasket": _SENDERS,
    "/payswitch.v1.PaymentService/StreamPayments": _SENDERS,
    "/payswitch.v1.PaymentService/GetPayment": _READERS | _CENTRE,
    "/payswitch.v1.PaymentService/WatchPayment": _READERS | _CENTRE,
    "/payswitch.v1.PaymentService/ListPayments": _READERS | _CENTRE,
    "/payswitch.v1.WalletService/GetWallet": _READERS | _CENTRE,
    "/payswitch.v1.WalletService/ListStatement": _READERS | _CENTRE,
    "/payswitch.v1.CounterService/FetchBill": _SENDERS,
    "/payswitch.v1.CounterService/PayBill": _SENDERS,
    "/payswitch.v1.CounterService/GetReceipt": _READERS | _CENTRE,
    "/payswitch.v1.CounterService/CloseShift": _SENDERS,
    "/payswitch.v1.CounterService/SignShift": _SENDERS,
    "/payswitch.v1.BillerService/FollowFeed": _OFFICES | {Role.BILLER},
    "/payswitch.v1.BillerService/Connect": frozenset({Role.BILLER}),
    "/payswitch.v1.BillerService/Acknowledge": frozenset({Role.BILLER}),
    "/payswitch.v1.AdminService/LoadNetwork": _TREASURY,
    "/payswitch.v1.AdminService/TopUp": _TREASURY,
    "/payswitch.v1.AdminService/FreezeWallet": _TREASURY,
    "/payswitch.v1.AdminService/CloseWallet": _TREASURY,
    "/payswitch.v1.AdminService/SetLimit": _TREASURY,
    "/payswitch.v1.AdminService/ProposeRefund": _TREASURY,
    "/payswitch.v1.AdminService/ProposeCorrection": _TREASURY,
    "/payswitch.v1.AdminService/Approve": _TREASURY,
    "/payswitch.v1.AdminService/ListExceptions": _OFFICES,
    "/payswitch.v1.AdminService/CloseCase": _TREASURY,
    "/payswitch.v1.AdminService/ListBillers": _READERS,
    "/payswitch.v1.AdminService/CloseWindow": _TREASURY,
    "/payswitch.v1.AdminService/Settle": _TREASURY,
    "/payswitch.v1.AdminService/ListAccounts": _READERS,
    "/payswitch.v1.AdminService/ListServices": _READERS,
    "/payswitch.v1.AdminService/GetLedger": _READERS,
}
"""Full method name → roles. A method that is not here may be called by nobody."""

BOOTSTRAP = "/payswitch.v1.AdminService/LoadNetwork"
"""The one call that a treasury may make before the register has any treasury."""


def allow(caller: Identity, method: str) -> None:
    """Raise ForbiddenError unless `caller` may call `method` (its full name)."""
    if caller.role not in MATRIX.get(method, frozenset()):
        raise ForbiddenError(f"a {caller.role.name.lower()} may not call {method}")
    if caller.index == 0 and method != BOOTSTRAP:
        raise ForbiddenError(f"load the network first: {method} needs the register")


def identify(
    auth_context: Mapping[str, Iterable[bytes]], register: Directory, domain: str
) -> Identity:
    """The caller's identity, from gRPC's auth context. Raises IdentityError."""
    role, participant = parse_names(auth_context.get(SAN_KEY, ()), domain)
    known = register.find_participant(participant)
    if known is None:
        if role is Role.TREASURY and register.find_participant(TREASURY) is None:
            return Identity(role, participant, 0)
        raise IdentityError(f"participant {participant} is not in the register")
    if known.spec.role is not role:
        raise IdentityError(f"participant {participant} is no {role.name.lower()}")
    if not known.spec.active:
        raise IdentityError(f"participant {participant} is not active")
    return Identity(role, participant, known.index)


def parse_names(names: Iterable[bytes], domain: str) -> tuple[Role, str]:
    """Role and participant id out of a certificate's alternative names.

    Exactly one must be a SPIFFE id, and of `domain`. Raises IdentityError.
    """
    found = [name for name in names if name.startswith(b"spiffe:")]
    if len(found) != 1:
        raise IdentityError("the certificate must have exactly one SPIFFE id")
    match = SPIFFE.fullmatch(found[0].decode("ascii", "replace"))
    if match is None or match[1] != domain:
        raise IdentityError(
            f"the certificate's SPIFFE id is not spiffe://{domain}/ROLE/PARTICIPANT"
        )
    try:
        role = Role[match[2].upper()]
    except KeyError:
        raise IdentityError(f"{match[2]} is not a role") from None
    return role, match[3]


# --- certificates -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Credentials:
    """Three PEM files: an own certificate, its key, and who signs the others'."""

    certificate: Path
    key: Path
    authority: Path

    def read(self) -> tuple[bytes, bytes, bytes]:
        """Certificate, key, authority. Raises ConfigError."""
        try:
            return (
                self.certificate.read_bytes(),
                self.key.read_bytes(),
                self.authority.read_bytes(),
            )
        except OSError as error:
            raise ConfigError(
                f"cannot read {error.filename}: {error.strerror}"
            ) from error


def server_credentials(directory: Path | str, domain: str = DOMAIN) -> Credentials:
    """The server's files in a TLS directory, made by a new authority on first start.

    A directory with `ca.pem` and no `ca.key` is a deployment's own: it must have
    `server.pem` and `server.key`. Raises ConfigError.
    """
    directory = Path(directory)
    files = Credentials(
        directory / "server.pem", directory / "server.key", directory / "ca.pem"
    )
    if not files.authority.exists() or (directory / "ca.key").exists():
        return DevAuthority(directory, domain).server()
    for file in (files.certificate, files.key):
        if not file.exists():
            raise ConfigError(f"{file} is missing, and there is no ca.key to make it")
    return files


class DevAuthority:
    """A certificate authority in a directory, for development and tests.

    Files: `ca.pem`, `ca.key`, `server.pem`, `server.key`, and for each identity
    `<role>-<participant>.pem` and `.key`. They are made when first asked for and
    kept; several processes may share a directory.
    """

    def __init__(self, directory: Path | str, domain: str = DOMAIN) -> None:
        """Open the authority in `directory`, making it if there is none."""
        self.directory = Path(directory)
        self.domain = domain
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._certificate_file = self.directory / "ca.pem"
        self._key_file = self.directory / "ca.key"
        with self._locked():
            if not self._certificate_file.exists():
                self._make_authority()
        try:
            key = serialization.load_pem_private_key(self._key_file.read_bytes(), None)
            self._certificate = x509.load_pem_x509_certificate(
                self._certificate_file.read_bytes()
            )
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"the authority in {self.directory} is not usable: {error}"
            ) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ConfigError(f"{self._key_file} is not an elliptic curve key")
        self._key = key

    def server(self) -> Credentials:
        """The server's certificate, for localhost and 127.0.0.1."""
        names: list[x509.GeneralName] = [
            x509.DNSName("localhost"),
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        ]
        return self._leaf("server", names, ExtendedKeyUsageOID.SERVER_AUTH)

    def leaf(self, role: Role, participant: str) -> Credentials:
        """The certificate of a participant in a role. Raises ConfigError."""
        uri = f"spiffe://{self.domain}/{role.name.lower()}/{participant}"
        if SPIFFE.fullmatch(uri) is None:
            raise ConfigError(f"{uri} is not an identity")
        name = f"{role.name.lower()}-{participant}"
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri)]
        return self._leaf(name, names, ExtendedKeyUsageOID.CLIENT_AUTH)

    def _leaf(
        self, name: str, names: list[x509.GeneralName], usage: x509.ObjectIdentifier
    ) -> Credentials:
        files = Credentials(
            self.directory / f"{name}.pem",
            self.directory / f"{name}.key",
            self._certificate_file,
        )
        with self._locked():
            if not _is_current(files.certificate):
                self._make_leaf(files, name, names, usage)
        return files

    def _make_leaf(
        self,
        files: Credentials,
        name: str,
        names: list[x509.GeneralName],
        usage: x509.ObjectIdentifier,
    ) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        authority_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(
            self._key.public_key()
        )
        certificate = (
            _builder(name, self._certificate.subject, key.public_key(), LEAF_DAYS)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(False, None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(authority_id, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        _write(files.key, _key_pem(key))
        _write(files.certificate, certificate.public_bytes(_PEM))

    def _make_authority(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = f"{self.domain} development authority"
        subject = _name(name)
        subject_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        certificate = (
            _builder(name, subject, key.public_key(), AUTHORITY_DAYS)
            .add_extension(x509.BasicConstraints(True, 0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .add_extension(subject_id, critical=False)
            .sign(key, hashes.SHA256())
        )
        _write(self._key_file, _key_pem(key))
        _write(self._certificate_file, certificate.public_bytes(_PEM))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process makes files at a time, so that key and certificate match."""
        file = os.open(self.directory / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)


_PEM = serialization.Encoding.PEM


def _builder(
    name: str, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    # A day of tolerance for clocks that are behind.
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        _PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _is_current(file: Path) -> bool:
    """Whether the certificate is there and valid for another day."""
    if not file.exists():
        return False
    certificate = x509.load_pem_x509_certificate(file.read_bytes())
    return certificate.not_valid_after_utc > datetime.now(UTC) + timedelta(days=1)


def _write(file: Path, content: bytes) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    fresh = file.with_name(file.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
    fresh.rename(file)
