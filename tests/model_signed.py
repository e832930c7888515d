"""The oracle's rules of a ledger with people: what is signed, what is a stop, what must
be a line of a proposal, and what a third person must approve.

Part of tests/model.py, which see.
"""

import struct
from collections import defaultdict
from functools import lru_cache

from switch.codes import PROPOSE_LINES, Kind, PersonRole, Record, Result, Source
from tests import signing
from tests.flags import RowFlag
from tests.model_beneficiaries import account_of
from tests.model_doubts import first_of_basket
from tests.model_people import PROPOSAL_LIFE_NS
from tests.model_persons import APPROVERS_ENOUGH, Who
from tests.model_recovery import Recovery
from tests.model_register import ITEM, SERVICE_SIZE, WITH_RECORD
from tests.model_state import DAY_S, OK, SECOND_NS, Answer, ist_day
from tests.records import Row
from tests.signing import SIGNATURE_SIZE, Line

PROPOSALS_DAY_MAX = 256
CHANNEL_AMOUNT_MAX = 10**15
LINES = frozenset(
    {
        Kind.TOP_UP,
        Kind.TRANSFER,
        Kind.SETTLE,
        Kind.OPEN,
        Kind.LIMIT,
        Kind.FREEZE,
        Kind.CLOSE,
        Kind.REGISTER,
        Kind.BOOKED,
    }
)
NOBODYS = (
    *(Record.CLOCK, Record.RULES, Record.MARGIN),
    *(Record.REVOCATION, Record.CONFIRMATION),
)
"""Records of register rows that need no proposal."""
SIGNED_ALWAYS = (Kind.PROPOSE, Kind.WITHDRAW)
SIGNED_RECORDS = (Record.REVOCATION, Record.CONFIRMATION)
ABOUT_WHO = (Record.PERSON, Record.BANK_ACCOUNT, Record.BENEFICIARY)
"""Records of which two people could make a third of their own, or its money theirs."""

ACTIVE_AT = {
    Record.PARTICIPANT: 2,
    Record.SERVICE: 6,
    Record.PERSON: 2,
    Record.OPERATOR: 1,
}


def size_of_record(tail: bytes) -> int:
    """How many bytes of these say what the core knows."""
    if tail[0] == Record.SERVICE:
        return SERVICE_SIZE + ITEM.size * tail[88]
    return 64 if tail[0] == Record.PARTICIPANT else 48


def said(row: Row) -> bytes:
    """What stands in a tail item before the signature."""
    return (row.tail or b"")[:-SIGNATURE_SIZE]


@lru_cache(maxsize=64)
def lines_of(item: bytes) -> tuple[Line, ...]:
    """The lines of a proposal, taken apart once for all of its rows."""
    return tuple(signing.lines_of(item))


def _none_yet() -> list[int]:
    return [0, 0]


