"""One switch for each file, with one counter before it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import forked
from tests.web.browsing import Browser
from tests.web.world import Counter, World, counting


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("switch")
    world = World(directory)
    try:
        yield world
    finally:
        world.close()
    done = forked.run("switch.audit", directory / "ledger")
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr


@pytest.fixture(scope="module")
def counter(
    world: World, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Counter]:
    world.serve()
    with counting(world, tmp_path_factory.mktemp("counter")) as counter:
        yield counter


@pytest.fixture
def browser(counter: Counter, tmp_path: Path) -> Iterator[Browser]:
    with Browser(counter.address) as browser:
        yield browser.sign_on()
