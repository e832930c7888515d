"""Sends payments of a replayed day, by each way that there is.

May use the client and the steps. Throws away the replies that the script says are lost,
and sends those payments again with the same ids; so it does with what got no answer at
all, until the switch is back.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Self

from switch.client import CallError, Client, LostReplyError
from switch.codes import Result
from switch.day.step import Step
from switch.v1 import payments_pb2

SENDERS_MAX = 16
"""Threads that send at the same time."""
STREAM_PAYMENTS = 50
"""Payments in one message of the harness's stream."""
BATCH_PAYMENTS = 500
"""Payments in one batch of the harness."""
COUNTER_WAIT_MS = 200
"""How long a counter waits for the biller; what comes later it sees in its list."""
RESEND_S = 60.0
"""How long a sender goes on asking a switch that is away."""
RESEND_PAUSE_S = 0.2

Payment = payments_pb2.Payment
Outcome = payments_pb2.PaymentOutcome


@dataclass(slots=True)
class Sent:
    """One step with what was sent for it and what came back."""

    step: Step
    payment: Payment
    outcome: Outcome | None = None
    """The answer that the sender works with."""
    lost: Outcome | None = None
    """The first answer, if it was thrown away; kept only to be compared."""
    bill_due: int | None = None
    """Paise due by the bill, if the counter fetched it."""
    row_reference: str = ""
    """What its entry has as reference."""


def is_repeat(one: Sent) -> bool:
    """Whether the second answer is the first one over again."""
    first, second = one.lost, one.outcome
    if first is None or second is None:
        return False
    # Where the payment stands, its receipt and the wallet's balances are those of now.
    return second.repeat and (
        (first.id, first.result, first.sequence, first.time_ns)
        == (second.id, second.result, second.sequence, second.time_ns)
    )


def result_of(one: Sent) -> Result:
    """The result that a step ended with."""
    assert one.outcome is not None
    return Result(one.outcome.result)


class Sender:
    """The threads that send; a context manager. The clients stay the caller's."""

    def __init__(self, harness: Client, own: dict[str, Client]) -> None:
        """`own` are the centres with their own certificates; the harness sends for
        the others.
        """
        self._harness = harness
        self._own = own
        self._pool = ThreadPoolExecutor(SENDERS_MAX, "centre")
        self._lock = threading.Lock()
        self.messages: dict[str, int] = defaultdict(int)
        """How many messages went by each way: unary, counter, centre stream, stream,
        batch."""
        self.turned_away = 0
        """Times that a counter was not served and paid without waiting."""
        self.resent = 0
        """Payments sent again because a connection broke."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown()

    def send(self, sent: Sequence[Sent]) -> None:
        """Send these payments, each centre's in their order, and wait for the answers.

        Raises what the client raises: a day with an unknown outcome has no report.
        """
        by_centre: dict[str, list[Sent]] = defaultdict(list)
        rest: list[Sent] = []
        for one in sent:
            if one.step.centre in self._own:
                by_centre[one.step.centre].append(one)
            else:
                rest.append(one)
        tasks = [self._pool.submit(self._send_own, *item) for item in by_centre.items()]
        if rest:
            # The harness uses its stream and its batches in turn.
            if rest[0].step.half_hour % 2:
                send = partial(self._send_batches, self._harness, rest)
            else:
                send = partial(
                    self._send_stream, self._harness, rest, STREAM_PAYMENTS, "stream"
                )
            self._send(self._harness, rest, send)
        for task in tasks:
            task.result()

    def _send(
        self, client: Client, sent: Sequence[Sent], send: Callable[[], None]
    ) -> None:
        """Send by one way, and again with the same ids whatever got no answer."""
        try:
            send()
        except (CallError, LostReplyError) as error:
            if not _is_away(error):
                raise
            self._send_until_answered(client, sent)
        self._ask_again(client, sent)

    def _send_until_answered(self, client: Client, sent: Sequence[Sent]) -> None:
        end_s = time.monotonic() + RESEND_S
        with self._lock:
            self.resent += len(sent)
        while True:
            try:
                _answer(sent, client.pay_batch([one.payment for one in sent]))
            except (CallError, LostReplyError) as error:
                if not _is_away(error) or time.monotonic() > end_s:
                    raise
                time.sleep(RESEND_PAUSE_S)
            else:
                return

    def send_together(self, sent: Sequence[Sent]) -> None:
        """Send payments of one centre in one message."""
        client = self._own.get(sent[0].step.centre, self._harness)
        self._send(client, sent, partial(self._send_batches, client, sent))

    def _send_own(self, centre: str, sent: Sequence[Sent]) -> None:
        """Every other centre keeps a stream; the rest call once for each payment."""
        client = self._own[centre]
        if int.from_bytes(centre.encode(), "big") % 2:
            send = partial(self._send_stream, client, sent, 1, "centre stream")
            self._send(client, sent, send)
            return
        for at, one in enumerate(sent):
            is_good = one.step.expected is Result.OK or one.step.is_again
            if is_good and (at + one.step.half_hour) % 3:
                way = partial(self._at_counter, client, one)
            else:
                way = partial(self._pay, client, one)
            self._send(client, [one], way)

    def _pay(self, client: Client, one: Sent) -> None:
        one.outcome = client.pay(one.payment)
        self._count("unary", 1)

    def _at_counter(self, client: Client, one: Sent) -> None:
        """Pay and wait for the biller a little; without waiting if it is resting."""
        try:
            one.outcome = client.pay_bill(one.payment, COUNTER_WAIT_MS)
        except CallError:
            with self._lock:
                self.turned_away += 1
            self._pay(client, one)
        else:
            self._count("counter", 1)

    def _send_stream(
        self, client: Client, sent: Sequence[Sent], size: int, way: str
    ) -> None:
        outcomes: list[Outcome] = []
        with client.open_stream() as stream:
            starts = range(0, len(sent), size)
            for at in starts:
                outcomes += stream.send([one.payment for one in sent[at : at + size]])
            outcomes += stream.finish()
        _answer(sent, outcomes)
        self._count(way, len(starts))

    def _send_batches(self, client: Client, sent: Sequence[Sent]) -> None:
        for at in range(0, len(sent), BATCH_PAYMENTS):
            part = sent[at : at + BATCH_PAYMENTS]
            _answer(part, client.pay_batch([one.payment for one in part]))
            self._count("batch", 1)

    def _count(self, way: str, messages: int) -> None:
        with self._lock:
            self.messages[way] += messages

    def _ask_again(self, client: Client, sent: Sequence[Sent]) -> None:
        lost = [one for one in sent if one.step.is_lost]
        if not lost:
            return
        for one in lost:
            one.lost, one.outcome = one.outcome, None
        try:
            _answer(lost, client.pay_batch([one.payment for one in lost]))
        except (CallError, LostReplyError) as error:
            if not _is_away(error):
                raise
            self._send_until_answered(client, lost)


def _is_away(error: CallError | LostReplyError) -> bool:
    """Whether the switch could not be reached or had no room: it may be asked again."""
    last = error.last if isinstance(error, LostReplyError) else error
    return last.unreachable


def _answer(sent: Sequence[Sent], outcomes: Sequence[Outcome]) -> None:
    for one, outcome in zip(sent, outcomes, strict=True):
        one.outcome = outcome
