"""One set of databases for all servers of this folder; each pair has one of its own."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.cluster.pair import Pair, pair
from tests.cluster.postgres import Nodes, nodes


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
