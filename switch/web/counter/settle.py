"""Sends what the till has begun, and asks what became of it, until it has an end.

One rule makes it correct: what is on the till's disk is sent, the same bytes each time,
until the switch has said what became of it. A word that nothing was done ends a payment
only where no earlier send can have done it; else the same is sent again, which gets the
first answer. What the switch has for good (a hold) is asked about, never sent again.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import grpc

from switch.client import CallError
from switch.client.calls import LostReplyError
from switch.codes import Result
from switch.payment_states import FINAL, PaymentState
from switch.v1 import (
    banks_pb2,
    complaints_pb2,
    counter_pb2,
    handouts_pb2,
    payments_pb2,
    results_pb2,
    types_pb2,
)
from switch.web.counter.line import NEEDS_SIGN_ON, Line, is_offline
from switch.web.counter.till import Kind, Move, Stage, Till

_log = logging.getLogger(__name__)

BILLER_MS = 3_000
"""The switch waits so long for the biller before it says that the payment is held."""
SENDERS_MAX, ASKERS_MAX = 16, 4
"""Threads of what is sent, and of what is asked about: a department that decides
nothing for days lets no other's payment wait.
"""
PATIENCE = 6
"""Attempts that a switch turns away untried before the citizen is told to go."""
SEND_FIRST_S, SEND_MAX_S = 0.5, 10.0
"""Pause before the same is sent again, doubling."""
ASK_FIRST_S, ASK_MAX_S, ASK_DAYS_S = 1.0, 30.0, 300.0
"""Pause before a payment is asked about again; the last for what may take days."""

OUTCOMES = {
    PaymentState.REFUSED: "refused",
    PaymentState.HELD: "waiting",
    PaymentState.COMPLETED: "paid",
    PaymentState.REVERSED: "given-back",
    PaymentState.EXPIRED: "given-back",
    PaymentState.REFUNDED: "refunded",
    PaymentState.UNKNOWN: "waiting",
    PaymentState.UNVERIFIED: "unverified",
    PaymentState.KEPT: "kept",
}
"""What the page calls the states of the switch."""
_FOR_A_WHILE = frozenset(
    {int(Result.BILLER_BUSY), int(Result.TOO_MANY_REFUSALS), int(Result.DATA_DAMAGED)}
)
"""Results that are no answer yet: the same payment may be sent again."""
_TURNED_AWAY = frozenset(
    {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}
)
_ENDS_UNSENT = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.NOT_FOUND,
    }
)


class Learned(NamedTuple):
    """What one attempt has found."""

    changes: dict[str, Any]
    """For the till; empty if nothing is known that was not."""
    in_doubt: bool
    """Whether this attempt may have done it without saying so."""


NOTHING = Learned({}, in_doubt=False)


class Settler:
    """One task for each move that has no end; all in one event loop."""

    def __init__(
        self, till: Till, line: Line, is_here: Callable[[int], bool] = lambda _: False
    ) -> None:
        """Begins nothing; `start` does. `is_here`: whether an operator is at the
        counter, asked in the event loop.
        """
        self._till = till
        self._line = line
        self._is_here = is_here
        self._tasks: dict[bytes, asyncio.Task[None]] = {}
        self._nudges: dict[bytes, asyncio.Event] = {}
        self._is_stopping = False
        self._senders = ThreadPoolExecutor(SENDERS_MAX, "send")
        self._askers = ThreadPoolExecutor(ASKERS_MAX, "ask")

    def start(self) -> None:
        """Take up what an earlier process has left: it may have been sent."""
        for move in self._till.unended():
            self.take(move, in_doubt=True)

    def take(self, move: Move, *, in_doubt: bool = False) -> None:
        """Bring a move to its end; of one that is under way already, nothing."""
        if move.stage is Stage.ENDED or move.id in self._tasks:
            return
        self._nudges[move.id] = asyncio.Event()
        task = asyncio.create_task(self._settle(move, in_doubt))
        self._tasks[move.id] = task

        def done(ended: asyncio.Task[None]) -> None:
            self._tasks.pop(move.id, None)
            self._nudges.pop(move.id, None)
            if ended.cancelled() or ended.exception() is None:
                return
            # A disk that takes nothing, or a fault of ours: it stays on disk as it is,
            # and is taken up again.
            _log.error("move %s", move.id.hex(), exc_info=ended.exception())
            loop = asyncio.get_running_loop()
            loop.call_later(ASK_MAX_S, self._take_again, move.id)

        task.add_done_callback(done)

    def _take_again(self, move_id: bytes) -> None:
        found = self._till.get(move_id)
        if found is not None and not self._is_stopping:
            self.take(found, in_doubt=True)

    def nudge_all(self) -> None:
        """Somebody has signed on: what has waited for it goes on."""
        for nudge in self._nudges.values():
            nudge.set()

    def nudge(self, move_id: bytes) -> None:
        """Somebody waits: ask now, not after the pause."""
        if move_id in self._nudges:
            self._nudges[move_id].set()

    async def stop(self) -> None:
        """End all tasks; what they were at stays on disk."""
        self._is_stopping = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for pool in (self._senders, self._askers):
            pool.shutdown(wait=False, cancel_futures=True)

    async def _settle(self, move: Move, in_doubt: bool) -> None:
        """To its end. Whoever has signed another's shift is signed off with it."""
        await self._bring_to_end(move, in_doubt)
        if move.kind is Kind.SIGNATURE:
            await self.let_go(move.facts["operator"])

    async def let_go(self, operator: int) -> None:
        """End the session of an operator who has signed on for one signature."""
        if not self._is_here(operator):
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._senders, self._line.leave, operator)

    async def _bring_to_end(self, move: Move, in_doubt: bool) -> None:
        attempts = asked = 0
        while move.stage is not Stage.ENDED:
            was = move.stage
            pool = self._senders if was is Stage.OPEN else self._askers
            learned, found = await asyncio.get_running_loop().run_in_executor(
                pool, self._step, move, in_doubt, attempts
            )
            in_doubt |= learned.in_doubt
            if found is None or found.stage is Stage.ENDED:
                return
            move = found
            if was is Stage.OPEN:
                attempts += 1
                pause_s = _pause(SEND_FIRST_S, SEND_MAX_S, attempts)
            else:
                asked += 1
                takes_days = move.outcome in ("kept", "unverified")
                pause_s = _pause(
                    ASK_FIRST_S, ASK_DAYS_S if takes_days else ASK_MAX_S, asked
                )
            nudge = self._nudges[move.id]
            try:
                await asyncio.wait_for(nudge.wait(), pause_s)
            except TimeoutError:
                continue
            nudge.clear()
            attempts = min(attempts, PATIENCE)

    def _step(
        self, move: Move, in_doubt: bool, attempts: int
    ) -> tuple[Learned, Move | None]:
        """One attempt, and the move as it stands on disk then; None if it was let go.
        In a thread of its own.
        """
        if self._till.get(move.id) is None:
            return NOTHING, None
        learned = self._attempt(move, in_doubt, attempts)
        if not learned.changes:
            return learned, move
        return learned, self._till.learn(move.id, **learned.changes)

    def _attempt(self, move: Move, in_doubt: bool, attempts: int) -> Learned:
        """Send or ask once."""
        try:
            if move.stage is Stage.KNOWN:
                return self._ask(move)
            return _SENDERS[move.kind](self._line, move)
        except LostReplyError as error:
            _log.warning("move %s: %s", move.id.hex(), error.last.code.name)
            return Learned(_said(move, error.last), in_doubt=True)
        except CallError as error:
            _log.warning("move %s: %s %s", move.id.hex(), error.code.name, error.reason)
            return _not_done(move, error, in_doubt, attempts)

    def _ask(self, move: Move) -> Learned:
        try:
            reply = self._line.send(lambda: self._line.client.get_payment(move.id))
        except CallError:
            # The switch has it for good: whatever this says, it is asked again.
            return NOTHING
        state = PaymentState(reply.state)
        changes: dict[str, Any] = {
            "outcome": OUTCOMES.get(state, move.outcome),
            "stage": Stage.ENDED if state in FINAL else Stage.KNOWN,
            "answer": reply.SerializeToString(),
        }
        if number := canceller(reply):
            changes["facts"] = {**move.facts, "cancelled_by": number}
        return Learned(changes, in_doubt=False)


