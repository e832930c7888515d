"""Shifts: what one operator took and gave back since the last one was closed.

May use the core, `codes`, `ledger`, `handouts` and `shift_rows`. Everything is counted
from the wallet's own entries and from what was handed out, so that nobody has to keep
a tally; what is counted is the cash that the drawer should have gained. Amounts are
paise.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from numpy.lib.recfunctions import repack_fields

from switch._core import Ledger, Rows
from switch.codes import TENDER_MASK, TENDER_SHIFT, Kind, Link, RowFlag, Tender
from switch.counter.handouts import HandoutBook
from switch.counter.shift_rows import Shift
from switch.traits import Trait, kinds_with

WALK_ROWS = 16_384
"""Entries of a wallet that are looked at in one step."""
WALK_READS = 16
"""Reads that such a step costs."""
LINKS_MAX = 1_024
"""Shifts of an operator that are passed by for the price of one read."""
WALK_MAX = 4_194_304
"""Entries of a wallet that one shift may reach back over: 27 bytes of memory each."""

_COUNTED = ["sequence", "amount", "resolves", "flags", "kind"]


class ShiftTooLongError(ValueError):
    """A wallet has more entries since the operator's last shift than are walked."""


def last_shift(
    ledger: Ledger, wallet: int, operator: int, charge: Callable[[int], None]
) -> int:
    """Sequence of an operator's newest durable shift at a wallet, 0 if there is none.

    Each shift is linked to the one before. `charge` is called with 1 for each
    LINKS_MAX of them. Raises CorruptionError.
    """
    newest, walked = 0, 0
    following = ledger.link(operator << 32 | wallet, Link.FIRST_SHIFT)
    while following:
        walked += 1
        if walked % LINKS_MAX == 0:
            charge(1)
        newest, following = following, ledger.link(following, Link.SHIFT)
    return newest


def count_shift(
    book: HandoutBook,
    ledger: Ledger,
    wallet: int,
    operator: int,
    after: int,
    cash_counted: int,
    charge: Callable[[int], None],
) -> Shift:
    """Count the shift that began after row `after`, up to what is durable now.

    Payments are the accepted ones, held ones included: their cash was taken. Given back
    are payments that were reversed while their citizen waited, of this shift or an
    earlier one, and what the operator has handed out, as the `book` of the ledger has
    it. What came back before the rules of handouts counts where it came back. The cash
    that is expected is 0 where more was given back than taken: the rest came from money
    of before. `charge` is called with WALK_READS before
    each WALK_ROWS of the wallet's entries.

    Raises ShiftTooLongError, CorruptionError, OverloadError.
    """
    to = ledger.sequence
    since = book.since()
    handed = ledger.gather(
        np.array(book.handed_out(wallet, operator, after, to), np.uint64)
    )
    mine = _entries_of(ledger, wallet, operator, after, to, charge)
    kind = mine["kind"]
    taken = np.isin(kind, kinds_with(Trait.PAYMENT))
    ended = np.isin(kind, kinds_with(Trait.RESOLVES))
    amounts = mine["amount"].astype(np.uint64)
    # A void row's own amount is not what it gives back; a post may give back a part.
    held = amounts.copy()
    held[ended] = ledger.gather(mine["resolves"][ended])["amount"]
    back = np.where(kind == Kind.POST, held - amounts, held)
    given = (ended | (kind == Kind.REFUND)) & (back > 0)
    if since:
        given &= ~((mine["sequence"] > since) & _is_handed_out(mine))
    cash, handed_cash = _is_cash(mine), _is_cash(handed)
    is_held = kind == Kind.HOLD
    still = ~np.isin(mine["sequence"][is_held], mine["resolves"][ended])
    cash_gained = int(amounts[taken & cash].sum()) - int(back[given & cash].sum())
    cash_gained -= int(handed["amount"][handed_cash].sum())
    return Shift(
        after_sequence=after,
        payments_count=int(taken.sum()),
        payments_amount=int(amounts[taken].sum()),
        refunds_count=int(given.sum()) + len(handed),
        refunds_amount=int(back[given].sum()) + int(handed["amount"].sum()),
        cash_expected=max(cash_gained, 0),
        cash_counted=cash_counted,
        open_count=int(still.sum()),
        to_sequence=to,
        cash_from_before=max(-cash_gained, 0),
    )


def _is_cash(rows: Rows) -> npt.NDArray[np.bool_]:
    """Which rows are of payments whose citizens paid in cash."""
    found: npt.NDArray[np.bool_] = (
        (rows["flags"] & TENDER_MASK) >> TENDER_SHIFT
    ) == Tender.CASH
    return found


def _is_handed_out(rows: Rows) -> npt.NDArray[np.bool_]:
    """Which rows give back what a row of its own hands out."""
    kind, keeps = rows["kind"], (rows["flags"] & RowFlag.KEEP) != 0
    found: npt.NDArray[np.bool_] = (
        (kind == Kind.REFUND)
        | (kind == Kind.EXPIRE)
        | (keeps & ((kind == Kind.VOID) | (kind == Kind.POST)))
    )
    return found


def _entries_of(
    ledger: Ledger,
    wallet: int,
    operator: int,
    after: int,
    to: int,
    charge: Callable[[int], None],
) -> Rows:
    """What counts of the wallet's accepted entries in (after, to] of this operator."""
    parts: list[Rows] = []
    before, walked = to + 1, 0
    while True:
        charge(WALK_READS)
        sequences = ledger.account_rows(wallet, before, WALK_ROWS)
        mine = sequences[sequences > after]
        rows = ledger.gather(mine)
        own = rows[_operators(ledger, rows) == operator]
        parts.append(repack_fields(own[_COUNTED]))
        walked += len(mine)
        if len(mine) < WALK_ROWS:
            return np.concatenate(parts)
        if walked >= WALK_MAX:
            raise ShiftTooLongError(
                f"the wallet has more than {WALK_MAX} entries since entry {after}"
            )
        before = int(mine[-1])


def _operators(ledger: Ledger, rows: Rows) -> npt.NDArray[np.uint32]:
    """Whose each row is; a refund is of the operator who took its payment."""
    operators: npt.NDArray[np.uint32] = rows["operator_"].copy()
    refunds = rows["kind"] == Kind.REFUND
    operators[refunds] = ledger.gather(rows["resolves"][refunds])["operator_"]
    return operators
