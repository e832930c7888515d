"""Goal: whatever happens to switches and databases, no answer is lost or changed.

Method: histories from seeds (`history.py`): three ledgers on one log, with kills,
crashes, losses of database nodes, faults of each step and clients that send again. What
was answered is in the log, once, and as the model says; what was `NOT_LEADER` is not;
ledgers that are equally far are equal; and in the end all are. `make torture` has many
more, from other seeds (`tests/torture/simulation.py`).
"""

from collections import Counter

import pytest

from tests.cluster.history import FAULTS, History
from tests.cluster.small_ledger import SmallLedger
from tests.longer import SEED
from tests.memory import folder

HISTORIES = 500


def run(small: SmallLedger, seed: int) -> History:
    """One history; what must not be names its seed."""
    with folder() as path:
        history = History(small, path, seed)
        try:
            history.run()
        except Exception as error:
            raise AssertionError(f"the history of seed {seed}: {error}") from error
    return history


@pytest.mark.slow
def test_histories(small: SmallLedger) -> None:
    """All of them, and that there is enough of everything in them."""
    seen: Counter[str] = Counter()
    for seed in range(SEED, SEED + HISTORIES):
        history = run(small, seed)
        seen.update(history.counts)
        seen.update(each for line in history.lines for each in line.split()[1:])
    assert seen["epochs"] > 5 * HISTORIES // 4
    assert seen["answers"] > 5 * HISTORIES
    assert seen["fenced"] > 50
    assert seen["kills"] > HISTORIES // 2
    assert seen["crashes"] > 5
    assert seen["know"] > 4, "a chunk stayed unknown"
    assert seen["late"] > 20, "statements landed late"
    assert seen["room"] > 20, "a follower's disk was full"
    assert seen["stopped"] > 20
    assert seen["emptied"] > 20, "no names to wait for"
    assert seen["halts"] > 10, "the log was put back"
    assert seen["begun"] > 5, "a log was made anew"
    assert {fault.name for each in FAULTS.values() for fault in each} <= set(seen)


def test_a_seed_is_a_history(small: SmallLedger) -> None:
    """The same one each time, byte for byte; another seed is another one."""
    told = []
    for seed in (3, 4, 3, 4):
        with folder() as path:
            told.append(History(small, path, seed).run().encode())
    assert told[0] == told[2] != told[1] == told[3]
    assert all(len(each) > 500 for each in told)
