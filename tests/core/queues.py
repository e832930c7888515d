"""What the tests of the queue send: rows that are refused, a harness's payments."""

import time
from collections.abc import Callable
from typing import Any

from benchmarks._drive import Taker
from switch._core import Ledger, Request
from switch.codes import Kind
from switch.v1 import payments_pb2 as pb
from tests.core.network import NOW, Network, make_network, top_up
from tests.core.pair import rows_request
from tests.records import Row

WAIT_S = 20.0
OPTIONS: dict[str, Any] = {"map_size": 1 << 30, "reserve_size": 0}

ids = iter(range(1, 1 << 62))


def refused(rows: int = 1, participant: int = 0) -> Request:
    """Rows that are refused (there is no account 1), each of them recorded."""
    return rows_request(
        [
            Row(
                Kind.FREEZE,
                id=b"no" + next(ids).to_bytes(14, "big"),
                debit=1,
                participant=participant,
                reference=b"a test",
            )
            for _ in range(rows)
        ]
    )


def payments(network: Network, ids_: list[bytes]) -> Request:
    """The same as a request."""
    return Request.payments(message_of(ids_), network.harness, 0)


def message_of(ids_: list[bytes]) -> bytes:
    """Payments through the harness."""
    message = pb.CreatePaymentsRequest(
        payments=[
            pb.Payment(
                id=id_,
                service="GREAT",
                amount=500,
                reference=f"BILL-{id_.hex()[-20:]}",
                operator=1,
                centre="centre-1",
            )
            for id_ in ids_
        ]
    )
    return message.SerializeToString()


def fresh(count: int = 1) -> list[bytes]:
    return [b"pa" + next(ids).to_bytes(14, "big") for _ in range(count)]


def until(check: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_S
    while not check():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.0005)


def load_network(ledger: Ledger) -> Network:
    """The small network, its wallets filled."""
    net = make_network()
    ledger.commit([rows_request(net.rows)], NOW - 2)
    rows = [top_up(net, w, 10**12, b"UTR-FIRST-%d" % w) for w in net.wallets]
    ledger.commit([rows_request(rows)], NOW - 1)
    return net


def submit_by(taker: Taker, network: Network, tag: int) -> None:
    """A payment of another thread than Python's, which is recorded."""
    body = message_of(fresh())
    assert taker.submit(body, 1, network.harness, tag) == 0
