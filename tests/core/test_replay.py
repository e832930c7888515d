"""Goal: all state is a function of the journal, and the journal of the requests.

Method: random requests make one ledger. It is opened again, opened with nothing but
its journal, and its requests are given to a second ledger at the same times; each
must have the same rows and the same accounts, byte for byte.
"""

import shutil
from pathlib import Path

import pytest

from switch._core import Ledger, Request
from tests.core.generator import Generator
from tests.core.network import NOW, make_network, top_up
from tests.core.pair import MAP_SIZE, Pair, to_request
from tests.core.quoting import KEYS, moved
from tests.model import Ask, Rows

GROUPS = 150
History = list[tuple[list[Ask], int]]


def contents(ledger: Ledger) -> tuple[bytes, bytes, list[int], list[bytes]]:
    """Rows, accounts, holds and tails."""
    rows = ledger.rows(1, 65_536)
    tails = [ledger.tail(sequence) for sequence in rows["sequence"].tolist()]
    return (
        rows.tobytes(),
        ledger.accounts()[0].tobytes(),
        ledger.holds().tolist(),
        tails,
    )


def open_(path: Path, *, step_rows: int = 64) -> Ledger:
    return Ledger(
        str(path),
        map_size=MAP_SIZE,
        reserve_size=0,
        index_step_rows=step_rows,
        threads=False,
    )


@pytest.fixture
def history(pair_64: Pair) -> History:
    """Random groups, done; `pair_64` has them."""
    network = make_network()
    generator = Generator(77, network, pair_64.model)
    groups: History = []
    for _ in range(GROUPS):
        asks, now = generator.group()
        pair_64.commit(asks, now)
        groups.append((asks, now))
        if generator.chance(3):
            pair_64.ledger.index_step()
    return groups


@pytest.fixture
def pair_64(tmp_path: Path) -> Pair:
    """A pair with a network, its index in small steps."""
    network = make_network()
    pair = Pair(tmp_path / "ledger", threads=False, index_step_rows=64)
    pair.commit([Rows(network.rows)], NOW)
    rows = [top_up(network, w, 10**8, b"UTR-FIRST-%d" % w) for w in network.wallets]
    pair.commit([Rows(rows)], NOW)
    return pair


def test_opening_again_changes_nothing(pair_64: Pair, history: History) -> None:
    before = contents(pair_64.ledger)
    pair_64.reopen()
    assert contents(pair_64.ledger) == before
    pair_64.close()


def test_the_journal_alone_is_enough(pair_64: Pair, history: History) -> None:
    before = contents(pair_64.ledger)
    pair_64.close()
    shutil.rmtree(pair_64.path / "index")
    (pair_64.path / "LOCK").unlink()
    with open_(pair_64.path) as rebuilt:
        assert contents(rebuilt) == before
        while rebuilt.index_step():
            pass
        assert contents(rebuilt) == before
    with open_(pair_64.path) as again:
        assert again.index_sequence > 0
        assert contents(again) == before


def test_same_requests_give_the_same_bytes(
    pair_64: Pair, history: History, tmp_path: Path
) -> None:
    network = make_network()
    rows = [top_up(network, w, 10**8, b"UTR-FIRST-%d" % w) for w in network.wallets]
    first: History = [([Rows(network.rows)], NOW), ([Rows(rows)], NOW)]
    with open_(tmp_path / "second", step_rows=512) as second:
        assert second.instance != pair_64.ledger.instance
        second.set_quotation_keys(KEYS)
        for asks, now in first + history:
            # What was sealed is of one ledger; the same is sealed for the other.
            other = [moved(pair_64.model, ask, second.instance) for ask in asks]
            requests: list[Request] = [to_request(ask) for ask in other]
            second.commit(requests, now)
        assert contents(second) == contents(pair_64.ledger)
        for sequence in range(1, second.sequence + 1, 7):
            assert second.resolution(sequence) == pair_64.ledger.resolution(sequence)
    pair_64.close()
