"""Where papers go: the seam between the page and whatever prints.

Without a printer of its own the page leaves printing to the browser. A printer that
fails says so; the payment is never touched by it.
"""

from typing import Protocol

from switch.errors import SwitchError


class PrintError(SwitchError):
    """The paper was not printed; the text says why."""


class Printer(Protocol):
    """What prints one paper."""

    def print_receipt(self, text: str, paper: str, code: str) -> None:
        """Print a receipt: its text, its JSON, its code. Raises PrintError."""
        ...


class BrowserPrinter:
    """The browser's own: nothing is printed here, the page shows the paper to print."""

    def print_receipt(self, text: str, paper: str, code: str) -> None:
        """Do nothing: the page does it."""
