"""Goal: of each file of bills that is put in the ledger keeps what it was, of the
service whose biller has put it in, each behind the one before.

Method: by hand, each refusal in its order and each record that is none; opened again
with the index and without.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from switch.codes import BillsForm, Field, Kind, Result
from switch.ledger.bills_put import (
    Bills,
    hash_bills,
    newest_bills,
    put_bills,
    read_bills,
)
from tests.core.counter import RESTS, Counter, bills_record, quoted_service
from tests.records import Outcome

OK, FOLLOWED = Result.OK, Result.ALREADY_FOLLOWED
INVALID = Result.INVALID_RECORD


@pytest.fixture
def counter(tmp_path: Path) -> Iterator[Counter]:
    """A biller whose bills are fetched, or put in."""
    made = Counter(tmp_path / "ledger")
    yield made
    made.ledger.close()


def put(counter: Counter, service: int, after: int = 0, **given: Any) -> Outcome:
    """A file of the desk's biller."""
    wanted = {"participant": counter.biller, "tail": bills_record(), **given}
    return counter.one(Kind.BILLS, service=service, resolves=after, **wanted)


def test_one_is_asked_in_this_order(counter: Counter) -> None:
    service = quoted_service(counter)
    for unknown in (0, service + 1, 65_535):
        told = put(counter, unknown)
        assert (told.result, told.index) == (Result.SERVICE_UNKNOWN, 0)
        # What was asked for stays in the row.
        assert counter.ledger.row(told.sequence).service == unknown
    net = counter.net
    for other in (net.billers[1], net.treasury, net.centres[0]):
        told = put(counter, service, participant=other)
        assert told.result == Result.SERVICE_UNKNOWN
    light = len(net.services) - 1
    assert put(counter, light, 99).result == Result.RULE_FIXED
    told = put(counter, service, 99)
    assert (told.result, told.other) == (FOLLOWED, 0)
    assert put(counter, service).result == OK


@pytest.mark.parametrize("how", RESTS)
def test_each_comes_behind_the_one_before(counter: Counter, how: str) -> None:
    service = quoted_service(counter)
    other = quoted_service(counter, b"ANOTHER")
    newest = 0
    for number in range(20):
        told = put(counter, service, newest)
        assert told.result == OK
        again = put(counter, service, newest)
        assert (again.result, again.other) == (FOLLOWED, told.sequence)
        newest = told.sequence
        if number % 5 == 0:
            counter.rest(how)
        assert counter.ledger.bills(service) == newest
    assert counter.ledger.bills(other) == 0
    first = put(counter, other)
    assert first.result == OK
    assert counter.ledger.bills(other) == first.sequence
    assert counter.ledger.bills(service) == newest


def test_whoever_asks_again_has_the_answer(counter: Counter) -> None:
    service = quoted_service(counter)
    other = quoted_service(counter, b"ANOTHER")
    given: dict[str, Any] = {"id": b"f" * 16}
    first = put(counter, service, **given)
    again = put(counter, service, **given)
    assert (again.result, again.repeat, again.sequence) == (OK, 1, first.sequence)
    for field, changed in (
        (Field.SERVICE, put(counter, other, **given)),
        (Field.SERVICE, put(counter, 0, **given)),
        (Field.RESOLVES, put(counter, service, 1, **given)),
        (
            Field.REFERENCE,
            put(counter, service, tail=bills_record(lines=4), **given),
        ),
        (Field.OPERATOR, put(counter, service, operator_=1, **given)),
    ):
        assert (changed.result, changed.field) == (Result.ID_REUSED, field)
    # Also of one that was refused, for a service that is not there.
    given = {"id": b"g" * 16}
    put(counter, 65_535, **given)
    assert put(counter, 65_535, **given).repeat == 1
    assert put(counter, 65_534, **given).field == Field.SERVICE


GOOD = [
    bills_record(1, 0, 0),
    bills_record(1, 1, 0),
    bills_record(2, 1 << 20, 10**18),
    bills_record(3, 1, 0),
    bills_record(3, 1 << 20, 0) + b'{"file":"a.csv"}',
    bills_record(hash_=bytes(32)),
    bills_record(4, 1, 0),
    bills_record(4, 1 << 20, 10**18),
]
WRONG = [
    bills_record()[:63],
    bills_record(0),
    bills_record(5),
    bills_record(4, 0, 0),
    bills_record(2, 0, 0),
    bills_record(3, 0, 0),
    bills_record(1, 0, 1),
    bills_record(3, 1, 1),
    bills_record(1, (1 << 20) + 1),
    bills_record(1, 1, 10**18 + 1),
    bills_record()[:3] + b"\1" + bills_record()[4:],
    bills_record()[:48] + b"\1" + bills_record()[49:],
    bills_record()[:63] + b"\1",
]


def test_what_a_record_may_say(counter: Counter) -> None:
    service = quoted_service(counter)
    newest = 0
    for tail in GOOD:
        told = put(counter, service, newest, tail=tail)
        assert told.result == OK, tail
        newest = told.sequence
        assert counter.ledger.tail(newest) == tail
    before = counter.ledger.sequence
    for tail in WRONG:
        assert put(counter, service, newest, tail=tail).result == INVALID, tail
    assert put(counter, service, newest, tail=None).result == INVALID
    for given in ({"amount": 1}, {"debit": 1}, {"credit": 1}, {"deadline": 1}):
        told = put(counter, service, newest, **given)
        assert told.result != OK
        assert told.sequence == 0
    assert counter.ledger.sequence == before


def test_what_python_makes_of_one(counter: Counter) -> None:
    service = quoted_service(counter)
    said = Bills(BillsForm.DELTA, 2, 700, hash_bills(b"A,300\nB,400\n"))
    assert newest_bills(counter.ledger, service) == (0, None)
    made = put_bills(b"p" * 16, service, 0, said, b'{"n":1}', sender=counter.biller)
    [told] = counter.ask(made.request())
    assert int(told["result"][0]) == OK  # type: ignore[call-overload]
    assert newest_bills(counter.ledger, service) == (counter.ledger.sequence, said)
    assert read_bills(bills_record()).hash == b"\x11" * 32
