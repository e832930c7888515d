"""Goal: what was paid lately, or is under way, is not paid again by mistake, by nobody;
and who knows of it can pay once more, or what is left.

Method: a small market driven by hand. Payments of one reference, with handles of what
is in the way: right, of others, used, forged; bills that are issued again with ids,
and bills that are paid in parts. Core and model answer each request and row; what
matters is stated here as well.
"""

from dataclasses import replace
from typing import Any

import pytest

from switch.codes import (
    AmountRule,
    DuplicateRule,
    Field,
    Kind,
    Letters,
    Policy,
    PriceRule,
    Result,
    RowFlag,
)
from tests.core.market import (
    BILL,
    CONFIRMED,
    DEADLINE_S,
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
from tests.core.quoting import STRANGE_KEYS, forged
from tests.model_quotations import make_handle
from tests.records import Outcome, Row

CERT, COPY = (b"CERT", 1), (b"COPY", 2)
FEE = 2_300
KEEP: dict[str, Any] = {**CONFIRMED, "deadline_policy": Policy.KEEP}
TAKERS_MAX = 16


# --- open amounts, and handles -------------------------------------------------------


def test_one_more_is_paid_by_who_knows_of_the_one_before(market: Market) -> None:
    service = market.service(b"OPEN", **OPEN, **WITHIN)
    first = market.one(market.plain(service, b"M", 46_000))
    payment = market.plain(service, b"M", 45_000)
    refused = market.one(payment)
    assert (refused.result, refused.other) == (Result.PAID_RECENTLY, first.sequence)
    handle = refused.handle
    assert len(handle) == 24
    assert market.one(payment).handle == handle  # told again
    more = market.plain(service, b"M", 45_000, additional_to=handle)
    second = market.one(more)
    assert second.result == Result.OK
    assert market.row(second).resolves == first.sequence
    assert market.pair.ledger.row(second.sequence).resolves == first.sequence
    # Once for each handle: the next is in addition to the second.
    again = market.one(replace(more, id=market.id()))
    assert (again.result, again.other) == (Result.PAID_RECENTLY, second.sequence)
    assert market.row(again).resolves == first.sequence
    third = market.plain(service, b"M", 45_000, additional_to=again.handle)
    assert market.one(third).result == Result.OK
    # It is part of what was asked for.
    assert market.one(more).sequence == second.sequence
    for other in (b"", again.handle):
        reused = market.one(replace(more, additional_to=other))
        assert (reused.result, reused.field) == (Result.ID_REUSED, Field.RESOLVES)


def test_a_handle_is_one_centres_own(market: Market) -> None:
    service = market.service(b"OPEN", **OPEN, **WITHIN)
    first = market.one(market.plain(service, b"M", 46_000))
    [mine] = market.send(market.plain(service, b"M", 1_000))
    theirs = market.one(market.plain(service, b"M", 1_000), centre=1)
    assert (mine.foreign, theirs.foreign) == (0, 1)
    assert mine.other == theirs.other == first.sequence
    assert mine.handle != theirs.handle
    model = market.model
    centre = market.net.centres[0]
    wrong = [theirs.handle, mine.handle[:-1], mine.handle + b"\0", bytes(24), b"x"]
    wrong += [forged(mine.handle, at) for at in range(24)]
    wrong += [
        make_handle(first.sequence, centre, STRANGE_KEYS[0][1], model.instance),
        make_handle(first.sequence, centre, model.keys[0][1], bytes(16)),
        make_handle(first.sequence + 1, centre, model.keys[0][1], model.instance)[:8]
        + mine.handle[8:],
    ]
    before = len(model.rows)
    for handle in wrong:
        payment = market.plain(service, b"M", 1_000, additional_to=handle)
        assert market.one(payment).result == Result.ADDITION_WRONG
    assert len(model.rows) == before
    payment = market.plain(service, b"M", 1_000, additional_to=mine.handle)
    named = replace(payment, centre=b"centre-1")
    assert market.state(named, centre=1).result == Result.ADDITION_WRONG
    assert market.state(payment).result == Result.OK


def test_handles_live_as_long_as_keys(market: Market) -> None:
    service = market.service(b"OPEN", **OPEN, **WITHIN)
    market.one(market.plain(service, b"M", 46_000))
    refused = market.plain(service, b"M", 1_000)
    handle = market.one(refused).handle
    [first] = market.model.keys
    market.pair.set_keys([(2, bytes(32)), first])
    assert market.one(refused).handle != handle  # by the newest key
    more = market.plain(service, b"M", 1_000, additional_to=handle)
    assert market.one(more).result == Result.OK
    market.pair.set_keys([(3, b"\1" * 32), (2, bytes(32))])
    later = market.plain(service, b"M", 1_000, additional_to=handle)
    assert market.one(later).result == Result.ADDITION_WRONG
    assert market.one(more).repeat


@pytest.mark.parametrize(
    "rules",
    [
        {**OPEN, **REFERENCE},
        {**OPEN, "duplicate_rule": DuplicateRule.NONE},
        {**TARIFF, **WITHIN},
        {**WITHIN},
        {},
    ],
)
def test_a_handle_where_none_is_given(market: Market, rules: dict[str, Any]) -> None:
    opened = market.service(b"OPEN", **OPEN, **WITHIN)
    market.one(market.plain(opened, b"M", 46_000))
    handle = market.one(market.plain(opened, b"M", 46_000)).handle
    service = market.service(b"OTHER", **rules)
    payment = market.plain(service, b"M", FEE, items=(CERT, COPY))
    if rules.get("price_rule") != PriceRule.TARIFF:
        payment.items = ()
    refused = market.one(replace(payment, additional_to=handle))
    if "price_rule" not in rules:
        assert refused.result == Result.QUOTATION_NEEDED
        return
    assert refused.result == Result.ADDITION_WRONG
    assert market.one(payment).result == Result.OK


def test_a_handle_is_of_one_reference(market: Market) -> None:
    service = market.service(b"OPEN", **OPEN, **WITHIN, letters=Letters.UPPER)
    other = market.service(b"OTHER", **OPEN, **WITHIN)
    for each in (service, other):
        for meter in (b"M", b"N"):
            market.one(market.plain(each, meter, 500))
    handle = market.one(market.plain(service, b"M", 500)).handle
    for each, meter in ((service, b"N"), (other, b"M"), (service, b"Q")):
        payment = market.plain(each, meter, 500, additional_to=handle)
        assert market.one(payment).result == Result.ADDITION_WRONG
    again = market.plain(service, b"m", 500, additional_to=handle)
    assert market.one(again).result == Result.OK


def test_a_template_names_it_without_a_seal(market: Market) -> None:
    service = market.service(b"OPEN", **OPEN, **WITHIN)
    once = market.service(b"ONCE", **OPEN, **REFERENCE)
    first = market.one(market.plain(service, b"M", 500))
    row = Row(Kind.PAY, id=market.id(), amount=500, service=service, reference=b"M")
    row.debit, row.participant = market.net.wallets[0], market.net.centres[0]
    refused = market.pair.one(row, market.tick())
    assert (refused.result, refused.other) == (Result.PAID_RECENTLY, first.sequence)
    for number in (refused.sequence, 1, 10**6, 2**64 - 1):
        named = replace(row, id=market.id(), resolves=number)
        assert market.pair.one(named, market.tick()).result == Result.ADDITION_WRONG
    elsewhere = replace(row, id=market.id(), resolves=first.sequence, service=once)
    assert market.pair.one(elsewhere, market.tick()).result == Result.ADDITION_WRONG
    named = replace(row, id=market.id(), resolves=first.sequence)
    assert market.pair.one(named, market.tick()).result == Result.OK
    assert market.pair.one(named, market.tick()).repeat


def test_only_who_knows_of_the_newest(market: Market) -> None:
    service = market.service(b"OPEN", **OPEN, **WITHIN, **CONFIRMED)

    def pay(additional_to: bytes = b"") -> Outcome:
        return market.one(
            market.plain(service, b"M", 1_000, additional_to=additional_to)
        )

    first = pay()
    to_first = pay().handle
    second = pay(to_first)
    to_second = pay().handle
    market.void(second)
    # The newest that counts is the first again: who knows of the second does not know.
    assert pay(to_second).other == first.sequence
    third = pay(to_first)
    assert third.result == Result.OK
    market.void(first)
    market.void(third)
    assert pay(to_second).result == Result.OK


def test_hours_are_counted_from_the_end(market: Market) -> None:
    service = market.service(b"OPEN", **OPEN, **WITHIN, **KEEP)
    held = market.one(market.plain(service, b"M", 1_000))
    market.wait(DEADLINE_S + 1)
    assert market.model.rows[-1].kind == Kind.CASE
    market.tick(100 * HOUR_NS)
    assert market.one(market.plain(service, b"M", 1_000)).other == held.sequence
    posted = market.answer(held)
    market.now = posted.timestamp + 2 * HOUR_NS - SECOND_NS - 1
    assert market.one(market.plain(service, b"M", 1_000)).other == held.sequence
    market.now = posted.timestamp + 2 * HOUR_NS - SECOND_NS
    assert market.one(market.plain(service, b"M", 1_000)).result == Result.OK


def test_what_was_given_back_is_in_nobodys_way(market: Market) -> None:
    service = market.service(b"OPEN", **OPEN, **WITHIN)
    paid = market.one(market.plain(service, b"M", 1_000))
    market.refund(paid, 999)
    assert market.one(market.plain(service, b"M", 1_000)).other == paid.sequence
    back = market.refund(paid, 1)
    assert not market.row(back).flags & RowFlag.RELEASE
    assert market.one(market.plain(service, b"M", 1_000)).result == Result.OK


@pytest.mark.parametrize("without_index", [None, False, True])
def test_sixteen_payments_are_looked_at(
    market: Market, without_index: bool | None
) -> None:
    service = market.service(b"OPEN", **OPEN, **WITHIN)
    paid = []
    handle = b""
    for _ in range(TAKERS_MAX + 1):
        payment = market.plain(service, b"M", 1_000, additional_to=handle)
        paid.append(market.one(payment))
        handle = market.one(market.plain(service, b"M", 1_000)).handle
    for each in paid[1:]:
        assert market.one(market.plain(service, b"M", 1_000)).result == (
            Result.PAID_RECENTLY
        )
        market.refund(each, 1_000)
    if without_index is not None:
        market.reopen(without_index=without_index)
    # The seventeenth would still count; who came after it knew of it.
    assert market.one(market.plain(service, b"M", 1_000)).result == Result.OK


def test_a_basket_pays_a_reference_once(market: Market) -> None:
    service = market.service(b"OPEN", **OPEN, **WITHIN)
    bills = market.service(b"BILLS", **BILL, **WITHIN)
    two = [market.plain(service, b"M", 1_000) for _ in range(2)]
    results = [one.result for one in market.basket(*two)]
    assert results == [Result.BASKET_FAILED, Result.PAID_RECENTLY]
    assert market.row(market.one(two[1])).total == 0
    assert not market.one(two[1]).handle
    told = [market.fetch(bills, b"M", b"%d" % number) for number in range(2)]
    results = [one.result for one in market.basket(*map(market.payment, told))]
    assert results == [Result.BASKET_FAILED, Result.PAID_RECENTLY]
    once = market.service(b"ONCE", **BILL, **ONCE, duplicate_hours=2)
    told = [market.fetch(once, b"M", b"%d" % number) for number in range(2)]
    results = [one.result for one in market.basket(*map(market.payment, told))]
    assert results == [Result.OK, Result.OK]


def test_a_basket_is_decided_as_if_its_first_bill_were_paid(market: Market) -> None:
    service = market.service(b"ONCE", **BILL, **ONCE, duplicate_hours=2)
    old = market.fetch(service, b"M", b"1")
    assert market.pay(market.fetch(service, b"M", b"2")).result == Result.OK
    new = market.fetch(service, b"M", b"1")
    # Another bill of the reference was paid between, and is in the way of the new one
    # alone. What comes first is that the basket pays this very bill twice.
    told = market.basket(market.payment(old), market.payment(new))
    assert [one.result for one in told] == [
        Result.BASKET_FAILED,
        Result.BILL_ALREADY_CLAIMED,
    ]
    assert told[1].other == 0
    assert market.pay(new).result == Result.PAID_RECENTLY
    assert market.pay(old).result == Result.OK


def test_a_basket_that_fails_is_in_nobodys_way(market: Market) -> None:
    service = market.service(b"OPEN", **OPEN, **WITHIN)
    first = market.one(market.plain(service, b"M", 1_000))
    handle = market.one(market.plain(service, b"M", 1_000)).handle

    def basket(*handles: bytes) -> list[Outcome]:
        each = [market.plain(service, b"M", 1_000, additional_to=h) for h in handles]
        return market.basket(*each)

    # Who is told of something is told of what is there.
    failed, refused = basket(handle, b"")
    assert failed.result == Result.BASKET_FAILED
    assert (refused.other, refused.handle) == (first.sequence, handle)
    failed, refused = basket(handle, handle)
    assert (refused.result, refused.other) == (Result.PAID_RECENTLY, 0)
    assert market.one(market.plain(service, b"M", 1, additional_to=handle)).result == (
        Result.AMOUNT_BELOW_MINIMUM
    )
    more = market.plain(service, b"M", 1_000, additional_to=handle)
    assert market.one(more).result == Result.OK


# --- bills that are issued again ---------------------------------------------------


@pytest.mark.parametrize("rules", [ONCE, MONTHLY])
def test_a_bill_that_is_issued_again_is_paid_recently(
    market: Market, rules: dict[str, Any]
) -> None:
    service = market.service(b"P", **BILL, **rules, **KEEP, duplicate_hours=2)
    told = [market.fetch(service, b"K", b"B%d" % n, period=100 + n) for n in range(2)]
    held = market.pay(told[0])
    new = market.fetch(service, b"K", b"B2", period=102)
    refused = market.pay(new)
    assert (refused.result, refused.other) == (Result.PAID_RECENTLY, held.sequence)
    assert not refused.handle
    asked = market.row(refused).reference, b"K", market.now
    assert market.pair.ledger.in_the_way(service, *asked) == held.sequence
    # Fetched together they were two bills; of another citizen it is none of these.
    assert market.pay(told[1]).result == Result.OK
    assert market.pay(market.fetch(service, b"L", b"B3", period=103)).result == 1
    market.answer(held)
    market.tick(HOUR_NS)
    assert market.pay(market.fetch(service, b"K", b"B2", period=102)).result == (
        Result.PAID_RECENTLY
    )
    last = market.model.rows[market.model.resolved[held.sequence] - 1]
    market.now = last.timestamp + 2 * HOUR_NS
    second = market.pay(market.fetch(service, b"K", b"B2", period=102))
    assert second.result == Result.PAID_RECENTLY  # the other is still held
    market.answer(Outcome(1, sequence=second.other), confirmed=False)
    assert market.pay(market.fetch(service, b"K", b"B2", period=102)).result == 1


def test_without_hours_only_what_is_under_way_is_in_the_way(market: Market) -> None:
    service = market.service(b"P", **BILL, **ONCE, **CONFIRMED)
    held = market.pay(market.fetch(service, b"K", b"1"))
    assert market.pay(market.fetch(service, b"K", b"2")).other == held.sequence
    market.answer(held)
    assert market.pay(market.fetch(service, b"K", b"2")).result == Result.OK


def test_who_states_dues_takes_no_reference(market: Market) -> None:
    service = market.service(b"P", **BILL, **ONCE, duplicate_hours=2)
    stated = market.state(market.plain(service, b"B1", DUE, amount_due=DUE))
    assert stated.result == Result.OK
    assert market.pay(market.fetch(service, b"B1", b"B2")).result == Result.OK
    assert market.state(market.plain(service, b"B3", 5, amount_due=5)).result == 1
    within = market.service(b"W", **BILL, **WITHIN)
    stated = market.state(market.plain(within, b"K", DUE, amount_due=DUE))
    assert market.row(stated).flags & 6 == RowFlag.RECENT
    assert market.pay(market.fetch(within, b"K")).other == stated.sequence
    assert market.state(market.plain(within, b"K", 5, amount_due=5)).other == (
        stated.sequence
    )


# --- bills in parts ----------------------------------------------------------------


@pytest.mark.parametrize("without_index", [None, False, True])
def test_a_bill_is_paid_in_parts_one_after_the_other(
    market: Market, without_index: bool | None
) -> None:
    below = {**BILL, "amount_rule": AmountRule.EXACT_AND_BELOW}
    service = market.service(b"P", **below, **ONCE, **CONFIRMED, duplicate_hours=2)
    whole = market.fetch(service, b"K", b"B")
    part = market.pay(whole, 20_000)
    assert market.row(part).flags & RowFlag.PARTIAL
    assert market.pay(whole, 1).result == Result.BILL_ALREADY_CLAIMED
    posted = market.answer(part)
    assert market.row(posted).flags & RowFlag.RELEASE
    if without_index is not None:
        market.reopen(without_index=without_index)
    # What is left is another amount: it must be fetched.
    assert market.pay(whole, 1).result == Result.QUOTATION_EXPIRED
    left = market.fetch(service, b"K", b"B", due=DUE - 20_000)
    assert market.pay(left, DUE - 20_000 + 1).result == Result.AMOUNT_NOT_EXACT
    rest = market.pay(left, DUE - 20_000)
    assert rest.result == Result.OK
    # The first part is not in the way of its own bill, of another it is.
    assert market.pay(market.fetch(service, b"K", b"C")).result == Result.PAID_RECENTLY
    market.refund(posted, 20_000)
    assert not market.model.rows[-1].flags & RowFlag.RELEASE  # the rest has the claim
    assert market.pay(left, 1).result == Result.BILL_ALREADY_CLAIMED
    market.void(rest)
    assert market.pay(market.fetch(service, b"K", b"B"), DUE).result == Result.OK


def test_a_refund_of_a_part_makes_older_quotations_old(market: Market) -> None:
    below = {**BILL, "amount_rule": AmountRule.EXACT_AND_BELOW}
    service = market.service(b"P", **below, **ONCE, **CONFIRMED)
    posted = market.answer(market.pay(market.fetch(service, b"K", b"B"), 20_000))
    left = market.fetch(service, b"K", b"B", due=DUE - 20_000)
    refund = market.refund(posted, 20_000)
    assert market.row(refund).flags & RowFlag.RELEASE
    assert market.pay(left).result == Result.QUOTATION_EXPIRED
    assert market.pay(market.fetch(service, b"K", b"B")).result == Result.OK


def test_the_newest_that_decides_is_the_answer(market: Market) -> None:
    service = market.service(b"P", **BILL, **WITHIN, **CONFIRMED)
    first = market.pay(market.fetch(service, b"K"))
    old = market.fetch(service, b"K")
    market.void(first)
    assert market.pay(old).result == Result.QUOTATION_EXPIRED
    second = market.pay(market.fetch(service, b"K"))
    refused = market.pay(old)
    assert (refused.result, refused.other) == (Result.PAID_RECENTLY, second.sequence)
    market.void(second)
    before = len(market.model.rows)
    assert market.pay(old).result == Result.QUOTATION_EXPIRED
    assert len(market.model.rows) == before
