"""What the register says of budgets: what one participant may use.

It goes before what the settings say of a role, or of all, and only where something was
set: 0 is what the settings say, again. What a budget bounds is not for the register to
know.

May use the core's records and `templates`.
"""

from dataclasses import dataclass

import numpy as np

from switch._core import BUDGET_RECORD
from switch.codes import Budget, Record


@dataclass(frozen=True, slots=True)
class Override:
    """A budget of one participant, as it was set last."""

    index: int
    sequence: int
    time_ns: int
    participant: int
    """Participant index of whom it is of; `set_by` likewise."""
    budget: Budget
    value: int
    """0: it is taken back."""
    set_by: int


def budget_tail(participant: int, budget: Budget, value: int) -> bytes:
    """The record of a participant's budget, as it stands in a `register` row's tail."""
    record = np.zeros(1, BUDGET_RECORD)
    record["record"] = int(Record.BUDGET)
    record["budget"] = int(budget)
    record["participant"] = participant
    record["value"] = value
    return record.tobytes()


def read_budget(
    tail: bytes, index: int, sequence: int, time_ns: int, sender: int
) -> Override:
    """A budget out of its row and tail."""
    record = np.frombuffer(tail, BUDGET_RECORD, 1)[0]
    return Override(
        index,
        sequence,
        time_ns,
        int(record["participant"]),
        Budget(int(record["budget"])),
        int(record["value"]),
        sender,
    )
