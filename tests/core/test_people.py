"""Goal: what the core does in a ledger with people is what the data model says.

Method: the stories by hand of tests/test_model_people.py are told to the core and the
model side by side; then what only disagreement has shown, each as its smallest case.
"""

from collections.abc import Iterator

import pytest

from switch.codes import Result
from tests import test_model_people as told
from tests.core.pair import Pair
from tests.test_model_people import ALPHA, BETA, GAMMA, NOON, Treasury, top_up

globals().update(
    {name: story for name, story in vars(told).items() if name.startswith("test_")}
)
"""Each story is told here with these fixtures."""


@pytest.fixture
def bare(empty: Pair) -> Iterator[Treasury]:
    """Nothing is there yet; in the end all of it is read, from a new index, too."""
    yield Treasury(empty.model, empty.commit, NOON)
    empty.reopen(without_index=True)
    empty.compare_all(range(1, len(empty.model.rows) + 1))


@pytest.fixture
def office(bare: Treasury) -> Treasury:
    bare.open()
    return bare


def test_nobody_approves_an_approval(office: Treasury) -> None:
    asked = office.propose(GAMMA, top_up(5))
    sequence = office.approve(asked, ALPHA).sequence
    approval = office.approval(sequence, BETA)
    assert office.result(approval) == Result.PROPOSAL_NOT_FOUND
