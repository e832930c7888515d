"""Goal: a server's figures are right, are read as Prometheus reads them, and cost who
pays nothing; what asks for them is bounded.

Method: the text of known figures byte by byte; a real server whose figures are compared
with what the test has done, and which is then asked wrongly, slowly and by too many;
what is noted of a call timed beside calls of a function that does nothing.
"""

import asyncio
import http.client
import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from server.exposition import Family, counter, expose, gauge, histogram
from server.metrics import REQUEST_BYTES_MAX, Metrics
from server.observer import SECONDS, Calls, Observer
from server.security_log import security_log
from switch.codes import Role
from switch.config import Config
from switch.v1 import admin_pb2
from tests.server.harness import (
    CALL_S,
    Peers,
    ServerProcess,
    failing,
    load,
    payment,
    running,
)

EXIT_CONFIG = 78
WAIT_S = 60.0


def ask(address: str, path: str, method: str = "GET") -> tuple[int, str]:
    """Status and body."""
    connection = http.client.HTTPConnection(address, timeout=WAIT_S)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def read(address: str) -> dict[str, float]:
    """Every sample by its name and labels, as they stand there."""
    code, text = ask(address, "/metrics")
    assert code == 200
    samples = [line for line in text.splitlines() if not line.startswith("#")]
    named = [line.rpartition(" ") for line in samples]
    assert len({name for name, _, _ in named}) == len(named), "a sample comes twice"
    return {name: float(value) for name, _, value in named}


def wait_for(address: str, name: str, value: float) -> dict[str, float]:
    """The figures once one of them has this value; a collection is kept a second."""
    until = time.monotonic() + WAIT_S
    while True:
        found = read(address)
        if found.get(name) == value:
            return found
        assert time.monotonic() < until, f"{name} is {found.get(name)}, not {value}"
        time.sleep(0.1)


# --- the text ------------------------------------------------------------------------


def test_the_text_is_as_prometheus_reads_it() -> None:
    families = [
        gauge("ready", 'One "line"\nand \\ another.').add(True),
        counter("calls_total", "Calls.").add(3, method='a"b\\c\nd').add(2.5),
        histogram("took", "Took.").add_histogram([0.5, 1], [1, 0, 2], 9.25, of="x"),
        Family("process_threads", "gauge", "Empty."),
    ]
    assert expose(families).decode() == (
        '# HELP payswitch_ready One "line"\\nand \\\\ another.\n'
        "# TYPE payswitch_ready gauge\n"
        "payswitch_ready 1\n"
        "# HELP payswitch_calls_total Calls.\n"
        "# TYPE payswitch_calls_total counter\n"
        'payswitch_calls_total{method="a\\"b\\\\c\\nd"} 3\n'
        "payswitch_calls_total 2.5\n"
        "# HELP payswitch_took Took.\n"
        "# TYPE payswitch_took histogram\n"
        'payswitch_took_bucket{of="x",le="0.5"} 1\n'
        'payswitch_took_bucket{of="x",le="1"} 1\n'
        'payswitch_took_bucket{of="x",le="+Inf"} 3\n'
        'payswitch_took_sum{of="x"} 9.25\n'
        'payswitch_took_count{of="x"} 3\n'
        "# HELP process_threads Empty.\n"
        "# TYPE process_threads gauge\n"
    )


def test_calls_are_counted_by_method_role_status_and_time() -> None:
    calls = Calls()
    pay = calls.numbers["/payswitch.v1.PaymentService/CreatePayment"]
    top_up = calls.numbers["/payswitch.v1.AdminService/TopUp"]
    calls.count(pay, Role.CENTRE, 0, SECONDS[2])
    calls.count(pay, Role.CENTRE, 0, SECONDS[2] * 1.01)
    calls.count(pay, Role.HARNESS, 8, 1e9)
    calls.count(top_up, 0, 16, 0.0)
    lines = expose(calls.families()).decode().splitlines()
    counted = [line for line in lines if line.startswith("payswitch_calls_total{")]
    pay_label = 'method="PaymentService/CreatePayment"'
    assert [line.removeprefix("payswitch_calls_total") for line in counted] == [
        f'{{{pay_label},role="centre",status="OK"}} 2',
        f'{{{pay_label},role="harness",status="RESOURCE_EXHAUSTED"}} 1',
        '{method="AdminService/TopUp",role="nobody",status="UNAUTHENTICATED"} 1',
    ]
    steps = dict(
        re.findall(r'CreatePayment",le="(.*)"} (\d+)', "\n".join(lines))
    )  # cumulative
    assert [steps[repr(bound)] for bound in SECONDS[1:4]] == ["0", "1", "2"]
    assert steps["+Inf"] == "3"


