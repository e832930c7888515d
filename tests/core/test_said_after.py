"""Goal: what a biller says after something was decided is for people, and what people
wanted before that does not end it.

Method: words of the biller and deeds of people in orders that nobody expects, on the
ledger itself; what must be there afterwards is stated beside each.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from switch.codes import CaseType, Kind, Link, Result
from switch.ledger import moves
from tests.core.case_desk import AMOUNT, KEPT, CaseDesk, Told


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[CaseDesk]:
    """One of them."""
    made = CaseDesk(tmp_path / "ledger")
    yield made
    made.ledger.close()


def wants_verify(desk: CaseDesk, held: int) -> int:
    """A proposal to say that nothing is credited."""
    hold = desk.ledger.row(held)
    move = moves.propose_verify(next(desk.ids), hold, "none", sender=desk.treasury)
    return desk.one(move).sequence


def verifies(desk: CaseDesk, proposal: int) -> Told:
    """It is done, if it may be."""
    asked = desk.ledger.row(proposal)
    hold = desk.ledger.row(asked.resolves)
    return desk.one(moves.approved_verify(asked, hold, checker=desk.checker))


def test_one_approval_ends_one_doubt(desk: CaseDesk) -> None:
    held = desk.expired()
    asked = wants_verify(desk, held)
    desk.approve(asked)
    done = verifies(desk, asked)
    assert done.result is Result.OK
    # Sent again it is the same.
    assert verifies(desk, asked) == done._replace(repeat=1)
    # The biller says that it has credited it: nobody has wanted an end of that.
    case = desk.confirm(held)
    assert case.result is Result.ALREADY_EXPIRED
    assert verifies(desk, asked) == Told(Result.NOT_APPROVED)
    assert desk.cases() == 1
    desk.rebuild()
    assert verifies(desk, asked) == Told(Result.NOT_APPROVED)
    again = wants_verify(desk, held)
    desk.approve(again)
    assert verifies(desk, again).result is Result.OK
    assert desk.cases() == 0


def test_what_was_approved_before_the_biller_spoke_ends_nothing(desk: CaseDesk) -> None:
    held = desk.expired()
    asked = wants_verify(desk, held)
    desk.approve(asked)
    assert desk.confirm(held).result is Result.ALREADY_EXPIRED
    assert verifies(desk, asked) == Told(Result.NOT_APPROVED)
    assert desk.cases() == 1


def test_a_basket_is_confirmed_by_its_sum_alone(desk: CaseDesk) -> None:
    payments = [desk.payment(KEPT), desk.payment(KEPT)]
    held = [one.sequence for one in desk.pay_basket(*payments)]
    answers = [desk.says(one) for one in held]
    assert desk.answer(*answers)["result"].tolist() == [Result.OK] * 2
    # It has credited one of the two, it says now.
    outcomes = desk.answer(*(desk.says(one, amount=AMOUNT) for one in held))
    assert outcomes["result"].tolist() == [Result.AMOUNT_DIFFERS] * 2
    assert desk.ledger.row(int(outcomes["sequence"][0])).kind == Kind.CASE


def test_a_credit_of_what_was_refunded_for_its_rejection_is_a_case(
    desk: CaseDesk,
) -> None:
    held = desk.hold()
    posted = desk.confirm(held).sequence
    assert desk.reject(held).result is Result.ALREADY_POSTED
    asked = desk.proposed(
        moves.propose_refund(
            next(desk.ids), posted, AMOUNT, "rejected", sender=desk.treasury
        )
    )
    assert desk.one(moves.approved_refund(asked, checker=desk.checker)).result is (
        Result.OK
    )
    # Its case has ended: both say the same. Now the biller has the money after all.
    told = desk.confirm(held)
    assert told.result is Result.AMOUNT_DIFFERS
    assert told.other == posted
    assert desk.ledger.row(told.sequence).total == CaseType.AMOUNT_DIFFERS
    assert desk.ledger.link(held, Link.AMOUNT_DIFFERS) == told.sequence


@pytest.mark.parametrize("paid", [AMOUNT, AMOUNT - 1])
def test_another_amount_of_what_was_corrected_is_a_case(
    desk: CaseDesk, paid: int
) -> None:
    held = desk.expired()
    assert desk.confirm(held).result is Result.ALREADY_EXPIRED
    hold = desk.ledger.row(held)
    asked = desk.proposed(
        moves.propose_correction(
            next(desk.ids), hold, paid, "paid after all", sender=desk.treasury
        )
    )
    done = desk.one(moves.approved_correction(asked, hold, checker=desk.checker))
    assert done.result is Result.OK
    before = desk.ledger.sequence
    assert desk.confirm(held, paid).result is Result.ALREADY_EXPIRED
    assert desk.ledger.sequence == before
    told = desk.confirm(held, paid - 1)
    end, _ = desk.ledger.resolution(held)
    assert told == Told(Result.AMOUNT_DIFFERS, desk.ledger.sequence, end)
    assert desk.confirm(held, paid - 1) == told._replace(repeat=1)
    desk.rebuild()
    assert desk.confirm(held, paid - 2) == told._replace(repeat=1)
    # Two people close it, and nothing else does.
    desk.confirm(held, paid)
    asked = desk.proposed(
        moves.propose_close(next(desk.ids), told.sequence, "seen", sender=desk.treasury)
    )
    closed = desk.one(moves.approved_close(asked, checker=desk.checker))
    assert closed.result is Result.OK
    assert desk.confirm(held, paid - 1).repeat == 0
