"""Refusals that speak of other rows: those are read again when all have passed.

Part of `refusals`, which see. Refusals are judged one by one here, over columns that
were fetched together.
"""

from typing import Final

import numpy as np

from switch.audit.findings import Findings
from switch.audit.kinds import NUMBERED
from switch.audit.layout import OK, PROPOSAL_LIFE_NS, ROW, Rows
from switch.audit.reader import Journal
from switch.audit.register import Register
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

    def __init__(
        self, journal: Journal, register: Register, findings: Findings
    ) -> None:
        """`register` stands at the end."""
        self.journal = journal
        self.register = register
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
            return bool(named["kind"] == Kind.TOP_UP) and same_reference(row, named)
        if result in ANSWERED:
            same = named["sequence"] and named["resolves"] == row["resolves"]
            return bool(same and named["kind"] == ANSWERED[Result(result)])
        if result == R.PAYMENT_NOT_FOUND:
            return not NUMBERED[int(about["kind"])]
        if kind == Kind.SETTLE:
            key = int(row["resolves"]), int(row["debit"])
            if result == R.NET_DIFFERS:
                return self.register.payable.get(key, 0) != int(row["amount"])
            return result != R.WINDOW_NOT_FOUND or bool(about["kind"] != Kind.WINDOW)
        return self._people(row, about, result, kind)

    def _people(self, row: np.void, about: np.void, result: int, kind: int) -> bool:
        """Whether nothing was asked for, or the same person asked."""
        asked = int(about["kind"])
        if result == R.PROPOSAL_NOT_FOUND and kind == Kind.SHIFT:
            return bool(row["resolves"]) and (
                asked != Kind.SHIFT
                or about["debit"] != row["debit"]
                or about["operator_"] != row["operator_"]
            )
        if result == R.PROPOSAL_NOT_FOUND:
            return asked not in (ASKING if kind == Kind.APPROVE else ASKING[:1])
        if result == R.PROPOSAL_EXPIRED:
            age = int(row["timestamp"]) - int(about["timestamp"])
            return asked == Kind.PROPOSE and age >= PROPOSAL_LIFE_NS
        if result == R.SAME_PERSON:
            one = asked == Kind.SHIFT or about["participant"] == row["participant"]
            same = one and about["operator_"] == row["operator_"]
            return asked in ASKING and bool(same)
        return True


def same_reference(one: np.void, other: np.void) -> bool:
    """Whether two rows have the same reference."""
    return bool((one["reference"] == other["reference"]).all())
