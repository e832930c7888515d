"""Goal: whoever looks at what the treasury or two people have done sees who it was: who
sent it, who proposed it, who approved or withdrew it, and when.

Method: each thing that two people can want is proposed by one and approved by another
on a real server; entries are looked at wherever they are shown, and the list of
proposals in pages. What is 30 days old is in a ledger that was filled before the server
was started; what is damaged, in the test's process.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from server.services.proposal_list import list_proposals
from switch.codes import Kind, Role
from switch.config import Config
from switch.ids import new_id
from switch.ledger import moves
from switch.ledger.exceptions import Exceptions
from switch.register.identity import Identity
from switch.v1 import admin_pb2 as admin
from switch.v1 import billers_pb2, explain_pb2, types_pb2, wallets_pb2
from switch.v1 import proposals_pb2 as pb
from switch.v1 import results_pb2 as results
from tests.damage import damage_row
from tests.ledger.office import AMOUNT, DAY_S, DEADLINE_S, SECOND, Office
from tests.server.harness import CALL_S, RUPEE, Peers, failing, payment, running
from tests.server.scripted_biller import ScriptedBiller, silent
from tests.server.treasury import (
    ADVANCE,
    POST,
    REFUND,
    VERIFY,
    VOID,
    approve,
    decide,
    expired,
    kept,
    propose,
)

OPEN, EXPIRED = pb.PROPOSAL_STATE_OPEN, pb.PROPOSAL_STATE_EXPIRED
WITHDRAWN, DONE = pb.PROPOSAL_STATE_WITHDRAWN, pb.PROPOSAL_STATE_DONE
APPROVED = pb.PROPOSAL_STATE_APPROVED


@pytest.fixture(scope="module", autouse=True)
def asked(peers: Peers) -> Iterator[ScriptedBiller]:
    """A biller that is asked and says nothing: what is not offered is given back."""
    with ScriptedBiller(peers.biller(), silent) as biller:
        yield biller


def entry_of(peers: Peers, sequence: int) -> types_pb2.Entry:
    """One entry, as the whole ledger's list has it."""
    request = explain_pb2.ListMovementsRequest(
        after_sequence=sequence - 1, sequence=sequence
    )
    [found] = peers.auditor.explain.ListMovements(request, timeout=CALL_S).entries
    return found


def people(entry: types_pb2.Entry) -> tuple[str, str, str]:
    """Sender, maker and checker."""
    return (
        entry.sender.participant,
        entry.maker.participant,
        entry.checker.participant,
    )


def proposals(peers: Peers, size: int = 0, **fields: Any) -> dict[int, pb.Proposal]:
    """All pages, by sequence; newest first."""
    request = pb.ListProposalsRequest(page_size=size, **fields)
    found: list[pb.Proposal] = []
    while True:
        page = peers.auditor.admin.ListProposals(request, timeout=CALL_S)
        found += page.proposals
        request.page_token = page.next_page_token
        if not request.page_token:
            break
        assert len(page.proposals) == size
    sequences = [one.proposed.sequence for one in found]
    assert sequences == sorted(sequences, reverse=True)
    return {one.proposed.sequence: one for one in found}


def withdraw(peers: Peers, proposal: int) -> results.Outcome:
    request = admin.WithdrawRequest(
        id=new_id(), proposal_sequence=proposal, reason="no longer"
    )
    return peers.checker.admin.Withdraw(request, timeout=CALL_S).outcome


# --- entries -------------------------------------------------------------------------


def test_what_one_sends(peers: Peers) -> None:
    paid = peers.centre().pay(payment("ANY", amount=RUPEE))
    assert people(entry_of(peers, paid.sequence)) == ("centre-a", "", "")
    for_it = peers.harness.pay(payment("ANY", amount=RUPEE, centre="centre-a"))
    assert people(entry_of(peers, for_it.sequence)) == ("harness", "", "")
    topped = peers.checker.top_up("centre-a", RUPEE)
    entry = entry_of(peers, topped.sequence)
    assert people(entry) == ("checker", "", "")
    assert not entry.HasField("maker")


