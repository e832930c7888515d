"""The keys by which people prove themselves: Ed25519, in files that are theirs alone.

May use `errors`. A file is PKCS #8 in PEM, mode 0600, encrypted if it was made with a
passphrase. The switch has the public key alone, in the register.
"""

import os
import stat
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from switch.durable_files import sync_directory
from switch.errors import ConfigError

KEY_SIZE = 32
"""Bytes of a public key."""


class PersonKey:
    """A person's private key; it signs."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private

    @property
    def public(self) -> bytes:
        """The public key, 32 bytes, as the register has it."""
        return self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def sign(self, digest: bytes) -> bytes:
        """The signature, 64 bytes, of a row's hash."""
        return self._private.sign(digest)


def make_key(file: Path, passphrase: bytes = b"") -> PersonKey:
    """A new key in a new file. Raises ConfigError, also if there is one: the person
    that it is of could never sign again.
    """
    private = Ed25519PrivateKey.generate()
    protection: KeySerializationEncryption = NoEncryption()
    if passphrase:
        protection = BestAvailableEncryption(passphrase)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)
    try:
        made = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigError(f"{file} is there already, and is kept") from None
    except OSError as error:
        raise ConfigError(f"cannot write {file}: {error.strerror}") from error
    with os.fdopen(made, "wb") as opened:
        opened.write(pem)
        opened.flush()
        os.fsync(opened.fileno())
    sync_directory(file.parent)
    return PersonKey(private)


def read_key(file: Path, ask: Callable[[], bytes]) -> PersonKey:
    """The key in a file; `ask` gives the passphrase of one that is encrypted.

    Raises ConfigError, also if others can read the file.
    """
    try:
        with file.open("rb") as opened:
            found = os.fstat(opened.fileno())
            pem = opened.read()
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from error
    if found.st_mode & 0o077 or found.st_uid != os.geteuid():
        mode = stat.S_IMODE(found.st_mode)
        raise ConfigError(
            f"{file} is open to others (mode {mode:04o}, user {found.st_uid}): a key "
            "that others may have read proves nobody; `chmod 600` one that is new"
        )
    try:
        private = _load(pem, None)
    except TypeError:
        try:
            private = _load(pem, ask())
        except (ValueError, TypeError):
            raise ConfigError(f"this is not the passphrase of {file}") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigError(f"{file} is not a private key in PEM") from None
    if not isinstance(private, Ed25519PrivateKey):
        raise ConfigError(f"{file} is no key of a person: those are Ed25519")
    return PersonKey(private)


def _load(pem: bytes, passphrase: bytes | None) -> object:
    return load_pem_private_key(pem, passphrase)


def parse_public(text: str) -> bytes:
    """A public key as `payswitch person-key` prints it. Raises ValueError."""
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_SIZE or not any(key):
        raise ValueError(f"a public key has {2 * KEY_SIZE} digits of hexadecimal")
    return key
