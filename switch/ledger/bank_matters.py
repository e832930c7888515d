"""What the journal leaves open about banks: requests, booked lines, releases.

A part of `open_matters`, which reads the journal and gives it the rows; may use the
core and the words. What is kept is what is open, but for contradictions, which nothing
ends, and where each bank account began.
"""

from collections import deque
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from switch._core import GROUP_MAX, Ledger, Rows, entries_of
from switch.bank_rows import read_statement
from switch.codes import (
    REQUEST_LIFE_NS,
    AccountKind,
    Kind,
    Record,
    Result,
    RowFlag,
)
from switch.entries import Entry
from switch.errors import CorruptionError

CONTRADICTIONS_MAX = 10_000
"""The newest that are kept; more are no list that anybody looks through."""

_FOLLOWED = np.isin(
    np.arange(256), [int(one) for one in (Kind.BOOKED, Kind.TRANSFER, Kind.REQUEST)]
)


class BankItemKind(IntEnum):
    """Why something is in the list; the numbers are the wire's."""

    CREDIT = 1
    DEBIT = 2
    RELEASE = 3
    CONTRADICTION = 4


class BankItem(NamedTuple):
    """One thing that is open."""

    sequence: int
    kind: BankItemKind
    account: int
    """One of the bank account's three: where the money is, or would have moved."""
    amount: int


class BankMatters:
    """What is open about banks. Whoever has it guards it."""

    def __init__(self, ledger: Ledger) -> None:
        """Nothing is read before rows are given."""
        self._ledger = ledger
        self._items: dict[int, BankItem] = {}
        self._contradictions: deque[BankItem] = deque(maxlen=CONTRADICTIONS_MAX)
        # By sequence, ascending as rows come: when each was asked for.
        self._requests: dict[int, int] = {}
        # By the index of a bank account: what its first statement began with.
        self._openings: dict[int, int] = {}
        # By its account of kind bank: what it was opened with.
        self._opened: dict[int, int] = {}
        self._kinds: dict[int, AccountKind] = {}

    # --- asked ---------------------------------------------------------------------

    def items(self) -> list[BankItem]:
        """What is open, and what contradicts, by sequence."""
        return sorted([*self._items.values(), *self._contradictions])

    def requests(self, now_ns: int) -> list[int]:
        """The requests that are open, ascending."""
        for sequence, time_ns in list(self._requests.items()):
            if now_ns < time_ns + REQUEST_LIFE_NS:
                break
            del self._requests[sequence]
        return list(self._requests)

    def openings(self) -> dict[int, int]:
        """By a bank account's index what its first statement began with, paise."""
        return dict(self._openings)

    def opened(self) -> dict[int, int]:
        """By an account of kind bank what it was opened with, paise in favour of its
        owner.
        """
        return dict(self._opened)

    def is_banks(self, transfer: Entry) -> bool:
        """Whether an accepted transfer that names a row ends what a bank has booked,
        releases money to a beneficiary, or takes a release back.
        """
        return (
            self._kind(transfer.debit)
            in (AccountKind.BANK_SUSPENSE, AccountKind.BANK_TRANSIT)
            or self._kind(transfer.credit) == AccountKind.BANK_TRANSIT
        )

    # --- given ---------------------------------------------------------------------

    def take(self, rows: Rows) -> list[int]:
        """Note all rows, in order; the proposals whose statements are among them."""
        for entry in entries_of(rows[_FOLLOWED[rows["kind"]]]):
            if entry.kind == Kind.BOOKED:
                self._take_booked(entry)
            elif entry.result != Result.OK:
                continue
            elif entry.kind == Kind.REQUEST:
                self._requests[entry.sequence] = entry.timestamp
            else:
                self._take_transfer(entry)
        lines = (rows["kind"] == Kind.REGISTER) & (rows["total"] != 0)
        lines &= rows["result"] == Result.OK
        return self._take_statements(rows[lines]) if lines.any() else []

    def _take_booked(self, entry: Entry) -> None:
        if entry.result == Result.BOOKED_DIFFERS:
            account = entry.debit or entry.credit
            self._contradictions.append(
                BankItem(
                    entry.sequence, BankItemKind.CONTRADICTION, account, entry.amount
                )
            )
            return
        if entry.result != Result.OK:
            return
        if RowFlag.MATCHED in entry.flags:
            self._requests.pop(entry.resolves, None)
            self._items.pop(entry.resolves, None)
        elif self._kind(entry.debit) == AccountKind.BANK:
            self._open(entry, BankItemKind.CREDIT, entry.credit)
        else:
            self._open(entry, BankItemKind.DEBIT, entry.debit)

    def _take_transfer(self, entry: Entry) -> None:
        ended = self._items.pop(entry.resolves, None) if entry.resolves else None
        debited, credited = self._kind(entry.debit), self._kind(entry.credit)
        if debited == AccountKind.BANK:
            self._opened[entry.debit] = self._opened.get(entry.debit, 0) + entry.amount
        elif credited == AccountKind.BANK:
            before = self._opened.get(entry.credit, 0)
            self._opened[entry.credit] = before - entry.amount
        if credited != AccountKind.BANK_TRANSIT:
            return
        is_return = debited == AccountKind.BANK_SUSPENSE
        if is_return or (ended is None and self._is_payout(entry)):
            self._open(entry, BankItemKind.RELEASE, entry.credit)

    def _is_payout(self, transfer: Entry) -> bool:
        """Whether it names nothing, or a beneficiary; an ending names a booked line,
        which may be damaged.
        """
        try:
            named = transfer.resolves
            return not named or self._ledger.row(named).kind == Kind.REGISTER
        except CorruptionError:
            return False

    def _open(self, entry: Entry, kind: BankItemKind, account: int) -> None:
        item = BankItem(entry.sequence, kind, account, entry.amount)
        self._items[entry.sequence] = item

    def _take_statements(self, rows: Rows) -> list[int]:
        found = []
        for tail, proposal in zip(self._tails(rows), rows["total"], strict=True):
            if tail and tail[0] == Record.STATEMENT:
                one = read_statement(tail)
                self._openings.setdefault(one.bank, one.opening)
                found.append(int(proposal))
        return found

    def _tails(self, rows: Rows) -> list[bytes]:
        """The tail items of some rows; nothing of those that cannot be read."""
        try:
            # A walk over their chunks, where each alone would be half of one.
            return [
                tail
                for first in range(0, len(rows), GROUP_MAX)
                for tail in self._ledger.tails(
                    rows["sequence"][first : first + GROUP_MAX]
                )
            ]
        except CorruptionError:
            return [self._tail(int(one)) for one in rows["sequence"]]

    def _tail(self, sequence: int) -> bytes:
        try:
            return self._ledger.tail(sequence)
        except CorruptionError:
            return b""

    def _kind(self, index: int) -> AccountKind:
        """What an account is for, for ever."""
        known = self._kinds.get(index)
        if known is None:
            image, _ = self._ledger.account(index)
            known = self._kinds[index] = AccountKind(int(image["kind"]))
        return known
