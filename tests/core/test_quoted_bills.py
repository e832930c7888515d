"""Goal: a bill is paid once, at what its biller says is due; nobody else is believed.

Method: a small market driven by hand: bills are fetched, and paid by their tokens, by
those of others, by old and by changed ones; again in other spellings, months and
amounts; in parts; after refunds and re-issues. Core and model answer each request, row
and tail; what matters is stated here as well. What once went wrong has a test of its
name.
"""

from dataclasses import replace
from typing import Any

import pytest

from switch.codes import (
    AmountRule,
    Field,
    Ignored,
    Kind,
    Letters,
    Policy,
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
    SECOND_NS,
    WITHIN,
    Market,
)
from tests.core.quoting import STRANGE_KEYS, forged, of_month, token
from tests.model_quotations import LIFE_NS, seal
from tests.model_state import ist_day
from tests.records import BillTail, Row

EVERYTHING = sum(Ignored)
NOVEMBER = of_month(2026, 11)
COPIED = RowFlag.CLAIM | RowFlag.RECENT | RowFlag.STATED | RowFlag.PARTIAL
ABOVE: dict[str, Any] = {**BILL, "amount_rule": AmountRule.EXACT_AND_ABOVE}
BELOW: dict[str, Any] = {**BILL, "amount_rule": AmountRule.EXACT_AND_BELOW}


def flags(row: Row) -> RowFlag:
    """Of what a payment of a bill has."""
    return RowFlag(row.flags) & COPIED


# --- what went wrong ---------------------------------------------------------------


def test_one_fetched_bill_was_paid_three_times_under_other_months(
    market: Market,
) -> None:
    power = market.service(b"POWER", **BILL, **MONTHLY)
    quoted = market.fetch(power, b"X", period=NOVEMBER)
    paid = market.pay(quoted)
    assert paid.result == Result.OK
    assert market.row(paid).reference == b"X/2026-11"
    for month in (b"X/2026-11", b"X/2026-10", b"X/1999-12"):
        again = market.payment(quoted, reference=month)
        assert market.one(again).result == Result.QUOTATION_WRONG
    claimed = market.pay(quoted)
    assert (claimed.result, claimed.other) == (
        Result.BILL_ALREADY_CLAIMED,
        paid.sequence,
    )
    # The next month is another bill, by its own quotation.
    december = market.fetch(power, b"X", period=NOVEMBER + 1)
    assert market.pay(december).result == Result.OK


def test_one_fetched_bill_was_paid_by_consumer_by_id_and_with_a_rupee_more(
    market: Market,
) -> None:
    power = market.service(b"POWER", **ABOVE, **ONCE)
    quoted = market.fetch(power, b"CONSUMER", b"BILL-1")
    paid = market.pay(quoted)
    by_id = market.payment(quoted, reference=b"BILL-1")
    assert market.one(by_id).result == Result.QUOTATION_WRONG
    for amount, centre in ((DUE, 0), (DUE + 100, 0), (DUE + 100, 1)):
        own = replace(quoted, centre=market.net.centres[centre])
        refused = market.pay(own, amount, centre)
        assert refused.result == Result.BILL_ALREADY_CLAIMED
        assert refused.other == paid.sequence
        assert refused.foreign == (centre == 1)


def test_one_paisa_paid_any_bill(market: Market) -> None:
    tax = market.service(b"TAX", **BILL, **ONCE)
    before = len(market.model.rows)
    said = market.plain(tax, b"OWNER", 1, amount_due=1)
    assert market.one(said).result == Result.QUOTATION_NEEDED
    assert len(market.model.rows) == before
    # The honest payer is not told that it was paid; neither is the id used up.
    honest = market.payment(market.fetch(tax, b"OWNER", b"B"), id=said.id)
    assert market.one(honest).result == Result.OK
    short = market.payment(market.fetch(tax, b"OTHER", b"C"), 1, amount_due=1)
    assert market.one(short).result == Result.AMOUNT_NOT_EXACT


