"""The payments of a biller's day that its list lacks.

May use the core and the billers' parts. Blocks: the rows of the day, which are a range
of the journal, are read page by page. Works on arrays; Python acts once for each page.
"""

from typing import NamedTuple

import numpy as np

from switch._core import Ledger, Rows
from switch.billing.answers import GATHER_MAX, Sizes
from switch.billing.heads import heads_of
from switch.billing.lines import Mask, Numbers
from switch.codes import Kind, Link, Result, RowFlag
from switch.ledger import baskets
from switch.ledger.follower import read_whole
from switch.ledger.overdue import undecided
from switch.ledger.statements import correction_of
from switch.ledger.totals import PAGE_ROWS

NOT_LISTED_REASON = b"NOT_LISTED"
"""The reason of a payment that is rejected because its biller's list has it not."""
SAMPLE_MAX = 10_000
"""Payments whose ends are looked up one by one, to say how much a list lacks."""

_LOW = np.uint64(0xFFFF_FFFF)


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
    found = are_undecided(heads, ledger)
    if found.all():
        return found
    firsts = np.ascontiguousarray(heads["sequence"])
    ends = firsts + baskets.sizes(heads)
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


class Stake(NamedTuple):
    """What may be lost if a list lacks payments by mistake."""

    payments: int
    amount: int
    """Paise."""
    numbers: Numbers
    """Of those that were looked at."""


def money_at_stake(heads: Rows, ledger: Ledger) -> Stake:
    """What a list of a day loses of these, ascending, or has lost: they are undecided,
    completed and not wholly given back, or an earlier list of the day has decided them.
    So a list that is sent every hour takes no more than one does.

    Exact for SAMPLE_MAX that are not undecided; of more so many are looked at, spread
    evenly. Raises CorruptionError.
    """
    amounts = amounts_of(heads, ledger)
    waiting = are_undecided(heads, ledger)
    count, amount = int(np.count_nonzero(waiting)), exact_sum(amounts[waiting])
    ended = np.flatnonzero(~waiting)
    chosen = np.linspace(0, len(ended), min(len(ended), SAMPLE_MAX), endpoint=False)
    looked_at = ended[chosen.astype(np.int64)]
    numbers = heads["sequence"][looked_at].tolist()
    held = [
        is_completed(number, ledger) or is_rejected_by_list(number, ledger)
        for number in numbers
    ]
    found = looked_at[np.array(held, np.bool_)]
    share = max(len(looked_at), 1)
    waiting[found] = True
    return Stake(
        count + len(found) * len(ended) // share,
        amount + exact_sum(amounts[found]) * len(ended) // share,
        np.ascontiguousarray(heads["sequence"][waiting]),
    )


def are_undecided(heads: Rows, ledger: Ledger) -> Mask:
    """Which of these are open, kept or unverified, or a payment of their basket is."""
    return _are_left(heads["sequence"], baskets.sizes(heads), ledger)


def are_disputed(firsts: Numbers, sizes: Sizes, ledger: Ledger) -> Mask:
    """Which of these are undecided with an open case about their amount, or a payment
    of their basket is: a case of a hold ends with it. Raises CorruptionError.
    """
    found = _are_left(firsts, sizes, ledger)
    for at in np.flatnonzero(found).tolist():
        first = int(firsts[at])
        cases = [
            ledger.link(number, Link.AMOUNT_DIFFERS)
            for number in range(first, first + int(sizes[at]))
        ]
        found[at] = any(case and not ledger.resolution(case)[0] for case in cases)
    return found


def _are_left(firsts: Numbers, sizes: Sizes, ledger: Ledger) -> Mask:
    left = undecided(ledger)
    firsts = np.ascontiguousarray(firsts)
    found: Mask = np.searchsorted(left, firsts) < np.searchsorted(left, firsts + sizes)
    return found


def is_completed(number: int, ledger: Ledger) -> bool:
    """Whether the money of a hold is with its biller, and not wholly given back."""
    if correction_of(ledger, number)[0]:
        return True
    end, _ = ledger.resolution(number)
    if not end or (final := ledger.row(end)).kind != Kind.POST:
        return False
    _, refunded = ledger.resolution(end)
    return refunded < final.amount


def is_rejected_by_list(number: int, ledger: Ledger) -> bool:
    """Whether a list has given a hold back, or said that nobody was credited what was
    given back before.
    """
    end, _ = ledger.resolution(number)
    said = ledger.link(number, Link.VERIFY) or end
    if not said or ledger.row(said).kind not in (Kind.VOID, Kind.VERIFY):
        return False
    return ledger.tail(said) == NOT_LISTED_REASON


def amounts_of(heads: Rows, ledger: Ledger) -> Numbers:
    """What each of these comes to, a basket with all its payments."""
    amounts: Numbers = np.ascontiguousarray(heads["amount"])
    firsts, sizes = heads["sequence"], baskets.sizes(heads)
    for nth in range(1, int(sizes.max(initial=1))):
        with_it = np.flatnonzero(sizes > nth)
        numbers = firsts[with_it] + np.uint64(nth)
        for at in range(0, len(numbers), GATHER_MAX):
            # What is damaged is counted as nothing: nobody knows what it came to.
            rows, _ = ledger.gather_whole(numbers[at : at + GATHER_MAX])
            amounts[with_it[np.searchsorted(numbers, rows["sequence"])]] += rows[
                "amount"
            ]
    return amounts


def exact_sum(amounts: Numbers) -> int:
    """Of any amounts: their halves do not overflow."""
    return (int((amounts >> np.uint64(32)).sum()) << 32) + int((amounts & _LOW).sum())


def _are_among(numbers: Numbers, ascending: Numbers) -> Mask:
    places = np.searchsorted(ascending, numbers)
    found: Mask = places < len(ascending)
    found[found] = ascending[places[found]] == numbers[found]
    return found
