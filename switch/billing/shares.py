"""How the room of a biller is shared: no centre alone has more than half of it.

May use NumPy and the table's types. Works on whole arrays: centres of what waits and of
what is out, in order of age.
"""

from collections.abc import Mapping

import numpy as np

from switch.billing.lines import Centres, Mask, Places


def share_of(most: int) -> int:
    """What one centre may have of a room for `most`."""
    return (most + 1) // 2


def exceeds(waiting: Centres, out: Centres, share: int) -> bool:
    """Whether some centre would have more than its share if all went out."""
    both = np.concatenate([out, waiting])
    return len(both) > share and int(np.bincount(both).max()) > share


def blocked(out: Centres, share: int, limits: Mapping[int, int]) -> Centres:
    """The centres that may have no more than what is `out`.

    `limits` are those of centres that may have less than a share.
    """
    found, counts = np.unique(out, return_counts=True)
    full = found[counts >= share].tolist()
    held = dict(zip(found.tolist(), counts.tolist(), strict=True))
    full += [one for one, most in limits.items() if held.get(one, 0) >= most]
    return np.array(full, np.uint32)


def fair(
    waiting: Centres,
    out: Centres,
    room: int,
    share: int,
    limits: Mapping[int, int],
) -> Places:
    """Which of those that wait are taken: up to `room`, in their order.

    No centre has more than its share with what is out. Where there is not room for all,
    each centre's first comes before anybody's second.
    """
    count = len(waiting)
    centres, which = np.unique(np.concatenate([out, waiting]), return_inverse=True)
    left = np.full(len(centres), share, np.int64)
    for centre, most in limits.items():
        left[centres == centre] = min(most, share)
    left -= np.bincount(which[: len(out)], minlength=len(centres))
    mine = which[len(out) :]
    order = np.argsort(mine, kind="stable")
    firsts = np.searchsorted(mine[order], np.arange(len(centres)))
    ranks = np.empty(count, np.int64)
    ranks[order] = np.arange(count) - firsts[mine[order]]
    taken: Mask = ranks < left[mine]
    places: Places = np.flatnonzero(taken)
    if len(places) > room:
        places = np.sort(places[np.argsort(ranks[places], kind="stable")[:room]])
    return places
