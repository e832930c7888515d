"""The payment that has a receipt, by its number.

May use the core. Numbers are gapless for each wallet and financial year, and grow with
the rows, so that the wallet's history is halved until the row is found: no index has
them, and no row needs room for it.
"""

from typing import Final

from switch._core import Ledger
from switch.calendar import financial_year
from switch.traits import Trait, kinds_with

SCAN_ROWS: Final = 32
"""Rows of a wallet that are looked at together for one with a receipt."""

_FINAL = frozenset(kinds_with(Trait.FINAL))

_Place = tuple[int, int]
"""Financial year and number: they grow with the sequence."""


def find_receipt(ledger: Ledger, wallet: int, year: int, number: int) -> int:
    """Sequence of the durable row that has this receipt of a wallet; 0 if none has.

    It is halved as often whether the receipt is there or not. Raises CorruptionError.
    """
    wanted = (year, number)
    # The receipt is in none up to `low`, and if it is there at all up to `high`.
    low, high = 0, ledger.sequence
    for _ in range(high.bit_length()):
        middle = (low + high) // 2
        if _receipt_up_to(ledger, wallet, middle)[0] < wanted:
            low = middle
        else:
            high = middle
    found, sequence = _receipt_up_to(ledger, wallet, high)
    return sequence if found == wanted else 0


def _receipt_up_to(ledger: Ledger, wallet: int, last: int) -> tuple[_Place, int]:
    """The newest receipt of a wallet in rows up to `last`, and its row; zeros if none.

    A wallet's rows without one are its top-ups and refunds, and holds: those that are
    open are bounded, and each other one has a row with a receipt, or gives back.
    """
    before = last + 1
    while True:
        sequences = ledger.account_rows(wallet, before, SCAN_ROWS).tolist()
        for sequence in sequences:
            entry = ledger.row(sequence)
            if entry.receipt and entry.kind in _FINAL and entry.debit == wallet:
                return (financial_year(entry.timestamp), entry.receipt), sequence
            before = sequence
        if len(sequences) < SCAN_ROWS:
            return (0, 0), 0
