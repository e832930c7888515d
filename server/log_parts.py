"""What a node has of its log in PostgreSQL: a connection of its own for each use."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from switch.cluster import blobs
from switch.cluster.lease import Lease
from switch.cluster.log import DoubtError
from switch.cluster.postgres import PostgresLog, appender
from switch.cluster.replicator import Replicator
from switch.config import Config
from switch.errors import NotLeaderError, SpaceError
from switch.ledger.opening import NEW, Progress

log = logging.getLogger("server.cluster")

PAUSE_S: Final = 0.5
"""Between two attempts to reach the log before the ledger is opened."""


class Appending:
    """A leader's way into the log, for one epoch."""

    def __init__(self, own: PostgresLog, replicator: Replicator) -> None:
        """`own` is used by nobody else."""
        self._own = own
        self.replicator = replicator
        self._appender = appender(own, replicator)

    def capsule(self) -> object:
        """What `Ledger.replicate` takes."""
        return self._appender.capsule()

    @property
    def counts(self) -> tuple[int, int, float, float]:
        """(chunks, bytes, seconds waited for them, the longest wait)."""
        return self._appender.counts

    def close(self) -> None:
        """Nothing is appended any more."""
        self._own.close()


class Files:
    """What nodes have of each other's files, in the log's database. Any thread."""

    def __init__(self, own: PostgresLog) -> None:
        """`own` is used by nobody else."""
        self._own = own
        self._lock = threading.Lock()

    def put(self, data: bytes) -> None:
        """Have a file on a quorum. Raises NotLeaderError if that cannot be now."""
        if len(data) > blobs.BLOB_MAX:
            raise SpaceError(f"the log takes no file of {len(data)} bytes")
        try:
            with self._lock:
                self._connect()
                blobs.put(self._own, data)
        except DoubtError as doubt:
            log.warning("a file is not taken: %s", doubt)
            raise NotLeaderError(
                "the log does not take the file now; nothing was done: send it again"
            ) from doubt

    def get(self, name: bytes) -> bytes | None:
        """A file, by its hash; None if it is not to be had now."""
        try:
            with self._lock:
                self._connect()
                return blobs.get(self._own, name)
        except (DoubtError, blobs.BlobError) as error:
            log.error("the file %s is not to be had: %s", name.hex(), error)
            return None

    def _connect(self) -> None:
        if not self._own.connection.connected:
            self._own.reconnect()

    def close(self) -> None:
        """Nobody may be asking."""
        self._own.close()


class Parts:
    """The log of one node. Connects when it is used."""

    def __init__(self, config: Config) -> None:
        """Raises ConfigError if this installation, or the `dsn`, cannot be used."""
        self._config = config.cluster
        self.shared = self._log("follows")
        self.lease = Lease(
            self._config.dsn, self._config.node, float(self._config.lease_s)
        )
        self.files = Files(self._log("files"))
        self.instance: bytes | None = None

    def _log(self, does: str) -> PostgresLog:
        cluster = self._config
        return PostgresLog(
            cluster.dsn,
            f"{cluster.node} {does}",
            wait_s=float(cluster.append_timeout_s),
        )

    def wait(self) -> None:
        """Until the log says whose it is: for a node that has no ledger yet.

        Raises ConfigError.
        """
        said = ""
        while self.instance is None:
            try:
                self.shared.reconnect()
                self.instance = self.shared.head().instance
            except DoubtError as doubt:
                if str(doubt) != said:
                    said = str(doubt)
                    log.warning("the log cannot be reached: %s", doubt)
                time.sleep(PAUSE_S)

    def clock_off_s(self) -> float:
        """How far the clock here is ahead of the log's."""
        before_ns = time.time_ns()
        there_ns = self.shared.clock_ns()
        return ((before_ns + time.time_ns()) / 2 - there_ns) / 1e9

    def appending(self, epoch: int, stopping: Callable[[], bool]) -> Appending:
        """A way into the log; what it cannot reach now the first append finds out."""
        own = self._log("appends")
        replicator = Replicator(
            own, epoch, patience_s=float(self._config.patience_s), stopping=stopping
        )
        try:
            own.reconnect()
        except DoubtError as doubt:
            log.warning("the log cannot be reached for appends: %s", doubt)
        return Appending(own, replicator)

    def close(self) -> None:
        """Let go of all of it, the lease too."""
        self.lease.close()
        self.files.close()
        self.shared.close()


def open_parts(config: Config, progress: Progress) -> Parts:
    """What this node has of its log. Blocks until the log can be asked if there is no
    ledger yet. Raises ConfigError.
    """
    parts = Parts(config)
    # One whose making was cut off is made anew, and must not get a name of chance.
    if (config.data_dir / NEW).exists() or not (
        config.data_dir / "journal" / "data.mdb"
    ).exists():
        progress.walked = "waiting for the log"
        try:
            parts.wait()
        finally:
            progress.walked = ""
    return parts
