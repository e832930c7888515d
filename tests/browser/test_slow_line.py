"""Goal: an outcome that the page has shown never disappears and never goes back,
however slow the line is and whoever dies.

Method: Chromium at a counter whose line to the switch has 50 kbit/s and 600 ms there
and back; the page itself writes down each thing that it says (watched.py).
`make browser` walks more of it (all_slow.py).
"""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.operator import Operator, context_of
from tests.browser.test_journey import paid, reference
from tests.browser.watched import check_outcomes, watch
from tests.web.slow_line import SlowLine
from tests.web.world import Counter, World, answering_later, counting

DELAY_S = 0.3
BYTES_PER_S = 50_000 / 8
POLLS_MS = 2_500
"""So long after an outcome has come late polls could take it away."""


@pytest.fixture(scope="module")
def line(world: World) -> Iterator[SlowLine]:
    with SlowLine(world, delay_s=DELAY_S, bytes_per_s=BYTES_PER_S) as line:
        yield line


@pytest.fixture(scope="module")
def counter(
    browser: Any,
    world: World,
    line: SlowLine,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Counter]:
    world.serve()
    with counting(line, tmp_path_factory.mktemp("counter")) as counter:
        yield counter


@pytest.fixture
def opens(browser: Any, counter: Counter) -> Iterator[Callable[[str], Operator]]:
    """Opens a new browser, with an operator before it who pays attention."""
    contexts = []

    def open_one(name: str) -> Operator:
        contexts.append(context_of(browser, "narrow"))
        page = contexts[-1].new_page()
        watch(page)
        return Operator(page, counter, name)

    yield open_one
    for context in contexts:
        context.close()


def test_paid_stays_on_a_slow_line(
    world: World, opens: Callable[[str], Operator]
) -> None:
    operator = opens("slow-paid")
    operator.begin()
    owed = reference()
    operator.fetch_at_last(owed)
    operator.page.fill("#cash_in", "1000")
    operator.press("Enter")
    operator.wait("paid")
    operator.page.wait_for_timeout(POLLS_MS)
    assert check_outcomes(operator.page)[-1] == "paid"
    assert "Give back change: ₹50.00" in operator.text()
    assert "/2026-27/" in operator.text()
    assert len(paid(world, owed)) == 1


def test_do_not_take_money_again_stays_when_the_counter_is_killed(
    world: World, counter: Counter, opens: Callable[[str], Operator], tmp_path: Path
) -> None:
    operator = opens("slow-killed")
    operator.begin()
    owed = reference()
    operator.fetch_at_last(owed)
    operator.page.fill("#cash_in", "=")
    answers = threading.Event()
    world.serve(answering_later(answers))
    try:
        operator.press("Enter")
        operator.wait("sending")
        counter.kill()
        counter.start()
        # The browser of before the kill goes on asking, and nobody is signed on.
        operator.page.wait_for_timeout(POLLS_MS)
        shown = check_outcomes(operator.page)
        assert shown[-1] == "sending"
        assert "Do not take money again" in operator.text()
        assert operator.page.is_visible("#signed-off")
    finally:
        answers.set()
