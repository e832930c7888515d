"""Goal: what came back is never shown as paid; the page tells an operator what to hand
out, once, with its paper, and after the switch has said yes.

Method: a browser without a screen at a counter and a real switch; refunds whole and in
part as the treasury makes them, a payment that expired; forms sent twice, forms that
are old, forms that lie.
"""

import json
import re
from typing import Any

import pytest

from switch.calendar import ist_date
from switch.ids import new_id
from tests.server.harness import RUPEE, payment, until
from tests.server.scripted_biller import silent
from tests.server.treasury import UNVERIFIED, kinds
from tests.web.browsing import Browser
from tests.web.world import CENTRE, RELEASES, RELIEF, Counter, World

_FIELD = re.compile(r'name="(id|payment|sequence|amount|refund)" value="([^"]*)"')
_MARK = re.compile(r'data-handout="([a-z]+)"')


def refunded(world: World, amount: int, of: int = 20 * RUPEE) -> str:
    """The page of a payment of which so much was given back."""
    asked = payment(RELIEF, amount=of, operator=3)
    paid = world.peers.centre(CENTRE).pay(asked)
    assert world.peers.refund(paid.sequence, amount).result == 1
    return f"/payment/{asked.id.hex()}"


def handout_form(text: str) -> dict[str, str]:
    """The fields of the first form that hands something out."""
    at = text.index('action="/handouts/hand-out"')
    return dict(_FIELD.findall(text[at : text.index("</form>", at)]))


def hand_out(browser: Browser, form: dict[str, str], **changes: Any) -> str:
    browser.send("/handouts/hand-out", **{**form, **changes})
    assert browser.path.startswith("/move/"), browser.text[-800:]
    return browser.settled("done", "refused", "not-paid")


def test_a_payment_of_this_counter_is_not_paid_for_ever(
    world: World, browser: Browser
) -> None:
    """What its till knows of it may be days old."""
    browser.get("/")
    browser.fetch(RELIEF, f"R{new_id().hex()[-8:].upper()}", amount="50")
    browser.pay()
    assert browser.settled("paid") == "paid"
    path = browser.path
    [one] = [one for one in world.payments() if one.id.hex() in path]
    assert world.peers.refund(one.sequence, 20 * RUPEE).result == 1
    browser.get(path)
    assert browser.outcomes[0] == "refunded-part"
    assert "outcome-paid" not in browser.text
    assert "₹20.00" in browser.text
    browser.get("/today")
    row = browser.text[browser.text.index(path) :].partition("</li>")[0]
    assert 'data-outcome="refunded-part"' in row
    assert world.peers.refund(one.sequence, 30 * RUPEE).result == 1
    browser.get(path)
    assert browser.outcomes[0] == "refunded"
    assert _MARK.findall(browser.text) == ["waits", "waits"]
    for number in ("R1", "R2"):
        browser.get(path)
        assert hand_out(browser, handout_form(browser.text)) == "done"
        assert f"/{number}" in browser.text
    browser.get(path)
    assert _MARK.findall(browser.text) == ["done", "done"]
    assert "/handouts/hand-out" not in browser.text


def test_it_is_handed_out_once(world: World, browser: Browser) -> None:
    path = refunded(world, 20 * RUPEE)
    browser.get(path)
    assert browser.outcomes[0] == "refunded"
    old = handout_form(browser.text)
    browser.get("/handouts")
    assert path in browser.text
    # The citizen has a receipt in hand: its number and day are in the list.
    payment_id = bytes.fromhex(path.rpartition("/")[2])
    number = json.loads(world.receipt(payment_id).json)["receipt"]
    [one] = [one for one in world.payments() if one.id == payment_id]
    row = browser.text[browser.text.index(path) :].partition("</li>")[0]
    assert number in row
    day = ist_date(one.time_ns).isoformat()
    assert f"Payment of {day}" in row
    form = handout_form(browser.text[browser.text.index(path) - 200 :])
    assert form["sequence"] == old["sequence"]
    # A double click is one.
    browser.send("/handouts/hand-out", **form)
    move = browser.path
    browser.get("/handouts")
    browser.send("/handouts/hand-out", **form)
    assert browser.path == move
    assert browser.settled("done") == "done"
    assert "₹20.00" in browser.text
    browser.get("/handouts")
    assert path not in browser.text
    # And a form of before hands out nothing.
    assert hand_out(browser, old) == "refused"
    assert "handed out before" in browser.text
    assert "/R1" not in browser.text


