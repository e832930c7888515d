"""Goal: a server whose machine's clock leaps takes nothing, and goes on when a person
says so at the command line; one that is started with the clock back asks for the word.

Method: a real server under a library that adds to the wall clock what a file says; the
machine's own clock is left alone.
"""

import json
import subprocess
import time
from pathlib import Path

import grpc

from switch.programs import program
from switch.v1 import results_pb2
from tests.leaps import Leaps
from tests.server.harness import Peers, ServerProcess, failing, load, payment, running

LEAP_S = 7_200
EXIT_CONFIG = 78
WAIT_S = 60


def command(server: ServerProcess, *words: str) -> "subprocess.CompletedProcess[str]":
    where = ("--address", server.address, "--tls", str(server.directory / "tls"))
    return subprocess.run(
        program("switch", *words, *where, "--json"),
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )


def test_a_leap_is_accepted_at_the_command_line(tmp_path: Path) -> None:
    leaps = Leaps(tmp_path)
    with running(tmp_path, prefix=leaps.prefix) as server:
        peers = Peers(server)
        load(peers)
        assert peers.centre().pay(payment("ANY")).result == results_pb2.RESULT_OK
        leaps.set(LEAP_S)
        with failing(grpc.StatusCode.UNAVAILABLE) as failures:
            peers.centre().pay(payment("ANY"))
        assert failures[0].reason == "CLOCK_UNTRUSTED"
        assert failures[0].outcome == "not_done"
        done = command(server, "accept-clock", "the battery was empty")
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        assert abs(int(said["ahead_ns"]) - LEAP_S * 10**9) < 10**9
        paid = peers.centre().pay(payment("ANY"))
        assert paid.result == results_pb2.RESULT_OK
        assert paid.time_ns > time.time_ns() + (LEAP_S - 60) * 10**9
        peers.close()
    assert "groups are refused: the wall clock runs 7" in server.log()
    assert "believed again" in server.log()
    # The machine's own clock is two hours behind what the ledger has by now.
    refused = ServerProcess(tmp_path)
    assert refused.wait() == EXIT_CONFIG
    assert "before the ledger's last entry" in refused.log()
    with running(tmp_path, "--accept-clock"):
        pass


def test_a_leap_that_is_taken_back_needs_nobody(tmp_path: Path) -> None:
    leaps = Leaps(tmp_path)
    with running(tmp_path, prefix=leaps.prefix) as server:
        peers = Peers(server)
        load(peers)
        leaps.set(LEAP_S)
        with failing(grpc.StatusCode.UNAVAILABLE):
            peers.centre().pay(payment("ANY"))
        leaps.set(0)
        assert peers.centre().pay(payment("ANY")).result == results_pb2.RESULT_OK
        peers.close()
