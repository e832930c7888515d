"""The settings of a node of a cluster: the table [cluster].

May use `bounds` and `errors`. Without the table there is no cluster, and nothing of it
is imported.
"""

import dataclasses
from dataclasses import dataclass
from typing import Final

from switch.bounds import bounded, check_bounds
from switch.errors import ConfigError

NAME_MAX: Final = 64
"""Characters of a node's name."""
ADDRESS_MAX: Final = 255
"""Characters of an address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterConfig:
    """How a server is a node of a cluster. Immutable; `ConfigError`."""

    dsn: str = ""
    """Where the log is: libpq's connection string, with every database node. Empty:
    this server is no node. A password belongs into libpq's `passfile`."""
    node: str = ""
    """The name of this node among the others; never given to another one."""
    address: str = ""
    """`host:port` by which clients reach this node."""
    patience_s: int = bounded(60, 5, 3_600)
    """Seconds that a group may be in doubt before its callers are told `unknown`."""
    append_timeout_s: int = bounded(4, 1, 60)
    """Seconds without the log's answer after which an append is in doubt."""
    lease_s: int = bounded(3, 2, 60)
    """Seconds of silence after which others may try to lead in a leader's place; and
    after which it does not believe by itself that it leads."""
    standby_reads: bool = True
    """Whether a follower serves what only reads."""

    def __post_init__(self) -> None:
        for entry in dataclasses.fields(self):
            check_bounds(entry, getattr(self, entry.name))
        if not self.dsn:
            if self.node or self.address:
                raise ConfigError("cluster.dsn is empty: it says where the log is")
            return
        _check_text("node", self.node, NAME_MAX)
        _check_text("address", self.address, ADDRESS_MAX)
        if not self.address.rpartition(":")[2].isdecimal():
            raise ConfigError("cluster.address must be host:port")
        if self.patience_s <= self.append_timeout_s:
            raise ConfigError("cluster.patience_s is not more than append_timeout_s")

    @property
    def is_set(self) -> bool:
        """Whether this server is a node of a cluster."""
        return bool(self.dsn)


def _check_text(name: str, text: str, most: int) -> None:
    """Raise ConfigError unless it is a word of printable ASCII."""
    if not (0 < len(text) <= most and text.isascii() and text.isprintable()):
        raise ConfigError(
            f"cluster.{name} must be 1 to {most} printable ASCII characters"
        )
    if " " in text:
        raise ConfigError(f"cluster.{name} must have no spaces")
