"""Makes the rows of stories, and keeps what a row must carry on from earlier ones.

It has no rules of its own beyond that: what is told is written, right or forged.
"""

import struct
from typing import NamedTuple

from switch.audit.approvals import deed_id
from switch.audit.auditor import Report
from switch.codes import (
    HEAD_MASK,
    HEAD_SHIFT,
    PROPOSE_ADVANCE,
    RULES_VERSION,
    TENDER_MASK,
    AccountKind,
    AmountRule,
    CaseType,
    KeyRule,
    Kind,
    Mode,
    Policy,
    PriceRule,
    Result,
    Role,
    RowFlag,
)
from tests.audit.journal_writer import (
    Groups,
    Images,
    Row,
    financial_year,
    ist_day,
)

MINUTE = 60 * 10**9
HOUR = 60 * MINUTE
START = 1_774_978_200 * 10**9  # 2026-03-31 23:00 IST: both day and year end soon
ONCE = int(RowFlag.CLAIM)
RECENT = int(RowFlag.RECENT)
STATED, PARTIAL = int(RowFlag.STATED), int(RowFlag.PARTIAL)
HEAD_AND_TENDER = HEAD_MASK | TENDER_MASK
COPIED_FLAGS = ONCE | RECENT | STATED | PARTIAL | HEAD_AND_TENDER
"""What a refund copies from its payment."""
KEEP = int(RowFlag.KEEP)
EVIDENCE = int(RowFlag.EVIDENCE)
CASE = int(RowFlag.CASE)
"""Of a case: it puts its payment in question. Of a transfer: it corrects one."""
FLOAT, SUSPENSE, SETTLEMENT, A, B, X0, X1, Y, C = range(1, 10)
MIRROR, WAITING, TRANSIT = range(10, 13)
"""Of the bank account."""
NEXT = 13
"""The account that is opened next."""
SECOND, HARNESS = 7, 8
KEEPING = 5
"""The service whose holds outlive their deadline."""
WORD = b"B-77"

WITHOUT_ID = frozenset(
    (
        *(Kind.POST, Kind.VOID, Kind.EXPIRE, Kind.WINDOW, Kind.CASE),
        Kind.VERIFY,
    )
)


