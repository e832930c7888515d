"""Register rows about budgets: what one participant may use, as the treasury says."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from switch.audit.layout import BUDGET_RECORD
from switch.codes import Budget, Result, RowFlag

BUDGETS_RULES: Final = 7
"""The first rules that know budgets."""
BUDGETS_MAX: Final = 65_535
MIB: Final = 1 << 20
BOUNDS: Final = {
    Budget.PAYMENTS_PER_S: (1, 10_000_000),
    Budget.PAYMENTS_AT_ONCE: (16, 10_000_000),
    Budget.READS_PER_S: (1, 1_000_000),
    Budget.READS_AT_ONCE: (1, 1_000_000),
    Budget.FETCHES_PER_S: (1, 1_000_000),
    Budget.FETCHES_AT_ONCE: (1, 1_000_000),
    Budget.CONNECTIONS: (1, 100_000),
    Budget.CALLS: (1, 1_048_576),
    Budget.BYTES: (MIB, MIB * MIB),
    Budget.FEEDS: (1, 100_000),
    Budget.WATCHES: (1, 10_000_000),
    Budget.REFUSALS_PER_S: (1, 1_000_000),
    Budget.REFUSALS_AT_ONCE: (16, 1_000_000),
}
"""Written a second time, from docs/data-model.md."""


class Budgets:
    """The budgets that rows have set so far, each with its place."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.places: dict[tuple[int, int], int] = {}
        """By participant and budget; from 1, as each first was set."""

    def answer(self, tail: bytes, count: int) -> Result:
        """The result that a row with a whole record must have; `count` participants."""
        whose, budget, _ = _read(tail)
        if whose > count:
            return Result.PARTICIPANT_UNKNOWN
        full = len(self.places) >= BUDGETS_MAX
        known = (whose, budget) in self.places
        return Result.TABLE_FULL if full and not known else Result.OK

    def apply(self, row: np.void, tail: bytes) -> Iterator[str]:
        """Note an accepted row; what is wrong with the place that it has."""
        whose, budget, _ = _read(tail)
        known = (whose, budget) in self.places
        place = self.places.setdefault((whose, budget), len(self.places) + 1)
        update = bool(int(row["flags"]) & RowFlag.UPDATE)
        if int(row["debit"]) != place or update != known:
            yield f"it is number {place}, the row says {row['debit']}"


def broken(row: np.void, tail: bytes, rules: int) -> str:
    """What is wrong with a row of a budget by itself, under these rules (0: not known);
    empty if nothing is.
    """
    if 0 < rules < BUDGETS_RULES:
        return f"is not known to rules {rules}"
    if len(tail) < BUDGET_RECORD.itemsize:
        return "is too short"
    if any(bytes(np.frombuffer(tail, BUDGET_RECORD, 1)[0]["reserved"])):
        return "has bytes that say nothing"
    whose, budget, value = _read(tail)
    if not whose:
        return "names nobody"
    if budget not in BOUNDS:
        return f"names budget {budget}, which is none"
    least, most = BOUNDS[Budget(budget)]
    if value and not least <= value <= most:
        return f"says {value}, and it is {least} to {most}"
    # The switch itself sets none; others are told apart by their roles.
    return "" if row["participant"] else "is nobody's word"


def _read(tail: bytes) -> tuple[int, int, int]:
    record = np.frombuffer(tail, BUDGET_RECORD, 1)[0]
    return int(record["participant"]), int(record["budget"]), int(record["value"])
