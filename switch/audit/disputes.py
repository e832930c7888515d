"""Payments that were refunded wholly, and of which their billers say that they have
credited another amount than was paid: from which row on, and up to which. Memory: 32
bytes for each.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from switch.audit.layout import U64, Mask, Rows
from switch.audit.timelines import NEVER, NOWHERE, find
from switch.codes import Kind

SINCE: Final = 6
"""The version of the rules from which on such a payment keeps its claims."""


@dataclass(frozen=True)
class Disputes:
    """Each from a row on, up to another one; by payment and then row."""

    takers: U64
    """The payments, which took claims."""
    begins: U64
    ends: U64
    """The close that settled each; NEVER if none has."""
    times: U64
    """When that was."""

    @classmethod
    def of(
        cls, differing: Rows, closes: Rows, refunded: tuple[Rows, Rows], since: int
    ) -> Self:
        """Of cases and closes, and of holds with the refunds that gave them wholly
        back, as these rules run from the row `since` on.
        """
        holds, refunds = refunded
        order = np.lexsort((refunds["sequence"], holds["sequence"]))
        holds, refunds = holds[order], refunds[order]
        held = holds["kind"] == Kind.HOLD
        holds, refunds = holds[held], refunds[held]
        at = find(differing["resolves"], holds["sequence"])
        cases, refunds = differing[at != NOWHERE], refunds[at[at != NOWHERE]]
        # What was said of an open hold its post has answered.
        after = cases["sequence"] > refunds["resolves"]
        cases, refunds = cases[after], refunds[after]
        closes = closes[np.lexsort((closes["sequence"], closes["resolves"]))]
        at = find(cases["sequence"], closes["resolves"])
        ends = np.full(len(cases), NEVER)
        times = ends.copy()
        closed = at != NOWHERE
        ends[closed] = closes["sequence"][at[closed]]
        times[closed] = closes["timestamp"][at[closed]]
        begins = np.maximum(cases["sequence"], refunds["sequence"])
        begins = np.maximum(begins, np.uint64(since))
        order = np.lexsort((begins, cases["resolves"]))
        found = cls(cases["resolves"], begins, ends, times).where(order)
        return found.where(found.begins < found.ends)

    def where(self, index: "U64 | Mask | np.ndarray") -> Self:
        """Some of them."""
        columns = self.takers, self.begins, self.ends, self.times
        return type(self)(*(column[index] for column in columns))

    def settled(self) -> Self:
        """Those that were."""
        return self.where(self.ends != NEVER)
