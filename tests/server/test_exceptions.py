"""Goal: two people put every payment in question right, each kind by its own call,
once.

Method: a real server; a biller that is silent when it is asked, and says what it has
credited by Acknowledge; services with short deadlines. When the file is through, the
auditor reads what it has written.
"""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from switch.calendar import day_date, day_start_ns, ist_date
from switch.ids import new_id
from switch.v1 import admin_pb2 as admin
from switch.v1 import payments_pb2, wallets_pb2
from switch.v1 import results_pb2 as results
from tests.server.harness import CALL_S, RUPEE, Peers, failing, payment, until
from tests.server.scripted_biller import ScriptedBiller, silent
from tests.server.treasury import (
    ADVANCE,
    BILLER,
    CLOSE,
    CORRECTION,
    DIFFERS,
    KEPT,
    LATE_CONFIRMATION,
    LATE_REJECTION,
    LENT,
    OK,
    OWED,
    PAID,
    POST,
    PROPOSAL,
    REFUND,
    TREASURY,
    UNVERIFIED,
    VERIFY,
    VOID,
    about,
    approve,
    decide,
    expired,
    hold,
    kept,
    kinds,
    listed,
    propose,
    say,
    wallet,
)


@pytest.fixture(scope="module", autouse=True)
def asked(peers: Peers) -> Iterator[ScriptedBiller]:
    """A biller that is asked and says nothing: what is not offered is given back."""
    with ScriptedBiller(peers.biller(), silent) as biller:
        yield biller


# --- each kind, and what puts it right ---


def test_a_kept_payment_is_given_back_by_two(peers: Peers) -> None:
    before = wallet(peers.centre())
    held = kept(peers)
    [one] = about(peers, held.sequence)
    assert one.payment.id == held.id
    assert (one.payment.service, one.payment.biller) == ("KEPT", "power")
    assert (one.amount, one.reported_amount) == (PAID, 0)
    assert (one.owner, one.overdue) == (BILLER, False)
    paid_on = ist_date(one.payment.time_ns)
    last = day_date((paid_on - day_date(0)).days + 5)
    assert ist_date(one.decide_until_ns - 1) == last
    assert one.decide_until_ns == day_start_ns(day_date((last - day_date(0)).days + 1))
    # By the case that the list names, or by the hold: it is one thing.
    asked = propose(peers.treasury, VOID, one.sequence)
    assert asked.result == OK
    [_, proposal] = about(peers, held.sequence)
    assert (proposal.kind, proposal.sequence) == (PROPOSAL, asked.sequence)
    assert (proposal.proposal_kind, proposal.amount) == (VOID, PAID)
    assert proposal.owner == TREASURY
    alone = approve(peers.treasury, asked.sequence)
    assert alone.outcome.result == results.RESULT_SAME_PERSON
    assert not alone.done
    move_id = new_id()
    reply = approve(peers.checker, asked.sequence, move_id)
    assert [done.result for done in reply.done] == [OK]
    assert not about(peers, held.sequence)
    after = wallet(peers.centre())
    assert (after.balance, after.pending) == (before.balance, before.pending)
    again = approve(peers.checker, asked.sequence, move_id)
    assert again.outcome.repeat
    assert [done.sequence for done in again.done] == [reply.done[0].sequence]


def test_a_kept_basket_is_given_back_whole(peers: Peers) -> None:
    basket = payments_pb2.Basket(payments=[payment("KEPT") for _ in range(3)])
    request = payments_pb2.CreateBasketRequest(basket=basket)
    reply = peers.centre().payments.CreateBasket(request, timeout=CALL_S)
    holds = [one.sequence for one in reply.outcomes]
    until(lambda: kinds(peers, *holds) == [KEPT] * 3)
    done = decide(peers, VOID, holds[1])
    assert len(done) == 3
    assert not about(peers, *holds)


def test_what_was_proposed_before_a_word_is_not_done(peers: Peers) -> None:
    held = kept(peers)
    asked = propose(peers.treasury, VOID, held.sequence)
    assert asked.result == OK
    say(peers, held, PAID - RUPEE)
    reply = approve(peers.checker, asked.sequence)
    assert reply.outcome.result == OK
    # It is told, and nothing waits to be done.
    assert [done.result for done in reply.done] == [results.RESULT_NOT_APPROVED]
    assert kinds(peers, held.sequence) == [DIFFERS]
    decide(peers, VOID, held.sequence)
    assert not about(peers, held.sequence)


