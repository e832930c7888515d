"""Which cells of the rules of counters were met: who stood behind what was asked for at
a counter, what became of complaints, which cash was handed out, which bills were put
in.

Part of tests/core/cells.py, which see.
"""

from collections import Counter

from switch.codes import AccountKind, Kind, PriceRule, Record, Result, Role
from tests.core.payout_cells import WatchedPayouts
from tests.model_counters import (
    ADDITION,
    ANSWERED,
    ASKED,
    CLOSED,
    DELTA,
    FULL,
    STEPS,
    WITHDRAWAL,
)
from tests.model_quotations import open_token
from tests.model_register import form_of, read_service, rules_of
from tests.model_state import PAYS, Answer
from tests.records import Outcome, Row

OK = Result.OK
UNKNOWN = Result.OPERATOR_UNKNOWN
NOT_FOUND, FOLLOWED = Result.COMPLAINT_NOT_FOUND, Result.ALREADY_FOLLOWED

COUNTER_DEEDS: dict[str, set[Result]] = {
    "complaint": {OK, UNKNOWN, Result.PAYMENT_NOT_FOUND, Result.COMPLAINT_OPEN},
    "reply": {OK, NOT_FOUND, FOLLOWED, Result.COMPLAINT_CLOSED},
    "handed_out": {
        *(OK, UNKNOWN, Result.ACCOUNT_UNKNOWN, Result.ACCOUNT_KIND_WRONG),
        *(Result.PAYMENT_NOT_FOUND, Result.NET_DIFFERS),
        *(Result.ALREADY_HANDED_OUT, Result.CASES_OPEN),
    },
    # That a centre has another account than wallets is met in `test_operators`.
    "signed_off": {OK, UNKNOWN, Result.ACCOUNT_UNKNOWN},
    "bills": {OK, Result.SERVICE_UNKNOWN, Result.RULE_FIXED, FOLLOWED},
    "shift at a counter": {OK, UNKNOWN, FOLLOWED},
    "sign off a shift": {OK, UNKNOWN, Result.SAME_PERSON, Result.ALREADY_APPROVED},
    # From here on where nobody is registered.
    "operator": {OK, Result.PARTICIPANT_UNKNOWN, Result.SAME_PERSON},
    # From here on where people are.
    "line operator": {
        OK, Result.NOT_APPROVED, Result.PARTICIPANT_UNKNOWN, Result.SAME_PERSON,
    },
    "stop operator": {OK, Result.NOT_SIGNED},
}  # fmt: skip
"""What is asked at counters, and each result that it can have by itself."""

FORMS = {FULL: "full", DELTA: "delta", WITHDRAWAL: "withdrawal", ADDITION: "addition"}
RAISED = 0
STRANGER = "by somebody else"
NAMES = {RAISED: "raised", ASKED: "asked", ANSWERED: "answered", CLOSED: "closed"}
"""Where a complaint stands, by the last step."""


def told_of(state: int, step: int, *, own: bool) -> Result:
    """What a reply is told, by where its complaint stands, and whose its step is."""
    if not own:
        return NOT_FOUND
    if state == CLOSED:
        return Result.COMPLAINT_CLOSED
    return FOLLOWED if state == step else OK


REPLIES = {
    (NAMES[state], NAMES[step], told_of(state, step, own=True))
    for state in NAMES
    for step in STEPS
} | {
    (NAMES[state], f"by {who}", NOT_FOUND)
    for state in NAMES
    for who in (
        "another biller", "one switched off", "a centre", "its biller", "a treasury",
    )
}  # fmt: skip
"""Every cell of what may follow in a complaint's life, and by whom it may not."""

ALONE = frozenset(
    {Kind.COMPLAINT, Kind.REPLY, Kind.BILLS, Kind.HANDED_OUT, Kind.SIGNED_OFF}
)
"""What is called as its kind."""

ASKED_BY_OPERATORS = (
    *("message", "row", "basket"),
    *("shift", "approve", "complaint", "handed_out"),
)
"""What an operator of a centre asks for."""

