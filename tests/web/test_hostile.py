"""Goal: nobody but the operator at this counter does anything with it, and nothing that
is typed, sent or registered becomes part of a page, a path or a header.

Method: a counter whose switch is away, and requests as a hostile page, program or name
would make them.
"""

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from switch.authority.development import DevAuthority
from switch.codes import Role
from switch.web.counter import catalogue
from switch.web.counter.catalogue import Both, Service
from switch.web.sessions import SESSIONS_MAX
from switch.web.shown import visible
from tests.web.browsing import PATIENCE_S, Browser
from tests.web.world import CENTRE, Counter, counting

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
TURNED = "\u202egnp.lleh\u202c\x00\x07\u2066x\u2069\ufeff"


class Away:
    """A switch that nobody reaches."""

    def __init__(self, tls: Path) -> None:
        self.tls = tls
        self.switch_address = "127.0.0.1:1"


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counter]:
    tls = tmp_path_factory.mktemp("tls")
    authority = DevAuthority(tls)
    authority.leaf(Role.CENTRE, CENTRE)
    data = tmp_path_factory.mktemp("counter")
    folder = data / f"{CENTRE}-counter"
    folder.mkdir(parents=True)
    names = [
        Service("EVIL", Both(EVIL, EVIL), Both(TURNED, EVIL), "b", "bill", (EVIL,)),
        Service("OPEN", Both("Open", "খোলা"), Both("D", "বি"), "b", "open"),
    ]
    catalogue.save(folder / "catalogue.json", catalogue.make("1", names))
    counter = Counter(Away(tls), data)
    yield counter
    counter.stop()


@pytest.fixture
def browser(counter: Counter) -> Iterator[Browser]:
    with Browser(counter.address) as browser:
        browser.get("/operator")
        browser.send("/operator/on", operator=3)
        browser.send("/language", language="en", back="/")
        yield browser


def test_names_are_text_and_hide_nothing(browser: Browser) -> None:
    for path in ("/?q=script", "/services?q=script", "/service/EVIL"):
        browser.get(path)
        assert "<script>alert" not in browser.text
        assert "<img" not in browser.text
        assert "&lt;script&gt;alert(1)" in browser.text
        assert not {*TURNED} & {*browser.text} - {"x", *"gnp.lleh"}
    assert "[U+202E]" in browser.text
    assert visible("ক\u200dষ") == "ক\u200dষ"
    assert len(visible("x" * 100_000)) < 5_000


def test_what_is_typed_is_text(browser: Browser) -> None:
    for text in (
        EVIL,
        TURNED.replace("\x00", "").replace("\x07", ""),
        "=1+1",
        "x" * 512,
    ):
        browser.get("/service/OPEN")
        browser.send("/service/OPEN/fetch", reference=text, amount=text)
        assert "<script>alert" not in browser.text
        assert "<img" not in browser.text
        assert "\u202e" not in browser.text


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"reference": "x" * 513}, 400),
        ({"reference": "x" * 10_000}, 400),
        ({"reference": "x" * 20_000}, 413),
        ({"reference": "a\x00b"}, 400),
        ({"reference": "a\r\nset-cookie: x=1"}, 400),
        ({f"f{n}": "1" for n in range(100)}, 400),
        ({"Reference": "1"}, 400),
        ({"__class__": "1"}, 400),
    ],
)
def test_a_form_out_of_bounds_is_none(
    browser: Browser, fields: dict[str, str], status: int
) -> None:
    browser.get("/service/OPEN")
    assert browser.send("/service/OPEN/fetch", **fields).status_code == status


def test_no_other_page_sends_a_form(browser: Browser, counter: Counter) -> None:
    browser.get("/wallet")
    token = browser.token
    origin = counter.address.rstrip("/")
    form = {"token": token, "operator": "9"}
    refused = [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": f"{origin}.evil.example"},
        {"origin": origin.replace("http:", "https:")},
        {"origin": origin, "sec-fetch-site": "cross-site"},
        {"origin": origin, "sec-fetch-site": "same-site"},
    ]
    for headers in refused:
        reply = browser.http.post("/operator/on", data=form, headers=headers)
        assert reply.status_code == 403, headers
    with httpx.Client(
        base_url=origin, cookies=browser.http.cookies, timeout=PATIENCE_S
    ) as plain:
        assert plain.post("/operator/on", data=form).status_code == 403
    # Of our own page, with another's token or none, and with no session at all.
    for wrong in ({"operator": "9"}, {**form, "token": "x"}, {**form, "token": "é"}):
        assert browser.http.post("/operator/on", data=wrong).status_code == 403
    with httpx.Client(
        base_url=origin, headers={"origin": origin}, timeout=PATIENCE_S
    ) as nobody:
        assert nobody.post("/operator/on", data=form).status_code == 403
    json = browser.http.post("/operator/on", json=form)
    assert json.status_code == 400


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "localhost:1", "127.0.0.1.nip.io", ""]
)
def test_another_name_reaches_nothing(counter: Counter, host: str) -> None:
    headers = {"host": host}
    reply = httpx.get(counter.address, headers=headers, timeout=PATIENCE_S)
    assert reply.status_code == 421


