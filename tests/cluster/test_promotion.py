"""Goal: before a database is promoted, etcd names it as leader with the quorum that its
commits wait for, and no two nodes get one number for their timelines.

Method: `deploy/patroni/` without Patroni: the function that writes `/sync`, against
what a commit waits for, in every state; the shell script that PostgreSQL asks.
"""

import importlib.util
import itertools
import json
import os
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from tools.cluster import settings

DEPLOY = Path(__file__).resolve().parents[2] / "deploy" / "patroni"


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    path = DEPLOY / "before_promote.py"
    spec = importlib.util.spec_from_file_location("before_promote", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_drill_resets_nobodys_machine(tmp_path: Path) -> None:
    """Patroni takes a watchdog that it finds, unless it is told not to."""
    ports = settings.Ports(*[(1, 2, 3)] * 5)
    words = dict.fromkeys(settings.ROLES, "word")
    plan = settings.Plan(tmp_path, ports, tmp_path, words)
    for number in settings.NODES:
        told = json.loads(settings.patroni(plan, number))
        assert told["watchdog"] == {"mode": "off"}


@pytest.mark.parametrize("nodes", [2, 3, 4, 5])
def test_whoever_is_chosen_next_has_met_every_commit(
    hook: ModuleType, nodes: int
) -> None:
    names = [f"pg{number}" for number in range(nodes)]
    cases = 0
    for leader, *voters in (names[:count] for count in range(2, nodes + 1)):
        for quorum in range(len(voters)):
            sync = {
                "leader": leader,
                "sync_standby": ",".join(voters),
                "quorum": quorum,
            }
            for name in names[1:]:
                cases += 1
                made = hook.led_by(sync, name)
                others = set(made["sync_standby"].split(",")) - {""}
                # As Patroni sets it: so many of all that were members before.
                members = {leader, *voters}
                wait_for = len(members) - quorum - (1 if name in members else 0)
                assert made["leader"] == name
                assert others == members - {name}
                count = len(others) - made["quorum"]
                assert 1 <= count <= wait_for
                for had in itertools.combinations(sorted(others), wait_for):
                    asked = itertools.combinations(sorted(others), made["quorum"] + 1)
                    assert all(set(had) & set(one) for one in asked)
    assert cases >= nodes - 1


def test_a_timeline_that_is_anothers_is_taken(tmp_path: Path) -> None:
    (tmp_path / "data" / "pg_wal").mkdir(parents=True)
    (tmp_path / "data" / "postmaster.pid").write_text("123\nmore\n")
    (tmp_path / "data" / "pg_wal" / "00000004.history").write_text("ours")

    def asked(name: str) -> bool:
        to = tmp_path / "restored"
        to.unlink(missing_ok=True)
        done = subprocess.run(
            [DEPLOY / "restore.sh", tmp_path, name, to],
            capture_output=True,
            check=False,
            env={"PATH": os.defpath},
        )
        assert done.returncode in (0, 1), done.stderr
        assert (done.returncode == 0) == to.exists()
        return to.exists()

    def told(line: str) -> list[int]:
        (tmp_path / "promotes").write_text(line)
        return [one for one in (1, 3, 4, 5, 15, 16, 17) if asked(f"{one:08X}.history")]

    assert not asked("00000003.history")
    # Newest known 2, given 16: what lies between is taken, but not our own.
    assert told("2 16 123\n") == [3, 5, 15]
    # Of a PostgreSQL that has ended.
    assert told("2 16 124\n") == []
    assert told("") == []
    (tmp_path / "promotes").write_text("2 16 123\n")
    for name in (
        "000000010000000000000003",
        "0000000G.history",
        "x",
        "00000003.partial",
    ):
        assert not asked(name)


def test_a_history_that_is_there_is_not_fetched_from_the_archive(
    tmp_path: Path,
) -> None:
    (tmp_path / "data" / "pg_wal").mkdir(parents=True)
    (tmp_path / "data" / "pg_wal" / "00000004.history").write_text("ours")
    (tmp_path / "pgbackrest.conf").touch()
    archive = tmp_path / "bin" / "pgbackrest"
    archive.parent.mkdir()
    archive.write_text('#!/bin/sh\necho "$4" >"$5"\n')
    archive.chmod(0o755)

    def fetched(name: str) -> str:
        to = tmp_path / "restored"
        to.unlink(missing_ok=True)
        subprocess.run(
            [DEPLOY / "restore.sh", tmp_path, name, to],
            check=False,
            env={"PATH": f"{archive.parent}:{os.defpath}"},
        )
        return to.read_text().strip() if to.exists() else ""

    assert fetched("00000004.history") == ""
    for name in ("00000005.history", "000000040000000000000003"):
        assert fetched(name) == name
