"""What an operator looks at and has not paid: in memory, bounded, gone with the
process.

A draft has one line for each bill that may be paid, and each line its payment's id from
the beginning. Whatever sends a line's form (twice, after a reload, from another tab),
it is that one payment.
"""

import secrets
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from switch.ids import new_id

DRAFTS_MAX = 256
LIFE_S = 2 * 3_600


@dataclass(frozen=True, slots=True)
class Line:
    """One bill, or what a form has come to. Paise."""

    amount: int
    state: str = "due"
    """`due`, `in progress` or `paid already`."""
    rule: str = "exact"
    """Whether the citizen may pay `above`, or `below`."""
    bill: str = ""
    period: str = ""
    due_ns: int = 0
    until_ns: int = 0
    head: int = 0
    quotation: bytes = b""
    id: bytes = field(default_factory=new_id)


@dataclass(frozen=True, slots=True)
class Draft:
    """What was found for one citizen."""

    service: str
    reference: str
    lines: Sequence[Line]
    note: str = ""
    items: Sequence[tuple[str, int]] = ()
    additional_to: bytes = b""
    key: str = field(default_factory=lambda: secrets.token_hex(16))
    made_s: float = field(default_factory=time.monotonic)


class Drafts:
    """Those of one counter; the oldest go."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Draft] = OrderedDict()

    def add(self, draft: Draft) -> Draft:
        """Keep one."""
        self._known[draft.key] = draft
        while len(self._known) > DRAFTS_MAX:
            self._known.popitem(last=False)
        return draft

    def get(self, key: str) -> Draft | None:
        """The draft of a page, if it is not too old."""
        found = self._known.get(key)
        if found is None or time.monotonic() - found.made_s > LIFE_S:
            return None
        return found
