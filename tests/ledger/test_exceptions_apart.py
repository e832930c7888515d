"""Goal: nothing leaves the list of exceptions but by what ends it: not by another
reader, and not by a row that only looks like a deed.

Method: two readers at the worst moment of each other, rows with ids that were made up.
"""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from switch._core import Ledger
from switch.codes import Kind
from switch.ids import ID_SIZE, new_id
from switch.ledger import moves
from switch.ledger.exceptions import Exceptions, Wanted
from switch.ledger.moves import refund_id
from switch.ledger.open_matters import ExceptionKind as E
from tests.damage import damage_row
from tests.ledger.office import AMOUNT, DEADLINE_S, Office, offices


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    yield from offices(tmp_path)


class Interrupted:
    """A ledger that does something after it was asked once for what is kept."""

    def __init__(self, ledger: Ledger, then: Callable[[], None]) -> None:
        self._ledger, self._then = ledger, [then]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    def kept(self) -> Any:
        found = self._ledger.kept()
        while self._then:
            self._then.pop()()
        return found


def kinds(exceptions: Exceptions, office: Office) -> list[E]:
    items = exceptions.find(Wanted(), office.now_ns).items
    return [E(int(kind)) for kind in items["kind"]]


def test_what_comes_between_two_readers_stays_listed(office: Office) -> None:
    [hold] = office.pay()
    readers: list[threading.Thread] = []

    def meanwhile() -> None:
        office.confirm(hold, AMOUNT - 1)
        other = threading.Thread(target=kinds, args=(exceptions, office))
        other.start()
        readers.append(other)
        other.join(1)

    ledger: Any = Interrupted(office.ledger, meanwhile)
    exceptions = Exceptions(ledger)
    kinds(exceptions, office)
    readers[0].join()
    assert kinds(exceptions, office) == [E.AMOUNT_DIFFERS]


def test_an_approval_with_the_id_of_a_deed_is_none(office: Office) -> None:
    """It is another request's, and the refund is owed still."""
    [hold] = office.pay()
    posted = int(office.confirm(hold)["sequence"])
    asked = office.propose(Kind.REFUND, posted)
    office.approve(asked)
    exceptions = Exceptions(office.ledger)
    assert kinds(exceptions, office) == [E.OWED]
    deed = refund_id(office.row(asked).id)
    other = office.propose(Kind.REFUND, posted)
    office.do(moves.approve(deed, other, sender=office.second))
    assert kinds(exceptions, office) == [E.OWED, E.OWED]


def test_what_was_approved_before_a_late_confirmation_is_not_owed(
    office: Office,
) -> None:
    [hold] = office.pay("LAPSES")
    office.pass_s(DEADLINE_S + 1)
    exceptions = Exceptions(office.ledger)
    row = office.row(hold)
    asked = office.do(
        moves.propose_verify(new_id(), row, "none", sender=office.treasury)
    )
    office.approve(asked)
    assert kinds(exceptions, office) == [E.UNVERIFIED, E.OWED]
    office.confirm(hold)
    # It cannot be done any more, whoever sends it: somebody has to ask anew.
    assert kinds(exceptions, office) == [E.LATE_CONFIRMATION]
    assert kinds(Exceptions(office.ledger), office) == [E.LATE_CONFIRMATION]


def test_a_case_stays_listed_when_the_post_that_it_is_about_is_damaged(
    office: Office,
) -> None:
    [hold] = office.pay()
    posted = int(office.confirm(hold)["sequence"])
    office.confirm(hold, AMOUNT - 1)
    damage_row(office.path, bytes(ID_SIZE) + posted.to_bytes(8, "little"))
    assert kinds(Exceptions(office.ledger), office) == [E.AMOUNT_DIFFERS]
