"""Goal: whatever stands in any field of any form, it is text or it is refused: it never
becomes a part of a page, a program's error, or of what is kept to be sent.

Method: each form that a browser can send, right but for one field, and that field in
turn with each of what people try, at a counter whose switch is away.
"""

import re
from collections.abc import Iterator

import pytest

from switch.authority.development import DevAuthority
from switch.codes import Role
from switch.ids import new_id
from switch.web.counter import catalogue
from switch.web.counter.catalogue import Both, FormField, Item, Service
from tests.web.browsing import Browser
from tests.web.test_hostile import EVIL, TURNED, Away
from tests.web.world import CENTRE, Counter

HOSTILE = {
    "script": EVIL,
    "attribute": '" autofocus onfocus=alert(1) x="',
    "template": "{{ 7 * 7 }}{% include '/etc/passwd' %}",
    "formula": '=HYPERLINK("https://evil.example")',
    "turned": TURNED.replace("\x00", "").replace("\x07", ""),
    "control": "a\x00b\x1b[2J",
    "break": "a\r\nset-cookie: x=1",
    "surrogate": "%ED%A0%80",
    "letters": "ক\u200dষ" * 100,
    "long": "x" * 512,
    "too long": "x" * 10_000,
    "number": "9" * 400,
    "small": "-1",
    "float": "1e309",
    "path": "../../../../etc/passwd",
    "other digits": "１２３٤٥",
}
ID = new_id().hex()
FIELDS = tuple(
    FormField(name, Both(EVIL, TURNED), pattern, example)
    for name, pattern, example in (("name", "", EVIL), ("mouza", "9{3}", "104"))
)
FORM = Service(
    "FORM",
    Both("Form", "ফর্ম"),
    Both("D", "বি"),
    "b",
    "tariff",
    items=(Item("APPLY", Both(EVIL, TURNED), 2_000),),
    example=EVIL,
    fields=FIELDS,
    documents=(Both(EVIL, TURNED),),
)
LARGE = Service(
    "LARGE",
    Both("Large", "বড়"),
    Both("D", "বি"),
    "b",
    "tariff",
    items=tuple(Item(f"FEE-{n:04}", Both("F", "ফি"), 100) for n in range(64)),
    fields=tuple(
        FormField(f"f{n:02}".ljust(32, "x"), Both("L", "ল"), "", "") for n in range(16)
    ),
)
"""As large as the register takes it."""
OPEN = Service("OPEN", Both("Open", "খোলা"), Both("D", "বি"), "b", "open")
FREE = Service(
    "FREE", Both("F", "বি"), Both("D", "বি"), "", "free", where=Both(EVIL, TURNED)
)
SERVICES = [FORM, LARGE, OPEN, FREE]

FORMS: dict[str, dict[str, str]] = {
    "/language": {"language": "en", "back": "/wallet"},
    "/operator/on": {"operator": "3", "pin": ""},
    "/find": {
        "q": "x",
        "amount": "1",
        "amount_to": "2",
        "state": "HELD",
        "by": "",
        "page": "",
    },
    "/service/FORM/fetch": {
        "reference": "1",
        "field_name": "x",
        "field_mouza": "104",
        "count_apply": "1",
    },
    "/service/OPEN/fetch": {"reference": "1", "amount": "5"},
    "DUE/pay": {"line": "0", "cash": "=", "tender": "cash", "amount": "", "id_0": ""},
    f"/payment/{ID}/complain": {"id": ID, "reason": "OTHER", "note": "x"},
    f"/payment/{ID}/print": {"kind": "receipt"},
    f"/payment/{ID}/printed": {"kind": "receipt"},
    f"/payment/{ID}/cancel": {},
    f"/payment/{ID}/ask": {},
    f"/payment/{ID}/again": {},
    "/shift/close": {"id": ID, "notes_500": "1", "notes_10": "1", "coins": "1"},
    f"/move/{ID}/sign": {"id": ID, "operator": "4", "pin": ""},
    "/wallet/ask": {"id": ID, "amount": "100"},
}


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counter]:
    tls = tmp_path_factory.mktemp("tls")
    DevAuthority(tls).leaf(Role.CENTRE, CENTRE)
    data = tmp_path_factory.mktemp("counter")
    folder = data / f"{CENTRE}-counter"
    folder.mkdir(parents=True)
    catalogue.save(folder / "catalogue.json", catalogue.make("1", SERVICES))
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


