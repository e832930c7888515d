"""What people decided, when it was done: whether it was decided still.

By rules from 14 on whatever was approved is done only while nobody has withdrawn it, it
is not too old, and each person who wanted it could still say so. Rows are judged when
all have passed, so what each person might do is kept with the row that changed it.
Memory: 16 bytes for each row of a person, for each row of a participant as much for
each of its people, 100 for each proposal that is done.
"""

from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

import numpy as np

from switch.audit.layout import PROPOSAL_LIFE_NS, RECOVERY, Mask, Rows
from switch.codes import PersonRole

Who = tuple[int, int]
"""A participant, and the number of one of its people."""
NOT_YET: Final = 2**64 - 1
PROPOSES: Final = 1
APPROVES: Final = 2
RECOVERS: Final = 4
MAY: Final[dict[int, int]] = {
    PersonRole.MAKER: PROPOSES,
    PersonRole.CHECKER: PROPOSES | APPROVES,
    PersonRole.RECOVERER: RECOVERS,
}
"""What who can act may do, by its role."""
CANNOT: Final = "who proposed or approved it could not act any more"
WITHDRAWN: Final = "was withdrawn before it"


class Abilities:
    """What each person might do, and from which row on."""

    def __init__(self) -> None:
        """Nobody yet."""
        self._of: dict[Who, tuple[list[int], list[int]]] = {}

    def note(self, who: Who, sequence: int, *, role: int, able: bool) -> None:
        """From the row behind `sequence` on somebody has a role, and can act or not."""
        sequences, abilities = self._of.setdefault(who, ([], []))
        sequences.append(sequence)
        abilities.append(MAY.get(role, 0) if able else 0)

    def knows(self, who: Who) -> bool:
        """Whether somebody was ever registered."""
        return who in self._of

    def could(self, who: Who, sequence: int, what: int) -> bool:
        """Whether somebody could do something when a row was made."""
        sequences, abilities = self._of[who]
        at = bisect_left(sequences, sequence)
        return bool(at and abilities[at - 1] & what == what)

    def all_could(self, who: Who, rows: Rows, what: int) -> Mask:
        """The same of several rows."""
        sequences, abilities = self._of[who]
        at = np.searchsorted(np.array(sequences, np.uint64), rows["sequence"])
        could: Mask = np.array([0, *abilities])[at] & what == what
        return could


class Decided:
    """What has become of proposals, by their sequences."""

    def __init__(self, abilities: Abilities, since: int) -> None:
        """From the row `since` on all this is asked."""
        self.since = since
        self.withdrawn: dict[int, int] = {}
        """By which row."""
        self.done: dict[int, int] = {}
        """The newest row of those of which all is done."""
        self._abilities = abilities

    def _wanted(self, asked: np.void, approvals: list[np.void]) -> dict[Who, int]:
        """Who has wanted something, and what each must be able to do. Who was never
        registered has signed nothing, as another check says.
        """
        recovery = int(asked["flags"]) & RECOVERY
        wanted = {_who(asked): RECOVERS if recovery else PROPOSES}
        for approval in approvals:
            who = _who(approval)
            what = RECOVERS if recovery else APPROVES
            wanted[who] = wanted.get(who, 0) | what
        knows = self._abilities.knows
        return {who: what for who, what in wanted.items() if knows(who)}

    def wrong(self, asked: np.void, approvals: list[np.void], deed: np.void) -> str:
        """Why one row was not decided any more when it was made; empty if it was."""
        sequence, number = int(deed["sequence"]), int(asked["sequence"])
        if self.withdrawn.get(number, NOT_YET) < sequence:
            return f"proposal {number} {WITHDRAWN}"
        if sequence < self.since:
            return ""
        age = int(deed["timestamp"]) - int(approvals[-1]["timestamp"])
        if age >= PROPOSAL_LIFE_NS:
            return f"proposal {number} was approved 30 days or more before it"
        could = self._abilities.could
        wanted = self._wanted(asked, approvals).items()
        able = all(could(who, sequence, what) for who, what in wanted)
        return "" if able else CANNOT

    def grounds(
        self, asked: np.void, approvals: list[np.void], rows: Rows
    ) -> Iterator[tuple[str, Mask]]:
        """The same of many rows of one proposal, but for its age. What nobody has
        approved was told by a bank's connection, which is judged at the row's place.
        """
        number = int(asked["sequence"])
        since = np.uint64(self.withdrawn.get(number, NOT_YET))
        yield f"proposal {number} {WITHDRAWN}", rows["sequence"] > since
        judged = rows["sequence"] >= np.uint64(self.since)
        if not approvals or not judged.any():
            return
        for who, what in self._wanted(asked, approvals).items():
            yield CANNOT, judged & ~self._abilities.all_could(who, rows, what)

    def withdrew_done(self) -> Iterator[tuple[int, str]]:
        """The withdrawals of what was done, and what is wrong with them."""
        for number, sequence in self.withdrawn.items():
            if self.since <= sequence > self.done.get(number, NOT_YET):
                yield sequence, f"it withdraws proposal {number}, which was done"


def _who(row: np.void) -> Who:
    """The person that a row names."""
    return int(row["participant"]), int(row["operator_"])
