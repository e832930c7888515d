"""What a stream of payments and a stream of answers share: reading, and one end.

The call's own task writes; a second task reads. Whatever ends the reading is kept, so
that the writing task tells the other side.
"""

import asyncio
from abc import ABC, abstractmethod

from server import progress
from server.node import Node
from server.status import StoppingError
from server.transport import Call, revoked_error
from switch._core import Request
from switch.errors import OverloadError
from switch.ledger.committer import Answer
from switch.register.identity import Identity

ROOM_WAIT_S = 10.0
"""How long a stream waits for room in the committer's queue before it is ended."""


class MessageStream(ABC):
    """One call; `run` of what inherits it serves it."""

    def __init__(self, node: Node, call: Call, caller: Identity) -> None:
        """One for each call."""
        self._node = node
        self._call = call
        call.on_revoked = self._revoke
        self._caller = caller
        # Rows that were submitted and are not answered; for the committer's answers.
        self._rows = 0
        self._tag = 0
        self._progress = progress.current()
        self._ended = False
        self._error: Exception | None = None
        self._change = asyncio.Event()
        self._room = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None

    def _end(self, error: Exception | None) -> None:
        """Read no more; the first end is the one that is told."""
        if not self._ended:
            self._ended = True
            self._error = error
        self._change.set()

    def _receive(self, rows: int, answer: Answer) -> None:
        """What the committer answers, in the event loop."""
        try:
            self._take_answer(rows, answer)
        except Exception as error:
            # This call alone: the group has answers for others as well.
            self._progress.has_committed = True
            self._break(error)
            raise

    @abstractmethod
    def _take_answer(self, rows: int, answer: Answer) -> None:
        """Answers to `rows` rows of this call, or one error for them."""

    @abstractmethod
    def _break(self, error: Exception) -> None:
        """End the call at once with this error, whatever waits to be told."""

    async def _read(self) -> None:
        try:
            await self._read_all()
        except Exception as error:  # noqa: BLE001
            # Whatever ends the reading, the writing task tells the other side.
            self._end(error)
        else:
            self._end(None)

    def _revoke(self) -> None:
        """The caller was switched off: read no more, answer what was read."""
        self._stop_reading(revoked_error(self._call.method))

    def _stop(self) -> None:
        """The server stops: likewise."""
        self._stop_reading(
            StoppingError("the server is stopping; all outcomes sent are final")
        )

    def _stop_reading(self, error: Exception) -> None:
        if self._reader is not None:
            self._reader.cancel()
        self._end(error)

    @abstractmethod
    async def _read_all(self) -> None:
        """Read until the other side has sent all; raise what else ends it."""

    async def _submit_later(self, request: Request) -> None:
        """The committer's queue is full: wait for groups to be done. No reading.

        Raises OverloadError after ROOM_WAIT_S, StoppingError, DeadError.
        """
        until = self._node.loop.time() + ROOM_WAIT_S
        while True:
            left_s = until - self._node.loop.time()
            await self._node.wait_group(self._node.group, max(left_s, 0))
            try:
                self._node.committer.submit(request, self._tag)
            except OverloadError:
                if left_s <= 0:
                    raise
            else:
                return
