"""Goal: only who may state dues is believed about a bill that nobody was asked for, as
long as the register says so.

Method: a small market whose harness may; its centres may not. Core and model answer
each request, row and tail; what matters is stated here as well.
"""

from dataclasses import replace
from typing import Any

from switch.codes import (
    AmountRule,
    Field,
    Letters,
    Result,
    RowFlag,
)
from tests.core.market import (
    BILL,
    DUE,
    MONTHLY,
    ONCE,
    Market,
)
from tests.core.quoting import of_month
from tests.records import PAYMENT_TAIL_SIZE, BillTail, ParticipantRecord, Row

NOVEMBER = of_month(2026, 11)
COPIED = RowFlag.CLAIM | RowFlag.RECENT | RowFlag.STATED | RowFlag.PARTIAL


def flags(row: Row) -> RowFlag:
    """Of what a payment of a bill has."""
    return RowFlag(row.flags) & COPIED


# --- stated dues -------------------------------------------------------------------


def test_a_harness_states_what_is_due(market: Market) -> None:
    tax = market.service(b"TAX", **BILL, **ONCE)
    said = market.plain(tax, b"B-1", DUE, amount_due=DUE)
    assert market.one(said).result == Result.QUOTATION_NEEDED
    paid = market.state(said)
    assert flags(market.row(paid)) == RowFlag.CLAIM | RowFlag.STATED
    fixed = BillTail(b"B-1", DUE, amount_rule=AmountRule.EXACT).pack()
    assert market.pair.ledger.tail(paid.sequence) == fixed
    wrong = market.state(market.plain(tax, b"B-2", DUE, amount_due=DUE + 1))
    assert wrong.result == Result.AMOUNT_NOT_EXACT
    assert flags(market.row(wrong)) == RowFlag.STATED
    # It may have a quotation like anybody else, and then states nothing.
    quoted = market.fetch(tax, b"K", b"B-3")
    both = market.state(market.payment(quoted, amount_due=1))
    assert (both.result, flags(market.row(both))) == (
        Result.OK,
        RowFlag.CLAIM | RowFlag.RECENT,
    )
    # And it pays once what others fetched, and they what it stated.
    fetched = market.fetch(tax, b"K", b"B-1")
    assert market.pay(fetched).other == paid.sequence


def test_it_may_until_the_register_says_no(market: Market) -> None:
    tax = market.service(b"TAX", **BILL, **ONCE)
    plain = ParticipantRecord(b"harness", 5, may_state_dues=0)
    assert market.register(plain).result == Result.OK
    said = market.plain(tax, b"B-1", DUE, amount_due=DUE)
    assert market.state(said).result == Result.QUOTATION_NEEDED
    plain.may_state_dues = 1
    market.register(plain)
    market.reopen(without_index=True)
    assert market.state(said).result == Result.OK
    plain.may_state_dues = 2
    assert market.register(plain).result == Result.INVALID_RECORD


def test_a_stated_month_stands_in_the_reference(market: Market) -> None:
    rules: dict[str, Any] = {"letters": Letters.UPPER, "pattern": b"A9{1,9}"}
    power = market.service(b"POWER", **BILL, **MONTHLY, **rules)
    said = market.plain(power, b"k18/2026-11", DUE, amount_due=DUE)
    paid = market.state(said)
    assert market.row(paid).reference == b"K18/2026-11"
    fixed = BillTail(b"K18", DUE, period=NOVEMBER).pack()
    assert market.pair.ledger.tail(paid.sequence) == fixed
    assert market.state(said).repeat
    assert market.state(replace(said, reference=b"K18/2026-11")).repeat
    for other in (b"K18/2026-12", b"K18", b"K19/2026-11"):
        reused = market.state(replace(said, reference=other))
        assert (reused.result, reused.field) == (Result.ID_REUSED, Field.REFERENCE)
    quoted = market.fetch(power, b"K18", period=NOVEMBER)
    assert market.pay(quoted).other == paid.sequence
    for reference, result in (
        (b"K18", Result.PERIOD_MISSING),
        (b"18/2026-11", Result.REFERENCE_WRONG),
    ):
        refused = market.state(market.plain(power, reference, DUE, amount_due=DUE))
        assert refused.result == result
        assert market.row(refused).reference == reference
        tail = market.pair.ledger.tail(refused.sequence)
        assert len(tail) == PAYMENT_TAIL_SIZE
