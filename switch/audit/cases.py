"""What needs people: cases, proposals, approvals, shifts, each taken at its place.

These rows are few, so they are taken one by one: here what they do to accounts and
holds, and what they say of themselves. What they speak of is read again at the end:
payments in `doubts`, proposals in `approvals`. Memory: 128 bytes for each of them, 16
for each resolution of a hold.
"""

from typing import Final

import numpy as np

from switch.audit.approvals import Approvals
from switch.audit.deadlines import Deadlines
from switch.audit.decided import Decided
from switch.audit.doubts import Doubts
from switch.audit.exceptions import Exceptions
from switch.audit.findings import Findings
from switch.audit.holds import Holds, due_times, sequences_of
from switch.audit.kinds import AUDITOR, CENTRE, HARNESS, KEEPS, NUMBERED, TREASURY, Move
from switch.audit.layout import (
    CASE,
    CORRECT_RULES,
    DECIDED_RULES,
    KEEP,
    OK,
    ROW,
    SHIFT_RECORD,
    U64,
    Mask,
    Rows,
)
from switch.audit.people import People
from switch.audit.reader import Journal
from switch.audit.refunds import Refunds
from switch.audit.refusals import Refusals
from switch.audit.register import Register
from switch.codes import PROPOSE_LINES, AccountKind, CaseType, Kind

SPEAKING: Final = frozenset((Kind.PROPOSE, Kind.APPROVE, Kind.WITHDRAW, Kind.SHIFT))
"""Kinds that speak of what is no hold and no case, which `doubts` has."""
JUDGED_SINCE: Final = 6
"""The version of the rules from which on whatever people want is newer than the word of
the payment's biller."""
TOGETHER: Final = 4_096
"""Rows that are taken one by one, and kept as one array."""
COUNTED: Final = {
    Move.CORRECTION: -1,
    Move.UNDOING: 0,
    Move.ADVANCE: 1,
    Move.RECOVERY: -1,
}
"""What a transfer that names a row adds to `cases_count` of its accounts."""


