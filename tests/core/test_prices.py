"""Goal: what something costs is what the register says, or lies within what it says.

Method: a small market driven by hand. Tariffs with fees that change at midnight, items
right and wrong; open amounts in their bounds and steps. Core and model answer each
request, row and tail; what matters is stated here as well. Then records of prices of
every shape, right and wrong.
"""

import itertools
import struct
from dataclasses import replace
from typing import Any

import pytest

from switch.codes import (
    AMOUNT_MAX,
    AmountRule,
    DuplicateRule,
    Field,
    KeyRule,
    Kind,
    Letters,
    Result,
    RowFlag,
)
from tests.core.market import (
    BILL,
    DUE,
    HOUR_NS,
    MONTHLY,
    ONCE,
    OPEN,
    REFERENCE,
    SECOND_NS,
    TARIFF,
    WITHIN,
    Market,
)
from tests.core.network import NOW
from tests.model import Rows
from tests.model_state import ist_day
from tests.records import (
    PAYMENT_TAIL_SIZE,
    BillTail,
    Outcome,
    Row,
    TariffItem,
    tariff_tail,
)

TODAY = ist_day(NOW)
MIDNIGHT = ((TODAY + 1) * 86_400 - 19_800) * SECOND_NS
CERT, COPY = (b"CERT", 1), (b"COPY", 2)
FEE = 2_300


# --- tariffs -----------------------------------------------------------------------


@pytest.mark.parametrize("rules", [REFERENCE, WITHIN])
def test_an_amount_is_the_sum_of_its_items(
    market: Market, rules: dict[str, Any]
) -> None:
    service = market.service(b"CERT", **TARIFF, **rules)
    number = 0

    def pay(amount: int, *items: tuple[bytes, int], **fields: Any) -> Outcome:
        nonlocal number
        number += 1
        reference = b"APPLICATION %d" % number
        return market.one(
            market.plain(service, reference, amount, items=items, **fields)
        )

    paid = pay(FEE, CERT, COPY, note=b"two copies", amount_due=1)
    assert paid.result == Result.OK
    tail = market.pair.ledger.tail(paid.sequence)
    assert tail == tariff_tail((CERT, COPY)) + b"two copies"
    assert tail[:24] == struct.pack("<8sI8sI", b"CERT", 1, b"COPY", 2)
    assert (tail[54], tail[55], len(tail)) == (2, 2, 66)
    for amount in (1, FEE - 1, FEE + 1, 2_000, 10**18):
        changed = pay(amount, CERT, COPY)
        assert changed.result == Result.FEE_CHANGED
        assert market.pair.ledger.tail(changed.sequence) == tariff_tail((CERT, COPY))
    for items in (
        (),
        (CERT, (b"CER", 1)),
        ((b"CERTS", 1),),
        ((b"X", 1),),
    ):
        assert pay(FEE, *items).result == Result.ITEM_UNKNOWN
    assert pay(2_000 * 9_999, (b"CERT", 9_999)).result == Result.OK


def test_items_of_a_wrong_shape(market: Market) -> None:
    service = market.service(b"CERT", **TARIFF, **REFERENCE)
    fifth = tuple((b"I%d" % number, 1) for number in range(5))
    before = len(market.model.rows)
    for items in (
        fifth,
        (CERT, COPY, CERT),
        ((b"CERT", 0),),
        ((b"CERT", 10_000),),
        ((b"CERT", 2**32 + 1),),
        ((b"CERT", 2**64 - 1),),
        ((b"", 1),),
        ((b"cert", 1),),
        ((b"CERT ", 1),),
        ((b"CERT\0", 1),),
        ((b"C" * 9, 1),),
        ((b"\xff", 1),),
    ):
        payment = market.plain(service, b"A", FEE, items=items)
        assert market.one(payment).result == Result.INVALID_ITEMS, items
        # The least number is the answer; and the service is not asked.
        assert market.one(replace(payment, note=b"\xff")).result == Result.INVALID_NOTE
        nobody = replace(payment, service=b"NOBODY")
        assert market.one(nobody).result == Result.INVALID_ITEMS
        other = market.plain(service, b"A", FEE, items=(CERT, COPY))
        results = [one.result for one in market.basket(payment, other)]
        assert results == [Result.INVALID_ITEMS, Result.INVALID_BASKET]
    assert len(market.model.rows) == before
    longest = (b"ABCD-678", 9_999)
    unknown = market.one(market.plain(service, b"A", FEE, items=(longest,)))
    assert unknown.result == Result.ITEM_UNKNOWN
    tail = market.pair.ledger.tail(unknown.sequence)
    assert tail == tariff_tail((longest,))


