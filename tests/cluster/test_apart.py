"""Goal: a partition cuts what it says and no more, a full disk takes no byte, nothing
of either is left; what grows in a soak is said.

Method: the machines of `tools/cluster/apart.py` without anything on them, in namespaces
of a process of its own; skipped, with a word, where those are not to be had.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tools.cluster import apart, soak
from tools.cluster.apart import Machines
from tools.cluster.settings import PREFIX
from tools.cluster.stand import StandError

REACHED_S = "1"


def reached(machine: str, network: int, last: int) -> bool:
    """Whether somebody there refuses a connection, which is an answer as well."""
    to = f"exec 3<>/dev/tcp/{PREFIX}.{network}.{last}/9"
    into = ["nsenter", f"--net=/run/netns/{machine}", "--", "timeout", REACHED_S]
    done = subprocess.run([*into, "bash", "-c", to], capture_output=True, text=True)
    return "refused" in done.stderr


def try_machines(folder: Path) -> dict[str, Any]:
    """What is so on them; in namespaces of this process."""
    machines = Machines()
    told: dict[str, Any] = {"whole": [reached("db1", 3, 2), reached("db1", 2, 11)]}
    machines.cut("db1", "peer")
    told["cut"] = [reached("db1", 3, 2), reached("db1", 3, 254), reached("db1", 2, 11)]
    told["others"] = [reached("db2", 3, 3), reached("db2", 3, 1)]
    machines.heal("db1", "peer")
    told["healed"] = [reached("db1", 3, 2), reached("db2", 3, 1)]
    machines.mount(folder)
    place = folder / "pg1"
    machines.fill(place)
    try:
        (place / "one").write_bytes(bytes(1))
        told["full"] = False
    except OSError as error:
        told["full"] = error.strerror
    machines.make_room(place)
    told["room"] = (place / "one").write_bytes(bytes(1))
    machines.unmount()
    return told


def test_machines_of_their_own(tmp_path: Path) -> None:
    """As root only, and where the kernel lets root make namespaces."""
    if os.geteuid() != 0 or not all(map(shutil.which, apart.PROGRAMS)):
        pytest.skip("machines of their own need root, iproute2 and mount")
    done = subprocess.run(
        [*apart.UNSHARE, sys.executable, "-m", __name__, str(tmp_path)],
        capture_output=True,
        text=True,
    )
    if "unshare" in done.stderr:
        pytest.skip(f"no namespaces here: {done.stderr}")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "whole": [True, True],
        "cut": [False, False, True],
        "others": [True, False],
        "healed": [True, True],
        "full": "No space left on device",
        "room": 1,
    }
    # Neither mounts nor networks of it are ours.
    mounts = Path("/proc/self/mounts").read_text()
    assert str(tmp_path) not in mounts
    assert not Path("/sys/class/net/db1-peer").exists()


def test_who_is_not_root_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is done."""
    monkeypatch.setattr(os, "geteuid", lambda: 1_000)
    with pytest.raises(StandError, match="need root"):
        apart.enter("tools.cluster", [])


MINUTE: dict[str, Any] = {
    "leads": {"own_mib": 100, "files": 40, "threads": 20, "kept_files": 12},
    "follows": {"own_mib": 90, "files": 30, "threads": 18, "kept_files": 12},
    "connections": 5,
    "database_files": 0,
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, []),
        ({"leads.files": 48}, []),
        ({"leads.files": 49}, ["leads files: 40, and now 49"]),
        ({"follows.threads": 99}, ["follows threads: 18, and now 99"]),
        ({"follows.kept_files": 99}, ["follows kept_files: 12, and now 99"]),
        ({"connections": 14}, ["connections: 5, and now 14"]),
        ({"database_files": 9}, ["database_files: 0, and now 9"]),
        ({"leads.own_mib": 151}, ["memory of the leader: 100 MiB, and now 151"]),
    ],
)
def test_what_grows_is_said(change: dict[str, int], said: list[str]) -> None:
    """And only what does."""
    last = json.loads(json.dumps(MINUTE))
    for name, value in change.items():
        where, _, what = name.rpartition(".")
        (last[where] if where else last)[what] = value
    assert soak.grown([MINUTE, last]) == said


if __name__ == "__main__":
    print(json.dumps(try_machines(Path(sys.argv[1]))))