def test_its_paper_is_a_reprint_from_the_second_on(
    world: World, browser: Browser
) -> None:
    path = refunded(world, 5 * RUPEE)
    # Who has not handed it out has no paper of it: it would be an original, too.
    assert browser.get(f"{path}/refund/1").status_code == 404
    browser.get(path)
    assert f"{path}/refund/" not in browser.text
    assert hand_out(browser, handout_form(browser.text)) == "done"
    page = browser.path
    assert "REPRINT" not in browser.text
    browser.send(f"{path}/printed", kind="refund-1")
    assert "REPRINT" in browser.text
    browser.get(page)
    assert "REPRINT" in browser.text
    # It is found again where the payment is.
    browser.get(path)
    assert f'href="{path}/refund/1"' in browser.text
    browser.get(f"{path}/refund/1")
    assert 'data-paper="refund-1"' in browser.text
    assert "REPRINT" in browser.text
    for wrong in ("0", "2", "x", "-1"):
        assert browser.get(f"{path}/refund/{wrong}").status_code == 404
    for wrong in ("refund-0", "refund-x", "refund-", "refund-99", "REFUND-1"):
        browser.get(page)
        browser.send(f"{path}/printed", kind=wrong)
        assert "/R" not in browser.text


def expired(world: World) -> str:
    """The page of a payment whose deadline has passed without a word of its biller."""
    world.serve(silent)
    world.short()
    asked = payment(RELEASES, amount=7 * RUPEE, operator=3)
    left = world.peers.centre(CENTRE).pay(asked).sequence
    until(lambda: kinds(world.peers, left) == [UNVERIFIED])
    return f"/payment/{asked.id.hex()}"


def test_what_expired_waits_for_its_acknowledgement(
    world: World, browser: Browser
) -> None:
    path = expired(world)
    browser.get(path)
    assert browser.outcomes[0] == "unverified"
    assert hand_out(browser, handout_form(browser.text)) == "done"
    assert 'data-paper="acknowledgement"' in browser.text
    browser.get(path)
    assert _MARK.findall(browser.text) == ["done"]
    world.serve()


def test_who_hears_that_it_is_credited_hands_out_nothing(
    world: World, browser: Browser
) -> None:
    path = expired(world)
    browser.get(path)
    old = handout_form(browser.text)
    # The biller is there again, and has credited it.
    world.serve()

    def is_disputed() -> bool:
        browser.get(path)
        return _MARK.findall(browser.text) == ["disputed"]

    until(is_disputed)
    assert "/handouts/hand-out" not in browser.text
    assert hand_out(browser, old) == "refused"
    assert "hand out nothing" in browser.text


def test_a_paper_is_of_what_was_handed_out(world: World, browser: Browser) -> None:
    """Whatever a form says that it is of."""
    other, path = refunded(world, RUPEE), refunded(world, 4 * RUPEE)
    browser.get(path)
    form = handout_form(browser.text)
    lie = {"payment": other.removeprefix("/payment/"), "refund": "2"}
    assert hand_out(browser, form, **lie) == "done"
    assert "/R1" in browser.text
    assert path in browser.text
    assert other not in browser.text
    assert "₹4.00" in browser.text


LIES: list[tuple[dict[str, str], str]] = [
    ({"amount": "1"}, "refused"),
    ({"sequence": "1"}, "not-paid"),
    ({"sequence": str(2**62)}, "not-paid"),
]


@pytest.mark.parametrize(("changes", "outcome"), LIES)
def test_a_form_that_lies(
    world: World, browser: Browser, changes: dict[str, str], outcome: str
) -> None:
    path = refunded(world, 3 * RUPEE)
    browser.get(path)
    form = handout_form(browser.text)
    assert hand_out(browser, form, **changes) == outcome
    browser.get(path)
    assert _MARK.findall(browser.text) == ["waits"]


@pytest.mark.parametrize(
    "changes",
    [
        *({"id": ""}, {"id": "x"}, {"payment": "zz"}, {"sequence": "-1"}),
        *({"amount": "0"}, {"amount": "1e3"}, {"refund": "x"}, {"sequence": ""}),
    ],
)
def test_a_form_that_cannot_be_read(
    world: World, browser: Browser, changes: dict[str, str]
) -> None:
    browser.get("/handouts")
    form = {"id": new_id().hex(), "payment": new_id().hex()}
    form |= {"sequence": "5", "amount": "5", "refund": "1", **changes}
    assert browser.send("/handouts/hand-out", **form).status_code == 400


def test_nothing_is_told_to_who_did_not_sign_on(counter: Counter) -> None:
    with Browser(counter.address) as stranger:
        stranger.get("/handouts")
        assert stranger.path == "/operator"


def close_shift(browser: Browser, coins: str = "0", *, outcome: str = "done") -> str:
    browser.get("/shift")
    browser.send("/shift/close", id=browser.form_id, coins=coins)
    assert browser.settled(outcome) == outcome
    return browser.text


def test_a_shift_that_gave_back_more_than_it_took(
    world: World, browser: Browser
) -> None:
    """That nothing was counted is no agreement then."""
    path = refunded(world, 5 * RUPEE)
    close_shift(browser)
    empty = close_shift(browser, outcome="not-paid")
    assert "Not done: since the shift before nothing was taken" in empty
    browser.get(path)
    assert hand_out(browser, handout_form(browser.text)) == "done"
    text = close_shift(browser)
    assert "₹5.00 more was given back than taken" in text
    assert "No difference" not in text
