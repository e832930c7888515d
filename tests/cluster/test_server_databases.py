"""Goal: whatever becomes of the databases, one after the other and under payments: what
was answered stays, with the same answers, nothing is done twice, and payments go on.

Method: two real servers over PostgreSQL of their own: its primary killed and started
again, both standbys stopped, a wait for them cut and then the primary lost, and one
of them promoted. Our client sends the same ids again; the auditor reads both ledgers.
"""

from contextlib import ExitStack
from pathlib import Path

import pytest

from server.exits import EXIT_DEPOSED
from tests.cluster.pair import Pair, pair
from tests.cluster.postgres import Nodes, nodes
from tests.cluster.test_server_takes_over import Load, audited, check_kept
from tests.memory import folder
from tests.server.harness import until

pytest.importorskip("switch.cluster.postgres")
SETTINGS = ("--set", "cluster.append_timeout_s=1")
WAITS = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
CUT = (
    "SELECT count(pg_cancel_backend(pid)) > 0 FROM pg_stat_activity "
    "WHERE wait_event = 'SyncRep'"
)


def doubts(pair: Pair) -> dict[str, float]:
    """Times that each of the servers could not ask the log.

    One that was deposed has ended by itself, and is left out.
    """
    found = {}
    for one in pair.members:
        try:
            found[one.name] = one.figure("cluster_doubts_total")
        except OSError:
            assert one.process.wait() == EXIT_DEPOSED
    return found


def doubts_grow(pair: Pair, seen: dict[str, float]) -> bool:
    """Whether one of the servers could not ask the log since then."""
    return any(count > seen[name] for name, count in doubts(pair).items())


def postmaster_killed(found: Nodes, pair: Pair, load: Load) -> None:
    """The primary ends as by a crash, and is started again where it was."""
    found.primary.end()
    found.primary.start()
    found.streaming()


def standbys_gone(found: Nodes, pair: Pair, load: Load) -> None:
    """Nobody is answered without a standby, however often the log is asked."""
    with ExitStack() as stack:
        for node in found.standbys:
            stack.enter_context(node.stopped())
        found.until(WAITS, "t")
        seen = doubts(pair)
        until(lambda: doubts_grow(pair, seen))
        seen, before = doubts(pair), len(load.answers)
        until(lambda: doubts_grow(pair, seen))
        assert len(load.answers) == before


def wait_cut(found: Nodes, pair: Pair, load: Load) -> None:
    """A commit is told of that no standby has; then the node that has it is lost."""
    with ExitStack() as stack:
        for node in found.standbys:
            stack.enter_context(node.stopped())
        found.until(WAITS, "t")
        seen = doubts(pair)
        # What was on its way to a client has come by the first doubt.
        until(lambda: doubts_grow(pair, seen))
        before = len(load.answers)
        # Between two that are given up for their time there is none for a moment.
        found.until(CUT, "t")
        # It asks again, and waits again.
        found.until(WAITS, "t")
        assert len(load.answers) == before
        found.primary.end()
    found.lose_primary()


def test_databases_fail_one_after_the_other(tmp_path: Path) -> None:
    with nodes() as found, folder() as directory, pair(directory, found, "log") as both:
        leader, other = both.start(*SETTINGS)
        with Load(both, "centre-a") as load:
            load.grows()
            for fault in (postmaster_killed, standbys_gone, wait_cut):
                fault(found, both, load)
                load.grows()
        until(lambda: leader.leads or other.leads)
        check_kept(both.leader(), load)
        # While a database was away the other may have taken over, on a busy machine:
        # who led before ends by itself then, and says why.
        deposed = leader if other.leads else None
        for one in (leader, other):
            if one is deposed:
                assert one.process.wait() == EXIT_DEPOSED
            else:
                assert one.process.stop() == 0
            audited(one)
