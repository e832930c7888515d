"""Goal: a payment that was wholly refunded, and that its biller says it has credited
all the same, is disputed: its bill stays claimed until two people have closed that.

Method: a small market driven by hand. Core and model answer each request and row; what
matters is stated here as well, and the auditor reads what is left.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from switch.audit import audit
from switch.codes import Kind, Result
from tests.core.market import (
    BILL,
    CONFIRMED,
    DUE,
    HOUR_NS,
    ONCE,
    OPEN,
    WITHIN,
    Market,
)
from tests.records import Outcome

HOURS: dict[str, Any] = {**BILL, **ONCE, "duplicate_hours": 2}
TAKERS_MAX = 16


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    made = Market(tmp_path / "ledger")
    yield made
    for without_index in (False, True):
        made.reopen(without_index=without_index)
        made.pair.compare_all(range(1, len(made.model.rows) + 1))
    made.pair.close()
    # Who approves in a market is nobody's role.
    report = audit(tmp_path / "ledger")
    assert set(report.findings.counts) <= {"senders"}, report.findings


def pay(market: Market, service: int, id_: bytes) -> Outcome:
    """A bill of one citizen, as it is fetched now."""
    return market.pay(market.fetch(service, b"K", id_))


def given_back(market: Market, service: int, *, rejected: bool = True) -> Outcome:
    """A payment that was confirmed, perhaps rejected late, and refunded."""
    held = pay(market, service, b"B")
    posted = market.answer(held)
    if rejected:
        market.answer(held, confirmed=False)
    assert market.refund(posted, DUE).result == Result.OK
    return held


def close(market: Market, case: Outcome) -> Outcome:
    """Two people have settled it with the biller."""
    return market.both(Kind.CASE_CLOSE, case.sequence, 1)


def is_claimed_by(market: Market, service: int, id_: bytes, held: Outcome) -> bool:
    """Whether a bill can neither be paid nor fetched to be paid, because of a hold."""
    asked = service, id_, b"K", market.tick()
    in_the_way = market.pair.ledger.in_the_way(*asked)
    refused = pay(market, service, id_)
    assert refused.other == in_the_way
    return in_the_way == held.sequence


def test_who_has_given_it_back_and_says_that_it_has_it_keeps_the_bill(
    market: Market,
) -> None:
    service = market.service(b"HELD", **BILL, **ONCE, **CONFIRMED)
    held = given_back(market, service)
    before = market.fetch(service, b"K", b"B")
    case = market.answer(held)
    assert case.result == Result.AMOUNT_DIFFERS
    for without_index in (False, True):
        assert is_claimed_by(market, service, b"B", held)
        market.reopen(without_index=without_index)
    assert pay(market, service, b"B").result == Result.BILL_ALREADY_CLAIMED
    # It has contradicted itself: its third word decides nothing.
    market.answer(held, confirmed=False)
    assert is_claimed_by(market, service, b"B", held)
    during = market.fetch(service, b"K", b"B")
    assert close(market, case).result == Result.OK
    # What is owed may be another amount since people have spoken with it.
    for old in (before, during):
        assert market.pay(old).result == Result.QUOTATION_EXPIRED
    market.reopen()
    assert market.pay(during).result == Result.QUOTATION_EXPIRED
    assert pay(market, service, b"B").result == Result.OK


def test_it_is_disputed_as_often_as_its_biller_says_so(market: Market) -> None:
    service = market.service(b"HELD", **BILL, **ONCE, **CONFIRMED)
    held = given_back(market, service)
    for _ in range(3):
        case = market.answer(held)
        assert case.repeat == 0
        assert is_claimed_by(market, service, b"B", held)
        assert close(market, case).result == Result.OK
    taken = pay(market, service, b"B")
    assert taken.result == Result.OK
    # Whoever has it now has it.
    market.answer(held)
    assert is_claimed_by(market, service, b"B", taken)
    market.void(taken)
    assert is_claimed_by(market, service, b"B", held)


def test_another_amount_than_was_paid_outlives_the_refund(market: Market) -> None:
    """Said before the money went back, and settled by nobody since."""
    service = market.service(b"HELD", **BILL, **ONCE, **CONFIRMED)
    held = pay(market, service, b"B")
    posted = market.answer(held)
    case = market.answer(held, amount=DUE + 1)
    assert market.refund(posted, 1).result == Result.OK
    assert market.refund(posted, DUE - 1).result == Result.OK
    assert is_claimed_by(market, service, b"B", held)
    old = market.fetch(service, b"K", b"B")
    assert close(market, case).result == Result.OK
    assert market.pay(old).result == Result.QUOTATION_EXPIRED
    assert pay(market, service, b"B").result == Result.OK


def test_what_was_settled_before_the_refund_is_over(market: Market) -> None:
    service = market.service(b"HELD", **BILL, **ONCE, **CONFIRMED)
    held = pay(market, service, b"B")
    posted = market.answer(held)
    case = market.answer(held, amount=DUE + 1)
    assert close(market, case).result == Result.OK
    assert market.refund(posted, DUE).result == Result.OK
    quoted = market.fetch(service, b"K", b"B")
    # It says again what it said before all was given back.
    assert market.answer(held).result == Result.OK
    assert market.pay(quoted).result == Result.OK


def test_another_amount_of_what_is_open_is_settled_by_its_end(market: Market) -> None:
    service = market.service(b"HELD", **BILL, **ONCE, **CONFIRMED)
    held = pay(market, service, b"B")
    market.answer(held, amount=DUE - 1)
    posted = market.answer(held)
    assert market.refund(posted, DUE).result == Result.OK
    assert pay(market, service, b"B").result == Result.OK


def test_a_refund_in_part_leaves_the_claim_as_it_is(market: Market) -> None:
    service = market.service(b"HELD", **BILL, **ONCE, **CONFIRMED)
    held = pay(market, service, b"B")
    posted = market.answer(held)
    case = market.answer(held, amount=DUE + 1)
    assert market.refund(posted, DUE - 1).result == Result.OK
    assert is_claimed_by(market, service, b"B", held)
    assert close(market, case).result == Result.OK
    assert is_claimed_by(market, service, b"B", held)


def test_a_bill_issued_again_is_not_paid_meanwhile(market: Market) -> None:
    service = market.service(b"HELD", **HOURS, **CONFIRMED)
    held = given_back(market, service)
    market.void(pay(market, service, b"B2"))
    case = market.answer(held)
    market.tick(90 * 24 * HOUR_NS)
    again = pay(market, service, b"B3")
    assert (again.result, again.other) == (Result.PAID_RECENTLY, held.sequence)
    assert close(market, case).result == Result.OK
    assert pay(market, service, b"B3").result == Result.OK


def test_an_open_amount_is_not_paid_meanwhile(market: Market) -> None:
    service = market.service(b"METER", **OPEN, **WITHIN, **CONFIRMED)
    held = market.one(market.plain(service, b"R", 500))
    posted = market.answer(held)
    market.answer(held, confirmed=False)
    assert market.refund(posted, 500).result == Result.OK
    case = market.answer(held)
    market.tick(90 * 24 * HOUR_NS)
    again = market.one(market.plain(service, b"R", 700))
    assert (again.result, again.other) == (Result.PAID_RECENTLY, held.sequence)
    assert close(market, case).result == Result.OK
    assert market.one(market.plain(service, b"R", 700)).result == Result.OK


@pytest.mark.parametrize("takers", [TAKERS_MAX, TAKERS_MAX + 1])
def test_sixteen_takers_are_looked_at(market: Market, takers: int) -> None:
    service = market.service(b"HELD", **BILL, **ONCE, **CONFIRMED)
    first = given_back(market, service)
    for _ in range(takers - 1):
        market.void(pay(market, service, b"B"))
    old = market.fetch(service, b"K", b"B")
    case = market.answer(first)
    assert is_claimed_by(market, service, b"B", first) == (takers == TAKERS_MAX)
    if takers == TAKERS_MAX:
        assert close(market, case).result == Result.OK
        assert market.pay(old).result == Result.QUOTATION_EXPIRED
    assert market.pay(market.fetch(service, b"K", b"B")).result == (
        Result.OK if takers == TAKERS_MAX else Result.BILL_ALREADY_CLAIMED
    )


def test_a_bill_paid_in_parts_is_not_paid_on_meanwhile(market: Market) -> None:
    part = {**BILL, **ONCE, "amount_rule": 5}
    service = market.service(b"PARTS", **part, **CONFIRMED)
    held = market.pay(market.fetch(service, b"K", b"B"), 100)
    posted = market.answer(held)
    market.answer(held, confirmed=False)
    assert market.refund(posted, 100).result == Result.OK
    case = market.answer(held)
    assert is_claimed_by(market, service, b"B", held)
    assert close(market, case).result == Result.OK
    assert pay(market, service, b"B").result == Result.OK
