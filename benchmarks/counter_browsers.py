"""Operators at counters' pages: what a browser asks for, without a browser.

Each has a thread and a connection. A citizen is served by the pages that a browser
would show one after the other, with the parts that these ask for by themselves, and
each is held against what it must say; what takes a person's time takes none here.
Citizens come at fixed times, whatever the pages take: a slow page does not thin out the
load.
"""

import http.client
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlencode

from benchmarks.counter_network import OPERATOR, PIN, SERVICE
from benchmarks.load_network import LoadError
from benchmarks.meanwhile import meanwhile

PAGE_S = 20.0
"""The longest that a page may take: htmx gives up then."""
CATALOGUE_S = 30.0
POLL_S = 0.7
"""Between two questions of a page whose payment has no end yet."""
IDLE_S = 20.0
"""Then a connection is left: the page's server would close it some seconds later."""
OUTCOME_S = 30.0
FOUND_EACH = 5
"""Each so many citizens the day's payments are looked at, and one is searched."""
SEE_OTHER, OK, NO_CONTENT, STOP_POLLING = 303, 200, 204, 286
_TOKEN = re.compile(r'name="token" value="([^"]+)"')
_ID = re.compile(r'name="id_0" value="([0-9a-f]{32})"')
_OUTCOME = re.compile(r'data-outcome="([^"]+)"')
_RECEIPT = re.compile(r"\b[a-z0-9-]+/[0-9]{4}-[0-9]{2}/[0-9]+\b")


@dataclass(frozen=True, slots=True)
class Seen:
    """One page, from the request until all of it was there."""

    kind: str
    begin_ns: int
    took_ns: int


@dataclass(slots=True)
class Operator:
    """One person at one counter, in a thread of their own."""

    centre: str
    address: str
    first: int
    """Number of the first reference."""
    seen: list[Seen] = field(default_factory=list)
    paid_ns: list[int] = field(default_factory=list)
    """When the page said of each citizen that it is paid."""
    error: str = ""
    _http: http.client.HTTPConnection | None = None
    _asked_s: float = 0.0
    _cookie: str = ""
    _text: str = ""
    _path: str = ""

    # --- a browser --------------------------------------------------------------------

    def _ask(
        self, path: str, fields: Mapping[str, object] | None = None
    ) -> http.client.HTTPResponse:
        """One request, read to its end."""
        origin = self.address.rstrip("/")
        if time.monotonic() - self._asked_s > IDLE_S:
            self.close()
        self._asked_s = time.monotonic()
        if self._http is None:
            host = origin.removeprefix("http://")
            self._http = http.client.HTTPConnection(host, timeout=PAGE_S)
        headers = {"cookie": self._cookie} if self._cookie else {}
        body = None
        if fields is not None:
            headers |= {
                "origin": origin,
                "content-type": "application/x-www-form-urlencoded",
            }
            body = urlencode(fields)
        self._http.request("POST" if body is not None else "GET", path, body, headers)
        answer = self._http.getresponse()
        self._text = answer.read().decode()
        for value in answer.headers.get_all("set-cookie", []):
            self._cookie = value.partition(";")[0]
        return answer

    def _get(
        self, kind: str, path: str, fields: Mapping[str, object] | None = None
    ) -> int:
        """A page, or the one that a form leads to, timed together; its status."""
        begin_ns = time.monotonic_ns()
        answer = self._ask(path, fields)
        if answer.status == SEE_OTHER:
            path = answer.headers["location"]
            answer = self._ask(path)
        self._path = path
        self.seen.append(Seen(kind, begin_ns, time.monotonic_ns() - begin_ns))
        if answer.status not in (OK, NO_CONTENT, STOP_POLLING):
            raise LoadError(f"{path}: {answer.status}\n{self._text[-800:]}")
        return answer.status

    def _has(self, what: str) -> None:
        if what not in self._text:
            raise LoadError(f"{self._path} has no {what}:\n{self._text[-1500:]}")

    def _found(self, pattern: re.Pattern[str]) -> str:
        found = pattern.search(self._text)
        if found is None:
            raise LoadError(f"{self._path}: {pattern.pattern}\n{self._text[-1500:]}")
        return found[1] if pattern.groups else found[0]

    # --- an operator ------------------------------------------------------------------

    def sign_on(self) -> None:
        """With the PIN; until there is something to be paid."""
        self._get("operator", "/operator")
        fields = {"token": self._found(_TOKEN), "operator": OPERATOR, "pin": PIN}
        self._get("sign on", "/operator/on", fields)
        self._has("/language")
        end_s = time.monotonic() + CATALOGUE_S
        while f"/service/{SERVICE}" not in self._text:
            if time.monotonic() > end_s:
                raise LoadError(f"{self.centre} has no catalogue")
            time.sleep(0.1)
            self._get("find", "/services?q=light+bill")

    def serve(self, number: int) -> None:
        """One citizen: find, fill in, what is due, pay exact cash, the receipt."""
        reference = f"{self.first + number:015}"
        self._page("home", "/")
        self._get("find", "/services?q=light+bill")
        self._has(f"/service/{SERVICE}")
        self._page("form", f"/service/{SERVICE}")
        fields: dict[str, object] = {
            "token": self._found(_TOKEN),
            "reference": reference,
        }
        self._page("due", f"/service/{SERVICE}/fetch", fields)
        self._has('data-outcome="due"')
        self._has(reference)
        fields = {"token": self._found(_TOKEN), "id_0": self._found(_ID)}
        fields |= {"line": 0, "tender": "cash", "cash": "="}
        self._page("pay", f"{self._path}/pay", fields)
        path = self._path
        self._wait_paid(path)
        self.paid_ns.append(time.monotonic_ns())
        self._page("payment", path)
        self._has('data-outcome="paid"')
        self._has(reference)
        self._get("receipt", f"{path}/paper?kind=receipt")
        receipt = self._found(_RECEIPT)
        if not receipt.startswith(f"{self.centre}/"):
            raise LoadError(f"{path} has the receipt {receipt}")
        if number % FOUND_EACH == 0:
            self._page("today", "/today")
            self._has(path)
            token = self._found(_TOKEN)
            self._page("search", "/find", {"token": token, "q": receipt})
            self._has(path)

    def _page(
        self, kind: str, path: str, fields: Mapping[str, object] | None = None
    ) -> None:
        """A whole page, which asks how the line is by itself."""
        self._get(kind, path, fields)
        text = self._text
        shown = self._path
        self._get("line", "/line?line=up")
        self._text, self._path = text, shown

    def _wait_paid(self, path: str) -> None:
        """The page asks until the payment has its end."""
        end_s = time.monotonic() + OUTCOME_S
        outcome = self._found(_OUTCOME)
        while outcome != "paid":
            if outcome not in ("sending", "waiting") or time.monotonic() > end_s:
                raise LoadError(f"{path} is {outcome}")
            time.sleep(POLL_S)
            if self._get("state", f"{path}/state?seen={outcome}") != NO_CONTENT:
                outcome = self._found(_OUTCOME)

    def close(self) -> None:
        """The browser is closed."""
        if self._http is not None:
            self._http.close()
            self._http = None


