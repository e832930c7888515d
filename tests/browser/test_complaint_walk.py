"""Goal: a citizen's complaint goes all the way, in real browsers: raised at the counter
page, answered by support's command, shown on the counter's page, found by its number in
the search, and told as *answered* on the public page.

Method: Chromium at a counter and at the public page, a real switch, and `payswitch`
itself for what an office types. Each state is judged by axe-core.
"""

import json
from typing import Any

from switch.codes import Role
from tests import forked
from tests.browser.conftest import Opens
from tests.browser.operator import AXE, RULES
from tests.server.test_public_page import paging
from tests.web.world import World

ANSWER = "credited on 2026-11-30"


def command(world: World, *words: str) -> Any:
    """What an office types; its answer."""
    where = ["--address", world.server.address, "--tls", str(world.tls)]
    done = forked.run("switch", *words, *where, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


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
        context.add_init_script(path=AXE)
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
        found = citizen.evaluate(
            "async (rules) => (await axe.run(document, {runOnly: {type: 'tag',"
            " values: rules}})).violations.map(v => v.id)",
            RULES,
        )
        assert found == []
        context.close()
