"""Which cells of the rules were met: of what billers answer, and of what people do.

A model that counts. What must have been met, and with which result, is stated here a
second time from docs/data-model.md; tests/core/test_model_random.py asks for it.
"""

from collections import Counter

from switch.codes import PROPOSE_LINES, CaseType, Kind, Record, Result, RowFlag
from tests.core.bank_cells import BANK_DEEDS
from tests.core.counter_cells import COUNTER_DEEDS, WatchedCounters
from tests.core.payout_cells import PAYOUT_DEEDS
from tests.model_signed import ABOUT_WHO, lines_of
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
        OK, Result.NOT_APPROVED, Result.CASE_NOT_FOUND, Result.ACCOUNT_KIND_WRONG,
        Result.NET_DIFFERS, Result.CASE_CLOSED,
    },
    "undoing": {
        OK, Result.CASE_NOT_FOUND, Result.ACCOUNT_KIND_WRONG, Result.NET_DIFFERS,
        Result.CASE_CLOSED,
    },
    "correction in part": {OK},
    "close": {OK, Result.NOT_APPROVED, Result.CASE_CLOSED},
    "withdraw": {
        OK, Result.PROPOSAL_NOT_FOUND, Result.PROPOSAL_WITHDRAWN, Result.ALREADY_DONE,
    },
    "approve": {
        OK, Result.PROPOSAL_NOT_FOUND, Result.SAME_PERSON, Result.PROPOSAL_WITHDRAWN,
        Result.ALREADY_APPROVED, Result.PROPOSAL_EXPIRED,
    },
    "propose 3": {OK, Result.HOLD_NOT_FOUND, Result.CASE_NOT_FOUND,
                  Result.EXCEEDS_HOLD},
    "propose 4": {OK, Result.HOLD_NOT_FOUND, Result.CASE_NOT_FOUND,
                  Result.EXCEEDS_HOLD},
    "propose 6": {OK, Result.PAYMENT_NOT_FOUND, Result.NOT_SIGNED,
                  Result.DAY_COUNT_EXCEEDED},
    "propose 8": {OK, Result.HOLD_NOT_FOUND, Result.CASE_NOT_FOUND,
                  Result.EXCEEDS_HOLD},
    "propose 17": {OK, Result.CASE_NOT_FOUND, Result.CASE_CLOSED},
    "propose 21": {OK, Result.HOLD_NOT_FOUND, Result.CASE_NOT_FOUND},
    "propose 264": {OK, Result.HOLD_NOT_FOUND, Result.CASE_NOT_FOUND,
                    Result.EXCEEDS_HOLD},
    "propose 512": {OK, Result.NOT_SIGNED},
    # From here on where people are registered.
    "signed withdraw": {
        OK, Result.NOT_SIGNED, Result.PROPOSAL_NOT_FOUND, Result.PROPOSAL_WITHDRAWN,
        Result.ALREADY_DONE,
    },
    "signed approve": {
        OK, Result.NOT_SIGNED, Result.PROPOSAL_NOT_FOUND, Result.SAME_PERSON,
        Result.PROPOSAL_WITHDRAWN, Result.ALREADY_APPROVED, Result.PROPOSAL_EXPIRED,
    },
    "first of two approves": {
        OK, Result.NOT_SIGNED, Result.PROPOSAL_NOT_FOUND, Result.SAME_PERSON,
        Result.PROPOSAL_WITHDRAWN, Result.PROPOSAL_EXPIRED,
    },
    "second of two approves": {
        OK, Result.NOT_SIGNED, Result.PROPOSAL_NOT_FOUND, Result.SAME_PERSON,
        Result.ALREADY_APPROVED, Result.PROPOSAL_EXPIRED,
    },
    "approve a stop": {
        OK, Result.NOT_SIGNED, Result.PROPOSAL_NOT_FOUND, Result.SAME_PERSON,
        Result.ALREADY_APPROVED,
    },
    "stop an account": {OK, Result.NOT_SIGNED, Result.DEBIT_CLOSED},
    "stop participant": {OK, Result.NOT_SIGNED, Result.LAST_TREASURIES},
    "stop service": {OK, Result.NOT_SIGNED},
    "stop person": {OK, Result.NOT_SIGNED, Result.LAST_TREASURIES},
    "line top_up": {OK, Result.NOT_APPROVED, Result.UTR_ALREADY_CREDITED},
    "line transfer": {OK, Result.NOT_APPROVED, Result.INSUFFICIENT_FUNDS},
    "line settle": {OK, Result.NOT_APPROVED, Result.ALREADY_SETTLED},
    "line open": {OK, Result.NOT_APPROVED, Result.ACCOUNT_EXISTS},
    "line limit": {OK, Result.NOT_APPROVED, Result.ACCOUNT_KIND_WRONG},
    "line freeze": {OK, Result.NOT_APPROVED, Result.DEBIT_CLOSED},
    "line close": {Result.NOT_APPROVED, Result.BALANCE_NOT_ZERO, Result.HOLDS_OPEN},
    "line participant": {OK, Result.NOT_APPROVED},
    "line service": {OK, Result.NOT_APPROVED, Result.RULE_FIXED},
    "line pins": {OK, Result.NOT_APPROVED, Result.LAST_TREASURIES},
    "line budget": {OK, Result.NOT_APPROVED},
    "line person": {
        OK, Result.NOT_APPROVED, Result.PARTICIPANT_UNKNOWN, Result.SAME_PERSON,
    },
    "line thresholds": {OK, Result.NOT_APPROVED},
    **BANK_DEEDS,
    **PAYOUT_DEEDS,
    **COUNTER_DEEDS,
}  # fmt: skip
"""What people do, and each result that it can have by itself."""

