"""What the network has taken, counted from the rows: docs/totals.md, a second time.

Figures of cells (wallet, service, head) and of accounts, as entries in ascending order
of their keys: one way to write them down, so that they can be compared byte by byte.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from switch.audit.layout import OK, U64, Rows, pick
from switch.audit.reader import Journal
from switch.codes import Kind, RowFlag

ENTRY: Final = np.dtype(
    [("key", "<u8"), ("count", "<u8"), ("low", "<u8"), ("high", "<u8")]
)
"""A key, how many rows, and their paise, 128 bits."""
Entries = Rows

CELLS, CENTRES, SERVICES, ACCOUNTS = 1, 2, 3, 4
"""Cuts: what is summed by what."""
FIGURES: Final = (
    *("", "paid", "held", "posted", "released by posts", "voided", "expired"),
    *("refunded", "corrected", "released by corrections", "cases", "questioned"),
    *("verified", "undone"),
)
"""By their numbers."""
OWN: Final = {Kind.PAY: 1, Kind.HOLD: 2, Kind.POST: 3, Kind.REFUND: 7}
"""Figures of a row's own amount, by its kind."""
OF_HOLD: Final = {
    Kind.POST: 4,
    Kind.VOID: 5,
    Kind.EXPIRE: 6,
    Kind.CASE: 10,
    Kind.VERIFY: 12,
}
"""Figures of the amount of the hold that a row names."""
MOVING: Final = (Kind.TOP_UP, Kind.TRANSFER, Kind.SETTLE, Kind.BOOKED)
"""Kinds that count for both of their accounts."""

HEAD_SHIFT, SERVICE_SHIFT, WALLET_SHIFT = np.uint64(41), np.uint64(25), np.uint64(4)
WALLET_MASK: Final = np.uint64((1 << 21) - 1)
FIGURE_MASK: Final = np.uint64(15)
HALF, LOW = np.uint64(32), np.uint64(2**32 - 1)
REMEMBERED_MAX: Final = 1 << 19
"""Holds whose amounts are remembered; older ones are looked up in the journal."""
PENDING_MAX: Final = 1 << 20
"""Entries that wait to be added up."""


class Held:
    """What holds reserved, and for which service. Memory: 18 bytes for each that is
    remembered.
    """

    def __init__(self, journal: Journal) -> None:
        """No hold."""
        self._journal = journal
        self._sequence = np.zeros(0, np.uint64)
        self._amount = np.zeros(0, np.uint64)
        self._service = np.zeros(0, np.uint16)

    def add(self, rows: Rows) -> None:
        """Take accepted holds, all later than those before."""
        for name, column in (
            ("_sequence", "sequence"),
            ("_amount", "amount"),
            ("_service", "service"),
        ):
            both = np.concatenate((getattr(self, name), rows[column]))
            setattr(self, name, both[-REMEMBERED_MAX:])

    def find(self, sequences: U64) -> tuple[U64, U64]:
        """The amounts and services of holds; zeros where there is no accepted hold."""
        amounts = np.zeros(len(sequences), np.uint64)
        services = np.zeros(len(sequences), np.uint64)
        known = np.zeros(len(sequences), np.bool_)
        if len(self._sequence):
            at = np.searchsorted(self._sequence, sequences)
            at[at == len(self._sequence)] = 0
            known = self._sequence[at] == sequences
            amounts[known] = self._amount[at[known]]
            services[known] = self._service[at[known]]
            # What is as new as these and not among them is no hold.
            known |= sequences >= self._sequence[0]
        rows = self._journal.rows_at(sequences[~known])
        good = (rows["kind"] == Kind.HOLD) & (rows["result"] == OK)
        amounts[~known] = np.where(good, rows["amount"], 0)
        services[~known] = np.where(good, rows["service"], 0)
        return amounts, services


