"""PeopleService: what people propose, approve, stop and do, each proved by a signature.

Signatures are the ledger's to verify, in its committer's thread; so what one
participant may have verified a second has a bound of its own, `signatures_per_s`.
"""

import logging
import time
from collections.abc import Sequence
from typing import cast

import numpy as np

from server import arguments, asking, convert
from server.node import Node
from server.page_tokens import make_token, read_token
from server.services.line_states import line_done
from server.services.line_words import proposed_lines, whom
from server.services.noted import page_of
from server.services.proposal_list import proposal_message
from server.services.proposals import deed, do, proposal_at
from server.services.recovering import allow_deed, allow_signed
from server.services.replaced import check_unchanged, newest_sequence
from server.services.stops import check_stop, is_stop
from server.services.wishes import prepare
from server.status import ArgumentError, NotFoundError, PreconditionError
from switch._core import PARTICIPANT_RECORD, SERVICE_RECORD, Rows
from switch.codes import PROPOSE_LINES, Kind, Record, Result
from switch.entries import Entry
from switch.errors import OverloadError
from switch.ids import ID_SIZE
from switch.ledger.lines import line_row, lines_of, signed_part, signed_row
from switch.ledger.moves import join
from switch.ledger.templates import REFERENCE_SIZE, Templates, get_bytes
from switch.register.approvers import count_approvers, count_recoverers, wait_days
from switch.register.identity import Identity
from switch.register.people import Person
from switch.register.register import Register
from switch.signed import (
    LINES_SIZE_MAX,
    SIGNATURE_SIZE,
    Row,
    read_line,
    read_person,
)
from switch.v1 import people_pb2 as pb
from switch.v1 import results_pb2

log = logging.getLogger("server")

DO_LINES_MAX = 1_000
"""Lines that one call does."""
EPOCH = 0
"""Of every ledger; nothing changes it yet."""

_SIGNED = frozenset(
    {Kind.PROPOSE, Kind.APPROVE, Kind.WITHDRAW, Kind.FREEZE, Kind.REGISTER}
)
_STOPS = frozenset({Kind.FREEZE, Kind.REGISTER})


class Signatures:
    """How many signatures each participant may have verified: a bucket for each."""

    def __init__(self, per_second: int) -> None:
        """As many may come at once as in a second."""
        self._most = float(per_second)
        self._left: dict[int, tuple[float, float]] = {}

    def take(self, participant: int, now: float) -> None:
        """One more, at a time in seconds. Raises OverloadError."""
        left, then = self._left.get(participant, (self._most, now))
        left = min(self._most, left + (now - then) * self._most)
        if left < 1:
            self._left[participant] = (left, now)
            raise OverloadError("too many rows to verify; try again in a moment")
        self._left[participant] = (left - 1, now)


