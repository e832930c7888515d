"""Goal: what operators do at the counter's page all day, in a real browser. By keyboard
alone, in both languages, on a telephone's and a desk's screen: find, fetch, take exact
cash, hand over a receipt, four strokes after the reference at most. A key that is held
down pays nothing. A refund is handed out once and counted. A complaint goes from the
counter's page through support's command to the public page. An operator of a network
file signs on by PIN, and no cash is asked for that the wallet cannot pay. An outcome
that the page has shown stays, however slow the line is and whoever dies.

Method: one Chromium, one switch and its counters for all of it. States are judged by
axe-core (WCAG 2.1 A and AA) and must not stand out of the screen; the console stays
silent. On the line of 50 kbit/s and 600 ms the page itself writes down each thing that
it says (watched.py). `make browser` walks more of each (all_*.py).
"""

import json
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from switch.codes import Role
from tests import forked
from tests.browser.conftest import Beside, Opens, OpensSlow
from tests.browser.operator import violations
from tests.browser.watched import POLLS_MS, check_outcomes
from tests.browser.ways import main_way, paid, reference
from tests.journeys.terminal import Running
from tests.server.harness import ROOT, RUPEE
from tests.server.test_public_page import paging
from tests.web.world import DUE, RELIEF, Counter, World, answering_later, counting

COLOUR = "(found) => getComputedStyle(found).backgroundColor"
ANSWER = "credited on 2026-11-30"
OF_FILE, HAS = "centre-f", 500 * RUPEE
"""A centre that a file brings, and what its wallet is given: less than a bill."""
PIN = "482915"
"""What tests.journeys.terminal types where one is asked for."""