def service_record(
    index: int,
    mode: int,
    rule: int,
    biller: int,
    heads: list[int],
    f: dict[str, object],
) -> bytes:
    """The tail of a service's row; takes what `f` has for it out of that."""

    def said(name: str, other: int) -> int:
        return int(str(f.pop(name, other)))

    code = f.pop("code", b"BSK%04d" % index)
    pattern, items = f.pop("pattern", b""), f.pop("items", b"")
    assert isinstance(code, bytes)
    assert isinstance(pattern, bytes)
    assert isinstance(items, bytes)
    first = struct.pack(
        "<8B16sQQIII",
        *(2, said("amount_rule", AmountRule.ANY), mode, rule),
        said("key", KeyRule.BILL_ID) if rule == 2 else 0,
        said("policy", Policy.RELEASE),
        said("active", 1),
        said("heads_count", len(heads)),
        code,
        *(said("amount_min", 100), said("amount_max", 10**9)),
        *(said("hours", 24 if rule == 3 else 0), said("deadline_s", 3600)),
        biller,
    )
    first += struct.pack("<8I", *heads, *[0] * (8 - len(heads)))
    spelled = struct.pack(
        "<6BHIQ24x64s64x",
        said("price_rule", 0),
        *(said("letters", 1), said("ignored", 0), said("check_digit", 0)),
        *(said("items_count", len(items) // 24), said("zero", 0)),
        *(said("series", 0), said("zeros", 0), said("amount_step", 0)),
        pattern,
    )
    assert len(first + spelled) == 256
    return first + spelled + items + b'{"name":"x"}'


class Told(NamedTuple):
    """What a service's record says, as far as its payments must know."""

    mode: int
    rule: int
    heads: list[int]
    price: int
    key: int
    amount_rule: int


class Story:
    """Makes groups of rows; keeps what a row must carry on from earlier ones."""

    def __init__(self) -> None:
        self.groups: Groups = []
        self.group: list[Row] = []
        self.rows: list[Row] = []
        self.images = Images()
        self.now = START
        self.receipts: dict[tuple[int, int], int] = {}
        self.refunded: dict[int, int] = {}
        self.last_window = 0
        self.services: dict[int, Told] = {}

    def add(self, kind: Kind, **fields: object) -> Row:
        row = Row(kind, sequence=len(self.rows) + 1, timestamp=self.now)
        self.now += 1000
        if kind not in WITHOUT_ID:
            row.id = row.sequence.to_bytes(16, "big")
            # The first load comes before any treasury is registered.
            row.participant = 1 if self.groups else 0
        for name, value in fields.items():
            assert hasattr(row, name)
            setattr(row, name, value)
        if kind in (Kind.PAY, Kind.POST) and row.result == Result.OK:
            key = row.debit, financial_year(ist_day(row.timestamp))
            row.receipt = self.receipts[key] = self.receipts.get(key, 0) + 1
        self.rows.append(row)
        self.group.append(row)
        self.images.apply(row)
        return row

    def commit(self) -> None:
        if self.group:
            self.groups.append(self.group)
        self.group = []

    def participant(
        self,
        index: int,
        role: Role,
        code: bytes,
        active: int = 1,
        may_state: int = 1,
        promises: int | None = None,
        **fields: object,
    ) -> None:
        """Billers promise to credit nothing late, if nothing else is said."""
        late = (role == Role.BILLER) if promises is None else promises
        tail = struct.pack("<3B5x32s2B22x", 1, role, active, code, may_state, late)
        self.add(Kind.REGISTER, debit=index, tail=tail + b'{"name":"x"}', **fields)

    def open(self, index: int, owner: int, purpose: int, kind: AccountKind) -> None:
        tail = struct.pack("<IHB25x", owner, purpose, kind)
        self.add(Kind.OPEN, debit=index, tail=tail)

    def service(
        self,
        index: int,
        mode: int,
        rule: int,
        biller: int,
        heads: list[int],
        **f: object,
    ) -> None:
        price, key = (int(str(f.get(name, 0))) for name in ("price_rule", "key"))
        amount_rule = int(str(f.get("amount_rule", 0)))
        told = service_record(index, mode, rule, biller, heads, f)
        self.services[index] = Told(mode, rule, heads, price, key, amount_rule)
        self.add(Kind.REGISTER, debit=index, tail=told, **f)

    def pay(self, wallet: int, service: int, amount: int, ref: str, **f: object) -> Row:
        owner = 2 if wallet == A else 3
        head = int(str(f.pop("head", 0)))
        told = self.services[service]
        kind = Kind(int(str(f.pop("kind", Kind.PAY))))
        flags = {1: 0, 2: ONCE, 3: RECENT}[told.rule] | head << HEAD_SHIFT
        if told.price == PriceRule.STATED:
            flags |= STATED
        if kind == Kind.PAY and told.mode == Mode.CONFIRMED:
            flags |= RowFlag.AS_DIRECT
        if kind == Kind.HOLD and service == KEEPING:
            flags |= KEEP
        if "result" in f:
            flags &= HEAD_AND_TENDER | STATED
        fields: dict[str, object] = {"participant": owner, "operator_": 1, **f}
        fields.setdefault("credit", told.heads[head])
        return self.add(
            kind,
            debit=wallet,
            amount=amount,
            service=service,
            reference=ref.encode(),
            flags=flags,
            **fields,
        )

    def hold(self, wallet: int, amount: int, ref: str, **f: object) -> Row:
        f.setdefault("deadline", 3600)
        return self.pay(wallet, 3, amount, ref, kind=Kind.HOLD, **f)

    def resolve(
        self, kind: Kind, hold: Row, amount: int | None = None, word: bytes = b""
    ) -> Row:
        fields = {
            name: getattr(hold, name)
            for name in [
                "debit",
                "credit",
                "service",
                "participant",
                "operator_",
                "basket",
                "reference",
                "flags",
            ]
        }
        fields["flags"] &= ~KEEP
        if self.images.kept(hold.sequence) and kind != Kind.EXPIRE:
            fields["flags"] |= KEEP
        if word:
            fields |= {"flags": fields["flags"] | EVIDENCE, "tail": word}
        partial = kind == Kind.POST and hold.flags & RowFlag.PARTIAL
        if (kind == Kind.VOID or partial) and hold.flags & RowFlag.CLAIM:
            fields["flags"] |= RowFlag.RELEASE
        amount = hold.amount if amount is None else amount
        return self.add(kind, resolves=hold.sequence, amount=amount, **fields)

    def refund(self, payment: Row, amount: int) -> Row:
        total = self.refunded.get(payment.sequence, 0) + amount
        self.refunded[payment.sequence] = total
        flags = payment.flags & COPIED_FLAGS
        if total == payment.amount and payment.flags & RowFlag.CLAIM:
            flags |= RowFlag.RELEASE
        return self.add(
            Kind.REFUND,
            debit=payment.credit,
            credit=payment.debit,
            reference=payment.reference,
            service=payment.service,
            amount=amount,
            resolves=payment.sequence,
            flags=flags,
            total=total,
        )

    def asked(self, kind: int, about: Row, amount: int, reason: bytes) -> Row:
        """A proposal of the treasury, to be approved by its second person."""
        return self.add(
            Kind.PROPOSE,
            resolves=about.sequence,
            amount=amount,
            total=int(kind),
            reference=reason,
        )

    def approve(self, asked: Row) -> Row:
        return self.add(Kind.APPROVE, resolves=asked.sequence, participant=SECOND)

    def refunded_by_two(self, payment: Row, amount: int) -> Row:
        """A proposal, its approval, and the refund behind it."""
        proposal = self.asked(Kind.REFUND, payment, amount, b"paid too much")
        self.approve(proposal)
        row = self.refund(payment, amount)
        row.id, row.checker = deed_id(proposal.id), SECOND
        return row

    def ended_by_two(self, kind: Kind, hold: Row, amount: int | None = None) -> Row:
        """The same for the post or the void of a hold that is kept."""
        amount = hold.amount if amount is None else amount
        asked = self.asked(kind, hold, amount, b"found out")
        self.approve(asked)
        row = self.resolve(kind, hold, amount)
        row.checker, row.total = SECOND, asked.sequence
        return row

    def case(self, hold: Row, about: CaseType, **f: object) -> Row:
        """A case of a hold, as it stands; the word is a biller's, but of a deadline."""
        names = "debit", "credit", "service", "participant", "operator_", "reference"
        fields = {name: getattr(hold, name) for name in names}
        flags = 0 if about == CaseType.DEADLINE_PASSED else EVIDENCE
        if about == CaseType.LATE_CONFIRMATION:
            fields["amount"] = hold.amount
            flags |= 0 if self.in_question(hold) else CASE
        elif about == CaseType.AMOUNT_DIFFERS:
            fields["amount"] = hold.amount + 1
        if about in (CaseType.DEADLINE_PASSED, CaseType.AMOUNT_DIFFERS):
            still = self.images.open(hold.sequence)
            flags |= KEEP if still and not self.images.kept(hold.sequence) else 0
        fields["flags"] = flags
        return self.add(
            Kind.CASE, resolves=hold.sequence, total=int(about), **{**fields, **f}
        )

    def in_question(self, hold: Row) -> bool:
        """Whether a payment is: the last row about it that says something of that."""
        state = False
        for row in self.rows:
            if row.resolves != hold.sequence or row.result != Result.OK:
                continue
            late = row.kind == Kind.CASE and row.total == CaseType.LATE_CONFIRMATION
            if late or row.kind == Kind.EXPIRE:
                state = True
            elif row.kind in (Kind.VERIFY, Kind.TRANSFER):
                state = False
        return state

    def verify(self, hold: Row, word: bytes = b"") -> Row:
        """A biller's word, if there is one, that it has credited nothing."""
        names = "debit", "credit", "service", "participant", "operator_", "reference"
        fields: dict[str, object] = {name: getattr(hold, name) for name in names}
        flags = hold.flags & COPIED_FLAGS
        flags |= int(RowFlag.RELEASE) if hold.flags & RowFlag.CLAIM else 0
        if word:
            flags, fields["tail"] = flags | EVIDENCE, word
        fields |= {"basket": hold.basket, "flags": flags}
        return self.add(Kind.VERIFY, resolves=hold.sequence, **fields)

    def verified_by_two(self, hold: Row) -> Row:
        asked = self.asked(Kind.VERIFY, hold, hold.amount, b"not in its books")
        self.approve(asked)
        row = self.verify(hold)
        row.checker, row.total = SECOND, asked.sequence
        return row

    def moved_by(self, asked: Row, debit: int, credit: int, **f: object) -> Row:
        """The transfer that an approved proposal asks for."""
        flags = 0
        if asked.total == Kind.TRANSFER:
            flags = CASE | self.claimed(asked.resolves, partial=True)
        fields: dict[str, object] = {"flags": flags, "reference": asked.reference, **f}
        return self.add(
            Kind.TRANSFER,
            id=deed_id(asked.id),
            resolves=asked.resolves,
            debit=debit,
            credit=credit,
            amount=asked.amount,
            total=asked.sequence,
            checker=SECOND,
            **fields,
        )

    @property
    def version(self) -> int:
        """By which rules its rows are decided; the newest, if none says so."""
        tails = [row.tail or b"" for row in self.rows if row.kind == Kind.REGISTER]
        said = [tail for tail in tails if tail[:1] == b"\x04"]
        return int.from_bytes(said[-1][4:8], "little") if said else RULES_VERSION

    def forget_claims(self) -> None:
        """The first rules let corrections say nothing of claims."""
        if self.version == RULES_VERSION:
            for row in self.rows:
                if row.kind == Kind.TRANSFER and row.resolves:
                    row.flags &= ~int(RowFlag.CLAIM | RowFlag.PARTIAL)

    def claimed(self, hold: int, *, partial: bool = False) -> int:
        """What a correction of a hold says of its claim, and an undoing of that."""
        if self.version < 16:
            return 0
        held = self.rows[hold - 1].flags
        flags = held & int(RowFlag.CLAIM | RowFlag.PARTIAL)
        ends = held & RowFlag.PARTIAL or not partial
        return flags | (int(RowFlag.RELEASE) if ends and flags else 0)

    def corrected_by_two(self, hold: Row, amount: int | None = None) -> Row:
        amount = hold.amount if amount is None else amount
        asked = self.asked(Kind.TRANSFER, hold, amount, b"credited")
        self.approve(asked)
        return self.moved_by(asked, hold.debit, hold.credit)

    def advanced_by_two(self, hold: Row, amount: int | None = None) -> Row:
        amount = hold.amount if amount is None else amount
        asked = self.asked(PROPOSE_ADVANCE, hold, amount, b"it waits too long")
        self.approve(asked)
        return self.moved_by(asked, SUSPENSE, hold.debit)

    def undo(self, hold: Row, **f: object) -> Row:
        """What was corrected is taken back."""
        paid = next(
            row
            for row in self.rows[::-1]
            if row.kind == Kind.TRANSFER and row.resolves == hold.sequence
        )
        return self.add(
            Kind.TRANSFER,
            **{
                "resolves": hold.sequence,
                "debit": hold.credit,
                "credit": hold.debit,
                "amount": paid.amount,
                "reference": b"rejected",
                "flags": int(RowFlag.UNDOES) | self.claimed(hold.sequence),
                **f,
            },
        )

    def recover(self, advance: Row, **f: object) -> Row:
        return self.add(
            Kind.TRANSFER,
            **{
                "resolves": advance.sequence,
                "debit": advance.credit,
                "credit": advance.debit,
                "amount": advance.amount,
                "reference": b"taken back",
                **f,
            },
        )

    def closed_by_two(self, case: Row) -> Row:
        asked = self.asked(Kind.CASE_CLOSE, case, 1, b"it was right")
        self.approve(asked)
        return self.close(case, asked)

    def close(self, case: Row, asked: Row | None = None, **f: object) -> Row:
        """The close of a case, as it was asked for."""
        fields: dict[str, object] = {"debit": case.debit, "credit": case.credit}
        fields |= {"reference": b"it was right", **f}
        if asked is not None:
            fields |= {"id": deed_id(asked.id), "total": asked.sequence}
            fields["checker"] = SECOND
        return self.add(Kind.CASE_CLOSE, resolves=case.sequence, **fields)

    def shift(self, wallet: int, expected: int, counted: int, **f: object) -> Row:
        difference = 1 if counted == expected else 2 if counted < expected else 3
        numbers = 0, 5_000, 0, expected, counted, 2, 0, 0, 1, difference
        tail = struct.pack("<5Q4IB7x", *numbers) + b"{}"
        return self.add(Kind.SHIFT, debit=wallet, operator_=1, tail=tail, **f)

    def top_up(self, wallet: int, amount: int, utr: str) -> Row:
        return self.add(
            Kind.TOP_UP,
            debit=FLOAT,
            credit=wallet,
            amount=amount,
            reference=utr.encode(),
            flags=ONCE,
        )

    def window(self) -> Row:
        tail = self.images.lines()
        row = self.add(Kind.WINDOW, resolves=self.last_window, tail=tail)
        self.last_window = row.sequence
        return row

    def settle(self, window: Row, account: int, amount: int) -> Row:
        return self.add(
            Kind.SETTLE,
            debit=account,
            credit=SETTLEMENT,
            amount=amount,
            resolves=window.sequence,
        )


def failed(report: Report) -> set[str]:
    return {name for name, count in report.checks.items() if count}
