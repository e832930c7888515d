"""Follows the journal from its first row for somebody who keeps something of it.

May use the core. What is kept is a function of the journal, so that there is no store
beside it: all of it is read once after a start, when it is first needed, and then what
was added since.
"""

import logging
import threading
from collections.abc import Callable

import numpy as np

from switch._core import Ledger, Rows
from switch.errors import CorruptionError, OverloadError

log = logging.getLogger("switch.follower")

STEP_ROWS = 8_192
"""Rows read at a time: 1 MiB, which stays in the processor's cache."""
READER_WAIT_S = 1.0
"""How long a call waits for another one that reads on."""


def read_whole(ledger: Ledger, first: int, count: int) -> tuple[Rows, int]:
    """Up to `count` rows from `first` on, a durable one, without the damaged ones; and
    the sequence up to which that is all.
    """
    last = min(first + count - 1, ledger.sequence)
    try:
        rows = ledger.rows(first, last - first + 1)
    except CorruptionError:
        wanted = np.arange(first, last + 1, dtype=np.uint64)
        rows, _ = ledger.gather_whole(wanted)
    return rows, last


class Follower:
    """Any thread may read on; it blocks, so not the event loop's."""

    def __init__(
        self,
        ledger: Ledger,
        take: Callable[[Rows], None],
        *,
        forget: Callable[[], None] | None = None,
        passes_over: bool = False,
    ) -> None:
        """Nothing is read before it is needed. `take` gets all rows, in order, once.
        Where it raises they come again, so that it must have kept nothing of them; or
        `forget` drops all that was kept, and all rows come again.

        Damaged rows end the reading unless it `passes_over` them: only for a list that
        is of use without them.
        """
        self._ledger = ledger
        self._take = take
        self._forget = forget
        self._passes_over = passes_over
        self._lock = threading.Lock()
        self._cursor = 0

    def read_on(self) -> int:
        """Read to the newest row; its sequence.

        Raises CorruptionError, and OverloadError while another call has much to read:
        who waited longer would keep a thread that others read with.
        """
        if not self._lock.acquire(timeout=READER_WAIT_S):
            raise OverloadError(
                "the journal is being read, once after a start; try again"
            )
        try:
            newest = self._ledger.sequence
            while self._cursor < newest:
                first = self._cursor + 1
                if self._passes_over:
                    rows, last = read_whole(self._ledger, first, STEP_ROWS)
                    if len(rows) <= last - first:
                        lost = last - first + 1 - len(rows)
                        log.error("%d of entries %d-%d are damaged", lost, first, last)
                else:
                    rows = self._ledger.rows(first, STEP_ROWS)
                    last = int(rows["sequence"][-1])
                try:
                    self._take(rows)
                except BaseException:
                    if self._forget:
                        self._cursor = 0
                        self._forget()
                    raise
                self._cursor = last
            return self._cursor
        finally:
            self._lock.release()
