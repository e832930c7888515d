"""What of the totals may be told to everybody: nothing of fewer than ten payments.

May use words. `docs/public.md` says why: what is told is made of *blocks* of LEAST rows
or more, which are told whole or not at all, and never change once they were told. Each
line is a sum of blocks, so that no sum or difference of lines, and none of what was
told at two times, comes to less than a block.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

from switch.calendar import day_date
from switch.totals.figures import month_of

LEAST: Final = 10
"""Rows of a block: fewer are told with others, or later, or not at all."""


@dataclass(frozen=True, slots=True)
class Sum:
    """So many rows, and what they come to in paise."""

    count: int = 0
    paise: int = 0

    def plus(self, other: Self) -> "Sum":
        """Both together."""
        return Sum(self.count + other.count, self.paise + other.paise)


NOTHING: Final = Sum()


class Block(NamedTuple):
    """What counts on IST days that follow each other, both ends included."""

    first_day: int
    last_day: int
    sum: Sum

    def plus(self, later: Self) -> "Block":
        """Together with what follows it."""
        return Block(self.first_day, later.last_day, self.sum.plus(later.sum))


def ends_month(day: int) -> bool:
    """Whether it is the last day of its month."""
    return day_date(day + 1).day == 1


def released(units: Sequence[Block]) -> list[Block]:
    """The blocks that may be told of units of time that have ended.

    Units follow each other without a gap. A block is as many of them as it takes to
    come to LEAST, so that a quiet day is told with those after it; what is left as a
    month ends is told with the month's last block, so that months stay whole. Until
    then that last block is held back: what was told is never added to.
    A month that comes to less has no block of its own, and begins one of the next.
    """
    blocks: list[Block] = []
    left: Block | None = None
    for unit in units:
        left = unit if left is None else left.plus(unit)
        if left.sum.count >= LEAST:
            blocks.append(left)
            left = None
        elif ends_month(unit.last_day) and blocks and _same_month(blocks[-1], unit):
            blocks[-1] = blocks[-1].plus(left)
            left = None
    if blocks and not ends_month(blocks[-1].last_day):
        blocks.pop()
    return blocks


def _same_month(block: Block, unit: Block) -> bool:
    return month_of(block.last_day) == month_of(unit.last_day)


def periods(blocks: Sequence[Block]) -> list[Block]:
    """Released blocks put together to whole months, or several where one has no end of
    its own; of the month that has not ended nothing.
    """
    found: list[Block] = []
    left: Block | None = None
    for block in blocks:
        left = block if left is None else left.plus(block)
        if ends_month(block.last_day):
            found.append(left)
            left = None
    return found


@dataclass(frozen=True, slots=True)
class Parts:
    """What a period comes to by place, or by what was paid for: each LEAST or more."""

    shown: Mapping[str, Sum]
    others: Sum
    """All that is not told singly; NOTHING, or LEAST or more."""


def parts(sums: Mapping[str, Sum], ranks: Mapping[str, int]) -> Parts:
    """Those of LEAST or more, and one sum of the others.

    Others that come to less would be found by subtraction: then more are put to them,
    the least by `ranks` first, which must not depend on `sums`. If it were the smallest
    of these, one could reckon back what it was put to. All must come to LEAST.
    """
    shown = {code: one for code, one in sums.items() if one.count >= LEAST}
    others = NOTHING
    for code, one in sums.items():
        if code not in shown:
            others = others.plus(one)
    for code in sorted(shown, key=lambda code: (ranks.get(code, 0), code)):
        if not 0 < others.count < LEAST:
            break
        others = others.plus(shown.pop(code))
    return Parts(shown, others)
