"""An operator at a real browser: types, and is told what a screen and a reader say.

Chromium of the system, driven by playwright. Each key that is pressed counts; what the
browser complains of is kept, and each state that is looked at is given to axe-core.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Page, sync_playwright

from tests.server.harness import ROOT, until
from tests.web.browsing import mixed_lines
from tests.web.world import POWER, Counter

CHROMIUM = Path("/usr/bin/chromium")
AXE = ROOT / "build" / "browser" / "axe.min.js"
REPORT = ROOT / "build" / "browser" / "report"
PICTURES = "SWITCH_TEST_PICTURES"
"""Set by `make browser`: a picture costs half as much as to judge the state."""
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
WAIT_MS = 20_000
FONTS: dict[str, str | float | bool] = {
    **os.environ,
    "XDG_DATA_HOME": str(ROOT / "build"),
}
"""With those of papers in `build/fonts`: not every system has letters of Bengali."""
SIZES = {"narrow": (360, 740), "wide": (1_280, 800)}


class Operator:
    """One page of a browser, and what was pressed and seen in it."""

    def __init__(self, page: Page, counter: Counter, name: str) -> None:
        """`name` is what its pictures are called."""
        self.page, self.counter, self.name = page, counter, name
        self.strokes = 0
        self.complaints: list[str] = []
        self.violations: list[str] = []
        self.seen: list[str] = []
        page.set_default_timeout(WAIT_MS)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _hear(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.text} {message.location}")

    # --- what hands do ----------------------------------------------------------------

    def go(self, path: str = "/") -> None:
        """As from a bookmark."""
        self.page.goto(self.counter.address.rstrip("/") + path)

    def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            self.strokes += 1
            self.page.keyboard.press(key)

    def type(self, text: str) -> None:
        """Type a text."""
        self.strokes += len(text)
        self.page.keyboard.type(text)

    def begin(self, language: str = "en", number: str = "3") -> None:
        """Sign on by keyboard, and choose a language."""
        self.go("/" + self.counter.opens)
        self.page.wait_for_selector("#operator:focus")
        self.type(number)
        self.press("Enter")
        self.page.wait_for_selector("#q")
        if self.page.get_attribute("html", "lang") != language:
            self.press("Shift+Tab", *["Shift+Tab"] * 10)
            self.page.focus(".language button")
            self.press("Enter")
            self.page.wait_for_selector(f"html[lang={language}]")
        self.page.wait_for_selector("#q:focus")

    def sign_on(self, pin: str, number: str = "3") -> None:
        """Where operators have a PIN: type both into the page that is open."""
        self.page.fill("#operator", number)
        self.press("Tab")
        self.type(pin)
        self.press("Enter")

    def search(self, text: str) -> None:
        """Find a service and open the first one."""
        self.page.wait_for_selector("#q:focus")
        self.type(text)
        self.page.wait_for_selector("#services a")
        self.press("ArrowDown", "Enter")
        self.page.wait_for_selector("#reference:focus")

    def fetch(self, owed: str) -> None:
        """Find out what is due of a reference."""
        self.search("bidyut")
        self.type(owed)
        self.press("Enter")
        self.wait("due")

    def give(self, service: str, owed: str, amount: str) -> None:
        """What is due of a service whose amount the citizen chooses."""
        self.go(f"/service/{service}")
        self.page.fill("#reference", owed)
        self.page.fill("#amount", amount)
        self.press("Enter")
        self.wait("due")

    def fetch_at_last(self, owed: str) -> None:
        """The same, until switch and biller are there again."""

        def asked() -> bool:
            self.go(f"/service/{POWER}")
            if not self.page.query_selector("#reference"):
                return False
            self.page.fill("#reference", owed)
            self.press("Enter")
            return self.wait("due", "problem", "message") == "due"

        until(asked, 60)
        self.complaints.clear()  # the browser names the status of each answer but 2xx

    # --- what eyes and ears are told --------------------------------------------------

    def wait(self, *outcomes: str, timeout_ms: int = WAIT_MS) -> str:
        """The outcome that the page says, once it is one of these."""
        wanted = ", ".join(f'main [data-outcome="{one}"]' for one in outcomes)
        found = self.page.wait_for_selector(wanted, timeout=timeout_ms)
        assert found is not None
        return found.get_attribute("data-outcome") or ""

    def text(self) -> str:
        """What can be read."""
        return self.page.inner_text("main")

    def focused(self) -> str:
        """Where the keyboard is."""
        found: str = self.page.evaluate(
            "() => document.activeElement.id || document.activeElement.tagName"
        )
        return found

    def fonts(self, where: str) -> set[str]:
        """What the letters of a place are drawn with."""
        session = self.page.context.new_cdp_session(self.page)
        session.send("DOM.enable")
        session.send("CSS.enable")
        root = session.send("DOM.getDocument")["root"]["nodeId"]
        asked = {"nodeId": root, "selector": where}
        node = session.send("DOM.querySelector", asked)["nodeId"]
        found = session.send("CSS.getPlatformFontsForNode", {"nodeId": node})["fonts"]
        session.detach()
        return {one["familyName"] for one in found}

    def look(self, state: str) -> None:
        """Judge a state: by axe-core, and for what stands out of the screen."""
        self.seen.append(state)
        REPORT.mkdir(parents=True, exist_ok=True)
        if PICTURES in os.environ:
            path = REPORT / f"{self.name}-{state}.png"
            self.page.screenshot(path=path, full_page=True)
        found = violations(self.page)
        self.violations += [f"{state}: {one}" for one in found]
        # As it is laid out: one kind of digits in a line, in both languages.
        mixed = mixed_lines(self.page.inner_text("body").splitlines())
        self.violations += [f"{state}: digits of both kinds: {one}" for one in mixed]
        REPORT.joinpath(f"{self.name}-{state}.axe").write_text("\n".join(found))
        wide = self.page.evaluate(
            "() => document.documentElement.scrollWidth - window.innerWidth"
        )
        if wide > 0:
            self.violations.append(f"{state}: {wide} px stand out of the screen")

    def check(self) -> None:
        """Nothing was wrong in all that was seen."""
        assert self.seen, "nothing was looked at"
        assert not self.violations, "\n".join(self.violations)
        assert not self.complaints, "\n".join(self.complaints)


def violations(page: Page) -> list[str]:
    """What axe-core has against a page as it is now."""
    # By the driver, for the page's own policy lets no script in; and only where it is
    # asked: half a megabyte of it costs each page that is opened.
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE.read_text())
    found: list[str] = page.evaluate(
        "async (rules) => (await axe.run(document,"
        " {runOnly: {type: 'tag', values: rules}})).violations.map("
        " v => v.id + ': ' + v.nodes.map(n => n.html.slice(0, 120)).join(' | '))",
        RULES,
    )
    return found


@contextmanager
def chromium() -> Iterator[Any]:
    """The browser."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox"], env=FONTS
        )
        try:
            yield browser
        finally:
            browser.close()


def context_of(browser: Any, size: str = "wide") -> BrowserContext:
    """A browser that knows nothing yet, of this size."""
    width, height = SIZES[size]
    context: BrowserContext = browser.new_context(
        viewport={"width": width, "height": height}
    )
    return context


def plain(text: str) -> str:
    """A name for a file."""
    return re.sub(r"[^a-z0-9-]+", "-", text.lower())
