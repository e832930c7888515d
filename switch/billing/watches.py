"""Who waits for changes of payments: calls, each for one payment by its hold.

Knows no ledger and no network. Belongs to the event loop's thread.
"""

import asyncio
import itertools
from collections.abc import Iterable
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from switch.errors import OverloadError

Numbers = npt.NDArray[np.uint64]


class Watch:
    """Somebody who waits for changes of one payment; a context manager."""

    def __init__(self, watches: "Watches", sequence: int) -> None:
        self._watches = watches
        self._sequence = sequence
        self._changed = asyncio.Event()

    def __enter__(self) -> Self:
        self._watches.add(self, self._sequence)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._watches.discard(self, self._sequence)

    def wake(self) -> None:
        """It has changed, or the server stops."""
        self._changed.set()

    async def wait(self, timeout_s: float) -> bool:
        """Wait for a change after the last one waited for; False if there is none."""
        if not self._changed.is_set():
            try:
                await asyncio.wait_for(self._changed.wait(), timeout_s)
            except TimeoutError:
                return False
        self._changed.clear()
        return True


class Watches:
    """All who wait; at most so many."""

    def __init__(self, count_max: int) -> None:
        """`count_max` bounds the calls, however many wait for one payment."""
        self._count_max = count_max
        self._count = 0
        self._by_hold: dict[int, set[Watch]] = {}

    def __bool__(self) -> bool:
        return bool(self._by_hold)

    @property
    def count(self) -> int:
        """Calls that wait."""
        return self._count

    def begin(self, sequence: int) -> Watch:
        """Follow the hold with this sequence; enter it, then look, then wait.

        Raises OverloadError if too many watch.
        """
        if self._count >= self._count_max:
            raise OverloadError(f"{self._count} calls watch payments")
        return Watch(self, sequence)

    def add(self, watch: Watch, sequence: int) -> None:
        """Wake it from here on."""
        self._count += 1
        self._by_hold.setdefault(sequence, set()).add(watch)

    def discard(self, watch: Watch, sequence: int) -> None:
        """It waits no longer."""
        self._count -= 1
        mine = self._by_hold[sequence]
        mine.discard(watch)
        if not mine:
            del self._by_hold[sequence]

    def wake(self, sequences: Numbers) -> None:
        """These holds have changed."""
        if self._by_hold:
            self._wake(self._by_hold.keys() & set(sequences.tolist()))

    def wake_spans(self, firsts: Numbers, sizes: npt.NDArray[np.uint8]) -> None:
        """So many holds from each of `firsts` on have changed."""
        lines = zip(firsts.tolist(), sizes.tolist(), strict=True)
        spans = [range(first, first + size) for first, size in lines]
        self._wake(self._by_hold.keys() & set(itertools.chain(*spans)))

    def wake_all(self) -> None:
        """The server stops: nobody waits any longer."""
        self._wake(self._by_hold.keys())

    def _wake(self, sequences: Iterable[int]) -> None:
        for sequence in sequences:
            for watch in self._by_hold[sequence]:
                watch.wake()