THIRDS = {
    "an amount", "a line", "all lines", "a day", "thresholds",
    "person", "bank_account", "beneficiary",
}  # fmt: skip
"""Each reason for which a third must approve a proposal, where there is no other."""

ROOM = 2**64
"""More than any amount."""

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


class Watched(WatchedCounters):
    """A model that counts what it was asked, and where that stood."""

    def __init__(self) -> None:
        super().__init__()
        self.answers_met: Counter[tuple[str, str, Result, str]] = Counter()
        self.deeds_met: Counter[tuple[str, Result]] = Counter()
        self.cases_met: Counter[tuple[CaseType, RowFlag]] = Counter()
        self.thirds_met: Counter[str] = Counter()

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
        if self.correction_of(hold) is not None:
            return stand + " corrected"
        if self.verified_by(hold):
            stand += " verified"
        return stand + " late" if self.late_case(hold) else stand

    def word(self, said: Said, hold: Row, stand: str) -> str:
        """What it says, as far as that matters there."""
        if not said.confirmed:
            return "rejected"
        end, paid = self.end_of(hold), self.correction_of(hold)
        if paid is not None:
            right = self.is_right(said, hold, paid)
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
            done = outcome.result == OK and name == "correction"
            if done and self.rows[outcome.sequence - 1].flags & RowFlag.PARTIAL:
                self.deeds_met["correction in part", OK] += 1
        return outcome

    def deed(self, row: Row) -> str:
        """What a request of people's is called."""
        others = self.bank_deed(row) or self.payout_deed(row) or self.counter_deed(row)
        if others:
            return others
        signed = self.signed_deed(row) if self.persons else ""
        if signed:
            return signed
        if row.kind == Kind.TRANSFER and row.resolves:
            if self.is_undoing(row):
                return "undoing"
            advance = "advance" if self.asks_for(row) != row.kind else "correction"
            return "recovery" if self.is_recovery(row) else advance
        hold = self.hold_of(row)
        if row.kind == Kind.VERIFY:
            told = hold is not None and not self.in_question(hold)
            known = told and hold is not None and self.verified_by(hold) > 0
            return "verify again" if known else "verify"
        if row.kind in (Kind.POST, Kind.VOID):
            kept = row.resolves in self.kept
            return f"{Kind(row.kind).name.lower()} of a kept hold" if kept else ""
        if row.kind == Kind.PROPOSE:
            return f"propose {row.total}"
        return NAMES.get(row.kind, "")

    def signed_deed(self, row: Row) -> str:
        """What it is called in a ledger with people, where they do more."""
        record = ""
        if row.kind == Kind.REGISTER:
            record = Record((row.tail or b"")[0]).name.lower()
        if self.is_stop(row):
            return f"stop {record or 'an account'}"
        if row.kind == Kind.APPROVE:
            return self.approval_deed(row)
        if row.kind == Kind.WITHDRAW:
            return "signed withdraw"
        if self.needs_lines(row) and not (row.kind == Kind.TRANSFER and row.resolves):
            return f"line {record or Kind(row.kind).name.lower()}"
        return ""

    def approval_deed(self, row: Row) -> str:
        """What an approval is of, and which one."""
        asked = self.accepted(row.resolves)
        if asked is None or asked.kind == Kind.SHIFT:
            return "approve"
        if asked.kind != Kind.PROPOSE:
            return "approve a stop"
        if not asked.flags & RowFlag.THIRD:
            return "signed approve"
        link = self.link_of(asked)
        later = link is not None and link.kind == Kind.APPROVE
        return f"{'second' if later else 'first'} of two approves"

    def needs_third(self, row: Row, of_today: int) -> bool:
        """Count why, where it is for one reason alone."""
        needs = super().needs_third(row, of_today)
        if needs:
            single, batch, day = self.thresholds or (ROOM, ROOM, ROOM)
            lines = row.total == PROPOSE_LINES
            amounts = (
                [line.amount for line in lines_of(row.tail or b"")] if lines else []
            )
            reasons = {
                "an amount": not lines and row.amount > single,
                "a line": any(amount > single for amount in amounts),
                "all lines": row.amount > batch,
                "a day": of_today > day,
            }
            if self.is_about_who(row) and len(self.approvers()) > 2:
                reasons |= dict.fromkeys(self.records_of(row), True)
            why = [reason for reason, is_so in reasons.items() if is_so]
            if len(why) < 2:
                self.thirds_met[(why or ["thresholds"])[0]] += 1
        return needs

    def records_of(self, row: Row) -> set[str]:
        """Of what lines of a proposal are that are about who is who."""
        tails = [line.tail for line in lines_of(row.tail or b"")
                 if line.kind == Kind.REGISTER]  # fmt: skip
        names = {Record(tail[0]) for tail in tails} & set(ABOUT_WHO)
        return {record.name.lower() for record in names}

    # --- cases ------------------------------------------------------------------------

    def append(self, row: Row, result: int = Result.OK) -> None:
        """Count case rows."""
        super().append(row, result)
        if row.kind == Kind.CASE:
            flags = RowFlag(row.flags) & ~RowFlag.TAIL
            self.cases_met[CaseType(row.total), flags] += 1
