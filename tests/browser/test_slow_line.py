"""Goal: an outcome that the page has shown never disappears and never goes back,
however slow the line is and whoever dies.

Method: Chromium at a counter whose line to the switch has 50 kbit/s and 600 ms there
and back; the page itself writes down each thing that it says (watched.py).
`make browser` walks more of it (all_slow.py).
"""

import threading

from tests.browser.conftest import OpensSlow
from tests.browser.test_journey import paid, reference
from tests.browser.watched import check_outcomes
from tests.web.world import Counter, World, answering_later

POLLS_MS = 2_500
"""So long after an outcome has come late polls could take it away."""


def test_paid_stays_on_a_slow_line(world: World, opens_slow: OpensSlow) -> None:
    operator = opens_slow("slow-paid")
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
    world: World, slow_counter: Counter, opens_slow: OpensSlow
) -> None:
    operator = opens_slow("slow-killed")
    operator.begin()
    owed = reference()
    operator.fetch_at_last(owed)
    operator.page.fill("#cash_in", "=")
    answers = threading.Event()
    world.serve(answering_later(answers))
    try:
        operator.press("Enter")
        operator.wait("sending")
        slow_counter.kill()
        slow_counter.start()
        # The browser of before the kill goes on asking, and nobody is signed on.
        operator.page.wait_for_timeout(POLLS_MS)
        shown = check_outcomes(operator.page)
        assert shown[-1] == "sending"
        assert "Do not take money again" in operator.text()
        assert operator.page.is_visible("#signed-off")
    finally:
        answers.set()
