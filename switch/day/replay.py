"""Sends a day's script to a switch, as many centres and one harness would.

May use the client and the script. The parts of the day follow each other, each at its
time; within one, the centres send side by side. Throws away the replies that the script
says are lost, and sends those payments again with the same ids. So it does with what
got no answer at all, until the switch is back.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby

from switch.calendar import NS_IN_S, day_start_ns
from switch.client import CallError, Client, LostReplyError, make_payment
from switch.codes import Result
from switch.day.script import Script, Step
from switch.v1 import payments_pb2

SENDERS_MAX = 16
"""Threads that send at the same time."""
STREAM_PAYMENTS = 50
"""Payments in one message of the harness's stream."""
BATCH_PAYMENTS = 500
"""Payments in one batch of the harness."""
PACE_S = 120
"""Seconds of the day that are sent together."""
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


@dataclass(slots=True)
class Replayed:
    """What came of a whole day."""

    sent: list[Sent] = field(default_factory=list)
    """In the order of the script."""
    own_centres: int = 0
    """Centres that sent under their own certificates."""
    messages: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """How many messages went by each way: unary, counter, centre stream, stream,
    batch."""
    turned_away: int = 0
    """Times that a counter was told to try later, because a biller was away."""
    resent: int = 0
    """Payments sent again because a connection broke."""

    @property
    def repeats(self) -> int:
        """Lost replies that came again, marked as repeats, with the same answer."""
        return sum(1 for one in self.sent if one.lost is not None and is_repeat(one))


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


class Replay:
    """Sends one script. The clients stay the caller's."""

    def __init__(
        self,
        script: Script,
        harness: Client,
        own: dict[str, Client],
        *,
        speed: float,
        begin_s: float,
        begin_unix_s: float,
    ) -> None:
        """`own` are the centres with their own certificates; the harness sends for
        the others. `speed` is how many seconds of the day pass in one; the second
        `begin_s` of the day is at `begin_unix_s`.
        """
        self._script = script
        self._harness = harness
        self._own = own
        self._speed = speed
        self._begin_ns = day_start_ns(script.date) + int(begin_s * NS_IN_S)
        self._begin_unix_s = begin_unix_s
        self._turned_away = 0
        self._resent = 0
        self._messages: dict[str, int] = defaultdict(int)
        self._lock = threading.Lock()

    def run(self, advance: Callable[[int], None]) -> Replayed:
        """Send everything; `advance` is told how many payments are answered.

        Raises what the client raises: a day with an unknown outcome has no report.
        """
        steps = self._script.steps
        replayed = Replayed(own_centres=len(self._own))
        with ThreadPoolExecutor(SENDERS_MAX, "centre") as pool:
            for part in self._parts(steps):
                self._wait_for(part[0])
                sent = [Sent(step, self._payment_of(step)) for step in part]
                self._send_part(sent, pool)
                replayed.sent += sent
                advance(len(sent))
        replayed.messages = dict(self._messages)
        replayed.turned_away, replayed.resent = self._turned_away, self._resent
        return replayed

    def _parts(self, steps: Sequence[Step]) -> Iterator[list[Step]]:
        for _, part in groupby(steps, lambda step: step.time_ns // (PACE_S * NS_IN_S)):
            yield list(part)

    def _wait_for(self, step: Step) -> None:
        passed_s = (step.time_ns - self._begin_ns) / NS_IN_S
        due_s = self._begin_unix_s + passed_s / self._speed
        time.sleep(max(0.0, due_s - time.time()))

    def _payment_of(self, step: Step) -> Payment:
        return make_payment(
            step.service,
            step.amount,
            step.reference,
            # A centre is named by its own certificate.
            centre="" if step.centre in self._own else step.centre,
            operator=step.operator,
            amount_due=step.amount_due,
        )

    def _send_part(self, sent: Sequence[Sent], pool: ThreadPoolExecutor) -> None:
        by_centre: dict[str, list[Sent]] = defaultdict(list)
        rest: list[Sent] = []
        for one in sent:
            if one.step.centre in self._own:
                by_centre[one.step.centre].append(one)
            else:
                rest.append(one)
        tasks = [pool.submit(self._send_own, *item) for item in by_centre.items()]
        if rest:
            # The harness uses its stream and its batches in turn.
            if rest[0].step.half_hour % 2:
                send = partial(self._send_batches, rest)
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
            self._resent += len(sent)
        while True:
            try:
                _answer(sent, client.pay_batch([one.payment for one in sent]))
            except (CallError, LostReplyError) as error:
                if not _is_away(error) or time.monotonic() > end_s:
                    raise
                time.sleep(RESEND_PAUSE_S)
            else:
                return

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
        """Fetch the bill where one is needed, pay it, wait for the biller a little.

        A counter that is turned away, because the biller is, pays by the paper bill
        that the citizen has brought.
        """
        step = one.step
        try:
            bill = ""
            if step.amount_due:
                found = client.fetch_bill(step.service, step.reference)
                bill, one.bill_due = found.id, found.amount_due
            one.outcome = client.pay_bill(one.payment, bill, COUNTER_WAIT_MS)
        except CallError:
            with self._lock:
                self._turned_away += 1
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

    def _send_batches(self, sent: Sequence[Sent]) -> None:
        for at in range(0, len(sent), BATCH_PAYMENTS):
            part = sent[at : at + BATCH_PAYMENTS]
            _answer(part, self._harness.pay_batch([one.payment for one in part]))
            self._count("batch", 1)

    def _count(self, way: str, messages: int) -> None:
        with self._lock:
            self._messages[way] += messages

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


def result_of(one: Sent) -> Result:
    """The result that a step ended with."""
    assert one.outcome is not None
    return Result(one.outcome.result)
