"""Goal: what came back to a centre's wallet waits in its list until an operator of it
has handed it out, once; the shift of that operator has its cash, and nobody else's.

Method: refunds and late rejections over real sockets, each call sent again and by each
who may not; others' beside none; every field wrong once; a server that starts anew.
"""

from typing import Any

import grpc

from switch.ids import new_id
from switch.v1 import handouts_pb2 as pb
from switch.v1 import results_pb2, types_pb2, wallets_pb2
from tests.server.harness import CALL_S, RUPEE, Peer, Peers, failing, payment
from tests.server.till import Till

OK = results_pb2.RESULT_OK


def paid(peer: Peer, amount: int = 10 * RUPEE, **fields: Any) -> Any:
    outcome = peer.pay(payment("ANY", amount=amount, **fields))
    assert outcome.result == OK
    return outcome


def balance(peer: Peer) -> int:
    request = wallets_pb2.GetWalletRequest()
    return int(peer.wallets.GetWallet(request, timeout=CALL_S).wallet.balance)


def waiting(peer: Peer, **fields: Any) -> list[pb.Handout]:
    request = pb.ListHandoutsRequest(**fields)
    found: list[pb.Handout] = []
    while True:
        page = peer.counter.ListHandouts(request, timeout=CALL_S)
        found += page.handouts
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


def hand_out(peer: Peer, found: pb.Handout, **fields: Any) -> pb.HandOutResponse:
    values: dict[str, Any] = {"sequence": found.sequence, "amount": found.amount}
    values |= {"id": new_id(), "operator": 3, **fields}
    request = pb.HandOutRequest(**values)
    return peer.counter.HandOut(request, timeout=CALL_S)


def refunded(peers: Peers, peer: Peer, amount: int, **fields: Any) -> pb.Handout:
    """A refund that waits."""
    outcome = paid(peer, **fields)
    refund = peers.refund(outcome.sequence, amount)
    assert refund.result == OK
    [found] = [one for one in waiting(peer) if one.sequence == refund.sequence]
    return found


def test_a_refund_waits_until_it_is_handed_out(peers: Peers) -> None:
    peer = peers.centre()
    found = refunded(peers, peer, 4 * RUPEE, tender=types_pb2.TENDER_UPI)
    assert (found.kind, found.amount) == (types_pb2.ENTRY_KIND_REFUND, 4 * RUPEE)
    assert (found.tender, found.refund) == (types_pb2.TENDER_UPI, 1)
    assert found.payment.centre == "centre-a"
    assert not found.disputed
    assert not found.handed_out_sequence
    before = balance(peer)
    row_id = new_id()
    reply = hand_out(peer, found, id=row_id)
    assert reply.outcome.result == OK
    assert reply.handout.handed_out_sequence == reply.outcome.sequence
    assert reply.handout.handed_out_time_ns == reply.outcome.time_ns
    assert reply.handout.handed_out_operator == 3
    assert balance(peer) == before
    assert found.sequence not in [one.sequence for one in waiting(peer)]
    again = hand_out(peer, found, id=row_id)
    assert again.outcome.repeat
    assert again.outcome.sequence == reply.outcome.sequence
    other = hand_out(peer, found, operator=4)
    assert other.outcome.result == results_pb2.RESULT_ALREADY_HANDED_OUT
    assert other.outcome.other_sequence == reply.outcome.sequence
    assert other.handout.handed_out_operator == 3
    # All of one payment, whatever has become of it.
    [shown] = waiting(peer, payment_id=found.payment.id)
    assert shown == reply.handout


