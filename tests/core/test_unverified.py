"""Goal: what its deadline gave back stays in question, and its bill claimed, until who
can know says that nothing is credited of it, or it is paid after all.

Method: payments of a biller whose holds expire, answers that come late in every order,
and people; results, rows, counts and what the counter is told are stated here.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from switch.codes import CaseType, Kind, Link, Result, RowFlag
from switch.ledger import moves
from switch.ledger.templates import put_bytes
from switch.payment_states import PaymentState
from tests.core.case_desk import AMOUNT, CaseDesk, Told


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[CaseDesk]:
    """One of them."""
    made = CaseDesk(tmp_path / "ledger")
    yield made
    made.ledger.close()


def is_claimed_by(desk: CaseDesk, held: int) -> bool:
    """Whether the bill of a hold cannot be paid, because of that hold."""
    answer = desk.pay_bill_of(held)
    return answer[:1] + answer[2:3] == (Result.BILL_ALREADY_CLAIMED, held)


def test_what_expires_keeps_its_claim(desk: CaseDesk) -> None:
    held = desk.expired()
    [expire] = desk.ledger.rows(held + 1, 10)
    assert expire["kind"] == Kind.EXPIRE
    assert not expire["flags"] & (RowFlag.RELEASE | RowFlag.CASE | RowFlag.KEEP)
    for reopen in (desk.reopen, desk.rebuild, desk.reopen):
        assert desk.state(held) is PaymentState.UNVERIFIED
        assert is_claimed_by(desk, held)
        assert (desk.cases(), desk.cases(desk.head)) == (1, 1)
        assert desk.ledger.unverified().tolist() == [held]
        assert desk.ledger.holds().tolist() == desk.ledger.kept().tolist() == []
        ledger = desk.ledger
        counts = ledger.holds_count, ledger.kept_count, ledger.unverified_count
        assert counts == (0, 0, 1)
        assert desk.ledger.expiry() == 0
        reopen()
    # The money is back all the same.
    image, _ = desk.ledger.account(desk.wallet)
    assert not image["debits_pending"]
    assert not image["holds_count"]


def test_the_biller_verifies(desk: CaseDesk) -> None:
    held = desk.expired()
    answer = desk.reject(held, "NO SUCH PAYMENT")
    verify = desk.last()
    assert answer == Told(Result.OK, verify.sequence)
    hold = desk.ledger.row(held)
    assert verify.kind == Kind.VERIFY
    assert (verify.resolves, verify.amount, verify.total) == (held, 0, 0)
    for name in ("debit", "credit", "reference", "service", "participant", "operator"):
        assert getattr(verify, name) == getattr(hold, name)
    assert verify.flags & (RowFlag.EVIDENCE | RowFlag.RELEASE | RowFlag.CLAIM) == (
        RowFlag.EVIDENCE | RowFlag.RELEASE | RowFlag.CLAIM
    )
    assert desk.ledger.tail(answer.sequence) == b"NO SUCH PAYMENT"
    assert (desk.cases(), desk.cases(desk.head)) == (0, 0)
    for account in (desk.wallet, desk.head):
        assert desk.ledger.account(account)[0]["changed"] == answer.sequence
    assert desk.ledger.unverified().tolist() == []
    assert desk.state(held) is PaymentState.EXPIRED
    assert desk.ledger.link(held, Link.VERIFY) == answer.sequence
    for reopen in (desk.reopen, desk.rebuild):
        assert desk.reject(held) == answer._replace(repeat=1)
        reopen()
    assert desk.pay_bill_of(held).result is Result.OK


def test_two_people_verify_all_of_a_basket(desk: CaseDesk) -> None:
    held = [
        one.sequence for one in desk.pay_basket(*(desk.payment() for _ in range(3)))
    ]
    alone = desk.hold()
    asked = moves.propose_verify
    hold = desk.ledger.row(held[1])
    early = asked(next(desk.ids), hold, "not due", sender=desk.treasury)
    assert desk.one(early).result is Result.CASE_NOT_FOUND
    desk.pass_deadline()
    # What the biller has said already needs nobody else.
    first = desk.reject(held[0])
    proposal = desk.proposed(
        asked(next(desk.ids), hold, "its day list", sender=desk.treasury),
        approved=False,
    )
    done = moves.approved_verify(proposal, hold, checker=desk.checker)
    nobody = Told(Result.NOT_APPROVED)
    assert desk.do(done) == [first._replace(repeat=1), nobody, nobody]
    own = moves.approve(next(desk.ids), proposal.sequence, sender=desk.treasury)
    assert desk.one(own).result is Result.SAME_PERSON
    assert desk.approve(proposal.sequence).result is Result.OK
    # Approved of a basket is not approved of another payment.
    other = moves.verify(alone)
    other.rows["checker"], other.rows["total"] = desk.checker, proposal.sequence
    assert desk.one(other).result is Result.NOT_APPROVED
    answers = desk.do(done)
    assert [one.result for one in answers] == [Result.OK] * 3
    rows = desk.ledger.rows(answers[1].sequence, 2)
    assert rows["kind"].tolist() == [Kind.VERIFY] * 2
    assert rows["total"].tolist() == [proposal.sequence] * 2
    assert rows["checker"].tolist() == [desk.checker] * 2
    assert not (rows["flags"] & RowFlag.EVIDENCE).any()
    assert (rows["flags"] & RowFlag.RELEASE).all()
    assert desk.do(done) == [one._replace(repeat=1) for one in answers]
    assert desk.ledger.unverified().tolist() == [alone]
    assert desk.cases() == 1
    # Of what nobody has ever asked about there is nothing to say.
    for nothing in (0, held[2] + 10**6, proposal.sequence):
        assert desk.one(moves.verify(int(nothing))).result is Result.HOLD_NOT_FOUND


def test_a_biller_changes_its_mind_without_end(desk: CaseDesk) -> None:
    """It makes at most four rows about a hold by itself."""
    for held in (desk.hold(), desk.expired(), desk.voided()):
        before = desk.ledger.sequence
        for turn in range(12):
            if turn % 3:
                desk.confirm(held, 1 + turn % 2 if turn > 6 else -1)
            else:
                desk.reject(held)
            desk.confirm(held)
        rows = desk.ledger.rows(before + 1, 100)
        assert 0 < len(rows) <= 4
        assert set(rows["kind"].tolist()) <= {Kind.CASE, Kind.VERIFY, Kind.VOID}
    expired = desk.expired()
    told = [desk.reject(expired), desk.confirm(expired), desk.reject(expired)]
    assert [one.result for one in told] == [
        Result.OK, Result.ALREADY_EXPIRED, Result.ALREADY_EXPIRED,
    ]  # fmt: skip
    # It contradicts itself: no row, and the payment stays in question.
    assert told[2].sequence == 0
    assert is_claimed_by(desk, expired)
    assert desk.reject(expired) == told[2]


def test_a_late_confirmation_of_what_is_unverified(desk: CaseDesk) -> None:
    held = desk.expired()
    late = desk.confirm(held, text="CREDITED")
    case = desk.last()
    assert late == Told(Result.ALREADY_EXPIRED, case.sequence, held + 1)
    assert case.total == CaseType.LATE_CONFIRMATION
    assert case.amount == AMOUNT
    # It was in question already.
    assert case.flags & (RowFlag.CASE | RowFlag.KEEP | RowFlag.EVIDENCE) == (
        RowFlag.EVIDENCE
    )
    assert desk.cases() == 1
    assert desk.confirm(held) == late._replace(repeat=1)
    assert desk.confirm(held, AMOUNT - 1) == late._replace(repeat=1)
    assert desk.state(held) is PaymentState.UNVERIFIED
    # The biller takes its credit back.
    verified = desk.reject(held)
    assert verified.result is Result.OK
    assert desk.cases() == 0
    assert desk.state(held) is PaymentState.EXPIRED
    # And has credited it again: the case is opened anew, and counts.
    again = desk.confirm(held)
    assert (again.result, again.repeat) == (Result.ALREADY_EXPIRED, 0)
    assert again.sequence == desk.ledger.sequence
    assert desk.last().flags & RowFlag.CASE
    assert desk.cases() == desk.cases(desk.head) == 1
    assert desk.confirm(held) == again._replace(repeat=1)
    assert desk.state(held) is PaymentState.EXPIRED
    assert desk.ledger.unverified().tolist() == []
    assert is_claimed_by(desk, held)
    # By now only people end it.
    assert desk.reject(held).result is Result.ALREADY_EXPIRED
    hold = desk.ledger.row(held)
    proposal = desk.proposed(
        moves.propose_verify(next(desk.ids), hold, "by phone", sender=desk.treasury)
    )
    done = moves.approved_verify(proposal, hold, checker=desk.checker)
    verified = desk.one(done)
    assert verified.result is Result.OK
    assert desk.cases() == 0
    assert desk.one(done) == verified._replace(repeat=1)
    # What it says after that nobody has seen who wanted it.
    assert desk.confirm(held).repeat == 0
    for reopen in (desk.reopen, desk.rebuild):
        assert desk.one(done) == Told(Result.NOT_APPROVED)
        reopen()
    assert desk.cases() == 1
    assert is_claimed_by(desk, held)


@pytest.mark.parametrize("by_biller", [False, True])
def test_a_bill_that_was_called_off_and_credited(
    desk: CaseDesk, by_biller: bool
) -> None:
    """It cannot be paid again until that is verified."""
    held = desk.hold() if by_biller else desk.voided()
    if by_biller:
        assert desk.reject(held).result is Result.OK
    void = desk.ledger.resolution(held)[0]
    late = desk.confirm(held)
    assert late == Told(Result.ALREADY_VOIDED, desk.ledger.sequence, void)
    assert desk.last().flags & RowFlag.CASE
    assert (desk.cases(), desk.cases(desk.head)) == (1, 1)
    assert desk.state(held) is PaymentState.REVERSED
    for reopen in (desk.reopen, desk.rebuild):
        assert is_claimed_by(desk, held)
        reference = desk.ledger.row(held).reference.rstrip(b"\0")
        light = desk.service(b"LIGHT")
        asked = light, reference, reference, desk.now
        assert desk.ledger.in_the_way(*asked) == held
        reopen()
    rejected = desk.reject(held)
    if by_biller:
        # It has said both: the void again, and nothing is verified by that.
        assert rejected == Told(Result.OK, void, repeat=1)
        assert desk.cases() == 1
        hold = desk.ledger.row(held)
        asked_for = moves.propose_verify(
            next(desk.ids), hold, "asked", sender=desk.treasury
        )
        done = moves.approved_verify(
            desk.proposed(asked_for), hold, checker=desk.checker
        )
        rejected = desk.one(done)
    assert rejected == Told(Result.OK, desk.ledger.sequence)
    assert desk.last().kind == Kind.VERIFY
    assert desk.cases() == desk.cases(desk.head) == 0
    assert desk.ledger.in_the_way(*asked) == 0
    assert desk.pay_bill_of(held).result is Result.OK
    # Now somebody else has it, whatever becomes of the first.
    taker = desk.ledger.sequence
    assert desk.reject(held) == Told(Result.OK, void, repeat=1)
    assert desk.confirm(held).result is Result.ALREADY_VOIDED
    assert desk.ledger.in_the_way(*asked) == taker
    assert desk.pay_bill_of(held).other == taker


@pytest.mark.parametrize("between", [0, 1, 15, 16])
def test_an_older_payment_of_the_bill_was_credited(
    desk: CaseDesk, between: int
) -> None:
    """The 16 payments that took the bill last are looked at."""
    held = desk.voided()
    for _ in range(between):
        later = desk.pay_bill_of(held)
        assert later.result is Result.OK
        assert desk.one(moves.void(later.sequence)).result is Result.OK
    desk.confirm(held)
    reference = desk.ledger.row(held).reference.rstrip(b"\0")
    asked = desk.service(b"LIGHT"), reference, reference, desk.now
    for reopen in (desk.reopen, desk.rebuild):
        is_found = between < 16
        assert desk.ledger.in_the_way(*asked) == (held if is_found else 0)
        if is_found:
            assert is_claimed_by(desk, held)
        reopen()
    assert (desk.pay_bill_of(held).result is Result.OK) == (not is_found)


def test_it_is_paid_after_all(desk: CaseDesk) -> None:
    held, other = desk.expired(), desk.expired()
    hold = desk.ledger.row(held)

    def ask(amount: int, **fields: int) -> Told:
        made = moves.propose_correction(
            next(desk.ids), hold, amount, "credited", sender=desk.treasury
        )
        for name, value in fields.items():
            made.rows[name] = value
        return desk.one(made)

    assert ask(AMOUNT).result is Result.CASE_NOT_FOUND
    case = desk.confirm(held).sequence
    assert ask(AMOUNT, resolves=case).result is Result.HOLD_NOT_FOUND
    assert ask(AMOUNT, resolves=other).result is Result.CASE_NOT_FOUND
    assert ask(AMOUNT + 1).result is Result.EXCEEDS_HOLD
    asked = ask(AMOUNT - 1)
    assert asked.result is Result.OK
    proposal = desk.ledger.row(asked.sequence)
    done = moves.approved_correction(proposal, hold, checker=desk.checker)
    assert desk.one(done).result is Result.NOT_APPROVED
    desk.approve(asked.sequence)
    # Nobody else's payment, accounts or amount are put right by it.
    wrongs = {
        "amount": (AMOUNT,),
        "resolves": (other, case, asked.sequence),
        "debit": (desk.net.wallets[1], 0, 10**6),
        "credit": (desk.net.heads[1][0], desk.wallet),
        "checker": (desk.treasury,),
    }
    for name, values in wrongs.items():
        for value in values:
            wrong = moves.approved_correction(proposal, hold, checker=desk.checker)
            wrong.rows[name] = value
            assert desk.one(wrong) == Told(Result.NOT_APPROVED), (name, value)
    for name in ("id", "reference"):
        wrong = moves.approved_correction(proposal, hold, checker=desk.checker)
        put_bytes(wrong.rows, name, b"another")
        assert desk.one(wrong) == Told(Result.NOT_APPROVED), name
    balances = desk.balance(), desk.balance(desk.head)
    paid = desk.one(done)
    assert paid == Told(Result.OK, desk.ledger.sequence)
    row = desk.last()
    assert row.flags & RowFlag.CASE
    assert (row.total, row.resolves) == (asked.sequence, held)
    assert balances == (
        desk.balance() + AMOUNT - 1,
        desk.balance(desk.head) - AMOUNT + 1,
    )
    assert desk.cases() == desk.cases(desk.head) == 1  # of the other one
    assert desk.ledger.unverified().tolist() == [other]
    assert desk.ledger.link(held, Link.CORRECTION) == paid.sequence
    assert desk.one(done) == paid._replace(repeat=1)
    for reopen in (desk.reopen, desk.rebuild):
        assert desk.state(held) is PaymentState.EXPIRED
        # The claim stays taken for ever; what the biller says again is nothing new.
        assert is_claimed_by(desk, held)
        right = desk.confirm(held, AMOUNT - 1)
        assert right == Told(Result.ALREADY_EXPIRED, other=held + 1)
        assert desk.one(moves.verify(held)).result is Result.HOLD_NOT_FOUND
        assert ask(1).result is Result.CASE_NOT_FOUND
        reopen()
    # That it was not credited is another thing.
    contrary = desk.reject(held)
    assert contrary == Told(Result.ALREADY_EXPIRED, desk.ledger.sequence, held + 1)
    assert desk.last().total == CaseType.LATE_REJECTION
    assert desk.reject(held) == contrary._replace(repeat=1)
    assert desk.ledger.row(contrary.sequence).amount == 0


def test_a_correction_that_comes_too_late(desk: CaseDesk) -> None:
    held = desk.expired()
    hold = desk.ledger.row(held)
    desk.confirm(held)
    done = []
    for _ in range(2):
        proposal = desk.proposed(
            moves.propose_correction(
                next(desk.ids), hold, AMOUNT, "credited", sender=desk.treasury
            )
        )
        done.append(moves.approved_correction(proposal, hold, checker=desk.checker))
    verified = desk.reject(held).sequence
    before = desk.ledger.sequence
    late = Told(Result.CASE_CLOSED, other=verified)
    assert desk.do(*done) == [late, late]
    assert desk.ledger.sequence == before
    # It leaves no row. When the biller has credited it again, that is newer than what
    # they wanted: it is asked for again.
    desk.confirm(held)
    assert desk.do(*done) == [Told(Result.NOT_APPROVED)] * 2
    proposal = desk.proposed(
        moves.propose_correction(
            next(desk.ids), hold, AMOUNT, "credited", sender=desk.treasury
        )
    )
    again = moves.approved_correction(proposal, hold, checker=desk.checker)
    assert desk.one(again).result is Result.OK


def test_a_correction_waits_for_the_money(desk: CaseDesk) -> None:
    held = desk.expired()
    hold = desk.ledger.row(held)
    desk.confirm(held)
    proposal = desk.proposed(
        moves.propose_correction(
            next(desk.ids), hold, AMOUNT, "credited", sender=desk.treasury
        )
    )
    done = moves.approved_correction(proposal, hold, checker=desk.checker)
    suspense, all_of_it = desk.net.suspense, desk.balance()
    spend = moves.transfer(
        next(desk.ids), desk.wallet, suspense, all_of_it, "spent", sender=desk.treasury
    )
    assert desk.one(spend).result is Result.OK
    before = desk.ledger.sequence
    assert desk.one(done) == Told(Result.INSUFFICIENT_FUNDS)
    assert desk.ledger.sequence == before
    back = moves.transfer(
        next(desk.ids), suspense, desk.wallet, all_of_it, "back", sender=desk.treasury
    )
    desk.one(back)
    assert desk.one(done).result is Result.OK


def test_an_account_in_question_does_not_close(desk: CaseDesk) -> None:
    held = desk.expired()
    spend = moves.transfer(
        next(desk.ids), desk.wallet, desk.net.suspense, desk.balance(), "spent",
        sender=desk.treasury,
    )  # fmt: skip
    desk.one(spend)

    def close() -> Result:
        asked = moves.close(next(desk.ids), desk.wallet, "unused", sender=desk.treasury)
        return desk.one(asked).result

    assert close() is Result.CASES_OPEN
    desk.reject(held)
    assert close() is Result.OK
    assert not desk.is_open(desk.wallet)
    # A closed one is in question again, if that is what its biller says.
    assert desk.confirm(held).result is Result.ALREADY_EXPIRED
    assert desk.cases() == 1