def test_a_fee_changes_at_midnight_in_india(market: Market) -> None:
    items = (
        TariffItem(b"CERT", 1_000, TODAY - 30),
        TariffItem(b"CERT", 2_000, TODAY),
        TariffItem(b"CERT", 3_000, TODAY + 1),
        TariffItem(b"NEW", 500, TODAY + 1),
    )
    service = market.service(b"CERT", **{**TARIFF, "items": items}, **REFERENCE)

    def pay(amount: int, code: bytes, reference: bytes) -> int:
        payment = market.plain(service, reference, amount, items=((code, 1),))
        return market.one(payment).result

    market.now = MIDNIGHT - 4 * SECOND_NS - 1
    assert pay(3_000, b"CERT", b"A") == Result.FEE_CHANGED
    assert pay(500, b"NEW", b"A") == Result.ITEM_UNKNOWN
    assert pay(1_000, b"CERT", b"A") == Result.FEE_CHANGED
    assert pay(2_000, b"CERT", b"B") == Result.OK
    assert market.now == MIDNIGHT - 1
    market.now = MIDNIGHT - SECOND_NS
    assert pay(2_000, b"CERT", b"C") == Result.FEE_CHANGED
    assert pay(3_000, b"CERT", b"D") == Result.OK
    assert pay(500, b"NEW", b"E") == Result.OK
    # The register may change all of it, and take an item away.
    changed = {**TARIFF, "items": (TariffItem(b"NEW", 700),)}
    assert market.register(market.record(b"CERT", **changed, **REFERENCE)).result == 1
    assert pay(3_000, b"CERT", b"F") == Result.ITEM_UNKNOWN
    market.reopen(without_index=True)
    assert pay(700, b"NEW", b"G") == Result.OK


def test_items_where_there_is_no_tariff(market: Market) -> None:
    for code, rules in (
        (b"A", {**OPEN, **WITHIN}),
        (b"B", {**BILL, **ONCE}),
        (b"C", {}),
    ):
        service = market.service(code, **rules)
        payment = market.plain(service, b"R", 500, items=(COPY,))
        if code == b"B":
            payment.quotation = market.payment(
                market.fetch(service, b"R", b"B", due=500)
            ).quotation
        refused = market.state(payment)
        assert refused.result == Result.ITEM_UNKNOWN
        # None of it stands in the row, nor is compared.
        assert not market.row(refused).resolves
        assert market.state(replace(payment, items=(CERT,))).repeat


def test_an_application_is_paid_once_or_within_hours(market: Market) -> None:
    once = market.service(b"ONCE", **TARIFF, **REFERENCE, letters=Letters.UPPER)
    within = market.service(b"HOURS", **TARIFF, **WITHIN)
    first = market.one(market.plain(once, b"ab/7", FEE, items=(CERT, COPY)))
    assert market.row(first).flags & 6 == RowFlag.CLAIM
    for items, amount in (((CERT, COPY), FEE), ((CERT,), 2_000)):
        again = market.one(market.plain(once, b"AB/7", amount, items=items), centre=1)
        assert again.result == Result.BILL_ALREADY_CLAIMED
        assert (again.other, again.foreign) == (first.sequence, 1)
    second = market.one(market.plain(within, b"M", FEE, items=(CERT, COPY)))
    assert market.row(second).flags & 6 == RowFlag.RECENT
    again = market.one(market.plain(within, b"M", 150, items=((b"COPY", 1),)))
    assert (again.result, again.other) == (Result.PAID_RECENTLY, second.sequence)
    assert not again.handle
    market.tick(2 * HOUR_NS)
    assert market.one(market.plain(within, b"M", 2_000, items=(CERT,))).result == 1
    market.refund(first, FEE)
    assert market.one(market.plain(once, b"AB/7", 2_000, items=(CERT,))).result == 1


def test_items_are_compared_when_an_id_comes_again(market: Market) -> None:
    service = market.service(b"CERT", **TARIFF, **REFERENCE)
    payment = market.plain(service, b"A", FEE, items=(CERT, COPY), note=b"n")
    paid = market.one(payment)
    assert market.one(payment).sequence == paid.sequence
    for items in ((CERT,), (COPY, CERT), (CERT, (b"COPY", 3)), ()):
        reused = market.one(replace(payment, items=items))
        assert (reused.result, reused.field) == (Result.ID_REUSED, Field.ITEMS)
    reused = market.one(replace(payment, note=b"m", items=()))
    assert (reused.result, reused.field) == (Result.ID_REUSED, Field.NOTE)
    # A template names no items, so that it is of another content.
    row = Row(Kind.PAY, id=market.id(), amount=FEE, service=service, reference=b"T")
    row.debit, row.participant = market.net.wallets[0], market.net.harness
    assert market.pair.one(row, market.tick()).result == Result.ITEM_UNKNOWN


