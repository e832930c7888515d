"""Goal: whatever an operator does at the page, a citizen's cash pays once or is known
not to, and the page says which in plain words.

Method: a real switch, a biller that does what a test says, the counter as a process of
its own, and its forms sent as a browser sends them.
"""

import re
import threading
import time

import pytest

from switch.ids import new_id
from switch.v1 import billers_pb2
from switch.web.counter.drafts import DRAFTS_MAX
from tests.server.harness import payment, until
from tests.server.scripted_biller import reject, silent
from tests.web.browsing import Browser
from tests.web.world import (
    BOOKING,
    CENTRE,
    DUE,
    POWER,
    RECORDS,
    RELIEF,
    Counter,
    World,
    bills,
)

IST_S = 19_800
_numbers = iter(range(100_000_001, 1 << 30))


def reference() -> str:
    """One that nobody has paid for."""
    return str(next(_numbers))


# --- the way of a payment -------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "bn"])
def test_exact_cash_is_paid_and_receipted(
    world: World, counter: Counter, language: str
) -> None:
    with Browser(counter.address) as browser:
        browser.sign_on(3, language)
        assert POWER in browser.get("/services?q=bidyut").text
        owed = reference()
        browser.fetch(POWER, owed)
        assert "due" in browser.outcomes
        browser.pay()
        assert browser.settled("paid") == "paid"
        said = {"en": "Paid. Give the citizen the receipt.", "bn": "জমা হয়েছে।"}
        assert said[language] in browser.text
        assert re.search(r"centre-p/\d{4}-\d\d/\d{6}", browser.text)
        [*_, paid] = [one for one in world.payments() if owed in one.reference]
        assert (paid.amount, paid.operator) == (DUE, 3)
        assert paid.id.hex() in browser.text


def test_change_is_told_and_too_little_pays_nothing(browser: Browser) -> None:
    browser.fetch(POWER, reference())
    path = browser.path
    assert browser.pay("900").status_code == 422
    assert "₹50.00 is missing. Nothing was paid." in browser.text
    browser.get(path)
    browser.pay("১০০০")
    browser.settled("paid")
    assert "Give back change: ₹50.00" in browser.text


@pytest.mark.parametrize("cash", ["", " ", "abc", "-5", "1e9", "9" * 30])
def test_what_is_no_cash_pays_nothing(
    world: World, browser: Browser, cash: str
) -> None:
    owed = reference()
    browser.fetch(POWER, owed)
    assert browser.pay(cash).status_code == 422
    assert "problem" in browser.outcomes
    assert not [one for one in world.payments() if owed in one.reference]


def test_a_form_sent_many_times_is_one_payment(
    world: World, counter: Counter, browser: Browser
) -> None:
    owed = reference()
    browser.fetch(POWER, owed)
    path, token = browser.path, browser.token
    cookies = dict(browser.http.cookies)
    ends = []

    def click() -> None:
        with Browser(counter.address) as other:
            other.http.cookies.update(cookies)
            fields = {"token": token, "line": 0, "cash": "="}
            ends.append(other.http.post(f"{path}/pay", data=fields).url.path)

    clicks = [threading.Thread(target=click) for _ in range(8)]
    for one in clicks:
        one.start()
    for one in clicks:
        one.join()
    assert len(ends) == 8
    assert len({*ends}) == 1
    browser.get(ends[0])
    browser.settled("paid")
    # Back, and once more; and in another tab from the beginning.
    browser.get(path)
    browser.pay()
    assert browser.path == ends[0]
    assert len([one for one in world.payments() if owed in one.reference]) == 1
    browser.fetch(POWER, owed)
    assert "nothing-due" in browser.outcomes


def test_one_of_several_bills(world: World, browser: Browser) -> None:
    owed = str(900_000_000 + int(reference()) % 1_000)
    browser.fetch(POWER, owed)
    browser.pay(line=1)
    browser.settled("paid")
    [paid] = [one for one in world.payments() if owed in one.reference]
    assert paid.amount == 40_000


