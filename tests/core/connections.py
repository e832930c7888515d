"""What a generator asks of banks' connections: they come, stop and are told of again,
and people answer what they have said.

Part of tests/core/generator.py, which see.
"""

from dataclasses import replace

from switch.codes import PROPOSE_LINES, Kind, PersonRole
from tests import signing
from tests.core.staff import Staff
from tests.model_people import PROPOSAL_LIFE_NS
from tests.model_persons import Who
from tests.records import ParticipantRecord, Row
from tests.signing import Line, PersonRecord


class Connections(Staff):
    """Draws what becomes of connections, and of what they have said."""

    def can_be_done(self, asked: Row) -> bool:
        """Whether it is new, and neither taken back nor done to its last line."""
        late = self.now - asked.timestamp >= PROPOSAL_LIFE_NS
        if late or asked.sequence in self.model.resolved:
            return False
        return not self.is_done(asked)

    def renew(self) -> list[Row]:
        """A connection is stopped, or the register is told of it again, while some of
        what it has said is not done.
        """
        model = self.model
        if not model.participants[self.net.great_treasury].active:
            off = self.participant_off(self.net.great_treasury)
            return self.hire(replace(off, active=1))
        found = [
            who for who, one in model.persons.items() if one.role == PersonRole.CHANNEL
        ]
        if not any(map(self.is_other, found)) or self.chance(6):
            who = self.net.great_treasury, self.rng.randrange(9, 12)
            key = signing.public_key(self.rng.randrange(1, 33))
            more = PersonRecord(*who, key, PersonRole.CHANNEL, bank=self.a_bank())
            return self.hire(more)
        others = [who for who in found if who[0] != self.net.treasury]
        who = self.rng.choice(others if others and self.chance(2) else found)
        record: PersonRecord | ParticipantRecord
        key, bank = model.persons[who].key, model.persons[who].bank
        bank = self.a_bank() if self.chance(8) or not bank else bank
        record = PersonRecord(*who, key, PersonRole.CHANNEL, bank=bank)
        if self.chance(4):
            record.role, record.bank = PersonRole.SUPPORT, 0
        if self.chance(2):
            return self.hire(record)
        alone = who[0] != self.net.treasury
        if not self.chance(3) if alone else self.chance(6):
            record = self.participant_off(who[0])
        else:
            # Who stops somebody changes nothing else.
            own = model.persons[who].bank
            record = PersonRecord(*who, key, PersonRole.CHANNEL, bank=own)
        record = replace(record, active=0)
        row = self.by_treasury(Kind.REGISTER)
        row.reference, row.tail = b"", record.pack()
        again = replace(record, active=1)
        self.wanted.append(Line(Kind.REGISTER, tail=again.pack()))
        return [row, *self.left_of(who)]

    def left_of(self, who: Who) -> list[Row]:
        """What a connection has said and is not done, of the last."""
        self.look()
        for at in self.rare["told"][:-60:-1]:
            asked = self.model.rows[at - 1]
            by = asked.participant, asked.operator_
            if by == who and not self.is_done(asked):
                return self.deeds(asked, 0)
        return []

    def is_done(self, asked: Row) -> bool:
        """Whether the last line of a proposal has been done."""
        last = len(signing.lines_of(asked.tail or b"")) - 1
        id_ = signing.line_id(asked.id, last)
        return self.model.find(asked.participant, id_) != 0

    def of_told(self) -> list[Row]:
        """Somebody approves what a connection has said, or takes it back."""
        asked = self.model.accepted(self.last_of("told", 4))
        if asked is None or asked.kind != Kind.PROPOSE or asked.total != PROPOSE_LINES:
            return []
        row = self.by_treasury(Kind.WITHDRAW if self.chance(3) else Kind.APPROVE)
        row.resolves = asked.sequence
        if row.kind == Kind.APPROVE:
            row.reference = signing.hash_of(asked, self.model.instance)
        return [row]
