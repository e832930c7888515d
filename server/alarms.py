"""What an operator is told without asking: payments that nobody decides, and damage.

A line in the log when there are new ones, looked for once a minute; `ListExceptions`
has them one by one.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from server.node import Node
from switch.errors import SwitchError
from switch.ledger.overdue import DECIDE_DAYS, OVERDUE_DAYS, undecided_since

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
        # Payments become overdue in the ledger's order: the last that was said.
        self._overdue = 0
        self._to_decide = 0
        self._requests = 0
        self._damaged = 0
        self._stuck = ""

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(ALARM_S)

    async def look(self) -> None:
        """Log what there is now and was not before."""
        self._look_for_damage()
        self._look_for_one_that_is_stuck()
        await self._look_for_holds()

    def _look_for_damage(self) -> None:
        """Requests that a damaged row left without an answer."""
        ledger = self._node.ledger
        requests = ledger.damaged_requests
        if requests > self._requests:
            self._requests = requests
            log.error(
                "ALARM: %d payments or moves met damaged entries, the last is entry %d",
                requests,
                ledger.info()["damaged_row"],
            )

    def _look_for_one_that_is_stuck(self) -> None:
        """A writer that does not come back from LMDB; no call waits for this look."""
        stuck = self._node.ledger.stuck
        if stuck and stuck != self._stuck:
            log.error("ALARM: the %s is being written for more than a minute", stuck)
        self._stuck = stuck

    async def _look_for_holds(self) -> None:
        """Payments that nobody has decided, and open ones that cannot be read."""
        node, now_ns = self._node, self._wall_ns()
        exceptions = node.exceptions
        try:
            exceptions.note_damaged(node.dispatch.damaged())
            overdue, to_decide = [
                await node.read(undecided_since, node.ledger, days, now_ns)
                for days in (OVERDUE_DAYS, DECIDE_DAYS)
            ]
            damaged = await node.read(exceptions.damaged)
        except SwitchError as error:
            # The next look may do better; calls say the same to who asks.
            log.error("cannot look for overdue payments: %s", error)
            return
        if len(overdue) and int(overdue[-1]) > self._overdue:
            self._overdue = int(overdue[-1])
            log.warning(
                "ALARM: %d payments are undecided after T+1, the oldest is entry %d",
                len(overdue),
                int(overdue[0]),
            )
        if len(to_decide) and int(to_decide[-1]) > self._to_decide:
            self._to_decide = int(to_decide[-1])
            log.warning(
                "ALARM: %d payments are for people to decide by the end of T+5 at the "
                "latest, the oldest is entry %d",
                len(to_decide),
                int(to_decide[0]),
            )
        if len(damaged) > self._damaged:
            log.error(
                "ALARM: %d open holds or cases are damaged, the oldest is entry %d",
                len(damaged),
                int(damaged[0]),
            )
        self._damaged = len(damaged)
