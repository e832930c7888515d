"""Which cells of the rules were met: of what billers answer, and of what people do.

A model that counts. What must have been met, and with which result, is stated here a
second time from docs/data-model.md; tests/core/test_model_random.py asks for it.
"""

from collections import Counter

from switch.codes import CaseType, Kind, Result, RowFlag
from tests.model import Model
from tests.records import Outcome, Row, Said

OK = Result.OK
EXPIRED, VOIDED = Result.ALREADY_EXPIRED, Result.ALREADY_VOIDED
POSTED, DIFFERS = Result.ALREADY_POSTED, Result.AMOUNT_DIFFERS
NEW, AGAIN, NO_ROW = "new", "again", "no row"

Told = tuple[Result, str]

OF_AMOUNTS: dict[str, dict[str, set[Told]]] = {
    # By where a payment stands: by what its biller says, what it is told.
    "open": {
        "right": {(OK, NEW)},
        "other": {(DIFFERS, NEW)},
        "rejected": {(OK, NEW)},
    },
    "kept": {
        "right": {(OK, NEW)},
        "other": {(DIFFERS, NEW), (DIFFERS, AGAIN)},
        "rejected": {(OK, NEW)},
    },
    "posted": {
        "whole": {(OK, AGAIN)},
        "as posted": {(OK, AGAIN)},
        "other": {(DIFFERS, NEW), (DIFFERS, AGAIN)},
        "rejected": {(POSTED, NEW), (POSTED, AGAIN)},
    },
    "given back": {
        "whole": {(OK, AGAIN)},
        "as posted": {(OK, AGAIN)},
        "other": {(DIFFERS, NEW), (DIFFERS, AGAIN)},
        "rejected": {(POSTED, NO_ROW)},
    },
    # The same of what had been rejected late.
    "given up": {
        "confirmed": {(DIFFERS, NEW), (DIFFERS, AGAIN)},
        "rejected": {(POSTED, NO_ROW)},
    },
}
OF_DOUBTS: dict[str, dict[str, set[Told]]] = {
    "expired": {"confirmed": {(EXPIRED, NEW)}, "rejected": {(OK, NEW)}},
    "expired late": {"confirmed": {(EXPIRED, AGAIN)}, "rejected": {(OK, NEW)}},
    "expired verified": {"confirmed": {(EXPIRED, NEW)}, "rejected": {(OK, AGAIN)}},
    "expired verified late": {
        "confirmed": {(EXPIRED, AGAIN)},
        "rejected": {(EXPIRED, NO_ROW)},
    },
    "expired corrected": {
        "right": {(EXPIRED, NO_ROW)},
        "other": {(DIFFERS, NEW), (DIFFERS, AGAIN)},
        "rejected": {(EXPIRED, NEW), (EXPIRED, AGAIN)},
    },
    "rejected": {"confirmed": {(VOIDED, NEW)}, "rejected": {(OK, AGAIN)}},
    "rejected late": {"confirmed": {(VOIDED, AGAIN)}, "rejected": {(OK, AGAIN)}},
    "rejected verified": {"confirmed": {(VOIDED, NEW)}, "rejected": {(OK, AGAIN)}},
    "rejected verified late": {
        "confirmed": {(VOIDED, AGAIN)},
        "rejected": {(OK, AGAIN)},
    },
    "rejected corrected": {
        "right": {(VOIDED, NO_ROW)},
        "other": {(DIFFERS, NEW), (DIFFERS, AGAIN)},
        "rejected": {(VOIDED, NEW), (VOIDED, AGAIN)},
    },
    "cancelled": {"confirmed": {(VOIDED, NEW)}, "rejected": {(OK, AGAIN)}},
    "cancelled late": {"confirmed": {(VOIDED, AGAIN)}, "rejected": {(OK, NEW)}},
    "cancelled verified": {"confirmed": {(VOIDED, NEW)}, "rejected": {(OK, AGAIN)}},
    "cancelled verified late": {
        "confirmed": {(VOIDED, AGAIN)},
        "rejected": {(OK, AGAIN)},
    },
    "cancelled corrected": {
        "right": {(VOIDED, NO_ROW)},
        "other": {(DIFFERS, NEW), (DIFFERS, AGAIN)},
        "rejected": {(VOIDED, NEW), (VOIDED, AGAIN)},
    },
}
ANSWERS = {
    (stand, said, result, how)
    for stands in (OF_AMOUNTS, OF_DOUBTS)
    for stand, cells in stands.items()
    for said, told in cells.items()
    for result, how in told
}
"""Every cell of the table of biller's answers, with what it says."""

