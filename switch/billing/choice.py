"""Whom to ask now: within the biller's room, a minute's budget, and centres' shares.

May use the table and the shares. Works on whole arrays; what is left out waits.
"""

from collections.abc import Mapping

import numpy as np

from switch.billing._hot import QUESTION_HOLDS_MAX
from switch.billing.lines import Lines, Places, State
from switch.billing.shares import blocked, exceeds, fair
from switch.billing.table import Table
from switch.billing.undecided import Undecided
from switch.ledger import baskets


def choose_checks(
    table: Table,
    room: int,
    budget: int,
    share: int,
    limits: Mapping[int, int],
    now: float,
) -> Places:
    """Whom to ask for the status: up to `room`, and of those that count `budget`."""
    due = table.due(State.UNKNOWN, now)
    if not len(due):
        return due
    out = table.centres(table.places(State.CHECKING))
    free = table.free(due)
    counted = due[~free]
    if len(counted) > budget:
        chosen = fair(table.centres(counted), out, max(budget, 0), share, limits)
        due = np.sort(np.concatenate([due[free], counted[chosen]]))
    room = max(room, 0)
    centres = table.centres(due)
    if limits or len(due) > room or exceeds(centres, out, share):
        due = due[fair(centres, out, room, share, limits)]
    return _fitting(table, due)


def choose_confirms(
    table: Table,
    room: int,
    share: int,
    limits: Mapping[int, int],
    wall_ns: int,
    skew_ns: int,
) -> tuple[Places, bool]:
    """Whom to ask to confirm, up to `room`; and whether others may, who wait behind.

    By then `skew_ns` is how much the biller's clock differs.
    """
    # The oldest, however many wait: what a message costs is by what it holds.
    oldest, are_timely = table.oldest(room, wall_ns, skew_ns)
    counts = table.counts()
    confirming = counts[State.CONFIRMING]
    if are_timely and not limits and counts[State.WAITING] + confirming <= share:
        # As it mostly is, and costs least.
        return _fitting(table, oldest), False
    waiting = table.places(State.WAITING)
    is_cut = not are_timely
    if is_cut:
        # Deadlines are of many services: who comes later may have longer.
        waiting = waiting[table.timely(waiting, wall_ns, skew_ns)]
        oldest = waiting[:room]
    if not limits and len(waiting) + confirming <= share:
        return _fitting(table, oldest), False
    behind = False
    out = table.centres(table.places(State.CONFIRMING))
    if limits or exceeds(table.centres(oldest), out, share):
        full = blocked(out, share, limits)
        if len(full):
            waiting = waiting[np.isin(table.centres(waiting), full, invert=True)]
            if not is_cut:
                waiting = waiting[table.timely(waiting, wall_ns, skew_ns)]
            oldest = waiting[:room]
        taken = fair(table.centres(oldest), out, room, share, limits)
        # Others may wait behind those of whom too much was among the oldest.
        behind = 0 < len(taken) < len(oldest)
        oldest = oldest[taken]
    return _fitting(table, oldest), behind


def choose_undecided(
    undecided: Undecided, most: int, share: int, limits: Mapping[int, int], now: float
) -> Places:
    """Of those that nobody has decided in time, up to `most`."""
    if most <= 0:
        return np.zeros(0, np.int64)
    due = undecided.resting(now)
    if not len(due):
        return due
    out = undecided.centres(undecided.places(State.CHECKING))
    due = due[fair(undecided.centres(due), out, most, share, limits)]
    return _fitting(undecided, due)


def _fitting(lines: Lines, places: Places) -> Places:
    """The first of them, as far as one message has room for their payments."""
    if len(places) * baskets.SIZE_MAX <= QUESTION_HOLDS_MAX:
        return places
    ends = np.cumsum(lines.sizes(places), dtype=np.int64)
    return places[: np.searchsorted(ends, QUESTION_HOLDS_MAX, "right")]
