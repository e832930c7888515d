"""Goal: an operator finds a payment by its amount and by how it stands, alone or beside
what else is known of it, and is told what the switch does not take.

Method: payments of one wallet at a real switch, and the page's form.
"""

import re
import time
from collections.abc import Iterable

import pytest

from switch.calendar import format_ist
from switch.v1 import billers_pb2
from tests.server.harness import payment, until
from tests.server.scripted_biller import ScriptedBiller, confirm
from tests.web.browsing import Browser
from tests.web.test_counter_page import reference
from tests.web.world import BOOKING, CENTRE, POWER, World, bills

_ROW = re.compile(r'href="(/payment/[0-9a-f]{32})"')


def today() -> str:
    """The day, as it is typed."""
    year, month, day = format_ist(time.time_ns())[:10].split("-")
    return f"{day}/{month}/{year}"


def held(world: World, amounts: list[int], reference: str = "") -> list[str]:
    """Payments that wait for a department that nobody reaches; their pages."""
    peer, found = world.peers.centre(CENTRE), []
    for amount in amounts:
        one = payment(BOOKING, reference=reference or f"H-{amount}", amount=amount)
        assert peer.pay(one).result == 1
        found.append(f"/payment/{one.id.hex()}")
    return found


def rows(browser: Browser, **fields: str) -> list[str]:
    """What a search finds on its first page."""
    browser.get("/today")
    reply = browser.send("/find", **{"q": "", "state": "", **fields})
    assert reply.status_code == 200
    return re.findall(_ROW, browser.text)


def following(browser: Browser) -> dict[str, str]:
    """The form that leads to older ones."""
    form = browser.text.rpartition('action="/find"')[2]
    return dict(re.findall(r'name="([a-z_]+)" value="([^"]*)"', form))


def test_by_amount(world: World, browser: Browser) -> None:
    one, two, three = held(world, [7_101_00, 7_102_00, 7_103_50])
    assert rows(browser, amount="7101") == [one]
    assert rows(browser, amount="৭,১০২.০০") == [two]
    assert rows(browser, amount="₹7,101.00", amount_to="7,102") == [two, one]
    assert rows(browser, amount="7102", amount_to="7104") == [three, two]
    assert 'id="amount" name="amount"' in browser.text
    assert 'value="7104"' in browser.text
    # Beside a day and a reference both must hold.
    assert rows(browser, q=today(), amount="7103.50") == [three]
    assert rows(browser, q="01/01/2020", amount="7103.50") == []
    assert rows(browser, q="H-710100", amount="7101") == [one]
    assert rows(browser, q="H-710100", amount="7102") == []
    assert browser.outcomes[-2:] == ["empty", "cut"]
    # One that is named by its id is found if it fits, and else not.
    name = one.rpartition("/")[2]
    assert rows(browser, q=name, amount="7101") == [one]
    assert rows(browser, q=name, amount="7102") == []


@pytest.mark.parametrize("field", ["amount", "amount_to"])
@pytest.mark.parametrize("text", ["0", "-5", "1e9", "x", "9" * 20, "1,2", "0.5"])
def test_what_is_no_amount_is_said(browser: Browser, field: str, text: str) -> None:
    browser.get("/today")
    assert browser.send("/find", q="", **{field: text}).status_code == 422
    assert "Type an amount in rupees" in browser.text
    [wrong] = re.findall(r'<input id="([a-z_]+)"[^>]*aria-invalid', browser.text)
    assert wrong == field


def test_by_state(world: World, browser: Browser) -> None:
    owed = reference()
    browser.fetch(POWER, owed)
    browser.pay()
    browser.settled("paid")
    paid = browser.path
    [waits] = held(world, [7_201_00])
    assert paid in rows(browser, state="COMPLETED")
    assert waits not in rows(browser, state="COMPLETED")
    assert waits in rows(browser, state="HELD")
    assert 'value="HELD" selected' in browser.text
    assert rows(browser, state="HELD", amount="7201") == [waits]
    assert rows(browser, state="KEPT", amount="7201") == []
    # More than its service takes: refused, and found by its day alone.
    peer = world.peers.centre(CENTRE)
    refused = payment(BOOKING, reference="TOO-MUCH", amount=100_000_01)
    assert peer.pay(refused).result != 1
    where = f"/payment/{refused.id.hex()}"
    assert where in rows(browser, q=today(), state="REFUSED")
    assert waits not in rows(browser, q=today(), state="REFUSED")
    assert where not in rows(browser, q=today(), state="COMPLETED")
    browser.get("/today")
    assert browser.send("/find", q="", state="REFUSED").status_code == 422
    assert "Refused payments need their day" in browser.text


def test_what_the_switch_does_not_take_is_said(browser: Browser) -> None:
    for fields in (
        {"amount": "20", "amount_to": "10"},
        {"q": "centre-p/2026-27/1", "page": "AAAA"},
    ):
        browser.get("/today")
        assert browser.send("/find", **fields).status_code == 422
        assert "The switch takes no such search" in browser.text
    browser.get("/today")
    assert browser.send("/find", q="", state="PAID").status_code == 400
    # Of before and after all time, and a day that there is not.
    for day in ("01/01/1970", "01/01/0001", "31/12/9999", "31/12/2600", "30/02/2026"):
        browser.get("/today")
        assert browser.send("/find", q=day).status_code == 422
        assert "Type a receipt number" in browser.text


def test_the_next_page_is_of_the_same_search(world: World, browser: Browser) -> None:
    made = held(world, [301_00] * 23)
    held(world, [300_00, 302_00])
    found = rows(browser, amount="301", state="HELD")
    assert found == made[:2:-1]
    browser.send("/find", **following(browser))
    found += re.findall(_ROW, browser.text)
    assert found == made[::-1]
    assert "301" in browser.text


def test_the_next_page_of_a_departments_own_reference(
    world: World, browser: Browser
) -> None:
    """What two departments call alike is more than a page."""
    word = f"OWN-{reference()}"

    def says(question: billers_pb2.Question) -> Iterable[billers_pb2.Answer]:
        if question.kind == billers_pb2.QUESTION_KIND_FETCH_BILL:
            return bills(question)
        return (confirm(question, word),)

    peer, paid = world.peers.centre(CENTRE), list[str]()
    world.serve(says)
    with ScriptedBiller(world.peers.biller("gas"), says):
        for _ in range(16):
            one = payment(BOOKING, operator=3)
            assert peer.pay(one).result == 1
            paid.append(f"/payment/{one.id.hex()}")
        for _ in range(6):
            browser.fetch(POWER, reference())
            browser.pay()
            browser.settled("paid")
            paid.append(browser.path)
        until(lambda: len(rows(browser, q=word)) == 20)
        found = rows(browser, q=word)
        browser.send("/find", **following(browser))
        found += re.findall(_ROW, browser.text)
    world.serve()
    assert sorted(found) == sorted(paid)
    assert browser.outcomes[-1] == "cut"
