"""What a page has said of a payment, one outcome after the other, none left out.

An observer in the page itself writes down the outcome after each change: what stands
there for a moment only is written down, too.
"""

from playwright.sync_api import Page

_OBSERVE = """
(() => {
  const begin = () => {
    const place = document.getElementById("state");
    if (!place) return;
    const note = () => {
      const outcome = place.querySelector("[data-outcome]");
      const said = outcome ? outcome.dataset.outcome : "";
      const all = (window.outcomesShown ||= []);
      if (all.at(-1) !== said) all.push(said);
    };
    note();
    new MutationObserver(note).observe(place, {childList: true, subtree: true});
  };
  document.addEventListener("DOMContentLoaded", begin);
})();
"""
UNKNOWN = ("sending", "offline", "sign-on")
"""Outcomes that the counter has of itself: the switch has said nothing yet."""
OPEN = ("waiting", "kept", "unverified")
"""Outcomes that the switch has said, and that are not the last."""
POLLS_MS = 2_500
"""So long after an outcome has come late polls could take it away."""


def watch(page: Page) -> None:
    """Have each page that is opened from now on write down what it says."""
    page.add_init_script(_OBSERVE)


def outcomes_shown(page: Page) -> list[str]:
    """What the page that is open has said so far."""
    shown: list[str] = page.evaluate("() => window.outcomesShown || []")
    return shown


def _rank(outcome: str) -> int:
    if outcome in UNKNOWN:
        return 0
    return 1 if outcome in OPEN else 2


def check_outcomes(page: Page) -> list[str]:
    """The same; none has disappeared, and none was followed by an earlier one."""
    shown = outcomes_shown(page)
    assert shown, "the page has said nothing of a payment"
    assert "" not in shown, f"an outcome has disappeared: {shown}"
    ranks = [_rank(outcome) for outcome in shown]
    assert ranks == sorted(ranks), f"an outcome went back: {shown}"
    assert len([rank for rank in ranks if rank == 2]) <= 1, f"two ends: {shown}"
    return shown
