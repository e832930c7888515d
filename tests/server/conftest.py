"""One server for each test file, with a small network and filled wallets."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.harness import Peers, ServerProcess, load, running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    directory: Path = tmp_path_factory.mktemp("server")
    arguments = ("--set", "feed_idle_s=1", "--set", "feed_poll_ms=10")
    with running(directory, *arguments) as process:
        yield process


@pytest.fixture(scope="module")
def peers(server: ServerProcess) -> Iterator[Peers]:
    them = Peers(server)
    load(them)
    yield them
    them.close()