OPERATORS = (
    {
        (what, who, who != "known")
        for what in ASKED_BY_OPERATORS
        for who in ("known", "switched off", "of another centre", "nobody")
    }
    | {
        ("message", "who is not signed on", True),
    }
    | {
        # A complaint is its sender's own.
        (what, "of another sender", True)
        for what in ASKED_BY_OPERATORS
        if what != "complaint"
    }
    | {(what, "where nobody signs on", False) for what in ASKED_BY_OPERATORS}
)
"""Whose number is named for what, and whether that is turned away for it."""

OF_FILES = {
    ("no file", "", OK),
    *(
        (form, age, OK if age == "newer" else Result.QUOTATION_EXPIRED)
        for form in ("full", "delta", "withdrawal")
        for age in ("older", "as old", "newer")
    ),
    *(
        (f"addition{behind}", age, OK)
        for behind in ("", " behind another form")
        for age in ("older", "as old", "newer")
    ),
    ("addition behind another form", "older than that", Result.QUOTATION_EXPIRED),
}
"""What the newest file of a service is, how old a quotation is beside it, and whether
that is too old."""

AMOUNT_RULES = {
    ("no files", "the same", OK),
    ("no files", "another", OK),
    ("files", "the same", OK),
    ("files", "another", Result.RULE_FIXED),
}
"""Whether a service has files, and how it bears another amount rule. Without files a
direct one may not have that rule.
"""

AGAIN = {"another", "another who is switched off", "another who is nobody"}
"""Who has the answer that one before had."""


