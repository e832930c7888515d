"""Goal: before a database is promoted, etcd names it as leader with the quorum that its
commits wait for, and no two nodes get one number for their timelines.

Method: `deploy/patroni/` without Patroni: the function that writes `/sync`, against
what a commit waits for, in every state; the shell script that PostgreSQL asks. What
Patroni makes of it is asked of Patroni's own table of steps, where that is installed.
"""

import importlib.util
import itertools
import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from tools.cluster import programs, settings

DEPLOY = Path(__file__).resolve().parents[2] / "deploy" / "patroni"
STEPS = """
import json, sys
from patroni.quorum import QuorumStateResolver
print(json.dumps([
    [
        (one.transition_type, one.leader, one.num, sorted(one.names))
        for one in QuorumStateResolver(**case)
    ]
    for case in json.load(sys.stdin)
]))
"""
"""What Patroni does with `/sync` and `synchronous_standby_names` in one round, of each
case."""


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
            for name, wanted in itertools.product(names[1:], (1, 2)):
                cases += 1
                made = hook.led_by(sync, name, wanted)
                others = set(made["sync_standby"].split(",")) - {""}
                # As Patroni sets it: so many of all that were members before.
                members = {leader, *voters}
                wait_for = len(members) - quorum - (1 if name in members else 0)
                assert made["leader"] == (name if wanted > wait_for else name.upper())
                assert others == members - {name}
                count = len(others) - made["quorum"]
                assert 1 <= count <= wait_for
                for had in itertools.combinations(sorted(others), wait_for):
                    asked = itertools.combinations(sorted(others), made["quorum"] + 1)
                    assert all(set(had) & set(one) for one in asked)
    assert cases >= nodes - 1


def test_who_stands_there_in_two_spellings_is_one_node(hook: ModuleType) -> None:
    """As Patroni leaves it in its first round, and whoever promotes next reads it."""
    twice = {"leader": "pg2", "sync_standby": "PG2,pg1,pg3", "quorum": 1}
    once = {"leader": "pg2", "sync_standby": "pg1,pg3", "quorum": 1}
    assert hook.led_by(twice, "pg3", 1) == hook.led_by(once, "pg3", 1)
    assert hook.led_by(once, "pg3", 1) == {
        "leader": "PG3",
        "sync_standby": "pg1,pg2",
        "quorum": 1,
    }
    # A promotion that was cut short, and the next one.
    half = {"leader": "PG2", "sync_standby": "pg1,pg3", "quorum": 1}
    made = hook.led_by(half, "pg3", 1)
    assert made == {"leader": "PG3", "sync_standby": "PG2,pg1", "quorum": 1}


def test_a_name_without_another_spelling_is_written_as_it_is(hook: ModuleType) -> None:
    assert hook.respelt("10.0.0.1") == "10.0.0.1"
    assert hook.respelt("db-1") == "DB-1"
    # Capitals that are not one letter are another name to Patroni.
    assert hook.respelt("stra\u00dfe") == "stra\u00dfe"
    # Who would wait for itself alone is named as Patroni names it.
    alone = hook.led_by({"leader": "pg1", "sync_standby": "", "quorum": 0}, "pg1", 1)
    assert alone["leader"] == "pg1"


class Round(NamedTuple):
    """What Patroni finds in one of its rounds on a node that leads."""

    name: str
    sync: dict[str, Any]
    wait_for: int
    """Commits wait for so many of `names`."""
    names: list[str]
    active: list[str]
    """Standbys that stream."""

    def asked(self) -> dict[str, Any]:
        """As Patroni asks its table."""
        return {
            "leader": self.sync["leader"],
            "quorum": self.sync["quorum"],
            "voters": [one for one in self.sync["sync_standby"].split(",") if one],
            "numsync": self.wait_for,
            "sync": self.names,
            "numsync_confirmed": 0,
            "active": self.active,
            "sync_wanted": 1,
            "leader_wanted": self.name,
        }

    def after(self, steps: Sequence[Any], active: list[str]) -> "Round":
        """Its next one, when these stream."""
        sync, wait_for, names = self.sync, self.wait_for, self.names
        for what, leader, count, of in steps:
            if what == "sync":
                wait_for, names = count, of
            else:
                sync = {"leader": leader, "sync_standby": ",".join(of), "quorum": count}
        return Round(self.name, sync, wait_for, names, active)

    def left(self) -> tuple[Any, ...]:
        """What it is, whatever the spelling."""
        voters = {one.lower() for one in self.sync["sync_standby"].split(",")}
        return (
            *(self.sync["leader"].lower(), self.sync["quorum"], self.wait_for),
            *(frozenset(voters - {"", self.name}), frozenset(self.names)),
        )


