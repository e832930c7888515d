"""What the tests know of the bytes: rows, accounts, answers and records, written
down a second time from docs/data-model.md and never taken from the core.

May use `switch.codes` and nothing else of the product.
"""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from operator import attrgetter

from switch.codes import (
    HEAD_MASK,
    HEAD_SHIFT,
    NO_AMOUNT_LIMIT,
    NO_COUNT_LIMIT,
    RULES_VERSION,
    TENDER_MASK,
    TENDER_SHIFT,
    AccountKind,
    AccountState,
    AmountRule,
    CheckDigit,
    DuplicateRule,
    Field,
    Kind,
    Letters,
    Mode,
    Policy,
    Record,
    Result,
    Role,
    TailForm,
)
from tests.counter_records import BillsRecord as BillsRecord
from tests.counter_records import ShiftRecord as ShiftRecord

ZERO_ID = bytes(16)
ROW_BYTES = struct.Struct("<16sQQQQ32sIIIIIIHBBHHQI")
"""A row without its check, 124 bytes."""
ROW_FIELDS = """
    id sequence timestamp amount resolves reference debit credit receipt operator_
    checker participant service kind result flags basket total deadline
""".split()  # noqa: SIM905 - a list of words reads better
ACCOUNT_BYTES = struct.Struct("<11Q6IHHBBHQQQIIQQQQ")
ACCOUNT_FIELDS = """
    debits_pending debits_posted credits_pending credits_posted day_amount
    day_amount_max period_debits period_credits carried opened changed day day_count
    day_count_max receipt participant holds_count year purpose kind state zero
    refundable payment_max kept_amount kept_count cases_count low_balance low_since
    settled paid_out
""".split()  # noqa: SIM905 - a list of words reads better
OUTCOME_BYTES = struct.Struct("<QQQQQ16sIIHBBBBB9x")
OUTCOME_FIELDS = """
    sequence timestamp balance pending other other_id receipt index year result
    repeat field state foreign
""".split()  # noqa: SIM905 - a list of words reads better


@dataclass(slots=True)
class Row:
    """One journal row; as a request, a row template with its tail item."""

    kind: int
    id: bytes = ZERO_ID
    amount: int = 0
    resolves: int = 0
    reference: bytes = b""
    debit: int = 0
    credit: int = 0
    operator_: int = 0
    checker: int = 0
    participant: int = 0
    service: int = 0
    flags: int = 0
    basket: int = 0
    total: int = 0
    deadline: int = 0
    sequence: int = 0
    timestamp: int = 0
    receipt: int = 0
    result: int = 0
    tail: bytes | None = None
    hot: bool = False
    """Asked for by a payment message."""
    centre: int = 0
    """Of such a one: the participant whose wallet it names."""
    stranger: bool = False
    """And another is signed on there than it names, or nobody."""
    proposal: int = 0
    """Of a template: the proposal that it names in `total`."""
    keeps: bool = False
    """In a basket of which some service keeps its holds."""
    sent: bytes = b""
    """Of a payment whose service was looked up: the reference as it was sent."""
    misspelled: bool = False
    """It has no canonical form."""
    note: bytes | None = None
    """Of such a payment: its tail as it was sent."""
    cited: bytes = b""
    """The citizen's reference, of one whose service says what that is."""
    fetched: int = 0
    """When its quotation was, ns; 0 without one."""
    quotation: bytes = b""
    """Of a message: the token as it was sent."""
    handle: bytes = b""
    """Of a message: what names the payment that it is in addition to."""
    items: tuple[tuple[bytes, int], ...] = ()
    """Of a message: codes of a tariff, and how many of each."""

    @property
    def head(self) -> int:
        """Index of the head within the service."""
        return (self.flags & HEAD_MASK) >> HEAD_SHIFT

    @property
    def tender(self) -> int:
        """How the citizen paid."""
        return (self.flags & TENDER_MASK) >> TENDER_SHIFT

    def copy(self) -> "Row":
        """As it is now; `replace` takes five times as long."""
        return Row(*VALUES(self))

    def pack(self) -> bytes:
        """The row's 124 bytes before its check."""
        return ROW_BYTES.pack(
            self.id,
            self.sequence,
            self.timestamp,
            self.amount,
            self.resolves,
            self.reference,
            self.debit,
            self.credit,
            self.receipt,
            self.operator_,
            self.checker,
            self.participant,
            self.service,
            self.kind,
            self.result,
            self.flags,
            self.basket,
            self.total,
            self.deadline,
        )


