"""Minutes of payments with a hand-over in each: what must not grow does not grow.

At the end of each minute both switches are looked at, the one that leads and the one
that follows; then the first hands on, ends and is started again. A process is two
minutes old at most, so that like is compared with like: leaders with leaders.
"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from tools.cluster import faults
from tools.cluster.faults import AGAIN_S, Scene
from tools.cluster.settings import LOG_ROLE, NODES

MINUTE_S: Final = 60.0
PAUSE_S: Final = 0.01
"""Between two batches of a payer: the machine is to have time left, as in service."""
MORE_MAX: Final = {
    "files": 8,
    "threads": 8,
    "connections": 8,
    "kept_files": 8,
    "database_files": 8,
}
"""How many more of each there may be in the last minute than in the first."""
MEMORY_TIMES_MAX: Final = 1.5
"""How much more memory of its own a leader may have then."""
LAG_MAX: Final = 100_000
"""Entries that the follower lacks at the most, by its own word of a second ago."""


def _status(pid: int, name: str) -> int:
    """A number of a process's status; memory in KiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise ValueError(f"no {name}")


def _count(place: Path) -> int:
    return sum(1 for _ in place.rglob("*"))


def look(scene: Scene, leader: int) -> dict[str, Any]:
    """What there is of everything, now."""
    stand, switches = scene.stand, scene.switches
    found: dict[str, Any] = {}
    for number, process in zip((1, 2), switches.processes, strict=True):
        assert process.pid
        pid = switches.pid(number)
        found["leads" if number == leader else "follows"] = {
            "switch": number,
            "rss_mib": _status(pid, "VmRSS") >> 10,
            "own_mib": _status(pid, "RssAnon") >> 10,
            "files": _count(Path(f"/proc/{pid}/fd")),
            "threads": _status(pid, "Threads"),
            "kept_files": _count(switches.ledger(number)),
        }
    found["connections"] = int(
        stand.sql(
            "SELECT count(*) FROM pg_stat_activity "
            f"WHERE usename = '{LOG_ROLE}' AND pid <> pg_backend_pid()"
        )
    )
    found["database_files"] = sum(
        1
        for number in NODES
        for _ in (stand.plan.node(number) / "data").rglob("pgsql_tmp*")
    )
    found["lag"] = max(0, switches.lag())
    found["answered"] = scene.payers.count
    return found


def _another_leads(scene: Scene, before: int) -> None:
    scene.stand.wait(
        lambda: scene.switches.leader() not in (0, before),
        "another leading switch",
        AGAIN_S,
    )


def run(scene: Scene, minutes: int) -> Iterator[dict[str, Any]]:
    """Each minute: what there is at its end, and how long the hand-over took."""
    for minute in range(1, minutes + 1):
        scene.payers.reset()
        end_s = time.monotonic() + MINUTE_S
        while (left_s := end_s - time.monotonic()) > 0:
            scene.payers.pay_on(min(left_s, 1.0))
        scene.switches.wait_level(LAG_MAX)
        leader = scene.switches.leader()
        found = look(scene, leader)
        paid_s = scene.payers.silence_s
        scene.payers.reset()
        faults.stepped_down(scene)
        again = scene.payers.wait_more(AGAIN_S)
        _another_leads(scene, leader)
        yield {
            "minute": minute,
            **found,
            "silence_s": round(paid_s, 2),
            "hand_over_s": round(scene.payers.silence_s, 2),
            "ok": again and found["lag"] <= LAG_MAX,
        }


def grown(minutes: Sequence[dict[str, Any]]) -> list[str]:
    """What has grown from the first minute to the last, in words."""
    wrong = []
    first, last = minutes[0], minutes[-1]
    for name, most in MORE_MAX.items():
        for where in ("leads", "follows") if name in first["leads"] else ("",):
            before, after = (one[where] if where else one for one in (first, last))
            if after[name] > before[name] + most:
                text = f"{where} {name}: {before[name]}, and now {after[name]}"
                wrong.append(text.strip())
    before, after = first["leads"]["own_mib"], last["leads"]["own_mib"]
    if after > MEMORY_TIMES_MAX * before:
        wrong.append(f"memory of the leader: {before} MiB, and now {after}")
    return wrong
