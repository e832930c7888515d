"""Who tries to lead: a lock that a session of PostgreSQL holds, and that ends with it.

It decides nothing about money; only the log's comparison does (log.py). It keeps two
nodes from taking the log over from each other in turns, and tells a node that was away
for too long that it is not the one any more.

The session is with the node that is written to. Who has it pings; a session that is
silent for `lease_s` is ended by its server, and its owner knows by its own clock, which
began to run before the server's did.
"""

import contextlib
import time
from collections.abc import Callable
from typing import Final

from switch.cluster.log import DoubtError
from switch.cluster.postgres import CONNECT_S, Connection, Hosts, Row

LEASE_S: Final = 3.0
"""How long a holder may be silent: `lease_s`."""
PING_EVERY_S: Final = 0.5
ASK_EVERY_S: Final = 0.1
"""How often who does not hold it may ask."""
OTHERS_WAIT_S: Final = 1.5
"""After a lost session: who held it asks at once, others so much later."""
LEASE_KEY: Final = 8097878393470084980
"""Of the advisory lock, in the log's database."""

TAKE: Final = "SELECT pg_try_advisory_lock($1)"
# Sessions that are pinged need no keeping alive; this is their end if they are not.
SILENCE: Final = "SELECT set_config('idle_session_timeout', $1, false)"
PING: Final = "SELECT true"


class Lease:
    """One node's try to lead. One thread at a time; `holds` is any thread's to ask.

    No method raises: who cannot ask does not hold it, and `why` says the reason.
    """

    def __init__(
        self,
        dsn: str,
        name: str,
        lease_s: float = LEASE_S,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Does not connect. ConfigError if the connection string cannot be read."""
        self._hosts = Hosts(dsn, f"lease {name}", wait_s=lease_s).all
        self._lease_s = lease_s
        self._now = now
        self._connection = Connection()
        self._held = False
        self._alive_from = float("-inf")
        """When the newest answered question was asked."""
        self._ask_from = float("-inf")
        """When it may be asked for again."""
        self.why = ""
        """Why the newest question had no answer."""

    def holds(self) -> bool:
        """Whether this node holds it, as far as it can know now."""
        return self._held and self._now() - self._alive_from < self._lease_s

    def try_take(self) -> bool:
        """Ask for it, if it is time to; whether it is held. Waits for a connection."""
        if self.holds():
            return True
        now = self._now()
        if now < self._ask_from:
            return False
        self._ask_from = now + ASK_EVERY_S
        try:
            if not self._connection.connected:
                self._connection.open(self._hosts, CONNECT_S)
                self._ask(SILENCE, str(int(self._lease_s * 1000)))
            asked = self._now()
            if self._ask(TAKE, LEASE_KEY)[0][0]:
                self._alive_from = asked
                self._held = True
        except DoubtError as doubt:
            self._lost(doubt)
        return self.holds()

    def ping(self) -> bool:
        """Say that its holder is there, each PING_EVERY_S; False if it is lost."""
        if not self._held:
            return False
        asked = self._now()
        if not self.holds():
            self._lost(DoubtError("timeout", "silent for too long"))
            return False
        try:
            self._ask(PING)
        except DoubtError as doubt:
            self._lost(doubt)
            return False
        self._alive_from = asked
        return self.holds()

    def release(self) -> None:
        """Let go of it; somebody else has it at once."""
        self._held = False
        self._close()

    def _ask(self, statement: str, *params: int | str) -> list[Row]:
        # Shorter than the lease, or an answer would come when it is over.
        return self._connection.execute(statement, params, self._lease_s / 2)

    def _lost(self, doubt: DoubtError) -> None:
        self.why = str(doubt)
        wait = 0.0 if self._held else OTHERS_WAIT_S
        self._ask_from = self._now() + wait
        self._held = False
        self._close()

    def _close(self) -> None:
        with contextlib.suppress(DoubtError):
            self._connection.close()
