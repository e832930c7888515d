"""Goal: an operator finds, fetches, takes exact cash and hands over a receipt by
keyboard alone, in both languages, on a telephone's and a desk's screen; four strokes
after the reference at most, and a key that is held down pays nothing.

Method: Chromium at a real counter and switch. Each state on the way is judged by
axe-core (WCAG 2.1 A and AA) and must not stand out of the screen; the console stays
silent.
"""

from typing import Any

import pytest

from tests.browser.conftest import Opens
from tests.browser.operator import REPORT
from tests.web.world import World

STROKES_MAX = 4
_numbers = iter(range(500_000_001, 1 << 30))


def reference() -> str:
    """One that nobody has paid for."""
    return str(next(_numbers))


def paid(world: World, owed: str) -> list[Any]:
    """The payments of a reference."""
    return [one for one in world.payments() if owed in one.reference]


@pytest.mark.parametrize(("language", "size"), [("en", "narrow"), ("bn", "wide")])
def test_the_main_way_by_keyboard(
    world: World, opens: Opens, language: str, size: str
) -> None:
    main_way(world, opens, language, size)


def main_way(world: World, opens: Opens, language: str, size: str) -> None:
    """Find, fetch, pay with exact cash, see the receipt."""
    operator = opens(f"{language}-{size}", size)
    operator.go("/")
    operator.look("1-operator")
    operator.begin(language)
    operator.look("2-find")
    if language == "bn":
        assert any("Bengali" in name for name in operator.fonts("h1"))
    operator.search({"en": "bidyut", "bn": "কারেন্ট"}[language])
    operator.look("3-form")
    owed = reference()
    operator.type(owed)
    operator.strokes = 0
    operator.press("Enter")
    operator.wait("due")
    assert operator.focused() == "cash_in"
    operator.look("4-due")
    operator.type("=")
    operator.press("Enter")
    operator.wait("paid")
    assert operator.strokes <= STROKES_MAX
    REPORT.joinpath(f"{operator.name}.strokes").write_text(f"{operator.strokes}\n")
    operator.look("5-paid")
    assert "/2026-27/" in operator.text()
    [one] = paid(world, owed)
    assert one.operator == 3
    # On to the next citizen, still without a mouse.
    operator.press("Tab", "Enter")
    operator.page.wait_for_selector("#q:focus")
    operator.check()


def test_a_key_that_is_held_down_pays_nothing(world: World, opens: Opens) -> None:
    operator = opens("held", "wide")
    operator.begin()
    owed = reference()
    operator.search("bidyut")
    operator.type(owed)
    for _ in range(60):
        operator.page.keyboard.down("Enter")
    operator.wait("due", "problem")
    for _ in range(60):
        operator.page.keyboard.down("Enter")
        # Where a browser does not say that it repeats, too.
        operator.page.keyboard.up("Enter")
    # Pages that were asked for meanwhile have come.
    operator.page.wait_for_timeout(700)
    operator.page.wait_for_selector("#cash_in:focus")
    assert not paid(world, owed)
    operator.type("=")
    for _ in range(60):
        operator.page.keyboard.down("Enter")
    operator.wait("paid")
    for _ in range(60):
        operator.page.keyboard.down("Enter")
    operator.page.wait_for_timeout(300)
    operator.wait("paid")
    assert len(paid(world, owed)) == 1