def test_a_form_of_long_ago_leads_to_no_other_bill(browser: Browser) -> None:
    """One of two is paid; of the other there is a page that nothing is known of."""
    owed = str(900_000_000 + int(reference()) % 1_000)
    browser.fetch(POWER, owed)
    path, lines = browser.path, browser.lines
    browser.pay(line=0)
    browser.settled("paid")
    paid = browser.path
    for _ in range(DRAFTS_MAX):
        browser.fetch(RELIEF, owed, amount="250")
    reply = browser.send(f"{path}/pay", **lines, line=1, cash="=")
    assert reply.status_code == 410
    assert "nothing was paid by this form" in browser.text
    browser.get("/today")
    browser.send(f"{path}/pay", **lines, line=0, cash="=")
    assert browser.path == paid


def test_a_tariff_and_its_form(world: World, browser: Browser) -> None:
    owed = reference()
    assert browser.fetch(RECORDS, owed, count_apply="1").status_code == 422
    assert "Mouza number" in browser.text
    reply = browser.fetch(RECORDS, owed, field_mouza="10A", count_apply="1")
    assert reply.status_code == 422
    browser.fetch(RECORDS, owed, field_mouza="104", count_apply="1", count_copy="২")
    assert "₹60.00" in browser.text
    browser.pay("100")
    browser.settled("paid")
    assert "Give back change: ₹40.00" in browser.text
    [paid] = [one for one in world.payments() if one.reference == owed]
    assert (paid.amount, paid.note) == (6_000, "104")


def test_once_more_only_by_the_citizens_word(world: World, browser: Browser) -> None:
    given = reference()
    for expected in ("paid", "refused"):
        browser.fetch(RELIEF, given, amount="250")
        browser.pay()
        assert browser.settled("paid", "refused") == expected
    assert "Only if the citizen knows of it" in browser.text
    browser.send(f"{browser.path}/again")
    assert "due" in browser.outcomes
    browser.pay()
    browser.settled("paid")
    assert len([one for one in world.payments() if one.reference == given]) == 2


def test_why_nothing_can_be_fetched(world: World, browser: Browser) -> None:
    assert browser.fetch(POWER, "000000001").status_code == 422
    assert "The department knows of nothing to pay" in browser.text
    browser.fetch(POWER, "12-x")
    assert "This is no reference of the service" in browser.text
    assert "Example:" in browser.text
    assert world.biller is not None
    world.biller.close()
    until(lambda: "does not answer" in browser.fetch(POWER, reference()).text)
    world.serve()
    until(lambda: "due" in browser.fetch(POWER, reference()).text)


def test_what_the_department_has_not_said(world: World, browser: Browser) -> None:
    answers: list[billers_pb2.Question] = []

    def holds(question: billers_pb2.Question) -> object:
        if question.kind == billers_pb2.QUESTION_KIND_FETCH_BILL:
            return bills(question)
        answers.append(question)
        return silent(question)

    biller = world.serve(holds)
    browser.fetch(POWER, reference())
    browser.pay("1000")
    browser.settled("waiting")
    assert "Do not take money again, do not return it" in browser.text
    assert "centre-p/A/" in browser.text
    assert "₹50.00 is change" in browser.text
    for language, name in (("en", "WBSEDCL electricity bill"), ("bn", "বিদ্যুৎ বিল জমা")):
        browser.send("/language", language=language, back="/")
        for path in ("/", "/operator"):
            unfinished = browser.get(path).text.partition("unfinished")[2]
            assert name in unfinished
            assert POWER not in unfinished.partition("</section>")[0]
    browser.send("/language", language="en", back="/")
    assert "Unfinished payments" in browser.text
    biller.script = lambda question: (reject(question),)
    [path] = re.findall(r'href="(/payment/[0-9a-f]{32})"', browser.text)
    browser.get(path)
    browser.settled("given-back")
    assert "Return the cash" in browser.text
    world.serve()


# --- lists, shifts, money -------------------------------------------------------------


