"""Goal: no commit waits while the disk is given a whole index step at once.

Method: a ledger with its threads, and steps that come apart; LMDB numbers the index's
transactions.
"""

import time
from pathlib import Path

import lmdb

from switch._core import Ledger
from tests.core.network import Network, top_up
from tests.core.test_concurrency import ask, make
from tests.records import Row

STEP_ROWS = 64
APART_S = 1.0
"""More than PACE_BUSY_NS: steps that begin so far apart do not hurry."""
UNITS = 3
"""Of such a step, where nothing merges: its runs of ids and of claims, and the rest."""
WAIT_S = 60.0


def transactions(path: Path) -> int:
    """How many the index has had."""
    with lmdb.open(str(path / "index"), readonly=True, lock=False, max_dbs=8) as env:
        return int(env.info()["last_txnid"])


def wait_indexed(ledger: Ledger) -> None:
    """Until the last whole step is in the index."""
    end = time.monotonic() + WAIT_S
    while ledger.sequence - ledger.index_sequence >= STEP_ROWS:
        assert not ledger.dead
        assert time.monotonic() < end
        time.sleep(0.01)


def top_ups(network: Network, first: int, count: int) -> list[Row]:
    """Rows with an id and a claim each."""
    wallet = network.wallets[0]
    numbers = range(first, first + count)
    return [top_up(network, wallet, 1, b"UTR-%d" % number) for number in numbers]


def test_steps_that_come_apart_are_written_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    ledger, network = make(path, index_step_rows=STEP_ROWS)
    with ledger:
        ask(ledger, top_ups(network, 1, STEP_ROWS - ledger.sequence % STEP_ROWS))
        wait_indexed(ledger)
        # The first one after an opening has none before it, so the second one counts.
        for number in (1, 2):
            # Time between steps is what it is about: there is no event to wait for.
            time.sleep(APART_S)
            before = transactions(path)
            ask(ledger, top_ups(network, STEP_ROWS * number, STEP_ROWS))
            wait_indexed(ledger)
            assert transactions(path) - before == UNITS
