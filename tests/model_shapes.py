"""The oracle's shapes: what is wrong with a request before any rule is asked, and what
a message's payment becomes.

Part of tests/model.py, which see.
"""

import re
import struct

from switch.codes import (
    AMOUNT_MAX,
    PROPOSE_ADVANCE,
    PROPOSE_LINES,
    AccountKind,
    Kind,
    Mode,
    Result,
    Role,
    Tender,
)
from tests.flags import RowFlag
from tests.model_banks import BOOKED_TAIL_MAX, statement_is_whole
from tests.model_counters import COMPLAINS, FORMS_OF, Counters
from tests.model_register import ITEM_CODE, WITH_RECORD
from tests.model_signed import LINES, NOBODYS, lines_of
from tests.model_state import DAY_S, PAYS
from tests.records import KINDS_WITHOUT_ID, ZERO_ID, Payment, Row, flags_of
from tests.signing import SIGNATURE_SIZE

DEADLINE_MAX_S = 31 * DAY_S
NOTE_MAX = 64
PAYMENT_ITEMS_MAX = 4
ITEM_COUNT_MAX = 9_999
REQUESTABLE = frozenset(Kind) - {Kind.EXPIRE, Kind.CASE}
WITH_AMOUNT = PAYS | {
    Kind.POST,
    Kind.REFUND,
    Kind.TOP_UP,
    Kind.TRANSFER,
    Kind.SETTLE,
    Kind.PROPOSE,
    Kind.REQUEST,
    Kind.BOOKED,
    Kind.HANDED_OUT,
}
WITH_REFERENCE = PAYS | {
    Kind.TOP_UP,
    Kind.TRANSFER,
    Kind.FREEZE,
    Kind.CLOSE,
    Kind.CASE_CLOSE,
    Kind.PROPOSE,
    Kind.WITHDRAW,
    Kind.BOOKED,
}
WITHOUT_ACCOUNT = frozenset(
    {Kind.CASE_CLOSE, Kind.PROPOSE, Kind.APPROVE, Kind.WITHDRAW, Kind.BILLS} | COMPLAINS
)
PROPOSED = frozenset(
    {
        Kind.POST,
        Kind.VOID,
        Kind.REFUND,
        Kind.TRANSFER,
        PROPOSE_ADVANCE,
        Kind.CASE_CLOSE,
        Kind.VERIFY,
        PROPOSE_LINES,
    }
)
FLAGS_OF_LINES: dict[int, int] = {
    Kind.FREEZE: RowFlag.UNFREEZE,
    Kind.BOOKED: RowFlag.REVERSAL,
}
LINE_BYTES = struct.Struct("<BBHIQQII32s")
LINES_MAX = 8_000
LINES_SIZE_MAX = 2_600_000
LINE_TAIL_MAX = 65_536
ANY_ID = b"a line's has one"
REFERENCE = re.compile(rb"(?! )[\x20-\x7e]{1,32}(?<! )")
NO_REFERENCE = re.compile(b"")

Shaped = tuple[Row, int]