VALUES = attrgetter(*(each.name for each in fields(Row)))
"""All of a row's fields."""


@dataclass(slots=True)
class Payment:
    """One payment as it stands on the wire, right or wrong."""

    id: bytes = b""
    service: bytes = b""
    amount: int = 0
    reference: bytes = b""
    operator: int = 0
    centre: bytes = b""
    amount_due: int = 0
    tender: int = 0
    head: int = 0
    note: bytes = b""
    quotation: bytes = b""
    additional_to: bytes = b""
    items: tuple[tuple[bytes, int], ...] = ()


@dataclass(slots=True)
class Said:
    """What a biller answered about one hold."""

    number: int
    id: bytes
    confirmed: bool = True
    text: bytes = b""
    """Its own reference if confirmed, its reason if not."""
    amount: int = 0
    """Paise that it says it has credited, of a basket the sum."""


@dataclass(slots=True)
class Account:
    """One account, as the image of it says."""

    kind: int
    participant: int
    purpose: int
    opened: int = 0
    changed: int = 0
    state: int = AccountState.OPEN
    debits_pending: int = 0
    debits_posted: int = 0
    credits_pending: int = 0
    credits_posted: int = 0
    day: int = 0
    day_amount: int = 0
    day_count: int = 0
    day_amount_max: int = NO_AMOUNT_LIMIT
    day_count_max: int = NO_COUNT_LIMIT
    period_debits: int = 0
    period_credits: int = 0
    carried: int = 0
    year: int = 0
    receipt: int = 0
    holds_count: int = 0
    zero: int = 0
    refundable: int = 0
    payment_max: int = NO_AMOUNT_LIMIT
    kept_amount: int = 0
    kept_count: int = 0
    cases_count: int = 0
    low_balance: int = 0
    low_since: int = 0
    settled: int = 0
    paid_out: int = 0

    @property
    def balance(self) -> int:
        """Paise; negative for a float, a wallet that owes, a biller after refunds."""
        return self.credits_posted - self.debits_posted

    @property
    def available(self) -> int:
        """Paise that can be spent."""
        return max(0, self.credits_posted - self.debits_posted - self.debits_pending)

    @property
    def totals(self) -> tuple[int, int, int, int]:
        """The four totals, in the order of the state hash."""
        return (
            self.debits_pending,
            self.debits_posted,
            self.credits_pending,
            self.credits_posted,
        )

    def copy(self) -> "Account":
        """As it is now."""
        return replace(self)

    def pack(self) -> bytes:
        """The account's image, 184 bytes."""
        return ACCOUNT_BYTES.pack(*IMAGE(self))


IMAGE = attrgetter(*ACCOUNT_FIELDS)


@dataclass(slots=True)
class Outcome:
    """The answer to one requested row."""

    result: int
    sequence: int = 0
    timestamp: int = 0
    balance: int = 0
    pending: int = 0
    other: int = 0
    other_id: bytes = ZERO_ID
    receipt: int = 0
    index: int = 0
    year: int = 0
    repeat: int = 0
    field: int = Field.NONE
    state: int = 0
    foreign: int = 0
    handle: bytes = b""
    """On the wire only: what a payment in addition gives back."""

    def pack(self) -> bytes:
        """The answer's 80 bytes."""
        return OUTCOME_BYTES.pack(
            self.sequence,
            self.timestamp,
            self.balance,
            self.pending,
            self.other,
            self.other_id,
            self.receipt,
            self.index,
            self.year,
            self.result,
            self.repeat,
            self.field,
            self.state,
            self.foreign,
        )


# --- records: the fixed head of a tail item -------------------------------------------


@dataclass(slots=True)
class AccountRecord:
    """Who owns an account, and what for."""

    participant: int
    purpose: int = 0
    kind: int = AccountKind.WALLET

    def pack(self) -> bytes:
        """32 bytes."""
        return struct.pack("<IHB25x", self.participant, self.purpose, self.kind)


