"""The ledger's numbers by name. They are for ever, on disk and on the wire.

`core/layout.pxd` and `proto/` declare the same; a test holds the three together.
"""

from enum import IntEnum, IntFlag


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
    ID_REUSED = 20
    BILLER_BUSY = 21
    DATA_DAMAGED = 22
    NOT_APPROVED = 23
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


class AccountKind(IntEnum):
    """What an account is for."""

    WALLET = 1
    BILLER = 2
    FLOAT = 3
    SUSPENSE = 4
    SETTLEMENT = 5


class AccountState(IntEnum):
    """Whether an account takes part."""

    OPEN = 1
    FROZEN = 2
    CLOSED = 3


class Role(IntEnum):
    """What a participant may be."""

    CENTRE = 1
    BILLER = 2
    TREASURY = 3
    AUDITOR = 4
    HARNESS = 5


class Record(IntEnum):
    """What a register row speaks of."""

    PARTICIPANT = 1
    SERVICE = 2
    CLOCK = 3
    RULES = 4


class AmountRule(IntEnum):
    """How a service checks the amount."""

    EXACT = 1
    MIN_MAX = 2
    ANY = 3
    EXACT_AND_ABOVE = 4
    EXACT_AND_BELOW = 5


class DuplicateRule(IntEnum):
    """When a second payment is refused."""

    NONE = 1
    ONCE = 2
    WITHIN = 3


class KeyRule(IntEnum):
    """What the reference of a `once` service is."""

    BILL_ID = 1
    REFERENCE_PERIOD = 2


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
    AS_DIRECT = 0x0020
    UPDATE = 0x0040
    KEEP = 0x0080
    EVIDENCE = 0x0100


class CaseType(IntEnum):
    """What a case is about: something that only people can put right."""

    LATE_CONFIRMATION = 1
    LATE_REJECTION = 2
    DEADLINE_PASSED = 3


HEAD_SHIFT = 9
HEAD_MASK = 0x0E00
TENDER_SHIFT = 12
TENDER_MASK = 0x3000

RULES_VERSION = 2
"""The rules that this code runs; one more for each change of them."""

AMOUNT_MAX = 10**18
"""Paise in one row."""
NO_AMOUNT_LIMIT = 2**64 - 1
NO_COUNT_LIMIT = 2**32 - 1