def test_two_hosts_reach_nothing(counter: Counter) -> None:
    name = f"127.0.0.1:{counter.port}"
    request = f"GET / HTTP/1.1\r\nHost: {name}\r\nHost: evil.example\r\n\r\n"
    with socket.create_connection(("127.0.0.1", counter.port)) as connection:
        connection.sendall(request.encode())
        answer = connection.recv(4_096)
    assert answer.split()[1] in (b"400", b"421")


def test_it_listens_nowhere_else(counter: Counter) -> None:
    own = [str(one[4][0]) for one in socket.getaddrinfo(socket.gethostname(), None)]
    for address in set(own) - {"127.0.0.1", "::1", "127.0.1.1"}:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family) as probe:
            probe.settimeout(2)
            assert probe.connect_ex((str(address), counter.port)) != 0


def test_a_session_is_made_here_alone(counter: Counter) -> None:
    with Browser(counter.address) as browser:
        name = f"payswitch-{counter.port}"
        browser.http.cookies.set(name, "chosen-by-somebody", "127.0.0.1")
        browser.get("/operator")
        first = browser.http.cookies[name]
        assert first != "chosen-by-somebody"
        reply = browser.http.post(
            "/operator/on",
            data={"token": browser.token, "operator": "3"},
            follow_redirects=False,
        )
        [said] = reply.headers.get_list("set-cookie")
        assert first not in said
        for word in ("HttpOnly", "SameSite=strict", "Path=/"):
            assert word in said
        # The one of before is nobody any more.
        with Browser(counter.address) as other:
            other.http.cookies.set(name, first, "127.0.0.1")
            assert other.get("/").url.path == "/operator"


def test_what_a_field_holds_is_asked(browser: Browser) -> None:
    """Each letter of Bengali is nine in an address."""
    for path in ("/", "/services"):
        assert browser.http.get(path, params={"q": "ক" * 64}).status_code == 200


def test_who_only_looks_ends_no_session(browser: Browser, counter: Counter) -> None:
    for _ in range(SESSIONS_MAX + 1):
        reply = httpx.get(f"{counter.address}operator", timeout=PATIENCE_S)
        assert reply.status_code == 200
    assert browser.get("/today").url.path == "/today"


def test_two_counters_on_one_computer_keep_their_sessions(
    browser: Browser, counter: Counter, tmp_path: Path
) -> None:
    """As for practice beside the real one: to a browser the ports are one computer."""
    beside = counting(counter.world, tmp_path, "--training")
    with beside as training, Browser(training.address) as other:
        other.get("/operator")
        other.send("/operator/on", operator=4)
        for one, beside_it in ((browser, other), (other, browser)):
            one.http.cookies.update(beside_it.http.cookies)
            assert one.get("/today").url.path == "/today"


def test_its_folder_is_its_users_alone(counter: Counter) -> None:
    own = [path for path in counter.folder.rglob("*") if path.name != "log"]
    assert {path.name for path in own} >= {"till", "operators", "LOCK", "MODE"}
    for path in (counter.folder, *own):
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize(
    "back",
    ["//evil.example", "https://evil.example", "/\\evil.example",
     "/x\r\nset-cookie:a=b", "/service/../../etc", "javascript:alert(1)",
     "/payment/" + "a" * 500, "/nowhere"],
)  # fmt: skip
def test_no_form_leads_away(browser: Browser, back: str) -> None:
    browser.get("/wallet")
    form = {"token": browser.token, "language": "en", "back": back}
    reply = browser.http.post("/language", data=form, follow_redirects=False)
    assert reply.status_code in (303, 400)
    assert reply.headers.get("location", "/") == "/"
    assert "a" not in reply.cookies


@pytest.mark.parametrize(
    "path",
    ["/assets/../counter/app.py", "/assets/%2e%2e/app.py",
     "/assets/..%2f..%2fetc%2fpasswd", "/assets/counter.py",
     "/payment/..%2f..", "/payment/zz",
     "/due/" + "f" * 300,
     "/service/" + "a" * 2_000, "/service/%3Cscript%3E", "/move/%00", "/nowhere"],
)  # fmt: skip
def test_no_path_walks(browser: Browser, path: str) -> None:
    reply = browser.get(path)
    assert reply.status_code in (404, 410, 414)
    assert "import" not in reply.text.lower()


def test_each_answer_keeps_the_browser_to_us(browser: Browser) -> None:
    for path in (
        "/",
        "/wallet",
        "/nowhere",
        "/services?q=a",
        "/services?q=%ff",
        "/line",
    ):
        headers = browser.http.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert "server" not in headers
    page = browser.get("/").text
    assert "<style" not in page
    assert " style=" not in page
    assert " on" not in [word[:3] for word in page.split("<script")[1:]]
    for method in ("PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"):
        assert browser.http.request(method, "/").status_code == 405


def test_it_says_that_it_is_offline_and_takes_nothing(
    browser: Browser, counter: Counter
) -> None:
    assert 'data-line="down"' in browser.get("/").text
    browser.get("/service/OPEN")
    browser.send("/service/OPEN/fetch", reference="1", amount="5")
    reply = browser.send(f"{browser.path}/pay", line=0, cash="=")
    assert reply.status_code == 503
    assert "No line to the switch. Nothing was sent: take no cash" in browser.text
    assert counter.moves() == []
    browser.get("/service/EVIL")
    browser.send("/service/EVIL/fetch", reference="1")
    assert "No line to the switch" in browser.text