@dataclass(slots=True)
class LimitRecord:
    """What a wallet may spend in a day, and in one payment unless that is None."""

    day_amount_max: int = NO_AMOUNT_LIMIT
    day_count_max: int = NO_COUNT_LIMIT
    payment_max: int | None = None
    low_balance: int | None = None
    """Paise below which it is low; if it is said, so is the limit of one payment."""

    def pack(self) -> bytes:
        """16 bytes; 24 with a limit of one payment, 32 with a low balance."""
        said: list[int] = []
        if self.low_balance is not None:
            one = NO_AMOUNT_LIMIT if self.payment_max is None else self.payment_max
            said = [one, self.low_balance]
        elif self.payment_max is not None:
            said = [self.payment_max]
        day = (self.day_amount_max, self.day_count_max, len(said))
        return struct.pack(f"<QIB3x{len(said)}Q", *day, *said)


@dataclass(slots=True)
class ParticipantRecord:
    """Someone with an identity."""

    code: bytes
    role: int = Role.CENTRE
    active: int = 1
    may_state_dues: int = 1
    """So that a test can pay what nobody was asked for; not the product's default."""
    never_credits_late: int = 1
    """So that its services may release; not the product's default either."""
    signs_on: int = 0
    answer_hours: int = 0

    def pack(self) -> bytes:
        """64 bytes."""
        return struct.pack(
            "<BBB5x32sBBBxH18x",
            Record.PARTICIPANT,
            self.role,
            self.active,
            self.code,
            self.may_state_dues,
            self.never_credits_late,
            self.signs_on,
            self.answer_hours,
        )


@dataclass(frozen=True, slots=True)
class TariffItem:
    """What one item of a tariff costs from a day on."""

    code: bytes
    fee: int
    valid_from: int = 0
    """An IST day."""

    def pack(self) -> bytes:
        """24 bytes."""
        return struct.pack("<8sQI4x", self.code, self.fee, self.valid_from)


@dataclass(slots=True)
class ServiceRecord:
    """One thing that can be paid."""

    code: bytes
    biller: int
    heads: tuple[int, ...]
    amount_rule: int = AmountRule.ANY
    mode: int = Mode.DIRECT
    duplicate_rule: int = DuplicateRule.NONE
    key_rule: int = 0
    deadline_policy: int = Policy.RELEASE
    active: int = 1
    amount_min: int = 0
    amount_max: int = 0
    duplicate_hours: int = 0
    deadline_s: int = 0
    heads_count: int = field(default=-1)
    price_rule: int = 0
    letters: int = Letters.AS_THEY_ARE
    ignored: int = 0
    check_digit: int = CheckDigit.NONE
    items_count: int = field(default=-1)
    series: int = 0
    amount_step: int = 0
    pattern: bytes = b""
    items: tuple[TariffItem, ...] = ()

    def __post_init__(self) -> None:
        if self.heads_count < 0:
            self.heads_count = len(self.heads)
        if self.items_count < 0:
            self.items_count = len(self.items)

    def pack(self) -> bytes:
        """256 bytes, and 24 for each item of a tariff."""
        heads = (*self.heads, *[0] * 8)[:8]
        record = struct.pack(
            "<8B16sQQIII8I5BxH4xQ24x64s64x",
            Record.SERVICE,
            self.amount_rule,
            self.mode,
            self.duplicate_rule,
            self.key_rule,
            self.deadline_policy,
            self.active,
            self.heads_count,
            self.code,
            self.amount_min,
            self.amount_max,
            self.duplicate_hours,
            self.deadline_s,
            self.biller,
            *heads,
            self.price_rule,
            self.letters,
            self.ignored,
            self.check_digit,
            self.items_count,
            self.series,
            self.amount_step,
            self.pattern,
        )
        return record + b"".join(item.pack() for item in self.items)


@dataclass(slots=True)
class WindowLine:
    """What one biller account did in a window."""

    account: int
    debits: int
    credits: int
    carried: int
    payable: int

    def pack(self) -> bytes:
        """40 bytes."""
        return struct.pack(
            "<I4xQQQQ",
            self.account,
            self.debits,
            self.credits,
            self.carried,
            self.payable,
        )


