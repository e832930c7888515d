"""Goal: a Bengali line has one kind of digits: amounts, counts, dates and periods
are Bengali, and a reference, a number or an id, which keeps ASCII digits, stands in a
line of its own.

Method: each page of the counter with all that can stand on it, line by line; each
text of the product, in both languages; each paper. The pages as Chromium lays them out
are looked at by `make browser` (operator.py).
"""

import importlib
import pkgutil
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

import switch
from switch.console.words import Language
from switch.ids import new_id
from tests.counter.test_receipts import make, papers_of
from tests.server.harness import RUPEE, payment
from tests.web.browsing import Browser, lines_of, mixed_lines
from tests.web.test_counter_handouts import hand_out, handout_form, refunded
from tests.web.test_counter_page import reference
from tests.web.world import (
    BOOKING,
    CENTRE,
    KEEPS,
    POWER,
    RECORDS,
    RELIEF,
    Counter,
    World,
)

_LETTER = re.compile("[\u0980-\u09e5]")


def texts(value: Any, depth: int = 0) -> Iterator[str]:
    """All strings in a table of texts."""
    if isinstance(value, str):
        yield value
    elif depth < 5 and isinstance(value, Mapping):
        for one in value.values():
            yield from texts(one, depth + 1)
    elif depth < 5 and isinstance(value, tuple | list):
        for one in value:
            yield from texts(one, depth + 1)
    elif depth < 5 and hasattr(value, "__dataclass_fields__"):
        for name in value.__dataclass_fields__:
            yield from texts(getattr(value, name, None), depth + 1)


def modules() -> Iterator[Any]:
    """The product's modules that have texts in two languages."""
    for found in pkgutil.walk_packages(switch.__path__, "switch."):
        name = found.name
        if (
            "words" in name
            or "texts" in name
            or name.endswith(("acknowledgements", "described"))
        ):
            yield importlib.import_module(name)


def test_no_text_has_both_kinds() -> None:
    seen = 0
    for module in modules():
        for name, value in vars(module).items():
            if name.startswith("__") or isinstance(value, type):
                continue
            for text in texts(value):
                seen += bool(_LETTER.search(text))
                assert not mixed_lines(text.splitlines()), (module.__name__, text)
    assert seen > 500


def test_a_terminal_has_ascii_digits() -> None:
    """Its lines have ids, dates and references, which are typed again."""
    for language in Language:
        assert language.amount(123_456_789) == "₹12,34,567.89"
        assert language.count(123_456) == "1,23,456"


def test_papers_have_one_kind_in_a_line() -> None:
    receipt = make(period="2026-03", due_date="2026-03-21", bill="B-7", note="2 pages")
    papers = [*papers_of(receipt, bengali=True)]
    assert len(papers) == 3
    for text in papers:
        assert not mixed_lines(text.splitlines())
        assert "২০২৬" in text


def paid_with_complaint(browser: Browser) -> tuple[str, str]:
    """A payment, and the move with which somebody complained about it."""
    browser.fetch(POWER, reference())
    browser.pay()
    browser.settled("paid")
    where = browser.path
    fields = {"id": new_id().hex(), "reason": "OTHER", "note": "paid 2 times"}
    browser.send(f"{where}/complain", **fields)
    browser.settled("done")
    return where, browser.path


def test_a_service_that_no_catalogue_has_yet(world: World, counter: Counter) -> None:
    """It is named by its code; the counter asks for the catalogue each minute."""
    with Browser(counter.address) as browser:
        # By now it has asked.
        browser.sign_on(3, "bn").fetch(POWER, reference())
        world.short()
        assert world.peers.centre(CENTRE).pay(payment(KEEPS, operator=3)).result == 1
        browser.get("/today")
        assert not mixed_lines(lines_of(browser.text))


@pytest.mark.parametrize("language", ["en", "bn"])
def test_each_page(world: World, counter: Counter, language: str) -> None:
    peer = world.peers.centre(CENTRE)
    waiting = payment(BOOKING, reference="HALL-7", amount=12 * RUPEE, note="3 hours")
    assert peer.pay(waiting).result == 1
    with Browser(counter.address) as browser:
        browser.sign_on(3, language)
        pages = []

        def look(path: str = "") -> None:
            if path:
                browser.get(path)
            pages.append(browser.path)
            lines = lines_of(browser.text)
            assert lines
            assert not mixed_lines(lines), browser.path

        browser.fetch(POWER, reference())
        look()
        browser.pay("1000")
        look()
        browser.settled("paid")
        look()
        browser.fetch(POWER, "9" + reference()[1:])
        look()
        browser.fetch(RECORDS, reference(), field_mouza="104", count_apply="2")
        look()
        browser.fetch(RELIEF, reference(), amount="99999")
        look()
        browser.get("/wallet")
        browser.send("/wallet/ask", id=browser.form_id, amount="5000")
        browser.settled("done")
        look()
        browser.get("/shift")
        browser.send("/shift/close", id=browser.form_id, notes_500="1", coins="2.50")
        browser.settled("done")
        look()
        browser.fetch(BOOKING, reference(), amount="15")
        browser.pay("20")
        browser.settled("waiting")
        look()
        raised = paid_with_complaint(browser)
        for path in (*raised, "/complaints", "/complaints/count"):
            look(path)
        refund = refunded(world, 20 * RUPEE)
        for path in (refund, "/handouts"):
            look(path)
        assert hand_out(browser, handout_form(browser.text)) == "done"
        look()
        look(refund)
        for path in ("/", "/today", "/wallet", "/shift", "/operator", "/?q=bill"):
            look(path)
        for path in (f"/service/{POWER}", f"/service/{RECORDS}", "/service/FREE-0001"):
            look(path)
        look(f"/payment/{waiting.id.hex()}")
        browser.send("/find", q="HALL-7")
        look()
        assert len({*pages}) > 12
