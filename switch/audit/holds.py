"""Open holds: what is reserved and not yet resolved. Bounded by how many are open."""

from typing import Final

import numpy as np

from switch.audit.layout import NS, ROW, U64, Index, Mask, Rows, pick

CAPACITY_MIN: Final = 1024
NEVER: Final = np.uint64(2**64 - 1)
"""When a hold is due that outlived its deadline."""


def due_times(holds: Rows) -> U64:
    """When holds are due, ns."""
    seconds = holds["deadline"].astype(np.uint64)
    due: U64 = holds["timestamp"] + seconds * np.uint64(NS)
    return due


class Holds:
    """The open hold rows, ascending in sequence, with resolved ones between."""

    def __init__(self) -> None:
        """No hold."""
        self.rows = np.zeros(CAPACITY_MIN, dtype=ROW)
        self.sequences = np.zeros(CAPACITY_MIN, dtype=np.uint64)
        self.alive = np.zeros(CAPACITY_MIN, dtype=np.bool_)
        self.length = 0
        self.count = 0
        self.kept: set[int] = set()

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

    def resolve(self, sequences: U64, before: U64) -> tuple[Index, Mask]:
        """Resolve holds by sequence, each for the row `before` of its resolution.

        Gives where each stands and whether it was open then; those that were are no
        longer. Of several resolutions of one hold the first counts.
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
        if self.kept:
            self.kept.difference_update(sequences[good].tolist())
        self.count -= int(good.sum())
        return at, good

    def keep(self, sequence: int) -> Rows | None:
        """Let an open hold be due no more; its row, or None if it never is."""
        at = int(np.searchsorted(self.sequences[: self.length], sequence))
        known = at < self.length and self.sequences[at] == sequence and self.alive[at]
        if not known or sequence in self.kept:
            return None
        self.kept.add(sequence)
        return self.rows[at : at + 1]

    def due(self) -> U64:
        """When the open holds are due, in the order of `open_rows`."""
        rows = self.open_rows()
        due = due_times(rows)
        kept = np.fromiter(self.kept, np.uint64, len(self.kept))
        due[np.isin(rows["sequence"], kept)] = NEVER
        return due

    def open_rows(self) -> Rows:
        """The open holds' rows, ascending in sequence."""
        return pick(self.rows, np.flatnonzero(self.alive[: self.length]))
