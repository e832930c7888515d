"""Tasks that run as long as the server does, and tasks that run to their end.

Of the first, one that fails is said and begun again: a task whose exception nobody
fetches ends in silence, and with it what it did for others.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

log = logging.getLogger("server.tasks")

T = TypeVar("T")

PAUSE_FIRST_S = 1.0
"""Before a task is begun again; doubled with each failure that follows soon."""
PAUSE_MAX_S = 60.0


class Supervisor:
    """Keeps tasks alive. Belongs to the event loop's thread."""

    def __init__(self, *, pause_first_s: float = PAUSE_FIRST_S) -> None:
        """No task yet."""
        self._pause_first_s = pause_first_s
        self._tasks: list[asyncio.Task[None]] = []
        self.failures = 0
        """How often one failed since the start; each is in the log."""

    def start(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run `run` until `stop`; whenever it ends before that, again after a pause."""
        self._tasks.append(asyncio.create_task(self._keep(name, run), name=name))

    async def stop(self) -> None:
        """End all of them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _keep(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()
        pause_s = self._pause_first_s
        while True:
            begun = loop.time()
            try:
                await run()
                log.critical("ALARM: the task %s ended by itself", name)
            except Exception:
                log.critical("ALARM: the task %s failed", name, exc_info=True)
            self.failures += 1
            if loop.time() - begun > PAUSE_MAX_S:
                pause_s = self._pause_first_s
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_MAX_S)


class Finisher:
    """Does what was begun to its end, whoever goes away: the next one must see what
    became of it. Belongs to the event loop's thread; how much is begun its user bounds.
    """

    def __init__(self) -> None:
        """Nothing is begun."""
        self._tasks: set[asyncio.Task[Any]] = set()

    async def finish(self, work: Coroutine[Any, Any, T]) -> T:
        """What it gives, if its caller is still there. Raises what it raises."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    def _done(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            # The caller has it, if there still is one.
            task.exception()
