"""Goal: who follows the register knows each participant's budgets and keys as they are.

Method: rows of a ledger are committed and taken in, one by one; what is told is looked
at beside what was said.
"""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from switch._core import Ledger
from switch.codes import Budget, Kind, Result, Role
from switch.register.register import Register
from tests.core.network import NOW
from tests.core.pair import rows_request
from tests.records import ParticipantRecord, Row, budget, pins

PEOPLE = 3
KEY, NEXT = b"\x22" * 32, b"\x33" * 32
CALLS, BYTES = Budget.CALLS, Budget.BYTES

_ids = count(1)


@pytest.fixture
def register(tmp_path: Path) -> Iterator[Register]:
    """Some people of the treasury, of whom the first says everything."""
    ledger = Ledger(
        str(tmp_path / "ledger"), threads=False, map_size=1 << 30, reserve_size=0
    )
    for number in range(PEOPLE):
        record = ParticipantRecord(b"person-%d" % number, Role.TREASURY)
        record.may_state_dues = record.never_credits_late = 0
        say(ledger, record.pack(), 0)
    yield Register(ledger)
    ledger.close()


def say(ledger: Ledger, tail: bytes, sender: int = 1) -> None:
    row = Row(Kind.REGISTER, id=next(_ids).to_bytes(16, "big"), tail=tail)
    row.participant = sender
    told: Any = ledger.commit([rows_request([row])], NOW)[0]
    assert told["result"].tolist() == [Result.OK]


def test_budgets_are_those_that_are_set(register: Register) -> None:
    told: list[dict[Budget, int]] = []
    register.listen(lambda: told.append(dict(register.budgets_of(2))))
    assert register.budgets_of(2) == {}
    for which, value in ((CALLS, 7), (BYTES, 1 << 20), (CALLS, 9), (BYTES, 0)):
        say(register.ledger, budget(2, which, value))
        assert register.refresh()
    assert told == [
        {CALLS: 7},
        {CALLS: 7, BYTES: 1 << 20},
        {CALLS: 9, BYTES: 1 << 20},
        {CALLS: 9},
    ]
    assert not register.refresh()
    assert register.budgets_of(1) == register.budgets_of(99) == {}
    # So it is for who comes later.
    assert Register(register.ledger).budgets_of(2) == {CALLS: 9}


def test_what_somebody_holds_does_not_change(register: Register) -> None:
    say(register.ledger, budget(2, CALLS, 7))
    register.refresh()
    held = register.budgets_of(2)
    say(register.ledger, budget(2, CALLS, 0))
    register.refresh()
    assert (held, register.budgets_of(2)) == ({CALLS: 7}, {})


def test_budgets_are_listed_from_a_place_on(register: Register) -> None:
    for whose, value in ((1, 5), (2, 6), (3, 7), (2, 0), (1, 8)):
        say(register.ledger, budget(whose, CALLS, value), sender=whose)
    register.refresh()
    listed = register.overrides_after(0, 10)
    shown = [(one.index, one.participant, one.value, one.set_by) for one in listed]
    assert shown == [(1, 1, 8, 1), (3, 3, 7, 3)]
    for one in listed:
        row = register.ledger.row(one.sequence)
        assert (row.participant, row.timestamp) == (one.set_by, one.time_ns)
    assert register.overrides_after(0, 1) == listed[:1]
    assert register.overrides_after(1, 10) == listed[1:]
    assert register.overrides_after(3, 10) == []


def test_keys_are_listed_from_a_place_on(register: Register) -> None:
    for whose, keys in ((1, (KEY,)), (2, (KEY, NEXT)), (3, (NEXT,)), (1, ())):
        say(register.ledger, pins(whose, *keys), sender=whose)
    register.refresh()
    listed = register.pins_after(0, 10)
    shown = [(one.index, one.participant, one.keys, one.pinned_by) for one in listed]
    assert shown == [(2, 2, (KEY, NEXT), 2), (3, 3, (NEXT,), 3)]
    assert register.pins_after(2, 1) == listed[1:]
    assert register.pins(1) == ()
    assert register.pins(2) == (KEY, NEXT)
