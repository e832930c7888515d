"""Goal: an opening reads of the index's runs the fences of those that are whole, and
nothing else: it takes as long in the middle of the largest merge as beside none.

Method: a ledger is left in the middle of a merge, with runs to be deleted. In copies
everything that need not be read is noise; they open all the same. That it is needed
afterwards, and that fences are needed at once, shows that it was the right noise.
"""

import shutil
from pathlib import Path
from typing import Any

import pytest

from switch._core import Ledger
from switch.errors import IndexDamagedError
from tests.core.index_lists import Lists, spoil_unread, write_steps
from tests.core.network import NOW, make_network
from tests.core.pair import rows_request
from tests.core.test_concurrency import transfers
from tests.core.test_segments import tables

FANOUT = 8
STEP_ROWS = 4_096
"""Eight runs of so many entries are more than one part of a run."""
OPTIONS: dict[str, Any] = {
    "threads": False,
    "index_step_rows": STEP_ROWS,
    "map_size": 1 << 30,
    "reserve_size": 0,
}


def lists(path: Path) -> Lists:
    return Lists(tables(path, "meta")[b"index"])


@pytest.fixture(scope="module")
def half_merged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger in the middle of a merge, with runs that one before has left."""
    path = tmp_path_factory.mktemp("half") / "ledger"
    network = make_network()
    with Ledger(str(path), **OPTIONS) as ledger:
        number = write_steps(ledger, network, 2 * FANOUT, STEP_ROWS)
        ledger.commit([rows_request(transfers(network, number, STEP_ROWS))], NOW)
        while not len(lists(path).merges):
            assert ledger.index_unit()
    assert len(lists(path).retired)
    return path


def runs_of(ledger: Ledger) -> list[Any]:
    """Of each map and level."""
    info = ledger.info()
    return [info[name] for name in ("ids_runs", "claims_runs", "links_runs")]


def go_on(ledger: Ledger) -> None:
    while ledger.index_unit():
        pass


def copy(half_merged: Path, tmp_path: Path) -> Path:
    path = tmp_path / "ledger"
    shutil.copytree(half_merged, path)
    return path


def test_what_is_half_made_is_not_read_at_opening(
    half_merged: Path, tmp_path: Path
) -> None:
    path = copy(half_merged, tmp_path)
    with Ledger(str(half_merged), **OPTIONS) as ledger:
        runs = runs_of(ledger)
    half, others = spoil_unread(path)
    assert half > 0
    assert others > FANOUT
    with Ledger(str(path), create=False, **OPTIONS) as ledger:
        assert runs_of(ledger) == runs
        # The merge goes on, and needs now what it has made.
        with pytest.raises(IndexDamagedError):
            go_on(ledger)


def test_it_goes_on_from_the_middle(half_merged: Path, tmp_path: Path) -> None:
    path = copy(half_merged, tmp_path)
    with Ledger(str(path), create=False, **OPTIONS) as ledger:
        go_on(ledger)
        assert ledger.info()["ids_runs"][1] == 2
    assert not len(lists(path).merges)


def test_the_fences_of_a_whole_run_are_read_at_opening(
    half_merged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else noise anywhere would do no harm."""
    path = copy(half_merged, tmp_path)
    monkeypatch.setattr("tests.core.index_lists.PART_BLOCK", 1 << 32)
    spoil_unread(path)
    with pytest.raises(IndexDamagedError):
        Ledger(str(path), create=False, **OPTIONS)
