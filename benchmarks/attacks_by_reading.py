"""What one participant's own right to read can be made to do to the switch."""

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import grpc

from benchmarks.attacker import ATTACKER, Attack
from benchmarks.messages import centre_code, service_code
from switch.ids import new_id
from switch.v1 import (
    billers_pb2,
    billers_pb2_grpc,
    counter_pb2,
    counter_pb2_grpc,
    payments_pb2,
    payments_pb2_grpc,
)

ROWS = 8_190
"""Payments of the attacker that its lists are made of."""
PAGE = 1_000
OUTSTANDING = 200
"""Calls of a centre at a time."""
FEEDS = 64
PATIENCE_S = 5.0


@contextlib.contextmanager
def channel_of(attack: Attack, name: str) -> Iterator[grpc.Channel]:
    """A connection of somebody."""
    certificate, key, authority = attack.named(name).read()
    credentials = grpc.ssl_channel_credentials(authority, key, certificate)
    with grpc.secure_channel(attack.address, credentials) as channel:
        attack.connections += 1
        yield channel


def pay_once(channel: grpc.Channel) -> None:
    """Something to list."""
    centre, service = centre_code(ATTACKER), service_code(0)
    request = payments_pb2.CreatePaymentsRequest(
        payments=[
            payments_pb2.Payment(
                id=new_id(), centre=centre, service=service, reference=f"L{i}", amount=1
            )
            for i in range(ROWS)
        ]
    )
    # Against the dummy nothing is paid, and nothing need be.
    with contextlib.suppress(grpc.RpcError):
        stub = payments_pb2_grpc.PaymentServiceStub(channel)
        stub.CreatePayments(request, timeout=PATIENCE_S)


def ask_on(
    attack: Attack,
    ask: Callable[[grpc.Channel, Callable[[Any], None]], None],
    begin: Callable[[grpc.Channel], None] = lambda _: None,
) -> None:
    """Many calls of a centre at a time; who is refused asks again."""
    codes: Counter[str] = Counter()
    room = threading.Semaphore(OUTSTANDING)
    lock = threading.Lock()

    def done(call: Any) -> None:
        with lock:
            codes[call.code().name] += 1
        room.release()

    with channel_of(attack, f"centre-{centre_code(ATTACKER)}") as channel:
        begin(channel)
        while attack.goes_on:
            if room.acquire(timeout=0.1):
                attack.sent += 1
                ask(channel, done)
    attack.answers |= codes


def lists(attack: Attack) -> None:
    """The longest pages of a centre's own payments."""
    request = payments_pb2.ListPaymentsRequest(page_size=PAGE)

    def ask(channel: grpc.Channel, done: Callable[[Any], None]) -> None:
        stub = payments_pb2_grpc.PaymentServiceStub(channel)
        stub.ListPayments.future(request, timeout=PATIENCE_S).add_done_callback(done)

    ask_on(attack, ask, pay_once)


def cancels(attack: Attack) -> None:
    """Cancels of payments that nobody has made."""

    def ask(channel: grpc.Channel, done: Callable[[Any], None]) -> None:
        request = counter_pb2.CancelPaymentRequest(id=new_id())
        stub = counter_pb2_grpc.CounterServiceStub(channel)
        stub.CancelPayment.future(request, timeout=PATIENCE_S).add_done_callback(done)

    ask_on(attack, ask)


def whole_feeds(attack: Attack) -> None:
    """A biller's feed from its beginning, as often as may be, again and again."""
    codes: Counter[str] = Counter()
    lock = threading.Lock()
    with channel_of(attack, "biller-biller-1") as channel:
        follow = billers_pb2_grpc.BillerServiceStub(channel).FollowFeed
        request = billers_pb2.FollowFeedRequest(cursor=0, end_at_newest=True)

        def read() -> None:
            while attack.goes_on:
                try:
                    for _ in follow(request, timeout=PATIENCE_S):
                        attack.sent += 1
                    code = "OK"
                except grpc.RpcError as error:
                    code = error.code().name
                with lock:
                    codes[code] += 1

        threads = [threading.Thread(target=read) for _ in range(FEEDS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    attack.answers |= codes


BY_READING = (lists, cancels, whole_feeds)
