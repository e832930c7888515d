"""What all tests of this folder share: a small ledger in memory, and one set of
databases for all servers, of which each pair has one of its own.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count

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
def make_pair(shared_nodes: Nodes) -> Callable[[], AbstractContextManager[Pair]]:
    """Makes two servers over a log of their own; they are ended with their block."""
    numbers = count(1)

    @contextmanager
    def make() -> Iterator[Pair]:
        with (
            folder() as directory,
            pair(directory, shared_nodes, f"log_{next(numbers)}") as made,
        ):
            yield made

    return make


@pytest.fixture(scope="session")
def small() -> Iterator[SmallLedger]:
    """The one that is copied."""
    with folder() as path:
        yield SmallLedger(path / "small")