def place(browser: Browser, path: str) -> str:
    """Where a form is sent, with what it needs before it."""
    browser.get("/service/OPEN")
    if not path.startswith("DUE"):
        return path
    browser.send("/service/OPEN/fetch", reference="1", amount="5")
    return path.replace("DUE", browser.path)


def is_harmless(text: str) -> bool:
    """Whether nothing of what was typed or registered is more than text."""
    signs = ("<script>alert", "<img", '" autofocus onfocus', "\u202e", "\u2066", "\x1b")
    return not any(one in text for one in (*signs, "root:"))


# What parameters are called must not differ from process to process.
@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.replace(ID, "ID"))
def test_each_field_is_text_or_refused(
    browser: Browser, counter: Counter, path: str
) -> None:
    fields, to = FORMS[path], place(browser, path)
    fields = {"token": browser.token, **fields}
    for name in (*fields, "unknown_field"):
        for kind, value in HOSTILE.items():
            reply = browser.http.post(to, data={**fields, name: value})
            case = (name, kind, reply.status_code)
            assert reply.status_code < 500 or reply.status_code in (502, 503), case
            assert is_harmless(reply.text), case
            assert "x" not in reply.cookies, case
            assert reply.url.host == "127.0.0.1", case
            if kind in ("control", "break", "too long"):
                assert reply.status_code in (400, 403), case
            if path == "/operator/on":
                # Whoever signs on has another session.
                browser.get("/operator")
                fields["token"] = browser.token
    kept = "".join(map(str, counter.moves()))
    for value in HOSTILE.values():
        assert value not in kept


@pytest.mark.parametrize("day", ["1/1/1970", "01/01/0001", "1/1/2600", "31/12/9999"])
def test_a_day_that_no_payment_can_be_of_is_refused(browser: Browser, day: str) -> None:
    """Its times are below zero, or larger than their fields."""
    browser.get("/today")
    assert browser.send("/find", q=day).status_code == 422


@pytest.mark.parametrize("path", ["/service/FORM", "/service/FREE", "/?q=form"])
def test_each_name_is_text(browser: Browser, path: str) -> None:
    for language in ("en", "bn"):
        browser.get("/wallet")
        browser.send("/language", language=language, back="/wallet")
        browser.get(path)
        assert is_harmless(browser.text)


def test_what_a_form_asks_for_hides_nothing(browser: Browser) -> None:
    """What goes with the payment is seen before it is paid, and on the paper."""
    good = FORMS["/service/FORM/fetch"]
    for text, is_good in (
        ("মোঃ রহিম", True),
        ("x\u202ey", False),
        ("x\u00ady", False),
        ("x" * 65, False),
        ("ক" * 21, False),  # with the other value and what is between them
        ("ক" * 19, True),
    ):
        browser.get("/service/FORM")
        reply = browser.send("/service/FORM/fetch", **{**good, "field_name": text})
        assert (reply.status_code == 200) == is_good, text
        assert (f"{text}; 104" in browser.text) == is_good


def test_the_largest_form_is_taken(browser: Browser) -> None:
    browser.get("/service/LARGE")
    names = re.findall(r'<input id="([a-z0-9_]+)"', browser.text)
    assert len(names) == 1 + 64 + 16
    fields = {name: "" if name.startswith("count_") else "x" for name in names}
    browser.send("/service/LARGE/fetch", **{**fields, "count_fee_0063": "3"})
    assert "due" in browser.outcomes
    assert "₹3.00" in browser.text


@pytest.mark.parametrize("kind", ["", "x", "../receipt"])
def test_there_is_no_other_paper(browser: Browser, kind: str) -> None:
    for name in ("paper", "pdf"):
        reply = browser.http.get(f"/payment/{ID}/{name}", params={"kind": kind})
        assert reply.status_code in (400, 503), name
