"""A ledger of random rows over months, with all that totals count, and its model."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from switch.totals.cube import Cube
from switch.totals.figures import Cut
from switch.totals.snapshot import Piece, Snapshot
from tests.core.council import DAY_NS
from tests.core.generator import Generator
from tests.core.network import NOW, Network, make_network, top_up
from tests.core.pair import Pair
from tests.memory import folder
from tests.model import Rows
from tests.totals.counted import Count, Sum, in_months, month_of

ROWS = 4_000
DAYS = 2**16
"""Later than any."""
PARTS = 5
"""Of a ledger, a month or more between them."""
MONTH_NS = 31 * DAY_NS
SEED = 7
SMALL: dict[str, Any] = {"step_rows": 40, "part_rows": 150, "part_entries": 60}
"""Parts so small that days have many, and months several."""


class Told(NamedTuple):
    """A ledger, what its model knows, and what draws more of it."""

    pair: Pair
    network: Network
    path: Path
    generator: Generator

    @property
    def last(self) -> int:
        return len(self.pair.model.rows)

    def tell(self, rows: int) -> None:
        """Go on until it has so many."""
        while self.last < rows:
            asks, now = self.generator.group()
            self.pair.commit(asks, now)


@contextmanager
def telling(rows: int = ROWS, seed: int = SEED) -> Iterator[Told]:
    network = make_network()
    with folder() as path:
        pair = Pair(path / "ledger", threads=False, index_step_rows=1 << 16)
        pair.commit([Rows(network.rows)], NOW)
        for wallet in network.wallets:
            utr = b"UTR-FIRST-%d" % wallet
            pair.one(top_up(network, wallet, 10**15 + 7, utr), NOW)
        told = Told(pair, network, path, Generator(seed, network, pair.model))
        for part in range(1, PARTS + 1):
            # Months go by, whatever is drawn.
            told.generator.now += MONTH_NS
            told.tell(rows * part // PARTS)
        yield told
        pair.close()


def counted(told: Told, last: int | None = None) -> Count:
    count = Count()
    for row in told.pair.model.rows[:last]:
        count.add(row)
    return count


def said(snapshot: Snapshot, cut: Cut) -> dict[tuple[int, int], Sum]:
    """All that a snapshot has of a cut, by day and key."""
    found: dict[tuple[int, int], Sum] = {}
    for piece in snapshot.pieces(cut, 0, DAYS, in_months=False):
        assert piece.first_day == piece.last_day
        add_up(found, piece, piece.first_day)
    return found


def said_in_months(snapshot: Snapshot, cut: Cut) -> dict[tuple[int, int], Sum]:
    """The same by month and key, of months where there are."""
    found: dict[tuple[int, int], Sum] = {}
    for piece in snapshot.pieces(cut, 0, DAYS, in_months=True):
        month = month_of(piece.first_day)
        assert month == month_of(piece.last_day)
        assert (piece.first_day < piece.last_day) == (month < snapshot.sealed)
        add_up(found, piece, month)
    return found


def add_up(found: dict[tuple[int, int], Sum], piece: Piece, period: int) -> None:
    columns = (piece.sums.keys.tolist(), piece.sums.counts.tolist())
    for key, count, paise in zip(*columns, piece.sums.paise(), strict=True):
        before = found.get((period, key), (0, 0))
        found[period, key] = before[0] + count, before[1] + paise


def compare(cube: Cube, told: Told, count: Count) -> None:
    """What is told now, by every cut, by days and by months."""
    with cube.snapshot() as snapshot:
        assert snapshot.sequence == told.last == len(count.rows)
        assert snapshot.timestamp == told.pair.model.rows[-1].timestamp
        for cut in Cut:
            assert said(snapshot, cut) == count.cut(cut)
            if cut is not Cut.ACCOUNTS:
                expected = in_months(count.cut(cut), DAYS)
                assert said_in_months(snapshot, cut) == expected
