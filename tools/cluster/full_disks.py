"""Disks without room, and room again: machines as `tools/cluster/apart.py` makes them.

What each does is what docs/cluster.md says in its table of failures; nothing that was
answered is lost, doubled or different.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tools.cluster.faults import AGAIN_S, Scene
from tools.cluster.settings import NODES
from tools.cluster.stand import StandError
from tools.cluster.switches import NUMBERS

SEEN_S: Final = 120.0
"""Until a disk without room is felt: what was set aside before is used up first."""
FULL_S: Final = 10.0
"""For how long it is full once that is so."""


@contextmanager
def _full(scene: Scene, place: Path) -> Iterator[None]:
    assert scene.machines is not None
    scene.machines.fill(place)
    try:
        yield
    finally:
        scene.machines.make_room(place)


def following_switch(scene: Scene) -> None:
    """A follower without room: it waits, others go on; with room it catches up."""
    leader = scene.switches.leader()
    [number] = [one for one in NUMBERS if one != leader]
    pid = scene.switches.pid(number)
    with _full(scene, scene.switches.ledger(number)):
        scene.stand.wait(
            lambda: scene.switches.figure(number, "cluster_no_room") == 1,
            f"switch{number} without room",
            SEEN_S,
        )
        if not scene.payers.wait_more(AGAIN_S):
            raise StandError("no payment is answered while a follower has no room")
        time.sleep(FULL_S)
    scene.switches.wait_level(100_000)
    if scene.switches.pid(number) != pid:
        raise StandError(f"switch{number} did not wait, but was started again")


def leading_switch(scene: Scene) -> None:
    """A leader without room: another one that has room leads."""
    number = scene.switches.leader()
    with _full(scene, scene.switches.ledger(number)):
        scene.stand.wait(
            lambda: scene.switches.leader() not in (0, number),
            "another leading switch",
            SEEN_S,
        )
        if not scene.payers.wait_more(AGAIN_S):
            raise StandError("no payment is answered by the switch that has room")
        time.sleep(FULL_S)
        if scene.switches.leader() == number:
            raise StandError(f"switch{number} leads again, and has no room")
    scene.switches.wait_level(100_000)


def standby(scene: Scene) -> None:
    """A standby without room: commits wait for the other one."""
    leader = scene.stand.leader()
    number = next(one for one in NODES if one != leader)
    with _full(scene, scene.stand.plan.node(number)):
        scene.stand.wait(
            lambda: scene.stand.members() and not scene.stand.whole(),
            f"pg{number} without room",
            SEEN_S,
        )
        if not scene.payers.wait_more(AGAIN_S):
            raise StandError("no payment is answered while a standby has no room")
        time.sleep(FULL_S)
        scene.said["while_full"] = scene.stand.told()
    scene.said["whole_after_s"] = round(scene.stand.wait_whole(), 1)


def leading_database(scene: Scene) -> None:
    """The leading database without room, until nobody is answered, or another leads."""
    stand, payers = scene.stand, scene.payers
    number = stand.leader()
    begun_s = time.monotonic()
    with _full(scene, stand.plan.node(number)):
        stand.wait(
            lambda: not payers.wait_more(FULL_S, 1) or stand.leader() != number,
            f"pg{number} without room",
            SEEN_S,
        )
        scene.said["felt_after_s"] = round(time.monotonic() - begun_s, 1)
        time.sleep(FULL_S)
        scene.said["while_full"] = stand.told()
        scene.said["leads_on"] = stand.leader() == number
    scene.said["whole_after_s"] = round(stand.wait_whole(), 1)
