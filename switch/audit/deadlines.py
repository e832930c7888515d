"""Every hold ends: its deadline has a bound, and what is due has its row soon.

Each group begins with the rows of what is due, as far as its requests leave room. How
many requests there were is not in the journal: one that was answered before leaves no
row. So a hold is late only if GROUPS_MIN groups that are known to be later than its due
time, by more than the clock may have been ahead, had room for all that could have been
before it. Memory: 40 bytes for each group,
24 for each hold that was due before it ended.
"""

from typing import Final

import numpy as np

from switch.audit.findings import Findings
from switch.audit.holds import Holds, due_times
from switch.audit.layout import (
    BASKET_MAX,
    GROUP_MAX,
    KEEP,
    OK,
    U64,
    Index,
    Rows,
)
from switch.audit.reader import Block
from switch.codes import CaseType, Kind

GROUPS_MIN: Final = 16
"""Groups whose requests may all have been answered before: what a queue holds at most
is eight full groups, twice that is allowed."""
AHEAD_MAX_NS: Final = np.uint64(60 * 10**9)
"""What a clock may be ahead of the time that has passed; holds are not due by that."""
DEADLINE_MAX_S: Final = 31 * 86_400
GROUP_FIELDS: Final = 5


class Deadlines:
    """Gathers while blocks pass, judges in `finish`."""

    def __init__(self, findings: Findings) -> None:
        """Nothing seen yet."""
        self.findings = findings
        self._before = 0
        self._made = 0
        self._ended = 0
        # By group: first sequence, time, room, holds made and ended up to its end.
        self._groups: list[U64] = []
        self._late: list[U64] = []

    def block(self, block: Block, last: int) -> None:
        """Note the groups of a block that end by `last`, and the holds' bounds."""
        rows = block.rows
        if not len(rows):
            return
        self._bounds(rows)
        starts: Index = np.array([c.offset for c in block.chunks], dtype=np.intp)
        counts: Index = np.array([c.count for c in block.chunks], dtype=np.intp)
        times = np.ascontiguousarray(rows["timestamp"])
        kind, good = rows["kind"], rows["result"] == OK
        expired = good & (kind == Kind.EXPIRE)
        cases = kind == Kind.CASE
        kept = cases & (rows["total"] == CaseType.DEADLINE_PASSED)
        ended = expired | (kind == Kind.POST) | (kind == Kind.VOID)
        ended |= cases & ((rows["flags"] & np.uint16(KEEP)) != 0)
        made = good & (kind == Kind.HOLD)
        by_clock = np.add.reduceat((expired | kept).astype(np.int64), starts)
        made_by = np.cumsum(np.add.reduceat(made.astype(np.int64), starts))
        ended_by = np.cumsum(np.add.reduceat(ended.astype(np.int64), starts))
        group = np.empty((len(starts), GROUP_FIELDS), dtype=np.uint64)
        group[:, 0] = rows["sequence"][starts]
        group[:, 1] = times[starts]
        # A basket ends as a whole, so that its last places may stay empty.
        room = GROUP_MAX - BASKET_MAX - counts + by_clock
        group[:, 2] = np.maximum(room, 0)
        group[:, 3] = made_by + self._made
        group[:, 4] = ended_by + self._ended
        # Where the first row is not later than the one before and a step, the clock
        # may be behind it, and what was due at the group's time is not known.
        before = np.empty(len(starts), dtype=np.uint64)
        before[0] = self._before
        before[1:] = times[starts[1:] - 1]
        known = group[:, 1] > before + np.uint64(1)
        # A cut-off's window is a group in which nothing else has room.
        own = (counts == 1) & (kind[starts] == Kind.WINDOW)
        known &= ~(own & (rows["participant"][starts] == 0))
        known &= group[:, 0] + counts.astype(np.uint64) - np.uint64(1) <= last
        self._before = int(times[-1])
        self._made += int(made_by[-1])
        self._ended += int(ended_by[-1])
        self._groups.append(group[known])

    def _bounds(self, rows: Rows) -> None:
        """Every hold has a deadline, and none beyond the bound, refused ones too."""
        deadline = rows["deadline"]
        bad = (rows["kind"] == Kind.HOLD) & (
            (deadline == 0) | (deadline > DEADLINE_MAX_S)
        )
        if bad.any():
            text = f"its deadline is not between 1 s and {DEADLINE_MAX_S // 86_400} d"
            self.findings.add_rows("deadlines", rows["sequence"][bad], text)

    def ended(self, holds: Rows, rows: Rows) -> None:
        """Note holds, and the rows that ended them or took their deadline away."""
        due = due_times(holds)
        late = due <= rows["timestamp"]
        if late.any():
            columns = due[late], holds["sequence"][late], rows["sequence"][late]
            self._late.append(np.stack(columns, axis=1))

    def finish(self, holds: Holds, last: int) -> None:
        """Judge what ended late, and what is open still."""
        due, sequences, ends = self._ends(holds, last)
        groups = np.empty((0, GROUP_FIELDS), dtype=np.uint64)
        groups = np.concatenate([groups, *self._groups])
        begin = np.maximum(
            np.searchsorted(groups[:, 1], due + np.minimum(~due, AHEAD_MAX_NS)),
            np.searchsorted(groups[:, 0], sequences, side="right"),
        )
        # The group of the end itself is none of those that left the hold behind.
        behind = np.searchsorted(groups[:, 0], ends, side="right")
        behind -= ends <= last
        late = behind - begin >= GROUPS_MIN
        if not late.any():
            return
        begin, behind = begin[late], behind[late]
        _, _, room, made, ended = groups.astype(np.int64).T
        rooms = np.concatenate(([0], np.cumsum(room)))
        before_it = made[behind - 1] - np.concatenate(([0], ended))[begin]
        wrong = rooms[behind] - rooms[begin] >= before_it
        for sequence in np.sort(sequences[late][wrong]).tolist():
            text = "it was due, and group after group did not end it"
            self.findings.add("deadlines", sequence, text)

    def _ends(self, holds: Holds, last: int) -> tuple[U64, U64, U64]:
        """Of holds that were due: when, their sequences, and those of their ends."""
        left = holds.open_rows()
        end = np.full(len(left), last + 1, dtype=np.uint64)
        open_ = np.stack((holds.due(), left["sequence"], end), axis=1)
        due, sequences, ends = np.concatenate([*self._late, open_]).T
        return due, sequences, ends
