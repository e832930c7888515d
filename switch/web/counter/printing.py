"""Where papers go: a roll printer of the counter's own, A5 as PDF, or the browser.

What a paper says comes from the switch and is laid out by `switch.papers`. A printer
that fails says so; the payment was done and durable before, and is never touched by it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from switch import papers
from switch.errors import ConfigError, SwitchError, UsageError
from switch.paper_words import FORM_WORDS
from switch.receipt_numbers import format_code


class PrintError(SwitchError):
    """The paper was not printed; the text says why."""


class Paper(NamedTuple):
    """What is to be printed: JSON and code as the switch gave them."""

    json: str
    code: str = ""
    refunded: int = 0
    is_bengali: bool = False


class Check(NamedTuple):
    """How a citizen checks a paper that the browser prints."""

    label: str
    code: str
    how: str = ""
    """Empty, as what follows, while the counter knows no public check."""
    address: str = ""
    square: str = ""
    """SVG."""


class Printer:
    """Prints papers. Any thread may call it."""

    def __init__(self, target: str = "", check_base: str = "") -> None:
        """`target` is a device, `HOST:9100` or a file, empty for the browser's own;
        `check_base` the address of the public check. Raises UsageError.
        """
        self._target = target
        self._press: papers.Press | None = None
        try:
            self._base = papers.check_base(check_base) if check_base else ""
        except ValueError as error:
            raise UsageError(f"--check-base {error}") from error

    @property
    def has_device(self) -> bool:
        """Whether there is a printer beside the browser's."""
        return bool(self._target)

    def print_receipt(self, paper: Paper) -> None:
        """Print on the roll. Raises PrintError."""
        data = self._made(paper, lambda press, facts, how: press.roll(facts, **how))
        try:
            papers.send(self._target, data)
        except papers.PrinterError as error:
            raise PrintError(str(error)) from error

    def pdf(self, paper: Paper) -> bytes:
        """The paper on A5. Raises PrintError."""
        return self._made(paper, lambda press, facts, how: press.pdf(facts, **how))

    def check(self, number: str, code: str, *, is_bengali: bool) -> Check:
        """What the browser's own paper has below its text, as A5 and rolls have it."""

        def word(name: str) -> str:
            return FORM_WORDS[name][is_bengali]

        label, shown = word("code"), format_code(code)
        if not self._base:
            return Check(label, shown)
        url = papers.check_url(self._base, number, code)
        square = papers.inline_square(url)
        return Check(label, shown, word("check how"), self._base, square)

    def _made(self, paper: Paper, make: Callable[[Any, Any, Any], bytes]) -> bytes:
        try:
            if self._press is None:
                self._press = papers.Press(papers.find_fonts())
            facts = papers.read_paper(
                paper.json, code=paper.code, refunded=paper.refunded
            )
            how = {"bengali": paper.is_bengali, "check_base": self._base}
            return make(self._press, facts, how)
        except (ConfigError, papers.PaperError) as error:
            raise PrintError(str(error)) from error
