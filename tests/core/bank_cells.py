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
    PersonRole,
    Record,
    Result,
)
from tests.flags import RowFlag
from tests.model import Model
from tests.model_banks import REQUEST_LIFE_NS, STATEMENT_BYTES
from tests.model_claims import utr_key
from tests.model_people import PROPOSAL_LIFE_NS
from tests.model_signed import CHANNEL_AMOUNT_MAX
from tests.model_state import Answer, ist_day
from tests.records import Row

OK = Result.OK
_ENDING = {
    OK, Result.CASE_NOT_FOUND, Result.ACCOUNT_KIND_WRONG, Result.NET_DIFFERS,
    Result.CASE_CLOSED,
}  # fmt: skip
_PAYOUT = {
    Result.BENEFICIARY_WRONG, Result.BENEFICIARY_WAITS, Result.EXCEEDS_SETTLED,
}  # fmt: skip
_BY_HAND = Result.UTR_ALREADY_CREDITED
_BOOKED = {OK, Result.ALREADY_BOOKED, Result.BOOKED_DIFFERS, Result.ACCOUNT_KIND_WRONG}
_BANK = {OK, Result.ACCOUNT_UNKNOWN, Result.RULE_FIXED}
_STATEMENT = {OK, Result.STATEMENT_GAP, Result.NOT_BOOKED, Result.NOT_APPROVED}
BANK_DEEDS: dict[str, set[Result]] = {
    "request": {
        OK, Result.ACCOUNT_UNKNOWN, Result.ACCOUNT_KIND_WRONG, Result.CREDIT_CLOSED,
        Result.DAY_COUNT_EXCEEDED,
    },
    "payout": {OK, Result.INSUFFICIENT_FUNDS, *_PAYOUT},
    "recall": _ENDING,
    "ending of a credit": {*_ENDING, Result.CREDIT_CLOSED, _BY_HAND},
    "ending of a debit": {*_ENDING, Result.DEBIT_CLOSED, Result.INSUFFICIENT_FUNDS},
    # From here on where nobody is registered.
    "booked": {*_BOOKED, Result.ACCOUNT_UNKNOWN, Result.OVERFLOWS},
    "bank account": {*_BANK, Result.PARTICIPANT_UNKNOWN, Result.BALANCE_NOT_ZERO},
    "statement": {Result.NOT_APPROVED},
    # From here on where people are.
    "line payout": {OK, Result.NOT_APPROVED, Result.INSUFFICIENT_FUNDS, *_PAYOUT},
    "line recall": {*_ENDING, Result.NOT_APPROVED},
    "line ending of a credit": {*_ENDING, Result.NOT_APPROVED, _BY_HAND},
    "line ending of a debit": {*_ENDING, Result.NOT_APPROVED},
    "line booked": {*_BOOKED, Result.NOT_APPROVED, Result.ACCOUNT_UNKNOWN},
    "line bank account": {*_BANK, Result.NOT_APPROVED},
    # A channel's is always of its own bank account.
    "line statement": {*_STATEMENT, Result.ACCOUNT_UNKNOWN, Result.ACCOUNT_KIND_WRONG},
    "told booked": {*_BOOKED, Result.NOT_APPROVED},
    "told statement": _STATEMENT,
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
            "booked already", "to come",
        ),
        "debit": (
            "matched to a payout", "matched to a return", "of nothing known",
            "taken back", "that came before", "of another amount", "of another bank",
            "of what ended a debit", "to come", "recalled",
        ),
    }.items()
    for what in reasons
}  # fmt: skip
"""What becomes of an accepted booked line, and why, where there is one reason alone."""

UTRS = {
    "booked: nobody has it",
    "booked: of a top-up, as typed", "booked: of a top-up, typed otherwise",
    "booked: of one elsewhere, as typed", "booked: of one elsewhere, typed otherwise",
    "booked: of one here, typed otherwise",  # as typed it is the same line
    "top-up: of a top-up, as typed", "top-up: of a top-up, typed otherwise",
    "top-up: of one booked, as typed", "top-up: of one booked, typed otherwise",
    "top-up: of one matched, as typed", "top-up: of one matched, typed otherwise",
}  # fmt: skip
"""Whose the reference of money is that comes, and how it was typed."""

STATEMENTS = {
    (by, what, answer)
    for by, of in {
        "channel": Result.STATEMENT_GAP,
        "people": OK,
    }.items()
    for what, answer in {
        "of another opening": Result.STATEMENT_GAP,
        "of a day to come": Result.STATEMENT_GAP,
        "of an earlier day": of,
        "of an earlier number": of,
        "of tomorrow": OK,
        "in its place": OK,
    }.items()
} | {
    ("channel", "of another opening, without lines", Result.STATEMENT_GAP),
    ("people", "of another opening, without lines", OK),
}
"""Who says a statement whose lines are booked, where it stands to the one before, for
one reason alone, and what is answered.
"""

