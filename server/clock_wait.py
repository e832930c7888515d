"""A start after a long silence waits until the kernel says that its clock is right.

A machine that was off for a weekend boots with the time of its battery. Minutes later a
time service has asked others, and tells the kernel so; only then is its clock worth
a row that explains the gap (`switch/ledger/start_clock.py`). The wait itself decides
nothing: when it ends, `Committer.start` judges the clock as it is then.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from switch.ledger.committer import Committer
from switch.ledger.start_clock import duration

log = logging.getLogger("server.clock")

CLOCK_WAIT_S: Final = 600
"""How long a start waits, in seconds since the machine started."""
CLOCK_LOOK_S: Final = 1.0
"""Between two looks at the clock."""
CLOCK_TELL_S: Final = 30
"""Between two lines in the log."""
_NS: Final = 10**9


async def wait_for_kernel(
    committer: Committer, stop: asyncio.Event, tell: Callable[[str], None]
) -> None:
    """Wait while the start would go on with the kernel's word and has it not.

    Ends as well after CLOCK_WAIT_S, when the kernel cannot be asked, and when `stop` is
    set. `tell` is told what is waited for, and at the end an empty text.
    """
    begin_ns = committer.clock_state().boottime_ns
    next_line_s = 0
    try:
        while gap := _gap(committer):
            waited_s = (committer.clock_state().boottime_ns - begin_ns) // _NS
            if waited_s >= CLOCK_WAIT_S or stop.is_set():
                return
            text = (
                f"the clock is {duration(gap)} the last entry; waiting for the kernel "
                f"to say that it is synchronised: {waited_s} of {CLOCK_WAIT_S} s"
            )
            tell(text)
            if waited_s >= next_line_s:
                log.warning("%s", text)
                next_line_s = waited_s + CLOCK_TELL_S
            await _pause(stop)
        if next_line_s:
            log.warning("the start goes on: its clock is looked at again")
    finally:
        tell("")


def _gap(committer: Committer) -> int:
    """The gap that is waited for; 0 if waiting longer would change nothing."""
    try:
        return committer.waits_for_kernel()
    except OSError:
        # The start says why it cannot be asked, and ends.
        return 0


async def _pause(stop: asyncio.Event) -> None:
    """Until the next look, or until the server is to stop."""
    try:
        async with asyncio.timeout(CLOCK_LOOK_S):
            await stop.wait()
    except TimeoutError:
        pass
