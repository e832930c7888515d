"""Goal: what the core does about operators, complaints and bills that are put in is
what the data model says.

Method: the stories by hand of tests/test_model_operators.py and
test_model_complaints.py are told to the core and the model side by side.
"""

from collections.abc import Iterator

import pytest

from tests import test_model_complaints, test_model_operators
from tests.core.pair import Pair
from tests.counters import NOON, Counter
from tests.office import Office
from tests.test_model_operators import begin

OF_THE_MODEL = {
    # These change what it holds.
    "test_so_many_operators_there_are",
    "test_so_many_complaints_there_are",
    "test_it_is_asked_before_what_waits_and_what_is_believed",
}

globals().update(
    {
        name: story
        for told in (test_model_operators, test_model_complaints)
        for name, story in vars(told).items()
        if name.startswith("test_") and name not in OF_THE_MODEL
    }
)
"""Each story is told here with these fixtures."""


@pytest.fixture
def counter(empty: Pair) -> Iterator[Counter]:
    """All of it is read in the end."""
    yield Counter(empty.model, empty.commit)
    empty.compare_all(range(1, len(empty.model.rows) + 1))


@pytest.fixture
def bare(empty: Pair) -> Iterator[Office]:
    """Nothing is there yet; in the end it is read from a new index, too."""
    yield Office(empty.model, empty.commit, NOON)
    empty.reopen(without_index=True)
    empty.compare_all(range(1, len(empty.model.rows) + 1))


@pytest.fixture
def office(bare: Office) -> Office:
    return begin(bare)
