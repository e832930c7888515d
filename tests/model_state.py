"""What the oracle holds, and how a row gets its place.

Part of tests/model.py, which see.
"""

from collections import Counter
from dataclasses import dataclass

from switch.codes import Kind, Letters, Result
from tests.flags import RowFlag
from tests.model_quotations import Keys
from tests.model_references import canonical
from tests.records import ZERO_ID, Account, Row, TariffItem

SECOND_NS = 10**9
DAY_S = 86_400
IST_S = 19_800
WORD_MAX = 2**64 - 1
NEVER = WORD_MAX
"""When a hold is due that a case has kept."""

PAYS = frozenset((Kind.PAY, Kind.HOLD))
MONEY = frozenset(range(Kind.PAY, Kind.TRANSFER + 1)) - {Kind.WINDOW} | {
    Kind.SETTLE,
    Kind.BOOKED,
}

ClaimKey = tuple[str, int, bytes, int]


def ist_day(timestamp: int) -> int:
    """IST date of a time in nanoseconds UTC, as days since 1970-01-01."""
    return (timestamp // SECOND_NS + IST_S) // DAY_S


def financial_year(timestamp: int) -> int:
    """IST calendar year in which the April of this time's financial year fell."""
    days = ist_day(timestamp)
    year, april = 1970, 90
    while True:
        leap = (year + 1) % 4 == 0 and ((year + 1) % 100 != 0 or (year + 1) % 400 == 0)
        following = april + 365 + leap
        if days < april:
            return year - 1
        if days < following:
            return year
        year, april = year + 1, following


@dataclass(slots=True)
class Participant:
    """Someone registered; `sequence` is that of the current register row."""

    code: bytes
    role: int
    sequence: int
    active: int = 1
    may_state_dues: int = 0
    never_credits_late: int = 0
    signs_on: int = 0
    answer_hours: int = 0


@dataclass(slots=True)
class Revocation:
    """A certificate that is no longer accepted: whose, and by whom it was said."""

    participant: int
    sender: tuple[int, int]
    """A participant, and its operator."""
    confirmed: bool = False


@dataclass(slots=True)
class Service:
    """One service, with everything that decides; `sequence` as for participants."""

    code: bytes
    amount_rule: int
    mode: int
    duplicate_rule: int
    key_rule: int
    active: int
    amount_min: int
    amount_max: int
    duplicate_hours: int
    biller: int
    heads: tuple[int, ...]
    deadline_s: int = 0
    deadline_policy: int = 0
    price_rule: int = 0
    letters: int = Letters.AS_THEY_ARE
    ignored: int = 0
    check_digit: int = 0
    series: int = 0
    amount_step: int = 0
    pattern: bytes = b""
    items: tuple[TariffItem, ...] = ()
    sequence: int = 0

    def canonical(self, reference: bytes, *, whole: bool = False) -> bytes | None:
        """A reference in its one form; `whole` if it has no period behind it."""
        return canonical(
            reference,
            letters=self.letters,
            ignored=self.ignored,
            check_digit=self.check_digit,
            pattern=self.pattern,
            key_rule=0 if whole else self.key_rule,
        )


@dataclass(slots=True)
class Answer:
    """What a rule says: the result, and the row or record it speaks of."""

    result: int = Result.OK
    other: int = 0
    repeat: int = 0


OK = Answer()


class State:
    """All that the rules ask and change."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.accounts: list[Account] = [Account(0, 0, 0, state=0)]
        self.participants: list[Participant] = [Participant(b"", 0, 0)]
        self.services: list[Service] = []
        # Open holds of a biller, from messages; until reopened.
        self.biller_most: dict[int, int] = {}
        # By role: refusals a second, and how many may come at once. Until reopened,
        # as what each participant has used up.
        self.refusals: dict[int, tuple[int, int]] = {}
        self.refused_until: dict[int, int] = {}
        self.holds_most = 0  # of a wallet, from messages; 0: no bound; until reopened
        self.instance = bytes(16)  # the ledger's
        self.keys: Keys = []  # of quotations, until reopened
        self.account_of: dict[tuple[int, int], int] = {}
        self.participant_of: dict[bytes, int] = {}
        self.service_of: dict[bytes, int] = {}
        self.biller_accounts: list[int] = []
        self.ids: dict[tuple[int, bytes], int] = {}
        self.claims: dict[
            ClaimKey, int
        ] = {}  # of bills, UTRs, booked lines: by which row
        # claim -> all who had it, the newest last
        self.claimants: dict[ClaimKey, tuple[int, ...]] = {}
        self.released: dict[ClaimKey, int] = {}  # when a claim was released last, ns
        # (service or series, citizen's reference) -> who took it, the newest last
        self.takers: dict[tuple[int, bytes], tuple[int, ...]] = {}
        self.due: list[tuple[int, int]] = []  # (ns, sequence) of open holds, sorted
        self.kept: set[int] = set()  # open holds that a case has kept
        self.unverified: set[int] = set()  # holds that expired, and nothing is known
        self.cases: dict[tuple[int, int], int] = {}  # (hold, type) -> the newest case
        self.verified: dict[int, int] = {}  # hold -> the newest verify
        self.freezes: dict[int, int] = {}  # account -> the newest freeze
        self.limits: dict[int, int] = {}  # account -> the newest limit, with people
        self.bills_of: dict[int, int] = {}  # service -> its last bills row
        self.renewed: dict[int, int] = {}  # service -> ns of the last that did more
        self.corrected: dict[int, int] = {}  # hold -> the newest that corrected it
        self.undone: dict[int, int] = {}  # hold -> the newest that undid that
        self.advanced: dict[int, int] = {}  # hold -> the transfer that advanced it
        self.recovered: dict[int, int] = {}  # advance -> the transfer back
        self.ended: dict[int, int] = {}  # booked row -> the transfer that ended it
        # request or release -> the booked row that was matched to it, or its recall
        self.matched: dict[int, int] = {}
        # hold, payment, window, case, proposal -> what resolved it last
        self.resolved: dict[int, int] = {}
        # (wallet, operator, the shift before or 0) -> the one that follows
        self.followed: dict[tuple[int, int, int], int] = {}
        self.refunded: dict[int, int] = {}
        self.settled_by: dict[tuple[int, int], int] = {}
        self.windows: dict[int, dict[int, int]] = {}  # window -> account -> payable
        self.last_window = 0
        self.rules_row = 0  # the last one
        self.revocations: list[Revocation] = []  # from 1
        self.unconfirmed: Counter[int] = Counter()  # by participant
        self.treasuries: set[int] = set()  # whoever was one at some time
        self.confirmations_count = 0
        self.pins_of: dict[int, int] = {}  # by participant
        # By participant and budget: its index, and its value.
        self.budgets: dict[tuple[int, int], tuple[int, int]] = {}
        self.timestamp = 0
        self.now = self.passed = 0
        self.tried: int | None = None  # of a basket that is tried: the last row before
        self.history: list[list[tuple[int, tuple[int, int, int, int]]]] = [[]]

    def clock(self) -> int:
        """The next row's timestamp."""
        return max(self.now, self.timestamp + 1)

    def append(self, row: Row, result: int = Result.OK) -> None:
        """Give the row its place, and remember its id and what it resolves."""
        row.timestamp = self.timestamp = self.clock()
        row.result = result
        row.sequence = len(self.rows) + 1
        if row.tail:
            row.flags |= RowFlag.TAIL
        self.rows.append(row)
        if row.id != ZERO_ID:
            self.ids[row.participant, row.id] = row.sequence
        if result == Result.OK and row.kind in MONEY:
            for index in (row.debit, row.credit):
                self.touch(index, row.sequence)
                totals = self.accounts[index].totals
                self.history[index].append((row.sequence, totals))

    def touch(self, index: int, sequence: int) -> None:
        """A row has changed this account, and may have made a wallet low."""
        account = self.accounts[index]
        account.changed = sequence
        is_low = account.available < account.low_balance
        account.low_since = (account.low_since or sequence) if is_low else 0

    def account(self, index: int) -> Account | None:
        """The account with this index."""
        return self.accounts[index] if 0 < index < len(self.accounts) else None

    def service_at(self, index: int) -> Service | None:
        """The service with this index."""
        return self.services[index - 1] if 0 < index <= len(self.services) else None
