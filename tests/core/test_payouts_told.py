"""Goal: what the core does about payouts, debts, openings and recalls is what the data
model says.

Method: the stories by hand of tests/test_model_payouts.py and test_model_recalls.py are
told to the core and the model side by side.
"""

from collections.abc import Iterator

import pytest

from tests import test_model_payouts, test_model_recalls
from tests.banking import Desk
from tests.core.pair import Pair
from tests.test_model_payouts import begin
from tests.test_model_people import NOON

globals().update(
    {
        name: story
        for told in (test_model_payouts, test_model_recalls)
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
    """The desk, and a biller."""
    return begin(bare)
