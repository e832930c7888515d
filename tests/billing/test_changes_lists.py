"""Goal: what a list of a day gives back obeys the rules of the moment it is done,
whatever became of the day's payments and of the margin meanwhile.

Method: random walks (`changes_lists.py`) with a book of their own; also with one rule
taken out at a time: a walk must find each.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from switch.billing import day_list, not_listed
from switch.billing.lacks import Lacks
from switch.register.margins import BillerMargins, Numbers
from tests.billing.changes_lists import ListsWalk
from tests.core.changes import WrongError
from tests.longer import SEED, TIMES, quarter

STEPS = quarter(1_000)
WALKS = 1 if TIMES == 1 else 5 * TIMES
met: Counter[tuple[str, str]] = Counter()
"""What was tried in all walks, and what came of it."""
MET = (
    ("dispute", "left"),
    ("kept", "given back by a list"),
    ("late", "given back by a list"),
    ("list", "lacks too much"),
    ("list", "let through"),
    ("list", "small"),
    ("start", "asked"),
)


@pytest.mark.parametrize("number", range(WALKS))
def test_lists_obey_the_rules_of_their_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    walk = ListsWalk(tmp_path / "ledger", SEED * WALKS + number, monkeypatch)
    walk.steps(STEPS)
    walk.close()
    met.update(walk.met)


def test_all_was_met() -> None:
    assert [what for what in MET if not met[what]] == []


def _any_list(*_: object) -> None:
    """No list lacks too much."""


def _nothing(heads: Any, *_: object) -> Any:
    """None of these."""
    return np.zeros(len(heads), np.bool_)


def _not_by_a_list(*_: object) -> bool:
    """No list has given anything back."""
    return False


def _by_its_hash(lacks: Lacks, said: str) -> bool:
    """A list that was let through once may lack anything."""
    return said.split()[:2] == lacks.let_through.split()[:2]


def _newest(margins: BillerMargins, holds: Numbers, _: int) -> Numbers:
    """The margin of now, for whatever was held before."""
    return np.full(len(holds), margins.margins_ns[-1], np.uint64)


PLANTS: dict[str, tuple[object, str, Callable[..., Any]]] = {
    "lists_lack_little": (day_list, "lacks_of", _any_list),
    "lists_lack_what_is_undecided": (not_listed, "are_undecided", _nothing),
    "lists_lack_what_lists_took": (not_listed, "is_rejected_by_list", _not_by_a_list),
    "lists_leave_what_is_disputed": (day_list, "are_disputed", _nothing),
    "let_through_is_counted": (Lacks, "is_let_through", _by_its_hash),
    "margins_are_of_their_time": (BillerMargins, "at", _newest),
}
"""Each rule, where it stands, and what takes it out."""


@pytest.mark.parametrize("plant", PLANTS)
def test_a_rule_that_is_left_out_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plant: str
) -> None:
    walk = ListsWalk(tmp_path / "ledger", 0, monkeypatch)
    place, name, left_out = PLANTS[plant]
    monkeypatch.setattr(place, name, left_out)
    with pytest.raises(WrongError):
        walk.steps(5 * STEPS)
    print(f"{plant}: {walk.wrong}")
    walk.close()
