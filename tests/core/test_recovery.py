"""Goal: what the core does of a recovery is what the data model says.

Method: the stories by hand of tests/test_model_recovery.py are told to the core and the
model side by side, read again in the end, from a new index, and audited. Each rule is
taken out.
"""

from collections.abc import Iterator

import pytest

from switch._core import ASSERTS
from switch.audit import audit
from tests import test_model_recovery as told
from tests.core.pair import Pair
from tests.test_model_people import ALPHA, DAY_NS, NOON, SUSPENSE, freeze
from tests.test_model_recovery import Recovering

globals().update(
    {name: story for name, story in vars(told).items() if name.startswith("test_")}
)
"""Each story is told here with these fixtures."""


@pytest.fixture
def bare(empty: Pair) -> Iterator[Recovering]:
    """Nothing is there yet; in the end all of it is read, from a new index, too."""
    yield Recovering(empty.model, empty.commit, NOON)
    empty.reopen(without_index=True)
    empty.compare_all(range(1, len(empty.model.rows) + 1))
    assert audit(empty.path).findings.kept == []


@pytest.fixture
def office(bare: Recovering) -> Recovering:
    bare.open()
    return bare


@pytest.mark.parametrize("without_index", [False, True])
def test_a_new_start_knows_that_the_treasury_has_acted(
    empty: Pair, *, without_index: bool
) -> None:
    office = Recovering(empty.model, empty.commit, NOON)
    office.open()
    ended = office.begun()
    office.acts()
    open_ = office.begun(office.new(told.NEWER, 22))
    for _ in range(20):
        assert office.propose(ALPHA, freeze(SUSPENSE))
    empty.reopen(without_index=without_index)
    office.wait(open_, 30 * DAY_NS)
    assert office.done(ended) == [told.NOT_APPROVED]
    assert office.done(open_) == [told.OK]


PLANTS = {
    "recoveries_wait": lambda office: told.test_it_waits_for_thirty_days(office, 1),
    "recoveries_end": told.test_any_approval_of_something_newer_ends_it,
    "recoverers_stay": told.test_one_person_does_not_stop_a_recoverer,
}


@pytest.mark.skipif(not ASSERTS, reason="only the assert build leaves rules out")
@pytest.mark.parametrize("plant", PLANTS)
def test_a_rule_that_is_left_out_is_found(
    empty: Pair, monkeypatch: pytest.MonkeyPatch, plant: str
) -> None:
    office = Recovering(empty.model, empty.commit, NOON)
    office.open()
    monkeypatch.setenv("PLANT", plant)
    with pytest.raises(AssertionError):
        PLANTS[plant](office)
