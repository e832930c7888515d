"""What: one group from row templates to its durable answers. Not: wire, sockets.

Inside the measurement: the state machine (ids, claims, limits, receipts), the chunk,
the LMDB commit with its syncs, the answers. Making the rows is the sender's work.
"""

import time

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.conftest import Bench, time_rounds
from benchmarks.network import payment_rows
from switch import _core as core
from switch.codes import Result

ROUNDS = {1: 300, 100: 200, 8190: 40}


@pytest.mark.parametrize("ids", ["ordered", "random"])
@pytest.mark.parametrize("rows_count", sorted(ROUNDS))
def test_commit(
    benchmark: BenchmarkFixture, bench: Bench, rows_count: int, ids: str
) -> None:
    rng = np.random.default_rng(rows_count)
    outcomes: list[core.Rows] = []
    before = bench.ledger.sequence

    def prepare() -> tuple[tuple[core.Request], dict[str, object]]:
        first = bench.take_bills(rows_count)
        rows = payment_rows(rng, first, rows_count, ids, bench.harness, bench.wallets)
        return (core.Request.rows(rows),), {}

    def commit(request: core.Request) -> None:
        [answer] = bench.ledger.commit([request], time.time_ns())
        assert not isinstance(answer, bytes)
        outcomes.append(answer)

    time_rounds(benchmark, commit, ROUNDS[rows_count], setup=prepare)

    # A benchmark that stopped doing the work must fail, not get faster.
    done = np.concatenate(outcomes)
    assert len(done) == rows_count * ROUNDS[rows_count]
    assert (done["result"] == Result.OK).all()
    assert (done["receipt"] > 0).all()
    assert bench.ledger.sequence == before + len(done)
    benchmark.extra_info["rows"] = rows_count
