"""How fast what a biller sends in parts must arrive: a list of a day, a file of bills.

While it arrives it holds the room that it has claimed.
"""

import asyncio
import time
from typing import Final

from server.status import LateError
from server.transport import Call

ARRIVES_S: Final = 600.0
"""How long all of it may take."""
SILENT_S: Final = 30.0
"""How long its next message may take."""
FREE_S: Final = 120.0
"""How long it may take at any pace."""
PACE_PER_S: Final = 1_000
"""Lines that must have arrived for each second after FREE_S."""


class Arriving:
    """One that arrives, from now on."""

    def __init__(self) -> None:
        """Begins now."""
        self._begun_s = time.monotonic()
        self._lines = 0

    async def read(self, call: Call) -> bytes | None:
        """The next message, None behind the last. Raises LateError."""
        left_s = self._begun_s + ARRIVES_S - time.monotonic()
        try:
            async with asyncio.timeout(min(left_s, SILENT_S)):
                return await call.read()
        except TimeoutError as error:
            raise LateError(
                f"it took more than {ARRIVES_S:.0f} s, or one of its messages more "
                f"than {SILENT_S:.0f} s"
            ) from error

    def take(self, lines: int) -> None:
        """So many lines have arrived. Raises LateError if these are too few by now."""
        self._lines += lines
        due_s = time.monotonic() - self._begun_s - FREE_S
        if self._lines < due_s * PACE_PER_S:
            raise LateError(
                f"{self._lines:,} lines have arrived; after {FREE_S:.0f} s it must be "
                f"{PACE_PER_S:,} for each second"
            )
