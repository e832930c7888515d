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
from switch.codes import AccountKind, Kind

STEP_FIRST: Final = 64
STEP_ROWS: Final = 8_192
"""Rows looked at together, at first and at most: of most windows the first are all."""
LEFT_OUT_MAX: Final = 1_000
"""Of what cannot be instructed so many are listed; all are counted."""
BY_ONE_ALONE: Final = "released by one person alone: no proposal stands behind it"
RECALLED: Final = "recalled by two people before the window closed"
WITHOUT_PAYEE: Final = "released before there was a beneficiary: nobody is named"

U64 = npt.NDArray[np.uint64]


class LeftOut(NamedTuple):
    """A payout that no bank can be told to pay."""

    sequence: int
    amount: int
    """Paise."""
    why: str


class Payouts(NamedTuple):
    """The payouts of one bank account in one window, ascending."""

    sequences: U64
    """Of those that name to whom they go."""
    amounts: U64
    """Paise of each of them."""
    times: U64
    """When each was released, in nanoseconds UTC."""
    left_out: tuple[LeftOut, ...]
    """LEFT_OUT_MAX of the others."""
    left_out_count: int
    left_out_amount: int
    """Of all others; paise."""

    def part(self, first: int, count: int) -> "Payouts":
        """Some of them, by place; all that is left out stays."""
        end = first + count
        return self._replace(
            sequences=self.sequences[first:end],
            amounts=self.amounts[first:end],
            times=self.times[first:end],
        )

    @property
    def amount(self) -> int:
        """Paise of all of them."""
        return sum(self.amounts.tolist())


def find_payouts(ledger: Ledger, after: int, window: int, transit: int) -> Payouts:
    """Those that were released to a bank transit account in the window that closes the
    rows behind `after`, up to its own; what was recalled in it, too, is left out.

    Raises CorruptionError.
    """
    found: list[Rows] = []
    recalled: list[U64] = []
    before, step = window, STEP_FIRST
    while before:
        sequences = ledger.account_rows(transit, before, step)
        has_more = len(sequences) == step and int(sequences[-1]) > after
        before, step = int(sequences[-1]) if has_more else 0, STEP_ROWS
        rows = ledger.gather(sequences[sequences > after])
        rows = rows[rows["kind"] == Kind.TRANSFER]
        recalled.append(rows[rows["debit"] == transit]["resolves"])
        found.append(_payouts(ledger, rows[rows["credit"] == transit])[_FIELDS])
    return _judged(np.concatenate(found)[::-1], np.concatenate(recalled))


_FIELDS: Final = ["sequence", "amount", "timestamp", "resolves", "total"]
"""What is kept of each: a fifth of its row."""


def _payouts(ledger: Ledger, rows: Rows) -> Rows:
    """Of some releases and endings the payouts, as the data model says what one is:
    from a settlement account, and speaking of nothing or of a register row.
    """
    settlements = [
        one
        for one in np.unique(rows["debit"]).tolist()
        if ledger.account(one)[0]["kind"] == AccountKind.SETTLEMENT
    ]
    rows = rows[np.isin(rows["debit"], settlements)]
    named = rows["resolves"] != 0
    is_payout = np.ones(len(rows), np.bool_)
    is_payout[named] = ledger.gather(rows["resolves"][named])["kind"] == Kind.REGISTER
    chosen: Rows = rows[is_payout]
    return chosen


def _judged(rows: Rows, recalled: U64) -> Payouts:
    """Which of them can be instructed. That a proposal stands behind each is what makes
    it two people's: the ledger does the line of an approved one alone.
    """
    is_back = np.isin(rows["sequence"], recalled)
    wants = (rows["resolves"] != 0) & (rows["total"] != 0) & ~is_back
    chosen, others = rows[wants], rows[~wants]
    listed = others[:LEFT_OUT_MAX]
    return Payouts(
        chosen["sequence"].copy(),
        chosen["amount"].copy(),
        chosen["timestamp"].copy(),
        tuple(
            LeftOut(sequence, amount, _why(proposal, back))
            for sequence, amount, proposal, back in zip(
                listed["sequence"].tolist(),
                listed["amount"].tolist(),
                listed["total"].tolist(),
                is_back[~wants].tolist(),
                strict=False,
            )
        ),
        len(others),
        sum(others["amount"].tolist()),
    )


def _why(proposal: int, is_back: bool) -> str:
    if is_back:
        return RECALLED
    return WITHOUT_PAYEE if proposal else BY_ONE_ALONE
