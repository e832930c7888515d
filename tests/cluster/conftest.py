"""What all tests of this folder share: a small ledger in memory, and one set of
databases for all servers, of which each pair has one of its own.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.cluster.pair import Pair, pair
from tests.cluster.postgres import Nodes, nodes
from tests.cluster.small_ledger import SmallLedger
from tests.memory import folder, tmp_path

__all__ = ["make_pair", "shared_nodes", "small", "tmp_path"]


@pytest.fixture(scope="package")
def shared_nodes() -> Iterator[Nodes]:
    """Three database nodes that no test harms."""
    with nodes() as made:
        yield made


@pytest.fixture(scope="package")
def make_pair(
    shared_nodes: Nodes, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], AbstractContextManager[Pair]]:
    """Makes two servers over a log of their own; they are ended with their block."""
    count = 0

    def make() -> AbstractContextManager[Pair]:
        nonlocal count
        count += 1
        directory: Path = tmp_path_factory.mktemp("pair")
        return pair(directory, shared_nodes, f"log_{count}")

    return make


@pytest.fixture(scope="session")
def small() -> Iterator[SmallLedger]:
    """The one that is copied."""
    with folder() as path:
        yield SmallLedger(path / "small")
