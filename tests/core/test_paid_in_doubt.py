"""Goal: what may have been paid is not paid again, under whatever id its biller issues
it and through whichever of its services, until somebody has said that it was not.

Method: a small market driven by hand: payments whose deadline has released them, that
were called off, rejected, confirmed late, corrected or verified, and who pays the same
next. Core and model answer each request and row; what matters is stated here as well.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from switch.codes import Kind, Policy, Result
from tests.core.market import (
    BILL,
    CONFIRMED,
    DEADLINE_S,
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
def market(market: Market) -> Iterator[Market]:
    """Compared after each kind of opening."""
    yield market
    market.reopen()
    market.pair.compare_all(range(1, len(market.model.rows) + 1))
    market.reopen(without_index=True)


def expire(market: Market) -> None:
    """All that is open is released."""
    market.wait(DEADLINE_S + 1)


def verify(market: Market, held: Outcome) -> Outcome:
    """Two people say that the biller has no credit."""
    return market.both(Kind.VERIFY, held.sequence, 1)


def correct(market: Market, held: Outcome) -> Outcome:
    """Two people take the money for the biller after all."""
    row = market.row(held)
    accounts = {"debit": row.debit, "credit": row.credit}
    return market.both(Kind.TRANSFER, row.sequence, row.amount, **accounts)


def pay(market: Market, service: int, id_: bytes) -> Outcome:
    """A bill of one citizen, as it is fetched now."""
    return market.pay(market.fetch(service, b"K", id_))


@pytest.mark.parametrize("ended", ["open", "posted", "unverified", "late"])
def test_a_bill_issued_again_is_of_the_whole_series(market: Market, ended: str) -> None:
    held = market.service(b"HELD", **HOURS, **CONFIRMED)
    direct = market.service(b"DIRECT", **HOURS, series=held)
    other = market.service(b"OTHER", **HOURS)
    first = pay(market, held, b"B1")
    if ended == "posted":
        market.answer(first)
    elif ended != "open":
        expire(market)
    if ended == "late":
        market.answer(first)
    again = pay(market, direct, b"B2")
    assert (again.result, again.other) == (Result.PAID_RECENTLY, first.sequence)
    asked = direct, b"B3", b"K", market.now
    assert market.pair.ledger.in_the_way(*asked) == first.sequence
    # Another series is another biller's book, and the same id the same bill.
    assert pay(market, other, b"B2").result == Result.OK
    assert pay(market, direct, b"B1").result == Result.BILL_ALREADY_CLAIMED


def test_an_unverified_bill_stays_claimed(market: Market) -> None:
    service = market.service(b"HELD", **HOURS, **CONFIRMED)
    held = pay(market, service, b"B")
    expire(market)
    market.tick(90 * 24 * HOUR_NS)
    for id_, result in (
        (b"B", Result.BILL_ALREADY_CLAIMED),
        (b"B2", Result.PAID_RECENTLY),
    ):
        again = pay(market, service, id_)
        assert (again.result, again.other) == (result, held.sequence)
    market.answer(held, confirmed=False)
    assert pay(market, service, b"B").result == Result.OK


@pytest.mark.parametrize("end", ["void", "reject", "verify"])
def test_what_was_given_back_and_credited_is_claimed(market: Market, end: str) -> None:
    service = market.service(b"HELD", **HOURS, **CONFIRMED)
    held = pay(market, service, b"B")
    if end == "void":
        market.void(held)
    if end == "verify":
        expire(market)
    if end != "void":
        market.answer(held, confirmed=False)
    market.answer(held)
    again = pay(market, service, b"B")
    assert (again.result, again.other) == (Result.BILL_ALREADY_CLAIMED, held.sequence)
    assert verify(market, held).result == Result.OK
    paid = pay(market, service, b"B")
    assert paid.result == Result.OK
    # Whoever has it now has it, whatever is said of the one before.
    market.answer(held)
    again = pay(market, service, b"B")
    assert again.other == paid.sequence
    market.void(paid)
    again = pay(market, service, b"B")
    assert again.other == held.sequence


def test_what_was_corrected_is_paid_for_ever(market: Market) -> None:
    service = market.service(b"HELD", **HOURS, **CONFIRMED)
    kept = pay(market, service, b"B")
    expire(market)
    market.answer(kept)
    assert correct(market, kept).result == Result.OK
    called_off = market.pay(market.fetch(service, b"L", b"C"))
    market.void(called_off)
    market.answer(called_off)
    assert correct(market, called_off).result == Result.OK
    market.tick(90 * 24 * HOUR_NS)
    assert pay(market, service, b"B").other == kept.sequence
    quoted = market.fetch(service, b"L", b"C")
    assert market.pay(quoted).other == called_off.sequence


@pytest.mark.parametrize("takers", [TAKERS_MAX, TAKERS_MAX + 1])
def test_sixteen_takers_are_looked_at(market: Market, takers: int) -> None:
    service = market.service(b"HELD", **BILL, **ONCE, **CONFIRMED)
    first = pay(market, service, b"B")
    market.void(first)
    for _ in range(takers - 1):
        market.void(pay(market, service, b"B"))
    market.answer(first)
    again = pay(market, service, b"B")
    if takers == TAKERS_MAX:
        assert again.result == Result.BILL_ALREADY_CLAIMED
        assert again.other == first.sequence
    else:
        assert again.result == Result.OK


def test_hours_are_counted_from_the_correction(market: Market) -> None:
    service = market.service(b"METER", **OPEN, **WITHIN, **CONFIRMED)
    held = market.one(market.plain(service, b"R", 500))
    expire(market)
    market.tick(5 * HOUR_NS)
    more = market.one(market.plain(service, b"R", 500))
    assert (more.result, more.other) == (Result.PAID_RECENTLY, held.sequence)
    market.answer(held)
    done = market.row(correct(market, held))
    market.now = done.timestamp + 2 * HOUR_NS - 2 * 10**9
    assert market.one(market.plain(service, b"R", 500)).other == held.sequence
    market.tick(10**9)
    assert market.one(market.plain(service, b"R", 500)).result == Result.OK


def test_a_quotation_from_before_a_verify_is_old(market: Market) -> None:
    service = market.service(b"HELD", **BILL, **ONCE, **CONFIRMED)
    held = pay(market, service, b"B")
    expire(market)
    old = market.fetch(service, b"K", b"B")
    assert market.pay(old).result == Result.BILL_ALREADY_CLAIMED
    market.answer(held, confirmed=False)
    assert market.pay(old).result == Result.QUOTATION_EXPIRED
    assert pay(market, service, b"B").result == Result.OK


def test_what_is_kept_is_in_the_way(market: Market) -> None:
    keep = {**CONFIRMED, "deadline_policy": Policy.KEEP}
    service = market.service(b"HELD", **HOURS, **keep)
    held = pay(market, service, b"B")
    expire(market)
    assert pay(market, service, b"B").other == held.sequence
    assert market.answer(held, amount=DUE - 1).result == Result.AMOUNT_DIFFERS
    assert pay(market, service, b"B2").result == Result.PAID_RECENTLY
    posted = market.both(Kind.POST, held.sequence, DUE - 1)
    assert posted.result == Result.OK
    assert pay(market, service, b"B").other == held.sequence