class Operators:
    """All of them, and citizens before each at the same pace."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self.all = [
            Operator(centre, address, 10**14 + place * 10**9)
            for place, (centre, address) in enumerate(addresses.items())
        ]
        self._numbers = dict.fromkeys(addresses, 0)

    def sign_on(self) -> None:
        """Each, one after the other: argon2 takes memory. Raises LoadError."""
        for one in self.all:
            one.sign_on()

    def serve(self, pause_s: float, ended: threading.Event) -> None:
        """A citizen at each counter every `pause_s`, evenly spread, until it is ended.

        Raises LoadError.
        """
        threads = [
            threading.Thread(
                target=self._serve,
                args=(one, pause_s * place / len(self.all), pause_s, ended),
            )
            for place, one in enumerate(self.all)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for one in self.all:
            if one.error:
                raise LoadError(f"{one.centre}: {one.error}")

    def _serve(
        self, one: Operator, first_s: float, pause_s: float, ended: threading.Event
    ) -> None:
        due_s = time.monotonic() + first_s
        try:
            while not ended.wait(max(due_s - time.monotonic(), 0)):
                one.serve(self._numbers[one.centre])
                self._numbers[one.centre] += 1
                due_s += pause_s
        except (LoadError, OSError, http.client.HTTPException) as error:
            one.error = str(error) or repr(error)

    def close(self) -> None:
        """All browsers are closed."""
        for one in self.all:
            one.close()


@contextmanager
def serving(operators: Operators, pause_s: float) -> Iterator[None]:
    """Citizens before each counter, if there is a pause between them.

    Raises LoadError at the end.
    """
    if not pause_s:
        yield
        return
    with meanwhile(lambda ended: operators.serve(pause_s, ended)):
        yield
