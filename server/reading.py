"""Blocking reads of the ledger, in threads: lists apart from looks at one thing.

Both give turns to owners (`server/shares.py`), so that nobody waits behind all that
another has asked for.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

from server.shares import Shares
from switch.ledger.statements import Found

log = logging.getLogger("server")

READ_THREADS: Final = 4
"""Blocking reads at a time."""
OWN_THREADS: Final = 2
"""And of one owner: what takes long must leave threads to others."""
READS_WAITING_MAX: Final = 1_024
"""Blocking reads that may wait for a thread."""
OWN_READS_MAX: Final = 256
"""And of one owner."""

LOOKS_MAX: Final = 64
"""Looks whose answers are given in one turn of the event loop; no more than
`Ledger.find_entries` takes."""
LOOKS_WAITING_MAX: Final = 4_096
"""Looks that may wait for their thread."""
OWN_LOOKS_MAX: Final = 1_024
"""And of one owner."""
BATCHES_MAX: Final = 2
"""Batches of looks that the thread has: one that it does, one that comes next."""

T = TypeVar("T")

Key = tuple[int, bytes, int | None]
"""Whose id, which, and only of this wallet: as `Ledger.find_entries` takes them."""


class Wanted(NamedTuple):
    """What a look gives that wants a row first: it is found with those of its turn."""

    key: Key
    then: Callable[[Found], Any]
    """Gives what the look gives."""


class Look(NamedTuple):
    """A short read, and who is told in the event loop what came of it."""

    call: Callable[[], Any]
    done: Callable[[Any, Exception | None], None]


class Read(NamedTuple):
    """A read, and who waits for it."""

    call: Callable[[], Any]
    future: "asyncio.Future[Any]"


_Done = tuple[Look, Any, Exception | None]


def _do(look: Look, call: Callable[[], Any]) -> _Done:
    try:
        return look, call(), None
    except Exception as error:  # noqa: BLE001
        return look, None, error


class Readers:
    """Reads that may take long. Belongs to the event loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begins with no thread."""
        self._loop = loop
        self._threads = ThreadPoolExecutor(READ_THREADS, thread_name_prefix="read")
        self._waiting: Shares[Read] = Shares(
            "reads", all_max=READS_WAITING_MAX, own_max=OWN_READS_MAX
        )
        self._running: Counter[int] = Counter()

    @property
    def count(self) -> int:
        """Reads that run or wait."""
        return len(self._waiting) + self._running.total()

    async def read(self, owner: int, call: Callable[[], T]) -> T:
        """What `call` gives, in a thread. Raises OverloadError, and what it raises."""
        future: asyncio.Future[T] = self._loop.create_future()
        self._waiting.put(owner, Read(call, future))
        self._start()
        return await future

    def _start(self) -> None:
        while self._running.total() < READ_THREADS:
            busy = [one for one, has in self._running.items() if has >= OWN_THREADS]
            taken = self._waiting.take(without=busy)
            if taken is None:
                return
            owner, read = taken
            if not read.future.done():  # its call was not given up meanwhile
                self._running[owner] += 1
                self._threads.submit(self._do, owner, read)

    def _do(self, owner: int, read: Read) -> None:
        """In a thread."""
        result: Any = None
        failed: BaseException | None = None
        try:
            result = read.call()
        except BaseException as error:  # noqa: BLE001
            failed = error
        self._loop.call_soon_threadsafe(self._done, owner, read, result, failed)

    def _done(
        self, owner: int, read: Read, result: Any, failed: BaseException | None
    ) -> None:
        self._running[owner] -= 1
        if not self._running[owner]:
            del self._running[owner]
        if not read.future.done():
            if failed is None:
                read.future.set_result(result)
            else:
                read.future.set_exception(failed)
        self._start()

    def close(self) -> None:
        """End the threads; what waits is given up."""
        while (taken := self._waiting.take()) is not None:
            taken[1].future.cancel()
        self._threads.shutdown(wait=True, cancel_futures=True)


class Looks:
    """Short looks at what one call names. Belongs to the event loop's thread.

    The way to a thread and back costs more than a look at one payment, so that those of
    a turn share it. One thread, as several would take the interpreter from each other.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        find: Callable[[list[Key]], Sequence[Found]],
    ) -> None:
        """`find` gives the rows that looks want, in the looking thread."""
        self._loop = loop
        self._find = find
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="look")
        self._waiting: Shares[Look] = Shares(
            "looks", all_max=LOOKS_WAITING_MAX, own_max=OWN_LOOKS_MAX
        )
        self._batches = 0
        self._running = 0
        self._is_due = False

    @property
    def count(self) -> int:
        """Looks that are made or wait."""
        return len(self._waiting) + self._running

    def put(self, owner: int, look: Look) -> None:
        """Make it with those of this turn. Raises OverloadError."""
        self._waiting.put(owner, look)
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._start)

    def _start(self) -> None:
        self._is_due = False
        while self._batches < BATCHES_MAX and len(self._waiting):
            looks: list[Look] = []
            while len(looks) < LOOKS_MAX and (taken := self._waiting.take()):
                looks.append(taken[1])
            self._batches += 1
            self._running += len(looks)
            self._thread.submit(self._do, looks)

    def _do(self, looks: Sequence[Look]) -> None:
        """In the looking thread."""
        found = [_do(look, look.call) for look in looks]
        wanting = [
            (place, one[1])
            for place, one in enumerate(found)
            if isinstance(one[1], Wanted)
        ]
        rows = self._rows([wanted.key for _, wanted in wanting])
        for (place, wanted), row in zip(wanting, rows, strict=True):
            found[place] = _do(looks[place], partial(wanted.then, row))
        self._loop.call_soon_threadsafe(self._tell, found)

    def _rows(self, keys: list[Key]) -> Sequence[Found]:
        """The rows of a turn's looks, or what was met, for each."""
        try:
            return self._find(keys) if keys else []
        except Exception as error:  # noqa: BLE001
            return [error] * len(keys)

    def _tell(self, found: "Sequence[_Done]") -> None:
        self._batches -= 1
        self._running -= len(found)
        for (_, done), result, error in found:
            try:
                done(result, error)
            except Exception:
                # The others of its turn are others'.
                log.exception("an answer could not be given")
        self._start()

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=True, cancel_futures=True)
