"""Goal: a correction does not keep its bill for ever. Of a bill that may be paid in
parts it leaves the rest payable; and what its biller rejects then is taken back, and
the bill is free.

Method: a small market driven by hand. Core and model answer each request and row,
before and behind each kind of opening; what matters is stated here as well.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from switch.codes import AmountRule, CaseType, Kind, Link, Mode, PriceRule, Result
from tests import people
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
from tests.flags import RowFlag
from tests.records import Outcome, Row

PARTS: dict[str, Any] = {
    **BILL,
    **ONCE,
    **CONFIRMED,
    "amount_rule": AmountRule.EXACT_AND_BELOW,
}
WHOLE: dict[str, Any] = {**BILL, **ONCE, **CONFIRMED}
PART = 20_000


@pytest.fixture
def market(market: Market) -> Iterator[Market]:
    """Compared after each kind of opening."""
    yield market
    market.reopen()
    market.pair.compare_all(range(1, len(market.model.rows) + 1))
    market.reopen(without_index=True)


def correct(market: Market, held: Outcome) -> Outcome:
    """Two people take the money for the biller after all."""
    row = market.row(held)
    accounts = {"debit": row.debit, "credit": row.credit}
    return market.both(Kind.TRANSFER, row.sequence, row.amount, **accounts)


def corrected(market: Market, service: int, amount: int = 0) -> Outcome:
    """A payment that has expired, and that people have corrected."""
    held = market.pay(market.fetch(service, b"K", b"B"), amount)
    market.wait(DEADLINE_S + 1)
    market.answer(held)
    assert correct(market, held).result == Result.OK
    return held


def undoing(market: Market, held: Outcome, **fields: int) -> Row:
    """What takes the correction of a payment back."""
    hold = market.row(held)
    back = Row(
        Kind.TRANSFER, id=market.id(), amount=hold.amount, resolves=held.sequence
    )
    back.debit, back.credit, back.reference = hold.credit, hold.debit, b"letter 7"
    back.participant = people.MAKER
    for name, value in fields.items():
        setattr(back, name, value)
    return back


def undo(market: Market, held: Outcome, **fields: int) -> Outcome:
    return market.pair.one(undoing(market, held, **fields), market.tick())


def close(market: Market, case: int) -> Outcome:
    """Two people close it."""
    return market.both(Kind.CASE_CLOSE, case, 1)


# --- bills that are paid in parts ---------------------------------------------------


@pytest.mark.parametrize("without_index", [None, False, True])
def test_the_rest_of_a_bill_is_paid_after_a_correction(
    market: Market, without_index: bool | None
) -> None:
    service = market.service(b"PARTS", **PARTS)
    held = market.pay(market.fetch(service, b"K", b"B"), PART)
    market.wait(DEADLINE_S + 1)
    market.answer(held)
    old = market.fetch(service, b"K", b"B")
    assert market.pay(old, 1).other == held.sequence
    done = market.row(correct(market, held))
    flags = RowFlag.CASE | RowFlag.PARTIAL | RowFlag.CLAIM | RowFlag.RELEASE
    assert done.flags == flags
    if without_index is not None:
        market.reopen(without_index=without_index)
    # What is left is another amount: it must be fetched.
    assert market.pay(old, 1).result == Result.QUOTATION_EXPIRED
    asked = service, b"B", b"K", market.now
    assert market.pair.ledger.in_the_way(*asked) == 0
    rest = market.pay(market.fetch(service, b"K", b"B", due=DUE - PART))
    assert rest.result == Result.OK
    assert market.pay(market.fetch(service, b"K", b"B"), 1).other == rest.sequence
    market.answer(rest)
    assert market.pay(market.fetch(service, b"K", b"B"), 1).result == Result.OK


def test_who_has_the_rest_by_then_has_it(market: Market) -> None:
    """A part was called off, and credited all the same; a later one has the claim."""
    service = market.service(b"PARTS", **PARTS)
    first = market.pay(market.fetch(service, b"K", b"B"), PART)
    market.void(first)
    second = market.pay(market.fetch(service, b"K", b"B"), PART)
    market.answer(first)
    done = market.row(correct(market, first))
    assert done.flags == RowFlag.CASE | RowFlag.PARTIAL | RowFlag.CLAIM
    assert market.pay(market.fetch(service, b"K", b"B"), 1).other == second.sequence
    market.answer(second)
    rest = market.pay(market.fetch(service, b"K", b"B"), 1)
    assert rest.result == Result.OK


def test_a_correction_of_the_whole_has_its_bill(market: Market) -> None:
    service = market.service(b"WHOLE", **WHOLE)
    held = corrected(market, service)
    done = market.model.rows[market.model.corrected[held.sequence] - 1]
    assert done.flags == RowFlag.CASE | RowFlag.CLAIM
    market.tick(90 * 24 * HOUR_NS)
    assert market.pay(market.fetch(service, b"K", b"B")).other == held.sequence


# --- what its biller rejects --------------------------------------------------------


@pytest.mark.parametrize("rules", [WHOLE, PARTS])
@pytest.mark.parametrize("without_index", [None, False, True])
def test_what_its_biller_rejects_is_taken_back(
    market: Market, rules: dict[str, Any], without_index: bool | None
) -> None:
    service = market.service(b"S", **rules)
    held = corrected(market, service)
    hold = market.row(held)
    told = market.answer(held, confirmed=False)
    assert market.row(told).total == CaseType.LATE_REJECTION
    old = market.fetch(service, b"K", b"B")
    if rules is WHOLE:
        assert market.pay(old).other == held.sequence
    before = market.model.accounts[hold.debit].available
    outcome = undo(market, held)
    assert outcome.result == Result.OK
    assert market.row(outcome).flags & RowFlag.RELEASE
    assert market.model.accounts[hold.debit].available == before + DUE
    assert market.pair.ledger.link(held.sequence, Link.UNDOING) == outcome.sequence
    if without_index is not None:
        market.reopen(without_index=without_index)
    assert market.pay(old).result == Result.QUOTATION_EXPIRED
    assert market.pay(market.fetch(service, b"K", b"B")).result == Result.OK
    # Its case is over, and it says the same.
    again = market.answer(held, confirmed=False)
    assert (again.result, again.sequence, again.repeat) == (
        Result.OK,
        outcome.sequence,
        1,
    )
    assert close_of(market, told.sequence) == (Result.CASE_CLOSED, outcome.sequence)


def close_of(market: Market, case: int) -> tuple[int, int]:
    """What who proposes to close a case is told."""
    row = Row(Kind.PROPOSE, id=market.id(), amount=1, resolves=case)
    row.total, row.reference, row.participant = Kind.CASE_CLOSE, b"x", people.MAKER
    outcome = market.pair.one(row, market.tick())
    return outcome.result, outcome.other


def test_what_was_undone_may_be_confirmed_and_corrected_again(market: Market) -> None:
    service = market.service(b"S", **WHOLE)
    held = corrected(market, service)
    market.answer(held, confirmed=False)
    assert undo(market, held).result == Result.OK
    late = market.answer(held)
    assert market.row(late).total == CaseType.LATE_CONFIRMATION
    assert market.row(late).flags & RowFlag.CASE
    assert market.pay(market.fetch(service, b"K", b"B")).other == held.sequence
    # It has said both: its word alone decides nothing any more.
    told = market.answer(held, confirmed=False)
    assert (told.result, told.sequence) == (Result.ALREADY_EXPIRED, 0)
    assert correct(market, held).result == Result.OK
    assert undo(market, held).result == Result.CASE_CLOSED
    second = market.answer(held, confirmed=False)
    assert (market.row(second).total, second.repeat) == (CaseType.LATE_REJECTION, 0)
    assert undo(market, held).result == Result.OK
    assert market.pay(market.fetch(service, b"K", b"B")).result == Result.OK


def test_what_people_close_stays_paid(market: Market) -> None:
    """Its biller has credited it again; if it rejects it once more, that is a case."""
    service = market.service(b"S", **WHOLE)
    held = corrected(market, service)
    case = market.answer(held, confirmed=False)
    closed = close(market, case.sequence)
    assert closed.result == Result.OK
    assert not market.row(closed).flags & RowFlag.RELEASE
    assert market.pay(market.fetch(service, b"K", b"B")).other == held.sequence
    told = undo(market, held)
    assert (told.result, told.other) == (Result.CASE_CLOSED, closed.sequence)
    again = market.answer(held, confirmed=False)
    assert again.sequence > closed.sequence
    assert undo(market, held).result == Result.OK


def test_no_other_undoing_is_done(market: Market) -> None:
    service = market.service(b"S", **WHOLE)
    held = corrected(market, service)
    posted = market.pay(market.fetch(service, b"L", b"C"))
    market.answer(posted)
    market.answer(posted, confirmed=False)
    other = market.net.wallets[1]
    for of in (posted.sequence, 1, 10_000):
        assert undo(market, held, resolves=of).result == Result.CASE_NOT_FOUND
    told = undo(market, held)
    assert (told.result, told.other) == (Result.CASE_CLOSED, 0)
    market.answer(held, confirmed=False)
    assert undo(market, held, credit=other).result == Result.ACCOUNT_KIND_WRONG
    for amount in (DUE - 1, DUE + 1):
        assert undo(market, held, amount=amount).result == Result.NET_DIFFERS
    done = undo(market, held)
    assert done.result == Result.OK
    told = undo(market, held)
    assert (told.result, told.other) == (Result.CASE_CLOSED, done.sequence)


def test_a_biller_that_was_settled_owes_it(market: Market) -> None:
    service = market.service(b"S", **WHOLE)
    held = corrected(market, service)
    head = market.row(held).credit
    away = Row(Kind.TRANSFER, id=market.id(), amount=DUE, reference=b"away")
    away.debit, away.credit, away.participant = head, market.net.float_, people.MAKER
    assert market.pair.one(away, market.tick()).result == Result.OK
    market.answer(held, confirmed=False)
    assert undo(market, held).result == Result.OK
    account = market.model.accounts[head]
    assert account.debits_posted == account.credits_posted + DUE


def test_hours_end_with_the_undoing(market: Market) -> None:
    service = market.service(b"METER", **OPEN, **WITHIN, **CONFIRMED)
    held = market.one(market.plain(service, b"R", 500))
    market.wait(DEADLINE_S + 1)
    market.answer(held)
    correct(market, held)
    assert market.one(market.plain(service, b"R", 500)).other == held.sequence
    market.answer(held, confirmed=False)
    assert undo(market, held).result == Result.OK
    assert market.one(market.plain(service, b"R", 500)).result == Result.OK


def test_its_cash_is_handed_out_again(market: Market) -> None:
    service = market.service(b"S", **WHOLE)
    held = corrected(market, service)
    hold, end = market.row(held), market.model.resolved[held.sequence]

    def hand_out() -> Outcome:
        row = Row(Kind.HANDED_OUT, id=market.id(), amount=DUE, resolves=end)
        row.debit, row.participant = hold.debit, market.net.centres[0]
        return market.pair.one(row, market.tick())

    assert hand_out().result == Result.CASES_OPEN
    market.answer(held, confirmed=False)
    assert undo(market, held).result == Result.OK
    assert hand_out().result == Result.OK


# --- services -----------------------------------------------------------------------


def test_a_direct_service_has_no_bills_in_parts(market: Market) -> None:
    below = {**BILL, **ONCE, "amount_rule": AmountRule.EXACT_AND_BELOW}
    direct = market.record(b"DIRECT", **below)
    assert direct.mode == Mode.DIRECT
    assert market.register(direct).result == Result.RULE_FIXED
    # Neither an older one that would become such a one.
    was = market.record(b"EXACT", **BILL, **ONCE)
    assert market.register(was).result == Result.OK
    was.amount_rule = AmountRule.EXACT_AND_BELOW
    assert market.register(was).result == Result.RULE_FIXED
    was.mode, was.deadline_s = Mode.CONFIRMED, DEADLINE_S
    was.deadline_policy = 2
    assert market.register(was).result == Result.OK
    was.mode = Mode.DIRECT
    assert market.register(was).result == Result.RULE_FIXED
    stated = market.record(
        b"STATED", **{**below, "price_rule": PriceRule.STATED, "duplicate_hours": 0}
    )
    assert market.register(stated).result == Result.OK
