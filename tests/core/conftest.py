"""A pair of ledger and model on a small network, for every test of the core."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.market import Market
from tests.core.network import NOW, Network, make_network, top_up
from tests.core.pair import Pair
from tests.memory import tmp_path
from tests.model import Rows

__all__ = ["tmp_path"]

FUNDS = 100_000_000
"""Paise in each wallet at the beginning."""


@pytest.fixture
def network() -> Network:
    """The small network's indices."""
    return make_network()


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Pair]:
    """A pair without anything in it."""
    pair = Pair(tmp_path / "ledger", threads=False)
    yield pair
    pair.close()


@pytest.fixture
def pair(empty: Pair, network: Network) -> Pair:
    """A pair with the small network and funds in its wallets."""
    empty.commit([Rows(network.rows)], NOW)
    rows = [
        top_up(network, wallet, FUNDS, b"UTR-FIRST-%d" % wallet)
        for wallet in network.wallets
    ]
    outcomes = empty.commit([Rows(rows)], NOW)
    assert all(outcome.result == 1 for outcome in outcomes[0])
    return empty


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    """A market without services, compared with its model when its test is through."""
    made = Market(tmp_path / "ledger")
    yield made
    made.pair.compare_all(range(1, len(made.model.rows) + 1))
    made.pair.close()
