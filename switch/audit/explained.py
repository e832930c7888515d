"""How some accounts came to what they hold, by kind of row: what a server explains of
them, computed a second time.

Counted from accepted money rows as they come, in plain numbers. Memory: an entry for
each open hold of those accounts.
"""

from collections.abc import Iterable
from typing import Final

import numpy as np

from switch.audit.findings import Findings
from switch.audit.kinds import MONEY, POSTED, RESOLVING
from switch.audit.layout import OK, Rows, pick
from switch.codes import Kind

DEBIT, CREDIT = 1, 2
"""Sides, as the wire numbers them."""
ACCOUNTS_MAX: Final = 64
"""Accounts that a server is asked to explain."""

Key = tuple[int, int]
"""Kind and side."""
Figures = tuple[int, int, int, int]
"""Rows; paise posted, reserved, released."""
Explained = dict[int, dict[Key, Figures]]
"""By account index."""


def chosen(count: int) -> list[int]:
    """Which of `count` accounts are looked at: the first ones, where the treasury's
    are, and others evenly spread over the rest.
    """
    if count <= ACCOUNTS_MAX:
        return list(range(1, count + 1))
    first = ACCOUNTS_MAX // 4
    rest = np.linspace(first + 1, count, ACCOUNTS_MAX - first).astype(int)
    return [*range(1, first + 1), *rest.tolist()]


class Explaining:
    """What rows have done to some accounts so far."""

    def __init__(self, accounts: Iterable[int]) -> None:
        """Nothing yet."""
        self._accounts = np.array(sorted(accounts), np.uint32)
        self._sums: dict[int, dict[Key, list[int]]] = {
            one: {} for one in self._accounts.tolist()
        }
        self._held: dict[int, int] = {}

    def apply(self, rows: Rows) -> None:
        """Take rows in their order."""
        moves = (rows["result"] == OK) & MONEY[rows["kind"]]
        moves &= np.isin(rows["debit"], self._accounts) | np.isin(
            rows["credit"], self._accounts
        )
        if not moves.any():
            return
        for row in pick(rows, moves):
            self._take(row)

    def _take(self, row: np.void) -> None:
        kind, amount = int(row["kind"]), int(row["amount"])
        reserved = released = 0
        if kind == Kind.HOLD:
            reserved = self._held[int(row["sequence"])] = amount
        elif RESOLVING[kind]:
            # One that is wrong has its own finding.
            released = self._held.pop(int(row["resolves"]), 0)
        posted = amount if POSTED[kind] else 0
        for side, account in ((DEBIT, row["debit"]), (CREDIT, row["credit"])):
            sums = self._sums.get(int(account))
            if sums is None:
                continue
            of = sums.setdefault((kind, side), [0, 0, 0, 0])
            for at, one in enumerate((1, posted, reserved, released)):
                of[at] += one

    def figures(self, account: int) -> dict[Key, Figures]:
        """Of one of the accounts, what came to it by now."""
        return {
            key: (rows, posted, reserved, released)
            for key, (rows, posted, reserved, released) in self._sums[account].items()
        }


def compare_explained(
    told: Explained, mine: Explaining, sequence: int, findings: Findings
) -> None:
    """Hold what a server has explained, as of `sequence`, against the rows."""
    for account, theirs in told.items():
        figures = mine.figures(account)
        for kind, side in sorted({*theirs, *figures}):
            nothing = (0, 0, 0, 0)
            said = theirs.get((kind, side), nothing)
            was = figures.get((kind, side), nothing)
            if said == was:
                continue
            name = Kind(kind).name.lower() if kind in set(Kind) else str(kind)
            where = "debit" if side == DEBIT else "credit"
            text = (
                f"account {account}: {name}, {where}: rows, posted, reserved, released "
                f"are explained as {said}, and are {was}"
            )
            findings.add("live", sequence, text)
