"""Goal: the public page says of a receipt what is true and nothing more, of the totals
what may be told, and whatever is sent to it, by whom and how often, does no harm.

Method: a ledger of two months with known payments, a real server on it, the page as a
process of its own, and requests over sockets, byte by byte where it matters. What the
totals must say was reckoned by hand (HISTORY).
"""

import asyncio
import http.client
import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import grpc
import numpy as np
import pytest

from switch._core import Request
from switch.calendar import IST
from switch.client import CallError, Client
from switch.codes import Role
from switch.ids import new_id
from switch.v1 import admin_pb2, counter_pb2, payments_pb2, types_pb2
from switch.v1 import public_pb2 as pb
from switch.web.public.limits import CHECKS_OF_ONE
from tests import forked
from tests.server.harness import (
    CALL_S,
    RUPEE,
    Peers,
    ServerProcess,
    network,
    payment,
    running,
)
from tests.server.inside import Inside, inside

HISTORY = {
    # IST day: payments as (how many, service, centre); 100 rupees each.
    "2026-03-27": [(12, "ANY", "centre-a")],
    "2026-03-28": [(3, "ANY", "centre-a")],
    "2026-03-29": [(9, "HEADS", "centre-b")],
    "2026-03-30": [(5, "HEADS", "centre-b"), (10, "ANY", "centre-a")],
    "2026-03-31": [(2, "ANY", "centre-a")],
    "2026-04-01": [(11, "ANY", "centre-a")],
    "2026-04-02": [(14, "HEADS", "centre-a")],
    "2026-04-03": [(4, "ANY", "centre-b")],
}
REFUNDED_ON = "2026-04-03"
REFUNDS = 11
"""Of 1 rupee, of the first payments."""
MOVES_ON = "2026-05-02"
"""Centre-a goes to another district, and HEADS to another department."""
LINES = {
    ("years", "payments"): "2025-26:41 2026-27:29",
    ("months", "payments"): "2026-03:41 2026-04:29",
    ("days", "payments"): "2026-03-27:12 2026-03-29:12 2026-03-31:17 2026-04-01:11 "
    "2026-04-30:18",
    ("departments", "payments"): "Land:42 Power:28",
    # In April centre-b alone would be 4: both are told together.
    ("districts", "payments"): "NOR:27 SOU:14 others:29",
    ("years", "refunds"): "2026-27:11",
    ("months", "refunds"): "2026-04:11",
    ("days", "refunds"): "2026-04-30:11",
    ("departments", "refunds"): "Land:11",
    ("districts", "refunds"): "NOR:11",
}


def noon_ns(day: str) -> int:
    return (
        int(datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=IST).timestamp())
        * 10**9
    )


async def write_history(directory: Path) -> None:
    first = noon_ns(min(HISTORY))
    clock = np.array([first, 5 * 10**9, 1], np.uint64)

    def turn(day: str) -> None:
        ahead = np.uint64(noon_ns(day) - int(clock[0]))
        clock[1] += ahead
        clock[0] += ahead

    def moved(district: str, department: str) -> admin_pb2.LoadNetworkRequest:
        """Centres in districts, services of departments."""
        known = network()
        centres = [
            one for one in known.participants if one.id in ("centre-a", "centre-b")
        ]
        services = [one for one in known.services if one.code in ("ANY", "HEADS")]
        for centre in centres:
            centre.district = district if centre.id == "centre-a" else "SOU"
        for service in services:
            service.department_en = "Land" if service.code == "ANY" else department
            service.department_bn = "ভূমি" if service.code == "ANY" else "বিদ্যুৎ"
        return admin_pb2.LoadNetworkRequest(participants=centres, services=services)

    async with inside(directory, clock) as one:
        await one.call("LoadNetwork", moved("NOR", "Power"), by="treasury/treasury")
        first_paid: list[int] = []
        for day, groups in HISTORY.items():
            turn(day)
            for many, service, centre in groups:
                bills = [
                    payment(service, 100 * RUPEE, centre=centre) for _ in range(many)
                ]
                first_paid += await pay_all(one, bills)
            if day == REFUNDED_ON:
                for sequence in first_paid[:REFUNDS]:
                    await refund(one, sequence)
        turn(MOVES_ON)
        await one.call("LoadNetwork", moved("EAS", "Energy"), by="treasury/treasury")


