"""Goal: another amount than was asked about ends nothing: the money stays held until
people, or the biller, say what is right; and meanwhile the citizen can be helped.

Method: confirmations of too little and too much, of single payments and baskets, before
and after the end; what two people do then, and each thing that they cannot.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from switch._core import parse_answers
from switch.codes import CaseType, Kind, Link, Result, RowFlag
from switch.ledger import moves
from switch.payment_states import PaymentState
from switch.v1 import billers_pb2
from tests.core.case_desk import AMOUNT, KEPT, CaseDesk, Told
from tests.core.desk import DEADLINE_S, SECOND_NS


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[CaseDesk]:
    """One of them."""
    made = CaseDesk(tmp_path / "ledger")
    yield made
    made.ledger.close()


def test_the_amount_comes_over_the_wire() -> None:
    sent = billers_pb2.Answer(number=1, amount=2**64 - 1)
    body = billers_pb2.ConnectRequest(answers=[sent]).SerializeToString()
    assert parse_answers(body)["amount"].tolist() == [2**64 - 1]


def test_another_amount_keeps_the_hold(desk: CaseDesk) -> None:
    held = desk.hold()
    differs = desk.confirm(held, AMOUNT - 1, "4999")
    case = desk.last()
    assert differs == Told(Result.AMOUNT_DIFFERS, case.sequence)
    assert case.total == CaseType.AMOUNT_DIFFERS
    assert case.amount == AMOUNT - 1
    assert case.flags & RowFlag.EVIDENCE
    assert case.flags & RowFlag.KEEP
    assert desk.ledger.tail(differs.sequence) == b"4999"
    for account in (desk.wallet, desk.head):
        assert desk.kept_of(account) == (1, AMOUNT)
        assert desk.ledger.account(account)[0]["changed"] == differs.sequence
    # Told again, with whatever amount, it is the same case.
    assert desk.confirm(held, AMOUNT - 1) == differs._replace(repeat=1)
    assert desk.confirm(held, AMOUNT + 1) == differs._replace(repeat=1)
    # Its deadline ends nothing, although it would have been released.
    desk.pass_deadline()
    for reopen in (desk.reopen, desk.rebuild):
        assert desk.ledger.sequence == differs.sequence
        assert desk.ledger.kept().tolist() == desk.ledger.holds().tolist() == [held]
        assert (desk.ledger.kept_count, desk.ledger.holds_count) == (1, 1)
        assert desk.ledger.expiry() == 0
        assert desk.state(held) is PaymentState.KEPT
        assert desk.kept_of() == desk.kept_of(desk.head) == (1, AMOUNT)
        reopen()
    # The right amount after all needs nobody.
    posted = desk.confirm(held)
    assert posted.result is Result.OK
    row = desk.last()
    assert row.kind == Kind.POST
    assert row.flags & RowFlag.KEEP
    assert desk.kept_of() == desk.kept_of(desk.head) == (0, 0)
    assert desk.cases() == 0
    desk.rebuild()
    assert desk.kept_of() == (0, 0)
    assert desk.ledger.holds().tolist() == []


def test_nothing_was_credited_of_a_kept_one(desk: CaseDesk) -> None:
    held = desk.hold()
    desk.confirm(held, 1)
    voided = desk.reject(held)
    assert voided.result is Result.OK
    assert desk.last().flags & RowFlag.KEEP
    assert desk.kept_of() == desk.kept_of(desk.head) == (0, 0)
    assert desk.pay_bill_of(held).result is Result.OK


def test_kept_twice_counts_once(desk: CaseDesk) -> None:
    held = desk.kept()
    assert desk.last().total == CaseType.DEADLINE_PASSED
    assert desk.last().flags & RowFlag.KEEP
    assert desk.kept_of() == (1, AMOUNT)
    desk.confirm(held, AMOUNT + 7)
    assert desk.last().total == CaseType.AMOUNT_DIFFERS
    assert not desk.last().flags & RowFlag.KEEP
    assert desk.kept_of() == (1, AMOUNT)
    desk.reopen()
    assert desk.confirm(held).result is Result.OK
    assert desk.kept_of() == (0, 0)


def test_a_basket_is_asked_about_as_a_sum(desk: CaseDesk) -> None:
    payments = [desk.payment(KEPT) for _ in range(3)]
    for payment, amount in zip(payments, (100, 200, 300), strict=True):
        payment.amount = amount
    held = [one.sequence for one in desk.pay_basket(*payments)]
    # The biller credited the first payment only, or so it says.
    answers = [desk.says(one, amount=100) for one in held]
    outcomes = desk.answer(*answers)
    assert outcomes["result"].tolist() == [Result.AMOUNT_DIFFERS] * 3
    cases = desk.ledger.gather(outcomes["sequence"])
    assert cases["amount"].tolist() == [100] * 3
    assert desk.kept_of() == (3, 600)
    assert desk.ledger.kept().tolist() == held
    assert desk.confirm(held[1], 200).result is Result.AMOUNT_DIFFERS
    assert desk.confirm(held[1], 600).result is Result.OK
    assert desk.last().amount == 200
    assert desk.kept_of() == (2, 400)
    # In one request with another one of them, and after the end of one.
    both = desk.answer(desk.says(held[2]), desk.says(held[0]), desk.says(held[1]))
    assert both["result"].tolist() == [Result.OK] * 3
    assert both["repeat"].tolist() == [0, 0, 1]
    assert desk.kept_of() == (0, 0)


def test_a_confirmation_without_an_amount_is_none(desk: CaseDesk) -> None:
    held, expired = desk.hold(), desk.expired()
    before = desk.ledger.sequence
    for one in (held, expired, 10**6):
        answer = desk.says(expired, amount=0)
        answer["number"] = one
        assert desk.answer(answer)["result"].tolist() == [Result.INVALID_AMOUNT]
    assert desk.ledger.sequence == before
    # Of what was not credited nothing is asked.
    rejection = desk.says(expired, 2)
    rejection["amount"] = 10**6
    assert desk.answer(rejection)["result"].tolist() == [Result.OK]


def test_the_biller_says_later_that_it_was_another_amount(desk: CaseDesk) -> None:
    held = desk.hold()
    posted = desk.confirm(held)
    assert desk.confirm(held) == posted._replace(repeat=1)
    differs = desk.confirm(held, AMOUNT * 2)
    assert differs == Told(Result.AMOUNT_DIFFERS, desk.ledger.sequence, posted.sequence)
    assert not desk.last().flags & (RowFlag.KEEP | RowFlag.CASE)
    assert desk.last().amount == AMOUNT * 2
    assert desk.confirm(held, 1) == differs._replace(repeat=1)
    assert desk.kept_of() == (0, 0)
    assert desk.cases() == 0
    assert desk.state(held) is PaymentState.COMPLETED
    close(desk, differs.sequence)
    again = desk.confirm(held, 1)
    assert (again.result, again.repeat) == (Result.AMOUNT_DIFFERS, 0)
    assert again.sequence == desk.ledger.sequence


def close(desk: CaseDesk, case: int) -> Told:
    """The end of a case, as two people want it."""
    proposal = desk.proposed(
        moves.propose_close(next(desk.ids), case, "seen", sender=desk.treasury)
    )
    return desk.one(moves.approved_close(proposal, checker=desk.checker))


def test_two_people_post_what_was_credited(desk: CaseDesk) -> None:
    held, other, open_ = desk.kept(), desk.kept(), desk.hold(KEPT)
    desk.confirm(held, AMOUNT - 100)

    def ask(amount: int, which: int) -> Told:
        return desk.one(
            moves.propose_post(
                next(desk.ids), which, amount, "as credited", sender=desk.treasury
            )
        )

    assert ask(AMOUNT + 1, held).result is Result.EXCEEDS_HOLD
    assert ask(1, open_).result is Result.CASE_NOT_FOUND
    assert ask(1, desk.ledger.sequence).result is Result.HOLD_NOT_FOUND
    asked = ask(AMOUNT - 100, held)
    proposal = desk.ledger.row(asked.sequence)
    done = moves.approved_post(proposal, checker=desk.checker)
    refused = Told(Result.NOT_APPROVED)
    assert desk.one(done) == refused
    desk.approve(asked.sequence)
    wrongs = (
        ("amount", AMOUNT),
        ("resolves", other),
        ("checker", desk.treasury),
        ("total", 0),
        ("total", held),
    )
    for name, value in wrongs:
        wrong = moves.approved_post(proposal, checker=desk.checker)
        wrong.rows[name] = value
        assert desk.one(wrong) == refused, name
    # More than was held is that, whoever wants it.
    assert desk.one(moves.post(held, AMOUNT + 1)).result is Result.EXCEEDS_HOLD
    posted = desk.one(done)
    assert posted.result is Result.OK
    row = desk.last()
    assert row.flags & RowFlag.KEEP
    assert not row.flags & RowFlag.EVIDENCE
    assert (row.total, row.checker) == (asked.sequence, desk.checker)
    assert desk.kept_of() == desk.kept_of(desk.head) == (1, AMOUNT)
    assert desk.balance(desk.head) == AMOUNT - 100
    assert desk.one(done) == posted._replace(repeat=1)
    # By now the biller and the ledger agree.
    assert desk.confirm(held, AMOUNT - 100) == posted._replace(repeat=1)
    # If it has all of it after all, people have posted too little.
    differs = desk.confirm(held)
    assert differs == Told(Result.AMOUNT_DIFFERS, desk.ledger.sequence, posted.sequence)
    # One that is not kept needs nobody.
    assert desk.one(moves.post(open_, AMOUNT - 1)).result is Result.OK
    assert desk.last().total == desk.last().flags & RowFlag.KEEP == 0


def test_two_people_give_a_kept_basket_back(desk: CaseDesk) -> None:
    held = [one.sequence for one in desk.pay_basket(*map(desk.payment, [KEPT] * 2))]
    other = desk.hold(KEPT)
    desk.pass_deadline()
    hold = desk.ledger.row(held[1])
    proposal = desk.proposed(
        moves.propose_void(next(desk.ids), hold, "no word", sender=desk.treasury)
    )
    alien = moves.approved_void(proposal, desk.ledger.row(other), checker=desk.checker)
    assert desk.one(alien) == Told(Result.NOT_APPROVED)
    done = moves.approved_void(proposal, hold, checker=desk.checker)
    answers = desk.do(done)
    assert [one.result for one in answers] == [Result.OK] * 2
    rows = desk.ledger.rows(answers[0].sequence, 2)
    assert (rows["flags"] & RowFlag.KEEP).all()
    assert (rows["flags"] & RowFlag.RELEASE).all()
    assert desk.kept_of() == (1, AMOUNT)
    assert desk.do(done) == [one._replace(repeat=1) for one in answers]
    for name, value in (("resolves", 0), ("amount", AMOUNT + 1)):
        wrong = moves.propose_void(
            next(desk.ids), desk.ledger.row(other), "x", sender=desk.treasury
        )
        wrong.rows[name] = value
        assert desk.one(wrong).result in (Result.HOLD_NOT_FOUND, Result.EXCEEDS_HOLD)


def test_an_advance_and_its_recovery(desk: CaseDesk) -> None:
    held, other = desk.kept(), desk.kept()
    hold, suspense = desk.ledger.row(held), desk.net.suspense

    def ask(amount: int, which: int = held) -> Told:
        return desk.one(
            moves.propose_advance(
                next(desk.ids), desk.ledger.row(which), amount, "she waits",
                sender=desk.treasury,
            )
        )  # fmt: skip

    assert ask(AMOUNT + 1).result is Result.EXCEEDS_HOLD
    assert ask(1, desk.hold(KEPT)).result is Result.CASE_NOT_FOUND
    first, second = ask(AMOUNT), ask(AMOUNT)
    proposal = desk.ledger.row(first.sequence)
    assert proposal.total == 264
    done = moves.approved_advance(proposal, hold, suspense, checker=desk.checker)
    assert desk.one(done) == Told(Result.NOT_APPROVED)
    desk.approve(first.sequence)
    desk.approve(second.sequence)
    # It is of suspense, and to the wallet whose money is held.
    for name, value in (
        ("debit", desk.net.float_),
        ("credit", desk.net.wallets[1]),
        ("resolves", other),
        ("amount", AMOUNT - 1),
    ):
        wrong = moves.approved_advance(proposal, hold, suspense, checker=desk.checker)
        wrong.rows[name] = value
        assert desk.one(wrong) == Told(Result.NOT_APPROVED), name
    assert desk.one(done) == Told(Result.INSUFFICIENT_FUNDS)
    fill = moves.transfer(
        next(desk.ids), desk.net.float_, suspense, 10 * AMOUNT, "x", sender=1
    )
    desk.one(fill)
    before = desk.balance()
    advance = desk.one(done)
    assert advance.result is Result.OK
    assert not desk.last().flags & RowFlag.CASE
    assert desk.last().total == first.sequence
    assert desk.balance() == before + AMOUNT
    assert desk.cases() == desk.cases(suspense) == 1
    assert desk.cases(desk.head) == 0
    assert desk.ledger.link(held, Link.ADVANCE) == advance.sequence
    once = moves.approved_advance(
        desk.ledger.row(second.sequence), hold, suspense, checker=desk.checker
    )
    assert desk.one(once) == Told(Result.CASE_CLOSED, other=advance.sequence)
    desk.rebuild()
    assert desk.cases() == desk.cases(suspense) == 1
    assert desk.confirm(held).result is Result.OK
    # Not kept any more, and advanced all the same.
    assert desk.one(once).result is Result.HOLD_NOT_FOUND
    recover(desk, advance.sequence)


def recover(desk: CaseDesk, advance: int) -> None:
    """Take it back, after everything that is not that."""
    row = desk.ledger.row(advance)
    wrongs = (
        ("resolves", advance - 1, Result.CASE_NOT_FOUND),
        ("resolves", 10**6, Result.CASE_NOT_FOUND),
        ("debit", desk.net.wallets[1], Result.ACCOUNT_KIND_WRONG),
        ("amount", AMOUNT - 1, Result.NET_DIFFERS),
    )
    for name, value, refused in wrongs:
        made = moves.recover(next(desk.ids), row, "x", sender=desk.treasury)
        made.rows[name] = value
        answer = desk.one(made)
        assert answer == Told(refused, desk.ledger.sequence)
        assert desk.last().kind == Kind.TRANSFER
    before = desk.balance()
    made = moves.recover(next(desk.ids), row, "paid", sender=desk.treasury)
    back = desk.one(made)
    assert back.result is Result.OK
    assert desk.last().total == desk.last().flags == 0
    assert desk.balance() == before - AMOUNT
    assert desk.cases() == desk.cases(desk.net.suspense) == 0
    assert desk.ledger.link(advance, Link.RECOVERY) == back.sequence
    again = moves.recover(next(desk.ids), row, "paid", sender=desk.treasury)
    assert desk.one(again)[::2] == (Result.CASE_CLOSED, back.sequence)
    desk.rebuild()
    assert desk.cases() == desk.cases(desk.net.suspense) == 0


def test_what_is_kept_fills_no_queue(desk: CaseDesk) -> None:
    """A wallet's bound is of what its billers are still asked about."""
    desk.ledger.limit_holds(2)
    held = [desk.hold(KEPT) for _ in range(2)]
    assert int(desk.pay(desk.payment())[0].result) == Result.BILLER_BUSY
    assert int(desk.pay(desk.payment())[0].differing_field) != 0
    desk.now += DEADLINE_S * SECOND_NS
    desk.ask()
    assert desk.ledger.kept().tolist() == held
    more = desk.hold(), desk.hold(KEPT)
    assert int(desk.pay(desk.payment())[0].result) == Result.BILLER_BUSY
    desk.confirm(more[1], 1)
    desk.hold()
    assert int(desk.pay(desk.payment())[0].result) == Result.BILLER_BUSY
