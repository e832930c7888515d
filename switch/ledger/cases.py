"""What people have to put right: open cases and proposals, and holds that are overdue.

May use the core and `totals`. A function of the journal: it is read once from its first
row on and then followed, with no store beside it; what is kept is what is open. Any
thread may call it; it reads, so not the event loop's.
"""

import numpy as np
import numpy.typing as npt

from switch._core import Ledger, Rows
from switch.calendar import day_date, day_number, day_start_ns
from switch.codes import Kind, Result
from switch.errors import OverloadError
from switch.ledger.follower import Follower
from switch.ledger.totals import first_at

OPEN_MAX = 1_000_000
"""Open cases and proposals that can be followed."""
OVERDUE_DAYS = 2
"""A hold is overdue when the IST day after its own has ended (T+1)."""

Numbers = npt.NDArray[np.uint64]

_OPENING = (Kind.CASE, Kind.PROPOSE)
_CLOSING = (Kind.CASE_CLOSE, Kind.APPROVE)
_OPENS = np.isin(np.arange(256), [int(kind) for kind in _OPENING])
_CLOSES = np.isin(np.arange(256), [int(kind) for kind in _CLOSING])


class Cases:
    """What is open in a ledger: cases, and proposals and overdue holds beside them."""

    def __init__(self, ledger: Ledger) -> None:
        """Nothing is read before it is asked for."""
        self._ledger = ledger
        self._follower = Follower(ledger, self._take, passes_over=True)
        self._open = np.zeros(0, np.uint64)
        # What is open and was found damaged, by whomever.
        self._damaged = np.zeros(0, np.uint64)

    def page(self, after: int, limit: int, now_ns: int) -> tuple[Rows, int]:
        """Up to `limit` open ones above sequence `after`, oldest first: their rows.

        Also the sequence that this is read at. Those that are damaged are left out:
        `damaged` has them. Raises OverloadError if more than OPEN_MAX are open.
        """
        as_of = self._follower.read_on()
        found = np.union1d(self._open, self.overdue(now_ns))
        while True:
            found = np.setdiff1d(found, self._damaged, assume_unique=True)
            first = int(np.searchsorted(found, after, "right"))
            rows, damaged = self._ledger.gather_whole(found[first : first + limit])
            if not len(damaged):
                return rows, as_of
            self.note_damaged(damaged)

    def note_damaged(self, sequences: Numbers) -> None:
        """Somebody has found these damaged."""
        self._damaged = np.union1d(self._damaged, sequences)

    def damaged(self) -> Numbers:
        """What is open and was found damaged, or was due and could not be ended.

        By sequence. The money of these holds stays held. A case or proposal that was
        damaged before it was read here is not among them: nobody knows what it was.
        """
        found = np.union1d(self._damaged, self._ledger.holds_aside())
        if not len(found):
            return found
        still_open = np.union1d(self._open, self._ledger.holds())
        return np.intersect1d(found, still_open, assume_unique=True)

    def overdue(self, now_ns: int) -> Numbers:
        """Open holds from before yesterday, IST, by sequence."""
        today = day_number(now_ns)
        end_ns = day_start_ns(day_date(today - OVERDUE_DAYS + 1))
        holds = self._ledger.holds()
        if not len(holds):
            return holds
        # Times ascend with sequences.
        return holds[: np.searchsorted(holds, first_at(self._ledger, end_ns))]

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
