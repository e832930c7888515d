"""Goal: what the core asks of who may approve is what the data model says.

Method: the stories by hand of tests/test_model_approvers.py are told to the core and
the model side by side, and read again from a new index in the end.
"""

from collections.abc import Iterator

import pytest

from switch._core import ASSERTS
from tests import test_model_approvers as told
from tests.core.pair import Pair
from tests.test_model_approvers import Approvers
from tests.test_model_people import NOON

globals().update(
    {name: story for name, story in vars(told).items() if name.startswith("test_")}
)
"""Each story is told here with these fixtures."""


@pytest.fixture
def bare(empty: Pair) -> Iterator[Approvers]:
    """Nothing is there yet; in the end all of it is read, from a new index, too."""
    yield Approvers(empty.model, empty.commit, NOON)
    empty.reopen(without_index=True)
    empty.compare_all(range(1, len(empty.model.rows) + 1))


@pytest.fixture
def office(bare: Approvers) -> Approvers:
    bare.open()
    return bare


@pytest.mark.skipif(not ASSERTS, reason="only the assert build leaves rules out")
@pytest.mark.parametrize("plant", ["approvers_wait", "approvers_widen_by_three"])
def test_a_rule_that_is_left_out_is_found(
    empty: Pair, monkeypatch: pytest.MonkeyPatch, plant: str
) -> None:
    approvers = Approvers(empty.model, empty.commit, NOON)
    approvers.open()
    monkeypatch.setenv("PLANT", plant)
    with pytest.raises(AssertionError):
        told.test_two_want_it_and_it_waits(approvers, told.a_new_one)