def test_the_order_of_prices(market: Market) -> None:
    service = market.service(b"CERT", **TARIFF, **REFERENCE, pattern=b"A9{1,4}")
    for fields, result in (
        ({"head": 5, "reference": b"?"}, Result.HEAD_UNKNOWN),
        ({"reference": b"?"}, Result.REFERENCE_WRONG),
        ({"items": ((b"NONE", 1),)}, Result.ITEM_UNKNOWN),
        ({"amount": 1}, Result.FEE_CHANGED),
    ):
        payment = market.plain(service, b"A1", FEE, items=(CERT, COPY))
        fields = {"amount": 1, "items": (CERT,), **fields}
        assert market.one(replace(payment, **fields)).result == result  # type: ignore[arg-type]
    opened = market.service(b"OPEN", **OPEN, **WITHIN, amount_step=50)
    for amount, items, result in (
        (99, (COPY,), Result.AMOUNT_BELOW_MINIMUM),
        (10**6 + 1, (COPY,), Result.AMOUNT_ABOVE_MAXIMUM),
        (101, (COPY,), Result.AMOUNT_STEP_WRONG),
        (100, (COPY,), Result.ITEM_UNKNOWN),
        (100, (), Result.OK),
    ):
        assert market.one(market.plain(opened, b"M", amount, items=items)).result == (
            result
        )


# --- open amounts ------------------------------------------------------------------


def test_an_open_amount_has_bounds_and_a_step(market: Market) -> None:
    rules = {"amount_min": 1_000, "amount_max": 5_000, "amount_step": 300}
    service = market.service(
        b"OPEN", **{**OPEN, **rules}, duplicate_rule=DuplicateRule.NONE
    )
    for amount, result in (
        (900, Result.AMOUNT_BELOW_MINIMUM),
        (1_000, Result.AMOUNT_STEP_WRONG),
        (1_200, Result.OK),
        (4_800, Result.OK),
        (4_999, Result.AMOUNT_STEP_WRONG),
        (5_100, Result.AMOUNT_ABOVE_MAXIMUM),
    ):
        payment = market.plain(service, b"M", amount, amount_due=7)
        paid = market.one(payment)
        assert paid.result == result
        assert not market.pair.ledger.tail(paid.sequence)


def test_templates_state_what_is_due(market: Market) -> None:
    """Rows of the house bring no quotation; they are believed by whose they are."""
    service = market.service(b"P", **BILL, **ONCE)
    row = Row(Kind.PAY, id=market.id(), amount=DUE, service=service, total=DUE)
    row.reference, row.debit, row.tail = b"B", market.net.wallets[0], b"note"
    for sender, result in (
        (market.net.centres[0], Result.QUOTATION_NEEDED),
        (0, Result.QUOTATION_NEEDED),
        (market.net.harness, Result.OK),
    ):
        row.participant = sender
        outcome = market.pair.one(row, market.tick())
        assert outcome.result == result
    tail = market.pair.ledger.tail(outcome.sequence)
    assert tail == BillTail(b"B", DUE).pack() + b"note"
    assert len(tail) == PAYMENT_TAIL_SIZE + 4
    assert market.pair.one(row, market.tick()).repeat


# --- records -----------------------------------------------------------------------

WORD = 2**64 - 1
FIT: list[dict[str, Any]] = [
    {**TARIFF, **REFERENCE},
    {**TARIFF, **WITHIN},
    *({**BILL, **rules} for rules in (ONCE, MONTHLY, WITHIN)),
    {**BILL, **ONCE, "duplicate_hours": 8_784},
    *({**OPEN, **rules} for rules in (REFERENCE, WITHIN)),
    {**OPEN, "duplicate_rule": DuplicateRule.NONE},
    {**OPEN, **WITHIN, "amount_step": AMOUNT_MAX},
]
CHANGES: list[dict[str, Any]] = [
    *({"price_rule": rule} for rule in (0, 1, 2, 3, 4, 255)),
    *({"amount_rule": rule} for rule in (0, *AmountRule, 6)),
    *({"duplicate_rule": rule} for rule in (0, *DuplicateRule, 4)),
    *({"key_rule": rule} for rule in (0, *KeyRule, 4)),
    *({"duplicate_hours": hours} for hours in (0, 1, 8_784, 8_785)),
    *({"amount_step": step} for step in (0, 1, AMOUNT_MAX, AMOUNT_MAX + 1)),
    *({"amount_min": least} for least in (0, 1, 99, 100, AMOUNT_MAX + 1)),
    *({"amount_max": most} for most in (0, 99, 100, AMOUNT_MAX, AMOUNT_MAX + 1)),
    *({"items_count": count} for count in (0, 1, 2, 3, 64, 65, 255)),
    {"items": ()},
]


