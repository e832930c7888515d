"""The files of a certificate, and the name that one has in it.

May use `errors`. Who makes the files and who is known by the name is not said here:
clients, the server and what makes certificates read them alike.
"""

import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from switch.errors import ConfigError

SPIFFE = re.compile(r"spiffe://([a-z0-9.-]{1,255})/([a-z]+)/([a-z0-9-]{1,32})")
"""A certificate's name: trust domain, role, participant."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Three PEM files: an own certificate, its key, and who signs the others'."""

    certificate: Path
    key: Path
    authority: Path

    @property
    def revocations(self) -> Path:
        """Lists of revoked certificates, beside the authority; there may be none."""
        return self.authority.with_name("crl.pem")

    def read_revocations(self) -> bytes:
        """The lists; empty if there are none. Raises ConfigError."""
        try:
            return self.revocations.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            text = f"cannot read {error.filename}: {error.strerror}"
            raise ConfigError(text) from error

    def read(self) -> tuple[bytes, bytes, bytes]:
        """Certificate, key, authority. Raises ConfigError.

        Also if one of them is not what it should be, or the key is another's: what
        speaks TLS would say so in words that name no file, or not at all.
        """
        try:
            certificate = self.certificate.read_bytes()
            key = self.key.read_bytes()
            authority = self.authority.read_bytes()
        except OSError as error:
            text = f"cannot read {error.filename}: {error.strerror}"
            if isinstance(error, FileNotFoundError):
                text += "; put it there, or name another directory with --tls"
            raise ConfigError(text) from error
        own = _certificate(self.certificate, certificate)
        _certificate(self.authority, authority)
        if own.public_key() != _key(self.key, key).public_key():
            raise ConfigError(f"{self.key} is not the key of {self.certificate}")
        return certificate, key, authority


def _certificate(file: Path, pem: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError:
        raise ConfigError(f"{file} is not a certificate in PEM") from None


def _key(file: Path, pem: bytes) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(pem, None)
    except TypeError:
        raise ConfigError(f"{file} is encrypted; a key here has no password") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigError(f"{file} is not a private key in PEM") from None


@dataclass(frozen=True, slots=True)
class Presented:
    """What a certificate is known by, beside its names."""

    authority: bytes
    """Who issued it: SHA-256 of the issuer's name in DER."""
    serial: int
    key: bytes
    """SHA-256 of its public key in DER (SubjectPublicKeyInfo)."""


def presented(certificate: bytes) -> Presented:
    """What a certificate in DER is known by. Raises ValueError."""
    read = x509.load_der_x509_certificate(certificate)
    key = read.public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    authority = hashlib.sha256(read.issuer.public_bytes()).digest()
    return Presented(authority, read.serial_number, hashlib.sha256(key).digest())


def presented_by(file: Path) -> Presented:
    """The same of a file in PEM. Raises ConfigError."""
    try:
        read = x509.load_pem_x509_certificate(file.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file} is no certificate: {error}") from error
    return presented(read.public_bytes(Encoding.DER))


def check_trusted(path: Path) -> None:
    """Raise ConfigError unless a file or directory is written by the server's user and
    root alone.
    """
    found = _owned(path)
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        mode = stat.S_IMODE(found.st_mode)
        raise ConfigError(
            f"{path} can be written by others (mode {mode:04o}): `chmod go-w` it, and "
            "see that what it has is yours"
        )


def _owned(path: Path) -> os.stat_result:
    try:
        found = path.stat()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    if found.st_uid not in (0, os.geteuid()):
        raise ConfigError(
            f"{path} belongs to the user {found.st_uid}: give it to the server's"
        )
    return found


def check_private(path: Path) -> None:
    """Raise ConfigError unless a key is the server's or root's, and not the world's."""
    found = _owned(path)
    if found.st_mode & (stat.S_IRWXO | stat.S_IWGRP):
        raise ConfigError(
            f"{path} is open to others (mode {stat.S_IMODE(found.st_mode):04o}): "
            "`chmod 600` it if nobody has read it, else replace it"
        )
