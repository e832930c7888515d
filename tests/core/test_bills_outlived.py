"""Goal: what was fetched of bills that were put in does not outlive what made it safe.

Method: a small market by hand, core and model beside each other: a bill is fetched, a
file comes, the bill is paid; each form of file, before and behind the fetch, to the
nanosecond and in one group, with the index and without; the amount rule of a service
with files and of one without. The auditor has nothing to say of it.
"""

from pathlib import Path
from typing import Any

import pytest

from switch.audit import audit
from switch.codes import AmountRule, BillsForm, DuplicateRule, Kind, Mode, Result
from tests.core.counter import bills_record
from tests.core.market import BILL, ONCE, WITHIN, Market
from tests.model import Ask, Payments, Rows
from tests.records import Outcome, Row

EXPIRED, FIXED, OK = Result.QUOTATION_EXPIRED, Result.RULE_FIXED, Result.OK
FULL, DELTA, WITHDRAWAL, ADDITION = (
    *(BillsForm.FULL, BillsForm.DELTA, BillsForm.WITHDRAWAL),
    BillsForm.ADDITION,
)
NO_SUM = {WITHDRAWAL: 0}


def file_of(market: Market, service: int, form: BillsForm) -> Row:
    """A file, behind the newest one."""
    after = market.model.bills_of.get(service, 0)
    tail = bills_record(form, 3, NO_SUM.get(form, 900))
    row = Row(Kind.BILLS, id=market.id(), service=service, resolves=after, tail=tail)
    row.participant = market.billers[0][0]
    return row


def put(market: Market, service: int, form: BillsForm) -> Outcome:
    """It is put in."""
    return market.pair.one(file_of(market, service, form), market.tick())


@pytest.mark.parametrize("without_index", [False, True])
@pytest.mark.parametrize("form", BillsForm)
def test_a_file_that_does_more_than_add_expires_what_was_fetched(
    market: Market, form: BillsForm, without_index: bool
) -> None:
    power = market.service(b"POWER", **BILL, **ONCE)
    other = market.service(b"OTHER", **BILL, **ONCE)
    assert put(market, power, FULL).result == OK
    before, beside = (
        market.fetch(power, b"X", b"X-1"),
        market.fetch(other, b"X", b"X-1"),
    )
    assert put(market, power, form).result == OK
    market.reopen(without_index=without_index)
    told = market.pay(before)
    assert told.result == (OK if form is ADDITION else EXPIRED)
    assert bool(told.sequence) is (form is ADDITION)
    # Files of another service say nothing about this one's bills.
    assert market.pay(beside).result == OK
    again = market.fetch(power, b"Y", b"Y-1")
    assert put(market, power, ADDITION).result == OK
    assert market.pay(again).result == OK


def test_the_newest_that_replaces_counts_behind_additions(market: Market) -> None:
    power = market.service(b"POWER", **BILL, **ONCE)
    put(market, power, ADDITION)
    first = market.fetch(power, b"X", b"X-1")
    put(market, power, DELTA)
    second = market.fetch(power, b"Y", b"Y-1")
    for _ in range(20):
        assert put(market, power, ADDITION).result == OK
    market.reopen()
    assert market.pay(first).result == EXPIRED
    assert market.pay(second).result == OK


@pytest.mark.parametrize("form", BillsForm)
def test_a_quotation_is_older_to_the_nanosecond(
    market: Market, form: BillsForm
) -> None:
    power = market.service(b"POWER", **BILL, **ONCE)
    put(market, power, ADDITION)
    at = market.row(put(market, power, form)).timestamp
    older = OK if form is ADDITION else EXPIRED
    for number, result in ((-1, older), (0, older), (1, OK)):
        quoted = market.fetch(power, b"R", b"ID-%d" % number, fetched=at + number)
        assert market.pay(quoted).result == result


@pytest.mark.parametrize("first", [False, True])
def test_a_file_and_a_payment_of_one_group(market: Market, first: bool) -> None:
    power = market.service(b"POWER", **BILL, **ONCE)
    quoted = market.fetch(power, b"X", b"X-1")
    centre = market.net.centres[0]
    paid = Payments([market.payment(quoted)], [], centre, centre)
    file = Rows([file_of(market, power, FULL)])
    asks: list[Ask] = [file, paid] if first else [paid, file]
    told = market.pair.commit(asks, market.tick())
    assert told[asks.index(file)][0].result == OK
    assert told[asks.index(paid)][0].result == (EXPIRED if first else OK)


def test_a_file_that_is_refused_expires_nothing(market: Market) -> None:
    power = market.service(b"POWER", **BILL, **ONCE)
    put(market, power, FULL)
    quoted = market.fetch(power, b"X", b"X-1")
    late = file_of(market, power, FULL)
    late.resolves = 0
    told = market.pair.one(late, market.tick())
    assert told.result == Result.ALREADY_FOLLOWED
    assert told.sequence
    assert market.pay(quoted).result == OK


def test_what_was_paid_has_its_answer_behind_a_file(market: Market) -> None:
    power = market.service(b"POWER", **BILL, **ONCE)
    put(market, power, FULL)
    paid = market.payment(market.fetch(power, b"X", b"X-1"))
    first = market.one(paid)
    put(market, power, FULL)
    again = market.one(paid)
    assert (again.result, again.sequence, again.repeat) == (OK, first.sequence, True)


def test_a_basket_fails_with_one_that_is_older(market: Market) -> None:
    power = market.service(b"POWER", **BILL, **ONCE)
    put(market, power, FULL)
    older = market.payment(market.fetch(power, b"X", b"X-1"))
    put(market, power, WITHDRAWAL)
    newer = market.payment(market.fetch(power, b"Y", b"Y-1"))
    told = [outcome.result for outcome in market.basket(newer, older)]
    assert told == [Result.INVALID_BASKET, EXPIRED]
    assert market.one(newer).result == OK


def test_an_auditor_has_nothing_to_say(tmp_path: Path) -> None:
    market = Market(tmp_path / "ledger")
    power = market.service(b"POWER", **BILL, **ONCE)
    for form in (ADDITION, FULL, DELTA, ADDITION, WITHDRAWAL, ADDITION):
        quoted = market.fetch(power, b"X-%d" % market.number, b"I-%d" % market.number)
        put(market, power, form)
        assert market.pay(quoted).result == (OK if form is ADDITION else EXPIRED)
    market.pair.close()
    assert audit(market.pair.path).ok


@pytest.mark.parametrize("before", [False, True])
def test_a_file_and_an_amount_rule_of_one_group(market: Market, before: bool) -> None:
    above: dict[str, Any] = {**BILL, "amount_rule": AmountRule.EXACT_AND_ABOVE}
    power = market.service(b"POWER", **BILL, **ONCE)
    change = Row(Kind.REGISTER, id=market.id(), participant=market.net.treasury)
    change.tail = market.record(b"POWER", **above, **ONCE).pack()
    file = file_of(market, power, ADDITION)
    rows = [change, file] if before else [file, change]
    [told] = market.pair.commit([Rows(rows)], market.tick())
    assert told[rows.index(file)].result == OK
    assert told[rows.index(change)].result == (OK if before else FIXED)


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
    # A direct service has none in parts.
    confirmed = {"mode": Mode.CONFIRMED, "deadline_s": 60}
    parts = market.service(b"PARTS", **below, **ONCE, **confirmed)
    assert put(market, parts, FULL).result == FIXED
    within = market.service(b"AGAIN", **BILL, **WITHIN)
    assert market.model.services[within - 1].duplicate_rule == DuplicateRule.WITHIN
    assert put(market, within, FULL).result == FIXED
