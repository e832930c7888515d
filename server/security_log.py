"""What an operator should see of who came to the door: counted, logged within bounds.

Nobody can fill a disk by knocking: of each second so many lines are written, and the
next one says how many were not.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

log = logging.getLogger("server.security")

LINES_SECOND_MAX: Final = 10


class SecurityLog:
    """Counts and logs. Belongs to the event loop's thread."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Nothing has happened."""
        self.counts: Counter[str] = Counter()
        """How often each kind of event happened."""
        self._monotonic = monotonic
        self._second = 0
        self._lines = 0
        self._left_out = 0

    def note(self, kind: str, text: str) -> None:
        """`kind` is one word; `text` has no id and no certificate."""
        self.counts[kind] += 1
        second = int(self._monotonic())
        if second != self._second:
            self._second, self._lines = second, 0
        if self._lines == LINES_SECOND_MAX:
            self._left_out += 1
            return
        self._lines += 1
        left_out, self._left_out = self._left_out, 0
        more = f" ({left_out} lines before it were left out)" if left_out else ""
        log.warning("%s: %s%s", kind, text, more)
