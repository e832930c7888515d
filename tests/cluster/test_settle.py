"""Every fault of an append, and of each step that settles it, through `Replicator`.

What is `done` is in the log on two nodes when it is said, and no loss of a node takes
it back; what is `fenced` is not, and no statement that is still under way brings it;
and `unknown` is said of nothing that can be known within the patience.
"""

import itertools
from collections.abc import Iterator

import pytest

from switch.cluster.log import LOG_DONE, LOG_FENCED, LOG_UNKNOWN, sealed
from tests.cluster.chunks import INSTANCE, check_of, checks, chunk
from tests.cluster.fake_log import FENCES, STEP_FAULTS, Fault
from tests.cluster.scene import PATIENCE_S, Scene, Wrong

SETTLING = ("reconnect", "head", "chunk_at", "barrier", "append")
LATEST = 8
"""Steps after which a late statement has landed in every order that matters."""
SINGLES = sorted(STEP_FAULTS["append"])
"""Every fault of one append."""


def doubles() -> Iterator[Wrong]:
    """Two faults: one of the append, then one of a step of its settling."""
    for first in SINGLES:
        for step, nth in itertools.product(SETTLING, (1, 2)):
            for second in sorted(STEP_FAULTS[step]):
                # The append that is sent again is the third of all.
                place = nth + 2 if step == "append" else nth
                yield {("append", 2): first, (step, place): second}


@pytest.mark.parametrize("fault", SINGLES, ids=lambda fault: fault.name)
def test_one_fault_is_settled(fault: Fault) -> None:
    """Whichever: what was said is so, and the next chunk goes on from there."""
    scene = Scene({("append", 2): fault})
    said = scene.run()
    if fault in (Fault.FENCED_BEFORE, Fault.FENCED_BEFORE_LOST):
        assert said == LOG_FENCED
    else:
        assert said == LOG_DONE
    assert scene.replicator.deposed == (fault in FENCES)
    doubtful = fault not in (Fault.SLOW, Fault.DOUBLED)
    assert scene.replicator.doubts == doubtful
    assert bool(scene.replicator.last_doubt) == doubtful
    assert scene.append(2) == (LOG_FENCED if fault in FENCES else LOG_DONE)


def test_two_faults_are_settled() -> None:
    """Each fault of an append with each of each step that settles it."""
    told = {LOG_DONE: 0, LOG_FENCED: 0}
    for wrong in doubles():
        try:
            told[Scene(wrong).run()] += 1
        except AssertionError as error:
            raise AssertionError(f"{wrong}: {error}") from error
    assert told[LOG_DONE] > 1_000
    assert told[LOG_FENCED] > 200


@pytest.mark.parametrize("late_at", range(LATEST + 1))
def test_what_lands_late_lands_once_or_never(late_at: int) -> None:
    """A statement whose sender has gone on, in front of each step that follows."""
    late = {("append", 2): Fault.LOST_LATE}
    assert Scene(late, late_at).run() == LOG_DONE
    for step in SETTLING:
        for second in sorted(STEP_FAULTS[step]):
            for nth in (1, 2):
                place = nth + 2 if step == "append" else nth
                said = Scene({**late, (step, place): second}, late_at).run()
                assert said in (LOG_DONE, LOG_FENCED)


def test_a_fence_that_no_quorum_has_is_none() -> None:
    """A primary that was cut off shows an epoch that only it has: a take-over there
    that never ended. What was sent to the real one may still land there.
    """
    scene = Scene({("append", 2): Fault.LOST_LATE})
    assert scene.append(0) == LOG_DONE
    databases = scene.databases
    cut_off = databases.primary
    databases.attached = [False, False]
    cut_off.take_over(cut_off.head, "rival", "rival:1")
    databases.lose_primary(cut_off=True)
    scene.log.reconnect()
    scene.log.to_stale = True
    scene.late_at = len(scene.steps.calls) + 5
    assert scene.run_on() == LOG_DONE


def test_a_head_of_one_node_is_no_barrier_at_another() -> None:
    """What one node shows is gone with it; that another commits says nothing of it."""
    wrong = {
        ("append", 2): Fault.LOST_WAITING,
        ("barrier", 1): Fault.NODE_LOST,
    }
    scene = Scene(wrong)
    assert scene.run() == LOG_DONE
    assert scene.steps.calls.count("head") == 2
    assert scene.steps.calls.count("append") == 3


@pytest.mark.parametrize("epoch_of_log", [1, 2])
def test_another_chain_is_no_place_for_a_chunk(epoch_of_log: int) -> None:
    """A log that was put back to an older state and went on: nothing is sent there."""
    scene = Scene({})
    assert scene.append(0) == LOG_DONE
    databases = scene.databases
    primary = databases.primary = scene.databases_type(INSTANCE, epoch=1).primary
    other = sealed(chunk(1, 0, 999))
    primary.append(other)
    databases.standbys = [0, 0]
    databases.wait(primary)
    scene.log.reconnect()
    if epoch_of_log == 2:
        primary.take_over(primary.head, "rival", "")
        databases.wait(primary)
    said = scene.append(1)
    assert said == (LOG_UNKNOWN if epoch_of_log == 1 else LOG_FENCED)
    assert checks(databases) == [other.check]


def test_what_is_stopped_in_doubt_stays_unknown() -> None:
    """Who is told to stop does not wait for a database that is not there."""
    scene = Scene({})
    assert scene.append(0) == LOG_DONE
    scene.stops = True
    scene.steps.wrong[("append", 2)] = Fault.LOST
    assert scene.append(1) == LOG_UNKNOWN
    assert scene.time < 1


def test_patience_has_an_end() -> None:
    """With no standby there is no quorum: unknown, at the end of the patience."""
    scene = Scene({})
    assert scene.append(0) == LOG_DONE
    scene.databases.attached = [False, False]
    assert scene.append(1) == LOG_UNKNOWN
    assert PATIENCE_S <= scene.time < PATIENCE_S + 4 * scene.log.timeout_s
    assert checks(scene.databases) == [check_of(scene.chunks[0])]
