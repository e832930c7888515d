"""One Connect call of a biller: questions out, answers in, as bytes.

What the dispatcher asks goes to the front door at once; what came of answers is told
with it, or alone after a while. A message of answers is taken as it comes, and the
ledger gets what it has to decide; a task goes on with it only where there is no room.
Whatever ends the reading is kept, so that the call's own task tells it to the biller.
Answers that are not yet committed are bounded, those of all its connections together:
beyond it nothing is read, so that HTTP/2 flow control holds the biller back. Python
acts once a message.
"""

import asyncio
import logging
from collections import deque

from server import progress
from server.node import Node
from server.status import StoppingError
from server.transport import Call, revoked_error
from switch._core import Request
from switch.billing._hot import acknowledged
from switch.billing.answers import Refused
from switch.billing.lines import Numbers
from switch.errors import OverloadError, SwitchError, WireError
from switch.ledger.committer import Answer
from switch.register.identity import Identity
from switch.v1 import billers_pb2 as pb

log = logging.getLogger("server.billers")

OUTBOX_MAX = 2
"""Messages that have not left, the one that is leaving among them; then the stream is
not asked for a while."""
ROOM_WAIT_S = 10.0
"""How long a stream waits for room in the committer's queue before it is ended."""
TOLD_MAX = 65_536
"""Numbers of answers that may wait to be acknowledged; then nothing is read."""
TELL_AFTER_S = 0.05
"""How long they wait for questions to go out with."""
TEXT_RULE = "takes at most 32 printable ASCII characters"
RULES = {
    "biller_reference": TEXT_RULE,
    "reason": TEXT_RULE,
    "amount": "must be the paise that were credited",
}
"""What is asked of the fields of an answer."""


class _Batch:
    """A message of answers whose requests the ledger has."""

    def __init__(self, requests: int, numbers: Numbers) -> None:
        self.requests = requests
        self.numbers = numbers


