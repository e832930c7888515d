"""Payments that people look at, replayed hold by hold when all rows have passed.

A payment is *in question* from the expiry that gave it back, and from a late
confirmation, to the verify or the correction that ends it. What cases, verifies,
corrections, undoings, advances, recoveries, closes and proposals may say goes by that,
so the rows of one hold are taken in their order; those that were refused show whether
they had the cause that they name. Memory: as `cases` says, and that of 4,096 holds at
a time.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from switch.audit.accounts import Accounts
from switch.audit.approvals import Undone
from switch.audit.doubt import Doubt, Outcome
from switch.audit.exceptions import Exceptions
from switch.audit.findings import Findings
from switch.audit.kinds import CASES, KEEPS, Move
from switch.audit.layout import (
    CASE,
    CLAIM,
    COPIED_FLAGS,
    EVIDENCE,
    OK,
    PARTIAL,
    ROW,
    U64,
    UNDOES,
    Index,
    Rows,
    pick,
)
from switch.audit.reader import Journal
from switch.audit.refunds import Refunds
from switch.codes import PROPOSE_LINES, CaseType, Kind, Result

R = Result
HOLDS_TOGETHER: Final = 4_096
COPIED: Final = ("debit", "credit", "service", "participant", "operator_")
"""Fields that cases and verifies copy from their hold, beside the reference."""
ABOUT: Final = (Kind.CASE, Kind.CASE_CLOSE, Kind.VERIFY, Kind.PROPOSE, Kind.TRANSFER)
"""Kinds that speak of holds, by themselves or through a case or an advance."""
WRONG: Final[dict[tuple[int, int], str]] = {
    (Kind.POST, R.CASE_NOT_FOUND): "it proposes to post a hold that is not kept",
    (Kind.VOID, R.CASE_NOT_FOUND): "it proposes to void a hold that is not kept",
    (Move.ADVANCE, R.CASE_NOT_FOUND): "it proposes to advance what is not kept",
    (Move.CORRECTION, R.CASE_NOT_FOUND): (
        "it proposes to correct what no open late confirmation is about"
    ),
    (Kind.VERIFY, R.CASE_NOT_FOUND): "it proposes to verify what is not in question",
    (Kind.CASE_CLOSE, R.CASE_NOT_FOUND): (
        "it proposes to close what is no case that people close"
    ),
    (Kind.CASE_CLOSE, R.CASE_CLOSED): "it proposes to close a case that is over",
}
"""What is wrong with an accepted proposal, by what it asks for and what it should have
been told."""
MOVED: Final[dict[tuple[int, int], str]] = {
    (Move.CORRECTION, R.CASE_CLOSED): (
        "it corrects what no open late confirmation is about"
    ),
    (Move.CORRECTION, R.ACCOUNT_KIND_WRONG): "it corrects a payment of other accounts",
    (Move.CORRECTION, R.EXCEEDS_HOLD): "it corrects more than was held",
    (Move.CORRECTION, R.HOLD_NOT_FOUND): "it corrects what is no hold",
    (Move.ADVANCE, R.HOLD_NOT_FOUND): "it advances a hold that is not kept",
    (Move.ADVANCE, R.CASE_CLOSED): "its hold was advanced before",
    (Move.ADVANCE, R.ACCOUNT_KIND_WRONG): "it advances to another wallet",
    (Move.ADVANCE, R.EXCEEDS_HOLD): "it advances more than was held",
    (Move.UNDOING, R.CASE_NOT_FOUND): "what it undoes was never corrected",
    (Move.UNDOING, R.ACCOUNT_KIND_WRONG): "it undoes a correction of other accounts",
    (Move.UNDOING, R.NET_DIFFERS): "it takes back another amount than was corrected",
    (Move.UNDOING, R.CASE_CLOSED): "it undoes what its biller does not reject by then",
    (Move.RECOVERY, R.CASE_NOT_FOUND): "what it takes back is no advance",
    (Move.RECOVERY, R.ACCOUNT_KIND_WRONG): "it takes an advance back from others",
    (Move.RECOVERY, R.NET_DIFFERS): "it takes back another amount than was advanced",
    (Move.RECOVERY, R.CASE_CLOSED): "the advance was taken back before",
}
"""The same of transfers."""


@dataclass
class Resolved:
    """Which row ended each hold; both ascending by hold."""

    holds: U64
    rows: U64

    @classmethod
    def of(cls, parts: list[U64]) -> "Resolved":
        """All that were noted."""
        none = np.empty((2, 0), dtype=np.uint64)
        holds, rows = np.concatenate([none, *parts], axis=1)
        order = np.argsort(holds)
        return cls(holds[order], rows[order])

    def find(self, holds: U64) -> U64:
        """The rows that ended some holds, 0 for none."""
        at = np.searchsorted(self.holds, holds)
        known = at < len(self.holds)
        at[~known] = 0
        found = np.zeros(len(holds), dtype=np.uint64)
        known[known] = self.holds[at[known]] == holds[known]
        found[known] = self.rows[at[known]]
        return found


class Doubts:
    """Replays the rows of each hold that people have looked at."""

    def __init__(
        self,
        journal: Journal,
        accounts: Accounts,
        refunds: Refunds,
        findings: Findings,
        exceptions: Exceptions,
    ) -> None:
        """`refunds` are finished; `exceptions` takes what is open at the end."""
        self.journal = journal
        self.accounts = accounts
        self.refunds = refunds
        self.findings = findings
        self.exceptions = exceptions
        self.ends = Resolved.of([])
        self.undoable = 0
        # From which row on corrections say what they do to claims, and may be undone.

    def replay(
        self,
        rows: Rows,
        ends: list[U64],
        refused: list[Rows],
        undone: Undone,
    ) -> None:
        """Judge accepted `rows` and `refused` ones, with what ended holds; `undone` is
        what was approved and not done.
        """
        self.ends = Resolved.of(ends)
        rows = np.concatenate([pick(rows, _speaks(rows)), *refused, np.empty(0, ROW)])
        subjects = self._subjects(rows)
        order = np.lexsort((rows["sequence"], subjects))
        rows, subjects = pick(rows, order), subjects[order]
        moves = self.accounts.moves(rows).tolist()
        holds, first = np.unique(subjects, return_index=True)
        last = np.append(first[1:], len(rows))
        for start in range(0, len(holds), HOLDS_TOGETHER):
            part = slice(start, start + HOLDS_TOGETHER)
            about = self.journal.rows_at(holds[part])
            final = self.journal.rows_at(self.ends.find(holds[part]))
            for hold, end, low, high in zip(
                about, final, first[part].tolist(), last[part].tolist(), strict=True
            ):
                doubt = Doubt(hold, end, self.refunds)
                for row, move in zip(rows[low:high], moves[low:high], strict=True):
                    doubt.come_to(int(row["sequence"]))
                    self._row(doubt, row, move)
                self.exceptions.of(doubt, undone)

    def _subjects(self, rows: Rows) -> U64:
        """The hold that each row is about, 0 for none."""
        about = self.journal.rows_at(rows["resolves"])
        gone = about["sequence"] >= rows["sequence"]
        about[gone | (about["result"] != OK)] = np.zeros((), ROW)
        recovers = rows["kind"] == Kind.TRANSFER
        recovers &= self.accounts.moves(rows) == Move.RECOVERY
        through = recovers | (rows["kind"] == Kind.CASE_CLOSE)
        through |= (rows["kind"] == Kind.PROPOSE) & (about["kind"] == Kind.CASE)
        subjects: U64 = np.where(through, about["resolves"], rows["resolves"])
        return subjects

    def _row(self, doubt: Doubt, row: np.void, move: int) -> None:
        """Judge one row of a hold by what was before it, and take it."""
        if row["result"] != OK:
            self._refused(doubt, row, move)
        elif row["kind"] == Kind.CASE:
            self._case(doubt, row)
        elif row["kind"] == Kind.VERIFY:
            self._verify(doubt, row)
        elif row["kind"] == Kind.PROPOSE:
            self._propose(doubt, row)
        elif row["kind"] == Kind.CASE_CLOSE:
            self._close(doubt, row)
        else:
            self._moved(doubt, row, Move(move))

    def _add(self, row: np.void, text: str) -> None:
        self.findings.add("cases", int(row["sequence"]), text)

    def _refused(self, doubt: Doubt, row: np.void, move: int) -> None:
        """A refusal has the cause that it names, and names the row in the way."""
        result, other = R(int(row["result"])), int(row["total"])
        if row["kind"] == Kind.PROPOSE:
            told = self._refused_proposal(doubt, row)
        else:
            told = doubt.moving(row, Move(move))
        if told.result != result or told.other != other:
            text = f"{result.name}, and the rows before it show no cause"
            self.findings.add("refusals", int(row["sequence"]), text)

    @staticmethod
    def _refused_proposal(doubt: Doubt, row: np.void) -> Outcome:
        """What a proposal could have been told, whatever it asked for."""
        if row["result"] == R.CASE_CLOSED:
            return doubt.closing(row)
        if not doubt.known or row["resolves"] != doubt.hold["sequence"]:
            return Outcome(R.HOLD_NOT_FOUND)
        over = row["amount"] > doubt.hold["amount"]
        return Outcome(R.EXCEEDS_HOLD if over else R.OK)

    def _copies(self, doubt: Doubt, row: np.void) -> bool:
        """A case or verify says what its hold said; whether it is about one."""
        hold = doubt.hold
        if not doubt.known:
            self._add(row, "it is about no hold")
            return False
        names = (*COPIED, "reference")
        differs = any(row[name].tobytes() != hold[name].tobytes() for name in names)
        if row["kind"] == Kind.VERIFY:
            differs |= bool(row["basket"] != hold["basket"])
            differs |= bool((row["flags"] ^ hold["flags"]) & np.uint16(COPIED_FLAGS))
        if differs:
            self._add(row, "it differs from the hold it is about")
        return True

    def _case(self, doubt: Doubt, row: np.void) -> None:
        """An answer contradicts what became of a hold, or a deadline has passed."""
        if not self._copies(doubt, row):
            return
        about, flags = int(row["total"]), int(row["flags"])
        if about not in CASES:
            self._add(row, f"{about} is no type of case")
            return
        if bool(flags & EVIDENCE) != (about != CaseType.DEADLINE_PASSED):
            self._add(row, "a case is made by an answer, or by a deadline")
        late = about == CaseType.LATE_CONFIRMATION
        if late and bool(flags & CASE) == doubt.in_question:
            text = "its flags do not say whether it puts its payment in question"
            self._add(row, text)
        if problem := self._contradiction(doubt, row, CaseType(about)):
            self._add(row, problem)
        doubt.cases[int(row["sequence"])] = row
        if about == CaseType.LATE_CONFIRMATION:
            doubt.confirmed = row
        elif about == CaseType.LATE_REJECTION:
            doubt.rejected = row
        elif about == CaseType.AMOUNT_DIFFERS:
            doubt.differing = row
        if about in KEEPS and not doubt.ended and doubt.kept_by is None:
            doubt.kept_by = row

    def _contradiction(self, doubt: Doubt, row: np.void, about: CaseType) -> str:
        """Why a case has no cause; empty if it has one."""
        before = None
        if about == CaseType.LATE_CONFIRMATION:
            if doubt.ended not in (Kind.VOID, Kind.EXPIRE):
                return "no answer contradicts what became of its hold"
            if doubt.corrected is not None:
                return "its payment was corrected before, and so is credited rightly"
            before = doubt.confirmed if doubt.late else None
        elif about == CaseType.LATE_REJECTION:
            if doubt.ended != Kind.POST and doubt.corrected is None:
                return "no answer contradicts what became of its hold"
            if doubt.refunded and doubt.corrected is None:
                return "its payment was wholly refunded, and nothing contradicts that"
            before = doubt.rejected if doubt.open_rejection else None
        elif about == CaseType.AMOUNT_DIFFERS:
            if doubt.ended not in (0, Kind.POST) and doubt.corrected is None:
                return "no answer contradicts what became of its hold"
            # Who rejected it late has no money for it once it is refunded.
            given_up = doubt.rejected is not None and doubt.refunded > 0
            if int(row["amount"]) in self._asked(doubt) and not given_up:
                return "the amount that it names is the one that was asked about"
            before = doubt.differing if doubt.open_difference else None
        if before is not None:
            return f"sequence {before['sequence']} says the same, and is open"
        return ""

    def _asked(self, doubt: Doubt) -> set[int]:
        """The amounts that a biller's answer may name without another one differing."""
        hold = doubt.hold
        size, place = int(hold["basket"]) >> 8, int(hold["basket"]) & 0xFF
        amounts = {int(hold["amount"])}
        if size:
            first = int(hold["sequence"]) - place
            basket = self.journal.rows_at(
                np.arange(first, first + size, dtype=np.uint64)
            )
            amounts = {sum(basket["amount"].tolist())}
        paid = doubt.final if doubt.ended == Kind.POST else doubt.corrected
        if paid is not None and paid["amount"] != hold["amount"]:
            # Of what was paid in part only that part is right; a basket is asked about
            # as a whole.
            amounts = set() if size else {int(paid["amount"])}
        return amounts

    def _verify(self, doubt: Doubt, row: np.void) -> None:
        """A biller, or two people, found that what is in question was not credited."""
        if not self._copies(doubt, row):
            return
        if not doubt.in_question:
            self._add(row, "it verifies a payment that was not in question")
        alone = bool(int(row["flags"]) & EVIDENCE)
        rejected = bool(int(doubt.final["flags"]) & EVIDENCE)
        if alone and doubt.verified is not None:
            text = f"sequence {doubt.verified['sequence']} has verified it before"
            self._add(row, f"{text}: a second time needs two people")
        elif alone and rejected and doubt.ended == Kind.VOID:
            text = "its biller has rejected it before: to say so again needs two"
            self._add(row, f"{text} people")
        doubt.verified = row

    def _propose(self, doubt: Doubt, row: np.void) -> None:
        """What is proposed could be done by then."""
        what = int(row["total"])
        if what not in Doubt.PROPOSED:
            self._add(row, f"{what} is nothing that is proposed")
            return
        told = doubt.proposing(row)
        if told.result == R.HOLD_NOT_FOUND:
            self._add(row, "what it proposes is about no hold")
        elif told.result == R.EXCEEDS_HOLD:
            self._add(row, "it proposes more than was held")
        elif told.result != R.OK:
            self._add(row, WRONG[what, told.result])
        doubt.proposed.append(row)

    def _close(self, doubt: Doubt, row: np.void) -> None:
        """People close what no other row ends."""
        told, case = doubt.closing(row), doubt.cases.get(int(row["resolves"]))
        if case is None:
            self._add(row, "what it closes is no case")
            return
        if told.result == R.CASE_NOT_FOUND:
            self._add(row, "it closes a case that its payment's own rows end")
        elif told.result == R.CASE_CLOSED:
            self._add(row, f"sequence {told.other} has ended the case before")
        if any(row[name] != case[name] for name in ("debit", "credit")):
            self._add(row, "it names other accounts than the case it closes")
        doubt.closes.setdefault(int(row["resolves"]), int(row["sequence"]))

    def _moved(self, doubt: Doubt, row: np.void, move: Move) -> None:
        """Money moves because of a payment in question, or of one that is kept."""
        told = doubt.moving(row, move)
        known = int(row["sequence"]) >= self.undoable
        if move == Move.UNDOING and not known:
            self._add(row, "it undoes a correction, and its rules know no undoing")
        elif move == Move.CORRECTION and doubt.known and not doubt.ended:
            self._add(row, "it corrects a hold that is open")
        elif told.result != R.OK:
            self._add(row, MOVED[move, told.result])
        if bool(int(row["flags"]) & CASE) != (move == Move.CORRECTION):
            self._add(row, "its flags do not say whether it corrects a payment")
        if bool(int(row["flags"]) & UNDOES) != (move == Move.UNDOING):
            self._add(row, "its flags do not say whether it undoes a correction")
        copies = known and move in (Move.CORRECTION, Move.UNDOING)
        copied = int(doubt.hold["flags"]) & (CLAIM | PARTIAL) if copies else 0
        if int(row["flags"]) & (CLAIM | PARTIAL) != copied:
            self._add(row, "its flags do not say what its hold had claimed")
        if move == Move.RECOVERY:
            doubt.recovered = doubt.recovered if doubt.recovered is not None else row
        elif move == Move.ADVANCE:
            doubt.advanced = doubt.advanced if doubt.advanced is not None else row
        elif move == Move.UNDOING:
            doubt.corrected, doubt.undone, doubt.verified = None, row, row
        else:
            doubt.corrected = row


def _speaks(rows: Rows) -> Index:
    """Which accepted rows are about a hold."""
    others = np.isin(rows["total"], (Kind.REFUND, PROPOSE_LINES))
    others &= rows["kind"] == Kind.PROPOSE
    speaks: Index = np.flatnonzero(np.isin(rows["kind"], ABOUT) & ~others)
    return speaks
