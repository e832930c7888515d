"""What: a message's bytes to a request, and to the bytes of its durable reply.

`test_parse` is the framing alone; `test_pay` goes on to read each payment, commit, and
write the reply, without a socket. `test_pay_quoted` is the same with the quotation of a
bill in each payment, sealed outside the clock: the difference is what quotations take,
with their bytes, tails and second claims.
"""

import time

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks._client import check
from benchmarks.conftest import Bench, time_rounds
from benchmarks.messages import PREFIX_SIZE, Maker, places
from benchmarks.quoted import QuotedMaker, Sealer
from benchmarks.sources import SECRET
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
    time_payments(benchmark, bench, maker)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_pay_quoted(benchmark: BenchmarkFixture, billed: Bench, payload: int) -> None:
    maker = QuotedMaker(
        payload,
        "random",
        sealer=Sealer(SECRET, billed.ledger.instance),
        seed=payload,
        first=billed.take_bills(1 << 30),
    )
    time_payments(benchmark, billed, maker)


def time_payments(benchmark: BenchmarkFixture, bench: Bench, maker: Maker) -> None:
    """One message after the other, and a look at every answer."""
    payload = maker.payload
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
        accepted, _, _ = check(message, reply, payload=payload, **places(maker.layout))
        assert accepted == payload
    assert bench.ledger.sequence == before + payload * ROUNDS[payload]
    benchmark.extra_info["rows"] = payload