class PeopleService:
    """What the treasury's people do."""

    def __init__(self, node: Node) -> None:
        """Serves from `node`."""
        self._node = node
        self._signatures = Signatures(node.config.signatures_per_s)

    async def ListPeople(
        self, request: pb.ListPeopleRequest, caller: Identity
    ) -> pb.ListPeopleResponse:
        """Who is registered, and from where on a third person is needed."""
        return await self._node.read(self._people, request, caller)

    def _people(
        self, request: pb.ListPeopleRequest, caller: Identity
    ) -> pb.ListPeopleResponse:
        node = self._node
        register = node.register
        page, token = page_of(node, request, caller, register.people_after)
        response = pb.ListPeopleResponse(
            people=[_person(one, register) for one in page],
            next_page_token=token,
            as_of_sequence=node.ledger.sequence,
            instance=node.ledger.instance,
            epoch=EPOCH,
        )
        if (known := register.thresholds) is not None:
            response.thresholds.single = known.single
            response.thresholds.batch = known.batch
            response.thresholds.day = known.day
            response.thresholds.wait_s = known.wait_s
            response.thresholds.approver_wait_days = known.wait_days
        response.wait_s = register.beneficiary_wait_s
        response.approvers_count = count_approvers(register)
        response.approver_wait_days = wait_days(register)
        response.recoverers_count = count_recoverers(register)
        return response

    async def Prepare(
        self, request: pb.PrepareRequest, caller: Identity
    ) -> pb.PrepareResponse:
        """What is to be signed for what is wanted."""
        asking.charge_bytes(request.ByteSize())
        return await self._node.read(prepare, self._node, request, caller)

    async def Submit(
        self, request: pb.SubmitRequest, caller: Identity
    ) -> pb.SubmitResponse:
        """One row that a person has signed."""
        node = self._node
        kind = int(request.kind)
        if kind not in _SIGNED:
            text = "must be a propose, an approve, a withdraw, a freeze or a register"
            raise ArgumentError("kind", text)
        for field, size, most in (
            ("tail", len(request.tail), LINES_SIZE_MAX - SIGNATURE_SIZE),
            ("reference", len(request.reference), REFERENCE_SIZE),
        ):
            if size > most:
                raise ArgumentError(field, f"must be at most {most} bytes")
        if len(request.signature) != SIGNATURE_SIZE:
            raise ArgumentError("signature", f"must be {SIGNATURE_SIZE} bytes")
        allow_signed(node, request, caller)
        if not node.register.has_people:
            # Where nobody verifies it a number is nobody: one could be two by it.
            raise PreconditionError("NO_PEOPLE", "nobody is registered in this ledger")
        self._signatures.take(caller.index, node.loop.time())
        if kind == Kind.REGISTER:
            await node.read(check_stop, node, request.tail)
        elif kind == Kind.PROPOSE and request.as_of_sequence:
            await node.read(_check_unchanged, node, request, caller)
        elif kind == Kind.APPROVE:
            await node.read(_check_no_shift, node, request.resolves)
        row = Row(
            Kind(kind),
            request.total,
            request.resolves,
            request.amount,
            request.reference,
            request.debit,
            tail=request.tail,
        )
        move = signed_row(
            row,
            request.id,
            request.signature,
            sender=caller.index,
            number=request.number,
        )
        outcome = await do(node, move)
        if kind == Kind.REGISTER:
            # Before it is answered, as whoever is stopped is to be turned away.
            await node.read(node.register.refresh)
            is_done = outcome.result == results_pb2.RESULT_OK
            if is_done and request.tail[0] == Record.REVOCATION:
                text = "a certificate is revoked by %s/%d"
                log.warning(text, caller.participant, request.number)
        return pb.SubmitResponse(outcome=outcome)

    async def GetProposal(
        self, request: pb.GetProposalRequest, caller: Identity
    ) -> pb.GetProposalResponse:
        """A proposal or a stop: what was signed, what it says, how it stands."""
        told = read_token(request, caller)
        size = arguments.page_size(request.page_size, self._node.config)
        return await self._node.read(self._proposal, request, caller, told, size)

    def _proposal(
        self, request: pb.GetProposalRequest, caller: Identity, told: int, size: int
    ) -> pb.GetProposalResponse:
        node = self._node
        ledger = node.ledger
        sequence = arguments.durable_sequence(ledger, request.sequence, "sequence")
        entry = ledger.row(sequence)
        if entry.result != Result.OK or entry.kind not in {Kind.PROPOSE, *_STOPS}:
            raise _no_proposal(sequence)
        [row] = ledger.rows(sequence, 1)
        response = pb.GetProposalResponse(
            row=row.tobytes(), instance=ledger.instance, epoch=EPOCH
        )
        if entry.kind in _STOPS:
            tail = ledger.tail(sequence) if entry.operator else b""
            is_freeze = entry.kind == Kind.FREEZE
            if not entry.operator or entry.total or not (is_freeze or is_stop(tail)):
                raise _no_proposal(sequence)
            response.tail = signed_part(tail)
            stops, _ = node.exceptions.stops()
            response.stop.CopyFrom(_stop(node, entry, is_open=sequence in stops))
            return response
        node.exceptions.proposals(unanswered_only=False)
        response.proposal.CopyFrom(proposal_message(node, sequence, time.time_ns()))
        if entry.total == PROPOSE_LINES:
            lines = lines_of(ledger.tail(sequence))
            end = min(told + size, len(lines))
            response.lines.extend(
                proposed_lines(
                    node,
                    lines,
                    told,
                    end,
                    lambda number: line_done(node, entry, number, lines[number]),
                )
            )
            following = end if end < len(lines) else 0
            response.next_page_token = make_token(request, caller, following)
        return response

    async def DoLines(
        self, request: pb.DoLinesRequest, caller: Identity
    ) -> pb.DoLinesResponse:
        """Do what is not done yet of an approved proposal."""
        node = self._node
        if request.lines_max > DO_LINES_MAX:
            raise ArgumentError("lines_max", f"must be at most {DO_LINES_MAX}")
        self._signatures.take(caller.index, node.loop.time())
        response, numbers, move = await node.read(self._to_do, request, caller)
        if move is None:
            return response
        reply = await node.commit(move.request())
        assert not isinstance(reply, bytes)
        for number, one in zip(numbers, reply, strict=True):
            response.outcomes.add(line=number, outcome=convert.outcome(one))
        if (reply["result"] == Result.NOT_APPROVED).any():
            await node.read(_say_changed, node, request.proposal_sequence, response)
        response.lines_done += _done_now(reply) if response.lines_count else 0
        if np.isin(move.rows["kind"], (Kind.REGISTER, Kind.OPEN)).any():
            await node.read(node.register.refresh)
        return response

    def _to_do(
        self, request: pb.DoLinesRequest, caller: Identity
    ) -> tuple[pb.DoLinesResponse, Sequence[int], Templates | None]:
        """The rows to be committed, and the numbers of their lines."""
        node = self._node
        proposal = proposal_at(node, request.proposal_sequence)
        allow_deed(node, proposal, caller)
        checker = _last_approver(node, proposal)
        if proposal.total != PROPOSE_LINES:
            made = deed(node, proposal, checker)
            return pb.DoLinesResponse(), range(len(made.rows)), made
        lines = lines_of(node.ledger.tail(proposal.sequence))
        most = request.lines_max or DO_LINES_MAX
        found: list[Templates] = []
        numbers: list[int] = []
        done = 0
        following = 0
        for number, line in enumerate(lines):
            if line_done(node, proposal, number, line):
                done += 1
            elif number >= request.from_line and len(found) < most:
                found.append(line_row(proposal, number, line, checker=checker))
                numbers.append(number)
            elif number >= request.from_line and not following:
                following = number
        response = pb.DoLinesResponse(
            next_line=following, lines_count=len(lines), lines_done=done
        )
        return response, numbers, join(found) if found else None

    async def ListStops(
        self, request: pb.ListStopsRequest, caller: Identity
    ) -> pb.ListStopsResponse:
        """What one person has stopped, and nobody else has approved."""
        return await self._node.read(self._stops, request, caller)

    def _stops(
        self, request: pb.ListStopsRequest, caller: Identity
    ) -> pb.ListStopsResponse:
        node = self._node
        after = read_token(request, caller)
        size = arguments.page_size(request.page_size, node.config)
        found, as_of = node.exceptions.stops()
        found = [one for one in found if one > after]
        page = found[:size]
        following = page[-1] if len(found) > size else 0
        return pb.ListStopsResponse(
            stops=[_stop(node, node.ledger.row(one), is_open=True) for one in page],
            next_page_token=make_token(request, caller, following),
            as_of_sequence=as_of,
        )


