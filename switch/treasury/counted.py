"""The rows of an account between two sequences, in order, in blocks.

May use the core. The index gives an account's rows from the newest back. So they are
gone through twice: once to find where blocks begin, one number for each, and once from
the oldest block on. What is held is a block, however many there are.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from switch._core import GROUP_MAX, Ledger, Rows
from switch.codes import Kind, RowFlag
from switch.traits import Trait, kinds_with

BLOCK_ROWS: Final = GROUP_MAX
"""Rows looked at together: as many as their tails can be read of at a time."""

Mask = npt.NDArray[np.bool_]


def _table(*kinds: Kind) -> Mask:
    return np.isin(np.arange(256), [int(kind) for kind in kinds])


COUNTED: Final = _table(Kind.PAY, Kind.POST, Kind.REFUND, Kind.TRANSFER)
"""What a window counts of a biller's account: "Period totals" in docs/data-model.md."""
POSTED: Final = _table(*kinds_with(Trait.POSTED))
"""What changes a balance."""
SETTLED: Final = _table(Kind.SETTLE)


def blocks(
    ledger: Ledger, account: int, after: int, last: int, kinds: Mask
) -> Iterator[Rows]:
    """The accepted rows of an account, of these kinds, behind one sequence and up to
    another, ascending. Raises CorruptionError.
    """
    starts: list[int] = []
    before = last + 1
    while before:
        starts.append(before)
        before = _older(ledger, account, before, after)[1]
    for start in reversed(starts):
        sequences, _ = _older(ledger, account, start, after)
        rows = ledger.gather(np.ascontiguousarray(sequences[::-1]))
        yield rows[kinds[rows["kind"]]]


def _older(
    ledger: Ledger, account: int, before: int, after: int
) -> tuple[npt.NDArray[np.uint64], int]:
    """A block's sequences, descending; where the next older one begins, 0 for none."""
    sequences = ledger.account_rows(account, before, BLOCK_ROWS)
    wanted = sequences[sequences > after]
    more = len(wanted) == BLOCK_ROWS
    return wanted, int(wanted[-1]) if more else 0


def corrections_of(rows: Rows) -> Mask:
    """Which transfers pay a payment after all that had been given back."""
    is_case = (rows["flags"] & int(RowFlag.CASE)) != 0
    is_transfer = rows["kind"] == Kind.TRANSFER
    found: Mask = is_transfer & is_case & (rows["resolves"] != 0)
    return found


def undoings_of(rows: Rows) -> Mask:
    """Which transfers take back what a correction has paid: its biller rejects it."""
    undoes = (rows["flags"] & int(RowFlag.UNDOES)) != 0
    found: Mask = (rows["kind"] == Kind.TRANSFER) & undoes
    return found


def corrects_earlier(rows: Rows, after: int) -> Mask:
    """Which rows say something else of what had its place in an earlier window: the
    refund of a payment of one, and the correction of a hold.
    """
    is_linked = (rows["kind"] == Kind.REFUND) | corrections_of(rows)
    found: Mask = is_linked & (rows["resolves"] <= after)
    return found
