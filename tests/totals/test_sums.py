"""Goal: sums by key are exact, whatever they come to, and in whatever order they come.

Method: random keys and amounts up to 2^64, added in parts, against Python's integers;
payments that are counted in C against the rows, one by one.
"""

import random
from collections import defaultdict

import numpy as np
import pytest

from switch._core import ROW, Rows
from switch.codes import Kind, Result
from switch.totals._sums import Tally
from switch.totals.figures import HEAD_SHIFT, SERVICE_SHIFT, WALLET_SHIFT, Figure
from switch.totals.sums import Pile, Sums, added, from_entries, rows_by, to_entries


def as_dict(sums: Sums) -> dict[int, tuple[int, int]]:
    keys = sums.keys.tolist()
    assert keys == sorted(set(keys))
    values = zip(sums.counts.tolist(), sums.paise(), strict=True)
    return dict(zip(keys, values, strict=True))


def test_parts_come_to_the_whole() -> None:
    rng = random.Random(1)
    whole: dict[int, tuple[int, int]] = defaultdict(lambda: (0, 0))
    pile, parts = Pile(), []
    for _ in range(40):
        size = rng.choice((0, 1, 3, 200))
        most = rng.choice((2, 2**20, 2**62))
        keys = [rng.randrange(most) & rng.choice((7, 2**62 - 1)) for _ in range(size)]
        largest = rng.choice((1, 2**32, 2**64 - 1))
        amounts = [rng.randint(0, largest) for _ in range(size)]
        columns = np.array(keys, np.uint64), np.array(amounts, np.uint64)
        [sums] = rows_by(*columns)
        for key, amount in zip(keys, amounts, strict=True):
            count, paise = whole[key]
            whole[key] = count + 1, paise + amount
        pile.add(sums)
        parts.append(sums)
        assert len(pile) == len(whole)
    assert as_dict(pile.whole()) == as_dict(added(parts)) == dict(whole)
    assert max(paise for _, paise in whole.values()) > 2**68
    again = from_entries(to_entries(pile.whole()))
    assert as_dict(again) == dict(whole)
    # By some bits of the keys alone.
    masked: dict[int, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for key, (count, paise) in whole.items():
        before = masked[key & 0xF0F]
        masked[key & 0xF0F] = before[0] + count, before[1] + paise
    assert as_dict(added(parts, 0xF0F)) == dict(masked)
    some = {key: one for key, one in whole.items() if 3 <= key < 2**40}
    assert as_dict(pile.whole().between(3, 2**40)) == some


def test_nothing_is_nothing() -> None:
    nothing = np.zeros(0, np.uint64)
    first, second = rows_by(nothing, nothing, nothing)
    assert len(first) == len(second) == len(added([])) == len(added([first], 15)) == 0
    assert from_entries(to_entries(first)).paise() == []


def payments(rng: random.Random, count: int) -> Rows:
    """Rows that are done at once, of some wallets, services and heads."""
    rows = np.zeros(count, ROW)
    rows["kind"], rows["result"] = Kind.PAY, Result.OK
    for name, most in (("debit", 2**21), ("credit", 2**21), ("service", 2**16)):
        few = [rng.randrange(most) for _ in range(5)] + [most - 1]
        rows[name] = [rng.choice(few) for _ in range(count)]
    rows["amount"] = [rng.choice((1, rng.randrange(2**64))) for _ in range(count)]
    return rows


def test_payments_are_counted_as_their_rows_say() -> None:
    rng = random.Random(2)
    whole: dict[int, tuple[int, int]] = defaultdict(lambda: (0, 0))
    pile = Pile()
    for count in (1, 31, 32, 33, 2_000, 5_000):
        rows = payments(rng, count)
        assert pile.add_paid(rows)
        for row in rows.tolist():
            one = dict(zip(ROW.names or (), row, strict=True))
            key = one["credit"] << HEAD_SHIFT | one["service"] << SERVICE_SHIFT
            key |= one["debit"] << WALLET_SHIFT | Figure.PAID
            before = whole[key]
            whole[key] = before[0] + 1, before[1] + one["amount"]
        assert as_dict(pile.whole()) == dict(whole)
    assert len(pile) == len(whole) > 200


@pytest.mark.parametrize("at", [0, 33, 99])
@pytest.mark.parametrize(
    ("field", "value"), [("kind", Kind.HOLD), ("result", Result.INSUFFICIENT_FUNDS)]
)
def test_of_rows_with_another_among_them_nothing_is_added(
    field: str, value: int, at: int
) -> None:
    rows = payments(random.Random(3), 100)
    rows[field][at] = value
    pile = Pile()
    assert not pile.add_paid(rows)
    assert len(pile) == len(pile.whole()) == 0


def test_what_is_no_column_is_refused() -> None:
    tally, column = Tally(), np.ones(3, np.uint64)
    with pytest.raises(ValueError, match="one length"):
        tally.add(column, column, column, column[:2])
    for rows in (np.zeros(0, ROW), np.zeros(3, [("kind", "u1")])):
        with pytest.raises(ValueError, match="ROW"):
            tally.add_paid(rows)
    assert len(tally) == 0
