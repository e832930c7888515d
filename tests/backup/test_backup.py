"""Goal: a copy made beside a writer is one state of the ledger, byte for byte, and one
that is not whole is said to be so with an exit code and a sentence, never by a signal.

Method: `payswitch backup` runs while a thread commits thousands of times; the copy is
opened and compared with what was written. Then copies are cut off, zeroed and changed,
and `payswitch verify` is asked, or the program that it runs, which need not be started
from nothing.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import lmdb
import pytest

from switch._core import Ledger
from switch.backup import copying
from switch.backup.copying import copy, finish, partial_of
from switch.backup.proof import prove
from switch.errors import BusyError, ConfigError
from switch.ledger.opening import open_ledger
from tests import forked
from tests.cli.terminal import left_on, on_terminal
from tests.core.network import NOW, Network, make_network, top_up
from tests.core.pair import rows_request
from tests.ledger.test_opening_shapes import until

PAGE = 4096
OPTIONS: dict[str, Any] = {"map_size": 1 << 30, "index_step_rows": 64}
COMMITS_MIN = 3_000


def payswitch(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    return forked.run(
        "switch", *words, env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    )


def backup(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """The program that `payswitch backup` (copy FROM TO) and `verify` run."""
    return forked.run(
        "switch.backup", *words, env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    )


class Writer:
    """Commits one small group after another in a thread, until it is stopped."""

    def __init__(self, ledger: Ledger, network: Network) -> None:
        self.ledger = ledger
        self.network = network
        self.number = 0
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        seeded = random.Random(3)
        while not self.stopped.is_set():
            self.commit(seeded.choice([1, 1, 3, 30]))

    def commit(self, count: int) -> None:
        rows = []
        for _ in range(count):
            self.number += 1
            wallet = self.network.wallets[self.number % len(self.network.wallets)]
            rows.append(top_up(self.network, wallet, 5, b"UTR-%d" % self.number))
        self.ledger.commit([rows_request(rows)], NOW + self.number)

    def stop(self) -> None:
        self.stopped.set()
        self.thread.join()


def begin(directory: Path) -> tuple[Ledger, Network]:
    network = make_network()
    ledger = open_ledger(directory, **OPTIONS)
    ledger.commit([rows_request(network.rows)], NOW)
    return ledger, network


def chunks(directory: Path) -> list[tuple[bytes, bytes]]:
    """Everything in a journal, by its tables' names."""
    env = lmdb.open(str(directory / "journal"), readonly=True, lock=False, max_dbs=4)
    found = []
    for name in (b"meta", b"journal"):
        table = env.open_db(name, create=False)
        with env.begin() as txn:
            found += list(txn.cursor(table))
    env.close()
    return found


