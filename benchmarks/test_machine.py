"""What: deciding alone. Not: the commit, the disk, the wire.

Every payment of the group has an answer already, and bills are claimed, so that ids and
rows are found, compared and answered, and nothing new is written; or every shape is
wrong, so that nothing is looked up. What a group costs before its commit lies between
these and `test_commit`.
"""

import time

import numpy as np
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.conftest import Bench, time_rounds
from benchmarks.network import payment_rows
from switch import _core as core
from switch.codes import Result

ROUNDS = 40


def test_answer_known(benchmark: BenchmarkFixture, bench: Bench) -> None:
    rng = np.random.default_rng(7)
    first = bench.take_bills(core.GROUP_MAX)
    rows = payment_rows(
        rng, first, core.GROUP_MAX, "random", bench.harness, bench.wallets
    )
    request = core.Request.rows(rows)
    [original] = bench.ledger.commit([request], time.time_ns())
    before = bench.ledger.sequence

    def again() -> core.Rows:
        [answer] = bench.ledger.commit([request], time.time_ns())
        assert not isinstance(answer, bytes)
        return answer

    answer = time_rounds(benchmark, again, ROUNDS, warmup_rounds=1)

    assert not isinstance(original, bytes)
    assert (answer["repeat"] == 1).all()
    assert (answer["result"] == Result.OK).all()
    assert (answer["sequence"] == original["sequence"]).all()
    assert bench.ledger.sequence == before
    benchmark.extra_info["rows"] = core.GROUP_MAX


def test_refuse_shapes(benchmark: BenchmarkFixture, bench: Bench) -> None:
    rng = np.random.default_rng(8)
    rows = payment_rows(rng, 1, core.GROUP_MAX, "random", bench.harness, bench.wallets)
    rows["amount"] = 0
    request = core.Request.rows(rows)
    before = bench.ledger.sequence

    def refuse() -> core.Rows:
        [answer] = bench.ledger.commit([request], time.time_ns())
        assert not isinstance(answer, bytes)
        return answer

    answer = time_rounds(benchmark, refuse, ROUNDS, warmup_rounds=1)

    assert (answer["result"] == Result.INVALID_AMOUNT).all()
    assert bench.ledger.sequence == before
    benchmark.extra_info["rows"] = core.GROUP_MAX
