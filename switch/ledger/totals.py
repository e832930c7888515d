"""Sums over spans of the journal, by account: a day's, a month's, the whole ledger's.

Rows are read in pages that stay in the processor's cache and are summed by NumPy, so
that what nobody prepared an index for can still be asked. Each row is served after its
own check.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from switch._core import Ledger, entries_of
from switch.codes import Result
from switch.entries import Entry
from switch.ledger.follower import read_whole
from switch.traits import Trait, kinds_with

PAGE_ROWS = 8_192
"""Rows summed at a time: 1 MiB; their sums of 32-bit halves are exact in a double."""

_IS_POSTING = np.isin(np.arange(256), kinds_with(Trait.POSTED))
_HALF = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)

U64 = npt.NDArray[np.uint64]


class Posted(NamedTuple):
    """Paise posted in a span, by account index: what was debited, what was credited."""

    debits: U64
    credits: U64


def first_at(ledger: Ledger, time_ns: int) -> int:
    """Sequence of the first durable row not before a time; past the last if none is.

    Damaged rows are passed over: it may be one of those right before it.
    """
    low, high = 1, ledger.sequence + 1
    while low < high:
        middle = (low + high) // 2
        found = _first_whole(ledger, middle, high)
        if found is not None and found.timestamp < time_ns:
            low = found.sequence + 1
        else:
            high = middle
    return low


def last_at(ledger: Ledger, time_ns: int) -> int:
    """Sequence of the last durable row at or before a time; 0 if there is none."""
    return first_at(ledger, time_ns + 1) - 1


def _first_whole(ledger: Ledger, first: int, end: int) -> Entry | None:
    """The first row that is not damaged, from `first` on and before `end`."""
    count = 1
    while first < end:
        rows, last = read_whole(ledger, first, min(count, end - first))
        if len(rows):
            return entries_of(rows[:1])[0]
        first, count = last + 1, PAGE_ROWS
    return None


def posted_between(ledger: Ledger, first: int, last: int) -> Posted:
    """What the rows `first` to `last` posted to each account; `last` durable or later.

    Both arrays have one place for each account that is open now. From row 1 to the last
    they equal `debits_posted` and `credits_posted` of the accounts as of that row.
    Raises CorruptionError.
    """
    last = min(last, ledger.sequence)
    count = len(ledger.accounts()[0])
    sums = Posted(np.zeros(count, np.uint64), np.zeros(count, np.uint64))
    for start in range(first, last + 1, PAGE_ROWS):
        rows = ledger.rows(start, min(PAGE_ROWS, last + 1 - start))
        posted = (rows["result"] == Result.OK) & _IS_POSTING[rows["kind"]]
        amounts = np.where(posted, rows["amount"], np.uint64(0))
        for target, accounts in (
            (sums.debits, np.where(posted, rows["debit"], np.uint32(0))),
            (sums.credits, np.where(posted, rows["credit"], np.uint32(0))),
        ):
            target += _sum_by(accounts, amounts, count)
    return sums


def _sum_by(accounts: npt.NDArray[np.uint32], amounts: U64, count: int) -> U64:
    """Exact sums by account: `bincount` adds doubles, so each half is summed apart."""
    places = accounts.astype(np.int64)
    low = np.bincount(places, (amounts & _LOW).astype(np.float64), count)
    sums = low.astype(np.uint64)
    high = amounts >> _HALF
    if high.any():
        sums += (
            np.bincount(places, high.astype(np.float64), count).astype(np.uint64)
            << _HALF
        )
    return sums