@pytest.mark.slow
def test_a_copy_beside_a_writer_is_one_state(tmp_path: Path) -> None:
    ledger, network = begin(tmp_path / "ledger")
    writer = Writer(ledger, network)
    while ledger.sequence < COMMITS_MIN:
        time.sleep(0.01)
    before = ledger.sequence
    done = payswitch(
        *("backup", tmp_path / "copy", "--data", tmp_path / "ledger", "--json")
    )
    after = ledger.sequence
    writer.stop()
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["backup"] == "ok"
    assert before <= told["sequence"] < after
    # Byte for byte, in fewer transactions than it has chunks.
    original = dict(chunks(tmp_path / "ledger"))
    copied = chunks(tmp_path / "copy")
    assert all(original[key] == value for key, value in copied)
    assert len(copied) == told["chunks"] + 1
    rows = ledger.rows(1, told["sequence"]).tobytes()
    ledger.close()
    env = lmdb.open(str(tmp_path / "copy" / "journal"), readonly=True, lock=False)
    assert env.info()["last_txnid"] <= 1 + told["chunks"]
    env.close()
    with open_ledger(tmp_path / "copy", create=False, **OPTIONS) as other:
        assert other.sequence == told["sequence"]
        assert other.instance == ledger_instance(tmp_path / "ledger")
        assert other.rows(1, other.sequence).tobytes() == rows
        # It goes on as a ledger does.
        wallet = network.wallets[0]
        other.commit([rows_request([top_up(network, wallet, 5, b"MORE")])], NOW * 2)
    done = payswitch("verify", tmp_path / "copy", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["sequence"] == told["sequence"] + 1


def ledger_instance(directory: Path) -> bytes:
    with Ledger(str(directory), **OPTIONS) as ledger:
        return ledger.instance


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy that is whole, of a ledger with some hundred chunks and long ones."""
    path = tmp_path_factory.mktemp("whole")
    ledger, network = begin(path / "ledger")
    seeded = random.Random(5)
    writer = object.__new__(Writer)
    writer.ledger, writer.network, writer.number = ledger, network, 0
    for _ in range(300):
        writer.commit(seeded.choice([1, 2, 15, 40, 100]))
    copied = copy(path / "ledger", path / "copy")
    assert copied.sequence == ledger.sequence
    finish(path / "copy")
    ledger.close()
    return path / "copy"


@pytest.fixture
def damaged(whole: Path, tmp_path: Path) -> tuple[bytearray, Path]:
    """The bytes of a copy, to be changed and written to the path."""
    (tmp_path / "copy" / "journal").mkdir(parents=True)
    path = tmp_path / "copy" / "journal" / "data.mdb"
    return bytearray((whole / "journal" / "data.mdb").read_bytes()), path


def refuse(path: Path, data: bytes | bytearray) -> str:
    """Write it; `verify` must end with 4 and say why."""
    path.write_bytes(data)
    done = backup("verify", path.parents[1])
    assert done.returncode == 4, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "The copy is damaged" in done.stdout
    return done.stdout


def test_a_copy_that_is_whole(whole: Path) -> None:
    done = payswitch("verify", whole)
    assert done.returncode == 0, done.stderr
    assert "The copy is whole" in done.stdout
    bengali = payswitch("verify", whole, "--lang", "bn")
    assert "কপিটি অক্ষত" in bengali.stdout


def test_bars_take_no_line_of_the_answer_with_them(whole: Path, tmp_path: Path) -> None:
    """The last line says what to write down somewhere else."""
    words = ("backup", str(tmp_path / "copy"), "--data", str(whole))
    told = on_terminal(*words, columns=200)
    assert "\x1b[1A" in told, "no bar was drawn"
    shown = [*filter(None, map(str.rstrip, left_on(told)))]
    begin = shown.index(f"The copy is whole: {tmp_path / 'copy'}")
    assert [line.split("  ")[0] for line in shown[begin + 1 :]] == [
        "as of entry",
        "Chunks",
        "Last chunk's check",
        "State hash",
        "Write the entry and the hash down somewhere else than the copy.",
    ]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_a_copy_that_was_cut_short(
    damaged: tuple[bytearray, Path], share: float
) -> None:
    data, path = damaged
    assert "journal/" in refuse(path, data[: int(len(data) * share)])


def test_a_copy_of_zeros(damaged: tuple[bytearray, Path]) -> None:
    data, path = damaged
    said = refuse(path, bytes(len(data)))
    assert "no meta page" in said
    done = payswitch("verify", path.parents[1])
    assert (done.returncode, done.stdout) == (4, said)


def test_a_copy_whose_end_is_zeros(damaged: tuple[bytearray, Path]) -> None:
    """As a file that was made long first and then only filled in part."""
    data, path = damaged
    half = len(data) // 2 // PAGE * PAGE
    refuse(path, data[:half] + bytes(len(data) - half))


def test_a_copy_with_a_flipped_bit(damaged: tuple[bytearray, Path]) -> None:
    """In the rows of a chunk: no page is wrong, and the auditor says it."""
    data, path = damaged
    at = data.index(b"CHK1", len(data) // 2) + 64 + 33
    data[at] ^= 1
    assert "entry" in refuse(path, data)


def test_pages_in_each_others_place(damaged: tuple[bytearray, Path]) -> None:
    data, path = damaged
    one, other = 5 * PAGE, 9 * PAGE
    data[one : one + PAGE], data[other : other + PAGE] = (
        data[other : other + PAGE],
        data[one : one + PAGE],
    )
    refuse(path, data)


def test_every_page_that_is_zeroed_is_noticed(
    damaged: tuple[bytearray, Path],
) -> None:
    """Be it one of a tree or of a long value; a fresh copy has no others."""
    data, path = damaged
    seeded = random.Random(1)
    for at in seeded.sample(range(len(data) // PAGE), 12):
        changed = bytearray(data)
        changed[at * PAGE : (at + 1) * PAGE] = bytes(PAGE)
        path.write_bytes(changed)
        assert prove(path.parents[1]).findings, at


def test_what_is_no_copy(tmp_path: Path, whole: Path) -> None:
    done = payswitch("verify", tmp_path / "nothing")
    assert done.returncode == 78
    assert "holds no ledger" in done.stderr
    done = payswitch("backup", whole, "--data", whole)
    assert done.returncode == 78
    assert "there already" in done.stderr
    done = payswitch("backup", tmp_path / "copy", "--data", tmp_path / "nothing")
    assert done.returncode == 78
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6])
def test_a_ledger_that_is_damaged_is_not_copied(
    damaged: tuple[bytearray, Path], tmp_path: Path, share: float
) -> None:
    data, path = damaged
    path.write_bytes(data[: int(len(data) * share)])
    # Reading may end by a signal, which the command puts into words.
    done = payswitch("backup", tmp_path / "other", "--data", path.parents[1])
    assert done.returncode in (3, 4), done.stdout
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("payswitch: ") or "damaged" in done.stdout
    assert not (tmp_path / "other").exists()


def test_a_ledger_that_is_open_is_no_copy(tmp_path: Path) -> None:
    ledger, _ = begin(tmp_path / "ledger")
    with pytest.raises(BusyError, match="is no copy"):
        prove(tmp_path / "ledger")
    ledger.close()
    assert prove(tmp_path / "ledger").findings == []


def test_a_new_ledger_can_be_copied(tmp_path: Path) -> None:
    open_ledger(tmp_path / "ledger", **OPTIONS).close()
    copied = copy(tmp_path / "ledger", tmp_path / "copy")
    assert (copied.sequence, copied.chunks, copied.check) == (0, 0, "")
    assert prove(partial_of(tmp_path / "copy")).findings == []
    finish(tmp_path / "copy")
    assert chunks(tmp_path / "copy") == chunks(tmp_path / "ledger")
    open_ledger(tmp_path / "copy", create=False, **OPTIONS).close()


def test_a_copy_that_was_cut_off_is_made_anew(whole: Path, tmp_path: Path) -> None:
    partial = partial_of(tmp_path / "copy")
    (partial / "journal").mkdir(parents=True)
    (partial / "journal" / "data.mdb").write_bytes(b"half of it")
    copy(whole, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    finish(tmp_path / "copy")
    assert chunks(tmp_path / "copy") == chunks(whole)
    assert not partial.exists()
    (partial / "journal").mkdir(parents=True)
    (partial / "journal" / "notes.txt").write_text("whose?")
    (tmp_path / "copy").rename(tmp_path / "first")
    with pytest.raises(ConfigError, match="look at it"):
        copy(whole, tmp_path / "copy")
    assert (partial / "journal" / "notes.txt").exists()


def test_small_transactions_make_the_same_copy(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for size, count in ((1, 4_096), (1 << 20, 3)):
        monkeypatch.setattr(copying, "BATCH_BYTES", size)
        monkeypatch.setattr(copying, "BATCH_CHUNKS", count)
        target = tmp_path / f"copy-{count}"
        told: list[tuple[int, int]] = []

        def tell(*progress: int, told: list[tuple[int, int]] = told) -> None:
            told.append((progress[0], progress[1]))

        copied = copy(whole, target, tell)
        finish(target)
        assert chunks(target) == chunks(whole)
        assert told[-1][0] == told[-1][1]
        env = lmdb.open(str(target / "journal"), readonly=True, lock=False)
        assert env.info()["last_txnid"] <= 1 + copied.chunks
        env.close()


# --- what is no file and no folder -------------------------------------------------


def refused(*words: str | Path) -> str:
    """The command must end, with 78 and a sentence; what it says."""
    done = backup(*words)
    assert done.returncode == 78, done.stdout + done.stderr
    assert done.stderr.startswith("payswitch: ")
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.fixture
def own(whole: Path, tmp_path: Path) -> Path:
    """A ledger of one's own, which may be changed."""
    shutil.copytree(whole, tmp_path / "own")
    return tmp_path / "own"


@pytest.mark.parametrize("name", ["", "journal", "journal/data.mdb", "LOCK"])
def test_a_link_in_a_cut_off_copy_harms_nothing(
    own: Path, tmp_path: Path, name: str
) -> None:
    """Such as one to the ledger that is being copied."""
    before = (own / "journal" / "data.mdb").read_bytes()
    link = tmp_path / "copy.partial" / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(own / ("journal/data.mdb" if name == "LOCK" else name))
    said = refused("copy", own, tmp_path / "copy")
    assert "is a symbolic link" in said
    assert (own / "journal" / "data.mdb").read_bytes() == before
    assert link.is_symlink()
    assert not (tmp_path / "copy").exists()


def test_a_link_in_a_copys_own_place(own: Path, tmp_path: Path) -> None:
    (tmp_path / "copy").symlink_to(tmp_path / "nowhere")
    assert "there already" in refused("copy", own, tmp_path / "copy")


@pytest.mark.parametrize("inside", ["copy", "journal/copy", "deep/down/copy"])
def test_a_copy_does_not_lie_in_its_ledger(
    own: Path, tmp_path: Path, inside: str
) -> None:
    (tmp_path / "link").symlink_to(own)
    before = {path for path in own.rglob("*") if path.name != "lock.mdb"}
    for data, at in ((own, own), (own, tmp_path / "link"), (tmp_path / "link", own)):
        said = refused("copy", data, at / inside)
        assert "would lie in the ledger" in said
    assert {path for path in own.rglob("*") if path.name != "lock.mdb"} == before


@pytest.mark.parametrize("shape", ["fifo", "directory", "link"])
@pytest.mark.parametrize(
    "name", ["journal/data.mdb", "journal/lock.mdb", "index/data.mdb", "LOCK"]
)
def test_what_is_no_file_is_said_to_be_none(
    own: Path, tmp_path: Path, name: str, shape: str
) -> None:
    path = own / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    (tmp_path / "theirs").write_bytes(b"")
    if shape == "fifo":
        os.mkfifo(path)
    elif shape == "directory":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "theirs")
    assert f"{name} is a " in refused("verify", own)
    assert f"{name} is a " in refused("copy", own, tmp_path / "copy")
    assert (tmp_path / "theirs").read_bytes() == b""
    assert not partial_of(tmp_path / "copy").exists()


PROVE = """
from pathlib import Path
from switch.backup.proof import prove
from switch.ledger import pages
pages.__file__ = {walk!r}
prove(Path({own!r}))
"""
WALK = """
import os, time
open({seen!r}, "w").write(f"{{os.getppid()}} {{os.getpid()}} ")
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_behind_by_a_proof_that_is_ended(
    own: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """The walk over pages would go on alone, for a week at most."""
    walk, seen = tmp_path / "walk.py", tmp_path / "pids"
    walk.write_text(WALK.format(seen=str(seen)))
    prove_it = PROVE.format(walk=str(walk), own=str(own))
    # As the command starts it.
    code = (
        "import subprocess, sys; from switch.programs import tethered; "
        f"subprocess.run(tethered([sys.executable, '-c', {prove_it!r}]))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code])
    try:
        until(lambda: seen.exists() and seen.read_text().endswith(" "))
    finally:
        parent.send_signal(number)
        parent.wait()
    until(lambda: not any(map(alive, seen.read_text().split())))


def alive(pid: str) -> bool:
    stat = Path("/proc") / pid / "stat"
    try:
        return ") Z " not in stat.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
