"""AdminService: the list of proposals, from who made each to what was done."""

import time
from typing import NamedTuple

import numpy as np

from server import arguments, convert
from server.actors import approvals_of
from server.node import Node
from server.page_tokens import make_token, read_token
from server.services.line_states import first_changes, widens_still
from server.services.line_words import say_first_line
from switch._core import Ledger
from switch.codes import (
    PROPOSAL_LIFE_NS,
    PROPOSE_LINES,
    RECOVERY_LIFE_NS,
    RECOVERY_WAIT_NS,
    Kind,
    Link,
    Result,
    RowFlag,
)
from switch.entries import Entry
from switch.errors import CorruptionError
from switch.ledger.moves import refund_id
from switch.register.approvers import waits_until_ns
from switch.register.identity import Identity
from switch.signed import count_lines, first_line
from switch.v1 import people_pb2
from switch.v1 import proposals_pb2 as pb


def list_proposals(
    node: Node, request: pb.ListProposalsRequest, caller: Identity
) -> pb.ListProposalsResponse:
    """A page of them, newest first. Blocks."""
    size = arguments.page_size(request.page_size, node.config)
    before = read_token(request, caller)
    found, as_of = node.exceptions.proposals(unanswered_only=not request.all)
    if before:
        found = found[: np.searchsorted(found, before)]
    page = found[::-1][:size].tolist()
    now_ns = time.time_ns()
    response = pb.ListProposalsResponse(
        next_page_token=make_token(
            request, caller, page[-1] if len(found) > size else 0
        ),
        as_of_sequence=as_of,
    )
    for one in page:
        try:
            response.proposals.append(_with_changes(node, one, now_ns))
        except CorruptionError:
            response.damaged_sequences.append(one)
    return response


_NOT_DONE = frozenset({pb.PROPOSAL_STATE_OPEN, pb.PROPOSAL_STATE_APPROVED})


def _with_changes(node: Node, sequence: int, now_ns: int) -> pb.Proposal:
    """How a proposal stands, and what its first lines would change."""
    message = proposal_message(node, sequence, now_ns)
    if message.lines_count and message.state in _NOT_DONE and not message.by_channel:
        message.changes.extend(first_changes(node, node.ledger.row(sequence)))
    return message


def proposal_message(node: Node, sequence: int, now_ns: int) -> pb.Proposal:
    """How an accepted proposal stands, as of the newest row that was followed, and
    whether more may approve by it.
    """
    message = _standing_message(node, sequence, now_ns)
    if message.lines_count and message.state in _NOT_DONE and not message.by_channel:
        proposal = node.ledger.row(sequence)
        if widens_still(node, proposal, node.ledger.tail(sequence)):
            message.widens = True
            approved = message.state == pb.PROPOSAL_STATE_APPROVED
            approved_ns = message.answer.time_ns
            if approved and message.recovery:
                message.waits_until_ns = approved_ns + RECOVERY_WAIT_NS
            elif approved and not message.third_needed:
                message.waits_until_ns = waits_until_ns(node.register, approved_ns)
    return message


class Widening(NamedTuple):
    """How many proposals that are not done let more people approve."""

    proposals: int
    recoveries: int
    """Those of them that are recoveries and approved: they only wait."""


def count_widening(node: Node) -> Widening:
    """How many there are. Blocks."""
    found, _ = node.exceptions.proposals(unanswered_only=True)
    proposals = recoveries = 0
    now_ns = time.time_ns()
    for sequence in found.tolist():
        try:
            message = proposal_message(node, sequence, now_ns)
        except CorruptionError:
            continue
        proposals += message.widens
        is_approved = message.state == pb.PROPOSAL_STATE_APPROVED
        recoveries += message.recovery and is_approved
    return Widening(proposals, recoveries)


