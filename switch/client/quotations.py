"""What a quotation says of its bill, and the same bill fetched once more.

Part of `switch.client`, over the wire only. A token is read here, and believed nowhere:
the switch alone knows its seal.
"""

import struct
from collections.abc import Iterable
from typing import Final

from switch.v1 import counter_pb2, payments_pb2

_TOKEN: Final = struct.Struct("<BBBBIHHI32s32sQ")
SIZE: Final = 144
"""Of a quotation, in bytes."""


def same_bill(
    payment: payments_pb2.Payment, bills: Iterable[counter_pb2.Bill]
) -> counter_pb2.Bill | None:
    """The bill that the quotation of a payment is of, among those of its reference, if
    just as much is due of it still.
    """
    said = _TOKEN.unpack_from(payment.quotation)
    head, rule, period, amount = said[2], said[3], said[7], said[10]
    known_as = said[9].rstrip(b"\0").decode("ascii", "replace")
    month = f"{period // 12:04}-{period % 12 + 1:02}" if period else ""
    for bill in bills:
        same = (bill.id, bill.period, bill.head) == (known_as, month, head)
        if same and (bill.amount_due, bill.amount_rule) == (amount, rule):
            return bill if bill.state == counter_pb2.BILL_STATE_DUE else None
    return None
