"""Which line there is of which payment here: one to one, the most alike first.

May use `lines`. Works on sorted columns: lines that agree in what a pass asks for stand
side by side, and the first here goes with the first there.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from switch.matching.lines import Days, Here, Mask, Numbers, Places, There

NEAR_DAYS = 5
"""How far a payment of another day may be, if a reference says which it is."""


class Pairs(NamedTuple):
    """Pairs of places, and in what each pair differs."""

    here: Places
    there: Places
    amount: Mask
    head: Mask
    date: Mask


class Asked(NamedTuple):
    """Which lines may be paired, and what is compared."""

    here: Here
    there: There
    net: Numbers
    """What is left of each payment here."""
    usual: Mask
    """Of here: is of these days."""
    with_heads: bool
    names_one: bool
    """A key is of one payment."""


# What lines of a pass must agree in: the amount (all of it, what is left, or any), the
# date (the accounting one, that of the payment, or any) and the head.
_PASSES = (
    ("amount", "day", True),
    ("amount", "made", True),
    ("net", "day", True),
    ("net", "made", True),
    ("amount", "", True),
    ("net", "", True),
    ("amount", "day", False),
    ("amount", "made", False),
    ("net", "day", False),
    ("net", "made", False),
    ("amount", "", False),
    ("net", "", False),
    ("", "day", True),
    ("", "made", True),
    ("", "day", False),
    ("", "made", False),
    ("", "", False),
)


def pair(asked: Asked, here: Places, there: Places) -> Pairs:
    """Pair those of these places. What is left over is for who asks."""
    rest = _Rest(asked, here, there)
    is_aside = asked.names_one
    for amount, day, with_head in _passes(with_heads=asked.with_heads):
        if not len(rest.here) or not len(rest.there):
            break
        if not amount and not is_aside:
            is_aside = True
            rest.set_aside()
        rest.take(amount, day, with_head=with_head)
    return _differences(asked, *rest.found())


class _Rest:
    """What is not paired yet, and what is."""

    def __init__(self, asked: Asked, here: Places, there: Places) -> None:
        self._asked = asked
        self.here, self.there = here, there
        self._code_here, self._code_there = _codes(asked, here, there)
        none = np.zeros(0, np.intp)
        self._found_here = [none]
        self._found_there = [none]
        self._found_codes = [np.zeros(0, np.int64)]

    def found(self) -> tuple[Places, Places]:
        """The pairs."""
        return np.concatenate(self._found_here), np.concatenate(self._found_there)

    def take(self, amount: str, day: str, *, with_head: bool) -> None:
        """Pair what agrees in this."""
        asked, here, there = self._asked, self.here, self.there
        columns_here = [self._code_here]
        columns_there = [self._code_there]
        if amount:
            amounts = asked.here.amount if amount == "amount" else asked.net
            columns_here.append(amounts[here])
            columns_there.append(asked.there.amount[there])
        if day:
            days = asked.here.day if day == "day" else asked.here.made
            columns_here.append(days[here].astype(np.int64))
            columns_there.append(asked.there.day[there].astype(np.int64))
        if with_head:
            columns_here.append(asked.here.head[here].astype(np.int64))
            columns_there.append(asked.there.head[there].astype(np.int64))
        usable = np.arange(len(here))
        if not amount and not asked.names_one:
            # The same citizen's next payment is no wrong amount of this one.
            usable = np.flatnonzero(asked.usual[here])
            columns_here = [one[usable] for one in columns_here]
        first, second = agree(columns_here, columns_there)
        if not len(first):
            return
        first = usable[first]
        self._found_here.append(here[first])
        self._found_there.append(there[second])
        self._found_codes.append(self._code_there[second])
        left = np.ones(len(here), np.bool_)
        left[first] = False
        self.here, self._code_here = here[left], self._code_here[left]
        left = np.ones(len(there), np.bool_)
        left[second] = False
        self.there, self._code_there = there[left], self._code_there[left]

    def set_aside(self) -> None:
        """Lines that are like one that is paired tell it twice: they are of no other
        payment of the same citizen.
        """
        paired = np.concatenate(self._found_there)
        count = len(paired)
        codes = np.concatenate([*self._found_codes, self._code_there])
        both = np.concatenate([paired, self.there])
        told = self._asked.there
        columns = [codes, told.amount[both], told.day[both]]
        if self._asked.with_heads:
            columns.append(told.head[both])
        order, group = grouped(columns)
        is_paired = np.bincount(group[order < count], minlength=len(order) + 1) > 0
        fresh = np.ones(len(both), np.bool_)
        fresh[order] = ~is_paired[group]
        fresh = fresh[count:]
        self.there, self._code_there = self.there[fresh], self._code_there[fresh]


def _passes(*, with_heads: bool) -> tuple[tuple[str, str, bool], ...]:
    if with_heads:
        return _PASSES
    return tuple(dict.fromkeys((amount, day, False) for amount, day, _ in _PASSES))


def _codes(
    asked: Asked, here: Places, there: Places
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """One number for each key, and for what is taken back another."""
    keys = np.concatenate([asked.here.key[here], asked.there.key[there]])
    refunds = np.concatenate([asked.here.refund[here], asked.there.refund[there]])
    codes = key_codes(keys) * 2 + refunds
    return codes[: len(here)], codes[len(here) :]


def key_codes(keys: npt.NDArray[np.bytes_]) -> npt.NDArray[np.int64]:
    """A number for each key, the same for the same.

    Keys are compared as words of eight bytes: that sorts faster than texts do.
    """
    size = -(-keys.itemsize // 8)
    wide = np.ascontiguousarray(keys, f"S{size * 8}")
    words = wide.view(np.uint64).reshape(len(keys), size)
    order = np.lexsort(words.T)
    codes = np.zeros(len(keys), np.int64)
    if len(keys):
        ordered = words[order]
        changed = (ordered[1:] != ordered[:-1]).any(axis=1)
        codes[order[1:]] = np.cumsum(changed)
    return codes


def agree(
    here: list[npt.NDArray[np.int64]], there: list[npt.NDArray[np.int64]]
) -> tuple[Places, Places]:
    """Pairs of rows that are alike in all columns: first with first, and so on."""
    count = len(here[0])
    columns = [np.concatenate(both) for both in zip(here, there, strict=True)]
    # Stable: within what is alike first those here, then those there, as they stand.
    order, group = grouped(columns)
    if not len(order):
        return order, order
    start = np.flatnonzero(np.diff(group, prepend=-1))
    is_there = order >= count
    size_here = np.bincount(group[~is_there], minlength=len(start))
    places = np.flatnonzero(is_there)
    of = group[places]
    rank = places - start[of] - size_here[of]
    has_one = rank < size_here[of]
    first = order[start[of[has_one]] + rank[has_one]]
    second = order[places[has_one]] - count
    return first, second


def grouped(columns: Sequence[npt.NDArray[Any]]) -> tuple[Places, Places]:
    """An order in which rows that are alike in all columns stand side by side, in it as
    they stood, and the number of each one's group.
    """
    order = np.lexsort(columns[::-1])
    changed = np.zeros(len(order), np.bool_)
    for column in columns:
        ordered = column[order]
        changed[1:] |= ordered[1:] != ordered[:-1]
    return order, np.cumsum(changed)


def _differences(asked: Asked, here: Places, there: Places) -> Pairs:
    said = asked.there.amount[there]
    amount = (asked.here.amount[here] != said) & (asked.net[here] != said)
    head = np.zeros(len(here), np.bool_)
    if asked.with_heads:
        head = asked.here.head[here] != asked.there.head[there]
    day = asked.there.day[there]
    date = (asked.here.day[here] != day) & (asked.here.made[here] != day)
    date |= ~asked.usual[here]
    return Pairs(here, there, amount, head, date)


def are_near(days: Days, first: int, last: int) -> Mask:
    """Which of the days are not too far from a span of them."""
    near: Mask = (days >= first - NEAR_DAYS) & (days <= last + NEAR_DAYS)
    return near
