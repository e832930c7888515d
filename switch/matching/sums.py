"""Where the difference lies: by type and by head, to the paisa.

May use `breaks`, `lines`, `pairing`, `sides`. What is here less what is there is taken
apart as the lines are: each adds to one type, so that the parts are the whole.
"""

from collections import defaultdict

import numpy as np
import numpy.typing as npt

from switch.matching.breaks import Break, Type
from switch.matching.lines import Days, sums_by
from switch.matching.pairing import Pairs
from switch.matching.sides import Sides, Wanted

GIVEN_BACK = "given_back"
"""What the ledger has given back, and the list tells less of, or not."""
NOT_ASKED = "not_asked"
"""Payments of which no biller is asked, where its acknowledgements are the list."""
NO_HEAD = -1
"""Of a line of a list without heads that is paired with nothing."""


class Sums:
    """Both sides of a match in all, and what makes the difference; all in paise."""

    def __init__(self, wanted: Wanted, sides: Sides) -> None:
        self._wanted = wanted
        self._sides = sides
        self._parts: dict[tuple[int, str], int] = defaultdict(int)
        """Of (head, type): by how much more is here because of it."""
        here = sides.here
        self._signed_here = np.where(here.refund, -here.amount, here.amount)
        there = sides.there
        self._signed_there = np.where(there.refund, -there.amount, there.amount)
        self._covered = {
            int(here.entry[at]): at
            for at in np.flatnonzero(sides.covered & sides.in_days).tolist()
        }
        self._head_there = there.head.copy()
        if not wanted.has_heads:
            self._head_there[:] = NO_HEAD
        self.unknown = 0

    def take_pairs(self, found: Pairs, *, of_before: bool = False) -> None:
        """Pairs; `of_before`: their lines are of an earlier list."""
        if not len(found.here):
            return
        sides = self._sides
        if not self._wanted.has_heads and not of_before:
            self._head_there[found.there] = sides.here.head[found.here]
        mine = np.where(sides.in_days[found.here], self._signed_here[found.here], 0)
        theirs = self._signed_there[found.there]
        if of_before:
            theirs = np.zeros(len(theirs), np.int64)
        heads_here = sides.here.head[found.here]
        heads_there = self._head_there[found.there]
        kinds = np.full(len(mine), 3)
        kinds[found.date] = 2
        kinds[found.head] = 1
        kinds[found.amount] = 0
        names = (Type.AMOUNT, Type.HEAD, Type.DATE, GIVEN_BACK)
        for kind, name in enumerate(names):
            which = kinds == kind
            self._add(heads_here[which], mine[which], name)
            if not of_before:
                self._add(heads_there[which], -theirs[which], name)

    def _add(self, heads: Days, amounts: npt.NDArray[np.int64], name: str) -> None:
        if not len(heads):
            return
        low = int(heads.min())
        for at, amount in enumerate(
            sums_by(heads - low, amounts, int(heads.max()) - low + 1)
        ):
            if amount:
                self._parts[at + low, name] += amount

    def take_payment(self, at: int, name: str) -> None:
        """A payment that is paired with nothing."""
        head = int(self._sides.here.head[at])
        self._parts[head, name] += int(self._signed_here[at])

    def take_covered(self, before: Break) -> None:
        """A payment of these days that a break from before stands for."""
        at = self._covered.get(before.entry)
        if at is not None:
            self.take_payment(at, before.type)

    def take_line(self, at: int, name: str) -> None:
        """A line of the list that is paired with nothing."""
        head = int(self._head_there[at])
        self._parts[head, name] -= int(self._signed_there[at])

    def take_unknown(self, amount: int) -> None:
        """A line that cannot be read; `amount` as far as it can."""
        self.unknown += amount
        self._parts[NO_HEAD, Type.UNKNOWN] -= amount

    # --- what came of it --------------------------------------------------------------

    @property
    def here(self) -> int:
        """Of these days, by the ledger."""
        return sum(self._by_head(here=True).values())

    @property
    def there(self) -> int:
        """By the list."""
        return self._wanted.list.total

    def explained(self) -> dict[str, int]:
        """By how much more is here because of each type."""
        found: dict[str, int] = defaultdict(int)
        for (_, name), amount in self._parts.items():
            found[name] += amount
        return {name: amount for name, amount in sorted(found.items()) if amount}

    def heads(self) -> list[dict[str, object]]:
        """The same of each head: what is here, what there, and why."""
        here, there = self._by_head(here=True), self._by_head(here=False)
        there[NO_HEAD] += self.unknown
        found = []
        for head in sorted({*here, *there, *(head for head, _ in self._parts)}):
            why = {
                name: amount
                for (of, name), amount in sorted(self._parts.items())
                if of == head and amount
            }
            mine, theirs = here.get(head, 0), there.get(head, 0)
            if not (mine or theirs or why):
                continue
            found.append(
                {
                    "head": self._name(head),
                    "here": mine,
                    "there": theirs,
                    "difference": mine - theirs,
                    "explained": why,
                }
            )
        return found

    def _name(self, head: int) -> str:
        if head == NO_HEAD:
            return ""
        bare = self._wanted.heads.texts[head]
        return self._wanted.scrolls.heads.get(bare, bare)

    def _by_head(self, *, here: bool) -> dict[int, int]:
        sides = self._sides
        if here:
            heads, amounts = (
                sides.here.head[sides.in_days],
                self._signed_here[sides.in_days],
            )
        else:
            listed = slice(0, sides.listed_count)
            heads, amounts = self._head_there[listed], self._signed_there[listed]
        found: dict[int, int] = defaultdict(int)
        if len(heads):
            low = int(heads.min())
            sums = sums_by(heads - low, amounts, int(heads.max()) - low + 1)
            found.update({at + low: amount for at, amount in enumerate(sums)})
        return found
