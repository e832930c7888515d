"""What one simulated biller is about to say: answers that become due, and are kept
until the switch has taken them.

No network. Answers that are due together go out in one message, on whichever connection
asks for it.
"""

import heapq
import itertools
import time
from collections import Counter, deque
from collections.abc import Sequence

from switch.v1 import billers_pb2 as pb

ANSWERS_MAX = 8_190
"""Answers in one message."""
WAITING_MAX = 1_000_000
"""Answers that are not due yet, and that are not acknowledged; what is more is not
kept."""
FETCH_BIT = 1 << 63
"""In the number of every question about a bill."""
_FINAL = (pb.ANSWER_KIND_CONFIRMED, pb.ANSWER_KIND_REJECTED)


class Outbox:
    """Of one biller. Belongs to one thread."""

    def __init__(self, counts: Counter[str]) -> None:
        """`counts` are the biller's, of whatever happens."""
        self._counts = counts
        self._due: list[tuple[float, int, pb.Answer]] = []
        self._order = itertools.count()
        self._message = pb.ConnectRequest()
        self._full: deque[bytes] = deque()
        # What the switch has not said it has taken, by the number of its question.
        self._open: dict[int, pb.Answer] = {}

    def put(self, answers: Sequence[pb.Answer], at_s: float) -> bool:
        """These are to be said at a time (monotonic); False if they are too many."""
        if len(self._due) + len(answers) > WAITING_MAX:
            self._counts["dropped"] += 1
            return False
        for answer in answers:
            heapq.heappush(self._due, (at_s, next(self._order), answer))
        return True

    def put_now(self, answer: pb.Answer) -> None:
        """This is said with the next message, in the order of calls."""
        self._note_open(answer)
        self._message.answers.append(answer)
        self._seal(ANSWERS_MAX)

    def take(self) -> bytes:
        """One message of answers that are due, empty if there are none."""
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            self.put_now(heapq.heappop(self._due)[2])
        self._seal(1)
        return self._full.popleft() if self._full else b""

    def give_back(self, message: bytes) -> None:
        """A message that could not be sent is the next one."""
        self._full.appendleft(message)

    def next_at_s(self) -> float | None:
        """When more are due (monotonic): 0 if some are, None if none will be."""
        if self._full or self._message.answers:
            return 0.0
        return self._due[0][0] if self._due else None

    def acknowledge(self, numbers: Sequence[int]) -> None:
        """The switch has taken these answers."""
        for number in numbers:
            self._open.pop(number, None)
        self._counts["acknowledged"] += len(numbers)

    def say_again(self) -> None:
        """Whatever may have been lost on a connection is due again."""
        self._counts["said_again"] += len(self._open)
        now = time.monotonic()
        for answer in self._open.values():
            heapq.heappush(self._due, (now, next(self._order), answer))
        self._open.clear()

    def drop(self) -> None:
        """Nothing of it will be said."""
        self._counts["dropped"] += len(self._due) + len(self._message.answers)
        self._due.clear()
        self._message.Clear()
        self._full.clear()
        self._open.clear()

    def _note_open(self, answer: pb.Answer) -> None:
        """A final answer about a payment is kept until it is acknowledged."""
        is_about_a_bill = answer.number >= FETCH_BIT
        is_final = answer.kind in _FINAL and not is_about_a_bill
        if is_final and len(self._open) < WAITING_MAX:
            self._open[answer.number] = answer

    def _seal(self, least: int) -> None:
        if len(self._message.answers) >= least:
            self._full.append(self._message.SerializeToString())
            self._message = pb.ConnectRequest()
