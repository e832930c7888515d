"""Goal: a complaint beyond those that a ledger has room for is refused, and nothing
else is: those that are there go on, and their payments stay as they are.

Method: a million payments with a complaint each, and some more; for `make torture`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from switch.codes import Kind, Step
from tests.core.full import Full, results
from tests.longer import TIMES

COMPLAINTS_MAX = 1_048_575
OVER = 3
"""More than there is room for."""

pytestmark = pytest.mark.skipif(TIMES == 1, reason="two million rows: make torture")


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Full]:
    made = Full(tmp_path / "ledger")
    yield made
    made.ledger.close()


def test_complaints(full: Full) -> None:
    most = COMPLAINTS_MAX + OVER
    payments = full.pay(most)
    told = full.complain(payments)
    assert results(told, COMPLAINTS_MAX)
    for at in range(2):
        assert results(full.complain(payments[-1:]), 0)
        # One of those that are there goes on to its end.
        reply = full.rows(Kind.REPLY, 1, full.net.treasury)
        reply["resolves"] = told["sequence"][at]
        reply["total"] = Step.CLOSED
        assert results(full.commit(reply), 1)
        # Its payment may be complained about again, where there is room.
        assert results(full.complain(payments[at : at + 1]), 0)
        full.reopen()
