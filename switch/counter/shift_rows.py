"""The row of a shift: what it records, how it is made and read.

May use `ledger.templates` and `codes`. As with the treasury's moves, what is wrong with
a value is for the ledger to say.
"""

import json
from typing import NamedTuple

import numpy as np

from switch._core import SHIFT_RECORD
from switch.codes import Difference, Kind
from switch.ledger.templates import Templates, people_json, template


class Shift(NamedTuple):
    """An operator's shift. Amounts in paise."""

    after_sequence: int
    """Rows after this one belong to it."""
    payments_count: int
    payments_amount: int
    refunds_count: int
    refunds_amount: int
    cash_expected: int
    cash_counted: int
    open_count: int
    """Payments of it that are held still."""
    to_sequence: int = 0
    """The last row that was counted; what came after it belongs to the next shift."""
    cash_from_before: int = 0
    """Cash given back beyond the cash taken; nothing is expected then."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing was taken and nothing given back."""
        return not (self.payments_count or self.refunds_count)

    @property
    def difference(self) -> Difference:
        """How cash and ledger differ."""
        if self.cash_counted == self.cash_expected:
            return Difference.NONE
        short = self.cash_counted < self.cash_expected
        return Difference.SHORT if short else Difference.OVER


def shift(
    row_id: bytes,
    wallet: int,
    operator: int,
    counted: Shift,
    *,
    sender: int,
    previous: int = 0,
) -> Templates:
    """Record a shift of an operator at a wallet, after the one at `previous`, or 0.

    Raises OverflowError if a number does not fit.
    """
    record = np.zeros(1, SHIFT_RECORD)
    values = counted._asdict()
    texts = {"to_sequence": str(values.pop("to_sequence"))}
    # Left out where it is none: what a shift of before has recorded is sent again as it
    # is.
    if before := values.pop("cash_from_before"):
        texts["cash_from_before"] = str(before)
    for name, value in values.items():
        record[name] = value
    record["operator_"] = operator
    record["difference"] = counted.difference
    return template(
        Kind.SHIFT,
        row_id=row_id,
        sender=sender,
        debit=wallet,
        operator=operator,
        resolves=previous,
        tail=record.tobytes() + people_json(texts),
    )


def read_shift(tail: bytes) -> Shift:
    """The shift that the tail of its row records."""
    record = np.frombuffer(tail, SHIFT_RECORD, 1)[0]
    texts: dict[str, str] = json.loads(tail[SHIFT_RECORD.itemsize :])
    values = {
        name: int(record[name]) for name in Shift._fields if name in record.dtype.names
    }
    return Shift(
        **values,
        to_sequence=int(texts["to_sequence"]),
        cash_from_before=int(texts.get("cash_from_before", "0")),
    )