class Signed(Recovery):
    """What a ledger with people asks on top."""

    def __init__(self) -> None:
        super().__init__()
        self.signed: set[int] = set()  # rows that a person has signed
        # (person, IST day) -> how many proposals, and of how much in all
        # Of a function with a name, so that a model can be copied as bytes.
        self.proposed: defaultdict[tuple[Who, int], list[int]] = defaultdict(_none_yet)

    # --- what is signed ---------------------------------------------------------------

    def is_stop(self, row: Row) -> bool:
        """Whether one person may do this at once. What names a proposal is none."""
        if not self.persons or row.proposal:
            return False
        if row.kind == Kind.FREEZE:
            return not row.flags & RowFlag.UNFREEZE
        return row.kind == Kind.REGISTER and self.switches_off(row.tail or b"")

    def switches_off(self, tail: bytes) -> bool:
        """Whether a record changes nothing but that something is active no more."""
        newest = self.newest_about(tail)
        if not newest or tail[0] not in ACTIVE_AT or self.is_about_recoverers(tail):
            return False
        before, at = self.rows[newest - 1].tail or b"", ACTIVE_AT[Record(tail[0])]
        size = size_of_record(tail)
        if before[at] == 0 or tail[at] or size != size_of_record(before):
            return False
        return before[:at] + before[at + 1 : size] == tail[:at] + tail[at + 1 : size]

    def must_be_signed(self, row: Row) -> bool:
        """Whether a person has to stand by this row."""
        if not self.persons:
            return row.kind == Kind.PROPOSE and row.total == PROPOSE_LINES
        if row.kind == Kind.APPROVE:
            asked = self.accepted(row.resolves)
            return asked is None or asked.kind != Kind.SHIFT
        if row.kind == Kind.REGISTER and (row.tail or b"")[0] in SIGNED_RECORDS:
            return True
        if row.kind == Kind.WINDOW:
            return bool(row.participant) and row.resolves == self.last_window
        return row.kind in SIGNED_ALWAYS or self.is_stop(row)

    def is_signed(self, row: Row) -> bool:
        """Whether a person who may do this has signed it."""
        tail, who = row.tail or b"", (row.participant, row.operator_)
        if len(tail) < SIGNATURE_SIZE:
            return False
        if row.kind == Kind.WINDOW and len(tail) > SIGNATURE_SIZE:
            return False
        may = self.may_propose(who) or self.may_as_channel(row)
        confirmation = bytes([Record.CONFIRMATION])
        confirms = row.kind == Kind.REGISTER and tail[:1] == confirmation
        if row.kind == Kind.APPROVE or confirms:
            may = self.may_approve(who)
        if self.is_recoverer(who) or self.is_recovery_approved(row):
            may = self.may_recover(row)
        if not may:
            return False
        hash_ = signing.row_hash(row, self.instance, said(row))
        return signing.is_right(self.persons[who].key, hash_, tail[-SIGNATURE_SIZE:])

    def signature_of(self, row: Row) -> bytes:
        return (row.tail or b"") if self.persons and row.participant else b""

    def is_by_channel(self, row: Row) -> bool:
        """Whether a bank's connection asks for this."""
        who = row.participant, row.operator_
        able = self.can_person_act(who)
        return able and self.persons[who].role == PersonRole.CHANNEL

    def mirror_of(self, number: int) -> int:
        """The account of kind bank of a bank account; those who know banks say it."""
        raise NotImplementedError

    def is_as_it_was(self, asked: Row) -> bool:
        """Whether a connection is one now, and neither it nor its participant was
        touched since it said this.
        """
        if not self.is_by_channel(asked):
            return False
        if not self.persons[asked.participant, asked.operator_].bank:
            return False
        who = asked.participant, asked.operator_
        newest = self.persons[who].sequence, self.participants[who[0]].sequence
        return max(newest) < asked.sequence

    def may_as_channel(self, row: Row) -> bool:
        """Whether a bank's connection asks for what it may: not too much of what its
        bank has booked for its own bank account, with or without the statement of
        that which a program of it wrote.
        """
        of_lines = row.kind == Kind.PROPOSE and row.total == PROPOSE_LINES
        if not of_lines or not self.is_by_channel(row):
            return False
        if row.amount > CHANNEL_AMOUNT_MAX:
            return False
        own = self.persons[row.participant, row.operator_].bank
        if not own:
            return False
        mirror, number = self.mirror_of(own), own.to_bytes(4, "little")
        lines = lines_of(row.tail or b"")
        booked = [
            line
            for line in lines
            if line.kind == Kind.BOOKED and line.debit | line.credit == mirror
        ]
        statements = [
            line
            for line in lines
            if line.kind == Kind.REGISTER
            and line.tail[:2] == bytes([Record.STATEMENT, Source.CAMT])
            and line.tail[4:8] == number
        ]
        return len(booked) + len(statements) == len(lines)

    def keep_in_mind(self, sequence: int, *, stops: bool) -> None:
        """Of a row that was signed: by its signature it is not told again."""
        self.signed.add(sequence)
        if stops and self.accepted(sequence) is not None:
            self.stops.add(sequence)

    # --- what must be a line of a proposal --------------------------------------------

    def needs_lines(self, row: Row) -> bool:
        """Whether this is done only as the row of a line."""
        if not self.persons or row.kind not in LINES or self.is_stop(row):
            return False
        if row.kind == Kind.TRANSFER:
            owed = bool(row.flags & RowFlag.OWED)
            return owed or not row.resolves or self.is_alone(row)
        if row.kind == Kind.REGISTER:
            record = (row.tail or b"")[0]
            first = record == Record.PERSON and (
                self.is_beginning()
                or self.is_beginning_third(row.tail or b"")
                or self.is_beginning_recoverer(row.tail or b"")
            )
            return record not in NOBODYS and not first
        return True

    def needs_approval(self, row: Row) -> bool:
        return self.needs_lines(row) or super().needs_approval(row)

    def is_approved(self, row: Row) -> bool:
        if self.needs_lines(row):
            return self.is_line(row)
        return super().is_approved(row)

    def is_line(self, row: Row) -> bool:
        """Whether the row is just that of a line which is approved, and not too old."""
        asked = self.accepted(row.proposal)
        if asked is None or asked.kind != Kind.PROPOSE or asked.total != PROPOSE_LINES:
            return False
        approval = self.approval_now(asked)
        if approval is None or row.checker != approval.participant:
            return False
        if not self.is_line_of(row, asked):
            return False
        if row.kind == Kind.FREEZE and row.flags & RowFlag.UNFREEZE:
            return self.freezes.get(row.debit, 0) < asked.sequence
        if row.kind == Kind.LIMIT:
            return self.limits.get(row.debit, 0) < asked.sequence
        if row.kind != Kind.REGISTER:
            return True
        tail = row.tail or b""
        newest = [self.newest_about(tail)]
        if tail[0] == Record.PARTICIPANT:
            newest.append(self.newest_let_in(tail))
        return max(newest) < asked.sequence

    def too_few_wanted(self, row: Row) -> Result:
        """What comes of the row of a line for how many have wanted it, and when: OK, if
        they were enough. The row is what was approved.
        """
        asked = self.rows[row.proposal - 1]
        register = row.kind == Kind.REGISTER and self.needs_lines(row)
        if register and asked.flags & RowFlag.RECOVERY:
            return self.is_recovery_due(asked)
        if not register or asked.flags & RowFlag.THIRD:
            return Result.OK
        if not self.widens(row.tail or b""):
            return Result.OK
        if len(self.approvers()) >= APPROVERS_ENOUGH:
            return Result.THIRD_NEEDED
        approval = self.approval_of(asked)
        assert approval is not None
        early = self.clock() - approval.timestamp < self.wait_days * DAY_S * SECOND_NS
        return Result.APPROVER_WAITS if early else Result.OK

    def approval_now(self, asked: Row) -> Row | None:
        if not asked.flags & RowFlag.EVIDENCE:
            return super().approval_now(asked)
        # A channel's needs nobody, as long as nobody has taken it back.
        late = self.clock() - asked.timestamp >= PROPOSAL_LIFE_NS
        stands = self.link_of(asked) is None and self.is_as_it_was(asked)
        return Row(Kind.APPROVE) if stands and not late else None

    def wanted_rows(self, asked: Row) -> list[list[Row]]:
        if asked.total != PROPOSE_LINES:
            return super().wanted_rows(asked)
        found: list[list[Row]] = []
        for number, line in enumerate(lines_of(asked.tail or b"")):
            id_ = signing.line_id(asked.id, number)
            row = self.accepted(self.ids.get((asked.participant, id_), 0))
            named = row is not None and row.total == asked.sequence
            known = row is not None and named and row.kind == line.kind
            found.append([row] if row is not None and known else [])
        return found

    def is_line_of(self, row: Row, asked: Row) -> bool:
        """Whether the proposal has a line that asks for just this."""
        lines = lines_of(asked.tail or b"")
        number = int.from_bytes(row.id[12:], "little")
        if number >= len(lines) or row.id != signing.line_id(asked.id, number):
            return False
        line = lines[number]
        own = line.kind in WITH_RECORD  # it will be the hash of its item
        wanted = Row(
            line.kind,
            id=row.id,
            amount=line.amount,
            resolves=line.resolves,
            reference=row.reference if own else line.reference,
            debit=line.debit,
            credit=line.credit,
            operator_=asked.operator_,
            checker=row.checker,
            participant=asked.participant,
            flags=line.flags,
            tail=line.tail or None,
            proposal=asked.sequence,
        )
        given = row.copy()
        given.tail = given.tail or None
        return given == wanted

    def newest_about(self, tail: bytes) -> int:
        """The newest row about the participant, service, person or beneficiary of a
        record, or about the thresholds or the schedule; or 0.
        """
        if tail[0] == Record.PARTICIPANT:
            index = self.participant_of.get(tail[8:40].rstrip(b"\0"), 0)
            return self.participants[index].sequence
        if tail[0] == Record.SERVICE:
            index = self.service_of.get(tail[8:24].rstrip(b"\0"), 0)
            return self.services[index - 1].sequence if index else 0
        if tail[0] == Record.PERSON:
            one = self.persons.get(struct.unpack_from("<II", tail, 4))
            return one.sequence if one else 0
        if tail[0] == Record.BENEFICIARY:
            beneficiary = self.beneficiaries.get(account_of(tail))
            return beneficiary.sequence if beneficiary else 0
        if tail[0] == Record.SCHEDULE:
            return self.schedule_row
        return self.thresholds_row if tail[0] == Record.THRESHOLDS else 0

    # --- proposals --------------------------------------------------------------------

    def check_propose(self, row: Row) -> Answer:
        answer = OK
        if row.total != PROPOSE_LINES:
            answer = super().check_propose(row)
        if answer.result != Result.OK or not self.persons:
            return answer
        count, _ = self.proposed[self.who_today(row)]
        full = count >= PROPOSALS_DAY_MAX
        return Answer(Result.DAY_COUNT_EXCEEDED) if full else OK

    def who_today(self, row: Row) -> tuple[Who, int]:
        """The person of a row that is to be made, and the day that it would be of."""
        return (row.participant, row.operator_), ist_day(self.clock())

    def do_propose(self, row: Row) -> None:
        if self.persons:
            today = self.proposed[self.who_today(row)]
            today[0] += 1
            today[1] += self.stake_of(row)
            if self.is_by_channel(row):
                row.flags |= RowFlag.EVIDENCE
            elif self.is_recoverer((row.participant, row.operator_)):
                row.flags |= RowFlag.RECOVERY
            elif self.needs_third(row, today[1]):
                row.flags |= RowFlag.THIRD
        super().do_propose(row)

    def stake_of(self, row: Row) -> int:
        """The money that a proposal moves or releases."""
        if row.total not in (Kind.POST, Kind.VOID, Kind.VERIFY):
            return row.amount
        hold = self.rows[row.resolves - 1]
        if row.total == Kind.POST or not hold.basket:
            return hold.amount
        lead, size = first_of_basket(hold), hold.basket >> 8
        return sum(member.amount for member in self.rows[lead - 1 : lead - 1 + size])

    def needs_third(self, row: Row, of_today: int) -> bool:
        """Whether it is of so much that three people have to want it, or could make
        two people a third of their own.
        """
        if self.is_about_who(row) and len(self.approvers()) >= APPROVERS_ENOUGH:
            return True
        if self.thresholds is None:
            return False
        single, batch, day = self.thresholds
        stake, sets = self.stake_of(row), False
        amounts = [stake]
        if row.total == PROPOSE_LINES:
            lines = lines_of(row.tail or b"")
            amounts = [line.amount for line in lines]
            thresholds = bytes([Record.THRESHOLDS])
            sets = any(
                line.kind == Kind.REGISTER and line.tail[:1] == thresholds
                for line in lines
            )
        return max(amounts) > single or stake > batch or of_today > day or sets

    def is_about_who(self, row: Row) -> bool:
        """Whether a line of a proposal is of a person, of a bank account or of a
        beneficiary, or widens.
        """
        if row.total != PROPOSE_LINES:
            return False
        records = [bytes([record]) for record in ABOUT_WHO]
        lines = lines_of(row.tail or b"")
        of = [line.tail for line in lines if line.kind == Kind.REGISTER]
        return any(tail[:1] in records or self.widens(tail) for tail in of)

    def is_for_approval(self, asked: Row) -> bool:
        by_channel = asked.kind == Kind.PROPOSE and asked.flags & RowFlag.EVIDENCE
        return super().is_for_approval(asked) and not by_channel

    def check_approve(self, row: Row) -> Answer:
        asked = self.accepted(row.resolves)
        wanted = b""
        if self.persons and asked is not None and asked.kind != Kind.SHIFT:
            wanted = signing.row_hash(asked, self.instance, said(asked))
        if row.reference.ljust(32, b"\0") != wanted.ljust(32, b"\0"):
            return Answer(Result.PROPOSAL_NOT_FOUND)
        return super().check_approve(row)
