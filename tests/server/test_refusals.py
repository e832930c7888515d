"""Goal: what the front thread refuses by itself says whether anything was done, and
whether to come again.

Method: a real server with small bounds; messages that are too large, alone and after
others; more calls than one participant may have, and a message that never comes.
"""

import queue
import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.rpc import status_pb2

from server._front import REASONS, STATUSES
from server.refusals import set_details
from switch.v1 import payments_pb2 as pb
from tests.server.harness import (
    CALL_S,
    Peers,
    failing,
    load,
    payment,
    running,
)

CREATE = "/payswitch.v1.PaymentService/CreatePayments"
MESSAGE_MAX = 64 << 10
BOUND_S = 60.0
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peers]:
    arguments = [
        *("--set", f"message_bytes_max={MESSAGE_MAX}"),
        *("--set", "budget.owner_calls_max=4"),
        # Long enough for those that are sent.
        *("--set", "transport.body_ms=2000"),
    ]
    with running(tmp_path_factory.mktemp("small"), *arguments) as server:
        peers = Peers(server)
        load(peers)
        yield peers
        peers.close()


def test_a_message_that_is_too_large(small: Peers) -> None:
    with failing(EXHAUSTED) as failures:
        small.centre().raw(CREATE, bytes(MESSAGE_MAX + 1))
    [failure] = failures
    assert (failure.reason, failure.outcome) == ("MESSAGE_TOO_LARGE", "not_done")
    assert failure.retry_ms == 0


def test_a_message_that_is_too_large_after_one_that_was_paid(small: Peers) -> None:
    said: queue.Queue[Any] = queue.Queue()
    centre = small.centre()
    call = centre.payments.StreamPayments(iter(said.get, None), timeout=BOUND_S)
    said.put(pb.StreamPaymentsRequest(payments=[payment()]))
    [outcome] = next(call).outcomes
    assert outcome.result == 1
    bills = [payment(reference="R" * 32) for _ in range(2_000)]
    said.put(pb.StreamPaymentsRequest(payments=bills))
    with failing(EXHAUSTED) as failures:
        next(call)
    said.put(None)
    assert failures[0].reason == "MESSAGE_TOO_LARGE"
    assert failures[0].outcome == "unknown"


def test_more_calls_than_one_may_have(small: Peers) -> None:
    centre = small.centre("centre-b")
    # Each has its own: a stream that is quick would take what is another's.
    boxes: list[queue.Queue[Any]] = [queue.Queue() for _ in range(4)]
    calls = [
        centre.payments.StreamPayments(iter(box.get, None), timeout=BOUND_S)
        for box in boxes
    ]
    # An answer of each: they are there.
    for box in boxes:
        box.put(pb.StreamPaymentsRequest(payments=[payment()]))
    told = threading.Semaphore(0)

    def read(call: Any) -> None:
        try:
            for _ in call:
                told.release()
        except grpc.RpcError:
            pass

    readers = [threading.Thread(target=read, args=(call,)) for call in calls]
    for reader in readers:
        reader.start()
    for _ in calls:
        assert told.acquire(timeout=BOUND_S)
    with failing(EXHAUSTED) as failures:
        centre.pay(payment())
    [refused] = failures
    assert (refused.reason, refused.outcome) == ("OVER_BUDGET", "not_done")
    assert refused.retry_ms > 0
    # Others have their own.
    assert small.centre("centre-c").pay(payment()).result == 1
    for box in boxes:
        box.put(None)
    for reader in readers:
        reader.join(BOUND_S)
    assert centre.pay(payment()).result == 1


def test_a_message_that_does_not_come(small: Peers) -> None:
    never = threading.Event()

    def parts() -> Iterator[bytes]:
        never.wait(BOUND_S)
        yield b""

    call: Any = small.centre().channel.stream_unary(CREATE)
    with failing(grpc.StatusCode.DEADLINE_EXCEEDED) as failures:
        call(parts(), timeout=CALL_S)
    never.set()
    assert (failures[0].reason, failures[0].outcome) == ("LATE", "not_done")


def test_every_reason_has_its_details() -> None:
    class Told:
        """Stands for a front that is not started."""

        def __init__(self) -> None:
            self.details: dict[tuple[int, bool], status_pb2.Status] = {}

        def set_details(self, reason: int, given: bool, details: bytes) -> None:
            status = status_pb2.Status.FromString(details)
            self.details[reason, given] = status

    told: Any = Told()
    set_details(told)
    wanted = {(number, given) for number in REASONS.values() for given in (False, True)}
    assert set(told.details) == wanted
    for (number, _), status in told.details.items():
        # gRPC's clients take details only if they say the same as the status.
        assert (status.code, status.message) == STATUSES[number]
