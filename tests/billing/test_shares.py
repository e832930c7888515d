"""Goal: a room is shared so that no centre alone has more than its share.

Method: random centres of what waits and what is out, shared a second time one by one.
"""

import random

import numpy as np

from switch.billing.shares import blocked, exceeds, fair, share_of


def plain(
    waiting: list[int], out: list[int], room: int, share: int, limits: dict[int, int]
) -> list[int]:
    """The same, one after the other: in rounds, each centre's next."""
    left = {one: min(share, limits.get(one, share)) for one in {*waiting, *out}}
    for one in out:
        left[one] -= 1
    taken: list[int] = []
    queues: dict[int, list[int]] = {}
    for at, one in enumerate(waiting):
        queues.setdefault(one, []).append(at)
    while len(taken) < room:
        heads = sorted(
            queue[0] for one, queue in queues.items() if queue and left[one] > 0
        )
        if not heads:
            break
        for at in heads[: room - len(taken)]:
            taken.append(at)
            left[waiting[at]] -= 1
            queues[waiting[at]].pop(0)
    return sorted(taken)


def test_as_one_by_one() -> None:
    rng = random.Random(5)
    for _ in range(500):
        centres = [rng.randrange(1, 60_000) for _ in range(rng.randrange(1, 6))]
        waiting = rng.choices(centres, k=rng.randrange(40))
        out = rng.choices(centres, k=rng.randrange(20))
        room, share = rng.randrange(30), rng.randrange(1, 12)
        limits = {one: rng.randrange(2) for one in centres if not rng.randrange(4)}
        found = fair(
            np.array(waiting, np.uint32), np.array(out, np.uint32), room, share, limits
        )
        assert found.tolist() == plain(waiting, out, room, share, limits)
        most = max(map([*waiting, *out].count, centres), default=0)
        both = np.array(waiting, np.uint32), np.array(out, np.uint32)
        assert exceeds(*both, share) == (most > share)


def test_who_has_its_share_is_blocked() -> None:
    out = np.array([3, 3, 4, 9], np.uint32)
    assert sorted(blocked(out, 2, {})) == [3]
    assert sorted(blocked(out, 3, {9: 1, 4: 2, 5: 0, 6: 1})) == [5, 9]
    assert not len(blocked(out, 3, {}))
    assert [share_of(most) for most in (1, 2, 3, 1_024)] == [1, 1, 2, 512]
