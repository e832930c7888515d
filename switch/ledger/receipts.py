"""The payment that has a receipt, by its number.

May use the core. Numbers are gapless for each wallet and financial year, and grow with
the rows, so that the row is found by looking where it should be and closing in on it:
no index has them, and no row needs room for it.
"""

from math import isqrt
from typing import Final

from switch._core import Ledger
from switch.calendar import financial_year
from switch.traits import Trait, kinds_with

SCAN_FIRST: Final = 4
SCAN_MAX: Final = 1_024
"""Rows of a wallet that are looked at together for one with a receipt: twice as many
each time, as most rows have one.
"""
NEAR: Final = 128
"""Receipts that are counted off the wallet's rows, without a look at each."""
SLOW_MAX: Final = 2
"""Looks in a row of which none has halved what is left; the next one does."""

_FINAL = frozenset(kinds_with(Trait.FINAL))

_Place = tuple[int, int]
"""Financial year and number: they grow with the sequence."""


def find_receipt(ledger: Ledger, wallet: int, year: int, number: int) -> int:
    """Sequence of the durable row that has this receipt of a wallet; 0 if none has.

    A wallet's receipts are spread nearly evenly, so that some four looks find one in a
    hundred million rows; halving takes 27, each at pages of its own. Where they are
    spread in another way, every third look halves. Rows without a receipt between two
    that have one are looked at once, however many they are. Raises CorruptionError.
    """
    wanted = (year, number)
    # All receipts up to `low` are before it, the last of its year is `base`. If it is
    # there at all, it is up to `high`, which is the row of `top`.
    low, base, slow = 0, 0, 0
    each = 1.0  # rows of the wallet to a receipt, as far as they were counted
    top, high = _newest_receipt(ledger, wallet, 0, ledger.sequence)
    while top > wanted and high - low > 1:
        span, left = high - low, top[1] - number
        middle, counted = low + span // 2, 0
        if slow < SLOW_MAX and top[0] == year:
            if left <= NEAR:
                counted = round(left * each)
                rows = ledger.account_rows(wallet, high, counted)
                middle = int(rows[-1]) if len(rows) == counted else 0
            else:
                middle = low + _guess(number - base, left, span)
        if middle <= low:
            # As a row has one receipt at most, what is so near is not there.
            if each == 1:
                return 0
            each, counted = 1.0, 0
            continue
        found, sequence = _newest_receipt(ledger, wallet, low, middle)
        if counted and top[1] > found[1] and found[0] == year:
            each = counted / (top[1] - found[1])
        if sequence and found >= wanted:
            top, high = found, sequence
        else:
            low = middle
            base = found[1] if found[0] == year else base
        is_less = 2 * (high - low) <= span or 0 < 2 * (top[1] - number) <= left
        slow = 0 if is_less or slow == SLOW_MAX else slow + 1
    return high if top == wanted else 0


def _guess(behind: int, left: int, span: int) -> int:
    """Where in a span of rows a receipt is, with so many behind its begin and so many
    left to its end; rather too far, as from there it is counted off. Chance scatters
    what is between two rows by the root of its number.
    """
    beyond = 2 * isqrt(min(behind, left)) + 1
    return min(max(span * (behind + beyond) // (behind + left), 1), span - 1)


def _newest_receipt(
    ledger: Ledger, wallet: int, after: int, last: int
) -> tuple[_Place, int]:
    """The newest receipt of a wallet in rows behind one up to another, and its row;
    zeros if there is none. Top-ups, refunds, holds and their ends have none.
    """
    before, many = last + 1, SCAN_FIRST
    while True:
        sequences = ledger.account_rows(wallet, before, many).tolist()
        for sequence in sequences:
            if sequence <= after:
                return (0, 0), 0
            entry = ledger.row(sequence)
            if entry.receipt and entry.kind in _FINAL and entry.debit == wallet:
                return (financial_year(entry.timestamp), entry.receipt), sequence
            before = sequence
        if len(sequences) < many:
            return (0, 0), 0
        many = min(2 * many, SCAN_MAX)
