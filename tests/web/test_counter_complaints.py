"""Goal: a complaint's answer arrives at the counter that raised it: on the payment's
page, by its number in the search, and as a count on the first page until somebody has
looked; another centre's complaint is nobody's here.

Method: a real switch and the page as a browser sends its forms; billers and the
treasury answer over gRPC. The disk's file is taken away, spoilt, and full.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from switch.ids import new_id
from switch.money import bengali_digits
from switch.v1 import complaints_pb2 as pb
from switch.web.counter import complaint_book
from switch.web.counter.complaint_book import ComplaintBook, load, save
from tests.server.harness import CALL_S, payment, until
from tests.web.browsing import Browser, lines_of, mixed_lines
from tests.web.world import CENTRE, POWER, Counter, World, counting

_numbers = iter(range(610_000_001, 1 << 30))
ANSWER = "credited on 2026-11-30"


def reference() -> str:
    return str(next(_numbers))


def raise_one(browser: Browser, note: str = "meter 12") -> tuple[str, str]:
    """Pay, and complain: the payment's page, and the complaint's number."""
    browser.fetch(POWER, reference())
    browser.pay()
    browser.settled("paid")
    where = browser.path
    browser.send(
        f"{where}/complain", id=new_id().hex(), reason="NOT_CREDITED", note=note
    )
    browser.settled("done")
    assert f'href="{where}"' in browser.text
    [number] = {*re.findall(r"data-number>(C[0-9A-Z]+)<", browser.text)}
    return where, number


def step(world: World, number: str, what: Any, text: str = ANSWER) -> None:
    peer = world.peers.treasury
    if what == pb.COMPLAINT_STEP_ANSWERED:
        peer = world.peers.biller()
    request = pb.AnswerComplaintRequest(
        id=new_id(), number=number, step=what, text=text
    )
    reply = peer.counter.AnswerComplaint(request, timeout=CALL_S)
    assert reply.outcome.result == 1


def counts(browser: Browser) -> dict[str, int]:
    """What the first page says; the list has just asked the switch."""
    browser.get("/complaints")
    browser.get("/complaints/count")
    found = re.findall(r'data-(news|open|overdue)="([0-9]+)"', browser.text)
    return {name: int(count) for name, count in found}


def seen_in(counter: Counter) -> dict[str, int]:
    """What is on its disk."""
    values = json.loads((counter.folder / "complaints.json").read_bytes())
    seen: dict[str, int] = values["seen"]
    return seen


@pytest.fixture
def desk(world: World, tmp_path: Path) -> Iterator[tuple[Counter, Browser]]:
    """A counter that has looked at nothing."""
    world.serve()
    with counting(world, tmp_path / "c") as counter, Browser(counter.address) as it:
        yield counter, it.sign_on()


def test_an_answer_arrives(world: World, desk: tuple[Counter, Browser]) -> None:
    counter, browser = desk
    where, number = raise_one(browser)
    before = counts(browser)
    browser.get(where)
    assert browser.settled("paid") == "paid"
    assert 'data-complaint="open"' in browser.text
    for text in (number, "meter 12", "The department says it is not paid"):
        assert text in browser.text
    # One is open: no other can be raised.
    assert "/complain" not in browser.text

    step(world, number, pb.COMPLAINT_STEP_ASKED, "letter 118")
    step(world, number, pb.COMPLAINT_STEP_ANSWERED)
    assert counts(browser) == {
        **before,
        "news": before["news"] + 1,
        "open": before["open"] - 1,
    }
    first = browser.get("/").text
    assert 'hx-get="/complaints/count"' in first
    assert f'data-news="{before["news"] + 1}"' in first
    assert re.search(r'\s<a href="/complaints"', first), "sentence and link touch"
    listed = browser.get("/complaints").text
    assert "not looked at" in listed
    assert f'href="/complaint/{number}"' in listed
    # The search, as people write a number, leads to it; so does the payment's page.
    for text in (
        number,
        f" {number[:4].lower()}-{number[4:]} ",
        bengali_digits(number),
    ):
        browser.get("/today")
        browser.send("/find", q=text)
        assert browser.path == f"/complaint/{number}", text
        for said in ("letter 118", ANSWER, 'data-complaint="answered"', f'"{where}"'):
            assert said in browser.text
    browser.get(where)
    assert ANSWER in browser.text
    assert browser.outcomes[0] == "paid"
    # It was looked at, which a kill of the counter does not undo.
    assert counts(browser)["news"] == before["news"]
    counter.kill()
    counter.start()
    browser.sign_on()
    assert counts(browser)["news"] == before["news"]

    # The treasury closes it with a word of its own, which is news; then it is over.
    step(world, number, pb.COMPLAINT_STEP_CLOSED, "settled by memo 7")
    assert counts(browser)["news"] == before["news"] + 1
    assert "settled by memo 7" in browser.get(f"/complaint/{number}").text
    assert 'data-complaint="closed"' in browser.text
    assert counts(browser)["news"] == before["news"]
    # Nothing more comes of it: it is forgotten.
    assert number not in seen_in(counter)
    browser.get(where)
    assert "settled by memo 7" in browser.text
    # A closed one stands in no other's way.
    assert f"{where}/complain" in browser.text


def test_in_bengali(world: World, desk: tuple[Counter, Browser]) -> None:
    _, browser = desk
    where, number = raise_one(browser)
    step(world, number, pb.COMPLAINT_STEP_ANSWERED)
    browser.get(f"/complaint/{number}")
    browser.send("/language", language="bn", back=f"/complaint/{number}")
    assert browser.path == f"/complaint/{number}"
    for text in ("উত্তর এসেছে", "বিভাগের উত্তর", ANSWER):
        assert text in browser.text
    browser.get("/complaints")
    browser.send("/language", language="bn", back="/complaints")
    assert browser.path == "/complaints"
    assert "অভিযোগ" in browser.text
    browser.get(where)
    assert "বিভাগের উত্তর" in browser.text
    # Dates are Bengali; a number, a code and what was written stand in their own lines.
    for path in ("/", "/complaints", f"/complaint/{number}", where):
        lines = lines_of(browser.get(path).text)
        assert any("অভিযোগ" in line for line in lines)
        assert not mixed_lines(lines), path


def test_anothers_is_not_there(world: World, desk: tuple[Counter, Browser]) -> None:
    """Nor by its number, nor in the count; its answer is told to nobody here."""
    _, browser = desk
    before = counts(browser)
    other = world.peers.centre("centre-a")
    outcome = other.pay(payment("ANY"))
    request = pb.RaiseComplaintRequest(
        id=new_id(), payment_id=outcome.id, reason=pb.COMPLAINT_REASON_OTHER, operator=1
    )
    reply = other.counter.RaiseComplaint(request, timeout=CALL_S)
    number = reply.complaint.number
    wrong = number[:9] + ("AAA" if number[9:] != "AAA" else "BBB")
    pages = set()
    for asked in (number, wrong, "C99999999AAA"):
        browser.get("/today")
        found = browser.send("/find", q=asked)
        assert found.status_code == 200
        assert browser.outcomes[-1] == "empty"
        gone = browser.get(f"/complaint/{asked}")
        assert gone.status_code == 404
        pages.add(re.sub(r'value="[^"]*"', "", gone.text))
    assert len(pages) == 1
    assert browser.get(f"/payment/{outcome.id.hex()}").status_code == 404
    assert counts(browser) == before
    assert number not in browser.get("/complaints").text
    # What is no number at all is a page that is not there.
    for asked in ("x", "C1", number + "A", "%00", "C0000000%0AAAA", "c" * 300):
        assert browser.get(f"/complaint/{asked}").status_code == 404


def test_a_reference_that_looks_like_one(world: World, browser: Browser) -> None:
    """The switch has no such complaint: it is looked for as a reference."""
    browser.get("/today")
    browser.send("/find", q="C00000042KQX")
    assert browser.path == "/find"
    assert browser.outcomes[-1] == "empty"


def test_markup_in_an_answer_is_text(
    world: World, desk: tuple[Counter, Browser]
) -> None:
    _, browser = desk
    where, number = raise_one(browser, note="<b>x</b>")
    evil = "<script>alert(1)</script> {{ 7*7 }} \"'"
    step(world, number, pb.COMPLAINT_STEP_ANSWERED, evil)
    for path in ("/complaints", f"/complaint/{number}", where):
        text = browser.get(path).text
        assert "<script>alert" not in text
        assert "<b>x" not in text
        assert "&lt;script&gt;alert(1)" in text
        assert "{{ 7*7 }}" in text


def test_without_a_line(world: World, desk: tuple[Counter, Browser]) -> None:
    """The payment's page stands; of complaints it says that they are not known now."""
    _, browser = desk
    where, number = raise_one(browser)
    counts(browser)

    def meanwhile() -> None:
        browser.get(where)
        assert browser.outcomes[0] == "paid"
        assert "whether there is a complaint about it is not known" in browser.text
        browser.get("/complaints/count")
        until(lambda: "not known now" in browser.get("/complaints/count").text)
        assert browser.get("/complaints").status_code == 200
        assert "No line to the switch" in browser.text
        assert browser.get(f"/complaint/{number}").status_code == 503

    world.restart(meanwhile=meanwhile)
    world.serve()
    until(lambda: 'data-open="' in browser.get("/complaints/count").text)
    assert number in browser.get("/complaints").text


