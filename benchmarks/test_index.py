"""What: looking things up when the index has caught up with half a million rows.

Ids, accounts' rows and balances at a past sequence, as the reading calls do. Not: the
wire. The rows come in groups of 8,190 with random ids, so that lookups meet every run.
"""

import itertools
import time

import numpy as np
import numpy.typing as npt
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.conftest import Bench, time_rounds
from benchmarks.network import payment_rows
from switch import _core as core
from switch.codes import Result

ROWS = 64 * 8190
SAMPLE = 4096
INDEX_WAIT_S = 60.0
LIMIT = 100


@pytest.fixture(scope="module")
def paid(bench: Bench) -> core.Rows:
    """A sample of the rows that have been paid, with their sequences."""
    rng = np.random.default_rng(3)
    samples = []
    for _ in range(ROWS // 8190):
        first = bench.take_bills(8190)
        rows = payment_rows(rng, first, 8190, "random", bench.harness, bench.wallets)
        request = core.Request.rows(rows)
        [outcomes] = bench.ledger.commit([request], time.time_ns())
        assert not isinstance(outcomes, bytes)
        assert (outcomes["result"] == Result.OK).all()
        rows["sequence"] = outcomes["sequence"]
        samples.append(rows[: SAMPLE // 64])
    end = time.monotonic() + INDEX_WAIT_S
    while bench.ledger.sequence - bench.ledger.index_sequence > 131_072:
        assert time.monotonic() < end, bench.ledger.dead
        time.sleep(0.01)
    sample = np.concatenate(samples)
    rng.shuffle(sample)
    return sample


def test_find_known(benchmark: BenchmarkFixture, bench: Bench, paid: core.Rows) -> None:
    ids = [row["id"].tobytes() for row in paid]
    wanted = paid["sequence"].tolist()

    def find_all() -> list[int]:
        return [bench.ledger.find(bench.harness, one) for one in ids]

    found = time_rounds(benchmark, find_all, 10, warmup_rounds=1)

    assert found == wanted
    benchmark.extra_info["rows"] = len(ids)


def test_find_unknown(
    benchmark: BenchmarkFixture, bench: Bench, paid: core.Rows
) -> None:
    rng = np.random.default_rng(4)
    ids = [rng.bytes(16) for _ in range(len(paid))]

    def find_all() -> list[int]:
        return [bench.ledger.find(bench.harness, one) for one in ids]

    found = time_rounds(benchmark, find_all, 10, warmup_rounds=1)

    assert not any(found)
    benchmark.extra_info["rows"] = len(ids)


def test_account_rows(
    benchmark: BenchmarkFixture, bench: Bench, paid: core.Rows
) -> None:
    accounts = itertools.cycle(paid["debit"].tolist())
    asked: list[tuple[int, npt.NDArray[np.uint64]]] = []

    def newest() -> None:
        account = next(accounts)
        asked.append((account, bench.ledger.account_rows(account, 0, LIMIT)))

    time_rounds(benchmark, newest, 500, warmup_rounds=10)

    account, sequences = asked[-1]
    assert len(sequences) == LIMIT
    assert (np.diff(sequences.astype(np.int64)) < 0).all()
    assert bench.ledger.row(int(sequences[0])).debit == account
    benchmark.extra_info["rows"] = LIMIT


def test_balance_at(benchmark: BenchmarkFixture, bench: Bench, paid: core.Rows) -> None:
    rows = itertools.cycle(paid)
    asked: list[tuple[core.Rows, tuple[int, int, int, int]]] = []

    def balance() -> None:
        row = next(rows)
        sequence = int(row["sequence"])
        asked.append((row, bench.ledger.balance_at(int(row["debit"]), sequence)))

    time_rounds(benchmark, balance, 500, warmup_rounds=10)

    # Right before the payment the wallet had spent less by exactly its amount.
    for row, (_, spent, _, _) in asked[-20:]:
        at, account = int(row["sequence"]), int(row["debit"])
        assert bench.ledger.balance_at(account, at - 1)[1] == spent - int(row["amount"])