class BillerStream:
    """One connection of one biller."""

    def __init__(self, node: Node, call: Call, caller: Identity) -> None:
        """One for each call. `run` does it all."""
        self._node = node
        self._call = call
        call.on_revoked = self._revoke
        call.on_sent = self._sent
        self._caller = caller
        self._dispatch = node.dispatch
        self._progress = progress.current()
        self._tag = 0
        # Answers that were submitted and are not committed.
        self._rows = 0
        self._ended = False
        self._error: Exception | None = None
        self._over = asyncio.Event()
        self._room = asyncio.Event()
        # Who goes on with a message for which there was no room.
        self._waiter: asyncio.Task[None] | None = None
        self._is_last = False
        self._outbox: deque[bytes] = deque()
        # Nothing leaves before the headers.
        self._is_leaving = True
        # In the order of their requests, which is that of the ledger's answers.
        self._batches: deque[_Batch] = deque()
        self._told: list[Numbers] = []
        self._told_count = 0
        self._refused: list[Refused] = []
        self._tells = False
        self._timer: asyncio.TimerHandle | None = None
        self._wrong = 0
        self._gone = False
        self.number = self._dispatch.connection_number()

    async def run(self) -> None:
        """Serve the call until the biller or the server ends it.

        Raises what ended it: WireError for a malformed message or too many wrong
        answers, OverloadError for a connection too many, StoppingError, DeadError.
        """
        self._biller = self._dispatch.attach(self._caller.index, self)
        self._tag = self._node.committer.open(self._receive)
        log.info("%s connected as %d", self._biller.name, self.number)
        self._node.add_stop(self._stop)
        self._call.on_message = self._take_message
        try:
            # A biller knows by the headers that it is connected, before any question.
            self._call.start()
            self._sent()
            self._call.want()
            await self._over.wait()
            # What was asked meanwhile leaves before the end.
            while self._outbox:
                self._write(self._outbox.popleft())
        finally:
            self._ended = True
            self._node.remove_stop(self._stop)
            self._dispatch.detach(self._biller, self)
            self._stop_waiting()
            if self._timer is not None:
                self._timer.cancel()
            self._gone = True
            if self._rows:
                # Answers that were read may become durable yet.
                self._progress.has_committed = True
            self._close_tag()
            log.info(
                "%s disconnected as %d; its answers so far: %s",
                self._biller.name,
                self.number,
                dict(self._biller.results),
            )
        if self._error is not None:
            raise self._error

    def _end(self, error: Exception | None) -> None:
        """Read no more; the first end is the one that is told."""
        if not self._ended:
            self._ended = True
            self._error = error
        self._over.set()

    def _revoke(self) -> None:
        """The caller was switched off: read no more, answer what was read."""
        self._stop_reading(revoked_error(self._call.method))

    def _stop(self) -> None:
        """The server stops: likewise."""
        self._stop_reading(
            StoppingError("the server is stopping; all outcomes sent are final")
        )

    def _stop_reading(self, error: Exception) -> None:
        self._stop_waiting()
        self._end(error)

    def _stop_waiting(self) -> None:
        if self._waiter is not None:
            self._waiter.cancel()

    # --- writing -----------------------------------------------------------------

    @property
    def is_ready(self) -> bool:
        """Whether another message may be written."""
        waiting = len(self._outbox) + self._is_leaving
        return waiting < OUTBOX_MAX and not self._ended

    def send(self, body: bytes) -> None:
        """Write a ConnectResponse when it is its turn."""
        if self._is_leaving:
            self._outbox.append(body)
        else:
            self._write(body)

    def _write(self, body: bytes) -> None:
        self._is_leaving = True
        # Fields of messages that follow each other are those of one.
        self._call.send(body + self._tellings())

    def _sent(self) -> None:
        """All that was written has left."""
        self._is_leaving = False
        if self._outbox:
            self._write(self._outbox.popleft())
        elif self._tells:
            self._write(b"")

    # --- reading -----------------------------------------------------------------

    def _take_message(self, body: bytes | None) -> None:
        """The message that was wanted; None after the last."""
        if self._ended:
            return
        if body is None:
            self._is_last = True
            if self._waiter is None:
                self._end(None)
            return
        try:
            left = self._submit_now(self._take(body))
            if not left:
                self._check_wrong()
        except Exception as error:  # noqa: BLE001
            # Whatever ends the reading, the call's own task tells the other side.
            self._end(error)
            return
        if left or self._told_count > TOLD_MAX:
            self._waiter = asyncio.create_task(self._wait(left))
        else:
            self._call.want()

    async def _wait(self, left: list[Request]) -> None:
        """Submit the rest of a message when there is room, and read on after it."""
        try:
            for request in left:
                await self._submit(request)
            self._check_wrong()
            while self._told_count > TOLD_MAX:
                self._room.clear()
                await self._room.wait()
        except Exception as error:  # noqa: BLE001
            self._end(error)
            return
        self._waiter = None
        if self._is_last:
            self._end(None)
        elif not self._ended:
            self._call.want()

    def _take(self, body: bytes) -> list[Request]:
        """What the ledger has to decide of a message."""
        taken = self._dispatch.take(self._biller, body, self.number)
        self._count_wrong(taken.wrong)
        self._refused += taken.refused
        if taken.requests:
            self._batches.append(_Batch(len(taken.requests), taken.numbers))
        else:
            self._tell(taken.numbers)
        return taken.requests

    def _check_wrong(self) -> None:
        if self._wrong > self._biller.config.wrong_answers_max:
            text = f"{self._wrong} answers of this connection were wrong"
            raise WireError(text, "answers")

    def _submit_now(self, requests: list[Request]) -> list[Request]:
        """Submit those that there is room for; the rest."""
        waiting = self._biller.waiting
        for place, request in enumerate(requests):
            if not waiting.has_room(request.rows_count):
                return requests[place:]
            try:
                self._node.committer.submit(request, self._tag)
            except OverloadError:
                return requests[place:]
            waiting.rows += request.rows_count
            self._rows += request.rows_count
        return []

    async def _submit(self, request: Request) -> None:
        rows, waiting = request.rows_count, self._biller.waiting
        while not waiting.has_room(rows):
            waiting.room.clear()
            await waiting.room.wait()
        waiting.rows += rows
        try:
            try:
                self._node.committer.submit(request, self._tag)
            except OverloadError:
                await self._submit_later(request)
        except BaseException:
            waiting.end(rows)
            raise
        self._rows += rows

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

    # --- what is told ------------------------------------------------------------

    def _tell(self, numbers: Numbers) -> None:
        """These answers need not be sent again."""
        self._told.append(numbers)
        self._told_count += len(numbers)
        if self._timer is None:
            self._timer = self._node.loop.call_later(TELL_AFTER_S, self._tell_alone)

    def _tell_alone(self) -> None:
        self._tells = True
        if not self._is_leaving:
            self._write(b"")

    def _tellings(self) -> bytes:
        """All that there is to tell, as fields of a ConnectResponse."""
        self._tells = False
        if not self._told:
            return b""
        body = acknowledged(self._told)
        self._told.clear()
        if self._refused:
            body += _refusals(self._refused)
            self._refused.clear()
        self._told_count = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._room.set()
        return body

    # --- what the ledger says -----------------------------------------------------

    def _receive(self, rows: int, answer: Answer) -> None:
        """What the committer answers, in the event loop."""
        try:
            self._take_answer(rows, answer)
        except Exception as error:
            # This call alone: the group has answers for others as well.
            self._progress.has_committed = True
            self._end(error)
            raise

    def _take_answer(self, rows: int, answer: Answer) -> None:
        """Once a request."""
        self._rows -= rows
        self._biller.waiting.end(rows)
        self._close_tag()
        if isinstance(answer, SwitchError):
            # Nothing is lost with it: what has no answer in the ledger is asked again.
            log.warning("answers of %s were not taken: %s", self._biller.name, answer)
            self._end(answer)
            return
        assert not isinstance(answer, bytes)
        batch = self._batches[0]
        batch.requests -= 1
        if not batch.requests:
            self._batches.popleft()
            if not self._gone:
                self._tell(batch.numbers)
        self._progress.has_committed = True
        self._count_wrong(self._biller.note(answer))

    def _close_tag(self) -> None:
        """Once the call is gone; what was submitted before is noted still."""
        if self._gone and not self._rows:
            self._node.committer.close(self._tag)

    def _count_wrong(self, wrong: int) -> None:
        self._wrong += wrong


def _refusals(refused: list[Refused]) -> bytes:
    """Answers that were not taken, as fields of a ConnectResponse."""
    told = [
        pb.RefusedAnswer(number=one.number, field=one.field, text=RULES[one.field])
        for one in refused
    ]
    return pb.ConnectResponse(refused=told).SerializeToString()
