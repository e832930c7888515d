"""What people have to put right: open cases and proposals, and holds that are overdue.

May use the core and `totals`. A function of the journal: it is read once from its first
row on and then followed, with no store beside it; what is kept is what is open. Any
thread may call it; it reads, so not the event loop's.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from switch._core import Ledger, Rows
from switch.calendar import day_date, day_number, day_start_ns
from switch.codes import Kind, Result
from switch.errors import OverloadError
from switch.totals import first_at

STEP_ROWS = 8_192
"""Rows read at a time: 1 MiB, which stays in the processor's cache."""
READER_WAIT_S = 1.0
OPEN_MAX = 1_000_000
"""Open cases and proposals that can be followed."""
OVERDUE_DAYS = 2
"""A hold is overdue when the IST day after its own has ended (T+1)."""

Numbers = npt.NDArray[np.uint64]

_OPENING = (Kind.CASE, Kind.PROPOSE)
_CLOSING = (Kind.CASE_CLOSE, Kind.APPROVE)
_OPENS = np.isin(np.arange(256), [int(kind) for kind in _OPENING])
_CLOSES = np.isin(np.arange(256), [int(kind) for kind in _CLOSING])


@contextmanager
def one_reader(lock: threading.Lock) -> Iterator[None]:
    """Read on alone; others wait a little, and come again while much is to be read.

    Raises OverloadError. Who waited longer would keep a thread that others read with.
    """
    if not lock.acquire(timeout=READER_WAIT_S):
        raise OverloadError("the journal is being read, once after a start; try again")
    try:
        yield
    finally:
        lock.release()


class Exceptions:
    """Open cases, open proposals, overdue holds of one ledger."""

    def __init__(self, ledger: Ledger) -> None:
        """Nothing is read before it is asked for."""
        self._ledger = ledger
        self._lock = threading.Lock()
        self._cursor = 0
        self._open = np.zeros(0, np.uint64)

    def page(self, after: int, limit: int, now_ns: int) -> tuple[Rows, int]:
        """Up to `limit` open ones above sequence `after`, oldest first: their rows.

        Also the sequence that this is read at. Raises CorruptionError, OverloadError
        if more than OPEN_MAX are open.
        """
        as_of = self._follow()
        found = np.union1d(self._open, self.overdue(now_ns))
        first = int(np.searchsorted(found, after, "right"))
        return self._ledger.gather(found[first : first + limit]), as_of

    def overdue(self, now_ns: int) -> Numbers:
        """Open holds from before yesterday, IST, by sequence."""
        today = day_number(now_ns)
        end_ns = day_start_ns(day_date(today - OVERDUE_DAYS + 1))
        holds = self._ledger.holds()
        if not len(holds):
            return holds
        # Times ascend with sequences.
        return holds[: np.searchsorted(holds, first_at(self._ledger, end_ns))]

    def _follow(self) -> int:
        """Read on to the newest row; its sequence."""
        with one_reader(self._lock):
            newest = self._ledger.sequence
            while self._cursor < newest:
                rows = self._ledger.rows(self._cursor + 1, STEP_ROWS)
                self._take(rows)
                self._cursor = int(rows["sequence"][-1])
            return self._cursor

    def _take(self, rows: Rows) -> None:
        kinds = rows["kind"]
        done = rows["result"] == Result.OK
        opened = rows["sequence"][done & _OPENS[kinds]]
        closed = rows["resolves"][done & _CLOSES[kinds]]
        if len(opened) or len(closed):
            found = np.concatenate([self._open, opened])
            found = found[~np.isin(found, closed)]
            if len(found) > OPEN_MAX:
                raise OverloadError(
                    f"more than {OPEN_MAX} cases and proposals are open"
                )
            self._open = found
