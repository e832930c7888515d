"""One ledger with the benchmarks' network for each file of micro-benchmarks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.network import CENTRES, make_network
from benchmarks.quoted import KEY_NUMBER
from benchmarks.sources import SECRET, open_network
from switch import _core as core


@dataclass
class Bench:
    """A ledger that benchmarks pay in."""

    ledger: core.Ledger
    harness: int
    """Participant index of the sender."""
    wallets: npt.NDArray[np.uint32]
    next_bill: int = 1

    def take_bills(self, count: int) -> int:
        """The first of `count` bill numbers that nobody else has."""
        first = self.next_bill
        self.next_bill += count
        return first


def time_rounds(
    benchmark: BenchmarkFixture, call: Callable[..., Any], rounds: int, **more: object
) -> Any:
    """`benchmark.pedantic`, which has no types; give what `call` gave last."""
    untyped: Any = benchmark
    return untyped.pedantic(call, rounds=rounds, **more)


@pytest.fixture(scope="module")
def billed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """The same with services by bill, whose quotations are sealed with `SECRET`."""
    directory = tmp_path_factory.mktemp("billed")
    with core.Ledger(str(directory / "ledger"), map_size=1 << 36) as ledger:
        harness, wallets = open_network(ledger, "quoted", CENTRES)
        ledger.set_quotation_keys([(KEY_NUMBER, SECRET)])
        yield Bench(ledger, harness, wallets)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """An open ledger with 3,561 filled wallets."""
    directory = tmp_path_factory.mktemp("bench")
    with core.Ledger(str(directory / "ledger"), map_size=1 << 36) as ledger:
        harness, first = make_network(ledger)
        wallets = np.arange(first, first + CENTRES, dtype=np.uint32)
        yield Bench(ledger, harness, wallets)
