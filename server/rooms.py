"""Rooms: what is done a few at a time, a share for each owner and turns between them.

What a lock or a semaphore would hold for everybody together is held here: one owner
would take each of its places, and all of its line.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from server import asking
from server.shares import Shares


class Room:
    """So many inside at once, so many of one owner; the others wait in turns by owner.

    Belongs to the event loop's thread. The owner is that of the call which enters.
    """

    def __init__(
        self, what: str, *, at_once: int, own_at_once: int, all_max: int, own_max: int
    ) -> None:
        """`what` names in an error what waits; at most `all_max` of all and `own_max`
        of one do (`Shares`).
        """
        self._at_once = at_once
        self._own_at_once = own_at_once
        self._inside: Counter[int] = Counter()
        self._waiting: Shares[asyncio.Future[None]] = Shares(
            what, all_max=all_max, own_max=own_max
        )

    @asynccontextmanager
    async def enter(self) -> AsyncIterator[None]:
        """Wait for a place, and leave it at the end. Raises OverloadError."""
        owner = asking.current()
        await self._come_in(owner)
        try:
            yield
        finally:
            self._leave(owner)

    async def _come_in(self, owner: int) -> None:
        is_full = self._inside.total() >= self._at_once
        if not is_full and self._inside[owner] < self._own_at_once:
            # Whoever waits while a place is free has all that one owner may have.
            self._inside[owner] += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.put(owner, turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._waiting.remove(owner, turn)
            else:
                self._leave(owner)
            raise

    def _leave(self, owner: int) -> None:
        self._inside[owner] -= 1
        if not self._inside[owner]:
            del self._inside[owner]
        while self._inside.total() < self._at_once:
            full = [
                one for one, has in self._inside.items() if has >= self._own_at_once
            ]
            taken = self._waiting.take(without=full)
            if taken is None:
                return
            following, turn = taken
            if not turn.done():
                self._inside[following] += 1
                turn.set_result(None)
