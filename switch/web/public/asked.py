"""The switch, as the public page asks it: from threads, so many at a time.

May use the client and `book`. Whatever keeps it from an answer is one error, which says
nothing of what was asked.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, Protocol, TypeVar

from switch.errors import OverloadError, SwitchError
from switch.v1 import public_pb2 as pb
from switch.web.public.book import Teller, read_book
from switch.web.public.site import Files, make_site

log = logging.getLogger("switch.public")

THREADS: Final = 8
"""Questions to the switch at a time."""
WAITING_MAX: Final = 64
"""Questions that are asked or wait."""
FRESH_S: Final = 300.0
"""How long totals are shown before it is asked whether there are newer ones."""
LOOK_S: Final = 60.0
"""How old what is known of recoveries is when it is asked for anew."""

T = TypeVar("T")


class Switch(Teller, Protocol):
    """The part of the client that is asked."""

    def check_receipt(self, number: str, code: str) -> pb.CheckReceiptResponse:
        """Whether there is a receipt with this number and this code."""

    def check_complaint(self, number: str, code: str) -> pb.CheckComplaintResponse:
        """How the complaint with this number stands, if the code is its receipt's."""

    def recoveries(self) -> pb.ListRecoveriesResponse:
        """Which recoveries are under way."""


class NoAnswerError(Exception):
    """The switch did not answer; what was asked stays open."""


class Asked:
    """Questions to the switch. Belongs to one event loop."""

    def __init__(
        self, switch: Switch, *, check: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`check` is where pages of totals say that receipts are checked."""
        self._switch, self._check, self._clock = switch, check, clock
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="ask")
        self._waiting = 0
        self._reading = asyncio.Lock()
        self._files: Files = {}
        self._read_s = -FRESH_S
        self._recoveries: pb.ListRecoveriesResponse | None = None
        self._looked_s = -FRESH_S
        self._look: asyncio.Task[None] | None = None

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def check(self, number: str, code: str) -> pb.CheckReceiptResponse:
        """Whether there is a receipt with this number and code; NoAnswerError."""
        return await self._ask(lambda: self._switch.check_receipt(number, code))

    async def check_complaint(
        self, number: str, code: str
    ) -> pb.CheckComplaintResponse:
        """How a complaint stands, by number and code. Raises NoAnswerError."""
        return await self._ask(lambda: self._switch.check_complaint(number, code))

    async def recoveries(self) -> pb.ListRecoveriesResponse:
        """Which recoveries are under way, now. Raises NoAnswerError."""
        self._recoveries = await self._ask(self._switch.recoveries)
        self._looked_s = self._clock()
        return self._recoveries

    def known_recoveries(self) -> pb.ListRecoveriesResponse | None:
        """The same as it was a short while ago, None if that is not known. Waits for
        nothing: what is old is asked for anew beside it.
        """
        age_s = self._clock() - self._looked_s
        is_looking = self._look is not None and not self._look.done()
        if age_s >= LOOK_S and not is_looking:
            self._look = asyncio.ensure_future(self._look_again())
        return self._recoveries if age_s < FRESH_S else None

    async def _look_again(self) -> None:
        with suppress(NoAnswerError):
            await self.recoveries()

    async def site(self) -> Files:
        """The totals as files, read a short while ago. Raises NoAnswerError."""
        # One reads; the others wait for it.
        async with self._reading:
            if not self._files or self._clock() - self._read_s >= FRESH_S:
                self._files = await self._ask(
                    lambda: make_site(read_book(self._switch), check=self._check)
                )
                self._read_s = self._clock()
            return self._files

    async def _ask(self, question: Callable[[], T]) -> T:
        if self._waiting >= WAITING_MAX:
            raise NoAnswerError
        self._waiting += 1
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, question)
        except (SwitchError, OverloadError) as error:
            log.warning("the switch does not answer: %s", type(error).__name__)
            raise NoAnswerError from error
        finally:
            self._waiting -= 1
