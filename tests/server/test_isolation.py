"""Goal: a biller that is dead and one that is slow cost the others nothing.

Method: two servers in one run, whose billers get the same payments. At one all billers
confirm at once; at the other one is dead and one is slow, thousands of payments wait
for them and more keep coming. Payments of a healthy biller are made at the two in turn,
one after the other, so that whatever else the machine does meets both alike, and each
is watched until it is completed. Compared are the percentiles of the two, as medians of
rounds.

Here one payment at a time shows that none waits for the troubled billers. The p99 under
load, which may be 1.2 times that of calm times at most, is `benchmarks.isolation`'s.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from statistics import median

import numpy as np
import pytest

from switch.v1 import billers_pb2 as pb
from switch.v1 import counter_pb2, counter_pb2_grpc, payments_pb2
from tests.server.harness import CALL_S, RUPEE, Peers, load, payment, running
from tests.server.scripted_biller import ScriptedBiller, confirm, willing
from tests.server.test_billers import biller_state, settings

pytestmark = pytest.mark.alone

OTHERS = ("WATER", "GAS")
"""Services of the dead and of the slow biller."""
ROUNDS = 7
PAYMENTS = 100
"""Of a round, at each of the two."""
WAITING = 4_000
"""Payments that wait for the dead and as many for the slow biller, at first."""
SLOW_S = 1.0
EACH_S = 0.02
"""Between two more payments of these."""
RATIO_MAX = {50: 1.25, 90: 1.5}
SETTINGS = {
    "biller.answer_timeout_ms": 2_000,
    "billers.gas.concurrency_max": 100,
    # All that waits is one centre's.
    "centre_holds_max": 4 * WAITING,
}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Peers, Peers]]:
    """The peers of the calm and of the troubled server."""
    with ExitStack() as stack:
        them = []
        for name in ("calm", "troubled"):
            directory = tmp_path_factory.mktemp(name)
            peers = Peers(stack.enter_context(running(directory, *settings(SETTINGS))))
            stack.callback(peers.close)
            load(peers)
            them.append(peers)
        yield them[0], them[1]


def paying(peers: Peers) -> Callable[[], float]:
    """Pays the healthy biller once; seconds from sending to completed."""
    stub = counter_pb2_grpc.CounterServiceStub(peers.centre().channel)

    def pay() -> float:
        bill = payment("CONFIRM", amount=RUPEE)
        begun = time.perf_counter()
        request = counter_pb2.PayBillRequest(payment=bill)
        outcome = stub.PayBill(request, timeout=CALL_S).outcome
        taken = time.perf_counter() - begun
        assert outcome.state == payments_pb2.PAYMENT_STATE_COMPLETED
        return taken

    return pay


class Late:
    """The script of a biller whose answers wait for their time."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[float, pb.Question]] = deque()

    def __call__(self, question: pb.Question) -> tuple[pb.Answer, ...]:
        self._waiting.append((time.monotonic() + SLOW_S, question))
        return ()

    def due(self) -> list[pb.Answer]:
        """Answers whose time has come."""
        answers = []
        while self._waiting and self._waiting[0][0] <= time.monotonic():
            answers.append(confirm(self._waiting.popleft()[1]))
        return answers


def keep_paying(
    both: tuple[Peers, Peers], slow: ScriptedBiller, late: Late, stop: threading.Event
) -> None:
    """More payments of the other two billers, and the slow one's answers."""
    centres = [peers.centre("centre-b") for peers in both]
    while not stop.wait(EACH_S):
        for centre in centres:
            centre.pay_all([payment(service, amount=1) for service in OTHERS])
        slow.send(*late.due())


def test_a_dead_and_a_slow_biller_cost_the_others_nothing(
    both: tuple[Peers, Peers],
) -> None:
    calm, troubled = both
    late, stop = Late(), threading.Event()
    with (
        ScriptedBiller(calm.biller(), willing),
        ScriptedBiller(calm.biller("water"), willing),
        ScriptedBiller(calm.biller("gas"), willing),
        ScriptedBiller(troubled.biller(), willing),
        ScriptedBiller(troubled.biller("water")) as dead,
        ScriptedBiller(troubled.biller("gas"), late) as slow,
        ThreadPoolExecutor(1) as thread,
    ):
        for service in OTHERS:
            bills = [payment(service, amount=1) for _ in range(WAITING)]
            troubled.centre("centre-b").pay_all(bills)
        task = thread.submit(keep_paying, both, slow, late, stop)
        try:
            pays = (paying(calm), paying(troubled))
            rounds = [
                np.array([[pay() for pay in pays] for _ in range(PAYMENTS)])
                for _ in range(ROUNDS)
            ]
        finally:
            stop.set()
        task.result()
        assert dead.questions
        assert len(slow.questions) > 100
        assert biller_state(troubled, "gas").queued > WAITING // 2
        waiting = biller_state(troubled, "water")
        assert waiting.queued + waiting.unknown > WAITING
    for percent, ratio_max in RATIO_MAX.items():
        one, other = (
            median(float(np.percentile(times[:, side], percent)) for times in rounds)
            for side in (0, 1)
        )
        print(f"p{percent}: {one * 1e3:.2f} ms calm, {other * 1e3:.2f} ms troubled")
        assert other < ratio_max * one
