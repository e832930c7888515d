"""The operator: a day at the counter's page, on a slow line, by keyboard.

Signs on, takes exact cash and cash with change, finds a receipt again, raises a
complaint, counts the drawer.
"""

import re

from tests.journeys.browser import Walker, walking
from tests.journeys.world import World

SERVICE = "bidyut"
EXACT, CHANGED = "323456789", "423456789"
"""References of two citizens."""
PAPER = re.compile(r"([a-z0-9-]+/20\d\d-\d\d/\d+)")
CODE = re.compile(r"^code ([0-9a-f]{12})$", re.MULTILINE)
ASK_CODE = """.venv/bin/python -c '
from pathlib import Path
from switch.cli.commands import credentials_of
from switch.client import Client
from switch.codes import Role
who = credentials_of(Path("data/tls"), Role.CENTRE, "{centre}")
with Client(["127.0.0.1:7443"], who) as client:
    print("code", client.receipt(bytes.fromhex("{payment}")).code)
'"""
"""What the square of an A5 paper or a roll says: the page's own paper has none."""


def walk(world: World, *, whole: bool = True) -> None:
    """The counter's centre gets money first; then its operator works."""
    with walking(world, "operator") as operator:
        address = world.page("counter")
        with operator.step("opens the counter's page"):
            operator.go(address, "#operator:focus")
        address = address.partition("/operator")[0]
        centre = operator.page.inner_text(".who .centre").strip()
        give_money(world, centre)
        with operator.step("signs on"):
            operator.type("3", "Enter")
            operator.page.wait_for_selector("#q:focus")
            if operator.page.get_attribute("html", "lang") != "en":
                operator.page.click(".language button")
                operator.page.wait_for_selector("html[lang=en] #q:focus")
        pay(operator, EXACT, "=")
        read_paper(world, operator)
        with operator.step("goes on to the next citizen"):
            operator.type("", "Tab", "Enter")
            operator.page.wait_for_selector("#q:focus")
        if whole:
            pay(operator, CHANGED, "20000")
            with operator.step("reads the change"):
                operator.reads("change")
            finds_again(world, operator, address)
            complains(operator)
            counts(operator, address)


def give_money(world: World, centre: str) -> None:
    """What the treasury does before a centre can pay anything."""
    who = "--person 2 --key data/people/treasury-2.key --yes"
    utr = f"--utr COUNTER-{len(world.learnt['entry'])}"
    world.run(f"payswitch propose top-up {centre} 20000 {utr} {who}")
    entry = world.learnt["entry"][-1]
    second = "--as treasury/second --person 1 --key data/people/second-1.key --yes"
    world.run(f"payswitch approve {entry} {second}")
    world.run(f"payswitch do {entry}")


def pay(operator: Walker, reference: str, cash: str) -> None:
    """Find the service, fetch the bill, take the cash, see that it is paid."""
    page = operator.page
    with operator.step(f"finds {SERVICE}"):
        operator.type(SERVICE)
        page.wait_for_selector("#services a")
        operator.type("", "ArrowDown", "Enter")
        page.wait_for_selector("#reference:focus")
    with operator.step(f"fetches what {reference} owes"):
        operator.type(reference, "Enter")
        operator.outcome("due")
        page.wait_for_selector("#cash_in:focus")
    with operator.step(f"takes cash: {cash}"):
        operator.type(cash, "Enter")
        operator.outcome("paid")
    with operator.step("the outcome stays, with its receipt"):
        operator.stays("paid")
        assert PAPER.search(page.inner_text("#paper")), "no receipt"


def read_paper(world: World, operator: Walker) -> None:
    """What the citizen takes home: the number stands on the page, the code on paper."""
    number = PAPER.search(operator.page.inner_text("#paper"))
    (payment,) = re.findall(r"/payment/([0-9a-f]{32})", operator.page.url)
    with operator.step("reads the receipt's number"):
        assert number, "no receipt"
        world.learnt["receipt"].append(number[1])
        world.learnt["counter payment"].append(payment)
    centre = operator.page.inner_text(".who .centre").strip()
    done = world.run(ASK_CODE.format(centre=centre, payment=payment))
    world.learnt["code"] += CODE.findall(done.output)


def finds_again(world: World, operator: Walker, address: str) -> None:
    """A citizen comes back with the paper."""
    page = operator.page
    number = world.learnt["receipt"][-1]
    with operator.step("opens the day's list"):
        operator.go(f"{address}/today", "#q")
    with operator.step(f"finds receipt {number}"):
        page.fill("#q", number)
        page.press("#q", "Enter")
        page.wait_for_selector('.rows [data-outcome="paid"]')
    with operator.step("opens the payment from the list"):
        page.click(".rows a")
        page.wait_for_url("**/payment/**")
        operator.outcome("paid")
        operator.reads(EXACT)


def complains(operator: Walker) -> None:
    """Raise a complaint about the payment that is open."""
    page = operator.page
    with operator.step("raises a complaint"):
        page.click("details summary")
        page.fill("#note", "paid, light still off")
        page.click("details button")
        page.wait_for_selector("[data-number]")
        assert page.inner_text("[data-number]").startswith("C")


def counts(operator: Walker, address: str) -> None:
    """End of the day."""
    page = operator.page
    with operator.step("opens the shift"):
        operator.go(f"{address}/shift", "form.counting")
    with operator.step("counts the drawer and closes the shift"):
        page.fill("#coins", "1")
        page.click("form.counting button")
        page.wait_for_selector("dl.facts")
        operator.reads("Counted")
