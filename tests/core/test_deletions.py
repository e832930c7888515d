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

from switch._core import Ledger
from switch.codes import Result
from switch.errors import IndexDamagedError
from switch.ledger.opening import ASIDE, DAMAGED, open_ledger
from tests.core.index_lists import Lists, leave_runs
from tests.core.network import NOW, Network, make_network
from tests.core.pair import rows_request
from tests.core.test_concurrency import transfers
from tests.core.test_full_steps import SECRET, commit_network, make_bills_network, pay
from tests.core.test_segments import tables

FANOUT = 8
"""Runs that merge into one."""
RETIRED_MAX = 240
"""Runs of which values are left, of all maps and levels together."""
RUNS_MAX = 161
"""Runs of a map."""
LEVELS_MAX = 10
"""Merges of a map that may end in one step, each with a run of its own."""
BLOCK, PART = 18 * 255, 6 * 18 * 255
"""Entries of a run that share a value, and that share a piece of its filter."""


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
    return {
        id_: Retired((map_, level), blocks + parts, deleted)
        for id_, blocks, parts, deleted, map_, level in Lists(
            tables(path, "meta")[b"index"]
        ).retired.tolist()
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
    path, step_rows = tmp_path / "ledger", 640
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
    path, step_rows = tmp_path / "ledger", 2_304
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


def test_without_places_for_its_runs_a_merge_waits(tmp_path: Path) -> None:
    """Nothing is deleted in a hurry to make room for it."""
    path, step_rows = tmp_path / "ledger", 256
    most = values_of(step_rows)
    network: Network = make_network()
    with Ledger(str(path), **options(step_rows)) as ledger:
        ledger.commit([rows_request(network.rows)], NOW)
        number = 1
        for _ in range(FANOUT - 1):
            missing = step_rows - ledger.sequence % step_rows
            ledger.commit([rows_request(transfers(network, number, missing))], NOW)
            number += missing
            assert ledger.index_step()
    leave_runs(path, {(0, 7): RETIRED_MAX // 2, (2, 7): RETIRED_MAX // 2}, most)
    watch = Watch(path)
    assert len(watch.left) == RETIRED_MAX
    levels: list[int] = []
    with Ledger(str(path), create=False, **options(step_rows)) as ledger:
        for _ in range(RETIRED_MAX // 2 + 2 * FANOUT):
            ledger.commit([rows_request(transfers(network, number, step_rows))], NOW)
            number += step_rows
            assert watch.step(ledger)
            assert len(watch.left) <= RETIRED_MAX
            levels.append(ledger.info()["ids_runs"][0])
    # At eight runs one is due.
    assert max(levels) > FANOUT + 1
    assert max(levels[-FANOUT:]) <= FANOUT + 1
    assert max(watch.most.values()) <= most
    assert not [run for run in watch.left.values() if run.place[1] == 7]


def test_the_number_of_runs_has_a_bound_that_is_checked_first(tmp_path: Path) -> None:
    """Should merges ever not keep up, that is damage, met before a list overruns."""
    path, step_rows = tmp_path / "ledger", 16
    network: Network = make_network()
    with Ledger(str(path), **options(step_rows)) as ledger:
        ledger.commit([rows_request(network.rows)], NOW)
        assert ledger.index_step()
    # Merges wait for the eight oldest of these longer than there is room for runs.
    leave_runs(path, {(0, 7): RETIRED_MAX}, values_of(step_rows) * RUNS_MAX // 4)
    with Ledger(str(path), create=False, **options(step_rows)) as ledger:

        def step(number: int) -> None:
            rows = transfers(network, number, step_rows)
            ledger.commit([rows_request(rows)], NOW)
            assert ledger.index_step()

        for number in range(1, 2 * RUNS_MAX * step_rows, step_rows):
            with contextlib.suppress(IndexDamagedError):
                step(number)
            if ledger.dead:
                break
        assert sum(ledger.info()["ids_runs"]) == RUNS_MAX - LEVELS_MAX
        sequence = ledger.sequence
    assert (path / DAMAGED).exists()
    with open_ledger(path, **options(step_rows)) as ledger:
        assert ledger.sequence == sequence
        assert ledger.index_sequence > sequence - step_rows
        assert max(ledger.info()["ids_runs"]) < 2 * FANOUT
    assert (path / ASIDE).exists()