def test_the_file_is_taken_away_spoilt_or_cannot_be_written(
    world: World, desk: tuple[Counter, Browser]
) -> None:
    counter, browser = desk
    _, number = raise_one(browser)
    step(world, number, pb.COMPLAINT_STEP_ANSWERED)
    browser.get(f"/complaint/{number}")
    news = counts(browser)["news"]
    path = counter.folder / "complaints.json"
    assert seen_in(counter)[number] > 0
    for content in (None, b"", b"[]", b'{"seen": {"C1": "x"}}', b"\0" * (2 << 20)):
        counter.stop()
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        counter.start()
        browser.sign_on()
        assert counts(browser)["news"] > news
    # A disk that takes nothing: every page is there, and it counts once more.
    path.unlink()
    path.mkdir()
    (path / "x").touch()
    assert browser.get(f"/complaint/{number}").status_code == 200
    assert browser.get("/complaints").status_code == 200
    assert counts(browser)["news"] > news


def test_what_is_kept_has_a_bound(tmp_path: Path) -> None:
    path = tmp_path / "complaints.json"
    most = complaint_book.KNOWN_MAX
    seen = {f"C{number:08d}AAA": number for number in range(1, most + 500)}
    kept = save(path, seen)
    assert len(kept) == most
    assert min(kept) == "C00000500AAA"
    assert load(path).seen == kept
    book = ComplaintBook(path)
    assert book.counts() is None
    told = [
        pb.Complaint(number="C1", sequence=5, state=pb.COMPLAINT_STATE_RAISED),
        pb.Complaint(
            number="C2", sequence=6, state=pb.COMPLAINT_STATE_ASKED, overdue=True
        ),
        pb.Complaint(number="C3", sequence=7, state=pb.COMPLAINT_STATE_ANSWERED),
        pb.Complaint(
            number="C4",
            sequence=8,
            state=pb.COMPLAINT_STATE_ANSWERED,
            events=[pb.ComplaintEvent(sequence=20)],
        ),
    ]
    book.told, book.asked_s = {one.number: one for one in told}, 0.0
    book.seen = {"C4": 19}
    assert book.counts() == (2, 2, 1, False)
    assert [one.number for one in book.lines()] == ["C4", "C3", "C2", "C1"]
    book.seen["C4"] = 20
    assert book.counts() == (1, 2, 1, False)


def test_nobody_is_told_without_an_operator(counter: Counter) -> None:
    with Browser(counter.address) as stranger:
        assert stranger.get("/complaints/count").text == ""
        for path in ("/complaints", "/complaint/C00000001AAA"):
            stranger.get(path)
            assert stranger.path == "/operator"
    assert counter.centre == CENTRE