# --- in a reading thread -------------------------------------------------------------


def _check_unchanged(node: Node, request: pb.SubmitRequest, caller: Identity) -> None:
    """Raise PreconditionError if what a proposal replaces is not what was prepared.

    One that is recorded is answered as it was, whatever has changed since.
    """
    if request.total != PROPOSE_LINES or len(request.id) != ID_SIZE:
        return
    if not node.ledger.find(caller.index, request.id):
        node.register.refresh()
        check_unchanged(node.register, request.tail, request.as_of_sequence)


def _say_changed(node: Node, proposal: int, response: pb.DoLinesResponse) -> None:
    """Say which entry has changed the record, or the limits, of a line since it was
    proposed. Of what is withdrawn, too old or decided by nobody any more none has.
    """
    entry = node.ledger.row(proposal)
    if entry.kind != Kind.PROPOSE or entry.total != PROPOSE_LINES:
        return
    node.register.refresh()
    lines = lines_of(node.ledger.tail(proposal))
    for outcome in response.outcomes:
        newest = newest_sequence(node.register, read_line(lines[outcome.line]))
        is_refused = outcome.outcome.result == results_pb2.RESULT_NOT_APPROVED
        if is_refused and newest > proposal:
            outcome.changed_sequence = newest


def _check_no_shift(node: Node, sequence: int) -> None:
    """Raise ArgumentError if an approval is of a shift: that needs no signature."""
    is_there = 1 <= sequence <= node.ledger.sequence
    if is_there and node.ledger.row(sequence).kind == Kind.SHIFT:
        raise ArgumentError("resolves", "a shift is signed at its centre")


