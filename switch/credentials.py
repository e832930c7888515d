"""The files of a certificate, and the name that one has in it.

May use `errors`. Who makes the files and who is known by the name is not said here:
clients, the server and what makes certificates read them alike.
"""

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from switch.errors import ConfigError

SPIFFE = re.compile(r"spiffe://([a-z0-9.-]{1,255})/([a-z]+)/([a-z0-9-]{1,32})")
"""A certificate's name: trust domain, role, participant."""


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


def check_private(path: Path) -> None:
    """Raise ConfigError unless a key is the server's or root's, and not the world's."""
    try:
        found = path.stat()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    if found.st_uid not in (0, os.geteuid()):
        raise ConfigError(
            f"{path} belongs to the user {found.st_uid}: give it to the server's"
        )
    if found.st_mode & (stat.S_IRWXO | stat.S_IWGRP):
        raise ConfigError(
            f"{path} is open to others (mode {stat.S_IMODE(found.st_mode):04o}): "
            "`chmod 600` it if nobody has read it, else replace it"
        )
