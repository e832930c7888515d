"""The payments of a biller's day that its list lacks.

May use the core and the billers' parts. Blocks: the rows of the day, which are a range
of the journal, are read page by page. Works on arrays; Python acts once for each page.
"""

import numpy as np

from switch._core import Ledger, Rows
from switch.billing.heads import heads_of
from switch.billing.lines import Mask, Numbers
from switch.codes import Kind, Result, RowFlag
from switch.ledger import baskets
from switch.ledger.follower import read_whole
from switch.ledger.overdue import undecided
from switch.ledger.totals import PAGE_ROWS

SAMPLE_MAX = 1_000
"""Payments whose ends are looked up one by one, to say how much a list lacks."""


def not_listed(
    listed: Numbers, first: int, end: int, services: Numbers, ledger: Ledger
) -> tuple[Rows, set[int]]:
    """The first holds of the day's questions whose numbers are not among the ascending
    `listed`, whatever became of them; and the numbers of those that are damaged.
    """
    lost: set[int] = set()
    parts: list[Rows] = []
    for at in range(first, end, PAGE_ROWS):
        # Whose payments the damaged ones are nobody knows.
        rows, _ = read_whole(ledger, at, min(PAGE_ROWS, end - at))
        rows = rows[(rows["kind"] == Kind.HOLD) & (rows["result"] == Result.OK)]
        rows = rows[np.isin(rows["service"], services)]
        rows = rows[~_are_among(baskets.firsts(rows), listed)]
        if len(rows):
            heads, _, damaged = heads_of(rows, ledger)
            lost.update(damaged)
            # The first basket may have begun the day before.
            parts.append(heads[heads["sequence"] >= first])
    if not parts:
        return ledger.gather_whole(np.zeros(0, np.uint64))[0], lost
    heads = np.concatenate(parts)
    # A basket may stand on two pages.
    _, where = np.unique(heads["sequence"], return_index=True)
    return heads[where], lost


def are_waited_for(heads: Rows, ledger: Ledger) -> Mask:
    """Which of these, ascending, are open, unverified or completed: of what was given
    back a later list has nothing else to say.

    For payments that may be credited yet: the rows behind them are read, no more than
    those of the longest deadline.
    """
    firsts = np.ascontiguousarray(heads["sequence"])
    ends = firsts + baskets.sizes(heads)
    left = undecided(ledger)
    found: Mask = np.searchsorted(left, firsts) < np.searchsorted(left, ends)
    if found.all():
        return found
    for at in range(int(firsts[~found][0]), ledger.sequence + 1, PAGE_ROWS):
        rows, _ = read_whole(ledger, at, PAGE_ROWS)
        paid_after_all = (rows["kind"] == Kind.TRANSFER) & (
            (rows["flags"] & RowFlag.CASE) != 0
        )
        completes = (rows["kind"] == Kind.POST) | paid_after_all
        rows = rows[completes & (rows["result"] == Result.OK)]
        places = np.searchsorted(firsts, rows["resolves"], "right") - 1
        completed = rows["resolves"][places >= 0]
        places = places[places >= 0]
        found[places[completed < ends[places]]] = True
    return found


def count_completed(heads: Rows, ledger: Ledger) -> int:
    """About how many of these the ledger has completed, and not given back wholly; at
    most SAMPLE_MAX are looked at, spread evenly. Raises CorruptionError.
    """
    chosen = np.linspace(0, len(heads), min(len(heads), SAMPLE_MAX), endpoint=False)
    found = 0
    for number in heads["sequence"][chosen.astype(np.int64)].tolist():
        end, _ = ledger.resolution(number)
        if end and (final := ledger.row(end)).kind == Kind.POST:
            _, refunded = ledger.resolution(end)
            found += refunded < final.amount
    return found * len(heads) // max(len(chosen), 1)


def _are_among(numbers: Numbers, ascending: Numbers) -> Mask:
    places = np.searchsorted(ascending, numbers)
    found: Mask = places < len(ascending)
    found[found] = ascending[places[found]] == numbers[found]
    return found
