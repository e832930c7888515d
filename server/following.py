"""The totals are counted while the server serves: a thread of their own, and its turns.

It takes what the committer has made durable, some rows at a time, and has a turn a few
times a second; calls that ask for totals count the last ones themselves.
"""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from server.node import Node
from switch.errors import OverloadError
from switch.totals.cube import BEHIND_MAX

log = logging.getLogger("server.totals")

FOLLOW_S: Final = 0.25
"""Between two looks for new rows."""
DOUBT_S: Final = 5.0
"""Before what was kept is made anew: others may still read it."""
PROGRESS_S: Final = 5.0
"""How often it is said how far it is with what was there at a start."""


class Following:
    """Counts until it is cancelled."""

    def __init__(self, node: Node) -> None:
        """Of `node`'s ledger."""
        self._node = node
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="totals")
        self._said_s = 0.0

    async def run(self) -> None:
        """Count what comes. Raises what a turn raises, but for OverloadError."""
        loop, totals = self._node.loop, self._node.totals
        while True:
            more, began_s = False, loop.time()
            if totals.has_work():
                try:
                    more = await loop.run_in_executor(self._thread, totals.follow)
                except OverloadError as error:
                    log.info("%s", error)
                    await asyncio.sleep(DOUBT_S)
            self._say_how_far()
            # With much to count it rests as long as it works: half a core is others'.
            await asyncio.sleep(loop.time() - began_s if more else FOLLOW_S)

    def close(self) -> None:
        """End the thread, and write what is new. Nobody may be asking."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._node.totals.close()

    def _say_how_far(self) -> None:
        done, newest = self._node.totals.progress()
        now_s = self._node.loop.time()
        if newest - done > BEHIND_MAX and now_s - self._said_s >= PROGRESS_S:
            self._said_s = now_s
            log.info("totals: %s of %s entries are counted", f"{done:,}", f"{newest:,}")
