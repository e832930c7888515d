"""Goal: a payment's papers are the same whenever they are asked for.

Method: payments direct and confirmed; their papers before and after the register gave
everything another name, after refunds, and by a reader that knows nothing yet.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from switch.calendar import day_start_ns, financial_year, format_financial_year
from switch.codes import Kind, Mode, Record, Result
from switch.counter.acknowledgements import Acknowledgement
from switch.counter.paper_rows import make_acknowledgement, make_receipt
from switch.counter.papers import Item
from switch.counter.receipts import Receipt
from switch.ids import new_id
from switch.ledger.statements import find_payment
from switch.payment_states import Standing
from switch.register.past import PastNames
from switch.register.register import Register
from tests.counter.counter_story import HEAD, SECOND_NS, SERVICES, Counter, fee, service


@pytest.fixture
def counter(tmp_path: Path) -> Iterator[Counter]:
    counter = Counter(tmp_path)
    yield counter
    counter.ledger.close()


def receipt_of(
    counter: Counter, payment_id: bytes, names: PastNames | None = None
) -> Receipt:
    found = find_payment(counter.ledger, counter.centre, payment_id)
    assert found
    names = names or PastNames(counter.register)
    return make_receipt(found, counter.register, names)


def test_a_confirmed_payment(counter: Counter) -> None:
    payment_id = new_id()
    held = counter.pay(payment_id, "B-1", 12_345, operator=7, note="two pages")
    accepted_ns = counter.now
    posted = counter.answer(held.sequence, confirm=True, text="POWER-1")
    receipt = receipt_of(counter, payment_id)
    year = format_financial_year(financial_year(counter.now))
    assert receipt.full_number == f"bsk-1/{year}/000001"
    assert (receipt.centre_en, receipt.centre_code) == ("First", "BAN/1")
    assert (receipt.service, receipt.service_en) == ("FREES", "Service FREES")
    assert (receipt.biller_bn, receipt.head) == ("বিদ্যুৎ", HEAD)
    assert (receipt.reference, receipt.biller_reference) == ("B-1", "POWER-1")
    assert (receipt.note, receipt.amount, receipt.operator) == ("two pages", 12_345, 7)
    assert receipt.accepted_ns == accepted_ns
    assert receipt.completed_ns == accepted_ns + SECOND_NS
    assert receipt.sequence == posted["sequence"]
    assert receipt.id == payment_id


def test_a_direct_payment(counter: Counter) -> None:
    payment_id = new_id()
    counter.pay(payment_id, "B-1", service="DIRECT")
    receipt = receipt_of(counter, payment_id)
    assert receipt.number == 1
    assert receipt.biller_reference == ""
    assert receipt.accepted_ns == receipt.completed_ns


def test_a_bill_known_by_its_id(counter: Counter) -> None:
    payment_id = new_id()
    due_ns = day_start_ns(dt.date(2026, 3, 21))
    token = counter.fetched(
        "BILLED",
        "CONSUMER-7",
        12_345,
        bill="B-1",
        period=2026 * 12 + 2,
        due_time_ns=due_ns,
    )
    held = counter.pay(
        payment_id, "CONSUMER-7", 12_345, service="BILLED", quotation=token, note="দুই"
    )
    assert Result(held.result) is Result.OK
    counter.answer(held.sequence, confirm=True, text="POWER-1")
    receipt = receipt_of(counter, payment_id)
    assert (receipt.reference, receipt.bill) == ("CONSUMER-7", "B-1")
    assert (receipt.period, receipt.due_date) == ("2026-03", "2026-03-21")
    assert (receipt.amount_due, receipt.amount) == (12_345, 12_345)
    assert (receipt.note, receipt.biller_reference) == ("দুই", "POWER-1")
    assert receipt.items == ()


def test_a_bill_known_by_its_month_and_paid_in_part(counter: Counter) -> None:
    payment_id = new_id()
    token = counter.fetched("MONTHLY", "C-7", 90_000, period=2026 * 12 + 11)
    paid = counter.pay(payment_id, "C-7", 50_000, service="MONTHLY", quotation=token)
    assert Result(paid.result) is Result.OK
    counter.answer(paid.sequence, confirm=True)
    receipt = receipt_of(counter, payment_id)
    assert (receipt.reference, receipt.bill) == ("C-7", "")
    assert (receipt.period, receipt.due_date) == ("2026-12", "")
    assert (receipt.amount_due, receipt.amount) == (90_000, 50_000)


def test_items_have_the_fees_of_their_day(counter: Counter) -> None:
    payment_id = new_id()
    items = (("URGENT", 1), ("COPY", 3))
    paid = counter.pay(
        payment_id, "DEED-1", 5_500, service="COPIES", items=items, note="n" * 64
    )
    assert Result(paid.result) is Result.OK
    first = receipt_of(counter, payment_id)
    assert first.items == (
        Item(code="URGENT", name_en="", name_bn="", count=1, fee=2_500),
        Item(code="COPY", name_en="Copy", name_bn="দফা", count=3, fee=1_000),
    )
    assert (first.reference, first.note, first.amount_due) == ("DEED-1", "n" * 64, 0)
    # Whatever the register says of the same day later.
    (copies,) = (one for one in SERVICES if one.code == "COPIES")
    dearer = fee("COPY", 7_777, "2025-04-01", "Dear copy")
    counter.load([replace(copies, tariff=(dearer,))])
    assert receipt_of(counter, payment_id) == first
    assert receipt_of(counter, payment_id, PastNames(Register(counter.ledger))) == first


def test_what_has_no_receipt_yet(counter: Counter) -> None:
    payment_id = new_id()
    counter.pay(payment_id, "B-1")
    with pytest.raises(ValueError, match="no receipt"):
        receipt_of(counter, payment_id)


def acknowledgement_of(counter: Counter, payment_id: bytes) -> Acknowledgement:
    found = find_payment(counter.ledger, counter.centre, payment_id)
    assert found
    names = PastNames(counter.register)
    return make_acknowledgement(
        found, found.standing, counter.register, names, counter.now
    )


def test_an_acknowledgement_has_its_hold_s_number_for_ever(counter: Counter) -> None:
    payment_id = new_id()
    held = counter.pay(payment_id, "B-1", 12_345, operator=7, note="two pages")
    accepted_ns = counter.now
    first = acknowledgement_of(counter, payment_id)
    assert first.full_number == f"bsk-1/A/{held.sequence}"
    assert (first.centre_en, first.service_en) == ("First", "Service FREES")
    assert (first.reference, first.note, first.amount) == ("B-1", "two pages", 12_345)
    assert (first.operator, first.id) == (7, payment_id)
    assert (first.accepted_ns, first.as_of_ns) == (accepted_ns, counter.now)
    assert (first.standing, first.full_receipt) == (Standing.HELD, "")
    counter.load([service("FREES", name_en="Another name")])
    counter.answer(held.sequence, confirm=True, text="POWER-1")
    paid = acknowledgement_of(counter, payment_id)
    receipt = receipt_of(counter, payment_id)
    assert (paid.standing, paid.paid) == (Standing.COMPLETED, 12_345)
    assert paid.full_receipt == receipt.full_number
    counter.refund(receipt.sequence, 45)
    back = acknowledgement_of(counter, payment_id)
    assert (back.standing, back.refunded) == (Standing.REFUNDED, 45)
    # What it says of the payment itself, and its number, is what it said first.
    for later in (paid, back):
        fixed = replace(
            later,
            standing=first.standing,
            as_of_ns=first.as_of_ns,
            receipt=0,
            receipt_year=0,
            paid=0,
            refunded=0,
        )
        assert fixed == first
    counter.load(SERVICES)


def test_what_is_kept_and_ended_by_two_people(counter: Counter) -> None:
    payment_id = new_id()
    held = counter.pay(payment_id, "B-1", 500, service="KEEPS").sequence
    counter.answer(held, confirm=True, amount=400)
    assert acknowledgement_of(counter, payment_id).standing is Standing.KEPT
    counter.decide(Kind.POST, held, 400)
    paper = acknowledgement_of(counter, payment_id)
    assert (paper.standing, paper.amount, paper.paid) == (Standing.COMPLETED, 500, 400)
    assert receipt_of(counter, payment_id).amount == 400


def test_what_has_no_acknowledgement(counter: Counter) -> None:
    direct, refused = new_id(), new_id()
    counter.pay(direct, "B-1", service="DIRECT")
    counter.pay(refused, "B-2", 10**12)
    for payment_id in (direct, refused):
        with pytest.raises(ValueError, match="not held"):
            acknowledgement_of(counter, payment_id)


def test_it_stays_the_same_for_ever(counter: Counter) -> None:
    payment_id = new_id()
    held = counter.pay(payment_id, "B-1")
    posted = counter.answer(held.sequence, confirm=True)
    first = receipt_of(counter, payment_id)
    names = PastNames(counter.register)
    for name in ("Second", "Third"):
        counter.load([service("FREES", name_en=name, department_en="Another")])
        counter.refund(int(posted["sequence"]), 40)
        assert receipt_of(counter, payment_id, names) == first
        assert receipt_of(counter, payment_id) == first
    # What is paid from now on has the new names.
    later = new_id()
    held = counter.pay(later, "B-2")
    counter.answer(held.sequence, confirm=True)
    assert receipt_of(counter, later, names).service_en == "Third"
    assert receipt_of(counter, payment_id, names) == first
    counter.load(SERVICES)
    assert receipt_of(counter, later, names).service_en == "Third"
    # A register that has just been read knows the same.
    fresh = PastNames(Register(counter.ledger))
    assert receipt_of(counter, payment_id, fresh) == first
    assert receipt_of(counter, later, fresh).service_en == "Third"


def test_what_was_not_there_yet_has_no_name(counter: Counter) -> None:
    before = counter.ledger.sequence
    counter.load([*SERVICES, service("NEW", mode=Mode.DIRECT, deadline_s=0)])
    known = counter.register.find_service("NEW")
    assert known
    names = PastNames(counter.register)
    assert names.texts(Record.SERVICE, known.index, counter.ledger.sequence)
    with pytest.raises(LookupError, match="younger"):
        names.texts(Record.SERVICE, known.index, before)
