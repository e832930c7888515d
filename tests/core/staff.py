"""What a generator asks of a ledger with people: persons who sign, rightly and wrongly,
propose what all others have drawn as lines, approve it, stop things, come and go.

Part of tests/core/generator.py, which see. In a ledger without people it draws nothing.
"""

from collections.abc import Callable
from dataclasses import fields, replace

from switch.codes import (
    AMOUNT_MAX,
    PROPOSE_LINES,
    Kind,
    PersonRole,
    Record,
    Result,
    Role,
)
from tests import signing
from tests.core.mutation import vary_row
from tests.core.priced import Priced
from tests.flags import RowFlag
from tests.model_banks import Bank
from tests.model_persons import WAIT_MAX_S, Who
from tests.model_register import read_service
from tests.model_signed import LINES, SIGNED_RECORDS
from tests.office import line_of
from tests.records import ParticipantRecord, Row, ServiceRecord, StatementRecord
from tests.signing import Line, PersonRecord, ThresholdsRecord

KEYS = {signing.public_key(number): number for number in range(1, 33)}
"""All keys of persons, but for some that nobody has the other half of."""
ORDER = 2**252 + 27742317777372353535851937790883648493
"""Of the group: a signature's second half is below it."""
WORD_MAX = 2**64 - 1
LINES_WANTED_MOST = 200
APPROVERS_ENOUGH = 5
ALONE = (Record.BANK_ACCOUNT, Record.BENEFICIARY, Record.SCHEDULE)
"""Records of which proposals speak alone, or twice."""
MONTH_S = 25 * 86_400
WAITS_S = (0, 1, 600, 90_000, MONTH_S, MONTH_S, WAIT_MAX_S, WAIT_MAX_S + 1)
BUSY = 320
"""Proposals of one person: more than it has in a day, with the wrongly signed ones."""
ROLES = tuple(one for one in PersonRole if one != PersonRole.RECOVERER)
"""Recoverers have a walk of their own, tests/core/test_recovery_walk.py: here nobody is
an auditor."""
SERVICE_FIELDS = {each.name for each in fields(ServiceRecord)} - {
    "heads_count",
    "items_count",
}


def malleable(signature: bytes) -> bytes:
    """Another number for the same: right for whoever does not ask that it is least."""
    number = int.from_bytes(signature[32:], "little") + ORDER
    return signature[:32] + number.to_bytes(32, "little")