DEEDS: dict[str, set[Result]] = {
    "post of a kept hold": {OK, Result.NOT_APPROVED, Result.EXCEEDS_HOLD},
    "void of a kept hold": {OK, Result.NOT_APPROVED},
    "verify": {OK, Result.NOT_APPROVED, Result.HOLD_NOT_FOUND},
    "verify again": {OK},
    "refund": {OK, Result.NOT_APPROVED, Result.EXCEEDS_PAYMENT},
    "correction": {OK, Result.NOT_APPROVED, Result.CASE_CLOSED},
    "advance": {OK, Result.NOT_APPROVED, Result.HOLD_NOT_FOUND, Result.CASE_CLOSED},
    "recovery": {
        OK, Result.CASE_NOT_FOUND, Result.ACCOUNT_KIND_WRONG, Result.NET_DIFFERS,
        Result.CASE_CLOSED,
    },
    "close": {OK, Result.NOT_APPROVED, Result.CASE_CLOSED},
    "withdraw": {
        OK, Result.PROPOSAL_NOT_FOUND, Result.PROPOSAL_WITHDRAWN,
        Result.ALREADY_APPROVED,
    },
    "approve": {
        OK, Result.PROPOSAL_NOT_FOUND, Result.SAME_PERSON, Result.PROPOSAL_WITHDRAWN,
        Result.ALREADY_APPROVED, Result.PROPOSAL_EXPIRED,
    },
    "propose 3": {OK, Result.HOLD_NOT_FOUND, Result.CASE_NOT_FOUND,
                  Result.EXCEEDS_HOLD},
    "propose 4": {OK, Result.HOLD_NOT_FOUND, Result.CASE_NOT_FOUND,
                  Result.EXCEEDS_HOLD},
    "propose 6": {OK, Result.PAYMENT_NOT_FOUND},
    "propose 8": {OK, Result.HOLD_NOT_FOUND, Result.CASE_NOT_FOUND,
                  Result.EXCEEDS_HOLD},
    "propose 17": {OK, Result.CASE_NOT_FOUND, Result.CASE_CLOSED},
    "propose 21": {OK, Result.HOLD_NOT_FOUND, Result.CASE_NOT_FOUND},
    "propose 264": {OK, Result.HOLD_NOT_FOUND, Result.CASE_NOT_FOUND,
                    Result.EXCEEDS_HOLD},
}  # fmt: skip
"""What people do about payments, and each result that it can have by itself."""

NAMES: dict[int, str] = {
    Kind.REFUND: "refund",
    Kind.CASE_CLOSE: "close",
    Kind.WITHDRAW: "withdraw",
    Kind.APPROVE: "approve",
}
"""What a request of people's is called whose kind says all of it."""

CASE_ROWS = {
    (CaseType.LATE_CONFIRMATION, RowFlag.EVIDENCE),
    (CaseType.LATE_CONFIRMATION, RowFlag.EVIDENCE | RowFlag.CASE),
    (CaseType.LATE_REJECTION, RowFlag.EVIDENCE),
    (CaseType.DEADLINE_PASSED, RowFlag.KEEP),
    (CaseType.AMOUNT_DIFFERS, RowFlag.EVIDENCE),
    (CaseType.AMOUNT_DIFFERS, RowFlag.EVIDENCE | RowFlag.KEEP),
}
"""Case rows that there are, by type and flags."""