# --- the fixed part of a payment's tail -----------------------------------------------


@dataclass(slots=True)
class BillTail:
    """What a payment of a bill records beside its row."""

    reference: bytes
    amount_due: int
    fetched: int = 0
    period: int = 0
    due_day: int = 0
    amount_rule: int = AmountRule.EXACT

    def pack(self) -> bytes:
        """56 bytes."""
        return struct.pack(
            "<32sQQIHBB",
            self.reference,
            self.amount_due,
            self.fetched,
            self.period,
            self.due_day,
            self.amount_rule,
            TailForm.BILL,
        )


def tariff_tail(items: Sequence[tuple[bytes, int]]) -> bytes:
    """What a payment by tariff records: 56 bytes."""
    lines = b"".join(struct.pack("<8sI", code, count) for code, count in items)
    return struct.pack("<48s6xBB", lines, len(items), TailForm.TARIFF)


PAYMENT_TAIL_SIZE = 56
CLOCK_RECORD = bytes([Record.CLOCK])
RULES_RECORD = struct.pack("<B3xI", Record.RULES, RULES_VERSION)


def margin(margin_ms: int, **own_ms: int) -> bytes:
    """How long before its deadline a payment is credited no more: 16 bytes, and 40 for
    each biller that has a margin of its own.
    """
    head = struct.pack("<B3xII4x", Record.MARGIN, margin_ms, len(own_ms))
    return head + b"".join(
        struct.pack("<32sI4x", name.encode(), own_ms[name]) for name in sorted(own_ms)
    )


def revocation(participant: int, authority: bytes, serial: bytes) -> bytes:
    """A certificate that is revoked: 64 bytes."""
    fixed = (Record.REVOCATION, len(serial), participant, authority, serial)
    return struct.pack("<BB2xI32s20s4x", *fixed)


def confirmation(number: int) -> bytes:
    """Who stands by the revocation with this number: 8 bytes."""
    return struct.pack("<B3xI", Record.CONFIRMATION, number)


def pins(participant: int, *keys: bytes) -> bytes:
    """The keys of a participant: 72 bytes."""
    joined = b"".join(keys)
    return struct.pack("<BB2xI64s", Record.PINS, len(keys), participant, joined)


def budget(participant: int, which: int, value: int) -> bytes:
    """What a participant may use: 16 bytes."""
    return struct.pack("<BBHIQ", Record.BUDGET, which, 0, participant, value)


@dataclass(slots=True)
class BankAccountRecord:
    """An account that a bank keeps: whose, which of its accounts, and its number."""

    participant: int
    purpose: int
    account: bytes
    active: int = 1

    def pack(self) -> bytes:
        """56 bytes."""
        fixed = (Record.BANK_ACCOUNT, self.active, self.participant, self.purpose)
        return struct.pack("<BB2xIH6x40s", *fixed, self.account)


@dataclass(slots=True)
class StatementRecord:
    """What a bank says of one of its accounts from one day to another."""

    bank: int
    number: int = 0
    first_day: int = 1
    last_day: int = 1
    lines_count: int = 0
    opening: int = 0
    closing: int = 0
    source: int = 1
    name: bytes = b""

    def pack(self) -> bytes:
        """48 bytes."""
        return struct.pack(
            "<BB2xIIIIIqq8s",
            Record.STATEMENT,
            self.source,
            self.bank,
            self.number,
            self.first_day,
            self.last_day,
            self.lines_count,
            self.opening,
            self.closing,
            hashlib.blake2b(self.name, digest_size=32).digest()[:8],
        )


KINDS_WITHOUT_ID = frozenset((Kind.POST, Kind.VOID, Kind.VERIFY, Kind.WINDOW))
SHAPES = frozenset(range(Result.INVALID_ID, Result.INVALID_ITEMS + 1))


def flags_of(head: int = 0, tender: int = 0, extra: int = 0) -> int:
    """A row's flags from a head, a tender and other bits."""
    return (head << HEAD_SHIFT & HEAD_MASK) | (tender << TENDER_SHIFT) | extra
