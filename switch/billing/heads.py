"""The first payment of each question: a payment alone, or that of its basket.

May use the core. Works on whole arrays of holds.
"""

import numpy as np
import numpy.typing as npt

from switch._core import Ledger, Rows
from switch.ledger import baskets


def heads_of(
    holds: Rows, ledger: Ledger
) -> tuple[Rows, npt.NDArray[np.uint8], list[int]]:
    """The first hold of each question, and how many of its holds are given; and the
    numbers of those whose first hold is damaged.
    """
    lost: list[int] = []
    if not holds["basket"].any():
        return holds, np.ones(len(holds), np.uint8), lost
    leads, first, counts = np.unique(
        holds["sequence"] - baskets.places(holds),
        return_index=True,
        return_counts=True,
    )
    heads = holds[first]
    if (heads["sequence"] != leads).any():
        # Of some baskets the first payment is resolved, and others are not.
        heads, damaged = ledger.gather_whole(leads)
        counts = counts[~np.isin(leads, damaged)]
        lost = damaged.tolist()
    return heads, counts.astype(np.uint8), lost
