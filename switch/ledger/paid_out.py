"""What each account of a biller was settled, and what of that was paid out to banks.

A part of `open_matters`, which reads the journal and gives it the rows; may use the
core and the words. The ledger asks it when a payout is done; whoever approves one is
shown both sums before.
"""

from collections import defaultdict
from typing import NamedTuple

import numpy as np

from switch._core import Ledger, Rows, entries_of
from switch.bank_rows import read_beneficiary
from switch.codes import AccountKind, Kind, Record, Result
from switch.entries import Entry
from switch.errors import CorruptionError

_IS_COUNTED = np.isin(np.arange(256), [int(Kind.SETTLE), int(Kind.TRANSFER)])
"""Of the journal's rows these are few: the others are not copied."""


class Disbursed(NamedTuple):
    """Of one account, paise."""

    settled: int
    """That settlements have moved from it, ever."""
    paid_out: int
    """Of all payouts to its beneficiaries, less what was recalled, and of what ends
    debits whose lines name one.
    """


class PaidOut:
    """Sums by account. Whoever has it guards it."""

    def __init__(self, ledger: Ledger) -> None:
        """Nothing is read before rows are given."""
        self._ledger = ledger
        self._settled: defaultdict[int, int] = defaultdict(int)
        self._paid: defaultdict[int, int] = defaultdict(int)
        self._kinds: dict[int, AccountKind] = {}
        # By the row of a beneficiary its account; 0 of a row that is none.
        self._accounts: dict[int, int] = {}
        self._next = 1
        self._is_whole = True

    def of(self, account: int, newest: int) -> Disbursed | None:
        """As of the newest row that was read; None if one that may count is damaged:
        half a sum is none.
        """
        if not self._is_whole or self._next <= newest:
            return None
        return Disbursed(self._settled.get(account, 0), self._paid.get(account, 0))

    def take(self, rows: Rows) -> None:
        """Count all rows, in order; those that lack between them are damaged."""
        if not len(rows):
            return
        last = int(rows["sequence"][-1])
        self._is_whole &= len(rows) == last + 1 - self._next
        self._next = last + 1
        rows = rows[_IS_COUNTED[rows["kind"]]]
        rows = rows[rows["result"] == Result.OK]
        settles = rows[rows["kind"] == Kind.SETTLE]
        for account in np.unique(settles["debit"]).tolist():
            amounts = settles["amount"][settles["debit"] == account]
            self._settled[account] += sum(amounts.tolist())
        transfers = rows[(rows["kind"] == Kind.TRANSFER) & (rows["resolves"] != 0)]
        for entry in entries_of(transfers):
            try:
                self._take_transfer(entry)
            except CorruptionError:
                self._is_whole = False

    def _take_transfer(self, entry: Entry) -> None:
        """A payout, its recall, the ending of a debit whose line names one, or
        something else that names a row.
        """
        release, sign = entry, 1
        if self._kind(entry.debit) is AccountKind.BANK_TRANSIT:
            release, sign = self._ledger.row(entry.resolves), -1
        elif self._pays(entry):
            line = self._ledger.row(entry.resolves)
            if line.kind == Kind.BOOKED and 0 < line.resolves < line.sequence:
                release = self._ledger.row(line.resolves)
        if self._pays(release) and (account := self._account(release.resolves)):
            self._paid[account] += sign * entry.amount

    def _pays(self, entry: Entry) -> bool:
        """Whether an accepted row is between a payout's accounts, and names a row."""
        return (
            entry.kind == Kind.TRANSFER
            and entry.result == Result.OK
            and bool(entry.resolves)
            and self._kind(entry.debit) is AccountKind.SETTLEMENT
            and self._kind(entry.credit) is AccountKind.BANK_TRANSIT
        )

    def _account(self, sequence: int) -> int:
        """For which account money goes to the beneficiary of a register row."""
        known = self._accounts.get(sequence)
        if known is None:
            known = 0
            if self._ledger.row(sequence).kind == Kind.REGISTER:
                tail = self._ledger.tail(sequence)
                if tail[:1] == bytes([Record.BENEFICIARY]):
                    known = read_beneficiary(tail).account
            self._accounts[sequence] = known
        return known

    def _kind(self, index: int) -> AccountKind:
        """What an account is for, for ever."""
        known = self._kinds.get(index)
        if known is None:
            image, _ = self._ledger.account(index)
            known = self._kinds[index] = AccountKind(int(image["kind"]))
        return known
