"""Goal: no part that a page asks for by itself ever takes away what the page shows.

Method: every part that htmx may put into a page is asked for in each situation in which
it has nothing to say: late, by nobody, of another kind, of what there is not. What htmx
would put there must have something in it, or the answer must forbid it.
"""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from switch.ids import new_id
from switch.web.counter import app as counter_app
from switch.web.counter import desk, payment
from tests.web.browsing import Browser
from tests.web.test_counter_page import reference
from tests.web.world import POWER, Counter

SHOWN = (
    *("sending", "offline", "sign-on", "waiting", "kept", "paid", "given-back"),
    *("refunded", "unverified", "refused", "not-paid", "trouble", "done", "", "?"),
)
"""What a page may show while it asks, and what none does."""


def would_wipe(reply: httpx.Response) -> bool:
    """Whether htmx would put an answer without text into the page."""
    if reply.headers.get("HX-Reswap") == "none" or reply.status_code == 204:
        return False
    return 200 <= reply.status_code < 400 and not reply.text.strip()


def ended_move(browser: Browser) -> str:
    """A request for money that has its number."""
    browser.get("/wallet")
    browser.send("/wallet/ask", id=browser.form_id, amount="5000")
    browser.settled("done")
    return browser.path


def paid(browser: Browser) -> str:
    """A payment that has ended."""
    browser.fetch(POWER, reference())
    browser.pay()
    browser.settled("paid")
    return browser.path


def test_no_poll_wipes_an_outcome(counter: Counter, browser: Browser) -> None:
    place, move = paid(browser), ended_move(browser)
    places = [
        place,
        move,
        # Of the other kind, and of what there is not.
        place.replace("payment", "move"),
        move.replace("move", "payment"),
        f"/payment/{new_id().hex()}",
        f"/move/{new_id().hex()}",
        "/payment/none",
        "/move/none",
    ]
    with Browser(counter.address) as nobody:
        for path in places:
            for seen in SHOWN:
                for one in (browser, nobody):
                    reply = one.http.get(f"{path}/state", params={"seen": seen})
                    assert not would_wipe(reply), (path, seen, reply.status_code)
        # Who shows the end is told to ask no more; who is signed off goes on asking.
        last = browser.http.get(f"{place}/state", params={"seen": "paid"})
        assert last.status_code == desk.STOP_POLLING
        late = browser.http.get(f"{place}/state", params={"seen": "sending"})
        assert late.status_code == desk.STOP_POLLING
        assert 'data-outcome="paid"' in late.text
        signed_off = nobody.http.get(f"{place}/state", params={"seen": "sending"})
        assert signed_off.status_code == 204
        assert signed_off.headers[desk.SIGNED_OFF] == "yes"
        assert desk.SIGNED_OFF not in last.headers


def test_no_other_part_wipes_anything(counter: Counter, browser: Browser) -> None:
    place = paid(browser)
    with Browser(counter.address) as nobody:
        for one in (browser, nobody):
            for path in (
                *("/line", "/line?line=up", "/line?line=down", "/line?line=x"),
                *("/services", "/services?q=bill", "/services?q=zzzz"),
                "/complaints/count",
                *(f"{place}/paper", f"{place}/paper?kind=acknowledgement"),
                *(f"{place}/paper?kind=x", "/payment/none/paper"),
            ):
                reply = one.http.get(path)
                if (
                    path != "/services"
                ):  # nothing is asked for, and nothing stands there
                    assert not would_wipe(reply), path
    browser.get(place)
    for kind in ("receipt", "acknowledgement"):
        fields = {"token": browser.token, "kind": kind}
        reply = browser.http.post(f"{place}/printed", data=fields)
        assert not would_wipe(reply), kind


def parts() -> set[str]:
    """The paths of all parts."""
    return {
        *re.findall(r'Route\("([^"]+)", part\(', _source(counter_app)),
        *(
            f"/payment/{{id:str}}/{name}"
            for name, endpoint in payment.ENDPOINTS.items()
            if endpoint.__qualname__.startswith("part.")
        ),
    }


def _source(module: Any) -> str:
    return Path(module.__file__).read_text(encoding="utf-8")


def test_every_part_is_asked_for_here() -> None:
    assert parts() == {
        "/line",
        "/services",
        "/complaints/count",
        "/move/{id:str}/state",
        "/payment/{id:str}/state",
        "/payment/{id:str}/paper",
    }


@pytest.mark.parametrize("is_over", [False, True])
def test_an_answer_that_changes_nothing_says_so(is_over: bool) -> None:
    answer = desk.unchanged(is_over=is_over)
    assert answer.headers["HX-Reswap"] == "none"
    assert answer.body == b""