def canceller(found: payments_pb2.GetPaymentResponse) -> int:
    """The operator who has cancelled a payment, 0 if nobody has."""
    end = found.resolution
    return end.sender.operator if end.kind == types_pb2.ENTRY_KIND_VOID else 0


def _pause(first_s: float, most_s: float, count: int) -> float:
    """Seconds; not in the same moment as all other counters."""
    grown_s = min(most_s, first_s * (1 << min(count - 1, 16)))
    return grown_s * random.uniform(0.7, 1.0)


def _said(move: Move, error: CallError) -> dict[str, Any]:
    """For the page: why there is no answer yet."""
    if move.outcome == "trouble":
        # A line that comes and goes takes nothing back of it.
        return {}
    outcome = "offline" if is_offline(error) else "sending"
    return {"outcome": outcome} if move.outcome != outcome else {}


def _not_done(move: Move, error: CallError, in_doubt: bool, attempts: int) -> Learned:
    """This attempt did nothing. An earlier one may have."""
    changes = _said(move, error)
    if error.reason in NEEDS_SIGN_ON:
        return Learned({"outcome": "sign-on"}, in_doubt=False)
    # What is no reference of its service is none however often; and a payment that the
    # ledger has is answered before it is looked at.
    is_final = error.code is grpc.StatusCode.INVALID_ARGUMENT
    if not in_doubt:
        is_final |= error.code in _ENDS_UNSENT
        is_final |= error.code in _TURNED_AWAY and attempts + 1 >= PATIENCE
    if is_final:
        reason = error.reason or error.code.name
        facts = {**move.facts, "reason": reason, "reason_text": error.text[:200]}
        changes = {"stage": Stage.ENDED, "outcome": "not-paid", "facts": facts}
    return Learned(changes, in_doubt=False)


# --- how each kind is sent -----------------------------------------------------------


def _send_payment(line: Line, move: Move) -> Learned:
    payment = payments_pb2.Payment.FromString(move.request)
    outcome = line.send(
        lambda: line.client.pay_bill(payment, BILLER_MS), payment.operator
    )
    answer = {"answer": outcome.SerializeToString()}
    facts = {**move.facts, "result": outcome.result}
    if outcome.result == results_pb2.RESULT_OK:
        state = PaymentState(outcome.state)
        ended = state in FINAL
        return Learned(
            {
                "outcome": OUTCOMES.get(state, "waiting"),
                "stage": Stage.ENDED if ended else Stage.KNOWN,
                "facts": facts,
                **answer,
            },
            in_doubt=False,
        )
    if int(outcome.result) in _FOR_A_WHILE:
        return Learned({}, in_doubt=int(outcome.result) == Result.DATA_DAMAGED)
    if outcome.result == results_pb2.RESULT_ID_REUSED:
        # Never by this counter; whatever it is, people must look before cash moves.
        return Learned({"outcome": "trouble", "facts": facts}, in_doubt=True)
    outcome_key = "refused" if outcome.sequence else "not-paid"
    return Learned(
        {"outcome": outcome_key, "stage": Stage.ENDED, "facts": facts, **answer},
        in_doubt=False,
    )


def _ended(move: Move, result: int, answer: bytes, **facts: Any) -> Learned:
    if result in _FOR_A_WHILE:
        return NOTHING
    return Learned(
        {
            "stage": Stage.ENDED,
            "outcome": "done" if result == results_pb2.RESULT_OK else "refused",
            "answer": answer,
            "facts": {**move.facts, "result": result, **facts},
        },
        in_doubt=False,
    )


def _send_shift(line: Line, move: Move) -> Learned:
    request = counter_pb2.CloseShiftRequest.FromString(move.request)
    reply = line.send(
        lambda: line.client.close_shift(
            request.operator, request.cash_counted, move_id=move.id
        ),
        request.operator,
    )
    return _ended(move, reply.outcome.result, reply.SerializeToString())


def _send_signature(line: Line, move: Move) -> Learned:
    request = counter_pb2.SignShiftRequest.FromString(move.request)
    outcome = line.send(
        lambda: line.client.sign_shift(
            request.operator, request.shift_sequence, move_id=move.id
        ),
        request.operator,
    )
    return _ended(move, outcome.result, outcome.SerializeToString())


def _send_top_up(line: Line, move: Move) -> Learned:
    request = banks_pb2.RequestTopUpRequest.FromString(move.request)
    reply = line.send(
        lambda: line.client.request_top_up(
            request.amount, operator=request.operator, request_id=move.id
        ),
        request.operator,
    )
    return _ended(move, reply.outcome.result, reply.SerializeToString())


def _send_complaint(line: Line, move: Move) -> Learned:
    request = complaints_pb2.RaiseComplaintRequest.FromString(move.request)
    reply = line.send(
        lambda: line.client.raise_complaint(
            request.payment_id,
            request.reason,
            request.note,
            operator=request.operator,
            move_id=move.id,
        ),
        request.operator,
    )
    return _ended(move, reply.outcome.result, reply.SerializeToString())


def _send_hand_out(line: Line, move: Move) -> Learned:
    request = handouts_pb2.HandOutRequest.FromString(move.request)
    reply = line.send(
        lambda: line.client.hand_out(
            request.sequence,
            request.amount,
            operator=request.operator,
            move_id=move.id,
        ),
        request.operator,
    )
    told: dict[str, Any] = {}
    if reply.HasField("handout"):
        # What the switch says, and not what a form has said: papers are of that.
        told["payment"] = reply.handout.payment.id.hex()
        told["refund"] = reply.handout.refund
    return _ended(move, reply.outcome.result, reply.SerializeToString(), **told)


_SENDERS: dict[Kind, Callable[[Line, Move], Learned]] = {
    Kind.PAYMENT: _send_payment,
    Kind.SHIFT: _send_shift,
    Kind.SIGNATURE: _send_signature,
    Kind.TOP_UP: _send_top_up,
    Kind.COMPLAINT: _send_complaint,
    Kind.HAND_OUT: _send_hand_out,
}
