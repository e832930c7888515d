"""Goal: a biller that fails rests, is probed, and is taken back when it answers; a
centre whose questions alone fail rests alone.

Method: a clock that the test moves; failures of one centre, and of many.
"""

import random
from collections.abc import Iterable

import numpy as np

from switch.billing.health import Breaker, Health, Presence
from switch.config import BillerConfig

CONFIG = BillerConfig(
    concurrency_max=100,
    health_window_s=10,
    health_failures_min=4,
    health_failures_percent=50,
    rest_first_ms=1_000,
    rest_max_ms=3_000,
    probes_max=2,
    absent_ms=5_000,
)
MOST = 100
ONE, OTHER, THIRD = 7, 8, 9


class Bench:
    """A breaker, and what is asked of it."""

    def __init__(self, config: BillerConfig = CONFIG, *, here: bool = True) -> None:
        self.presence = Presence(config, 0)
        self.breaker = Breaker(config, self.presence, 0)
        if here:
            self.presence.connected(0)

    def failed(self, asked: float, centres: Iterable[int], now: float) -> None:
        which = np.fromiter(centres, np.uint32)
        self.breaker.failed(np.full(len(which), asked), which, now)

    def answered(self, asked: float, centres: Iterable[int], now: float) -> None:
        which = np.fromiter(centres, np.uint32)
        self.breaker.answered(np.full(len(which), asked), which, now)

    def state(self, now: float) -> Health:
        return self.breaker.state(now)


def test_few_failures_are_forgiven() -> None:
    bench = Bench()
    bench.failed(0, range(4), 1)
    assert bench.state(1) is Health.CLOSED
    # Five of five centres, of them four outside the window by now.
    bench.failed(11, [4], 12)
    assert bench.state(12) is Health.CLOSED
    bench.answered(12, [ONE] * 10, 13)
    bench.failed(12, range(20, 29), 13)
    assert bench.state(13) is Health.CLOSED
    bench.failed(12, [30], 13)
    assert bench.state(13) is Health.OPEN


def test_it_rests_longer_each_time_and_comes_back() -> None:
    bench = Bench()
    bench.failed(0, range(5), 1)
    assert bench.state(1) is Health.OPEN
    assert bench.breaker.allowed(MOST, 1) == 0
    assert bench.breaker.retry_ms(ONE, 1.5) == 500
    now = 2.0
    for rest_s in (2.0, 3.0, 3.0):
        assert bench.state(now) is Health.HALF_OPEN
        assert bench.breaker.allowed(MOST, now) == 2
        bench.failed(now, [ONE, OTHER], now + 0.5)
        assert bench.state(now + 0.4 + rest_s) is Health.OPEN
        now += 0.5 + rest_s
    assert bench.state(now) is Health.HALF_OPEN
    bench.answered(now, [ONE], now)
    assert bench.state(now) is Health.HALF_OPEN
    bench.answered(now, [ONE], now)
    assert bench.state(now) is Health.CLOSED
    assert bench.breaker.allowed(MOST, now) == MOST
    # The next rest is a short one again.
    bench.failed(now, range(5), now)
    assert bench.state(now + 1) is Health.HALF_OPEN


def test_questions_from_before_a_rest_decide_nothing_after_it() -> None:
    bench = Bench()
    bench.failed(0, range(5), 1)
    assert bench.state(2) is Health.HALF_OPEN
    bench.failed(0.5, range(50), 2.1)
    assert bench.state(2.1) is Health.HALF_OPEN
    bench.answered(0.5, range(50), 2.1)
    assert bench.state(2.1) is Health.HALF_OPEN
    assert bench.breaker.state_for(ONE, 2.1) is Health.HALF_OPEN


def test_without_a_connection_it_counts_as_resting() -> None:
    bench = Bench(here=False)
    breaker, presence = bench.breaker, bench.presence
    assert bench.state(4.9) is Health.CLOSED
    assert breaker.allowed(MOST, 4.9) == 0
    assert bench.state(5) is Health.OPEN
    assert breaker.retry_ms(ONE, 5) == CONFIG.rest_first_ms
    presence.connected(6)
    assert bench.state(6) is Health.HALF_OPEN
    bench.answered(6, [ONE, OTHER], 7)
    assert bench.state(7) is Health.CLOSED
    presence.connected(7)
    presence.disconnected(8)
    assert breaker.allowed(MOST, 60) == MOST
    presence.disconnected(60)
    assert bench.state(64) is Health.CLOSED
    presence.connected(64)
    assert bench.state(64) is Health.CLOSED


