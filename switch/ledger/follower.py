"""Follows the journal from its first row for somebody who keeps something of it.

May use the core. What is kept is a function of the journal, so that there is no store
beside it: all of it is read once after a start, when it is first needed, and then what
was added since.
"""

import threading
from collections.abc import Callable

from switch._core import Ledger, Rows
from switch.errors import OverloadError

STEP_ROWS = 8_192
"""Rows read at a time: 1 MiB, which stays in the processor's cache."""
READER_WAIT_S = 1.0
"""How long a call waits for another one that reads on."""


class Follower:
    """Any thread may read on; it blocks, so not the event loop's."""

    def __init__(self, ledger: Ledger, take: Callable[[Rows], None]) -> None:
        """Nothing is read before it is needed. `take` gets all rows, in order, once."""
        self._ledger = ledger
        self._take = take
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
                rows = self._ledger.rows(self._cursor + 1, STEP_ROWS)
                self._take(rows)
                self._cursor = int(rows["sequence"][-1])
            return self._cursor
        finally:
            self._lock.release()