def test_the_shift_of_who_handed_it_out(peers: Peers) -> None:
    peer = peers.centre()
    taker, giver = Till(peer, 41), Till(peer, 42)
    taker.close_one()
    giver.close_one()
    found = refunded(peers, peer, 7 * RUPEE, operator=41)
    card = refunded(peers, peer, 2 * RUPEE, operator=41, tender=types_pb2.TENDER_CARD)
    shift = taker.close(0).shift
    assert (shift.payments_amount, shift.refunds_count) == (20 * RUPEE, 0)
    assert shift.cash_expected == 10 * RUPEE
    for one in (found, card):
        assert hand_out(peer, one, operator=42).outcome.result == OK
    shift = giver.close(0).shift
    assert (shift.refunds_count, shift.refunds_amount) == (2, 9 * RUPEE)
    assert (shift.payments_count, shift.cash_expected) == (0, 0)
    # The card's two rupees are not of the drawer.
    assert shift.cash_from_before == 7 * RUPEE
    # Nothing of it is the taker's.
    with failing(grpc.StatusCode.FAILED_PRECONDITION) as failed:
        taker.close(0)
    assert failed[0].reason == "SHIFT_EMPTY"


def test_pages_of_what_waits(peers: Peers) -> None:
    peer = peers.centre("centre-b")
    made = [refunded(peers, peer, RUPEE).sequence for _ in range(3)]
    whole = [one.sequence for one in waiting(peer)]
    assert whole == sorted(whole)
    assert set(made) <= set(whole)
    assert [one.sequence for one in waiting(peer, page_size=1)] == whole
    named = waiting(peers.treasury, centre="centre-b", page_size=2)
    assert [one.sequence for one in named] == whole
    # Another centre sees none of it, and hands none of it out.
    other = peers.centre("centre-a")
    assert not set(whole) & {one.sequence for one in waiting(other)}
    [theirs] = [one for one in waiting(peer) if one.sequence == made[0]]
    with failing(grpc.StatusCode.NOT_FOUND) as failed:
        hand_out(other, theirs)
    # It says where to look.
    assert "`payswitch handouts CENTRE`" in failed[0].text
    with failing(grpc.StatusCode.PERMISSION_DENIED):
        hand_out(other, theirs, centre="centre-b")
    for peer_ in (peers.treasury, peers.harness):
        with failing(grpc.StatusCode.PERMISSION_DENIED):
            hand_out(peer_, theirs, centre="centre-b")
    assert hand_out(peer, theirs).outcome.result == OK


def test_what_is_asked_wrongly(peers: Peers) -> None:
    peer = peers.centre()
    found = refunded(peers, peer, RUPEE)
    wrong: list[dict[str, Any]] = [
        *({"id": b"short"}, {"id": b""}, {"amount": 0}, {"amount": 10**18 + 1}),
    ]
    for fields in wrong:
        with failing(grpc.StatusCode.INVALID_ARGUMENT):
            hand_out(peer, found, **fields)
    for sequence in (0, 1, found.payment.sequence, 2**40, 2**64 - 1):
        with failing(grpc.StatusCode.NOT_FOUND):
            hand_out(peer, found, sequence=sequence)
    reply = hand_out(peer, found, amount=RUPEE - 1)
    assert reply.outcome.result == results_pb2.RESULT_NET_DIFFERS
    assert not reply.handout.handed_out_sequence
    row_id = new_id()
    assert hand_out(peer, found, id=row_id).outcome.result == OK
    reply = hand_out(peer, found, id=row_id, operator=9)
    assert reply.outcome.result == results_pb2.RESULT_ID_REUSED
    for fields in (*({"centre": "centre-a"}, {"page_size": 1}, {"page_token": "x"}),):
        with failing(grpc.StatusCode.INVALID_ARGUMENT):
            waiting(peer, payment_id=found.payment.id, **fields)
    with failing(grpc.StatusCode.INVALID_ARGUMENT):
        waiting(peer, page_token="x" * 32)
    with failing(grpc.StatusCode.NOT_FOUND):
        waiting(peer, payment_id=new_id())


def test_nobody_else_is_told_who_the_citizen_is(peers: Peers) -> None:
    """Support sees that it waits, masked."""
    found = refunded(peers, peers.centre(), RUPEE)
    request = pb.ListHandoutsRequest(centre="centre-a")
    page = peers.support.counter.ListHandouts(request, timeout=CALL_S)
    [shown] = [one for one in page.handouts if one.sequence == found.sequence]
    assert shown.payment.reference != found.payment.reference
    assert shown.amount == found.amount
