"""Several switches that share one log: PostgreSQL under quorum commit.

Imported only where `[cluster]` is set, or by a command about clusters. `log` and
`replicator` need nothing but Python; what speaks to PostgreSQL needs `_pq`, which is
built where libpq's headers are found (docs/cluster.md).
"""

from typing import Final

from switch.errors import ConfigError

DSN_VARIABLE: Final = "PAYSWITCH_LOG_DSN"
"""In which a program that `payswitch cluster` starts finds the connection string: all
users of a machine see arguments, and its owner alone a process's environment."""


class NoClusterError(ConfigError):
    """This installation was built without libpq."""

    def __init__(self) -> None:
        super().__init__(
            "this installation cannot speak to PostgreSQL: it was built without libpq; "
            "install libpq-dev (Debian), then `make build`"
        )


class NoHeadError(ConfigError):
    """The database has no log yet, or not one of ours."""