WORDS = {
    "done", "withdrawn", "too old", "of one who is stopped", "of one of another role",
    "of a participant that is stopped", "of one who was started again",
    "of a participant that was started again",
    "signed: as much as may be", "not signed: of too much",
}  # fmt: skip
"""Why a line that a channel has said is done or not, where there is one reason."""


_CLOSED, _NOT_FOUND = Result.CASE_CLOSED, Result.CASE_NOT_FOUND
_KIND_WRONG, _DIFFERS = Result.ACCOUNT_KIND_WRONG, Result.NET_DIFFERS
RECALLS = {
    ("a payout", OK), ("a return", OK),
    ("what was booked", _CLOSED), ("what was recalled", _CLOSED),
    ("more", _DIFFERS), ("less", _DIFFERS), ("of another bank", _KIND_WRONG),
    ("a payout elsewhere", _KIND_WRONG), ("a return elsewhere", _KIND_WRONG),
    ("of no transfer", _NOT_FOUND), ("of another transfer", _NOT_FOUND),
    ("of what ended a debit", _NOT_FOUND),
}  # fmt: skip
"""What is recalled, and what is answered as far as that decides it."""


class WatchedBanks(Model):
    """A model that counts what it was told by banks."""

    def __init__(self) -> None:
        super().__init__()
        self.matches_met: Counter[str] = Counter()
        self.utrs_met: Counter[str] = Counter()
        self.statements_met: Counter[tuple[str, str, Result]] = Counter()
        self.words_met: Counter[str] = Counter()
        self.recalls_met: Counter[tuple[str, Result]] = Counter()

    def check_recall(self, row: Row) -> Answer:
        """Count of what it is."""
        answer = super().check_recall(row)
        self.recalls_met[self.about_recall(row), Result(answer.result)] += 1
        return answer

    def about_recall(self, row: Row) -> str:
        """What is first to say of what comes back."""
        named = self.accepted(row.resolves)
        if named is None or named.kind != Kind.TRANSFER:
            return "of no transfer"
        from_, to = self.kinds_of(named)
        if to != AccountKind.BANK_TRANSIT:
            return "of another transfer"
        returned, payout = from_ == AccountKind.BANK_SUSPENSE, self.is_payout(named)
        if not returned and not payout:
            return "of what ended a debit"
        what = "a payout" if payout else "a return"
        aside = self.kinds_of(row)[1] == AccountKind.SUSPENSE
        if row.debit != named.credit:
            return "of another bank"
        if (payout and row.credit != named.debit) or (returned and not aside):
            return f"{what} elsewhere"
        if row.amount != named.amount:
            return "more" if row.amount > named.amount else "less"
        met = self.accepted(self.matched.get(named.sequence, 0))
        if met is None:
            return what
        return f"what was {'booked' if met.kind == Kind.BOOKED else 'recalled'}"

    def do_booked(self, row: Row) -> None:
        """Count why it was matched, or not."""
        reasons = self.of_credit(row) if row.debit else self.of_debit(row)
        side = "credit" if row.debit else "debit"
        if len(reasons) == 1:
            self.matches_met[f"{side} {reasons[0]}"] += 1
        if row.debit and not row.flags & RowFlag.REVERSAL:
            self.count_utr("booked", row, self.claims.get(utr_key(row.reference), 0))
        super().do_booked(row)

    def check_top_up(self, row: Row) -> Answer:
        """Count whose the reference is."""
        answer = super().check_top_up(row)
        if answer.result == Result.UTR_ALREADY_CREDITED:
            self.count_utr("top-up", row, answer.other)
        return answer

    def count_utr(self, what: str, row: Row, taken: int) -> None:
        """Count who has the reference of money that comes."""
        if not taken:
            self.utrs_met[f"{what}: nobody has it"] += 1
            return
        taker = self.rows[taken - 1]
        whose = "a top-up"
        if taker.kind == Kind.BOOKED:
            whose = f"one {'matched' if taker.flags & RowFlag.MATCHED else 'booked'}"
            if what == "booked":
                whose = f"one {'here' if taker.debit == row.debit else 'elsewhere'}"
        typed = "as typed" if taker.reference == row.reference else "typed otherwise"
        self.utrs_met[f"{what}: of {whose}, {typed}"] += 1

    def check_statement(self, row: Row) -> Answer:
        """Count where it stands, if it is of its bank account."""
        answer = super().check_statement(row)
        if answer.result in (OK, Result.STATEMENT_GAP):
            told = STATEMENT_BYTES.unpack_from(row.tail or b"")
            _, _, _, index, number, _, last_day, count, opening, _, _ = told
            reasons = self.places(index, (last_day, number), opening)
            if not count and "of another opening" in reasons:
                reasons[reasons.index("of another opening")] += ", without lines"
            told_by = self.rows[row.proposal - 1].flags & RowFlag.EVIDENCE
            by = "channel" if told_by else "people"
            if len(reasons) == 1:
                self.statements_met[by, reasons[0], Result(answer.result)] += 1
        return answer

    def places(self, index: int, place: tuple[int, int], opening: int) -> list[str]:
        """What is said against a statement, or where it is."""
        last, tomorrow = self.statements.get(index), ist_day(self.clock()) + 1
        reasons = ["of a day to come"] if place[0] > tomorrow else []
        if last is not None and opening != last.closing:
            reasons.append("of another opening")
        if last is not None and place < last.place:
            earlier = "day" if place[0] < last.place[0] else "number"
            reasons.append(f"of an earlier {earlier}")
        there = "of tomorrow" if place[0] == tomorrow else "in its place"
        return reasons or [there]

    def may_as_channel(self, row: Row) -> bool:
        """Count what is as much as a channel may say, or a little more."""
        may = super().may_as_channel(row)
        if row.kind == Kind.PROPOSE and self.is_by_channel(row):
            if may and row.amount == CHANNEL_AMOUNT_MAX:
                self.words_met["signed: as much as may be"] += 1
            elif row.amount == CHANNEL_AMOUNT_MAX + 1:
                self.words_met["not signed: of too much"] += 1
        return may

    def is_line(self, row: Row) -> bool:
        """Count what a channel has said."""
        asked = self.accepted(row.proposal)
        if asked is not None and asked.kind == Kind.PROPOSE and not row.checker:
            told = asked.flags & RowFlag.EVIDENCE and self.is_line_of(row, asked)
            reasons = self.against(asked) if told else ()
            if len(reasons) == 1:
                self.words_met[reasons[0]] += 1
        return super().is_line(row)

    def against(self, asked: Row) -> list[str]:
        """Why nothing comes of what a channel has said; or that it does."""
        reasons = ["withdrawn"] if self.link_of(asked) else []
        if self.clock() - asked.timestamp >= PROPOSAL_LIFE_NS:
            reasons.append("too old")
        one = self.persons[asked.participant, asked.operator_]
        whose = self.participants[asked.participant]
        changed = {
            "of one who is stopped": not one.active,
            "of one of another role": one.role != PersonRole.CHANNEL,
            "of a participant that is stopped": not whose.active,
        }
        said = [why for why, is_so in changed.items() if is_so]
        if not said and one.sequence > asked.sequence:
            said = ["of one who was started again"]
        if not said and whose.sequence > asked.sequence:
            said = ["of a participant that was started again"]
        return reasons + said or ["done"]

    def alike(self, row: Row, named: Row) -> list[str]:
        """Why a line is not what a row waits for, on either side."""
        met = self.accepted(self.matched.get(row.resolves, 0))
        reasons = {
            "taken back": row.flags & RowFlag.REVERSAL,
            "that came before": met is not None and met.kind == Kind.BOOKED,
            "recalled": met is not None and met.kind == Kind.TRANSFER,
            "of another amount": row.amount != named.amount,
            "to come": bool(self.persons) and named.sequence >= row.proposal,
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
        taken = self.claims.get(utr_key(row.reference), 0)
        if taken and not row.flags & RowFlag.REVERSAL:
            by_hand = self.rows[taken - 1].kind == Kind.TOP_UP
            reasons.append(f"{'topped up' if by_hand else 'booked'} already")
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
        payout = self.is_payout(named)
        if not payout and named.resolves:
            item = self.rows[named.resolves - 1]
            if self.accounts[item.credit].kind == AccountKind.BANK:
                reasons.append("of what ended a debit")
        return reasons or [f"matched to a {'payout' if payout else 'return'}"]

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
        if self.is_recall(row):
            return f"{by}recall"
        if row.resolves and from_ == AccountKind.BANK_SUSPENSE:
            return f"{by}ending of a credit"
        if self.is_payout(row):
            return f"{by}payout"
        debits = to == AccountKind.BANK_TRANSIT and row.resolves
        return f"{by}ending of a debit" if debits else ""

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
