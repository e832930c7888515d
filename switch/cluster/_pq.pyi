# What type checkers see of libpq's face.

from collections.abc import Mapping, Sequence
from typing import final

from switch.cluster.log import Sealed
from switch.cluster.replicator import Replicator

HOSTS_MAX: int
"""Nodes that a connection is looked for at."""
WHYS: tuple[str, ...]

def parse(dsn: str) -> dict[str, str]:
    """What a connection string or URI says. ConfigError if it cannot be read."""

@final
class Connection:
    """At most one connection, and what it is asked. DoubtError of all but misuse."""

    @property
    def connected(self) -> bool: ...
    @property
    def notices(self) -> int:
        """That the server added to answers, since it was connected."""

    @property
    def said(self) -> str:
        """What libpq or the server said last of what went wrong."""

    @property
    def backend(self) -> int:
        """The process id of the server's side, 0 if there is none."""

    @property
    def server_version(self) -> int:
        """As 170012; 0 if there is no connection."""

    @property
    def is_encrypted(self) -> bool: ...
    def open(self, hosts: Sequence[Mapping[str, str]], wait_s: float) -> int:
        """Connect to the first of these that is as its options say; which it was."""

    def close(self) -> None:
        """Shut the socket. Does nothing if there is no connection."""

    def prepare_append(self, statement: str, wait_s: float) -> None:
        """Let the server know the statement that `append` runs."""

    def append(self, chunk: Sealed, wait_s: float) -> None:
        """Run the prepared append; return only if it is done."""

    def execute(
        self,
        statement: str,
        params: tuple[int | bytes | str | float | bool, ...],
        wait_s: float,
    ) -> list[tuple[int | bytes | str | float | bool | None, ...]]:
        """Run one statement in a transaction of its own; its rows."""

    def run_script(self, script: str, wait_s: float) -> None:
        """Run statements, one behind the other: for making tables. Notices may come."""

@final
class Appender:
    """The log as a ledger's commits reach it."""

    def __init__(
        self, connection: Connection, replicator: Replicator, wait_s: float
    ) -> None: ...
    @property
    def connection(self) -> Connection: ...
    @property
    def replicator(self) -> Replicator: ...
    def capsule(self) -> object:
        """A `struct log_api`; who keeps it keeps all that it needs."""

    @property
    def counts(self) -> tuple[int, int, float, float]:
        """(chunks, bytes, seconds waited, the longest wait), without doubts."""