def test_an_amount_that_differs_is_posted_by_two(peers: Peers) -> None:
    before = wallet(peers.centre()).balance
    held = hold(peers)
    say(peers, held, PAID - RUPEE)
    [one] = about(peers, held.sequence)
    assert (one.kind, one.amount) == (DIFFERS, PAID)
    assert (one.reported_amount, one.owner) == (PAID - RUPEE, TREASURY)
    over = propose(peers.treasury, POST, one.sequence, PAID + 1)
    assert over.result == results.RESULT_EXCEEDS_HOLD
    [done] = decide(peers, POST, one.sequence, PAID - RUPEE)
    assert not about(peers, held.sequence)
    # What was held beyond that is the centre's again.
    assert wallet(peers.centre()).balance == before - PAID + RUPEE
    request = payments_pb2.GetPaymentRequest(id=held.id)
    found = peers.centre().payments.GetPayment(request, timeout=CALL_S)
    assert found.resolution.sequence == done.sequence
    assert found.resolution.amount == PAID - RUPEE
    assert found.resolution.proposal_sequence


def test_an_amount_that_differs_afterwards_is_closed_by_two(peers: Peers) -> None:
    held = hold(peers)
    say(peers, held, PAID)
    assert not about(peers, held.sequence)
    say(peers, held, PAID + RUPEE)
    [one] = about(peers, held.sequence)
    assert (one.kind, one.reported_amount) == (DIFFERS, PAID + RUPEE)
    decide(peers, CLOSE, one.sequence)
    assert not about(peers, held.sequence)


def test_an_unverified_payment_is_verified_by_two(peers: Peers) -> None:
    held = expired(peers)
    [one] = about(peers, held.sequence)
    assert (one.kind, one.owner, one.amount) == (UNVERIFIED, BILLER, PAID)
    # The list names the expiry.
    assert one.sequence > held.sequence
    decide(peers, VERIFY, one.sequence)
    assert not about(peers, held.sequence)
    nothing = propose(peers.treasury, VERIFY, held.sequence)
    assert nothing.result == results.RESULT_CASE_NOT_FOUND


def test_an_unverified_basket_is_verified_whole(peers: Peers) -> None:
    basket = payments_pb2.Basket(payments=[payment("BRIEF") for _ in range(2)])
    request = payments_pb2.CreateBasketRequest(basket=basket)
    reply = peers.centre().payments.CreateBasket(request, timeout=CALL_S)
    holds = [one.sequence for one in reply.outcomes]
    until(lambda: kinds(peers, *holds) == [UNVERIFIED] * 2)
    assert len(decide(peers, VERIFY, holds[0])) == 2
    assert not about(peers, *holds)


def test_a_biller_verifies_and_takes_back(peers: Peers) -> None:
    rejected, taken_back = expired(peers), expired(peers)
    say(peers, rejected, 0)
    assert not about(peers, rejected.sequence)
    say(peers, taken_back, PAID)
    [one] = about(peers, taken_back.sequence)
    assert (one.kind, one.owner) == (LATE_CONFIRMATION, BILLER)
    say(peers, taken_back, 0)
    assert not about(peers, taken_back.sequence)


def test_a_late_confirmation_is_paid_after_all_once_there_is_money(
    peers: Peers,
) -> None:
    centre = peers.centre("centre-d")
    held = expired(peers, "centre-d")
    rest = wallet(centre).available
    # The centre has spent what it was given back.
    assert centre.pay(payment(amount=rest - RUPEE)).result == OK
    say(peers, held, PAID)
    [one] = about(peers, held.sequence)
    assert (one.kind, one.reported_amount) == (LATE_CONFIRMATION, PAID)
    asked = propose(peers.treasury, CORRECTION, one.sequence)
    move_id = new_id()
    for repeat in (False, True):
        reply = approve(peers.checker, asked.sequence, move_id)
        assert (reply.outcome.result, reply.outcome.repeat) == (OK, repeat)
        [done] = reply.done
        assert (done.result, done.sequence) == (results.RESULT_INSUFFICIENT_FUNDS, 0)
        [_, owed] = about(peers, held.sequence)
        assert (owed.kind, owed.sequence) == (OWED, reply.outcome.sequence)
        assert (owed.proposal_kind, owed.proposal_sequence) == (
            CORRECTION,
            asked.sequence,
        )
        assert owed.amount == PAID
    peers.treasury.top_up("centre-d", 10 * RUPEE)
    # Whoever sends it again: it is done as it was approved.
    reply = approve(peers.treasury, asked.sequence)
    assert reply.outcome.result in (
        results.RESULT_ALREADY_APPROVED,
        results.RESULT_SAME_PERSON,
    )
    [done] = reply.done
    assert done.result == OK
    assert not about(peers, held.sequence)
    assert wallet(centre).balance == RUPEE + 10 * RUPEE - PAID
    [again] = approve(peers.checker, asked.sequence, move_id).done
    assert (again.sequence, again.repeat) == (done.sequence, True)
    second = propose(peers.treasury, CORRECTION, held.sequence)
    assert second.result == results.RESULT_CASE_NOT_FOUND


