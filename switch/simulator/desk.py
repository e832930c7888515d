"""One biller at work: takes messages of questions, gives messages of answers.

No network. What it decides of a payment is `behaviour`'s and is remembered by `books`;
what goes wrong today is `script`'s. Answers become due in time and go out together, on
whichever connection asks for them. Acts per question: it is a simulator.
"""

import heapq
import itertools
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

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
from switch.simulator.script import DAY_S, Timeline, Trouble
from switch.v1 import billers_pb2 as pb

ANSWERS_MAX = 8_190
"""Answers in one message."""
WAITING_MAX = 1_000_000
"""Answers that are not due yet or not acknowledged, payments heard of and not decided,
payments asked about again, references whose bills are issued again: what is more is not
kept."""
NS_IN_S = 1_000_000_000
FETCH_BIT = 1 << 63
"""In the number of every question about a bill."""
MINUTE_S = 60.0
PENDING = "PENDING"
"""It does not know yet."""
NOTHING_DUE = "NOTHING_DUE"
"""The reference is not known, or all its bills are paid."""

_CONFIRM = pb.QUESTION_KIND_CONFIRM
_STATUS = pb.QUESTION_KIND_STATUS
_FETCH = pb.QUESTION_KIND_FETCH_BILL
_CONFIRMED = pb.ANSWER_KIND_CONFIRMED
_REJECTED = pb.ANSWER_KIND_REJECTED
_UNKNOWN = pb.ANSWER_KIND_UNKNOWN
_NOT_SEEN = pb.ANSWER_KIND_NOT_SEEN


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
        """Most status questions about one payment."""
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
        self._status_calls: Counter[bytes] = Counter()
        self._status_times_s: deque[float] = deque()
        self._late_until: dict[bytes, float] = {}
        self._due: list[tuple[float, int, pb.Answer]] = []
        self._order = itertools.count()
        self._message = pb.ConnectRequest()
        self._full: deque[bytes] = deque()
        # What the switch has not said it has taken, by the number of its question.
        self._open: dict[int, pb.Answer] = {}

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
        self.counts["dropped"] += len(self._due) + len(self._message.answers)
        self._due.clear()
        self._message.Clear()
        self._full.clear()
        self._open.clear()

    def say_again(self) -> None:
        """A connection broke: whatever may have been lost on it is due again."""
        self.counts["said_again"] += len(self._open)
        now = time.monotonic()
        for answer in self._open.values():
            heapq.heappush(self._due, (now, next(self._order), answer))
        self._open.clear()
        self.on_ready()

    def _note_open(self, answer: pb.Answer) -> None:
        """A final answer about a payment is kept until it is acknowledged."""
        is_final = answer.kind in (_CONFIRMED, _REJECTED)
        is_about_a_bill = answer.number >= FETCH_BIT
        if is_final and not is_about_a_bill and len(self._open) < WAITING_MAX:
            self._open[answer.number] = answer

    def next_s(self) -> float | None:
        """Seconds until more answers are due; 0 if some are, None if none will be."""
        if self._full or self._message.answers:
            return 0.0
        return max(0.0, self._due[0][0] - time.monotonic()) if self._due else None

    def answers(self) -> bytes:
        """One message of answers that are due, empty if there are none."""
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            answer = heapq.heappop(self._due)[2]
            self._note_open(answer)
            self._message.answers.append(answer)
            self._seal(ANSWERS_MAX)
        self._seal(1)
        # The books say so before the switch hears it.
        self._books.flush()
        return self._full.popleft() if self._full else b""

    def give_back(self, message: bytes) -> None:
        """A message that could not be sent goes out on another connection."""
        self._full.appendleft(message)
        self.on_ready()

    def _seal(self, least: int) -> None:
        if len(self._message.answers) >= least:
            self._full.append(self._message.SerializeToString())
            self._message = pb.ConnectRequest()

    # --- questions ---------------------------------------------------------------

    def take(self, body: bytes) -> None:
        """A message of questions. Raises DecodeError."""
        message = pb.ConnectResponse.FromString(body)
        for number in message.acknowledged:
            self._open.pop(number, None)
        self.counts["acknowledged"] += len(message.acknowledged)
        self.counts["ended"] += len(message.ended)
        self.counts["refused_texts"] += len(message.refused)
        questions = message.questions
        if not questions:
            return
        self.counts["messages"] += 1
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
            amount = books.find(biller, id_)
            if question.kind != _CONFIRM or question.basket or amount == REFUSED:
                self._take(question)
                continue
            if amount is None:
                if _is_too_late(question):
                    self._take(question)
                    continue
                books.write(
                    biller,
                    Credit(id_, question.amount, question.service, question.reference),
                )
            self.counts["confirm"] += 1
            self.counts["confirmed"] += 1
            answer = self._message.answers.add(
                number=question.number,
                id=id_,
                kind=_CONFIRMED,
                biller_reference=id_.hex(),
            )
            self._note_open(answer)
            self._seal(ANSWERS_MAX)

    def _take(self, question: pb.Question) -> None:
        if question.kind == _CONFIRM:
            self.counts["confirm"] += 1
            self._confirm(question)
        elif question.kind == _STATUS:
            self.counts["status"] += 1
            self._count_status(question.id)
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
        amount = self._books.find(self.biller, question.id)
        if amount is None:
            if decision.fate is Fate.LOST:
                self._hear(question.id)
                self.counts["lost"] += 1
                return
            declines = decision.fate is Fate.DECLINED or self._has(Trouble.DECLINE)
            if _is_too_late(question):
                self.counts["too_late"] += 1
                declines = True
            self._write(question, declines=declines)
            amount = REFUSED if declines else question.amount
        if decision.fate is Fate.LATE and amount != REFUSED:
            self.counts["late"] += 1
            return
        late = self._line_delay(Trouble.LATE)
        if late is not None:
            self._late_until[question.id] = time.time() + late / self._clock.speed
            self._answer(question, amount, decision, late / self._clock.speed)
        else:
            self._answer(question, amount, decision)

    def _write(self, question: pb.Question, *, declines: bool) -> None:
        """All payments of a basket, or the one."""
        for one in question.basket or [question]:
            amount = REFUSED if declines else one.amount
            credit = Credit(one.id, amount, one.service, one.reference)
            self._books.write(self.biller, credit)
            self._heard.discard(one.id)

    def _hear(self, payment_id: bytes) -> None:
        if len(self._heard) < WAITING_MAX:
            self._heard.add(payment_id)

    def _status(self, question: pb.Question) -> None:
        decision = self._decide(question)
        amount = self._books.find(self.biller, question.id)
        settled = question.time_ns / NS_IN_S + decision.settle_s / self._clock.speed
        if amount is not None:
            if decision.fate is not Fate.LATE or amount == REFUSED:
                settled = self._late_until.get(question.id, 0.0)
        elif question.id not in self._heard:
            self._say(question, _NOT_SEEN, decision=decision)
            return
        if time.time() < settled:
            self._say(question, _UNKNOWN, reason=PENDING, decision=decision)
            return
        if amount is None:
            self._write(question, declines=True)
            amount = REFUSED
        self._answer(question, amount, decision)

    def _count_status(self, payment_id: bytes) -> None:
        if len(self._status_calls) < WAITING_MAX:
            self._status_calls[payment_id] += 1
        calls = self._status_calls[payment_id]
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
        self,
        question: pb.Question,
        amount: int,
        decision: Decision,
        delay_s: float = 0.0,
    ) -> None:
        """What the books say."""
        if amount != REFUSED:
            self._say(question, _CONFIRMED, decision=decision, delay_s=delay_s)
            return
        reason = decision.reason or NOT_CREDITED
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
        delay_s: float = 0.0,
    ) -> None:
        answer = pb.Answer(
            number=question.number, id=question.id, kind=kind, reason=reason
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
        slow = self._line_delay(Trouble.SLOW) or 0.0
        at = time.monotonic() + delay_s + slow / self._clock.response_speed
        answers = [answer]
        if self._has(Trouble.WRONGLY):
            wrong = pb.Answer(number=answer.number, kind=_REJECTED, reason="WRONG")
            wrong.id = bytes(byte ^ 0xFF for byte in answer.id)
            answers.insert(0, wrong)
            self.counts["wrong"] += 1
        if self._has(Trouble.TWICE):
            answers.append(answer)
            self.counts["twice"] += 1
        if len(self._due) + len(answers) > WAITING_MAX:
            self.counts["dropped"] += 1
            return
        name = pb.AnswerKind.Name(answer.kind).removeprefix("ANSWER_KIND_").lower()
        self.counts["fetched" if answer.bills else name] += 1
        for one in answers:
            heapq.heappush(self._due, (at, next(self._order), one))

    def _has(self, trouble: Trouble) -> bool:
        return self._line_delay(trouble) is not None

    def _line_delay(self, trouble: Trouble) -> float | None:
        """The delay of the trouble that it has now; None if it has not got it."""
        if not self._timeline.lines:
            return None
        line = self._timeline.find(trouble, self.biller, self._clock.second())
        return None if line is None else line.delay_s


def _is_too_late(question: pb.Question) -> bool:
    """Whether its payment must not be credited any more, by this clock."""
    return 0 < question.credit_until_ns <= time.time_ns()