def test_another_amount_was_another_payment(market: Market) -> None:
    power = market.service(b"WBSEDCL", **OPEN, **WITHIN)
    first = market.one(market.plain(power, b"METER", 46_000))
    assert first.result == Result.OK
    second = market.one(market.plain(power, b"METER", 45_000), centre=1)
    assert (second.result, second.other) == (Result.PAID_RECENTLY, first.sequence)
    assert second.foreign == 1
    bills = market.service(b"WATER", **ABOVE, **WITHIN)
    here = market.fetch(bills, b"METER")
    there = market.fetch(bills, b"METER", centre=1)
    paid = market.pay(here, 46_000)
    assert paid.result == Result.OK
    assert market.pay(there, 45_000, centre=1).other == paid.sequence


def test_claims_mixed_a_billers_services(market: Market) -> None:
    land = market.service(b"LAND", **BILL, **ONCE)
    house = market.service(b"HOUSE", **BILL, **ONCE)
    late = market.service(b"LAND-LATE", **BILL, **ONCE, series=land)
    paid = market.pay(market.fetch(land, b"1001", b"1001"))
    assert market.pay(market.fetch(house, b"1001", b"1001")).result == Result.OK
    refused = market.pay(market.fetch(late, b"1001", b"1001"))
    assert (refused.result, refused.other) == (
        Result.BILL_ALREADY_CLAIMED,
        paid.sequence,
    )


def test_case_and_spaces_made_different_bills(market: Market) -> None:
    rules: dict[str, Any] = {"letters": Letters.UPPER, "ignored": EVERYTHING}
    tax = market.service(b"TAX", **BILL, **ONCE, **rules)
    late = market.service(b"TAX-LATE", **BILL, **ONCE, **rules, series=tax)
    paid = market.pay(market.fetch(tax, b"wb-1 / 7", b"inv 007-a"))
    assert market.row(paid).reference == b"INV007A"
    assert market.row(paid).cited == b"WB17"
    for service in (tax, late):
        again = market.pay(market.fetch(service, b"WB.17", b"00INV/007A"))
        assert again.result == Result.BILL_ALREADY_CLAIMED
        assert again.other == paid.sequence
    ledger = market.pair.ledger
    assert ledger.canonical_bill(tax, b"inv 007-a") == b"INV007A"
    assert ledger.canonical_bill(tax, b"-./") is None
    # Any spelling of the reference will do, of the bill itself there is one form.
    other = market.payment(market.fetch(tax, b"WB18", b"X"), reference=b"w b-18")
    assert market.one(other).result == Result.OK


# --- what a payment of a bill records ----------------------------------------------


@pytest.mark.parametrize("rules", [ONCE, MONTHLY, WITHIN])
@pytest.mark.parametrize("note", [b"", b"for the meter"])
def test_a_row_needs_no_key(market: Market, rules: dict[str, Any], note: bytes) -> None:
    due_time = market.now + 30 * 86_400 * SECOND_NS
    service = market.service(b"POWER", **ABOVE, **rules)
    quoted = market.fetch(
        service, b"K-18", b"INV-9", period=NOVEMBER, head=1, due_time=due_time
    )
    paid = market.one(market.payment(quoted, DUE + 5, note=note))
    row = market.row(paid)
    key = rules.get("key_rule", 0)
    assert row.reference == [b"K-18", b"INV-9", b"K-18/2026-11"][key]
    claims = RowFlag.CLAIM if rules is not WITHIN else RowFlag(0)
    assert flags(row) == claims | RowFlag.RECENT
    fixed = BillTail(
        b"K-18",
        DUE,
        quoted.fetched,
        NOVEMBER,
        ist_day(due_time),
        AmountRule.EXACT_AND_ABOVE,
    ).pack()
    assert market.pair.ledger.tail(paid.sequence) == fixed + note
    refused = market.one(market.payment(quoted, DUE + 6, note=note))
    assert refused.result in (Result.BILL_ALREADY_CLAIMED, Result.PAID_RECENTLY)
    assert market.pair.ledger.tail(refused.sequence) == fixed + note
    assert flags(market.row(refused)) == RowFlag(0)


def test_a_due_day_has_two_bytes(market: Market) -> None:
    tax = market.service(b"TAX", **BILL, **ONCE)
    last = (2**16 * 86_400 - 19_800) * SECOND_NS
    for number, (due_time, day) in enumerate(
        ((0, 0), (last - 1, 2**16 - 1), (last, 0), (2**64 - 1, 0))
    ):
        paid = market.pay(market.fetch(tax, b"A", b"%d" % number, due_time=due_time))
        tail = market.pair.ledger.tail(paid.sequence)
        assert int.from_bytes(tail[52:54], "little") == day


