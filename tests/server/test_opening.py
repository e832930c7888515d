"""Goal: while the ledger is being opened the port is there and says so; a start can be
ended, and what it leaves is looked through by the next.

Method: server processes whose opening is made to take longer; a directory as a killed
start leaves it, whole and damaged.
"""

import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2

from server.exits import EXIT_CONFIG, EXIT_DEAD
from switch.ledger.opening import ASIDE, OPENING
from switch.v1 import admin_pb2, payments_pb2
from tests.server.harness import (
    CALL_S,
    Failure,
    Peers,
    ServerProcess,
    failing,
    load,
    payment,
    running,
    until,
)
from tests.server.test_metrics import ask, read
from tests.server.test_process import health
from tools.postgres import ports_to_keep

PAGE = 4096
PROMPT_S = 60.0
"""Of a start, and of an end that else would never come."""
GO = "go"
"""A file beside the ledger: a slow opening goes on when it is there."""


def slowly(directory: Path) -> ServerProcess:
    """A server that opens its ledger when it may, its ports known beforehand."""
    address, metrics = (f"127.0.0.1:{port}" for port in ports_to_keep(2))
    prefix = [sys.executable, "-m", "tests.server.slow_start", str(directory / GO)]
    server = ServerProcess(
        directory, "--metrics", metrics, listen=address, prefix=prefix
    )
    server.address, server.metrics = address, metrics
    return server


def until_bound(server: ServerProcess) -> None:
    host, _, port = server.address.partition(":")
    end = time.monotonic() + PROMPT_S
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex((host, int(port))) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(server.log())


@pytest.fixture
def used(tmp_path: Path) -> Path:
    """A directory whose ledger has a register and money; its server has stopped."""
    with running(tmp_path) as server:
        peers = Peers(server)
        load(peers)
        peers.close()
    return tmp_path


def test_the_port_says_that_the_ledger_is_being_opened(used: Path) -> None:
    server = slowly(used)
    until_bound(server)
    peers = Peers(server)
    not_serving = health_pb2.HealthCheckResponse.NOT_SERVING
    assert health(peers.centre()) == not_serving
    assert health(peers.centre(), "payswitch.v1.PaymentService") == not_serving
    # Before that it may still read what it was started with.
    until(lambda: "12,345 of" in ask(server.metrics, "/ready")[1])
    with failing(grpc.StatusCode.UNAVAILABLE) as failures:
        peers.centre().pay(payment("ANY", 100))
    check_opening(failures[0])
    assert "12,345 of 1,000,000 rows" in failures[0].text
    assert ask(server.metrics, "/live") == (200, "live\n")
    code, why_not = ask(server.metrics, "/ready")
    assert code == 503
    assert "12,345 of 1,000,000 rows" in why_not
    assert read(server.metrics)["payswitch_ready"] == 0
    with failing(grpc.StatusCode.UNAVAILABLE) as failures:
        peers.treasury.admin.GetLedger(admin_pb2.GetLedgerRequest(), timeout=CALL_S)
    check_opening(failures[0])
    with failing(grpc.StatusCode.UNAVAILABLE) as failures:
        request = admin_pb2.ListAccountsRequest()
        list(peers.treasury.admin.ListAccounts(request, timeout=CALL_S))
    check_opening(failures[0])
    with failing(grpc.StatusCode.UNAVAILABLE) as failures:
        nothing: Iterator[payments_pb2.StreamPaymentsRequest] = iter(())
        list(peers.centre().payments.StreamPayments(nothing, timeout=CALL_S))
    check_opening(failures[0])
    until(lambda: "opening: 12,345 of 1,000,000 rows" in server.log())
    (used / GO).touch()
    server.wait_ready()
    assert health(peers.centre()) == health_pb2.HealthCheckResponse.SERVING
    assert peers.centre().pay(payment("ANY", 100)).result == 1
    assert peers.treasury.admin.GetLedger(admin_pb2.GetLedgerRequest()).sequence > 20
    peers.close()
    assert server.stop() == 0
    assert not (used / "ledger" / OPENING).exists()


def check_opening(failure: Failure) -> None:
    assert failure.reason == "OPENING"
    assert failure.outcome == "not_done"
    assert failure.retry_ms == 1_000


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_start_that_is_ended_is_looked_through_by_the_next(
    used: Path, number: signal.Signals
) -> None:
    server = slowly(used)
    until_bound(server)
    mark = used / "ledger" / OPENING
    while not mark.exists():
        time.sleep(0.02)
    begin = time.monotonic()
    assert server.stop(number) == (0 if number == signal.SIGTERM else -number)
    assert time.monotonic() - begin < PROMPT_S
    assert mark.exists()
    assert "Traceback" not in server.log()
    with running(used) as again:
        assert "did not come to its end" in again.log()
    assert not mark.exists()


def damage(path: Path) -> None:
    """Zero every page behind the meta pages that is one of a tree."""
    data = bytearray(path.read_bytes())
    for at in range(2 * PAGE, len(data), PAGE):
        if data[at + 10] in (1, 2):
            data[at : at + PAGE] = bytes(PAGE)
    path.write_bytes(data)


def test_a_damaged_journal_is_refused_by_name(used: Path) -> None:
    (used / "ledger" / OPENING).touch()
    path = used / "ledger" / "journal" / "data.mdb"
    damage(path)
    before = path.read_bytes()
    for _ in range(2):
        server = ServerProcess(used)
        assert server.wait() == EXIT_DEAD
        assert "cannot start: " in server.log()
        assert "journal/ is damaged" in server.log()
        assert "restore a copy" in server.log()
    assert path.read_bytes() == before


def test_a_damaged_index_is_rebuilt(used: Path) -> None:
    (used / "ledger" / OPENING).touch()
    damage(used / "ledger" / "index" / "data.mdb")
    with running(used) as server:
        peers = Peers(server)
        assert peers.centre().pay(payment("ANY", 100)).result == 1
        peers.close()
        assert "index/ is kept as index.aside/ and rebuilt" in server.log()
    assert (used / "ledger" / ASIDE).exists()


def test_a_link_in_a_marks_place_is_refused_by_name(used: Path) -> None:
    journal = used / "ledger" / "journal" / "data.mdb"
    before = journal.read_bytes()
    (used / "ledger" / OPENING).symlink_to("journal/data.mdb")
    server = ServerProcess(used)
    assert server.wait() == EXIT_CONFIG
    assert "OPENING is a symbolic link" in server.log()
    assert "Traceback" not in server.log()
    assert journal.read_bytes() == before
