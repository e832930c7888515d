"""Brings each chunk into the log, and finds out what became of one that is in doubt.

An append is done if the log says so without any doubt. Everything else is doubt: the
connection is given up, and on a new one the log's head says which of the three it is:

    head                       the chunk is       so
    the chunk, my epoch        in the log         barrier, done
    the one before, my epoch   not there (yet)    the same chunk again
    a later epoch              there or never is  look for it, barrier, done or fenced

The barrier is one more commit on a quorum. What a head shows may not be on one yet, and
the node that shows it may be one that no quorum follows any more: the barrier excludes
both, so that it stands before `done` and before `fenced`. Sending again is safe at any
time: only one of two equal appends can find the head that both compare with.
"""

import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from switch.cluster.log import (
    LOG_DONE,
    LOG_FENCED,
    LOG_UNKNOWN,
    DoubtError,
    Log,
    Sealed,
    sealed,
)

PATIENCE_S: Final = 60.0
"""How long a chunk may be in doubt."""
PAUSE_LEAST_S: Final = 0.05
PAUSE_MOST_S: Final = 0.5
"""Between two attempts to settle: it doubles from the one to the other."""


class Replicator:
    """One leader's way into the log, in one epoch. One thread at a time.

    What it has met is in its counts; any thread may read those.
    """

    def __init__(
        self,
        log: Log,
        epoch: int,
        *,
        patience_s: float = PATIENCE_S,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """`stopping` is asked between attempts: what is in doubt then stays unknown."""
        if epoch < 1:
            raise ValueError(f"who leads has an epoch from 1 on, not {epoch}")
        self.log = log
        self.epoch = epoch
        self.deposed = False
        """Another one leads, which is final: every chunk from now on is fenced."""
        self.in_doubt_since: float | None = None
        """By `now`; None while nothing is in doubt."""
        self.last_doubt = ""
        """What the newest doubt was, in words."""
        self.doubts = 0
        """Chunks that were in doubt, and below how often for which reason."""
        self.doubts_by: Counter[str] = Counter()
        self.barriers = 0
        """Barriers that were asked for; passed or not."""
        self.resends = 0
        self.fences = 0
        self.unknowns = 0
        self._patience_s = patience_s
        self._now = now
        self._sleep = sleep
        self._stopping = stopping

    def append(self, chunk: bytes) -> int:
        """Bring it into the log: LOG_DONE, LOG_FENCED or LOG_UNKNOWN.

        ValueError if it is no chunk of this epoch: nothing was sent.
        """
        what = self._mine(chunk)
        if self.deposed:
            return self._fenced()
        try:
            self.log.append(what)
        except DoubtError as doubt:
            return self._settle(what, doubt)
        return LOG_DONE

    def settle(self, chunk: bytes, doubt: DoubtError) -> int:
        """What became of a chunk that was sent, past `append`, and is in doubt."""
        return self._settle(self._mine(chunk), doubt)

    def _mine(self, chunk: bytes) -> Sealed:
        what = sealed(chunk)
        if what.epoch != self.epoch:
            raise ValueError(f"a chunk of epoch {what.epoch}, not {self.epoch}")
        return what

    def _settle(self, chunk: Sealed, doubt: DoubtError) -> int:
        self.doubts += 1
        self._note(doubt)
        self.in_doubt_since = began = self._now()
        pause = PAUSE_LEAST_S
        try:
            while not self._stopping() and self._now() - began < self._patience_s:
                try:
                    return self._attempt(chunk)
                except DoubtError as error:
                    self._note(error)
                self._sleep(pause)
                pause = min(2 * pause, PAUSE_MOST_S)
        finally:
            self.in_doubt_since = None
        self.unknowns += 1
        return LOG_UNKNOWN

    def _attempt(self, chunk: Sealed) -> int:
        """Settle it now, or raise DoubtError."""
        self.log.reconnect()
        head = self.log.head()
        if head.epoch > self.epoch:
            # No statement of mine can match any more; one that did is seen.
            found = self.log.chunk_at(chunk.first)
            self._barrier()
            self.deposed = True
            if found == (self.epoch, chunk.check):
                return LOG_DONE
            return self._fenced()
        at = (head.epoch, head.sequence, head.chain)
        if at == (self.epoch, chunk.last, chunk.check):
            self._barrier()
            return LOG_DONE
        if at == (self.epoch, chunk.first - 1, chunk.previous):
            self.resends += 1
            self.log.append(chunk)
            return LOG_DONE
        # A log that was put back to an older state, or is another ledger's.
        raise DoubtError("head", f"it is at row {head.sequence} of epoch {head.epoch}")

    def _barrier(self) -> None:
        self.barriers += 1
        self.log.barrier()

    def _fenced(self) -> int:
        self.fences += 1
        return LOG_FENCED

    def _note(self, doubt: DoubtError) -> None:
        self.doubts_by[doubt.why] += 1
        self.last_doubt = str(doubt)
