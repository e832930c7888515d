"""Cash that is handed out: of what gave it back, by whose wallet has it, and once.

Where a row stands is judged at its place. What gave the money back is read again when
all rows have passed, and so is whether its biller says by then that it has it. Refused
rows are judged alike. Memory: 24 bytes for each handed_out, 56 more until it is judged,
and 32 for each late confirmation, and for each verify and correction of such a payment.
"""

from array import array
from typing import Final, NamedTuple

import numpy as np

from switch.audit.findings import Findings
from switch.audit.layout import (
    HANDOUT_RULES,
    KEEP,
    OK,
    REFUSED_FLAGS,
    TENDER_MASK,
    UNDOES,
)
from switch.audit.reader import Journal
from switch.audit.register import Register
from switch.codes import AccountKind, CaseType, Kind, Result

TOGETHER: Final = 65_536
"""Rows of which what they name is read again at a time."""
EMPTY: Final = ("credit", "receipt", "service", "basket", "checker")
"""What none says anything in."""
TEXTS: Final = {
    Result.ACCOUNT_UNKNOWN: "its wallet is no account of its sender",
    Result.ACCOUNT_KIND_WRONG: "what it names is no wallet",
    Result.PAYMENT_NOT_FOUND: "what it names gave nothing back that is handed out",
    Result.NET_DIFFERS: "what it names gave back another amount",
    Result.ALREADY_HANDED_OUT: "the same was handed out before",
    Result.CASES_OPEN: "its biller says by then that it has the money",
}
"""What is wrong with an accepted row that should have been refused so."""
FLAGS: Final = "it does not say how its citizen had paid, or says more"


class Noted(NamedTuple):
    """A row, with what is known at its place; all are numbers."""

    sequence: int
    back: int
    """What it names."""
    wallet: int
    amount: int
    flags: int
    result: int
    other: int
    asked: int
    """The result that it must have by what was known: OK if the rest decides."""
    before: int
    """The handed_out of the same that came before, or 0."""


class Handouts:
    """Judges at their places what can be, and the rest in `finish`."""

    def __init__(self, register: Register, findings: Findings) -> None:
        """None yet. `register` and its accounts are shared."""
        self.register = register
        self.findings = findings
        self._noted = array("Q")
        self._first: dict[int, int] = {}
        # By hold: what was said of it late, and what answered that, in order.
        self._late: dict[int, list[tuple[int, int, int]]] = {}

    def _add(self, row: np.void, text: str) -> None:
        self.findings.add("handouts", int(row["sequence"]), text)

    def take(self, row: np.void, tail: bytes | None) -> None:
        """Take a handed_out, accepted or not, at its place."""
        accepted = bool(row["result"] == OK)
        if not self.register.has(HANDOUT_RULES):
            text = f"it is not known to rules {self.register.version}"
            self._add(row, text)
        if any(row[name] for name in EMPTY):
            self._add(row, "it says something where none of its kind does")
        back, sequence = int(row["resolves"]), int(row["sequence"])
        noted = Noted(
            *(sequence, back, int(row["debit"]), int(row["amount"])),
            *(int(row["flags"]), int(row["result"]), int(row["total"])),
            *(int(self._of_wallet(row)), self._first.get(back, 0)),
        )
        self._noted.extend(noted)
        if accepted:
            self._first.setdefault(back, sequence)

    def _of_wallet(self, row: np.void) -> Result:
        """What is told of the wallet that it names."""
        accounts, wallet = self.register.accounts, int(row["debit"])
        known = 1 <= wallet <= accounts.count
        if not known or accounts["participant"][wallet] != row["participant"]:
            return Result.ACCOUNT_UNKNOWN
        if accounts["kind"][wallet] != AccountKind.WALLET:
            return Result.ACCOUNT_KIND_WRONG
        return Result.OK

    def hear(self, row: np.void) -> None:
        """Take an accepted case, verify, correction or undoing: whether its biller has
        it.
        """
        kind, hold = int(row["kind"]), int(row["resolves"])
        if int(row["flags"]) & UNDOES and kind == Kind.TRANSFER:
            kind = Kind.VERIFY
        if kind == Kind.CASE and row["total"] != CaseType.LATE_CONFIRMATION:
            return
        if kind == Kind.CASE or hold in self._late:
            said = self._late.setdefault(hold, [])
            said.append((int(row["sequence"]), kind, int(row["amount"])))

    def _doubt(self, hold: int, sequence: int) -> tuple[int, int]:
        """The correction of a hold that stood before some row, and what it has paid; or
        its late confirmation that was open there, or 0, and nothing paid.
        """
        newest = paid = 0
        for at, kind, amount in self._late.get(hold, ()):
            if at >= sequence:
                break
            newest = 0 if kind == Kind.VERIFY else at
            paid = amount if kind == Kind.TRANSFER else 0
        return newest, paid

    def finish(self, journal: Journal) -> None:
        """Judge what depends on the rows that are named."""
        noted = np.array(self._noted, np.uint64).reshape(-1, len(Noted._fields))
        del self._noted[:]
        for at in range(0, len(noted), TOGETHER):
            part = noted[at : at + TOGETHER]
            backs = journal.rows_at(np.ascontiguousarray(part[:, 1]))
            holds = journal.rows_at(np.ascontiguousarray(backs["resolves"]))
            for values, back, hold in zip(part.tolist(), backs, holds, strict=True):
                self._judge(Noted(*values), back, hold)

    def _judge(self, row: Noted, back: np.void, hold: np.void) -> None:
        result, other = self._answer(row, back, hold)
        if row.result != OK:
            if (row.result, row.other) != (result, other):
                text = f"{Result(row.result).name}, and there was no cause for that"
                self.findings.add("refusals", row.sequence, text)
            if row.flags & ~REFUSED_FLAGS:
                self.findings.add("handouts", row.sequence, FLAGS)
        elif result != Result.OK:
            self.findings.add("handouts", row.sequence, TEXTS[result])
        elif row.flags != int(back["flags"]) & TENDER_MASK:
            self.findings.add("handouts", row.sequence, FLAGS)

    def _answer(self, row: Noted, back: np.void, hold: np.void) -> tuple[Result, int]:
        """The answer that a row must have, and what is in its way."""
        if row.asked != Result.OK:
            return Result(row.asked), 0
        amount, wallet = _given_back(row, back, hold)
        if not amount or wallet != row.wallet:
            return Result.PAYMENT_NOT_FOUND, 0
        doubt = 0
        if back["kind"] in (Kind.VOID, Kind.EXPIRE):
            doubt, paid = self._doubt(int(back["resolves"]), row.sequence)
            if 0 < paid < amount:
                # The rest is the citizen's.
                amount, doubt = amount - paid, 0
        if amount != row.amount:
            return Result.NET_DIFFERS, 0
        if row.before:
            return Result.ALREADY_HANDED_OUT, row.before
        return (Result.CASES_OPEN, doubt) if doubt else (Result.OK, 0)


def _given_back(row: Noted, back: np.void, hold: np.void) -> tuple[int, int]:
    """What a row has given back that is handed out, and to which wallet."""
    if back["result"] != OK or not 0 < back["sequence"] < row.sequence:
        return 0, 0
    kind, amount = int(back["kind"]), int(back["amount"])
    if kind == Kind.REFUND:
        return amount, int(back["credit"])
    wallet = int(back["debit"])
    if kind == Kind.EXPIRE:
        return amount, wallet
    if kind in (Kind.POST, Kind.VOID) and int(back["flags"]) & KEEP:
        held = int(hold["amount"])
        return (held if kind == Kind.VOID else max(held - amount, 0)), wallet
    return 0, 0
