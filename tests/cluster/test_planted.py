"""Goal: what is most dangerous to get wrong is noticed by a test with a name.

Method: `planted.py` has the bugs. Each is put in the place of the right thing; then the
test that is to notice it is called, and must fail, or so many histories of the
simulation, of which one must. docs/testing.md lists what is planted into the core.
"""

from collections.abc import Callable

import pytest

from switch.cluster.log import LOG_DONE
from tests.cluster import planted, test_settle
from tests.cluster.fake_log import Fault
from tests.cluster.history import History
from tests.cluster.scene import Scene
from tests.cluster.simulated import Switch
from tests.cluster.small_ledger import SmallLedger
from tests.memory import folder

HISTORIES = 200
"""In which each of these comes up, whatever the seeds are worth."""


def one(fault: Fault) -> Callable[[], None]:
    """The test of one fault."""
    return lambda: test_settle.test_one_fault_is_settled(fault)


def late() -> None:
    """The test of late statements, with all that may come behind the last step."""
    test_settle.test_what_lands_late_lands_once_or_never(0)


SETTLED: dict[str, tuple[type[Scene], Callable[[], None]]] = {
    "the barrier is skipped": (
        planted.scene(log=planted.NoBarrier),
        one(Fault.LOST_WAITING),
    ),
    "the barrier is skipped, and its node lost": (
        planted.scene(log=planted.NoBarrier),
        test_settle.test_a_head_of_one_node_is_no_barrier_at_another,
    ),
    "notices are ignored": (planted.scene(log=planted.Deaf), one(Fault.CUT)),
    "settings are not looked at": (
        planted.scene(log=planted.Blind),
        one(Fault.SETTINGS),
    ),
    "the epoch is dropped": (planted.scene(primary=planted.EpochDropped), late),
    "a deposed leader is not fenced": (
        planted.scene(primary=planted.EpochDropped),
        one(Fault.FENCED_BEFORE),
    ),
    "the chain is dropped": (
        planted.scene(primary=planted.ChainDropped),
        lambda: test_settle.test_another_chain_is_no_place_for_a_chunk(1),
    ),
    "what landed before the fence is not looked for": (
        planted.scene(replicator=planted.FencedAtOnce),
        one(Fault.FENCED_AFTER),
    ),
    "a fence has no barrier": (
        planted.scene(replicator=planted.FencedWithoutBarrier),
        test_settle.test_a_fence_that_no_quorum_has_is_none,
    ),
}
SIMULATED: dict[str, type[History]] = {
    "notices are ignored": planted.with_log(planted.Deaf),
    "answered before the append": planted.with_switch(planted.AnswersFirst),
    "a deposed leader goes on": planted.with_switch(planted.NeverFenced),
    "it is followed before it is durable": planted.with_shared(planted.HastyFollower),
    "a follower skips a row": planted.with_switch(planted.RowSkipped),
    "settings are not looked at": planted.with_log(planted.Blind),
    "a log that was put back is led": planted.with_switch(
        type("Leads", (Switch,), {"member_type": planted.Forgetful})
    ),
    "a node that is ahead goes on": planted.with_switch(planted.Proud),
}


@pytest.mark.parametrize("name", SETTLED)
def test_a_bug_in_settling_is_noticed(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the test that is named beside it; without the bug that passes."""
    kind, notices = SETTLED[name]
    notices()
    monkeypatch.setattr(test_settle, "Scene", kind)
    with pytest.raises(AssertionError):
        notices()


@pytest.mark.parametrize("name", SIMULATED)
def test_a_bug_is_found_by_the_simulation(name: str, small: SmallLedger) -> None:
    """Some history fails for it."""
    kind = SIMULATED[name]
    for seed in range(HISTORIES):
        with folder() as path:
            try:
                kind(small, path, seed).run()
            except Exception:  # noqa: BLE001
                return
    raise AssertionError(f"{HISTORIES} histories do not notice it")


def test_all_that_is_done_stays_so_without_bugs() -> None:
    """The scene itself is right: nothing of the above comes from it."""
    assert Scene({}).run() == LOG_DONE
