"""Ledgers with counters, row by row: each row is right unless a test changes it.

A centre that signs on with its operators, one that does not, what they take, what is
complained of, and what billers put in. Without people the treasury's rows stand alone,
with them three have wanted each.
"""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from switch.codes import (
    RULES_VERSION,
    TENDER_MASK,
    AccountKind,
    AmountRule,
    Kind,
    PriceRule,
    Record,
    Result,
    Role,
    RowFlag,
)
from tests.audit.journal_story import service_record
from tests.audit.journal_writer import Row
from tests.audit.people_story import (
    BILLER,
    CENTRE,
    HEAD,
    ONE,
    UPDATE,
    WALLET,
    Desk,
    register,
    top_up,
)
from tests.records import AccountRecord, ShiftRecord
from tests.signing import Line, public_key

THERE, OTHER, HARNESS = 5, 6, 7
"""A centre that does not sign on, another biller, and who pays for anybody."""
WALLET_THERE, HEAD_OTHER = 6, 7
OPEN, BILLS, BILLS_OTHER = 1, 2, 3
"""Services: what anybody pays, and two with bills, of either biller."""
SEAT, DESK, SEAT_THERE = (CENTRE, 7), (CENTRE, 8), (THERE, 7)
"""Operators that are registered; of the third its number is the first one's."""
NOBODY = 9
"""The number of no operator."""
NOT_CREDITED, OTHER_REASON = 1, 6
ASKED, ANSWERED, CLOSED = 1, 2, 3
FULL, DELTA, WITHDRAWAL = 1, 2, 3

Tell = Callable[["CounterDesk", bool], object]
"""Rows that go on from a ledger that has begun, right or forged."""
Forgery = tuple[str, str, Tell]
"""The check that finds it, by what words, and how it is told."""
R = Result


def party(
    number: int,
    role: int = Role.CENTRE,
    active: int = 1,
    signs_on: int = 0,
    hours: int = 0,
    *,
    promises: int = 0,
    zero: int = 0,
) -> bytes:
    """The record of a participant; its code is that of its number."""
    code = b"person-%d" % number
    said = 0, promises, signs_on, zero, hours
    return struct.pack("<3B5x32s4BH18x", 1, role, active, code, *said)


def operator(who: tuple[int, int], active: int = 1, key: int | None = None) -> bytes:
    """The record of an operator; its key has a number of its own among those of tests,
    or another one.
    """
    seat = key if key is not None else 1_000 * who[0] + who[1]
    fixed = Record.OPERATOR, active, *who
    return struct.pack("<BB2xII4x32s", *fixed, public_key(seat))


def bills(
    count: int = 3, amount: int = 900, form: int = FULL, zero: bytes = bytes(16)
) -> bytes:
    """The tail of a bills row."""
    fixed = form, count, amount, b"\x11" * 32, zero
    return struct.pack("<B3xIQ32s16s", *fixed) + b'{"name":"x"}'


OWN_RULES = 14
"""From here on nobody else acts where operators sign on."""


