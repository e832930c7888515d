"""Goal: whoever dies between any two steps of an operator's way, counter or switch, the
cash pays once, and the operator is told what to do.

Method: the way of test_walks.py, cut by kill -9 after each of its steps; then the
operator does what the page says, and goes on.
"""

import threading
from collections.abc import Callable

import pytest

from tests.browser.conftest import Opens
from tests.browser.operator import Operator
from tests.browser.ways import paid, reference
from tests.web.world import Counter, World, answering_later

STEPS = ("operator", "find", "form", "due", "paying", "paid")


def kill_counter(counter: Counter, world: World) -> None:
    counter.kill()
    counter.start()


def kill_switch(counter: Counter, world: World) -> None:
    world.restart()
    world.serve()


@pytest.mark.parametrize("language", ["en", "bn"])
@pytest.mark.parametrize("after", STEPS)
@pytest.mark.parametrize("kills", [kill_counter, kill_switch])
def test_killed_between_two_steps(
    world: World,
    counter: Counter,
    opens: Opens,
    kills: Callable[[Counter, World], None],
    after: str,
    language: str,
) -> None:
    operator = opens(f"{language}-{kills.__name__}-{after}", "narrow")
    owed = reference()
    _walk_to(operator, world, after, language, owed)
    where = operator.page.url
    kills(counter, world)
    operator.complaints.clear()  # the browser tells of connections that end
    operator.page.goto(where)
    if operator.page.url.endswith("/operator"):
        # The counter has begun anew: with the secret of its start.
        operator.go("/" + counter.opens)
        operator.page.wait_for_selector("#operator:focus")
        operator.type("3")
        operator.press("Enter")
        operator.page.wait_for_selector("#q")
    if after in ("paying", "paid"):
        operator.page.goto(where)
        operator.wait("paid", timeout_ms=60_000)
    else:
        # Nothing was begun: from the beginning.
        assert not paid(world, owed)
        operator.fetch_at_last(owed)
        operator.page.fill("#cash_in", "=")
        operator.press("Enter")
        operator.wait("paid", timeout_ms=60_000)
    operator.look("paid")
    assert len(paid(world, owed)) == 1
    assert not operator.violations


def _walk_to(
    operator: Operator, world: World, step: str, language: str, owed: str
) -> None:
    operator.go("/")
    if step == "operator":
        return
    operator.begin(language)
    if step == "find":
        return
    operator.search("bidyut")
    if step == "form":
        return
    operator.type(owed)
    operator.press("Enter")
    operator.wait("due")
    if step == "due":
        return
    answers = threading.Event()
    if step == "paying":
        world.serve(answering_later(answers))
    operator.type("=")
    operator.press("Enter")
    operator.wait("sending", "offline") if step == "paying" else operator.wait("paid")
    answers.set()
