"""One StreamPayments call: messages in as they come, one reply for each group.

The call's own task writes; a second task reads. Between the two stand the rows that
are not answered yet, bounded by STREAM_ROWS_MAX: beyond it nothing is read, so that
HTTP/2 flow control holds the client back. Python acts once a message, and once a
group; what is in them is the core's affair.
"""

import asyncio
from collections import deque
from typing import cast

import grpc

from server.node import Node
from server.status import Context, StoppingError
from switch._core import GROUP_MAX, Request
from switch.committer import Replies
from switch.errors import OverloadError, SwitchError
from switch.identity import Identity

STREAM_ROWS_MAX = 2 * GROUP_MAX
"""Rows of one stream that are read and not yet answered: one group, and the next."""
ROOM_WAIT_S = 10.0
"""How long a stream waits for room in the committer's queue before it is ended."""


class PaymentStream:
    """Reads, submits, and writes the outcomes in the order of the payments."""

    def __init__(self, node: Node, context: Context, caller: Identity) -> None:
        """One for each call. `run` does it all."""
        self._node = node
        self._context = context
        self._caller = caller
        self._counts: deque[int] = deque()
        self._rows = 0
        self._replies: deque[tuple[bytes, int]] = deque()
        self._ended = False
        self._error: Exception | None = None
        # An error that came for the stream's own payments: what follows it would no
        # longer be in order, so that nothing more is written.
        self._broken = False
        self._change = asyncio.Event()
        self._room = asyncio.Event()

    async def run(self) -> None:
        """Serve the call until the client has sent all and everything is answered.

        Raises what ended it: WireError after the outcomes of all messages before,
        StoppingError likewise; OverloadError, SpaceError, ClockError, DeadError,
        UnknownOutcomeError at once.
        """
        reader = asyncio.create_task(self._read())
        self._node.add_stop(self._stop)
        self._reader = reader
        try:
            while not self._is_finished():
                while self._replies and not self._broken:
                    body, rows = self._replies.popleft()
                    await self._context.write(body)
                    self._rows -= rows
                    self._room.set()
                if not self._is_finished():
                    self._change.clear()
                    await self._change.wait()
        finally:
            self._node.remove_stop(self._stop)
            self._broken = True
            reader.cancel()
        if self._error is not None:
            raise self._error

    def _is_finished(self) -> bool:
        if self._broken:
            return True
        return self._ended and self._rows == 0

    def _stop(self) -> None:
        """The server stops: read no more, answer what was read."""
        self._reader.cancel()
        self._end(StoppingError("the server is stopping; all outcomes sent are final"))

    def _end(self, error: Exception | None) -> None:
        if not self._ended:
            self._ended = True
            self._error = error
        self._change.set()

    # --- reading -----------------------------------------------------------------

    async def _read(self) -> None:
        try:
            await self._read_all()
        except Exception as error:  # noqa: BLE001
            # Whatever ends the reading, the writing task tells the client.
            self._end(error)
        else:
            self._end(None)

    async def _read_all(self) -> None:
        read = self._context.read
        make = Request.payments
        sender = self._caller.index
        centre = self._caller.bound_centre
        counts = self._counts
        submit = self._node.committer.submit
        receive = self._receive
        loop = self._node.loop
        while True:
            body = await read()
            if body is grpc.aio.EOF:
                return
            request = make(body, sender, centre)
            rows = request.rows_count
            while self._rows and self._rows + rows > STREAM_ROWS_MAX:
                self._room.clear()
                await self._room.wait()
            try:
                submit(request, receive, loop)
            except OverloadError:
                await self._submit_later(request)
            # Its reply cannot come before this task waits for something.
            counts.append(rows)
            self._rows += rows

    async def _submit_later(self, request: Request) -> None:
        """The committer's queue is full: wait for groups to be done. No reading."""
        until = self._node.loop.time() + ROOM_WAIT_S
        while True:
            left_s = until - self._node.loop.time()
            await self._node.wait_group(self._node.group, max(left_s, 0))
            try:
                self._node.committer.submit(request, self._receive, self._node.loop)
            except OverloadError:
                if left_s <= 0:
                    raise
            else:
                return

    # --- replies -----------------------------------------------------------------

    def _receive(self, replies: Replies) -> None:
        """Once a group, in the event loop: one message, whatever it answers."""
        if self._broken:
            return
        if isinstance(replies, SwitchError):
            self._broken = True
            self._error = replies
            self._ended = True
        else:
            counts = self._counts
            rows = 0
            for _ in replies:
                rows += counts.popleft()
            # Outcomes are a repeated field: messages concatenate to one.
            parts = cast("list[bytes]", replies)
            self._replies.append((b"".join(parts), rows))
        self._change.set()
