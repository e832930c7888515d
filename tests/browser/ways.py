"""The main way, from the search to the receipt, and what several files ask of it."""

from typing import Any

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
