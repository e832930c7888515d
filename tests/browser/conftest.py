"""One switch, one counter and one browser for each file."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.browser.operator import AXE, CHROMIUM, Operator, chromium, context_of
from tests.web.world import Counter, World, counting


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not CHROMIUM.exists() or not AXE.exists():
        pytest.skip(f"no {CHROMIUM} or no {AXE.name}: `make browser` installs them")
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("switch"))
    try:
        yield world
    finally:
        world.close()


@pytest.fixture(scope="module")
def counter(
    browser: Any, world: World, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Counter]:
    world.serve()
    with counting(world, tmp_path_factory.mktemp("counter")) as counter:
        yield counter


Opens = Callable[[str, str], Operator]


@pytest.fixture
def opens(browser: Any, counter: Counter) -> Iterator[Opens]:
    """Opens a new browser of a size, with an operator before it."""
    contexts = []

    def open_one(name: str, size: str) -> Operator:
        context = context_of(browser, size)
        contexts.append(context)
        return Operator(context.new_page(), counter, name)

    yield open_one
    for context in contexts:
        context.close()
