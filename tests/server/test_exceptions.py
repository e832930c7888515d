"""Goal: every payment in question is listed with what it takes to put it right, and two
people put it right, each kind by its own call, once.

Method: a real server; a biller that is silent when it is asked, and says what it has
credited by Acknowledge; services with short deadlines. What takes days is in a ledger
that was filled before the server was started. When the file is through, the auditor
reads what it has written.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from switch.calendar import day_date, day_start_ns, ist_date
from switch.codes import Role
from switch.ids import new_id
from switch.ledger.exceptions import Owner
from switch.ledger.open_matters import ExceptionKind
from switch.v1 import admin_pb2 as admin
from switch.v1 import billers_pb2, payments_pb2, types_pb2, wallets_pb2
from switch.v1 import exceptions_pb2 as pb
from switch.v1 import results_pb2 as results
from tests.ledger.office import AMOUNT, DAY_S, DEADLINE_S, SECOND, Office
from tests.server.harness import (
    CALL_S,
    RUPEE,
    Peer,
    Peers,
    failing,
    payment,
    running,
    until,
)
from tests.server.scripted_biller import ScriptedBiller, silent

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


@pytest.fixture(scope="module", autouse=True)
def asked(peers: Peers) -> Iterator[ScriptedBiller]:
    """A biller that is asked and says nothing: what is not offered is given back."""
    with ScriptedBiller(peers.biller(), silent) as biller:
        yield biller


# --- calls ---


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
) -> admin.Outcome:
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
) -> list[admin.Outcome]:
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


# --- what is asked for ---


def test_filters_and_totals(peers: Peers) -> None:
    here, there = kept(peers, "centre-b"), expired(peers, "centre-c")
    for fields, payments in (
        ({"centre": "centre-b"}, [here.sequence]),
        ({"centre": "centre-c"}, [there.sequence]),
        ({"biller": "power", "kinds": [KEPT]}, [here.sequence]),
        ({"biller": "power", "owner": BILLER}, [here.sequence, there.sequence]),
        ({"biller": "water"}, []),
        ({"overdue_only": True}, []),
        ({"owner": pb.EXCEPTION_OWNER_OPERATIONS}, []),
    ):
        found = listed(peers.auditor, **fields)
        assert [one.payment.sequence for one in found] == payments, fields
    proposals = [propose(peers.treasury, VOID, here.sequence) for _ in range(3)]
    request = pb.ListExceptionsRequest(centre="centre-b", page_size=2)
    first = peers.auditor.admin.ListExceptions(request, timeout=CALL_S)
    assert [(one.kind, one.count, one.amount) for one in first.totals] == [
        (KEPT, 1, PAID),
        (PROPOSAL, 3, 3 * PAID),
    ]
    assert first.totals[1].oldest_since_ns == proposals[0].time_ns
    request.page_token = first.next_page_token
    second = peers.auditor.admin.ListExceptions(request, timeout=CALL_S)
    assert not second.totals
    assert not second.next_page_token
    assert [one.sequence for page in (first, second) for one in page.exceptions[1:]] + [
        second.exceptions[0].sequence
    ] == [
        proposals[0].sequence,
        proposals[2].sequence,
        proposals[1].sequence,
    ]
    [outcome] = decide(peers, VOID, here.sequence)
    assert outcome.result == OK
    # What was asked for and can be done no more is still asked for.
    assert kinds(peers, here.sequence) == [PROPOSAL] * 3
    decide(peers, VERIFY, there.sequence)


@pytest.mark.parametrize(
    ("fields", "code", "named"),
    [
        ({"kinds": [1, 99]}, grpc.StatusCode.INVALID_ARGUMENT, ["kinds[1]"]),
        ({"kinds": [0]}, grpc.StatusCode.INVALID_ARGUMENT, ["kinds[0]"]),
        ({"owner": 9}, grpc.StatusCode.INVALID_ARGUMENT, ["owner"]),
        ({"biller": "centre-a"}, grpc.StatusCode.INVALID_ARGUMENT, ["biller"]),
        ({"biller": "nobody"}, grpc.StatusCode.NOT_FOUND, []),
        ({"centre": "power"}, grpc.StatusCode.NOT_FOUND, []),
        ({"page_size": -1}, grpc.StatusCode.INVALID_ARGUMENT, ["page_size"]),
        ({"page_token": "x"}, grpc.StatusCode.INVALID_ARGUMENT, ["page_token"]),
    ],
)
def test_what_cannot_be_asked_for(
    peers: Peers, fields: dict[str, Any], code: grpc.StatusCode, named: list[str]
) -> None:
    request = pb.ListExceptionsRequest(**fields)
    with failing(code) as failures:
        peers.auditor.admin.ListExceptions(request, timeout=CALL_S)
    assert failures[0].fields == named


def test_a_history_says_what_happened_and_who_wanted_it(peers: Peers) -> None:
    held = kept(peers)
    [case] = about(peers, held.sequence)
    withdrawn = propose(peers.treasury, VOID, held.sequence)
    request = admin.WithdrawRequest(
        id=new_id(), proposal_sequence=withdrawn.sequence, reason="they have it"
    )
    peers.checker.admin.Withdraw(request, timeout=CALL_S)
    decide(peers, POST, held.sequence)
    say(peers, held, 0)
    [one] = about(peers, held.sequence, with_history=True)
    assert not one.history_cut
    entry = types_pb2.EntryKind
    assert [
        entry.Name(row.kind).removeprefix("ENTRY_KIND_") for row in one.history
    ] == [
        *("HOLD", "CASE", "PROPOSE", "WITHDRAW", "PROPOSE", "APPROVE", "POST", "CASE"),
    ]
    first, kept_, asked, taken_back, wanted, approval, post, rejected = one.history
    assert (first.sequence, kept_.sequence) == (held.sequence, case.sequence)
    assert (asked.proposal_kind, asked.person) == (VOID, "treasury")
    assert asked.reference == "letter 12/2026"
    assert (taken_back.person, taken_back.reference) == ("checker", "they have it")
    assert (wanted.proposal_kind, approval.person) == (POST, "checker")
    assert post.proposal_sequence == wanted.sequence
    assert (rejected.note, rejected.centre) == ("E42", "centre-a")
    assert not about(peers, held.sequence)[0].history
    for _ in range(30):
        propose(peers.treasury, CLOSE, one.sequence)
    found = about(peers, held.sequence, with_history=True)[0]
    assert (len(found.history), found.history_cut) == (32, True)
    decide(peers, CLOSE, one.sequence)


def test_the_numbers_are_the_wire_s() -> None:
    for enum, wire, prefix in (
        (ExceptionKind, pb.ExceptionKind, "EXCEPTION_KIND_"),
        (Owner, pb.ExceptionOwner, "EXCEPTION_OWNER_"),
    ):
        named = {f"{prefix}{one.name}": one.value for one in enum}
        assert {**named, f"{prefix}UNSPECIFIED": 0} == dict(wire.items())


# --- days later ---


@pytest.fixture(scope="module")
def aged(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Peers, dict[str, int]]]:
    """A server whose ledger has been open for six days; payments by what they are."""
    directory: Path = tmp_path_factory.mktemp("aged")
    now_ns = time.time_ns()
    start_ns = now_ns - 6 * DAY_S * SECOND
    office = Office(directory / "ledger", start_ns)
    known = {
        "old": office.pay()[0],
        "late": office.pay("LAPSES")[0],
        "lapsed": office.pay("LAPSES")[0],
        "gas": office.pay("GAS", centre="bsk-2")[0],
    }
    office.pass_s(DEADLINE_S + 1)
    office.confirm(known["late"])
    office.pass_s(3 * DAY_S)
    known["long"] = office.pay("LONG")[0]
    known["young late"] = office.pay("LAPSES")[0]
    office.pass_s(DEADLINE_S + 1)
    office.confirm(known["young late"])
    office.now_ns = now_ns
    known["new"] = office.pay("LONG")[0]
    office.ledger.close()
    with running(directory, "--accept-clock") as server:
        them = Peers(server)
        yield them, known
        them.close()


def test_days_later(aged: tuple[Peers, dict[str, int]]) -> None:
    peers, known = aged
    office = peers.get(Role.TREASURY, "second")
    names = {sequence: name for name, sequence in known.items()}
    found = {names[one.payment.sequence]: one for one in listed(office)}
    told = {name: (one.kind, one.owner, one.overdue) for name, one in found.items()}
    assert told == {
        "old": (KEPT, TREASURY, True),
        "late": (LATE_CONFIRMATION, TREASURY, True),
        "lapsed": (UNVERIFIED, TREASURY, True),
        "gas": (KEPT, TREASURY, True),
        "long": (OVERDUE, TREASURY, True),
        # A biller may take back what it credited late, until T+5 ends.
        "young late": (LATE_CONFIRMATION, BILLER, True),
    }
    for one in found.values():
        assert one.decide_until_ns > one.payment.time_ns + 5 * DAY_S * SECOND
        assert one.amount == AMOUNT
    assert [one.payment.sequence for one in listed(office, biller="gas")] == [
        known["gas"]
    ]
    assert len(listed(office, overdue_only=True)) == len(told)
    request = admin.ListBillersRequest()
    states = office.admin.ListBillers(request, timeout=CALL_S).billers
    by_name = {one.biller: one for one in states}
    assert (by_name["water"].kept, by_name["water"].unverified) == (1, 3)
    assert (by_name["gas"].kept, by_name["gas"].unverified) == (1, 0)


def test_pages_of_one(aged: tuple[Peers, dict[str, int]]) -> None:
    peers, known = aged
    office = peers.get(Role.TREASURY, "second")
    request = pb.ListExceptionsRequest(page_size=1)
    sequences: list[int] = []
    while True:
        reply = office.admin.ListExceptions(request, timeout=CALL_S)
        assert len(reply.exceptions) == 1
        assert bool(reply.totals) == (not sequences)
        sequences += [one.sequence for one in reply.exceptions]
        request.page_token = reply.next_page_token
        if not request.page_token:
            break
    assert sequences == sorted(sequences)
    assert sequences == [one.sequence for one in listed(office)]
    assert len(sequences) == len(known) - 1
