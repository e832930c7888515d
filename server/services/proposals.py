"""AdminService: what two people must want, from the proposal to the deed."""

from server import arguments, convert
from server.node import Node
from server.status import ArgumentError, NotFoundError
from switch.codes import PROPOSE_ADVANCE, PROPOSE_LINES, Kind, Link, Result
from switch.entries import Entry
from switch.ledger import moves
from switch.ledger.templates import Templates
from switch.register.identity import Identity
from switch.register.register import PURPOSE_SUSPENSE
from switch.v1 import admin_pb2 as pb
from switch.v1 import results_pb2, types_pb2

_SEQUENCE = "sequence"
_PROPOSAL = "proposal_sequence"
_ADVANCE = "advance_sequence"

_ABOUT_HOLD = frozenset({Kind.CASE, Kind.EXPIRE, Kind.VOID, Kind.POST, Kind.VERIFY})
"""Entries by which the hold that they speak of may be named."""
_WHOLE = frozenset({int(Kind.VOID), int(Kind.VERIFY), int(Kind.CASE_CLOSE)})
"""What is proposed without an amount."""


async def do(node: Node, move: Templates) -> results_pb2.Outcome:
    """Commit one move; its outcome."""
    reply = await node.commit_alone(move.request())
    assert not isinstance(reply, bytes)
    return convert.outcome(reply[0])


async def propose(
    node: Node, request: pb.ProposeRequest, caller: Identity
) -> pb.ProposeResponse:
    """Ask for something; nothing moves."""
    move = await node.read(proposed, node, request, caller)
    return pb.ProposeResponse(outcome=await do(node, move))


async def withdraw(
    node: Node, request: pb.WithdrawRequest, caller: Identity
) -> pb.WithdrawResponse:
    """Take a proposal back."""
    move = moves.withdraw(
        request.id, request.proposal_sequence, request.reason, sender=caller.index
    )
    return pb.WithdrawResponse(outcome=await do(node, move))


async def approve(
    node: Node, request: pb.ApproveRequest, caller: Identity
) -> pb.ApproveResponse:
    """Approve a proposal and do what it asks for, in one commit."""
    proposal = await node.read(proposal_at, node, request.proposal_sequence)
    approval = moves.approve(request.id, request.proposal_sequence, sender=caller.index)
    if proposal.total == PROPOSE_LINES:
        # What is approved by signatures alone; the ledger says so.
        return pb.ApproveResponse(outcome=await do(node, approval))
    wanted = await node.read(_own_deed, node, proposal, caller)
    reply = await node.commit_alone(moves.join([approval, wanted]).request())
    assert not isinstance(reply, bytes)
    response = pb.ApproveResponse(outcome=convert.outcome(reply[0]))
    done = reply[1:]
    if proposal.total == Kind.VERIFY and (done["result"] == Result.OK).any():
        # Of its basket some may have been put right before.
        done = done[done["result"] == Result.OK]
    # What is not approved by now was only asked for; what is approved, and is done no
    # more, its biller has said something about since.
    approved = reply[0]["result"] in (Result.OK, Result.ALREADY_APPROVED)
    if approved or done[0]["result"] != Result.NOT_APPROVED:
        response.done.extend(convert.outcome(one) for one in done)
    return response


async def recover_advance(
    node: Node, request: pb.RecoverAdvanceRequest, caller: Identity
) -> pb.RecoverAdvanceResponse:
    """Get an advance back, or a correction that its biller rejects."""
    paid = await node.read(recoverable_at, node, request.advance_sequence)
    move = moves.recover(request.id, paid, request.reason, sender=caller.index)
    return pb.RecoverAdvanceResponse(outcome=await do(node, move))


# --- in a reading thread -------------------------------------------------------------


def _entry(node: Node, sequence: int, field: str) -> Entry:
    return node.ledger.row(arguments.durable_sequence(node.ledger, sequence, field))


def proposed(node: Node, request: pb.ProposeRequest, caller: Identity) -> Templates:
    """The proposal that a request asks for."""
    kind = int(request.kind)
    if kind not in types_pb2.ProposalKind.values() or not kind:
        raise ArgumentError("kind", "must be something that can be proposed")
    if request.amount and kind in _WHOLE:
        raise ArgumentError("amount", "must be 0: it is always the whole")
    named = _entry(node, request.sequence, _SEQUENCE)
    by = {"sender": caller.index}
    row_id, reason = request.id, request.reason
    if kind == Kind.CASE_CLOSE:
        return moves.propose_close(row_id, request.sequence, reason, **by)
    if kind == Kind.REFUND:
        paid = _payment(node, named)
        amount = request.amount or _asked_before(node, request, caller)
        return moves.propose_refund(
            row_id, paid.sequence, amount or _left(node, paid), reason, **by
        )
    hold = _hold(node, named)
    amount = request.amount or hold.amount
    if kind == Kind.POST:
        return moves.propose_post(row_id, hold.sequence, amount, reason, **by)
    if kind == Kind.VOID:
        return moves.propose_void(row_id, hold, reason, **by)
    if kind == Kind.VERIFY:
        return moves.propose_verify(row_id, hold, reason, **by)
    if kind == Kind.TRANSFER:
        return moves.propose_correction(row_id, hold, amount, reason, **by)
    return moves.propose_advance(row_id, hold, amount, reason, **by)


