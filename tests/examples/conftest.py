"""A server of its own for each test; the auditor reads what it has written."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import forked
from tests.examples.programs import World, load_bills
from tests.server.harness import ServerProcess
from tools.postgres import ports_to_keep

# Shorter than in life: what is not answered is asked about within a second.
SETTINGS = {
    "biller.answer_timeout_ms": 1_000,
    "biller.status_first_ms": 200,
    "biller.status_interval_max_ms": 400,
}


@pytest.fixture(scope="session")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A biller's book with the bills of the examples."""
    path = tmp_path_factory.mktemp("bills") / "book.db"
    load_bills(path)
    return path


@pytest.fixture
def world(tmp_path: Path, book: Path) -> Iterator[World]:
    """A server with the network of the examples, and a biller's book."""
    settings = [
        part
        for name, value in SETTINGS.items()
        for part in ("--set", f"{name}={value}")
    ]
    # Another one begins there.
    [port] = ports_to_keep(1)
    listen = f"127.0.0.1:{port}"
    server = ServerProcess(tmp_path / "server", *settings, listen=listen)
    world = World(server, tmp_path, settings)
    try:
        world.begin(book)
        yield world
    finally:
        world.end()
    done = forked.run("switch.audit", tmp_path / "server" / "ledger")
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr
