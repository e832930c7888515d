"""Networks that are cut, each healed again: machines as `tools/cluster/apart.py` makes.

Wanted of each: nothing that was answered is lost, doubled or different, and nothing is
accepted by a leader that was deposed, which is asked by itself meanwhile.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from switch.client.calls import CallError, LostReplyError
from switch.codes import Role
from tools.cluster.faults import AGAIN_S, Scene
from tools.cluster.payers import BATCH
from tools.cluster.stand import StandError
from tools.cluster.switches import CENTRES

CUT_S: Final = 6.0
"""For how long it is cut once others are answered."""
ASKED_S: Final = 2.0
"""What a call may take that is sent to a switch that is cut off."""
BACK_S: Final = 60.0
"""Until a switch that was cut off follows."""


@contextmanager
def _cut(scene: Scene, machine: str, *networks: str) -> Iterator[None]:
    assert scene.machines is not None
    scene.machines.cut(machine, *networks)
    try:
        yield
    finally:
        scene.machines.heal(machine, *networks)


def _another_leads(scene: Scene, before: int) -> None:
    """Payments are answered, by another switch than before."""
    scene.payers.wait_more(AGAIN_S)
    scene.stand.wait(
        lambda: scene.switches.leader() not in (0, before), "another leader", AGAIN_S
    )
    scene.payers.wait_more(AGAIN_S)


def _ask(scene: Scene, number: int, seconds: float) -> None:
    """Pay at this switch alone, for so long: it may refuse, or not know.

    What it answers is noted like any other answer, and must be in the log; that would
    be an answer of a switch in whose place another one leads.
    """
    switches, payers = scene.switches, scene.payers
    said: dict[str, int] = {}
    end_s = time.monotonic() + seconds
    with switches.client(
        Role.HARNESS, "harness", [number], retries_max=0, timeout_s=ASKED_S
    ) as client:
        while time.monotonic() < end_s:
            centre, of_batch, batch = payers.fresh(CENTRES[-1])
            try:
                outcomes = client.pay_batch(batch)
            except CallError as error:
                word = f"{error.reason or error.code.name} {error.outcome}".strip()
            except LostReplyError as error:
                word = f"unknown {error.last.reason or error.last.code.name}"
            else:
                payers.note(centre, of_batch, batch, outcomes)
                word = "answered"
            said[word] = said.get(word, 0) + BATCH
            time.sleep(0.05)
    scene.said["deposed_said"] = said
    if "answered" in said:
        raise StandError(f"switch{number} was deposed, and answered: {said}")


def _follows(scene: Scene, number: int) -> None:
    """It hears of the other, ends, is started again and follows."""
    scene.said["followed_after_s"] = round(
        scene.stand.wait(
            lambda: scene.switches.pid(number), f"switch{number} again", BACK_S
        )
        + scene.switches.wait_level(100_000, BACK_S),
        1,
    )


def switch_from_log(scene: Scene) -> None:
    """The leading switch reaches no database; clients reach it."""
    number = scene.switches.leader()
    with _cut(scene, f"switch{number}", "log"):
        _another_leads(scene, number)
        _ask(scene, number, CUT_S)
    _follows(scene, number)


def switch_alone(scene: Scene) -> None:
    """The leading switch reaches nobody."""
    number = scene.switches.leader()
    with _cut(scene, f"switch{number}", "front", "log"):
        _another_leads(scene, number)
        scene.payers.pay_on(CUT_S)
    _follows(scene, number)


def database_from_peers(scene: Scene) -> None:
    """The leading database reaches neither its standbys nor etcd; switches reach it."""
    _database_cut(scene, "peer")


def database_alone(scene: Scene) -> None:
    """The leading database reaches nobody."""
    _database_cut(scene, "peer", "log")


def _database_cut(scene: Scene, *networks: str) -> None:
    stand = scene.stand
    number = stand.leader()
    with _cut(scene, f"db{number}", *networks):
        stand.wait(lambda: stand.leader() not in (0, number), "a new leader", AGAIN_S)
        if not scene.payers.wait_more(AGAIN_S):
            raise StandError("no payment is answered by the new leader")
        scene.payers.pay_on(CUT_S)
        if "log" not in networks:
            scene.said["old_one_writes"] = stand.is_primary(number)
    scene.said["whole_after_s"] = round(stand.wait_whole(), 1)


__all__ = ["database_alone", "database_from_peers", "switch_alone", "switch_from_log"]
