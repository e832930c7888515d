"""Which cells of the rules of payouts were met: who was paid out, what was owed, which
wallets were low, which cut-offs came, who signed that a certificate is revoked.

Part of tests/core/cells.py, which see.
"""

from bisect import bisect_left
from collections import Counter

from switch.codes import PROPOSE_LINES, AccountKind, Kind, PersonRole, Record, Result
from tests.core.bank_cells import WatchedBanks
from tests.flags import RowFlag
from tests.model_beneficiaries import WAIT_S
from tests.model_signed import SIGNED_RECORDS
from tests.model_state import DAY_S, IST_S, SECOND_NS, Answer, ist_day
from tests.records import Account, Outcome, Row

OK = Result.OK
WRONG, WAITS = Result.BENEFICIARY_WRONG, Result.BENEFICIARY_WAITS
EXCEEDS = Result.EXCEEDS_SETTLED
NOT_SIGNED = Result.NOT_SIGNED

PAYOUT_DEEDS: dict[str, set[Result]] = {
    # From here on where nobody is registered.
    "beneficiary": {OK, Result.ACCOUNT_UNKNOWN, Result.ACCOUNT_KIND_WRONG},
    "schedule": {OK},
    "opening": {OK, Result.ACCOUNT_KIND_WRONG},
    # From here on where people are.
    "line beneficiary": {OK, Result.NOT_APPROVED, Result.ACCOUNT_KIND_WRONG},
    "line schedule": {OK, Result.NOT_APPROVED},
    "line opening": {OK, Result.NOT_APPROVED, Result.ACCOUNT_KIND_WRONG},
    "revocation": {
        OK, NOT_SIGNED, Result.PARTICIPANT_UNKNOWN, Result.LAST_TREASURIES,
    },
    "confirmation": {
        OK, NOT_SIGNED, Result.PROPOSAL_NOT_FOUND, Result.SAME_PERSON,
        Result.ALREADY_APPROVED,
    },
}  # fmt: skip
"""What is asked of beneficiaries, schedules and certificates, and what it can have."""

PAYOUTS = {
    ("before the first: of nothing", OK),
    ("before the first: of another row", WRONG),
    ("of nothing", WRONG),
    ("of another row", WRONG),
    ("of an older row", WRONG),
    ("of an older row, of one who is paid no more", WRONG),
    ("of one who is paid no more", WRONG),
    ("too early, as by default", WAITS),
    ("too early, as the thresholds say", WAITS),
    ("early by less than a second", WAITS),
    ("in time, as by default", OK),
    ("in time, as the thresholds say", OK),
    ("in time by less than a second", OK),
    ("of more than is left", EXCEEDS),
    ("of what is not there", EXCEEDS),
    ("of all that is left", OK),
}
"""Of which row a payout speaks, and what is answered."""

TO_COME = "of a row to come"
"""Where people are: seldom drawn, as nobody knows its number; a story has it."""

_KINDS_BACK = (
    "top_up",
    "limit",
    "void",
    "expire",
    "refund",
    "transfer",
    "booked",
    "post",
)
LOWS = {
    *(f"becomes low: {kind}" for kind in ("pay", "hold", "transfer", "limit")),
    *(f"low no more: {kind}" for kind in _KINDS_BACK),
    *(f"stays low: {kind}" for kind in (
        *_KINDS_BACK, "pay", "hold", "verify", "case", "case_close", "freeze",
    )),
}  # fmt: skip
"""By which rows wallets become low, and are no more, and stay so."""

OWES = {
    "owes: transfer", "owes: post",
    "owes more: transfer", "owes more: post",
    "owes less: top_up", "owes less: booked", "owes less: transfer",
    "owes no more: top_up", "owes no more: booked", "owes no more: transfer",
    "has enough, whatever is said",
    *(f"said of {what}" for what in (
        "a transfer", "a payout", "an opening", "a recovery", "a correction",
        "an advance", "a credit's end", "a debit's end from elsewhere",
    )),
}  # fmt: skip
"""How wallets come to owe, and of what it is said that may not say it."""

OPENINGS = {
    "of what the bank has", "of what the bank is owed", "of one that was used",
    "of one not registered", "not with a float",
}  # fmt: skip
"""What a transfer that speaks of nothing does with an account of kind bank."""

CUT_OFFS = {
    "just before", "just then", "a moment later", "later",
    "one", "several", "of the schedule", "of a year alone",
    "after a holiday", "with what is due", "with what is due a moment later",
    "after one by command",
    "after another schedule", "told again by command", "a nanosecond after another",
}  # fmt: skip
"""When windows were closed by the schedule, and where that stood."""
FIRST_WINDOW = "the first window"
"""The same, once in a ledger."""

SIGNERS = {
    ("revocation", "maker", OK), ("revocation", "checker", OK),
    ("revocation", "channel", NOT_SIGNED), ("revocation", "nobody", NOT_SIGNED),
    ("confirmation", "checker", OK), ("confirmation", "colleague", OK),
    ("confirmation", "checker", Result.SAME_PERSON),
    ("confirmation", "maker", NOT_SIGNED), ("confirmation", "channel", NOT_SIGNED),
    ("confirmation", "nobody", NOT_SIGNED),
}  # fmt: skip
"""Who has signed that a certificate is revoked, or stands by it; all rightly signed."""

