"""What needs people: cases, proposals, approvals, shifts, each against its rules.

These rows move no money and are few, so they are taken one by one. What one of them
speaks of is read again at the end. Memory: 128 bytes for each of them, 8 for each
resolution of a hold.
"""

import hashlib
from typing import Final

import numpy as np

from switch.audit.approvals import Approvals
from switch.audit.deadlines import Deadlines
from switch.audit.findings import Findings
from switch.audit.holds import Holds, due_times
from switch.audit.kinds import CENTRE, HARNESS, MONEY, NUMBERED, TREASURY
from switch.audit.layout import (
    CASES_COUNT_MAX,
    EVIDENCE,
    KEEP,
    OK,
    ROW,
    SHIFT_RECORD,
    U64,
    Rows,
)
from switch.audit.reader import Journal
from switch.audit.register import Register
from switch.codes import AccountKind, CaseType, Kind

COPIED: Final = ("debit", "credit", "service", "participant", "operator_")
"""Fields that a case copies from its hold, beside the reference."""
ENDS: Final = {
    CaseType.LATE_CONFIRMATION: (Kind.VOID, Kind.EXPIRE),
    CaseType.LATE_REJECTION: (Kind.POST,),
}
"""What must have become of the hold before an answer to the contrary is a case."""
CORRECTS: Final = {
    Kind.TRANSFER: CaseType.LATE_CONFIRMATION,
    Kind.VOID: CaseType.DEADLINE_PASSED,
}
"""What can be proposed about a case of which type."""
KIND_BITS: Final = np.uint64(8)


