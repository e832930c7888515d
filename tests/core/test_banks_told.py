"""Goal: what the core does about banks is what the data model says.

Method: the stories by hand of tests/test_model_banks.py, test_model_items.py and
test_model_cut_offs.py are told to the core and the model side by side.
"""

from collections.abc import Iterator

import pytest

from switch.codes import Result, Role
from tests import (
    test_model_banks,
    test_model_cut_offs,
    test_model_items,
)
from tests.banking import OK, Desk, credit
from tests.core.pair import Pair
from tests.test_model_people import NOON

globals().update(
    {
        name: story
        for told in (
            test_model_banks,
            test_model_items,
            test_model_cut_offs,
        )
        for name, story in vars(told).items()
        if name.startswith("test_")
    }
)
"""Each story is told here with these fixtures."""


@pytest.fixture
def bare(empty: Pair) -> Iterator[Desk]:
    """Nothing is there yet; in the end all of it is read, from a new index, too."""
    yield Desk(empty.model, empty.commit, NOON)
    empty.reopen(without_index=True)
    empty.compare_all(range(1, len(empty.model.rows) + 1))


@pytest.fixture
def desk(bare: Desk) -> Desk:
    bare.open()
    return bare


def test_refusals_of_what_a_bank_contradicts_have_a_bound(
    empty: Pair, desk: Desk
) -> None:
    assert desk.told(credit(700)) == [OK]
    empty.limit_refusals(Role.TREASURY, 1, 16)
    other = [credit(701 + number) for number in range(18)]
    told = desk.told(*other, credit(700))
    refused = [Result.BOOKED_DIFFERS] * 16 + [Result.TOO_MANY_REFUSALS] * 2
    assert told == [*refused, Result.ALREADY_BOOKED]
    told = desk.told(credit(700), credit(800), credit(801), credit(802))
    assert told == [
        Result.ALREADY_BOOKED,
        Result.BOOKED_DIFFERS,
        Result.BOOKED_DIFFERS,
        Result.TOO_MANY_REFUSALS,
    ]
