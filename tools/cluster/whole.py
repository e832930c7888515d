"""Drills with switches: a fault under load, and what must hold after it."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

from tools.cluster.payers import Payers
from tools.cluster.processes import send
from tools.cluster.settings import NODES
from tools.cluster.stand import Stand, StandError
from tools.cluster.switches import Switches

AGAIN_S = 90.0
"""Until payments are answered again after any fault."""
STOPPED_S = 8.0
"""Longer than a lease."""
GONE_S = 6.0
"""How long standbys or etcd are away: patience is longer."""
BEHIND = 100_000
"""Entries that a node may lack under load to count as following."""
MORE = 2_000
"""Payments that must be answered after a fault."""


class Drills:
    """Each is a fault; it returns with nothing broken any more."""

    def __init__(self, stand: Stand, switches: Switches, payers: Payers) -> None:
        """Everything is whole, and payments come."""
        self.stand = stand
        self.switches = switches
        self.payers = payers
        self.stands_still = False
        """Whether the last fault must have stopped all answers, and did."""

    def switch_killed(self) -> None:
        """Kill -9 of the switch that leads."""
        self.switches.kill(self.switches.leader())

    def switch_stopped(self) -> None:
        """The switch that leads says nothing for a while, and then goes on."""
        with self.switches.stopped(self.switches.leader()):
            time.sleep(STOPPED_S)

    def stepped_down(self) -> None:
        """As an operator asks."""
        self.switches.payswitch(
            "cluster",
            "step-down",
            *("--config", str(self.switches.directory(1) / "payswitch.toml")),
        )

    def postmaster_killed(self) -> None:
        """Kill -9 of the leading PostgreSQL."""
        self.stand.kill_postmaster(self.stand.leader())

    def host_killed(self) -> None:
        """Kill -9 of Patroni and PostgreSQL that lead; back when another leads."""
        killed = self.stand.leader()
        self.stand.kill_host(killed)
        self.stand.wait(
            lambda: self.stand.leader() not in (0, killed), "a new leader", AGAIN_S
        )
        self.payers.wait_more(AGAIN_S)
        self.stand.start_host(killed)

    def standbys_gone(self) -> None:
        """Both standbys stopped: nobody may be answered."""
        leader = self.stand.leader()
        with ExitStack() as stack:
            for number in NODES:
                if number != leader:
                    stack.enter_context(self.stand.stopped_host(number))
            self._must_stand_still(GONE_S)

    def etcd_gone(self) -> None:
        """All etcd stopped, until Patroni has let go of the database."""
        for process in self.stand.etcds:
            send(process.pid, signal.SIGSTOP)
        try:
            # Longer than the leader's lock: its Patroni demotes it.
            time.sleep(GONE_S)
        finally:
            for process in self.stand.etcds:
                send(process.pid, signal.SIGCONT)

    def wait_cancelled(self) -> None:
        """A commit's wait is cut while no standby is there; then its node is lost."""
        leader = self.stand.leader()
        with ExitStack() as stack:
            for number in NODES:
                if number != leader:
                    stack.enter_context(self.stand.stopped_host(number))
            time.sleep(2.0)
            self.stand.sql(
                "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity "
                "WHERE wait_event = 'SyncRep'",
                node=leader,
            )
            time.sleep(1.0)
            self.stand.kill_host(leader)
        self.payers.wait_more(AGAIN_S)
        self.stand.start_host(leader)

    def _must_stand_still(self, seconds: float) -> None:
        # What was under way when they stopped may still be answered.
        time.sleep(1.0)
        before = len(self.payers.answered)
        time.sleep(seconds)
        self.stands_still = len(self.payers.answered) == before
        if not self.stands_still:
            raise StandError("payments were answered although no standby was there")


SHORT = ("switch_killed", "switch_stopped", "stepped_down", "host_killed")
ALL = (
    *("switch_killed", "switch_stopped", "stepped_down", "postmaster_killed"),
    *("host_killed", "standbys_gone", "etcd_gone", "wait_cancelled"),
)


def run(
    stand: Stand, switches: Switches, payers: Payers, names: tuple[str, ...]
) -> Iterator[dict[str, Any]]:
    """Each drill, with how long nobody was answered."""
    drills = Drills(stand, switches, payers)
    for name in names:
        fault: Callable[[], None] = getattr(drills, name)
        said = name.replace("_", "-")
        stand.wait_whole()
        switches.wait_level(BEHIND)
        payers.wait_more(AGAIN_S)
        payers.reset()
        leader = switches.leader()
        stand.say(f"{said}: switch{leader} and pg{stand.leader()} lead")
        fault()
        again = payers.wait_more(AGAIN_S, MORE)
        yield {
            "drill": said,
            "silence_s": round(payers.silence_s, 2),
            "led": leader,
            "leads": switches.leader(),
            "ok": again,
        }
    stand.wait_whole()
    switches.wait_level(BEHIND)
