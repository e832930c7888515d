"""How a biller answers: its habits, and what it decides of one payment.

Pure: the same seed, biller and payment give the same decision. May use `calendar` and
the sample. Seconds here are of real life; who runs faster divides them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from hashlib import blake2b
from statistics import NormalDist

from switch.sample import Biller, load_sample

_PARTS = 1 << 32
_NORMAL = NormalDist()
_P99 = _NORMAL.inv_cdf(0.99)
SETTLE_P99S = 20.0
"""A biller that missed its time knows by itself within so many times its p99."""


class Fate(Enum):
    """What becomes of a payment at its biller."""

    CREDITED = "credited"
    """Credited and confirmed."""
    DECLINED = "declined"
    LATE = "late"
    """Credited, and nobody is told until they ask."""
    LOST = "lost"
    """Nobody is told, and it is never credited."""


@dataclass(frozen=True, slots=True)
class Habits:
    """A biller's figures."""

    decline: float = 0.0
    """Share of all payments."""
    timeout: float = 0.0
    """Share of all payments that get no answer."""
    late_success: float = 0.0
    """Share of those without an answer that were credited."""
    median_s: float = 0.0
    """Of its response time, which is log-normal; 0 answers at once."""
    p99_s: float = 0.0

    @property
    def sigma(self) -> float:
        """Deviation of the logarithm of the response time."""
        return math.log(self.p99_s / self.median_s) / _P99 if self.median_s else 0.0


AT_ONCE = Habits()
"""Credits everything at once."""
REASONS = ("INVALID_REFERENCE", "ACCOUNT_CLOSED", "AMOUNT_MISMATCH", "BILL_WITHDRAWN")
"""A biller's own codes for what it declines."""
NOT_CREDITED = "NOT_CREDITED"
"""Its code for a payment that it never credited and says so when asked."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a biller makes of one payment."""

    fate: Fate
    response_s: float
    """Until it answers, if it does."""
    settle_s: float
    """From the payment's acceptance until a question about it gets a certain answer,
    if the first one got none."""
    reason: str
    """Its code if it does not credit."""


INSTANT = Decision(Fate.CREDITED, 0.0, 0.0, "")


def habits_of(biller: Biller) -> Habits:
    """The habits of a biller of the sample."""
    return Habits(
        biller.decline_pct / 100,
        biller.timeout_pct / 100,
        biller.late_success_of_timeouts_pct / 100,
        biller.median_ms / 1000,
        biller.p99_ms / 1000,
    )


@cache
def sample_habits() -> Mapping[str, Habits]:
    """Participant id → habits, for all billers of the sample."""
    return {one.id: habits_of(one) for one in load_sample().billers}


def decide(habits: Habits, seed: int, payment_id: bytes) -> Decision:
    """What a biller with these habits makes of the payment with this id."""
    if habits is AT_ONCE:
        return INSTANT
    digest = blake2b(payment_id, digest_size=16, salt=seed.to_bytes(8, "big")).digest()
    chance, late, response, more = (
        (int.from_bytes(digest[at : at + 4], "big") + 0.5) / _PARTS
        for at in range(0, 16, 4)
    )
    fate = Fate.CREDITED
    if chance < habits.decline:
        fate = Fate.DECLINED
    elif chance < habits.decline + habits.timeout:
        fate = Fate.LATE if late < habits.late_success else Fate.LOST
    factor = math.exp(habits.sigma * _NORMAL.inv_cdf(response))
    reason = REASONS[digest[0] % len(REASONS)]
    return Decision(
        fate,
        habits.median_s * factor,
        habits.p99_s * (1 + (SETTLE_P99S - 1) * more),
        reason if fate is Fate.DECLINED else NOT_CREDITED,
    )
