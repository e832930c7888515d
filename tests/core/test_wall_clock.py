"""Goal: setting the wall clock neither stretches nor shrinks what the ledger's threads
wait for: the index's rests, the reserve's second, a commit's wait for the index.

Method: a process in which the wall clock reads an hour more, or less, than the kernel
has: a wait until a wall time is then an hour too long, or over at once and begun again,
which costs a processor. What each wait is for must happen, and waiting costs nothing.
"""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from switch._core import Ledger
from tests.core.network import NOW
from tests.core.pair import rows_request
from tests.core.queues import until
from tests.core.test_concurrency import make, transfers
from tests.core.test_in_flight import held_up
from tests.leaps import Leaps

HOUR_S = 3_600
STEP_ROWS = 1_024
RESERVE = 1 << 20
OPTIONS: dict[str, Any] = {
    "reserve_size": RESERVE,
    "index_step_rows": STEP_ROWS,
    "index_lag_max": 4 * STEP_ROWS,
}
GROWN = 8 << 20
SPENT_MAX_S = 0.2
"""Of a processor in a second of waiting; a wait that is begun again takes all of it."""

CHILD = """
import sys
from pathlib import Path
import tests.conftest
from tests.core.test_wall_clock import wait_for_all
wait_for_all(Path(sys.argv[1]))
"""


def spent_s() -> float:
    """What one second costs while nothing is asked."""
    before = time.process_time()
    time.sleep(1)
    return time.process_time() - before


def see_the_reserve(ledger: Ledger, path: Path) -> None:
    """Once a second the reserve is measured, though nobody commits."""
    until(lambda: ledger.info()["reserve_bytes"] >= RESERVE)
    time.sleep(0.2)  # by now its thread waits
    file = path / "journal" / "data.mdb"
    before = ledger.info()["reserve_bytes"]
    os.truncate(file, file.stat().st_size + GROWN)
    until(lambda: ledger.info()["reserve_bytes"] == before + GROWN)


def wait_for_the_index(ledger: Ledger, path: Path, rows: list[Any]) -> float:
    """A commit that has to wait for the index, which is held up: what that costs."""

    def commit() -> None:
        for at in range(0, len(rows), STEP_ROWS):
            ledger.commit([rows_request(rows[at : at + STEP_ROWS])], NOW)

    first, committer = ledger.sequence, threading.Thread(target=commit)
    with held_up(path, "index"):
        committer.start()
        until(lambda: ledger.sequence - ledger.index_sequence > 4 * STEP_ROWS)
        time.sleep(0.2)
        spent = spent_s()
        assert ledger.sequence < first + len(rows)
    committer.join()
    assert ledger.sequence == first + len(rows)
    return spent


def wait_for_all(path: Path) -> None:
    """In a process whose wall clock is wrong; prints what waiting cost."""
    ledger, network = make(path, **OPTIONS)
    try:
        see_the_reserve(ledger, path)
        spent = {"idle": spent_s()}
        # A step of the index is made in units, with rests between them.
        ledger.commit([rows_request(transfers(network, 1 << 40, STEP_ROWS))], NOW)
        until(lambda: ledger.index_sequence >= STEP_ROWS)
        rows = transfers(network, 1 << 41, 8 * STEP_ROWS)
        spent["commit"] = wait_for_the_index(ledger, path, rows)
    finally:
        ledger.close()
    print(json.dumps(spent))


@pytest.mark.parametrize("ahead_s", [HOUR_S, -HOUR_S], ids=["ahead", "behind"])
def test_waits_are_by_a_clock_that_nobody_sets(tmp_path: Path, ahead_s: int) -> None:
    leaps = Leaps(tmp_path)
    leaps.set(ahead_s)
    done = subprocess.run(
        [*leaps.prefix, sys.executable, "-c", CHILD, str(tmp_path / "ledger")],
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    spent = json.loads(done.stdout)
    assert set(spent) == {"idle", "commit"}
    assert max(spent.values()) < SPENT_MAX_S, spent
