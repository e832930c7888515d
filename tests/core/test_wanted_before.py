"""Goal: what two people want of a payment is done only if they have seen the newest
word of its biller: a proposal from before it is not approved, of whatever kind.

Method: each kind of decision is proposed, then its biller speaks, then another person
approves; and once more in the other order. Core and model answer each request.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from switch.audit import audit
from switch.codes import PROPOSE_ADVANCE, Kind, Policy, Result
from tests import people
from tests.core.market import BILL, CONFIRMED, DEADLINE_S, DUE, ONCE, Market
from tests.records import Outcome, Row


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    made = Market(tmp_path / "ledger")
    yield made
    made.reopen(without_index=True)
    made.pair.compare_all(range(1, len(made.model.rows) + 1))
    made.pair.close()
    # Who approves in a market is nobody's role.
    report = audit(tmp_path / "ledger")
    assert set(report.findings.counts) <= {"senders"}, report.findings


def held(market: Market, policy: Policy = Policy.RELEASE) -> Outcome:
    rules = {**CONFIRMED, "deadline_policy": policy}
    service = market.service(b"S%d" % market.number, **BILL, **ONCE, **rules)
    return market.pay(market.fetch(service, b"K", b"B%d" % market.number))


def kept(market: Market) -> Outcome:
    found = held(market, Policy.KEEP)
    market.wait(DEADLINE_S + 1)
    return found


def paid(market: Market) -> Outcome:
    found = held(market)
    market.answer(found)
    return found


def late(market: Market) -> Outcome:
    """Credited, its biller says, after its deadline gave it back."""
    found = held(market)
    market.wait(DEADLINE_S + 1)
    market.answer(found)
    return found


def differing(market: Market) -> Outcome:
    found = paid(market)
    market.answer(found, amount=DUE + 1)
    return found


def differs(market: Market, found: Outcome) -> Outcome:
    return market.answer(found, amount=DUE - 1)


def rejects(market: Market, found: Outcome) -> Outcome:
    return market.answer(found, confirmed=False)


def credits_anew(market: Market, found: Outcome) -> Outcome:
    """It takes its word back, and gives it once more."""
    assert rejects(market, found).result == Result.OK
    return market.answer(found)


Word = Callable[[Market, Outcome], Outcome]
KINDS: dict[str, tuple[int, Callable[[Market], Outcome], Word]] = {
    "post": (Kind.POST, kept, differs),
    "void": (Kind.VOID, kept, differs),
    "advance": (PROPOSE_ADVANCE, kept, differs),
    "refund": (Kind.REFUND, paid, rejects),
    "refund of what differs": (Kind.REFUND, paid, differs),
    "correction": (Kind.TRANSFER, late, credits_anew),
    "verify": (Kind.VERIFY, late, credits_anew),
    "close": (Kind.CASE_CLOSE, differing, rejects),
}


def about(market: Market, kind: int, found: Outcome) -> int:
    """What a proposal names: the hold, its post, or its case."""
    model = market.model
    if kind == Kind.REFUND:
        return model.resolved[found.sequence]
    if kind == Kind.CASE_CLOSE:
        return model.cases[found.sequence, 5]
    return found.sequence


def deed(market: Market, asked: Row, found: Outcome) -> Row:
    row = market.row(found)
    accounts = {}
    if asked.total == Kind.TRANSFER:
        accounts = {"debit": row.debit, "credit": row.credit}
    elif asked.total == PROPOSE_ADVANCE:
        accounts = {"debit": market.net.suspense, "credit": row.debit}
    return people.done(asked, asked.sequence, checker=people.CHECKER, **accounts)


@pytest.mark.parametrize("name", KINDS)
def test_nobody_has_judged_what_was_said_since(market: Market, name: str) -> None:
    kind, make, say = KINDS[name]
    found = make(market)
    asked = market.propose(kind, about(market, kind, found), DUE)
    assert asked.sequence
    assert say(market, found).repeat == 0
    rows = len(market.model.rows)
    told = market.approve(asked, deed(market, asked, found))
    assert [one.result for one in told] == [Result.OK, Result.NOT_APPROVED]
    # The approval alone has left a row: it can be sent again, and does as little.
    assert len(market.model.rows) == rows + 1
    alone = market.pair.one(deed(market, asked, found), market.tick())
    assert alone.result == Result.NOT_APPROVED
    # Who has seen it may want just the same.
    anew = market.propose(kind, about(market, kind, found), DUE)
    told = market.approve(anew, deed(market, anew, found))
    assert [one.result for one in told] == [Result.OK] * 2


@pytest.mark.parametrize("name", KINDS)
def test_a_word_between_approval_and_deed_counts_as_well(
    market: Market, name: str
) -> None:
    kind, make, say = KINDS[name]
    found = make(market)
    asked = market.propose(kind, about(market, kind, found), DUE)
    assert market.approve(asked)[0].result == Result.OK
    say(market, found)
    alone = market.pair.one(deed(market, asked, found), market.tick())
    assert alone.result == Result.NOT_APPROVED


@pytest.mark.parametrize("name", KINDS)
def test_what_was_done_is_not_undone_by_a_word(market: Market, name: str) -> None:
    kind, make, say = KINDS[name]
    found = make(market)
    asked = market.propose(kind, about(market, kind, found), DUE)
    done = deed(market, asked, found)
    [_, told] = market.approve(asked, done)
    assert told.result == Result.OK
    if name not in ("correction", "verify"):
        say(market, found)
    again = market.pair.one(done, market.tick())
    assert (again.result, again.repeat) == (Result.OK, 1)
    assert again.sequence == told.sequence


def test_of_a_basket_each_payment_has_its_own_word(market: Market) -> None:
    rules = {**CONFIRMED, "deadline_policy": Policy.KEEP}
    service = market.service(b"PAIR", **BILL, **ONCE, **rules)
    both = market.basket(
        *(market.payment(market.fetch(service, b"K", id_)) for id_ in (b"1", b"2"))
    )
    market.wait(DEADLINE_S + 1)
    asked = market.propose(Kind.VOID, both[0].sequence, 1)
    # A biller speaks of all of a basket; here of one alone.
    market.answer(both[1], amount=1)
    deeds = [
        people.done(
            asked, asked.sequence, checker=people.CHECKER, resolves=one.sequence
        )
        for one in both
    ]
    told = market.approve(asked, *deeds)
    assert [one.result for one in told] == [
        *(Result.OK, Result.OK, Result.NOT_APPROVED)
    ]


def test_what_the_deadline_says_is_nobodys_word(market: Market) -> None:
    """It was proposed of an amount that differs, and then the deadline passed."""
    found = held(market, Policy.KEEP)
    differs(market, found)
    asked = market.propose(Kind.VOID, found.sequence, 1)
    market.wait(DEADLINE_S + 1)
    # Said again it is nothing new.
    assert differs(market, found).repeat == 1
    told = market.approve(asked, deed(market, asked, found))
    assert [one.result for one in told] == [Result.OK] * 2
