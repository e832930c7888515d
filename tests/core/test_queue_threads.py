"""Goal: many threads submit and one takes: each request is answered once, in its order,
also when the queue is stopped or its ledger dies under the load.

Method: real threads on a real ledger. What was answered is compared with what was sent
and with what the journal holds.
"""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np

from switch._core import GROUP_MAX, Ledger, Queue
from switch.codes import Kind
from switch.errors import DeadError, OverloadError, UnknownOutcomeError
from switch.v1 import payments_pb2 as pb
from tests.core.network import Network
from tests.core.queues import (
    OPTIONS,
    WAIT_S,
    fresh,
    load_network,
    payments,
    refused,
    until,
)
from tests.readable import readable


class Senders:
    """Threads that submit and one that takes, and what came of every request."""

    def __init__(self, queue: Queue, net: Network, count: int, requests: int) -> None:
        self.queue = queue
        self.net = net
        self.requests = requests
        self.sent: dict[int, list[bytes]] = defaultdict(list)
        self.answered: dict[int, list[bytes]] = defaultdict(list)
        self.failed: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.blocking: list[int] = []
        self.waiting_most = 0
        self.overloads = 0
        self.ended = threading.Event()
        self.errors: list[BaseException] = []
        self.threads = [
            threading.Thread(target=self.guard, args=(self.send, tag))
            for tag in range(1, count + 1)
        ]
        self.threads += [
            threading.Thread(target=self.guard, args=(self.block, 0)) for _ in range(2)
        ]
        self.taker = threading.Thread(target=self.guard, args=(self.take, 0))
        self.taker.start()
        for thread in self.threads:
            thread.start()

    def guard(self, run: Callable[[int], None], tag: int) -> None:
        try:
            run(tag)
        except BaseException as error:
            self.errors.append(error)
            raise

    def send(self, tag: int) -> None:
        for number in range(self.requests):
            rows = fresh(1 + number % 7)
            request = payments(self.net, rows)
            # Before it is submitted: the answer may be quicker than this thread.
            self.sent[tag].extend(rows)
            while True:
                try:
                    self.queue.submit(request, tag)
                except OverloadError:
                    self.overloads += 1
                    time.sleep(0.0002)
                except DeadError:
                    self.refused[str(tag)] += len(rows)
                    return
                else:
                    break
            waiting = self.queue.rows_waiting
            self.waiting_most = max(self.waiting_most, waiting)

    def block(self, _: int) -> None:
        for _ in range(self.requests // 20):
            while True:
                try:
                    answer = self.queue.commit(refused())
                except OverloadError:
                    time.sleep(0.001)
                except (DeadError, UnknownOutcomeError):
                    return
                else:
                    break
            assert not isinstance(answer, bytes)
            self.blocking.append(int(answer[0]["sequence"]))

    def take(self, _: int) -> None:
        while True:
            last = self.ended.is_set()
            readable(self.queue.fileno(), 0.01)
            for error, answers in self.queue.take():
                for tag, rows, answer in answers:
                    if error is not None:
                        assert answer is error
                        self.failed[type(error).__name__] += rows
                        continue
                    assert isinstance(answer, bytes)
                    found = pb.CreatePaymentsResponse.FromString(answer).outcomes
                    assert len(found) == rows
                    self.answered[tag].extend(one.id for one in found)
            if last:
                return

    def join(self) -> None:
        """After this every request was answered, or never will be."""
        for thread in self.threads:
            thread.join(WAIT_S)
        self.queue.stop(WAIT_S)
        self.ended.set()
        self.taker.join(WAIT_S)
        assert not self.errors

    def check(self, ledger: Ledger) -> None:
        """Once each, in order; what was answered is durable, once."""
        total = 0
        for tag, rows in self.sent.items():
            answered = self.answered[tag]
            assert answered == rows[: len(answered)]
            total += len(rows)
        done = sum(map(len, self.answered.values()))
        failed = sum(self.failed.values())
        assert done + failed + sum(self.refused.values()) == total
        count = ledger.sequence
        journal = np.concatenate(
            [ledger.rows(first, 65_536) for first in range(1, count + 1, 65_536)]
        )
        paid = journal["id"][journal["kind"] == Kind.PAY].tobytes()
        durable = {paid[at : at + 16] for at in range(0, len(paid), 16)}
        assert len(durable) * 16 == len(paid)
        assert durable == {id_ for ids_ in self.answered.values() for id_ in ids_}
        assert len(set(self.blocking)) == len(self.blocking)


def test_every_request_is_answered_once(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path / "ledger"), **OPTIONS)
    net = load_network(ledger)
    queue = Queue(ledger, rows_max=GROUP_MAX)
    queue.start()
    with queue.paused():
        senders = Senders(queue, net, 8, 1_500)
        until(lambda: senders.overloads > 0)
    senders.join()
    senders.check(ledger)
    assert not senders.failed
    assert not senders.refused
    assert 0 < senders.waiting_most <= GROUP_MAX
    assert len(senders.blocking) == 2 * (1_500 // 20)
    ledger.close()


def test_stop_while_loaded(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path / "ledger"), **OPTIONS)
    net = load_network(ledger)
    queue = Queue(ledger)
    queue.start()
    senders = Senders(queue, net, 8, 100_000)
    until(lambda: ledger.sequence > 5_000)
    with queue.paused():
        stopping = threading.Thread(target=queue.stop, args=(0.0,))
        stopping.start()
        until(lambda: queue.stopping)
        time.sleep(0.05)
    stopping.join(WAIT_S)
    senders.join()
    senders.check(ledger)
    assert senders.refused
    assert set(senders.failed) <= {"DeadError"}
    ledger.close()


def test_death_while_loaded(tmp_path: Path) -> None:
    options = {**OPTIONS, "map_size": 4 << 20}
    with Ledger(str(tmp_path / "ledger"), **options) as ledger:
        net = load_network(ledger)
        queue = Queue(ledger)
        queue.start()
        senders = Senders(queue, net, 8, 100_000)
        senders.join()
        assert queue.died
        senders.check(ledger)
        assert senders.failed["UnknownOutcomeError"] > 0
        assert set(senders.failed) <= {"UnknownOutcomeError", "DeadError"}
        assert senders.refused


def test_a_commit_beside_a_loaded_queue_is_done(tmp_path: Path) -> None:
    with Ledger(str(tmp_path / "ledger"), **OPTIONS) as ledger:
        net = load_network(ledger)
        queue = Queue(ledger, gather_s=0)
        queue.start()
        senders = Senders(queue, net, 4, 100_000)
        until(lambda: ledger.sequence > 2_000)
        for _ in range(20):
            ledger.commit([refused()], time.time_ns())
            assert any(thread.is_alive() for thread in senders.threads)
        queue.stop(0)
        senders.join()
        senders.check(ledger)
