"""Faults of the databases, each with a figure and what it proves.

Each drill takes a whole stand and leaves a whole one.
"""

import itertools
import time
from collections.abc import Iterator, Sequence
from typing import Any

from tools.cluster.processes import until
from tools.cluster.settings import NODES
from tools.cluster.stand import Stand, StandError
from tools.cluster.writer import Writer, differences

ORDERS = tuple("".join(one) for one in itertools.permutations("123"))
FAIL_OVER_S = 60.0
COME_BACK_S = 150.0
ALONE_S = 12.0
"""Six of Patroni's rounds: who may lead by itself does by then."""
GAP_S = 3.0
"""Between two starts: an order is one only if the first is seen first."""


def timelines(stand: Stand) -> dict[str, set[str]]:
    """What histories of timelines say, in every node."""
    found: dict[str, set[str]] = {}
    for number in NODES:
        for path in (stand.plan.node(number) / "data" / "pg_wal").glob("*.history"):
            found.setdefault(path.stem, set()).add(path.read_text())
    return found


def collisions(stand: Stand) -> list[str]:
    """Timelines that two nodes have chosen for different histories."""
    return [name for name, texts in timelines(stand).items() if len(texts) > 1]


def kill_in_turn(stand: Stand, writer: Writer, *, late: bool) -> tuple[list[int], bool]:
    """Kill who leads, who leads then, and the last: in which order, and whether it led.

    Early: the second goes after its first answers. Late: it leads until Patroni counts
    the first out, so that the last one leads as well, and begins a timeline that nobody
    else sees.
    """
    first = stand.leader()
    stand.kill_host(first)
    stand.wait(lambda: stand.leader() not in (0, first), "a new leader", FAIL_OVER_S)
    second = stand.leader()
    writer.wait_more(FAIL_OVER_S)
    third = next(number for number in NODES if number not in (first, second))
    led = False
    if late:
        alone = {"leader": f"pg{second}", "sync_standby": f"pg{third}"}
        stand.wait(
            lambda: alone.items() <= stand.sync().items(),
            "a quorum of two",
            FAIL_OVER_S,
        )
    stand.kill_host(second)
    if late:
        led = until(lambda: stand.leader() == third, FAIL_OVER_S)
    stand.kill_host(third)
    return [first, second, third], led


def cold_start(stand: Stand, order: str, *, late: bool) -> dict[str, Any]:
    """All three killed in turn, then started in an order (1 is who was killed first).

    The first one is left alone for a while.
    """
    with Writer(stand) as writer:
        writer.wait_more(FAIL_OVER_S)
        killed, led = kill_in_turn(stand, writer, late=late)
        started = [killed[int(place) - 1] for place in order]
        answered = len(writer.answered)
        stand.start_host(started[0])
        alone = until(lambda: stand.leader() == started[0], ALONE_S)
        for number in started[1:]:
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
        "order": order,
        "late": late,
        "killed": killed,
        "last_led": led,
        "led_alone": alone,
        "whole_s": took,
        "answered": answered,
        "answers_again": answers,
        "writer": writer.why,
        "collisions": collisions(stand),
        "told": stand.told(),
    }
    result["wrong"] = ["nobody leads"]
    if stand.leader():
        result["wrong"] = differences(stand, writer.answered, nodes=took is not None)
    result["ok"] = answers and not (result["wrong"] or result["collisions"])
    return result


def cold_starts(
    stand: Stand, orders: Sequence[str] = ORDERS, late: Sequence[bool] = (False, True)
) -> Iterator[dict[str, Any]]:
    """Cold starts in every order, early and late."""
    for order in orders:
        for one in late:
            yield cold_start(stand, order, late=one)
