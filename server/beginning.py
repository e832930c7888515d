"""What is looked at before anything is served: the directory, the port, the people."""

import os
import socket
import stat
from pathlib import Path
from typing import Final

from server._front import Front
from server.node import Node
from switch._core import Ledger
from switch.config import Config
from switch.credentials import check_trusted
from switch.errors import ConfigError, HaltedError
from switch.ledger import shapes

HALTED_MAX: Final = 1_000
"""Characters that are told of a mark."""


def check_people(config: Config, node: Node) -> None:
    """Raise ConfigError for a ledger without people, unless that is meant."""
    if node.register.has_people or config.dev or config.without_people:
        return
    raise ConfigError(
        f"{config.data_dir} is a ledger without people: whoever has a certificate of "
        "the treasury moves its money alone. Begin an empty one with `payswitch init`, "
        "or say --without-people (for development --dev)"
    )


def check_alone(config: Config, ledger: Ledger) -> None:
    """Raise ConfigError for a ledger of a cluster, unless this server is a node of it.

    What it took alone the log would lack, and the other nodes.
    """
    if config.cluster.is_set:
        return
    shapes.check_alone(config.data_dir)
    if not ledger.head.epoch:
        return
    raise ConfigError(
        f"{config.data_dir} is a node's ledger, of a log in epoch {ledger.head.epoch}: "
        "serve it with the settings [cluster] (docs/cluster.md)"
    )


def check_halted(path: Path) -> None:
    """Raise HaltedError for the ledger of a node that a person must look at first."""
    mark = path / shapes.HALTED
    if shapes.check(mark, shapes.FILE):
        with mark.open(encoding="utf-8", errors="replace") as file:
            why = file.read(HALTED_MAX).strip()
        raise HaltedError(
            f"this node halted, and {mark} says why: {why}. Keep the directory, and "
            "seed another one (docs/cluster.md)"
        )


def check_directory(path: Path) -> None:
    """Refuse a ledger that others may read or replace, or a directory right above one.

    A `ledger` beside `tls` is how `payswitch day` lays files out; a new ledger above it
    would look like a loss. Raises ConfigError.
    """
    inner = path / "ledger"
    if (inner / "journal").exists() and not (path / "journal").exists():
        raise ConfigError(f"{path} is no ledger, but {inner} is one: serve that")
    if path.exists():
        check_trusted(path)
    for part in (path / "journal", path / "index", path / "totals"):
        for each in (part, part / "data.mdb", part / "lock.mdb"):
            check_owned(each)
    check_owned(path / "LOCK")


def check_owned(path: Path) -> None:
    """Refuse what is another user's, or open to others. Raises ConfigError."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return
    if found.st_uid != os.geteuid():
        raise ConfigError(
            f"{path} belongs to the user {found.st_uid}: give it to the server's user"
        )
    if found.st_mode & 0o077:
        raise ConfigError(
            f"{path} is open to others (mode {stat.S_IMODE(found.st_mode):04o}): "
            f"`chmod {700 if path.is_dir() else 600}` it"
        )


def listen(front: Front, config: Config) -> int:
    """Listen; return the port. Raises ConfigError if it is taken."""
    try:
        found = socket.getaddrinfo(
            config.host, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        return front.listen(str(found[0][4][0]), config.port)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {config.address}: it is in use or not an address here"
        ) from error