class CounterDesk(Desk):
    """A ledger whose centre signs on, as its counters make it."""

    def __init__(self, *, rules: int = RULES_VERSION, people: bool = False) -> None:
        super().__init__(rules=rules, people=people)
        self.people = people
        self.receipts = dict[int, int]()
        self.complaints = 0
        self.seats = 0
        self._places = dict[tuple[int, int], int]()
        if not people:
            for at, owned in enumerate(
                (
                    *((ONE, 0, AccountKind.FLOAT), (ONE, 1, AccountKind.SUSPENSE)),
                    (ONE, 2, AccountKind.SETTLEMENT),
                    *((CENTRE, 0, AccountKind.WALLET), (BILLER, 0, 2)),
                ),
                1,
            ):
                self.put(Line(Kind.OPEN, tail=AccountRecord(*owned).pack()), debit=at)
        for number, role in (
            *((THERE, Role.CENTRE), (OTHER, Role.BILLER), (HARNESS, Role.HARNESS)),
        ):
            self.put(register(party(number, role)), debit=number)
        for at, owned in ((WALLET_THERE, (THERE, 0, 1)), (HEAD_OTHER, (OTHER, 0, 2))):
            self.put(Line(Kind.OPEN, tail=AccountRecord(*owned).pack()), debit=at)
        for at, said in enumerate(
            (
                (BILLER, HEAD, PriceRule.OPEN, 1),
                (BILLER, HEAD, PriceRule.BILL, 2),
                (OTHER, HEAD_OTHER, PriceRule.BILL, 2),
            ),
            1,
        ):
            self.put(register(service(at, *said)), debit=at)
        self.put(top_up(900, b"UTR-A"))
        self.put(top_up(900, b"UTR-B", WALLET_THERE))
        if rules >= OWN_RULES:
            for who in (SEAT, DESK, SEAT_THERE):
                self.seat(who)
            self.signs_on()

    def put(self, line: Line, **fields: Any) -> Row:
        """What the treasury does."""
        if self.people:
            return self.done(line, **fields)
        claim = int(RowFlag.CLAIM) if line.kind == Kind.TOP_UP else 0
        names = "amount", "resolves", "debit", "credit", "reference"
        said: dict[str, Any] = {name: getattr(line, name) for name in names}
        said |= {"flags": line.flags | claim, "tail": line.tail or None}
        return self.add(line.kind, **{"participant": ONE, **said, **fields})

    def signs_on(self, signs: int = 1, **said: Any) -> Row:
        """The centre's record says whether it signs on."""
        record = party(CENTRE, signs_on=signs, **said)
        return self.put(register(record), debit=CENTRE, flags=UPDATE)

    def seat(self, who: tuple[int, int], **said: Any) -> Row:
        """One more operator."""
        self.seats += 1
        self._places[who] = self.seats
        return self.put(register(operator(who, **said)), debit=self.seats)

    def places_of(self, number: int) -> int:
        """The place of an operator of the centre."""
        return self._places[CENTRE, number]

    def pay(self, wallet: int = WALLET, **fields: Any) -> Row:
        """A payment of a rupee, at a counter."""
        sender, seat = (CENTRE, SEAT) if wallet == WALLET else (THERE, SEAT_THERE)
        said = {"participant": sender, "operator_": seat[1], "debit": wallet}
        said |= {"credit": HEAD, "amount": 100, "service": OPEN}
        reference = b"METER-%d" % len(self.rows)
        kind = fields.pop("kind", Kind.PAY)
        row = self.add(kind, **{"reference": reference, **said, **fields})
        if row.result == R.OK and kind == Kind.PAY:
            row.receipt = self.receipts[wallet] = self.receipts.get(wallet, 0) + 1
        return row

    def cancel(self, wallet: int = WALLET, **fields: Any) -> Row:
        """A payment that is held, and called off by one of its centre."""
        keeps = int(RowFlag.KEEP)
        held = self.pay(wallet, kind=Kind.HOLD, deadline=3_600, flags=keeps)
        names = "debit", "credit", "service", "participant", "operator_", "reference"
        said: dict[str, Any] = {name: getattr(held, name) for name in names}
        said |= {"resolves": held.sequence, "amount": held.amount, "total": DESK[1]}
        said["id"] = bytes(16)
        return self.add(Kind.VOID, **{**said, **fields})

    def shift(self, who: tuple[int, int] = SEAT, **fields: Any) -> Row:
        """The shift of an operator."""
        said = {"participant": who[0], "operator_": who[1], "debit": WALLET}
        tail = ShiftRecord(who[1]).pack() + b"{}"
        return self.add(Kind.SHIFT, **{"tail": tail, **said, **fields})

    def sign_off(self, shift: Row, who: tuple[int, int] = DESK, **fields: Any) -> Row:
        """Its approval."""
        said = {"participant": who[0], "operator_": who[1]}
        said["resolves"] = shift.sequence
        return self.add(Kind.APPROVE, **{**said, **fields})

    def complain(self, about: Row | int, **fields: Any) -> Row:
        """A complaint about a payment."""
        number = about.sequence if isinstance(about, Row) else about
        said: dict[str, Any] = {"resolves": number, "participant": CENTRE}
        said |= {"operator_": SEAT[1], "total": NOT_CREDITED}
        said |= {"tail": b"the meter still blinks"}
        if fields.get("result", R.OK) == R.OK:
            self.complaints += 1
            said["debit"] = self.complaints
        else:
            said["total"] = 0
        return self.add(Kind.COMPLAINT, **{**said, **fields})

    def reply(self, about: Row | int, step: int, **fields: Any) -> Row:
        """A reply to a complaint, of who may take its step."""
        number = about.sequence if isinstance(about, Row) else about
        said: dict[str, Any] = {"resolves": number}
        said["participant"] = BILLER if step == ANSWERED else ONE
        if fields.get("result", R.OK) == R.OK:
            said["total"] = step
            said["debit"] = about.debit if isinstance(about, Row) else 1
        return self.add(Kind.REPLY, **{**said, **fields})

    def hand_out(self, back: Row | int, **fields: Any) -> Row:
        """The cash of what gave it back, as the row that it names says it."""
        said: dict[str, Any] = {"participant": CENTRE, "operator_": SEAT[1]}
        said |= {"resolves": back, "debit": WALLET}
        if isinstance(back, Row):
            tender = back.flags & TENDER_MASK
            said |= {"resolves": back.sequence, "amount": back.amount, "flags": tender}
        return self.add(Kind.HANDED_OUT, **{**said, **fields})

    def leave(self, who: tuple[int, int] = SEAT, **fields: Any) -> Row:
        """An operator signs off."""
        said = {"participant": who[0], "operator_": who[1], "debit": WALLET}
        return self.add(Kind.SIGNED_OFF, **{**said, **fields})

    def put_in(self, after: Row | int = 0, **fields: Any) -> Row:
        """A file of bills."""
        number = after.sequence if isinstance(after, Row) else after
        said: dict[str, Any] = {"resolves": number, "participant": BILLER}
        said |= {"service": BILLS, "tail": bills()}
        return self.add(Kind.BILLS, **{**said, **fields})


def service(index: int, biller: int, head: int, price: int, rule: int) -> bytes:
    """The record of a service."""
    bill = price == PriceRule.BILL
    amount_rule = AmountRule.EXACT if bill else AmountRule.MIN_MAX
    said: dict[str, object] = {"price_rule": price, "amount_rule": amount_rule}
    return service_record(index, 1, rule, biller, [head], said)


def found_by_its_words(
    path: Path, check: str, text: str, tell: Tell, *, people: bool = False
) -> None:
    """A story is without a finding, and its forged twin has this one alone."""
    right, wrong = CounterDesk(people=people), CounterDesk(people=people)
    tell(right, False)
    tell(wrong, True)
    assert right.found(path / "right") == {}
    found = wrong.found(path / "wrong")
    assert list(found) == [check], found
    assert any(text in one for one in found[check]), found
