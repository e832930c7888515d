"""The table of drills: what is done, what is wanted of it, how often in `--rounds`."""

import random
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from tools.cluster import faults, full_disks, partitions
from tools.cluster.faults import Scene


class Fault(Protocol):
    """It returns with nothing broken any more, or raises StandError."""

    def __call__(self, scene: Scene, /) -> None:
        """Do it."""


class Drill(NamedTuple):
    """One fault, and what is known of it."""

    name: str
    fault: Fault
    goal_s: float = 0.0
    """Seconds without an answer that are wanted at most; 0: until the fault ends."""
    rounds: int = 0
    """How often `--rounds` does it."""
    is_short: bool = False
    """Whether `--short` does it."""
    is_apart: bool = False
    """Whether it needs nodes that are machines of their own, and so root."""


DRILLS = (
    Drill("switch-killed", faults.switch_killed, 1.0, rounds=20, is_short=True),
    Drill("switch-stopped", faults.switch_stopped, 5.0, rounds=10, is_short=True),
    Drill("stepped-down", faults.stepped_down, 1.0, is_short=True),
    Drill("postmaster-killed", faults.postmaster_killed, 8.0, rounds=10, is_short=True),
    Drill("host-killed", faults.host_killed, 22.0, rounds=5, is_short=True),
    Drill("standbys-gone", faults.standbys_gone),
    Drill("etcd-gone", faults.etcd_gone),
    Drill("wait-cancelled", faults.wait_cancelled),
)
APART = (
    Drill("partition-switch-log", partitions.switch_from_log, 5.0, is_apart=True),
    Drill("partition-switch-alone", partitions.switch_alone, 5.0, is_apart=True),
    Drill(
        "partition-database-peers",
        partitions.database_from_peers,
        30.0,
        is_apart=True,
    ),
    Drill(
        "partition-database-alone",
        partitions.database_alone,
        30.0,
        is_apart=True,
    ),
    Drill("full-following-switch", full_disks.following_switch, is_apart=True),
    Drill("full-leading-switch", full_disks.leading_switch, is_apart=True),
    Drill("full-standby", full_disks.standby, is_apart=True),
    Drill("full-leading-database", full_disks.leading_database, is_apart=True),
)
"""Only done by name."""
ALL = {one.name: one for one in (*DRILLS, *APART)}


def of_rounds(dice: random.Random) -> list[Drill]:
    """Each as often as the table says, in an order that the dice give."""
    drills: list[Drill] = [one for one in DRILLS for _ in range(one.rounds)]
    dice.shuffle(drills)
    return drills


def named(names: Sequence[str], *, short: bool) -> list[Drill]:
    """These, or the short ones, or all."""
    if names:
        return [ALL[name] for name in names]
    return [one for one in DRILLS if one.is_short or not short]
