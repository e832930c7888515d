"""One biller at work: takes messages of questions, gives messages of answers.

No network. What it decides of a payment is `behaviour`'s and is remembered by `books`;
what goes wrong today is `script`'s; what it says waits in the `outbox`. Acts per
question: it is a simulator.
"""

import heapq
import itertools
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from switch.simulator.behaviour import (
    AT_ONCE,
    NOT_CREDITED,
    Decision,
    Fate,
    Habits,
    decide,
)
from switch.simulator.books import REFUSED, TAKEN_BACK, Books, Credit
from switch.simulator.listing import Listing
from switch.simulator.outbox import Outbox
from switch.simulator.script import DAY_S, Line, Timeline, Trouble
from switch.v1 import billers_pb2 as pb
from switch.v1 import payments_pb2

WAITING_MAX = 1_000_000
"""Payments heard of and not decided, asked about again or given back, deeds to come:
what is more is not kept."""
NS_IN_S = 1_000_000_000
MINUTE_S = 60.0
PENDING = "PENDING"
"""It does not know yet."""
NOTHING_DUE = "NOTHING_DUE"
"""The reference is not known, or all its bills are paid."""
REVERSED = "REVERSED"
"""It was credited, and taken back."""

_CONFIRM = pb.QUESTION_KIND_CONFIRM
_STATUS = pb.QUESTION_KIND_STATUS
_FETCH = pb.QUESTION_KIND_FETCH_BILL
_CONFIRMED = pb.ANSWER_KIND_CONFIRMED
_REJECTED = pb.ANSWER_KIND_REJECTED
_UNKNOWN = pb.ANSWER_KIND_UNKNOWN
_NOT_SEEN = pb.ANSWER_KIND_NOT_SEEN
_GIVEN_BACK = (
    payments_pb2.PAYMENT_STATE_UNVERIFIED,
    payments_pb2.PAYMENT_STATE_EXPIRED,
    payments_pb2.PAYMENT_STATE_REVERSED,
)


@dataclass(frozen=True, slots=True)
class Clock:
    """The simulator's time of day."""

    begin_s: float
    """Second of the day that it begins with."""
    begin_unix_s: float
    """When that was."""
    speed: float = 1.0
    """Seconds of the day in one second."""
    response_speed: float = 1.0
    """How many times faster than in life answers come."""

    def second(self) -> float:
        """Of the day, from 0 to less than 86,400."""
        passed_s = (time.time() - self.begin_unix_s) * self.speed
        return (self.begin_s + passed_s) % DAY_S


