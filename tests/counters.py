"""A network with counters, told row by row: of two centres that sign on and another.

For tests of the model alone; every figure is small enough to be worked out by hand.
"""

from typing import Any

from switch.codes import (
    AccountKind,
    DuplicateRule,
    KeyRule,
    Kind,
    Mode,
    PriceRule,
    Result,
    Role,
)
from tests.model import Model, Rows
from tests.office import Commit
from tests.records import (
    AccountRecord,
    BillsRecord,
    Outcome,
    ParticipantRecord,
    Row,
    ServiceRecord,
)
from tests.signing import OperatorRecord, public_key

NOON = 1_774_000_000 * 10**9
TREASURY, BILLER, CENTRE, OTHER, FREE, SECOND, DESK = range(1, 8)
"""Centre and other sign on, the free one does not; second is a biller more."""
FLOAT, HEAD, WALLET, OTHERS, FREE_S, SECOND_S = range(1, 7)
STATED, BILLS, SECONDS, HELD = range(1, 5)
ACTIVE, LEFT, ELSEWHERE = 1, 2, 4
"""Operators of the centre that signs on, and one of the other."""
OK, UNKNOWN = Result.OK, Result.OPERATOR_UNKNOWN
NOT_FOUND, FOLLOWED = Result.COMPLAINT_NOT_FOUND, Result.ALREADY_FOLLOWED


class Counter:
    """The network, told row by row."""

    def __init__(self, model: Model, commit: Commit) -> None:
        self.model = model
        self.commit = commit
        self.now = NOON
        self.number = 0
        roles = (Role.TREASURY, Role.BILLER, Role.CENTRE, Role.CENTRE, Role.CENTRE)
        for at, role in enumerate((*roles, Role.BILLER, Role.TREASURY), 1):
            record = ParticipantRecord(
                b"p%d" % at, role, signs_on=at in (CENTRE, OTHER)
            )
            assert self.register(record.pack()).index == at
        for whose, kind in (
            (TREASURY, AccountKind.FLOAT),
            (BILLER, AccountKind.BILLER),
            (CENTRE, AccountKind.WALLET),
            (OTHER, AccountKind.WALLET),
            (FREE, AccountKind.WALLET),
            (SECOND, AccountKind.BILLER),
        ):
            assert not self.tell(Kind.OPEN, tail=AccountRecord(whose, 0, kind).pack())[
                "wrong"
            ]
        bill: dict[str, Any] = {
            "price_rule": PriceRule.BILL,
            "amount_rule": 1,
            "duplicate_rule": DuplicateRule.ONCE,
            "key_rule": KeyRule.BILL_ID,
        }
        held: dict[str, Any] = {"mode": Mode.CONFIRMED, "deadline_s": 60}
        for service in (
            ServiceRecord(b"STATED", BILLER, (HEAD,)),
            ServiceRecord(b"BILLS", BILLER, (HEAD,), **bill),
            ServiceRecord(b"SECONDS", SECOND, (SECOND_S,), **bill),
            ServiceRecord(b"HELD", BILLER, (HEAD,), **held),
        ):
            assert self.register(service.pack()).result == OK
        for wallet in (WALLET, OTHERS, FREE_S):
            self.row(Kind.TOP_UP, amount=1_000, debit=FLOAT, credit=wallet,
                     reference=b"UTR%d" % wallet)  # fmt: skip
        for whose, number in ((CENTRE, 1), (CENTRE, 2), (CENTRE, 7), (OTHER, 4)):
            key = public_key(10 * whose + number)
            record_ = OperatorRecord(whose, number, key, active=int(number != LEFT))
            assert self.register(record_.pack()).result == OK

    def row(self, kind: int, **fields: Any) -> Outcome:
        """What comes of one row, of the treasury unless it says another."""
        return self.rows(self.template(kind, **fields))[0]

    def template(self, kind: int, **fields: Any) -> Row:
        self.number += 1
        given = {"id": self.number.to_bytes(16, "big"), "participant": TREASURY}
        return Row(kind, **{**given, **fields})

    def rows(self, *rows: Row) -> list[Outcome]:
        self.now += 10**9
        return self.commit([Rows(list(rows))], self.now)[0]

    def tell(self, kind: int, **fields: Any) -> dict[str, int]:
        """The same where no more than this matters."""
        outcome = self.row(kind, **fields)
        return {"wrong": outcome.result != OK, "index": outcome.index}

    def register(self, tail: bytes, **fields: Any) -> Outcome:
        return self.row(Kind.REGISTER, tail=tail, **fields)

    def pay(self, operator: int = ACTIVE, **fields: Any) -> Outcome:
        """One payment of the centre that signs on."""
        fields = {"debit": WALLET, "service": STATED, "participant": CENTRE, **fields}
        reference = b"BILL %d" % self.number
        given = {"reference": reference, "amount": 5, "total": 5, **fields}
        return self.row(Kind.PAY, operator_=operator, **given)

    def complain(self, payment: int, **fields: Any) -> Outcome:
        given = {"participant": CENTRE, "operator_": ACTIVE, "total": 1, **fields}
        return self.row(Kind.COMPLAINT, resolves=payment, **given)

    def reply(self, complaint: int, step: int, sender: int = 0, **fields: Any) -> Any:
        """By whom it must be, unless somebody is named."""
        sender = sender or (BILLER if step == 2 else TREASURY)
        fields = {"participant": sender, "resolves": complaint, **fields}
        return self.row(Kind.REPLY, total=step, **fields)

    def put(self, record: BillsRecord, before: int = 0, **fields: Any) -> Outcome:
        given: dict[str, Any] = {"service": BILLS, "participant": BILLER}
        given |= {"tail": record.pack(), "resolves": before}
        return self.row(Kind.BILLS, **{**given, **fields})

    def last(self) -> Row:
        return self.model.rows[-1]


def with_byte(tail: bytes, at: int, value: int = 1) -> bytes:
    return tail[:at] + bytes([value]) + tail[at + 1 :]
