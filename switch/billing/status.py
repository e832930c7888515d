"""How it stands with one biller, for operators.

May use a biller's parts.
"""

from typing import NamedTuple

from switch.billing.biller import Biller
from switch.billing.health import Health
from switch.billing.lines import State
from switch.billing.undecided import Because


class BillerStatus(NamedTuple):
    """How it stands with one biller."""

    biller: str
    """Participant id."""
    health: Health
    connections: int
    queued: int
    asked: int
    unknown: int
    p50_ms: int
    p99_ms: int
    status_questions: int
    fetch_health: Health
    fetches: int
    resting_centres: int
    clock_skew_ms: int
    """Its clock less ours."""
    kept: int
    """Payments, those of baskets one by one."""
    unverified: int
    """The same."""


def status_of(biller: Biller, now: float) -> BillerStatus:
    """What there is to say of it now."""
    table, work = biller.table, biller.work
    return BillerStatus(
        biller=biller.name,
        health=biller.health(now),
        connections=biller.connections_count,
        queued=table.count(State.WAITING),
        asked=work.asked_count,
        unknown=table.count(State.UNKNOWN),
        p50_ms=biller.latencies.percentile_ms(50),
        p99_ms=biller.latencies.percentile_ms(99),
        status_questions=work.status_questions(now),
        fetch_health=biller.fetch_breaker.state(now),
        fetches=biller.fetches.count,
        resting_centres=biller.resting_centres(now),
        clock_skew_ms=round(biller.clocks.skew_ns / 1e6),
        kept=work.undecided.payments(Because.KEPT),
        unverified=work.undecided.payments(Because.UNVERIFIED),
    )
