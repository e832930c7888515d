"""Faults under payments: each is done to a whole stand, and leaves nothing broken."""

import random
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

from tools.cluster.apart import Machines
from tools.cluster.payers import Payers
from tools.cluster.processes import send, until
from tools.cluster.settings import NODES
from tools.cluster.stand import Stand, StandError
from tools.cluster.switches import Switches

AGAIN_S = 90.0
"""Until payments are answered again after any fault."""
STOPPED_S = 8.0
"""Longer than a lease."""
GONE_S = 6.0
"""How long standbys are away: patience is longer."""
DEMOTED_S = 30.0
"""Until Patroni has let go of its database, once etcd is gone."""
STILL_S = 2.0
"""How long nobody may be answered then."""
CUT_S = 2.0
"""Until a commit waits for standbys that are gone."""


class Scene(NamedTuple):
    """What a fault is done to."""

    stand: Stand
    switches: Switches
    payers: Payers
    dice: random.Random
    said: dict[str, Any]
    """What the fault found out, for its line."""
    machines: Machines | None = None
    """Where nodes are machines of their own."""

    def must_stand_still(self, seconds: float) -> None:
        """Nobody may be answered for so long. Raises StandError."""
        # What was under way when it began may still be answered.
        time.sleep(1.0)
        before = self.payers.count
        time.sleep(seconds)
        if self.payers.count != before:
            raise StandError("payments were answered that nobody may answer")


def switch_killed(scene: Scene) -> None:
    """Kill -9 of the switch that leads."""
    scene.switches.kill(scene.switches.leader())


def switch_stopped(scene: Scene) -> None:
    """The switch that leads says nothing for a while, and then goes on.

    What was sent to it meanwhile is the first that it hears when it wakes.
    """
    number = scene.switches.leader()
    with scene.payers.late(number) as late:
        with scene.switches.stopped(number):
            late.send()
            time.sleep(STOPPED_S)
        scene.said["asked_while_stopped"] = late.said()


def stepped_down(scene: Scene) -> None:
    """As an operator asks."""
    scene.switches.payswitch(
        "cluster",
        "step-down",
        *("--config", str(scene.switches.directory(1) / "payswitch.toml")),
    )


def postmaster_killed(scene: Scene) -> None:
    """Kill -9 of the leading PostgreSQL."""
    scene.stand.kill_postmaster(scene.stand.leader())


def host_killed(scene: Scene) -> None:
    """Kill -9 of Patroni and PostgreSQL that lead; back when another leads."""
    stand = scene.stand
    killed = stand.leader()
    stand.kill_host(killed)
    stand.wait(lambda: stand.leader() not in (0, killed), "a new leader", AGAIN_S)
    scene.payers.wait_more(AGAIN_S)
    stand.start_host(killed)


@contextmanager
def _alone(stand: Stand) -> Iterator[int]:
    """Both standbys stopped; which node leads."""
    leader = stand.leader()
    with ExitStack() as stack:
        for number in NODES:
            if number != leader:
                stack.enter_context(stand.stopped_host(number))
        yield leader


def standbys_gone(scene: Scene) -> None:
    """Both standbys stopped: nobody may be answered."""
    with _alone(scene.stand):
        scene.must_stand_still(GONE_S)


def etcd_gone(scene: Scene) -> None:
    """All etcd stopped, until Patroni has let go of the database."""
    stand = scene.stand
    leader = stand.leader()
    for process in stand.etcds:
        send(process.pid, signal.SIGSTOP)
    try:
        if not until(lambda: not stand.is_primary(leader), DEMOTED_S, 0.2):
            raise StandError(f"pg{leader} leads on without etcd")
        scene.must_stand_still(STILL_S)
    finally:
        for process in stand.etcds:
            send(process.pid, signal.SIGCONT)


def wait_cancelled(scene: Scene) -> None:
    """A commit's wait is cut while no standby is there; then its node is lost."""
    stand = scene.stand
    with _alone(stand) as leader:
        time.sleep(CUT_S)
        cut = stand.sql(
            "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity "
            "WHERE wait_event = 'SyncRep'",
            node=leader,
        )
        if not int(cut):
            raise StandError("no commit waited for a standby")
        scene.said["cut"] = int(cut)
        time.sleep(1.0)
        stand.kill_host(leader)
    scene.payers.wait_more(AGAIN_S)
    stand.start_host(leader)
