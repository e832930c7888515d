"""The server's certificate: a deployment's own, or one of a development authority.

May use `development` and the words.
"""

from pathlib import Path

from switch.authority.development import DOMAIN, DevAuthority
from switch.credentials import Credentials
from switch.errors import ConfigError


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
