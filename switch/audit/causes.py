"""Refusals that speak of other rows: those are read again when all have passed.

Part of `refusals`, which see. Refusals are judged one by one here, over columns that
were fetched together.
"""

from typing import Final

import numpy as np

from switch.audit.approvals import same_person
from switch.audit.banks import BANKS_RULES
from switch.audit.cases import Cases
from switch.audit.findings import Findings
from switch.audit.kinds import NUMBERED
from switch.audit.layout import (
    OK,
    PROPOSAL_LIFE_NS,
    RECENT,
    REVERSAL,
    ROW,
    THIRD,
    Rows,
)
from switch.audit.reader import Journal
from switch.audit.utrs import canonical
from switch.codes import Kind, Result

R = Result
CAUSES_TOGETHER: Final = 65_536
"""Refusals that are judged at a time."""
ASKING: Final = (Kind.PROPOSE, Kind.SHIFT)
ANSWERED: Final = {
    R.ALREADY_SETTLED: Kind.SETTLE,
    R.ALREADY_APPROVED: Kind.APPROVE,
    R.PROPOSAL_WITHDRAWN: Kind.WITHDRAW,
}
"""What is in the way if what a row speaks of had its answer before."""


class Causes:
    """Judges refusals against the rows that they name and speak of."""

    def __init__(self, journal: Journal, cases: Cases, findings: Findings) -> None:
        """`cases` are finished."""
        self.journal = journal
        self.register = cases.register
        self.people = cases.people
        self.firsts = cases.approvals.firsts
        self.decided = cases.approvals.decided
        self.findings = findings

    def judge(self, parts: list[Rows]) -> None:
        """Judge refused rows, which are let go."""
        rows = np.concatenate([np.empty(0, dtype=ROW), *parts])
        parts.clear()
        for start in range(0, len(rows), CAUSES_TOGETHER):
            part = rows[start : start + CAUSES_TOGETHER]
            named = self.journal.rows_at(part["total"])
            about = self.journal.rows_at(part["resolves"])
            for other in (named, about):
                gone = other["sequence"] >= part["sequence"]
                other[gone | (other["result"] != OK)] = np.zeros((), other.dtype)
            for row, other, spoken in zip(part, named, about, strict=True):
                if not self._caused(row, other, spoken):
                    name = Result(int(row["result"])).name
                    text = f"{name}, and the rows before it show no cause"
                    self.findings.add("refusals", int(row["sequence"]), text)

    def _caused(self, row: np.void, named: np.void, about: np.void) -> bool:
        """Whether a refusal's cause was there, or cannot be known."""
        result, kind = int(row["result"]), int(row["kind"])
        if result == R.UTR_ALREADY_CREDITED:
            return self._credited(row, named)
        if result == R.BOOKED_DIFFERS:
            return differs(row, named)
        again = self.decided.since <= row["sequence"] and kind == Kind.WITHDRAW
        if result == R.ALREADY_DONE:
            # All of it was done, and the newest row of it is named.
            newest = self.decided.done.get(int(row["resolves"]), 0)
            return bool(again and newest and named["sequence"] == newest)
        if result == R.ALREADY_APPROVED and again:
            return False
        if result in ANSWERED:
            same = named["sequence"] and named["resolves"] == row["resolves"]
            three = about["kind"] == Kind.PROPOSE and int(about["flags"]) & THIRD
            if result == R.ALREADY_APPROVED and three:
                # Behind the first approval another one is needed.
                same = same and named["total"]
            return bool(same and named["kind"] == ANSWERED[Result(result)])
        if result == R.PAYMENT_NOT_FOUND:
            return not NUMBERED[int(about["kind"])]
        if kind == Kind.SETTLE:
            key = int(row["resolves"]), int(row["debit"])
            if result == R.NET_DIFFERS:
                return self.register.payable.get(key, 0) != int(row["amount"])
            return result != R.WINDOW_NOT_FOUND or bool(about["kind"] != Kind.WINDOW)
        return self._people(row, about, result, kind)

    def _credited(self, row: np.void, named: np.void) -> bool:
        """Whether another row has claimed the reference of a top-up."""
        if row["sequence"] < self.register.rules_since(BANKS_RULES):
            return bool(named["kind"] == Kind.TOP_UP) and same_reference(row, named)
        claims = named["kind"] == Kind.TOP_UP or (
            named["kind"] == Kind.BOOKED and int(named["flags"]) & RECENT
        )
        both = canonical(np.stack((row["reference"], named["reference"])))
        return bool(claims and (both[0] == both[1]).all())

    def _people(self, row: np.void, about: np.void, result: int, kind: int) -> bool:
        """Whether nothing was asked for, or the same person asked."""
        asked = int(about["kind"])
        if result == R.PROPOSAL_NOT_FOUND and kind == Kind.SHIFT:
            return bool(row["resolves"]) and (
                asked != Kind.SHIFT
                or about["debit"] != row["debit"]
                or about["operator_"] != row["operator_"]
            )
        stop = asked not in ASKING and int(about["sequence"]) in self.people.hashes
        if result == R.PROPOSAL_NOT_FOUND and kind == Kind.APPROVE:
            # Whoever stops as two have wanted need not be approved, and may be.
            none = asked not in ASKING and (not stop or about["total"])
            none |= int(about["sequence"]) in self.people.channels
            return bool(none) or not self.people.names(row)
        if result == R.PROPOSAL_NOT_FOUND:
            return asked != Kind.PROPOSE
        if result == R.PROPOSAL_EXPIRED:
            age = int(row["timestamp"]) - int(about["timestamp"])
            return asked == Kind.PROPOSE and age >= PROPOSAL_LIFE_NS
        if result == R.SAME_PERSON:
            return (asked in ASKING or stop) and self._same(row, about)
        return True

    def _same(self, row: np.void, about: np.void) -> bool:
        """Whether who approves has asked, or has approved before."""
        if about["kind"] == Kind.SHIFT:
            return bool(about["operator_"] == row["operator_"])
        first = self.firsts.get(int(row["resolves"]))
        before = first is not None and first["sequence"] < row["sequence"]
        again = before and first is not None and same_person(first, row)
        return same_person(about, row) or again


def differs(row: np.void, named: np.void) -> bool:
    """Whether a bank's line contradicts what another row has booked of it."""
    if row["kind"] != Kind.BOOKED or named["kind"] != Kind.BOOKED:
        return False
    # What a refused one lacks is filled in only when it is accepted.
    side = "debit" if row["debit"] else "credit"
    same = row[side] == named[side] and same_reference(row, named)
    same &= not (int(row["flags"]) ^ int(named["flags"])) & REVERSAL
    return bool(same and row["amount"] != named["amount"])


def same_reference(one: np.void, other: np.void) -> bool:
    """Whether two rows have the same reference."""
    return bool((one["reference"] == other["reference"]).all())
