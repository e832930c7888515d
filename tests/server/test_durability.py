"""Goal: no answer leaves the server before its group is on the disk, and no step of the
index is believed before it is.

Method: the server runs under strace; single payments one at a time, then a batch. Each
reply must begin after the data's sync and the synchronous write of the meta page of a
commit that began after the reply before. Steps of the index are traced in the same way:
each meta page goes out, synchronously, after a sync of what it leads to. A build that
skips the sync must fail both, or the checks would be worth nothing.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import grpc
import pytest

from server.exits import EXIT_DEAD
from switch.v1 import results_pb2 as results
from tests.server.harness import (
    ROOT,
    Peers,
    ServerProcess,
    failing,
    load,
    payment,
    running,
    until,
)
from tests.server.trace import Trace, traced, unsynced, violations

SINGLES = 20
BATCHES = (2, 100, 8_190)
SETTLE_S = 0.3
INDEX_STEPS = 20
INDEXING = f"""
import sys
from switch._core import Ledger
from tests.core.network import NOW, make_network, top_up
from tests.core.pair import rows_request
net = make_network()
with Ledger(
    sys.argv[1], threads=False, index_step_rows=64, map_size=1 << 28, reserve_size=0
) as ledger:
    ledger.commit([rows_request(net.rows)], NOW)
    while ledger.index_sequence < 64 * {INDEX_STEPS}:
        utrs = [b"UTR-%d" % (ledger.sequence + each) for each in range(50)]
        rows = [top_up(net, net.wallets[0], 1, utr) for utr in utrs]
        ledger.commit([rows_request(rows)], NOW)
        ledger.index_step()
"""
"""What is traced for the index: many steps with their merges, and an orderly end."""

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module", autouse=True)
def strace() -> None:
    """Without it nothing is proved, so that its absence is a failure."""
    assert shutil.which("strace"), "install strace (apt-get install strace)"


@pytest.fixture(scope="module")
def without_sync() -> Path:
    """The packages of a build whose commits skip the sync."""
    subprocess.run(
        [sys.executable, "setup.py", "--quiet", "build"],
        cwd=ROOT,
        env={**os.environ, "SWITCH_TEST_NOSYNC": "1"},
        check=True,
        capture_output=True,
    )
    return ROOT / "build" / "nosync" / "lib"


def record(directory: Path, root: Path) -> tuple[list[str], int]:
    """The events while payments were answered, and how many replies there were."""
    file = directory / "trace"
    # Without a reserve nobody but the committer writes to the journal's file.
    arguments = ("--set", "reserve_size=0")
    with running(directory, *arguments, prefix=traced(file), root=root) as server:
        return pay(server, file)


def pay(server: ServerProcess, file: Path) -> tuple[list[str], int]:
    peers = Peers(server)
    load(peers)
    centre = peers.centre()
    # The handshake and the first pages' writes belong to the time before.
    assert centre.pay(payment()).result == results.RESULT_OK
    time.sleep(SETTLE_S)
    trace = Trace(str((server.directory / "ledger" / "journal" / "data.mdb").resolve()))
    trace.read(file.read_text())
    assert trace.meta
    trace.events.clear()
    start = file.stat().st_size
    for _ in range(SINGLES):
        assert centre.pay(payment()).result == results.RESULT_OK
    for count in BATCHES:
        outcomes = centre.pay_all([payment(amount=1) for _ in range(count)])
        assert all(one.result == results.RESULT_OK for one in outcomes)
    replies = SINGLES + len(BATCHES)

    def read() -> bool:
        """The tracer writes when it comes to it."""
        trace.events.clear()
        with file.open() as text:
            text.seek(start)
            trace.read(text.read())
        return trace.events.count("reply") >= replies

    time.sleep(SETTLE_S)
    until(read)
    peers.close()
    return trace.events, replies


def test_replies_come_after_their_commit(tmp_path: Path) -> None:
    events, replies = record(tmp_path, ROOT)
    assert events.count("reply") >= replies
    assert events.count("sync") == events.count("meta") == replies
    assert violations(answered(events)) == []


def test_a_build_without_the_sync_is_caught(tmp_path: Path, without_sync: Path) -> None:
    events, replies = record(tmp_path, without_sync)
    assert events.count("reply") >= replies
    assert len(violations(answered(events))) >= replies


def index_events(directory: Path, library: Path | None) -> list[str]:
    """What the index's file saw while a ledger was written and indexed."""
    ledger, file = directory / "ledger", directory / "trace"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if library is not None:
        # The packages of that build come before this folder's.
        environment["PYTHONPATH"] = f"{library}{os.pathsep}{ROOT}"
    subprocess.run(
        [*traced(file), sys.executable, "-c", INDEXING, str(ledger)],
        cwd=directory,
        env=environment,
        check=True,
    )
    trace = Trace(str((ledger / "index" / "data.mdb").resolve()))
    trace.read(file.read_text())
    return trace.events


