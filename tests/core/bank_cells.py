"""Which cells of the rules of banks were met: what becomes of a booked line, and what
is answered to what people and connections ask for.

Part of tests/core/cells.py, which see.
"""

from collections import Counter

from switch.codes import (
    PROPOSE_LINES,
    AccountKind,
    AccountState,
    Kind,
    Record,
    Result,
    RowFlag,
)
from tests.model import Model
from tests.model_banks import REQUEST_LIFE_NS
from tests.records import Row

OK = Result.OK
_ENDING = {
    OK, Result.CASE_NOT_FOUND, Result.ACCOUNT_KIND_WRONG, Result.NET_DIFFERS,
    Result.CASE_CLOSED,
}  # fmt: skip
_BOOKED = {OK, Result.ALREADY_BOOKED, Result.BOOKED_DIFFERS, Result.ACCOUNT_KIND_WRONG}
_BANK = {OK, Result.ACCOUNT_UNKNOWN, Result.RULE_FIXED}
_STATEMENT = {OK, Result.STATEMENT_GAP, Result.NOT_BOOKED, Result.NOT_APPROVED}
BANK_DEEDS: dict[str, set[Result]] = {
    "request": {
        OK, Result.ACCOUNT_UNKNOWN, Result.ACCOUNT_KIND_WRONG, Result.CREDIT_CLOSED,
        Result.DAY_COUNT_EXCEEDED,
    },
    "payout": {OK, Result.INSUFFICIENT_FUNDS},
    "ending of a credit": {*_ENDING, Result.CREDIT_CLOSED},
    "ending of a debit": {*_ENDING, Result.DEBIT_CLOSED, Result.INSUFFICIENT_FUNDS},
    # From here on where nobody is registered.
    "booked": {*_BOOKED, Result.ACCOUNT_UNKNOWN, Result.OVERFLOWS},
    "bank account": {*_BANK, Result.PARTICIPANT_UNKNOWN, Result.BALANCE_NOT_ZERO},
    "statement": {Result.NOT_APPROVED},
    # From here on where people are.
    "line payout": {OK, Result.NOT_APPROVED, Result.INSUFFICIENT_FUNDS},
    "line ending of a credit": {*_ENDING, Result.NOT_APPROVED},
    "line ending of a debit": {*_ENDING, Result.NOT_APPROVED},
    "line booked": {*_BOOKED, Result.NOT_APPROVED, Result.ACCOUNT_UNKNOWN},
    "line bank account": {*_BANK, Result.NOT_APPROVED},
    "line statement": _STATEMENT,
    "told booked": {*_BOOKED, Result.NOT_APPROVED},
    "told statement": {*_STATEMENT, Result.ACCOUNT_UNKNOWN, Result.ACCOUNT_KIND_WRONG},
    "propose as a channel": {OK, Result.NOT_SIGNED},
    "approve what was told": {Result.PROPOSAL_NOT_FOUND, Result.NOT_SIGNED},
    "withdraw what was told": {OK, Result.NOT_SIGNED, Result.PROPOSAL_WITHDRAWN},
}  # fmt: skip
"""What is asked of banks, and each result that it can have by itself."""

MATCHES = {
    f"{side} {what}"
    for side, reasons in {
        "credit": (
            "matched", "of nothing known", "taken back", "that came before",
            "of another amount", "too late", "of a closed wallet", "topped up already",
        ),
        "debit": (
            "matched to a payout", "matched to a return", "of nothing known",
            "taken back", "that came before", "of another amount", "of another bank",
            "of what ended a debit",
        ),
    }.items()
    for what in reasons
}  # fmt: skip
"""What becomes of an accepted booked line, and why, where there is one reason alone."""


