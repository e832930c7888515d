"""Descriptors: each socket is one, and a server that has none left can take nobody.

What the settings allow must be there to be used, so it is asked for at the start.
"""

import resource
from typing import Final

from switch.config import Config
from switch.errors import ConfigError

OTHERS: Final = 1_024
"""For files of the ledger, logs, threads, and programs that are started."""


def needed(config: Config) -> int:
    """How many a server with these settings may have open."""
    transport = config.transport
    sockets = transport.connections_max + transport.handshakes_max
    sockets += transport.sockets_waiting_max + config.metrics.connections_max
    return sockets + OTHERS


def ensure(config: Config) -> None:
    """Raise the process's limit to what is needed. Raises ConfigError if it may not."""
    most = needed(config)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return
    if hard != resource.RLIM_INFINITY and hard < most:
        raise ConfigError(
            f"{most:,} descriptors are needed, and this process may have {hard:,}: "
            "raise its limit (LimitNOFILE, `ulimit -n`), or lower "
            "transport.connections_max or transport.sockets_waiting_max"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