class WatchedCounters(WatchedPayouts):
    """A model that counts what happened at counters."""

    def __init__(self) -> None:
        super().__init__()
        self.replies_met: Counter[tuple[str, str, Result]] = Counter()
        self.operators_met: Counter[tuple[str, str, bool]] = Counter()
        self.again_met: Counter[str] = Counter()
        self.files_met: Counter[tuple[str, str, Result]] = Counter()
        self.amount_rules_met: Counter[tuple[str, str, Result]] = Counter()

    # --- who stands behind it ---------------------------------------------------------

    def has_operator(self, row: Row) -> bool:
        """Count whose number is named."""
        has = super().has_operator(row)
        centre = self.counter_of(row)
        if self.operators and self.participants[centre].role == Role.CENTRE:
            what = Kind(row.kind).name.lower()
            if row.kind in PAYS:
                alone = "message" if row.hot else "row"
                what = "basket" if row.basket else alone
            who = self.kind_of_operator(centre, row.operator_)
            if not self.participants[centre].signs_on:
                who = "where nobody signs on"
            elif row.participant != centre:
                who = "of another sender"
            if row.stranger:
                what, who = "message", "who is not signed on"
            self.operators_met[what, who, not has] += 1
        return has

    def kind_of_operator(self, centre: int, number: int) -> str:
        """Who has that number."""
        one = self.operators.get((centre, number))
        if one is not None:
            return "known" if one.active else "switched off"
        elsewhere = any(other == number for _, other in self.operators)
        return "of another centre" if elsewhere else "nobody"

    def again(self, row: Row, first: Row) -> Outcome:
        """Count who else has an answer that was there."""
        outcome = super().again(row, first)
        differs = row.kind in PAYS and row.operator_ != first.operator_
        wallet = self.account(row.debit)
        centre = wallet.participant if wallet is not None else 0
        if outcome.repeat and differs and self.participants[centre].signs_on:
            who = self.kind_of_operator(centre, row.operator_)
            kinds = {"known": "", "switched off": " who is switched off"}
            self.again_met["another" + kinds.get(who, " who is nobody")] += 1
        return outcome

    # --- complaints -------------------------------------------------------------------

    def check_reply(self, row: Row) -> Answer:
        """Count where its complaint stands, and who says so."""
        answer = super().check_reply(row)
        raised = self.accepted(row.resolves)
        if raised is not None and raised.kind == Kind.COMPLAINT:
            newest = self.newest_of(raised.debit)
            state = newest.total if newest.kind == Kind.REPLY else RAISED
            said = self.about_sender(row, raised) or NAMES[row.total]
            if said != STRANGER:
                self.replies_met[NAMES[state], said, Result(answer.result)] += 1
        return answer

    def about_sender(self, row: Row, raised: Row) -> str:
        """Who replies that may not, or nothing if it is whose step that is."""
        if not 0 < row.participant < len(self.participants):
            return STRANGER
        sender = self.participants[row.participant]
        payment = self.rows[raised.resolves - 1]
        if sender.role == Role.BILLER:
            if self.accounts[payment.credit].participant != row.participant:
                return "by another biller"
            return "" if row.total == ANSWERED else "by its biller"
        if sender.role == Role.TREASURY:
            if not sender.active:
                return "by one switched off"
            return "by a treasury" if row.total == ANSWERED else ""
        return "by a centre" if sender.role == Role.CENTRE else STRANGER

    # --- files of bills ---------------------------------------------------------------

    def believe(self, row: Row, ahead: int = 0) -> int:
        """Count how old a quotation is that is right but for files."""
        result = super().believe(row, ahead)
        service = self.service_at(row.service)
        quoted = open_token(row.quotation, self.keys, self.instance)
        if service is None or quoted is None or result == Result.QUOTATION_WRONG:
            return result
        at = self.clock() + ahead
        lives = quoted.fetched <= at < quoted.valid_until
        if lives and not self.is_superseded(row, service, at):
            expired = result == Result.QUOTATION_EXPIRED
            seen = self.seen_from_files(row.service, quoted.fetched)
            self.files_met[*seen, Result.QUOTATION_EXPIRED if expired else OK] += 1
        return result

    def seen_from_files(self, service: int, fetched: int) -> tuple[str, str]:
        """What the newest file is, and how old a quotation is beside it."""
        sequence = self.bills_of.get(service, 0)
        if not sequence:
            return "no file", ""
        newest = other = self.rows[sequence - 1]
        while (other.tail or b"")[0] == ADDITION and other.resolves:
            other = self.rows[other.resolves - 1]
        name = FORMS[(newest.tail or b"")[0]]
        if newest is not other:
            if fetched <= other.timestamp and (other.tail or b"")[0] != ADDITION:
                return f"{name} behind another form", "older than that"
            if (other.tail or b"")[0] != ADDITION:
                name += " behind another form"
        if fetched == newest.timestamp:
            return name, "as old"
        return name, "older" if fetched < newest.timestamp else "newer"

    def check_register(self, row: Row) -> Answer:
        """Count which amount rules change."""
        answer = super().check_register(row)
        tail = row.tail or b""
        if tail[0] != Record.SERVICE or answer.result not in (OK, Result.RULE_FIXED):
            return answer
        said = read_service(tail)
        index = self.service_of.get(said.code, 0)
        before = self.services[index - 1] if index else said
        if not index or before.price_rule != PriceRule.BILL:
            return answer
        fixed = rules_of(before) != rules_of(said) or form_of(before) != form_of(said)
        if not fixed and said.heads[: len(before.heads)] == before.heads:
            has = "files" if index in self.bills_of else "no files"
            same = "the same" if said.amount_rule == before.amount_rule else "another"
            self.amount_rules_met[has, same, Result(answer.result)] += 1
        return answer

    # --- what it is called ------------------------------------------------------------

    def counter_deed(self, row: Row) -> str:
        """What a request of these is called, or nothing."""
        if row.kind in ALONE:
            return Kind(row.kind).name.lower()
        operator = row.kind == Kind.REGISTER and (row.tail or b"")[0] == Record.OPERATOR
        if operator and not self.persons:
            return "operator"
        wallet = self.account(row.debit)
        if row.kind == Kind.SHIFT and wallet and wallet.kind == AccountKind.WALLET:
            return "shift at a counter"
        shift = self.accepted(row.resolves) if row.kind == Kind.APPROVE else None
        return "sign off a shift" if shift and shift.kind == Kind.SHIFT else ""
