"""The oracle's rules of the register's people: who they are, by which keys, who of them
may do what, that two stay, and from where on a third is needed.

Part of tests/model.py, which see.
"""

import struct
from dataclasses import dataclass

from switch.codes import PersonRole, Record, Result, Role
from tests.flags import RowFlag
from tests.model_certificates import Certificates
from tests.model_state import OK, Answer, Revocation
from tests.records import Row

PEOPLE_MAX = 4_095
APPROVERS_LEAST = 2
APPROVERS_ENOUGH = 3
RECOVERERS_FIRST = 2
WAIT_DAYS, WAIT_DAYS_MAX = 7, 21
PERSON_BYTES = struct.Struct("<BBBBIII32s")
THRESHOLDS_BYTES = struct.Struct("<BB2sIQQQ")
WAIT_MAX_S = 31 * 86_400
OF_PEOPLE = (Record.PERSON, Record.THRESHOLDS)

Who = tuple[int, int]
"""A person: its participant, and its number there."""


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who acts for a participant; `sequence` as for participants."""

    role: int
    active: int
    key: bytes
    index: int
    sequence: int
    bank: int = 0
    """Of a channel: its bank account, by number."""


class Persons(Certificates):
    """What register rows say of people and of thresholds."""

    def __init__(self) -> None:
        super().__init__()
        self.persons: dict[Who, Person] = {}
        self.thresholds: tuple[int, int, int] | None = None  # single, batch, day
        self.thresholds_row = 0  # the last one
        self.wait_s = 0  # of it: of a beneficiary; 0: as long as by default
        self.wait_days = WAIT_DAYS  # of whoever would approve by two people's word
        self.stops: set[int] = set()  # rows by which one person has stopped something

    # --- who may do what --------------------------------------------------------------

    def can_person_act(self, who: Who) -> bool:
        """Whether this person is active, and for an active one of the treasury."""
        person = self.persons.get(who)
        if person is None or not person.active:
            return False
        whose = self.participants[who[0]]
        return whose.role == Role.TREASURY and whose.active == 1

    def may_approve(self, who: Who) -> bool:
        """Whether this person can act, and is a checker."""
        able = self.can_person_act(who)
        return able and self.persons[who].role == PersonRole.CHECKER

    def may_propose(self, who: Who) -> bool:
        """Whether this person can act, and is a maker or a checker."""
        able = self.can_person_act(who)
        acts = PersonRole.MAKER, PersonRole.CHECKER
        return able and self.persons[who].role in acts

    def is_recoverer(self, who: Who) -> bool:
        """Whether this person is registered for when the treasury cannot act."""
        person = self.persons.get(who)
        return person is not None and person.role == PersonRole.RECOVERER

    def can_recover(self, who: Who) -> bool:
        """Whether this person is an active recoverer of an active auditor."""
        whose = self.participants[who[0]] if self.is_recoverer(who) else None
        if whose is None or not self.persons[who].active:
            return False
        return whose.role == Role.AUDITOR and whose.active == 1

    def recoverers_of(self, index: int) -> list[Person]:
        """The active recoverers who are registered under a participant."""
        return [
            person
            for who, person in self.persons.items()
            if who[0] == index and person.active and self.is_recoverer(who)
        ]

    def approvers(self) -> set[Who]:
        """All who may approve."""
        return {who for who in self.persons if self.may_approve(who)}

    def too_few_stay(self, left: set[Who]) -> bool:
        """Whether fewer than two of the two and more who may approve would be left."""
        return len(left) < APPROVERS_LEAST <= len(self.approvers())

    def is_whose(self, revocation: Revocation, row: Row) -> bool:
        if not self.persons:
            return super().is_whose(revocation, row)
        return revocation.sender == (row.participant, row.operator_)

    # --- rows -------------------------------------------------------------------------

    def check_participant(self, tail: bytes) -> Answer:
        answer = super().check_participant(tail)
        if answer.result != Result.OK or not self.persons:
            return answer
        index = self.participant_of.get(tail[8:40].rstrip(b"\0"), 0)
        after = {who for who in self.approvers() if who[0] != index}
        if tail[1] == Role.TREASURY and tail[2] == 1:
            after = self.approvers()
        return Answer(Result.LAST_TREASURIES) if self.too_few_stay(after) else OK

    def is_beginning(self) -> bool:
        """Whether a person needs nobody's word."""
        return len(self.persons) < APPROVERS_LEAST and len(self.accounts) == 1

    def is_beginning_third(self, tail: bytes) -> bool:
        """Whether this is the third of those with whom a ledger begins."""
        if len(self.persons) != APPROVERS_LEAST or len(self.accounts) != 1:
            return False
        second = next(one for one in self.persons.values() if one.index == 2).sequence
        changed = self.rows[second - 1].flags & RowFlag.UPDATE
        who = who_of(tail)
        known = who in self.persons or who[0] >= len(self.participants)
        behind = second == len(self.rows) and not changed
        return behind and not known and self.lets_approve(tail)

    def is_beginning_recoverer(self, tail: bytes) -> bool:
        """Whether this is one of two recoverers with whom a ledger begins, each right
        behind the first row of the person before it.
        """
        if len(self.accounts) != 1 or not APPROVERS_LEAST <= len(self.persons) <= 4:
            return False
        who = who_of(tail)
        if who in self.persons or who[0] >= len(self.participants):
            return False
        whose = self.participants[who[0]]
        acts = whose.role == Role.AUDITOR and whose.active == 1
        if not acts or tail[1] != PersonRole.RECOVERER or tail[2] != 1:
            return False
        behind = [one.sequence for one in self.persons.values()][1:]
        if self.rows[behind[0] - 1].flags & RowFlag.UPDATE:
            return False
        if [*behind, len(self.rows) + 1] != list(
            range(behind[0], behind[0] + len(behind) + 1)
        ):
            return False
        there = sum(one.role == PersonRole.RECOVERER for one in self.persons.values())
        return there < RECOVERERS_FIRST

    # --- what makes more of them approve ----------------------------------------------

    def lets_approve(self, tail: bytes) -> bool:
        """Whether a person may approve by this record."""
        whose = self.participants[who_of(tail)[0]]
        acts = whose.role == Role.TREASURY and whose.active == 1
        return acts and tail[1] == PersonRole.CHECKER and tail[2] == 1

    def let_in(self, tail: bytes) -> list[Person]:
        """The active checkers who act by a participant's record, and not before it."""
        index = self.participant_of.get(tail[8:40].rstrip(b"\0"), 0)
        before = self.participants[index]
        acts = before.role == Role.TREASURY and before.active == 1
        if acts or tail[1] != Role.TREASURY or tail[2] != 1:
            return []
        return [
            person
            for who, person in self.persons.items()
            if who[0] == index and person.active and person.role == PersonRole.CHECKER
        ]

    def moves_recoverers(self, tail: bytes) -> bool:
        """Whether by a participant's record its recoverers can recover, and could not
        before, or the other way round.
        """
        index = self.participant_of.get(tail[8:40].rstrip(b"\0"), 0)
        before = self.participants[index]
        could = before.role == Role.AUDITOR and before.active == 1
        can = tail[1] == Role.AUDITOR and tail[2] == 1
        return could != can and bool(self.recoverers_of(index))

    def newest_let_in(self, tail: bytes) -> int:
        """The newest row of a person who may approve, or can recover, by the record of
        a participant, and not before it; or 0.
        """
        people = self.let_in(tail)
        if self.moves_recoverers(tail) and tail[2] == 1 and tail[1] == Role.AUDITOR:
            index = self.participant_of[tail[8:40].rstrip(b"\0")]
            people += self.recoverers_of(index)
        return max((person.sequence for person in people), default=0)

    def widens(self, tail: bytes) -> bool:
        """Whether somebody may approve by a record who may not now, or sooner; or it
        changes who recovers.
        """
        if tail[0] == Record.PERSON:
            who = who_of(tail)
            if tail[1] == PersonRole.RECOVERER or self.is_recoverer(who):
                return True
            if who[0] >= len(self.participants):
                return False
            same = self.may_approve(who) and self.persons[who].key == tail[16:48]
            return self.lets_approve(tail) and not same
        if tail[0] == Record.PARTICIPANT:
            return bool(self.let_in(tail)) or self.moves_recoverers(tail)
        return tail[0] == Record.THRESHOLDS and days_of(tail) < self.wait_days

    def is_another_s(self, key: bytes, who: Who) -> bool:
        """Whether somebody else proves itself by this key."""
        return any(one.key == key for at, one in self.persons.items() if at != who)

    def check_person(self, row: Row) -> Answer:
        _, role, active, _, whose, number, bank, key = PERSON_BYTES.unpack_from(
            row.tail or b""
        )
        who = whose, number
        if whose >= len(self.participants):
            return Answer(Result.PARTICIPANT_UNKNOWN)
        if bank > self.banks_count():
            return Answer(Result.ACCOUNT_UNKNOWN)
        if self.is_another_s(key, who):
            return Answer(Result.SAME_PERSON)
        checker = role == PersonRole.CHECKER and active == 1
        if self.is_beginning():
            if not checker:
                return Answer(Result.RULE_FIXED)
        elif not self.persons:
            return Answer(Result.RULE_FIXED)
        after = self.approvers() - {who}
        of = self.participants[whose]
        if role == PersonRole.RECOVERER and of.role != Role.AUDITOR:
            return Answer(Result.RULE_FIXED)
        if checker and of.role == Role.TREASURY and of.active == 1:
            after.add(who)
        if self.too_few_stay(after):
            return Answer(Result.LAST_TREASURIES)
        full = who not in self.persons and len(self.persons) >= PEOPLE_MAX
        return Answer(Result.TABLE_FULL) if full else OK

    def banks_count(self) -> int:
        """How many bank accounts there are; those who know banks say it."""
        return 0

    def do_of_people(self, row: Row) -> None:
        """A person, or the thresholds."""
        tail = row.tail or b""
        if tail[0] == Record.THRESHOLDS:
            row.debit = 1
            row.flags |= RowFlag.UPDATE if self.thresholds_row else 0
            _, _, _, self.wait_s, *amounts = THRESHOLDS_BYTES.unpack_from(tail)
            self.wait_days = days_of(tail)
            self.thresholds = amounts[0], amounts[1], amounts[2]
            self.append(row)
            self.thresholds_row = row.sequence
            return
        _, role, active, _, whose, number, bank, key = PERSON_BYTES.unpack_from(tail)
        before = self.persons.get((whose, number))
        row.flags |= RowFlag.UPDATE if before else 0
        row.debit = before.index if before else len(self.persons) + 1
        self.append(row)
        person = Person(role, active, key, row.debit, row.sequence, bank)
        self.persons[whose, number] = person


def who_of(tail: bytes) -> Who:
    """Whom a person's record is about."""
    whose, number = struct.unpack_from("<II", tail, 4)
    return whose, number


def days_of(tail: bytes) -> int:
    """The days of waiting that thresholds say."""
    return tail[1] or WAIT_DAYS


def person_record_is_valid(tail: bytes) -> bool:
    """Whether a record of a person or of thresholds is one."""
    if tail[0] == Record.THRESHOLDS:
        if len(tail) < THRESHOLDS_BYTES.size:
            return False
        _, days, zeros, wait_s, *_ = THRESHOLDS_BYTES.unpack_from(tail)
        fits = wait_s <= WAIT_MAX_S and days <= WAIT_DAYS_MAX
        return fits and not any(zeros)
    if len(tail) < PERSON_BYTES.size:
        return False
    _, role, active, zero, whose, number, bank, key = PERSON_BYTES.unpack_from(tail)
    named = whose and number and any(key)
    if bank and role != PersonRole.CHANNEL:
        return False
    return bool(role in list(PersonRole) and active <= 1 and named) and not zero
