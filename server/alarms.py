"""What an operator is told without asking: holds that are open after T+1.

A line in the log when there are new ones, looked for once a minute; `ListExceptions`
has them one by one.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from server.node import Node
from switch.errors import SwitchError

log = logging.getLogger("server.alarms")

ALARM_S = 60.0
"""Between two looks."""


class Alarms:
    """Looks once a minute."""

    def __init__(
        self, node: Node, *, wall_ns: Callable[[], int] = time.time_ns
    ) -> None:
        """Looks at `node`'s ledger."""
        self._node = node
        self._wall_ns = wall_ns
        # Holds become overdue in the ledger's order: the last that was said.
        self._known = 0

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(ALARM_S)

    async def look(self) -> None:
        """Log how many holds are overdue, if one of them was not before."""
        exceptions = self._node.exceptions
        try:
            overdue = await self._node.read(exceptions.overdue, self._wall_ns())
        except SwitchError as error:
            # The next look may do better; calls say the same to who asks.
            log.error("cannot look for overdue holds: %s", error)
            return
        if len(overdue) and int(overdue[-1]) > self._known:
            self._known = int(overdue[-1])
            log.warning(
                "ALARM: %d holds are open after T+1, the oldest is entry %d",
                len(overdue),
                int(overdue[0]),
            )
