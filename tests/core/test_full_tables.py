"""Goal: an operator beyond those that a ledger has room for is refused, and nothing
else is: who is there can be changed.

Method: as many as there may be, and some more, in a ledger with and without its index.
Complaints have a test of their own, `test_full_complaints.py`.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.counter import centre_record, operator_record
from tests.core.full import Full, results

OPERATORS_MAX = 65_535
OVER = 3
"""More than there is room for."""


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Full]:
    made = Full(tmp_path / "ledger")
    yield made
    made.ledger.close()


def test_operators(full: Full) -> None:
    centre, other = full.net.centres[:2]
    codes = full.net.centre_codes[:2]
    assert results(full.register([centre_record(one, signs_on=1) for one in codes]), 2)
    keys = [os.urandom(32) for _ in range(OPERATORS_MAX + OVER)]
    tails = [operator_record(centre, at, key) for at, key in enumerate(keys, 1)]
    assert results(full.register(tails), OPERATORS_MAX)
    for _ in range(2):
        # A new number is refused at whatever centre; nobody is lost by it.
        assert full.ledger.find_operator(centre, OPERATORS_MAX + 1) == 0
        assert full.ledger.find_operator(centre, OPERATORS_MAX) > 0
        assert results(full.register([operator_record(other, 1, os.urandom(32))]), 0)
        # Who is there gets another key, and is switched off.
        changed = [operator_record(centre, 7, os.urandom(32), at) for at in (1, 0)]
        assert results(full.register(changed), 2)
        full.reopen()