def _standing_message(node: Node, sequence: int, now_ns: int) -> pb.Proposal:
    ledger, register = node.ledger, node.register
    proposed = ledger.row(sequence)
    until_ns = proposed.timestamp + PROPOSAL_LIFE_NS
    standing = node.exceptions.standing(sequence)
    message = pb.Proposal(
        proposed=convert.entry(proposed, ledger, register),
        approve_until_ns=until_ns,
        third_needed=RowFlag.THIRD in proposed.flags,
        by_channel=RowFlag.EVIDENCE in proposed.flags,
        recovery=RowFlag.RECOVERY in proposed.flags,
        ended_by_sequence=standing.ended_by,
    )
    if proposed.total == PROPOSE_LINES:
        tail = ledger.tail(sequence)
        message.lines_count = count_lines(tail)
        message.lines_done = standing.lines_done
        say_first_line(node, first_line(tail), message)
    else:
        say_about(node, proposed.resolves, message)
    answered_by, _ = ledger.resolution(sequence)
    answer = ledger.row(answered_by) if answered_by else None
    for approval in approvals_of(ledger, sequence):
        sender = convert.entry(approval, ledger, register).sender
        message.approvals.append(sender)
    if answer is None or (answer.kind == Kind.APPROVE and standing.first_approval):
        is_late = now_ns >= until_ns
        message.state = pb.PROPOSAL_STATE_OPEN
        if message.by_channel:
            message.state = _of_lines(message)
        if is_late and message.state != pb.PROPOSAL_STATE_DONE:
            message.state = pb.PROPOSAL_STATE_EXPIRED
        return _ended(message)
    message.answer.CopyFrom(convert.entry(answer, ledger, register))
    if answer.kind == Kind.WITHDRAW:
        message.state = pb.PROPOSAL_STATE_WITHDRAWN
        if message.by_channel and message.lines_done >= message.lines_count:
            # It needed no approval: what was done before it was taken back is done.
            message.state = pb.PROPOSAL_STATE_DONE
        return message
    message.state = pb.PROPOSAL_STATE_APPROVED
    if proposed.total == PROPOSE_LINES:
        message.state = _of_lines(message)
    elif (deed := deed_of(ledger, proposed)) is not None:
        message.state = pb.PROPOSAL_STATE_DONE
        message.done.CopyFrom(convert.entry(deed, ledger, register))
    life_ns = RECOVERY_LIFE_NS if message.recovery else PROPOSAL_LIFE_NS
    if message.state != pb.PROPOSAL_STATE_DONE:
        message.do_until_ns = answer.timestamp + life_ns
        if now_ns >= message.do_until_ns:
            message.state = pb.PROPOSAL_STATE_EXPIRED
    return _ended(message)


def _ended(message: pb.Proposal) -> pb.Proposal:
    """Of a recovery that the treasury's acts have ended: that it has."""
    if message.ended_by_sequence and message.state != pb.PROPOSAL_STATE_DONE:
        message.state = pb.PROPOSAL_STATE_ENDED
    return message


def say_about(
    node: Node, about: int, message: pb.Proposal | people_pb2.PrepareResponse
) -> None:
    """What the named entry and its payment are; of one that is damaged nothing."""
    ledger, register = node.ledger, node.register
    try:
        entry = ledger.row(about)
        payment = ledger.row(entry.resolves) if entry.kind in _OF_HOLD else entry
        named, paid = convert.entries([entry, payment], ledger, register)
    except CorruptionError:
        return
    message.about.CopyFrom(named)
    message.payment.CopyFrom(paid)


_OF_HOLD = frozenset({Kind.POST, Kind.CASE})
"""What a proposal may be about beside a payment itself: R is its hold."""


def _of_lines(message: pb.Proposal) -> pb.ProposalState.ValueType:
    """Of lines that need no approval any more."""
    if message.lines_done >= message.lines_count:
        return pb.PROPOSAL_STATE_DONE
    return pb.PROPOSAL_STATE_APPROVED


def deed_of(ledger: Ledger, proposal: Entry) -> Entry | None:
    """What was done by a proposal, if it was."""
    about = proposal.resolves
    if proposal.total in (Kind.POST, Kind.VOID):
        found, _ = ledger.resolution(about)
    elif proposal.total == Kind.VERIFY:
        found = ledger.link(about, Link.VERIFY)
    else:
        found = ledger.find(proposal.participant, refund_id(proposal.id))
    if not found:
        return None
    deed = ledger.row(found)
    # A hold may have ended, and an id been used up, by something else.
    is_named = deed.kind == Kind.REFUND or deed.total == proposal.sequence
    return deed if deed.result == Result.OK and is_named else None
