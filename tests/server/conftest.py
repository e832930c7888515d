"""One server for each test file, with a small network and filled wallets.

When a file is through, the auditor reads what its server has written and must find
nothing: whatever a caller was let in to do is right by a second reading, too.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import forked
from tests.server import door
from tests.server.frames import Peer
from tests.server.harness import Peers, ServerProcess, load, running


@pytest.fixture(scope="module")
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    directory: Path = tmp_path_factory.mktemp("server")
    arguments = ("--set", "feed_idle_s=1", "--set", "feed_poll_ms=10")
    arguments += getattr(request.module, "SETTINGS", ())
    with running(directory, *arguments) as process:
        yield process
    if getattr(request.module, "DAMAGES", False):
        return  # what the file has damaged itself the auditor would find
    done = forked.run("switch.audit", directory / "ledger")
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr


@pytest.fixture(scope="module")
def peers(server: ServerProcess) -> Iterator[Peers]:
    them = Peers(server)
    load(them)
    yield them
    them.close()


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the doors of a file have their certificates."""
    return tmp_path_factory.mktemp("door")


@pytest.fixture
def reached(request: pytest.FixtureRequest, directory: Path) -> Iterator[door.Reached]:
    """A door of its own for each test, with the bounds that the test names: none sees
    another's events.
    """
    with door.running(directory, **getattr(request, "param", {})) as found:
        yield found


@pytest.fixture
def peer(reached: door.Reached) -> Iterator[Peer]:
    with Peer(reached.port, reached.credentials()) as peer:
        yield peer
