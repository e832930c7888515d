"""Goal: the process starts, says that it is ready, stops and fails as it promises.

Method: server processes with signals and with what they cannot use: a port or a
ledger that is taken, settings that do not exist; health and reflection are asked.
"""

import json
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from switch.v1 import billers_pb2
from switch.v1 import payments_pb2 as pb
from switch.v1 import results_pb2 as results
from tests.server.harness import (
    CALL_S,
    Peer,
    Peers,
    ServerProcess,
    failing,
    load,
    payment,
    running,
)

FEED = billers_pb2.FollowFeedRequest(biller="land")
EXIT_BUSY = 75
EXIT_CONFIG = 78


def health(peer: Peer, service: str = "") -> int:
    body = health_pb2.HealthCheckRequest(service=service).SerializeToString()
    reply = peer.raw("/grpc.health.v1.Health/Check", body)
    status: int = health_pb2.HealthCheckResponse.FromString(reply).status
    return status


def test_health(peers: Peers) -> None:
    serving = health_pb2.HealthCheckResponse.SERVING
    assert health(peers.centre()) == serving
    assert health(peers.centre(), "payswitch.v1.PaymentService") == serving
    with failing(grpc.StatusCode.NOT_FOUND):
        health(peers.centre(), "no.such.Service")


def test_reflection(peers: Peers) -> None:
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    method = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
    call: Any = peers.centre().channel.stream_stream(method)
    [body] = call(iter([request.SerializeToString()]), timeout=CALL_S)
    reply = reflection_pb2.ServerReflectionResponse.FromString(body)
    names = {one.name for one in reply.list_services_response.service}
    assert {
        "payswitch.v1.PaymentService",
        "payswitch.v1.WalletService",
        "payswitch.v1.BillerService",
        "payswitch.v1.AdminService",
        "grpc.health.v1.Health",
    } <= names


def test_ready_line_and_file(tmp_path: Path) -> None:
    file = tmp_path / "ready"
    server = ServerProcess(tmp_path / "one", "--ready-file", str(file))
    ready = server.wait_ready()
    assert json.loads(file.read_text()) == ready
    assert re.fullmatch(r"127\.0\.0\.1:[1-9][0-9]*", ready["address"])
    assert len(bytes.fromhex(ready["instance"])) == 16
    assert server.stop(signal.SIGINT) == 0
    lines = [line for line in server.log().splitlines() if " server: " in line]
    assert [line.partition(" server: ")[2].split()[0] for line in lines] == [
        "serving",
        "stopping:",
        "stopped:",
    ]


def test_a_port_that_is_taken(server: ServerProcess, tmp_path: Path) -> None:
    second = ServerProcess(tmp_path, listen=server.address)
    assert second.wait() == EXIT_CONFIG
    assert "in use" in second.log()
    assert "Traceback" not in second.log()


def test_a_ready_file_that_cannot_be_written(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, "--ready-file", str(tmp_path / "no" / "where"))
    assert server.wait() == EXIT_CONFIG
    assert "Traceback" not in server.log()


def test_a_ledger_that_is_open(server: ServerProcess) -> None:
    second = ServerProcess(
        server.directory / "second", "--data", str(server.directory / "ledger")
    )
    assert second.wait() == EXIT_BUSY
    assert "Traceback" not in second.log()


def test_no_ledger_is_begun_above_another(server: ServerProcess) -> None:
    above = ServerProcess(server.directory / "above", "--data", str(server.directory))
    assert above.wait() == EXIT_CONFIG
    assert "serve that" in above.log()
    assert not (server.directory / "journal").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--set", "no_such=1"),
        ("--set", "queue_rows_max=many"),
        ("--set", "queue_rows_max=1"),
        ("--listen", "nowhere"),
        ("--config", "/no/such/file"),
    ],
)
def test_settings_that_cannot_be(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    server = ServerProcess(tmp_path, *arguments)
    assert server.wait() == EXIT_CONFIG
    assert "Traceback" not in server.log()


def test_state_survives_a_restart(tmp_path: Path) -> None:
    bill = payment()
    with running(tmp_path) as server:
        peers = Peers(server)
        load(peers)
        first = peers.centre().pay(bill)
        peers.close()
    with running(tmp_path) as server:
        peers = Peers(server)
        again = peers.centre().pay(bill)
        assert again.repeat
        assert (again.sequence, again.receipt) == (first.sequence, first.receipt)
        assert again.wallet_balance == first.wallet_balance
        peers.close()


def test_sigterm_answers_what_was_read(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        peers = Peers(server)
        load(peers)
        bills = [payment(amount=1) for _ in range(20_000)]
        closing = threading.Event()

        def requests() -> Iterator[pb.StreamPaymentsRequest]:
            for bill in bills:
                yield pb.StreamPaymentsRequest(payments=[bill])
            # Never closed by the client: only the server can end this stream.
            closing.wait(60)

        call = peers.centre().payments.StreamPayments(requests(), timeout=60)
        feed = peers.biller("land").billers.FollowFeed(FEED, timeout=60)
        outcomes = list(next(call).outcomes)
        # It has come: a call that the end overtakes is cancelled by the library.
        next(feed)
        server.process.send_signal(signal.SIGTERM)
        with failing(grpc.StatusCode.UNAVAILABLE) as failures:
            for reply in call:
                outcomes += reply.outcomes
        assert failures[0].reason == "STOPPING"
        closing.set()
        with failing(grpc.StatusCode.UNAVAILABLE):
            for _ in feed:
                pass
        assert server.wait() == 0
        peers.close()
    assert [one.id for one in outcomes] == [bill.id for bill in bills[: len(outcomes)]]
    with running(tmp_path) as server:
        peers = Peers(server)
        again = peers.centre().pay_all(bills[:8_000])
        for one, two in zip(outcomes[:8_000], again, strict=False):
            assert two.repeat
            assert (two.sequence, two.receipt) == (one.sequence, one.receipt)
        assert all(one.result == results.RESULT_OK for one in again)
        peers.close()


def test_new_calls_are_turned_away_while_it_stops(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        peers = Peers(server)
        load(peers)
        server.process.send_signal(signal.SIGTERM)
        assert server.wait() == 0
        with failing(grpc.StatusCode.UNAVAILABLE):
            peers.centre().pay(payment())
        peers.close()


def test_references_are_not_logged(peers: Peers) -> None:
    bill = payment(reference="SECRET-REFERENCE")
    peers.centre().pay(bill)
    with failing(grpc.StatusCode.INVALID_ARGUMENT):
        peers.centre().raw(
            "/payswitch.v1.PaymentService/CreatePayment",
            pb.CreatePaymentRequest(payment=bill).SerializeToString()[:-1],
        )
    assert "SECRET-REFERENCE" not in peers.server.log()