def test_what_ends_a_payment_copies_its_flags(market: Market) -> None:
    power = market.service(b"POWER", **BELOW, **ONCE, **CONFIRMED)
    kept = {**CONFIRMED, "deadline_policy": Policy.KEEP}
    water = market.service(b"WATER", **BILL, **ONCE, **kept)
    quoted = RowFlag.CLAIM | RowFlag.RECENT | RowFlag.PARTIAL

    def hold(number: int) -> Any:
        held = market.pay(market.fetch(power, b"R%d" % number, b"B%d" % number))
        assert flags(market.row(held)) == quoted
        return held

    posted = market.answer(hold(1))
    refunded = market.refund(posted, DUE)
    voided = market.answer(hold(2), confirmed=False)
    overdue, keeping = hold(3), market.pay(market.fetch(water, b"R", b"B"))
    market.wait(DEADLINE_S + 1)
    ends = {row.resolves: row for row in market.model.rows[-2:]}
    verified = market.answer(overdue, confirmed=False)
    for row in (
        market.row(posted),
        market.row(refunded),
        market.row(voided),
        market.row(verified),
    ):
        assert flags(row) == quoted
        assert row.flags & RowFlag.RELEASE
    # What its deadline gives back may be credited: the bill stays its own.
    expired = ends[overdue.sequence]
    assert flags(expired) == quoted
    assert not expired.flags & RowFlag.RELEASE
    case = ends[keeping.sequence]
    assert (case.kind, flags(case)) == (Kind.CASE, RowFlag(0))
    assert market.state(market.plain(power, b"S", DUE, amount_due=DUE)).result == 1
    stated = market.answer(market.state(market.plain(power, b"T", 5, amount_due=7)))
    assert flags(market.row(stated)) == (
        RowFlag.CLAIM | RowFlag.STATED | RowFlag.PARTIAL
    )


# --- quotations that are wrong -----------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"centre": 1},
        {"service": 1},
        {"series": 1},
        {"head": 1},
        {"reference": b"K-19"},
        {"reference": b"k-18"},
        {"bill": b""},
    ],
    ids=str,
)
def test_a_quotation_of_something_else(market: Market, fields: dict[str, Any]) -> None:
    market.service(b"OTHER", **BILL, **ONCE)
    tax = market.service(b"TAX", **BILL, **ONCE)
    quoted = market.fetch(tax, b"K-18", b"B")
    before = len(market.model.rows)
    payment = market.payment(quoted)
    payment.quotation = token(market.model, replace(quoted, **fields))
    assert market.one(payment).result == Result.QUOTATION_WRONG
    assert len(market.model.rows) == before
    payment.quotation = token(market.model, quoted)
    assert market.one(payment).result == Result.OK


def test_a_payment_of_something_else(market: Market) -> None:
    market.service(b"OTHER", **BILL, **ONCE)
    tax = market.service(b"TAX", **BILL, **ONCE)
    quoted = market.fetch(tax, b"K-18", b"B")
    payment = market.payment(quoted)
    for fields in (
        {"service": b"OTHER"},
        {"head": 1},
        {"reference": b"K-19"},
        {"reference": b"K-18/2026-11"},
    ):
        changed = replace(payment, **fields)
        assert market.one(changed).result == Result.QUOTATION_WRONG
    assert market.one(payment, centre=1).result == Result.QUOTATION_WRONG
    named = replace(payment, centre=b"centre-0")
    assert market.state(named, centre=1).result == Result.QUOTATION_WRONG
    # Whoever sends it: the wallet that pays is the centre's that has fetched it.
    assert market.state(named).result == Result.OK


def test_a_token_that_was_not_sealed_here(market: Market) -> None:
    tax = market.service(b"TAX", **BILL, **ONCE)
    quoted = market.fetch(tax, b"K-18", b"B")
    payment, right = market.payment(quoted), token(market.model, quoted)
    model = market.model
    wrong = [forged(right, at) for at in range(len(right))]
    wrong += [right[:-1], right + b"\0", right[:1], bytes(144), right * 100]
    wrong += [seal(quoted, STRANGE_KEYS, model.instance)]
    wrong += [seal(quoted, model.keys, bytes(16))]
    wrong += [seal(quoted, model.keys, model.instance, 1)]
    before = len(model.rows)
    for sealed in wrong:
        refused = market.one(replace(payment, quotation=sealed))
        assert refused.result == Result.QUOTATION_WRONG
    assert len(model.rows) == before
    assert market.one(payment).result == Result.OK


