"""The ledger's numbers by name. They are for ever, on disk and on the wire.

`core/codes.pxd` and `proto/` declare the same; a test holds the three together.
"""

from collections.abc import Mapping
from enum import IntEnum, IntFlag
from typing import Final


class Kind(IntEnum):
    """What a journal row does."""

    PAY = 1
    HOLD = 2
    POST = 3
    VOID = 4
    EXPIRE = 5
    REFUND = 6
    TOP_UP = 7
    TRANSFER = 8
    WINDOW = 9
    SETTLE = 10
    OPEN = 11
    LIMIT = 12
    FREEZE = 13
    CLOSE = 14
    REGISTER = 15
    CASE = 16
    CASE_CLOSE = 17
    PROPOSE = 18
    APPROVE = 19
    SHIFT = 20
    VERIFY = 21
    WITHDRAW = 22
    REQUEST = 23
    BOOKED = 24
    COMPLAINT = 25
    REPLY = 26
    BILLS = 27
    HANDED_OUT = 28
    SIGNED_OFF = 29


class Result(IntEnum):
    """Outcome of one requested movement, in the order the checks run."""

    UNSPECIFIED = 0
    OK = 1
    INVALID_ID = 2
    INVALID_AMOUNT = 3
    INVALID_REFERENCE = 4
    INVALID_OPERATOR = 5
    INVALID_CENTRE = 6
    INVALID_TENDER = 7
    INVALID_HEAD = 8
    INVALID_NOTE = 9
    INVALID_BASKET = 10
    INVALID_KIND = 11
    INVALID_RECORD = 12
    INVALID_DEADLINE = 13
    INVALID_ACCOUNT = 14
    INVALID_ITEMS = 15
    ID_REUSED = 20
    BILLER_BUSY = 21
    DATA_DAMAGED = 22
    NOT_APPROVED = 23
    QUOTATION_NEEDED = 24
    QUOTATION_WRONG = 25
    QUOTATION_EXPIRED = 26
    ADDITION_WRONG = 27
    TOO_MANY_REFUSALS = 28
    NOT_SIGNED = 29
    SERVICE_UNKNOWN = 30
    SERVICE_INACTIVE = 31
    HEAD_UNKNOWN = 32
    AMOUNT_BELOW_MINIMUM = 33
    AMOUNT_ABOVE_MAXIMUM = 34
    AMOUNT_NOT_EXACT = 35
    PERIOD_MISSING = 36
    ACCOUNT_UNKNOWN = 37
    ACCOUNT_KIND_WRONG = 38
    ACCOUNTS_MUST_DIFFER = 39
    DEBIT_CLOSED = 40
    DEBIT_FROZEN = 41
    CREDIT_CLOSED = 42
    CREDIT_FROZEN = 43
    BILL_ALREADY_CLAIMED = 44
    PAID_RECENTLY = 45
    DAY_COUNT_EXCEEDED = 46
    DAY_AMOUNT_EXCEEDED = 47
    INSUFFICIENT_FUNDS = 48
    OVERFLOWS = 49
    BASKET_FAILED = 50
    HOLD_NOT_FOUND = 51
    EXCEEDS_HOLD = 52
    ALREADY_POSTED = 53
    ALREADY_VOIDED = 54
    ALREADY_EXPIRED = 55
    PAYMENT_NOT_FOUND = 56
    EXCEEDS_PAYMENT = 57
    UTR_ALREADY_CREDITED = 58
    WINDOW_NOT_FOUND = 59
    ALREADY_SETTLED = 60
    NET_DIFFERS = 61
    ACCOUNT_EXISTS = 62
    PARTICIPANT_UNKNOWN = 63
    BALANCE_NOT_ZERO = 64
    HOLDS_OPEN = 65
    TABLE_FULL = 66
    CASE_NOT_FOUND = 67
    CASE_CLOSED = 68
    PROPOSAL_NOT_FOUND = 69
    SAME_PERSON = 70
    ALREADY_APPROVED = 71
    WINDOWS_OPEN = 72
    CASES_OPEN = 73
    PAYMENTS_REFUNDABLE = 74
    ALREADY_FOLLOWED = 75
    PAYMENT_AMOUNT_EXCEEDED = 76
    REFERENCE_WRONG = 77
    RULE_FIXED = 78
    ITEM_UNKNOWN = 79
    FEE_CHANGED = 80
    AMOUNT_STEP_WRONG = 81
    AMOUNT_DIFFERS = 82
    RELEASE_NOT_PROMISED = 83
    PROPOSAL_WITHDRAWN = 84
    PROPOSAL_EXPIRED = 85
    LAST_TREASURIES = 86
    ALREADY_BOOKED = 87
    BOOKED_DIFFERS = 88
    STATEMENT_GAP = 89
    NOT_BOOKED = 90
    BENEFICIARY_WRONG = 91
    BENEFICIARY_WAITS = 92
    OPERATOR_UNKNOWN = 93
    COMPLAINT_OPEN = 94
    COMPLAINT_NOT_FOUND = 95
    COMPLAINT_CLOSED = 96
    ALREADY_HANDED_OUT = 97
    ALREADY_DONE = 98
    EXCEEDS_SETTLED = 99
    THIRD_NEEDED = 100
    APPROVER_WAITS = 101
    ANOTHER_ID_NEEDED = 102
    WINDOW_EMPTY = 103


