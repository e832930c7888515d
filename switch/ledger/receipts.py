"""The payment that has a receipt, by its number.

May use the core. Numbers are gapless for each wallet and financial year, and grow with
the rows, so that the wallet's history is halved until the row is found: no index has
them, and no row needs room for it.
"""

from typing import Final

from switch._core import Ledger
from switch.calendar import financial_year
from switch.traits import Trait, kinds_with

SCAN_FIRST: Final = 4
SCAN_MAX: Final = 1_024
"""Rows of a wallet that are looked at together for one with a receipt: twice as many
each time, as most rows have one.
"""

_FINAL = frozenset(kinds_with(Trait.FINAL))

_Place = tuple[int, int]
"""Financial year and number: they grow with the sequence."""


def find_receipt(ledger: Ledger, wallet: int, year: int, number: int) -> int:
    """Sequence of the durable row that has this receipt of a wallet; 0 if none has.

    Some 27 steps in a hundred million rows. Rows without a receipt between two that
    have one are looked at once, however many they are. Raises CorruptionError.
    """
    wanted = (year, number)
    # All receipts up to `low` are before it; if it is there at all, it is up to `high`.
    low, high = 0, ledger.sequence
    while high - low > 1:
        middle = (low + high) // 2
        found, sequence = _newest_receipt(ledger, wallet, low, middle)
        if sequence and found >= wanted:
            high = sequence
        else:
            low = middle
    found, sequence = _newest_receipt(ledger, wallet, low, high)
    return sequence if found == wanted else 0


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
