"""Faults of the databases, each with a figure and what it proves.

Each drill takes a whole stand and leaves a whole one.
"""

import itertools
import time
from collections.abc import Iterator
from typing import Any

from tools.cluster.processes import until
from tools.cluster.settings import NODES
from tools.cluster.stand import Stand, StandError
from tools.cluster.writer import Writer, differences

FAIL_OVER_S = 60.0
COME_BACK_S = 150.0
GAP_S = 3.0
"""Between two starts of a cold start: an order is one only if the first is seen first."""


def timelines(stand: Stand) -> dict[str, set[str]]:
    """What each history of a timeline says, in every node: one text each, or a collision."""
    found: dict[str, set[str]] = {}
    for number in NODES:
        for path in (stand.plan.node(number) / "data" / "pg_wal").glob("*.history"):
            found.setdefault(path.stem, set()).add(path.read_text())
    return found


def collisions(stand: Stand) -> list[str]:
    """Timelines that two nodes have chosen for different histories."""
    return [name for name, texts in timelines(stand).items() if len(texts) > 1]


def kill_in_turn(stand: Stand, writer: Writer) -> tuple[list[int], bool]:
    """Kill who leads, who leads then, and the last: in which order, and whether it led.

    The second leads until Patroni counts the first out: only then may the last one lead
    without knowing what the first has, and begin a timeline that nobody else sees.
    """
    first = stand.leader()
    stand.kill_host(first)
    stand.wait(lambda: stand.leader() not in (0, first), "a new leader", FAIL_OVER_S)
    writer.wait_more(FAIL_OVER_S)
    gone = f"pg{first}"
    stand.wait(
        lambda: gone not in stand.sync().get("sync_standby", gone),
        f"a quorum without {gone}",
        FAIL_OVER_S,
    )
    second = stand.leader()
    stand.kill_host(second)
    third = next(number for number in NODES if number not in (first, second))
    led = until(lambda: stand.leader() == third, FAIL_OVER_S)
    stand.kill_host(third)
    return [first, second, third], led


def cold_start(stand: Stand, order: tuple[int, int, int]) -> dict[str, Any]:
    """All three killed in turn, then started in an order (0 is who was killed first)."""
    with Writer(stand) as writer:
        writer.wait_more(FAIL_OVER_S)
        killed, led = kill_in_turn(stand, writer)
        started = [killed[place] for place in order]
        for number in started:
            stand.start_host(number)
            time.sleep(GAP_S)
        took: float | None
        try:
            took = round(stand.wait_whole(COME_BACK_S), 1)
        except StandError as error:
            stand.say(str(error))
            took = None
        answers = took is not None and writer.wait_more(FAIL_OVER_S)
    result: dict[str, Any] = {
        "order": "".join(str(place + 1) for place in order),
        "killed": killed,
        "last_led": led,
        "whole_s": took,
        "answered": len(writer.answered),
        "answers_again": answers,
        "collisions": collisions(stand),
        "told": stand.told(),
    }
    if took is not None:
        result["wrong"] = differences(stand, writer.answered)
    return result


def cold_starts(stand: Stand, orders: int = 6) -> Iterator[dict[str, Any]]:
    """Cold starts in every order."""
    for order in itertools.islice(itertools.permutations((0, 1, 2)), orders):
        yield cold_start(stand, order)