def test_what_two_have_counted_is_one_figure() -> None:
    """A hot call that C refuses by itself is C's; one that Python refuses is ours."""
    pay = "/payswitch.v1.PaymentService/CreatePayment"
    calls = Calls()
    calls.count(calls.numbers[pay], Role.CENTRE, 7, 0.0)
    steps = [2, *[0] * len(SECONDS), *[0] * 3]  # C has room for more steps
    counted = {(int(Role.CENTRE), 7): 4, (int(Role.CENTRE), 0): 1}
    calls.add_hot([pay], lambda: [(counted, steps, 0.5)])
    samples = [
        line.rpartition(" ")[::2]
        for line in expose(calls.families()).decode().splitlines()
        if not line.startswith("#")
    ]
    assert len({name for name, _ in samples}) == len(samples)
    found = dict(samples)
    label = 'method="PaymentService/CreatePayment"'
    denied = f'{{{label},role="centre",status="PERMISSION_DENIED"}}'
    assert found[f"payswitch_calls_total{denied}"] == "5"
    assert found[f"payswitch_call_seconds_count{{{label}}}"] == "3"
    assert found[f"payswitch_call_seconds_sum{{{label}}}"] == "0.5"


@pytest.mark.alone
def test_noting_a_call_costs_as_little_as_a_few_calls(tmp_path: Path) -> None:
    """The best of many rounds of both; it was ten when it was 0.5 µs."""
    observer = Observer(security_log(Config(data_dir=tmp_path)))
    context, turns = Context(), 2_000

    def best(call: Any) -> float:
        spent = []
        for _ in range(200):
            begun = time.perf_counter()
            for _ in range(turns):
                call(3, None, 0.003, None, context)
            spent.append(time.perf_counter() - begun)
        return min(spent)

    assert best(observer.ended) < 25 * best(nothing)


def nothing(*_: object) -> None:
    """What a call costs by itself."""


class Context:
    def peer(self) -> str:
        raise AssertionError("nobody was turned away")


# --- a server ------------------------------------------------------------------------


