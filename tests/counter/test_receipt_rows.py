"""Goal: a payment's receipt is the same whenever it is asked for.

Method: payments direct and confirmed; their receipts before and after the register gave
everything another name, after refunds, and by a reader that knows nothing yet.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from switch.calendar import financial_year, format_financial_year
from switch.codes import Mode, Record
from switch.counter.receipt_rows import PastNames, make_receipt
from switch.counter.receipts import Receipt
from switch.ids import new_id
from switch.ledger.statements import find_payment
from switch.register.register import Register
from tests.counter.counter_story import HEAD, SECOND_NS, SERVICES, Counter, service


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


def test_what_has_no_receipt_yet(counter: Counter) -> None:
    payment_id = new_id()
    counter.pay(payment_id, "B-1")
    with pytest.raises(ValueError, match="no receipt"):
        receipt_of(counter, payment_id)


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
