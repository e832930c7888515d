"""Goal: kill -9 loses nothing that was answered and leaves nothing by half.

Method: in each round a server is loaded over three kinds of calls by threads of this
process, and killed at a random moment. After the restart every message is sent again:
what was answered must get its first answer, and a message without an answer must be
there wholly or not at all. At the end the journal is read row by row, the money is
counted, and the auditor, which shares no code with the core, must agree.
"""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest

from switch._core import Ledger
from switch.codes import AccountKind, Kind, Result
from switch.v1 import payments_pb2 as pb
from tests.longer import turns
from tests.server.harness import (
    CALL_S,
    CENTRES,
    PLAIN,
    ROOT,
    Failure,
    Peers,
    ServerProcess,
    load,
    payment,
)

ROUNDS = 20
LOAD_S = (0.05, 0.6)
"""Each round is killed somewhere between these after its load began."""
ANSWERED_MIN = 2_000
"""Payments that must have been answered over all rounds, or nothing was tested: there
are more of these on a slow machine.
"""
TOPPED_UP = 10**14
INDEX_STEP_ROWS = 1_024
"""Small, so that a kill often meets the index writer and its merges."""
SETTINGS = (
    f"index_step_rows={INDEX_STEP_ROWS}",
    "index_lag_max=8192",
    f"reserve_size={1 << 20}",
    # No biller is here: what it would have to confirm stays held to the end.
    "biller.queue_max=1048576",
    "centre_holds_max=1048576",
    # However quick the machine is: beyond a budget a refusal leaves no row, and so no
    # answer that its repeat would have to get.
    "budget.centre.payments_per_s=1000000",
    "budget.centre.payments_at_once=1000000",
    "budget.centre.refusals_per_s=1000000",
    "budget.centre.refusals_at_once=1000000",
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

Answer = tuple[int, int, int]
"""Result, sequence, receipt."""


@dataclass
class Message:
    """One message that was sent, and the answers to it that arrived."""

    centre: str
    request: pb.CreatePaymentsRequest
    answers: list[Answer] = field(default_factory=list)

    @property
    def ids(self) -> list[bytes]:
        ids = [one.id for one in self.request.payments]
        return ids + [
            one.id for basket in self.request.baskets for one in basket.payments
        ]


def answer(outcome: pb.PaymentOutcome) -> Answer:
    return (outcome.result, outcome.sequence, outcome.receipt)


class Load:
    """Threads that send until their server is gone, and remember everything."""

    def __init__(self, peers: Peers, dice: random.Random) -> None:
        self.messages: list[Message] = []
        self.errors: list[grpc.StatusCode] = []
        self._peers = peers
        self._dice = dice
        self._stop = threading.Event()
        jobs = [
            (self._stream, "centre-a", 1),
            (self._stream, "centre-b", 40),
            (self._batches, "centre-c", 500),
            (self._batches, "centre-d", 1),
        ]
        for _, centre, _ in jobs:
            peers.centre(centre)
        self._threads = [
            threading.Thread(target=self._run, args=job, name=job[1]) for job in jobs
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()

    def _run(self, send: Callable[[str, int], None], centre: str, count: int) -> None:
        try:
            send(centre, count)
        except grpc.RpcError as error:
            self.errors.append(Failure(error).code)

    def _message(self, centre: str, count: int) -> Message:
        services = ("ANY", "ONCE", "CONFIRM", "NOSUCH")
        # A refusal (NOSUCH) is an answer as well, and as durable.
        singles = [payment(self._dice.choice(services), amount=1) for _ in range(count)]
        baskets = []
        if count > 1:
            parts = [payment("HEADS", amount=1, head=head) for head in (0, 1)]
            baskets.append(pb.Basket(payments=parts))
        request = pb.CreatePaymentsRequest(payments=singles, baskets=baskets)
        message = Message(centre, request)
        self.messages.append(message)
        return message

    def _batches(self, centre: str, count: int) -> None:
        calls = self._peers.centre(centre).payments
        while not self._stop.is_set():
            message = self._message(centre, count)
            reply = calls.CreatePayments(message.request, timeout=CALL_S)
            message.answers = [answer(one) for one in reply.outcomes]

    def _stream(self, centre: str, count: int) -> None:
        sent: deque[tuple[Message, bytes]] = deque()

        def requests() -> Iterator[pb.StreamPaymentsRequest]:
            while not self._stop.is_set():
                message = self._message(centre, count)
                sent.extend((message, id_) for id_ in message.ids)
                yield pb.StreamPaymentsRequest(
                    payments=message.request.payments, baskets=message.request.baskets
                )
                time.sleep(0.0005)

        calls = self._peers.centre(centre).payments
        for reply in calls.StreamPayments(requests(), timeout=60):
            for outcome in reply.outcomes:
                message, id_ = sent.popleft()
                assert outcome.id == id_
                message.answers.append(answer(outcome))


def test_kill(tmp_path: Path) -> None:
    dice = random.Random(int(os.environ.get("SWITCH_TEST_SEED", 20_260_316)))
    messages: list[Message] = []
    latest: list[Message] = []
    answered: list[int] = []
    for round_ in turns(ROUNDS, lambda: sum(answered) > ANSWERED_MIN):
        server = start(tmp_path)
        peers = Peers(server)
        if round_ == 0:
            load(peers, TOPPED_UP)
        check_again(peers, latest)
        messages += latest
        latest = kill_under_load(server, peers, dice)
        check_kept(latest)
        answered.append(sum(len(one.answers) for one in latest))
        peers.close()
    server = start(tmp_path)
    peers = Peers(server)
    check_again(peers, latest)
    messages += latest
    assert server.stop() == 0
    peers.close()
    check_journal(tmp_path / "ledger", messages)
    check_audit(tmp_path / "ledger")


def start(directory: Path) -> ServerProcess:
    settings = [part for one in SETTINGS for part in ("--set", one)]
    server = ServerProcess(directory, *settings)
    server.wait_ready()
    return server


def check_kept(messages: list[Message]) -> None:
    """All that was answered is a row: else a repeat might have another answer."""
    no_row = {Result.TOO_MANY_REFUSALS, Result.BILLER_BUSY, Result.DATA_DAMAGED}
    results = {result for one in messages for result, *_ in one.answers}
    assert not results & no_row, results & no_row


def kill_under_load(
    server: ServerProcess, peers: Peers, dice: random.Random
) -> list[Message]:
    """One round: the messages that were sent, with the answers that arrived."""
    under = Load(peers, dice)
    under.start()
    time.sleep(dice.uniform(*LOAD_S))
    os.kill(server.pid, signal.SIGKILL)
    under.join()
    assert server.wait() == -signal.SIGKILL
    assert set(under.errors) <= {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    return under.messages


def check_again(peers: Peers, messages: list[Message]) -> None:
    """Send everything again, as its sender; compare and complete the answers."""
    for message in messages:
        calls = peers.centre(message.centre).payments
        outcomes = calls.CreatePayments(message.request, timeout=CALL_S).outcomes
        assert [one.id for one in outcomes] == message.ids
        again = [answer(one) for one in outcomes]
        assert again[: len(message.answers)] == message.answers
        # A message is never split between groups, and a group is there or is not.
        [was_there] = {one.repeat for one in outcomes}
        assert was_there or not message.answers
        message.answers = again


def check_journal(path: Path, messages: list[Message]) -> None:
    """Every id once, at the sequence and with the answer that was given."""
    wanted = {
        id_: one
        for message in messages
        for id_, one in zip(message.ids, message.answers, strict=True)
    }
    found: dict[bytes, Answer] = {}
    done: Counter[int] = Counter()
    with Ledger(
        str(path), create=False, map_size=8 << 30, index_step_rows=INDEX_STEP_ROWS
    ) as ledger:
        first = 1
        while first <= ledger.sequence:
            rows = ledger.rows(first, 65_536)
            for row in rows:
                id_ = row["id"].tobytes()
                if id_ in wanted:
                    assert id_ not in found
                    if row["result"] == Result.OK:
                        done[int(row["kind"])] += 1
                    found[id_] = (
                        int(row["result"]),
                        int(row["sequence"]),
                        int(row["receipt"]),
                    )
            first += len(rows)
        images, _ = ledger.accounts()
        wallets = images[images["kind"] == AccountKind.WALLET]
        billers = images[images["kind"] == AccountKind.BILLER]
        left = int(wallets["credits_posted"].sum() - wallets["debits_posted"].sum())
        got = int(billers["credits_posted"].sum() - billers["debits_posted"].sum())
        assert left + got == TOPPED_UP * len((*CENTRES, *PLAIN))
        # A paisa each.
        assert got == done[Kind.PAY] > 0
        assert int(wallets["debits_pending"].sum()) == done[Kind.HOLD] > 0
        assert int(images["debits_posted"].sum()) == int(images["credits_posted"].sum())
        assert ledger.holds_count == done[Kind.HOLD]
    assert found == wanted


def check_audit(path: Path) -> None:
    command = [sys.executable, "-m", "switch.audit", str(path), "--json"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["audit"] == "ok"
