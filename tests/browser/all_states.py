"""Goal: every state of the page can be read by everybody, in both languages, and no
double click, reload, way back or second tab pays twice.

Method: as test_walks.py, which `make test` runs; this and all_kills.py are run by
`make browser` alone, which takes minutes.
"""

from typing import Any

import pytest

from switch.v1 import billers_pb2
from tests.browser.conftest import Opens
from tests.browser.operator import SIZES
from tests.browser.ways import main_way, paid, reference
from tests.server.harness import payment, until
from tests.server.scripted_biller import reject, silent
from tests.web.world import BOOKING, CENTRE, POWER, RECORDS, RELIEF, World, bills


@pytest.mark.parametrize(("language", "size"), [("bn", "narrow"), ("en", "wide")])
def test_the_main_way_on_other_screens(
    world: World, opens: Opens, language: str, size: str
) -> None:
    main_way(world, opens, language, size)


def test_double_click_reload_back_and_two_tabs(world: World, opens: Opens) -> None:
    operator = opens("again", "wide")
    operator.begin()
    owed = reference()
    operator.fetch(owed)
    due = operator.page.url
    other = operator.page.context.new_page()
    other.goto(due)
    operator.page.bring_to_front()
    operator.page.fill("#cash_in", "=")
    operator.page.dblclick("button.main")
    operator.wait("paid")
    where = operator.page.url
    operator.page.reload()
    operator.wait("paid")
    other.fill("#cash_in", "=")
    other.click("button.main")
    other.wait_for_url(where)
    operator.page.go_back()
    operator.page.wait_for_selector("#cash_in")
    operator.page.fill("#cash_in", "1000")
    operator.page.click("button.main")
    operator.page.wait_for_url(where)
    operator.wait("paid")
    assert len(paid(world, owed)) == 1
    operator.look("paid")
    operator.check()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("language", ["en", "bn"])
def test_each_state_can_be_read(
    world: World, opens: Opens, language: str, size: str
) -> None:
    operator = opens(f"{language}-{size}-states", size)
    operator.begin(language)
    asked: list[Any] = []

    def slow(question: billers_pb2.Question) -> Any:
        if question.kind == billers_pb2.QUESTION_KIND_FETCH_BILL:
            return bills(question)
        asked.append(question)
        return silent(question)

    biller = world.serve(slow)
    operator.search("bidyut")
    operator.type("x")
    operator.press("Enter")
    operator.wait("problem")
    operator.look("wrong")
    operator.complaints.clear()  # the browser names the status of each answer but 2xx
    owed = "9" + reference()[1:]

    def fetched() -> bool:
        """Whether the biller, who has just come, is asked already."""
        operator.go(f"/service/{POWER}")
        operator.type(owed)
        operator.press("Enter")
        operator.page.wait_for_selector("fieldset.bills, .problem")
        return operator.page.query_selector("fieldset.bills") is not None

    until(fetched, 30)
    operator.complaints.clear()
    operator.look("bills")
    operator.page.focus("#cash_in")
    operator.type("900")
    operator.press("Enter")
    operator.wait("problem")
    operator.look("short")
    operator.complaints.clear()
    operator.page.focus("#cash_in")
    operator.page.fill("#cash_in", "1000")
    operator.press("Enter")
    operator.wait("waiting")
    operator.look("waiting")
    operator.page.click("summary")
    operator.look("complaint")
    operator.go("/")
    operator.page.wait_for_selector(".unfinished")
    operator.look("unfinished")
    biller.script = lambda question: (reject(question),)
    operator.page.click(".unfinished a")
    operator.wait("given-back", timeout_ms=60_000)
    operator.look("given-back")
    world.serve()
    for path, state in [
        ("/today", "today"),
        ("/shift", "shift"),
        ("/wallet", "wallet"),
        ("/operator", "operator"),
        (f"/service/{RECORDS}", "tariff"),
        (f"/service/{RELIEF}", "open"),
        ("/service/FREE-0001", "free"),
    ]:
        operator.go(path)
        operator.look(state)
    operator.go("/shift")
    operator.type("1")
    operator.press("Enter")
    operator.wait("done")
    operator.look("shift-closed")
    operator.page.fill("#operator", "8")
    operator.press("Enter")
    operator.page.wait_for_selector("text=/signed by operator|সই করেছেন/")
    operator.look("shift-signed")
    operator.go("/wallet")
    operator.page.fill("#amount", "5000")
    operator.press("Enter")
    operator.wait("done")
    operator.look("top-up")
    operator.check()
    # Twice as large, as a browser's zoom makes it.
    operator.page.set_viewport_size({"width": 640, "height": 400})
    operator.go("/")
    operator.page.evaluate("document.documentElement.style.fontSize = '212.5%'")
    operator.complaints.clear()  # of the style that this test has put there
    operator.look("zoomed")
    operator.check()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("language", ["en", "bn"])
