"""Whether the scrolls of a day are those of the ledger: a part of `close-day`.

Over the wire. The ledger's windows say what was posted to each head; so does each
scroll's manifest of itself. A scroll that is not there, is of another window, or comes
to something else stands in the way of the day.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from switch.canonical_csv import paise_of
from switch.client import Client
from switch.money import format_amount

SUMS: Final = ("debits", "credits", "carried", "payable")


class Scroll(NamedTuple):
    """Of which window and head a scroll is."""

    window: int
    biller: str
    head: str

    def __str__(self) -> str:
        """As it is told."""
        return f"window {self.window}, {self.biller} {self.head}"


Sums = dict[str, int]
"""Paise, by SUMS."""


def read_sums(said: Mapping[str, Any]) -> tuple[Scroll, Sums]:
    """Of which window and head a scroll's manifest is, and what it comes to.

    Raises ValueError, KeyError and TypeError if it is none.
    """
    scroll = Scroll(int(said["window"]), str(said["biller"]), str(said["head"]))
    return scroll, {name: paise_of(said[name]) for name in SUMS}


def differences(
    client: Client, windows: list[int], scrolls: Mapping[Scroll, Sums]
) -> Iterator[str]:
    """How the scrolls of windows differ from the ledger's lines of these; a head
    without a line has a scroll that comes to nothing. Raises what the client raises.
    """
    others = dict(scrolls)
    for window in windows:
        for line in client.window_lines(window):
            scroll = Scroll(window, line.biller, line.head)
            known = {name: int(getattr(line, name)) for name in SUMS}
            said = others.pop(scroll, None)
            if said is None:
                yield f"{scroll}: there is no scroll of it"
            elif said != known:
                yield f"{scroll}: {_compared(said, known)}"
    for scroll, said in others.items():
        if scroll.window not in windows:
            yield f"{scroll}: it is not of this day"
        elif any(said.values()):
            yield f"{scroll}: {_compared(said, dict.fromkeys(SUMS, 0))}"


def _compared(said: Sums, known: Sums) -> str:
    found = [
        f"{name} {format_amount(said[name])} and not {format_amount(known[name])}"
        for name in SUMS
        if said[name] != known[name]
    ]
    return f"its scroll says {'; '.join(found)} as the ledger"