def test_the_last_two_keys_are_accepted(market: Market) -> None:
    tax = market.service(b"TAX", **BILL, **ONCE)
    [first] = market.model.keys
    old = market.payment(market.fetch(tax, b"K-1", b"B-1"))
    older = market.payment(market.fetch(tax, b"K-2", b"B-2"))
    second, third = (2, bytes(32)), (3, b"\1" * 32)
    market.pair.set_keys([second, first])
    assert market.one(old).result == Result.OK
    market.pair.set_keys([third, second])
    assert market.one(older).result == Result.QUOTATION_WRONG
    # A lost key means: fetch again. What was done is known without any.
    assert market.one(old).repeat
    again = market.fetch(tax, b"K-2", b"B-2")
    assert market.pay(again).result == Result.OK


def test_a_quotation_where_none_is_asked_for(market: Market) -> None:
    tax = market.service(b"TAX", **BILL, **ONCE)
    right = token(market.model, market.fetch(tax, b"K-18", b"B"))
    free = market.service(b"FREE", **OPEN, **WITHIN)
    plain = market.service(b"PLAIN", **ONCE)
    for service in (free, plain):
        for sealed in (right, b"x"):
            payment = market.plain(service, b"K-18", 500, quotation=sealed)
            assert market.one(payment).result == Result.QUOTATION_WRONG
    # Of a service that nobody knows nothing can be asked.
    payment = replace(payment, service=b"NOBODY")
    assert market.one(payment).result == Result.SERVICE_UNKNOWN


def test_a_month_that_does_not_fit(market: Market) -> None:
    power = market.service(b"POWER", **BILL, **MONTHLY)
    for size, result in ((24, Result.OK), (25, Result.QUOTATION_WRONG)):
        quoted = market.fetch(power, b"K" * size, period=NOVEMBER)
        assert market.pay(quoted).result == result
    none = market.fetch(power, b"K")
    assert market.pay(none).result == Result.QUOTATION_WRONG


# --- quotations that are old -------------------------------------------------------


def test_a_quotation_ends_at_its_nanosecond(market: Market) -> None:
    tax = market.service(b"TAX", **BILL, **ONCE)
    life = 600 * SECOND_NS
    for number, (late, result) in enumerate(
        ((-1, Result.OK), (0, Result.QUOTATION_EXPIRED), (1, Result.QUOTATION_EXPIRED))
    ):
        quoted = market.fetch(tax, b"K%d" % number, b"B%d" % number)
        quoted.valid_until = quoted.fetched + life
        market.now = quoted.valid_until + late - SECOND_NS
        assert market.pay(quoted).result == result
    quoted = market.fetch(tax, b"K", b"B")
    market.now = quoted.fetched + LIFE_NS - SECOND_NS
    assert market.pay(quoted).result == Result.QUOTATION_EXPIRED
    ahead = market.fetch(tax, b"K", b"B", fetched=market.now + 2 * SECOND_NS)
    assert market.pay(ahead).result == Result.QUOTATION_EXPIRED
    assert market.pay(ahead).result == Result.OK


def test_in_a_basket_each_has_the_time_of_its_row(market: Market) -> None:
    tax = market.service(b"TAX", **BILL, **ONCE)
    for late, results in (
        (3, [Result.OK] * 3),
        (2, [*[Result.INVALID_BASKET] * 2, Result.QUOTATION_EXPIRED]),
        (1, [Result.INVALID_BASKET, *[Result.QUOTATION_EXPIRED] * 2]),
    ):
        told = [market.fetch(tax, b"K", b"B%d-%d" % (late, n)) for n in range(3)]
        for quoted in told:
            quoted.valid_until = market.now + SECOND_NS + late
        outcomes = market.basket(*map(market.payment, told))
        assert [outcome.result for outcome in outcomes] == results


