"""One server for all of others' clients, with the small network of tests/server."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from switch.codes import Role
from tests.server.harness import Peers, ServerProcess, load, running


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with fresh(tmp_path_factory.mktemp("interop")) as process:
        yield process


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[ServerProcess]:
    """One that a test may end."""
    with fresh(tmp_path) as process:
        yield process


@contextmanager
def fresh(directory: Path) -> Iterator[ServerProcess]:
    """A server with its network, and the certificates that others' clients use."""
    with running(directory, "--set", "feed_poll_ms=10") as process:
        peers = Peers(process)
        load(peers)
        peers.authority.leaf(Role.CENTRE, "centre-a")
        peers.authority.leaf(Role.BILLER, "land")
        peers.close()
        yield process
