"""Goal: the public page says of a complaint whether it is open, answered or overdue and
since when, never a word of it; what is wrong is one page, and all guesses one budget.

Method: a real server, the page as a process of its own, and requests over sockets, with
its own page for each test: all together may check a hundred at once.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest

from switch.calendar import IST
from switch.ids import new_id
from switch.money import bengali_digits
from switch.v1 import complaints_pb2, counter_pb2
from switch.web.public.limits import CHECKS_OF_ONE
from tests.server.harness import (
    CALL_S,
    RUPEE,
    Peers,
    ServerProcess,
    load,
    payment,
    running,
)
from tests.server.test_public_page import (
    HOSTILE,
    Answer,
    Page,
    Paper,
    paging,
    print_receipt,
)
from tests.web.browsing import lines_of, mixed_lines


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running(tmp_path_factory.mktemp("public")) as process:
        yield process


@pytest.fixture(scope="module")
def peers(server: ServerProcess) -> Iterator[Peers]:
    them = Peers(server)
    load(them)
    yield them
    them.close()


@pytest.fixture
def page(server: ServerProcess, peers: Peers) -> Iterator[Page]:
    with paging(server) as found:
        yield found


@pytest.fixture(scope="module")
def paper(peers: Peers) -> Paper:
    return print_receipt(peers)


class Raised(NamedTuple):
    """A complaint's number, and the code of its payment's receipt."""

    number: str
    code: str


@pytest.fixture(scope="module")
def complaint(peers: Peers) -> Raised:
    peer = peers.centre()
    paid = peer.pay(payment("ANY", 1234 * RUPEE + 56))
    receipt = counter_pb2.GetReceiptRequest(id=paid.id)
    code = peer.counter.GetReceipt(receipt, timeout=CALL_S).code
    request = complaints_pb2.RaiseComplaintRequest(
        id=new_id(),
        payment_id=paid.id,
        operator=1,
        reason=complaints_pb2.COMPLAINT_REASON_NOT_CREDITED,
        note="says Mrs Sen",
    )
    reply = peer.counter.RaiseComplaint(request, timeout=CALL_S)
    return Raised(reply.complaint.number, code)


def ask(page: Page, number: str, code: str, lang: str = "en", **more: Any) -> Answer:
    query = f"n={quote(number)}&c={quote(code)}"
    return page.get(f"/{lang}/complaint?{query}", **more)


def test_a_complaint(page: Page, complaint: Raised, peers: Peers) -> None:
    today = datetime.now(IST).date()
    english, bengali = (ask(page, *complaint, lang=one) for one in ("en", "bn"))
    for answer, words in (
        (english, ["The complaint is open", today.isoformat(), "Answer due by"]),
        (bengali, ["অভিযোগটি খোলা আছে", bengali_digits(today.isoformat())]),
    ):
        assert (answer.status, answer.outcome) == (200, "open")
        for word in words:
            assert word in answer.body
        assert answer.headers["cache-control"] == "no-store"
    answered = complaints_pb2.AnswerComplaintRequest(
        id=new_id(),
        number=complaint.number,
        step=complaints_pb2.COMPLAINT_STEP_ANSWERED,
        text="credited to Mr Roy",
    )
    peers.biller("land").counter.AnswerComplaint(answered, timeout=CALL_S)
    english, bengali = (ask(page, *complaint, lang=one) for one in ("en", "bn"))
    assert "The complaint is answered" in english.body
    assert "Answered on" in english.body
    assert "উত্তর এসেছে" in bengali.body
    for answer in (english, bengali):
        assert answer.outcome == "answered"
        # Dates, and never a text.
        for secret in ("Sen", "Roy", "1,234", "centre-a", "land", "NOT_CREDITED"):
            assert secret not in answer.body
    assert not mixed_lines(lines_of(bengali.body))
    # As people type it; and both pages lead to each other.
    spelt = complaint.number.lower().replace("c0000", "c0000-")
    assert ask(page, spelt, complaint.code.upper()).outcome == "answered"
    assert 'href="/en/complaint"' in page.get("/en").body
    assert 'href="/bn"' in page.get("/bn/complaint").body
    accepted = {"Accept-Language": "en"}
    assert 'action="/en/complaint"' in page.get("/complaint", headers=accepted).body


def test_a_wrong_complaint_is_one_page(
    page: Page, complaint: Raised, paper: Paper
) -> None:
    number, code = complaint
    pages: set[object] = set()
    for asked, by in (
        (number, paper.code),
        (number, f"{int(code, 16) ^ 1:012x}"),
        (number[:9] + ("AAA" if number[9:] != "AAA" else "BBB"), code),
        (f"C00000000{number[9:]}", code),
        ("C99999999AAA", code),
        ("no number", code),
        (number, "no code"),
    ):
        answer = ask(page, asked, by)
        assert (answer.status, answer.outcome) == (200, "none"), asked
        text = re.sub(r' (value="[^"]*"|href="/bn/[^"]*")', "", answer.body)
        pages.add((text,))
        del answer.headers["content-length"], answer.headers["date"]
        pages.add(tuple(sorted(answer.headers.items())))
    assert len(pages) == 2, pages
    for text in HOSTILE:
        for asked, by in ((text, code), (number, text)):
            answer = ask(page, asked, by)
            assert (answer.status, answer.outcome) == (200, "none"), text
            for sign in ("<script", "<img", "onfocus=alert(1) autofocus='", "9359"):
                assert sign not in answer.body.replace("&#39;", "\0"), (text, sign)
            assert "\u202e" not in answer.body
    for query in ("n=a&n=b", "N=a", "n=" + "a" * 400):
        assert page.get("/en/complaint?" + query).outcome == "none", query


def test_complaints_and_receipts_have_one_budget(
    page: Page, paper: Paper, complaint: Raised
) -> None:
    source = "127.0.1.9"
    for at in range(CHECKS_OF_ONE.at_once):
        if at % 2:
            assert page.check("a", "b", source=source).outcome == "none"
        else:
            assert ask(page, "a", "b", source=source).outcome == "none"
    # A second of filling may have given one back.
    ask(page, *complaint, source=source)
    for answer in (
        ask(page, *complaint, source=source),
        page.check(*paper[:2], source=source),
    ):
        assert (answer.status, answer.outcome) == (429, "limited")
    assert page.get("/en/complaint", source=source).status == 200
