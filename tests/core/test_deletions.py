"""Goal: what is merged away is deleted a little in each step, however much there is,
and is gone when the next comes.

Method: a ledger grows by small steps until runs of more values than a step may delete
are merged away, eight at a time. Between two steps the index's own table says how much
of each is left. The ledger is opened again and again, also in the middle of a run.
"""

import contextlib
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from switch._core import Ledger
from switch.codes import Result
from tests.core.network import NOW, Network, make_network
from tests.core.pair import rows_request
from tests.core.test_concurrency import transfers
from tests.core.test_full_steps import SECRET, commit_network, make_bills_network, pay
from tests.core.test_segments import tables

FANOUT = 8
"""Runs that merge into one."""
BLOCK, PART = 16 * 255, 7 * 16 * 255
"""Entries of a run that share a value, and that share a piece of its filter."""

RETIRED = np.dtype(
    [
        ("id", "<u8"),
        ("blocks", "<u4"),
        ("parts", "<u4"),
        ("deleted", "<u4"),
        ("map", "<u2"),
        ("level", "<u2"),
    ]
)


class Retired(NamedTuple):
    """How a run that was merged away stands."""

    place: tuple[int, int]
    """Its map and level."""
    values: int
    deleted: int


def values_of(entries: int) -> int:
    """Values of a run."""
    return -(-entries // BLOCK) + -(-entries // PART)


def retired(path: Path) -> dict[int, Retired]:
    """By the run's number."""
    meta = tables(path, "meta")[b"index"]
    runs, merges, count = np.frombuffer(meta, "<u4", 3, 220).tolist()
    found = np.frombuffer(meta, RETIRED, count, 256 + 56 * runs + 88 * merges)
    return {
        id_: Retired((map_, level), blocks + parts, deleted)
        for id_, blocks, parts, deleted, map_, level in found.tolist()
    }


class Watch:
    """Looks at what is left after each step."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.left = retired(path)
        self.most: Counter[tuple[int, int]] = Counter()
        """Values that went in one step, by map and level."""
        self.waiting: Counter[tuple[int, int]] = Counter()
        """Runs that were left at the same time."""
        self.cut = 0
        """Looks that found a run of which some had gone."""

    def step(self, ledger: Ledger) -> bool:
        """Go on by one step, if one is due."""
        if not ledger.index_step():
            return False
        before, self.left = self.left, retired(self.path)
        went: Counter[tuple[int, int]] = Counter()
        for id_, run in before.items():
            now = self.left.get(id_, run._replace(deleted=run.values))
            went[run.place] += now.deleted - run.deleted
        self.most |= went
        self.waiting |= Counter(run.place for run in self.left.values())
        self.cut += any(0 < run.deleted < run.values for run in self.left.values())
        return True


def options(step_rows: int) -> dict[str, Any]:
    return {
        "threads": False,
        "index_step_rows": step_rows,
        "map_size": 1 << 30,
        "reserve_size": 0,
    }


def test_a_step_deletes_as_much_as_a_step_brings(tmp_path: Path) -> None:
    path, step_rows = tmp_path / "ledger", 512
    level_1 = FANOUT * step_rows
    assert values_of(level_1) > values_of(step_rows)
    network: Network = make_network()
    ledger = Ledger(str(path), **options(step_rows))
    ledger.commit([rows_request(network.rows)], NOW)
    watch = None
    number = 1
    # Eight runs of the level are merged, and a few steps later all of them have gone.
    for step in range(FANOUT * FANOUT + 40):
        missing = step_rows - ledger.sequence % step_rows
        ledger.commit([rows_request(transfers(network, number, missing))], NOW)
        number += missing
        if watch is None:
            assert ledger.index_step()
            watch = Watch(path)
        else:
            assert watch.step(ledger)
        if step % 5 == 0:
            ledger.close()
            ledger = Ledger(str(path), create=False, **options(step_rows))
    ledger.close()
    assert watch is not None
    assert watch.cut == FANOUT
    assert {level for _, level in watch.most} >= {0, 1}
    assert max(watch.most.values()) <= values_of(step_rows)
    assert max(watch.waiting.values()) <= FANOUT
    assert not [run for run in watch.left.values() if run.place[1] > 0]


def test_nothing_is_left_behind_of_bills(tmp_path: Path) -> None:
    """A bill takes two claims: their runs have twice the entries."""
    path, step_rows = tmp_path / "ledger", 2_048
    most = values_of(2 * step_rows)
    assert most > values_of(step_rows)
    network = make_bills_network()
    with contextlib.closing(Ledger(str(path), **options(step_rows))) as ledger:
        ledger.set_quotation_keys([(1, SECRET)])
        commit_network(ledger, network)
        watch = None
        for first in range(0, (2 * FANOUT + 2) * step_rows, step_rows):
            bills = range(first, first + step_rows)
            assert pay(ledger, network, bills, 1 << 40, step_rows) == {Result.OK}
            if watch is None:
                assert ledger.index_step()
                watch = Watch(path)
            else:
                assert watch.step(ledger)
    assert watch is not None
    assert max(watch.most.values()) == most
    assert max(watch.waiting.values()) == FANOUT
