"""Answers that come at times which say nothing of how long they took."""

import asyncio
import time
from typing import Final

TIMER_S: Final = 0.001
"""What a timer of an event loop may be late, or early, by its own arithmetic."""


async def wait_for_pace(begun_s: float, pace_s: float) -> None:
    """Wait until a whole number of paces has passed, to some microseconds.

    `begun_s` is of `time.monotonic`: an event loop's clock counts whole milliseconds.
    """
    paces = (time.monotonic() - begun_s) // pace_s + 1
    due_s = begun_s + paces * pace_s
    left_s = due_s - TIMER_S - time.monotonic()
    if left_s > 0:
        await asyncio.sleep(left_s)
    # A timer counts whole milliseconds from when it was set, which would tell when
    # that was; others have their turn meanwhile.
    while time.monotonic() < due_s:  # noqa: ASYNC110 - time is not an event
        await asyncio.sleep(0)
