"""Shifts: how CounterService closes what one operator took and gave back, and has it
signed off.
"""

import asyncio
from typing import Final
from weakref import WeakValueDictionary

from server import arguments, asking, convert
from server.asking import Charge
from server.node import Node
from server.rooms import Room
from server.sessions import operator_of
from server.status import ArgumentError, NotFoundError, PreconditionError
from server.tasks import Finisher
from switch.codes import AMOUNT_MAX, Kind, Result, Role
from switch.counter import shift_rows, shifts
from switch.counter.handouts import HandoutBook
from switch.entries import Entry
from switch.ids import ID_SIZE
from switch.ledger import moves
from switch.ledger.templates import Templates
from switch.register.identity import Identity
from switch.v1 import counter_pb2 as pb
from switch.v1 import results_pb2

CLOSES_AT_ONCE: Final = 64
"""Shifts that are closed at a time."""
OWN_CLOSES: Final = 2
"""And of one participant."""
CLOSES_WAITING_MAX: Final = 1_024
"""Shifts that may wait for it."""
OWN_CLOSES_WAITING_MAX: Final = 16
"""And of one participant."""


class ShiftCalls:
    """An operator's shift: counted and recorded, and signed by another person."""

    _node: Node
    _handouts: HandoutBook

    def __init__(self) -> None:
        """Nobody closes one."""
        self._finisher = Finisher()
        self._closes = Room(
            "shifts",
            at_once=CLOSES_AT_ONCE,
            own_at_once=OWN_CLOSES,
            all_max=CLOSES_WAITING_MAX,
            own_max=OWN_CLOSES_WAITING_MAX,
        )
        # Of a wallet one at a time: two of one operator would count the same entries. A
        # lock is there as long as somebody in the room has it.
        self._wallets: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    async def CloseShift(
        self, request: pb.CloseShiftRequest, caller: Identity
    ) -> pb.CloseShiftResponse:
        """Close an operator's shift: count, and record."""
        register = self._node.register
        account = arguments.own_wallet(register, caller, request.centre)
        wallet, centre = account.index, account.participant
        if not await self._is_others(request.id, caller):
            request.operator = operator_of(register, caller, request.operator, centre)
        if request.cash_counted > AMOUNT_MAX:
            raise ArgumentError("cash_counted", f"must be at most {AMOUNT_MAX}")
        closing = self._close(request, wallet, caller, asking.charge())
        outcome = await self._finisher.finish(closing)
        response = pb.CloseShiftResponse(outcome=outcome)
        if outcome.result == results_pb2.RESULT_OK:
            # Not in a reading thread, which could be refused although it is done: what
            # was written a moment ago is three look-ups.
            response.shift.CopyFrom(self._shift(outcome.sequence))
        return response

    async def _close(
        self,
        request: pb.CloseShiftRequest,
        wallet: int,
        caller: Identity,
        charge: Charge,
    ) -> results_pb2.Outcome:
        async with self._closes.enter():
            lock = self._wallets.setdefault(wallet, asyncio.Lock())
            async with lock:
                move = await self._node.read(
                    self._count, request, wallet, caller, charge
                )
                return await self._do(move)

    def _count(
        self,
        request: pb.CloseShiftRequest,
        wallet: int,
        caller: Identity,
        charge: Charge,
    ) -> Templates:
        ledger = self._node.ledger
        known = self._known_shift(request.id, caller)
        if known is not None:
            # Counting again would find other entries: the recorded counts stand.
            previous = known.resolves
            recorded = shift_rows.read_shift(ledger.tail(known.sequence))
            counted = recorded._replace(cash_counted=request.cash_counted)
        else:
            previous = shifts.last_shift(ledger, wallet, request.operator, charge)
            counted = self._count_new(request, wallet, previous, charge)
        return shift_rows.shift(
            request.id,
            wallet,
            request.operator,
            counted,
            sender=caller.index,
            previous=previous,
        )

    def _count_new(
        self,
        request: pb.CloseShiftRequest,
        wallet: int,
        previous: int,
        charge: Charge,
    ) -> shift_rows.Shift:
        ledger = self._node.ledger
        before = shift_rows.read_shift(ledger.tail(previous)) if previous else None
        try:
            counted = shifts.count_shift(
                *(self._handouts, ledger, wallet, request.operator),
                before.to_sequence if before else 0,
                request.cash_counted,
                charge,
            )
        except shifts.ShiftTooLongError as error:
            raise PreconditionError("SHIFT_TOO_LONG", str(error)) from error
        if counted.is_empty:
            raise PreconditionError(
                "SHIFT_EMPTY",
                f"operator {request.operator} has taken nothing and given nothing back "
                "since the shift before",
            )
        return counted

    def _known_shift(self, row_id: bytes, caller: Identity) -> Entry | None:
        """The accepted shift with this id."""
        ledger = self._node.ledger
        sequence = ledger.find(caller.index, row_id) if len(row_id) == ID_SIZE else 0
        if not sequence:
            return None
        entry = ledger.row(sequence)
        is_shift = entry.kind == Kind.SHIFT and entry.result == Result.OK
        return entry if is_shift else None

    def _shift(self, sequence: int) -> pb.Shift:
        ledger = self._node.ledger
        entry = ledger.row(sequence)
        signed, _ = ledger.resolution(sequence)
        return convert.shift(entry, ledger.tail(sequence), signed, self._node.register)

    async def SignShift(
        self, request: pb.SignShiftRequest, caller: Identity
    ) -> pb.SignShiftResponse:
        """Sign another person's shift off."""
        node = self._node
        account = arguments.own_wallet(node.register, caller, request.centre)
        wallet, centre = account.index, account.participant
        operator = request.operator
        if not await self._is_others(request.id, caller):
            operator = operator_of(node.register, caller, operator, centre)
        await node.read(self._check_shift, request.shift_sequence, wallet)
        move = moves.approve(
            request.id,
            request.shift_sequence,
            operator=operator,
            sender=caller.index,
        )
        return pb.SignShiftResponse(outcome=await self._do(move))

    def _check_shift(self, sequence: int, wallet: int) -> None:
        """Only a shift of this wallet: what offices propose is not for a counter."""
        ledger = self._node.ledger
        # For a sequence that is not there another entry is read, and all is compared at
        # once: how long this takes tells no more than the answer.
        newest = ledger.sequence
        entry = ledger.row(
            sequence if 0 < sequence <= newest else 1 + sequence % newest
        )
        found = (entry.sequence, entry.kind, entry.result, entry.debit)
        if found != (sequence, Kind.SHIFT, Result.OK, wallet):
            raise NotFoundError("shift_sequence: the centre has no such shift")

    async def _do(self, move: Templates) -> results_pb2.Outcome:
        reply = await self._node.commit_alone(move.request())
        assert not isinstance(reply, bytes)
        return convert.outcome(reply[0])

    async def _is_others(self, row_id: bytes, caller: Identity) -> bool:
        """Whether who acts for a centre has sent this before: it has its answer, if the
        centre's operators sign on by now, too.
        """
        if caller.role is Role.CENTRE:
            return False
        return await self._node.read(
            arguments.is_known, self._node.ledger, caller, row_id
        )
