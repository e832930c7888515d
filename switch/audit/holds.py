"""Open holds: what is reserved and not yet resolved; and those that their deadline gave
back, of which nobody knows yet whether they were credited.

Memory: 137 bytes for each that is open, and about 100 for each that is kept or
unverified.
"""

from typing import Final

import numpy as np

from switch.audit.layout import NS, ROW, U64, Index, Mask, Rows, pick

CAPACITY_MIN: Final = 1024
NEVER: Final = np.uint64(2**64 - 1)
"""When a hold is due that outlived its deadline."""
UNVERIFIED: Final = np.uint64(2**64 - 3)
"""When one is due that its deadline gave back and that is not verified."""


def due_times(holds: Rows) -> U64:
    """When holds are due, ns."""
    seconds = holds["deadline"].astype(np.uint64)
    due: U64 = holds["timestamp"] + seconds * np.uint64(NS)
    return due


def sequences_of(some: set[int]) -> U64:
    """The sequences of a set, ascending."""
    return np.sort(np.fromiter(some, np.uint64, len(some)))


class Holds:
    """The open hold rows, ascending in sequence, with resolved ones between.

    `kept` are those of the open ones that are due no more, `unverified` those that
    have expired and that no verify and no correction speaks of yet.
    """

    def __init__(self) -> None:
        """No hold."""
        self.rows = np.zeros(CAPACITY_MIN, dtype=ROW)
        self.sequences = np.zeros(CAPACITY_MIN, dtype=np.uint64)
        self.alive = np.zeros(CAPACITY_MIN, dtype=np.bool_)
        self.length = 0
        self.count = 0
        self.kept: set[int] = set()
        self.unverified: set[int] = set()

    def add(self, rows: Rows) -> None:
        """Take new holds, all later than those that are here."""
        if self.length + len(rows) > len(self.rows):
            self._make_room(len(rows))
        part = slice(self.length, self.length + len(rows))
        self.rows[part] = rows
        self.sequences[part] = rows["sequence"]
        self.alive[part] = True
        self.length += len(rows)
        self.count += len(rows)

    def _make_room(self, more: int) -> None:
        """Drop the resolved ones, and double if that does not give enough."""
        keep = np.flatnonzero(self.alive[: self.length])
        size = len(self.rows)
        while len(keep) + more > size // 2:
            size *= 2
        for name in ("rows", "sequences", "alive"):
            old = getattr(self, name)
            new = np.zeros(size, dtype=old.dtype)
            new[: len(keep)] = pick(old, keep) if name == "rows" else old[keep]
            setattr(self, name, new)
        self.length = len(keep)

    def resolve(self, sequences: U64, before: U64) -> tuple[Index, Mask, Mask]:
        """Resolve holds by sequence, each for the row `before` of its resolution.

        Gives where each stands, whether it was open then, and whether it was kept;
        those that were open are no longer. Of several resolutions of one hold the
        first counts.
        """
        known = self.sequences[: self.length]
        at = np.searchsorted(known, sequences)
        inside = at < self.length
        at[~inside] = 0
        good = inside & (sequences < before) & self.alive[at]
        good &= self.sequences[at] == sequences
        candidates = np.flatnonzero(good)
        _, first = np.unique(at[candidates], return_index=True)
        good[:] = False
        good[candidates[first]] = True
        self.alive[at[good]] = False
        kept = np.zeros(len(good), dtype=np.bool_)
        if self.kept:
            kept = good & np.isin(sequences, sequences_of(self.kept))
            self.kept.difference_update(sequences[kept].tolist())
        self.count -= int(good.sum())
        return at, good, kept

    def keep(self, sequence: int) -> Rows | None:
        """Let an open hold be due no more; its row, or None if it never is."""
        hold = self.open_row(sequence)
        if hold is None or sequence in self.kept:
            return None
        self.kept.add(sequence)
        return hold

    def open_row(self, sequence: int) -> Rows | None:
        """The row of an open hold, as an array of one; None if it is not open."""
        at = int(np.searchsorted(self.sequences[: self.length], sequence))
        known = at < self.length and self.sequences[at] == sequence and self.alive[at]
        return self.rows[at : at + 1] if known else None

    def due(self) -> U64:
        """When the open holds are due, in the order of `open_rows`."""
        rows = self.open_rows()
        due = due_times(rows)
        due[np.isin(rows["sequence"], sequences_of(self.kept))] = NEVER
        return due

    def open_rows(self) -> Rows:
        """The open holds' rows, ascending in sequence."""
        return pick(self.rows, np.flatnonzero(self.alive[: self.length]))