class Field(IntEnum):
    """The first field that differs when an id is used again."""

    NONE = 0
    KIND = 1
    SERVICE = 2
    AMOUNT = 3
    REFERENCE = 4
    OPERATOR = 5
    DEBIT = 6
    CREDIT = 7
    TENDER = 8
    HEAD = 9
    BASKET = 10
    NOTE = 11
    RESOLVES = 12
    CHECKER = 13
    DEADLINE = 14
    ITEMS = 15


class AccountKind(IntEnum):
    """What an account is for."""

    WALLET = 1
    BILLER = 2
    FLOAT = 3
    SUSPENSE = 4
    SETTLEMENT = 5
    BANK = 6
    """Mirror of what a bank has booked, and moved by that alone."""
    BANK_SUSPENSE = 7
    """What was booked to its credit and nothing explains yet."""
    BANK_TRANSIT = 8
    """Released and not yet booked, or booked and not yet explained."""


class AccountState(IntEnum):
    """Whether an account takes part."""

    OPEN = 1
    FROZEN = 2
    CLOSED = 3


class Role(IntEnum):
    """What a participant may be. The last three read: pmu and support with references
    masked, public what anybody may.
    """

    CENTRE = 1
    BILLER = 2
    TREASURY = 3
    AUDITOR = 4
    HARNESS = 5
    PMU = 6
    SUPPORT = 7
    PUBLIC = 8


class Record(IntEnum):
    """What a register row speaks of."""

    PARTICIPANT = 1
    SERVICE = 2
    CLOCK = 3
    RULES = 4
    REVOCATION = 5
    CONFIRMATION = 6
    PINS = 7
    BUDGET = 8
    PERSON = 9
    THRESHOLDS = 10
    BANK_ACCOUNT = 11
    STATEMENT = 12
    BENEFICIARY = 13
    SCHEDULE = 14
    OPERATOR = 15
    MARGIN = 16


class PersonRole(IntEnum):
    """What a registered person may do."""

    MAKER = 1
    """Proposes."""
    CHECKER = 2
    """Proposes, and approves what others have proposed."""
    SUPPORT = 3
    AUDITOR = 4
    CHANNEL = 5
    """A bank's connection: proposes what it has booked, and nothing else."""
    RECOVERER = 6
    """Of an auditor: makes people of the treasury if these cannot act, no more."""


class Reason(IntEnum):
    """Why a centre complains about a payment."""

    NOT_CREDITED = 1
    WRONG_BILL = 2
    WRONG_AMOUNT = 3
    PAID_TWICE = 4
    NO_RECEIPT = 5
    OTHER = 6


class Step(IntEnum):
    """What a reply to a complaint says."""

    ASKED = 1
    """By the treasury: its biller is to answer."""
    ANSWERED = 2
    """By that biller."""
    CLOSED = 3
    """By the treasury, for ever."""


class BillsForm(IntEnum):
    """What a file of bills does to those that were put in before it."""

    FULL = 1
    DELTA = 2
    WITHDRAWAL = 3
    ADDITION = 4


class Source(IntEnum):
    """In which form a bank gave a statement."""

    CAMT = 1
    CSV = 2


class Budget(IntEnum):
    """What the register may allow one participant in place of its role's default."""

    PAYMENTS_PER_S = 1
    PAYMENTS_AT_ONCE = 2
    READS_PER_S = 3
    READS_AT_ONCE = 4
    FETCHES_PER_S = 5
    FETCHES_AT_ONCE = 6
    CONNECTIONS = 7
    CALLS = 8
    """Under way."""
    BYTES = 9
    """That wait in all its connections."""
    FEEDS = 10
    WATCHES = 11
    REFUSALS_PER_S = 12
    """That become rows, as those below."""
    REFUSALS_AT_ONCE = 13


