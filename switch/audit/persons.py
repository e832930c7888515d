"""Register rows about people: who acts for a participant, and by which key.

A person is named by its participant and its number there. And what says when a third
one is needed: the thresholds.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from switch.audit.banks import BANKS_RULES
from switch.audit.decided import Abilities
from switch.audit.layout import (
    APPROVER_RULES,
    CHANNEL_RULES,
    PAYOUT_RULES,
    PERSON_RECORD,
    RECOVERY_RULES,
    THRESHOLDS_RECORD,
)
from switch.codes import PersonRole, Record, Result, Role, RowFlag

PEOPLE_RULES: Final = 8
"""The first rules that know people."""
PEOPLE_MAX: Final = 4_095
WAIT_MAX_S: Final = 31 * 86_400
WAIT_DAYS, WAIT_DAYS_MAX = 7, 21
"""Of who would approve by two people's word: where nobody says, and at most."""
RECOVERERS_FIRST: Final = 2
"""So many recoverers need nobody's word as a ledger begins."""
STAY: Final = 2
"""So many who may approve are not made fewer; and so many begin a ledger's people."""
Who = tuple[int, int]
"""A participant, and the number of one of its people."""
SINCE: Final[dict[int, int]] = {
    PersonRole.CHANNEL: BANKS_RULES,
    PersonRole.RECOVERER: RECOVERY_RULES,
}
"""The rules that some roles came with."""
LAYOUTS: Final = {
    Record.PERSON: PERSON_RECORD,
    Record.THRESHOLDS: THRESHOLDS_RECORD,
}


@dataclass(frozen=True, slots=True)
class Person:
    """One person, as a record says."""

    who: Who
    role: int
    active: bool
    key: bytes
    bank: int = 0
    """Of a channel: the number of its bank account."""

    @classmethod
    def of(cls, tail: bytes) -> "Person":
        """Of a tail item with a whole record."""
        record = np.frombuffer(tail, PERSON_RECORD, 1)[0]
        who = int(record["participant"]), int(record["number"])
        active = bool(record["active"] == 1)
        key, bank = bytes(record["key"]), int(record["bank"])
        return cls(who, int(record["role"]), active, key, bank)

    @property
    def checks(self) -> bool:
        """An active checker."""
        return self.active and self.role == PersonRole.CHECKER

    @property
    def recovers(self) -> bool:
        """An active recoverer."""
        return self.active and self.role == PersonRole.RECOVERER


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From where on three are needed: more than these, paise."""

    single: int
    batch: int
    day: int
    wait_s: int
    """How old the word about a beneficiary must be; 0: as long as nobody says."""


class Persons:
    """The people that rows have registered so far, each with its place."""

    def __init__(self, treasuries: set[int]) -> None:
        """Nobody yet. `treasuries` are the participants that are of the treasury and
        active, and change elsewhere.
        """
        self.treasuries = treasuries
        self.auditors: set[int] = set()
        """The participants that are auditors, and of them those that are active."""
        self.auditing: set[int] = set()
        self.people: dict[Who, Person] = {}
        """In the order in which they were registered first."""
        self.places: dict[Who, int] = {}
        self.keys: dict[bytes, Who] = {}
        self.others: Collection[bytes] = ()
        """Keys of operators, which no person has."""
        self.of: dict[int, set[Who]] = {}
        """By participant."""
        self.thresholds: Thresholds | None = None
        self.wait_days = WAIT_DAYS
        self.second = 0
        """The row that has registered the second."""
        self._last, self._apart = 0, False
        # The first row of the newest person; and whether some row stood between two of
        # these from the second on.
        self.abilities = Abilities()
        """Who could do what, for rows that are judged later."""

    @property
    def some(self) -> bool:
        """Whether this is a ledger with people."""
        return bool(self.people)

    def begin(self, accounts: int) -> bool:
        """Whether a person is registered by nobody's word; `accounts` are open."""
        return len(self.people) < STAY and not accounts

    def begin_third(self, row: np.void, tail: bytes, accounts: int) -> bool:
        """Whether the same holds of the third, who comes right behind the second."""
        if len(self.people) != STAY or accounts or len(tail) < PERSON_RECORD.itemsize:
            return False
        person = Person.of(tail)
        new = person.who not in self.people and person.who[0] in self.treasuries
        return new and person.checks and int(row["sequence"]) == self.second + 1

    def begin_recoverer(self, row: np.void, tail: bytes, accounts: int) -> bool:
        """Whether the same holds of a recoverer, right behind the person before it."""
        few = len(self.people) < STAY or self._apart
        if few or accounts or len(tail) < PERSON_RECORD.itemsize:
            return False
        person = Person.of(tail)
        others = [one.role == PersonRole.RECOVERER for one in self.people.values()]
        new = person.who not in self.people and sum(others) < RECOVERERS_FIRST
        behind = int(row["sequence"]) == self._last + 1
        return new and behind and self.can_recover(person)

    def can_act(self, person: Person) -> bool:
        """Whether one can act by now."""
        return person.active and person.who[0] in self.treasuries

    def can_recover(self, person: Person) -> bool:
        """Whether one can recover by now."""
        return person.recovers and person.who[0] in self.auditing

    def recoverers(self, participant: int) -> list[Person]:
        """The active recoverers of a participant."""
        of = [self.people[who] for who in self.of.get(participant, ())]
        return [person for person in of if person.recovers]

    def approvers(self) -> set[Who]:
        """Who may approve by now."""
        return {
            who
            for who, person in self.people.items()
            if person.checks and who[0] in self.treasuries
        }

    def takes_two(self, person: Person) -> bool:
        """Whether with a person as it would be fewer than two may approve, and with it
        as it is they are not fewer.
        """
        before = self.people.get(person.who)
        if before is None or not before.checks or person.checks:
            return False
        able = self.approvers()
        return person.who in able and len(able) - 1 < STAY <= len(able)

    def takes_all_of(self, participant: int) -> bool:
        """The same of all people of one participant, if it acts no more."""
        if participant not in self.of or participant not in self.treasuries:
            return False
        able = self.approvers()
        return len(able - self.of[participant]) < STAY <= len(able)

    def answer(
        self, tail: bytes, participants: int, accounts: int, banks: int
    ) -> Result:
        """The result that a row with a whole record must have."""
        if tail[0] == Record.THRESHOLDS:
            return Result.OK
        person = Person.of(tail)
        first = len(self.people) < STAY and not (accounts and self.people)
        if person.who[0] > participants:
            return Result.PARTICIPANT_UNKNOWN
        if person.bank > banks:
            return Result.ACCOUNT_UNKNOWN
        other = self.keys.get(person.key, person.who) != person.who
        if other or person.key in self.others:
            return Result.SAME_PERSON
        if first and (accounts or not person.checks):
            return Result.RULE_FIXED
        recovers = person.role == PersonRole.RECOVERER
        if recovers and person.who[0] not in self.auditors:
            return Result.RULE_FIXED
        if self.takes_two(person):
            return Result.LAST_TREASURIES
        full = len(self.people) >= PEOPLE_MAX and person.who not in self.people
        return Result.TABLE_FULL if full else Result.OK

    def apply(self, row: np.void, tail: bytes) -> Iterator[str]:
        """Note an accepted row; what is wrong with the place that it has."""
        if tail[0] == Record.THRESHOLDS:
            record = np.frombuffer(tail, THRESHOLDS_RECORD, 1)[0]
            place, known = 1, self.thresholds is not None
            names = "single", "batch", "day", "wait_s"
            self.thresholds = Thresholds(*(int(record[name]) for name in names))
            self.wait_days = days_of(tail)
        else:
            person = Person.of(tail)
            known = person.who in self.people
            if known:
                self.keys.pop(self.people[person.who].key, None)
            self.people[person.who] = person
            self.keys[person.key] = person.who
            self.of.setdefault(person.who[0], set()).add(person.who)
            self._note(person, int(row["sequence"]))
            if len(self.people) == STAY and not known:
                self.second = int(row["sequence"])
            elif len(self.people) > STAY and not known:
                self._apart |= int(row["sequence"]) != self._last + 1
            if not known:
                self._last = int(row["sequence"])
            place = self.places.setdefault(person.who, len(self.places) + 1)
        update = bool(int(row["flags"]) & RowFlag.UPDATE)
        if int(row["debit"]) != place or update != known:
            yield f"it is number {place}, the row says {row['debit']}"

    def _note(self, person: Person, sequence: int) -> None:
        able = self.can_act(person)
        if person.role == PersonRole.RECOVERER:
            able = self.can_recover(person)
        self.abilities.note(person.who, sequence, role=person.role, able=able)

    def note_participant(self, index: int, role: int, *, active: bool) -> None:
        """Note what a participant is."""
        auditor = role == Role.AUDITOR
        for whose, those in ((self.auditors, auditor), (self.auditing, active)):
            (whose.add if auditor and those else whose.discard)(index)

    def moved(self, participant: int, sequence: int) -> None:
        """Note that an accepted row is about the participant of some."""
        for who in self.of.get(participant, ()):
            self._note(self.people[who], sequence)

    def switches_off(self, tail: bytes) -> bool:
        """Whether a person's record leaves it as it is, but not active."""
        person = Person.of(tail)
        before = self.people.get(person.who)
        if before is not None and before.role == PersonRole.RECOVERER:
            # Nobody alone puts out who is there for when others cannot act.
            return False
        return before == replace(person, active=True) and not person.active


