"""Goal: a machine that was off for a weekend serves again without a person, once a time
service has put its clock right; with a clock that somebody has set it never does.

Method: real servers whose ledgers are days old, under a library that plays the clocks
and the kernel's word; one more under libfaketime, with the machine's own kernel.
"""

import json
import os
import re
import shutil
import signal
import time
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2

from server.clock_wait import CLOCK_WAIT_S
from server.exits import EXIT_CONFIG
from switch._core import Ledger
from switch.audit import audit
from tests import leaps as played
from tests.leaps import Leaps
from tests.server.harness import (
    Peers,
    ServerProcess,
    failing,
    load,
    payment,
    running,
    until,
)
from tests.server.test_metrics import ask, read
from tests.server.test_opening import until_bound
from tests.server.test_process import health
from tools.postgres import ports_to_keep

HOUR_S, DAY_S = 3_600, 86_400
WEEKEND_S = 63 * HOUR_S


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory whose ledger has a register and money, and was closed now."""
    directory = tmp_path_factory.mktemp("used")
    with running(directory) as server:
        peers = Peers(server)
        load(peers)
        assert peers.centre().pay(payment("ANY", 100)).result == 1
        peers.close()
    return directory


@pytest.fixture
def machine(used: Path, tmp_path: Path) -> "Machine":
    return Machine(used, tmp_path)


class Machine:
    """One that was off, with what its clocks and its kernel say when it is on again."""

    def __init__(self, used: Path, directory: Path) -> None:
        self.directory = directory / "machine"
        shutil.copytree(used, self.directory)
        self.leaps = Leaps(directory)

    def start(self, *arguments: str) -> ServerProcess:
        """Its server, whose ports are known beforehand."""
        address, metrics = (f"127.0.0.1:{port}" for port in ports_to_keep(2))
        server = ServerProcess(
            self.directory,
            *("--metrics", metrics, *arguments),
            listen=address,
            prefix=self.leaps.prefix,
        )
        server.address, server.metrics = address, metrics
        return server

    def clock_rows(self) -> list[dict[str, object]]:
        """What its clock records say; the server has ended."""
        path = self.directory / "ledger"
        with Ledger(str(path), map_size=8 << 30, reserve_size=0) as ledger:
            tails = [ledger.tail(one) for one in range(1, ledger.sequence + 1)]
        assert audit(path).findings.counts == {}
        return [json.loads(one[1:]) for one in tails if one[:1] == b"\x03"]


def until_waiting(server: ServerProcess) -> None:
    until(lambda: "waiting for the kernel" in server.log())


def waited_s(server: ServerProcess) -> int:
    """How long it has waited, as it says."""
    found = re.search(rf"(\d+) of {CLOCK_WAIT_S} s", ask(server.metrics, "/ready")[1])
    return int(found[1]) if found else 0


def test_a_weekend_needs_nobody(machine: Machine) -> None:
    machine.leaps.set(WEEKEND_S)
    machine.leaps.says(played.UNSYNCHRONISED)
    server = machine.start()
    until_bound(server)
    until_waiting(server)
    # It says what it waits for, to machines, callers and the log; it takes nothing.
    assert ask(server.metrics, "/live") == (200, "live\n")
    code, why_not = ask(server.metrics, "/ready")
    assert code == 503
    assert (
        "the clock is 63 hours after the last entry; waiting for the kernel" in why_not
    )
    assert f"of {CLOCK_WAIT_S} s" in why_not
    assert read(server.metrics)["payswitch_ready"] == 0
    peers = Peers(server)
    assert health(peers.centre()) == health_pb2.HealthCheckResponse.NOT_SERVING
    with failing(grpc.StatusCode.UNAVAILABLE) as failures:
        peers.centre().pay(payment("ANY", 100))
    assert failures[0].reason == "OPENING"
    assert failures[0].outcome == "not_done"
    assert "waiting for the kernel" in failures[0].text
    # The time service has asked others: the clock was slow by an hour.
    machine.leaps.set(WEEKEND_S + HOUR_S)
    machine.leaps.says(played.SYNCHRONISED)
    # What was collected a moment ago is not what it tells once it is ready.
    while ask(server.metrics, "/ready")[0] == 503:
        read(server.metrics)
    assert "payswitch_sequence" in read(server.metrics)
    server.wait_ready()
    assert "ALARM: nobody was asked about the clock, which is 64 hours" in server.log()
    paid = peers.centre().pay(payment("ANY", 100))
    assert paid.result == 1
    assert abs(paid.time_ns / 1e9 - time.time() - WEEKEND_S - HOUR_S) < HOUR_S
    gap = read(server.metrics)["payswitch_clock_gap_seconds"]
    assert 0 <= gap - WEEKEND_S - HOUR_S < HOUR_S
    peers.close()
    assert server.stop() == 0
    [said] = machine.clock_rows()
    assert said["cause"] == "kernel"
    assert said["ahead_ns"] == pytest.approx(gap * 1e9, abs=1e3)
    # The next start has nothing to explain, and no alert.
    machine.leaps.says(played.UNSYNCHRONISED)
    server = machine.start()
    server.wait_ready()
    assert read(server.metrics)["payswitch_clock_gap_seconds"] == 0
    assert server.stop() == 0
    assert len(machine.clock_rows()) == 1


def test_a_clock_that_is_synchronised_already_waits_for_nothing(
    machine: Machine,
) -> None:
    machine.leaps.set(WEEKEND_S)
    machine.leaps.says(played.SYNCHRONISED)
    server = machine.start()
    server.wait_ready()
    assert server.stop() == 0
    assert "waiting for the kernel" not in server.log()
    assert [said["cause"] for said in machine.clock_rows()] == ["kernel"]


@pytest.mark.parametrize("word", [played.UNSYNCHRONISED, played.FAULTY])
def test_after_ten_minutes_it_ends(machine: Machine, word: int) -> None:
    machine.leaps.set(WEEKEND_S)
    machine.leaps.says(word)
    server = machine.start()
    until_waiting(server)
    machine.leaps.passes(CLOCK_WAIT_S - 60)
    until(lambda: waited_s(server) >= CLOCK_WAIT_S - 60)
    assert server.process.poll() is None
    machine.leaps.passes(CLOCK_WAIT_S + 1)
    assert server.wait() == EXIT_CONFIG
    assert "the kernel does not say that it is synchronised" in server.log()
    assert "--accept-clock" in server.log()
    assert machine.clock_rows() == []


@pytest.mark.parametrize(
    ("ahead_s", "word", "text"),
    [
        (
            31 * DAY_S,
            played.SYNCHRONISED,
            "744 hours after the ledger's last entry; if",
        ),
        (-HOUR_S, played.SYNCHRONISED, "minutes before the ledger's last entry; if"),
        (
            WEEKEND_S,
            played.DENIED,
            "cannot be asked about it (Operation not permitted)",
        ),
    ],
)
def test_what_no_kernel_can_mend_ends_at_once(
    machine: Machine, ahead_s: int, word: int, text: str
) -> None:
    machine.leaps.set(ahead_s)
    machine.leaps.says(word)
    server = machine.start()
    assert server.wait() == EXIT_CONFIG
    assert text in server.log()
    assert "waiting for the kernel" not in server.log()
    assert machine.clock_rows() == []


def test_a_person_need_not_wait(machine: Machine) -> None:
    machine.leaps.set(WEEKEND_S)
    machine.leaps.says(played.UNSYNCHRONISED)
    server = machine.start("--accept-clock")
    server.wait_ready()
    assert server.stop() == 0
    assert "waiting for the kernel" not in server.log()
    assert [said["cause"] for said in machine.clock_rows()] == ["start"]


def test_a_clock_that_is_set_by_hand_is_not_taken(machine: Machine) -> None:
    """Neither while it waits, nor between the kernel's word and the reading."""
    machine.leaps.set(WEEKEND_S)
    machine.leaps.says(played.UNSYNCHRONISED)
    server = machine.start()
    until_waiting(server)
    machine.leaps.set(2 * DAY_S)
    until(lambda: "the clock is 4" in ask(server.metrics, "/ready")[1])
    assert server.process.poll() is None
    machine.leaps.says(played.SET_BY_HAND)
    until(lambda: machine.leaps.word() == played.UNSYNCHRONISED)
    until(lambda: "the clock is 7" in ask(server.metrics, "/ready")[1])
    assert server.process.poll() is None
    machine.leaps.passes(CLOCK_WAIT_S + 1)
    assert server.wait() == EXIT_CONFIG
    assert machine.clock_rows() == []


