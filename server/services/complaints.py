"""Complaints about payments: what CounterService does from raising to closing."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from server import arguments, convert
from server.node import Node
from server.page_tokens import make_token, read_token
from server.services.complaint_centres import ComplaintCentres
from server.services.complaint_times import biller_of, due_ns, is_overdue
from server.services.payments import find_payment
from server.sessions import operator_of
from server.status import ArgumentError, NotFoundError
from switch.codes import Reason, Role, Step
from switch.errors import CorruptionError
from switch.ids import ID_SIZE
from switch.ledger import complaints
from switch.ledger.complaints import Complaint, ComplaintState
from switch.receipt_numbers import COMPLAINT_MAX
from switch.register.identity import ForbiddenError, Identity
from switch.v1 import complaints_pb2 as pb
from switch.v1 import results_pb2

LOOKED_AT_MAX: Final = 1_000
"""Complaints that are read for one page; then it has a token for the next."""
STEP: Final = 1_000
"""Numbers that the core lists at a time."""
STEPS_MAX: Final = 64
"""Steps of one page: of other centres' complaints no row is read."""
_STEPS: Final = {Step.ASKED: Role.TREASURY, Step.ANSWERED: Role.BILLER}
_STEPS[Step.CLOSED] = Role.TREASURY


class _Walk:
    """Where a walk through complaints stands."""

    def __init__(self, before: int) -> None:
        """Numbers below `before` are still to be looked at; 0 is all, or the end."""
        self.before = before


class ComplaintCalls:
    """What is wrong with a payment, said and answered under one number."""

    _node: Node
    _complaint_centres: ComplaintCentres

    async def RaiseComplaint(
        self, request: pb.RaiseComplaintRequest, caller: Identity
    ) -> pb.RaiseComplaintResponse:
        """Complain about a payment of the caller's wallet."""
        node = self._node
        _check_id(request.id, "id")
        if request.centre not in ("", caller.participant):
            raise ForbiddenError("a centre complains for itself only")
        reason = _reason(request.reason)
        _check_note(request.note, "note", least=0)
        operator = operator_of(node.register, caller, request.operator)
        found = await node.read(
            find_payment, node, request.payment_id, request.sender, caller
        )
        move = complaints.raise_complaint(
            request.id,
            found.entry.sequence,
            reason,
            request.note,
            sender=caller.index,
            operator=operator,
        )
        reply = await node.commit_alone(move.request())
        assert not isinstance(reply, bytes)
        outcome = convert.outcome(reply[0])
        response = pb.RaiseComplaintResponse(outcome=outcome)
        # What is told beside the outcome is never worth an error: it is durable.
        if outcome.result in (
            results_pb2.RESULT_OK,
            results_pb2.RESULT_COMPLAINT_OPEN,
        ):
            told = await node.read(self._about, found.entry.sequence)
            if told is not None:
                response.complaint.CopyFrom(told)
        return response

    async def GetComplaint(
        self, request: pb.GetComplaintRequest, caller: Identity
    ) -> pb.GetComplaintResponse:
        """One complaint as it stands."""
        return await self._node.read(self._get, request, caller)

    async def ListComplaints(
        self, request: pb.ListComplaintsRequest, caller: Identity
    ) -> pb.ListComplaintsResponse:
        """Complaints that the caller may see, newest first."""
        return await self._node.read(self._list, request, caller)

    async def AnswerComplaint(
        self, request: pb.AnswerComplaintRequest, caller: Identity
    ) -> pb.AnswerComplaintResponse:
        """Ask, answer or close."""
        node = self._node
        _check_id(request.id, "id")
        if int(request.step) not in tuple(map(int, Step)):
            raise ArgumentError("step", "must be ASK, ANSWER or CLOSE")
        step = Step(request.step)
        if _STEPS[step] is not caller.role:
            raise ForbiddenError(f"a {caller.role.name.lower()} takes no such step")
        _check_note(request.text, "text", least=1)
        found = await node.read(self._find, request.number, caller)
        move = complaints.reply(
            request.id, found.raised.sequence, step, request.text, sender=caller.index
        )
        reply = await node.commit_alone(move.request())
        assert not isinstance(reply, bytes)
        outcome = convert.outcome(reply[0])
        response = pb.AnswerComplaintResponse(outcome=outcome)
        if outcome.result == results_pb2.RESULT_OK:
            told = await node.read(self._numbered, found.number)
            if told is not None:
                response.complaint.CopyFrom(told)
        return response

    # --- in a reading thread -----------------------------------------------------

    def _get(
        self, request: pb.GetComplaintRequest, caller: Identity
    ) -> pb.GetComplaintResponse:
        as_of = self._node.ledger.sequence
        if request.payment_id:
            if request.number:
                raise ArgumentError("payment_id", "must not be given beside number")
            found = self._find_about(request, caller)
        elif request.sender:
            raise ArgumentError("sender", "belongs to payment_id")
        else:
            found = self._find(request.number, caller)
        told = self._tell(found)
        return pb.GetComplaintResponse(complaint=told, as_of_sequence=as_of)

    def _find_about(
        self, request: pb.GetComplaintRequest, caller: Identity
    ) -> Complaint:
        """The newest complaint about the caller's payment. Raises NotFoundError."""
        node = self._node
        if caller.role is Role.BILLER:
            raise ForbiddenError("a biller asks by the complaint's number")
        _check_id(request.payment_id, "payment_id")
        payment = find_payment(node, request.payment_id, request.sender, caller)
        about = complaints.complaint_about(node.ledger, payment.entry.sequence)
        if about is None or not self._may_see(about, caller):
            raise NotFoundError("payment_id: there is no complaint about this payment")
        return about

    def _find(self, number: str, caller: Identity) -> Complaint:
        """The caller's complaint with this number on paper. Raises NotFoundError."""
        ledger = self._node.ledger
        if len(number) > COMPLAINT_MAX:
            raise ArgumentError("number", f"must be at most {COMPLAINT_MAX} characters")
        found = complaints.complaint_of(
            ledger, complaints.read_number(number, ledger.instance)
        )
        if found is None or not self._may_see(found, caller):
            raise NotFoundError("number: there is no such complaint")
        return found

    def _about(self, payment: int) -> pb.Complaint | None:
        try:
            found = complaints.complaint_about(self._node.ledger, payment)
        except CorruptionError:
            return None
        return None if found is None else self._tell(found)

    def _numbered(self, number: int) -> pb.Complaint | None:
        try:
            found = complaints.complaint_of(self._node.ledger, number)
        except CorruptionError:
            return None
        return None if found is None else self._tell(found)

    def _may_see(self, found: Complaint, caller: Identity) -> bool:
        """A centre sees its own, a biller those about its payments, others all."""
        if caller.role is Role.CENTRE:
            return found.raised.participant == caller.index
        if caller.role is Role.BILLER:
            return biller_of(self._node, found) == caller.index
        return True

    def _list(
        self, request: pb.ListComplaintsRequest, caller: Identity
    ) -> pb.ListComplaintsResponse:
        node = self._node
        register, ledger = node.register, node.ledger
        centre, biller = request.centre, request.biller
        if caller.role is Role.CENTRE:
            centre = arguments.own_name(caller, centre, "centre")
        if caller.role is Role.BILLER:
            biller = arguments.own_name(caller, biller, "biller")
        centre_index = (
            arguments.participant(register, centre, "centre").index if centre else 0
        )
        biller_index = (
            arguments.participant(register, biller, "biller").index if biller else 0
        )
        if request.state not in pb.ComplaintState.values():
            raise ArgumentError("state", "is none that a complaint can have")
        size = arguments.page_size(request.page_size, node.config)
        before = read_token(request, caller)
        response = pb.ListComplaintsResponse(as_of_sequence=ledger.sequence)
        walk = _Walk(before)
        for found in self._walk(walk, centre_index):
            if not self._may_see(found, caller):
                continue
            if centre_index and found.raised.participant != centre_index:
                continue
            if biller_index and biller_of(node, found) != biller_index:
                continue
            if not _is_wanted(request, found.state):
                continue
            if request.overdue_only and not is_overdue(node, found):
                continue
            response.complaints.append(self._tell(found))
            if len(response.complaints) == size:
                break
        response.next_page_token = make_token(request, caller, walk.before)
        return response

    def _walk(self, walk: "_Walk", centre: int) -> Iterator[Complaint]:
        """Those that can be read, newest first; `walk` says where the next page begins.

        Of one centre only its own are read, and those of which nobody knows whose they
        are.
        """
        ledger, known = self._node.ledger, self._complaint_centres
        looked_at = 0
        for _ in range(STEPS_MAX):
            numbers, sequences = ledger.complaints(walk.before, STEP)
            wanted = np.ones(len(numbers), np.bool_)
            if centre:
                wanted = known.may_be_of(numbers, centre)
            for at in np.flatnonzero(wanted):
                if looked_at == LOOKED_AT_MAX:
                    return
                looked_at += 1
                walk.before = int(numbers[at])
                found = complaints.readable_complaint(
                    ledger, walk.before, int(sequences[at])
                )
                if found is not None:
                    known.note(found.number, found.raised.participant)
                    yield found
            if len(numbers) < STEP:
                walk.before = 0
                return
            walk.before = int(numbers[-1])

    def _tell(self, found: Complaint) -> pb.Complaint:
        node = self._node
        ledger, register = node.ledger, node.register
        payment = ledger.row(found.raised.resolves)
        told = pb.Complaint(
            number=complaints.number_text(ledger.instance, found.number),
            sequence=found.raised.sequence,
            time_ns=found.raised.timestamp,
            centre=register.participant(found.raised.participant).spec.id,
            operator=found.raised.operator,
            biller=register.participant(biller_of(node, found)).spec.id,
            payment_sequence=payment.sequence,
            payment_id=payment.id,
            reason=_wire(found.reason),
            state=_wire(found.state),
            answer_due_ns=due_ns(node, found),
            refund_sequence=found.refund,
            overdue=is_overdue(node, found),
        )
        for place, said in enumerate(complaints.sayings_of(ledger, found)):
            if place == 0:
                told.note = said.note
                continue
            told.events.add(
                sequence=said.entry.sequence,
                time_ns=said.entry.timestamp,
                step=said.entry.total,
                participant=register.participant(said.entry.participant).spec.id,
                text=said.note,
            )
        return told


def _wire(number: int) -> Any:
    """A number of the ledger's that is the wire's too."""
    return int(number)


def _is_wanted(request: pb.ListComplaintsRequest, state: ComplaintState) -> bool:
    if request.state == pb.COMPLAINT_STATE_UNSPECIFIED:
        return state is not ComplaintState.CLOSED
    return int(state) == request.state


def _reason(number: int) -> Reason:
    if number not in tuple(Reason):
        raise ArgumentError("reason", "must be one of the reasons")
    return Reason(number)


def _check_id(row_id: bytes, field: str) -> None:
    if len(row_id) != ID_SIZE:
        raise ArgumentError(field, f"must be {ID_SIZE} bytes")


def _check_note(text: str, field: str, *, least: int) -> None:
    printable = text.isascii() and text.isprintable()
    if not least <= len(text) <= 64 or not printable:
        raise ArgumentError(field, f"must be {least} to 64 printable ASCII characters")