@pytest.mark.parametrize("by", ["refund", "close"])
def test_a_late_rejection_is_refunded_or_closed(peers: Peers, by: str) -> None:
    held = hold(peers)
    say(peers, held, PAID)
    before = wallet(peers.centre()).balance
    say(peers, held, 0)
    [one] = about(peers, held.sequence)
    assert (one.kind, one.owner) == (LATE_REJECTION, TREASURY)
    if by == "close":
        decide(peers, CLOSE, one.sequence)
        assert wallet(peers.centre()).balance == before
        # Closed cases are not closed again.
        twice = propose(peers.treasury, CLOSE, one.sequence)
        assert twice.result == results.RESULT_CASE_CLOSED
    else:
        # By the case; what is left of the payment is refunded.
        decide(peers, REFUND, held.sequence, RUPEE)
        assert kinds(peers, held.sequence) == [LATE_REJECTION]
        [done] = decide(peers, REFUND, one.sequence)
        assert done.result == OK
        assert wallet(peers.centre()).balance == before + PAID
    assert not about(peers, held.sequence)


def test_an_advance_is_lent_and_recovered(peers: Peers) -> None:
    office = peers.treasury.admin
    fund = admin.FundSuspenseRequest(id=new_id(), amount=PAID, reason="order 7/2026")
    for repeat in (False, True):
        funded = office.FundSuspense(fund, timeout=CALL_S).outcome
        assert (funded.result, funded.repeat) == (OK, repeat)
    held = kept(peers)
    before = wallet(peers.centre())
    [done] = decide(peers, ADVANCE, held.sequence)
    assert wallet(peers.centre()).balance == before.balance + PAID
    [_, lent] = about(peers, held.sequence)
    assert (lent.kind, lent.sequence, lent.amount) == (LENT, done.sequence, PAID)
    assert lent.owner == TREASURY
    # Once for each payment.
    asked = propose(peers.treasury, ADVANCE, held.sequence)
    [twice] = approve(peers.checker, asked.sequence).done
    assert twice.result == results.RESULT_CASE_CLOSED
    assert twice.other_sequence == done.sequence
    # Nor is it owed: it can never be done.
    say(peers, held, PAID)
    assert kinds(peers, held.sequence) == [LENT]
    recover = admin.RecoverAdvanceRequest(
        id=new_id(), advance_sequence=done.sequence, reason="paid"
    )
    for repeat in (False, True):
        outcome = office.RecoverAdvance(recover, timeout=CALL_S).outcome
        assert (outcome.result, outcome.repeat) == (OK, repeat)
    assert wallet(peers.centre()).balance == before.balance - PAID
    assert not about(peers, held.sequence)
    request = wallets_pb2.ListStatementRequest(page_size=1)
    [newest] = peers.centre().wallets.ListStatement(request, timeout=CALL_S).lines
    assert newest.entry.person == "treasury"
    recover.id = new_id()
    twice = office.RecoverAdvance(recover, timeout=CALL_S).outcome
    assert twice.result == results.RESULT_CASE_CLOSED
    recover.advance_sequence = held.sequence
    with failing(grpc.StatusCode.NOT_FOUND):
        office.RecoverAdvance(recover, timeout=CALL_S)


# --- proposals ---