class WatchedBanks(Model):
    """A model that counts what it was told by banks."""

    def __init__(self) -> None:
        super().__init__()
        self.matches_met: Counter[str] = Counter()

    def do_booked(self, row: Row) -> None:
        """Count why it was matched, or not."""
        reasons = self.of_credit(row) if row.debit else self.of_debit(row)
        side = "credit" if row.debit else "debit"
        if len(reasons) == 1:
            self.matches_met[f"{side} {reasons[0]}"] += 1
        super().do_booked(row)

    def alike(self, row: Row, named: Row) -> list[str]:
        """Why a line is not what a row waits for, on either side."""
        reasons = {
            "taken back": row.flags & RowFlag.REVERSAL,
            "that came before": row.resolves in self.matched,
            "of another amount": row.amount != named.amount,
        }
        return [reason for reason, is_so in reasons.items() if is_so]

    def of_credit(self, row: Row) -> list[str]:
        """Why money that has come is not matched; or that it is."""
        named = self.accepted(row.resolves)
        if named is None or named.kind != Kind.REQUEST:
            return ["of nothing known"]
        reasons = self.alike(row, named)
        if self.clock() - named.timestamp >= REQUEST_LIFE_NS:
            reasons.append("too late")
        if self.accounts[named.credit].state == AccountState.CLOSED:
            reasons.append("of a closed wallet")
        if self.claims.get(("utr", 0, row.reference, 0)):
            reasons.append("topped up already")
        return reasons or ["matched"]

    def of_debit(self, row: Row) -> list[str]:
        """Why money that has gone is not matched; or to what."""
        named = self.accepted(row.resolves)
        if named is None or named.kind != Kind.TRANSFER:
            return ["of nothing known"]
        transit = self.accounts[named.credit]
        if transit.kind != AccountKind.BANK_TRANSIT:
            return ["of nothing known"]
        reasons = self.alike(row, named)
        mirror = self.accounts[row.credit]
        own = mirror.participant, mirror.purpose + 2
        if (transit.participant, transit.purpose) != own:
            reasons.append("of another bank")
        if named.resolves:
            item = self.rows[named.resolves - 1]
            if self.accounts[item.credit].kind == AccountKind.BANK:
                reasons.append("of what ended a debit")
        return reasons or [f"matched to a {'return' if named.resolves else 'payout'}"]

    # --- what it is called ------------------------------------------------------------

    def bank_deed(self, row: Row) -> str:
        """What a request about banks is called, or nothing."""
        asked = self.accepted(row.proposal)
        told = asked is not None and asked.flags & RowFlag.EVIDENCE
        by = "told " if told else "line " if self.persons else ""
        record = (row.tail or b"")[:1] if row.kind == Kind.REGISTER else b""
        if record == bytes([Record.BANK_ACCOUNT]):
            return f"{by}bank account"
        if record == bytes([Record.STATEMENT]):
            return f"{by}statement"
        if row.kind == Kind.BOOKED:
            return f"{by}booked"
        if row.kind == Kind.REQUEST:
            return "request"
        if row.kind == Kind.TRANSFER:
            return self.transfer_deed(row, by)
        return self.channel_deed(row)

    def transfer_deed(self, row: Row, by: str) -> str:
        """What a transfer from or to a bank's accounts is called."""
        from_, to = self.kinds_of(row)
        if row.resolves and from_ == AccountKind.BANK_SUSPENSE:
            return f"{by}ending of a credit"
        if to == AccountKind.BANK_TRANSIT:
            if row.resolves:
                return f"{by}ending of a debit"
            return f"{by}payout" if from_ == AccountKind.SETTLEMENT else ""
        return ""

    def channel_deed(self, row: Row) -> str:
        """What a connection asks for, or somebody about that."""
        if row.kind == Kind.PROPOSE and self.persons:
            lines = row.total == PROPOSE_LINES
            return "propose as a channel" if lines and self.is_by_channel(row) else ""
        asked = self.accepted(row.resolves)
        if row.kind not in (Kind.APPROVE, Kind.WITHDRAW) or asked is None:
            return ""
        told = asked.kind == Kind.PROPOSE and asked.flags & RowFlag.EVIDENCE
        return f"{Kind(row.kind).name.lower()} what was told" if told else ""
