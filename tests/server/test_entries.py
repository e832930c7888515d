"""Goal: a damaged row costs the list of exceptions no more than itself.

Method: payments of bills in one chunk, in the test's process; a row among them is
damaged in the file, and entries are asked for as the list does it and as pages do.
"""

from pathlib import Path

import pytest

from server import convert
from switch._core import ROW, Request
from switch.codes import RowFlag
from switch.errors import CorruptionError
from switch.ids import new_id
from switch.v1 import payments_pb2 as pb
from tests.counter.counter_story import Counter
from tests.damage import damage_row

FIELDS = ROW.fields
assert FIELDS is not None
TAIL_BIT = 8 * FIELDS["flags"][1] + RowFlag.TAIL.bit_length() - 1
"""Says whether a row has an item."""


def held_together(counter: Counter, count: int) -> int:
    """So many bills that are held, in one chunk; the sequence of the first."""
    payments = [
        pb.Payment(
            id=new_id(),
            service="BILLED",
            amount=100 + at,
            reference=f"CONSUMER-{at}",
            note="for two",
            quotation=counter.fetched(
                "BILLED", f"CONSUMER-{at}", 100 + at, bill=f"B-{at}"
            ),
        )
        for at in range(count)
    ]
    body = pb.CreatePaymentsRequest(payments=payments).SerializeToString()
    counter.now += 1
    request = Request.payments(body, counter.centre, counter.centre)
    [reply] = counter.ledger.commit([request], counter.now)
    assert isinstance(reply, bytes)
    outcomes = pb.CreatePaymentsResponse.FromString(reply).outcomes
    assert {one.state for one in outcomes} == {pb.PAYMENT_STATE_HELD}
    return outcomes[0].sequence


def test_what_lies_behind_a_damaged_row(tmp_path: Path) -> None:
    counter = Counter(tmp_path)
    ledger, register = counter.ledger, counter.register
    first = held_together(counter, 3)
    rows = [ledger.row(first + at) for at in range(3)]
    whole = convert.entries(rows, ledger, register)
    assert [one.citizen_reference for one in whole] == [
        *("CONSUMER-0", "CONSUMER-1"),
        "CONSUMER-2",
    ]
    assert convert.entries(rows, ledger, register, around_damage=True) == whole
    start = ledger.rows(first + 1, 1).tobytes()[:32]
    damage_row(tmp_path, start)
    # An item says itself whose it is: the way to it needs no more than flags of rows.
    assert convert.entries([rows[2]], ledger, register) == whole[2:]
    damage_row(tmp_path, start, TAIL_BIT)
    # Now the way is lost.
    with pytest.raises(CorruptionError):
        convert.entries([rows[2]], ledger, register)
    listed = convert.entries([rows[0], rows[2]], ledger, register, around_damage=True)
    assert listed[0] == whole[0]
    assert (listed[1].sequence, listed[1].reference) == (first + 2, "B-2")
    assert (listed[1].citizen_reference, listed[1].note) == ("", "")
    ledger.close()
