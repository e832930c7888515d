"""Goal: what is approved is listed while it can be done, and its state says the same.

Method: a real ledger and a clock that the test moves, read anew for each question.
"""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from server import convert
from server.services.proposal_list import proposal_message
from switch.codes import Kind, Result
from switch.ids import new_id
from switch.ledger import moves
from switch.ledger.exceptions import Exceptions, Wanted
from switch.ledger.open_matters import ExceptionKind, OpenMatters
from switch.ledger.templates import Templates
from switch.v1 import proposals_pb2 as pb
from tests.ledger.office import AMOUNT, DAY_S, DEADLINE_S, SECOND, Office, offices

if TYPE_CHECKING:
    from server.node import Node

APPROVED, EXPIRED = pb.PROPOSAL_STATE_APPROVED, pb.PROPOSAL_STATE_EXPIRED
WITHDRAWN, DONE = pb.PROPOSAL_STATE_WITHDRAWN, pb.PROPOSAL_STATE_DONE


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    yield from offices(tmp_path)


def message(office: Office, proposal: int) -> pb.Proposal:
    """How a proposal stands."""
    exceptions = Exceptions(office.ledger)
    exceptions.find(Wanted(), office.now_ns)
    node = SimpleNamespace(
        ledger=office.ledger, register=office.register, exceptions=exceptions
    )
    return proposal_message(cast("Node", node), proposal, office.now_ns)


def test_proposals_are_listed_while_they_can_be_done(office: Office) -> None:
    """Of approved refunds: by what is left, a withdrawal, and their age."""

    def listed() -> list[int]:
        matters = OpenMatters(office.ledger)
        matters.read_on()
        found = matters.proposals(unanswered_only=True, now_ns=office.now_ns)
        return [int(proposal) for proposal in found]

    def owed() -> list[int]:
        found = Exceptions(office.ledger).find(Wanted(), office.now_ns).items
        found = found[found["kind"] == ExceptionKind.OWED]
        return [int(proposal) for proposal in found["proposal"]]

    def state(proposal: int) -> int:
        return message(office, proposal).state

    holds = office.pay()[0], office.pay()[0]
    for hold in holds:
        office.confirm(hold)
    posts = [office.ledger.resolution(hold)[0] for hold in holds]
    whole = office.propose(Kind.REFUND, posts[0], AMOUNT)
    part, taken, old = (
        office.propose(Kind.REFUND, post, 1) for post in (posts[0], *posts[1:] * 2)
    )
    office.approve(whole)
    office.approve(taken)
    office.approve(part)
    approved_ns = office.row(office.approve(old)).timestamp
    assert listed() == [whole, part, taken, old]
    deed = moves.approved_refund(office.row(part), checker=office.second)
    office.do(deed)
    assert listed() == [taken, old]
    assert [state(one) for one in (whole, part)] == [APPROVED, DONE]
    office.do(moves.withdraw(new_id(), taken, "not so", sender=office.second))
    assert (listed(), state(taken)) == ([old], WITHDRAWN)
    office.now_ns = approved_ns + 30 * DAY_S * 10**9 - 1
    assert (listed(), owed(), state(old)) == ([old], [old], APPROVED)
    office.now_ns += 1
    assert (listed(), owed(), state(old)) == ([], [], EXPIRED)
    assert state(part) == DONE
    late = moves.approved_refund(office.row(old), checker=office.second)
    assert office.attempt(late)["result"].tolist() == [Result.NOT_APPROVED]


def test_who_withdraws_has_approved_nothing(office: Office) -> None:
    """Half of it is done then, by the word of another."""
    first, other = office.pay(count=2)
    office.pass_s(DEADLINE_S + 1)
    asked = office.propose(Kind.VOID, first)
    approval = moves.approve(new_id(), asked, sender=office.second)
    office.do(approval)
    hold = office.row(first)
    whole = moves.approved_void(office.row(asked), hold, checker=office.second)
    done = office.do(Templates(whole.rows[:1], whole.tails[:1]))
    office.do(moves.withdraw(new_id(), asked, "not so", sender=office.treasury))
    assert office.ledger.resolution(other)[0] == 0
    entry = convert.entry(office.row(done), office.ledger, office.register)
    assert [entry.maker.participant, entry.checker.participant] == [
        "treasury",
        "second",
    ]
    stands = message(office, asked)
    assert stands.state == WITHDRAWN
    assert [by.participant for by in stands.approvals] == ["second"]
    assert stands.answer.sender.participant == "treasury"


def test_what_is_too_old_is_looked_at_no_more(office: Office) -> None:
    """What was approved and is never done is forgotten when it cannot be done."""
    [hold] = office.pay()
    office.confirm(hold)
    post = office.ledger.resolution(hold)[0]
    asked = office.propose(Kind.REFUND, post, 1)
    office.approve(asked)
    matters = OpenMatters(office.ledger)
    matters.read_on()
    assert [one.proposal for one in matters.collect()[0]] == [asked]
    office.now_ns += 30 * DAY_S * 10**9 + SECOND
    office.top_up("bsk-1", 1)
    matters.read_on()
    assert matters.collect()[0] == []