BUDGET_BOUNDS: Final[Mapping[Budget, tuple[int, int]]] = {
    Budget.PAYMENTS_PER_S: (1, 10_000_000),
    Budget.PAYMENTS_AT_ONCE: (16, 10_000_000),
    Budget.READS_PER_S: (1, 1_000_000),
    Budget.READS_AT_ONCE: (1, 1_000_000),
    Budget.FETCHES_PER_S: (1, 1_000_000),
    Budget.FETCHES_AT_ONCE: (1, 1_000_000),
    Budget.CONNECTIONS: (1, 100_000),
    Budget.CALLS: (1, 1 << 20),
    Budget.BYTES: (1 << 20, 1 << 40),
    Budget.FEEDS: (1, 100_000),
    Budget.WATCHES: (1, 10_000_000),
    Budget.REFUSALS_PER_S: (1, 1_000_000),
    Budget.REFUSALS_AT_ONCE: (16, 1_000_000),
}
"""The least and the most that each may be. The least leaves room for one: a basket of
16 payments, a call, a message of 1 MiB."""


class AmountRule(IntEnum):
    """How a service checks the amount."""

    EXACT = 1
    MIN_MAX = 2
    ANY = 3
    EXACT_AND_ABOVE = 4
    EXACT_AND_BELOW = 5


class PriceRule(IntEnum):
    """Who is believed about an amount."""

    STATED = 0
    """Its sender, who needs a right to that."""
    TARIFF = 1
    """The register."""
    BILL = 2
    """The biller, in a quotation."""
    OPEN = 3
    """The citizen, within bounds."""


class TailForm(IntEnum):
    """The fixed part of a payment's tail."""

    BILL = 1
    TARIFF = 2


class DuplicateRule(IntEnum):
    """When a second payment is refused."""

    NONE = 1
    ONCE = 2
    WITHIN = 3


class KeyRule(IntEnum):
    """What the reference of a `once` service is."""

    BILL_ID = 1
    REFERENCE_PERIOD = 2
    REFERENCE = 3


class Letters(IntEnum):
    """What becomes of a reference's letters."""

    AS_THEY_ARE = 1
    UPPER = 2
    LOWER = 3


class Ignored(IntFlag):
    """What a reference is read without."""

    SPACE = 0x01
    HYPHEN = 0x02
    SLASH = 0x04
    POINT = 0x08
    ZEROS = 0x10
    """In front, as long as another character follows."""


class CheckDigit(IntEnum):
    """What the last digit of a reference is."""

    NONE = 0
    LUHN = 1
    VERHOEFF = 2


class Mode(IntEnum):
    """Whether a biller confirms."""

    DIRECT = 1
    CONFIRMED = 2


class Policy(IntEnum):
    """What happens to a hold at its deadline."""

    RELEASE = 1
    KEEP = 2


class Question(IntEnum):
    """What a biller is asked."""

    FETCH_BILL = 1
    CONFIRM = 2
    STATUS = 3


class Answered(IntEnum):
    """What a biller answers."""

    CONFIRMED = 1
    REJECTED = 2
    UNKNOWN = 3
    NOT_SEEN = 4


class Opened(IntEnum):
    """What became of a token that was opened. In memory only."""

    RIGHT = 1
    WRONG = 2
    """Nothing of it may be believed."""
    EXPIRED = 3
    """Sealed by this ledger, and too old; or fetched in the future."""


class Difference(IntEnum):
    """How counted cash and the ledger differ when a shift is closed."""

    NONE = 1
    SHORT = 2
    OVER = 3


class Tender(IntEnum):
    """How the citizen paid at the counter."""

    CASH = 0
    UPI = 1
    CARD = 2


class RowFlag(IntFlag):
    """Bits of a row's flags; the head and the tender stand beside them."""

    TAIL = 0x0001
    CLAIM = 0x0002
    RECENT = 0x0004
    RELEASE = 0x0008
    UNFREEZE = 0x0010
    REVERSAL = 0x0010
    """Of booked rows; `UNFREEZE` is of freeze rows."""
    OWED = 0x0010
    """Of transfer rows that end a debit: the wallet may owe it."""
    AS_DIRECT = 0x0020
    UNDOES = 0x0020
    """Of transfer rows that take back what a correction has paid."""
    UPDATE = 0x0040
    THIRD = 0x0040
    """Of propose rows."""
    MATCHED = 0x0040
    """Of booked rows."""
    CASE = 0x0040
    """Of case and transfer rows; `UPDATE` is of register rows."""
    KEEP = 0x0080
    RECOVERY = 0x0080
    """Of propose, approve and register rows."""
    EVIDENCE = 0x0100
    STATED = 0x4000
    PARTIAL = 0x8000


