"""Goal: an operator finds, fetches, takes exact cash and hands over a receipt by
keyboard alone, in both languages, on a telephone's and a desk's screen; four strokes
after the reference at most, and a key that is held down pays nothing.

Method: Chromium at a real counter and switch. Each state on the way is judged by
axe-core (WCAG 2.1 A and AA) and must not stand out of the screen; the console stays
silent.
"""

from typing import Any

import pytest

from switch.v1 import billers_pb2
from tests.browser.conftest import Opens
from tests.browser.operator import REPORT
from tests.server.harness import until
from tests.server.scripted_biller import reject, silent
from tests.web.world import POWER, RECORDS, RELIEF, World, bills

STROKES_MAX = 4
_numbers = iter(range(500_000_001, 1 << 30))


def reference() -> str:
    """One that nobody has paid for."""
    return str(next(_numbers))


def paid(world: World, owed: str) -> list[Any]:
    """The payments of a reference."""
    return [one for one in world.payments() if owed in one.reference]


@pytest.mark.parametrize("size", ["narrow", "wide"])
@pytest.mark.parametrize("language", ["en", "bn"])
def test_the_main_way_by_keyboard(
    world: World, opens: Opens, language: str, size: str
) -> None:
    operator = opens(f"{language}-{size}", size)
    operator.go("/")
    operator.look("1-operator")
    operator.begin(language)
    operator.look("2-find")
    operator.search({"en": "bidyut", "bn": "কারেন্ট"}[language])
    operator.look("3-form")
    owed = reference()
    operator.type(owed)
    operator.strokes = 0
    operator.press("Enter")
    operator.wait("due")
    assert operator.focused() == "cash_in"
    operator.look("4-due")
    operator.type("=")
    operator.press("Enter")
    operator.wait("paid")
    assert operator.strokes <= STROKES_MAX
    REPORT.joinpath(f"{operator.name}.strokes").write_text(f"{operator.strokes}\n")
    operator.look("5-paid")
    assert "/2026-27/" in operator.text()
    [one] = paid(world, owed)
    assert one.operator == 3
    # On to the next citizen, still without a mouse.
    operator.press("Tab", "Enter")
    operator.page.wait_for_selector("#q:focus")
    operator.check()


def test_a_key_that_is_held_down_pays_nothing(world: World, opens: Opens) -> None:
    operator = opens("held", "wide")
    operator.begin()
    owed = reference()
    operator.search("bidyut")
    operator.type(owed)
    for _ in range(60):
        operator.page.keyboard.down("Enter")
    operator.wait("due", "problem")
    for _ in range(60):
        operator.page.keyboard.down("Enter")
        # Where a browser does not say that it repeats, too.
        operator.page.keyboard.up("Enter")
    assert not paid(world, owed)
    operator.type("=")
    for _ in range(60):
        operator.page.keyboard.down("Enter")
    operator.wait("paid")
    for _ in range(60):
        operator.page.keyboard.down("Enter")
    operator.page.wait_for_timeout(300)
    operator.wait("paid")
    assert len(paid(world, owed)) == 1


def test_double_click_reload_back_and_two_tabs(world: World, opens: Opens) -> None:
    operator = opens("again", "wide")
    operator.begin()
    owed = reference()
    operator.search("bidyut")
    operator.type(owed)
    operator.press("Enter")
    operator.wait("due")
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


@pytest.mark.parametrize("language", ["en", "bn"])
def test_each_state_can_be_read(world: World, opens: Opens, language: str) -> None:
    operator = opens(f"{language}-states", "narrow")
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
    operator.go(f"/service/{POWER}")
    owed = "9" + reference()[1:]
    operator.type(owed)
    operator.press("Enter")
    operator.page.wait_for_selector("fieldset.bills")
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
    operator.go("/")
    operator.page.wait_for_selector(".unfinished")
    operator.look("unfinished")
    biller.script = lambda question: (reject(question),)
    operator.page.click(".unfinished a")
    operator.wait("given-back", timeout_ms=60_000)
    operator.look("given-back")
    world.serve()
    until(lambda: world.biller is not None)
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
    operator.page.wait_for_selector("text=/signed|সই করেছেন/")
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
