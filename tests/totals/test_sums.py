"""Goal: sums by key are exact, whatever they come to, and in whatever order they come.

Method: random keys and amounts up to 2^64, added in parts, against Python's integers.
"""

import random
from collections import defaultdict

import numpy as np

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
        assert pile.size_most >= len(pile.whole())
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
