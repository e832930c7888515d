"""Ends of payments that a biller is told of as they happen: what it can be told, once.

May use `codes` and the generated messages. Best effort, and bounded: what is lost with
a connection, or is too much, stands in the feed, which is complete.
"""

from collections import deque

import numpy as np

from switch._core import Rows
from switch.billing.lines import Numbers
from switch.codes import Kind
from switch.payment_states import PaymentState
from switch.v1 import billers_pb2 as pb

ENDS_MAX = 65_536
"""That wait to be told to one biller; the oldest are left out for those that follow."""

# A row's kind as an index: how what it ends stands then.
_STATES = np.zeros(256, np.uint8)
_STATES[Kind.POST] = PaymentState.COMPLETED
_STATES[Kind.VOID] = PaymentState.REVERSED
_STATES[Kind.EXPIRE] = PaymentState.UNVERIFIED
_STATES[Kind.VERIFY] = PaymentState.EXPIRED
_STATES[Kind.REFUND] = PaymentState.REFUNDED


class Ends:
    """Of one biller's payments."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[list[int], list[int], list[int]]] = deque()
        self._count = 0

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, holds: Numbers, rows: Rows) -> None:
        """These rows end these holds, or say more of them after that."""
        states = _STATES[rows["kind"]].tolist()
        self._waiting.append((holds.tolist(), states, rows["sequence"].tolist()))
        self._count += len(rows)
        while self._count > ENDS_MAX:
            self._count -= len(self._waiting.popleft()[0])

    def take(self) -> bytes:
        """All that wait, as fields of a ConnectResponse."""
        if not self._waiting:
            return b""
        response = pb.ConnectResponse()
        for part in self._waiting:
            for number, state, sequence in zip(*part, strict=True):
                response.ended.add(number=number, state=state, sequence=sequence)
        self._waiting.clear()
        self._count = 0
        return response.SerializeToString()