def test_a_time_service_that_finds_a_month_ends_it(machine: Machine) -> None:
    machine.leaps.set(WEEKEND_S)
    machine.leaps.says(played.UNSYNCHRONISED)
    server = machine.start()
    until_waiting(server)
    machine.leaps.set(31 * DAY_S)
    machine.leaps.says(played.SYNCHRONISED)
    assert server.wait() == EXIT_CONFIG
    assert "744 hours after the ledger's last entry; if it is right" in server.log()
    assert machine.clock_rows() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_start_that_waits_can_be_ended(
    machine: Machine, number: signal.Signals
) -> None:
    machine.leaps.set(WEEKEND_S)
    machine.leaps.says(played.UNSYNCHRONISED)
    server = machine.start()
    until_waiting(server)
    assert server.stop(number) == (0 if number == signal.SIGTERM else -number)
    assert machine.clock_rows() == []
    machine.leaps.says(played.SYNCHRONISED)
    server = machine.start()
    server.wait_ready()
    assert server.stop() == 0
    assert [said["cause"] for said in machine.clock_rows()] == ["kernel"]


def test_the_machines_own_kernel_is_believed_or_not(used: Path, tmp_path: Path) -> None:
    """The clock alone is moved, by libfaketime; the kernel is this machine's."""
    libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not libraries or os.environ.get("LD_PRELOAD"):
        pytest.skip("libfaketime is not installed, or a sanitizer is in its place")
    directory = tmp_path / "machine"
    shutil.copytree(used, directory)
    preload, ahead = f"LD_PRELOAD={libraries[0]}", f"FAKETIME=+{WEEKEND_S}"
    prefix = ("env", preload, ahead, "FAKETIME_DONT_FAKE_MONOTONIC=1")
    server = ServerProcess(directory, prefix=prefix)
    until(
        lambda: (
            "waiting for the kernel" in server.log()
            or "cannot be asked" in server.log()
            or "ALARM: nobody was asked about the clock" in server.log()
        )
    )
    is_waiting = "cannot be asked" not in server.log()
    code = server.stop() if is_waiting else server.wait()
    assert code == (0 if is_waiting else EXIT_CONFIG)
    assert "63 hours after" in server.log()