def test_records_of_prices(market: Market) -> None:
    """Each that fits, with one or two things changed; core and model agree."""
    taken = 0
    changes = [{}, *CHANGES, *itertools.combinations(CHANGES, 2)]
    rows: list[Row] = []
    for fit, change in itertools.product(FIT, changes[::1]):
        parts = change if isinstance(change, tuple) else (change,)
        fields = dict(fit)
        for part in parts:
            fields |= part
        record = market.record(b"N-%d" % (len(rows) % 60_000), **fields)
        row = Row(Kind.REGISTER, id=market.id(), tail=record.pack())
        row.participant = market.net.treasury
        rows.append(row)
    for at in range(0, len(rows), 1_000):
        [outcomes] = market.pair.commit([Rows(rows[at : at + 1_000])], market.tick())
        taken += sum(one.result == Result.OK for one in outcomes)
    assert taken > len(FIT)


ITEM = TariffItem(b"B", 100, 5)


@pytest.mark.parametrize(
    ("items", "right"),
    [
        ((ITEM,), True),
        (tuple(TariffItem(b"%02d" % n, 1) for n in range(64)), True),
        (tuple(TariffItem(b"%02d" % n, 1) for n in range(65)), False),
        ((ITEM, replace(ITEM, valid_from=6)), True),
        ((ITEM, ITEM), False),
        ((ITEM, replace(ITEM, fee=7)), False),
        ((ITEM, replace(ITEM, valid_from=4)), False),
        ((ITEM, replace(ITEM, code=b"A")), False),
        ((ITEM, replace(ITEM, code=b"BA", valid_from=0)), True),
        ((ITEM, replace(ITEM, code=b"B-", valid_from=0)), True),
        ((replace(ITEM, code=b"ABCD-678"),), True),
        ((replace(ITEM, code=b""),), False),
        ((replace(ITEM, code=b"b"),), False),
        ((replace(ITEM, code=b"A B"),), False),
        ((replace(ITEM, code=b"A\0B"),), False),
        ((replace(ITEM, fee=0),), False),
        ((replace(ITEM, fee=AMOUNT_MAX),), True),
        ((replace(ITEM, fee=AMOUNT_MAX + 1),), False),
        ((replace(ITEM, valid_from=2**32 - 1),), True),
    ],
)
def test_tariffs(market: Market, items: tuple[TariffItem, ...], right: bool) -> None:
    record = market.record(b"T", **{**TARIFF, "items": items}, **REFERENCE)
    wanted = Result.OK if right else Result.INVALID_RECORD
    assert market.register(record).result == wanted
    if not right:
        return
    # What stands behind the items is for people; what is cut off is no record.
    packed = record.pack()
    for size in (255, 256, len(packed) - 1):
        row = Row(Kind.REGISTER, id=market.id(), tail=packed[:size])
        row.participant = market.net.treasury
        assert market.pair.one(row, market.tick()).result == Result.INVALID_RECORD
    row = Row(Kind.REGISTER, id=market.id(), tail=packed + b'{"name": "x"}')
    row.participant = market.net.treasury
    assert market.pair.one(row, market.tick()).result == Result.OK


def test_what_is_fixed_of_a_price(market: Market) -> None:
    market.service(b"P", **BILL, **ONCE)
    for change in (
        {**OPEN, **REFERENCE},
        {**TARIFF, **REFERENCE},
        {**BILL, **MONTHLY},
        {**BILL, **WITHIN},
        {**ONCE},
    ):
        assert market.register(market.record(b"P", **change)).result == (
            Result.RULE_FIXED
        )
    above = {**BILL, "amount_rule": AmountRule.EXACT_AND_ABOVE}
    free = {**above, **ONCE, "duplicate_hours": 9, "amount_min": 3}
    assert market.register(market.record(b"P", **free)).result == Result.OK
    # Services of one series are of one price rule.
    other = market.record(b"Q", **ONCE, series=1)
    assert market.register(other).result == Result.RULE_FIXED
