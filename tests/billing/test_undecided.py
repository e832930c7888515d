"""Goal: of what nobody has decided in time no line is lost, repeated or confused, and
the questions about it thin out.

Method: the same random steps go to the lines and to a dict of plain records; after each
step both say the same. Then the clock that thins out, by hand.
"""

import random

import numpy as np
import numpy.typing as npt
import pytest

from switch.billing.lines import LINES_FIRST, Parts, State
from switch.billing.schedule import MINUTE_S, Minute, Schedule, spread
from switch.billing.undecided import Because, Undecided
from switch.config import BillerConfig

SECOND = 10**9
DAY_S = 86_400


def u64(*values: int) -> npt.NDArray[np.uint64]:
    return np.array(values, np.uint64)


def parts(numbers: list[int], opens: list[int]) -> Parts:
    words = np.array([(number, ~number & 0xFFFF) for number in numbers], np.uint64)
    sizes = np.array(opens, np.uint8)
    return Parts(
        u64(*numbers),
        words.reshape(-1, 2),
        np.array(numbers, np.uint32) % 7,
        sizes,
        sizes,
        np.ones(len(numbers), np.uint16),
        u64(*numbers),
        u64(*numbers) + np.uint64(5),
    )


class Plain:
    """One line as the model keeps it."""

    def __init__(self, open_: int, because: Because, at: float) -> None:
        self.open = open_
        self.because = because
        self.at = at
        self.rests = True


def check(lines: Undecided, model: dict[int, Plain], now: float) -> None:
    numbers = sorted(model)
    places = lines.find(u64(*numbers))
    assert (places >= 0).all()
    assert lines.numbers(places).tolist() == numbers
    assert lines.ids(places)[:, 0].tolist() == numbers
    assert lines.due_ns(places).tolist() == [one + 10 for one in numbers]
    assert lines.lines_count == len(model)
    for because in Because:
        mine = [one.open for one in model.values() if one.because is because]
        assert lines.payments(because) == sum(mine)
    due = lines.resting(now)
    wanted = [
        (plain.at, number)
        for number, plain in model.items()
        if plain.rests and plain.at <= now
    ]
    times = {number: at for at, number in wanted}
    found = lines.numbers(due).tolist()
    assert sorted(found) == sorted(times)
    assert [times[one] for one in found] == sorted(times.values())


def test_as_a_dict_would() -> None:
    rng = random.Random(11)
    lines = Undecided()
    model: dict[int, Plain] = {}
    unused = list(range(1, 60_000))
    rng.shuffle(unused)
    for step in range(500):
        now = float(step)
        action = rng.randrange(6)
        chosen = rng.sample(sorted(model), min(len(model), rng.randrange(30)))
        places = lines.find(u64(*chosen))
        if action <= 1 or not model:
            # Deadlines come in any order of the numbers.
            fresh = [unused.pop() for _ in range(rng.randrange(1, 70))]
            numbers = sorted({*fresh, *chosen[:3]})
            opens = [rng.randrange(1, 5) for _ in numbers]
            because = rng.choice(tuple(Because))
            at = now + np.array([rng.randrange(20) for _ in numbers], np.float64)
            lines.add(parts(numbers, opens), because, at)
            for place, number in enumerate(numbers):
                if number in model:
                    model[number].open += opens[place]
                    model[number].because = max(model[number].because, because)
                else:
                    model[number] = Plain(opens[place], because, float(at[place]))
        elif action == 2:
            decided = [one for one in chosen for _ in range(min(2, model[one].open))]
            here = lines.resolve(u64(*decided, 70_000))
            assert here.tolist() == [True] * len(decided) + [False]
            for one in decided:
                model[one].open -= 1
            for one in [one for one in model if not model[one].open]:
                del model[one]
        elif action == 3:
            lines.ask(places, 1 + step % 3, now, now + 3)
            for one in chosen:
                model[one].rests = False
        elif action == 4:
            lines.rest(places, np.full(len(places), now + 7.0))
            for one in chosen:
                model[one].rests, model[one].at = True, now + 7.0
        else:
            lines.turn(places, Because.UNVERIFIED)
            for one in chosen:
                model[one].because = Because.UNVERIFIED
        check(lines, model, now)
        check(lines, model, now + rng.randrange(12))
    assert len(unused) < 60_000 - 4 * LINES_FIRST


def test_a_line_is_new_where_an_old_one_was() -> None:
    lines = Undecided()
    for start in range(0, 40_000, 400):
        numbers = list(range(start + 1, start + 401))
        lines.add(parts(numbers, [1] * 400), Because.KEPT, np.zeros(400))
        places = lines.find(u64(*numbers))
        assert not lines.credited(places).any()
        assert lines.payments(Because.UNVERIFIED) == 0
        lines.claim(places)
        lines.turn(places, Because.UNVERIFIED)
        assert lines.resolve(u64(*numbers)).all()
    assert len(lines.state) <= 4 * LINES_FIRST


def test_what_is_asked_is_not_due_and_comes_back() -> None:
    lines = Undecided()
    lines.add(parts([3, 1], [1, 1]), Because.KEPT, np.array([5.0, 6.0]))
    assert not len(lines.resting(4.9))
    assert lines.numbers(lines.resting(6.0)).tolist() == [3, 1]
    lines.ask(lines.find(u64(3)), 9, 6.0, 8.0)
    assert lines.numbers(lines.resting(6.0)).tolist() == [1]
    assert lines.numbers(lines.asked_on(9)).tolist() == [3]
    assert lines.numbers(lines.due(State.CHECKING, 8.0)).tolist() == [3]
    assert lines.calls(lines.find(u64(1, 3))).tolist() == [1, 2]


# --- the clock ----------------------------------------------------------------------


def wait_of(age_s: float, *, credited: bool = False) -> float:
    schedule = Schedule(BillerConfig(status_interval_max_ms=900_000))
    now_ns = 10**18
    due = u64(now_ns - int(age_s * SECOND))
    return float(schedule.thin(due, np.array([credited]), now_ns)[0])


@pytest.mark.parametrize(
    ("age_s", "wait_s"),
    [
        (-3_600, 900),
        (0, 900),
        (6 * 900, 900),
        (DAY_S, DAY_S / 6),
        (6 * DAY_S, DAY_S),
        (60 * DAY_S, DAY_S),
    ],
)
def test_questions_thin_out_up_to_one_a_day(age_s: float, wait_s: float) -> None:
    assert wait_of(age_s) == pytest.approx(wait_s)


def test_what_the_biller_says_it_has_credited_is_asked_about_once_a_day() -> None:
    assert wait_of(60, credited=True) == DAY_S


def test_the_longest_wait_is_a_setting() -> None:
    schedule = Schedule(BillerConfig(verify_interval_max_ms=50))
    waits = schedule.thin(u64(1, 1), np.array([False, True]), 10**18)
    assert waits.tolist() == [0.05, 0.05]


def test_after_a_start_the_first_questions_are_spread_evenly() -> None:
    count = 10_000
    numbers = np.arange(1_000_000, 1_000_000 + count, dtype=np.uint64)
    at = spread(np.full(count, 600.0), numbers)
    in_each_minute = np.bincount((at // MINUTE_S).astype(np.int64))
    assert len(in_each_minute) == 10
    assert in_each_minute.min() > 0.95 * count / 10
    assert in_each_minute.max() < 1.05 * count / 10


def test_a_minute_forgets() -> None:
    minute = Minute()
    minute.add(5, 100.0)
    minute.add(2, 130.0)
    assert minute.count(159.0) == 7
    assert minute.count(160.0) == 2
    assert minute.count(190.0) == 0
