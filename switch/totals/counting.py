"""What rows add to the figures of cells, and to the movements of other accounts.

May use the core. A row counts as `docs/totals.md` says; what a row ends, or speaks of,
is an older row, whose amount is remembered for a while and looked up otherwise.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from switch._core import Ledger, Rows
from switch.codes import Kind, Result, RowFlag
from switch.totals.figures import (
    ACCOUNT_SHIFT,
    HEAD_SHIFT,
    KIND_SHIFT,
    SERVICE_SHIFT,
    WALLET_SHIFT,
    Figure,
)
from switch.totals.sums import U64, Sums, rows_by

REMEMBERED: Final = 1 << 19
"""Rows back to which the amounts of holds are remembered: 8 MiB."""
GATHER_MAX: Final = 65_536
"""Rows that the ledger gathers at a time."""

_DEBIT_SIDE: Final = 1
_CREDIT_SIDE: Final = 2

# The figure that sums a row's own amount, or with _OF_HOLD that of what it names.
_FIGURES: Final = {
    Kind.PAY: Figure.PAID,
    Kind.HOLD: Figure.HELD,
    Kind.POST: Figure.POSTED,
    Kind.VOID: Figure.VOIDED,
    Kind.EXPIRE: Figure.EXPIRED,
    Kind.REFUND: Figure.REFUNDED,
    Kind.CASE: Figure.CASES,
    Kind.VERIFY: Figure.VERIFIED,
}
_NAMES_HOLD: Final = (Kind.POST, Kind.VOID, Kind.EXPIRE, Kind.CASE, Kind.VERIFY)
_OF_ACCOUNTS: Final = (Kind.TOP_UP, Kind.TRANSFER, Kind.SETTLE, Kind.BOOKED)


_FIGURE_OF: U64 = np.zeros(256, np.uint64)
_FIGURE_OF[list(_FIGURES)] = list(_FIGURES.values())
_IS_OF_HOLD = np.isin(np.arange(256), _NAMES_HOLD)
_IS_OF_ACCOUNTS = np.isin(np.arange(256), _OF_ACCOUNTS)


class Counted(NamedTuple):
    """What some rows add, each in parts that are to be added up."""

    cells: list[Sums]
    accounts: list[Sums]


class Counter:
    """Counts rows that follow each other. One thread at a time."""

    def __init__(self, ledger: Ledger) -> None:
        """Remembers no hold yet."""
        self._ledger = ledger
        self._sequences = np.zeros(REMEMBERED, np.uint64)
        self._amounts = np.zeros(REMEMBERED, np.uint64)

    def count(self, rows: Rows) -> Counted:
        """What these rows add; they follow those that were counted last.

        Raises CorruptionError if what one of them names cannot be read.
        """
        kinds, is_done = rows["kind"], rows["result"] == Result.OK
        counts = (_FIGURE_OF[kinds] != 0) & is_done
        cells = self._cells(rows, counts)
        others = rows[_IS_OF_ACCOUNTS[kinds] & is_done]
        if not len(others):
            return Counted(cells, [])
        corrections = others[
            (others["kind"] == Kind.TRANSFER) & (others["flags"] & RowFlag.CASE != 0)
        ]
        if len(corrections):
            cells += self._corrected(corrections)
        undoings = others[
            (others["kind"] == Kind.TRANSFER) & (others["flags"] & RowFlag.UNDOES != 0)
        ]
        if len(undoings):
            cells.append(self._undone(undoings))
        return Counted(cells, _moved(others))

    def _cells(self, rows: Rows, counts: npt.NDArray[np.bool_]) -> list[Sums]:
        """What those of the rows that count add to cells."""
        # Whole rows are not copied: of 128 bytes each some 30 are wanted.
        wanted = slice(None) if counts.all() else counts

        kinds = rows["kind"][wanted]
        amounts = rows["amount"][wanted].copy()
        resolves = rows["resolves"][wanted]
        held = kinds == Kind.HOLD
        self._remember(rows["sequence"][wanted][held], amounts[held])
        of_hold = _IS_OF_HOLD[kinds]
        released = np.zeros(len(kinds), np.uint64)
        released[of_hold] = self._held(resolves[of_hold])
        # A post has both; of all others that name a hold its amount is what counts.
        np.copyto(amounts, released, where=of_hold & (kinds != Kind.POST))
        heads, wallets = rows["credit"][wanted], rows["debit"][wanted]
        refunds = kinds == Kind.REFUND
        if refunds.any():
            heads, wallets = (
                np.where(refunds, wallets, heads),
                np.where(refunds, heads, wallets),
            )
        keys = _keys(heads, rows["service"][wanted], wallets) | _FIGURE_OF[kinds]
        own, of_holds = rows_by(keys, amounts, released)
        found = [own, _as(of_holds, Figure.POSTED, Figure.RELEASED_BY_POST)]
        flags = rows["flags"][wanted]
        questioned = (kinds == Kind.CASE) & (flags & RowFlag.CASE != 0)
        if questioned.any():
            more = keys[questioned] + np.uint64(Figure.QUESTIONED - Figure.CASES)
            found += rows_by(more, amounts[questioned])
        return found

    def _corrected(self, rows: Rows) -> list[Sums]:
        """What corrections add to cells: they have the service of their holds."""
        holds = self._ledger.gather(rows["resolves"])
        keys = _keys(rows["credit"], holds["service"], rows["debit"])
        return [
            *rows_by(keys | np.uint64(Figure.CORRECTED), rows["amount"]),
            *rows_by(keys | np.uint64(Figure.RELEASED_BY_CORRECTION), holds["amount"]),
        ]

    def _undone(self, rows: Rows) -> Sums:
        """What undoings add to cells, likewise: they are refunds of corrections."""
        services = self._ledger.gather(rows["resolves"])["service"]
        keys = _keys(rows["debit"], services, rows["credit"])
        return rows_by(keys | np.uint64(Figure.UNDONE), rows["amount"])[0]

    def _remember(self, sequences: U64, amounts: U64) -> None:
        slots = (sequences % REMEMBERED).astype(np.intp)
        self._sequences[slots], self._amounts[slots] = sequences, amounts

    def _held(self, holds: U64) -> U64:
        """The amounts of holds."""
        slots = (holds % REMEMBERED).astype(np.intp)
        amounts = self._amounts[slots]
        missing = np.flatnonzero(self._sequences[slots] != holds)
        for first in range(0, len(missing), GATHER_MAX):
            some = missing[first : first + GATHER_MAX]
            amounts[some] = self._ledger.gather(holds[some])["amount"]
        return amounts


def _keys(
    heads: npt.NDArray[np.uint32],
    services: npt.NDArray[np.uint16],
    wallets: npt.NDArray[np.uint32],
) -> U64:
    """Keys of cells, without a figure."""
    keys = heads.astype(np.uint64) << np.uint64(HEAD_SHIFT)
    keys |= services.astype(np.uint64) << np.uint64(SERVICE_SHIFT)
    keys |= wallets.astype(np.uint64) << np.uint64(WALLET_SHIFT)
    return keys


def _as(sums: Sums, figure: Figure, other: Figure) -> Sums:
    """Those of one figure, as another one's, which is greater."""
    chosen = sums.part((sums.keys & np.uint64(15)) == figure)
    return Sums(
        chosen.keys + np.uint64(other - figure), chosen.counts, chosen.low, chosen.high
    )


def _moved(rows: Rows) -> list[Sums]:
    """What rows add to the movements of both their accounts."""
    kinds = rows["kind"].astype(np.uint64) << np.uint64(KIND_SHIFT)
    sides = (("debit", _DEBIT_SIDE), ("credit", _CREDIT_SIDE))
    keys = [
        (rows[name].astype(np.uint64) << np.uint64(ACCOUNT_SHIFT))
        | kinds
        | np.uint64(side)
        for name, side in sides
    ]
    amounts = rows["amount"]
    return rows_by(np.concatenate(keys), np.concatenate([amounts, amounts]))
