"""Recoveries: two people of an auditor make people of the treasury, if it cannot act.

Each is judged at its place: who has signed it, and that it makes people and nothing
else. The rows made of it are judged when all have passed: by the 30 days in which all
see it, and by what the treasury has approved meanwhile. Memory: 16 bytes for each
approval of the treasury.
"""

from array import array
from collections.abc import Iterator
from typing import Final

import numpy as np

from switch.audit.layout import OK, PARTICIPANT_RECORD, RECOVERY, Mask, Rows
from switch.audit.persons import Person
from switch.audit.persons import broken as broken_person
from switch.audit.register import Register
from switch.codes import PROPOSE_LINES, Kind, PersonRole, Record, Role

WAIT_NS: Final = 30 * 86_400 * 10**9
LIFE_NS: Final = 60 * 86_400 * 10**9
FLAG: Final = "its flags do not say whether it is of a recovery"
ELSE: Final = "who recovers proposes something else than people who may approve"


class Recoveries:
    """Gathers what is of recoveries, while rows pass."""

    def __init__(self, register: Register) -> None:
        """None yet."""
        self._register = register
        self._persons = register.persons
        self.begun: set[int] = set()
        """Accepted proposals of recoverers."""
        # Accepted approvals of the treasury, and the rows that they name.
        self._approvals, self._named = array("Q"), array("Q")

    def flagged(self, row: np.void, person: Person | None) -> bool:
        """Whether an accepted row says rightly if it is of a recovery."""
        of = self.has(row)
        if row["kind"] == Kind.PROPOSE:
            of = person is not None and person.role == PersonRole.RECOVERER
        return bool(int(row["flags"]) & RECOVERY) == of

    def has(self, row: np.void) -> bool:
        """Whether an accepted row begins a recovery, or is of one that is begun."""
        kind, name = int(row["kind"]), "total"
        if kind == Kind.PROPOSE:
            name = "sequence"
        elif kind in (Kind.APPROVE, Kind.WITHDRAW):
            name = "resolves"
        return int(row[name]) in self.begun

    def roles(
        self, row: np.void, otherwise: tuple[PersonRole, ...]
    ) -> tuple[PersonRole, ...]:
        """Who may approve, or withdraw, what a row names."""
        if int(row["resolves"]) not in self.begun:
            return otherwise
        recoverer = (PersonRole.RECOVERER,)
        return recoverer if row["kind"] == Kind.APPROVE else (*otherwise, *recoverer)

    def approved(self, row: np.void) -> None:
        """Take an accepted approval of something else than a shift."""
        if not int(row["flags"]) & RECOVERY:
            self._approvals.append(int(row["sequence"]))
            self._named.append(int(row["resolves"]))

    def is_one(self, row: np.void, found: tuple[Rows, list[bytes]] | None) -> bool:
        """Whether what a recoverer proposes makes people, and does nothing else;
        `found`: its lines, and the tails behind them. Of what was refused no row says
        that it has lines.
        """
        if found is None or (row["result"] == OK and row["total"] != PROPOSE_LINES):
            return False
        lines, tails = found
        register = (lines["kind"] == Kind.REGISTER).tolist()
        return all(
            is_register and self._makes(one)
            for is_register, one in zip(register, tails, strict=True)
        )

    def _makes(self, tail: bytes) -> bool:
        """Whether a record is of somebody who may approve, or switches on for whom."""
        record = tail[0] if tail else 0
        roles = self._register.parties
        if record == Record.PERSON:
            if broken_person(tail, self._register.version):
                return False
            person = Person.of(tail)
            return person.checks and roles.has_role(person.who[0], Role.TREASURY)
        whole = len(tail) >= PARTICIPANT_RECORD.itemsize
        if record != Record.PARTICIPANT or not whole:
            return False
        return roles.switches_on(tail) and tail[1] == Role.TREASURY

    def _acted(self, number: int) -> int | None:
        """The first approval of the treasury that ends a recovery."""
        pairs: Iterator[tuple[int, int]] = zip(
            self._approvals, self._named, strict=True
        )
        return next((one for one, named in pairs if named > number), None)

    def grounds(
        self, asked: np.void, approval: np.void, rows: Rows
    ) -> Iterator[tuple[str, Mask]]:
        """What is wrong with the rows of one recovery, by its approval."""
        number = int(asked["sequence"])
        behind = rows["sequence"] > approval["sequence"]
        age = rows["timestamp"] - approval["timestamp"]
        early = behind & (age < np.uint64(WAIT_NS))
        yield f"recovery {number} was approved less than 30 days before it", early
        late = behind & (age >= np.uint64(LIFE_NS))
        yield f"recovery {number} was approved 60 days or more before it", late
        if (acted := self._acted(number)) is not None:
            ended = rows["sequence"] > np.uint64(acted)
            yield f"the treasury has acted since recovery {number}", ended
