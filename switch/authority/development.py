"""A certificate authority for development and tests.

May use `credentials`, `codes` and `errors`. A deployment has an authority of its own
and needs none of this.
"""

import fcntl
import ipaddress
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from switch.codes import Role
from switch.credentials import SPIFFE, Credentials
from switch.durable_files import make_directories, sync_directory
from switch.errors import ConfigError

DOMAIN = "payswitch.test"
"""Trust domain of the development authority; a deployment names its own."""

AUTHORITY_DAYS = 3650
LEAF_DAYS = 397


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
        make_directories(self.directory)
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
        except OSError as error:
            raise ConfigError(
                f"the authority in {self.directory} is not usable: {error}"
            ) from error
        except (TypeError, ValueError):
            raise ConfigError(
                f"the authority in {self.directory} is not usable: ca.pem is no "
                "certificate, or ca.key no key without a password"
            ) from None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ConfigError(f"{self._key_file} is not an elliptic curve key")
        self._key = key

    def server(self, *addresses: str) -> Credentials:
        """The server's certificate, for localhost by its name and addresses, and for
        these if it is made now.
        """
        names: list[x509.GeneralName] = [
            x509.DNSName("localhost"),
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
            x509.IPAddress(ipaddress.ip_address("::1")),
            *(x509.IPAddress(ipaddress.ip_address(one)) for one in addresses),
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
        out.flush()
        os.fsync(descriptor)
    fresh.rename(file)
    sync_directory(file.parent)
