"""Goal: people find a payment by its reference, whatever its service asks of
references, and by what its biller calls it.

Method: payments through services of each duplicate rule, spelled as people type, in a
series, of bills that were quoted; many of one reference; found again over steps of the
index of 16 rows, with the index and without.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from switch._core import QUOTATION
from switch.codes import DuplicateRule, KeyRule, Kind, Letters, Mode, Result
from switch.ledger.templates import put_bytes
from tests.core.counter import RESTS, Counter, quoted_service
from tests.core.desk import REJECTED, SECOND_NS
from tests.records import Payment, Row, ServiceRecord

OK = Result.OK
NEWEST = 16


@pytest.fixture
def counter(tmp_path: Path) -> Iterator[Counter]:
    """One that has more services."""
    made = Counter(tmp_path / "ledger")
    yield made
    made.ledger.close()


def service(counter: Counter, code: bytes, **rules: int) -> int:
    """The index of a new direct service of the desk's biller, which states dues."""
    record = ServiceRecord(
        code, counter.biller, tuple(counter.net.heads[0]), mode=Mode.DIRECT
    )
    for name, value in rules.items():
        setattr(record, name, value)
    told = counter.one(Kind.REGISTER, tail=record.pack())
    assert told.result == OK
    return told.index


def once(counter: Counter, code: bytes, **rules: int) -> int:
    rules = {"duplicate_rule": DuplicateRule.ONCE, "key_rule": KeyRule.BILL_ID, **rules}
    return service(counter, code, **rules)


def pay_row(counter: Counter, service: int, reference: bytes, amount: int = 700) -> Row:
    return counter.row(
        Kind.PAY,
        amount=amount,
        reference=reference,
        debit=counter.wallet,
        service=service,
        operator_=1,
        participant=counter.centre,
        total=amount,
    )


def pay(counter: Counter, service: int, reference: bytes) -> int:
    """The sequence of a payment that was accepted."""
    [told] = counter.tell(pay_row(counter, service, reference))
    assert told.result == OK, told
    return told.sequence


def found(counter: Counter, service: int, reference: bytes) -> list[int]:
    sequences: list[int] = counter.ledger.find_payments(service, reference).tolist()
    return sequences


@pytest.mark.parametrize("how", RESTS)
def test_by_reference_without_any_rule_of_duplicates(
    counter: Counter, how: str
) -> None:
    any_, other = service(counter, b"ANY"), service(counter, b"OTHER")
    paid = [pay(counter, any_, b"ROAD 7") for _ in range(5)]
    paid_elsewhere = pay(counter, other, b"ROAD 7")
    refused = counter.tell(pay_row(counter, any_, b"ROAD 7", 10**12))[0]
    assert refused.result == Result.INSUFFICIENT_FUNDS
    counter.rest(how)
    assert found(counter, any_, b"ROAD 7") == paid[::-1]
    assert found(counter, other, b"ROAD 7") == [paid_elsewhere]
    for nothing in (b"ROAD", b"ROAD 70", b"road 7"):
        assert found(counter, any_, nothing) == []
    # As many as a page has: the newest.
    paid += [pay(counter, any_, b"ROAD 7") for _ in range(30)]
    counter.rest(how)
    paid += [pay(counter, any_, b"ROAD 7") for _ in range(3)]
    assert found(counter, any_, b"ROAD 7") == paid[: -NEWEST - 1 : -1]


@pytest.mark.parametrize("how", RESTS)
def test_by_reference_of_what_is_paid_once(counter: Counter, how: str) -> None:
    rules = {"letters": Letters.UPPER, "ignored": 0x03}
    first = once(counter, b"BILLS", **rules)
    other = once(counter, b"BILLS-TOO", series=first, **rules)
    elsewhere = once(counter, b"ELSEWHERE", **rules)
    paid = pay(counter, first, b"wb-12 3")
    counter.rest(how)
    # As it is typed, through each service of the series, and in no other.
    for typed in (b"WB123", b"w b-1-2-3"):
        assert found(counter, first, typed) == [paid]
        assert found(counter, other, typed) == [paid]
        assert found(counter, elsewhere, typed) == []
    assert counter.ledger.row(paid).service == first