def _steps(rounds: Sequence[Round]) -> list[Any]:
    """What Patroni does in each."""
    done = subprocess.run(
        ["/usr/bin/python3", "-c", STEPS],
        input=json.dumps([one.asked() for one in rounds]),
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.defpath, **programs.environment()},
    )
    if "No module named 'patroni'" in done.stderr:
        pytest.skip("Patroni is not installed")
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def test_patroni_waits_for_standbys_that_do_not_stream_yet(hook: ModuleType) -> None:
    """Else commits wait for `*` until its next round, which is doubt to a switch."""
    before = {"leader": "pg1", "sync_standby": "pg2,pg3", "quorum": 1}
    made = hook.led_by(before, "pg2", 1)
    names = ["pg1", "pg3"]
    first = Round("pg2", made, 1, names, [])
    # Nobody streams: only who leads is written as text, with the same quorum.
    [steps] = _steps([first])
    assert steps == [["quorum", "pg2", 1, ["PG2", "pg1", "pg3"]]]
    # Somebody does by its next round: who does not is given up, and nobody else.
    one, both = _steps([first.after(steps, ["pg3"]), first.after(steps, names)])
    assert one[-2:] == [["sync", "pg2", 1, ["pg3"]], ["quorum", "pg2", 0, ["pg3"]]]
    assert both == [["quorum", "pg2", 1, names]]


@pytest.mark.parametrize("nodes", [2, 3, 4])
def test_patroni_does_what_it_does_without_the_hook(
    hook: ModuleType, nodes: int
) -> None:
    """In two rounds, whoever streams in either: the same quorum of the same nodes."""
    names = [f"pg{number}" for number in range(nodes)]
    plain: list[Round] = []
    hooked: list[Round] = []
    later: list[list[str]] = []
    for leader, *voters in (names[:count] for count in range(2, nodes + 1)):
        for quorum, name in itertools.product(range(len(voters)), names[1:]):
            sync = {
                "leader": leader,
                "sync_standby": ",".join(voters),
                "quorum": quorum,
            }
            members = {leader, *voters}
            wait_for = len(members) - quorum - (1 if name in members else 0)
            others = [one for one in names if one != name]
            streams = [
                list(some)
                for count in range(nodes)
                for some in itertools.combinations(others, count)
            ]
            made = hook.led_by(sync, name, 1)
            for now, then in itertools.product(streams, streams):
                plain.append(Round(name, sync, wait_for, sorted(members - {name}), now))
                hooked.append(plain[-1]._replace(sync=made))
                later.append(then)
    for _ in range(2):
        plain, hooked = (
            [
                one.after(steps, then)
                for one, steps, then in zip(rounds, _steps(rounds), later, strict=True)
            ]
            for rounds in (plain, hooked)
        )
        assert [one.left() for one in hooked] == [one.left() for one in plain]
    assert len(plain) >= nodes


class _Answers(BaseHTTPRequestHandler):
    """An etcd that has nothing."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@contextmanager
def _answering() -> Iterator[str]:
    """Where an etcd answers."""
    with HTTPServer(("127.0.0.1", 0), _Answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_an_etcd_that_says_nothing_is_waited_for_once(
    hook: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its machine is the one that has just died, as likely as not."""
    monkeypatch.setattr(hook, "WAIT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent, _answering() as answers:
        dead = f"http://127.0.0.1:{silent.getsockname()[1]}"
        etcd = hook.Etcd([dead, answers], "/x/")
        for _ in range(3):
            assert etcd.get("sync") == ("", "0")
        silent.settimeout(0.2)
        tried = 0
        with suppress(TimeoutError):
            while True:
                silent.accept()[0].close()
                tried += 1
        assert tried == 1


def test_each_node_asks_its_own_etcd_first(tmp_path: Path) -> None:
    ports = settings.Ports(*[(1, 2, 3)] * 5)
    words = dict.fromkeys(settings.ROLES, "word")
    plan = settings.Plan(tmp_path, ports, tmp_path, words)
    for number in settings.NODES:
        urls = json.loads(settings.promotion(plan, number))["etcd"]
        assert urls[:1] == settings.etcd_urls(plan, number)
        assert sorted(urls) == sorted(settings.etcd_urls(plan))


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
