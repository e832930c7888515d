"""Goal: what one read sees is kept for a bounded time, and no row is left out for that.

Method: ledgers whose views may last for no time at all, or for less than a long read
takes; every read is compared with that of a ledger without haste.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from switch._core import Ledger
from switch.errors import OverloadError, SlowReadError
from tests.core.network import NOW, Network, make_network, top_up
from tests.core.pair import rows_request

OPTIONS: Final[dict[str, Any]] = {
    "map_size": 1 << 28,
    "reserve_size": 0,
    "index_step_rows": 64,
}
NO_TIME_S = 1e-9
LITTLE_TIME_S = 2e-5
GROUPS = 400


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("slow") / "ledger"
    network = make_network()
    with Ledger(str(path), threads=False, **OPTIONS) as ledger:
        ledger.commit([rows_request(network.rows)], NOW)
        for number in range(GROUPS):
            utrs = [b"UTR-%d-%d" % (number, each) for each in range(4)]
            rows = [top_up(network, network.wallets[0], 5, utr) for utr in utrs]
            ledger.commit([rows_request(rows)], NOW)
        while ledger.index_step():
            pass
    return path


def opened(directory: Path, view_s: float) -> Ledger:
    return Ledger(str(directory), threads=False, view_s=view_s, **OPTIONS)


def test_a_read_of_many_rows_goes_on_in_another_view(directory: Path) -> None:
    rng = np.random.default_rng(7)
    with opened(directory, 10.0) as ledger:
        last = ledger.sequence
        order = rng.permutation(np.arange(1, last + 1, dtype=np.uint64))
        expected = ledger.gather(order), ledger.rows(1, last), ledger.tails(order)
    with opened(directory, LITTLE_TIME_S) as ledger:
        for _ in range(20):
            # A reader who is late with its very first row is told so.
            try:
                got = ledger.gather(order), ledger.rows(1, last), ledger.tails(order)
            except SlowReadError:
                continue
            for one, other in zip(got[:2], expected[:2], strict=True):
                assert np.array_equal(one, other)
            assert got[2] == expected[2]
            break
        else:
            pytest.fail("no read of many rows came to its end")


def test_a_view_without_time_ends_with_an_error(
    directory: Path,
) -> None:
    network: Network = make_network()
    with opened(directory, NO_TIME_S) as ledger:
        last = ledger.sequence
        row = top_up(network, network.wallets[0], 5, b"UTR-0-0")
        wallet = network.wallets[0]
        reads: list[Callable[[], object]] = [
            lambda: ledger.gather(np.array([last, 1], np.uint64)),
            lambda: ledger.rows(1, last),
            lambda: ledger.tails(np.array([last, 1], np.uint64)),
            lambda: ledger.find(network.treasury, row.id),
            lambda: ledger.account_rows(wallet, 0, 100),
            lambda: ledger.balance_at(wallet, last // 2),
        ]
        for read in reads:
            with pytest.raises(SlowReadError, match="took too long"):
                read()
        # The client is told as of any other bound: nothing was done, try again.
        assert issubclass(SlowReadError, OverloadError)
    with opened(directory, 10.0) as ledger:
        assert ledger.rows(1, last)["sequence"].tolist() == [*range(1, last + 1)]


def test_who_commits_has_no_such_bound(directory: Path, network: Network) -> None:
    with opened(directory, NO_TIME_S) as ledger:
        row = top_up(network, network.wallets[0], 5, b"UTR-LAST")
        before = ledger.sequence
        ledger.commit([rows_request([row])], NOW)
        assert ledger.sequence == before + 1
        while ledger.index_step():
            pass


@pytest.mark.parametrize("view_s", [0, -1.0, 86401.0])
def test_the_bound_has_bounds(tmp_path: Path, view_s: float) -> None:
    with pytest.raises(ValueError, match="view_s"):
        opened(tmp_path / "ledger", view_s)
