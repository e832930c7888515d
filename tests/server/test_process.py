"""Goal: the process starts, says that it is ready, stops and fails as it promises.

Method: server processes with signals and with what they cannot use: a port or a
ledger that is taken, settings that do not exist; health and reflection are asked.
"""

import json
import re
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2
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


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


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


def test_health_of_all(peers: Peers) -> None:
    reply = peers.centre().raw("/grpc.health.v1.Health/List", b"")
    told: Any = vars(health_pb2)["HealthListResponse"].FromString(reply)
    serving = health_pb2.HealthCheckResponse.SERVING
    assert told.statuses["payswitch.v1.AdminService"].status == serving


def watch_health(peer: Peer, service: str = "") -> Iterator[int]:
    body = health_pb2.HealthCheckRequest(service=service).SerializeToString()
    call: Any = peer.channel.unary_stream("/grpc.health.v1.Health/Watch")
    for reply in call(body, timeout=60):
        yield health_pb2.HealthCheckResponse.FromString(reply).status


def test_who_watches_the_health_hears_of_the_end_and_holds_nothing_up(
    tmp_path: Path,
) -> None:
    with running(tmp_path, "--set", "drain_s=600") as server:
        peers = Peers(server)
        told = watch_health(peers.centre())
        other = watch_health(peers.auditor, "no.such.Service")
        kind = health_pb2.HealthCheckResponse
        assert (next(told), next(other)) == (kind.SERVING, kind.SERVICE_UNKNOWN)
        server.process.send_signal(signal.SIGTERM)
        last = []
        with failing(grpc.StatusCode.UNAVAILABLE):
            for status in told:
                last.append(status)  # noqa: PERF402
        assert last == [kind.NOT_SERVING]
        with failing(grpc.StatusCode.UNAVAILABLE):
            next(other)
        assert server.wait() == 0
        peers.close()


def test_a_method_that_there_is_not(peers: Peers) -> None:
    for method in ("/payswitch.v1.PaymentService/NoSuch", "/no.such.Service/Call"):
        with failing(grpc.StatusCode.UNIMPLEMENTED):
            peers.centre().raw(method, b"")


def reflect(
    peers: Peers, version: str, *requests: reflection_pb2.ServerReflectionRequest
) -> list[reflection_pb2.ServerReflectionResponse]:
    method = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
    call: Any = peers.centre().channel.stream_stream(method)
    bodies = call(iter([one.SerializeToString() for one in requests]), timeout=CALL_S)
    return [reflection_pb2.ServerReflectionResponse.FromString(one) for one in bodies]


VERSIONS = pytest.mark.parametrize("version", ["v1", "v1alpha"])


@VERSIONS
def test_reflection_of_files(peers: Peers, version: str) -> None:
    ask = reflection_pb2.ServerReflectionRequest
    extension = reflection_pb2.ExtensionRequest(
        containing_type="google.protobuf.MessageOptions", extension_number=1
    )
    symbol, file, missing, no_extension, numbers, nothing = reflect(
        peers,
        version,
        ask(file_containing_symbol="payswitch.v1.PaymentService"),
        ask(file_by_filename="switch/v1/types.proto"),
        ask(file_containing_symbol="payswitch.v1.NoSuch"),
        ask(file_containing_extension=extension),
        ask(all_extension_numbers_of_type="payswitch.v1.Payment"),
        ask(),
    )
    found = [
        descriptor_pb2.FileDescriptorProto.FromString(one).name
        for one in symbol.file_descriptor_response.file_descriptor_proto
    ]
    assert found[0] == "switch/v1/payments.proto"
    assert "switch/v1/types.proto" in found
    assert len(set(found)) == len(found)
    assert len(file.file_descriptor_response.file_descriptor_proto) >= 1
    for one in (missing, no_extension):
        assert one.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
    assert numbers.HasField("all_extension_numbers_response")
    assert nothing.HasField("error_response")


@VERSIONS
def test_reflection(peers: Peers, version: str) -> None:
    [reply] = reflect(
        peers, version, reflection_pb2.ServerReflectionRequest(list_services="")
    )
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
    words = "--ready-file", str(file)
    server = ServerProcess(tmp_path / "one", *words, fresh=True)
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


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_ipv6(tmp_path: Path) -> None:
    with running(tmp_path, listen="[::1]:0") as server:
        assert re.fullmatch(r"\[::1\]:[1-9][0-9]*", server.address)
        peers = Peers(server)
        load(peers)
        assert peers.centre().pay(payment()).result == results.RESULT_OK
        peers.close()


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