def test_no_centre_alone_makes_a_biller_rest() -> None:
    bench = Bench()
    for second in range(1, 200):
        bench.failed(second - 1, [ONE] * 50, second)
        assert bench.state(second) is Health.CLOSED
        assert bench.breaker.state_for(OTHER, second) is Health.CLOSED
    # Nor together with some failures of others.
    bench.failed(199, [OTHER, OTHER, THIRD], 200)
    assert bench.state(200) is Health.CLOSED
    bench.failed(199, [THIRD], 200)
    assert bench.state(200) is Health.OPEN


def test_a_centre_rests_alone_and_comes_back() -> None:
    bench = Bench()
    bench.failed(0, [ONE] * 3, 1)
    assert bench.breaker.state_for(ONE, 1) is Health.CLOSED
    bench.failed(0, [ONE], 1)
    assert bench.breaker.state_for(ONE, 1) is Health.OPEN
    assert bench.breaker.limits(1) == {ONE: 0}
    assert bench.breaker.resting(1) == 1
    assert bench.breaker.retry_ms(ONE, 1.25) == 750
    assert bench.breaker.retry_ms(OTHER, 1.25) == CONFIG.rest_first_ms
    # One question at a time; each that fails makes the rest longer.
    assert bench.breaker.state_for(ONE, 2) is Health.HALF_OPEN
    assert bench.breaker.limits(2) == {ONE: 1}
    # What was asked before the rest decides nothing.
    bench.failed(0.5, [ONE] * 9, 2.1)
    assert bench.breaker.state_for(ONE, 2.1) is Health.HALF_OPEN
    bench.failed(2, [ONE], 2.5)
    assert bench.breaker.state_for(ONE, 4.4) is Health.OPEN
    bench.answered(1.9, [ONE], 4.4)
    assert bench.breaker.state_for(ONE, 4.4) is Health.OPEN
    bench.answered(4.5, [ONE], 4.6)
    assert bench.breaker.state_for(ONE, 4.6) is Health.CLOSED
    assert bench.breaker.limits(4.6) == {}
    bench.failed(4.6, [ONE] * 3, 5)
    assert bench.breaker.state_for(ONE, 5) is Health.CLOSED


def test_a_centre_that_mostly_has_its_answers_does_not_rest() -> None:
    bench = Bench()
    bench.failed(0, [ONE] * 3, 1)
    bench.answered(1, [ONE] * 20, 1)
    bench.failed(1, [ONE] * 3, 2)
    assert bench.breaker.state_for(ONE, 2) is Health.CLOSED
    bench.failed(2, [ONE] * 20, 3)
    assert bench.breaker.state_for(ONE, 3) is Health.OPEN


def test_a_dead_biller_rests_soon_whoever_meets_it() -> None:
    for centres in range(2, 30):
        bench = Bench()
        now = 0.0
        while bench.state(now) is not Health.OPEN:
            now += 1
            who = [
                one for one in range(centres)
                if bench.breaker.state_for(one, now) is not Health.OPEN
            ]  # fmt: skip
            bench.failed(now - 1, who, now)
            assert now < 10
        assert now <= 4


def test_a_probe_that_fails_for_one_centre_is_not_all_of_it() -> None:
    bench = Bench()
    bench.failed(0, range(5), 1)
    assert bench.state(2) is Health.HALF_OPEN
    bench.failed(2, [ONE], 2.5)
    assert bench.state(2.5) is Health.HALF_OPEN
    assert bench.breaker.state_for(ONE, 2.5) is Health.OPEN
    bench.failed(2.5, [OTHER], 2.6)
    assert bench.state(2.6) is Health.OPEN
    bench.answered(5, [THIRD], 5)
    bench.failed(5, [ONE], 5.1)
    bench.answered(5, [THIRD], 5.2)
    assert bench.state(5.2) is Health.CLOSED
    assert bench.breaker.state_for(ONE, 5.2) is Health.OPEN


def test_one_centre_never_rests_it_for_others_whatever_comes() -> None:
    """Random answers and failures of a hostile centre; others are answered."""
    for seed in range(30):
        rng = random.Random(seed)
        bench = Bench()
        now = 0.0
        for _ in range(300):
            now += rng.choice([0.01, 0.3, 1.0, 4.0])
            asked = now - rng.choice([0.0, 0.2, 2.0])
            if rng.randrange(2):
                bench.failed(asked, [ONE] * rng.randrange(1, 40), now)
            else:
                bench.answered(asked, rng.choices([ONE, OTHER, THIRD], k=4), now)
            assert bench.state(now) is Health.CLOSED
            for one in (OTHER, THIRD):
                assert bench.breaker.state_for(one, now) is Health.CLOSED
