"""What was released to be paid out from a bank account in a closed window.

May use the core and the words. A payout's row names the register's row of its
beneficiary and no window, so its window is the one in which the row lies: the window's
row closes the sequences behind the window before, up to its own. No payout can join a
closed window, so what is read here is the same for ever.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from switch._core import Ledger, Rows
from switch.codes import AccountKind, Kind, Result
from switch.entries import Entry

PAYOUTS_MAX: Final = 65_536
"""Payouts of one bank account in one window: one for each biller account."""
ROWS_MAX: Final = 1 << 20
"""Rows of one bank account's transit in one window: no bank tells so many lines."""
STEP_ROWS: Final = 8_192
"""Rows looked at together: 1 MiB."""

U64 = npt.NDArray[np.uint64]


class PayoutsError(Exception):
    """There is nothing that could be instructed, or too much. The text says why."""


class LeftOut(NamedTuple):
    """A payout that no bank can be told to pay."""

    sequence: int
    amount: int
    """Paise."""
    why: str


class Payouts(NamedTuple):
    """The payouts of one bank account in one window."""

    window: int
    """Sequence of its row."""
    transit: int
    """Index of the account to which they were released."""
    sequences: U64
    """Of those that name to whom they go, ascending."""
    amount: int
    """Paise of all these."""
    newest_ns: int
    """When the last of these was released; 0 without any."""
    left_out: tuple[LeftOut, ...]


def find_payouts(ledger: Ledger, window: int, transit: int) -> Payouts:
    """Those that were released to a bank transit account in a window, by its sequence.

    Raises PayoutsError if that is no closed window, or there are too many.
    """
    closed = _window(ledger, window)
    if not _is_kind(ledger, transit, AccountKind.BANK_TRANSIT):
        raise PayoutsError(f"account {transit} is not a bank's transit account")
    found: list[Rows] = []
    looked, count, before = 0, 0, window
    while before:
        sequences = ledger.account_rows(transit, before, STEP_ROWS)
        looked += len(sequences)
        has_more = len(sequences) == STEP_ROWS and int(sequences[-1]) > closed.resolves
        before = int(sequences[-1]) if has_more else 0
        rows = _payouts(ledger, transit, sequences[sequences > closed.resolves])
        found.append(rows)
        count += len(rows)
        if count > PAYOUTS_MAX or looked > ROWS_MAX:
            text = f"more than {PAYOUTS_MAX:,} payouts, or {ROWS_MAX:,} rows"
            raise PayoutsError(f"window {window}: {text} of one bank account")
    # Steps go back in time, and so do the rows of each.
    return _judged(window, transit, np.concatenate(found)[::-1])


def _window(ledger: Ledger, sequence: int) -> Entry:
    if 0 < sequence <= ledger.sequence:
        entry = ledger.row(sequence)
        if entry.kind == Kind.WINDOW and entry.result == Result.OK:
            return entry
    raise PayoutsError(f"entry {sequence} has closed no window")


def _is_kind(ledger: Ledger, account: int, kind: AccountKind) -> bool:
    image, _ = ledger.account(account)
    return bool(image["kind"] == kind)


def _payouts(ledger: Ledger, transit: int, sequences: U64) -> Rows:
    """Of some rows of a transit account the payouts, as the data model says what one
    is: from a settlement account, and speaking of nothing or of a register row.
    """
    rows = ledger.gather(sequences)
    rows = rows[(rows["kind"] == Kind.TRANSFER) & (rows["credit"] == transit)]
    settlements = [
        one
        for one in np.unique(rows["debit"]).tolist()
        if _is_kind(ledger, one, AccountKind.SETTLEMENT)
    ]
    rows = rows[np.isin(rows["debit"], settlements)]
    named = rows["resolves"] != 0
    is_register = ledger.gather(rows["resolves"][named])["kind"] == Kind.REGISTER
    chosen = np.ones(len(rows), np.bool_)
    chosen[named] = is_register
    picked: Rows = rows[chosen]
    return picked


def _judged(window: int, transit: int, rows: Rows) -> Payouts:
    """Which of them can be instructed. That a proposal stands behind each is what makes
    it two people's: the ledger does the line of an approved one alone.
    """
    wants = (rows["resolves"] != 0) & (rows["total"] != 0)
    left_out = tuple(
        LeftOut(sequence, amount, _why(named, proposal))
        for sequence, amount, named, proposal in zip(
            *(
                rows[~wants][field].tolist()
                for field in ("sequence", "amount", "resolves", "total")
            ),
            strict=True,
        )
    )
    chosen = rows[wants]
    return Payouts(
        window,
        transit,
        np.ascontiguousarray(chosen["sequence"]),
        sum(chosen["amount"].tolist()),
        int(chosen["timestamp"][-1]) if len(chosen) else 0,
        left_out,
    )


def _why(named: int, proposal: int) -> str:
    if not proposal:
        return "released by one person alone, before there were people"
    assert not named
    return "released before there was a beneficiary: nobody is named"
