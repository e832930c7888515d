"""Simulated billers without a network, for tests: what is asked, and what they say."""

import time as real

from switch.ids import new_id
from switch.simulator.behaviour import AT_ONCE, Fate, Habits
from switch.simulator.books import Books
from switch.simulator.desk import Clock, Desk
from switch.simulator.script import parse_script
from switch.v1 import billers_pb2 as pb

NOON_S = 12 * 3600.0
CONFIRM, STATUS = pb.QUESTION_KIND_CONFIRM, pb.QUESTION_KIND_STATUS
FETCH = pb.QUESTION_KIND_FETCH_BILL
CONFIRMED, REJECTED = pb.ANSWER_KIND_CONFIRMED, pb.ANSWER_KIND_REJECTED
UNKNOWN, NOT_SEEN = pb.ANSWER_KIND_UNKNOWN, pb.ANSWER_KIND_NOT_SEEN
ALWAYS = {
    Fate.CREDITED: Habits(),
    Fate.DECLINED: Habits(decline=1.0),
    Fate.LATE: Habits(timeout=1.0, late_success=1.0, median_s=0.5, p99_s=5.0),
    Fate.LOST: Habits(timeout=1.0, median_s=0.5, p99_s=5.0),
}


class Passing:
    """Stands for `time` in a desk: it passes where a test waits for what a desk says,
    and nowhere else. A machine that stands still between two lines changes nothing.
    """

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Now, by the machine."""
        self._began_s, self._began_ns = real.monotonic(), real.time_ns()
        self._passed_s = 0.0

    def sleep(self, seconds: float) -> None:
        """A little more than that, as sleep is, so that what is due then is due."""
        self._passed_s += seconds + 1e-6

    def monotonic(self) -> float:
        return self._began_s + self._passed_s

    def time(self) -> float:
        return self.time_ns() / 1e9

    def time_ns(self) -> int:
        return self._began_ns + round(self._passed_s * 1e9)


time = Passing()
"""What every desk of a test goes by, and the tests themselves (`conftest.py`)."""


def make_desk(
    habits: Habits = AT_ONCE,
    script: str = "",
    books: Books | None = None,
    *,
    speed: float = 1.0,
) -> Desk:
    """A biller at noon."""
    clock = Clock(NOON_S, time.time(), speed, 1000.0)
    timeline = parse_script(script)
    return Desk("cesc", habits, books or Books(), clock=clock, timeline=timeline)


_numbers = iter(range(1, 1 << 62))


def question(
    kind: pb.QuestionKind.ValueType = CONFIRM, id_: bytes = b"", age_s: float = 0.0
) -> pb.Question:
    number = next(_numbers)
    return pb.Question(
        number=number,
        kind=kind,
        id=id_ or new_id(),
        service="BSK0199",
        reference=f"{number:09}",
        amount=5_000 + number,
        time_ns=int((time.time() - age_s) * 1e9),
        sequence=number,
    )


def ask(desk: Desk, *questions: pb.Question, wait_s: float = 0.05) -> list[pb.Answer]:
    """What a desk says within `wait_s`."""
    desk.take(pb.ConnectResponse(questions=questions).SerializeToString())
    return hear(desk, wait_s)


def hear(desk: Desk, wait_s: float = 0.0) -> list[pb.Answer]:
    answers: list[pb.Answer] = []
    end_s = time.monotonic() + wait_s
    while (left_s := desk.next_s()) is not None:
        if time.monotonic() + left_s > end_s and left_s > 0:
            break
        time.sleep(left_s)
        answers += pb.ConnectRequest.FromString(desk.answers()).answers
    return answers