def test_a_step_of_the_index_is_synced_before_it_is_believed(tmp_path: Path) -> None:
    events = index_events(tmp_path, None)
    assert events.count("write") >= events.count("meta") >= INDEX_STEPS
    assert events.count("sync") >= events.count("meta")
    assert unsynced(events) == 0


def test_an_index_without_the_sync_is_caught(
    tmp_path: Path, without_sync: Path
) -> None:
    events = index_events(tmp_path, without_sync)
    assert events.count("write") >= INDEX_STEPS
    # LMDB does not even open the meta pages for synchronous writes.
    assert events.count("sync") < INDEX_STEPS
    assert events.count("meta") < INDEX_STEPS or unsynced(events) >= INDEX_STEPS


def test_a_ledger_that_dies_ends_the_server(tmp_path: Path) -> None:
    """The kernel says EIO to the sync of one commit, some payments into the load."""
    # The index needs no sync before it has a whole step of rows.
    inject = ["strace", "-f", "--seccomp-bpf", "-o", str(tmp_path / "trace")]
    inject += ["-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=30"]
    server = ServerProcess(tmp_path, "--set", "reserve_size=0", prefix=inject)
    server.wait_ready()
    peers = Peers(server)
    load(peers)
    done = []
    with failing(grpc.StatusCode.UNAVAILABLE) as failures:
        for _ in range(100):
            bill = payment()
            done.append((bill, peers.centre().pay(bill)))
    assert (failures[0].reason, failures[0].outcome) == ("LEDGER_DEAD", "unknown")
    assert server.wait() == EXIT_DEAD
    peers.close()
    with running(tmp_path) as again:
        peers = Peers(again)
        for one, outcome in done:
            repeat = peers.centre().pay(one)
            assert repeat.repeat
            assert repeat.sequence == outcome.sequence
        # The one whose outcome was unknown: now it is certain.
        assert peers.centre().pay(bill).result == results.RESULT_OK
        peers.close()


def answered(events: list[str]) -> list[str]:
    """The events with the parts of one large reply, sent in several, as one."""
    return [
        event
        for before, event in zip(["", *events[:-1]], events, strict=True)
        if not before == event == "reply"
    ]


# --- the check itself ----------------------------------------------------------------

GOOD = ["write", "write", "sync", "meta", "reply"]


@pytest.mark.parametrize(
    ("events", "count"),
    [
        (GOOD * 3, 0),
        (["write", "sync", "reply", "meta"], 1),
        (["write", "meta", "reply"], 1),
        (["write", "sync", "write", "meta", "reply"], 1),
        ([*GOOD, "reply"], 1),
        (["reply"], 1),
        (["write", "sync", "meta", "write", "reply"], 1),
    ],
)
def test_the_check(events: list[str], count: int) -> None:
    assert len(violations(events)) == count


@pytest.mark.parametrize(
    ("events", "count"),
    [
        (["write", "write", "sync", "meta"] * 2, 0),
        (["write", "meta"], 1),
        (["write", "sync", "write", "meta"], 1),
        (["write", "sync", "meta", "meta", "write", "meta"], 1),
    ],
)
def test_the_check_of_the_index(events: list[str], count: int) -> None:
    assert unsynced(events) == count


def test_reading_a_trace() -> None:
    trace = Trace("/d/data.mdb")
    trace.read(
        """\
9 openat(AT_FDCWD</w>, "/d/data.mdb", O_RDWR|O_CREAT, 0600) = 10</d/data.mdb>
9 openat(AT_FDCWD</w>, "/d/data.mdb", O_WRONLY|O_DSYNC|O_CLOEXEC) = 11</d/data.mdb>
9 pwrite64(10</d/data.mdb>, "..", 4096, 8192) = 4096
9 fdatasync(10</d/data.mdb> <unfinished ...>
8 sendmsg(20<socket:[7]>, {msg_iov=[{iov_base="..", iov_len=111}]}, MSG_NOSIGNAL) = 111
9 <... fdatasync resumed>)                = 0
9 pwrite64(11</d/data.mdb>, "..", 144, 4096) = 144
8 sendmsg(20<socket:[7]>, {msg_iov=[{iov_base="..", iov_len=39}]}, MSG_NOSIGNAL) = 39
7 write(20<socket:[7]>, ".."..., 111)        = 111
7 sendto(20<socket:[7]>, ".."..., 112, MSG_NOSIGNAL, NULL, 0 <unfinished ...>
7 <... sendto resumed>) = 112
7 write(20<socket:[7]>, "..", 39)        = 39
7 write(5<anon_inode:[eventfd]>, "\\1\\0\\0\\0\\0\\0\\0\\0", 8) = 8
8 fdatasync(13</d/other.mdb>) = 0
9 fdatasync(10</d/data.mdb>) = -1 EIO (Input/output error)
"""
    )
    assert trace.events == ["write", "reply", "sync", "meta", "reply", "reply"]
    assert len(violations(trace.events)) == 3
