"""What: a message's bytes to a request, and to the bytes of its durable reply.

`test_parse` is the framing alone; `test_pay` goes on to read each payment, commit, and
write the reply, without a socket.
"""

import time

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.conftest import Bench, time_rounds
from benchmarks.messages import PREFIX_SIZE, Checker, Maker, outcome_starts
from switch import _core as core

PAYLOADS = (1, 8190)
ROUNDS = {1: 300, 8190: 40}


@pytest.mark.parametrize("payload", PAYLOADS)
def test_parse(benchmark: BenchmarkFixture, payload: int) -> None:
    body = bytes(Maker(payload, "random").take(1)[PREFIX_SIZE:])

    request = benchmark(core.Request.payments, body, 1, 0)

    assert request.rows_count == payload
    benchmark.extra_info["rows"] = payload


@pytest.mark.parametrize("payload", PAYLOADS)
def test_pay(benchmark: BenchmarkFixture, bench: Bench, payload: int) -> None:
    # A seed of its own: no bill and no id may come twice in one ledger.
    maker = Maker(payload, "random", seed=payload, first=bench.take_bills(1 << 30))
    checker = Checker(payload)
    answers: list[tuple[memoryview, bytes]] = []
    before = bench.ledger.sequence

    def prepare() -> tuple[tuple[memoryview, bytes], dict[str, object]]:
        message = maker.take(1)
        return (message, bytes(message[PREFIX_SIZE:])), {}

    def pay(message: memoryview, body: bytes) -> None:
        request = core.Request.payments(body, bench.harness, 0)
        [reply] = bench.ledger.commit([request], time.time_ns())
        assert isinstance(reply, bytes)
        answers.append((message, reply))

    time_rounds(benchmark, pay, ROUNDS[payload], setup=prepare)

    for message, reply in answers:
        checker.add([message], reply, outcome_starts(reply))
    checker.finish()
    assert checker.accepted == checker.checked == payload * ROUNDS[payload]
    assert bench.ledger.sequence == before + checker.checked
    benchmark.extra_info["rows"] = payload