async def pay_all(one: Inside, bills: list[Any]) -> list[int]:
    sender = one.node.register.find_participant("harness")
    assert sender is not None
    body = payments_pb2.CreatePaymentsRequest(payments=bills).SerializeToString()
    reply = await one.node.commit(Request.payments(body, sender.index, 0))
    assert isinstance(reply, bytes)
    outcomes = payments_pb2.CreatePaymentsResponse.FromString(reply).outcomes
    assert {outcome.result for outcome in outcomes} == {1}
    return [outcome.sequence for outcome in outcomes]


async def refund(one: Inside, sequence: int) -> None:
    proposal = admin_pb2.ProposeRequest(
        id=new_id(),
        kind=types_pb2.PROPOSAL_KIND_REFUND,
        sequence=sequence,
        amount=RUPEE,
        reason="a test",
    )
    body = await one.call("Propose", proposal, by="treasury/treasury")
    proposed = admin_pb2.ProposeResponse.FromString(body).outcome.sequence
    request = admin_pb2.ApproveRequest(id=new_id(), proposal_sequence=proposed)
    await one.call("Approve", request, by="treasury/checker")


# --- the page ------------------------------------------------------------------------


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: str

    @property
    def outcome(self) -> str:
        found = re.findall(r'data-outcome="([a-z_-]+)"', self.body)
        return found[0] if found else ""