def command(world: World, *words: str) -> Any:
    """What an office types; its answer."""
    where = ["--address", world.server.address, "--tls", str(world.tls)]
    done = forked.run("switch", *words, *where, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


# --- the main way ---------------------------------------------------------------------


@pytest.mark.parametrize(("language", "size"), [("en", "narrow"), ("bn", "wide")])
def test_the_main_way_by_keyboard(
    world: World, opens: Opens, language: str, size: str
) -> None:
    main_way(world, opens, language, size)


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
    # Pages that were asked for meanwhile have come.
    operator.page.wait_for_timeout(700)
    operator.page.wait_for_selector("#cash_in:focus")
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


def test_only_a_print_that_is_noted_has_the_paper(world: World, opens: Opens) -> None:
    """Of the browser's own printing nobody would know: it would be another original."""
    operator = opens("printed", "wide")
    operator.begin()
    operator.fetch(reference())
    operator.type("=")
    operator.press("Enter")
    operator.wait("paid")
    page = operator.page
    paper, line = page.locator("pre[data-paper]"), page.get_by_text("button Print")
    assert paper.is_visible()
    assert not line.is_visible()
    page.evaluate(
        "() => { window.printed = []; window.print = () => window.printed.push("
        "document.querySelector('pre[data-paper]').checkVisibility()); }"
    )
    page.emulate_media(media="print")
    assert not paper.is_visible()
    assert line.is_visible()
    for prints in (1, 2):
        page.locator("[data-print]").dispatch_event("click")
        page.wait_for_selector("pre:has-text('REPRINT')", state="attached")
        assert page.evaluate("window.printed") == [True] * prints
        page.evaluate("window.dispatchEvent(new Event('afterprint'))")
        assert not paper.is_visible()
        assert line.is_visible()


# --- refunds and complaints -----------------------------------------------------------


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


def test_a_complaint_is_answered(world: World, opens: Opens, browser: Any) -> None:
    operator = opens("complaint", "narrow")
    page = operator.page
    operator.begin()
    operator.fetch("660000001")
    operator.type("=")
    operator.press("Enter")
    operator.wait("paid")
    payment = page.url
    page.click("summary")
    page.select_option("#reason", "NOT_CREDITED")
    page.click("details button")
    operator.wait("done")
    number = page.inner_text("[data-number]")
    page.goto(operator.counter.address)
    page.wait_for_selector("[data-complaints][data-open='1'][data-news='0']")

    for name in ("biller-power", "public-public"):
        role, participant = name.split("-")
        world.peers.authority.leaf(Role[role.upper()], participant)
    told = command(
        world, "complaint", "answer", number, "answer", ANSWER, "--as", "biller/power"
    )
    assert told["complaint"]["number"] == number

    page.goto(payment)
    page.wait_for_selector("#complaint [data-complaint='answered']")
    assert ANSWER in page.inner_text("#complaint")
    assert number in page.inner_text("#complaint")
    code = page.inner_text("#complaint [data-code]")
    operator.look("1-answered")
    page.goto(operator.counter.address.rstrip("/") + "/today")
    page.fill("#q", number.lower())
    page.press("#q", "Enter")
    page.wait_for_url(f"**/complaint/{number}")
    assert ANSWER in operator.text()
    operator.look("2-found")
    operator.check()

    with paging(world.server) as public:
        context = browser.new_context(viewport={"width": 360, "height": 740})
        citizen = context.new_page()
        citizen.goto(f"http://{public.host}/en")
        citizen.click("a[href='/en/complaint']")
        citizen.fill("#n", number)
        citizen.fill("#c", code)
        citizen.click("button[type=submit]")
        citizen.wait_for_selector("[data-outcome='answered']")
        assert "The complaint is answered" in citizen.inner_text("main")
        assert ANSWER not in citizen.content()
        citizen.click(".language")
        citizen.wait_for_selector("html[lang=bn] [data-outcome='answered']")
        assert violations(citizen) == []
        context.close()


# --- a centre of a file ---------------------------------------------------------------


@pytest.fixture(scope="module")
def enrolled(
    browser: Any, world: World, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Counter]:
    """The counter of a centre that is all in a file, its operator with a PIN."""
    data = tmp_path_factory.mktemp("enrolled")
    words = f"-m switch counter {OF_FILE} --enrol 3 --data {data}"
    done = Running(f"{sys.executable} {words}", ROOT, {"LANG": "C.UTF-8"}).wait()
    assert done.code == 0, done.output
    key = json.loads(done.output.splitlines()[-1])["key"]
    operators = [{"number": 3, "key": key}]
    centre = {"id": OF_FILE, "role": "centre", "signs_on": True, "operators": operators}
    file = data / "network.json"
    file.write_text(json.dumps({"format": 1, "participants": [centre]}))
    command(world, "network", "load", str(file))
    world.peers.authority.leaf(Role.CENTRE, OF_FILE)
    assert world.peers.treasury.top_up(OF_FILE, HAS).result == 1
    world.serve()
    with counting(world, data, "--language", "en", centre=OF_FILE) as counter:
        yield counter


def test_an_operator_of_a_file_signs_on_by_pin(
    world: World, enrolled: Counter, beside: Beside
) -> None:
    operator = beside(enrolled, "of-a-file", "narrow")
    operator.go()
    operator.sign_on("000111")
    operator.wait("problem")
    operator.complaints.clear()  # the browser names the status of each answer but 2xx
    operator.sign_on(PIN)
    operator.page.wait_for_selector("#q:focus")
    operator.give(RELIEF, reference(), "20")
    operator.type("=")
    operator.press("Enter")
    operator.wait("paid")
    [one] = world.payments(OF_FILE)
    assert one.operator == 3
    assert not operator.complaints


def test_no_cash_is_asked_for_that_the_wallet_cannot_pay(
    world: World, enrolled: Counter, beside: Beside
) -> None:
    operator = beside(enrolled, "wallet", "narrow")
    operator.go()
    operator.sign_on(PIN)
    operator.page.wait_for_selector("#q:focus")
    operator.give(RELIEF, reference(), "20")
    assert operator.page.is_visible("#cash_in")
    left = (HAS - sum(one.amount for one in world.payments(OF_FILE))) // RUPEE
    assert f"The wallet can pay ₹{left}.00" in operator.text()
    operator.look("balance")
    operator.go()
    operator.search("bidyut")
    operator.type(reference())
    operator.press("Enter")
    operator.wait("no-funds")
    said = f"Take no cash. The wallet can pay ₹{left}.00; ₹{DUE // RUPEE - left}.00 is"
    assert said in operator.text()
    assert operator.page.query_selector("#cash_in") is None
    operator.look("no-funds")
    operator.page.click("a[href='/wallet'].main")
    operator.wait("wallet")
    operator.check()


# --- the slow line --------------------------------------------------------------------


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