def test_a_proposal_is_withdrawn(peers: Peers) -> None:
    paid = peers.centre().pay(payment(amount=PAID))
    asked = propose(peers.treasury, REFUND, paid.sequence)
    request = admin.WithdrawRequest(
        id=new_id(), proposal_sequence=asked.sequence, reason="not asked for"
    )
    for repeat in (False, True):
        outcome = peers.checker.admin.Withdraw(request, timeout=CALL_S).outcome
        assert (outcome.result, outcome.repeat) == (OK, repeat)
    assert not about(peers, paid.sequence)
    refused = approve(peers.checker, asked.sequence)
    assert refused.outcome.result == results.RESULT_PROPOSAL_WITHDRAWN
    assert refused.outcome.other_sequence == outcome.sequence
    assert not refused.done
    request.id = new_id()
    twice = peers.treasury.admin.Withdraw(request, timeout=CALL_S).outcome
    assert twice.result == results.RESULT_PROPOSAL_WITHDRAWN
    [done] = decide(peers, REFUND, paid.sequence)
    request.id, request.proposal_sequence = new_id(), done.sequence
    none = peers.treasury.admin.Withdraw(request, timeout=CALL_S).outcome
    assert none.result == results.RESULT_PROPOSAL_NOT_FOUND


def test_the_whole_is_what_it_was_when_it_was_asked_for(peers: Peers) -> None:
    paid = peers.centre().pay(payment(amount=PAID))
    decide(peers, REFUND, paid.sequence, RUPEE)
    move_id = new_id()
    first = propose(peers.treasury, REFUND, paid.sequence, move_id=move_id)
    [done] = approve(peers.checker, first.sequence).done
    assert done.result == OK
    # The reply was lost: sent again, it is the same, although nothing is left.
    again = propose(peers.treasury, REFUND, paid.sequence, move_id=move_id)
    assert (again.repeat, again.sequence) == (True, first.sequence)
    with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
        propose(peers.treasury, REFUND, paid.sequence)
    assert failures[0].fields == ["sequence"]


@pytest.mark.parametrize(
    ("kind", "amount", "field"),
    [
        (0, 0, "kind"),
        (5, 0, "kind"),
        (VOID, 1, "amount"),
        (VERIFY, 1, "amount"),
        (CLOSE, 1, "amount"),
    ],
)
def test_what_cannot_be_proposed(
    peers: Peers, kind: Any, amount: int, field: str
) -> None:
    held = hold(peers)
    with failing(grpc.StatusCode.INVALID_ARGUMENT) as failures:
        propose(peers.treasury, kind, held.sequence, amount)
    assert failures[0].fields == [field]


def test_what_is_not_there_to_be_proposed(peers: Peers) -> None:
    held, paid = hold(peers), peers.centre().pay(payment())
    for kind in (POST, VOID, CORRECTION, VERIFY, ADVANCE):
        # Open and not kept: nothing is in question.
        outcome = propose(peers.treasury, kind, held.sequence)
        assert outcome.result == results.RESULT_CASE_NOT_FOUND
        for sequence in (paid.sequence, 1, 0, 1 << 60):
            with failing(grpc.StatusCode.NOT_FOUND):
                propose(peers.treasury, kind, sequence)
    for sequence in (held.sequence, 1, 0, 1 << 60):
        with failing(grpc.StatusCode.NOT_FOUND):
            propose(peers.treasury, REFUND, sequence)
    none = propose(peers.treasury, CLOSE, held.sequence)
    assert none.result == results.RESULT_CASE_NOT_FOUND
    bad = admin.ProposeRequest(
        id=new_id(), kind=REFUND, sequence=paid.sequence, reason="a" * 33
    )
    outcome = peers.treasury.admin.Propose(bad, timeout=CALL_S).outcome
    assert (outcome.result, outcome.sequence) == (results.RESULT_INVALID_REFERENCE, 0)


def test_who_may(peers: Peers) -> None:
    paid = peers.centre().pay(payment())
    for peer in (peers.centre(), peers.biller(), peers.auditor, peers.harness):
        with failing(grpc.StatusCode.PERMISSION_DENIED):
            propose(peer, REFUND, paid.sequence)
        with failing(grpc.StatusCode.PERMISSION_DENIED):
            approve(peer, 1)
        with failing(grpc.StatusCode.PERMISSION_DENIED):
            peer.admin.Withdraw(admin.WithdrawRequest(), timeout=CALL_S)
        with failing(grpc.StatusCode.PERMISSION_DENIED):
            peer.admin.RecoverAdvance(admin.RecoverAdvanceRequest(), timeout=CALL_S)
        with failing(grpc.StatusCode.PERMISSION_DENIED):
            peer.admin.FundSuspense(admin.FundSuspenseRequest(), timeout=CALL_S)
    for peer in (peers.centre(), peers.biller(), peers.harness):
        with failing(grpc.StatusCode.PERMISSION_DENIED):
            listed(peer)
