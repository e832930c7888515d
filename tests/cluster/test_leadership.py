"""Goal: a server that is a node of a cluster ends as it should, and may lead only if it
should, whatever its log and the other nodes say.

Method: the thread between log and event loop, with both set by the test.
"""

import errno
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from server.exits import EXIT_HALTED
from server.leadership import Leadership
from switch._core import Ledger
from switch.cluster.following import DifferenceError, HaltError
from switch.cluster.log import Head
from switch.cluster_config import ClusterConfig
from switch.config import Config
from switch.errors import FollowError
from switch.ledger import node_keys
from switch.ledger.committer import Committer
from switch.ledger.shapes import HALTED
from tests.interop.built import ROOT

DAY_NS = 86_400 * 10**9
HEAD = Head(b"a ledger's name.", 3_000_000, 1, 2, "south", "b:1")


def made(**words: object) -> Any:
    """What has these, in the place of something larger."""
    return SimpleNamespace(**words)


class Scene:
    """A node and its log."""

    def __init__(self, path: Path) -> None:
        path.mkdir(mode=0o700)
        node_keys.make_keys(path)
        self.path = path
        self.ended: list[int] = []
        cluster = ClusterConfig(dsn="host=nowhere", node="north", address="a:1")
        self.node = made(
            ledger=made(
                path=str(path),
                sequence=0,
                step_hash=lambda: (0, b""),
                info=lambda: {"space_error": 0},
            ),
            loop=made(call_soon_threadsafe=lambda call: call()),
            put_in=made(),
            dispatch=made(),
        )
        self.parts = made(shared=self, lease=self, files=None)
        self.leadership = Leadership(
            Config(data_dir=path, cluster=cluster),
            self.node,
            self.parts,
            lead=lambda: None,
            lead_until=lambda _: None,
            changed=lambda: None,
            end=self.ended.append,
            check=lambda: None,
        )

    def run(self, error: Exception) -> int:
        """The thread, whose first turn raises this; the exit code."""

        def turn() -> float:
            raise error

        self.leadership.member.turn = turn  # type: ignore[method-assign]
        self.leadership._run()
        return self.ended[0]


def test_only_the_last_leaders_keys_may_lead(tmp_path: Path) -> None:
    """Whoever that was: the log has them; a node of its name must have them, too."""
    scene = Scene(tmp_path / "ledger")
    own = node_keys.fingerprints(scene.path)
    (tmp_path / "other").mkdir(mode=0o700)
    node_keys.make_keys(tmp_path / "other")
    other = node_keys.fingerprints(tmp_path / "other")
    receipt, quotation = own.split()
    cases = {
        own: "",
        "": "",
        other: "receipts that were printed",
        f"{receipt} {other.split()[1]}": "with which the last leader sealed",
        f"{receipt} {quotation},{'0' * 16}": "",
    }
    scene.parts.clock_off_s = lambda: 0.0
    scene.node.committer = made(check_clock=lambda: None)
    for keys, says in cases.items():
        for leader in ("north", "south", ""):
            head = Head(bytes(16), 0, 0, 1, leader, "a:1", keys)
            found = scene.leadership.unfit(head)
            assert says in found, (keys, found)
            assert bool(found) == bool(says), (keys, found)
    assert scene.leadership.said().keys == own


@pytest.mark.parametrize(
    ("error", "reserve", "behind", "is_cramped"),
    [
        (0, 0, 2_000_000, False),
        (errno.ENOSPC, 8 << 20, 1_048_575, False),
        (errno.ENOSPC, (8 << 20) - 1, 0, True),
        (errno.ENOSPC, 64 << 20, 1_048_576, True),
    ],
)
def test_a_node_that_refuses_for_want_of_room_does_not_lead(
    tmp_path: Path, error: int, reserve: int, behind: int, is_cramped: bool
) -> None:
    scene = Scene(tmp_path / "ledger")
    scene.node.ledger.info = lambda: {
        "space_error": error,
        "reserve_bytes": reserve,
        "sequence": 3_000_000,
        "index_sequence": 3_000_000 - behind,
    }
    scene.parts.shared = made(nodes=list)
    scene.parts.clock_off_s = lambda: 0.0
    scene.node.committer = made(check_clock=lambda: None)
    why = "its disk has no room" if is_cramped else ""
    assert scene.leadership.cramped() == why
    assert scene.leadership.unfit(HEAD) == why


def test_after_a_weekend_it_leads_once_the_kernel_vouches(tmp_path: Path) -> None:
    """It does not wait and end, as a server that is alone: it follows meanwhile."""
    scene = Scene(tmp_path / "node")
    scene.parts.shared = made(nodes=list)
    scene.parts.clock_off_s = lambda: 0.0
    clock = np.array([DAY_NS, 0, 0], np.uint64)
    with Ledger(str(tmp_path / "ledger"), map_size=1 << 30, reserve_size=0) as ledger:
        first = Committer(ledger, clock=clock)
        first.start()
        first.stop(1)
        clock[0] = ledger.timestamp + 3 * DAY_NS
        scene.node.committer = Committer(ledger, clock=clock, follows=True)
        assert "the kernel does not say" in scene.leadership.unfit(HEAD)
        clock[2] = 1
        assert scene.leadership.unfit(HEAD) == ""
        clock[0] = ledger.timestamp + 31 * DAY_NS
        assert "if it is right, start once with" in scene.leadership.unfit(HEAD)
        clock[0] = ledger.timestamp + 3 * DAY_NS
        scene.node.committer.start()
        assert b'"cause":"kernel"' in ledger.tail(ledger.sequence)
        scene.node.committer.stop(1)


def test_a_leader_whose_clock_goes_wrong_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scene = Scene(tmp_path / "ledger")
    for off_s, alarms in ((0.9, 0), (-1.5, 1), (0.1, 1)):
        scene.parts.clock_off_s = lambda off_s=off_s: off_s
        scene.leadership.leads_on()
        assert scene.leadership.clock_off_s == off_s
        assert caplog.text.count("ALARM: the clock here") == alarms
    assert "is -1.5 s off that of the log's" in caplog.text


def test_who_halts_at_another_state_is_not_started_again(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "ledger")
    mark = scene.path / HALTED
    assert scene.run(HaltError("another history")) == EXIT_HALTED
    # That is found again at each start, and a log can be made anew.
    assert not mark.exists()
    # So is a row of a later version, until this node is upgraded.
    later = FollowError("kind", "a row says what this version does not know", 5)
    assert scene.run(later) == EXIT_HALTED
    assert not mark.exists()
    mark.write_text("an older one, with a longer sentence than the newer one has")
    assert scene.run(DifferenceError("behind row 8 they differ")) == EXIT_HALTED
    assert mark.read_text() == "behind row 8 they differ\n"
    config = tmp_path / "payswitch.toml"
    config.write_text(
        '[cluster]\ndsn = "host=nowhere"\nnode = "north"\naddress = "127.0.0.1:1"\n'
    )
    tls = str(tmp_path / "tls")
    words = ("--dev", "--config", str(config), "--data", str(scene.path), "--tls", tls)
    done = subprocess.run(
        [sys.executable, "-m", "server", *words, "--listen", "127.0.0.1:0"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == EXIT_HALTED, done.stderr
    assert "HALTED says why: behind row 8 they differ" in done.stderr
    assert not (scene.path / "journal").exists()
