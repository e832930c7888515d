"""The server's certificate: a deployment's own, or one of a development authority.

May use `development` and the words.
"""

from pathlib import Path

from switch.authority.development import DOMAIN, DevAuthority
from switch.credentials import Credentials, check_private
from switch.errors import ConfigError


def server_credentials(
    directory: Path | str, domain: str = DOMAIN, *, dev: bool = False
) -> Credentials:
    """The server's files in a TLS directory: `server.pem`, `server.key`, `ca.pem`.

    `dev` has a development authority make what is missing, and the authority itself in
    a directory without one. Raises ConfigError.
    """
    directory = Path(directory)
    files = Credentials(
        directory / "server.pem", directory / "server.key", directory / "ca.pem"
    )
    own = directory / "ca.key"
    for key in (own, files.key):
        if key.exists():
            check_private(key)
    if dev:
        if files.authority.exists() and not own.exists():
            raise ConfigError(
                f"{directory} has another authority's ca.pem: start without --dev"
            )
        return DevAuthority(directory, domain).server()
    for file in (files.authority, files.certificate, files.key):
        if not file.exists():
            raise ConfigError(
                f"{file} is missing; --dev makes certificates for development"
            )
    return files
