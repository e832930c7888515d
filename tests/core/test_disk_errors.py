"""Goal: whichever write or sync of the journal's file the disk fails, the ledger takes
nothing more: the system tells of such an error once, to whoever asks first.

Method: a process under strace whose reserve thread gets EIO from its first write of
zeros or its first sync; a full disk beside it, after which it goes on.
"""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from switch._core import Ledger
from tests.core.network import NOW, make_network
from tests.core.pair import rows_request

ROOT = Path(__file__).resolve().parents[2]
WORK = """
    import sys, time
    from switch._core import Ledger
    from switch.errors import DeadError, SpaceError
    from tests.core.network import NOW, make_network, top_up
    from tests.core.pair import rows_request
    net = make_network()
    ledger = Ledger(sys.argv[1], map_size=1 << 28, reserve_size=1 << 20)
    end = time.monotonic() + 20
    while not ledger.info()["space_error"] and not ledger.dead:
        assert time.monotonic() < end, "the reserve met nothing"
        time.sleep(0.01)
    try:
        ledger.commit([rows_request([top_up(net, net.wallets[0], 5, b"U")])], NOW)
        print("taken")
    except DeadError as error:
        print("dead:", error)
    except SpaceError:
        print("no room")
    sys.stdout.flush()
    import os
    os._exit(0)
"""


def work(directory: Path, call: str, error: str) -> str:
    """What a commit is told once the reserve has met an error."""
    with Ledger(str(directory), threads=False, reserve_size=0) as ledger:
        ledger.commit([rows_request(make_network().rows)], NOW)
    data = directory / "journal" / "data.mdb"
    # Past the page cache it is written by `write`, which nobody else uses of this file.
    command = [
        *("strace", "-f", "-qq", "-o", "/dev/null", "-P", str(data)),
        *("-e", "trace=all", "-e", f"inject={call}:error={error}:when=1+"),
        *(sys.executable, "-c", textwrap.dedent(WORK), str(directory)),
    ]
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, timeout=120
    )
    return done.stdout.strip()


@pytest.mark.parametrize("call", ["write", "fdatasync"])
def test_an_error_of_the_disk_met_by_the_reserve_is_final(
    tmp_path: Path, call: str
) -> None:
    told = work(tmp_path / "ledger", call, "EIO")
    assert told.startswith("dead:")
    assert "Input/output error" in told


def test_a_full_disk_met_by_the_reserve_is_not(tmp_path: Path) -> None:
    """Zeros that had no room take nothing from what was written."""
    assert work(tmp_path / "ledger", "write", "ENOSPC") == "no room"