def _hold(node: Node, named: Entry) -> Entry:
    """The hold that an entry is, or speaks of."""
    if named.kind in _ABOUT_HOLD:
        named = node.ledger.row(named.resolves)
    if named.kind != Kind.HOLD:
        raise NotFoundError(f"{_SEQUENCE}: entry {named.sequence} was never held")
    return named


def _payment(node: Node, named: Entry) -> Entry:
    """The payment as it was completed."""
    if named.kind in (Kind.PAY, Kind.POST):
        return named
    ended_by, _ = node.ledger.resolution(_hold(node, named).sequence)
    paid = node.ledger.row(ended_by) if ended_by else named
    if paid.kind != Kind.POST:
        raise NotFoundError(
            f"{_SEQUENCE}: entry {named.sequence} is no completed payment"
        )
    return paid


def _asked_before(node: Node, request: pb.ProposeRequest, caller: Identity) -> int:
    """What the same request came to when it was sent the first time, or 0."""
    sequence = node.ledger.find(caller.index, request.id) if request.id else 0
    return node.ledger.row(sequence).amount if sequence else 0


def given_back(node: Node, paid: Entry) -> tuple[int, int]:
    """The paise of a payment that were refunded so far, and those that are left."""
    _, refunded = node.ledger.resolution(paid.sequence)
    return refunded, paid.amount - refunded


def _left(node: Node, paid: Entry) -> int:
    """What can still be refunded of a payment; ArgumentError if that is nothing."""
    _, left = given_back(node, paid)
    if not left:
        raise ArgumentError("sequence", "all of this payment has been given back")
    return left


def proposal_at(node: Node, sequence: int) -> Entry:
    """An accepted proposal. Raises NotFoundError."""
    entry = _entry(node, sequence, _PROPOSAL)
    if entry.kind != Kind.PROPOSE or entry.result != Result.OK:
        raise NotFoundError(f"{_PROPOSAL}: entry {sequence} is no proposal")
    return entry


def _own_deed(node: Node, proposal: Entry, caller: Identity) -> Templates:
    """What a proposal asks for, as its approver wants it."""
    # Approved before, it is that person's: whoever sends it again.
    answered_by, _ = node.ledger.resolution(proposal.sequence)
    by = node.ledger.row(answered_by).participant if answered_by else caller.index
    return deed(node, proposal, by)


def deed(node: Node, proposal: Entry, by: int) -> Templates:
    """What a proposal without lines asks for; `by` is whose approval it has."""
    ledger = node.ledger
    asks, about = proposal.total, proposal.resolves
    if asks == Kind.REFUND:
        return moves.approved_refund(proposal, checker=by)
    entry = ledger.row(about)
    if asks == Kind.CASE_CLOSE:
        return moves.approved_close(proposal, checker=by)
    if asks == Kind.TRANSFER:
        return moves.approved_correction(proposal, entry, checker=by)
    if asks == PROPOSE_ADVANCE:
        suspense = node.register.treasury_account(PURPOSE_SUSPENSE).index
        return moves.approved_advance(proposal, entry, suspense, checker=by)
    if asks == Kind.POST:
        return moves.approved_post(proposal, checker=by)
    if asks == Kind.VOID:
        return moves.approved_void(proposal, entry, checker=by)
    return moves.approved_verify(proposal, entry, checker=by)


def recoverable_at(node: Node, sequence: int) -> Entry:
    """An advance, or the correction that an entry is, or speaks of. Raises
    NotFoundError.
    """
    entry = _entry(node, sequence, _ADVANCE)
    if entry.kind in _ABOUT_HOLD or entry.kind == Kind.HOLD:
        hold = _hold(node, entry).sequence
        corrected = node.ledger.link(hold, Link.CORRECTION)
        entry = node.ledger.row(corrected) if corrected else entry
    if entry.kind != Kind.TRANSFER or not entry.resolves:
        text = f"entry {sequence} is no advance, and of no payment that was corrected"
        raise NotFoundError(f"{_ADVANCE}: {text}")
    return entry
