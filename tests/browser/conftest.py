"""One switch, one counter and one browser for each file."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.browser.operator import AXE, CHROMIUM, Operator, chromium, context_of
from tests.browser.watched import watch
from tests.web.slow_line import SlowLine
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


@pytest.fixture(scope="module")
def slow_line(world: World) -> Iterator[SlowLine]:
    """50 kbit/s, 600 ms there and back."""
    with SlowLine(world, delay_s=0.3, bytes_per_s=50_000 / 8) as line:
        yield line


@pytest.fixture(scope="module")
def slow_counter(
    browser: Any,
    world: World,
    slow_line: SlowLine,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Counter]:
    """A counter that has the switch at the end of that line."""
    world.serve()
    with counting(slow_line, tmp_path_factory.mktemp("slow")) as counter:
        yield counter


Beside = Callable[[Counter, str, str], Operator]
Opens = Callable[[str, str], Operator]
OpensSlow = Callable[[str], Operator]


@pytest.fixture
def beside(browser: Any) -> Iterator[Beside]:
    """Opens a new browser of a size at any counter, with an operator before it."""
    contexts = []

    def open_one(counter: Counter, name: str, size: str) -> Operator:
        contexts.append(context_of(browser, size))
        return Operator(contexts[-1].new_page(), counter, name)

    yield open_one
    for context in contexts:
        context.close()


@pytest.fixture
def opens(beside: Beside, counter: Counter) -> Opens:
    """The same at the file's counter."""
    return lambda name, size: beside(counter, name, size)


@pytest.fixture
def opens_slow(beside: Beside, slow_counter: Counter) -> OpensSlow:
    """The same at the slow counter; its pages write down what they say."""

    def open_one(name: str) -> Operator:
        operator = beside(slow_counter, name, "narrow")
        watch(operator.page)
        return operator

    return open_one