class CaseType(IntEnum):
    """What a case is about: something that only people can put right."""

    LATE_CONFIRMATION = 1
    LATE_REJECTION = 2
    DEADLINE_PASSED = 3
    UNVERIFIED = 4
    """The wire's: an expire row opens it, no case row has it."""
    AMOUNT_DIFFERS = 5


class Link(IntEnum):
    """Which link of a row, of those that do not simply resolve it."""

    CORRECTION = 1 << 22
    """Of a hold: the transfer that pays it after all."""
    LATE_CONFIRMATION = CORRECTION + CaseType.LATE_CONFIRMATION
    LATE_REJECTION = CORRECTION + CaseType.LATE_REJECTION
    DEADLINE_PASSED = CORRECTION + CaseType.DEADLINE_PASSED
    AMOUNT_DIFFERS = CORRECTION + CaseType.AMOUNT_DIFFERS
    VERIFY = CORRECTION + 16
    ADVANCE = CORRECTION + 17
    RECOVERY = CORRECTION + 18
    """Of an advance."""
    ENDING = CORRECTION + 19
    """Of an open item: the transfer that ends it."""
    MATCHED = CORRECTION + 20
    """Of a request or a release: the booked row that it waited for."""
    PAYOUT = CORRECTION + 21
    """Of a beneficiary's row: what was paid out by it."""
    COMPLAINT = CORRECTION + 22
    """Of a payment: the newest complaint about it."""
    HANDED_OUT = CORRECTION + 23
    """Of a refund, or of what ended a hold: the row that hands its cash out."""
    UNDOING = CORRECTION + 24
    """Of a hold: the transfer that undoes its correction."""
    SHIFT = 1 << 23
    """Of a shift: the one that follows it."""
    FIRST_SHIFT = (1 << 23) + 1
    """Of an operator at a wallet, as `operator << 32 | wallet`: the first shift."""
    LIMIT = (1 << 23) + 4
    """Of an account, in a ledger with people: its newest limit."""
    MARGIN = (1 << 23) + 6
    """Of nothing, 0: the newest margin."""


HEAD_SHIFT = 9
HEAD_MASK = 0x0E00
TENDER_SHIFT = 12
TENDER_MASK = 0x3000

PROPOSE_LINES = 512
"""What a propose of rows of the treasury has in `total`; its tail lists them."""

PROPOSE_ADVANCE = 264
"""What a propose of an advance asks for; of all else it is a kind."""

PROPOSAL_LIFE_NS = 30 * 24 * 3600 * 10**9
"""A proposal that is so old is not approved any more."""

REQUEST_LIFE_NS = 30 * 24 * 3600 * 10**9
"""No money that comes so late is matched to a request."""

REQUESTS_DAY_MAX = 64
"""Requests for one wallet on an IST day."""

CHANNEL_AMOUNT_MAX = 10**15
"""Paise of one proposal of a bank's channel: ten lakh crore rupees."""

BANK_ACCOUNTS_MAX = 256
"""Bank accounts of the register, index 0 included."""

BENEFICIARY_WAIT_S, WAIT_MAX_S = 86_400, 31 * 86_400
"""No money goes to a beneficiary sooner after its row, where thresholds say no other;
the longest that they may say."""

APPROVERS_ENOUGH = 3
"""Who may approve: while there are so many, three want what makes them more."""

APPROVER_WAIT_DAYS, APPROVER_WAIT_DAYS_MAX = 7, 21
"""While there are fewer, two are enough, but it waits so long, where thresholds say no
other; the longest that they may say."""

RECOVERERS_FIRST = 2
"""Recoverers with whom a ledger begins, at most."""

RECOVERY_WAIT_NS, RECOVERY_LIFE_NS = 30 * 86_400 * 10**9, 60 * 86_400 * 10**9
"""From the approval of a recovery until it may be done, and until it may not be."""

BOOKED_TAIL_MAX = 1024
"""Bytes of what a bank wrote about one line."""

RULES_VERSION = 20
"""The rules that this code runs; one more for each change of them."""

AMOUNT_MAX = 10**18
"""Paise in one row."""
NO_AMOUNT_LIMIT = 2**64 - 1
NO_COUNT_LIMIT = 2**32 - 1