def test_what_is_searched_cancelled_refused_and_away(
    world: World, opens: Opens, language: str, size: str
) -> None:
    operator = opens(f"{language}-{size}-ends", size)
    operator.begin(language, "4")
    page = operator.page
    peer, hall = world.peers.centre(CENTRE), f"HALL-{reference()}"
    held = [payment(BOOKING, reference=hall, operator=3) for _ in range(17)]
    for one in held:
        assert peer.pay(one).result == 1
    operator.go("/today")
    for text, outcome, state in (
        (hall, "cut", "search-many"),
        ("01/01/2001", "empty", "search-none"),
        ("নাম", "problem", "search-wrong"),
    ):
        page.fill("#q", text)
        operator.press("Enter")
        operator.wait(outcome)
        operator.look(state)
    operator.go("/today")
    page.click("summary")
    page.fill("#amount", "0")
    operator.press("Enter")
    operator.wait("problem")
    operator.look("search-amount-wrong")
    page.fill("#amount", "5")
    page.select_option("#state", "HELD")
    page.press("#amount", "Enter")
    operator.wait("list")
    operator.look("search-amount-state")
    page.fill("#amount_to", "4")
    page.press("#amount_to", "Enter")
    operator.wait("problem")
    operator.look("search-refused")
    operator.go(f"/payment/{held[0].id.hex()}")
    operator.wait("waiting")
    operator.look("held")
    page.click('form[action$="/cancel"] button')
    operator.wait("given-back")
    operator.look("cancelled")
    assert "4" in operator.text() or "৪" in operator.text()
    given = reference()
    for outcome in ("paid", "refused"):
        operator.give(RELIEF, given, "250")
        operator.type("=")
        operator.press("Enter")
        operator.wait(outcome)
    operator.look("once-more")
    operator.go("/nowhere")
    operator.look("nowhere")
    operator.complaints.clear()  # the browser names the status of each answer but 2xx

    def away() -> None:
        operator.go("/")
        page.wait_for_selector('[data-line="down"]')
        operator.look("offline")

    def is_back() -> bool:
        operator.go("/today")
        return page.query_selector('[data-line="down"]') is None

    world.restart(meanwhile=away)
    world.serve()
    # The counter tries again after a pause: what comes next needs the switch.
    until(is_back, 60)
    operator.complaints.clear()
    operator.check()


def test_a_session_that_is_over_costs_a_sign_on(world: World, opens: Opens) -> None:
    operator = opens("over", "narrow")
    operator.begin()
    owed = reference()
    operator.fetch(owed)
    due = operator.page.url
    operator.page.context.clear_cookies()
    operator.type("=")
    with operator.page.expect_navigation():
        operator.press("Enter")
    operator.look("over")
    assert not paid(world, owed)
    operator.complaints.clear()
    operator.begin()
    operator.go(due[due.index("/due/") :])
    operator.wait("due")
    operator.type("=")
    operator.press("Enter")
    operator.wait("paid")
    assert len(paid(world, owed)) == 1
    operator.check()