@pytest.mark.parametrize("how", RESTS)
def test_by_reference_of_what_is_paid_within_hours(counter: Counter, how: str) -> None:
    within = service(
        counter, b"HOURS", duplicate_rule=DuplicateRule.WITHIN, duplicate_hours=1
    )
    paid = []
    for _ in range(3):
        paid.append(pay(counter, within, b"MR 5"))
        counter.now += 3_600 * SECOND_NS
    counter.rest(how)
    assert found(counter, within, b"MR 5") == paid[::-1]


@pytest.mark.parametrize("how", RESTS)
def test_by_the_citizens_reference_and_the_bills(counter: Counter, how: str) -> None:
    counter.ledger.set_quotation_keys([(1, bytes(range(32)))])
    quoted = quoted_service(counter)
    paid = []
    for number in range(3):
        token = np.zeros(1, QUOTATION)
        token["amount_rule"] = 1
        token["centre"], token["service"], token["series"] = (
            counter.centre,
            quoted,
            quoted,
        )
        token["amount_due"], token["fetched"] = 800 + number, counter.now + number
        put_bytes(token, "reference", b"CONSUMER 1")
        put_bytes(token, "bill", b"B-%d" % number)
        counter.number += 1
        payment = Payment(
            id=counter.number.to_bytes(16, "big"),
            service=b"QUOTED",
            amount=800 + number,
            reference=b"CONSUMER 1",
            quotation=counter.ledger.seal_quotation(token),
            operator=1,
        )
        [told] = counter.told(payment)
        assert told.result == OK, told
        paid.append(told.sequence)
    counter.rest(how)
    assert found(counter, quoted, b"CONSUMER 1") == paid[::-1]
    for number in range(3):
        assert found(counter, quoted, b"B-%d" % number) == [paid[number]]


def test_what_is_no_reference(counter: Counter) -> None:
    any_ = service(counter, b"ANY")
    for wrong in (b"", b" A", b"x" * 33, b"\xff", b"a\0b"):
        with pytest.raises(ValueError, match="1 to 32"):
            counter.ledger.find_payments(any_, wrong)
    for nobody in (0, any_ + 1, 2**32 - 1):
        with pytest.raises(LookupError):
            counter.ledger.find_payments(nobody, b"A")
    for wrong in (b"", b"x" * 33):
        with pytest.raises(ValueError, match="1 to 32"):
            counter.ledger.find_posts(counter.biller, wrong)


@pytest.mark.parametrize("how", RESTS)
def test_posts_by_their_billers_word(counter: Counter, how: str) -> None:
    words: dict[str, list[int]] = {}
    for number in range(12):
        hold = counter.paid()
        # 32 characters are all that there are; one has none.
        word = f"UTR {number % 5}".ljust(32 if number == 7 else 5, "X")
        word = "" if number == 8 else word
        told = counter.answer(counter.says(hold, text=word))
        words.setdefault(word, []).insert(0, int(told["sequence"][0]))
    held = counter.paid()
    counter.answer(counter.says(held, REJECTED, text="UTR 1"))
    counter.rest(how)
    ledger = counter.ledger
    for word, sequences in words.items():
        if word:
            assert (
                ledger.find_posts(counter.biller, word.encode()).tolist() == sequences
            )
            assert ledger.find_posts(counter.net.billers[1], word.encode()).size == 0
    assert ledger.find_posts(counter.biller, b"UTR").size == 0


def test_what_thousands_share_costs_each_no_more(counter: Counter) -> None:
    # Through a chain of slots these would be a hundred million looks.
    any_ = service(counter, b"ANY")
    rows = [pay_row(counter, any_, b"CASH", 1) for _ in range(8_000)]
    for _ in range(2):
        for row in rows:
            counter.number += 1
            row.id = counter.number.to_bytes(16, "big")
        assert {told.result for told in counter.tell(*rows)} == {OK}
    last = counter.ledger.sequence
    assert found(counter, any_, b"CASH") == [*range(last, last - NEWEST, -1)]
    counter.reopen()
    assert found(counter, any_, b"CASH") == [*range(last, last - NEWEST, -1)]
