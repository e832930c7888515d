"""`make cluster ARGS=--day`: the replayed hard day through two switches, three of whose
machines are harmed while it is paid. All proofs of the day must hold, both audits, and
both journals be the log's.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from switch.authority.development import DevAuthority
from switch.day.council import begin
from switch.day.speed import Pace
from switch.programs import program
from tools.cluster.joined import prove_joined
from tools.cluster.settings import LOG_ROLE, OWNER
from tools.cluster.stand import Stand, StandError
from tools.cluster.switches import NUMBERS, Switches

SPEED: Final = 240.0
"""The day's 7.5 hours in 112 seconds: longer than all harms take together."""
PAYMENTS: Final = 20_000
DAY_S: Final = 600.0
AGAIN_S: Final = 90.0
STOPPED_S: Final = 8.0
"""Longer than a lease."""
BEGIN_S: Final = 120.0
"""Until the first payments: a network, top-ups, billers."""
MORE: Final = 50
"""Credits of billers after which something is under way again."""


class DaySwitches(Switches):
    """Two whose ledger was begun with the day's people, and that have its pace."""

    def __init__(self, stand: Stand, pace: Pace) -> None:
        """They are not started."""
        super().__init__(stand)
        self.data = self.directory(NUMBERS[0])
        self.authority = DevAuthority(self.data / "tls")
        self._pace = pace

    def make(self) -> None:
        """The ledger first, then its log, then the other one's copy."""
        begin(self.data)
        for number in NUMBERS:
            self.directory(number).mkdir(exist_ok=True)
            settings = "".join(
                f"{name} = {value}\n" for name, value in self._pace.settings().items()
            )
            (self.directory(number) / "payswitch.toml").write_text(
                f"{settings}\n[cluster]\n"
                f'dsn = "{self.stand.plan.dsn(LOG_ROLE)}"\n'
                f'node = "switch{number}"\n'
                f'address = "{self.address(number)}"\n'
            )
        first, *others = (self.ledger(number) for number in NUMBERS)
        owner = ("--dsn", self.stand.plan.dsn(OWNER))
        self.payswitch("cluster", "init", *owner, "--from", str(first))
        for other in others:
            words = (str(other), "--from", str(first))
            self.payswitch("cluster", "seed", *owner, *words)


def harms(
    stand: Stand, switches: Switches, wait_more: Callable[[], None]
) -> Iterator[tuple[str, Callable[[], None]]]:
    """What is done to the day, one thing after the other."""

    def kill_leader() -> None:
        switches.kill(switches.leader())

    def stop_leader() -> None:
        with switches.stopped(switches.leader()):
            time.sleep(STOPPED_S)

    def kill_host() -> None:
        killed = stand.leader()
        stand.kill_host(killed)
        stand.wait(lambda: stand.leader() not in (0, killed), "a new leader", AGAIN_S)
        wait_more()
        stand.start_host(killed)

    yield "switch-killed", kill_leader
    yield "switch-stopped", stop_leader
    yield "host-killed", kill_host


def run_day(stand: Stand) -> dict[str, Any]:
    """The whole of it; what came of it. `ok` if all is as promised."""
    pace = Pace(SPEED)
    switches = DaySwitches(stand, pace)
    switches.make()
    switches.up()
    addresses = ",".join(switches.address(number) for number in NUMBERS)
    command = program(
        "switch",
        *("day", "--once", "--json", "--data", str(switches.data)),
        *("--address", addresses, "--speed", str(SPEED)),
        *("--payments", str(PAYMENTS)),
    )
    done: list[str] = []
    try:
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        ) as day:
            try:
                done = _harm(stand, switches, day)
                out, _ = day.communicate(timeout=DAY_S)
            finally:
                day.terminate()
        stand.wait_whole()
        switches.wait_level()
    finally:
        switches.down()
    stand.say("comparing journals with the log, and auditing both")
    proof = prove_joined(switches)
    lines = out.strip().splitlines()
    told: dict[str, Any] = json.loads(lines[-1]) if lines else {}
    wrong = list(proof["wrong"])
    if day.returncode:
        wrong.append(f"payswitch day ended with {day.returncode}")
    return {
        "day": told,
        "harms": done,
        "state_hash": proof["state_hash"],
        "wrong": wrong,
        "ok": bool(told) and not wrong,
    }


def _harm(stand: Stand, switches: DaySwitches, day: subprocess.Popen[str]) -> list[str]:
    """Each harm once billers credit again; what was done before the day was over."""
    credits_ = switches.data / "credits.txt"

    def wait_more(timeout_s: float = AGAIN_S) -> None:
        wanted = _lines(credits_) + MORE
        stand.wait(
            lambda: day.poll() is not None or _lines(credits_) >= wanted,
            "more payments of the day",
            timeout_s,
        )
        if day.poll() is not None:
            raise StandError("the day ended before all harms were done")

    wait_more(BEGIN_S)
    done = []
    for name, harm in harms(stand, switches, wait_more):
        stand.say(f"{name}: switch{switches.leader()} and pg{stand.leader()} lead")
        harm()
        wait_more()
        done.append(name)
        switches.wait_level(behind=sys.maxsize)
    return done


def _lines(path: Path) -> int:
    try:
        return path.read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0