class Watched(Model):
    """A model that counts what it was asked, and where that stood."""

    def __init__(self) -> None:
        super().__init__()
        self.answers_met: Counter[tuple[str, str, Result, str]] = Counter()
        self.deeds_met: Counter[tuple[str, Result]] = Counter()
        self.cases_met: Counter[tuple[CaseType, RowFlag]] = Counter()

    # --- answers ----------------------------------------------------------------------

    def hear(self, said: Said, biller: int) -> Outcome:
        """Count the cell of the table."""
        hold = self.hold_of(Row(Kind.CASE, resolves=said.number))
        stand, word = "", ""
        if hold is not None:
            stand = self.stand(hold)
            word = self.word(said, hold, stand)
        outcome = super().hear(said, biller)
        if outcome.result not in (Result.HOLD_NOT_FOUND, Result.INVALID_AMOUNT):
            how = AGAIN if outcome.repeat else NEW if outcome.sequence else NO_ROW
            self.answers_met[stand, word, Result(outcome.result), how] += 1
        return outcome

    def stand(self, hold: Row) -> str:
        """Where a payment stands when its biller speaks of it."""
        end = self.end_of(hold)
        if end is None:
            return "kept" if hold.sequence in self.kept else "open"
        if end.kind == Kind.POST:
            if self.is_given_up(hold, end):
                return "given up"
            return "given back" if self.is_given_back(end) else "posted"
        by_word = end.flags & RowFlag.EVIDENCE
        stand = "rejected" if by_word else "cancelled"
        if end.kind == Kind.EXPIRE:
            stand = "expired"
        if hold.sequence in self.corrected:
            return stand + " corrected"
        if hold.sequence in self.verified:
            stand += " verified"
        return stand + " late" if self.late_case(hold) else stand

    def word(self, said: Said, hold: Row, stand: str) -> str:
        """What it says, as far as that matters there."""
        if not said.confirmed:
            return "rejected"
        end, corrected = self.end_of(hold), self.corrected.get(hold.sequence)
        if corrected:
            right = self.is_right(said, hold, self.rows[corrected - 1])
            return "right" if right else "other"
        if stand not in OF_AMOUNTS or stand == "given up":
            return "confirmed"
        if end is None:
            return "right" if said.amount == self.question_sum(hold) else "other"
        if not self.is_right(said, hold, end):
            return "other"
        return "whole" if end.amount == hold.amount else "as posted"

    # --- what people do ---------------------------------------------------------------

    def one(self, row: Row, shape: int) -> Outcome:
        """Count what it is, and what comes of it."""
        name = "" if shape else self.deed(row)
        outcome = super().one(row, shape)
        if name and (not outcome.repeat or name == "verify again"):
            self.deeds_met[name, Result(outcome.result)] += 1
        return outcome

    def deed(self, row: Row) -> str:
        """What a request of people's is called."""
        if row.kind == Kind.TRANSFER and row.resolves:
            advance = "advance" if self.asks_for(row) != row.kind else "correction"
            return "recovery" if self.is_recovery(row) else advance
        hold = self.hold_of(row)
        if row.kind == Kind.VERIFY:
            told = hold is not None and not self.in_question(hold)
            known = told and row.resolves in self.verified
            return "verify again" if known else "verify"
        if row.kind in (Kind.POST, Kind.VOID):
            kept = row.resolves in self.kept
            return f"{Kind(row.kind).name.lower()} of a kept hold" if kept else ""
        if row.kind == Kind.PROPOSE:
            return f"propose {row.total}"
        return NAMES.get(row.kind, "")

    # --- cases ------------------------------------------------------------------------

    def append(self, row: Row, result: int = Result.OK) -> None:
        """Count case rows."""
        super().append(row, result)
        if row.kind == Kind.CASE:
            flags = RowFlag(row.flags) & ~RowFlag.TAIL
            self.cases_met[CaseType(row.total), flags] += 1
