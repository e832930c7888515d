"""The refunds of one payment, in their order.

May use the core. The newest is linked to what it gives back of, with
the sum so far; where there was more than one the others lie among the rows of the
wallet before it.
"""

from collections.abc import Callable
from typing import Final

from switch._core import Ledger, entries_of
from switch.codes import Kind
from switch.entries import Entry
from switch.errors import CorruptionError

PAGE: Final = 1_024
"""Rows of the wallet that are looked at at once."""
SCAN_MAX: Final = 262_144
"""Rows of the wallet between the first refund of a payment and its last one that are
looked through at most: a busy counter's year.
"""


class RefundsFarApartError(LookupError):
    """More than SCAN_MAX rows lie between two refunds of a payment."""


def refunds_of(
    ledger: Ledger,
    final: Entry,
    *,
    scan_max: int | None = None,
    charge: Callable[[int], None] | None = None,
) -> list[Entry]:
    """The refunds of what completed a payment (a pay, a post), the first one first.

    At most `scan_max` rows of the wallet are looked through; None is SCAN_MAX. `charge`
    is called with 1 before each PAGE of them.

    Raises RefundsFarApartError, CorruptionError.
    """
    most = SCAN_MAX if scan_max is None else scan_max
    newest, _ = ledger.resolution(final.sequence)
    if not newest:
        return []
    found = [ledger.row(newest)]
    # The sum so far is the row's own amount in the first refund alone.
    before, looked = newest, 0
    while found[-1].total > found[-1].amount:
        if looked >= most:
            raise RefundsFarApartError(
                f"more than {most} rows lie between the refunds of the payment"
            )
        if charge is not None:
            charge(1)
        sequences = ledger.account_rows(final.debit, before, PAGE)
        if not len(sequences):
            raise CorruptionError(0, f"refund {newest} has none before it")
        rows = ledger.gather(sequences)
        is_one = (rows["kind"] == Kind.REFUND) & (rows["resolves"] == final.sequence)
        found += entries_of(rows[is_one])
        looked += len(sequences)
        before = int(sequences[-1])
    return found[::-1]