def test_todays_list_and_search(browser: Browser) -> None:
    owed = reference()
    browser.fetch(POWER, owed)
    browser.pay()
    browser.settled("paid")
    path = browser.path
    [number] = {*re.findall(r"centre-p/\d{4}-\d\d/\d{6}", browser.text)}
    browser.get("/today")
    assert path in browser.text
    centre, year, last = number.split("/")
    for text in (
        number,
        # Zeros may be left out, and the centre; on a refund's paper it is the same.
        f"{centre}/{year}/{int(last)}",
        f"{year}/{int(last)}",
        f"{number}/R1",
        path.rpartition("/")[2],
        f"{owed}/2026-11",
    ):
        browser.get("/today")
        browser.send("/find", q=text)
        assert path in (browser.path, *re.findall(r'href="([^"]+)"', browser.text))
    browser.get("/today")
    assert browser.send("/find", q="নাম").status_code == 422
    # A day, as it is written here; in Bengali digits, too.
    today = time.strftime("%d/%m/%Y", time.gmtime(time.time() + IST_S))
    bengali = today.translate(str.maketrans("0123456789", "০১২৩৪৫৬৭৮৯"))
    for text in (today, bengali):
        browser.send("/find", q=text)
        assert path in browser.text
    browser.send("/find", q="01/01/2001")
    assert browser.outcomes == ["empty"]
    assert "Payments of today" not in browser.text
    for text in ("32/01/2026", "00/00/0000"):
        assert browser.send("/find", q=text).status_code == 422
    browser.get(f"/payment/{new_id().hex()}")
    assert "The switch has no payment with this id" in browser.text


def test_a_search_leads_on_to_all_it_finds(world: World, browser: Browser) -> None:
    """Of a reference that was paid often: a page, the next one, and what is beyond."""
    owed = f"MANY-{next(_numbers)}"
    peer, paid = world.peers.centre(CENTRE), list[str]()
    for number in range(18):
        one = payment(BOOKING, reference=owed, amount=100 + number)
        assert peer.pay(one).result == 1
        paid.append(f"/payment/{one.id.hex()}")
    browser.get("/today")
    browser.send("/find", q=owed)
    seen = re.findall(r'href="(/payment/[0-9a-f]{32})"', browser.text)
    assert seen == paid[:1:-1]
    assert browser.outcomes[-1] == "cut"
    assert "the 16 newest" in browser.text
    # All of the day, page by page.
    today = time.strftime("%d/%m/%Y", time.gmtime(time.time() + IST_S))
    browser.send("/find", q=today)
    found: list[str] = []
    while True:
        found += re.findall(r'href="(/payment/[0-9a-f]{32})"', browser.text)
        following = re.search(r'name="page" value="([^"]+)"', browser.text)
        if following is None:
            break
        browser.send("/find", q=today, page=following[1])
    assert {*paid} <= {*found}
    assert len(found) == len({*found})
    assert "cut" not in browser.outcomes
    assert browser.send("/find", q=today, page="x" * 401).status_code == 400


def test_a_shift_is_counted_and_signed_by_another(
    world: World, counter: Counter
) -> None:
    with Browser(counter.address) as browser:
        browser.sign_on(7)
        browser.fetch(POWER, reference())
        browser.pay()
        browser.settled("paid")
        browser.get("/shift")
        fields = {"id": browser.form_id, "notes_500": "1", "notes_200": "2"}
        browser.send("/shift/close", **fields, coins="40.00")
        browser.settled("done")
        assert "Short by ₹10.00" in browser.text
        closed, form_id = browser.path, browser.form_id
        assert browser.send(f"{closed}/sign", id=form_id, operator=7).status_code == 422
        assert "Another operator must sign" in browser.text
        browser.send(f"{closed}/sign", id=form_id, operator=8)
        browser.settled("done")
        assert "signed by operator 8" in browser.text
        # The counter is free for whoever comes next.
        browser.send("/operator/off")
        assert browser.get("/").url.path == "/operator"


def test_money_is_asked_for_once(browser: Browser) -> None:
    browser.get("/wallet")
    assert "wallet" in browser.outcomes
    form_id = browser.form_id
    assert browser.send("/wallet/ask", id=form_id, amount="0").status_code == 422
    numbers = set()
    for _ in range(2):
        browser.get("/wallet")
        browser.send("/wallet/ask", id=form_id, amount="5000")
        browser.settled("done")
        numbers |= {*re.findall(r"data-number>([A-Z0-9]+)<", browser.text)}
    assert len(numbers) == 1
    # The other language is one button away, and the page stays.
    assert 'href="/wallet" aria-current="page"' in browser.text
    path = browser.path
    back = re.findall(r'name="back" value="([^"]+)"', browser.text)[0]
    browser.send("/language", language="bn", back=back)
    assert browser.path == path
