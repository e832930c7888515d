"""Goal: nobody hides an exception: not by an id that another has used, not by looking
while another reads on.

Method: as test_exceptions.py, with people of the treasury who mean harm.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from switch.codes import PROPOSE_ADVANCE, Kind, Link, Result
from switch.ids import new_id
from switch.ledger import exceptions, follower, moves
from switch.ledger.exceptions import Exceptions, Wanted
from switch.ledger.open_matters import ExceptionKind as E
from tests.ledger.office import AMOUNT, DEADLINE_S, Office, offices
from tests.ledger.test_exceptions import ALL, Reader


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    yield from offices(tmp_path)


@pytest.fixture
def reader(office: Office) -> Reader:
    return Reader(office)


def test_what_two_people_asked_for_by_the_same_id_is_told_apart(
    office: Office, reader: Reader
) -> None:
    holds = [office.pay()[0] for _ in range(2)]
    for hold in holds:
        office.confirm(hold)
    posts = [office.ledger.resolution(hold)[0] for hold in holds]
    people, same = (office.treasury, office.second), new_id()
    proposals = [
        office.do(moves.propose_refund(same, post, AMOUNT, "why", sender=person))
        for post, person in zip(posts, people, strict=True)
    ]
    for proposal, person in zip(proposals, reversed(people), strict=True):
        office.do(moves.approve(new_id(), proposal, sender=person))
    assert [kind for kind, _, _ in reader.listed()] == [E.OWED] * 2
    # The second one's is done; the first one's is owed still, and can be done.
    office.do(moves.approved_refund(office.row(proposals[1]), checker=office.treasury))
    [(kind, _, payment)] = reader.listed()
    assert (kind, payment) == (E.OWED, holds[0])
    office.do(moves.approved_refund(office.row(proposals[0]), checker=office.second))
    assert reader.listed() == []


def test_a_deed_whose_id_was_used_up_is_owed_no_more(
    office: Office, reader: Reader
) -> None:
    hold = office.pay()[0]
    office.confirm(hold)
    post, _ = office.ledger.resolution(hold)
    asked = office.propose(Kind.REFUND, post, 1)
    approval = office.approve(asked)
    assert reader.listed() == [(E.OWED, approval, hold)]
    taken = moves.refund_id(office.row(asked).id)
    by = office.treasury
    office.do(moves.top_up(taken, office.float, office.wallet(), 1, "U-1", sender=by))
    deed = moves.approved_refund(office.row(asked), checker=office.second)
    assert office.attempt(deed)["result"] == Result.ID_REUSED
    assert reader.listed() == []


def test_who_looks_while_another_reads_on_hides_nothing(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Exceptions(office.ledger)
    hold = office.pay()[0]
    whole = found._matters.collect

    def collect() -> object:
        # One has read on; meanwhile another reads what comes after that.
        office.confirm(hold, AMOUNT - 1)
        found._matters.read_on()
        return whole()

    monkeypatch.setattr(found._matters, "collect", collect)
    found.find(ALL, office.now_ns)
    monkeypatch.undo()
    items = found.find(ALL, office.now_ns).items
    assert items["kind"].tolist() == [E.AMOUNT_DIFFERS]


def test_of_too_much_the_oldest_are_listed_and_the_others_counted(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exceptions, "LISTED_MAX", 3)
    monkeypatch.setattr(follower, "STEP_ROWS", 1)
    late = [office.pay("LAPSES")[0] for _ in range(3)]
    kept = [office.pay()[0] for _ in range(2)]
    office.pass_s(DEADLINE_S + 1)
    following = Exceptions(office.ledger)
    # Unverified and kept ones alike, by what raised them.
    expiries = [office.ledger.resolution(hold)[0] for hold in late]
    cases = [int(office.cases(hold)[0]) for hold in kept]
    raised = sorted([*expiries, *cases])
    for one in (following, Exceptions(office.ledger)):
        found = one.find(ALL, office.now_ns)
        assert found.items["sequence"].tolist() == raised[:3]
        assert found.more == 2
    # What is asked for is looked for among those.
    only = Wanted(kinds=frozenset({E.KEPT}))
    found = following.find(only, office.now_ns)
    assert set(found.items["payment"].tolist()) <= set(kept)
    assert found.more == 2
    # What became newer by its biller's word stands behind the others.
    for hold in late:
        office.confirm(hold)
    office.reject(late[0])
    for one in (following, Exceptions(office.ledger)):
        found = one.find(ALL, office.now_ns)
        assert found.items["payment"].tolist() == [*kept, late[1]]
        assert found.more == 1
    office.reject(late[1])
    found = following.find(ALL, office.now_ns)
    assert found.items["payment"].tolist() == [*kept, late[2]]
    assert found.more == 0


def test_what_was_proposed_before_a_word_is_not_owed(office: Office) -> None:
    """Whatever it was: nobody who wanted it has judged the word."""
    following = Exceptions(office.ledger)
    kept = [office.pay()[0] for _ in range(3)]
    paid, closed = office.pay()[0], office.pay()[0]
    direct = office.pay("NOW")[0]
    for hold in (paid, closed):
        office.confirm(hold)
    office.confirm(closed, AMOUNT + 1)
    case = office.ledger.link(closed, Link.AMOUNT_DIFFERS)
    office.pass_s(DEADLINE_S + 1)
    wanted = [
        *zip((Kind.POST, Kind.VOID, PROPOSE_ADVANCE), kept, strict=True),
        (Kind.REFUND, office.ledger.resolution(paid)[0]),
        (Kind.CASE_CLOSE, case),
        (Kind.REFUND, direct),
    ]
    for asks, about in wanted:
        office.approve(office.propose(asks, about, AMOUNT))
    owed = Wanted(kinds=frozenset({E.OWED}))
    assert len(following.find(owed, office.now_ns).items) == len(wanted)
    for hold in kept:
        office.confirm(hold, AMOUNT - 1)
    office.reject(paid)
    office.reject(closed)
    for one in (following, Exceptions(office.ledger)):
        items = one.find(owed, office.now_ns).items
        assert items["payment"].tolist() == [direct]
