"""What two people of the treasury ask for, and payments that need them."""

from typing import Any

from switch.ids import new_id
from switch.v1 import admin_pb2 as admin
from switch.v1 import billers_pb2, payments_pb2, types_pb2, wallets_pb2
from switch.v1 import exceptions_pb2 as pb
from switch.v1 import results_pb2 as results
from tests.server.harness import CALL_S, RUPEE, Peer, Peers, payment, until

OK = results.RESULT_OK
PAID = 5 * RUPEE

POST, VOID = types_pb2.PROPOSAL_KIND_POST, types_pb2.PROPOSAL_KIND_VOID
REFUND, CLOSE = types_pb2.PROPOSAL_KIND_REFUND, types_pb2.PROPOSAL_KIND_CLOSE_CASE
CORRECTION = types_pb2.PROPOSAL_KIND_CORRECTION
VERIFY, ADVANCE = types_pb2.PROPOSAL_KIND_VERIFY, types_pb2.PROPOSAL_KIND_ADVANCE

KEPT, UNVERIFIED = pb.EXCEPTION_KIND_KEPT, pb.EXCEPTION_KIND_UNVERIFIED
LATE_CONFIRMATION = pb.EXCEPTION_KIND_LATE_CONFIRMATION
LATE_REJECTION = pb.EXCEPTION_KIND_LATE_REJECTION
DIFFERS, OWED = pb.EXCEPTION_KIND_AMOUNT_DIFFERS, pb.EXCEPTION_KIND_OWED
LENT, PROPOSAL = pb.EXCEPTION_KIND_ADVANCE, pb.EXCEPTION_KIND_PROPOSAL
OVERDUE = pb.EXCEPTION_KIND_OVERDUE

BILLER, TREASURY = pb.EXCEPTION_OWNER_BILLER, pb.EXCEPTION_OWNER_TREASURY


def listed(peer: Peer, **fields: Any) -> list[pb.Exception]:
    """All pages."""
    request = pb.ListExceptionsRequest(page_size=1_000, **fields)
    found: list[pb.Exception] = []
    while True:
        reply = peer.admin.ListExceptions(request, timeout=CALL_S)
        found += reply.exceptions
        request.page_token = reply.next_page_token
        if not request.page_token:
            return found


def about(peers: Peers, *payments: int, **fields: Any) -> list[pb.Exception]:
    """What is listed about these payments."""
    return [
        one
        for one in listed(peers.auditor, **fields)
        if one.payment.sequence in payments
    ]


def kinds(peers: Peers, *payments: int) -> list[int]:
    return [one.kind for one in about(peers, *payments)]


def propose(
    peer: Peer,
    kind: "types_pb2.ProposalKind.ValueType",
    sequence: int,
    amount: int = 0,
    move_id: bytes = b"",
) -> results.Outcome:
    request = admin.ProposeRequest(
        id=move_id or new_id(),
        kind=kind,
        sequence=sequence,
        amount=amount,
        reason="letter 12/2026",
    )
    return peer.admin.Propose(request, timeout=CALL_S).outcome


def approve(peer: Peer, proposal: int, move_id: bytes = b"") -> admin.ApproveResponse:
    request = admin.ApproveRequest(id=move_id or new_id(), proposal_sequence=proposal)
    return peer.admin.Approve(request, timeout=CALL_S)


def decide(
    peers: Peers,
    kind: "types_pb2.ProposalKind.ValueType",
    sequence: int,
    amount: int = 0,
) -> list[results.Outcome]:
    """Two people want it, and it is done; what was done."""
    asked = propose(peers.treasury, kind, sequence, amount)
    assert asked.result == OK, asked
    reply = approve(peers.checker, asked.sequence)
    assert reply.outcome.result == OK, reply
    assert {one.result for one in reply.done} == {OK}, reply
    return list(reply.done)


def say(peers: Peers, hold: payments_pb2.PaymentOutcome, amount: int) -> None:
    """The biller has credited so much, or nothing at all."""
    answer = billers_pb2.Answer(
        number=hold.sequence,
        id=hold.id,
        kind=billers_pb2.ANSWER_KIND_CONFIRMED,
        amount=amount,
        biller_reference="C-1",
    )
    if not amount:
        answer.kind = billers_pb2.ANSWER_KIND_REJECTED
        answer.biller_reference = ""
        answer.reason = "E42"
    request = billers_pb2.AcknowledgeRequest(answers=[answer])
    peers.biller().billers.Acknowledge(request, timeout=CALL_S)


def wallet(peer: Peer) -> wallets_pb2.Wallet:
    return peer.wallets.GetWallet(wallets_pb2.GetWalletRequest(), timeout=CALL_S).wallet


def hold(
    peers: Peers, service: str = "CONFIRM", centre: str = "centre-a"
) -> payments_pb2.PaymentOutcome:
    """A payment that waits for its biller."""
    outcome = peers.centre(centre).pay(payment(service, amount=PAID))
    assert outcome.result == OK
    return outcome


def kept(peers: Peers, centre: str = "centre-a") -> payments_pb2.PaymentOutcome:
    """A payment that is kept past its deadline."""
    outcome = hold(peers, "KEPT", centre)
    until(lambda: kinds(peers, outcome.sequence) == [KEPT])
    return outcome


def expired(peers: Peers, centre: str = "centre-a") -> payments_pb2.PaymentOutcome:
    """A payment whose deadline has given the money back."""
    outcome = hold(peers, "BRIEF", centre)
    until(lambda: kinds(peers, outcome.sequence) == [UNVERIFIED])
    return outcome