def test_what_was_done_is_counted(tmp_path: Path) -> None:
    with running(tmp_path, "--set", "metrics.cases_s=1") as server:
        before = read(server.metrics)["payswitch_acts_total"]
        peers = Peers(server)
        load(peers)
        for _ in range(7):
            peers.centre().pay(payment())
        for _ in range(3):
            peers.centre().pay(payment("CONFIRM"))
        with failing(grpc.StatusCode.PERMISSION_DENIED):
            peers.centre().admin.TopUp(admin_pb2.TopUpRequest(), timeout=CALL_S)
        called = 'payswitch_calls_total{method="%s",role="%s",status="%s"}'
        pay = called % ("PaymentService/CreatePayment", "centre", "OK")
        found = wait_for(server.metrics, pay, 10)
        denied = called % ("AdminService/TopUp", "centre", "PERMISSION_DENIED")
        assert found[denied] == 1
        assert found['payswitch_turned_away_total{cause="denied"}'] == 1
        took = "payswitch_call_seconds_%s"
        pay_took = took % 'count{method="PaymentService/CreatePayment"}'
        assert found[pay_took] == 10
        assert found["payswitch_ready"] == 1
        assert found["payswitch_front_connections_open"] == len({"treasury", "centre"})
        assert found["payswitch_front_calls_begun_total"] >= 10
        assert found['payswitch_holds{older_than="0"}'] == 3
        assert found['payswitch_holds{older_than="60"}'] == 0
        assert found['payswitch_biller_queued{biller="power"}'] == 3
        # Every row but the two from before the queue, of rules and margins, was
        # committed by a group.
        assert found["payswitch_group_rows_sum"] == found["payswitch_sequence"] - 2
        groups = found["payswitch_group_rows_count"]
        assert groups == found["payswitch_commit_seconds_count"] > 10
        assert found['payswitch_group_rows_bucket{le="+Inf"}'] == groups
        assert found['payswitch_group_rows_bucket{le="4096"}'] == groups
        assert 0 < found["payswitch_commit_seconds_sum"] < WAIT_S
        held = found["payswitch_commit_held_seconds_count"]
        assert held >= groups
        assert 0 < found["payswitch_commit_held_seconds_sum"] < WAIT_S
        # The turn that answers is not over yet.
        turns = found["payswitch_front_turn_seconds_count"]
        assert 0 <= found["payswitch_front_turns_total"] - turns <= 2
        assert found['payswitch_front_turn_seconds_bucket{le="+Inf"}'] == turns
        assert 0 < found["payswitch_front_turn_seconds_sum"] < WAIT_S
        assert found['payswitch_certificate_left_seconds{certificate="server"}'] > 3e7
        assert found["process_anonymous_memory_bytes"] > 1 << 20
        assert found['payswitch_disk_free_bytes{directory="ledger"}'] > 0
        acts = ["LoadNetwork", *["TopUp"] * 6]
        assert found["payswitch_acts_total"] == before + len(acts)
        failures = {one for one in found if one.startswith("payswitch_source_fail")}
        assert len(failures) > 5
        assert not any(found[one] for one in failures)
        kept = 'payswitch_exceptions{kind="kept",older_than="0"}'
        wait_for(server.metrics, kept, 0)
        peers.close()


def test_a_wrong_request(server: ServerProcess) -> None:
    assert ask(server.metrics, "/live") == (200, "live\n")
    assert ask(server.metrics, "/ready") == (200, "ready\n")
    assert ask(server.metrics, "/metrics?x=1")[0] == 200
    assert ask(server.metrics, "/")[0] == 404
    assert ask(server.metrics, "/metrics", "POST")[0] == 405
    assert ask(server.metrics, "/ready", "HEAD") == (200, "")
    assert said(server, b"nonsense\r\n\r\n").startswith(b"HTTP/1.1 400")
    assert said(server, b"GET / HTTP/2\r\n\r\n").startswith(b"HTTP/1.1 400")
    assert said(server, b"\x16\x03\x01\x00" * 8 + b"\r\n\r\n").startswith(
        b"HTTP/1.1 400"
    )


def said(server: ServerProcess, request: bytes) -> bytes:
    """What is answered to these bytes, to the end of the connection."""
    with connected(server) as peer:
        peer.sendall(request)
        answer = b""
        with_more = True
        while with_more:
            try:
                part = peer.recv(65_536)
            except ConnectionResetError:
                break
            answer += part
            with_more = bool(part)
        return answer


@contextmanager
def connected(server: ServerProcess) -> Iterator[socket.socket]:
    host, _, port = server.metrics.rpartition(":")
    with socket.create_connection((host, int(port)), WAIT_S) as peer:
        yield peer


def test_a_request_without_end(tmp_path: Path) -> None:
    """It is ended for its size, long before its time is over."""
    changes = {"metrics.port": 0, "metrics.request_ms": 60_000}
    config = Config(data_dir=tmp_path).replace(**changes)

    async def run() -> None:
        metrics = Metrics(config, Observer(security_log(config)), str)
        address = metrics.listen()
        try:
            await asyncio.to_thread(send_without_end, address)
            live = await asyncio.to_thread(ask, address, "/live")
        finally:
            metrics.stop()
        assert live == (200, "live\n")

    asyncio.run(run())


