"""The server's own certificate: read at start, and again when its files change.

A new one is for new connections; those that are open go on if the authority still
stands for them, and else end. Files that do not fit together, as when one of two is
replaced yet, are looked at again, and the old stay.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from switch.credentials import Credentials, check_private, check_trusted
from switch.errors import ConfigError

log = logging.getLogger("server.certificates")

LOOK_S: Final = 1.0
"""Between two looks at the files."""

_Stamp = tuple[tuple[int, int, int], ...]


class Commands(Protocol):
    """What takes a certificate."""

    def set_credentials(
        self, certificate: bytes, key: bytes, authority: bytes, revocations: bytes
    ) -> None:
        """PEM. Raises ValueError if they do not fit together."""


class ServerCertificates:
    """The files of the server's certificate. Belongs to the event loop's thread."""

    def __init__(
        self,
        files: Credentials,
        front: Commands,
        taken: Callable[[bytes, bytes], None],
    ) -> None:
        """Read them. `taken` is told of a certificate and authority that are used.

        Raises ConfigError.
        """
        self._files = files
        self._front = front
        self._taken = taken
        self.failing = ""
        """Why what lies in the files is not used; empty if it is."""
        self._stamp = self._look()
        self._load()

    def reload(self) -> None:
        """Read them again, whether they have changed or not; the old stay if not."""
        self._stamp = self._look()
        try:
            self._load()
        except ConfigError as error:
            self.failing = str(error)
            log.error("the server's certificate stays as it is: %s", error)
        else:
            self.failing = ""
            log.info(
                "new connections get the certificate of %s", self._files.certificate
            )

    async def run(self) -> None:
        """Look at the files until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            if self._look() != self._stamp:
                self.reload()

    def _load(self) -> None:
        check_private(self._files.key)
        # Who can write them chooses who is believed to be of the treasury.
        for path in (self._files.certificate, self._files.authority):
            check_trusted(path.parent)
            check_trusted(path)
        certificate, key, authority = self._files.read()
        revocations = self._files.read_revocations()
        if revocations:
            check_trusted(self._files.revocations)
        try:
            self._front.set_credentials(certificate, key, authority, revocations)
        except ValueError as error:
            raise ConfigError(
                f"{self._files.certificate}, {self._files.key}, "
                f"{self._files.authority} and {self._files.revocations.name} cannot be "
                f"used: {error}"
            ) from error
        self._taken(certificate, authority)

    def _look(self) -> _Stamp:
        """What tells that a file was replaced or written."""
        files = self._files
        every = files.certificate, files.key, files.authority, files.revocations
        return tuple(map(_stamp, every))


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0, 0
    return found.st_ino, found.st_mtime_ns, found.st_size
