"""Goal: a simulated biller lists, spells, re-issues and keeps the bills of a reference
as docs/simulator.md says.

Method: the bills of the sample's services, by function and from desks without a
network.
"""

import time

from switch.codes import AmountRule, KeyRule, PriceRule
from switch.references import REFERENCE_MAX, Form, canonical, find_example
from switch.sample import load_sample
from switch.simulator.bills import (
    BILLS_MAX,
    ISSUES_MAX,
    bill_key,
    bills_of,
    dues_of,
    is_behind,
    is_reissued,
    issue,
    spelt,
)
from switch.simulator.books import Books, Totals
from switch.simulator.desk import NOTHING_DUE, Desk
from switch.v1 import billers_pb2 as pb
from tests.simulator.desks import (
    CONFIRMED,
    FETCH,
    REJECTED,
    ask,
    make_desk,
    question,
)

MARCH_NS = 1_772_600_000 * 10**9
SERVICES = {one.code: one for one in load_sample().services}
BILLED = [one for one in SERVICES.values() if one.price_rule is PriceRule.BILL]


def consumers(code: str, count: int) -> list[str]:
    """References of a service, canonical, one after the other."""
    form = SERVICES[code].form
    example = find_example(form)
    assert example is not None
    digits = sum(char.isdecimal() for char in example[-7:])
    return [f"{example[:-digits]}{number:0{digits}d}" for number in range(count)]


def paying(service: str, reference: str, amount: int) -> pb.Question:
    """A question to confirm a payment of a bill."""
    one = question()
    one.service, one.reference, one.amount = service, reference, amount
    return one


def fetching(service: str, reference: str) -> pb.Question:
    one = question(FETCH)
    one.service, one.reference = service, reference
    return one


def fetch(desk: Desk, service: str, reference: str) -> list[pb.DueBill]:
    """What a reference owes, as the biller says."""
    [answer] = ask(desk, fetching(service, reference))
    assert answer.kind == CONFIRMED
    return list(answer.bills)


def test_a_reference_has_one_to_three_bills_for_ever() -> None:
    counts = set()
    for reference in consumers("BSK0354", 200):
        bills = bills_of("BSK0354", reference, MARCH_NS)
        again = bills_of("BSK0354", reference, MARCH_NS + 40 * 86_400 * 10**9)
        assert [(one.id, one.amount_due) for one in bills] == [
            (one.id, one.amount_due) for one in again
        ]
        assert dues_of("BSK0354", reference) == tuple(one.amount_due for one in bills)
        # Whoever pays one can tell it from the others.
        assert len({one.amount_due for one in bills}) == len(bills)
        assert len({one.id for one in bills}) == len(bills)
        due = [one.due_time_ns for one in bills]
        assert due == sorted(due, reverse=True)
        counts.add(len(bills))
    assert counts == set(range(1, BILLS_MAX + 1))


def test_a_bill_is_known_as_its_service_says() -> None:
    for service in BILLED:
        example = find_example(service.form)
        assert example is not None
        for bill in bills_of(service.code, example, MARCH_NS):
            assert bill.reference == example
            assert bool(bill.id) == (service.key_rule is KeyRule.BILL_ID)
            is_monthly = service.key_rule is KeyRule.REFERENCE_PERIOD
            assert bool(bill.period) == is_monthly
            assert len(bill.key) <= REFERENCE_MAX
            assert bill_key(service.code, bill.key) == bill.key
            # The form of ids is that of references, without pattern and check digit.
            form = Form(letters=service.letters, ignored=service.ignored)
            assert not bill.id or canonical(form, bill.id) == bill.id
            assert bill.amount_due >= max(service.amount_min, 100)
            assert bill.valid_until_ns == 0 or bill.valid_until_ns > MARCH_NS
        if service.p95_paise > service.median_paise * 2:
            others = {dues_of(service.code, f"{number:09}")[0] for number in range(20)}
            assert len(others) > 5


