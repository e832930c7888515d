"""One StreamPayments call: messages in as they come, one reply for each group.

The call's own task writes; a second task reads. Between the two stand the rows that
are not answered yet, bounded by STREAM_ROWS_MAX: beyond it nothing is read, so that
HTTP/2 flow control holds the client back. Python acts once a message, and once a
group; what is in them is the core's affair.
"""

import asyncio
from collections import deque

from server.node import Node
from server.services.message_stream import MessageStream
from server.transport import Call
from switch._core import GROUP_MAX, Request
from switch.errors import OverloadError, SwitchError
from switch.ledger.committer import Answer
from switch.register.identity import Identity

STREAM_ROWS_MAX = 2 * GROUP_MAX
"""Rows of one stream that are read and not yet answered: one group, and the next."""


class PaymentStream(MessageStream):
    """Reads, submits, and writes the outcomes in the order of the payments."""

    def __init__(self, node: Node, call: Call, caller: Identity) -> None:
        """One for each call. `run` does it all."""
        super().__init__(node, call, caller)
        self._replies: deque[tuple[bytes, int]] = deque()
        # An error that came for the stream's own payments: what follows it would no
        # longer be in order, so that nothing more is taken.
        self._broken = False
        # Rows that the error speaks of.
        self._refused_rows = 0
        self._tag = node.committer.open(self._receive)

    async def run(self) -> None:
        """Serve the call until the client has sent all and everything is answered.

        Raises what ended it: WireError after the outcomes of all messages before,
        StoppingError likewise; OverloadError, SpaceError, ClockError, DeadError,
        UnknownOutcomeError once the outcomes from before it are written. Payments that
        were read after those it speaks of may be done.
        """
        self._reader = asyncio.create_task(self._read())
        self._node.add_stop(self._stop)
        try:
            while not self._is_finished():
                while self._replies:
                    body, rows = self._replies.popleft()
                    await self._call.write(body)
                    self._rows -= rows
                    self._room.set()
                if not self._is_finished():
                    self._change.clear()
                    await self._change.wait()
        finally:
            self._node.remove_stop(self._stop)
            self._node.committer.close(self._tag)
            self._broken = True
            self._reader.cancel()
        if self._rows > self._refused_rows:
            self._progress.has_committed = True
        if self._error is not None:
            raise self._error

    def _is_finished(self) -> bool:
        if self._broken:
            return not self._replies
        return self._ended and self._rows == 0

    # --- reading -----------------------------------------------------------------

    async def _read_all(self) -> None:
        read = self._call.read
        make = Request.payments
        sender = self._caller.index
        centre = self._caller.bound_centre
        submit = self._node.committer.submit
        tag = self._tag
        while True:
            while self._rows > STREAM_ROWS_MAX - GROUP_MAX:
                # No room for what a message may bring: it stays with the client.
                self._room.clear()
                await self._room.wait()
            body = await read()
            if body is None:
                return
            request = make(body, sender, centre)
            try:
                submit(request, tag)
            except OverloadError:
                await self._submit_later(request)
            # Its answer cannot come before this task waits for something.
            self._rows += request.rows_count

    # --- replies -----------------------------------------------------------------

    def _take_answer(self, rows: int, answer: Answer) -> None:
        """Once a group: one message, whatever it answers."""
        if self._broken:
            return
        if isinstance(answer, SwitchError):
            self._refused_rows = rows
            self._break(answer)
            return
        assert isinstance(answer, bytes)
        self._replies.append((answer, rows))
        self._change.set()

    def _break(self, error: Exception) -> None:
        self._broken = True
        self._error = error
        self._ended = True
        self._change.set()
