"""How a replayed day runs faster than life: one number, and all that follows from it.

Pure. May use the sample, `specs` and `config`. A day of the replay is `speed` times
faster than the real one: its schedule, and the deadlines of holds. Billers' response
times, and what the switch makes of them, are only a part of that faster, so that they
stay longer than what the machine itself takes.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from switch.codes import Mode
from switch.errors import UsageError
from switch.sample import sample_specs
from switch.specs import Specs

SPEED = 600.0
"""A working day in 45 seconds."""
SPEED_MAX = 7_200.0
RESPONSE_SHARE = 10.0
"""The day runs so many times faster than billers answer."""
DEADLINE_S = 2400
"""Of a service that the sample has as a direct one; here every biller confirms."""
LATE_SHARE = 6
"""A payment is asked about after its deadline when again a sixth of the time has passed
that had passed by then."""
STATUS_CALLS_MAX = 16
"""Status questions about one payment."""
STATUS_PER_MINUTE_MAX = 6_000
"""Status questions to one biller in a minute of this machine's."""

_LIFE_MS = {
    "answer_timeout_ms": 30_000,
    "credit_margin_ms": 60_000,
    "fetch_timeout_ms": 30_000,
    "status_first_ms": 30_000,
    "status_interval_max_ms": 60_000,
    "rest_first_ms": 6_000,
    "rest_max_ms": 60_000,
    "absent_ms": 30_000,
    "verify_interval_max_ms": 86_400_000,
}
"""Settings of dispatch as in life; they are as much faster as responses are."""
_LEAST_MS = 50
HEALTH_WINDOW_S = 2


@dataclass(frozen=True, slots=True)
class Pace:
    """The speed of a day."""

    speed: float = SPEED

    def __post_init__(self) -> None:
        """Raises UsageError for a speed that no machine can follow."""
        if not 1 <= self.speed <= SPEED_MAX:
            raise UsageError(f"--speed is 1 to {SPEED_MAX:.0f}")

    @property
    def response_speed(self) -> float:
        """How much faster than in life billers answer."""
        return max(self.speed / RESPONSE_SHARE, 1.0)

    def seconds(self, life_s: float) -> float:
        """What so many seconds of the day take."""
        return life_s / self.speed

    def specs(self) -> Specs:
        """The sample's network: every service confirmed by its biller, in the pace."""
        sample = sample_specs()
        services = (
            replace(
                one,
                mode=Mode.CONFIRMED,
                deadline_s=math.ceil(self.seconds(one.deadline_s or DEADLINE_S)),
            )
            for one in sample.services
        )
        return Specs(sample.participants, tuple(services))

    def longest_deadline_s(self) -> int:
        """Seconds after which no hold of the day is open."""
        return max(one.deadline_s for one in self.specs().services)

    def late_questions_max(self, seconds: float) -> int:
        """How often a payment may be asked about within `seconds` of its deadline."""
        interval_s = self.settings()["biller.status_interval_max_ms"] / 1000
        at_s, count = 0.0, 1
        while at_s <= seconds:
            at_s += max(interval_s, at_s / LATE_SHARE)
            count += 1
        return count

    def settings(self) -> Mapping[str, int]:
        """Settings of the server, by name."""
        faster = {
            f"biller.{name}": max(round(value / self.response_speed), _LEAST_MS)
            for name, value in _LIFE_MS.items()
        }
        return {
            **faster,
            "biller.health_window_s": HEALTH_WINDOW_S,
            "biller.status_calls_max": STATUS_CALLS_MAX,
            "biller.status_per_minute_max": STATUS_PER_MINUTE_MAX,
        }