class Cases:
    """Gathers while rows pass, judges in `finish`."""

    def __init__(
        self,
        register: Register,
        holds: Holds,
        deadlines: Deadlines,
        findings: Findings,
    ) -> None:
        """`register`, its accounts and `holds` are shared with the money rows."""
        self.register = register
        self.accounts = register.accounts
        self.approvals = Approvals(findings)
        self.holds = holds
        self.deadlines = deadlines
        self.findings = findings
        self._rows: list[np.void] = []
        self._once: dict[tuple[int, int, int], int] = {}
        self._shifts: dict[tuple[int, int, int], int] = {}
        self._ends: list[U64] = []
        self._corrections: list[Rows] = []

    def resolved(self, holds: Rows, rows: Rows) -> None:
        """Note what ended holds, for the cases that speak of them later."""
        self._ends.append(
            holds["sequence"] << KIND_BITS | rows["kind"].astype(np.uint64)
        )

    def corrected(self, rows: Rows) -> None:
        """Note accepted transfers that name a case."""
        self._corrections.append(rows)

    def apply(self, row: np.void, tail: bytes | None) -> None:
        """Take one accepted row of kind 16 to 20, at its place in the order."""
        kind, resolves = int(row["kind"]), int(row["resolves"])
        self._rows.append(row.copy())
        asks = kind in (Kind.PROPOSE, Kind.APPROVE) and self.register.rules
        if asks and (row["debit"] or row["credit"]):
            self._add(row, "it names an account, and speaks of none")
        about = int(row["total"]) if kind == Kind.CASE else 0
        if kind in (Kind.CASE, Kind.CASE_CLOSE, Kind.APPROVE):
            # Kinds that share a key resolve different kinds of rows.
            group = 0 if kind == Kind.CASE else 1
            key = group, resolves, about
            first = self._once.setdefault(key, int(row["sequence"]))
            if first != int(row["sequence"]):
                self._add(row, f"sequence {first} did the same for {resolves}")
        if kind in (Kind.CASE, Kind.CASE_CLOSE):
            self._count(row, 1 if kind == Kind.CASE else -1)
        if kind == Kind.SHIFT:
            self._follow(row)
            self._shift(row, tail or b"")
        elif about == CaseType.DEADLINE_PASSED:
            self._keep(row)

    def _add(self, row: np.void, text: str) -> None:
        self.findings.add("cases", int(row["sequence"]), text)

    def _count(self, row: np.void, more: int) -> None:
        """Open cases of both accounts; a count that was ever full stays so."""
        for account in (int(row["debit"]), int(row["credit"])):
            if not 1 <= account <= self.accounts.count:
                self._add(row, f"there is no account {account}")
                continue
            self.accounts["changed"][account] = row["sequence"]
            count = int(self.accounts["cases_count"][account])
            if count < CASES_COUNT_MAX:
                self.accounts["cases_count"][account] = max(count + more, 0)

    def _keep(self, row: np.void) -> None:
        """A deadline has passed: the hold was open, due, and one to be kept."""
        hold = self.holds.keep(int(row["resolves"]))
        if hold is None:
            self._add(row, f"{row['resolves']} is no open hold that was due")
        elif not hold["flags"][0] & KEEP or due_times(hold)[0] > row["timestamp"]:
            self._add(row, "its hold was not due, or is released by its deadline")
        else:
            self.deadlines.ended(hold, np.array([row], dtype=ROW))

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

    def finish(self, journal: Journal) -> None:
        """Judge what these rows speak of, reading it again."""
        self._corrected(journal)
        rows = np.array(self._rows, dtype=ROW)
        spoken_of = journal.rows_at(rows["resolves"])
        none = (spoken_of["result"] != OK) | (spoken_of["sequence"] >= rows["sequence"])
        ends = np.sort(np.concatenate(self._ends)) if self._ends else rows["total"][:0]
        for row, other, missing in zip(rows, spoken_of, none.tolist(), strict=True):
            kind = int(other["kind"]) if not missing else 0
            if row["kind"] == Kind.CASE:
                self._case(row, other, kind, ends)
            elif row["kind"] == Kind.CASE_CLOSE:
                if kind != Kind.CASE:
                    self._add(row, "what it closes is no case")
                elif any(row[name] != other[name] for name in ("debit", "credit")):
                    self._add(row, "it names other accounts than the case it closes")
            elif row["kind"] == Kind.PROPOSE:
                if row["total"] in CORRECTS:
                    about = CORRECTS[Kind(row["total"])]
                    if kind != Kind.CASE or other["total"] != about:
                        self._add(row, "what it proposes corrects no such case")
                elif not NUMBERED[kind] or row["total"] != Kind.REFUND:
                    self._add(row, "what it proposes is no refund of a payment")
                if row["amount"] == 0:
                    self._add(row, "it proposes to refund nothing")
            elif row["kind"] == Kind.APPROVE:
                self._approval(row, other, kind)
            elif row["kind"] == Kind.SHIFT and row["resolves"]:
                same = kind == Kind.SHIFT and other["debit"] == row["debit"]
                if not same or other["operator_"] != row["operator_"]:
                    self._add(row, "what it follows is no shift of this operator")
        self._closes(journal, rows)
        self._approved(journal, rows, spoken_of)
        self.approvals.finish(journal, rows, spoken_of)

    def _case(self, row: np.void, hold: np.void, kind: int, ends: U64) -> None:
        """A case says what its hold said, and an answer contradicts the hold's end."""
        if kind != Kind.HOLD:
            self._add(row, "it is about no hold")
            return
        if any(row[name] != hold[name] for name in COPIED) or (
            row["reference"].tolist() != hold["reference"].tolist()
        ):
            self._add(row, "it differs from the hold it is about")
        about = int(row["total"])
        if about not in list(CaseType):
            self._add(row, f"{about} is no type of case")
            return
        answered = about != CaseType.DEADLINE_PASSED
        if bool(int(row["flags"]) & EVIDENCE) != answered or row["amount"]:
            self._add(row, "a case is made by an answer, or by a deadline")
        if not answered:
            return
        first = np.uint64(int(hold["sequence"]) << int(KIND_BITS))
        at = int(np.searchsorted(ends, first))
        end = int(ends[at] - first) if at < len(ends) else 0
        if end not in ENDS[CaseType(about)]:
            self._add(row, "no answer contradicts what became of its hold")

    def _approval(self, row: np.void, asked: np.void, kind: int) -> None:
        """Another person than the one who asked."""
        if kind not in (Kind.PROPOSE, Kind.SHIFT):
            self._add(row, "what it approves is no proposal and no shift")
            return
        sender = int(row["participant"])
        role = int(self.register.roles[self.register.person(sender)])
        wallet = min(int(asked["debit"]), self.accounts.count)
        own = role == CENTRE and self.accounts["participant"][wallet] == sender
        may = role == TREASURY if kind == Kind.PROPOSE else own or role == HARNESS
        if not may:
            text = "its sender has no role that may approve that"
            self.findings.add("senders", int(row["sequence"]), text)
        if row["operator_"] == asked["operator_"] and (
            row["participant"] == asked["participant"] or kind == Kind.SHIFT
        ):
            self._add(row, "who asked for it approved it")

    def _corrected(self, journal: Journal) -> None:
        """A late confirmation is corrected once, with no more than was given back."""
        if not self._corrections:
            return
        rows = np.concatenate(self._corrections)
        cases = journal.rows_at(rows["resolves"])
        good = (cases["kind"] == Kind.CASE) & (cases["result"] == OK)
        good &= cases["total"] == CaseType.LATE_CONFIRMATION
        good &= cases["sequence"] < rows["sequence"]
        good &= (cases["debit"] == rows["debit"]) & (cases["credit"] == rows["credit"])
        good[good] &= (
            rows["amount"][good] <= journal.rows_at(cases["resolves"][good])["amount"]
        )
        text = "it names a case that it does not correct"
        self.findings.add_rows("cases", rows["sequence"][~good], text)
        _, first = np.unique(rows["resolves"], return_index=True)
        again = np.delete(rows["sequence"], first)
        text = "the case that it names was corrected before"
        self.findings.add_rows("cases", again, text)

    def _closes(self, journal: Journal, rows: Rows) -> None:
        """What put a case right moved money, and came before its close."""
        closes = rows[(rows["kind"] == Kind.CASE_CLOSE) & (rows["total"] != 0)]
        found = journal.rows_at(closes["total"])
        good = (found["result"] == OK) & MONEY[found["kind"]]
        good &= found["sequence"] < closes["sequence"]
        text = "what it names as the correction moved no money before it"
        self.findings.add_rows("cases", closes["sequence"][~good], text)

    def _approved(self, journal: Journal, rows: Rows, spoken_of: Rows) -> None:
        """The refund or correction behind an approval is the one that was proposed."""
        mine = (rows["kind"] == Kind.APPROVE) & (spoken_of["kind"] == Kind.PROPOSE)
        approvals, proposals = rows[mine], spoken_of[mine]
        behind = journal.rows_at(approvals["sequence"] + np.uint64(1))
        for row, asked, done in zip(approvals, proposals, behind, strict=True):
            if done["id"].tobytes() != refund_id(asked["id"].tobytes()):
                continue
            same = all(
                done[name] == asked[name]
                for name in ("participant", "resolves", "amount")
            )
            checked = done["checker"] == row["participant"]
            if done["kind"] != asked["total"] or not same or not checked:
                self._add(done, f"it is not what {asked['sequence']} proposed")


def refund_id(proposal: bytes) -> bytes:
    """The id of the refund or correction that a proposal with this id leads to."""
    return hashlib.blake2b(b"refund" + proposal, digest_size=32).digest()[:16]
