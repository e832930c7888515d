"""Goal: a list of what is open is the same after a read error as without one.

Method: a real ledger with payments, cases, proposals and refunds, read through a ledger
whose n-th read fails once, for each n.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from switch._core import Ledger
from switch.codes import Kind
from switch.ids import new_id
from switch.ledger import moves
from switch.ledger.open_matters import OpenMatters
from tests.ledger.office import AMOUNT, DEADLINE_S, Office, offices


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    yield from offices(tmp_path)


class FailsOnce:
    """A ledger whose read number `failing` of single rows fails."""

    def __init__(self, ledger: Ledger, failing: int) -> None:
        self._ledger, self._failing = ledger, failing
        self.reads = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._ledger, name)
        if name not in ("account", "resolution", "row", "tail", "tails"):
            return found

        def read(*args: Any) -> Any:
            self.reads += 1
            if self.reads == self._failing:
                raise OSError(5, "Input/output error")
            return found(*args)

        return read


def fill(office: Office) -> None:
    """Refunds that are proposed, approved, withdrawn and done, and late words."""
    services = "KEEPS", "KEEPS", "LAPSES", "KEEPS", "KEEPS"
    holds = [office.pay(service)[0] for service in services]
    for hold in holds[:2]:
        office.confirm(hold)
    posts = [office.ledger.resolution(hold)[0] for hold in holds[:2]]
    office.propose(Kind.REFUND, posts[0], 3)
    done = office.propose(Kind.REFUND, posts[0], 2)
    office.approve(done)
    office.approve(office.propose(Kind.REFUND, posts[1], AMOUNT))
    withdrawn = office.propose(Kind.REFUND, posts[1], 1)
    office.do(moves.withdraw(new_id(), withdrawn, "not so", sender=office.second))
    office.do(moves.approved_refund(office.row(done), checker=office.second))
    office.pass_s(DEADLINE_S + 1)
    office.confirm(holds[2])
    # Late words of what was confirmed, and other amounts of what is open.
    for hold in holds[:2]:
        office.reject(hold)
    for hold in holds[3:]:
        office.confirm(hold, AMOUNT + 1)


def told(matters: OpenMatters, now_ns: int) -> tuple[Any, ...]:
    found, kept, unverified = matters.collect()
    return (
        sorted(found),
        kept.tolist(),
        unverified.tolist(),
        matters.proposals(unanswered_only=True, now_ns=now_ns).tolist(),
        matters.proposals(unanswered_only=False).tolist(),
        matters.bank_items(),
    )


def test_what_is_open_is_told_alike_after_a_read_error(office: Office) -> None:
    fill(office)
    counted = FailsOnce(office.ledger, 0)
    matters = OpenMatters(cast("Ledger", counted))
    matters.read_on()
    reads, wanted = counted.reads, told(matters, office.now_ns)
    assert reads > 3
    assert wanted[0]
    for failing in range(1, reads + 1):
        matters = OpenMatters(cast("Ledger", FailsOnce(office.ledger, failing)))
        with pytest.raises(OSError, match="Input/output"):
            matters.read_on()
        matters.read_on()
        assert told(matters, office.now_ns) == wanted, f"read {failing} failed"
