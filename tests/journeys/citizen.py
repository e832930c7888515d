"""The citizen: a receipt at the public page, on a telephone, slowly, in Bengali."""

from tests.journeys import operator
from tests.journeys.browser import walking
from tests.journeys.world import World


def walk(world: World, *, whole: bool = True) -> None:
    """Checks the receipt that the operator has handed over; a wrong one; the totals."""
    if not whole:
        return
    if not world.learnt["counter payment"]:
        operator.walk(world, whole=False)
    if not world.learnt["code"]:
        world.stop("has a receipt with a code", "the operator has handed over none")
        return
    number, code = world.learnt["receipt"][-1], world.learnt["code"][-1]
    with walking(world, "citizen", narrow=True) as citizen:
        page, address = citizen.page, world.page("public")
        with citizen.step("opens the address of the paper"):
            citizen.go(address, "#r")
        with citizen.step("chooses Bengali"):
            if page.get_attribute("html", "lang") != "bn":
                page.click("a.language")
                page.wait_for_selector("html[lang=bn] #r")
        with citizen.step("checks the receipt"):
            page.fill("#r", number)
            page.fill("#c", code)
            page.click("button[type=submit]")
            page.wait_for_selector("[data-outcome]")
            citizen.reads(number)
        with citizen.step("checks it with a wrong code"):
            page.fill("#c", code[:-1] + ("2" if code[-1] != "2" else "3"))
            page.click("button[type=submit]")
            page.wait_for_selector("[data-outcome]:not(:has(dl))")
            told = page.get_attribute("[data-outcome]", "data-outcome")
            assert told, "nothing is said"
        with citizen.step("reads the totals"):
            page.click("main a >> nth=-1")
            page.wait_for_selector("h1")