def day_of(timestamps: U64) -> U64:
    """IST days since 1970-01-01."""
    second, day = np.uint64(10**9), np.uint64(86_400)
    days: U64 = (timestamps // second + np.uint64(19_800)) // day
    return days


def month_of(days: U64) -> U64:
    """Year × 12 + month − 1 of days."""
    dates = days.astype(np.int64).astype("M8[D]").astype("M8[M]")
    months: U64 = (dates.astype(np.int64) + 1970 * 12).astype(np.uint64)
    return months


def cells_of(rows: Rows, held: Held) -> Entries:
    """What some rows, in their order, are in cells: entries, not yet added up."""
    good = pick(rows, rows["result"] == OK)
    held.add(pick(good, good["kind"] == Kind.HOLD))
    kind = good["kind"]
    case = (good["flags"] & np.uint16(RowFlag.CASE)) != 0
    correction = (kind == Kind.TRANSFER) & case
    own = np.zeros(len(good), np.uint64)
    of_hold = np.zeros(len(good), np.uint64)
    for table, figure in ((OWN, own), (OF_HOLD, of_hold)):
        for one, number in table.items():
            figure[kind == one] = number
    own[correction], of_hold[correction] = 8, 9
    undoing = (kind == Kind.TRANSFER) & (good["resolves"] != 0)
    undoing &= (good["flags"] & np.uint16(RowFlag.UNDOES)) != 0
    own[undoing] = 13
    amount = good["amount"]
    service = good["service"].astype(np.uint64)
    naming = np.flatnonzero((of_hold != 0) | undoing)
    holds = np.zeros(len(good), np.uint64)
    holds[naming], services = held.find(good["resolves"][naming])
    moved = correction | undoing
    service[moved] = services[moved[naming]]
    back = (kind == Kind.REFUND) | undoing
    wallet = np.where(back, good["credit"], good["debit"]).astype(np.uint64)
    head = np.where(back, good["debit"], good["credit"]).astype(np.uint64)
    cell = (head << HEAD_SHIFT) + (service << SERVICE_SHIFT) + (wallet << WALLET_SHIFT)
    asked = (kind == Kind.CASE) & case
    return np.concatenate(
        [
            _one_each(cell[some] + figure[some], paise[some])
            for some, figure, paise in (
                (own != 0, own, amount),
                (of_hold != 0, of_hold, holds),
                (asked, of_hold + np.uint64(1), holds),
            )
        ]
    )


def accounts_of(rows: Rows) -> Entries:
    """What some rows are for their accounts, beside what they are in cells: likewise
    not added up.
    """
    moves = (rows["result"] == OK) & np.isin(rows["kind"], MOVING)
    good = pick(rows, moves)
    kind, amount = good["kind"].astype(np.uint64) << np.uint64(2), good["amount"]
    return np.concatenate(
        [
            _one_each(
                (good[name].astype(np.uint64) << np.uint64(10))
                + kind
                + np.uint64(side),
                amount,
            )
            for name, side in (("debit", 1), ("credit", 2))
        ]
    )


def _one_each(keys: U64, paise: U64) -> Entries:
    made = np.zeros(len(keys), ENTRY)
    made["key"], made["count"], made["low"] = keys, 1, paise
    return made


def _of_centre(keys: U64) -> U64:
    wallet = (keys >> WALLET_SHIFT) & WALLET_MASK
    found: U64 = (wallet << WALLET_SHIFT) + (keys & FIGURE_MASK)
    return found


def _of_service(keys: U64) -> U64:
    found: U64 = ((keys >> SERVICE_SHIFT) << SERVICE_SHIFT) + (keys & FIGURE_MASK)
    return found


ROLLED: Final[dict[int, Callable[[U64], U64]]] = {
    CENTRES: _of_centre,
    SERVICES: _of_service,
}
"""The keys of cells as those of a cut that sums them."""


def rolled_up(cells: Entries, cut: int) -> Entries:
    """Cells as entries of another cut of them."""
    if cut == CELLS:
        return cells
    made = cells.copy()
    made["key"] = ROLLED[cut](cells["key"])
    return added_up([made])


def added_up(parts: list[Entries]) -> Entries:
    """Entries of all parts, ascending by key, those of one key as one. Exact."""
    some = np.concatenate(parts) if parts else np.zeros(0, ENTRY)
    if not len(some):
        return some
    some = some[np.argsort(some["key"])]
    keys = some["key"]
    starts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    made = np.zeros(len(starts), ENTRY)
    made["key"] = keys[starts]
    made["count"] = np.add.reduceat(some["count"], starts)
    # Halves, whose sums fit: of fewer than 2^32 entries.
    lowest = np.add.reduceat(some["low"] & LOW, starts)
    middle = np.add.reduceat(some["low"] >> HALF, starts) + (lowest >> HALF)
    made["low"] = (lowest & LOW) | ((middle & LOW) << HALF)
    made["high"] = np.add.reduceat(some["high"], starts) + (middle >> HALF)
    return made


class Sum:
    """Entries that are added up as they come."""

    def __init__(self) -> None:
        """Nothing."""
        self._parts: list[Entries] = []
        self._pending = 0

    def add(self, entries: Entries) -> None:
        """Take some more."""
        self._parts.append(entries)
        self._pending += len(entries)
        if self._pending > PENDING_MAX:
            self._parts = [added_up(self._parts)]
            # What is left, however much, is gone through again when as much came.
            self._pending = 0

    def take(self) -> Entries:
        """All of it; then it is nothing again."""
        whole = added_up(self._parts)
        self._parts, self._pending = [], 0
        return whole


def paise_of(entry: np.void) -> int:
    """The paise of an entry."""
    return int(entry["low"]) + (int(entry["high"]) << 64)


def cell_words(cut: int, key: int) -> str:
    """An entry's key for people."""
    if cut == ACCOUNTS:
        kind, side = (key >> 2) & 0xFF, ("", "debit", "credit", "")[key & 3]
        name = Kind(kind).name.lower() if kind in set(Kind) else f"kind {kind}"
        return f"account {key >> 10}, {name}, {side or 'no side'}"
    figure = key & 15
    name = FIGURES[figure] if 0 < figure < len(FIGURES) else f"figure {figure}"
    wallet, service, head = (key >> 4) & (2**21 - 1), (key >> 25) & 0xFFFF, key >> 41
    by = {
        CELLS: f"wallet {wallet}, service {service}, head {head}",
        CENTRES: f"wallet {wallet}",
        SERVICES: f"service {service}, head {head}",
    }
    return f"{by[cut]}, {name}"
