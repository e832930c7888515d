"""Who may approve, and what makes them more.

A row of the register widens if somebody may approve by it who might not before it, or
by no such key; if it says fewer days of waiting; or if it is of a recoverer. Three want
that. While fewer than three may approve two are enough, but then it waits. Rows are
looked at as they pass, and judged when their approvals are known. Memory: 100 bytes for
each row that widens.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np

from switch.audit.layout import (
    APPROVER_RULES,
    PARTICIPANT_RECORD,
    RECOVERY_RULES,
    THIRD,
    Mask,
    Rows,
)
from switch.audit.persons import Person, days_of
from switch.audit.persons import broken as broken_person
from switch.audit.register import Register
from switch.codes import PersonRole, Record, Role

ENOUGH: Final = 3
"""So many who may approve."""
DAY_NS: Final = 86_400 * 10**9


def audits(record: np.void) -> bool:
    """Whether a participant is an active auditor by a record."""
    return bool(record["role"] == Role.AUDITOR and record["active"] == 1)


class Approvers:
    """Asks the register what it says by now."""

    def __init__(self, register: Register) -> None:
        """Nothing has widened yet."""
        self._register = register
        self._persons = register.persons
        # By row: how many might approve before it, and the days of waiting then.
        self._widened: dict[int, tuple[int, int]] = {}

    @property
    def are_three(self) -> bool:
        """Whether three or more may approve by now."""
        return len(self._persons.approvers()) >= ENOUGH

    def _let_in(self, tail: bytes) -> list[Person]:
        """The checkers who would act by a participant's record, and do not now."""
        if len(tail) < PARTICIPANT_RECORD.itemsize:
            return []
        record = np.frombuffer(tail, PARTICIPANT_RECORD, 1)[0]
        index = self._register.participants.get(bytes(record["code"]).rstrip(b"\0"), 0)
        acts = record["role"] == Role.TREASURY and record["active"] == 1
        if not acts or index in self._persons.treasuries:
            return []
        people = self._persons.people
        of = self._persons.of.get(index, ())
        return [people[who] for who in of if people[who].checks]

    def _moved(self, tail: bytes) -> list[Person]:
        """The active recoverers of a participant who can recover by its record, and
        cannot now, or the other way round.
        """
        known = self._register.has(RECOVERY_RULES)
        if not known or len(tail) < PARTICIPANT_RECORD.itemsize:
            return []
        record = np.frombuffer(tail, PARTICIPANT_RECORD, 1)[0]
        index = self._register.participants.get(bytes(record["code"]).rstrip(b"\0"), 0)
        can = index in self._persons.auditing
        return [] if audits(record) == can else self._persons.recoverers(index)

    def widens(self, tail: bytes) -> bool:
        """Whether a record makes somebody approve who may not now, or sooner; or is of
        who recovers.
        """
        if not self._register.has(APPROVER_RULES) or not tail:
            return False
        if tail[0] == Record.PARTICIPANT:
            return bool(self._let_in(tail) or self._moved(tail))
        if tail[0] not in (Record.PERSON, Record.THRESHOLDS):
            return False
        if broken_person(tail, self._register.version):
            return False
        if tail[0] == Record.THRESHOLDS:
            return days_of(tail) < self._persons.wait_days
        person = Person.of(tail)
        before = self._persons.people.get(person.who)
        recovers = PersonRole.RECOVERER
        if person.role == recovers or (before and before.role == recovers):
            return True
        may = person.checks and person.who[0] in self._persons.treasuries
        same = before is not None and before.checks and before.key == person.key
        return may and not same

    def newest(self, tail: bytes) -> int:
        """The newest row about a checker whom a participant's record lets approve."""
        known = self._register.has(APPROVER_RULES)
        if not known or not tail or tail[0] != Record.PARTICIPANT:
            return 0
        if len(tail) < PARTICIPANT_RECORD.itemsize:
            return 0
        at, places = self._register.sequences, self._persons.places
        people = self._let_in(tail)
        if audits(np.frombuffer(tail, PARTICIPANT_RECORD, 1)[0]):
            people += self._moved(tail)
        of = [places[person.who] for person in people]
        return max((at.get((int(Record.PERSON), place), 0) for place in of), default=0)

    def note(self, row: np.void, tail: bytes) -> None:
        """Take the accepted row of a line, before what it says is known."""
        if self.widens(tail):
            able = len(self._persons.approvers())
            self._widened[int(row["sequence"])] = able, self._persons.wait_days

    def grounds(
        self, asked: np.void, approval: np.void, rows: Rows
    ) -> Iterator[tuple[str, Mask]]:
        """What is wrong with the rows of one proposal, by its last approval."""
        if int(asked["flags"]) & THIRD:
            return
        said = [self._widened.get(one) for one in rows["sequence"].tolist()]
        few = np.array([one is not None and one[0] >= ENOUGH for one in said], np.bool_)
        number = int(asked["sequence"])
        yield f"more may approve by it, and two have wanted proposal {number}", few
        waits = np.array([0 if one is None else one[1] for one in said], np.uint64)
        age = rows["timestamp"] - approval["timestamp"]
        early = (rows["sequence"] > approval["sequence"]) & ~few
        early &= age < waits * np.uint64(DAY_NS)
        yield f"more may approve by it, and proposal {number} has not waited", early