@pytest.mark.parametrize("rules", [ONCE, MONTHLY])
@pytest.mark.parametrize("end", ["void", "reject", "expire", "refund"])
@pytest.mark.parametrize("reopened", [None, False, True])
def test_an_old_token_never_pays_again(
    market: Market, rules: dict[str, Any], end: str, reopened: bool | None
) -> None:
    """What was due when it was fetched may have been paid, and given back, since."""
    power = market.service(b"POWER", **BILL, **rules, **CONFIRMED)
    told: dict[str, Any] = {"id_": b"B", "period": NOVEMBER}
    old = market.fetch(power, b"K", **told)
    held = market.pay(old)
    between = market.fetch(power, b"K", **told)
    assert market.pay(between).result == Result.BILL_ALREADY_CLAIMED
    if end == "void":
        market.void(held)
    elif end == "reject":
        market.answer(held, confirmed=False)
    elif end == "expire":
        market.wait(DEADLINE_S + 1)
        assert market.pay(between).result == Result.BILL_ALREADY_CLAIMED
        market.answer(held, confirmed=False)
    else:
        posted = market.answer(held)
        market.refund(posted, 1)
        assert market.pay(between).result == Result.BILL_ALREADY_CLAIMED
        market.refund(posted, DUE - 1)
    released = market.model.rows[-1]
    assert released.flags & RowFlag.RELEASE
    if reopened is not None:
        market.reopen(without_index=reopened)
    for quoted in (old, between):
        assert market.pay(quoted).result == Result.QUOTATION_EXPIRED
    at_once = market.fetch(power, b"K", **told, fetched=released.timestamp)
    assert market.pay(at_once).result == Result.QUOTATION_EXPIRED
    new = market.fetch(power, b"K", **told, fetched=released.timestamp + 1)
    assert market.pay(new).result == Result.OK
    assert market.pay(at_once).result == Result.BILL_ALREADY_CLAIMED


@pytest.mark.parametrize("end", ["void", "post", "refund"])
def test_nor_does_one_where_only_hours_count(market: Market, end: str) -> None:
    power = market.service(b"POWER", **BILL, **WITHIN, **CONFIRMED)
    old, held = market.fetch(power, b"K"), market.pay(market.fetch(power, b"K"))
    if end == "void":
        market.void(held)
    else:
        posted = market.answer(held)
        assert market.pay(old).result == Result.PAID_RECENTLY
        if end == "refund":
            market.refund(posted, DUE)
        else:
            market.tick(2 * HOUR_NS)
    assert market.pay(old).result == Result.QUOTATION_EXPIRED
    assert market.pay(market.fetch(power, b"K")).result == Result.OK


# --- amounts and the order ---------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "right", "wrong"),
    [
        (AmountRule.EXACT, [DUE], [DUE - 1, DUE + 1, 1]),
        (AmountRule.EXACT_AND_ABOVE, [DUE, DUE + 1, 3 * DUE], [DUE - 1, 1]),
        (AmountRule.EXACT_AND_BELOW, [DUE, DUE - 1, 1], [DUE + 1, 3 * DUE]),
    ],
)
def test_the_quotations_rule_counts(
    market: Market, rule: AmountRule, right: list[int], wrong: list[int]
) -> None:
    """The service's may have changed since it was fetched."""
    tax = market.service(b"TAX", **BILL, **ONCE)
    for amount in wrong:
        quoted = market.fetch(tax, b"K", b"W%d" % amount, amount_rule=rule)
        assert market.pay(quoted, amount).result == Result.AMOUNT_NOT_EXACT
    for amount in right:
        quoted = market.fetch(tax, b"K", b"R%d" % amount, amount_rule=rule)
        paid = market.pay(quoted, amount)
        assert paid.result == Result.OK
        assert not market.row(paid).flags & RowFlag.PARTIAL  # it is no hold


def test_bounds_hold_for_bills_too(market: Market) -> None:
    tax = market.service(b"TAX", **BILL, **ONCE, amount_min=1_000, amount_max=2_000)
    for due, result in (
        (999, Result.AMOUNT_BELOW_MINIMUM),
        (2_001, Result.AMOUNT_ABOVE_MAXIMUM),
        (1_500, Result.OK),
    ):
        quoted = market.fetch(tax, b"K", b"%d" % due, due=due)
        assert market.pay(quoted).result == result


