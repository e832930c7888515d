"""Goal: a log begins where a ledger stands, nodes get copies that it goes on from, and
a copy of another history is refused with a sentence.

Method: `payswitch cluster` as an operator types it, on real PostgreSQL.
"""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import pytest

from switch.backup.copying import partial_of
from switch.backup.streaming import send
from switch.cli import main
from switch.ledger import node_keys
from switch.ledger.shapes import CLUSTER
from tests import forked
from tests.backup.test_backup import chunks
from tests.cluster.postgres import Nodes
from tests.cluster.small_ledger import SmallLedger, new_follower, open_copy, paid
from tests.memory import folder

KEYS = ("quotation.keys", "receipt.key")


class Joined:
    """A ledger whose log was begun, with what `init` said."""

    def __init__(self, base: Path, small: SmallLedger, dsn: str, owner: str) -> None:
        self.base = base
        self.small = small
        self.dsn = dsn
        self.owner = owner
        self.ledger = small.copied(base / "first")

    def replicated(self, *numbers: int, keys: str = "") -> None:
        """Pay these through the log, as who leads does."""
        from switch.cluster.postgres import PostgresLog
        from switch.cluster.replicator import Replicator

        log = PostgresLog(self.dsn, "test")
        log.reconnect()
        epoch = log.take_over(log.head(), "north", "127.0.0.1:1", keys)
        assert epoch is not None
        replicator = Replicator(log, epoch)
        with closing(open_copy(self.ledger)) as ledger:
            ledger.replicate(replicator.append, epoch)
            paid(ledger, [self.small.pay(*numbers)], self.small.now)
        log.note("north", "127.0.0.1:1", log.head().sequence - 1, b"", "")
        log.close()


@pytest.fixture(scope="module")
def joined(shared_nodes: Nodes, small: SmallLedger) -> Iterator[Joined]:
    shared_nodes.psql("CREATE DATABASE joining")
    dsn = shared_nodes.dsn(database="joining")
    owner = shared_nodes.dsn(user="postgres", database="joining")
    with folder() as base:
        made = Joined(base, small, dsn, owner)
        code = main(["cluster", "init", "--dsn", owner, "--from", str(made.ledger)])
        assert code == 0
        yield made


Run = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture
def run(joined: Joined, capfd: pytest.CaptureFixture[str]) -> Run:
    def run(*words: str, dsn: str = "") -> tuple[int, dict[str, Any], str]:
        capfd.readouterr()
        code = main(["cluster", *words, "--json", "--dsn", dsn or joined.dsn])
        out, err = capfd.readouterr()
        return code, json.loads(out) if out else {}, err

    return run


def test_the_keys_are_made_and_a_log_has_one_ledger(joined: Joined, run: Run) -> None:
    assert all((joined.ledger / name).stat().st_mode & 0o77 == 0 for name in KEYS)
    code, _, said = run("init", "--new", str(joined.base / "new"), dsn=joined.owner)
    assert code == 78
    assert "has a log already" in said
    assert not (joined.base / "new" / KEYS[0]).exists()
    code, _, said = run("init", "--new", str(joined.ledger), dsn=joined.owner)
    assert code == 78
    assert "--from" in said


