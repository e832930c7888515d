"""Rows that registered people make: who signed them, could act then, and what for.

Each is judged at its place, as who may act changes; a signature is looked at where a
row must have one, and nowhere else. What was refused behind a signature had one, too.
In a ledger without people, and by rules before 8, nothing of this is asked. Memory: a
hash for each proposal and stop, 12 bytes for each shift, and what begins the ids of
each proposal of a bank's connection.
"""

import hashlib
import struct
from array import array
from bisect import bisect_left
from dataclasses import replace
from typing import Final

import numpy as np
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from switch.audit.accounts import Accounts
from switch.audit.approvers import Approvers
from switch.audit.findings import Findings
from switch.audit.kinds import BY_ONE, LINE, MONEY, OF_RECOVERY, Move
from switch.audit.layout import (
    APPROVER_RULES,
    CHANNEL_RULES,
    DECIDED_RULES,
    EMPTY_RULES,
    EVIDENCE,
    OK,
    RECOVERY_RULES,
    SIGNATURE_SIZE,
    STAKE_RULES,
    THIRD,
    UNFREEZE,
    Mask,
    Rows,
    ist_days,
    pick,
)
from switch.audit.lines import (
    Begin,
    Lines,
    Proposed,
    begin_of,
    named_by,
    parse,
    said_by,
)
from switch.audit.persons import PEOPLE_RULES, Person, Who
from switch.audit.recovery import ELSE, FLAG, Recoveries
from switch.audit.register import Register
from switch.audit.stakes import Stakes
from switch.codes import (
    PROPOSE_ADVANCE,
    PROPOSE_LINES,
    Kind,
    PersonRole,
    Record,
    Result,
)

MAGIC: Final = b"payswitch signed"
SIGNED_ROW: Final = struct.Struct("<16s16xQQ32sII4xI4xI2xBxH2xQ8x")
"""A row as it was asked for: of what is signed in no row there are zeros."""
NO_REFERENCE: Final = bytes(32)
PROPOSALS_DAY_MAX: Final = 256
MAKERS: Final = (PersonRole.MAKER, PersonRole.CHECKER)
PROPOSERS: Final = (*MAKERS, PersonRole.CHANNEL, PersonRole.RECOVERER)
CHECKERS: Final = (PersonRole.CHECKER,)
PROPOSES: Final = (
    *(Kind.POST, Kind.VOID, Kind.REFUND, Kind.TRANSFER, Kind.CASE_CLOSE),
    *(Kind.VERIFY, PROPOSE_ADVANCE, PROPOSE_LINES),
)
"""What may be proposed; of what was refused no row says it, but its signature does."""
REVOKERS: Final[dict[int, tuple[PersonRole, ...]]] = {
    Record.REVOCATION: MAKERS,
    Record.CONFIRMATION: CHECKERS,
}
ALONE: Final = (
    *(Record.CLOCK, Record.RULES, Record.MARGIN),
    *(Record.REVOCATION, Record.CONFIRMATION),
)
"""Records of the register that need no proposal."""
CHANNEL_AMOUNT_MAX: Final = 10**15
"""Of one proposal of a bank's connection, paise."""
TOO_MUCH: Final = "a bank's connection proposes more money than it may"
ALIEN: Final = "a bank's connection proposes more than its bank has booked"
OTHERS: Final = "a bank's connection speaks of a bank account that is not its own"
STOPPED: Final = "who told it, or its participant, was stopped, or changed, before it"
UNDONE: Final = "what needs a proposal of lines is refused without a row"