def test_the_id_is_asked_first(market: Market) -> None:
    tax = market.service(b"TAX", **BILL, **ONCE, letters=Letters.UPPER, ignored=1)
    payment = market.payment(market.fetch(tax, b"k 18", b"B"))
    paid = market.one(payment)
    market.tick(LIFE_NS)
    for quotation in (b"", payment.quotation, b"x", bytes(144)):
        for reference in (b"K18", b"k 1 8"):
            fields = {"quotation": quotation, "reference": reference, "amount_due": 3}
            again = market.one(replace(payment, **fields))  # type: ignore[arg-type]
            assert (again.sequence, again.repeat) == (paid.sequence, 1)
    for reference in (b"B", b"K19"):
        other = market.one(replace(payment, reference=reference))
        assert (other.result, other.field) == (Result.ID_REUSED, Field.REFERENCE)
    other = market.one(replace(payment, amount=DUE + 1, quotation=b""))
    assert (other.result, other.field) == (Result.ID_REUSED, Field.AMOUNT)
    market.pair.set_keys(STRANGE_KEYS)
    assert market.one(payment).repeat
    market.pair.set_keys([(9, bytes(32))])
    assert market.one(payment).repeat


@pytest.mark.parametrize("rules", [ONCE, MONTHLY, WITHIN])
def test_a_retry_brings_the_citizens_reference(
    market: Market, rules: dict[str, Any]
) -> None:
    ruled = {**rules, "letters": Letters.UPPER, "ignored": EVERYTHING}
    power = market.service(b"POWER", **BILL, **ruled)
    payment = market.payment(market.fetch(power, b"k 18", b"B", period=NOVEMBER))
    payment.reference = b"k-18"
    paid = market.one(payment)
    for reference in (b"k-18", b"K18", b"k.1/8"):
        for quotation in (b"", payment.quotation):
            again = replace(payment, reference=reference, quotation=quotation)
            assert market.one(again).sequence == paid.sequence
    for reference in (b"K19", b"K18/2026-11", b"B"):
        reused = market.one(replace(payment, reference=reference))
        assert (reused.result, reused.field) == (Result.ID_REUSED, Field.REFERENCE)


def test_the_order_of_what_leaves_no_row(market: Market) -> None:
    tax = market.service(b"TAX", **BILL, **ONCE, **CONFIRMED)
    biller = market.billers[0][0]
    right = market.payment(market.fetch(tax, b"K", b"B"))
    wrong, none = replace(right, quotation=b"x"), replace(right, quotation=b"")
    market.pair.turn_away(biller, busy=True)
    strange = replace(wrong, centre=b"centre-1")
    assert market.one(strange).result == Result.INVALID_CENTRE
    for payment in (right, wrong, none):
        assert market.one(payment).result == Result.BILLER_BUSY
    market.pair.turn_away(biller, busy=False)
    both = replace(none, additional_to=b"x")
    assert market.one(both).result == Result.QUOTATION_NEEDED
    both = replace(wrong, additional_to=b"x")
    assert market.one(both).result == Result.QUOTATION_WRONG
    addition = replace(right, additional_to=b"x")
    assert market.one(addition).result == Result.ADDITION_WRONG
    old = replace(addition, quotation=b"")
    old.quotation = market.payment(
        market.fetch(tax, b"K", b"B", fetched=market.now + HOUR_NS)
    ).quotation
    assert market.one(old).result == Result.QUOTATION_EXPIRED
    # Then what the register says; a frozen service leaves a row.
    market.register(market.record(b"TAX", **BILL, **ONCE, **CONFIRMED, active=0))
    assert market.one(wrong).result == Result.QUOTATION_WRONG
    assert market.one(right).result == Result.SERVICE_INACTIVE


def test_a_basket_of_which_one_is_not_believed(market: Market) -> None:
    tax = market.service(b"TAX", **BILL, **ONCE)
    good, bad, old = (
        market.payment(market.fetch(tax, b"K", b"B%d" % number)) for number in range(3)
    )
    bad.quotation = b""
    old.quotation = market.payment(
        market.fetch(tax, b"K", b"B2", fetched=market.now + HOUR_NS)
    ).quotation
    known = market.payment(market.fetch(tax, b"K", b"B9"))
    assert market.one(known).result == Result.OK
    before = len(market.model.rows)
    outcomes = market.basket(good, bad, old)
    assert [outcome.result for outcome in outcomes] == [
        Result.INVALID_BASKET,
        Result.QUOTATION_NEEDED,
        Result.QUOTATION_EXPIRED,
    ]
    assert len(market.model.rows) == before
    alone = market.payment(market.fetch(tax, b"K", b"B4"))
    assert [one.result for one in market.basket(good, alone)] == [Result.OK] * 2
