"""Goal: a benchmark's figure can be trusted: the work is real and is looked at.

Method: the messages are read back with the generated classes; answers that are wrong in
each way must be noticed; one short load runs end to end.
"""

import json
import random
import subprocess
import sys
from collections.abc import Callable

import pytest

from benchmarks.histogram import BUCKETS, Histogram, bucket_of, bucket_top
from benchmarks.messages import (
    PREFIX_SIZE,
    Checker,
    CheckError,
    InFlight,
    Maker,
    outcome_starts,
)
from switch.codes import Result
from switch.v1 import payments_pb2 as pb
from switch.v1 import results_pb2


def read(message: memoryview) -> list[pb.Payment]:
    size = int.from_bytes(message[1:PREFIX_SIZE], "big")
    assert message[0] == 0
    assert size == len(message) - PREFIX_SIZE
    return list(
        pb.CreatePaymentsRequest.FromString(bytes(message[PREFIX_SIZE:])).payments
    )


def answer(
    payments: list[pb.Payment],
    change: Callable[[pb.PaymentOutcome], None] | None = None,
) -> bytes:
    outcomes = [
        pb.PaymentOutcome(
            id=payment.id,
            result=results_pb2.RESULT_OK,
            sequence=number,
            receipt=number,
            receipt_year=2026,
            time_ns=1,
            wallet_balance=10**15,
        )
        for number, payment in enumerate(payments, 1)
    ]
    if change is not None:
        change(outcomes[-1])
    return pb.CreatePaymentsResponse(outcomes=outcomes).SerializeToString()


def test_quantiles_are_close() -> None:
    rng = random.Random(1)
    values = sorted(int(rng.lognormvariate(14, 2)) for _ in range(10_000))
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    for share in (0.5, 0.99, 1.0):
        exact = values[max(int(share * len(values)) - 1, 0)] / 1e6
        assert histogram.quantile_ms(share) == pytest.approx(exact, rel=0.02, abs=0.001)
    assert histogram.largest == values[-1]


def test_buckets_cover_all_values() -> None:
    for value in [*range(1000), *(1 << bit for bit in range(63)), (1 << 63) - 1]:
        bucket = bucket_of(value)
        assert 0 <= bucket < BUCKETS
        assert bucket_top(bucket) >= value
        assert bucket == 0 or bucket_top(bucket - 1) < value


@pytest.mark.parametrize("ids", ["ordered", "random"])
@pytest.mark.parametrize("payload", [1, 7, 8190])
def test_every_payment_is_another(payload: int, ids: str) -> None:
    maker = Maker(payload, ids)
    payments: list[pb.Payment] = []
    while len(payments) < 20_000:
        taken = maker.take(1)
        assert len(taken) == maker.size
        payments += read(taken)
    assert len({one.id for one in payments}) == len(payments)
    assert len({one.reference for one in payments}) == len(payments)
    assert len({one.service for one in payments}) == 97
    assert len({one.centre for one in payments}) > 3500
    assert all(len(one.id) == 16 and len(one.reference) == 15 for one in payments)
    assert all(1 <= one.operator <= 2 and one.amount >= 100 for one in payments)
    if ids == "ordered":
        assert [one.id for one in payments] == sorted(one.id for one in payments)


def test_checker_counts_what_was_paid() -> None:
    message = Maker(100, "random").take(1)
    payments = read(message)

    def refuse(outcome: pb.PaymentOutcome) -> None:
        outcome.result = results_pb2.RESULT_INSUFFICIENT_FUNDS
        outcome.receipt = 0

    reply = answer(payments, refuse)
    checker = Checker(100)
    checker.add([message], reply, outcome_starts(reply))
    checker.finish()

    assert (checker.checked, checker.accepted) == (100, 99)
    assert checker.amount == sum(one.amount for one in payments[:-1])
    assert checker.refused == {Result.INSUFFICIENT_FUNDS: 1}


def _other_id(outcome: pb.PaymentOutcome) -> None:
    outcome.id = bytes(16)


def _short_id(outcome: pb.PaymentOutcome) -> None:
    outcome.id = outcome.id[:15]


def _no_receipt(outcome: pb.PaymentOutcome) -> None:
    outcome.receipt = 0


def _not_durable(outcome: pb.PaymentOutcome) -> None:
    outcome.sequence = 0


@pytest.mark.parametrize("change", [_other_id, _short_id, _no_receipt, _not_durable])
def test_checker_notices(change: Callable[[pb.PaymentOutcome], None]) -> None:
    message = Maker(10, "random").take(1)
    reply = answer(read(message), change)
    checker = Checker(10)
    checker.add([message], reply, outcome_starts(reply))
    with pytest.raises(CheckError):
        checker.finish()


def test_checker_notices_what_is_missing_or_out_of_order() -> None:
    message = Maker(10, "random").take(1)
    payments = read(message)
    for wrong in (payments[:-1], payments[::-1]):
        reply = answer(wrong)
        checker = Checker(10)
        checker.add([message], reply, outcome_starts(reply))
        with pytest.raises(CheckError):
            checker.finish()
    with pytest.raises(CheckError):
        outcome_starts(answer(payments)[:-1])


def test_in_flight_gives_messages_in_order() -> None:
    maker = Maker(2, "random")
    in_flight = InFlight(maker)
    messages = [maker.take(5), maker.take(5)]
    for sent_ns, part in enumerate(messages):
        in_flight.add(sent_ns, part)
    assert in_flight.payments == 20
    taken = in_flight.answered(6) + in_flight.answered(6) + in_flight.answered(8)
    assert b"".join(part for _, part in taken) == b"".join(messages)
    assert [sent_ns for sent_ns, _ in taken] == [0, 0, 1, 1]
    with pytest.raises(CheckError):
        in_flight.answered(2)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["unary", "batch", "stream"])
def test_load(mode: str) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.load", "--mode", mode),
            *("--seconds", "0.5", "--warm-up", "0.2", "--json"),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["mode"] == mode
    assert result["accepted"] == result["payments"] > 0
    assert 0 < result["p50_ms"] <= result["p99_ms"] <= result["max_ms"]


@pytest.mark.slow
def test_reads() -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.reads", "--rows", "3000"),
            *("--step-rows", "64", "--json"),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["rows"] - result["indexed"] < 64
    for name in ("busy", "median", "rare", "quiet", "still", "biller"):
        assert len(result[name]) == 3
        for figures in result[name].values():
            assert 0 < figures["p50_us"] <= figures["p99_us"] <= figures["max_us"]
    assert result["find"]["p50_us"] > 0
    assert result["totals"]["rows_per_s"] > 0