NEWS = {
    "participant", "service", "person", "thresholds", "beneficiary", "schedule",
    "operator",
}  # fmt: skip
"""Of what something newer is there than a proposal of it that was approved."""

MOMENT_NS = 40


class WatchedPayouts(WatchedBanks):
    """A model that counts what was paid out, owed, low, closed and signed."""

    def __init__(self) -> None:
        super().__init__()
        self.payouts_met: Counter[tuple[str, Result]] = Counter()
        self.lows_met: Counter[str] = Counter()
        self.owes_met: Counter[str] = Counter()
        self.openings_met: Counter[str] = Counter()
        self.cut_offs_met: Counter[str] = Counter()
        self.signers_met: Counter[tuple[str, str, Result]] = Counter()
        self.news_met: Counter[str] = Counter()

    # --- payouts and openings ---------------------------------------------------------

    def check_payout(self, row: Row) -> Answer:
        """Count of which row it speaks."""
        answer = super().check_payout(row)
        for why in self.about_payout(row):
            self.payouts_met[why, Result(answer.result)] += 1
        return answer

    def about_payout(self, row: Row) -> list[str]:
        """Where the row of which a payout speaks stands."""
        named = self.accepted(row.resolves)
        tail = (named.tail or b"")[:8] if named is not None else b""
        if named is None or tail[0] != Record.BENEFICIARY:
            what = "of another row" if row.resolves else "of nothing"
            return [what if self.beneficiaries else f"before the first: {what}"]
        newest = self.beneficiaries[int.from_bytes(tail[4:8], "little")]
        if newest.sequence != named.sequence:
            off = ", of one who is paid no more" if not newest.active else ""
            return [f"of an older row{off}"]
        if not newest.active:
            return ["of one who is paid no more"]
        if self.was_to_come(row, named):
            return [TO_COME]
        left = named.timestamp + (self.wait_s or WAIT_S) * SECOND_NS - self.clock()
        payee = self.accounts[int.from_bytes(tail[4:8], "little")]
        room = max(0, payee.settled - payee.paid_out)
        if left <= 0 and row.amount > room:
            return ["of more than is left" if room else "of what is not there"]
        whose = "as the thresholds say" if self.wait_s else "as by default"
        words = [f"{'too early' if left > 0 else 'in time'}, {whose}"]
        if -SECOND_NS < left <= SECOND_NS:
            early = "early" if left > 0 else "in time"
            words.append(f"{early} by less than a second")
        if left <= 0 and row.amount == room:
            words.append("of all that is left")
        return words

    def may_move(self, row: Row, debit: Account, credit: Account) -> bool:
        """Count what becomes of what looks like an opening."""
        may = super().may_move(row, debit, credit)
        kinds = {debit.kind, credit.kind}
        if AccountKind.BANK in kinds and not row.resolves:
            mirror = debit if debit.kind == AccountKind.BANK else credit
            at = row.debit if mirror is debit else row.credit
            reasons = {
                "of one that was used": any(mirror.totals),
                "of one not registered": self.bank_with(at) is None,
                "not with a float": AccountKind.FLOAT not in kinds,
            }
            why = [reason for reason, is_so in reasons.items() if is_so]
            side = "has" if mirror is debit else "is owed"
            if len(why) < 2:
                self.openings_met[(why or [f"of what the bank {side}"])[0]] += 1
        return may

    # --- what is owed, and what is low ------------------------------------------------

    def check_transfer(self, row: Row) -> Answer:
        """Count of what it is said that a wallet may owe."""
        if self.is_owed_wrongly(row):
            self.owes_met[f"said of {self.kind_of_transfer(row)}"] += 1
        answer = super().check_transfer(row)
        owed = row.flags & RowFlag.OWED and answer.result == OK
        if owed and self.accounts[row.debit].available >= row.amount:
            self.owes_met["has enough, whatever is said"] += 1
        return answer

    def kind_of_transfer(self, row: Row) -> str:
        """What a transfer is that is no ending of a debit from a wallet."""
        kinds = self.kinds_of(row)
        if self.is_payout(row):
            return "a payout"
        if not row.resolves:
            pair = {AccountKind.BANK, AccountKind.FLOAT}
            return "an opening" if set(kinds) == pair else "a transfer"
        if self.is_ending(row):
            credits_ = kinds[0] == AccountKind.BANK_SUSPENSE
            return "a credit's end" if credits_ else "a debit's end from elsewhere"
        if self.is_recovery(row):
            return "a recovery"
        return "an advance" if self.asks_for(row) != row.kind else "a correction"

    def touch(self, index: int, sequence: int) -> None:
        """Count what it makes of a wallet."""
        account = self.accounts[index]
        was_low, history = account.low_since, self.history[index]
        super().touch(index, sequence)
        if account.kind != AccountKind.WALLET or not self.rows:
            return
        kind = Kind(self.rows[-1].kind).name.lower()
        if account.low_since or was_low:
            how = "stays low" if was_low else "becomes low"
            how = how if account.low_since else "low no more"
            self.lows_met[f"{how}: {kind}"] += 1
        totals = history[-1][1] if history else (0, 0, 0, 0)
        before, after = totals[3] - totals[1], account.balance
        if before >= 0 > after:
            self.owes_met[f"owes: {kind}"] += 1
        elif before < 0 and before != after:
            less = "owes less" if after > before else "owes more"
            self.owes_met[f"{less if after < 0 else 'owes no more'}: {kind}"] += 1

    # --- cut-offs ---------------------------------------------------------------------

    def close_if_due(self) -> bool:
        """Count when it is, and what was before."""
        words = self.about_cut_off() if self.schedule_row else []
        for word in words:
            self.cut_offs_met[word] += 1
        return super().close_if_due()

    def about_cut_off(self) -> list[str]:
        """Where the next cut-off stands to the group that begins."""
        at, cut_off = self.clock(), self.cut_off
        if at < cut_off:
            return ["just before"] if cut_off - at < MOMENT_NS else []
        late = "a moment later" if at - cut_off < MOMENT_NS else "later"
        words = ["just then" if at == cut_off else late]
        words.append("several" if self.cut_off_after(cut_off) <= at else "one")
        day = ist_day(cut_off)
        works = self.weekdays >> (day + 3) % 7 & 1 and day not in self.holidays
        minute = (cut_off // SECOND_NS + IST_S) % DAY_S // 60
        said = works and minute in self.cutoffs
        words.append("of the schedule" if said else "of a year alone")
        before = self.rows[max(self.last_window, self.schedule_row) - 1].timestamp
        passed = range(ist_day(before) + 1, day)
        if any(self.weekdays >> (each + 3) % 7 & 1 for each in passed) and said:
            words.append("after a holiday")
        if self.due and self.due[0][0] <= at:
            words.append("with what is due")
        first = bisect_left(self.due, (at + 1, 0))
        if first < len(self.due) and self.due[first][0] == at + 1:
            words.append("with what is due a moment later")
        if not self.last_window:
            words.append(FIRST_WINDOW)
        elif self.last_window == len(self.rows) and self.timestamp + 1 == cut_off:
            words.append("a nanosecond after another")
        elif self.last_window < self.schedule_row:
            words.append("after another schedule")
        elif self.rows[self.last_window - 1].participant:
            words.append("after one by command")
        return words

    def check_window(self, row: Row) -> Answer:
        """Count what a cut-off has closed before."""
        answer = super().check_window(row)
        if answer.repeat and not self.rows[answer.other - 1].participant:
            self.cut_offs_met["told again by command"] += 1
        return answer

    # --- who signs, and what came since -----------------------------------------------

    def decide_signed(self, row: Row) -> Outcome:
        """Count who has signed what is of certificates."""
        outcome = super().decide_signed(row)
        if row.kind == Kind.REGISTER and (row.tail or b"")[0] in SIGNED_RECORDS:
            what = Record((row.tail or b"")[0]).name.lower()
            who = self.signer(row, outcome)
            self.signers_met[what, who, Result(outcome.result)] += 1
        return outcome

    def signer(self, row: Row, outcome: Outcome) -> str:
        """Who that is."""
        person = self.persons.get((row.participant, row.operator_))
        if person is None or not person.active:
            return "nobody"
        if outcome.result == OK and (row.tail or b"")[0] == Record.CONFIRMATION:
            number = int.from_bytes((row.tail or b"")[4:8], "little")
            if self.revocations[number - 1].sender[0] == row.participant:
                return "colleague"
        return PersonRole(person.role).name.lower()

    def is_line(self, row: Row) -> bool:
        """Count what is wanted no more, as it was said anew."""
        is_line = super().is_line(row)
        asked = self.accepted(row.proposal)
        if is_line or row.kind != Kind.REGISTER or asked is None:
            return is_line
        if asked.kind != Kind.PROPOSE or asked.total != PROPOSE_LINES:
            return False
        tail = row.tail or b""
        late = self.newest_about(tail) > asked.sequence
        if late and self.approval_of(asked) and self.is_line_of(row, asked):
            self.news_met[Record(tail[0]).name.lower()] += 1
        return False

    # --- what it is called ------------------------------------------------------------

    def payout_deed(self, row: Row) -> str:
        """What a request of these is called, or nothing."""
        by = "line " if self.persons else ""
        record = (row.tail or b"\0")[0] if row.kind == Kind.REGISTER else 0
        if record in (Record.BENEFICIARY, Record.SCHEDULE):
            return by + Record(record).name.lower()
        if record in SIGNED_RECORDS and self.persons:
            return Record(record).name.lower()
        pair = {AccountKind.BANK, AccountKind.FLOAT}
        opens = row.kind == Kind.TRANSFER and not row.resolves
        if opens and set(self.kinds_of(row)) == pair:
            return f"{by}opening"
        return ""