class Cases:
    """Gathers while rows pass, judges in `finish`."""

    def __init__(
        self,
        register: Register,
        holds: Holds,
        deadlines: Deadlines,
        people: People,
        findings: Findings,
    ) -> None:
        """`register`, its accounts and `holds` are shared with the money rows."""
        self.people = people
        self.register = register
        self.accounts = register.accounts
        self.approvals = Approvals(findings)
        self.holds = holds
        self.deadlines = deadlines
        self.findings = findings
        self._rows: list[Rows] = []
        self._single: list[np.void] = []
        self._shifts: dict[tuple[int, int, int], int] = {}
        self._ends: list[U64] = []

    def resolved(self, holds: Rows, rows: Rows) -> None:
        """Note what ended holds, for the rows that speak of them later."""
        self._ends.append(np.stack((holds["sequence"], rows["sequence"])))

    def moved(self, rows: Rows) -> None:
        """Take accepted transfers that name a hold, or an advance."""
        self._rows.append(rows)
        for row, move in zip(rows, self.accounts.moves(rows).tolist(), strict=True):
            self._count(row, COUNTED[Move(move)])
            if move == Move.CORRECTION:
                self.holds.unverified.discard(int(row["resolves"]))

    def apply(self, row: np.void, tail: bytes | None) -> None:
        """Take one accepted row of the people's kinds, at its place in the order."""
        kind = int(row["kind"])
        self._single.append(row.copy())
        if len(self._single) >= TOGETHER:
            self._flush()
        speaks = kind in (Kind.PROPOSE, Kind.APPROVE, Kind.WITHDRAW)
        if speaks and (row["debit"] or row["credit"]):
            self._add(row, "it names an account, and speaks of none")
        if kind == Kind.CASE:
            self._case(row)
        elif kind == Kind.CASE_CLOSE:
            self._count(row, 0)
        elif kind == Kind.VERIFY:
            self.holds.unverified.discard(int(row["resolves"]))
            self._count(row, -1)
        elif kind == Kind.SHIFT:
            self._follow(row)
            self._shift(row, tail or b"")

    def _add(self, row: np.void, text: str) -> None:
        self.findings.add("cases", int(row["sequence"]), text)

    def _flush(self) -> None:
        self._rows.append(np.array(self._single, dtype=ROW))
        self._single.clear()

    def _count(self, row: np.void, more: int) -> None:
        """What is in question of both accounts, which the row has changed."""
        for account in (int(row["debit"]), int(row["credit"])):
            if not 1 <= account <= self.accounts.count:
                self._add(row, f"there is no account {account}")
                continue
            self.accounts["changed"][account] = row["sequence"]
            count = int(self.accounts["cases_count"][account])
            self.accounts["cases_count"][account] = max(count + more, 0)

    def _case(self, row: np.void) -> None:
        """What a case does: it puts a payment in question, or keeps an open hold."""
        flags, about = int(row["flags"]), int(row["total"])
        doubts = about == CaseType.LATE_CONFIRMATION and flags & CASE
        self._count(row, 1 if doubts else 0)
        if flags & CASE and about != CaseType.LATE_CONFIRMATION:
            self._add(row, "it puts a payment in question, and its type never does")
        kept = self._keep(row) if about in KEEPS else False
        if bool(flags & KEEP) != kept:
            self._add(row, "its flags do not say whether it keeps its hold")

    def _keep(self, row: np.void) -> bool:
        """Let the hold of a case be due no more; whether it was due until now."""
        number, passed = int(row["resolves"]), row["total"] == CaseType.DEADLINE_PASSED
        open_, hold = self.holds.open_row(number), self.holds.keep(number)
        if passed and hold is None:
            self._add(row, f"{number} is no open hold that was due")
        if passed and hold is not None:
            early = due_times(hold)[0] > row["timestamp"]
            if early or not hold["flags"][0] & KEEP:
                self._add(row, "its hold was not due, or is released by its deadline")
        if open_ is None or hold is None:
            return False
        self.deadlines.ended(hold, np.array([row], dtype=ROW))
        for account in (int(row["debit"]), int(row["credit"])):
            if 1 <= account <= self.accounts.count:
                at = np.array([account])
                np.add.at(self.accounts["kept_count"], at, np.uint32(1))
                np.add.at(self.accounts["kept_amount"], at, hold["amount"])
        return True

    def _follow(self, row: np.void) -> None:
        """One shift follows another, and one is an operator's first at a wallet."""
        key = int(row["debit"]), int(row["operator_"]), int(row["resolves"])
        first = self._shifts.setdefault(key, int(row["sequence"]))
        if first != int(row["sequence"]):
            self._add(row, f"shift {first} follows the same one")

    def _shift(self, row: np.void, tail: bytes) -> None:
        """A shift is of a wallet, and says how cash and ledger differ."""
        wallet = int(row["debit"])
        if not 1 <= wallet <= self.accounts.count or (
            self.accounts["kind"][wallet] != AccountKind.WALLET
        ):
            self._add(row, f"account {wallet} is no wallet")
        if len(tail) < SHIFT_RECORD.itemsize:
            self._add(row, "the shift's record is too short")
            return
        record = np.frombuffer(tail, dtype=SHIFT_RECORD, count=1)[0]
        expected, counted = int(record["cash_expected"]), int(record["cash_counted"])
        difference = 1 if counted == expected else 2 if counted < expected else 3
        if record["operator_"] != row["operator_"]:
            self._add(row, "the shift's record is another operator's")
        if record["difference"] != difference or any(bytes(record["reserved"])):
            self._add(row, "the shift's record does not say how cash and ledger differ")

    def rows(self) -> Rows:
        """All that were taken, ascending."""
        self._flush()
        rows = np.concatenate(self._rows)
        self._rows = [rows[np.argsort(rows["sequence"])]]
        return self._rows[0]

    def settling(self) -> tuple[Rows, Mask, Mask]:
        """All that were taken, which of them correct a payment, and which undo that."""
        rows = self.rows()
        moves, transfers = self.accounts.moves(rows), rows["kind"] == Kind.TRANSFER
        corrections = transfers & (moves == Move.CORRECTION)
        return rows, corrections, transfers & (moves == Move.UNDOING)

    def finish(
        self, journal: Journal, refunds: Refunds, refusals: Refusals, now: int
    ) -> Exceptions:
        """Judge what these rows speak of, and what was refused for it, reading it
        again; gives what is open at the end, the time `now`. `refunds` are finished.
        """
        rows = self.rows()
        spoken_of = journal.rows_at(rows["resolves"])
        none = (spoken_of["result"] != OK) | (spoken_of["sequence"] >= rows["sequence"])
        spoken_of[none] = np.zeros((), ROW)
        for row, other in zip(rows, spoken_of, strict=True):
            if row["kind"] in SPEAKING:
                self._speaking(row, other, int(other["kind"]))
        since = self.register.rules_since(JUDGED_SINCE)
        unsigned = self.people.unsigned
        channels = self.people.channels
        decided = Decided(
            self.people.persons.abilities, self.register.rules_since(DECIDED_RULES)
        )
        self.approvals.finish(
            journal, self.accounts, rows, since, unsigned, channels, decided
        )
        self.people.lines.finish(journal, self.approvals)
        for sequence, text in decided.withdrew_done():
            self.findings.add("approvals", sequence, text)
        undone, exceptions = self.approvals.undone, Exceptions(now=now)
        doubts = Doubts(journal, self.accounts, refunds, self.findings, exceptions)
        doubts.undoable = self.register.rules_since(CORRECT_RULES)
        doubts.replay(rows, self._ends, refusals.doubtful, undone)
        expiries = doubts.ends.find(sequences_of(self.holds.unverified))
        exceptions.unverified(journal, expiries)
        asks = (rows["kind"] == Kind.PROPOSE) & (rows["total"] == Kind.REFUND)
        exceptions.refunds(journal, list(rows[asks]), undone, refunds)
        return exceptions

    def _speaking(self, row: np.void, other: np.void, kind: int) -> None:
        """What a row that is no case's, and speaks of another, says of that."""
        if row["kind"] == Kind.PROPOSE:
            if row["amount"] == 0 and row["total"] != PROPOSE_LINES:
                self._add(row, "it proposes nothing")
            if row["total"] == Kind.REFUND and not NUMBERED[kind]:
                self._add(row, "what it proposes is no refund of a payment")
        elif row["kind"] == Kind.APPROVE:
            self._approval(row, other, kind)
        elif row["kind"] == Kind.WITHDRAW:
            if kind != Kind.PROPOSE:
                self._add(row, "what it withdraws is no proposal")
        elif row["resolves"]:
            same = kind == Kind.SHIFT and other["debit"] == row["debit"]
            if not same or other["operator_"] != row["operator_"]:
                self._add(row, "what it follows is no shift of this operator")

    def _approval(self, row: np.void, asked: np.void, kind: int) -> None:
        """Another person than the one who asked."""
        stop = int(asked["sequence"]) in self.people.hashes
        if kind not in (Kind.PROPOSE, Kind.SHIFT) and not stop:
            self._add(row, "what it approves is no proposal, no shift and no stop")
            return
        sender = int(row["participant"])
        role = int(self.register.parties.roles[self.register.parties.place(sender)])
        wallet = min(int(asked["debit"]), self.accounts.count)
        own = role == CENTRE and self.accounts["participant"][wallet] == sender
        may = own or role == HARNESS
        if kind != Kind.SHIFT:
            recovery = self.people.recoveries.has(row)
            may = role == (AUDITOR if recovery else TREASURY)
        if not may:
            text = "its sender has no role that may approve that"
            self.findings.add("senders", int(row["sequence"]), text)
        if row["operator_"] == asked["operator_"] and (
            row["participant"] == asked["participant"] or kind == Kind.SHIFT
        ):
            self._add(row, "who asked for it approved it")
