"""Goal: a refunded payment stands at its counter as given back, not paid; an operator
finds it among the refunds, hands it out with its paper, and the shift counts it.

Method: one walk in Chromium at a real counter and switch; the refund is made as the
treasury makes it, by two people.
"""

from tests.browser.conftest import Opens
from tests.browser.test_journey import paid, reference
from tests.web.world import DUE, World

COLOUR = "(found) => getComputedStyle(found).backgroundColor"


def test_a_refund_is_handed_out(world: World, opens: Opens) -> None:
    operator = opens("handed-out", "narrow")
    operator.begin("en", "5")
    owed = reference()
    operator.fetch(owed)
    operator.type("=")
    operator.press("Enter")
    operator.wait("paid")
    green = operator.page.eval_on_selector(".outcome", COLOUR)
    [payment] = paid(world, owed)
    assert world.peers.refund(payment.sequence, DUE).result == 1
    # Three days long it stood there as paid.
    operator.go(f"/payment/{payment.id.hex()}")
    operator.wait("refunded")
    assert operator.page.eval_on_selector(".outcome", COLOUR) != green
    assert "Given back" in operator.text()
    operator.look("refunded")
    operator.go("/")
    operator.page.click("nav a[href='/handouts']")
    operator.wait("handouts")
    operator.look("waits")
    operator.page.click("li[data-handout=waits] button")
    operator.wait("done")
    assert "/R1" in operator.text()
    operator.look("handed-out")
    operator.go(f"/payment/{payment.id.hex()}")
    operator.page.wait_for_selector("li[data-handout=done]")
    operator.look("is-handed-out")
    # What was taken and given again leaves the drawer as it was.
    operator.go("/shift")
    operator.page.fill("#coins", "0")
    operator.press("Enter")
    operator.wait("done")
    text = operator.text()
    assert "No difference" in text
    assert text.count("1, ₹950.00") == 2
    operator.check()
