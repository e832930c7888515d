"""Goal: a receipt is found by its number with few looks, however a wallet's rows lie.

Method: ledgers that are lists, with the rows that are looked at counted; every number
of each is asked for, and some that are not there. Halving looks at 13 of the even ones.
"""

import datetime as dt
import random
from typing import Any, NamedTuple, cast

import numpy as np
import pytest

from switch.calendar import day_start_ns, financial_year
from switch.codes import Kind
from switch.ledger.receipts import find_receipt

WALLET = 7
YEARS = (2025, 2026)


class Entry(NamedTuple):
    kind: int
    debit: int
    receipt: int
    timestamp: int


class Rows:
    """A wallet's rows in a long ledger; what is looked at is counted."""

    def __init__(self, own: dict[int, Entry], last: int) -> None:
        self._own = own
        self._order = np.array(sorted(own), np.uint64)
        self.sequence = last
        self.looks = 0

    def account_rows(self, account: int, before: int, limit: int) -> Any:
        assert account == WALLET
        assert limit > 0
        end = int(np.searchsorted(self._order, before))
        return self._order[max(end - limit, 0) : end][::-1]

    def row(self, sequence: int) -> Entry:
        self.looks += 1
        return self._own[sequence]


def ledger(
    sequences: list[int], changes: int, share: float, rng: random.Random
) -> tuple[Rows, dict[tuple[int, int], int]]:
    """Rows at these sequences, `share` of them with a receipt; the year changes with
    the `changes`th. What each receipt is the row of.
    """
    own, places, number = {}, {}, 0
    for at, sequence in enumerate(sequences):
        year = YEARS[at >= changes]
        number = 0 if at == changes else number
        has_receipt = rng.random() < share
        number += has_receipt
        time_ns = day_start_ns(dt.date(year, 6, 1))
        kind = Kind.PAY if has_receipt else rng.choice([Kind.HOLD, Kind.VOID])
        own[sequence] = Entry(kind, WALLET, number if has_receipt else 0, time_ns)
        assert financial_year(time_ns) == year
        if has_receipt:
            places[year, number] = sequence
    return Rows(own, sequences[-1] + 1_000 if sequences else 5), places


def even(count: int, rng: random.Random) -> list[int]:
    return sorted(rng.sample(range(1, 3_561 * count), count))


def bursts(count: int, rng: random.Random) -> list[int]:
    """Days of work far apart: what is between two receipts says little."""
    found: list[int] = []
    at = 0
    while len(found) < count:
        at += rng.choice([10, 10_000, 50_000_000])
        found += range(at, at + rng.randrange(1, 40))
        at = found[-1]
    return found


# Looks of nine searches of ten, and of any.
SHAPES = [
    pytest.param(even, 3_000, 0, 1.0, 4, 16, id="even"),
    pytest.param(even, 3_000, 2_000, 1.0, 8, 24, id="two years"),
    pytest.param(even, 2_000, 0, 0.4, 28, 50, id="holds between"),
    pytest.param(even, 2_000, 0, 0.02, 500, 700, id="few receipts"),
    pytest.param(bursts, 2_000, 700, 0.9, 16, 30, id="bursts"),
    pytest.param(even, 3, 2, 1.0, 4, 6, id="three"),
    pytest.param(even, 1, 0, 0.0, 1, 1, id="none"),
]


@pytest.mark.parametrize(
    ("shape", "count", "changes", "share", "usual", "most"), SHAPES
)
def test_every_receipt_is_found(
    shape: Any, count: int, changes: int, share: float, usual: int, most: int
) -> None:
    rng = random.Random(6)
    rows, places = ledger(shape(count, rng), changes, share, rng)
    looks = []
    for year in (YEARS[0] - 1, *YEARS, YEARS[1] + 1):
        newest = max((number for one, number in places if one == year), default=0)
        for number in (*range(newest + 3), 10**9):
            rows.looks = 0
            found = find_receipt(cast(Any, rows), WALLET, year, number)
            assert found == places.get((year, number), 0), (year, number)
            looks.append(rows.looks)
    assert max(looks) <= most
    assert sorted(looks)[len(looks) * 9 // 10] <= usual
