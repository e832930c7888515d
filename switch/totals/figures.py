"""The figures of a cell, the keys of entries, and what is told of sums.

May use words. `docs/totals.md` says what each figure counts and what each key is.
"""

from enum import IntEnum
from typing import Final, NamedTuple

from switch.calendar import day_date


class Figure(IntEnum):
    """What is counted in a cell; the numbers are on disk."""

    PAID = 1
    HELD = 2
    POSTED = 3
    RELEASED_BY_POST = 4
    VOIDED = 5
    EXPIRED = 6
    REFUNDED = 7
    CORRECTED = 8
    RELEASED_BY_CORRECTION = 9
    CASES = 10
    QUESTIONED = 11
    VERIFIED = 12
    UNDONE = 13


class Level(IntEnum):
    """What periods a part's rows are of; the numbers are on disk."""

    DAY = 1
    MONTH = 2


class Cut(IntEnum):
    """By what a part sums; the numbers are on disk."""

    CELLS = 1
    CENTRES = 2
    SERVICES = 3
    ACCOUNTS = 4


CUTS: Final = {
    Level.DAY: (Cut.CELLS, Cut.CENTRES, Cut.SERVICES, Cut.ACCOUNTS),
    Level.MONTH: (Cut.CELLS, Cut.CENTRES, Cut.SERVICES),
}
"""The cuts of a part of each level."""

MONTHS: Final = 12


def month_of(day: int) -> int:
    """The month of an IST day: year × 12 + month − 1."""
    date = day_date(day)
    return date.year * MONTHS + date.month - 1


FIGURE_BITS: Final = 4
WALLET_BITS: Final = 21
SERVICE_BITS: Final = 16
WALLET_SHIFT: Final = FIGURE_BITS
SERVICE_SHIFT: Final = WALLET_SHIFT + WALLET_BITS
HEAD_SHIFT: Final = SERVICE_SHIFT + SERVICE_BITS
FIGURE_MASK: Final = (1 << FIGURE_BITS) - 1
WALLET_MASK: Final = ((1 << WALLET_BITS) - 1) << WALLET_SHIFT
SERVICE_MASK: Final = ((1 << SERVICE_BITS) - 1) << SERVICE_SHIFT
HEAD_MASK: Final = ((1 << WALLET_BITS) - 1) << HEAD_SHIFT
CUT_MASKS: Final = {
    Cut.CENTRES: WALLET_MASK | FIGURE_MASK,
    Cut.SERVICES: HEAD_MASK | SERVICE_MASK | FIGURE_MASK,
}
"""What of a cell's key is left where cells are summed."""

SIDE_BITS: Final = 2
KIND_SHIFT: Final = SIDE_BITS
ACCOUNT_SHIFT: Final = 10


class Tell(NamedTuple):
    """How something that is told comes of figures: those added, those taken away."""

    adds: tuple[Figure, ...]
    takes: tuple[Figure, ...] = ()
    is_standing: bool = False
    """From the first day to the end of the period, not of the period alone."""


_GIVEN_BACK = (Figure.VOIDED, Figure.EXPIRED)

TELLS: Final = {
    "payments": Tell((Figure.PAID, Figure.POSTED)),
    "corrections": Tell((Figure.CORRECTED,)),
    "gross": Tell((Figure.PAID, Figure.POSTED, Figure.CORRECTED)),
    "refunds": Tell((Figure.REFUNDED, Figure.UNDONE)),
    "held": Tell((Figure.HELD,)),
    "given_back": Tell(_GIVEN_BACK),
    "cases": Tell((Figure.CASES,)),
    "open": Tell((Figure.HELD,), (Figure.RELEASED_BY_POST, *_GIVEN_BACK), True),
    "in_question": Tell(
        (Figure.EXPIRED, Figure.QUESTIONED),
        (Figure.RELEASED_BY_CORRECTION, Figure.VERIFIED),
        True,
    ),
}
"""What is told, by its name; each is a count and paise."""