def _done_now(reply: Rows) -> int:
    return int(((reply["result"] == Result.OK) & (reply["repeat"] == 0)).sum())


def _last_approver(node: Node, proposal: Entry) -> int:
    """The participant whose approval was the last that a proposal needed.

    Of one that is not approved nobody's: the ledger says so of each line.
    """
    answered_by, _ = node.ledger.resolution(proposal.sequence)
    return node.ledger.row(answered_by).participant if answered_by else 0


def _person(one: Person, register: Register) -> pb.Person:
    return pb.Person(
        participant=register.participant(one.participant).spec.id,
        participant_index=one.participant,
        number=one.number,
        role=cast("pb.PersonRole.ValueType", int(one.role)),
        active=one.active,
        key=one.key,
        bank_account=register.banks.number_of(one.bank),
        time_ns=one.time_ns,
        sequence=one.sequence,
    )


def _no_proposal(sequence: int) -> NotFoundError:
    return NotFoundError(
        f"sequence: entry {sequence} is neither a proposal nor a stop that a person "
        "has signed; `payswitch proposals` and `payswitch stops` list those that wait"
    )


def _stop(node: Node, entry: Entry, *, is_open: bool) -> pb.Stop:
    ledger, register = node.ledger, node.register
    said = convert.entry(entry, ledger, register)
    message = pb.Stop(
        sequence=entry.sequence,
        time_ns=entry.timestamp,
        person=said.sender,
        kind=said.kind,
        open=is_open,
    )
    if entry.kind == Kind.FREEZE:
        message.about, message.reason = said.centre, entry.reference_text
    else:
        message.about = _about(ledger.tail(entry.sequence), register)
    answered_by, _ = ledger.resolution(entry.sequence)
    if answered_by and (answer := ledger.row(answered_by)).kind == Kind.APPROVE:
        by = convert.entry(answer, ledger, register).sender
        message.approved_by.CopyFrom(by)
    return message


def _about(tail: bytes, register: Register) -> str:
    """What a register row that stops something is about."""
    if tail[0] == Record.PARTICIPANT:
        return get_bytes(tail, PARTICIPANT_RECORD, "code").decode("ascii")
    if tail[0] == Record.SERVICE:
        return get_bytes(tail, SERVICE_RECORD, "code").decode("ascii")
    return f"{whom(Kind.REGISTER, tail, register)}/{read_person(tail).number}"
