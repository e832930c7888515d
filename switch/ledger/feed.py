"""A biller's feed: the accepted entries that touch its accounts, in the one order.

A feed is a position in the journal and nothing else: it is complete, has no repeats,
and goes on from any cursor, since rows are never changed. It reads durable rows in
steps of STEP_ROWS and filters with NumPy, so that followers cost the committer
nothing.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from switch._core import Ledger, Rows
from switch.codes import Result
from switch.traits import Trait, kinds_with

STEP_ROWS = 16_384
"""Rows read and filtered at a time: 2 MiB."""

# In rows of other kinds, `debit` may be a participant or an account spoken of.
_IS_MONEY = np.isin(np.arange(256), kinds_with(Trait.MONEY))


class Page(NamedTuple):
    """Some events, and the sequence up to which everything has been given."""

    events: Rows
    cursor: int


def read_feed(
    ledger: Ledger, accounts: npt.NDArray[np.uint32], cursor: int, page_max: int
) -> list[Page]:
    """The pages of the next step after `cursor`; empty if no newer row is durable.

    `accounts` are the biller's account indices, ascending. The last page may have no
    event: it says how far the feed has looked. Raises CorruptionError.
    """
    if cursor >= ledger.sequence:
        return []
    rows = ledger.rows(cursor + 1, STEP_ROWS)
    events = rows[
        (rows["result"] == Result.OK)
        & _IS_MONEY[rows["kind"]]
        & (_is_among(rows["debit"], accounts) | _is_among(rows["credit"], accounts))
    ]
    return list(_pages(events, int(rows["sequence"][-1]), page_max))


def _pages(events: Rows, end: int, page_max: int) -> Iterator[Page]:
    for first in range(0, len(events), page_max):
        page = events[first : first + page_max]
        is_last = first + page_max >= len(events)
        yield Page(page, end if is_last else int(page["sequence"][-1]))
    if not len(events):
        yield Page(events, end)


def _is_among(
    values: npt.NDArray[np.uint32], accounts: npt.NDArray[np.uint32]
) -> npt.NDArray[np.bool_]:
    if not len(accounts):
        return np.zeros(len(values), np.bool_)
    places = np.minimum(np.searchsorted(accounts, values), len(accounts) - 1)
    found: npt.NDArray[np.bool_] = accounts[places] == values
    return found


def sorted_accounts(accounts: Iterable[int]) -> npt.NDArray[np.uint32]:
    """Account indices as `read_feed` takes them."""
    return np.array(sorted(accounts), np.uint32)