def test_no_list_of_processes_shows_where_the_log_is(
    joined: Joined, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "payswitch.toml"
    settings.write_text(
        f'[cluster]\ndsn = "{joined.owner}"\nnode = "a"\naddress = "127.0.0.1:1"\n'
    )
    commands: list[list[str]] = []
    run = subprocess.run

    def seen(command: list[str], **how: Any) -> subprocess.CompletedProcess[bytes]:
        commands.append(command)
        return run(command, **how)

    monkeypatch.setattr(subprocess, "run", seen)
    words = ("--config", str(settings), "--new", str(tmp_path / "new"))
    # It has found the log.
    assert main(["cluster", "init", *words]) == 78
    assert not (tmp_path / "new" / KEYS[0]).exists()
    assert "init" in commands[0]
    assert not any("host=" in word for word in commands[0])


def test_nobody_leads_yet(joined: Joined, run: Run) -> None:
    code, told, _ = run("status")
    assert code == 0
    assert told["log"]["sequence"] == joined.small.sequence
    assert told["log"]["standbys"] == 2
    assert [one["role"] for one in told["databases"]].count("primary") == 1
    assert not told["ok"]
    code, _, said = run("step-down")
    assert code == 78
    assert "nobody leads" in said


def test_a_copy_goes_on_from_the_log_or_is_refused(joined: Joined, run: Run) -> None:
    base, small, marked = joined.base, joined.small, joined.ledger / CLUSTER
    old, ahead = small.copied(base / "old"), small.copied(base / "ahead")
    with closing(open_copy(ahead)) as ledger:
        paid(ledger, [small.pay(70)], small.now)
    source = ("seed", "--keys", str(joined.ledger), "--from")
    # As far as the log.
    code, told, _ = run(*source, str(old), str(base / "level"))
    assert (code, told["sequence"], told["behind"]) == (0, small.sequence, 0)
    for name in KEYS:
        own = (base / "level" / name).read_bytes()
        assert own == (joined.ledger / name).read_bytes()
    assert (base / "level" / CLUSTER).read_bytes() == marked.read_bytes()
    # Whose keys are right the log knows from its beginning on.
    (base / "others").mkdir(mode=0o700)
    node_keys.make_keys(base / "others")
    others = ("seed", "--keys", str(base / "others"), "--from")
    code, _, said = run(*others, str(old), str(base / "refused"))
    assert (code, "receipts that were printed" in said) == (78, True)
    # Ahead of it: what nobody may follow.
    code, _, said = run(*source, str(ahead), str(base / "refused"))
    assert code == 78
    assert "put back to an older state" in said
    joined.replicated(1, 2, 3)
    code, told, _ = run(*source, str(old), str(base / "behind"))
    assert (code, told["behind"]) == (0, 3)
    # No longer ahead, but of another history.
    code, _, said = run(*source, str(ahead), str(base / "refused"))
    assert code == 78
    assert "two histories" in said
    assert not (base / "refused").exists()


def test_an_empty_copy_does_not_follow_what_begins_later(
    joined: Joined, run: Run
) -> None:
    base = joined.base
    new_follower(base / "empty").close()
    seed = ("seed", "--keys", str(joined.ledger), "--from", str(base / "empty"))
    code, _, said = run(*seed, str(base / "refused"))
    assert code == 78
    assert f"the log begins behind entry {joined.small.sequence}" in said
    assert "take a newer one, of a node or a backup" in said
    assert not (base / "refused").exists()


def test_a_copy_comes_through_a_pipe(joined: Joined) -> None:
    """As ssh brings it: the node that is copied may go on meanwhile."""
    base = joined.base

    def seeded(source: Path, name: str, *words: str, cut: int = 0) -> tuple[int, str]:
        with TemporaryFile() as copy, TemporaryFile() as said:
            send(source, copy)
            copy.truncate(copy.tell() - cut)
            copy.seek(0)
            process = forked.Process(
                "switch",
                [
                    *("cluster", "seed", str(base / name), "--from", "-"),
                    *(*words, "--dsn", joined.dsn),
                ],
                stdin=copy.fileno(),
                stderr=said.fileno(),
            )
            assert process.stdout is not None
            with process.stdout as out:
                out.read()
            code = process.wait(60)
            said.seek(0)
            return code, said.read().decode()

    keys = ("--keys", str(joined.ledger))
    code, said = seeded(joined.ledger, "through", *keys)
    assert code == 0, said
    assert chunks(base / "through") == chunks(joined.ledger)
    for name in (*KEYS, CLUSTER):
        own = (base / "through" / name).read_bytes()
        assert own == (joined.ledger / name).read_bytes()
    # Keys do not come with it.
    code, said = seeded(joined.ledger, "keyless")
    assert (code, "--keys" in said) == (78, True)
    code, said = seeded(joined.ledger, "cut", *keys, cut=5)
    assert (code, "begin anew" in said) == (3, True)
    # Of another history: said before anything is copied.
    code, said = seeded(base / "ahead", "other", *keys)
    assert (code, "two histories" in said) == (78, True)
    assert not any((base / f"{name}").exists() for name in ("keyless", "cut", "other"))
    assert not partial_of(base / "other").exists()


def test_who_leads_is_asked_to_step_down(joined: Joined, run: Run) -> None:
    joined.replicated(11)
    code, told, _ = run("status")
    assert (code, told["log"]["leader"]) == (0, "north")
    [node] = told["nodes"]
    assert (node["leads"], node["behind"]) == (True, 1)
    epoch = told["log"]["epoch"]
    code, told, _ = run("step-down")
    assert (code, told) == (0, {"stepped_down": "north", "epoch": epoch + 1})
    _, told, _ = run("status")
    assert (told["log"]["leader"], told["log"]["epoch"]) == ("", epoch + 1)


@pytest.mark.parametrize(
    "seen", ["infinity", "-infinity", "294276-12-31", "4713-01-01 BC"]
)
def test_a_node_that_was_seen_at_no_moment_is_told_as_long_gone(
    shared_nodes: Nodes, joined: Joined, run: Run, seen: str
) -> None:
    joined.replicated(31)
    shared_nodes.psql(f"UPDATE payswitch.nodes SET seen = '{seen}'", database="joining")
    code, told, _ = run("status")
    assert code == 0
    [node] = told["nodes"]
    assert node["seen_ms"] == 10**12


def test_an_older_logs_tables_are_brought_up_to_date(
    shared_nodes: Nodes, joined: Joined, run: Run
) -> None:
    joined.replicated(21)

    def older(statement: str) -> None:
        shared_nodes.psql(statement, database="joining")

    older("UPDATE payswitch.nodes SET keys = 'receipt=1 quotation=2'")
    older("ALTER TABLE payswitch.head DROP COLUMN keys")
    for column in ("settings", "process", "clock_off_s"):
        older(f"ALTER TABLE payswitch.nodes DROP COLUMN {column}")
    code, _, said = run("status")
    assert code == 78
    assert "payswitch cluster upgrade" in said
    # It is the owner's to do, and done once.
    code, _, _ = run("upgrade")
    assert code == 3
    for _ in range(2):
        code, told, _ = run("upgrade", dsn=joined.owner)
        assert (code, told) == (0, {"cluster": "upgraded"})
    code, told, _ = run("status")
    # What the leader has said of itself.
    assert (code, told["log"]["keys"]) == (0, "receipt=1 quotation=2")
    joined.replicated(22)
    _, told, _ = run("status")
    assert told["log"]["keys"] == ""


def test_whose_keys_are_right_can_be_forgotten(joined: Joined, run: Run) -> None:
    joined.replicated(23, keys="receipt=1 quotation=2")
    code, _, _ = run("step-down")
    _, told, _ = run("status")
    assert (code, told["log"]["keys"]) == (0, "receipt=1 quotation=2")
    code, _, _ = run("step-down", "--forget-keys")
    _, told, _ = run("status")
    assert (code, told["log"]["keys"]) == (0, "")


def test_keys_must_be_there(joined: Joined, run: Run) -> None:
    bare = joined.small.copied(joined.base / "bare")
    code, _, said = run("seed", "--from", str(bare), str(joined.base / "without"))
    assert code == 78
    assert KEYS[0] in said
    shutil.rmtree(bare)


def test_a_database_without_a_log_says_so(
    shared_nodes: Nodes, joined: Joined, run: Run
) -> None:
    shared_nodes.psql("CREATE DATABASE empty")
    code, _, said = run(
        "status", dsn=shared_nodes.dsn(user="postgres", database="empty")
    )
    assert code == 78
    assert "payswitch cluster init" in said
