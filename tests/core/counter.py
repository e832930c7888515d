"""A desk whose centres have operators that sign on, complaints, and files of bills."""

import struct
from typing import Any, NamedTuple

from switch._core import Rows
from switch.codes import (
    AmountRule,
    DuplicateRule,
    KeyRule,
    Kind,
    Mode,
    PriceRule,
    Record,
    Role,
)
from tests.core.desk import Desk
from tests.core.pair import read_outcome, rows_request
from tests.records import Outcome, Payment, Row, ServiceRecord
from tests.signing import public_key

RESTS = ("stay", "index", "no index")
"""How a test goes on: with the ledger as it is, or opened with an index or without."""


def centre_record(
    code: bytes,
    *,
    signs_on: int = 0,
    hours: int = 0,
    role: int = Role.CENTRE,
    **to: int,
) -> bytes:
    """A participant's record, 64 bytes, as rules 12 have it."""
    values = to.get("active", 1), to.get("states", 1), to.get("never", 0)
    return struct.pack(
        "<BBB5x32sBBBxH18x",
        *(Record.PARTICIPANT, role, values[0], code, values[1], values[2]),
        *(signs_on, hours),
    )


def operator_record(
    participant: int, number: int, key: int | bytes, active: int = 1
) -> bytes:
    """An operator's record, 48 bytes; `key`: the number of a key of tests."""
    known = public_key(key) if isinstance(key, int) else key
    return struct.pack(
        "<BBxxII4x32s", Record.OPERATOR, active, participant, number, known
    )


def bills_record(
    form: int = 1, lines: int = 3, amount: int = 900, hash_: bytes = b"\x11" * 32
) -> bytes:
    """What a file of bills is, 64 bytes."""
    return struct.pack("<B3xIQ32s16x", form, lines, amount, hash_)


class Told(NamedTuple):
    """What became of a payment in a message."""

    result: int
    sequence: int
    repeat: bool


class Counter(Desk):
    """What is asked for by hand, a second after the other."""

    def tell(self, *rows: Row) -> list[Outcome]:
        """Rows as one request; their answers."""
        [outcomes] = self.ask(rows_request(rows))
        assert not isinstance(outcomes, bytes)
        return [read_outcome(one.tobytes()) for one in outcomes]

    def one(self, kind: int, **given: Any) -> Outcome:
        """One row of the treasury's, if nobody else is named."""
        return self.tell(self.row(kind, **given))[0]

    def row(self, kind: int, **given: Any) -> Row:
        """The same, as it is asked for."""
        self.number += 1
        given.setdefault("participant", self.net.treasury)
        given.setdefault("id", b"counter" + self.number.to_bytes(9, "big"))
        return Row(kind, **given)

    def told(self, *payments: Payment, basket: bool = False) -> list[Told]:
        """Payments of the first centre's in a message; their answers."""
        outcomes = self.pay_basket(*payments) if basket else self.pay(*payments)
        return [Told(int(one.result), one.sequence, one.repeat) for one in outcomes]

    # --- who there is -----------------------------------------------------------------

    @property
    def centre(self) -> int:
        """The participant index of the first centre."""
        return self.net.centres[0]

    @property
    def wallet(self) -> int:
        """Its wallet."""
        return self.net.wallets[0]

    def sign_on(self, on: int = 1, centre: int = 0, **given: int) -> Outcome:
        """Have a centre say whether it signs on."""
        code = self.net.centre_codes[centre]
        return self.one(Kind.REGISTER, tail=centre_record(code, signs_on=on, **given))

    def operator(
        self, number: int, key: int | bytes, centre: int = 0, active: int = 1
    ) -> Outcome:
        """Register one."""
        record = operator_record(centre or self.centre, number, key, active)
        return self.one(Kind.REGISTER, tail=record)

    # --- complaints -------------------------------------------------------------------

    def complain(self, payment: int, reason: int = 1, **given: Any) -> Outcome:
        """The first centre does, about a payment by its sequence."""
        given.setdefault("participant", self.centre)
        return self.one(Kind.COMPLAINT, resolves=payment, total=reason, **given)

    def reply(self, complaint: int, step: int, **given: Any) -> Outcome:
        """The next step of a complaint: the treasury's, an answer the biller's."""
        given.setdefault("participant", self.biller if step == 2 else self.net.treasury)
        return self.one(Kind.REPLY, resolves=complaint, total=step, **given)

    def paid(self) -> int:
        """The sequence of a hold of the first centre."""
        [told] = self.told(self.payment())
        assert told.result == 1, told
        return told.sequence

    # --- going on ---------------------------------------------------------------------

    def rest(self, how: str) -> None:
        """Go on as RESTS has it."""
        if how == "index":
            self.reopen()
        elif how == "no index":
            self.ledger.close()
            for path in (self.path / "index").iterdir():
                path.unlink()
            self.ledger = self.open()


def quoted_service(counter: Counter, code: bytes = b"QUOTED") -> int:
    """The index of a new service of the desk's biller, whose bills are fetched."""
    record = ServiceRecord(
        code,
        counter.biller,
        tuple(counter.net.heads[0]),
        mode=Mode.DIRECT,
        duplicate_rule=DuplicateRule.ONCE,
        key_rule=KeyRule.BILL_ID,
        price_rule=PriceRule.BILL,
        amount_rule=AmountRule.EXACT,
    )
    told = counter.one(Kind.REGISTER, tail=record.pack())
    assert told.result == 1, told
    return told.index


def columns(rows: Rows, name: str) -> list[int]:
    """One field of rows."""
    return [int(one) for one in rows[name]]
