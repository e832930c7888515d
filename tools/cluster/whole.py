"""Drills with switches: a fault under load, and what must hold after it."""

import statistics
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tools.cluster.drills import ALL, Drill
from tools.cluster.faults import AGAIN_S, Scene
from tools.cluster.stand import StandError

BEHIND = 100_000
"""Entries that a node may lack under load to count as following."""
MORE = 2_000
"""Payments that must be answered after a fault."""
SPREAD_S = 4.0
"""Rounds begin at any moment of Patroni's loop."""


def run(
    scene: Scene, drills: Sequence[Drill], *, spread: bool = False
) -> Iterator[dict[str, Any]]:
    """Each drill, with how long nobody was answered."""
    stand, switches, payers = scene.stand, scene.switches, scene.payers
    for number, drill in enumerate(drills, 1):
        whole_s = stand.wait_whole()
        whole_s += switches.wait_level(BEHIND)
        payers.wait_more(AGAIN_S)
        if spread:
            payers.pay_on(scene.dice.uniform(0.0, SPREAD_S))
        payers.reset()
        leader = switches.leader()
        stand.say(
            f"{number}/{len(drills)} {drill.name}: switch{leader} and "
            f"pg{stand.leader()} lead, whole after {whole_s:.1f} s"
        )
        scene.said.clear()
        try:
            drill.fault(scene)
        except StandError as error:
            # What was answered by then is still held against the log.
            yield {
                "drill": drill.name,
                "silence_s": round(payers.silence_s, 2),
                **scene.said,
                "why": str(error),
                "ok": False,
            }
            break
        again = payers.wait_more(AGAIN_S, MORE)
        yield {
            "drill": drill.name,
            "silence_s": round(payers.silence_s, 2),
            "led": leader,
            "leads": switches.leader(),
            **scene.said,
            "ok": again,
        }
    stand.wait_whole()
    switches.wait_level(BEHIND)


def figures(rounds: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Of each drill: how often, seconds without an answer, how many were too long."""
    found: dict[str, list[float]] = {}
    for one in rounds:
        found.setdefault(one["drill"], []).append(one["silence_s"])
    told = {}
    for name, seconds in found.items():
        goal_s = ALL[name].goal_s
        told[name] = {
            "rounds": len(seconds),
            "median_s": round(statistics.median(seconds), 2),
            "most_s": max(seconds),
        }
        if goal_s:
            told[name] |= {"goal_s": goal_s, "over": sum(s > goal_s for s in seconds)}
    return told