class Desk:
    """One biller. Belongs to one thread."""

    def __init__(
        self,
        biller: str,
        habits: Habits,
        books: Books,
        *,
        clock: Clock,
        timeline: Timeline,
        seed: int = 0,
    ) -> None:
        """`timeline` may have lines of other billers as well."""
        self.biller = biller
        self.counts: Counter[str] = Counter()
        """Questions and answers by kind, and what else happened."""
        self.status_of_payment_most = 0
        """Most status questions about one payment before its deadline."""
        self.status_after_deadline_most = 0
        """Most status questions about one payment after its deadline."""
        self.status_of_minute_most = 0
        """Most status questions in any minute."""
        self.on_ready: Callable[[], None] = lambda: None
        """Called when there may be answers to take, or another time to wait for."""
        self._habits = habits
        self._books = books
        self._clock = clock
        self._timeline = timeline.for_biller(biller)
        self._seed = seed
        self._heard: set[bytes] = set()
        self._given_back: set[int] = set()
        self._listing = Listing(biller, books)
        # By payment and whether its deadline had passed.
        self._status_calls: Counter[tuple[bytes, bool]] = Counter()
        self._status_times_s: deque[float] = deque()
        self._late_until: dict[bytes, float] = {}
        self._outbox = Outbox(self.counts)
        self._deeds: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    # --- what connections need ---------------------------------------------------

    @property
    def may_die(self) -> bool:
        """Whether the script ever has it without connections."""
        return any(one.trouble is Trouble.DIE for one in self._timeline.lines)

    @property
    def is_dead(self) -> bool:
        """Whether the script has it without connections now."""
        return self._has(Trouble.DIE)

    def drop(self) -> None:
        """Forget what it was about to say, as a system that went down does."""
        self._outbox.drop()
        self._deeds.clear()

    def say_again(self) -> None:
        """A connection broke: whatever may have been lost on it is due again."""
        self._outbox.say_again()
        self.on_ready()

    def next_s(self) -> float | None:
        """Seconds until more answers are due; 0 if some are, None if none will be."""
        times = [self._outbox.next_at_s(), self._deeds[0][0] if self._deeds else None]
        known = [one for one in times if one is not None]
        return max(0.0, min(known) - time.monotonic()) if known else None

    def answers(self) -> bytes:
        """One message of answers that are due, empty if there are none."""
        self._do_what_is_due()
        message = self._outbox.take()
        # The books say so before the switch hears it.
        self._books.flush()
        return message

    def give_back(self, message: bytes) -> None:
        """A message that could not be sent goes out on another connection."""
        self._outbox.give_back(message)
        self.on_ready()

    # --- questions ---------------------------------------------------------------

    def take(self, body: bytes) -> None:
        """A message of questions. Raises DecodeError."""
        message = pb.ConnectResponse.FromString(body)
        self._outbox.acknowledge(message.acknowledged)
        self.counts["ended"] += len(message.ended)
        self.counts["refused"] += len(message.refused)
        for end in message.ended:
            if end.state in _GIVEN_BACK and len(self._given_back) < WAITING_MAX:
                self._given_back.add(end.number)
        questions = message.questions
        if not questions:
            return
        self.counts["messages"] += 1
        self._do_what_is_due()
        if self._habits is AT_ONCE and not self._timeline.lines:
            self._confirm_at_once(questions)
        else:
            for question in questions:
                self._take(question)
        self.on_ready()

    def _confirm_at_once(self, questions: Iterable[pb.Question]) -> None:
        """The same as `_take`, for a biller without habits or troubles."""
        books, biller = self._books, self.biller
        for question in questions:
            id_ = question.id
            amount = books.find(biller, id_, question.time_ns)
            if question.kind != _CONFIRM or question.basket or _is_undone(amount):
                self._take(question)
                continue
            if amount is None:
                if _is_too_late(question):
                    self._take(question)
                    continue
                amount = question.amount
                books.write(biller, _credit(question, amount, question))
            self.counts["confirm"] += 1
            self.counts["confirmed"] += 1
            self._outbox.put_now(
                pb.Answer(
                    number=question.number,
                    id=id_,
                    kind=_CONFIRMED,
                    biller_reference=id_.hex(),
                    amount=amount,
                )
            )

    def _take(self, question: pb.Question) -> None:
        if question.kind == _CONFIRM:
            self.counts["confirm"] += 1
            self._confirm(question)
        elif question.kind == _STATUS:
            self.counts["status"] += 1
            self._count_status(question)
            self._status(question)
        elif question.kind == _FETCH:
            self.counts["fetch"] += 1
            self._fetch(question)
        else:
            self.counts["not_understood"] += 1

    def _decide(self, question: pb.Question) -> Decision:
        return decide(self._habits, self._seed, question.id)

    def _confirm(self, question: pb.Question) -> None:
        if self._has(Trouble.FORGET):
            self.counts["forgotten"] += 1
            return
        decision = self._decide(question)
        amount = self._amount(question)
        if amount is None:
            if self._credits_late(question):
                return
            if decision.fate is Fate.LOST:
                self._hear(question.id)
                self.counts["lost"] += 1
                return
            declines = decision.fate is Fate.DECLINED or self._has(Trouble.DECLINE)
            if _is_too_late(question):
                self.counts["too_late"] += 1
                declines = True
            self._write(question, declines=declines)
        if decision.fate is Fate.LATE and (self._amount(question) or 0) > 0:
            self.counts["late"] += 1
            return
        late = self._line(Trouble.LATE)
        if late is None:
            self._answer(question, decision)
            return
        seconds = late.delay_s / self._clock.speed
        self._late_until[question.id] = time.time() + seconds
        self._answer(question, decision, seconds)
        self._do(2 * seconds, partial(self._take_back, question))

    def _amount(self, question: pb.Question) -> int | None:
        """What the books say of a question's payment, or of all of its basket."""
        whole = [
            self._books.find(self.biller, one.id, question.time_ns)
            for one in question.basket or [question]
        ]
        first, *others = whole
        return sum(filter(None, whole)) if first and first > 0 and others else first

    def _write(self, question: pb.Question, *, declines: bool) -> None:
        """All payments of a basket, or the one."""
        change = 0
        if not declines and _credits_what_it_says(question.id):
            line = self._line(Trouble.AMOUNTS)
            change = line.paise if line else 0
        for one in question.basket or [question]:
            amount = REFUSED if declines else max(one.amount + change, 1)
            self._books.write(self.biller, _credit(one, amount, question))
            self._heard.discard(one.id)
            change = 0

    def _credits_late(self, question: pb.Question) -> bool:
        """Whether the script has it credit this payment after its time."""
        line = self._line(Trouble.CREDIT_LATE)
        if line is None:
            return False
        if question.id not in self._heard:
            self._hear(question.id)
            seconds = line.delay_s / self._clock.speed
            self._late_until[question.id] = time.time() + seconds
            self._do(seconds, partial(self._credit_late, question, seconds))
        return True

    def _credit_late(self, question: pb.Question, seconds: float) -> None:
        """Credit it now, and say so; after as long again it may be taken back."""
        if self._amount(question) is not None:
            return
        self.counts["credited_late"] += 1
        self._write(question, declines=False)
        self._answer(question, self._decide(question))
        self._do(seconds, partial(self._take_back, question))

    def _take_back(self, question: pb.Question) -> None:
        """Of what the switch has given back meanwhile, every other credit is undone."""
        is_credited = (self._amount(question) or 0) > 0
        is_given_back = question.number in self._given_back
        if not is_credited or not is_given_back or question.id[-1] % 2:
            return
        self.counts["taken_back"] += 1
        for one in question.basket or [question]:
            self._books.write(self.biller, _credit(one, TAKEN_BACK, question))
        self._answer(question, self._decide(question))

    def _do_what_is_due(self) -> None:
        now = time.monotonic()
        while self._deeds and self._deeds[0][0] <= now:
            heapq.heappop(self._deeds)[2]()

    def _do(self, delay_s: float, deed: Callable[[], None]) -> None:
        """Something by itself, after so long."""
        if len(self._deeds) < WAITING_MAX:
            at = time.monotonic() + delay_s
            heapq.heappush(self._deeds, (at, next(self._order), deed))

    def _hear(self, payment_id: bytes) -> None:
        if len(self._heard) < WAITING_MAX:
            self._heard.add(payment_id)

    def _status(self, question: pb.Question) -> None:
        decision = self._decide(question)
        amount = self._amount(question)
        settled = question.time_ns / NS_IN_S + decision.settle_s / self._clock.speed
        if amount is not None:
            if decision.fate is not Fate.LATE or amount <= 0:
                settled = self._late_until.get(question.id, 0.0)
        elif question.id not in self._heard:
            self._say(question, _NOT_SEEN, decision=decision)
            return
        else:
            settled = max(settled, self._late_until.get(question.id, 0.0))
        if time.time() < settled:
            self._say(question, _UNKNOWN, reason=PENDING, decision=decision)
            return
        if amount is None:
            self._write(question, declines=True)
        self._answer(question, decision)

    def _count_status(self, question: pb.Question) -> None:
        is_after = 0 < question.deadline_ns <= time.time_ns()
        key = question.id, is_after
        if len(self._status_calls) < WAITING_MAX:
            self._status_calls[key] += 1
        calls = self._status_calls[key]
        if is_after:
            most = max(self.status_after_deadline_most, calls)
            self.status_after_deadline_most = most
        else:
            self.status_of_payment_most = max(self.status_of_payment_most, calls)
        now = time.monotonic()
        self._status_times_s.append(now)
        while self._status_times_s[0] <= now - MINUTE_S:
            self._status_times_s.popleft()
        minute = len(self._status_times_s)
        self.status_of_minute_most = max(self.status_of_minute_most, minute)

    def _fetch(self, question: pb.Question) -> None:
        decision = self._decide(question)
        if decision.fate in (Fate.LATE, Fate.LOST):
            return
        bills, issued_again = self._listing.due(question.service, question.reference)
        self.counts["issued_again"] += issued_again
        if not bills:
            self._say(question, _REJECTED, reason=NOTHING_DUE, decision=decision)
            return
        answer = pb.Answer(
            number=question.number, id=question.id, kind=_CONFIRMED, bills=bills
        )
        self._send(answer, decision.response_s / self._clock.response_speed)

    # --- answers -----------------------------------------------------------------

    def _answer(
        self, question: pb.Question, decision: Decision, delay_s: float = 0.0
    ) -> None:
        """What the books say."""
        amount = self._amount(question)
        assert amount is not None
        if amount > 0:
            line = self._line(Trouble.AMOUNTS)
            if line and not _credits_what_it_says(question.id):
                amount = max(amount + line.paise, 1)
            self._say(
                question, _CONFIRMED, decision=decision, delay_s=delay_s, amount=amount
            )
            return
        reason = decision.reason or NOT_CREDITED
        if amount == TAKEN_BACK:
            reason = REVERSED
        self._say(
            question, _REJECTED, reason=reason, decision=decision, delay_s=delay_s
        )

    def _say(
        self,
        question: pb.Question,
        kind: pb.AnswerKind.ValueType,
        *,
        decision: Decision,
        reason: str = "",
        amount: int = 0,
        delay_s: float = 0.0,
    ) -> None:
        answer = pb.Answer(
            number=question.number,
            id=question.id,
            kind=kind,
            reason=reason,
            amount=amount,
        )
        if kind == _CONFIRMED:
            answer.biller_reference = question.id.hex()
        if kind == _NOT_SEEN:
            answer.sent_ns = question.sent_ns
        self._send(answer, delay_s + decision.response_s / self._clock.response_speed)

    def _send(self, answer: pb.Answer, delay_s: float) -> None:
        """Put an answer where connections take it from, with its troubles."""
        if self._has(Trouble.SILENT):
            self.counts["silent"] += 1
            return
        slow = self._line(Trouble.SLOW)
        at = time.monotonic() + delay_s
        if slow:
            at += slow.delay_s / self._clock.response_speed
        answers = [answer]
        if self._has(Trouble.WRONGLY):
            wrong = pb.Answer(number=answer.number, kind=_REJECTED, reason="WRONG")
            wrong.id = bytes(byte ^ 0xFF for byte in answer.id)
            answers.insert(0, wrong)
            self.counts["wrong"] += 1
        if self._has(Trouble.TWICE):
            answers.append(answer)
            self.counts["twice"] += 1
        if not self._outbox.put(answers, at):
            return
        name = pb.AnswerKind.Name(answer.kind).removeprefix("ANSWER_KIND_").lower()
        self.counts["fetched" if answer.bills else name] += 1

    def _has(self, trouble: Trouble) -> bool:
        return self._line(trouble) is not None

    def _line(self, trouble: Trouble) -> Line | None:
        """The line that gives it this trouble now; None if it has not got it."""
        if not self._timeline.lines:
            return None
        return self._timeline.find(trouble, self.biller, self._clock.second())


def _credit(one: pb.Question, amount: int, question: pb.Question) -> Credit:
    """What becomes of a payment that is in a question."""
    return Credit(
        one.id, amount, one.service, one.reference, question.number, question.time_ns
    )


def _credits_what_it_says(payment_id: bytes) -> bool:
    """Whether a biller that says other amounts has credited this one as it says."""
    # Ids begin with their time.
    return payment_id[-2] % 2 == 0


def _is_undone(amount: int | None) -> bool:
    """Whether the books have refused a payment, or taken it back."""
    return amount is not None and amount <= 0


def _is_too_late(question: pb.Question) -> bool:
    """Whether its payment must not be credited any more, by this clock."""
    return 0 < question.credit_until_ns <= time.time_ns()
