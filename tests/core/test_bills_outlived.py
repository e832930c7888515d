"""Goal: what was fetched of bills that were put in does not outlive what made it safe.

Method: a small market by hand, core and model beside each other: a bill is fetched, a
file comes, the bill is paid; each form of file, before and behind the fetch, with the
index and without; the amount rule of a service with files and of one without.
"""

from typing import Any

import pytest

from switch.codes import AmountRule, BillsForm, DuplicateRule, Kind, Result
from tests.core.counter import bills_record
from tests.core.market import BILL, ONCE, WITHIN, Market
from tests.records import Outcome, Row

EXPIRED, FIXED, OK = Result.QUOTATION_EXPIRED, Result.RULE_FIXED, Result.OK
FULL, DELTA, WITHDRAWAL, ADDITION = (
    *(BillsForm.FULL, BillsForm.DELTA, BillsForm.WITHDRAWAL),
    BillsForm.ADDITION,
)
NO_SUM = {WITHDRAWAL: 0}


def put(market: Market, service: int, form: BillsForm) -> Outcome:
    """A file, behind the newest one."""
    after = market.model.bills_of.get(service, 0)
    tail = bills_record(form, 3, NO_SUM.get(form, 900))
    row = Row(Kind.BILLS, id=market.id(), service=service, resolves=after, tail=tail)
    row.participant = market.billers[0][0]
    return market.pair.one(row, market.tick())


@pytest.mark.parametrize("without_index", [False, True])
@pytest.mark.parametrize("form", BillsForm)
def test_a_file_that_does_more_than_add_expires_what_was_fetched(
    market: Market, form: BillsForm, without_index: bool
) -> None:
    power = market.service(b"POWER", **BILL, **ONCE)
    other = market.service(b"OTHER", **BILL, **ONCE)
    assert put(market, power, FULL).result == OK
    before, beside = market.fetch(power, b"X"), market.fetch(other, b"X")
    assert put(market, power, form).result == OK
    market.reopen(without_index=without_index)
    told = market.pay(before)
    assert told.result == (OK if form is ADDITION else EXPIRED)
    assert bool(told.sequence) is (form is ADDITION)
    # Files of another service say nothing about this one's bills.
    assert market.pay(beside).result == OK
    again = market.fetch(power, b"Y")
    assert put(market, power, ADDITION).result == OK
    assert market.pay(again).result == OK


def test_the_newest_that_replaces_counts_behind_additions(market: Market) -> None:
    power = market.service(b"POWER", **BILL, **ONCE)
    put(market, power, ADDITION)
    first = market.fetch(power, b"X")
    put(market, power, DELTA)
    second = market.fetch(power, b"Y")
    for _ in range(20):
        assert put(market, power, ADDITION).result == OK
    market.reopen()
    assert market.pay(first).result == EXPIRED
    assert market.pay(second).result == OK


def test_the_amount_rule_of_a_service_with_files_stays(market: Market) -> None:
    above: dict[str, Any] = {**BILL, "amount_rule": AmountRule.EXACT_AND_ABOVE}
    power = market.service(b"POWER", **BILL, **ONCE)
    assert market.register(market.record(b"POWER", **above, **ONCE)).result == OK
    assert market.register(market.record(b"POWER", **BILL, **ONCE)).result == OK
    assert put(market, power, ADDITION).result == OK
    for rule in (AmountRule.EXACT_AND_ABOVE, AmountRule.EXACT_AND_BELOW):
        changed = market.record(b"POWER", **{**BILL, **ONCE, "amount_rule": rule})
        assert market.register(changed).result == FIXED
    # Everything else changes as before.
    same = market.record(b"POWER", **BILL, **ONCE, amount_max=10**6)
    told = market.register(same)
    assert (told.result, told.index) == (OK, power)


def test_what_is_paid_in_parts_or_again_takes_no_files(market: Market) -> None:
    below = {**BILL, "amount_rule": AmountRule.EXACT_AND_BELOW}
    parts = market.service(b"PARTS", **below, **ONCE)
    assert put(market, parts, FULL).result == FIXED
    within = market.service(b"AGAIN", **BILL, **WITHIN)
    assert market.model.services[within - 1].duplicate_rule == DuplicateRule.WITHIN
    assert put(market, within, FULL).result == FIXED
