"""Goal: a group of which its sender is told that nothing was done leaves no chunk that
a later opening could put back.

Method: one group is committed by a process whose writes to the journal's file fail, the
first, the second and so on, with ENOSPC or EIO, under strace; or whose map is full.
What the sender was told is compared with what the file holds, and with what the next
opening makes of it.
"""

import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from switch.ledger.lost import find_lost
from switch.ledger.opening import open_ledger
from tests.ledger.test_lost_meta import data_of
from tests.ledger.test_opening import OPTIONS, fill

ROOT = Path(__file__).resolve().parents[2]
ROWS = 600
WRITES = 8
"""A commit of so few pages writes in fewer pieces, the meta page included."""

COMMIT = f"""
    import sys
    from switch._core import Ledger, Queue
    from switch.errors import SpaceError, UnknownOutcomeError, DeadError
    from tests.core.network import NOW, make_network, top_up
    from tests.core.pair import rows_request
    net = make_network()
    rows = [top_up(net, net.wallets[0], 5, b"NOT-%d" % each) for each in range({ROWS})]
    options = dict(map_size=int(sys.argv[2]), reserve_size=0, index_step_rows=16)
    ledger = Ledger(sys.argv[1], **options)
    queue = Queue(ledger)
    queue.start()
    try:
        queue.commit(rows_request(rows))
        print("done")
    except (SpaceError, DeadError):
        print("not done")
    except UnknownOutcomeError:
        print("unknown")
    sys.stdout.flush()
    import os
    os._exit(0)
"""


def commit(directory: Path, *prefix: str, map_size: int = 1 << 28) -> str:
    """Commit one group; what its sender was told."""
    code = textwrap.dedent(COMMIT)
    done = subprocess.run(
        [*prefix, sys.executable, "-c", code, str(directory), str(map_size)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout.strip()


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    fill(tmp_path / "ledger")
    return tmp_path / "ledger"


def judge(directory: Path, told: str, before: int) -> int:
    """What became of it, by what the sender was told; the rows that are there more."""
    lost = find_lost(directory)
    if told == "not done":
        assert not lost.chunks
        assert not lost.others
    with open_ledger(directory, **OPTIONS) as opened:
        more = opened.sequence - before
    assert more in {"done": {ROWS}, "not done": {0}, "unknown": {0, ROWS}}[told]
    return more


@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
def test_no_write_that_fails_is_told_as_not_done(
    ledger: Path, tmp_path: Path, error: str
) -> None:
    assert shutil.which("strace"), "install strace (apt-get install strace)"
    with open_ledger(ledger, **OPTIONS) as opened:
        before = opened.sequence
    told, came = [], []
    for number in range(1, WRITES + 1):
        directory = tmp_path / str(number)
        shutil.copytree(ledger, directory)
        fault = f"inject=pwrite64,pwritev,pwritev2,writev:error={error}:when={number}"
        prefix = ("strace", "-f", "-qq", "-o", "/dev/null")
        traced = ("-P", str(data_of(directory)), "-e", "trace=all", "-e", fault)
        told.append(commit(directory, *prefix, *traced))
        came.append(judge(directory, told[-1], before))
        if told[-1] == "done":
            break
    assert told[-1] == "done"
    assert set(told[:-1]) == {"unknown"}
    # Of one whose pages were all written only the meta page was missing.
    assert ROWS in came[:-1]


def test_a_full_map_leaves_nothing(ledger: Path, tmp_path: Path) -> None:
    """What LMDB has no room for it does not begin to write."""
    with open_ledger(ledger, **OPTIONS) as opened:
        before = opened.sequence
    size = data_of(ledger).stat().st_size
    outcomes = set()
    for pages in range(0, 60, 6):
        directory = tmp_path / str(pages)
        shutil.copytree(ledger, directory)
        told = commit(directory, map_size=size + pages * 4096)
        outcomes.add(told)
        if told != "done":
            assert not find_lost(directory).chunks
        judge(directory, told, before)
    assert outcomes == {"unknown", "done"}
