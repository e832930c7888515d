"""Goal: a biller that fails rests, is probed, and is taken back when it answers.

Method: a clock that the test moves.
"""

import numpy as np
import numpy.typing as npt

from switch.billing.health import Breaker, Health
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


def at(time: float, count: int = 1) -> npt.NDArray[np.float64]:
    return np.full(count, time)


def healthy(now: float = 0.0) -> Breaker:
    breaker = Breaker(CONFIG, now)
    breaker.connected(now)
    return breaker


def test_few_failures_are_forgiven() -> None:
    breaker = healthy()
    breaker.failed(at(0, 3), 1)
    assert breaker.state(1) is Health.CLOSED
    # Four failures, of them three outside the window by now.
    breaker.failed(at(11), 12)
    assert breaker.state(12) is Health.CLOSED
    breaker.answered(at(12, 10), 13)
    breaker.failed(at(12, 8), 13)
    assert breaker.state(13) is Health.CLOSED
    breaker.failed(at(12, 1), 13)
    assert breaker.state(13) is Health.OPEN


def test_it_rests_longer_each_time_and_comes_back() -> None:
    breaker = healthy()
    breaker.failed(at(0, 4), 1)
    assert breaker.state(1) is Health.OPEN
    assert breaker.room(0, 1) == 0
    assert breaker.retry_ms(1.5) == 500
    now = 2.0
    for rest_s in (2.0, 3.0, 3.0):
        assert breaker.state(now) is Health.HALF_OPEN
        assert breaker.room(0, now) == 2
        assert breaker.room(2, now) == 0
        breaker.failed(at(now), now + 0.5)
        assert breaker.state(now + 0.4 + rest_s) is Health.OPEN
        now += 0.5 + rest_s
    assert breaker.state(now) is Health.HALF_OPEN
    breaker.answered(at(now), now)
    assert breaker.state(now) is Health.HALF_OPEN
    breaker.answered(at(now), now)
    assert breaker.state(now) is Health.CLOSED
    assert breaker.room(40, now) == 60
    # The next rest is a short one again.
    breaker.failed(at(now, 4), now)
    assert breaker.state(now + 1) is Health.HALF_OPEN


def test_questions_from_before_a_rest_decide_nothing_after_it() -> None:
    breaker = healthy()
    breaker.failed(at(0, 4), 1)
    assert breaker.state(2) is Health.HALF_OPEN
    breaker.failed(at(0.5, 50), 2.1)
    assert breaker.state(2.1) is Health.HALF_OPEN
    breaker.answered(at(0.5, 50), 2.1)
    assert breaker.state(2.1) is Health.HALF_OPEN


def test_without_a_connection_it_counts_as_resting() -> None:
    breaker = Breaker(CONFIG, 0)
    assert breaker.state(4.9) is Health.CLOSED
    assert breaker.room(0, 4.9) == 0
    assert breaker.state(5) is Health.OPEN
    assert breaker.retry_ms(5) == CONFIG.rest_first_ms
    breaker.connected(6)
    assert breaker.state(6) is Health.HALF_OPEN
    breaker.answered(at(6, 2), 7)
    assert breaker.state(7) is Health.CLOSED
    breaker.connected(7)
    breaker.disconnected(8)
    assert breaker.room(0, 60) == 100
    breaker.disconnected(60)
    assert breaker.state(64) is Health.CLOSED
    breaker.connected(64)
    assert breaker.state(64) is Health.CLOSED