def send_without_end(address: str) -> None:
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), WAIT_S / 3) as peer:
        try:
            peer.sendall(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * REQUEST_BYTES_MAX)
            while peer.recv(65_536):
                pass
        except (BrokenPipeError, ConnectionResetError):
            pass  # it did not read all that was sent


def test_who_sends_nothing_and_who_comes_in_numbers(tmp_path: Path) -> None:
    # Long enough for who asks in earnest.
    late = ("--set", "metrics.request_ms=2000")
    settings = ("--set", "metrics.connections_max=4", *late)
    with running(tmp_path, *settings) as server, ExitStack() as stack:
        idle = [stack.enter_context(connected(server)) for _ in range(4)]
        # Each is held open until its time is over; with four no other is answered.
        for peer in idle:
            assert peer.recv(1) == b""
        assert ask(server.metrics, "/live")[0] == 200
        crowd = [stack.enter_context(connected(server)) for _ in range(40)]
        ended = [hung_up(peer) for peer in crowd]
        assert all(ended)
        assert ask(server.metrics, "/live")[0] == 200


def hung_up(peer: socket.socket) -> bool:
    try:
        return peer.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_stuck_event_loop_is_told_from_outside_it(tmp_path: Path) -> None:
    """The loop is held by what the test puts into it; the thread answers still."""
    config = Config(data_dir=tmp_path).replace(**{"metrics.port": 0})

    async def run() -> None:
        observer = Observer(security_log(config))
        metrics = Metrics(config, observer, lambda: "half")
        address = metrics.listen()
        try:
            live = await asyncio.to_thread(ask, address, "/live")
            assert live == (200, "live\n")
            code, why_not = await asyncio.to_thread(ask, address, "/ready")
            assert (code, why_not) == (503, "the ledger is being opened (half)\n")
            with metrics_wait(0.2):
                # From here the loop does not come round.
                assert ask(address, "/live")[0] == 503
                found = read(address)
            assert found["payswitch_loop_lag_seconds"] == 0.2
            assert found['payswitch_source_failures_total{of="loop"}'] == 1
            assert found["payswitch_ready"] == 0
        finally:
            metrics.stop()

    asyncio.run(run())


@contextmanager
def metrics_wait(seconds: float) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("server.metrics.LOOP_WAIT_S", seconds)
        yield


def test_a_source_that_fails_is_left_out_and_counted(tmp_path: Path) -> None:
    config = Config(data_dir=tmp_path).replace(**{"metrics.port": 0})

    async def run() -> None:
        metrics = Metrics(config, Observer(security_log(config)), str)

        def fail() -> list[Family]:
            raise OSError("no such figure")

        metrics.add("broken", fail)
        metrics.add("whole", lambda: [gauge("streams", "Streams.").add(3)])
        address = metrics.listen()
        try:
            found = await asyncio.to_thread(read, address)
        finally:
            metrics.stop()
        assert found['payswitch_source_failures_total{of="broken"}'] == 1
        assert found["payswitch_streams"] == 3

    asyncio.run(run())


def test_it_ends_with_the_server(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        assert ask(server.metrics, "/ready")[0] == 200
        os.kill(server.pid, signal.SIGTERM)
        assert server.wait() == 0
        with pytest.raises(ConnectionRefusedError):
            ask(server.metrics, "/live")


def test_a_port_that_is_taken(server: ServerProcess, tmp_path: Path) -> None:
    second = ServerProcess(tmp_path, "--metrics", server.metrics)
    assert second.wait() == EXIT_CONFIG
    [line] = [one for one in second.log().splitlines() if "cannot start" in one]
    assert f"cannot show figures on {server.metrics}" in line
    assert "Traceback" not in second.log()


def test_figures_of_ipv6(tmp_path: Path) -> None:
    with running(tmp_path, "--metrics", "[::1]:0") as server:
        assert server.metrics.startswith("[::1]:")
        assert ask(server.metrics, "/live")[0] == 200


def test_exposition_takes_what_numpy_counts() -> None:
    value: Any = np.float64(2.5)
    assert expose([gauge("x", "X.").add(value)]).endswith(b"payswitch_x 2.5\n")
