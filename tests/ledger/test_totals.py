"""Goal: sums over a span are exact and are of that span alone.

Method: random rows of all kinds in the core; the sums are compared with the accounts'
images and with sums in Python, amounts beyond 32 bits included.
"""

from collections.abc import Iterator

import numpy as np
import pytest

from switch._core import Ledger
from switch.codes import Kind, Result
from switch.ledger import totals
from switch.ledger.totals import first_at, posted_between
from tests.core.generator import Generator
from tests.core.network import NOW, make_network, top_up
from tests.core.pair import Pair
from tests.model import Rows

ROWS = 3_000
POSTING = {
    *(Kind.PAY, Kind.POST, Kind.REFUND, Kind.TOP_UP),
    *(Kind.TRANSFER, Kind.SETTLE, Kind.BOOKED),
}


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    network = make_network()
    pair = Pair(tmp_path_factory.mktemp("totals") / "ledger", threads=False)
    pair.commit([Rows(network.rows)], NOW)
    for wallet in network.wallets:
        pair.one(top_up(network, wallet, 10**15 + 7, b"UTR-FIRST-%d" % wallet), NOW)
    generator = Generator(21, network, pair.model)
    while len(pair.model.rows) < ROWS:
        asks, now = generator.group()
        pair.commit(asks, now)
    yield pair.ledger
    pair.close()


def slowly(ledger: Ledger, first: int, last: int) -> tuple[list[int], list[int]]:
    """The same in plain Python."""
    count = len(ledger.accounts()[0])
    debits, credits_ = [0] * count, [0] * count
    for row in ledger.rows(first, last + 1 - first):
        if row["result"] == Result.OK and row["kind"] in POSTING:
            debits[row["debit"]] += int(row["amount"])
            credits_[row["credit"]] += int(row["amount"])
    return debits, credits_


@pytest.mark.parametrize("page", [1, 7, 8_192])
def test_the_whole_journal_gives_the_accounts(
    ledger: Ledger, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(totals, "PAGE_ROWS", page)
    images, sequence = ledger.accounts()
    posted = posted_between(ledger, 1, sequence)
    assert posted.debits.dtype == posted.credits.dtype == np.uint64
    assert posted.debits.tolist() == images["debits_posted"].tolist()
    assert posted.credits.tolist() == images["credits_posted"].tolist()
    assert int(posted.credits.max()) > 1 << 40


@pytest.mark.parametrize("span", [(1, 1), (50, 700), (1_200, 1_200), (2_000, 2_999)])
def test_a_span_gives_its_own(ledger: Ledger, span: tuple[int, int]) -> None:
    posted = posted_between(ledger, *span)
    assert (posted.debits.tolist(), posted.credits.tolist()) == slowly(ledger, *span)


def test_beyond_the_last_row_there_is_nothing(ledger: Ledger) -> None:
    last = ledger.sequence
    assert not posted_between(ledger, last + 1, last + 99).debits.any()
    whole, more = posted_between(ledger, 1, last), posted_between(ledger, 1, last + 9)
    assert (whole.debits == more.debits).all()


def test_the_first_row_of_a_time(ledger: Ledger) -> None:
    last = ledger.sequence
    times = ledger.rows(1, last)["timestamp"].tolist()
    for sequence in (1, 2, last // 2, last):
        assert first_at(ledger, times[sequence - 1]) == sequence
        assert first_at(ledger, times[sequence - 1] + 1) == sequence + 1
    assert first_at(ledger, 0) == 1