def days_of(tail: bytes) -> int:
    """The days of waiting that whole thresholds say."""
    return tail[1] or WAIT_DAYS


def broken(tail: bytes, rules: int) -> str:
    """What is wrong with a record by itself, under these rules (0: not known); empty if
    nothing is.
    """
    if 0 < rules < PEOPLE_RULES:
        return f"is not known to rules {rules}"
    layout = LAYOUTS[Record(tail[0])]
    if len(tail) < layout.itemsize:
        return "is too short"
    record = np.frombuffer(tail, layout, 1)[0]
    if any(
        any(bytes(record[name]))
        for name in layout.names or ()
        if name[:8] == "reserved"
    ):
        return "has bytes that say nothing"
    if tail[0] == Record.THRESHOLDS:
        wait_s = int(record["wait_s"])
        if wait_s and 0 < rules < PAYOUT_RULES:
            return "has bytes that say nothing"
        if record["wait_days"] and 0 < rules < APPROVER_RULES:
            return "has bytes that say nothing"
        long = wait_s > WAIT_MAX_S or record["wait_days"] > WAIT_DAYS_MAX
        return "has a longer wait than there may be" if long else ""
    role = int(record["role"])
    early = 0 < rules < SINCE.get(role, 0)
    if role not in set(PersonRole) or early or record["active"] > 1:
        return "is of no role, or neither active nor not"
    if record["bank"] and (0 < rules < CHANNEL_RULES or role != PersonRole.CHANNEL):
        return "is of a bank account, and of no channel"
    named = record["participant"] and record["number"] and any(bytes(record["key"]))
    return "" if named else "names nobody, or no key"