def test_what_two_want(peers: Peers) -> None:
    paid = peers.centre().pay(payment("ONCE", amount=3 * RUPEE))
    [refund] = decide(peers, REFUND, paid.sequence, RUPEE)
    assert people(entry_of(peers, refund.sequence)) == (
        *("treasury", "treasury"),
        "checker",
    )
    # The centre's statement and the biller's feed say the same.
    request = wallets_pb2.ListStatementRequest(page_size=1)
    [line] = peers.centre().wallets.ListStatement(request, timeout=CALL_S).lines
    assert line.entry.checker == types_pb2.Actor(participant="checker")
    following = billers_pb2.FollowFeedRequest(
        cursor=refund.sequence - 1, end_at_newest=True
    )
    fed = [
        entry
        for page in peers.biller().billers.FollowFeed(following, timeout=CALL_S)
        for entry in page.events
    ]
    assert people(fed[0]) == ("treasury", "treasury", "checker")
    # Of what became of a hold the row names who sent that, which is nobody of these.
    for kind, held in ((POST, kept(peers)), (VOID, kept(peers))):
        [done] = decide(peers, kind, held.sequence)
        assert people(entry_of(peers, done.sequence)) == ("", "treasury", "checker")
    back = expired(peers)
    [verified] = decide(peers, VERIFY, back.sequence)
    found = proposals(peers, all=True)
    [proposal] = [
        one for one in found.values() if one.done.sequence == verified.sequence
    ]
    assert people(proposal.done) == ("", "treasury", "checker")


def test_by_a_deadline_there_is_nobody(peers: Peers) -> None:
    back = expired(peers)
    listed = peers.auditor.explain.ListMovements(
        explain_pb2.ListMovementsRequest(kind=types_pb2.ENTRY_KIND_EXPIRE, page_size=1),
        timeout=CALL_S,
    ).entries[0]
    assert listed.resolves == back.sequence
    assert people(listed) == ("", "", "")


# --- proposals -----------------------------------------------------------------------


def test_from_the_proposal_to_the_deed(peers: Peers) -> None:
    paid = peers.centre().pay(payment("ONCE", amount=3 * RUPEE)).sequence
    asked = propose(peers.treasury, REFUND, paid, RUPEE).sequence
    one = proposals(peers)[asked]
    assert (one.state, one.proposed.resolves, one.proposed.amount) == (
        OPEN,
        paid,
        RUPEE,
    )
    assert people(one.proposed) == ("treasury", "treasury", "")
    assert not one.HasField("answer")
    assert not one.HasField("done")
    life_ns = one.approve_until_ns - one.proposed.time_ns
    assert life_ns == 30 * DAY_S * 10**9
    reply = approve(peers.checker, asked)
    assert asked not in proposals(peers)
    one = proposals(peers, all=True)[asked]
    assert one.state == DONE
    assert one.answer.sequence == reply.outcome.sequence
    assert people(one.answer) == ("checker", "treasury", "checker")
    assert one.answer.time_ns == reply.outcome.time_ns
    assert one.done.sequence == reply.done[0].sequence
    # The proposal itself says what it said.
    assert people(one.proposed) == ("treasury", "treasury", "")


def test_withdrawn_by_another(peers: Peers) -> None:
    paid = peers.centre().pay(payment("ONCE", amount=3 * RUPEE)).sequence
    asked = propose(peers.treasury, REFUND, paid).sequence
    assert withdraw(peers, asked).result == results.RESULT_OK
    assert asked not in proposals(peers)
    one = proposals(peers, all=True)[asked]
    assert one.state == WITHDRAWN
    assert people(one.answer) == ("checker", "treasury", "")
    assert one.answer.reference == "no longer"
    assert not one.HasField("done")


def test_approved_and_not_done(peers: Peers) -> None:
    """Suspense has nothing to lend."""
    held = kept(peers)
    asked = propose(peers.treasury, ADVANCE, held.sequence).sequence
    reply = approve(peers.checker, asked)
    assert [one.result for one in reply.done] == [results.RESULT_INSUFFICIENT_FUNDS]
    one = proposals(peers, all=True)[asked]
    assert (one.state, one.answer.sequence) == (APPROVED, reply.outcome.sequence)
    assert not one.HasField("done")
    fund = admin.FundSuspenseRequest(id=new_id(), amount=10**6, reason="for advances")
    peers.treasury.admin.FundSuspense(fund, timeout=CALL_S)
    reply = approve(peers.checker, asked)
    one = proposals(peers, all=True)[asked]
    assert (one.state, one.done.sequence) == (DONE, reply.done[0].sequence)
    assert people(one.done) == ("treasury", "treasury", "checker")