class Staff(Priced):
    """Draws what people do, and has them do what the others have drawn."""

    tells_much = False
    """Whether banks have much to say in this ledger with people."""

    wanted: list[Line]
    has_window: bool

    # --- who --------------------------------------------------------------------------

    def one_of(self, able: Callable[[Who], bool], but: set[Who] | None = None) -> Who:
        """A person who is able to do something, most often."""
        persons = list(self.model.persons)
        if self.chance(60):
            return self.rng.choice((self.net.treasury, self.centres[0])), 9
        found = [who for who in persons if able(who) and who not in (but or ())]
        return self.rng.choice(persons if self.chance(60) or not found else found)

    def by_treasury(
        self, kind: Kind, debit: int = 0, credit: int = 0, amount: int = 0
    ) -> Row:
        row = super().by_treasury(kind, debit, credit, amount)
        if self.model.persons:
            able = self.model.may_propose
            if kind == Kind.APPROVE:
                able = self.model.may_approve
            row.participant, row.operator_ = self.one_of(able)
        return row

    def is_channel(self, who: Who) -> bool:
        """Whether this is a bank's connection that can act."""
        able = self.model.can_person_act(who)
        return able and self.model.persons[who].role == PersonRole.CHANNEL

    def is_other(self, who: Who) -> bool:
        """Whether this is a connection of a participant that may well be stopped."""
        return who[0] != self.net.treasury and self.is_channel(who)

    def own_bank(self, who: Who) -> Bank | None:
        """The bank account that somebody is the connection of, if there is one."""
        person = self.model.persons.get(who)
        index = person.bank if person else 0
        found = [bank for bank in self.model.banks.values() if bank.index == index]
        return found[0] if found else None

    def teller_of(self, transit: int, who: Who) -> Who:
        """In place of a connection the one that may speak of this account."""
        if not self.is_channel(who):
            return who
        model, named = self.model, self.model.accounts[transit]
        found = [
            each
            for each in filter(self.is_channel, model.persons)
            if (own := self.own_bank(each))
            and (own.participant, own.purpose + 2) == (named.participant, named.purpose)
        ]
        # Or somebody who proposes what a bank's files say.
        return self.rng.choice(found) if found else self.one_of(model.may_propose)

    def a_bank(self) -> int:
        """Whose connection somebody becomes: most often an account's that is used."""
        if self.chance(20):
            return self.rng.choice((0, 0, 9_999))
        banks = list(self.model.banks.values())
        return self.rng.choice(banks[:2]).index if banks else 0

    def is_maker(self, who: Who) -> bool:
        """Whether this person can act, and approves nothing."""
        return self.model.may_propose(who) and not self.model.may_approve(who)

    # --- signatures -------------------------------------------------------------------

    def signed(self, row: Row) -> Row:
        """The row with a signature, now and then a wrong one."""
        rng, instance = self.rng, self.model.instance
        person = self.model.persons.get((row.participant, row.operator_))
        key = KEYS.get(person.key, 1) if person else 1
        wrong = rng.randrange(90)
        if wrong == 0:
            return signing.signed(row, key + 1, instance)
        if wrong == 1:
            return signing.signed(row, key, instance[::-1])
        if wrong == 2:
            return row
        signed = signing.signed(row, key, instance)
        tail = signed.tail or b""
        if wrong == 3:
            signed.tail = tail[: -rng.randrange(1, 65)] or None
        elif wrong == 4:
            signed.tail = tail[:-64] + malleable(tail[-64:])
        elif wrong == 5:
            at = len(tail) - 1 - rng.randrange(64)
            signed.tail = tail[:at] + bytes([tail[at] ^ 8]) + tail[at + 1 :]
        elif wrong == 6:
            signed.participant, signed.operator_ = self.one_of(self.model.may_approve)
        elif wrong == 7:
            signed.id = rng.randbytes(16)
        elif wrong == 8:
            signed.reference = rng.randbytes(32).hex().encode()[:32]
        return signed

    def staffed(self, made: list[Row]) -> list[Row]:
        """What was drawn as it is asked for where there are people: signed, or put by
        for a proposal.
        """
        if not self.model.persons:
            return made
        return [staffed for row in made for staffed in self.by_people(row)]

    def is_alone(self, row: Row) -> bool:
        """Whether a transfer that names a row is a line of a proposal."""
        return self.model.is_alone(row)

    def by_people(self, row: Row) -> list[Row]:
        """One row of these, if it is asked for now."""
        model = self.model
        if row.kind in (Kind.PROPOSE, Kind.WITHDRAW):
            return [self.signed(row)]
        if row.kind == Kind.WINDOW:
            row.participant, row.operator_ = self.one_of(model.may_propose)
            return [row if self.chance(12) else self.signed(row)]
        if row.kind == Kind.APPROVE:
            asked = model.accepted(row.resolves)
            unsigned = asked is not None and asked.kind == Kind.SHIFT
            return [row if unsigned else self.signed(row)]
        if row.kind not in LINES or row.total:
            return [row]
        right = model.shape(row) == 0
        if right and model.is_stop(row) and not self.chance(4):
            return [self.signed(row)]
        registers = right and row.kind == Kind.REGISTER
        if registers and (row.tail or b"")[0] in SIGNED_RECORDS:
            return [row if self.chance(12) else self.signed(row)]
        alone = not row.resolves or self.is_alone(row)
        if row.kind == Kind.TRANSFER and not alone:
            return [row]
        if row.kind == Kind.TRANSFER and row.flags and not row.resolves:
            # As a line it is none, with all that it is proposed with.
            right = False
        if self.chance(20) or (not right and not self.chance(6)):
            return [row]
        line = line_of(row)
        if registers and (row.tail or b"")[0] in ALONE and not self.has_window:
            if self.chance(5):
                return [self.signed(self.proposal_of([line]))]
            # Of two of one request the second finds that something newer came.
            self.wanted += [line] * self.chance(2)
        self.wanted.append(line)
        return []

    # --- proposals of lines -----------------------------------------------------------

    def propose_lines(self) -> list[Row]:
        """What is wanted by now, or some of it."""
        if self.has_window or not self.wanted:
            return []
        del self.wanted[:-LINES_WANTED_MOST]
        most = self.rng.choice((1, 4, 30, 60, 60))
        lines: list[Line] = []
        amount = 0
        while self.wanted and len(lines) < most:
            amount += self.wanted[0].amount
            if lines and amount > AMOUNT_MAX:
                break
            lines.append(self.wanted.pop(0))
        row = self.by_treasury(Kind.PROPOSE)
        proposal = signing.proposal_of_lines(
            row.id, lines, participant=row.participant, operator=row.operator_
        )
        if self.chance(60):
            proposal.amount += 1
        proposal.amount = min(proposal.amount, WORD_MAX)
        if self.chance(60):
            proposal.resolves = 1
        return [proposal]

    def undecided(self) -> Row | None:
        """A proposal of the last of which something is still to be said, or a new
        one that is approved.
        """
        self.look()
        rows = [self.model.rows[at - 1] for at in self.rare["proposal"][-40:]]
        left = [
            row for row in rows if self.model.check_undecided(row).result == Result.OK
        ]
        return self.rng.choice(left) if left else None

    def decided(self) -> Row | None:
        if self.model.persons and not self.chance(4):
            return self.undecided()
        return super().decided()

    def checker_of(self, asked: Row) -> int:
        """Who has approved it last."""
        if not self.model.persons:
            return super().checker_of(asked)
        link = self.model.resolved.get(asked.sequence, asked.sequence)
        return self.model.rows[link - 1].participant

    def deeds(self, asked: Row, checker: int) -> list[Row]:
        if asked.total != PROPOSE_LINES:
            return super().deeds(asked, checker)
        rows = signing.line_rows(asked, asked.sequence, checker=checker)
        if self.chance(8):
            rows = self.rng.sample(rows, self.rng.randrange(1, len(rows) + 1))
        if self.chance(6):
            at = self.rng.randrange(len(rows))
            rows[at] = vary_row(self.rng, rows[at])
        return rows

    def approve(self) -> list[Row]:
        if not self.model.persons or self.chance(8):
            return super().approve()
        if self.chance(6):
            asked = self.model.accepted(self.last_of("stop"))
        else:
            asked = self.decided()
        if asked is None:
            return []
        row = self.by_treasury(Kind.APPROVE)
        if not self.chance(8):
            link = self.model.rows[self.model.resolved.get(asked.sequence, 1) - 1]
            before = {(each.participant, each.operator_) for each in (asked, link)}
            who = self.one_of(self.model.may_approve, before)
            row.participant, row.operator_ = who
        row.resolves = asked.sequence
        row.reference = signing.hash_of(asked, self.model.instance)
        if self.chance(25):
            row.reference = self.rng.choice((b"", b"h" * 32, row.reference[:31]))
        third = (
            asked.flags & RowFlag.THIRD and asked.sequence not in self.model.resolved
        )
        waits = asked.kind != Kind.PROPOSE or (third and not self.chance(6))
        if waits or self.chance(3):
            return [row]
        return [row, *self.deeds(asked, row.participant)]

    def do_lines(self) -> list[Row]:
        """Lines of a proposal of the last, if it is approved."""
        self.look()
        last = [self.model.rows[at - 1] for at in self.rare["proposal"][-12:]]
        asked = [row for row in last if row.total == PROPOSE_LINES]
        if not self.chance(4):
            asked = [row for row in asked if self.model.approval_of(row)]
        if not asked:
            return []
        one = self.rng.choice(asked)
        return self.deeds(one, self.checker_of(one))

    def busy(self) -> list[Row]:
        """Seldom a person who proposes all day."""
        if not self.chance(30):
            return self.approve()
        row = self.by_treasury(Kind.PROPOSE, amount=1)
        row.total = Kind.REFUND
        for _ in range(20):
            row.resolves = self.past((Kind.PAY, Kind.POST))
            if self.model.payment_of(row) is not None:
                break
        return [replace(row, id=self.rng.randbytes(16)) for _ in range(BUSY)]

    # --- stops ------------------------------------------------------------------------

    def stop(self) -> list[Row]:
        """Something is frozen or switched off, by one person."""
        rng, model = self.rng, self.model
        row = self.by_treasury(Kind.REGISTER)
        draw = rng.randrange(8)
        row.reference = b""
        if draw < 2:
            row.kind, row.debit, row.reference = Kind.FREEZE, self.wallet(), b"a reason"
            back = Line(Kind.FREEZE, debit=row.debit, reference=b"a reason")
            self.wanted.append(replace(back, flags=RowFlag.UNFREEZE))
            return [row]
        record: ParticipantRecord | ServiceRecord | PersonRecord
        if draw < 5:
            whose = [self.net.treasury, *self.net.billers, rng.choice(self.centres)]
            treasuries = [model.participant_of.get(b"desk-%d" % at) for at in range(5)]
            whose += [each for each in treasuries if each]
            record = self.participant_off(rng.choice(whose))
        elif draw < 7:
            record = replace(rng.choice(self.services), active=0)
        else:
            who = rng.choice(list(model.persons))
            one = model.persons[who]
            record = PersonRecord(*who, one.key, one.role, active=0)
        row.tail = record.pack()
        # What was switched off is soon to be started again.
        again = replace(record, active=1)
        self.wanted.append(Line(Kind.REGISTER, tail=again.pack()))
        if self.chance(3):
            row.tail += b'{"why": "lost"}'
        return [row]

    def participant_off(self, index: int) -> ParticipantRecord:
        """Someone's record as it is, but not active; seldom with a change more."""
        one = self.model.participants[index]
        record = ParticipantRecord(one.code, Role(one.role), 0)
        record.may_state_dues = one.may_state_dues
        record.never_credits_late = one.never_credits_late
        record.signs_on, record.answer_hours = one.signs_on, one.answer_hours
        if self.chance(8):
            record.may_state_dues ^= 1
        return record

    # --- who comes and goes -----------------------------------------------------------

    def staff(self) -> list[Row]:
        """A person or thresholds more for the next proposal, or another key."""
        rng, model = self.rng, self.model
        if self.chance(4):
            # Mostly above all that is asked for; the last is no bound at all.
            amounts = (0, 50_000, 10**6, 10**7, 10**9, WORD_MAX, WORD_MAX)
            record = ThresholdsRecord(*(rng.choice(amounts) for _ in range(3)))
            record.wait_s = rng.choice(WAITS_S)
            return self.hire(record)
        if len(model.approvers()) < APPROVERS_ENOUGH and not self.chance(6):
            # Of three who must want it, two approve.
            who = self.net.treasury, rng.randrange(1, 9)
            if model.participants[self.net.great_treasury].active and self.chance(12):
                who = self.net.great_treasury, rng.randrange(1, 4)
            known = model.persons.get(who)
            key = known.key if known else signing.public_key(rng.randrange(1, 33))
            more = PersonRecord(*who, key, PersonRole.CHECKER)
            return self.hire(more)
        if not any(map(self.is_channel, model.persons)) and not self.chance(3):
            key = signing.public_key(rng.randrange(1, 33))
            who = self.net.treasury, rng.randrange(9, 12)
            more = PersonRecord(*who, key, PersonRole.CHANNEL, bank=self.a_bank())
            return self.hire(more)
        whose = [self.net.treasury, self.net.great_treasury, rng.randrange(9)]
        whose += [who for who, _ in model.persons]
        whose += [9_999, 9_999, 9_999]
        who = rng.choice(whose), rng.randrange(1, 6)
        before = model.persons.get(who)
        key = signing.public_key(rng.randrange(1, 33))
        if before is not None and not self.chance(4):
            key = before.key
        if self.chance(40):
            key = rng.choice((rng.randbytes(32), bytes(32), b"\1" + bytes(31)))
        checker = PersonRole.CHECKER
        role = rng.choice((*ROLES, checker, checker, PersonRole.MAKER))
        record_ = PersonRecord(*who, key, role, active=0 if self.chance(10) else 1)
        if role == PersonRole.CHANNEL or self.chance(60):
            record_.bank = self.a_bank()
        self.wanted.append(Line(Kind.REGISTER, tail=record_.pack()))
        stopped = not model.participants[self.net.treasury].active
        if self.chance(3 if stopped else 40):
            treasurer = self.participant_off(self.net.treasury)
            treasurer.active, treasurer.may_state_dues = 1, 0
            self.wanted.append(Line(Kind.REGISTER, tail=treasurer.pack()))
        return []

    def hire(
        self, record: PersonRecord | ParticipantRecord | ThresholdsRecord
    ) -> list[Row]:
        """Somebody is wanted, or thresholds, sometimes by a proposal of nothing else:
        with amounts it might need three where there are two.
        """
        line = Line(Kind.REGISTER, tail=record.pack())
        if self.has_window or self.chance(2):
            self.wanted += [line] * (2 if self.chance(8) else 1)
            return []
        return [self.proposal_of([line])]

    def proposal_of(self, lines: list[Line]) -> Row:
        """The proposal of these, not signed."""
        row = self.by_treasury(Kind.PROPOSE)
        return signing.proposal_of_lines(
            row.id, lines, participant=row.participant, operator=row.operator_
        )

    def certificate(self) -> list[Row]:
        """Where people are they sign that one is revoked, and stand by it."""
        rows = super().certificate()
        tail = rows[0].tail or b""
        if not self.model.persons or tail[0] not in SIGNED_RECORDS:
            return rows
        able, but = self.model.may_propose, set[Who]()
        if tail[0] == Record.CONFIRMATION and not self.chance(3):
            able = self.model.may_approve
            number = int.from_bytes(tail[4:8], "little")
            if self.chance(2) and number <= len(self.model.revocations):
                # Someone of another participant.
                whose = self.model.revocations[number - 1].sender[0]
                but = {who for who in self.model.persons if who[0] == whose}
        elif self.chance(2):
            able = self.is_channel if self.chance(3) else self.is_maker
        if not self.chance(6):
            rows[0].participant, rows[0].operator_ = self.one_of(able, but)
        if self.chance(30):
            rows[0].total = self.last_of("proposal")
            return [self.signed(rows[0])] if self.chance(2) else rows
        return rows

    def remember(self, row: Row) -> None:
        super().remember(row)
        if row.sequence in self.model.stops:
            self.rare["stop"].append(row.sequence)
        tail = row.tail or b""
        services = self.model.persons and tail[:1] == bytes([Record.SERVICE])
        if row.kind == Kind.REGISTER and services:
            service = read_service(tail)
            told = {name: getattr(service, name) for name in SERVICE_FIELDS}
            self.services[row.debit - 1 : row.debit] = [ServiceRecord(**told)]

    # --- where nobody is --------------------------------------------------------------

    def strange(self) -> list[Row]:
        """Of a ledger without people, what only people can ask for."""
        row = self.by_treasury(self.rng.choice((Kind.PROPOSE, Kind.APPROVE)))
        if self.chance(5):
            statement = StatementRecord(1).pack()
            row.kind, row.reference, row.tail = Kind.REGISTER, b"", statement
            row.total = self.last_of("proposal")
        elif self.chance(2):
            record = PersonRecord(self.net.treasury, 1, signing.public_key(1))
            row.kind, row.reference, row.tail = Kind.REGISTER, b"", record.pack()
        elif row.kind == Kind.APPROVE:
            row.resolves, row.reference = self.last_of("proposal"), b"h" * 32
        elif not self.has_window:
            lines = [Line(Kind.TOP_UP, 5, 0, 1, 2, b"UTR")]
            row = signing.proposal_of_lines(
                row.id, lines, participant=row.participant, operator=1
            )
            row = signing.signed(row, 1, self.model.instance)
        else:
            row.total = Kind.REFUND
        return [row]
