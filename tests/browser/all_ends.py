"""Goal: states that come seldom can be read by everybody, too: what a department leaves
open, what was given back, a sign-on with a PIN, practice, a program that has gone.

Method: as all_states.py, at counters of their own where they need one.
"""

from pathlib import Path

import pytest

from switch.web.counter import pins
from switch.web.counter.pins import PinStore
from tests.browser.conftest import Beside, Opens
from tests.browser.operator import SIZES
from tests.browser.ways import reference
from tests.server.harness import RUPEE, payment, until
from tests.server.scripted_biller import silent
from tests.server.treasury import KEPT, UNVERIFIED, kinds
from tests.web.world import (
    CENTRE,
    KEEPS,
    POWER,
    RELEASES,
    RELIEF,
    SIGNS,
    World,
    counting,
)

PIN = "482915"
STATES = [(language, size) for language in ("en", "bn") for size in SIZES]


@pytest.mark.parametrize(("language", "size"), STATES)
def test_what_departments_and_the_treasury_do(
    world: World, opens: Opens, language: str, size: str
) -> None:
    operator = opens(f"{language}-{size}-later", size)
    operator.begin(language)
    # What it was never asked about would be given back.
    world.serve(silent)
    world.short()
    peer = world.peers.centre(CENTRE)
    for state, service, listed in (
        ("kept", KEEPS, KEPT),
        ("unverified", RELEASES, UNVERIFIED),
    ):
        one = payment(service, operator=3)
        left = peer.pay(one).sequence
        until(lambda left=left, listed=listed: kinds(world.peers, left) == [listed])
        operator.go(f"/payment/{one.id.hex()}")
        operator.wait(state)
        operator.look(state)
    world.serve()
    one = payment(RELIEF, amount=20 * RUPEE, operator=3)
    paid = peer.pay(one)
    assert world.peers.refund(paid.sequence, RUPEE).result == 1
    where = f"/payment/{one.id.hex()}"
    operator.go(where)
    operator.wait("refunded-part")
    operator.look("refunded-part")
    # A page that offers a complaint still, as it was open when another was raised.
    other = operator.page.context.new_page()
    other.goto(operator.page.url)
    for page in (other, operator.page):
        page.click("summary")
        page.fill("#note", "twice")
        page.keyboard.press("Enter")
        page.wait_for_selector('main [data-outcome="done"], [data-outcome="refused"]')
    operator.wait("refused")
    operator.look("complaint-again")
    operator.page.goto(other.url)
    other.close()
    operator.wait("done")
    operator.look("complaint-number")
    operator.check()


@pytest.mark.parametrize(("language", "size"), STATES)
def test_what_cannot_be_paid_now(
    world: World, opens: Opens, language: str, size: str
) -> None:
    operator = opens(f"{language}-{size}-unpaid", size)
    operator.begin(language)
    world.serve()
    owed = reference()
    operator.fetch_at_last(owed)
    operator.page.fill("#cash_in", "=")
    operator.press("Enter")
    operator.wait("paid")
    operator.go(f"/service/{POWER}")
    operator.type(owed)
    operator.press("Enter")
    operator.wait("nothing-due")
    operator.look("nothing-due")
    assert world.biller is not None
    world.biller.close()
    operator.go(f"/service/{POWER}")
    operator.type(reference())
    operator.press("Enter")
    operator.wait("problem", "due")
    operator.look("department-away")
    world.serve()
    operator.go("/?q=zzzz")
    operator.wait("found-none")
    operator.look("found-none")
    operator.go("/due/gone")
    operator.wait("message")
    operator.look("draft-gone")
    operator.complaints.clear()  # the browser names the status of each answer but 2xx
    operator.check()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("language", ["en", "bn"])
def test_a_sign_on_with_a_pin(
    world: World, beside: Beside, tmp_path: Path, language: str, size: str
) -> None:
    store = PinStore(tmp_path / f"{SIGNS}-counter" / "operators", SIGNS)
    world.register({3: store.enrol(3, PIN)})
    world.serve()
    with counting(world, tmp_path, "--language", language, centre=SIGNS) as counter:
        operator = beside(counter, f"{language}-{size}-pin", size)
        other = beside(counter, f"{language}-{size}-other", size)
        for one in (operator, other):
            one.go()
            one.look("pin")
            one.sign_on(PIN)
            one.page.wait_for_selector("#q:focus")
        owed = reference()
        operator.fetch_at_last(owed)
        # The same operator leaves at the other browser: the switch has no session left.
        other.go("/operator")
        other.page.click('form[action="/operator/off"] button')
        other.page.wait_for_selector("#pin")
        operator.page.fill("#cash_in", "=")
        operator.press("Enter")
        operator.wait("sign-on")
        operator.look("sign-on")
        where = operator.page.url
        operator.page.click(".actions .main")
        operator.page.wait_for_selector("#pin")
        operator.look("pin-again")
        operator.sign_on(PIN)
        operator.page.wait_for_selector("#q:focus")
        operator.page.goto(where)
        operator.wait("paid")
        for attempt in range(pins.FREE + 1):
            other.sign_on("000111")
            other.wait("problem")
            state = "wrong" if attempt < pins.FREE else "locked"
            other.look(f"pin-{state}")
        other.complaints.clear()  # the browser names the status of each answer but 2xx
        other.check()
        operator.check()


@pytest.mark.parametrize("size", SIZES)
def test_practice_and_a_program_that_has_gone(
    world: World, beside: Beside, tmp_path: Path, size: str
) -> None:
    world.serve()
    with counting(world, tmp_path, "--training") as counter:
        operator = beside(counter, f"training-{size}", size)
        operator.begin("bn")
        operator.look("practice")
        operator.fetch_at_last(reference())
        operator.look("practice-due")
        operator.check()
        counter.kill()
        operator.page.wait_for_selector("#page-down:not([hidden])")
        operator.look("program-gone")
        operator.complaints.clear()  # the browser tells of connections that end
        operator.check()