class Page:
    """The page's address, and requests to it."""

    def __init__(self, url: str) -> None:
        self.host = url.removeprefix("http://")
        self._sources = iter(range(2, 250))

    def get(
        self,
        path: str,
        *,
        source: str = "",
        method: str = "GET",
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """One request, from an address of its own that nobody has asked from."""
        source = source or f"127.0.0.{next(self._sources)}"
        name, port = self.host.split(":")
        connection = http.client.HTTPConnection(
            name, int(port), timeout=CALL_S, source_address=(source, 0)
        )
        try:
            connection.request(method, path, body, headers or {})
            reply = connection.getresponse()
            text = reply.read().decode()
            names = [name.lower() for name, _ in reply.getheaders()]
            assert len(names) == len(set(names)), names
            found = {name.lower(): value for name, value in reply.getheaders()}
            return Answer(reply.status, found, text)
        finally:
            connection.close()

    def check(self, number: str, code: str, path: str = "/en", **more: Any) -> Answer:
        return self.get(f"{path}?r={quote(number)}&c={quote(code)}", **more)

    def raw(self, data: bytes) -> bytes:
        """Bytes as they are, and what comes back until the end."""
        name, port = self.host.split(":")
        with socket.create_connection((name, int(port)), CALL_S) as peer:
            peer.sendall(data)
            peer.shutdown(socket.SHUT_WR)
            found = b""
            while more := peer.recv(65_536):
                found += more
        return found


@contextmanager
def paging(server: ServerProcess, *words: str) -> Iterator[Page]:
    where = ["--address", server.address, "--tls", str(server.directory / "tls")]
    command = ["public", "--json", "--listen", "127.0.0.1:0", *where, *words]
    with (server.directory / "page.log").open("ab") as log:
        process = forked.Process(
            "switch", command, cwd=server.directory, stderr=log.fileno()
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        yield Page(json.loads(line)["address"])
    finally:
        process.terminate()
        code = process.wait(CALL_S)
        if process.stdout is not None:
            process.stdout.close()
    assert code == 0, (server.directory / "page.log").read_text()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    directory: Path = tmp_path_factory.mktemp("public")
    asyncio.run(write_history(directory))
    with running(directory, "--accept-clock") as process:
        yield process


@pytest.fixture(scope="module")
def peers(server: ServerProcess) -> Iterator[Peers]:
    them = Peers(server)
    yield them
    them.close()


@pytest.fixture(scope="module")
def page(server: ServerProcess, peers: Peers) -> Iterator[Page]:
    peers.centre()
    with paging(server) as found:
        yield found


class Paper(NamedTuple):
    """What a receipt says by which it is checked, and what it was for."""

    number: str
    code: str
    sequence: int


def print_receipt(peers: Peers) -> Paper:
    peer = peers.centre()
    paid = peer.pay(payment("ANY", 1234 * RUPEE + 56))
    request = counter_pb2.GetReceiptRequest(id=paid.id)
    reply = peer.counter.GetReceipt(request, timeout=CALL_S)
    return Paper(reply.number, reply.code, paid.sequence)


@pytest.fixture(scope="module")
def paper(peers: Peers) -> Paper:
    return print_receipt(peers)


# --- receipts ------------------------------------------------------------------------


def test_a_real_receipt(page: Page, paper: Paper, peers: Peers) -> None:
    english, bengali = (page.check(*paper[:2], path=path) for path in ("/en", "/bn"))
    for answer, words in (
        (
            english,
            ["This receipt is real.", "₹1,234.56", "Land", "Nothing was refunded"],
        ),
        (bengali, ["রসিদটি আসল।", "₹১,২৩৪.৫৬", "ভূমি", "কোনো টাকা ফেরত"]),
    ):
        assert (answer.status, answer.outcome) == (200, "real")
        for word in words:
            assert word in answer.body
        for secret in ("BILL-", "centre-b", str(paper.sequence)):
            assert secret not in answer.body.replace(paper.number, "")
        assert answer.headers["cache-control"] == "no-store"
    # In the language of the browser, where the address names none.
    accepted = {"Accept-Language": "en-IN,en;q=0.9,bn;q=0.8"}
    assert 'lang="en"' in page.check(*paper[:2], path="/", headers=accepted).body
    assert 'lang="bn"' in page.check(*paper[:2], path="/").body
    # As people type it.
    assert page.check(paper.number.upper(), paper.code.upper()).outcome == "real"
    peers.refund(paper.sequence, RUPEE)
    again = page.check(*paper[:2])
    assert again.outcome == "refunded-part"
    # It is at the centre; whether the citizen has it nobody here knows.
    assert "refunded to the centre" in again.body
    assert "given back" not in again.body


def test_wrong_and_missing_are_one_page(page: Page, paper: Paper) -> None:
    centre, year, serial = paper.number.split("/")
    wrong = f"{int(paper.code, 16) ^ 1:012x}"
    asked = [
        (paper.number, wrong),
        (f"{centre}/{year}/{int(serial) + 99:06d}", paper.code),
        (f"nowhere/{year}/{serial}", paper.code),
        ("no number", paper.code),
        (paper.number, "no code"),
    ]
    pages: set[object] = set()
    for number, code in asked:
        answer = page.check(number, code)
        assert (answer.status, answer.outcome) == (200, "none")
        # But for what was typed, which stands in two fields and a link.
        text = re.sub(r' (value="[^"]*"|href="/bn\?[^"]*")', "", answer.body)
        pages.add((text,))
        del answer.headers["content-length"], answer.headers["date"]
        pages.add(tuple(sorted(answer.headers.items())))
    # One text, one set of headers.
    assert len(pages) == 2, pages


def test_too_often(page: Page, paper: Paper) -> None:
    source = "127.0.1.1"
    for _ in range(CHECKS_OF_ONE.at_once):
        assert page.check("a", "b", source=source).outcome == "none"
    for number, code in (paper[:2], ("a", "b")):
        # A second of filling may have given one back.
        answer = page.check(number, code, source=source)
        answer = page.check(number, code, source=source)
        assert (answer.status, answer.outcome) == (429, "limited")
        assert answer.headers["retry-after"] == "60"
    # Pages are counted apart, and so is everybody else.
    assert page.get("/en", source=source).status == 200
    assert page.check(*paper[:2], source="127.0.1.2").status == 200


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onfocus=alert(1) autofocus='",
    "{{ 1337*7 }}{% raw %}",
    '=HYPERLINK("http://x")',
    "bsk\u202e\u2066/2026-27/000001",
    "a\x00b",
    "a\r\nSet-Cookie: x=1\r\n\r\n<b>",
    "../../../../etc/passwd",
    "javascript:alert(1)",
    "৳" * 30,
]


def test_hostile_input(page: Page, paper: Paper) -> None:
    for text in HOSTILE:
        for number, code in ((text, paper.code), (paper.number, text), (text, text)):
            answer = page.check(number, code)
            assert (answer.status, answer.outcome) == (200, "none"), text
            assert "set-cookie" not in answer.headers
            for sign in ("<script", "<img", "onfocus=alert(1) autofocus='", "9359"):
                assert sign not in answer.body.replace("&#39;", "\0"), (text, sign)
            assert "\u202e" not in answer.body
            assert "\x00" not in answer.body
    for query in (
        *("r=%ff%fe&c=x", "r=a&r=b&c=c", "R=a", "r=%0d%0a", "&&&", "r", "=x"),
        "r=" + "a" * 400,
    ):
        answer = page.get("/en?" + query)
        assert (answer.status, answer.outcome) == (200, "none"), query
    assert page.get("/?r=" + "a" * 10_000).status == 414
    # What others put behind an address is no question.
    assert page.get("/en?utm_source=x").outcome == ""


def test_what_it_does_not_serve(page: Page) -> None:
    for path in (
        *("/totals/../../etc/passwd", "/totals/..%2f..%2fetc/passwd", "/totals//x"),
        *("/totals/%2e%2e/style.css", "/totals/en/../../x", "/totals/en/index.html/"),
        *("/templates/base.html", "/static/", "/en/", "/%00", "/.git"),
        "/totals/style.css%00.html",
    ):
        answer = page.get(path)
        assert (answer.status, answer.outcome) == (404, "missing"), path
        assert "root:" not in answer.body
    for path in ("/totals", "/totals/"):
        answer = page.get(path, headers={"Accept-Language": "en"})
        assert answer.headers["location"] == "/totals/en/index.html"
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE"):
        answer = page.get("/", method=method)
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert page.get("/", method="HEAD").body == ""
    assert page.get("/", body=b"r=1").status == 413


def test_the_head_of_a_request(page: Page) -> None:
    def status(*lines: str) -> int:
        reply = page.raw("\r\n".join([*lines, "Connection: close", "", ""]).encode())
        assert b"set-cookie" not in reply.lower()
        assert b"evil" not in reply
        return int(reply.split(b" ", 2)[1]) if reply else 0

    own = f"Host: {page.host}"
    assert status("GET / HTTP/1.1", own) == 200
    for host in (
        "evil.example",
        "",
        f"{page.host}.evil",
        f"evil@{page.host}",
        "127.0.0.1",
    ):
        assert status("GET / HTTP/1.1", f"Host: {host}") == 421
    for lines in (
        ["GET / HTTP/1.1"],
        ["GET / HTTP/1.1", own, "Host: evil"],
        ["GET / HTTP/1.1", own, "Bad Header: 1"],
        ["GET / HTTP/1.1", own, "Content-Length: 0", "Content-Length: 5"],
        ["NONSENSE"],
    ):
        assert status(*lines) == 400, lines
    assert status("GET / HTTP/1.1", own, "Transfer-Encoding: chunked") == 413
    assert status("GET http://evil/ HTTP/1.1", own) in (200, 400, 404)
    assert status("GET / HTTP/1.1", own, "X: " + "a" * 20_000) == 431
    # Nobody's word is taken on who asks, nor on where the page is.
    forged = [
        "X-Forwarded-For: 9.9.9.9",
        "X-Forwarded-Host: evil",
        "Forwarded: host=evil",
    ]
    assert status("GET / HTTP/1.1", own, *forged) == 200


def test_what_a_browser_may_do(page: Page, paper: Paper) -> None:
    for answer in (
        page.check(*paper[:2]),
        page.get("/"),
        page.get("/nothing"),
        page.get("/style.css"),
        page.get("/totals/en/index.html"),
        page.get("/bn/complaint"),
        page.get("/", method="POST"),
        page.get("/", headers={"Host": "evil"}),
    ):
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; form-action")
        for word in ("script-src", "unsafe", "http", "*"):
            assert word not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-frame-options"] == "DENY"
        assert not {"set-cookie", "server", "x-powered-by"} & set(answer.headers)
        for word in ("<script", " style=", " on", "javascript:", "http://", "https://"):
            assert not re.search(rf"<[^>]*{re.escape(word)}", answer.body), word
    assert page.get("/robots.txt").body.startswith("User-agent: *\nDisallow: /\n")


# --- totals --------------------------------------------------------------------------


def lines_of(lines: list[Any]) -> str:
    return " ".join(
        f"{'others' if one['others'] else one['code']}:{one['count']}" for one in lines
    )


def test_totals_are_those_of_the_history(page: Page) -> None:
    for (by, of), expected in LINES.items():
        found = json.loads(page.get(f"/totals/{of}-{by}.json").body)
        assert lines_of(found["lines"]) == expected, (by, of)
        paise = (1 if of == "refunds" else 100) * RUPEE
        for line in found["lines"]:
            assert line["amount_paise"] == line["count"] * paise
        assert found["as_of_sequence"] > 0
        table = page.get(f"/totals/{of}-{by}.csv").body.split("\r\n")
        assert table[0].startswith("as_of_sequence,as_of_time,from_day,to_day,code")
        assert len(table) == len(found["lines"]) + 2
    days = json.loads(page.get("/totals/payments-days.json").body)["lines"]
    assert [(one["from_day"], one["to_day"]) for one in days[:3]] == [
        ("2026-03-27", "2026-03-27"),
        ("2026-03-28", "2026-03-29"),
        ("2026-03-30", "2026-03-31"),
    ]
    places = json.loads(page.get("/totals/payments-districts.json").body)["lines"]
    assert [(one["spans"], one["told"]) for one in places] == [(2, 1), (2, 1), (2, 1)]
    names = json.loads(page.get("/totals/payments-departments.json").body)["lines"]
    assert [one["name_bn"] for one in names] == ["ভূমি", "বিদ্যুৎ"]
    year = json.loads(page.get("/totals/payments-districts-2026-27.json").body)["lines"]
    assert lines_of(year) == "others:29"


def test_totals_as_pages(page: Page) -> None:
    seen, left = set(), ["/totals/en/index.html", "/totals/bn/index.html"]
    while left:
        path = left.pop()
        if path in seen:
            continue
        seen.add(path)
        answer = page.get(path, source="127.0.2.1" if len(seen) % 2 else "127.0.2.2")
        assert answer.status == 200, path
        assert answer.headers["cache-control"] == "public, max-age=300"
        if not path.endswith(".html"):
            continue
        # No link leads nowhere.
        for link in re.findall(r'<a href="([^"#]+)"', answer.body):
            base = path.split("/")[:-1]
            for step in link.split("/"):
                base = base[:-1] if step == ".." else [*base, step]
            if not link.startswith("/"):
                left.append("/".join(base))
    # Of each language 4 pages, and 3 a year; CSV and JSON of each table that has lines.
    pages = [path for path in seen if path.endswith(".html")]
    assert len(pages) == 2 * (4 + 2 * 3)
    # Those of refunds are of both years together.
    assert len(seen) - len(pages) == 2 * (4 + 2 * 3 + 5)
    english = page.get("/totals/en/months.html").body
    for text in ("2026-03-27 to 2026-03-31", "₹4,100.00", "₹2,900.00", "Refunds"):
        assert text in english
    assert "<svg" in page.get("/totals/bn/index.html").body
    assert "₹৪,১০০.০০" in page.get("/totals/bn/months.html").body


def run(server: ServerProcess, *words: str) -> tuple[int, dict[str, Any], str]:
    where = ["--address", server.address, "--tls", str(server.directory / "tls")]
    done = forked.run("switch", "public", "--json", *where, *words)
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


def files_in(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_totals_as_files(server: ServerProcess, page: Page, tmp_path: Path) -> None:
    folder = tmp_path / "totals"
    assert run(server, "--write", str(folder))[0] == 0
    written = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    for name in ("payments-months.csv", "refunds-days.json", "style.css"):
        assert written[name].decode() == page.get(f"/totals/{name}").body
    # Of the same state the same bytes, which are there already.
    code, told, _ = run(server, "--write", str(folder))
    assert (code, told["new"], told["files"]) == (0, False, len(written) - 1)
    (folder / "mine.html").write_text("mine")
    code, _, error = run(server, "--write", str(folder))
    assert (code, "mine.html, which this did not write" in error) == (78, True)


def test_what_cannot_be_asked(server: ServerProcess, peers: Peers) -> None:
    credentials = peers.authority.leaf(Role.PUBLIC, "public")
    with Client(server.address, credentials) as client:
        whole = client.public_totals(pb.PUBLIC_BY_DAY, pb.PUBLIC_OF_PAYMENTS)
        assert [one.count for one in whole.lines] == [12, 12, 17, 11, 18]
        part = client.public_totals(
            pb.PUBLIC_BY_DAY, pb.PUBLIC_OF_PAYMENTS, "2026-03-29", "2026-04-29"
        )
        # Not the days that are told together with others.
        assert [one.count for one in part.lines] == [17, 11]
        for fields in (
            {"by": 0, "of": 1},
            {"by": 1, "of": 0},
            {"by": 9, "of": 1},
            {"by": 1, "of": 1, "from_day": "2026-13-01"},
            {"by": 1, "of": 1, "from_day": "2026-02-01", "to_day": "2026-01-01"},
        ):
            with pytest.raises(CallError, match=r"by|of|day") as caught:
                client.public_totals(**fields)
            assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT


def test_what_cannot_be_served(server: ServerProcess) -> None:
    """Others: tests/web/test_public_gate.py."""
    code, _, error = run(server, "--listen", "0.0.0.0:0")
    assert (code, "is reached from elsewhere" in error) == (78, True)


# Last: the switch is gone.


def test_without_a_switch(server: ServerProcess, peers: Peers, page: Page) -> None:
    paper = print_receipt(peers)
    with paging(server) as other:
        assert other.check(*paper[:2]).outcome == "real"
        peers.close()
        assert server.stop() == 0
        answer = other.check(*paper[:2])
        assert (answer.status, answer.outcome) == (503, "unavailable")
        assert "says nothing about the receipt" in answer.body
        assert other.get("/totals/en/index.html").outcome == "no_totals"
        assert other.get("/").status == 200