class People:
    """Judges rows as they pass."""

    def __init__(
        self, register: Register, findings: Findings, ledger: bytes, stakes: Stakes
    ) -> None:
        """`ledger`: instance and epoch, which are in all that is signed."""
        self.register = register
        self.persons = register.persons
        self.findings = findings
        self.approvers = Approvers(register)
        self.recoveries = Recoveries(register)
        self.lines = Lines(findings, self.approvers, self.recoveries)
        self.hashes: dict[int, bytes] = {}
        """Of accepted proposals and stops, by sequence: what their approvals name."""
        self.unsigned: set[int] = set()
        """Accepted rows that no person who might has signed."""
        self.channels = register.banks.channels
        # What the ids of the rows of each of these begin with.
        self._begins: dict[Begin, int] = {}
        self._ledger = MAGIC + ledger
        self._stakes = stakes
        self._shifts, self._wallets = array("Q"), array("I")
        self._days: dict[Who, list[int]] = {}
        self._keys: dict[bytes, Ed25519PublicKey] = {}

    def _add(self, check: str, row: np.void, text: str) -> None:
        self.findings.add(check, int(row["sequence"]), text)

    def single(self, row: np.void, tail: bytes | None) -> None:
        """Judge a row that moves no money, accepted or not, before it is applied."""
        kind, accepted = int(row["kind"]), bool(row["result"] == OK)
        if accepted and OF_RECOVERY[kind]:
            person = self.persons.people.get(_who(row))
            if not self.recoveries.flagged(row, person):
                self._add("people", row, FLAG)
        if kind == Kind.SHIFT and accepted:
            self._shifts.append(int(row["sequence"]))
            self._wallets.append(int(row["debit"]))
        elif kind == Kind.APPROVE:
            self._approve(row, tail)
        elif not self.persons.some:
            self._without(row, kind, accepted=accepted)
        elif kind == Kind.PROPOSE:
            self._propose(row, tail, accepted=accepted)
        elif kind == Kind.WITHDRAW:
            self._sign(row, tail, self.recoveries.roles(row, MAKERS))
        elif LINE[kind]:
            self._line(row, tail or b"", accepted=accepted)
        elif kind == Kind.WINDOW and row["participant"]:
            self._window(row, tail or b"")

    def _window(self, row: np.void, tail: bytes) -> None:
        """One that was asked for: the signature stands behind its lines, of which it
        says nothing.
        """
        if self.register.has(EMPTY_RULES):
            self._sign(row, tail[-SIGNATURE_SIZE:], MAKERS)

    def moved(self, rows: Rows, accounts: Accounts) -> None:
        """Take accepted rows that move money and may be lines."""
        others = (rows["kind"] == Kind.TRANSFER) & (rows["resolves"] != 0)
        if others.any():
            others &= ~np.isin(accounts.moves(rows), (*BY_ONE, Move.ENDING))
        rows = pick(rows, ~others)
        if self.persons.some:
            self.lines.needed(rows)
            for number in np.unique(rows["total"]).tolist():
                if not self._lasts(number):
                    done = rows["sequence"][rows["total"] == number]
                    self.findings.add_rows("lines", done, STOPPED)
        else:
            named = rows["sequence"][rows["total"] != 0]
            self.findings.add_rows("lines", named, "it names a proposal of nobody")

    def refused(self, rows: Rows) -> None:
        """Take refused rows that move money."""
        if self.persons.some:
            money: Mask = LINE[rows["kind"]] & MONEY[rows["kind"]]
            told = rows["result"] == Result.BOOKED_DIFFERS
            undone = rows["sequence"][money & ~told]
            self.findings.add_rows("refusals", undone, UNDONE)
            if (told := told & money).any():
                rows = pick(rows, told)
                self.lines.refused(rows)
                for row in rows:
                    if not self._lasts(self._begins.get(named_by(row), 0)):
                        self._add("lines", row, STOPPED)

    def _lasts(self, number: int) -> bool:
        """Whether what a proposal says can be done by now as far as its person goes, if
        that is a bank's connection: it could still act, and nobody has changed it, nor
        its participant.
        """
        if (who := self.channels.get(number)) is None:
            return True
        person = self.persons.people[who]
        said = self.register.sequences
        same = said.get((int(Record.PERSON), self.persons.places[who]), 0) < number
        if self.register.know_payouts:
            same &= said.get((int(Record.PARTICIPANT), who[0]), 0) < number
        able = person.role == PersonRole.CHANNEL and self.persons.can_act(person)
        if self.register.has(CHANNEL_RULES):
            able &= person.bank != 0
        return same and able

    def _without(self, row: np.void, kind: int, *, accepted: bool) -> None:
        """In a ledger without people nobody signs, and nothing is a line."""
        if not accepted:
            if kind == Kind.PROPOSE and not row["amount"]:
                self._add("people", row, "it proposes nothing, and has no row")
            return
        if LINE[kind] and row["total"]:
            self._add("lines", row, "it names a proposal of nobody")
        elif kind == Kind.PROPOSE:
            if row["total"] == PROPOSE_LINES:
                text = "it proposes lines in a ledger without people"
                self._add("people", row, text)
            if int(row["flags"]) & THIRD:
                self._add("people", row, "it asks for a third person, and has none")
            if int(row["flags"]) & EVIDENCE:
                self._add("people", row, "no bank's connection has signed it")

    def _propose(self, row: np.void, tail: bytes | None, *, accepted: bool) -> None:
        """A proposal, whatever it asks for."""
        person = self.persons.people.get(_who(row))
        channel = person is not None and person.role == PersonRole.CHANNEL
        recovers = person is not None and person.role == PersonRole.RECOVERER
        if recovers and not self.recoveries.is_one(row, parse(tail or b"")):
            self._add("people", row, ELSE)
            if accepted:
                self.unsigned.add(int(row["sequence"]))
        if not accepted:
            bound = channel or recovers
            totals = PROPOSES if row["amount"] and not bound else PROPOSES[-1:]
            self._sign(row, tail, PROPOSERS, totals)
            if channel and not ((told := _told(tail)) and told.told):
                self._add("people", row, ALIEN)
            elif channel and told and not self._is_own(person, told):
                self._add("people", row, OTHERS)
            if channel and row["amount"] > CHANNEL_AMOUNT_MAX:
                self._add("people", row, TOO_MUCH)
            who = _who(row)
            full = self._day(row)[1] >= PROPOSALS_DAY_MAX
            if row["result"] == Result.DAY_COUNT_EXCEEDED and not full:
                text = f"{who} had not proposed {PROPOSALS_DAY_MAX} times that day"
                self._add("refusals", row, text)
            return
        self._sign(row, tail, PROPOSERS)
        if recovers:
            self.recoveries.begun.add(int(row["sequence"]))
        self.hashes[int(row["sequence"])] = self._hash(row, tail)
        said, lines = Proposed(int(row["amount"])), row["total"] == PROPOSE_LINES
        if lines:
            said = self.lines.propose(row, tail or b"", self.register.version)
        if channel:
            self.channels[int(row["sequence"])] = _who(row)
            self._begins[begin_of(row)] = int(row["sequence"])
            if not said.told or not self._is_own(person, said):
                self._add("people", row, OTHERS if said.told else ALIEN)
                self.unsigned.add(int(row["sequence"]))
            if row["amount"] > CHANNEL_AMOUNT_MAX:
                self._add("people", row, TOO_MUCH)
        if bool(int(row["flags"]) & EVIDENCE) != channel:
            text = "its flags do not say whether a bank's connection has signed it"
            self._add("people", row, text)
        day = self._day(row)
        if day[1] >= PROPOSALS_DAY_MAX:
            self._add("people", row, "its person has proposed 256 times that day")
        day[1] += 1
        stake = self._stakes(row)
        day[2] += int(row["amount"])
        day[3] += stake
        today = day[2]
        if self.register.has(STAKE_RULES):
            today, said = day[3], said if lines else replace(said, most=stake)
        else:
            stake = int(row["amount"])
        bound = channel or recovers
        three = not bound and self._three(stake, said, today)
        if bool(int(row["flags"]) & THIRD) != three:
            text = "its flags do not say whether a third person is needed"
            self._add("people", row, text)

    def _is_own(self, person: Person | None, said: Proposed) -> bool:
        """Whether all that a bank's connection says is of its one bank account."""
        if person is None or not self.register.has(CHANNEL_RULES):
            return True
        if not 0 < person.bank <= len(self.register.banks.known):
            return False
        own = self.register.banks.known[person.bank - 1]
        return said.mirrors <= {own.mirror} and said.bank in (0, person.bank)

    def _day(self, row: np.void) -> list[int]:
        """Of the person of a proposal: the IST day, how many of it, the sums of their
        amounts and of their stakes.
        """
        today = int(ist_days(row["timestamp"]))
        day = self._days.setdefault(_who(row), [today, 0, 0, 0])
        if day[0] != today:
            day[:] = [today, 0, 0, 0]
        return day

    def _three(self, stake: int, said: Proposed, day: int) -> bool:
        """Whether an accepted proposal needs a third person, behind which all that its
        person has proposed that day is `day` paise.
        """
        many = said.people and self.register.know_banks
        many |= any(map(self.approvers.widens, said.register))
        if many and self.approvers.are_three:
            return True
        bounds = self.persons.thresholds
        if bounds is None:
            return False
        past = said.most > bounds.single or stake > bounds.batch
        return past or day > bounds.day or said.thresholds

    def _approve(self, row: np.void, tail: bytes | None) -> None:
        """An approval, of a proposal, a stop or a shift; or of nothing."""
        about, result = int(row["resolves"]), int(row["result"])
        shift = self._shift_at(about) is not None
        if self.persons.some and not shift:
            self._sign(row, tail, self.recoveries.roles(row, CHECKERS))
            if result == OK:
                self.recoveries.approved(row)
        judged = result != Result.PROPOSAL_NOT_FOUND
        judged |= 0 < self.register.version < PEOPLE_RULES
        if judged and not self.names(row):
            text = "its reference is not the hash of what it approves"
            self._add("people", row, text)

    def _shift_at(self, sequence: int) -> int | None:
        """Which of the shifts a row is, None if it is none."""
        at = bisect_left(self._shifts, sequence)
        there = at < len(self._shifts) and self._shifts[at] == sequence
        return at if there else None

    def wallet_of(self, shift: int) -> int:
        """The account that an accepted shift names, 0 for a row that is none."""
        at = self._shift_at(shift)
        return 0 if at is None else self._wallets[at]

    def names(self, row: np.void) -> bool:
        """Whether the reference of an approval is what it must be."""
        wanted = self.hashes.get(int(row["resolves"]), NO_REFERENCE)
        return bool(row["reference"].tobytes() == wanted)

    def _line(self, row: np.void, tail: bytes, *, accepted: bool) -> None:
        """A row without money that needs a proposal of lines, if it is no stop."""
        stops = self._stops(row, tail)
        if accepted and stops:
            self.hashes[int(row["sequence"])] = self._hash(row, tail)
        if accepted and row["total"]:
            self.lines.needed(np.array([row]))
            if row["kind"] == Kind.REGISTER:
                self.approvers.note(row, tail)
            if not self._lasts(int(row["total"])):
                self._add("lines", row, STOPPED)
            if self._newest(row, tail) >= int(row["total"]):
                text = "a newer row speaks of the same than its proposal"
                self._add("lines", row, text)
        elif stops:
            self._sign(row, tail, MAKERS)
        elif revokes := self._revokes(row, tail):
            self._sign(row, tail, revokes)
        elif self._alone(row, tail):
            pass
        elif accepted:
            self.lines.needed(np.array([row]))
        else:
            self._add("refusals", row, UNDONE)

    def _newest(self, row: np.void, tail: bytes) -> int:
        """The newest row that must be older than the proposal of this one, or 0."""
        if row["kind"] == Kind.REGISTER:
            return max(self.register.newest(tail), self.approvers.newest(tail))
        if row["kind"] == Kind.LIMIT:
            # Those of rules that did not ask for it are older than any proposal.
            known = self.register.has(DECIDED_RULES)
            return self.register.limits.get(int(row["debit"]), 0) if known else 0
        thaws = row["kind"] == Kind.FREEZE and int(row["flags"]) & UNFREEZE
        return self.register.freezes.get(int(row["debit"]), 0) if thaws else 0

    def _stops(self, row: np.void, tail: bytes) -> bool:
        """Whether one person may do what a row says by its own word."""
        if row["kind"] == Kind.FREEZE:
            return not int(row["flags"]) & UNFREEZE
        return bool(row["kind"] == Kind.REGISTER and self.register.switches_off(tail))

    def _revokes(self, row: np.void, tail: bytes) -> tuple[PersonRole, ...]:
        """Who must have signed a row about the revocation of a certificate; nobody any
        other row, nor by rules that did not ask for that.
        """
        record = tail[0] if row["kind"] == Kind.REGISTER and tail else 0
        known = self.register.know_payouts
        return REVOKERS.get(record, ()) if known else ()

    def _alone(self, row: np.void, tail: bytes) -> bool:
        """Whether a row needs no proposal although it is no stop."""
        record = tail[0] if row["kind"] == Kind.REGISTER and tail else 0
        count = self.register.accounts.count
        begins = self.persons.begin(count)
        if record == Record.PERSON and self.register.has(APPROVER_RULES):
            begins |= self.persons.begin_third(row, tail, count)
        if record == Record.PERSON and self.register.has(RECOVERY_RULES):
            begins |= self.persons.begin_recoverer(row, tail, count)
        return record in ALONE or (record == Record.PERSON and begins)

    def _hash(
        self, row: np.void, tail: bytes | None, total: int | None = None
    ) -> bytes:
        """What is signed of a row; of a refused proposal what it asked for, too."""
        kind = int(row["kind"])
        # Of these two the reference is the ledger's: the hash of the item.
        own = kind in (Kind.REGISTER, Kind.WINDOW)
        if total is None:
            total = int(row["total"]) if kind == Kind.PROPOSE else 0
        asked = SIGNED_ROW.pack(
            row["id"].tobytes(),
            int(row["amount"]),
            int(row["resolves"]),
            NO_REFERENCE if own else row["reference"].tobytes(),
            0 if own else int(row["debit"]),
            int(row["credit"]),
            int(row["operator_"]),
            int(row["participant"]),
            kind,
            int(row["flags"]) & UNFREEZE,
            total,
        )
        data = self._ledger + asked + (tail or b"")[:-SIGNATURE_SIZE]
        return hashlib.blake2b(data, digest_size=32).digest()

    def _sign(
        self,
        row: np.void,
        tail: bytes | None,
        roles: tuple[PersonRole, ...],
        totals: tuple[int | None, ...] = (None,),
    ) -> None:
        """A row is signed by somebody of some roles who could act then; `totals` are
        what it may have asked for.
        """
        person = self.persons.people.get(_who(row))
        if tail is None or len(tail) < SIGNATURE_SIZE:
            text = "nobody has signed it"
        elif person is None:
            text = "who signed it is not registered"
        elif not self._able(person):
            text = "who signed it could not act then"
        elif person.role not in roles:
            text = "who signed it may not do that"
        elif not any(
            self._right(person, self._hash(row, tail, total), tail) for total in totals
        ):
            text = "its signature is not its person's, of this row"
        else:
            return
        self._add("people", row, text)
        if row["result"] == OK:
            self.unsigned.add(int(row["sequence"]))

    def _able(self, person: Person) -> bool:
        """Whether one can act by now, or recover if it is for that."""
        if person.role == PersonRole.RECOVERER:
            return self.persons.can_recover(person)
        return self.persons.can_act(person)

    def _right(self, person: Person, hash_: bytes, tail: bytes) -> bool:
        """Whether what a tail ends in is a person's signature of a hash."""
        try:
            key = self._keys.get(person.key)
            if key is None:
                key = Ed25519PublicKey.from_public_bytes(person.key)
                self._keys[person.key] = key
            key.verify(tail[-SIGNATURE_SIZE:], hash_)
        except (InvalidSignature, ValueError):
            return False
        return True


def _told(tail: bytes | None) -> Proposed | None:
    """What the lines of a proposal's item say; None if they are not whole."""
    found = parse(tail or b"")
    return said_by(*found) if found else None


def _who(row: np.void) -> Who:
    """The person that a row names."""
    return int(row["participant"]), int(row["operator_"])
