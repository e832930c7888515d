"""Goal: at 50 kbit/s and 600 ms there and back, whoever dies, an outcome that a page
has shown never disappears and never goes back, and the cash pays once.

Method: the way of test_walks.py with the slow line between counter and switch, then
between browser and counter; counter or switch killed while the page stays open, which
nobody reloads. The page writes down all that it says (watched.py).
"""

import threading
from collections.abc import Callable

import pytest

from tests.browser.all_kills import kill_counter, kill_switch
from tests.browser.conftest import Opens, OpensSlow
from tests.browser.operator import Operator
from tests.browser.watched import POLLS_MS, check_outcomes, watch
from tests.browser.ways import paid, reference
from tests.server.scripted_biller import reject
from tests.web.world import Counter, World, answering_later

SLOW_MS = 60_000
THROTTLE = {
    "offline": False,
    "latency": 600,
    "downloadThroughput": 50_000 / 8,
    "uploadThroughput": 50_000 / 8,
}


def begin(operator: Operator, language: str, owed: str, cash: str) -> None:
    """Up to the form that pays, filled in."""
    operator.begin(language)
    operator.fetch_at_last(owed)
    operator.page.fill("#cash_in", cash)


def sign_on_beside(operator: Operator, counter: Counter) -> None:
    """The same operator, in another tab of the same browser."""
    other = operator.page.context.new_page()
    other.goto(counter.address + (counter.opens or "operator"))
    other.fill("#operator", "3")
    other.keyboard.press("Enter")
    other.wait_for_selector("#q")
    other.close()


@pytest.mark.parametrize("cash", ["=", "1000"])
@pytest.mark.parametrize("language", ["en", "bn"])
def test_paid_on_a_slow_line(
    world: World, opens_slow: OpensSlow, language: str, cash: str
) -> None:
    world.serve()
    operator = opens_slow(f"slow-{language}-{'exact' if cash == '=' else 'change'}")
    owed = reference()
    begin(operator, language, owed, cash)
    operator.press("Enter")
    operator.wait("paid", timeout_ms=SLOW_MS)
    operator.page.wait_for_timeout(POLLS_MS)
    assert check_outcomes(operator.page)[-1] == "paid"
    assert "/2026-27/" in operator.text()
    assert len(paid(world, owed)) == 1
    operator.look("paid")
    operator.check()


@pytest.mark.parametrize("language", ["en", "bn"])
def test_paid_in_a_slow_browser(world: World, opens: Opens, language: str) -> None:
    """The line is good, and what the browser is told comes late."""
    world.serve()
    operator = opens(f"slow-browser-{language}", "narrow")
    watch(operator.page)
    owed = reference()
    begin(operator, language, owed, "1000")
    session = operator.page.context.new_cdp_session(operator.page)
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", THROTTLE)
    operator.press("Enter")
    operator.wait("paid", timeout_ms=SLOW_MS)
    operator.page.wait_for_timeout(2 * POLLS_MS)
    assert check_outcomes(operator.page)[-1] == "paid"
    assert len(paid(world, owed)) == 1


@pytest.mark.parametrize("outcome", ["sending", "waiting"])
@pytest.mark.parametrize("kills", [kill_counter, kill_switch])
def test_killed_before_the_end_and_nobody_reloads(
    world: World,
    slow_counter: Counter,
    opens_slow: OpensSlow,
    kills: Callable[[Counter, World], None],
    outcome: str,
) -> None:
    operator = opens_slow(f"slow-{kills.__name__}-{outcome}")
    answers = threading.Event()
    world.serve(answering_later(answers))
    owed = reference()
    begin(operator, "en", owed, "=")
    operator.press("Enter")
    operator.wait(outcome, timeout_ms=SLOW_MS)
    try:
        kills(slow_counter, world)
        operator.page.wait_for_timeout(POLLS_MS)
        check_outcomes(operator.page)
        if kills is kill_counter:
            assert operator.page.is_visible("#signed-off")
            sign_on_beside(operator, slow_counter)
    finally:
        answers.set()
    operator.wait("paid", timeout_ms=SLOW_MS)
    operator.page.wait_for_timeout(POLLS_MS)
    assert check_outcomes(operator.page)[-1] == "paid"
    assert not operator.page.is_visible("#signed-off")
    assert len(paid(world, owed)) == 1


@pytest.mark.parametrize("kills", [kill_counter, kill_switch])
def test_killed_after_the_end(
    world: World,
    slow_counter: Counter,
    opens_slow: OpensSlow,
    kills: Callable[[Counter, World], None],
) -> None:
    world.serve()
    operator = opens_slow(f"slow-{kills.__name__}-after")
    owed = reference()
    begin(operator, "bn", owed, "=")
    operator.press("Enter")
    operator.wait("paid", timeout_ms=SLOW_MS)
    kills(slow_counter, world)
    operator.page.wait_for_timeout(POLLS_MS)
    assert check_outcomes(operator.page)[-1] == "paid"
    assert len(paid(world, owed)) == 1


def test_given_back_on_a_slow_line(world: World, opens_slow: OpensSlow) -> None:
    biller = world.serve(answering_later(threading.Event()))
    operator = opens_slow("slow-given-back")
    begin(operator, "en", reference(), "1000")
    operator.press("Enter")
    operator.wait("waiting", timeout_ms=SLOW_MS)
    biller.script = lambda question: (reject(question),)
    world.serve(biller.script)
    operator.wait("given-back", timeout_ms=2 * SLOW_MS)
    operator.page.wait_for_timeout(POLLS_MS)
    assert check_outcomes(operator.page)[-1] == "given-back"
    assert "Return the cash" in operator.text()
    world.serve()


def test_a_number_for_money_stays(world: World, opens_slow: OpensSlow) -> None:
    """What is no payment is asked about in the same way."""
    operator = opens_slow("slow-top-up")
    operator.begin("en")
    operator.go("/wallet")
    operator.page.fill("#amount", "5000")
    operator.press("Enter")
    operator.wait("done", timeout_ms=SLOW_MS)
    operator.page.wait_for_timeout(POLLS_MS)
    assert check_outcomes(operator.page)[-1] == "done"
    assert operator.page.query_selector("[data-number]") is not None