class Shapes(Counters):
    """What requests look like, and who a payment says that it is from."""

    def shape(self, row: Row) -> int:
        """What is wrong with a row template before any rule is asked, or 0."""
        if row.kind not in REQUESTABLE:
            return Result.INVALID_KIND
        if row.kind == Kind.PROPOSE and row.total not in PROPOSED:
            return Result.INVALID_KIND
        if row.kind in COMPLAINS and row.total not in FORMS_OF[Kind(row.kind)]:
            return Result.INVALID_KIND
        if (row.id == ZERO_ID) != (row.kind in KINDS_WITHOUT_ID):
            return Result.INVALID_ID
        of_lines = row.kind == Kind.PROPOSE and row.total == PROPOSE_LINES
        least, most = (1, AMOUNT_MAX) if row.kind in WITH_AMOUNT else (0, 0)
        if of_lines:
            least = 0
        if not least <= row.amount <= most:
            return Result.INVALID_AMOUNT
        if not reference_is_valid(row):
            return Result.INVALID_REFERENCE
        if row.kind in PAYS:
            return self.shape_of_pay(row)
        if row.kind in COMPLAINS and not note_is_valid(row.tail or b""):
            return Result.INVALID_NOTE
        if row.kind in (Kind.HANDED_OUT, Kind.SIGNED_OFF) and row.tail:
            return Result.INVALID_NOTE
        if row.kind in WITH_RECORD and not self.record_is_valid(row):
            return Result.INVALID_RECORD
        if of_lines and not self.lines_are_valid(row):
            return Result.INVALID_RECORD
        too_long = len(row.tail or b"") > BOOKED_TAIL_MAX
        if row.kind == Kind.BOOKED and too_long:
            return Result.INVALID_RECORD
        if row.deadline:
            return Result.INVALID_DEADLINE
        return 0 if accounts_are_valid(row) else Result.INVALID_ACCOUNT

    def lines_are_valid(self, row: Row) -> bool:
        """Whether a proposal lists rows of the treasury, each of the shape that it must
        have, and has room for a signature behind them.
        """
        tail = row.tail or b""
        end = len(tail) - SIGNATURE_SIZE
        if row.resolves or end < 8 or len(tail) > LINES_SIZE_MAX:
            return False
        count, zero = struct.unpack_from("<II", tail)
        if not 1 <= count <= LINES_MAX or zero:
            return False
        at, amount = 8, 0
        for _ in range(count):
            if at + LINE_BYTES.size > end:
                return False
            line = LINE_BYTES.unpack_from(tail, at)
            size, at = line[3], at + LINE_BYTES.size
            item, behind = tail[at : at + size], -size % 8
            at += size + behind
            if at > end or any(tail[at - behind : at]):
                return False
            if not self.line_is_valid(line, item):
                return False
            amount += line[4]
        whole = at == end and amount == row.amount
        return whole and statement_is_whole(lines_of(tail))

    def line_is_valid(
        self, line: tuple[int, int, int, int, int, int, int, int, bytes], item: bytes
    ) -> bool:
        """Whether one line is that of a row which may be asked for so."""
        kind, zero, flags, size, amount, resolves, debit, credit, reference = line
        may_have = FLAGS_OF_LINES.get(kind, 0)
        if kind == Kind.TRANSFER and resolves:
            may_have = RowFlag.OWED
        if kind not in LINES or zero or flags & ~may_have or size > LINE_TAIL_MAX:
            return False
        if any(reference) if kind in WITH_RECORD else size and kind != Kind.BOOKED:
            return False
        if kind == Kind.REGISTER and item[:1] in [bytes([one]) for one in NOBODYS]:
            return False
        row = Row(kind, ANY_ID, amount, resolves, reference.rstrip(b"\0"))
        row.debit, row.credit, row.tail = debit, credit, item
        return self.shape(row) == 0

    def shape_of_pay(self, row: Row) -> int:
        """The rest of a payment's shape."""
        if row.tender > Tender.CARD:
            return Result.INVALID_TENDER
        if row.tail is not None and not note_is_valid(row.tail):
            return Result.INVALID_NOTE
        least, most = (1, DEADLINE_MAX_S) if row.kind == Kind.HOLD else (0, 0)
        if not least <= row.deadline <= most:
            return Result.INVALID_DEADLINE
        return 0

    def read_payment(self, payment: Payment, sender: int, centre: int) -> "Shaped":
        """A payment from the wire as a row template, and what is wrong with it."""
        service = self.service_of.get(payment.service, 0)
        named = self.centre_named(payment.centre, centre)
        row = Row(
            Kind.PAY,
            id=payment.id[:16].ljust(16, b"\0"),
            amount=payment.amount,
            reference=payment.reference,
            operator_=payment.operator & 0xFFFFFFFF,
            participant=sender,
            service=service,
            debit=self.wallet_of_centre(named),
            centre=named,
            flags=flags_of(payment.head, payment.tender & 3),
            total=payment.amount_due,
            tail=payment.note or None,
            hot=True,
            quotation=payment.quotation,
            handle=payment.additional_to,
            items=payment.items,
        )
        if service and self.services[service - 1].mode == Mode.CONFIRMED:
            row.kind = Kind.HOLD
            row.deadline = self.services[service - 1].deadline_s
        if len(payment.id) != 16 or payment.id == ZERO_ID:
            return row, Result.INVALID_ID
        if not 0 < payment.amount <= AMOUNT_MAX:
            return row, Result.INVALID_AMOUNT
        if not REFERENCE.fullmatch(payment.reference):
            return row, Result.INVALID_REFERENCE
        if payment.operator > 0xFFFFFFFF:
            return row, Result.INVALID_OPERATOR
        if payment.tender > Tender.CARD:
            return row, Result.INVALID_TENDER
        if payment.head > 7:
            return row, Result.INVALID_HEAD
        if not note_is_valid(payment.note):
            return row, Result.INVALID_NOTE
        if not items_are_valid(payment.items):
            return row, Result.INVALID_ITEMS
        return row, 0

    def centre_named(self, name: bytes, bound: int) -> int:
        """Whom a payment names, or its sender is bound to; 0 if that is wrong."""
        named = self.participant_of.get(name, 0) if name else bound
        return 0 if bound and named != bound else named

    def wallet_of_centre(self, named: int) -> int:
        """The wallet of whoever pays, active or not; 0 if there is none."""
        index = self.account_of.get((named, 0), 0)
        return index if self.accounts[index].kind == AccountKind.WALLET else 0

    def can_pay(self, row: Row) -> bool:
        """Whether a new payment is one of an active centre, from its wallet."""
        wallet = self.account(row.debit)
        if wallet is None or wallet.kind != AccountKind.WALLET:
            return False
        one = self.participants[row.centre]
        return not row.hot or (one.role == Role.CENTRE and bool(one.active))


def reference_is_valid(row: Row) -> bool:
    """Whether a reference is what its kind of row needs, if it is asked at all."""
    if row.kind in WITH_RECORD or row.kind == Kind.APPROVE:
        return True
    pattern = REFERENCE if row.kind in WITH_REFERENCE else NO_REFERENCE
    return bool(pattern.fullmatch(row.reference))


def accounts_are_valid(row: Row) -> bool:
    """Whether there are accounts only where they are asked for."""
    if row.kind in WITHOUT_ACCOUNT:
        return not row.debit and not row.credit
    if row.kind == Kind.REQUEST:
        return not row.debit
    if row.kind == Kind.HANDED_OUT:
        return not row.credit
    if row.kind == Kind.SIGNED_OFF:
        return not row.credit and not row.resolves
    return row.kind != Kind.BOOKED or bool(row.debit) != bool(row.credit)


def note_is_valid(note: bytes) -> bool:
    """At most 64 bytes of UTF-8."""
    try:
        note.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return len(note) <= NOTE_MAX


def items_are_valid(items: tuple[tuple[bytes, int], ...]) -> bool:
    """At most 4, each a code and some of it, no code twice."""
    codes = [code for code, _ in items]
    return (
        len(items) <= PAYMENT_ITEMS_MAX
        and len(set(codes)) == len(codes)
        and all(ITEM_CODE.fullmatch(code) for code in codes)
        and all(1 <= count <= ITEM_COUNT_MAX for _, count in items)
    )
