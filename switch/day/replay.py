"""A day's script as it is lived: who comes when, with which token, and what is sent.

May use the client's messages, the script, `fetches` and `sending`. The parts of the day
follow each other, each at its time. Bills are fetched some parts before they are paid;
a citizen whose biller is away comes back later.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from switch.calendar import NS_IN_S, day_start_ns
from switch.client import Client, make_payment
from switch.codes import Result
from switch.day.fetches import Fetched, Fetches, Slate
from switch.day.script import Script
from switch.day.sending import Payment, Sender, Sent, is_repeat, result_of
from switch.day.step import Step, Token
from switch.v1 import counter_pb2

PACE_S = 120
"""Seconds of the day that are sent together."""
AHEAD_PARTS = 10
"""A bill is fetched so many parts before it is paid: the citizen counts the cash."""
BACK_PARTS = 15
"""Parts after which a citizen comes back who was told to; more than AHEAD_PARTS."""
TRIES_MAX = 8
"""Times that a citizen comes."""
EXTRA_PARTS = 16
"""Parts after the day's last one, for those who came back then."""
AMOUNT_AT = 80
"""Where a token has the amount due, in 8 bytes."""


class Told(Enum):
    """What a counter was told instead of a quotation."""

    PAID = "paid"
    IN_PROGRESS = "in progress"
    NOTHING_DUE = "nothing due"
    UNREADABLE = "unreadable"


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
    told: list[tuple[Step, Told]] = field(default_factory=list)
    """Steps that were not sent, because there was nothing to pay."""
    unsent: list[Step] = field(default_factory=list)
    """Steps whose citizens gave up, or whose token never was."""
    fetches: int = 0
    """References that were asked about."""
    turned_away: int = 0
    """Times that a counter was told to try later, because a biller was away."""
    resent: int = 0
    """Payments sent again because a connection broke."""

    @property
    def repeats(self) -> int:
        """Lost replies that came again, marked as repeats, with the same answer."""
        return sum(1 for one in self.sent if one.lost is not None and is_repeat(one))


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
        self._replayed = Replayed(own_centres=len(own))
        self._tries: dict[Step, int] = defaultdict(int)
        self._parts: dict[int, list[Step]] = defaultdict(list)
        self._presented: dict[tuple[str, str, int], tuple[int, Sent]] = {}

    def run(self, advance: Callable[[int], None]) -> Replayed:
        """Send everything; `advance` is told how many payments are answered.

        Raises what the client raises: a day with an unknown outcome has no report.
        """
        for step in self._script.steps:
            self._parts[self._part_of(step)].append(step)
        first, last = min(self._parts), max(self._parts)
        slates: dict[int, Slate] = {}
        with (
            Sender(self._harness, self._own) as sender,
            Fetches(self._harness, self._own) as fetches,
        ):
            for at in range(first - AHEAD_PARTS, last + EXTRA_PARTS + 1):
                if at > last and not self._parts:
                    break
                self._wait_for(at)
                ahead = self._parts.get(at + AHEAD_PARTS, ())
                slates[at + AHEAD_PARTS] = fetches.begin(ahead)
                steps = self._parts.pop(at, [])
                if steps:
                    self._pay_part(at, steps, slates[at], sender)
                    advance(len(steps))
                slates.pop(at, None)
            self._replayed.fetches = fetches.references
            self._replayed.messages = dict(sender.messages)
            self._replayed.turned_away += sender.turned_away
            self._replayed.resent = sender.resent
        for steps in self._parts.values():
            self._replayed.unsent += steps
        return self._replayed

    def _part_of(self, step: Step) -> int:
        return (step.time_ns - self._begin_ns) // (PACE_S * NS_IN_S)

    def _wait_for(self, part: int) -> None:
        due_s = self._begin_unix_s + part * PACE_S / self._speed
        time.sleep(max(0.0, due_s - time.time()))

    def _pay_part(
        self, at: int, steps: Sequence[Step], slate: Slate, sender: Sender
    ) -> None:
        sent = []
        for step in steps:
            one = self._present(at, step, slate)
            if one is not None:
                sent.append(one)
        sender.send(sent)
        more = [one for first in sent for one in self._once_more(first, sender)]
        done = []
        for one in sent:
            if one.step.paid_before and result_of(one) is Result.QUOTATION_EXPIRED:
                # The part before it was posted while this rest was fetched.
                self._come_back(at, one.step)
            else:
                done.append(one)
        self._replayed.sent += [*done, *more]

    # --- what is presented -----------------------------------------------------------

    def _present(self, at: int, step: Step, slate: Slate) -> Sent | None:
        """The payment of a step with what it presents; None if there is none now."""
        if step.token is Token.NONE:
            return Sent(step, self._payment_of(step), row_reference=step.bill)
        known = self._presented.get(step.key)
        if step.token is Token.OWN:
            if not _has_its_turn(at, step, known):
                self._come_back(at, step)
                return None
            bill = self._choose(at, step, slate.find(step))
            if bill is None:
                return None
            payment = self._payment_of(step, bill.quotation, bill.head)
            one = Sent(step, payment, bill_due=bill.amount_due)
            one.row_reference = _row_reference(bill)
            if step.expected is Result.OK and not step.is_again:
                self._presented[step.key] = at, one
            return one
        if known is None:
            self._come_back(at, step)
            return None
        first = known[1]
        token = first.payment.quotation
        if step.token is Token.FORGED:
            token = forged(token, step.amount)
        payment = self._payment_of(step, token, first.payment.head)
        return Sent(step, payment, row_reference=first.row_reference)

    def _choose(self, at: int, step: Step, fetched: Fetched) -> counter_pb2.Bill | None:
        """The bill that a step pays, if it can be paid now."""
        if fetched.is_away:
            self._replayed.turned_away += 1
            self._come_back(at, step)
            return None
        found = [one for one in fetched.bills if one.amount_due in step.may_be_due]
        told = _told(found[0].state) if found else Told.NOTHING_DUE
        if fetched.error and fetched.error != "BILL_NOT_FOUND":
            told = Told.UNREADABLE
        if told is None:
            return found[0]
        if told is Told.IN_PROGRESS and step.paid_before:
            # The first part of it is under way.
            self._come_back(at, step)
        else:
            self._replayed.told.append((step, told))
        return None

    def _come_back(self, at: int, step: Step) -> None:
        self._tries[step] += 1
        if self._tries[step] < TRIES_MAX:
            self._parts[at + BACK_PARTS].append(step)
        else:
            self._replayed.unsent.append(step)

    def _payment_of(self, step: Step, quotation: bytes = b"", head: int = 0) -> Payment:
        return make_payment(
            step.service,
            step.amount,
            step.reference,
            # A centre is named by its own certificate.
            centre="" if step.centre in self._own else step.centre,
            operator=step.operator,
            quotation=quotation,
            head=head,
            items=step.items,
        )

    def _once_more(self, first: Sent, sender: Sender) -> list[Sent]:
        """The citizen is told of the payment before, and wants to pay all the same.

        The handle is given back twice, in one message: only the first is in addition
        to the payment that it names.
        """
        outcome = first.outcome
        if not first.step.confirms or outcome is None or not outcome.additional_to:
            return []
        again = []
        for expected in (Result.OK, Result.PAID_RECENTLY):
            step = replace(
                first.step, confirms=False, is_again=False, expected=expected
            )
            payment = self._payment_of(step)
            payment.additional_to = outcome.additional_to
            again.append(Sent(step, payment, row_reference=step.bill))
        sender.send_together(again)
        return again


def _has_its_turn(at: int, step: Step, first: tuple[int, Sent] | None) -> bool:
    """Whether what a step pays was paid before, if it must have been.

    The citizen who was to pay first may have come back later; of a rest the bill must
    have been fetched after that.
    """
    if step.is_again:
        return first is not None and first[0] < at
    return not step.paid_before or (first is not None and first[0] < at - AHEAD_PARTS)


def _told(state: counter_pb2.BillState.ValueType) -> Told | None:
    if state == counter_pb2.BILL_STATE_PAID:
        return Told.PAID
    return Told.IN_PROGRESS if state == counter_pb2.BILL_STATE_IN_PROGRESS else None


def _row_reference(bill: counter_pb2.Bill) -> str:
    """What a payment of a bill has as its reference."""
    if bill.id:
        return bill.id
    return f"{bill.reference}/{bill.period}" if bill.period else bill.reference


def forged(token: bytes, amount: int) -> bytes:
    """A token with another amount due in it."""
    return token[:AMOUNT_AT] + amount.to_bytes(8, "little") + token[AMOUNT_AT + 8 :]