def test_a_hold_that_ended_otherwise_is_not_what_was_proposed(peers: Peers) -> None:
    held = kept(peers)
    first = propose(peers.treasury, POST, held.sequence).sequence
    second = propose(peers.treasury, VOID, held.sequence).sequence
    approve(peers.checker, second)
    approve(peers.checker, first)
    found = proposals(peers, all=True)
    assert found[second].state == DONE
    assert found[first].state == APPROVED
    assert not found[first].HasField("done")


def test_pages(peers: Peers) -> None:
    paid = peers.centre().pay(payment("ONCE", amount=9 * RUPEE)).sequence
    for amount in range(1, 4):
        propose(peers.treasury, REFUND, paid, amount)
    whole = proposals(peers, all=True)
    assert len(whole) > 5
    assert set(proposals(peers)) == {
        one.proposed.sequence for one in whole.values() if one.state in (OPEN, EXPIRED)
    }
    for size in (1, 2, len(whole), len(whole) - 1):
        assert list(proposals(peers, size, all=True)) == list(whole)
    request = pb.ListProposalsRequest(page_size=1)
    request.page_token = peers.auditor.admin.ListProposals(
        request, timeout=CALL_S
    ).next_page_token
    request.all = True
    with failing(grpc.StatusCode.INVALID_ARGUMENT):
        peers.auditor.admin.ListProposals(request, timeout=CALL_S)


# --- days later, and with operators --------------------------------------------------


@pytest.fixture(scope="module")
def aged(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Peers, dict[str, int]]]:
    """A server whose ledger has proposals of 31 days ago, by operators with numbers."""
    directory: Path = tmp_path_factory.mktemp("aged")
    now_ns = time.time_ns()
    office = Office(directory / "ledger", now_ns - 31 * DAY_S * SECOND)
    holds = [office.pay()[0] for _ in range(2)]
    office.pass_s(DEADLINE_S + 1)
    asked = [
        office.do(
            moves.propose_post(
                new_id(), hold, AMOUNT, "why", sender=office.treasury, operator=7
            )
        )
        for hold in holds
    ]
    approval = moves.approve(new_id(), asked[0], sender=office.second, operator=9)
    deed = moves.approved_post(office.row(asked[0]), checker=office.second)
    done = office.do(moves.join([approval, deed]))
    office.now_ns = now_ns
    office.pay()
    office.ledger.close()
    with running(directory, "--accept-clock") as server:
        them = Peers(server)
        yield them, {"done": done, "approved": asked[0], "late": asked[1]}
        them.close()


def test_operators_and_what_is_too_old(aged: tuple[Peers, dict[str, int]]) -> None:
    peers, known = aged
    office = peers.get(Role.TREASURY, "second")
    request = pb.ListProposalsRequest(all=True)
    listed = office.admin.ListProposals(request, timeout=CALL_S).proposals
    found = {one.proposed.sequence: one for one in listed}
    maker = types_pb2.Actor(participant="treasury", operator=7)
    checker = types_pb2.Actor(participant="second", operator=9)
    done = found[known["approved"]]
    assert (done.state, done.done.sequence) == (DONE, known["done"])
    assert (done.done.maker, done.done.checker) == (maker, checker)
    assert (done.answer.sender, done.answer.maker) == (checker, maker)
    late = found[known["late"]]
    assert (late.state, late.proposed.maker) == (EXPIRED, maker)
    # It waits still, until somebody takes it back.
    request.all = False
    [waits] = office.admin.ListProposals(request, timeout=CALL_S).proposals
    assert waits == late


def test_a_damaged_proposal_costs_the_list_no_more_than_itself(tmp_path: Path) -> None:
    office = Office(tmp_path)
    holds = [office.pay()[0] for _ in range(3)]
    office.pass_s(DEADLINE_S + 1)
    first, second, third = (office.propose(Kind.POST, hold) for hold in holds)
    node: Any = SimpleNamespace(
        ledger=office.ledger,
        register=office.register,
        exceptions=Exceptions(office.ledger),
        config=Config(),
    )
    caller = Identity(Role.TREASURY, "treasury", office.treasury)

    def listed() -> tuple[list[int], list[int]]:
        reply = list_proposals(node, pb.ListProposalsRequest(), caller)
        found = [one.proposed.sequence for one in reply.proposals]
        return found, list(reply.damaged_sequences)

    assert listed() == ([third, second, first], [])
    damage_row(tmp_path, office.ledger.rows(second, 1).tobytes()[:32])
    assert listed() == ([third, first], [second])
    office.ledger.close()
