"""A small ledger, in memory, for all tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.cluster.small_ledger import SmallLedger
from tests.memory import folder, tmp_path

__all__ = ["small", "tmp_path"]


@pytest.fixture(scope="session")
def small() -> Iterator[SmallLedger]:
    """The one that is copied."""
    with folder() as path:
        yield SmallLedger(path / "small")
