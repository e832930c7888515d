"""A page of Chromium on a slow line: 50 kbit/s and 600 ms, as a counter's may be.

Each step is timed and has its picture in build/journeys.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from playwright.sync_api import Page
from playwright.sync_api import TimeoutError as LateError

from tests.browser.operator import chromium, plain
from tests.journeys.world import BUILD, World

BYTES_PER_S: Final = 50_000 / 8
LATENCY_MS: Final = 600
WAIT_MS: Final = 90_000
"""A page of 60 kB takes ten seconds, and comes behind others."""
STAYS_S: Final = 4.0
"""How long an outcome is looked at: it must not go away."""


class Walker:
    """Somebody before a browser."""

    def __init__(self, world: World, page: Page, name: str) -> None:
        """The line is slow from the first byte on."""
        self.world, self.page, self.name = world, page, name
        self._pictures = 0
        page.set_default_timeout(WAIT_MS)
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        line: dict[str, bool | float] = {"offline": False, "latency": LATENCY_MS}
        line |= {"downloadThroughput": BYTES_PER_S, "uploadThroughput": BYTES_PER_S}
        session.send("Network.emulateNetworkConditions", line)

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """One thing that the person does, up to what they wait for."""
        begin_s = time.monotonic()
        why = ""
        try:
            yield
        except (AssertionError, LateError) as error:
            why = str(error).splitlines()[0]
        seconds = time.monotonic() - begin_s
        self._pictures += 1
        picture = f"{self.name}-{self._pictures:02}-{plain(text)[:40]}.png"
        self.page.screenshot(path=BUILD / picture, full_page=True)
        self.world.note(f"{self.name}: {text}", seconds, not why, why)
        if why:
            self.world.failed.append(f"{self.name}: {text}: {why}")
            said = self.page.inner_text("body")[:1_500]
            print("\n".join(f"        {line}" for line in said.splitlines()))

    def go(self, address: str, selector: str) -> None:
        """Open a page, and wait for what is to be seen there."""
        self.page.goto(address)
        self.page.wait_for_selector(selector)

    def type(self, text: str, *keys: str) -> None:
        """Type a text, then press keys."""
        self.page.keyboard.type(text)
        for key in keys:
            self.page.keyboard.press(key)

    def outcome(self, *names: str) -> str:
        """What the page says, once it is one of these."""
        wanted = ", ".join(f'main [data-outcome="{name}"]' for name in names)
        found = self.page.wait_for_selector(wanted)
        assert found is not None
        return found.get_attribute("data-outcome") or ""

    def stays(self, name: str) -> None:
        """An outcome that was shown once does not go away."""
        end_s = time.monotonic() + STAYS_S
        while time.monotonic() < end_s:
            there = self.page.query_selector(f'main [data-outcome="{name}"]')
            assert there is not None, f"{name!r} was shown, and is gone"
            assert there.inner_text().strip(), f"{name!r} says nothing any more"
            self.page.wait_for_timeout(200)

    def reads(self, *texts: str) -> None:
        """What a person reads on the page."""
        said = " ".join(self.page.inner_text("main").split())
        missing = [text for text in texts if text not in said]
        assert not missing, f"{missing} cannot be read"


@contextmanager
def walking(world: World, name: str, *, narrow: bool = False) -> Iterator[Walker]:
    """A person with a browser that knows nothing yet."""
    BUILD.mkdir(parents=True, exist_ok=True)
    for picture in BUILD.glob(f"{name}-*.png"):
        picture.unlink()
    with chromium() as browser:
        size = (360, 740) if narrow else (1_280, 800)
        context = browser.new_context(viewport={"width": size[0], "height": size[1]})
        try:
            yield Walker(world, context.new_page(), name)
        finally:
            context.close()
