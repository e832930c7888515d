"""The oracle's rules of budgets: what the register allows one participant.

Part of tests/model.py, which see.
"""

import struct

from switch.codes import Budget, Result
from tests.flags import RowFlag
from tests.model_rules import Rules
from tests.model_state import OK, Answer
from tests.records import Row

BUDGETS_MAX = 65_535
BUDGET_BYTES = struct.Struct("<BBHIQ")
BOUNDS = (
    # By number, from docs/data-model.md; there is no budget 0.
    (1, 0),
    *((1, 10_000_000), (16, 10_000_000)),  # payments
    *((1, 1_000_000), (1, 1_000_000)),  # reads
    *((1, 1_000_000), (1, 1_000_000)),  # fetches
    *((1, 100_000), (1, 1_048_576)),  # connections, calls
    (1_048_576, 1_099_511_627_776),  # bytes
    *((1, 100_000), (1, 10_000_000)),  # feeds, watches
    *((1, 1_000_000), (16, 1_000_000)),  # refusals
)


class Budgets(Rules):
    """What register rows say of budgets."""

    def check_budget(self, row: Row) -> Answer:
        _, budget, _, whose, _ = BUDGET_BYTES.unpack_from(row.tail or b"")
        if whose >= len(self.participants):
            return Answer(Result.PARTICIPANT_UNKNOWN)
        full = len(self.budgets) >= BUDGETS_MAX
        if full and (whose, budget) not in self.budgets:
            return Answer(Result.TABLE_FULL)
        return OK

    def do_budget(self, row: Row) -> None:
        _, budget, _, whose, value = BUDGET_BYTES.unpack_from(row.tail or b"")
        row.flags |= RowFlag.UPDATE if (whose, budget) in self.budgets else 0
        place, _ = self.budgets.get((whose, budget), (len(self.budgets) + 1, 0))
        self.budgets[whose, budget] = place, value
        row.debit = place
        self.append(row)
        if budget in (Budget.REFUSALS_PER_S, Budget.REFUSALS_AT_ONCE):
            self.refused_until.pop(whose, None)

    def refusals_of(self, index: int) -> tuple[int, int]:
        """How many refusals of a participant are rows: a second, and at once. None a
        second: they have no bound.
        """
        per_s, at_once = self.refusals.get(self.participants[index].role, (0, 0))
        if per_s:
            none = 0, 0
            per_s = self.budgets.get((index, Budget.REFUSALS_PER_S), none)[1] or per_s
            own = self.budgets.get((index, Budget.REFUSALS_AT_ONCE), none)[1]
            at_once = own or at_once
        return per_s, at_once


def budget_record_is_valid(tail: bytes) -> bool:
    """Whether a record of a budget is one."""
    if len(tail) < BUDGET_BYTES.size:
        return False
    _, budget, zero, whose, value = BUDGET_BYTES.unpack_from(tail)
    if zero or not whose or not 1 <= budget < len(BOUNDS):
        return False
    least, most = BOUNDS[budget]
    return bool(value == 0 or least <= value <= most)
