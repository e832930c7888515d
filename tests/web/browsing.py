"""What the tests do at a page over HTTP: a browser without a screen."""

import re
import time
from collections.abc import Iterable
from html import unescape
from html.parser import HTMLParser
from typing import Any, Self

import httpx

from tests.server.harness import until

PATIENCE_S = 60
"""Of a request: five seconds, which are usual, a busy machine may take for a PIN."""
OPENS: dict[int, str] = {}
"""By a counter's port: what a browser begins with there."""
_TOKEN = re.compile(r'name="token" value="([^"]+)"')
_LINES = re.compile(r'name="(id_[0-9]+)" value="([^"]+)"')
_HIDDEN = re.compile(r'name="id" value="([^"]+)"')
_ASCII, _BENGALI = re.compile("[0-9]"), re.compile("[০-৯]")
_OUTCOME = re.compile(r'data-outcome="([^"]+)"')


_INLINE = frozenset({"a", "span", "strong", "label", "button", "option", "input"})
_OWN_LINE = frozenset({"own", "what", "sum", "hint"})
"""Classes that counter.css gives a line of their own."""


class _Lines(HTMLParser):
    """What stands in one line of a page, as a browser lays it out."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = [""]
        self._is_block: list[bool] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        classes = {*(dict(attrs).get("class") or "").split()}
        is_block = tag not in _INLINE or not _OWN_LINE.isdisjoint(classes)
        if is_block or tag == "option":
            self.lines.append("")
        if tag in ("input", "meta", "link", "br"):
            return
        self._is_block.append(is_block)
        self._hidden += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        if self._is_block and self._is_block.pop():
            self.lines.append("")
        self._hidden -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if self._hidden:
            return
        first, *others = data.split("\n")
        # An end of a line is one on a paper alone: all text of a page has none.
        self.lines[-1] += " ".join([first, *others])


def lines_of(page: str) -> list[str]:
    """The lines of a page that have any text; those of papers by themselves."""
    parser = _Lines()
    papers = re.findall(r"<pre[^>]*>(.*?)</pre>", page, re.DOTALL)
    parser.feed(re.sub(r"<pre[^>]*>.*?</pre>", "", page, flags=re.DOTALL))
    lines = parser.lines + [
        unescape(line) for one in papers for line in one.split("\n")
    ]
    return [text for line in lines if (text := " ".join(line.split()))]


def mixed_lines(lines: Iterable[str]) -> list[str]:
    """Those with digits of both kinds."""
    return [one for one in lines if _ASCII.search(one) and _BENGALI.search(one)]


class Browser:
    """One browser at a counter: keeps its cookie, sends its forms as a page does."""

    def __init__(self, address: str) -> None:
        """Opens nothing yet."""
        origin = address.rstrip("/")
        self.http = httpx.Client(
            base_url=origin,
            headers={"origin": origin},
            follow_redirects=True,
            timeout=PATIENCE_S,
        )
        self.text = ""
        self.path = ""

    def close(self) -> None:
        """End it."""
        self.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _seen(self, reply: httpx.Response) -> httpx.Response:
        self.text, self.path = reply.text, reply.url.path
        return reply

    def get(self, path: str) -> httpx.Response:
        """Look at a page; at who is there with what the counter's start has told."""
        if path == "/operator":
            path = OPENS.get(self.http.base_url.port or 0, path)
        return self._seen(self.http.get(path))

    def send(self, path: str, **fields: Any) -> httpx.Response:
        """Send a form of the page that is looked at."""
        fields = {"token": self.token, **fields}
        return self._seen(self.http.post(path, data=fields))

    @property
    def token(self) -> str:
        """Of the page's forms."""
        found = _TOKEN.search(self.text)
        assert found, self.text[:500]
        return found[1]

    @property
    def form_id(self) -> str:
        """The id that a form of the page has been made with."""
        found = _HIDDEN.findall(self.text)
        assert found, self.text[:500]
        return str(found[-1])

    @property
    def lines(self) -> dict[str, str]:
        """The ids of the payments that the page is ready to begin, as its form sends
        them.
        """
        return dict(_LINES.findall(self.text))

    @property
    def outcomes(self) -> list[str]:
        """What the page says, by its marks."""
        return _OUTCOME.findall(self.text)

    # --- the way of a payment ---------------------------------------------------------

    def sign_on(self, operator: int = 3, language: str = "en", pin: str = "") -> Self:
        """An operator begins."""
        self.get("/operator")
        self.send("/operator/on", operator=operator, pin=pin)
        if f'lang="{language}"' not in self.text[:200]:
            self.send("/language", language=language, back="/")
        until(lambda: "/service/" in self.http.get("/services?q=bill").text)
        return self

    def fetch(self, service: str, reference: str, **fields: Any) -> httpx.Response:
        """Fill in a service's form."""
        self.get(f"/service/{service}")
        return self.send(f"/service/{service}/fetch", reference=reference, **fields)

    def pay(self, cash: str = "=", line: int = 0, **fields: Any) -> httpx.Response:
        """Pay what is due on the page."""
        fields = {"line": line, "cash": cash, **self.lines, **fields}
        return self.send(f"{self.path}/pay", **fields)

    def settled(self, *wanted: str, timeout_s: float = 60) -> str:
        """The outcome of the payment that is looked at, once it is one of these."""
        path, end_s = self.path, time.monotonic() + timeout_s
        while True:
            self.get(path)
            if self.outcomes and self.outcomes[0] in wanted:
                return self.outcomes[0]
            assert time.monotonic() < end_s, (self.outcomes, self.text[-1500:])
            time.sleep(0.05)
