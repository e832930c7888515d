"""Who tries to lead: a lock that a session of PostgreSQL holds, and that ends with it.

It decides nothing about money; only the log's comparison does (log.py). It keeps two
nodes from taking the log over from each other in turns, and tells a node that was away
for too long that it is not the one any more.

The session is with the node that is written to. It counts once a commit of that session
is on a quorum: a primary that nobody follows any more has nothing to give, and is left
for another one. Who has it pings; a session that is
silent for `lease_s` is ended by its server, and its owner knows by its own clock, which
began to run before the server's did.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

from switch.cluster.log import DoubtError
from switch.cluster.postgres import (
    BARRIER,
    CONNECT_S,
    OPENED,
    UNSAFE,
    Connection,
    Hosts,
    Row,
)

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
    """One node's try to lead, kept by a thread of its own. Any thread may ask.

    Nothing here raises: who cannot ask does not hold it, and `why` says the reason.
    """

    def __init__(
        self,
        dsn: str,
        name: str,
        lease_s: float = LEASE_S,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Does nothing yet. ConfigError if the connection string cannot be read."""
        self._hosts = Hosts(dsn, f"lease {name}", wait_s=lease_s).all
        self._lease_s = lease_s
        self._now = now
        self._connection = Connection()
        self._held = False
        self._was_held = False
        """It is the incumbent until it hears that another holds it."""
        self._held_from = self._alive_from = float("-inf")
        """When the first and the newest answered question of its session was asked."""
        self._ask_from = float("-inf")
        """When it may be asked for again."""
        self._wait_s = 0.0
        """How long a new session waits before it asks: the incumbent comes first."""
        self._lock = threading.Lock()
        """Of the connection and of these."""
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self.why = ""
        """Why the newest question had no answer."""

    def start(self) -> None:
        """Begin to ask for it; once."""
        self._thread.start()

    def holds(self) -> bool:
        """Whether this node holds it, as far as it can know now."""
        return self._held and self._now() - self._alive_from < self._lease_s

    def held_s(self) -> float:
        """For how long it has held it, in one session; 0 if it does not."""
        return self._now() - self._held_from if self.holds() else 0.0

    def let_go(self, seconds: float) -> None:
        """Leave it to others, and do not ask for it for so long."""
        self._held = False
        with self._lock:
            self._held = self._was_held = False
            self._ask_from = self._now() + seconds
            self._connection.close()

    def close(self) -> None:
        """Let go of it for good. Waits for a question under way."""
        self._ends.set()
        if self._thread.ident is not None:
            self._thread.join()
        self.let_go(0.0)

    def turn(self) -> float:
        """Ping or ask, as it is time to; how long nothing is to be done."""
        with self._lock:
            if self._held:
                self._ping()
                return PING_EVERY_S if self._held else 0.0
            self._try_to_take()
            return PING_EVERY_S if self._held else ASK_EVERY_S

    def _keep(self) -> None:
        while not self._ends.is_set():
            self._ends.wait(self.turn())

    def _try_to_take(self) -> None:
        if self._now() < self._ask_from:
            return
        try:
            if not self._connection.connected:
                self._connection.open(self._hosts, CONNECT_S)
                lease_ms = str(int(self._lease_s * 1000))
                self._ask(OPENED, lease_ms)
                self._ask(SILENCE, lease_ms)
                if self._wait_s:
                    self._ask_from = self._now() + self._wait_s
                    self._wait_s = 0.0
                    return
            if self._ask(TAKE, LEASE_KEY)[0][0]:
                asked = self._now()
                if self._ask(BARRIER)[0][0] is not True:
                    raise DoubtError("settings", UNSAFE)
                self._held_from = self._alive_from = asked
                self._held = self._was_held = True
            else:
                self._was_held = False
        except DoubtError as doubt:
            self._lost(doubt)

    def _ping(self) -> None:
        asked = self._now()
        try:
            if not self.holds():
                raise DoubtError("timeout", "silent for too long")
            self._ask(PING)
            self._alive_from = asked
        except DoubtError as doubt:
            self._lost(doubt)

    def _ask(self, statement: str, *params: int | str) -> list[Row]:
        # Shorter than the lease, or an answer would come when it is over.
        return self._connection.execute(statement, params, self._lease_s / 2)

    def _lost(self, doubt: DoubtError) -> None:
        self.why = str(doubt)
        self._ask_from = self._now() + ASK_EVERY_S
        others = min(OTHERS_WAIT_S, self._lease_s / 2)
        self._wait_s = 0.0 if self._was_held else others
        self._held = False
        self._connection.close()