def test_a_monthly_bill_is_of_this_month_and_those_before() -> None:
    found = {
        tuple(one.period for one in bills_of("BSK0199", reference, MARCH_NS))
        for reference in consumers("BSK0199", 50)
    }
    months = ("2026-03", "2026-02", "2026-01")
    assert found == {months[:1], months[:2], months}
    january_ns = MARCH_NS - 50 * 86_400 * 10**9
    periods = {
        one.period
        for reference in consumers("BSK0199", 50)
        for one in bills_of("BSK0199", reference, january_ns)
    }
    assert periods == {"2026-01", "2025-12", "2025-11"}


def test_fetching_gives_the_bills_or_says_that_there_are_none() -> None:
    desk = make_desk()
    known, unknown = question(FETCH), question(FETCH)
    unknown.reference = "NONE-1"
    answers = {one.number: one for one in ask(desk, known, unknown)}
    bills = bills_of("BSK0199", known.reference, time.time_ns())
    said = answers[known.number].bills
    assert [(one.period, one.amount_due) for one in said] == [
        (one.period, one.amount_due) for one in bills
    ]
    assert answers[unknown.number].kind == REJECTED
    assert answers[unknown.number].reason == NOTHING_DUE


def test_a_biller_spells_in_its_own_way_what_is_the_same() -> None:
    ways = set()
    for service in BILLED:
        example = find_example(service.form)
        assert example is not None
        written = spelt(service.code, example)
        assert canonical(service.form, written) == example
        ways.add(written == example)
        for one in fetch(make_desk(), service.code, example):
            assert canonical(service.form, one.reference) == example
    assert ways == {True, False}


def test_a_bill_that_is_paid_is_listed_no_more_or_by_who_is_behind() -> None:
    seen = set()
    for reference in consumers("BSK0354", 60):
        desk = make_desk()
        bills = bills_of("BSK0354", reference, MARCH_NS)
        for bill in bills:
            ask(desk, paying("BSK0354", bill.id, bill.amount_due))
        [answer] = ask(desk, fetching("BSK0354", reference))
        behind = is_behind("BSK0354", reference)
        assert answer.kind == (CONFIRMED if behind else REJECTED)
        assert len(answer.bills) == (len(bills) if behind else 0)
        seen.add(behind)
    assert seen == {True, False}


def test_a_bill_paid_in_part_keeps_its_rest() -> None:
    in_parts = [one for one in BILLED if one.amount_rule is AmountRule.EXACT_AND_BELOW]
    for service in in_parts:
        books = Books()
        desk = make_desk(books=books)
        reference = consumers(service.code, 1)[0]
        first = bills_of(service.code, reference, MARCH_NS)[0]
        [due, *others] = [
            one.amount_due for one in fetch(desk, service.code, reference)
        ]
        assert due == first.amount_due
        ask(desk, paying(service.code, first.key, due - 300))
        rest = [one.amount_due for one in fetch(desk, service.code, reference)]
        assert rest == [300, *others]
        ask(desk, paying(service.code, first.key, 300))
        [answer] = ask(desk, fetching(service.code, reference))
        assert [one.amount_due for one in answer.bills] == others
        # It is one bill in several payments, and none of them is too many.
        assert books.totals("cesc") == Totals(2, due, 0)
    assert in_parts


def test_some_bills_are_issued_again_under_other_ids() -> None:
    said = set()
    for reference in consumers("BSK0354", 600):
        if not is_reissued("BSK0354", reference):
            continue
        books = Books()
        desk = make_desk(books=books)
        first = bills_of("BSK0354", reference, MARCH_NS)[0]
        ids = []
        for _ in range(ISSUES_MAX + 3):
            one = fetch(desk, "BSK0354", reference)[0]
            ids.append(one.id)
            assert one.amount_due == first.amount_due
            assert len(one.supersedes) in (0, len(set(ids)) - 1)
        assert len(set(ids)) == ISSUES_MAX + 1
        said.add(bool(one.supersedes))
        # It is the same bill, whichever of its ids is paid.
        ask(desk, paying("BSK0354", issue(first, "BSK0354", 3).id, first.amount_due))
        ask(desk, paying("BSK0354", first.id, first.amount_due))
        assert books.totals("cesc").bills_paid_again == 1
    assert said == {True, False}
